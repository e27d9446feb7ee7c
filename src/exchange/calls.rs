//! Calls inside the exchange: made, told, heard, forgotten.

use super::routing::codecs_of;
use super::trunks::Key;
use super::*;
use crate::base::id::CallSid;
use crate::call::{LEGS_PER_CALL, Owner, Policy, Setup};
use crate::directory::Voice;
use crate::leg;
use crate::leg::sip::Input as LegInput;
use crate::sip::Message;

/// What a request starts with (RFC 3261 section 8.1.1.6). More would only make loops longer.
pub(super) const MAX_FORWARDS: u8 = 70;

/// Numbers of legs that each call has for itself: those it dials, and the caller's.
const LEGS: u64 = (LEGS_PER_CALL + 1).next_power_of_two();

/// The leg of whoever made a call.
pub(super) const fn caller_leg(call: CallNumber) -> LegId {
    LegId(call.0 * LEGS)
}

/// Who calls, as admission found it.
pub(super) struct Admitted {
    /// What the handler is told.
    pub incoming: leg::Incoming,
    /// What is to be done.
    pub voice: Voice,
    /// Whether any caller ID may be shown.
    pub any_caller_id: bool,
    /// The SIP domain and the user who proved to be the caller.
    pub owner: Owner,
    /// The trunk or line that it came by.
    pub channel: Option<Key>,
}

