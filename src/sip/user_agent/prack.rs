//! Provisional responses that are acknowledged, both ways (RFC 3262).

use super::{Due, Purpose, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::reliable::{Acknowledged, Heard, Provisional, RAck, Repeat, TAG};
use crate::sip::dialog::{Order, Phase};
use crate::sip::{DialogId, Ending, Event, HeaderField, Message, TransactionId};

impl UserAgent {
    /// Acknowledges a 1xx to our INVITE that asks for it, in its own early dialog; false when the
    /// response is a repeat or came too early, so that nobody need hear of it.
    pub(super) fn hear(&mut self, now: Instant, dialog: DialogId, response: &Message) -> bool {
        let Some(rseq) = Heard::wanted(response) else { return true };
        // Not heard is not acknowledged: it comes again when there may be room.
        if self.is_full(true) {
            return false;
        }
        let Some(cseq) = response.cseq().map(|cseq| cseq.number) else { return true };
        let tag = response.to().and_then(|to| to.tag()).unwrap_or_default().to_owned();
        let described = !response.body().is_empty();
        let new = match self.phase(dialog) {
            Some(Phase::Calling(calling)) => {
                let Some(fork) = calling.fork(&tag) else { return false };
                let new = fork.heard.take(cseq, rseq);
                fork.exchanged |= new && described;
                new
            }
            Some(Phase::Confirmed(confirmed)) => confirmed.heard.take(cseq, rseq),
            _ => return false,
        };
        if new {
            // The INVITE's number is that of the try which the response answers: after a
            // challenge it is another than the first one's.
            let rack = ("RAck".to_owned(), format!("{rseq} {cseq} INVITE"));
            let order = Order::new("PRACK", vec![rack], None);
            self.send_prack(now, dialog, Order { fork: Some(tag.into()), ..order });
        }
        new
    }

    fn send_prack(&mut self, now: Instant, dialog: DialogId, order: Order) {
        if let Some(client) = self.transmit_order(now, dialog, &order) {
            self.purposes.insert(client, Purpose::Prack(dialog, Box::new(order)));
        }
    }

    /// A challenge is met; what else the peer says to a PRACK changes nothing, since it repeats
    /// the 1xx or gives the INVITE up by itself.
    pub(super) fn prack_response(
        &mut self,
        now: Instant,
        dialog: DialogId,
        order: Order,
        response: &Message,
    ) {
        if matches!(response.status(), Some(401 | 407)) {
            self.meet(dialog, response, order, |agent, order| {
                agent.send_prack(now, dialog, order);
            });
        }
    }

    /// Sends a 1xx that waits for its PRACK.
    pub(super) fn progress_reliably(
        &mut self,
        now: Instant,
        dialog: DialogId,
        provisional: Provisional,
    ) {
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        let Some(provisional) = ringing.reliable.queue(provisional) else { return };
        self.send_reliably(now, dialog, provisional);
    }

    fn send_reliably(&mut self, now: Instant, dialog: DialogId, provisional: Provisional) {
        let Provisional { status, headers, body } = provisional;
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        let server = ringing.server;
        let rseq = ringing.reliable.number();
        let mut all: Vec<HeaderField> =
            vec![("Require".into(), TAG.into()), ("RSeq".into(), rseq.to_string())];
        all.extend(headers);
        let described = body.is_some();
        let Some(pending) = self.pending.get(&server) else { return };
        let bytes = self.response(pending, status, &all, body);
        self.transactions.respond(now, server, status, bytes.clone());
        if let Some(Phase::Ringing(ringing)) = self.phase(dialog) {
            ringing.reliable.sent(now, status, described, bytes);
        }
        self.schedule_reliable(dialog);
    }

    fn schedule_reliable(&mut self, dialog: DialogId) {
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        match ringing.reliable.timeout() {
            Some(at) => self.timers.set((dialog, Due::Reliable), at),
            None => self.timers.clear(&(dialog, Due::Reliable)),
        }
    }

    /// Repeats the 1xx, or gives the INVITE up when its PRACK never came.
    pub(super) fn repeat_reliable(&mut self, now: Instant, dialog: DialogId) {
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        let server = ringing.server;
        match ringing.reliable.due(now) {
            Some(Repeat::Send(status, bytes)) => {
                self.transactions.respond(now, server, status, bytes);
                self.schedule_reliable(dialog);
            }
            Some(Repeat::GiveUp) => {
                self.refuse(now, dialog, 504, &[]);
                self.finish(now, dialog, Ending::Timeout, None);
            }
            None => self.schedule_reliable(dialog),
        }
    }

    /// A PRACK in a dialog of ours; its transaction is open.
    pub(super) fn receive_prack(
        &mut self,
        now: Instant,
        dialog: DialogId,
        transaction: TransactionId,
        message: Message,
    ) {
        let Some(rack) = RAck::of(&message) else {
            return self.respond(now, transaction, 400, &[], None);
        };
        let acknowledged = self.acknowledge(dialog, rack);
        if acknowledged == Acknowledged::Unknown {
            return self.respond(now, transaction, 481, &[], None);
        }
        // One that a later request overtook is as good: its CSeq is low, not its meaning.
        if let Some(usage) = self.usages.get_mut(&dialog) {
            usage.advance(message.cseq().map_or(0, |cseq| cseq.number));
        }
        if !message.body().is_empty() && self.answers_our_prack(dialog) {
            if let Some(Phase::Ringing(ringing)) = self.phase(dialog) {
                ringing.reliable.renewed();
            }
            if let Some(usage) = self.usages.get_mut(&dialog) {
                usage.serving.push(transaction);
            }
            return self.event(Event::InDialog { dialog, transaction, message });
        }
        self.respond(now, transaction, 200, &[], None);
        if acknowledged == Acknowledged::Described {
            self.event(Event::Acknowledged { dialog, message });
        }
        self.go_on_ringing(now, dialog);
    }

    /// Whether a body in a PRACK is an offer: the INVITE brought the first one.
    fn answers_our_prack(&self, dialog: DialogId) -> bool {
        let Some(Phase::Ringing(ringing)) = self.usages.get(&dialog).map(|usage| &usage.phase)
        else {
            return false;
        };
        let invite = self.pending.get(&ringing.server);
        invite.is_some_and(|invite| !invite.message.body().is_empty())
    }

    fn acknowledge(&mut self, dialog: DialogId, rack: RAck) -> Acknowledged {
        let Some(usage) = self.usages.get_mut(&dialog) else { return Acknowledged::Unknown };
        if rack.method != crate::sip::Method::Invite {
            return Acknowledged::Unknown;
        }
        match &mut usage.phase {
            Phase::Ringing(ringing) => {
                let invite = self.pending.get(&ringing.server).and_then(|p| p.message.cseq());
                match invite.is_some_and(|cseq| cseq.number == rack.cseq) {
                    true => ringing.reliable.acknowledge(rack.rseq),
                    false => Acknowledged::Unknown,
                }
            }
            Phase::Confirmed(confirmed) if confirmed.late == Some((rack.rseq, rack.cseq)) => {
                confirmed.late = None;
                Acknowledged::Plain
            }
            _ => Acknowledged::Unknown,
        }
    }

    /// What waited for the PRACK: the next 1xx, or the 2xx.
    pub(super) fn go_on_ringing(&mut self, now: Instant, dialog: DialogId) {
        self.schedule_reliable(dialog);
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        if let Some(held) = ringing.reliable.release() {
            return self.accept(now, dialog, &held.headers, held.body);
        }
        if let Some(provisional) = ringing.reliable.take_next() {
            self.send_reliably(now, dialog, provisional);
        }
    }
}
