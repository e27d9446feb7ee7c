//! How loud sound is, and whether anybody speaks in it, on lines that are never quite quiet.
//!
//! A fixed threshold takes the hum of a bad line for speech, or quiet speech for silence; here
//! the line's own noise is the measure. Frames are 20 ms; ones that never came are not silence
//! and are not shown to it.

/// The level of no sound at all; one step of 16 bits is about as loud.
pub const SILENCE: f32 = -96.0;

/// The root mean square of a frame in dB below full scale, apart from a constant offset.
pub fn decibels(frame: &[i16]) -> f32 {
    let count = frame.len().max(1) as f64;
    let (sum, squares) = frame.iter().fold((0i64, 0i64), |(sum, squares), &sample| {
        (sum + i64::from(sample), squares + i64::from(sample) * i64::from(sample))
    });
    let mean = sum as f64 / count;
    let variance = (squares as f64 / count - mean * mean).max(0.0);
    let full = 32_768.0 * 32_768.0;
    ((10.0 * (variance / full).log10()) as f32).max(SILENCE)
}

/// Tells speech from the noise of the line.
#[derive(Clone, Debug)]
pub struct SilenceDetector {
    /// The quietest frame of this window and of the last: speech has gaps, so this is the line.
    quietest: [f32; 2],
    /// Frames in this window.
    frames: u32,
    /// Whether the last frames were loud, a bit each.
    loud: u8,
}

impl SilenceDetector {
    /// Frames of a window: 1.5 s. Noise that grows is noise after one to two of them, and nobody
    /// speaks that long without a gap between two sounds.
    pub const WINDOW: u32 = 75;
    /// Speech is this much above the line's noise; noise alone varies by a third of it.
    const MARGIN: f32 = 9.0;
    /// What is quieter is no measure: lines that are gated send nothing at all between words.
    const LEAST_FLOOR: f32 = -65.0;
    /// What is louder is no noise of a line: music and steady tones stay sound.
    const MOST_FLOOR: f32 = -42.0;
    /// Speech is loud in two frames of three; a click is in one.
    const LATELY: u8 = 0b111;

    /// One that has heard nothing.
    pub fn new() -> Self {
        SilenceDetector { quietest: [f32::INFINITY; 2], frames: 0, loud: 0 }
    }

    /// Takes a frame; whether it is silent.
    pub fn handle(&mut self, frame: &[i16]) -> bool {
        let level = without_clicks(frame);
        self.quietest[0] = self.quietest[0].min(level);
        let loud = level > self.floor() + Self::MARGIN;
        self.loud = (self.loud << 1 | u8::from(loud)) & Self::LATELY;
        self.frames += 1;
        if self.frames == Self::WINDOW {
            self.quietest = [f32::INFINITY, self.quietest[0]];
            self.frames = 0;
        }
        self.loud.count_ones() < 2
    }

    /// The noise of the line in dB below full scale, as far as it is taken for noise.
    pub fn floor(&self) -> f32 {
        let quietest = self.quietest[0].min(self.quietest[1]);
        quietest.clamp(Self::LEAST_FLOOR, Self::MOST_FLOOR)
    }
}

impl Default for SilenceDetector {
    fn default() -> Self {
        SilenceDetector::new()
    }
}

