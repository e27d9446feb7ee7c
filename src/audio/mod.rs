//! Sound as samples: clips, codecs, tones, detectors and files. Pure functions and small machines.

pub mod clip;
pub mod codec;

pub use clip::{Clip, RATE};
pub use codec::Codec;
