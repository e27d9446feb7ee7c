//! Voices for `Say`: text becomes a clip for the telephone.
//!
//! A neural Piper voice (`piper`, with phonemes from `phonemes` and our own `normalise` and
//! `letters`) speaks English; `espeak`, where installed, the rest. [`Voices`] picks the closest
//! voice for every name, and caches. A sentence is never dropped: without a voice there are three
//! tones. Synchronous and slow (a tenth of what it sounds): call it on a low-priority blocking
//! thread, never on a media worker. Reads no clock.

mod cache;
mod espeak;
mod letters;
pub mod names;
pub mod normalise;
mod phonemes;
mod piper;
mod shape;
mod voices;

pub use names::{Gender, Locale};
pub use voices::{Choice, Config, LONGEST_TEXT, Voices};

use crate::audio::Clip;
use crate::base::fault::Fault;

/// Something that can speak.
pub trait Voice: Send + Sync {
    /// The name by which markup may ask for exactly this voice.
    fn name(&self) -> &str;

    /// How it sounds.
    fn gender(&self) -> Gender;

    /// What it speaks; nothing if it speaks every language.
    fn locale(&self) -> Option<&Locale>;

    /// Says a text. `gender` is a wish to a voice that can be either.
    fn speak(&self, text: &str, locale: &Locale, gender: Gender) -> Result<Clip, SpeechError>;
}

/// Why a voice did not speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeechError {
    /// No letter, digit or known symbol is in it, or none of a script that the voice can read.
    NothingToSay,
    /// Longer than [`LONGEST_TEXT`] characters.
    TooLong,
    /// The voice's files or program are broken or missing.
    BadVoice {
        /// Which voice.
        voice: String,
        /// What is wrong with it.
        why: String,
    },
}

impl SpeechError {
    /// Who can help.
    pub fn fault(&self) -> Fault {
        match self {
            SpeechError::NothingToSay | SpeechError::TooLong => Fault::Application,
            SpeechError::BadVoice { .. } => Fault::Operator,
        }
    }
}

impl std::fmt::Display for SpeechError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SpeechError::NothingToSay => f.write_str("the text holds nothing that can be said"),
            SpeechError::TooLong => {
                write!(f, "the text is longer than {} characters", LONGEST_TEXT)
            }
            SpeechError::BadVoice { voice, why } => write!(f, "the voice {voice} failed: {why}"),
        }
    }
}

impl std::error::Error for SpeechError {}
