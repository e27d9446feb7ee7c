//! Sound as samples: clips, codecs, tones, detectors and files. Pure functions and small machines.

pub mod clip;

pub use clip::{Clip, RATE};
