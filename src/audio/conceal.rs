//! Packet loss concealment: what was heard goes on for a moment where packets are missing.
//!
//! After ITU-T G.711 Appendix I: the last pitch periods repeat, one, then two, then three of
//! them, fading from 10 ms on into silence at 60 ms, and what comes next is cross-faded. Its
//! overlap at the start needs 3.75 ms of delay; here the repetition starts shifted to where the
//! sound stopped and drifts back to its place within the same time, which needs none.

/// Samples that are kept: three of the longest periods and the quarter before them, 48.75 ms.
const HISTORY: usize = 390;
/// Periods looked for, in samples: 5 to 15 ms. Higher voices repeat two or more periods at once.
const PERIODS: std::ops::RangeInclusive<usize> = 40..=120;
/// The end of the history that is compared with what was before: 20 ms.
const COMPARED: usize = 160;
/// 10 ms: full loudness until then; another period is repeated from then on, and at 20 ms.
const STEP: usize = 80;
/// 60 ms: silence from then on.
const END: usize = 6 * STEP;

/// Conceals the losses of one stream of 8 kHz.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// What was heard up to the loss, if there is one now.
    history: [i16; HISTORY],
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Hearing,
    /// `done` samples are made up; `shift` is how far the sound stopped from where the period
    /// before began.
    Lost {
        done: usize,
        period: usize,
        shift: f32,
    },
}

impl Concealer {
    /// One that has heard nothing.
    pub fn new() -> Self {
        Concealer { history: [0; HISTORY], state: State::Hearing }
    }

    /// Takes what came; after a loss its beginning is blended with what was made up.
    pub fn hear(&mut self, frame: &mut [i16]) {
        if let State::Lost { done, period, shift } = self.state {
            let lost = |n| self.made_up(n, period, shift);
            // A quarter of a period, and 4 ms more for every 10 ms lost after the first.
            let blend = (period / 4 + (done / STEP).saturating_sub(1) * 32).min(STEP);
            for (n, sample) in frame.iter_mut().take(blend).enumerate() {
                let weight = (n + 1) as f32 / (blend + 1) as f32;
                let (old, new) = (lost(done + n), f32::from(*sample));
                *sample = round(old + (new - old) * weight);
            }
            self.history = std::array::from_fn(|n| {
                // A gap of this length is a gap: there is nothing before it to go on with.
                if done >= END {
                    return 0;
                }
                let at = n + done;
                if at < HISTORY { self.history[at] } else { round(lost(at - HISTORY)) }
            });
            self.state = State::Hearing;
        }
        let new = &frame[frame.len().saturating_sub(HISTORY)..];
        self.history.copy_within(new.len().., 0);
        self.history[HISTORY - new.len()..].copy_from_slice(new);
    }

    /// Makes up what did not come.
    pub fn lose(&mut self, frame: &mut [i16]) {
        let (done, period, shift) = match self.state {
            State::Lost { done, period, shift } => (done, period, shift),
            State::Hearing => {
                let period = pitch(&self.history);
                let last = |back: usize| f32::from(self.history[HISTORY - back]);
                (0, period, last(1) - last(1 + period))
            }
        };
        for (n, sample) in frame.iter_mut().enumerate() {
            *sample = round(self.made_up(done + n, period, shift));
        }
        let done = (done + frame.len()).min(END);
        self.state = State::Lost { done, period, shift };
    }

    /// The sample at `n` after the sound stopped.
    fn made_up(&self, n: usize, period: usize, shift: f32) -> f32 {
        if n >= END {
            return 0.0;
        }
        let quarter = period / 4;
        let drift = quarter.saturating_sub(n) as f32 / (quarter + 1) as f32;
        // Longer repetitions keep a long loss from sounding like a buzzer.
        let stage = n / STEP;
        let mut sample = self.repeated(n, period, (stage + 1).min(3));
        let into = n % STEP;
        if (1..3).contains(&stage) && into < quarter {
            let before = self.repeated(n, period, stage);
            sample = before + (sample - before) * (into + 1) as f32 / (quarter + 1) as f32;
        }
        let fade = n.saturating_sub(STEP) as f32 / (END - STEP) as f32;
        (sample + shift * drift) * (1.0 - fade)
    }

    /// The sample at `n` of the last `count` periods, repeated. Their last quarter blends into
    /// what came before their first sample, so that the ends meet.
    fn repeated(&self, n: usize, period: usize, count: usize) -> f32 {
        let (length, quarter) = (count * period, period / 4);
        let start = HISTORY - length;
        let at = n % length;
        let sample = f32::from(self.history[start + at]);
        let Some(tail) = (at + quarter).checked_sub(length) else { return sample };
        let before = f32::from(self.history[start - quarter + tail]);
        sample + (before - sample) * (tail + 1) as f32 / (quarter + 1) as f32
    }
}

impl Default for Concealer {
    fn default() -> Self {
        Concealer::new()
    }
}

/// The period at which the history's end resembles most what was before it.
fn pitch(history: &[i16; HISTORY]) -> usize {
    let end = &history[HISTORY - COMPARED..];
    let mut best = (0.0, *PERIODS.end());
    for period in PERIODS {
        let before = &history[HISTORY - COMPARED - period..HISTORY - period];
        let (product, energy) = end.iter().zip(before).fold((0i64, 0i64), |(p, e), (&a, &b)| {
            let (a, b) = (i64::from(a), i64::from(b));
            (p + a * b, e + b * b)
        });
        let likeness = product as f64 / (energy as f64).sqrt().max(1.0);
        if likeness > best.0 {
            best = (likeness, period);
        }
    }
    best.1
}

