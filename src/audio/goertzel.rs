//! Listens for single frequencies: the detector of DTMF keys in sound (ITU-T Q.23, Q.24), and
//! what tests ask to learn who hears whom.

use std::f64::consts::PI;

use crate::audio::RATE;
use crate::audio::tone::{DTMF_HIGH, DTMF_KEYS, DTMF_LOW};

/// The mean power of `hz` in samples at [`RATE`]: half the square of the sine's amplitude.
pub fn power_at(samples: &[i16], hz: f64) -> f64 {
    power_at_rate(samples, hz, RATE)
}

/// The same in samples at another rate.
pub fn power_at_rate(samples: &[i16], hz: f64, rate: u32) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let coefficient = 2.0 * (2.0 * PI * hz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    let magnitude = last * last + before * before - coefficient * last * before;
    let length = samples.len() as f64;
    2.0 * magnitude.max(0.0) / (length * length)
}

/// The loudest frequency between 50 Hz and 3,950 Hz, to 5 Hz; `None` in silence.
pub fn loudest_frequency(samples: &[i16]) -> Option<f64> {
    // A second settles it; more would only cost time.
    let samples = &samples[..samples.len().min(RATE as usize)];
    if samples.iter().all(|sample| sample.unsigned_abs() < 16) {
        return None;
    }
    let power = |hz: i32| power_at(samples, f64::from(hz));
    let loudest = (10..=790).map(|step| step * 5).max_by(|&a, &b| power(a).total_cmp(&power(b)));
    loudest.map(f64::from)
}

/// Hears DTMF keys in a stream of samples; each press is told once.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    block: Vec<i16>,
    state: Pressed,
}

/// How far a press has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressed {
    /// No key.
    Up,
    /// A key sounds since so many blocks, too few to be sure.
    Going { key: char, blocks: u8 },
    /// A key was told and still sounds, but for the last so many blocks.
    Down { key: char, missing: u8 },
}

impl DtmfDetector {
    /// Samples in a block: 12.75 ms; the eight frequencies fall apart well, and two blocks fit
    /// into the 40 ms that a press must last (Q.24) wherever they begin.
    const BLOCK: usize = 102;
    /// Blocks until a key counts: between 25 and 38 ms.
    const SURE: u8 = 2;
    /// Blocks without it until a key is up: a drop-out of 10 ms is bridged (Q.24).
    const RELEASE: u8 = 2;
    /// The least power of each of the two: -30 dBm0, where full scale is +3 dBm0.
    const LEAST: f64 = 2.5e5;
    /// How much louder the low frequency may be, and the high one: 8 and 4 dB (Q.24, with
    /// telephone lines that favour the low).
    const TWIST: (f64, f64) = (6.3, 2.5);
    /// How much louder a frequency must be than its neighbours of the same group: 8 dB.
    const CLEAR: f64 = 6.3;
    /// How much of all the power the two must have; speech has more around them.
    const SHARE: f64 = 0.65;
    /// How strong the second harmonic may be, against the fundamental: -10 dB; voices have more.
    const HARMONIC: f64 = 0.1;
    /// How much of the high frequency a block shows at the low one's harmonic.
    const LEAK: f64 = 0.35;

    /// One that has heard nothing.
    pub fn new() -> Self {
        DtmfDetector { block: Vec::with_capacity(Self::BLOCK), state: Pressed::Up }
    }

    /// Takes samples at [`RATE`]; calls `pressed` for each key that goes down in them.
    pub fn handle(&mut self, samples: &[i16], mut pressed: impl FnMut(char)) {
        for &sample in samples {
            self.block.push(sample);
            if self.block.len() == Self::BLOCK {
                let heard = key(&self.block);
                self.block.clear();
                pressed_once(&mut self.state, heard, &mut pressed);
            }
        }
    }
}

impl Default for DtmfDetector {
    fn default() -> Self {
        DtmfDetector::new()
    }
}

fn pressed_once(state: &mut Pressed, heard: Option<char>, pressed: &mut impl FnMut(char)) {
    *state = match (*state, heard) {
        (Pressed::Down { key, .. }, Some(again)) if again == key => {
            Pressed::Down { key, missing: 0 }
        }
        (Pressed::Down { key, missing }, None) if missing + 1 < DtmfDetector::RELEASE => {
            Pressed::Down { key, missing: missing + 1 }
        }
        (Pressed::Going { key, blocks }, Some(again)) if again == key => {
            if blocks + 1 >= DtmfDetector::SURE {
                pressed(key);
                Pressed::Down { key, missing: 0 }
            } else {
                Pressed::Going { key, blocks: blocks + 1 }
            }
        }
        (_, Some(key)) => Pressed::Going { key, blocks: 1 },
        (_, None) => Pressed::Up,
    };
}

