//! Dialogs that peers start: 1xx, 2xx until its ACK, refusal, CANCEL (RFC 3261 sections 9.2
//! and 13.3).

use std::sync::Arc;

use super::{Due, Pending, UserAgent};
use crate::base::{Duration, Instant};
use crate::sip::dialog::reliable::{Held, MAX_FIRST_RSEQ, Policy, Provisional, Reliable};
use crate::sip::dialog::{Confirmed, Phase, Remote, Ringing, Usage};
use crate::sip::{
    Body, DialogId, Ending, Event, Flow, HeaderField, HeaderName, Message, TransactionId,
};

/// RFC 3261 section 13.3.1.1: at least once a minute, or proxies cancel.
const REPEAT_PROGRESS: Duration = Duration::from_secs(60);

impl UserAgent {
    /// A new INVITE that passed every check.
    pub(super) fn receive_invite(
        &mut self,
        transaction: TransactionId,
        flow: Flow,
        back: Flow,
        remote: Remote,
        message: Message,
    ) {
        self.last_incoming += 1;
        let id = DialogId(DialogId::INCOMING | self.last_incoming);
        let tag: Arc<str> = self.new_tag().into();
        let to = message.header(HeaderName::To).unwrap_or_default();
        let policy = Policy::of(&message);
        let first = 1 + self.rng.below(MAX_FIRST_RSEQ) as u32;
        let reliable = Reliable::new(policy, first);
        let ringing = Ringing { server: transaction, remote, latest: None, reliable };
        self.insert(Usage {
            id,
            wish: self.config.session,
            call_id: message.call_id().into(),
            local: format!("{};tag={tag}", to.trim_end_matches(';')),
            local_tag: tag.clone(),
            flow,
            cseq: 0,
            remote_cseq: message.cseq().map(|cseq| cseq.number),
            login: None,
            serving: Vec::new(),
            phase: Phase::Ringing(Box::new(ringing)),
        });
        let pending = Pending { message: message.clone(), flow: back, tag, dialog: Some(id) };
        self.pending.insert(transaction, pending);
        self.event(Event::Invite { dialog: id, flow, message });
    }

    pub(super) fn progress(
        &mut self,
        now: Instant,
        dialog: DialogId,
        status: u16,
        headers: &[HeaderField],
        body: Option<Body>,
    ) {
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        // What comes after the answer is old news, also while that still waits for a PRACK.
        if ringing.reliable.is_holding() || !(101..200).contains(&status) {
            return;
        }
        let provisional = Provisional { status, headers: headers.to_vec(), body };
        ringing.latest = Some(provisional.clone());
        let server = ringing.server;
        self.timers.set((dialog, Due::Progress), now + REPEAT_PROGRESS);
        if let Some(Phase::Ringing(ringing)) = self.phase(dialog)
            && ringing.reliable.wants(&provisional)
        {
            return self.progress_reliably(now, dialog, provisional);
        }
        let Some(pending) = self.pending.get(&server) else { return };
        let bytes = self.response(pending, status, headers, provisional.body);
        self.transactions.respond(now, server, status, bytes);
    }

    /// Says the latest 1xx again: a reliable one is a new one, with an RSeq of its own (RFC 3262
    /// section 3).
    pub(super) fn repeat_progress(&mut self, now: Instant, dialog: DialogId) {
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        if let Some(Provisional { status, headers, body }) = ringing.latest.clone() {
            self.progress(now, dialog, status, &headers, body);
        }
    }

    pub(super) fn accept(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: &[HeaderField],
        body: Option<Body>,
    ) {
        let Some(Phase::Ringing(ringing)) = self.phase(dialog) else { return };
        let server = ringing.server;
        let held = ringing.reliable.hold(Held { headers: headers.to_vec(), body });
        let Some(Held { headers, body }) = held else { return };
        let Some(pending) = self.pending.remove(&server) else { return };
        let (session, mut all) = self.session_answer(now, &pending, None);
        all.extend(headers);
        let offers = body.is_some() && pending.message.body().is_empty();
        let bytes = self.response(&pending, 200, &all, body);
        self.transactions.respond(now, server, 200, bytes.clone());
        let cseq = pending.message.cseq().map_or(0, |cseq| cseq.number);
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        if let Phase::Ringing(ringing) = &usage.phase {
            let mut confirmed = Confirmed::new(ringing.remote.clone());
            confirmed.unacked.push(now, cseq, offers, pending.flow, bytes);
            confirmed.late = ringing.reliable.latest().map(|rseq| (rseq, cseq));
            usage.phase = Phase::Confirmed(Box::new(confirmed));
        }
        self.timers.clear(&(dialog, Due::Progress));
        self.timers.clear(&(dialog, Due::Reliable));
        self.keep_session(dialog, session, &pending.message);
        self.schedule_unacked(dialog);
    }