fn round(sample: f32) -> i16 {
    // The cast saturates.
    sample.round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use std::f64::consts::TAU;

    const FRAME: usize = 160;

    /// A voice: harmonics shaped by two formants, its pitch swaying by `sway` as voices do.
    fn voice(pitch: f64, sway: f64, frames: usize) -> Vec<i16> {
        let formant = |hz: f64, at: f64, width: f64| 1.0 / (1.0 + ((hz - at) / width).powi(2));
        let mut phase = 0.0;
        let step = |n: usize| pitch * (1.0 + sway * (TAU * 3.0 * n as f64 / 8_000.0).sin());
        let sound: Vec<f64> = (0..frames * FRAME)
            .map(|n| {
                phase += TAU * step(n) / 8_000.0;
                let harmonics = (1..).take_while(|k| f64::from(*k) * pitch < 3_400.0);
                harmonics
                    .map(|k| {
                        let hz = f64::from(k) * pitch;
                        let loud = formant(hz, 600.0, 150.0) + 0.3 * formant(hz, 1_400.0, 200.0);
                        // Scattered phases: pulses would hide any click.
                        (loud + 0.01) * (phase * f64::from(k) + f64::from(k * k)).sin()
                    })
                    .sum()
            })
            .collect();
        let peak = sound.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
        sound.iter().map(|x| (x / peak * 20_000.0) as i16).collect()
    }

    fn tone(hz: f64, frames: usize) -> Vec<i16> {
        let sample = |n: usize| (TAU * hz * n as f64 / 8_000.0).sin() * 20_000.0;
        (0..frames * FRAME).map(|n| sample(n) as i16).collect()
    }

    /// What is heard when some frames are lost.
    fn conceal(sound: &[i16], mut lost: impl FnMut(usize) -> bool) -> Vec<i16> {
        let (mut concealer, mut out) = (Concealer::new(), sound.to_vec());
        for (n, frame) in out.chunks_mut(FRAME).enumerate() {
            if lost(n) { concealer.lose(frame) } else { concealer.hear(frame) }
        }
        out
    }

    /// The largest step from one sample to the next.
    fn jump(sound: &[i16]) -> i32 {
        let steps = sound.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
        steps.max().unwrap_or(0)
    }

    fn product(a: &[i16], b: &[i16]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    const PITCHES: [f64; 8] = [75.0, 90.0, 110.0, 140.0, 180.0, 220.0, 280.0, 350.0];

    #[test]
    fn what_comes_is_not_changed_without_losses() {
        let sound = voice(120.0, 0.02, 20);
        assert_eq!(conceal(&sound, |_| false), sound);
    }

    #[test]
    fn losses_click_neither_where_they_begin_nor_where_they_end() {
        let mut rng = Rng::from_number(1);
        for pitch in PITCHES {
            for (name, sound) in [("voice", voice(pitch, 0.02, 400)), ("tone", tone(pitch, 400))] {
                for loss in [0.03, 0.05] {
                    let heard = conceal(&sound, |n| n > 4 && rng.unit() < loss);
                    let (made, own) = (jump(&heard), jump(&sound));
                    assert!(made * 4 <= own * 5, "{name} of {pitch} Hz: {made} for {own}");
                }
            }
        }
    }

    #[test]
    fn the_first_lost_frame_is_as_loud_and_as_high_as_it_would_have_been() {
        for pitch in PITCHES {
            for sound in [voice(pitch, 0.0, 60), tone(pitch, 60)] {
                for lost in [10, 23, 37, 51] {
                    let heard = conceal(&sound, |n| n == lost);
                    let frame = lost * FRAME..(lost + 1) * FRAME;
                    let (was, is) = (&sound[frame.clone()], &heard[frame]);
                    let [power, own] = [product(is, is), product(was, was)];
                    let level = 10.0 * (power / own).log10();
                    assert!(level.abs() < 2.0, "{pitch} Hz: {level} dB");
                    let likeness = product(is, was) / (power * own).sqrt();
                    assert!(likeness > 0.8, "{pitch} Hz, frame {lost}: alike by {likeness}");
                }
            }
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_within_60_ms_and_the_return_is_soft() {
        let sound = voice(120.0, 0.02, 60);
        let heard = conceal(&sound, |n| (20..40).contains(&n));
        let power = |frame: usize| {
            let frame = &heard[frame * FRAME..(frame + 1) * FRAME];
            product(frame, frame)
        };
        assert!(power(20) > power(21) && power(21) > power(22) && power(22) > 0.0);
        assert!(heard[23 * FRAME..40 * FRAME].iter().all(|&sample| sample == 0));
        assert!(jump(&heard) * 4 <= jump(&sound) * 5);
        assert_eq!(heard[40 * FRAME + STEP..], sound[40 * FRAME + STEP..]);
    }

    #[test]
    fn nothing_heard_and_extreme_samples_are_borne() {
        let mut frame = [1; FRAME];
        Concealer::new().lose(&mut frame);
        assert_eq!(frame, [0; FRAME]);
        let mut concealer = Concealer::new();
        for n in 0..40 {
            let mut long: Vec<i16> =
                (0..n * 20).map(|n| if n / 31 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
            concealer.hear(&mut long);
            concealer.lose(&mut long);
        }
        concealer.lose(&mut []);
        concealer.hear(&mut []);
    }
}
