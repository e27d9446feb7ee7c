//! Requests inside dialogs, both ways: re-INVITE and UPDATE with their glare, INFO and the like
//! (RFC 3261 sections 12.2 and 14, RFC 3311).

use super::write::Side;
use super::{Due, Pending, Purpose, SentAck, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::{Confirmed, MAX_SERVING, MAX_WAITING, Offering, Order, Phase};
use crate::sip::transaction::ClientId;
use crate::sip::{DialogId, Ending, Event, Flow, HeaderField, Message, Method, TransactionId};

/// How often one re-INVITE is sent again after it met the peer's; then the 491 goes up.
const MAX_GLARES: u8 = 3;

impl UserAgent {
    /// A request with a To tag.
    pub(super) fn request_in_dialog(&mut self, now: Instant, back: Flow, message: Message) {
        let Some(dialog) = self.dialog_of(&message) else {
            return self.refuse_statelessly(back, &message, 481, &[]);
        };
        if self.is_over(dialog) && message.method() != Method::Bye {
            return self.refuse_statelessly(back, &message, 481, &[]);
        }
        let Some(transaction) = self.transactions.accept(now, &message, back) else { return };
        let tag = self.usages.get(&dialog).map(|usage| usage.local_tag.clone());
        let pending = Pending {
            message: message.clone(),
            flow: back,
            tag: tag.unwrap_or_else(|| "".into()),
            dialog: Some(dialog),
        };
        self.pending.insert(transaction, pending);
        if message.method() == Method::Prack {
            return self.receive_prack(now, dialog, transaction, message);
        }
        if let Some((status, headers)) = self.dialog_objection(dialog, &message) {
            return self.respond(now, transaction, status, &headers, None);
        }
        match message.method() {
            Method::Bye => self.receive_bye(now, dialog, transaction, message),
            Method::Options => {
                let accept = ("Accept".to_owned(), "application/sdp".to_owned());
                self.respond(now, transaction, 200, &[accept], None);
            }
            method => {
                let Some(usage) = self.usages.get_mut(&dialog) else { return };
                usage.serving.push(transaction);
                if let Phase::Confirmed(confirmed) = &mut usage.phase
                    && is_offer(&message)
                {
                    confirmed.offered = Some(transaction);
                }
                self.give_up_backoff(dialog, method);
                self.event(Event::InDialog { dialog, transaction, message });
            }
        }
    }

    /// What forbids a request in a dialog: its order, or an INVITE that is still under way.
    fn dialog_objection(
        &mut self,
        dialog: DialogId,
        message: &Message,
    ) -> Option<(u16, Vec<HeaderField>)> {
        // RFC 3261 section 14.2: between 0 and 10 seconds.
        let seconds = self.rng.below(11).to_string();
        let later = || Some((500, vec![("Retry-After".to_owned(), seconds)]));
        let usage = self.usages.get_mut(&dialog)?;
        if !usage.advance(message.cseq().map_or(0, |cseq| cseq.number)) {
            return Some((500, Vec::new()));
        }
        let bye = message.method() == Method::Bye;
        if !bye && usage.serving.len() >= MAX_SERVING {
            return later();
        }
        let pending = |id: &TransactionId| self.pending.get(id).map(|pending| &pending.message);
        let theirs = usage.serving.iter().filter_map(pending).any(is_offer);
        let update = message.method() == Method::Update;
        let ours = || Some((491, Vec::new()));
        let objection = match &usage.phase {
            _ if !is_offer(message) => None,
            // RFC 3311 section 5.2: before the answer only UPDATE, once one exchange is through.
            Phase::Calling(calling) => {
                let tag = message.from().and_then(|from| from.tag()).unwrap_or_default();
                let fork = calling.forks.iter().find(|fork| *fork.remote.tag == *tag);
                match fork.is_some_and(|fork| fork.exchanged) {
                    true if update && theirs => later(),
                    true if update => None,
                    _ => ours(),
                }
            }
            Phase::Ringing(ringing) => {
                let invite = pending(&ringing.server);
                match ringing.reliable.exchanged() {
                    true if update && !theirs => None,
                    false if invite.is_some_and(|invite| invite.body().is_empty()) => ours(),
                    _ => later(),
                }
            }
            Phase::Confirmed(confirmed) => match confirmed.offering {
                Offering::Sent(_) => ours(),
                _ if confirmed.unacked.offers() => ours(),
                _ if confirmed.offered.is_some() || confirmed.unacked.is_full() => later(),
                _ => None,
            },
            Phase::Ending(_) | Phase::Reporting(_) => Some((481, Vec::new())),
        };
        objection.or_else(|| self.short_session(message))
    }

    pub(super) fn receive_bye(
        &mut self,
        now: Instant,
        dialog: DialogId,
        transaction: TransactionId,
        message: Message,
    ) {
        self.respond(now, transaction, 200, &[], None);
        match self.phase(dialog) {
            Some(Phase::Ringing(_)) => self.end_ringing(now, dialog, message),
            // A callee may not end an early dialog by BYE (RFC 3261 section 15), but one that
            // does will never answer: the INVITE is cancelled and the outcome told once.
            Some(Phase::Calling(_)) => self.cancel(now, dialog, Vec::new()),
            // Both hung up at once. Ours ends by its own response.
            Some(Phase::Ending(_) | Phase::Reporting(_)) | None => {}
            Some(Phase::Confirmed(confirmed)) => {
                let ending = match confirmed.hangup {
                    Some(_) => Ending::Local,
                    None => Ending::Bye,
                };
                self.finish(now, dialog, ending, Some(message));
            }
        }
    }

    /// Carries out an order in a confirmed dialog, or says at once that nothing came of it.
    pub(super) fn order(&mut self, now: Instant, dialog: DialogId, order: Order) {
        if !self.usages.contains_key(&dialog) {
            return;
        }
        let method = order.method;
        let reserved = matches!(method, "ACK" | "BYE" | "CANCEL" | "REGISTER");
        let full = self.is_full(true);
        match self.phase(dialog) {
            _ if full || reserved => {}
            Some(Phase::Confirmed(confirmed)) => {
                if !order.offers() || confirmed.may_offer() && confirmed.waiting.is_empty() {
                    return self.send_order(now, dialog, order);
                }
                if confirmed.hangup.is_none() && confirmed.waiting.len() < MAX_WAITING {
                    return confirmed.waiting.push_back(order);
                }
            }
            Some(Phase::Reporting(_)) if method == "NOTIFY" => {
                return self.send_order(now, dialog, order);
            }
            Some(Phase::Calling(calling))
                if may_go_early(&order)
                    && calling.forks.first().is_some_and(|f| f.exchanged || !order.offers()) =>
            {
                return self.send_order(now, dialog, order);
            }
            Some(Phase::Ringing(ringing)) if may_go_early(&order) => {
                let told = ringing.latest.is_some();
                if told && (ringing.reliable.exchanged() || !order.offers()) {
                    return self.send_order(now, dialog, order);
                }
            }
            _ => {}
        }
        if order.refresh {
            return;
        }
        self.event(Event::Response { dialog, method: method.to_owned(), message: None });
    }

    fn send_order(&mut self, now: Instant, dialog: DialogId, order: Order) {
        let client = self.transmit_order(now, dialog, &order);
        if order.refresh
            && let Some(Phase::Confirmed(confirmed)) = self.phase(dialog)
        {
            confirmed.refreshing = client.is_some();
        }
        let Some(client) = client else { return };
        self.last_report(dialog, &order);
        if order.offers()
            && let Some(Phase::Confirmed(confirmed)) = self.phase(dialog)
        {
            confirmed.offering = Offering::Sent(client);
        }
        self.purposes.insert(client, Purpose::Order(dialog, Box::new(order)));
    }

    /// Each try has a CSeq and a branch of its own.
    pub(super) fn transmit_order(
        &mut self,
        now: Instant,
        dialog: DialogId,
        order: &Order,
    ) -> Option<ClientId> {
        let usage = self.usages.get_mut(&dialog)?;
        usage.cseq = usage.cseq.saturating_add(1);
        let usage = self.usages.remove(&dialog)?;
        let session = match &usage.phase {
            Phase::Confirmed(confirmed) if matches!(order.method, "INVITE" | "UPDATE") => {
                self.refreshing_headers(confirmed)
            }
            _ => Vec::new(),
        };
        let written = usage.remote_for(order).map(|remote| {
            let hop = remote.routes.next_hop(&remote.target).to_owned();
            (hop, self.write_order(Side::from(&*usage), remote, order, &session))
        });
        self.usages.insert(dialog, usage);
        let (hop, (branch, flow, bytes)) = written?;
        let method = Method::from_name(order.method);
        Some(self.launch(now, method, (&branch, &hop), flow, bytes))
    }

    /// A response to an order.
    pub(super) fn order_response(
        &mut self,
        now: Instant,
        client: ClientId,
        dialog: DialogId,
        order: Box<Order>,
        response: Message,
    ) {
        let status = response.status().unwrap_or_default();
        let invite = order.method == "INVITE";
        match status {
            ..200 => {
                self.hear(now, dialog, &response);
                return;
            }
            200..300 if invite => {
                let tag = response.to().and_then(|to| to.tag()).unwrap_or_default().to_owned();
                if self.repeat_ack(client, &tag) {
                    return;
                }
                self.ack_order(client, dialog, &order, &response);
            }
            200..300 if order.method == "UPDATE" => {
                if let Some(remote) = self.usages.get_mut(&dialog).and_then(|usage| {
                    let tag = response.to().and_then(|to| to.tag()).unwrap_or_default();
                    usage.remote_tagged(tag)
                }) {
                    remote.refresh(&response);
                }
            }
            401 | 407
                if self.meet(dialog, &response, (*order).clone(), |agent, order| {
                    agent.send_order(now, dialog, order);
                }) =>
            {
                return;
            }
            491 if order.offers() && order.glares < MAX_GLARES => {
                return self.back_off(now, dialog, *order, response);
            }
            _ => {}
        }
        if self.refresh_response(now, dialog, &order, &response) {
            return self.offer_next(now, dialog);
        }
        self.order_done(now, dialog, &order, Some(response));
        // RFC 3261 section 12.2.1.2: the peer does not know the dialog any more.
        if matches!(status, 408 | 481) && ends_dialog(&order) {
            self.abort(now, dialog, Ending::Rejected(status), None);
        }
    }

    pub(super) fn order_unanswered(
        &mut self,
        now: Instant,
        dialog: DialogId,
        order: &Order,
        ending: Ending,
    ) {
        self.order_done(now, dialog, order, None);
        if ends_dialog(order) {
            self.abort(now, dialog, ending, None);
        }
    }

    /// Tells the outcome, and lets the next re-INVITE go.
    fn order_done(
        &mut self,
        now: Instant,
        dialog: DialogId,
        order: &Order,
        message: Option<Message>,
    ) {
        match self.phase(dialog) {
            None | Some(Phase::Ending(_)) => return,
            Some(Phase::Reporting(_)) => {
                return self.report_answered(dialog, order, message.as_ref());
            }
            Some(Phase::Confirmed(confirmed)) if order.offers() => {
                confirmed.offering = Offering::None;
            }
            Some(_) => {}
        }
        self.event(Event::Response { dialog, method: order.method.to_owned(), message });
        self.offer_next(now, dialog);
    }

    /// Acknowledges the 2xx of a re-INVITE, also when its dialog is being ended.
    fn ack_order(&mut self, client: ClientId, dialog: DialogId, order: &Order, response: &Message) {
        let Some(mut usage) = self.usages.remove(&dialog) else { return };
        if let Phase::Confirmed(confirmed) = &mut usage.phase {
            confirmed.remote.refresh(response);
        }
        if let Some(remote) = usage.remote()
            && let Some(cseq) = response.cseq()
        {
            let side = Side { cseq: cseq.number, ..Side::from(&*usage) };
            let (flow, bytes) = self.write_ack(side, remote, order.credentials.fields());
            let tag = response.to().and_then(|to| to.tag()).unwrap_or_default().into();
            self.keep_ack(client, SentAck { tag, flow, bytes });
        }
        self.usages.insert(dialog, usage);
    }

    /// Answers a challenge and sends the order again; false when that is no use.
    pub(super) fn meet(
        &mut self,
        dialog: DialogId,
        challenge: &Message,
        mut order: Order,
        send: impl FnOnce(&mut UserAgent, Order),
    ) -> bool {
        let cnonce = self.rng.hex(16);
        let Some(usage) = self.usages.get(&dialog) else { return false };
        let (Some(login), Some(remote)) = (&usage.login, usage.remote_for(&order)) else {
            return false;
        };
        // Whoever the peer told us to speak to instead is not the one whom the login is for.
        if self.hop(remote, usage.flow).remote.ip() != usage.flow.remote.ip() {
            return false;
        }
        let (uri, _) = remote.routes.apply(&remote.target);
        let met = order.credentials.meet(challenge, order.method, &uri, login, &cnonce);
        if met {
            send(self, order);
        }
        met
    }

    /// Waits before the re-INVITE that met the peer's goes out again.
    fn back_off(&mut self, now: Instant, dialog: DialogId, mut order: Order, response: Message) {
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        let pause = usage.glare_pause(&mut self.rng);
        let Phase::Confirmed(confirmed) = &mut usage.phase else { return };
        order.glares += 1;
        confirmed.offering = Offering::Backoff(Box::new((order, response)));
        self.timers.set((dialog, Due::Glare), now + pause);
    }

    pub(super) fn glare_over(&mut self, now: Instant, dialog: DialogId) {
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        match std::mem::replace(&mut confirmed.offering, Offering::None) {
            Offering::Backoff(waiting) => confirmed.waiting.push_front(waiting.0),
            other => confirmed.offering = other,
        }
        self.offer_next(now, dialog);
    }

    /// The peer's offer came while ours waited to be sent again. Ours was made for the session
    /// as it was before, so its 491 goes up and whoever made it decides anew.
    fn give_up_backoff(&mut self, dialog: DialogId, method: Method) {
        if !matches!(method, Method::Invite | Method::Update) {
            return;
        }
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        match std::mem::replace(&mut confirmed.offering, Offering::None) {
            Offering::Backoff(waiting) => {
                let (order, response) = *waiting;
                self.timers.clear(&(dialog, Due::Glare));
                let (method, message) = (order.method.to_owned(), Some(response));
                self.event(Event::Response { dialog, method, message });
            }
            other => confirmed.offering = other,
        }
    }

    /// Sends the re-INVITE that waits longest, if that may be now.
    pub(super) fn offer_next(&mut self, now: Instant, dialog: DialogId) {
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        if let Some(order) = next_offer(confirmed) {
            self.send_order(now, dialog, order);
        }
    }
}

fn next_offer(confirmed: &mut Confirmed) -> Option<Order> {
    confirmed.may_offer().then(|| confirmed.waiting.pop_front()).flatten()
}

/// What may be sent before the answer: no INVITE, which has its place after it.
fn may_go_early(order: &Order) -> bool {
    order.method != "INVITE"
}

/// Whether a request brings an offer, or asks for one (RFC 3261 section 14, RFC 3311 section 5).
pub(super) fn is_offer(request: &Message) -> bool {
    match request.method() {
        Method::Invite => true,
        Method::Update => !request.body().is_empty(),
        _ => false,
    }
}

/// Whether a peer that knows nothing of the request knows nothing of the dialog either; a report
/// has a life of its own (RFC 5057 section 5.1).
fn ends_dialog(order: &Order) -> bool {
    !matches!(order.method, "NOTIFY" | "REFER" | "MESSAGE")
}
