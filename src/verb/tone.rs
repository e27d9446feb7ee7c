//! Signals of our own: the beep, the sign of trouble, and how each country's telephones ring.

use std::sync::OnceLock;

use crate::audio::{Clip, RATE};

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Says that a recording begins.
    Beep,
    /// Three falling notes in the place of something that could not be said.
    Trouble,
    /// One period of a ring-back tone: an index into [`RING_TONES`].
    Ringback(usize),
}

/// A stretch of sound: frequencies in Hz that sound together, and milliseconds.
type Part = (&'static [f64], u64);

/// How a country's telephones ring (ITU-T E.180 supplement 2).
#[derive(Debug)]
pub struct RingTone {
    /// The name that `ringTone` takes.
    pub name: &'static str,
    /// One period.
    parts: &'static [Part],
}

const fn ring(name: &'static str, parts: &'static [Part]) -> RingTone {
    RingTone { name, parts }
}

/// 1 s of 425 Hz in 5 s: most of Europe.
const EUROPE: &[Part] = &[(&[425.0], 1000), (&[], 4000)];
/// 1 s of 425 Hz in 4 s.
const SHORT: &[Part] = &[(&[425.0], 1000), (&[], 3000)];
/// North America: 440 and 480 Hz, 2 s in 6 s.
const AMERICA: &[Part] = &[(&[440.0, 480.0], 2000), (&[], 4000)];
/// Double rings of the Commonwealth.
const DOUBLE: &[Part] = &[(&[400.0, 450.0], 400), (&[], 200), (&[400.0, 450.0], 400), (&[], 2000)];

/// All that `ringTone` takes, by name.
pub const RING_TONES: &[RingTone] = &[
    ring("us", AMERICA),
    ring("at", &[(&[420.0], 1000), (&[], 5000)]),
    ring("au", &[(&[413.0, 438.0], 400), (&[], 200), (&[413.0, 438.0], 400), (&[], 2000)]),
    ring("be", &[(&[425.0], 1000), (&[], 3000)]),
    ring("bg", &[(&[425.0], 1000), (&[], 9000)]),
    ring("br", SHORT),
    ring("ch", SHORT),
    ring("cl", &[(&[400.0], 1000), (&[], 3000)]),
    ring("cn", &[(&[450.0], 1000), (&[], 4000)]),
    ring("cz", &[(&[425.0], 1000), (&[], 4000)]),
    ring("de", &[(&[425.0], 1000), (&[], 4000)]),
    ring("dk", &[(&[425.0], 1000), (&[], 4000)]),
    ring("ee", &[(&[425.0], 1000), (&[], 4000)]),
    ring("es", &[(&[425.0], 1500), (&[], 3000)]),
    ring("fi", EUROPE),
    ring("fr", &[(&[440.0], 1500), (&[], 3500)]),
    ring("gr", SHORT),
    ring("hu", &[(&[425.0], 1250), (&[], 3750)]),
    ring("il", &[(&[400.0], 1000), (&[], 3000)]),
    ring("in", &[(&[400.0], 400), (&[], 200), (&[400.0], 400), (&[], 2000)]),
    ring("it", SHORT),
    ring("jp", &[(&[384.0, 416.0], 1000), (&[], 2000)]),
    ring("lt", &[(&[425.0], 1000), (&[], 4000)]),
    ring("mx", SHORT),
    ring("my", DOUBLE),
    ring("nl", &[(&[425.0], 1000), (&[], 4000)]),
    ring("no", &[(&[425.0], 1000), (&[], 4000)]),
    ring("nz", DOUBLE),
    ring("ph", &[(&[425.0, 480.0], 1000), (&[], 4000)]),
    ring("pl", &[(&[425.0], 1000), (&[], 4000)]),
    ring("pt", &[(&[425.0], 1000), (&[], 5000)]),
    ring("ru", &[(&[425.0], 800), (&[], 3200)]),
    ring("se", EUROPE),
    ring("sg", DOUBLE),
    ring("th", SHORT),
    ring("tw", &[(&[440.0, 480.0], 1000), (&[], 2000)]),
    ring("uk", DOUBLE),
    ring("us-old", AMERICA),
    ring("ve", SHORT),
    ring("za", DOUBLE),
];

/// The names of [`RING_TONES`], for the attribute's table.
pub const RING_TONE_NAMES: &[&str] = &{
    let mut names = [""; RING_TONES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = RING_TONES[at].name;
        at += 1;
    }
    names
};

impl Tone {
    /// The ring-back tone of that name.
    pub fn ringback(name: &str) -> Option<Tone> {
        RING_TONES.iter().position(|tone| tone.name == name).map(Tone::Ringback)
    }

    /// Its sound, computed once.
    pub fn clip(self) -> Clip {
        static CLIPS: [OnceLock<Clip>; RING_TONES.len() + 2] =
            [const { OnceLock::new() }; RING_TONES.len() + 2];
        let place = match self {
            Tone::Ringback(index) => index.min(RING_TONES.len() - 1),
            Tone::Beep => RING_TONES.len(),
            Tone::Trouble => RING_TONES.len() + 1,
        };
        CLIPS[place].get_or_init(|| self.render()).clone()
    }

    fn render(self) -> Clip {
        match self {
            Tone::Beep => render(&[(&[1000.0], 400)]),
            Tone::Trouble => {
                render(&[(&[950.0], 330), (&[], 30), (&[1400.0], 330), (&[], 30), (&[1800.0], 330)])
            }
            Tone::Ringback(index) => render(RING_TONES.get(index).map_or(AMERICA, |t| t.parts)),
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
        for (index, tone) in RING_TONES.iter().enumerate() {
            let clip = Tone::Ringback(index).clip();
            assert!(clip.duration().as_millis() >= 2_500, "{}", tone.name);
            assert!(clip.samples().iter().any(|s| *s > 3_000), "{}", tone.name);
            assert!(clip.samples().ends_with(&[0; 1000]), "{}", tone.name);
        }
        assert_eq!(Tone::ringback("fr").map(|t| t.clip().duration().as_secs()), Some(5));
        assert_eq!(Tone::ringback("xx"), None);
    }
}
