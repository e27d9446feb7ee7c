//! Changes the sampling rate by a polyphase filter: a windowed sinc, cut off below the lower of
//! the two Nyquist frequencies, so that nothing folds back.
//!
//! For files and synthesised voices, whole at a time; live legs already run at 8 kHz.

use std::f64::consts::PI;

/// A converter between two fixed rates; its filter is computed once.
#[derive(Clone, Debug)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// `up` phases of `taps` coefficients each.
    phases: Vec<f32>,
    taps: usize,
}

impl Resampler {
    /// The rates that are converted, in samples a second.
    pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;
    /// Zero crossings of the sinc on each side; 24 put the stop band 80 dB down.
    const CROSSINGS: usize = 24;
    /// Coefficients that a filter may have: 4 MB. Only coprime pairs of odd rates need more.
    const MAX_COEFFICIENTS: usize = 1 << 20;

    /// From one rate to another; `None` if a rate is out of [`Self::RATES`]. Pairs without a
    /// usable common divisor are met by the nearest ratio, which is off by less than 0.3 %.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        if !Self::RATES.contains(&from) || !Self::RATES.contains(&to) {
            return None;
        }
        let divisor = gcd(from, to);
        let (mut up, mut down) = ((to / divisor) as usize, (from / divisor) as usize);
        let widest = |up: usize, down: usize| 2 * Self::CROSSINGS * up.max(down).div_ceil(up) * up;
        if widest(up, down) > Self::MAX_COEFFICIENTS {
            let scale = up.max(down) as f64 / 10_000.0;
            up = ((up as f64 / scale).round() as usize).max(1);
            down = ((down as f64 / scale).round() as usize).max(1);
        }
        let taps = 2 * Self::CROSSINGS * up.max(down).div_ceil(up);
        Some(Resampler { up, down, phases: filter(up, down, taps), taps })
    }

    /// The samples at the other rate. Beginning and end are filtered as if silence lay around
    /// them; the output is aligned with the input.
    pub fn resample(&self, input: &[i16]) -> Vec<i16> {
        // The cast saturates, as what overshoots must.
        self.samples(input).map(|sample| sample.round() as i16).collect()
    }

    /// The same for samples of any scale, which may overshoot by a little.
    pub fn resample_floats(&self, input: &[f32]) -> Vec<f32> {
        self.samples(input).collect()
    }

    fn samples<S: Copy + Into<f32>>(&self, input: &[S]) -> impl Iterator<Item = f32> {
        let length = (input.len() * self.up).div_ceil(self.down);
        (0..length).map(|at| self.sample(input, at * self.down))
    }

    /// The sample at `position`, counted in steps of the rate that is common to both.
    fn sample<S: Copy + Into<f32>>(&self, input: &[S], position: usize) -> f32 {
        if self.up == self.down {
            return input.get(position / self.up).map_or(0.0, |&sample| sample.into());
        }
        let (at, phase) = (position / self.up, position % self.up);
        let coefficients = &self.phases[phase * self.taps..(phase + 1) * self.taps];
        // The filter reaches from half its taps before `at` to half after.
        let first = at as isize + 1 - (self.taps / 2) as isize;
        let skip = first.min(0).unsigned_abs();
        let from = first.max(0) as usize;
        let Some(window) = input.get(from..) else { return 0.0 };
        coefficients
            .iter()
            .skip(skip)
            .zip(window)
            .map(|(&coefficient, &sample)| coefficient * sample.into())
            .sum()
    }
}

