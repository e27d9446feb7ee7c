//! A scripted party: what it is played, says and records, on the clock of the flow.

use std::collections::VecDeque;

use crate::base::id::RecordingSid;
use crate::base::{Duration, Instant};
use crate::leg::{Event, Record, RecordingEnd};

/// Times that one party speaks in a flow: its steps are bounded too.
const MOST_SPEECHES: usize = 1_000;

/// One leg.
#[derive(Debug)]
pub(super) struct Party {
    /// How far it is.
    pub state: State,
    /// The verb that runs on it.
    pub verb: Option<&'static str>,
    /// What is played to it, first in, first out.
    plays: VecDeque<(u64, Duration)>,
    /// When the first of them ends.
    until: Option<Instant>,
    recording: Option<Recording>,
    /// From when to when it spoke.
    speeches: Vec<(Instant, Instant)>,
}

/// How far a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It rings.
    Ringing,
    /// It rings, and nobody will take it.
    Ignored,
    /// It talks.
    Talking,
    /// It is over.
    Gone,
}

/// A recording that runs.
#[derive(Debug)]
pub(super) struct Recording {
    /// How it was ordered.
    pub order: Record,
    began: Instant,
}

impl Party {
    pub(super) fn new() -> Self {
        Party {
            state: State::Ringing,
            verb: None,
            plays: VecDeque::new(),
            until: None,
            recording: None,
            speeches: Vec::new(),
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.state != State::Gone
    }

    /// Puts a sound after what is queued.
    pub(super) fn play(&mut self, now: Instant, play: u64, length: Duration) {
        self.plays.push_back((play, length));
        if self.until.is_none() {
            self.until = Some(now + length);
        }
    }

    pub(super) fn stop_playing(&mut self) {
        self.plays.clear();
        self.until = None;
    }

    /// When the sound that is played ends.
    pub(super) fn playing_until(&self) -> Option<Instant> {
        self.until
    }

    /// Ends the sound that is played.
    pub(super) fn played(&mut self, now: Instant) -> Option<Event> {
        let (play, _) = self.plays.pop_front()?;
        self.until = self.plays.front().map(|(_, length)| now + *length);
        Some(Event::Played(play))
    }

    pub(super) fn speak(&mut self, now: Instant, length: Duration) {
        if self.speeches.len() < MOST_SPEECHES {
            self.speeches.push((now, now + length));
        }
    }

    pub(super) fn speeches(&self) -> &[(Instant, Instant)] {
        &self.speeches
    }

    pub(super) fn record(&mut self, now: Instant, order: Record) {
        self.recording = Some(Recording { order, began: now });
    }

    pub(super) fn recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }

    /// Ends the recording of that name, or whichever runs.
    pub(super) fn take_recording(&mut self, sid: Option<RecordingSid>) -> Option<Recording> {
        let fits = |recording: &Recording| sid.is_none_or(|sid| recording.order.recording == sid);
        if self.recording.as_ref().is_some_and(fits) { self.recording.take() } else { None }
    }
}

impl Recording {
    /// When it ends by itself, and why.
    pub(super) fn deadline(&self, speeches: &[(Instant, Instant)]) -> (Instant, RecordingEnd) {
        let longest = (self.began + self.order.max, RecordingEnd::MaxLength);
        let Some(silence) = self.order.silence else { return longest };
        let quiet_since =
            speeches.iter().map(|(_, end)| *end).filter(|end| *end > self.began).max();
        let silent = quiet_since.unwrap_or(self.began) + silence;
        if silent < longest.0 { (silent, RecordingEnd::Silence) } else { longest }
    }

    /// What is told of it when it ends now.
    pub(super) fn ended(
        &self,
        now: Instant,
        end: RecordingEnd,
        speeches: &[(Instant, Instant)],
    ) -> Event {
        let within = speeches
            .iter()
            .map(|(from, to)| ((*from).max(self.began), (*to).min(now)))
            .filter(|(from, to)| from < to);
        let first = within.clone().map(|(from, _)| from).min();
        let last = within.map(|(_, to)| to).max();
        let length = match (first, last) {
            (Some(first), Some(last)) if self.order.trim => last - first,
            _ => now - self.began,
        };
        let recording = self.order.recording;
        Event::Recorded { recording, end, length, heard: first.is_some() }
    }
}
