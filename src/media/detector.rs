//! What can be told from sound: loud or silent, and how long.
//!
//! Works on decoded frames; frames that never came are not silence.

use crate::base::Duration;

/// Mean magnitude above which a frame is taken for more than line noise: about -48 dBm0.
pub const SILENCE: i32 = 96;

/// Whether a frame is louder than silence.
pub fn is_heard(frame: &[i16]) -> bool {
    let sum: i32 = frame.iter().map(|&sample| i32::from(sample).abs()).sum();
    !frame.is_empty() && sum / frame.len() as i32 > SILENCE
}

/// Counts how long a party has been silent.
#[derive(Clone, Debug, Default)]
pub struct SilenceDetector {
    silent: Duration,
    heard: bool,
}

impl SilenceDetector {
    /// Takes what the party said in `length`; `None` when nothing came.
    pub fn handle(&mut self, frame: Option<&[i16]>, length: Duration) {
        match frame {
            Some(frame) if is_heard(frame) => {
                *self = SilenceDetector { heard: true, ..Self::default() }
            }
            Some(_) => self.silent += length,
            None => {}
        }
    }

    /// How long it has been silent since it was last heard.
    pub fn silent(&self) -> Duration {
        self.silent
    }

    /// Whether it was ever heard.
    pub fn heard(&self) -> bool {
        self.heard
    }
}