/// The phases of a Blackman-windowed sinc; each phase sums to 1, so that DC is kept exactly.
fn filter(up: usize, down: usize, taps: usize) -> Vec<f32> {
    // In cycles per input sample; 0.92 leaves room for the transition band.
    let cutoff = 0.5 * 0.92 * (up as f64 / down as f64).min(1.0);
    let half = taps as f64 / 2.0;
    let mut phases = Vec::with_capacity(up * taps);
    for phase in 0..up {
        let fraction = phase as f64 / up as f64;
        let row: Vec<f64> = (0..taps)
            .map(|tap| {
                let distance = tap as f64 - (half - 1.0) - fraction;
                let window = 0.42
                    + 0.5 * (PI * distance / half).cos()
                    + 0.08 * (2.0 * PI * distance / half).cos();
                sinc(2.0 * cutoff * distance) * window.max(0.0)
            })
            .collect();
        let sum: f64 = row.iter().sum();
        phases.extend(row.iter().map(|coefficient| (coefficient / sum) as f32));
    }
    phases
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::goertzel::power_at_rate;

    fn sine(hz: f64, rate: u32, seconds: f64) -> Vec<i16> {
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| (10_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as i16)
            .collect()
    }

    fn decibels(ratio: f64) -> f64 {
        10.0 * ratio.log10()
    }

    #[test]
    fn speech_passes_unchanged_at_every_rate_of_files() {
        for rate in [11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
            let down = Resampler::new(rate, 8_000).unwrap();
            for hz in [300.0, 1_000.0, 3_000.0, 3_400.0] {
                let input = sine(hz, rate, 0.5);
                let output = down.resample(&input);
                assert_eq!(output.len(), (input.len() * 8_000).div_ceil(rate as usize));
                let middle = &output[400..3_600];
                let loss = decibels(power_at_rate(middle, hz, 8_000) / 1e8 * 2.0);
                assert!(loss.abs() < 0.5, "{rate} {hz}: {loss} dB");
            }
        }
    }

    #[test]
    fn what_lies_beyond_does_not_fold_back() {
        for rate in [16_000, 22_050, 24_000, 44_100, 48_000] {
            let down = Resampler::new(rate, 8_000).unwrap();
            for hz in [4_800.0, 5_500.0, 7_000.0] {
                let output = down.resample(&sine(hz, rate, 0.5));
                let middle = &output[400..3_600];
                let energy: f64 = middle.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
                let left = decibels(energy / middle.len() as f64 / 5e7);
                assert!(left < -60.0, "{rate} {hz}: {left} dB");
            }
        }
    }

    #[test]
    fn floats_keep_their_scale_and_what_is_finer_than_16_bits() {
        let input: Vec<f32> =
            sine(1_000.0, 22_050, 0.5).iter().map(|&s| f32::from(s) / 1e8).collect();
        let output = Resampler::new(22_050, 8_000).unwrap().resample_floats(&input);
        let scaled: Vec<i16> = output.iter().map(|sample| (sample * 1e8) as i16).collect();
        let loss = decibels(power_at_rate(&scaled[400..3_600], 1_000.0, 8_000) / 1e8 * 2.0);
        assert!(loss.abs() < 0.5, "{loss} dB");
        assert_eq!(Resampler::new(8_000, 8_000).unwrap().resample_floats(&input), input);
    }

    #[test]
    fn going_up_adds_no_images() {
        for rate in [16_000, 24_000, 44_100, 48_000] {
            let output = Resampler::new(8_000, rate).unwrap().resample(&sine(1_000.0, 8_000, 0.5));
            let middle = &output[rate as usize / 10..rate as usize * 4 / 10];
            let wanted = power_at_rate(middle, 1_000.0, rate);
            let image = power_at_rate(middle, 7_000.0, rate);
            assert!(decibels(image / wanted) < -60.0, "{rate}");
        }
    }

    #[test]
    fn edges_constants_and_odd_rates() {
        let down = Resampler::new(16_000, 8_000).unwrap();
        assert_eq!(down.resample(&[]), [0i16; 0]);
        assert_eq!(down.resample(&[5]).len(), 1);
        let flat = down.resample(&[1_000; 2_000]);
        assert!(flat[100..900].iter().all(|&sample| (sample - 1_000).abs() <= 1));
        assert!(Resampler::new(0, 8_000).is_none());
        assert!(Resampler::new(8_000, 400_000).is_none());
        let odd = Resampler::new(383_993, 8_000).unwrap();
        assert!(odd.phases.len() <= Resampler::MAX_COEFFICIENTS * 2);
        assert!(odd.resample(&[0; 383_993]).len().abs_diff(8_000) < 24);
        let loud = Resampler::new(8_000, 16_000).unwrap();
        let square: Vec<i16> =
            (0..800).map(|n| if n / 20 % 2 == 0 { 32_767 } else { -32_768 }).collect();
        assert_eq!(loud.resample(&square).len(), 1_600, "overshoot saturates, does not wrap");
    }
}
