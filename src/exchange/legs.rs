//! Legs inside the exchange: what reaches them and what they ask for.

use super::calls::Admitted;
use super::*;
use crate::call::Guest;
use crate::leg::sip::{Input as LegInput, Output as LegOutput};
use crate::leg::{self, Replaces};
use crate::sip::{HeaderName, Message, cause};

/// Reasons that are passed on: one of each protocol that there is (RFC 3326: SIP, Q.850).
const MAX_REASONS: usize = 2;

/// The longest that is passed on; a cause and a few words.
const MAX_REASON: usize = 128;

/// Who is left by a party that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Whom it talked with.
    With(LegId),
    /// The caller, unanswered: no one that was called took it.
    Caller,
    /// Whoever was called: the caller gave up.
    Called,
}

impl Exchange {
    /// Hands an input to a leg; one for a leg that is gone is lost, as it should be.
    pub(super) fn tell_leg(&mut self, now: Instant, id: LegId, input: LegInput) {
        if let Some(entry) = self.legs.table.get_mut(&id) {
            entry.leg.handle(now, input);
            self.legs.talking.push_back(id);
        }
    }

    /// An event of a dialog that has a leg.
    pub(super) fn handle_dialog_event(&mut self, now: Instant, event: sip::Event) {
        match self.owner(event) {
            (Some(leg), event) => {
                let Some(event) = self.follow(now, leg, event) else { return };
                if let sip::Event::Ended { message: Some(message), .. } = &event {
                    self.note_reason(leg, message);
                }
                self.tell_leg(now, leg, LegInput::Sip(event));
            }
            // The leg is gone: its peer must still get an answer.
            (None, sip::Event::InDialog { transaction, .. }) => {
                let command =
                    sip::Command::Respond { transaction, status: 481, headers: vec![], body: None };
                self.agent.handle(now, sip::Input::Command(command));
            }
            (None, _) => {}
        }
    }

    pub(super) fn handle_media_event(&mut self, now: Instant, event: media::Event) {
        let leg = LegId(event.session().0);
        self.tell_leg(now, leg, LegInput::Media(event));
    }

    /// Takes what one leg asks for.
    pub(super) fn drain_leg(&mut self, now: Instant, id: LegId) {
        while let Some(entry) = self.legs.table.get_mut(&id) {
            let call = entry.call;
            match entry.leg.poll() {
                None => break,
                Some(LegOutput::Sip(mut command)) => {
                    self.pass_reason(id, call, &mut command);
                    let Some(command) = self.steer(now, id, command) else { continue };
                    let begun = match &command {
                        sip::Command::Invite(invite) => Some(invite.dialog),
                        _ => None,
                    };
                    self.agent.handle(now, sip::Input::Command(command));
                    if let Some(dialog) = begun {
                        self.tell_dialog(call, id, dialog);
                    }
                }
                Some(LegOutput::Media(command)) => {
                    self.outputs.push_back(Output::Media(command));
                }
                Some(LegOutput::Event(event)) => {
                    self.carry_reason(id, &event);
                    self.publish_leg(now, id, &event);
                    self.tell_call(now, call, call::Input::Leg(id, event));
                }
                Some(LegOutput::Gone) => self.forget_leg(now, id),
            }
        }
    }

    /// Keeps why a party left, in the words of its own network. Its own request has the last word;
    /// a response may be that of one phone among several.
    pub(super) fn note_reason(&mut self, leg: LegId, message: &Message) {
        let reasons: Vec<&str> = message
            .values(HeaderName::Reason)
            .filter(|reason| reason.len() <= MAX_REASON && !reason.contains("elsewhere"))
            .take(MAX_REASONS)
            .collect();
        let told: Vec<String> = reasons.iter().filter_map(|reason| cause::told(reason)).collect();
        let Some(entry) = self.legs.table.get_mut(&leg) else { return };
        let call = self.calls.table.get(&entry.call).map(|call| call.sid);
        if let (Some(call), false) = (call, told.is_empty()) {
            let note = format!("its network says why it ended: {}", told.join("; "));
            self.outputs.push_back(Output::Note(Note { call, code: 0, text: note }));
        }
        if !reasons.is_empty() {
            entry.reason = Some(reasons.join(", "));
        } else if message.status().is_none() {
            entry.reason = None;
        }
    }

    /// What a leg reports decides who hears why it ended: whom it talked with, or, when nobody
    /// took the call, the other side of it. Where a leg is answered nothing before it counts.
    fn carry_reason(&mut self, id: LegId, event: &leg::Event) {
        let Some(entry) = self.legs.table.get_mut(&id) else { return };
        let Some(call) = self.calls.table.get_mut(&entry.call) else { return };
        match event {
            leg::Event::Answered { .. } => (entry.reason, call.reason) = (None, None),
            // Nobody over there gave a reason for what we did; nor do those before it explain why
            // the last one was not reached.
            leg::Event::Ended { cause: leg::Cause::Local, .. } => {
                call.reason = call.reason.take().filter(|(told, _)| *told != Left::Caller);
            }
            leg::Event::Ended { .. } => {
                let told = match call.call.peer_of(id) {
                    Some(peer) => Left::With(peer),
                    None if call.call.is_caller(id) => Left::Called,
                    None => Left::Caller,
                };
                call.reason = entry.reason.take().map(|reason| (told, reason));
            }
            _ => {}
        }
    }

