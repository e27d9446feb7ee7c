//! The responses that the user agent writes, and where they go (RFC 3261 section 8.2.6).

use bytes::Bytes;

use super::write::extend;
use super::{ALLOW, ALLOW_SCREENED, Due, Pending, SUPPORTED, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::session_timer::SessionTimer;
use crate::sip::dialog::{Phase, Usage};
use crate::sip::write::{Builder, reason_phrase};
use crate::sip::{Body, DialogId, Flow, HeaderField, HeaderName, Message, Method, TransactionId};

impl UserAgent {
    /// Answers a request that went up. Whoever comes too late finds nothing to answer.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        status: u16,
        headers: &[HeaderField],
        body: Option<Body>,
    ) {
        let Some(pending) = self.pending.get(&transaction) else { return };
        let initial = pending.dialog.and_then(|dialog| self.usages.get(&dialog)).is_some_and(
            |usage| matches!(&usage.phase, Phase::Ringing(r) if r.server == transaction),
        );
        // A new INVITE is answered by Progress, Accept and Reject, which move its dialog too.
        if initial || !(100..700).contains(&status) {
            return;
        }
        let session = self.refreshed(now, pending, status);
        let (session, mut all) = session.unwrap_or_default();
        all.extend_from_slice(headers);
        let offers = body.is_some() && pending.message.body().is_empty();
        let bytes = self.response(pending, status, &all, body);
        self.transactions.respond(now, transaction, status, bytes.clone());
        if status < 200 {
            return;
        }
        let Some(pending) = self.pending.remove(&transaction) else { return };
        self.served(pending.dialog, transaction);
        if let Some(dialog) = pending.dialog {
            self.answered(now, dialog, &pending, status, offers, bytes);
            self.begin_reports(dialog, &pending.message, status, headers);
            if refreshes(&pending.message) && (200..300).contains(&status) {
                self.keep_session(dialog, session, &pending.message);
            }
        }
    }

    /// What a 2xx to a request inside a confirmed dialog says of the session timer.
    fn refreshed(
        &self,
        now: Instant,
        pending: &Pending,
        status: u16,
    ) -> Option<(Option<SessionTimer>, Vec<HeaderField>)> {
        let usage = self.usages.get(&pending.dialog?)?;
        let Phase::Confirmed(confirmed) = &usage.phase else { return None };
        let refreshes = refreshes(&pending.message) && (200..300).contains(&status);
        refreshes.then(|| self.session_answer(now, pending, confirmed.session.as_ref()))
    }

    /// What a final answer of ours does to the dialog.
    fn answered(
        &mut self,
        now: Instant,
        dialog: DialogId,
        pending: &Pending,
        status: u16,
        offers: bool,
        response: Bytes,
    ) {
        let (request, back) = (&pending.message, pending.flow);
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        let success = (200..300).contains(&status);
        if success && refreshes(request) {
            move_target(usage, request, back);
        }
        let confirmed = match &mut usage.phase {
            Phase::Confirmed(confirmed) => confirmed,
            Phase::Ringing(ringing) if request.method() == Method::Prack => {
                ringing.reliable.renewal_answered();
                return self.go_on_ringing(now, dialog);
            }
            _ => return,
        };
        if request.method() != Method::Invite {
            return self.offer_next(now, dialog);
        }
        confirmed.offered = None;
        if success {
            let cseq = request.cseq().map_or(0, |cseq| cseq.number);
            confirmed.unacked.push(now, cseq, offers, back, response);
            if let Some(at) = confirmed.unacked.timeout() {
                self.timers.set((dialog, Due::Unacked), at);
            }
        } else {
            self.offer_next(now, dialog);
        }
    }

    /// One request less to answer in a dialog.
    pub(super) fn served(&mut self, dialog: Option<DialogId>, transaction: TransactionId) {
        let Some(usage) = dialog.and_then(|dialog| self.usages.get_mut(&dialog)) else { return };
        usage.serving.retain(|serving| *serving != transaction);
        if let Phase::Confirmed(confirmed) = &mut usage.phase
            && confirmed.offered == Some(transaction)
        {
            confirmed.offered = None;
        }
    }

    /// A response as bytes. Those that make or move a dialog say where we are.
    pub(super) fn response(
        &self,
        pending: &Pending,
        status: u16,
        headers: &[HeaderField],
        body: Option<Body>,
    ) -> Bytes {
        let message = &pending.message;
        let mut builder =
            Builder::response_to(message, status, reason_phrase(status), Some(&pending.tag));
        if status == 100 {
            return builder.build();
        }
        let contact = |(name, _): &&HeaderField| {
            HeaderName::from_bytes(name.as_bytes()) == HeaderName::Contact
        };
        let given = headers.iter().any(|field| contact(&field));
        let targets = matches!(message.method(), Method::Invite | Method::Update);
        // RFC 3515 section 2.2: a REFER makes or refreshes a target, too.
        let moves = targets || message.method() == Method::Refer && pending.dialog.is_some();
        if moves && status < 300 && !given {
            let listener = self.config.listener(pending.flow);
            builder = builder.header("Contact", &listener.contact_towards(message.request_uri()));
        }
        for (name, value) in headers.iter().filter(contact) {
            builder = builder.header(name, value);
        }
        let tells = targets || message.method() == Method::Options;
        if tells && status < 300 || status == 405 || status == 501 {
            builder = builder.header("Allow", self.allow(message));
        }
        if tells && (200..300).contains(&status) || message.method() == Method::Register {
            builder = builder.header("Supported", &SUPPORTED.join(", "));
        }
        builder = extend(builder.header("Server", &self.config.user_agent_name), headers);
        match body {
            Some(body) => builder.body(&body.content_type, body.bytes).build(),
            None => builder.build(),
        }
    }

    /// Finally answers a request that knocked, without keeping anything of it. The To tag follows
    /// from the request, so that a repeat gets the same one (RFC 3261 section 8.2.7).
    pub(super) fn answer_statelessly(
        &mut self,
        flow: Flow,
        message: Message,
        status: u16,
        headers: &[HeaderField],
    ) {
        // A 2xx makes a dialog, and that wants to be remembered.
        let least = if message.method() == Method::Invite { 300 } else { 200 };
        if !(least..700).contains(&status) || message.method() == Method::Ack {
            return;
        }
        let (flow, tag) = (self.way_back(flow, &message), self.stateless_tag(&message).into());
        let request = Pending { message, flow, tag, dialog: None };
        let bytes = self.response(&request, status, headers, None);
        self.transmit(flow, bytes);
    }

    /// Refuses a request without keeping anything of it (RFC 3261 section 8.2.7): repeats are
    /// refused alike, and an ACK finds nothing and ends there. ACK itself is never answered.
    pub(super) fn refuse_statelessly(
        &mut self,
        flow: Flow,
        message: &Message,
        status: u16,
        headers: &[HeaderField],
    ) {
        self.refuse_saying(flow, message, status, reason_phrase(status), headers);
    }

    /// As [`refuse_statelessly`](Self::refuse_statelessly), with a reason phrase of its own.
    pub(super) fn refuse_saying(
        &mut self,
        flow: Flow,
        message: &Message,
        status: u16,
        reason: &str,
        headers: &[HeaderField],
    ) {
        if message.method() == Method::Ack {
            return;
        }
        let tag = self.stateless_tag(message);
        let mut builder = Builder::response_to(message, status, reason, Some(&tag));
        if matches!(status, 405 | 501) {
            builder = builder.header("Allow", self.allow(message));
        }
        let builder = extend(builder.header("Server", &self.config.user_agent_name), headers);
        self.transmit(flow, builder.build());
    }
}