impl Exchange {
    /// Makes the call of an admitted INVITE.
    pub(super) fn start_call(
        &mut self,
        now: Instant,
        dialog: DialogId,
        flow: Flow,
        invite: &Message,
        admitted: Admitted,
    ) {
        self.calls.last += 1;
        let number = CallNumber(self.calls.last);
        let id = caller_leg(number);
        let address = self.caller_address(flow, invite, &admitted);
        let mut leg = SipLeg::incoming(id, invite, dialog, address, &mut self.rng.fork());
        let origin = identity::Origin::of(invite, &admitted, &self.directory);
        let channel = admitted.channel;
        if let Some(key) = &channel {
            self.trunks.occupy(key);
            if let Some(trunk) = key.find(&self.directory) {
                leg.set_codecs(codecs_of(trunk));
                leg.set_early_media(trunk.early_media);
                if let Some(settings) = self.session_of(trunk) {
                    let command = sip::Command::Session { dialog, settings };
                    self.agent.handle(now, sip::Input::Command(command));
                }
            }
        }
        let leg = LegEntry { channel, ..LegEntry::new(leg, number) };
        self.legs.table.insert(id, Box::new(leg));
        self.legs.incoming.insert(dialog, id);
        self.follow_caller(now, id, &admitted.owner, &admitted.incoming.to, invite);
        let sid = CallSid::random(&mut self.rng);
        let call_id = invite.call_id().to_owned();
        self.tell(Told::Dialog { call: sid, leg: id, call_id });
        // Who calls through a line of its own shows that line, whatever the document writes.
        let user = admitted.owner.user.as_deref();
        let has_line = user.is_some_and(|user| self.directory.lines.of(user).next().is_some());
        let setup = Setup {
            sid,
            leg: id,
            next_leg: id.0 + 1,
            incoming: admitted.incoming,
            shown: None,
            account: self.directory.account_sid,
            voice: admitted.voice,
            public_url: self.directory.public_url.clone(),
            policy: Policy {
                any_caller_id: admitted.any_caller_id || has_line,
                ..self.policy.clone()
            },
            epoch: self.config.epoch,
        };
        let call = Call::incoming(setup, self.rng.fork(), now);
        let max_forwards =
            invite.max_forwards().unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS).saturating_sub(1);
        let Owner { domain, user } = admitted.owner;
        let entry = CallEntry {
            call,
            sid,
            max_forwards,
            flow,
            domain,
            user,
            has_line,
            payer: None,
            counted: None,
            origin,
            reason: None,
        };
        self.calls.table.insert(number, Box::new(entry));
        self.calls.talking.push_back(number);
    }

    /// Hands an input to a call; one for a call that is over is lost, as it should be.
    pub(super) fn tell_call(&mut self, now: Instant, number: CallNumber, input: call::Input) {
        if let Some(entry) = self.calls.table.get_mut(&number) {
            entry.call.handle(now, input);
            self.calls.talking.push_back(number);
        }
    }

    /// Takes what one call asks for, and notes when it next wants to be woken.
    pub(super) fn drain_call(&mut self, now: Instant, number: CallNumber) {
        while let Some(entry) = self.calls.table.get_mut(&number) {
            let Some(output) = entry.call.poll() else {
                match entry.call.timeout() {
                    Some(at) => self.calls.timers.set(number, at),
                    None => self.calls.timers.clear(&number),
                }
                break;
            };
            self.carry_out(now, number, output);
        }
    }

    fn carry_out(&mut self, now: Instant, number: CallNumber, output: call::Output) {
        let ticket = |request| Ticket { call: number, request };
        match output {
            call::Output::Leg(leg, command) => self.tell_leg(now, leg, LegInput::Command(command)),
            call::Output::Dial(leg, dial) => self.dial(now, number, leg, *dial),
            call::Output::Fetch(request, fetch) => {
                self.outputs.push_back(Output::Fetch(ticket(request), fetch));
            }
            call::Output::Speak(request, speech) => {
                self.outputs.push_back(Output::Speak(ticket(request), speech));
            }
            call::Output::Load(request, call, url) => {
                self.outputs.push_back(Output::Load(ticket(request), call, url));
            }
            call::Output::Persist(persist) => self.outputs.push_back(Output::Persist(persist)),
            call::Output::Note(note) => self.outputs.push_back(Output::Note(note)),
            call::Output::Verb(leg, begun) => self.tell_verb(number, leg, &begun),
            call::Output::Adopt(referrer, replaces) => {
                let input = match self.held_elsewhere(&replaces) {
                    Some(named) => call::Input::Elsewhere(referrer, Box::new(named)),
                    None => {
                        let guest = self.guest(now, (number, referrer), &replaces);
                        call::Input::Adopted(referrer, guest.map(Box::new))
                    }
                };
                self.tell_call(now, number, input);
            }
            call::Output::Done => {
                if let Some(entry) = self.calls.table.remove(&number) {
                    if let Some(name) = &entry.counted {
                        self.config.ledger.leave(name);
                    }
                    self.tell(Told::Over { call: entry.sid });
                }
                self.calls.timers.clear(&number);
            }
        }
    }

    fn tell_verb(&mut self, number: CallNumber, leg: LegId, begun: &call::Begun) {
        let placed = begun.document.verbs().get(begun.index);
        let call = self.calls.table.get(&number).map(|entry| entry.sid);
        if let (Some(placed), Some(call)) = (placed, call) {
            let (name, position, base) = (placed.name, placed.position, begun.base.clone());
            self.tell(Told::Verb { call, leg, name, position, base });
        }
    }

    pub(super) fn shut_down(&mut self, now: Instant) {
        self.draining = true;
        self.unregister_all(now);
        self.refuse_waiting(now);
        self.end_subscriptions(now);
        let all: Vec<CallNumber> = self.calls.table.keys().copied().collect();
        for number in all {
            self.tell_call(now, number, call::Input::Shutdown);
        }
    }
}

/// What a directory lets any call show and do.
pub(super) fn policy(directory: &Directory) -> Policy {
    let transfer_out = directory.domains.iter().filter(|(_, domain)| domain.transfer_out);
    Policy {
        owned: Arc::new(directory.numbers.keys().cloned().collect()),
        any_caller_id: false,
        domains: Arc::new(directory.domains.keys().cloned().collect()),
        transfer_out: Arc::new(transfer_out.map(|(name, _)| name.clone()).collect()),
        hold_music: Arc::clone(&directory.hold_music),
    }
}
