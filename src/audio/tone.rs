//! The sounds of telephones: ringback by country, busy, beep, DTMF, the three tones of an error.
//!
//! Ringing is as in Asterisk's `indications.conf`, which follows ITU-T E.180 supplement 2; Q.23 for
//! keys, E.180 section 8 for the special information tone. Edges are faded: nothing clicks.

use std::f64::consts::PI;

use crate::audio::{Clip, RATE};
use crate::base::Duration;

/// The four low frequencies of DTMF, by row.
pub const DTMF_LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// The four high frequencies of DTMF, by column.
pub const DTMF_HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The keys by row and column.
pub const DTMF_KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Sines that sound together.
#[derive(Clone, Debug, PartialEq)]
pub struct Tone {
    /// Frequency and amplitude of each.
    sines: Vec<(f64, f64)>,
}

impl Tone {
    /// Samples over which a tone rises and falls: 4 ms.
    const FADE: usize = 32;

    /// From frequencies in Hz, each with its amplitude (full scale is 32,767).
    pub fn new(sines: &[(f64, f64)]) -> Self {
        Tone { sines: sines.to_vec() }
    }

    /// So much of it, faded in and out.
    pub fn samples(&self, length: Duration) -> Vec<i16> {
        let count = samples_in(length);
        let fade = Self::FADE.min(count / 2).max(1);
        (0..count)
            .map(|at| {
                let edge = (at + 1).min(count - at).min(fade) as f64 / fade as f64;
                let sum: f64 = self
                    .sines
                    .iter()
                    .map(|&(hz, amplitude)| {
                        amplitude * (2.0 * PI * hz * at as f64 / f64::from(RATE)).sin()
                    })
                    .sum();
                (sum * edge) as i16
            })
            .collect()
    }
}

/// -10 dBm0 or so, for tones of one frequency; halved where two sound together.
const LEVEL: f64 = 6_000.0;
/// Digits of a [`dtmf`] clip at most, as in `rtp::telephone_event::Sender`.
const MAX_DIGITS: usize = 256;
/// How long a key sounds, and the pause behind it, in milliseconds.
const KEY: (u64, u64) = (160, 80);

/// Two sines of the same level.
fn sines(frequencies: &[f64]) -> Tone {
    let level = LEVEL / frequencies.len().max(1) as f64;
    Tone { sines: frequencies.iter().map(|&hz| (hz, level)).collect() }
}

/// Sound and silence in turn, in milliseconds, sound first.
fn cadence(tone: &Tone, pattern: &[u64]) -> Clip {
    let mut samples = Vec::new();
    for (at, &milliseconds) in pattern.iter().enumerate() {
        let length = Duration::from_millis(milliseconds);
        if at % 2 == 0 {
            samples.extend(tone.samples(length));
        } else {
            samples.resize(samples.len() + samples_in(length), 0);
        }
    }
    Clip::new(samples)
}

/// How a country's telephones ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ringback {
    /// The country's code, lower case.
    pub name: &'static str,
    /// Frequencies that sound together.
    tones: &'static [f64],
    /// How often a second the tone swells and fades; zero where it is even.
    modulation: f64,
    /// Milliseconds of sound and silence in turn.
    cadence: &'static [u64],
}

impl Ringback {
    /// One period, to be looped.
    pub fn clip(&self) -> Clip {
        let Tone { sines: even } = sines(self.tones);
        let mut tone = Tone { sines: even.clone() };
        if self.modulation > 0.0 {
            // Amplitude modulation is a carrier with half of it on either side.
            let sides = even.iter().flat_map(|&(hz, level)| {
                [hz - self.modulation, hz, hz + self.modulation]
                    .map(|side| (side, if side == hz { level / 2.0 } else { level / 4.0 }))
            });
            tone = Tone { sines: sides.collect() };
        }
        cadence(&tone, self.cadence)
    }
}

/// One period of a country's ringback, to be looped; `None` for a country that we do not know.
pub fn ringback(country: &str) -> Option<Clip> {
    let country = country.to_ascii_lowercase();
    RINGBACKS.iter().find(|ringback| ringback.name == country).map(Ringback::clip)
}

