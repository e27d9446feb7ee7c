//! How long a party has been silent, for the recordings that its silence ends.
//!
//! What silence is, the line's own noise says; frames that never came are none.

use crate::audio::level::SilenceDetector;
use crate::base::Duration;

/// Counts how long a party has been silent.
#[derive(Clone, Debug, Default)]
pub struct SilenceCounter {
    detector: SilenceDetector,
    silent: Duration,
    heard: bool,
}

impl SilenceCounter {
    /// Takes what the party said in `length`; `None` when nothing came.
    pub fn handle(&mut self, frame: Option<&[i16]>, length: Duration) {
        let Some(frame) = frame else { return };
        if self.detector.handle(frame) {
            self.silent += length;
        } else {
            (self.silent, self.heard) = (Duration::ZERO, true);
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
