//! Makes raw synthesis fit for a telephone: silence trimmed, sentences spaced, level even.

use crate::audio::Clip;
use crate::audio::clip::RATE;

/// Speech being put together from sentences at [`RATE`].
#[derive(Default)]
pub(super) struct Speech {
    samples: Vec<f32>,
    pause: usize,
}

impl Speech {
    /// Adds a sentence without the silence around it; `pause` seconds part it from the next.
    pub(super) fn add(&mut self, sentence: &[f32], pause: f32) {
        let sentence = trim(sentence);
        if sentence.is_empty() {
            return;
        }
        self.samples.resize(self.samples.len() + self.pause, 0.0);
        let start = self.samples.len();
        self.samples.extend_from_slice(sentence);
        fade(&mut self.samples[start..]);
        self.pause = (pause * RATE as f32) as usize;
    }

    /// The clip at the telephone's level, or nothing if nothing sounds.
    pub(super) fn finish(mut self) -> Option<Clip> {
        let gain = gain(&self.samples)?;
        let scale = |x: f32| (limit(x * gain) * 32_767.0) as i16;
        Some(Clip::new(self.samples.drain(..).map(scale).collect::<Vec<i16>>()))
    }
}

/// How long to rest after a sentence, by its last mark.
pub(super) fn pause_after(sentence: &str) -> f32 {
    match sentence.trim_end().chars().next_back() {
        Some('.' | '!' | '?') => 0.28,
        Some(':' | ';') => 0.2,
        _ => 0.12,
    }
}

fn trim(samples: &[f32]) -> &[f32] {
    let peak = samples.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    let floor = peak * SILENCE;
    let loud = |frame: &[f32]| frame.iter().any(|x| x.abs() > floor);
    let frames = || samples.chunks(FRAME);
    let (Some(first), Some(last)) = (frames().position(loud), frames().rposition(loud)) else {
        return &[];
    };
    let start = (first * FRAME).saturating_sub(LEAD);
    let end = ((last + 1) * FRAME + TAIL).min(samples.len());
    &samples[start..end]
}

/// 2 ms at each end, against clicks.
fn fade(samples: &mut [f32]) {
    let length = samples.len().min(16);
    for n in 0..length {
        let factor = n as f32 / length as f32;
        samples[n] *= factor;
        let end = samples.len() - 1 - n;
        samples[end] *= factor;
    }
}

/// Brings the mean power of what sounds to [`LEVEL`].
fn gain(samples: &[f32]) -> Option<f32> {
    let power = |frame: &[f32]| frame.iter().map(|x| x * x).sum::<f32>() / frame.len() as f32;
    let loudest = samples.chunks(FRAME).map(power).fold(0.0, f32::max);
    if loudest <= 1e-9 {
        return None;
    }
    // Pauses do not count: ITU-T P.56 measures active speech the same way.
    let active: Vec<f32> =
        samples.chunks(FRAME).map(power).filter(|power| *power > loudest * 0.003).collect();
    let mean = active.iter().sum::<f32>() / active.len() as f32;
    Some(LEVEL / mean.sqrt())
}

/// Bends peaks above [`KNEE`] so that none reaches full scale.
fn limit(x: f32) -> f32 {
    let over = x.abs() - KNEE;
    if over <= 0.0 {
        return x;
    }
    let room = CEILING - KNEE;
    x.signum() * (KNEE + room * (over / room).tanh())
}

/// Amplitude of silence, below the peak: -40 dB.
const SILENCE: f32 = 0.01;
/// 10 ms.
const FRAME: usize = 80;
/// What stays before the first and after the last sound: soft consonants live there.
const LEAD: usize = 160;
const TAIL: usize = 400;
/// -20 dB of full scale, which is about -17 dBm0: what networks are lined up for.
const LEVEL: f32 = 0.1;
const KNEE: f32 = 0.6;
const CEILING: f32 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(level: f32) -> Vec<f32> {
        let mut samples = vec![0.0; 4_000];
        samples.extend((0..8_000).map(|n| (n as f32 * 0.3).sin() * level));
        samples.extend([0.0; 4_000]);
        samples
    }

    #[test]
    fn silence_around_a_sentence_goes_and_the_pause_stays_between() {
        let mut speech = Speech::default();
        speech.add(&burst(0.5), 0.5);
        speech.add(&burst(0.5), 0.5);
        let length = speech.finish().expect("it sounds").samples().len();
        assert_eq!(length, 2 * (8_000 + LEAD + TAIL) + 4_000);
    }

    #[test]
    fn every_level_comes_out_the_same_and_below_full_scale() {
        for level in [0.01, 0.3, 1.0, 4.0] {
            let mut speech = Speech::default();
            speech.add(&burst(level), 0.0);
            let clip = speech.finish().expect("it sounds");
            let middle = &clip.samples()[2_000..6_000];
            let power = middle.iter().map(|x| f32::from(*x).powi(2)).sum::<f32>() / 4_000.0;
            assert!((power.sqrt() / 32_767.0 - LEVEL).abs() < 0.01, "{level}");
        }
        assert!(limit(1e6) < 0.96 && limit(-1e6) > -0.96);
    }

    #[test]
    fn silence_alone_is_nothing() {
        let mut speech = Speech::default();
        speech.add(&[0.0; 9_000], 0.1);
        assert!(speech.finish().is_none());
    }
}