impl UserAgent {
    /// What may come where that request came: inside a call less than outside.
    fn allow(&self, request: &Message) -> &'static str {
        let inside = request.to().is_some_and(|to| to.tag().is_some());
        let call = inside || request.method() == Method::Invite;
        if self.config.screening && !call { ALLOW_SCREENED } else { ALLOW }
    }
}

/// Whether a 2xx to that request starts the session timer anew (RFC 4028 section 7.4).
fn refreshes(request: &Message) -> bool {
    matches!(request.method(), Method::Invite | Method::Update)
}

/// The target moves when the request has taken effect (RFC 6141 section 4), in an early dialog,
/// too (RFC 3311 section 5.2). A phone that changed its network behind a translator is reached
/// where it spoke from; while our INVITE is under way, its CANCEL still goes the way that it went.
fn move_target(usage: &mut Usage, request: &Message, back: Flow) {
    let calling = matches!(usage.phase, Phase::Calling(_));
    let tag = request.from().and_then(|from| from.tag()).unwrap_or_default().to_owned();
    let Some(remote) = usage.remote_tagged(&tag) else { return };
    if remote.refresh_by_request(request, back) && !calling {
        if usage.flow.remote.ip() != back.remote.ip() {
            usage.login = None;
        }
        usage.flow = back;
    }
}
