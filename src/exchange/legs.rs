//! Legs inside the exchange: what reaches them and what they ask for.

use super::*;
use crate::leg::sip::{Input as LegInput, Output as LegOutput};

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
                if let Some(event) = self.follow(now, leg, event) {
                    self.tell_leg(now, leg, LegInput::Sip(event));
                }
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
                Some(LegOutput::Sip(command)) => {
                    if let Some(command) = self.steer(now, id, command) {
                        self.agent.handle(now, sip::Input::Command(command));
                    }
                }
                Some(LegOutput::Media(command)) => {
                    self.outputs.push_back(Output::Media(command));
                }
                Some(LegOutput::Event(event)) => {
                    self.tell_call(now, call, call::Input::Leg(id, event));
                }
                Some(LegOutput::Gone) => self.forget_leg(id),
            }
        }
    }

    fn forget_leg(&mut self, id: LegId) {
        self.leave_channel(id);
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