/// One period of the busy tone, to be looped.
pub fn busy() -> Clip {
    cadence(&sines(&[480.0, 620.0]), &[500, 500])
}

/// The beep before a recording.
pub fn beep() -> Clip {
    cadence(&sines(&[1_000.0]), &[300])
}

/// The special information tone, which says that something went wrong.
pub fn error() -> Clip {
    let mut samples = Vec::new();
    for hz in [950.0, 1_400.0, 1_800.0] {
        samples.extend(sines(&[hz]).samples(Duration::from_millis(330)));
    }
    Clip::new(samples)
}

/// The frequencies of a key.
pub fn key(digit: char) -> Option<(f64, f64)> {
    let digit = digit.to_ascii_uppercase();
    DTMF_KEYS.iter().zip(DTMF_LOW).find_map(|(row, low)| {
        row.iter().zip(DTMF_HIGH).find(|&(&key, _)| key == digit).map(|(_, high)| (low, high))
    })
}

/// Digits as tones, for parties without telephone events; `w` is 0.5 s of pause, `W` 1 s, other
/// characters are left out.
pub fn dtmf(digits: &str) -> Clip {
    let mut samples = Vec::new();
    for digit in digits.chars().take(MAX_DIGITS) {
        let pause = match (digit, key(digit)) {
            ('w', _) => 500,
            ('W', _) => 1_000,
            (_, Some((low, high))) => {
                // The high one is a little louder, because lines are deaf to it (Q.24 allows it).
                let tone = Tone::new(&[(low, 4_000.0), (high, 4_800.0)]);
                samples.extend(tone.samples(Duration::from_millis(KEY.0)));
                KEY.1
            }
            _ => 0,
        };
        samples.resize(samples.len() + samples_in(Duration::from_millis(pause)), 0);
    }
    Clip::new(samples)
}

fn samples_in(length: Duration) -> usize {
    (length.as_micros() * u128::from(RATE) / 1_000_000) as usize
}

const fn ring(
    name: &'static str,
    tones: &'static [f64],
    modulation: f64,
    cadence: &'static [u64],
) -> Ringback {
    Ringback { name, tones, modulation, cadence }
}

/// North America: 2 s in 6 s.
const AMERICA: &[u64] = &[2_000, 4_000];
/// Most of Europe: 1 s in 5 s.
const LONG: &[u64] = &[1_000, 4_000];
/// British cadence: two short rings.
const DOUBLE: &[u64] = &[400, 200, 400, 2_000];

