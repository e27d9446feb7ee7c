//! One recording in the making: frames of one or two parties, aligned by time, become chunks.
//!
//! Ticks every 20 ms whatever comes, so gaps become silence and the length is true. Never writes
//! a file: chunks go to the node.

use crate::base::Duration;
use crate::media::command::{Event, RecordingEnd, RecordingPlan, SessionId, Tracks};
use crate::media::decoder::{Frame, Heard};
use crate::media::detector::SilenceCounter;
use crate::rtp::FRAME;

/// A recording.
#[derive(Debug)]
pub struct Recorder {
    plan: RecordingPlan,
    chunk: Vec<i16>,
    length: Duration,
    silence: SilenceCounter,
}

impl Recorder {
    /// A chunk holds 200 ms: five writes a second, and no more than that lost with the process.
    const CHUNK_FRAMES: usize = 10;
    /// What one tick adds.
    const TICK: Duration = Duration::from_millis(20);

    /// One that begins now.
    pub fn new(plan: RecordingPlan) -> Self {
        let chunk = Vec::new();
        Recorder { plan, chunk, length: Duration::ZERO, silence: SilenceCounter::default() }
    }

    /// How it was asked for.
    pub fn plan(&self) -> &RecordingPlan {
        &self.plan
    }

    /// One channel, or two.
    pub fn channels(&self) -> u16 {
        if matches!(self.plan.tracks, Tracks::Dual(_)) { 2 } else { 1 }
    }

    /// The other party, if it is heard too.
    pub fn other(&self) -> Option<SessionId> {
        match self.plan.tracks {
            Tracks::Own => None,
            Tracks::Mixed(other) | Tracks::Dual(other) => Some(other),
        }
    }

    /// Takes 20 ms; tells when that was the end of it.
    pub fn tick(
        &mut self,
        own: Option<Heard<'_>>,
        other: Option<Heard<'_>>,
    ) -> Option<RecordingEnd> {
        const SILENCE: Frame = [0; FRAME];
        let real = own.filter(|heard| heard.real).map(|heard| heard.frame.as_slice());
        self.silence.handle(real, Self::TICK);
        let first = own.map_or(&SILENCE, |heard| heard.frame);
        let second = other.map_or(&SILENCE, |heard| heard.frame);
        match self.plan.tracks {
            Tracks::Own => self.chunk.extend_from_slice(first),
            Tracks::Mixed(_) => {
                self.chunk.extend(first.iter().zip(second).map(|(&a, &b)| a.saturating_add(b)));
            }
            Tracks::Dual(_) => {
                self.chunk.extend(first.iter().zip(second).flat_map(|(&a, &b)| [a, b]));
            }
        }
        self.length += Self::TICK;
        if self.length >= self.plan.max {
            return Some(RecordingEnd::MaxLength);
        }
        let silence = self.plan.silence.is_some_and(|most| self.silence.silent() >= most);
        silence.then_some(RecordingEnd::Silence)
    }

    /// A full chunk, if there is one.
    pub fn poll_chunk(&mut self) -> Option<Vec<i16>> {
        let full = Self::CHUNK_FRAMES * FRAME * usize::from(self.channels());
        (self.chunk.len() >= full)
            .then(|| std::mem::replace(&mut self.chunk, Vec::with_capacity(full)))
    }

    /// Ends it: what is left, and what to tell.
    pub fn finish(self, session: SessionId, end: RecordingEnd) -> (Vec<i16>, Event) {
        let told = Event::Recorded {
            session,
            recording: self.plan.recording,
            end,
            length: self.length,
            heard: self.silence.heard(),
        };
        (self.chunk, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use crate::base::id::RecordingSid;

    fn recorder(silence: u64) -> Recorder {
        Recorder::new(RecordingPlan {
            recording: RecordingSid::random(&mut Rng::from_number(1)),
            tracks: Tracks::Own,
            max: Duration::from_secs(600),
            silence: Some(Duration::from_millis(silence)),
            trim: false,
        })
    }

    /// A frame of noise, evenly distributed; the mean square is a third of the peak's.
    fn noise(rng: &mut Rng, decibels: f64) -> Frame {
        let peak = 32_768.0 * 10f64.powf(decibels / 20.0) * 3f64.sqrt();
        std::array::from_fn(|_| ((rng.unit() * 2.0 - 1.0) * peak) as i16)
    }

    /// Shows it frames until it ends; how many it took.
    fn run(recorder: &mut Recorder, most: usize, mut frame: impl FnMut(usize) -> Frame) -> usize {
        for at in 0..most {
            let frame = frame(at);
            if recorder.tick(Some(Heard { frame: &frame, real: true }), None).is_some() {
                return at + 1;
            }
        }
        panic!("it does not end");
    }

    fn heard(recorder: Recorder) -> bool {
        match recorder.finish(SessionId(1), RecordingEnd::Silence).1 {
            Event::Recorded { heard, .. } => heard,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_noise_of_a_line_is_silence_and_nobody_is_heard_in_it() {
        for level in [-70.0, -55.0, -46.0, -40.0] {
            let (mut rng, mut recorder) = (Rng::from_number(2), recorder(2_000));
            assert_eq!(run(&mut recorder, 200, |_| noise(&mut rng, level)), 100, "{level} dB");
            assert!(!heard(recorder), "{level} dB");
        }
    }

    #[test]
    fn clicks_do_not_begin_the_silence_anew() {
        let (mut rng, mut recorder) = (Rng::from_number(3), recorder(2_000));
        let frames = run(&mut recorder, 200, |at| {
            let mut frame = noise(&mut rng, -55.0);
            if at % 30 == 7 {
                frame[40..56].fill(20_000);
            }
            frame
        });
        assert_eq!(frames, 100);
        assert!(!heard(recorder));
    }

    #[test]
    fn speech_above_noise_is_heard_and_its_end_ends_the_recording() {
        for (line, voice) in [(-46.0, -25.0), (-70.0, -50.0)] {
            let (mut rng, mut recorder) = (Rng::from_number(4), recorder(2_000));
            // Syllables of 140 ms with gaps of 60 ms, from 1 s to 4 s.
            let frames = run(&mut recorder, 400, |at| {
                let speaks = (50..200).contains(&at) && at % 10 < 7;
                noise(&mut rng, if speaks { voice } else { line })
            });
            assert!((296..=300).contains(&frames), "{frames} frames at {voice} dB");
            assert!(heard(recorder), "{voice} dB");
        }
    }
}
