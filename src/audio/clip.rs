//! A piece of sound ready to be played: mono 16-bit linear samples at the telephone's rate.

use std::sync::Arc;
use std::time::Duration;

/// Samples a second of every clip and of the G.711 codecs.
pub const RATE: u32 = 8_000;

/// Shared, immutable sound at [`RATE`]; cloning copies a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip(Arc<[i16]>);

impl Clip {
    /// From samples at [`RATE`].
    pub fn new(samples: impl Into<Arc<[i16]>>) -> Self {
        Clip(samples.into())
    }

    /// So much silence.
    pub fn silence(length: Duration) -> Self {
        let samples = length.as_millis() as usize * RATE as usize / 1000;
        Clip(vec![0; samples].into())
    }

    /// The samples.
    pub fn samples(&self) -> &[i16] {
        &self.0
    }

    /// How long it sounds.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.0.len() as u64 * 1_000_000 / u64::from(RATE))
    }
}
