//! Brings a voice's sampling rate down (or up) to the telephone's 8,000 Hz.
//!
//! A Kaiser-windowed sinc low-pass evaluated as a polyphase filter: flat to 3.4 kHz, at least
//! 65 dB down from 4 kHz on, so that nothing folds back into the telephone band.

use std::sync::OnceLock;

use crate::audio::clip::RATE;

/// Converts `input` at `rate` to [`RATE`].
pub(super) fn to_telephone(input: &[f32], rate: u32) -> Vec<f32> {
    if rate == RATE || rate == 0 {
        return input.to_vec();
    }
    // Nearly every voice has this rate; its filter is designed once.
    static USUAL: OnceLock<Polyphase> = OnceLock::new();
    match rate {
        22_050 => USUAL.get_or_init(|| Polyphase::new(rate)).run(input),
        _ => Polyphase::new(rate).run(input),
    }
}

struct Polyphase {
    /// Input steps by `down` for every `up` output phases.
    up: usize,
    down: usize,
    half: usize,
    /// `up` rows of `2 * half` taps.
    taps: Vec<f32>,
}

impl Polyphase {
    fn new(rate: u32) -> Self {
        let divisor = gcd(rate, RATE);
        let (up, down) = ((RATE / divisor) as usize, (rate / divisor) as usize);
        let lower = f64::from(rate.min(RATE));
        // 3.7 kHz of 8 kHz: the middle of the transition band, in cycles per input sample.
        let cutoff = lower * (3_700.0 / 8_000.0) / f64::from(rate);
        let transition = lower * (600.0 / 8_000.0) / f64::from(rate);
        // Kaiser's estimate of the length for the attenuation and the transition band.
        let length = (ATTENUATION - 7.95) / (14.36 * transition);
        let half = (length / 2.0).ceil() as usize;
        let mut taps = vec![0.0f32; up * 2 * half];
        for phase in 0..up {
            let offset = phase as f64 / up as f64;
            let row = &mut taps[phase * 2 * half..(phase + 1) * 2 * half];
            for (k, tap) in row.iter_mut().enumerate() {
                let x = k as f64 + 1.0 - half as f64 - offset;
                *tap = (2.0 * cutoff * sinc(2.0 * cutoff * x) * kaiser(x / half as f64)) as f32;
            }
            // Unity gain at zero frequency in every phase, or a steady tone would warble.
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|tap| *tap /= sum);
        }
        Polyphase { up, down, half, taps }
    }

    fn run(&self, input: &[f32]) -> Vec<f32> {
        let length = input.len() * self.up / self.down;
        let mut output = Vec::with_capacity(length);
        for n in 0..length {
            let at = n * self.down;
            let (base, phase) = (at / self.up, at % self.up);
            let row = &self.taps[phase * 2 * self.half..(phase + 1) * 2 * self.half];
            // Tap k meets input sample base + k + 1 - half.
            let skip = (self.half - 1).saturating_sub(base);
            let first = base + skip + 1 - self.half;
            let window = input.get(first..).unwrap_or_default();
            output.push(row[skip..].iter().zip(window).map(|(tap, x)| tap * x).sum());
        }
        output
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) }
}

/// The Kaiser window over -1..1 for [`ATTENUATION`].
fn kaiser(x: f64) -> f64 {
    let beta = 0.1102 * (ATTENUATION - 8.7);
    if x.abs() >= 1.0 { 0.0 } else { bessel(beta * (1.0 - x * x).sqrt()) / bessel(beta) }
}

/// The modified Bessel function of order zero, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Stop-band attenuation in dB: below the noise of 8-bit companding.
const ATTENUATION: f64 = 70.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32) -> Vec<f32> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..rate).map(|n| (step * f64::from(n)).sin() as f32).collect()
    }

    fn level(samples: &[f32]) -> f32 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let power = middle.iter().map(|x| x * x).sum::<f32>() / middle.len() as f32;
        10.0 * (power * 2.0).log10()
    }

    #[test]
    fn keeps_the_telephone_band_and_nothing_above() {
        for hertz in [100.0, 1000.0, 3000.0, 3400.0] {
            let out = to_telephone(&tone(hertz, 22_050), 22_050);
            assert_eq!(out.len(), 8_000);
            assert!(level(&out).abs() < 0.2, "{hertz} Hz: {} dB", level(&out));
        }
        for hertz in [4_050.0, 5_000.0, 8_000.0, 10_000.0] {
            let out = to_telephone(&tone(hertz, 22_050), 22_050);
            assert!(level(&out) < -60.0, "{hertz} Hz: {} dB", level(&out));
        }
    }

    #[test]
    fn the_tone_stays_in_place() {
        let out = to_telephone(&tone(440.0, 16_000), 16_000);
        let same = tone(440.0, 8_000);
        let worst = out[200..7800].iter().zip(&same[200..7800]).map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f32::max) < 0.01);
    }

    #[test]
    fn short_and_empty_inputs() {
        assert!(to_telephone(&[], 22_050).is_empty());
        assert_eq!(to_telephone(&[0.5; 3], 22_050).len(), 1);
        assert_eq!(to_telephone(&[0.5; 3], 8_000), [0.5; 3]);
    }
}
