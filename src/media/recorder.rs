//! One recording in the making: frames of one or two parties, aligned by time, become chunks.
//!
//! Ticks every 20 ms whatever comes, so gaps become silence and the length is true. Never writes
//! a file: chunks go to the node.

use crate::base::Duration;
use crate::media::command::{Event, RecordingEnd, RecordingPlan, SessionId, Tracks};
use crate::media::decoder::{Frame, Heard};
use crate::media::detector::SilenceDetector;
use crate::rtp::FRAME;

/// A recording.
#[derive(Debug)]
pub struct Recorder {
    plan: RecordingPlan,
    chunk: Vec<i16>,
    length: Duration,
    detector: SilenceDetector,
}

impl Recorder {
    /// A chunk holds 200 ms: five writes a second, and no more than that lost with the process.
    const CHUNK_FRAMES: usize = 10;
    /// What one tick adds.
    const TICK: Duration = Duration::from_millis(20);

    /// One that begins now.
    pub fn new(plan: RecordingPlan) -> Self {
        let chunk = Vec::new();
        Recorder { plan, chunk, length: Duration::ZERO, detector: SilenceDetector::default() }
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
        self.detector.handle(real, Self::TICK);
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
        let silence = self.plan.silence.is_some_and(|most| self.detector.silent() >= most);
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
            heard: self.detector.heard(),
        };
        (self.chunk, told)
    }
}
