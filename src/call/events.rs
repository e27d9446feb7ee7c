//! What legs report, brought to the verb that cares.

use std::net::SocketAddr;

use crate::base::id::LegId;
use crate::leg::{Cause, Event};
use crate::verb::{self, Progress, Referral, Reply};

use super::children::outcome_of;
use super::core::{Call, Timer};
use super::effect::Status;
use super::party::Presence;

impl Call {
    /// Takes an event of one leg; legs that are over are ignored.
    pub(super) fn leg_event(&mut self, leg: LegId, event: Event) {
        if !self.parties.contains_key(&leg) {
            return;
        }
        let Some(event) = self.transfer_event(leg, event) else { return };
        match event {
            Event::Transfer { to, replaces } => self.asked_for_transfer(leg, &to, replaces),
            Event::ReferAnswered(status @ ..300) => self.referred(leg, Referral::Accepted(status)),
            Event::ReferAnswered(status) => self.referred(leg, Referral::Refused(status)),
            Event::Referred(status) => self.referred(leg, Referral::Reported(status)),
            Event::Held => self.held(leg),
            Event::Resumed => self.resumed(leg),
            Event::Ringing => self.target_rings(leg),
            Event::EarlyMedia if self.is_placed(leg) => self.target_rings(leg),
            Event::EarlyMedia => self.tell_dial(leg, Progress::EarlyMedia),
            Event::Answered { sip_call_id, .. } if self.is_placed(leg) => {
                self.placed_answered(leg, sip_call_id);
            }
            Event::Answered { sip_call_id, headers } if leg != self.caller() => {
                let reply =
                    Reply { sip_call_id: Some(sip_call_id), sip_status: Some(200), headers };
                self.target_answered(leg, reply, self.now);
            }
            Event::Answered { sip_call_id, .. } => {
                if let Some(party) = self.parties.get_mut(&leg) {
                    party.record.sip_call_id = Some(sip_call_id);
                }
            }
            Event::Elsewhere(from) => self.unheard(leg, from),
            Event::Digit(digit) => self.agenda.push_back((leg, verb::Event::Digit(digit))),
            Event::Played(play) => self.played(leg, play),
            Event::Recorded { recording, end, length, heard } => {
                self.recorded(recording, end, length, heard);
            }
            Event::Ended { cause, sip_status, sip_call_id, headers } => {
                self.ended(leg, cause, Reply { sip_call_id, sip_status, headers });
            }
        }
    }

    fn referred(&mut self, leg: LegId, referral: Referral) {
        let sip_call_id = self.parties.get(&leg).and_then(|p| p.record.sip_call_id.clone());
        self.agenda.push_back((leg, verb::Event::Referred { sip_call_id, referral }));
    }

    fn unheard(&mut self, leg: LegId, from: SocketAddr) {
        let who = self.name_of(leg);
        let text = format!(
            "nobody hears {who}: its sound comes from {from}, which it did not signal; `nat = true` \
             in its [[domain]] or [[trunk]] allows for the host that signals and its neighbours"
        );
        self.note(32014, text);
    }

    fn target_rings(&mut self, leg: LegId) {
        let Some(party) = self.parties.get_mut(&leg) else { return };
        if party.record.status == Status::Initiated {
            party.record.status = Status::Ringing;
            self.status_event(leg, "ringing");
        }
        self.tell_dial(leg, Progress::Ringing);
    }

    fn played(&mut self, leg: LegId, play: u64) {
        if let Some(script) = self.scripts.get_mut(&leg)
            && script.playing == Some(play)
        {
            script.playing = None;
            return self.agenda.push_back((leg, verb::Event::Played));
        }
        if let Some(party) = self.parties.get_mut(&leg)
            && party.sending == Some(play)
        {
            party.sending = None;
            if leg == self.caller() {
                return self.follow_plan();
            }
            self.tell_dial(leg, Progress::DigitsSent);
        }
    }

    fn ended(&mut self, leg: LegId, cause: Cause, reply: Reply) {
        self.timers.clear(&Timer::Leg(leg));
        self.lose_recordings(leg);
        let Some(party) = self.parties.get_mut(&leg) else { return };
        // Talking ended when we hung up, not when the far end's network agreed.
        let at = match party.presence {
            Presence::Leaving { since, .. } => since,
            _ => self.now,
        };
        if party.record.sip_call_id.is_none() {
            party.record.sip_call_id.clone_from(&reply.sip_call_id);
        }
        party.record.sip_status = reply.sip_status.or(party.record.sip_status);
        party.end(cause, self.setup.epoch.wall(at));
        let outcome = outcome_of(party.record.status);
        self.forget_hold(leg);
        self.status_event(leg, "completed");
        if leg == self.caller() {
            self.agenda.push_back((leg, verb::Event::Left));
            // The verb's last wish is heard while the row is still here.
            while let Some((leg, event)) = self.agenda.pop_front() {
                self.step(leg, event);
            }
        } else {
            self.scripts.remove(&leg);
            self.timers.clear(&Timer::Verb(leg));
            if self.is_target(leg) {
                self.note_unreached(outcome, reply.sip_status);
            }
            self.tell_dial(leg, Progress::Ended { outcome, reply });
        }
        self.parties.remove(&leg);
    }
}
