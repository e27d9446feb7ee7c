//! Legs inside the exchange: what reaches them and what they ask for.

use super::*;
use crate::call::Guest;
use crate::leg::Replaces;
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
        let Some(dialog) = event.dialog() else { return };
        let leg = if dialog.incoming() {
            self.legs.incoming.get(&dialog).copied()
        } else {
            Some(SipLeg::leg_of(dialog))
        };
        let known = leg.filter(|leg| self.legs.table.contains_key(leg));
        match (known, event) {
            (Some(leg), event) => self.tell_leg(now, leg, LegInput::Sip(event)),
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
                    self.agent.handle(now, sip::Input::Command(command));
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

    /// The party that talks with the far end of a dialog, taken out of its own call.
    pub(super) fn guest(
        &mut self,
        now: Instant,
        host: CallNumber,
        replaces: &Replaces,
    ) -> Option<Guest> {
        let tags = [replaces.to_tag.as_str(), &replaces.from_tag];
        let dialog = self.agent.dialog_with(&replaces.call_id, tags)?;
        let leg = match dialog.incoming() {
            true => *self.legs.incoming.get(&dialog)?,
            false => SipLeg::leg_of(dialog),
        };
        let from = self.legs.table.get(&leg)?.call;
        if from == host {
            return None;
        }
        let guest = self.calls.table.get_mut(&from)?.call.release(now, leg)?;
        self.calls.talking.push_back(from);
        self.legs.table.get_mut(&guest.leg())?.call = host;
        Some(guest)
    }

    fn forget_leg(&mut self, id: LegId) {
        let entry = self.legs.table.remove(&id);
        if let Some(dialog) = entry.and_then(|entry| entry.leg.incoming_dialog()) {
            self.legs.incoming.remove(&dialog);
        }
        self.legs.resolving.remove(&id);
    }
}
