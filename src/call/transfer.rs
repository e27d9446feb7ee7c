//! Transfers: a party has whom it talks with put through to somebody else.
//!
//! The one who is put in takes the referrer's place at once, as the caller or as a target of the
//! `Dial` that runs, so that the referrer may hang up early; should it come to nothing, a
//! referrer who is still there gets its place back.

use crate::base::id::{CallSid, LegId};
use crate::base::{Duration, Instant};
use crate::leg::{Command, Event, Replaces};
use crate::sip::uri::{SipUri, escape_user};
use crate::verb::tone::Tone;
use crate::verb::{Destination, Outcome, Outgoing, Progress, Reply, Target, normalise};

use super::core::{Call, LEGS_PER_CALL, Timer};
use super::effect::{CallRecord, Direction, Output, Status};
use super::party::{Owner, Party, Presence};

/// How long the new one may ring: as long as a phone does before its voicemail takes over, and
/// shorter than the referrer's subscription lasts (leg::sip announces it).
const MAX_RINGING: Duration = Duration::from_secs(60);

/// The header by which a leg calls in to another exchange's call. No document can write it.
pub(crate) const REPLACES: &str = "Replaces";

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    referrer: LegId,
    /// Who is put through.
    transferee: LegId,
    /// Who takes the referrer's place.
    new: LegId,
    place: Place,
    /// Whether `new` is there by its own call, only to be confirmed (RFC 3891), and not called.
    replaces: bool,
}

/// The place of a party in its call.
#[derive(Clone, Copy, Debug)]
enum Place {
    Caller,
    Target(usize),
}

/// A party that changes calls, leg and row and all.
#[derive(Clone, Debug)]
pub struct Guest {
    pub(super) leg: LegId,
    pub(super) party: Party,
}

impl Guest {
    /// Its leg.
    pub fn leg(&self) -> LegId {
        self.leg
    }
}

impl Call {
    /// A party asked for a transfer.
    pub(super) fn asked_for_transfer(
        &mut self,
        referrer: LegId,
        to: &str,
        replaces: Option<Replaces>,
    ) {
        if self.transfer.is_some() || !self.is_running() {
            return self.leg(referrer, Command::TransferStatus(491));
        }
        let Some((place, transferee)) = self.joined_with(referrer) else {
            self.note(0, "a transfer is refused: the referrer talks with nobody");
            return self.leg(referrer, Command::TransferStatus(603));
        };
        if !self.may_transfer(referrer) {
            self.note(0, format!("a transfer to {to:?} is refused: only our own phones may"));
            return self.leg(referrer, Command::TransferStatus(403));
        }
        match replaces {
            Some(replaces) => self.output(Output::Adopt(referrer, Box::new(replaces))),
            None => self.ring_instead(referrer, transferee, place, to),
        }
    }

    /// Whom a party talks with.
    pub(super) fn other_side(&self, leg: LegId) -> Option<LegId> {
        self.joined_with(leg).map(|(_, other)| other)
    }

    /// Whom a party talks with, and the party's own place.
    fn joined_with(&self, leg: LegId) -> Option<(Place, LegId)> {
        let talking = |leg: &LegId| self.parties.get(leg).is_some_and(|party| party.is_talking());
        if leg == self.caller() {
            let mut targets = self.targets.values().copied();
            let joined = |leg: &LegId| talking(leg) && !self.scripts.contains_key(leg);
            return Some((Place::Caller, targets.find(joined)?));
        }
        let number = self.parties.get(&leg)?.target?;
        let current = self.targets.get(&number) == Some(&leg);
        let caller = self.caller();
        (current && talking(&caller)).then_some((Place::Target(number), caller))
    }

    /// The caller for whom a target rings that nobody has answered yet.
    fn rings_for(&self, leg: LegId) -> Option<(Place, LegId)> {
        let party = self.parties.get(&leg).filter(|party| party.presence == Presence::Ringing)?;
        let number = party.target?;
        let caller = self.caller();
        let waits = self.parties.get(&caller).is_some_and(|party| party.is_present());
        (waits && self.targets.get(&number) == Some(&leg))
            .then_some((Place::Target(number), caller))
    }

    /// Only phones of our own domains may: a trunk's far end, or a stranger's SIP address, would
    /// call at our expense.
    fn may_transfer(&self, referrer: LegId) -> bool {
        self.parties.get(&referrer).is_some_and(|party| party.owner.user.is_some())
    }

