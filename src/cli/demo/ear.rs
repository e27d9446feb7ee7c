//! What was heard: tones and seconds of speech in a recording.

use std::path::Path;

use crate::audio::goertzel::{loudest_frequency, power_at};
use crate::audio::{Clip, RATE, wav};

/// Samples that are judged at a time: 50 ms.
const WINDOW: usize = RATE as usize / 20;

/// A mean amplitude above this is sound, below it silence.
const SOUND: u64 = 200;

/// A recording, ready to be judged.
pub(super) struct Heard(Clip);

impl Heard {
    pub(super) fn read(path: &Path) -> Result<Heard, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        wav::read(&bytes).map(Heard).map_err(|error| failed(&error))
    }

    /// Seconds in which a tone is most of what sounds.
    pub(super) fn seconds_of(&self, hertz: f64) -> f64 {
        self.count(|window| {
            let energy: f64 = window.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
            is_sound(window) && power_at(window, hertz) > 0.5 * energy / window.len() as f64
        })
    }

    /// Seconds that sound and are not one steady tone.
    pub(super) fn speech_seconds(&self) -> f64 {
        self.count(is_sound)
    }

    /// The strongest frequency of the whole.
    pub(super) fn loudest(&self) -> Option<f64> {
        loudest_frequency(self.0.samples())
    }

    fn count(&self, judge: impl Fn(&[i16]) -> bool) -> f64 {
        let windows = self.0.samples().chunks_exact(WINDOW).filter(|window| judge(window)).count();
        (windows * WINDOW) as f64 / f64::from(RATE)
    }
}

fn is_sound(window: &[i16]) -> bool {
    let sum: u64 = window.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
    sum / window.len() as u64 > SOUND
}