/// The key that a block holds.
fn key(block: &[i16]) -> Option<char> {
    let (low, low_power) = clearest(block, &DTMF_LOW)?;
    let (high, high_power) = clearest(block, &DTMF_HIGH)?;
    let (low_louder, high_louder) = DtmfDetector::TWIST;
    if low_power > high_power * low_louder || high_power > low_power * high_louder {
        return None;
    }
    let all: f64 = block.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    if low_power + high_power < DtmfDetector::SHARE * all / block.len() as f64 {
        return None;
    }
    let harmonic = |hz: f64| power_at(block, 2.0 * hz);
    // The harmonic of 697 Hz lies 58 Hz from a high frequency, which leaks into so short a block.
    let leaked = DtmfDetector::LEAK * high_power;
    if harmonic(DTMF_LOW[low]) > DtmfDetector::HARMONIC * low_power + leaked
        || harmonic(DTMF_HIGH[high]) > DtmfDetector::HARMONIC * high_power
    {
        return None;
    }
    Some(DTMF_KEYS[low][high])
}

/// The loudest frequency of a group, if it is loud and clear of the others.
fn clearest(block: &[i16], group: &[f64; 4]) -> Option<(usize, f64)> {
    let powers = group.map(|hz| power_at(block, hz));
    let (at, &power) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let clear =
        powers.iter().enumerate().all(|(n, &other)| n == at || power > DtmfDetector::CLEAR * other);
    (clear && power > DtmfDetector::LEAST).then_some((at, power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::codec::Codec;
    use crate::audio::tone::{self, Tone};
    use crate::base::{Duration, Rng};

    fn heard(samples: &[i16]) -> String {
        let (mut detector, mut keys) = (DtmfDetector::new(), String::new());
        samples.chunks(160).for_each(|chunk| detector.handle(chunk, |key| keys.push(key)));
        keys
    }

    #[test]
    fn every_key_is_heard_once_and_repeats_are_two() {
        let sound = tone::dtmf("0123456789*#ABCD1155w5");
        assert_eq!(heard(sound.samples()), "0123456789*#ABCD11555");
    }

    #[test]
    fn keys_survive_both_laws_noise_and_any_phase() {
        let mut rng = Rng::from_number(23);
        for codec in Codec::ALL {
            let sound = tone::dtmf("159#");
            for offset in [0, 37, 80] {
                let noisy: Vec<i16> = sound.samples()[offset..]
                    .iter()
                    .map(|&s| s.saturating_add(rng.below(400) as i16 - 200))
                    .map(|s| codec.decode_sample(codec.encode_sample(s)))
                    .collect();
                assert_eq!(heard(&noisy), "159#", "{codec:?} {offset}");
            }
        }
    }

    #[test]
    fn short_blips_and_twisted_pairs_are_no_keys() {
        let pair = |low: f64, high: f64, ms| {
            let tone = Tone::new(&[(770.0, low), (1_336.0, high)]);
            tone.samples(Duration::from_millis(ms))
        };
        assert_eq!(heard(&pair(4_000.0, 4_000.0, 100)), "5");
        assert_eq!(heard(&pair(4_000.0, 4_000.0, 20)), "", "20 ms");
        assert_eq!(heard(&pair(6_000.0, 3_500.0, 100)), "5", "4.7 dB");
        assert_eq!(heard(&pair(9_000.0, 2_000.0, 100)), "", "13 dB");
        assert_eq!(heard(&pair(2_000.0, 6_000.0, 100)), "", "-9.5 dB");
        assert_eq!(heard(&pair(60.0, 60.0, 100)), "", "too quiet");
    }

    #[test]
    fn other_sounds_are_no_keys() {
        let single = Tone::new(&[(941.0, 8_000.0)]).samples(Duration::from_millis(500));
        assert_eq!(heard(&single), "");
        assert_eq!(heard(tone::ringback("us").unwrap().samples()), "");
        let mut rng = Rng::from_number(5);
        let noise: Vec<i16> = (0..80_000).map(|_| rng.next_u32() as i16 / 4).collect();
        assert_eq!(heard(&noise), "");
        // A voice: a gliding fundamental with all its harmonics.
        let voice: Vec<i16> = (0..80_000)
            .scan(0.0, |phase, n| {
                *phase += 2.0 * PI * (120.0 + 80.0 * (f64::from(n) / 9_000.0).sin()) / 8_000.0;
                let sum: f64 = (1..20).map(|h| (*phase * f64::from(h)).sin() / f64::from(h)).sum();
                Some((sum * 5_000.0) as i16)
            })
            .collect();
        assert_eq!(heard(&voice), "");
    }

    #[test]
    fn the_loudest_frequency_is_found() {
        let sound = Tone::new(&[(440.0, 9_000.0), (1_000.0, 3_000.0)]);
        let samples = sound.samples(Duration::from_millis(400));
        assert_eq!(loudest_frequency(&samples), Some(440.0));
        assert!((power_at(&samples[800..2_400], 440.0) / 4.05e7 - 1.0).abs() < 0.05);
        assert_eq!(loudest_frequency(&[0; 1_000]), None);
        assert_eq!((loudest_frequency(&[]), power_at(&[], 440.0)), (None, 0.0));
    }
}
