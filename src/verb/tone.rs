//! Signals of our own: the beep, the sign of trouble, and how each country's telephones ring.

use std::sync::OnceLock;

use crate::audio::tone::RINGBACKS;
use crate::audio::{Clip, RATE};

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Says that a recording begins.
    Beep,
    /// Three rising notes in the place of something that could not be said.
    Trouble,
    /// One period of a ring-back tone: an index into [`RINGBACKS`].
    Ringback(usize),
}

/// A stretch of sound: frequencies in Hz that sound together, and milliseconds.
type Part = (&'static [f64], u64);

/// All that `ringTone` takes.
pub const RING_TONE_NAMES: &[&str] = &{
    let mut names = [""; RINGBACKS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = RINGBACKS[at].name;
        at += 1;
    }
    names
};

impl Tone {
    /// The ring-back tone of that name.
    pub fn ringback(name: &str) -> Option<Tone> {
        RINGBACKS.iter().position(|tone| tone.name == name).map(Tone::Ringback)
    }

    /// Its sound, computed once.
    pub fn clip(self) -> Clip {
        static CLIPS: [OnceLock<Clip>; RINGBACKS.len() + 2] =
            [const { OnceLock::new() }; RINGBACKS.len() + 2];
        let place = match self {
            Tone::Ringback(index) => index.min(RINGBACKS.len() - 1),
            Tone::Beep => RINGBACKS.len(),
            Tone::Trouble => RINGBACKS.len() + 1,
        };
        CLIPS[place].get_or_init(|| self.render()).clone()
    }

    fn render(self) -> Clip {
        match self {
            Tone::Beep => render(&[(&[1000.0], 400)]),
            Tone::Trouble => {
                render(&[(&[950.0], 330), (&[], 30), (&[1400.0], 330), (&[], 30), (&[1800.0], 330)])
            }
            Tone::Ringback(index) => RINGBACKS[index.min(RINGBACKS.len() - 1)].clip(),
        }
    }
}

/// A quarter of full scale for each tone (about -15 dBm0 for one), so that two never clip.
const LEVEL: f64 = 8_000.0;
/// Tones rise and fall in 5 ms, or they would click.
const RAMP: u64 = RATE as u64 / 200;

fn render(parts: &[Part]) -> Clip {
    let mut samples = Vec::new();
    for (frequencies, milliseconds) in parts {
        let length = milliseconds * u64::from(RATE) / 1000;
        for at in 0..length {
            let time = at as f64 / f64::from(RATE);
            let sine = |hz: &f64| (time * hz * std::f64::consts::TAU).sin();
            let ramp = at.min(length - at).min(RAMP) as f64 / RAMP as f64;
            samples.push((frequencies.iter().map(sine).sum::<f64>() * LEVEL * ramp) as i16);
        }
    }
    Clip::new(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zero crossings a second, halved: the pitch of a single tone.
    fn pitch(samples: &[i16]) -> f64 {
        let crossings = samples.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count();
        crossings as f64 / 2.0 * f64::from(RATE) / samples.len() as f64
    }

    #[test]
    fn the_beep_is_one_kilohertz() {
        let clip = Tone::Beep.clip();
        assert_eq!(clip.duration().as_millis(), 400);
        assert!((pitch(clip.samples()) - 1000.0).abs() < 10.0);
        assert!(clip.samples().iter().any(|s| *s > 7_000));
    }

    #[test]
    fn every_country_rings_and_rests() {
        for (index, tone) in RINGBACKS.iter().enumerate() {
            let clip = Tone::Ringback(index).clip();
            assert!(clip.duration().as_millis() >= 2_500, "{}", tone.name);
            assert!(clip.samples().iter().any(|s| *s > 3_000), "{}", tone.name);
            assert!(clip.samples().ends_with(&[0; 1000]), "{}", tone.name);
        }
        assert_eq!(Tone::ringback("fr").map(|t| t.clip().duration().as_secs()), Some(5));
        assert_eq!(Tone::ringback("xx"), None);
    }
}