/// All countries. The first is what rings where none is named.
pub const RINGBACKS: &[Ringback] = &[
    ring("us", &[440.0, 480.0], 0.0, AMERICA),
    ring("at", &[420.0], 0.0, &[1_000, 5_000]),
    ring("au", &[413.0, 438.0], 0.0, DOUBLE),
    ring("be", &[425.0], 0.0, &[1_000, 3_000]),
    ring("bg", &[425.0], 0.0, LONG),
    ring("br", &[425.0], 0.0, LONG),
    ring("ch", &[425.0], 0.0, LONG),
    ring("cl", &[400.0], 0.0, &[1_000, 3_000]),
    ring("cn", &[450.0], 0.0, LONG),
    ring("cz", &[425.0], 0.0, LONG),
    ring("de", &[425.0], 0.0, LONG),
    ring("dk", &[425.0], 0.0, LONG),
    ring("ee", &[425.0], 0.0, LONG),
    ring("es", &[425.0], 0.0, &[1_500, 3_000]),
    ring("fi", &[425.0], 0.0, LONG),
    ring("fr", &[440.0], 0.0, &[1_500, 3_500]),
    ring("gr", &[425.0], 0.0, LONG),
    ring("hu", &[425.0], 0.0, &[1_250, 3_750]),
    ring("il", &[414.0], 0.0, &[1_000, 3_000]),
    ring("in", &[400.0], 25.0, DOUBLE),
    ring("it", &[425.0], 0.0, LONG),
    ring("jp", &[400.0], 15.0, &[1_000, 2_000]),
    ring("lt", &[425.0], 0.0, LONG),
    ring("mx", &[425.0], 0.0, LONG),
    ring("my", &[425.0], 0.0, DOUBLE),
    ring("nl", &[425.0], 0.0, LONG),
    ring("no", &[425.0], 0.0, LONG),
    ring("nz", &[400.0, 450.0], 0.0, DOUBLE),
    ring("ph", &[425.0, 480.0], 0.0, LONG),
    ring("pl", &[425.0], 0.0, LONG),
    ring("pt", &[425.0], 0.0, &[1_000, 5_000]),
    ring("ru", &[425.0], 0.0, LONG),
    ring("se", &[425.0], 0.0, &[1_000, 5_000]),
    ring("sg", &[425.0], 24.0, DOUBLE),
    ring("th", &[420.0], 0.0, &[1_000, 5_000]),
    ring("tw", &[440.0, 480.0], 0.0, &[1_000, 2_000]),
    ring("uk", &[400.0, 450.0], 0.0, DOUBLE),
    ring("us-old", &[420.0], 40.0, AMERICA),
    ring("ve", &[425.0], 0.0, LONG),
    ring("za", &[400.0], 33.0, DOUBLE),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::goertzel::{loudest_frequency, power_at};

    #[test]
    fn every_ringing_country_rings_and_pauses_as_it_should() {
        for Ringback { name: country, .. } in RINGBACKS {
            let clip = ringback(country).unwrap();
            let (sound, pause) = (&clip.samples()[..3_200], clip.samples().last_chunk::<8_000>());
            let loudest = loudest_frequency(sound).unwrap();
            assert!((370.0..=490.0).contains(&loudest), "{country}: {loudest}");
            assert_eq!(pause, Some(&[0; 8_000]), "{country}");
        }
        let us = ringback("US").unwrap();
        assert_eq!(us.duration(), Duration::from_secs(6));
        let ring = &us.samples()[..16_000];
        assert!(power_at(ring, 440.0) > 1e6 && power_at(ring, 480.0) > 1e6);
        assert!(ringback("xx").is_none());
        let india = ringback("in").unwrap();
        let (carrier, side) = (power_at(&india.samples()[..3_200], 400.0), 425.0);
        assert!(power_at(&india.samples()[..3_200], side) > carrier / 8.0, "it swells and fades");
        let rings = |country: &str| ringback(country).unwrap().duration().as_millis();
        let periods = ["il", "ru", "ch", "se", "jp", "es"].map(rings);
        assert_eq!(periods, [4_000, 5_000, 5_000, 6_000, 3_000, 4_500]);
    }

    #[test]
    fn nothing_clicks() {
        for clip in [ringback("uk").unwrap(), busy(), beep(), error(), dtmf("5")] {
            let mut last = 0;
            for &sample in clip.samples().iter().chain(&[0]) {
                let step = (i32::from(sample) - last).abs();
                assert!(step < 9_000, "{step}");
                last = i32::from(sample);
            }
            assert!(clip.samples()[0].abs() < 300 && last.abs() < 300);
        }
    }

    #[test]
    fn keys_are_their_two_frequencies() {
        assert_eq!(key('5'), Some((770.0, 1_336.0)));
        assert_eq!(key('d'), Some((941.0, 1_633.0)));
        assert_eq!(key('x'), None);
        assert_eq!(dtmf("1w?W").duration(), Duration::from_millis(240 + 1_500));
        let five = dtmf("5");
        assert!(power_at(&five.samples()[..1_280], 770.0) > 5e6);
        assert!(power_at(&five.samples()[..1_280], 1_336.0) > 5e6);
    }

    #[test]
    fn the_error_is_three_rising_tones() {
        let clip = error();
        let third = clip.samples().len() / 3;
        let heard: Vec<_> = clip.samples().chunks(third).filter_map(loudest_frequency).collect();
        assert_eq!(heard, [950.0, 1_400.0, 1_800.0]);
        assert_eq!(loudest_frequency(beep().samples()), Some(1_000.0));
    }
}
