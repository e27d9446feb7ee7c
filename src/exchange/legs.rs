//! Legs inside the exchange: what reaches them and what they ask for.

use super::calls::Admitted;
use super::*;
use crate::call::Guest;
use crate::leg::Replaces;
use crate::leg::sip::{Input as LegInput, Output as LegOutput};
use crate::sip::{HeaderName, Message};

/// Reasons that are passed on: one of each protocol that there is (RFC 3326: SIP, Q.850).
const MAX_REASONS: usize = 2;

/// The longest that is passed on; a cause and a few words.
const MAX_REASON: usize = 128;

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
                    self.pass_reason(call, &mut command);
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
                    self.tell_call(now, call, call::Input::Leg(id, event));
                }
                Some(LegOutput::Gone) => self.forget_leg(now, id),
            }
        }
    }

    /// Keeps why a party left, in the words of its own network, for whoever is left by it.
    pub(super) fn note_reason(&mut self, leg: LegId, message: &Message) {
        let reasons: Vec<&str> = message
            .values(HeaderName::Reason)
            .filter(|reason| reason.len() <= MAX_REASON && !reason.contains("elsewhere"))
            .take(MAX_REASONS)
            .collect();
        let call = self.legs.table.get(&leg).map(|entry| entry.call);
        if let Some(entry) = call.and_then(|call| self.calls.table.get_mut(&call))
            && !reasons.is_empty()
        {
            entry.reason = Some(reasons.join(", "));
        }
    }

    /// Says on the other side of the bridge why it ends (RFC 3326): networks bill and retry by
    /// it. What a leg says itself stays.
    fn pass_reason(&self, call: CallNumber, command: &mut sip::Command) {
        let (sip::Command::Hangup { headers, .. } | sip::Command::Reject { headers, .. }) = command
        else {
            return;
        };
        let known = self.calls.table.get(&call).and_then(|entry| entry.reason.clone());
        let said = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("reason"));
        if let Some(reason) = known.filter(|_| !said) {
            headers.push(("Reason".to_owned(), reason));
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
        let domain = |call, leg| self.calls.table.get(&call)?.call.domain_of(leg);
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
    fn leg_named(&self, replaces: &Replaces) -> Option<(LegId, CallNumber)> {
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
        let named = invite.header(HeaderName::Replaces).and_then(Replaces::parse);
        let found = named.and_then(|replaces| self.leg_named(&replaces));
        let status = match (found, &admitted.domain) {
            (None, _) => 481,
            (Some(_), None) => 403,
            (Some((old, number)), Some(domain)) => {
                let from = admitted.incoming.from.clone();
                let call = self.calls.table.get_mut(&number).map(|entry| &mut entry.call);
                match call.filter(|call| call.domain_of(old).as_ref() == Some(domain)) {
                    None => 403,
                    Some(call) => match call.replace(now, old, from) {
                        None => 481,
                        Some(new) => {
                            return self.seat(now, new, number, dialog, flow, invite);
                        }
                    },
                }
            }
        };
        let reject = sip::Command::Reject { dialog, status, headers: vec![] };
        self.agent.handle(now, sip::Input::Command(reject));
    }

    /// Makes the leg that a call has just given a place.
    fn seat(
        &mut self,
        now: Instant,
        id: LegId,
        call: CallNumber,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
    ) {
        let address = self.media_address(flow);
        let leg = SipLeg::incoming(id, invite, dialog, address, &mut self.rng.fork());
        self.legs.table.insert(id, LegEntry { leg, call, route: None, channel: None });
        self.legs.incoming.insert(dialog, id);
        self.drain_call(now, call);
    }

    fn forget_leg(&mut self, now: Instant, id: LegId) {
        self.leave_channel(now, id);
        self.usage.release(now, id);
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
