//! Calls that are changed from outside: they leave the document that they run, or end.
//!
//! A leg that a call dialled and that is redirected leaves that call: its `Dial` ends, and the leg
//! is a call of its own from then on, by the same SID.

use std::sync::Arc;

use crate::base::id::{CallSid, LegId, RequestId};
use crate::base::{Instant, Outbox, Rng, SmallMap};
use crate::directory::{Handler, Voice};
use crate::leg::{Cause, Command, Incoming};
use crate::verb::{Method, Progress, Request};

use super::address::INLINE;
use super::core::{Call, Setup, Timer};
use super::effect::{CallRecord, Direction, Fetched, Status};
use super::interpreter::Role;
use super::order::{Change, Denied, Script, Turn};
use super::party::{Party, Presence, Watcher};
use super::transfer::Guest;

/// What became of a change.
#[derive(Debug)]
pub enum Changed {
    /// It is done, and this is the row.
    Done(Box<CallRecord>),
    /// The leg is to be a call of its own, which goes on with the script.
    Leaves(Box<Guest>, Script),
}

impl Change {
    /// Makes every URL absolute, or says which is none.
    pub fn resolve(&mut self, public_url: &str) -> Result<(), Denied> {
        if let Some(Turn::To(script)) = &mut self.turn {
            script.resolve(public_url)?;
        }
        self.watch.iter_mut().try_for_each(|watch| watch.resolve(public_url))
    }
}

impl Call {
    /// The leg of that name, if it is one of this call's.
    pub fn leg_of(&self, sid: CallSid) -> Option<LegId> {
        self.parties.iter().find(|(_, party)| party.record.sid == sid).map(|(leg, _)| *leg)
    }

    /// Changes what becomes of a leg, whose URLs are absolute.
    pub fn change(&mut self, now: Instant, leg: LegId, change: Change) -> Result<Changed, Denied> {
        self.now = now;
        let present = self.parties.get(&leg).is_some_and(|party| party.is_present());
        if !present || !self.is_running() {
            return Err(Denied::not_in_progress());
        }
        self.may(leg, change.turn.as_ref())?;
        for (code, text) in change.warnings {
            self.note(code, text);
        }
        self.watch(leg, &change.watch);
        if let (Some(limit), true) = (change.time_limit, leg == self.caller()) {
            let party = self.parties.get(&leg);
            let since = party.and_then(|party| party.answered).unwrap_or(now);
            self.timers.set(Timer::Limit, since + limit);
        }
        match change.turn {
            None => {}
            Some(Turn::To(script)) if leg == self.caller() => {
                self.note(0, "another document was ordered for the call");
                self.leave_document(leg);
                self.counts.idle_documents = 0;
                self.run_script(script);
            }
            Some(Turn::To(script)) => {
                let guest = self.detach(leg).ok_or_else(Denied::not_in_progress)?;
                self.settle();
                return Ok(Changed::Leaves(Box::new(guest), script));
            }
            Some(Turn::End | Turn::Cancel) if leg == self.caller() => {
                self.close("ended from outside");
            }
            Some(Turn::End | Turn::Cancel) => {
                self.hang_up(leg, Status::Canceled, "ended from outside");
            }
        }
        let record = self.shown_record(leg);
        self.settle();
        Ok(Changed::Done(Box::new(record.ok_or_else(Denied::not_in_progress)?)))
    }

    /// Whether a leg is as far as it must be for that.
    fn may(&self, leg: LegId, turn: Option<&Turn>) -> Result<(), Denied> {
        let Some(party) = self.parties.get(&leg) else { return Err(Denied::not_in_progress()) };
        // Who calls us may hear of another document before the answer, as by its first one.
        let calls = party.record.direction == Direction::Inbound && leg == self.caller();
        let fits = match turn {
            Some(Turn::To(_)) => calls || party.is_talking(),
            Some(Turn::Cancel) => party.presence == Presence::Ringing,
            Some(Turn::End) | None => true,
        };
        fits.then_some(()).ok_or_else(Denied::not_in_progress)
    }

    fn watch(&mut self, leg: LegId, watch: &Option<super::order::Watch>) {
        let (Some(watch), Some(party)) = (watch, self.parties.get_mut(&leg)) else { return };
        let new = Watcher::new(watch.clone());
        party.watcher = Some(match party.watcher.take() {
            Some(old) => Watcher { events: old.events, sent: old.sent, ..new },
            None => new,
        });
        // The row says what is owed, and to whom.
        self.row_changed(leg);
    }

