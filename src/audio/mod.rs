//! Sound as samples: clips, codecs, tones, detectors and files. Pure functions and small machines.

pub mod clip;
pub mod codec;
pub mod conceal;
pub mod goertzel;
pub mod level;
pub mod resample;
pub mod tone;
pub mod wav;

pub use clip::{Clip, RATE};
pub use codec::Codec;
