//! What was heard: how many seconds a tone was most of the sound.

use std::path::Path;

use offhook::audio::goertzel::power_at;
use offhook::audio::{Clip, wav};

/// Samples that are judged at a time: 50 ms.
const WINDOW: usize = 400;

/// Seconds in which `hertz` has most of the energy of what sounds.
pub fn seconds_of(samples: &[i16], hertz: f64) -> f64 {
    let loud = |window: &&[i16]| {
        let energy: f64 = window.iter().map(|&s| f64::from(s).powi(2)).sum();
        let mean = energy / window.len() as f64;
        mean > 10_000.0 && power_at(window, hertz) > 0.5 * mean
    };
    let windows = samples.chunks_exact(WINDOW).filter(loud).count();
    (windows * WINDOW) as f64 / 8_000.0
}

/// A WAV file as the server's own reader takes it: mono at 8 kHz.
pub fn read_wav(path: &Path) -> Clip {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    wav::read(&bytes).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

/// The same by sox, which knows nothing of our reader: raw samples, mono, 8 kHz.
pub fn read_by_sox(path: &Path) -> Vec<i16> {
    let raw = super::tools::output(
        "sox",
        &[
            path.to_str().expect("a plain name"),
            "-t",
            "raw",
            "-r",
            "8000",
            "-e",
            "signed",
            "-b",
            "16",
            "-c",
            "1",
            "-",
        ],
    );
    raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}