/// The level of a frame's second loudest quarter: most clicks are in one quarter, while a voice,
/// though it comes in pulses, is in more.
fn without_clicks(frame: &[i16]) -> f32 {
    let mut levels = [SILENCE; 4];
    let quarter = frame.len().div_ceil(levels.len()).max(1);
    for (level, part) in levels.iter_mut().zip(frame.chunks(quarter)) {
        *level = decibels(part);
    }
    levels.sort_by(f32::total_cmp);
    levels[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use std::f64::consts::TAU;

    const FRAME: usize = 160;

    /// So many frames of noise at a level.
    fn noise(rng: &mut Rng, level: f64, frames: usize) -> Vec<i16> {
        let deviation = 32_768.0 * 10f64.powf(level / 20.0);
        let mut normal = || ((0..4).map(|_| rng.unit()).sum::<f64>() - 2.0) * 3f64.sqrt();
        (0..frames * FRAME).map(|_| (normal() * deviation) as i16).collect()
    }

    /// Syllables of 160 ms with gaps of 60 ms, as loud as said at their loudest, added to `line`.
    fn speak(line: &mut [i16], pitch: f64, level: f64) {
        let amplitude = 32_768.0 * 10f64.powf(level / 20.0) * 1.2;
        for (n, sample) in line.iter_mut().enumerate() {
            let (at, phase) = (n as f64 / 8_000.0, (n % 1_760) as f64 / 1_280.0);
            let loudness = if phase < 1.0 { (phase * TAU / 2.0).sin() } else { 0.0 };
            let voice: f64 = (1..=6).map(|h| (TAU * pitch * f64::from(h) * at).sin()).sum();
            *sample = sample.saturating_add((voice / 1.73 * loudness * amplitude) as i16);
        }
    }

    /// The silent frames, in order.
    fn silent(detector: &mut SilenceDetector, sound: &[i16]) -> Vec<bool> {
        sound.chunks(FRAME).map(|frame| detector.handle(frame)).collect()
    }

    /// The longest run of silent frames.
    fn longest(silent: &[bool]) -> usize {
        silent.split(|silent| !silent).map(<[bool]>::len).max().unwrap_or(0)
    }

    #[test]
    fn levels_are_those_of_the_field() {
        let sine = |amplitude: f64| -> Vec<i16> {
            (0..800).map(|n| ((n as f64 * TAU / 8.0).sin() * amplitude) as i16).collect()
        };
        assert!((decibels(&sine(32_767.0)) + 3.01).abs() < 0.02);
        assert!((decibels(&sine(3_276.7)) + 23.01).abs() < 0.02);
        assert_eq!(decibels(&[]), SILENCE);
        assert_eq!(decibels(&[0; 160]), SILENCE);
        assert_eq!(decibels(&[-5_000; 160]), SILENCE, "an offset is not heard");
        assert!(decibels(&[i16::MIN, i16::MAX]) > -0.01);
    }

    #[test]
    fn noise_of_any_line_is_silence_from_the_beginning() {
        let mut rng = Rng::from_number(1);
        for level in [-90.0, -65.0, -55.0, -48.0, -44.0, -40.0, -37.0] {
            let mut detector = SilenceDetector::new();
            let silent = silent(&mut detector, &noise(&mut rng, level, 250));
            assert!(silent.iter().all(|&silent| silent), "{level} dB");
        }
    }

    #[test]
    fn speech_is_heard_above_any_line_and_its_end_is_found() {
        let mut rng = Rng::from_number(2);
        for (line, voice) in [(-70.0, -20.0), (-70.0, -46.0), (-55.0, -38.0), (-44.0, -22.0)] {
            for pitch in [85.0, 120.0, 220.0] {
                let mut sound = noise(&mut rng, line, 550);
                speak(&mut sound[50 * FRAME..400 * FRAME], pitch, voice);
                let silent = silent(&mut SilenceDetector::new(), &sound);
                let told = format!("{voice} dB at {pitch} Hz above {line} dB");
                assert!(silent[..50].iter().all(|&silent| silent), "{told}");
                let pause = longest(&silent[50..400]);
                assert!(pause <= 10, "{told}: {pause} frames taken for silence");
                assert!(silent[405..].iter().all(|&silent| silent), "{told}: the end");
            }
        }
    }

    #[test]
    fn speech_that_begins_at_once_is_heard() {
        let mut rng = Rng::from_number(3);
        let mut sound = noise(&mut rng, -60.0, 100);
        speak(&mut sound, 120.0, -25.0);
        let silent = silent(&mut SilenceDetector::new(), &sound);
        assert!(longest(&silent) <= 10);
    }

    #[test]
    fn clicks_do_not_end_silence() {
        let mut rng = Rng::from_number(4);
        let mut sound = noise(&mut rng, -60.0, 500);
        for _ in 0..60 {
            let at = rng.below(sound.len() as u64 - 16) as usize;
            sound[at..at + 16].fill(if at.is_multiple_of(2) { 20_000 } else { -20_000 });
        }
        // One thump of 25 ms, as of a handset put down.
        sound[4_000..4_200].iter_mut().for_each(|sample| *sample = sample.saturating_mul(100));
        let silent = silent(&mut SilenceDetector::new(), &sound);
        let heard = silent.iter().filter(|silent| !**silent).count();
        assert!(heard <= 2, "{heard} frames");
    }

    #[test]
    fn noise_that_begins_is_taken_for_speech_for_three_seconds_at_most() {
        let mut rng = Rng::from_number(5);
        let mut detector = SilenceDetector::new();
        assert!(silent(&mut detector, &noise(&mut rng, -65.0, 200)).iter().all(|&silent| silent));
        let fan = silent(&mut detector, &noise(&mut rng, -45.0, 400));
        assert!(!fan[10], "nobody can know yet");
        assert!(fan[150..].iter().all(|&silent| silent));
        let after = silent(&mut detector, &noise(&mut rng, -65.0, 10));
        assert!(after.iter().all(|&silent| silent), "quieter is known at once");
    }

    #[test]
    fn music_and_tones_never_become_silence() {
        let tone: Vec<i16> =
            (0..1_000 * FRAME).map(|n| ((n as f64 * TAU / 18.0).sin() * 1_500.0) as i16).collect();
        let silent = silent(&mut SilenceDetector::new(), &tone);
        assert!(silent[2..].iter().all(|silent| !silent));
        let mut detector = SilenceDetector::new();
        for odd in [&tone[..0], &tone[..1], &tone[..3], &tone[..161]] {
            detector.handle(odd);
        }
    }
}