    pub(super) fn reject(
        &mut self,
        now: Instant,
        dialog: DialogId,
        status: u16,
        headers: &[HeaderField],
    ) {
        if (300..700).contains(&status) && self.refuse(now, dialog, status, headers) {
            self.finish(now, dialog, Ending::Local, None);
        }
    }

    /// Answers the INVITE of a ringing dialog with a failure.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        dialog: DialogId,
        status: u16,
        headers: &[HeaderField],
    ) -> bool {
        let Some(server) = self.ringing(dialog) else { return false };
        let Some(pending) = self.pending.remove(&server) else { return false };
        let bytes = self.response(&pending, status, headers, None);
        self.transactions.respond(now, server, status, bytes);
        true
    }

    /// CANCEL: answered by itself, then its INVITE gets 487 if it is not answered yet.
    pub(super) fn receive_cancel(&mut self, now: Instant, flow: Flow, message: Message) {
        let Some(invite) = self.transactions.cancelled(&message) else {
            return self.refuse_statelessly(flow, &message, 481, &[]);
        };
        // The To tag is that of the INVITE's responses (RFC 3261 section 9.2).
        let pending = self.pending.get(&invite);
        let (tag, dialog) = match pending {
            Some(pending) => (pending.tag.clone(), pending.dialog),
            None => (self.stateless_tag(&message).into(), None),
        };
        let Some(transaction) = self.transactions.accept(now, &message, flow) else { return };
        let answer = Pending { message: message.clone(), flow, tag, dialog: None };
        let bytes = self.response(&answer, 200, &[], None);
        self.transactions.respond(now, transaction, 200, bytes);
        let Some(dialog) = dialog else { return };
        if self.ringing(dialog) == Some(invite) {
            self.refuse(now, dialog, 487, &[]);
            self.finish(now, dialog, Ending::Cancelled, Some(message));
        } else {
            self.respond(now, invite, 487, &[], None);
        }
    }

    /// BYE before we answered: the caller ends the early dialog (RFC 3261 section 15.1.2).
    pub(super) fn end_ringing(&mut self, now: Instant, dialog: DialogId, bye: Message) {
        self.refuse(now, dialog, 487, &[]);
        self.finish(now, dialog, Ending::Bye, Some(bye));
    }

    /// ACK of a 2xx: matched by dialog and by CSeq. Others go nowhere (RFC 3261 section 17).
    pub(super) fn receive_ack(&mut self, now: Instant, message: Message) {
        let Some(dialog) = self.dialog_of(&message) else { return };
        let Some(cseq) = message.cseq().map(|cseq| cseq.number) else { return };
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        if !confirmed.unacked.acknowledge(cseq) {
            return;
        }
        let hangup = confirmed.hangup.take();
        self.schedule_unacked(dialog);
        self.event(Event::Confirmed { dialog, message });
        match hangup {
            Some(headers) => self.bye(now, dialog, headers),
            None => self.offer_next(now, dialog),
        }
    }

    /// Repeats the 2xx, or ends the dialog when its ACK never came (RFC 3261 section 13.3.1.4).
    pub(super) fn repeat_accepted(&mut self, now: Instant, dialog: DialogId) {
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        let Phase::Confirmed(confirmed) = &mut usage.phase else { return };
        if confirmed.unacked.given_up(now) {
            let ending = match confirmed.hangup.is_some() {
                true => Ending::Local,
                false => Ending::NoAck,
            };
            return self.abort(now, dialog, ending, None);
        }
        for (flow, bytes) in confirmed.unacked.due(now) {
            self.transmit(flow, bytes);
        }
        self.schedule_unacked(dialog);
    }

    pub(super) fn schedule_unacked(&mut self, dialog: DialogId) {
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        match confirmed.unacked.timeout() {
            Some(at) => self.timers.set((dialog, Due::Unacked), at),
            None => self.timers.clear(&(dialog, Due::Unacked)),
        }
    }

    /// 100 for an INVITE that nobody answered yet.
    pub(super) fn trying(&mut self, now: Instant, transaction: TransactionId) {
        let Some(pending) = self.pending.get(&transaction) else { return };
        let bytes = self.response(pending, 100, &[], None);
        self.transactions.respond(now, transaction, 100, bytes);
    }

    pub(super) fn phase(&mut self, dialog: DialogId) -> Option<&mut Phase> {
        self.usages.get_mut(&dialog).map(|usage| &mut usage.phase)
    }

    fn ringing(&self, dialog: DialogId) -> Option<TransactionId> {
        match &self.usages.get(&dialog)?.phase {
            Phase::Ringing(ringing) => Some(ringing.server),
            _ => None,
        }
    }
}
