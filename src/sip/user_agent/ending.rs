//! How our dialogs end: BYE either way (RFC 3261 section 15).

use super::write::Side;
use super::{Due, Purpose, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::{Offering, Order, Phase};
use crate::sip::{DialogId, Ending, HeaderField, Message};

impl UserAgent {
    /// Sends BYE and waits for its outcome.
    pub(super) fn bye(&mut self, now: Instant, dialog: DialogId, headers: Vec<HeaderField>) {
        self.send_bye(now, dialog, Order::new("BYE", headers, None));
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        if let Phase::Confirmed(confirmed) = &usage.phase {
            if let Offering::Sent(client) = confirmed.offering {
                self.transactions.abandon_later(now, client);
            }
            usage.phase = Phase::Ending(Box::new(confirmed.remote.clone()));
        }
        for due in [Due::Unacked, Due::Glare, Due::Session] {
            self.timers.clear(&(dialog, due));
        }
        // What the peer still waits for ends with the dialog (RFC 3261 section 15.1.2).
        let serving = self.usages.get(&dialog).map(|usage| usage.serving.clone());
        for transaction in serving.unwrap_or_default() {
            self.respond(now, transaction, 487, &[], None);
        }
    }

    fn send_bye(&mut self, now: Instant, dialog: DialogId, order: Order) {
        if let Some(client) = self.transmit_order(now, dialog, &order) {
            self.purposes.insert(client, Purpose::Bye(dialog, Box::new(order)));
        }
    }

    /// Whatever the final response says, the dialog is over; but a challenge is met first.
    pub(super) fn bye_response(
        &mut self,
        now: Instant,
        dialog: DialogId,
        order: Order,
        response: Message,
    ) {
        let status = response.status().unwrap_or_default();
        let challenged = matches!(status, 401 | 407);
        if status < 200 {
            return;
        }
        if challenged
            && self.meet(dialog, &response, order, |agent, order| {
                agent.send_bye(now, dialog, order);
            })
        {
            return;
        }
        self.finish(now, dialog, Ending::Local, Some(response));
    }

    /// Ends a dialog that went wrong: BYE is sent, and nobody waits for its outcome.
    pub(super) fn abort(
        &mut self,
        now: Instant,
        dialog: DialogId,
        ending: Ending,
        message: Option<Message>,
    ) {
        let Some(mut usage) = self.usages.remove(&dialog) else { return };
        if let Phase::Confirmed(confirmed) = &usage.phase {
            usage.cseq = usage.cseq.saturating_add(1);
            self.send_stray_bye(now, Side::from(&*usage), &confirmed.remote);
        }
        let over = matches!(usage.phase, Phase::Confirmed(_));
        self.usages.insert(dialog, usage);
        if over {
            self.finish(now, dialog, ending, message);
        }
    }
}