    /// Says on the other side why it ends (RFC 3326): networks bill and retry by it. What a leg
    /// says itself stays.
    fn pass_reason(&self, id: LegId, call: CallNumber, command: &mut sip::Command) {
        let refused = matches!(command, sip::Command::Reject { .. });
        let (sip::Command::Hangup { headers, .. } | sip::Command::Reject { headers, .. }) = command
        else {
            return;
        };
        let Some(call) = self.calls.table.get(&call) else { return };
        let meant = |told: &Left| match told {
            Left::With(peer) => *peer == id,
            Left::Called => !call.call.is_caller(id),
            Left::Caller => refused && call.call.is_caller(id),
        };
        let known = call.reason.as_ref().filter(|(told, _)| meant(told));
        let said = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("reason"));
        if let Some((_, reason)) = known.filter(|_| !said) {
            headers.push(("Reason".to_owned(), reason.clone()));
        }
    }

    /// The party that talks with the far end of a dialog, taken out of its own call. The dialog
    /// must be one of the referrer's own domain.
    pub(super) fn guest(
        &mut self,
        now: Instant,
        (host, referrer): (CallNumber, LegId),
        replaces: &Replaces,
    ) -> Option<Guest> {
        let (leg, from) = self.leg_named(replaces)?;
        let domain = |call: CallNumber, leg| self.calls.table.get(&call)?.call.domain_of(leg);
        // Whoever learnt the tags of another's call must not get that by them.
        if from == host || domain(from, leg)? != domain(host, referrer)? {
            return None;
        }
        let guest = self.calls.table.get_mut(&from)?.call.release(now, leg)?;
        // What its old call still asks for, such as to part it, comes before its new call's.
        self.drain_call(now, from);
        self.legs.table.get_mut(&guest.leg())?.call = host;
        Some(guest)
    }

    /// The leg of a dialog that somebody wants to replace, and its call.
    pub(super) fn leg_named(&self, replaces: &Replaces) -> Option<(LegId, CallNumber)> {
        let tags = [replaces.to_tag.as_str(), &replaces.from_tag];
        let dialog = self.agent.dialog_with(&replaces.call_id, tags)?;
        let leg = self.leg_behind(dialog)?;
        Some((leg, self.legs.table.get(&leg)?.call))
    }

    /// An admitted INVITE that is to take the place of another dialog (RFC 3891 section 3). Only
    /// a phone may, and only in the place of one of its own domain.
    pub(super) fn replace_leg(
        &mut self,
        now: Instant,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
        admitted: &Admitted,
    ) {
        self.tell_taken(invite);
        let mut fields = invite
            .all_headers()
            .filter(|(name, _)| HeaderName::from_bytes(name.as_bytes()) == HeaderName::Replaces);
        // RFC 3891 section 3: exactly one that can be read.
        let named = fields.next().and_then(|(_, value)| Replaces::parse(value));
        let placed = match named.filter(|_| fields.next().is_none()) {
            Some(named) => self.place_in_stead(now, &named, admitted),
            None => Err(400),
        };
        match placed {
            Ok((new, number)) => {
                self.follow_caller(now, new, &admitted.owner, &admitted.incoming.to, invite);
                let address = self.caller_address(flow, invite, admitted);
                self.seat(now, new, number, dialog, address, invite);
            }
            Err(status) => {
                let reject = sip::Command::Reject { dialog, status, headers: vec![] };
                self.agent.handle(now, sip::Input::Command(reject));
            }
        }
    }

    /// The place of a dialog's party for whoever was admitted, or the status that refuses it.
    fn place_in_stead(
        &mut self,
        now: Instant,
        named: &Replaces,
        admitted: &Admitted,
    ) -> Result<(LegId, CallNumber), u16> {
        let (old, number) = self.leg_named(named).ok_or(481_u16)?;
        let entry = self.calls.table.get_mut(&number).ok_or(481_u16)?;
        let owner = admitted.owner.clone();
        let same = owner.domain.is_some() && entry.call.domain_of(old) == owner.domain.as_deref();
        if !same {
            return Err(403);
        }
        // RFC 3891 section 3.
        if named.early_only && entry.call.is_answered(old) {
            return Err(486);
        }
        let from = admitted.incoming.from.clone();
        let new = entry.call.replace(now, old, from, owner).ok_or(481_u16)?;
        Ok((new, number))
    }

    /// Makes the leg that a call has just given a place.
    fn seat(
        &mut self,
        now: Instant,
        id: LegId,
        call: CallNumber,
        dialog: DialogId,
        address: MediaAddress,
        invite: &Message,
    ) {
        let leg = SipLeg::incoming(id, invite, dialog, address, &mut self.rng.fork());
        self.legs.table.insert(id, Box::new(LegEntry::new(leg, call)));
        self.legs.incoming.insert(dialog, id);
        self.drain_call(now, call);
    }

    fn forget_leg(&mut self, now: Instant, id: LegId) {
        self.leave_channel(id);
        self.unfollow(now, id, "error");
        self.usage.release(id);
        self.legs.timers.clear(&id);
        let Some(entry) = self.legs.table.remove(&id) else { return };
        if let Some(dialog) = entry.leg.incoming_dialog() {
            self.legs.incoming.remove(&dialog);
        }
        if let Some(key) = entry.channel {
            self.trunks.leave(&key);
        }
        let Some(route) = entry.route else { return };
        if let Some(alias) = route.alias() {
            self.legs.attempts.remove(&alias);
        }
        if let Some(lookup) = route.lookup() {
            self.stop_seeking(lookup);
        }
    }
}