    /// The row of a leg as an answer shows it: one that is being hung up is over.
    fn shown_record(&self, leg: LegId) -> Option<CallRecord> {
        let party = self.parties.get(&leg)?;
        let mut record = party.record.clone();
        if let Presence::Leaving { since, .. } = party.presence {
            record.status = party.final_status(Cause::Local);
            record.ended = Some(self.setup.epoch.wall(since));
        }
        Some(record)
    }

    /// Forgets the document that a leg runs, and all that its verb has begun. Nothing of it is
    /// heard any more.
    fn leave_document(&mut self, leg: LegId) {
        self.scripts.remove(&leg);
        self.timers.clear(&Timer::Verb(leg));
        self.forget_fetches(leg);
        let mut agenda = std::mem::take(&mut self.agenda);
        let mut kept = Outbox::new();
        while let Some((of, event)) = agenda.pop_front() {
            if of != leg {
                kept.push_back((of, event));
            }
        }
        self.agenda = kept;
        self.abandon_recordings(leg);
        self.end_hold_music(leg);
        // Its targets, and whoever takes their place, were there for this document alone.
        self.targets = SmallMap::new();
        let others: Vec<LegId> = self.parties.keys().copied().filter(|of| *of != leg).collect();
        if self.parties.get(&leg).is_some_and(|party| party.hears()) {
            if !others.is_empty() {
                self.leg(leg, Command::Unbridge);
            }
            self.leg(leg, Command::StopPlaying);
        }
        for other in others {
            self.hang_up(other, Status::Canceled, "its caller went on to another document");
        }
        self.unreached = None;
        self.plan = None;
        if let Some(party) = self.parties.get_mut(&leg) {
            party.sending = None;
        }
    }

    fn forget_fetches(&mut self, leg: LegId) {
        let of = self.fetches.iter().filter(|(_, fetching)| fetching.leg == leg);
        for request in of.map(|(request, _)| *request).collect::<Vec<RequestId>>() {
            self.fetches.remove(&request);
            self.timers.clear(&Timer::Fetch(request));
        }
    }

    /// Runs a document that was ordered, on the caller.
    pub(super) fn run_script(&mut self, script: Script) {
        let leg = self.caller();
        match script {
            Script::Inline(document) => {
                let base = INLINE.to_owned();
                self.begin_ordered(leg, Fetched { document: Arc::clone(&document), base });
            }
            Script::At { request: Request { url, method }, fallback } => {
                if let Some(Request { url, method }) = fallback {
                    let get = method == Method::Get;
                    self.setup.voice.fallback = Some(Handler::Document { url, get });
                }
                self.fetch(leg, url, method, Vec::new(), Role::Main);
            }
        }
    }

    /// Takes a leg that was dialled out of this call; to its `Dial` it is over.
    fn detach(&mut self, leg: LegId) -> Option<Guest> {
        if !self.is_target(leg) || !self.parties.get(&leg)?.is_talking() {
            return None;
        }
        let mut party = self.parties.get(&leg)?.clone();
        self.forget_hold(leg);
        self.forget_fetches(leg);
        self.leg(leg, Command::Unbridge);
        self.leg(leg, Command::StopPlaying);
        self.tell_dial(leg, Progress::Redirected);
        self.lose_recordings(leg);
        self.parties.remove(&leg);
        self.scripts.remove(&leg);
        for timer in [Timer::Verb(leg), Timer::Leg(leg)] {
            self.timers.clear(&timer);
        }
        (party.target, party.sending) = (None, None);
        Some(Guest { leg, party: *party })
    }

    /// What a leg that leaves this call takes with it: its numbers begin with `next_leg`.
    pub fn setup_of(&self, guest: &Guest, next_leg: u64) -> Setup {
        let record = &guest.party.record;
        Setup {
            sid: record.sid,
            leg: guest.leg,
            incoming: Incoming {
                from: record.from.clone(),
                to: record.to.clone(),
                ..Incoming::default()
            },
            shown: Some(record.from.clone()),
            voice: Voice::default(),
            next_leg,
            ..self.setup.clone()
        }
    }

    /// A call of one leg that another call dialled, and that goes on with another document.
    pub fn detached(setup: Setup, guest: Guest, script: Script, rng: Rng, now: Instant) -> Call {
        let party: Party = guest.party;
        let since = party.answered.unwrap_or(now);
        let mut call = Call::new(setup, party, rng, now);
        call.last_from(since);
        call.note(0, "the leg left the call that dialled it, for another document");
        call.run_script(script);
        call.settle();
        call
    }

    /// The row of its first party, for whoever ordered it.
    pub fn row(&self) -> Option<CallRecord> {
        self.shown_record(self.caller())
    }
}