    /// Whom the referrer means, under the rules for what it may call: users of its own domain,
    /// and numbers where the domain lets them out. What a phone writes beside the user is left
    /// out: it is no way to make us call elsewhere.
    fn transfer_target(&self, referrer: LegId, to: &str) -> Option<Destination> {
        let domain = self.parties.get(&referrer)?.owner.domain.as_deref()?;
        let out = self.setup.policy.transfer_out.contains(domain);
        if to.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:")) {
            let number = normalise(to.get(4..)?.split(';').next()?)?;
            return out.then_some(Destination::Number(number));
        }
        let uri = SipUri::parse(to).filter(|uri| uri.host().eq_ignore_ascii_case(domain))?;
        let user = uri.user()?;
        match normalise(&user) {
            Some(number) if out => Some(Destination::Number(number)),
            Some(_) if user.starts_with('+') => None,
            // A user may be named by digits.
            _ => {
                // Who asks for secrecy has it (RFC 3261 section 26.2.2).
                let uri = format!("{}:{}@{domain}", uri.scheme_name(), escape_user(&user));
                Some(Destination::Sip { uri, headers: vec![], login: None })
            }
        }
    }

    /// Rings somebody who is to take the referrer's place.
    fn ring_instead(&mut self, referrer: LegId, transferee: LegId, place: Place, to: &str) {
        let Some(destination) = self.transfer_target(referrer, to) else {
            self.note(
                0,
                format!("a transfer to {to:?} is refused: no user of the domain, nor let out"),
            );
            return self.leg(referrer, Command::TransferStatus(403));
        };
        self.call_instead(referrer, transferee, place, destination);
    }

    /// Calls in to the call of another exchange where the referrer has a dialog too: whom it talks
    /// with there is put through.
    pub(super) fn call_in(&mut self, referrer: LegId, replaces: &Replaces) {
        let Some((place, transferee)) = self.joined_with(referrer) else {
            return self.leg(referrer, Command::TransferStatus(603));
        };
        let own = self.parties.get(&referrer).and_then(|party| party.owner.user.as_deref());
        let Some((user, domain)) = own.and_then(|own| own.rsplit_once('@')) else {
            return self.leg(referrer, Command::TransferStatus(403));
        };
        let uri = format!("sip:{}@{domain}", escape_user(user));
        let headers = vec![(REPLACES.to_owned(), replaces.to_string())];
        let destination = Destination::Sip { uri, headers, login: None };
        self.call_instead(referrer, transferee, place, destination);
    }

    fn call_instead(
        &mut self,
        referrer: LegId,
        transferee: LegId,
        place: Place,
        destination: Destination,
    ) {
        // Shown is what the callee of this call was shown: it passed the rules for that before.
        let called = match place {
            Place::Caller => transferee,
            Place::Target(_) => referrer,
        };
        let shown = self.parties.get(&called).map(|party| party.record.from.clone());
        let call = Outgoing { target: Target::plain(destination), caller_id: shown };
        let user = self.parties.get(&referrer).and_then(|party| party.owner.user.clone());
        let new = self.make_leg(call, user);
        self.transfer = Some(Transfer { referrer, transferee, new, place, replaces: false });
        self.timers.set(Timer::Transfer, self.now + MAX_RINGING);
        self.leg(referrer, Command::TransferStatus(100));
        self.take_place(referrer, new, place);
        // A leg that cannot be made has ended by now.
        if !self.parties.contains_key(&new) {
            self.give_back(503);
        }
    }

    /// Moves the place of `old` to `new`, with what runs there.
    fn take_place(&mut self, old: LegId, new: LegId, place: Place) {
        match place {
            Place::Target(number) => {
                self.targets.insert(number, new);
                for (leg, target) in [(old, None), (new, Some(number))] {
                    if let Some(party) = self.parties.get_mut(&leg) {
                        party.target = target;
                    }
                }
            }
            Place::Caller => {
                self.setup.leg = new;
                if let Some(script) = self.scripts.remove(&old) {
                    let deadline = script.deadline();
                    self.scripts.insert(new, script);
                    self.timers.clear(&Timer::Verb(old));
                    if let Some(at) = deadline {
                        self.timers.set(Timer::Verb(new), at);
                    }
                }
                for (leg, _) in self.agenda.iter_mut().filter(|(leg, _)| *leg == old) {
                    *leg = new;
                }
                if let Some(party) = self.parties.get_mut(&new) {
                    party.target = None;
                }
            }
        }
    }

    /// An event of a leg that has a part in the transfer; gives it back when all goes on as ever.
    pub(super) fn transfer_event(&mut self, leg: LegId, event: Event) -> Option<Event> {
        let Some(transfer) = &self.transfer else { return Some(event) };
        let &Transfer { new, transferee, referrer, replaces, .. } = transfer;
        match event {
            Event::Ringing if leg == new => {
                if let Some(party) = self.parties.get_mut(&new) {
                    party.record.status = Status::Ringing;
                }
                self.status_event(new, "ringing");
                self.leg(referrer, Command::TransferStatus(180));
                None
            }
            Event::EarlyMedia if leg == new => None,
            Event::Answered { sip_call_id, headers } if leg == new => {
                let reply =
                    Reply { sip_call_id: Some(sip_call_id), sip_status: Some(200), headers };
                self.put_through(reply);
                None
            }
            Event::Ended { sip_status, .. } if leg == new => {
                self.give_back(sip_status.filter(|status| *status >= 300).unwrap_or(480));
                Some(event)
            }
            Event::Ended { .. } if leg == transferee => {
                self.give_back(487);
                self.hang_up(new, Status::Canceled, "whom it was to talk with left");
                Some(event)
            }
            Event::Ended { .. } if leg == referrer && !replaces => {
                // Whoever is put through hears that it rings, since nobody else is there.
                self.forget_hold(referrer);
                let play = self.next_play();
                let clip = Tone::Ringback(0).clip();
                self.leg(transferee, Command::Play { play, clip, loops: 0 });
                Some(event)
            }
            event => Some(event),
        }
    }

    /// The new party answered.
    fn put_through(&mut self, reply: Reply) {
        let Some(transfer) = self.transfer.take() else { return };
        self.timers.clear(&Timer::Transfer);
        let Transfer { referrer, transferee, new, .. } = transfer;
        let rang =
            self.parties.get(&referrer).is_some_and(|party| party.presence == Presence::Ringing);
        let (now, wall) = (self.now, self.setup.epoch.wall(self.now));
        if let Some(party) = self.parties.get_mut(&new) {
            party.presence = Presence::Talking;
            party.answered = Some(now);
            party.record.answered = Some(wall);
            party.record.status = Status::InProgress;
            party.record.sip_call_id.clone_from(&reply.sip_call_id);
            party.record.sip_status = reply.sip_status;
        }
        self.status_event(new, "answered");
        if rang {
            // Taken while it rang (RFC 3891 section 1): to the `Dial` its target has answered.
            self.tell_dial(new, Progress::Answered(reply));
            self.leg(referrer, Command::TransferStatus(200));
            return self.hang_up(referrer, Status::Canceled, "another phone took the call");
        }
        self.join_instead(referrer, transferee, new);
    }

    fn join_instead(&mut self, referrer: LegId, transferee: LegId, new: LegId) {
        self.forget_hold(referrer);
        self.leg(transferee, Command::StopPlaying);
        // A leg that is only being answered joins as soon as its sound flows.
        self.leg(new, Command::Bridge(transferee));
        self.leg(referrer, Command::TransferStatus(200));
        self.note(0, "a party was put through by transfer");
        self.hang_up(referrer, Status::Completed, "it put the other party through");
    }

    /// It came to nothing: a referrer who is still there talks on. Its subscription ends with a
    /// last report in any case (RFC 6665 section 4.2.2).
    fn give_back(&mut self, status: u16) {
        let Some(transfer) = self.forget_transfer(status) else { return };
        let Transfer { referrer, transferee, new, place, .. } = transfer;
        if self.is_present(referrer) {
            self.take_place(new, referrer, place);
        } else {
            self.leg(transferee, Command::StopPlaying);
        }
    }

    fn forget_transfer(&mut self, status: u16) -> Option<Transfer> {
        let transfer = self.transfer.take()?;
        self.timers.clear(&Timer::Transfer);
        self.note(0, format!("a transfer failed with {status}"));
        self.leg(transfer.referrer, Command::TransferStatus(status));
        Some(transfer)
    }

    /// Whatever runs in the place of `leg` wants nobody there any more: neither the new one nor
    /// the referrer, whose place it was.
    pub(super) fn place_given_up(&mut self, leg: LegId) {
        if self.transfer.as_ref().is_none_or(|transfer| transfer.new != leg) {
            return;
        }
        let Some(transfer) = self.forget_transfer(487) else { return };
        let Transfer { referrer, transferee, .. } = transfer;
        if self.is_present(referrer) {
            self.hang_up(referrer, Status::Canceled, "its place was given up");
        } else {
            self.leg(transferee, Command::StopPlaying);
        }
    }

    /// Whoever was to take the referrer's place rang for too long.
    pub(super) fn transfer_unanswered(&mut self) {
        let Some(new) = self.transfer.as_ref().map(|transfer| transfer.new) else { return };
        self.give_back(408);
        self.hang_up(new, Status::NoAnswer, "nobody answered the transfer");
    }

    fn is_present(&self, leg: LegId) -> bool {
        self.parties.get(&leg).is_some_and(|party| party.is_present())
    }

    /// Lets the party go that talks with `leg`, to another call; `leg` itself is hung up.
    pub fn release(&mut self, now: Instant, leg: LegId) -> Option<Guest> {
        self.now = now;
        if self.transfer.is_some() || !self.is_running() {
            return None;
        }
        let (_, other) = self.joined_with(leg)?;
        let party = self.parties.get(&other)?.clone();
        self.forget_hold(leg);
        self.forget_hold(other);
        self.leg(other, Command::Unbridge);
        let reply = Reply { sip_call_id: None, sip_status: None, headers: vec![] };
        self.tell_dial(other, Progress::Ended { outcome: Outcome::Completed, reply });
        self.lose_recordings(other);
        self.parties.remove(&other);
        self.scripts.remove(&other);
        for timer in [Timer::Verb(other), Timer::Leg(other)] {
            self.timers.clear(&timer);
        }
        self.hang_up(leg, Status::Completed, "it put the other party through");
        self.settle();
        Some(Guest { leg: other, party: *party })
    }

    /// A party of another call takes the referrer's place here; `None` when there is none.
    pub(super) fn adopt(&mut self, referrer: LegId, guest: Option<Box<Guest>>) {
        let Some(guest) = guest else {
            self.note(0, "a transfer failed: the call that it speaks of is not here");
            return self.leg(referrer, Command::TransferStatus(481));
        };
        let Guest { leg: new, party } = *guest;
        self.parties.insert(new, Box::new(party));
        match self.joined_with(referrer) {
            Some((place, transferee)) => {
                self.leg(referrer, Command::TransferStatus(100));
                self.take_place(referrer, new, place);
                self.join_instead(referrer, transferee, new);
            }
            None => self.hang_up(new, Status::Completed, "whom it was to talk with left"),
        }
    }

    /// Puts a party that called in to replace `old` (RFC 3891) in its place: the number for its
    /// leg, which is ordered to answer. `old` is hung up once that answer is confirmed, and has
    /// its place back should it never be. One that only rings is replaced by whoever picks the
    /// call up, as long as it was us who called it: an early dialog that the far end began is not
    /// to be taken from it (RFC 3891 section 3). `None` when `old` has no such place.
    pub fn replace(
        &mut self,
        now: Instant,
        old: LegId,
        from: String,
        owner: Owner,
    ) -> Option<LegId> {
        self.now = now;
        if self.transfer.is_some() || !self.is_running() || self.counts.legs >= LEGS_PER_CALL {
            return None;
        }
        let (place, other) = self.joined_with(old).or_else(|| self.rings_for(old))?;
        let to = self.parties.get(&old)?.record.to.clone();
        let new = LegId(self.setup.next_leg + self.counts.legs);
        self.counts.legs += 1;
        let record = CallRecord::begun(
            CallSid::random(&mut self.seed.rng()),
            Some(self.setup.sid),
            (from, to),
            (Direction::Inbound, Status::Ringing),
            self.setup.epoch.wall(now),
        );
        self.parties.insert(new, Box::new(Party::arriving(record, owner)));
        self.leg(new, Command::Answer);
        self.transfer =
            Some(Transfer { referrer: old, transferee: other, new, place, replaces: true });
        self.take_place(old, new, place);
        self.settle();
        Some(new)
    }

    /// The SIP domain of ours whose phone a party is.
    pub fn domain_of(&self, leg: LegId) -> Option<&str> {
        self.parties.get(&leg)?.owner.domain.as_deref()
    }

    /// Whether a party was answered and is still there.
    pub fn is_answered(&self, leg: LegId) -> bool {
        self.parties.get(&leg).is_some_and(|party| party.is_talking())
    }

    /// Whom a party talks with.
    pub fn peer_of(&self, leg: LegId) -> Option<LegId> {
        let answered = self.is_answered(leg);
        self.joined_with(leg).map(|(_, other)| other).filter(|_| answered)
    }

    /// Whether a party has the caller's place.
    pub fn is_caller(&self, leg: LegId) -> bool {
        self.caller() == leg
    }

    fn make_leg(&mut self, call: Outgoing, user: Option<String>) -> LegId {
        let leg = LegId(self.setup.next_leg + self.counts.legs);
        // No number of any `Dial`'s: nobody asks for it before the leg takes its place.
        self.ring_for(usize::MAX, call, user);
        self.targets.remove(&usize::MAX);
        if let Some(party) = self.parties.get_mut(&leg) {
            party.target = None;
        }
        leg
    }
}
