//! The flow's clock: what happens next, and when. Nothing waits; time is a number that jumps.

use super::super::party::{Party, State};
use super::{Stage, call_id};
use crate::base::id::{LegId, RecordingSid};
use crate::base::{Duration, Instant, Machine};
use crate::call::Input;
use crate::leg::{self, Cause, Event};

impl Stage<'_> {
    /// Lets everything happen that is due until then.
    pub(super) async fn pass_until(&mut self, until: Instant) -> Result<(), String> {
        while self.next().is_some_and(|at| at <= until) {
            self.one_event().await?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Instant> {
        let later = self.later.keys().next().map(|(at, _)| *at);
        let call = self.call.as_ref().filter(|_| !self.over).and_then(Machine::timeout);
        let plays = self.parties.values().filter_map(Party::playing_until);
        let recordings = self.parties.keys().filter_map(|leg| Some(self.recording_ends(*leg)?.0));
        plays.chain(recordings).chain(later).chain(call).min()
    }

    pub(super) fn recording_ends(&self, leg: LegId) -> Option<(Instant, leg::RecordingEnd)> {
        let recording = self.parties.get(&leg)?.recording()?;
        Some(recording.deadline(&self.speeches(leg, recording.order.tracks)))
    }

    /// When anybody spoke who is in the recording.
    pub(super) fn speeches(&self, leg: LegId, tracks: leg::Tracks) -> Vec<(Instant, Instant)> {
        let other = match tracks {
            leg::Tracks::Own => None,
            leg::Tracks::Mixed(other) | leg::Tracks::Dual(other) => Some(other),
        };
        let legs = std::iter::once(leg).chain(other);
        let parties = legs.filter_map(|leg| self.parties.get(&leg));
        parties.flat_map(|party| party.speeches().iter().copied()).collect()
    }

    /// Carries out what happens next: parties first, then answers, then the call's deadlines.
    pub(super) async fn one_event(&mut self) -> Result<(), String> {
        let Some(at) = self.next() else { return Ok(()) };
        self.now = self.now.max(at);
        let played = self.parties.iter().find(|(_, p)| p.playing_until().is_some_and(|t| t <= at));
        if let Some(leg) = played.map(|(leg, _)| *leg) {
            let now = self.now;
            return match self.party(leg).played(now) {
                Some(event) => self.tell(leg, event).await,
                None => Ok(()),
            };
        }
        let legs: Vec<LegId> = self.parties.keys().copied().collect();
        for leg in legs {
            if let Some((_, end)) = self.recording_ends(leg).filter(|(ends, _)| *ends <= at) {
                return self.end_recording(leg, None, end).await;
            }
        }
        if let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= at) {
            let input = entry.remove();
            return self.give(input).await;
        }
        if let Some(call) = &mut self.call {
            call.handle_timeout(self.now);
        }
        self.settle().await
    }

    pub(super) async fn end_recording(
        &mut self,
        leg: LegId,
        sid: Option<RecordingSid>,
        end: leg::RecordingEnd,
    ) -> Result<(), String> {
        let Some(recording) = self.party(leg).take_recording(sid) else { return Ok(()) };
        let speeches = self.speeches(leg, recording.order.tracks);
        let event = recording.ended(self.now, end, &speeches);
        self.tell(leg, event).await
    }

    /// Ends a leg; its recording ends with it.
    pub(super) async fn end(
        &mut self,
        leg: LegId,
        cause: Cause,
        status: Option<u16>,
    ) -> Result<(), String> {
        let now = self.now;
        let recording = self.party(leg).take_recording(None);
        let recorded = recording.map(|recording| {
            let speeches = self.speeches(leg, recording.order.tracks);
            recording.ended(now, leg::RecordingEnd::Stopped, &speeches)
        });
        let party = self.party(leg);
        party.stop_playing();
        party.state = State::Gone;
        let ended = Event::Ended {
            cause,
            sip_status: status,
            sip_call_id: Some(call_id(leg)),
            headers: Vec::new(),
        };
        for event in recorded.into_iter().chain([ended]) {
            if let Some(call) = &mut self.call {
                call.handle(now, Input::Leg(leg, event));
            }
        }
        self.settle().await
    }

    pub(super) async fn tell(&mut self, leg: LegId, event: Event) -> Result<(), String> {
        self.give(Input::Leg(leg, event)).await
    }

    pub(super) async fn give(&mut self, input: Input) -> Result<(), String> {
        if let Some(call) = &mut self.call {
            call.handle(self.now, input);
        }
        self.settle().await
    }

    pub(super) fn later(&mut self, after: Duration, input: Input) {
        self.counter += 1;
        self.later.insert((self.now + after, self.counter), input);
    }
}
