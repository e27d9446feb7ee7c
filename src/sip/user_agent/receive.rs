//! What comes in: parsed, marked with its source, and sent to whom it concerns (RFC 3261
//! sections 8.2 and 18).

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Pending, Purpose, SUPPORTED, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::{Phase, Remote};
use crate::sip::transaction::Arrival;
use crate::sip::uri::{Scheme, SipUri};
use crate::sip::{
    DialogId, Event, Flow, HeaderField, HeaderName, Message, Method, Parsed, Transport,
};

impl UserAgent {
    pub(super) fn receive(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match self.read(flow, bytes) {
            Parsed::Valid(message) if message.is_request() => self.request(now, flow, message),
            Parsed::Valid(message) => self.response_came(now, message),
            Parsed::Reject { message, status, reason } => {
                let back = self.way_back(flow, &message);
                self.refuse_saying(back, &message, status, reason, &[]);
            }
            Parsed::Discard(_) => {}
        }
    }

    /// Parses, and notes the source in the top Via of a request, so that every response shows it
    /// (RFC 3261 section 18.2.1, RFC 3581 section 4).
    fn read(&self, flow: Flow, bytes: Bytes) -> Parsed {
        let parse = |bytes| match flow.transport {
            Transport::Udp => Message::parse(bytes),
            Transport::Tcp => Message::parse_stream(bytes),
        };
        let parsed = parse(bytes);
        let (Parsed::Valid(message) | Parsed::Reject { message, .. }) = &parsed else {
            return parsed;
        };
        match message.is_request().then(|| stamped(message, flow.remote)).flatten() {
            Some(bytes) => parse(bytes),
            None => parsed,
        }
    }

    /// Where responses go: on the flow. For a datagram whose sender did not ask for rport, the
    /// port is the one in Via (RFC 3261 section 18.2.2).
    fn way_back(&self, flow: Flow, message: &Message) -> Flow {
        let Some(via) = message.via().filter(|_| flow.transport == Transport::Udp) else {
            return flow;
        };
        if via.has_rport() || self.config.force_rport {
            return flow;
        }
        let remote = SocketAddr::new(flow.remote.ip(), via.port().unwrap_or(5060));
        Flow { remote, ..flow }
    }

    fn request(&mut self, now: Instant, flow: Flow, message: Message) {
        match self.transactions.receive_request(now, &message) {
            Arrival::Absorbed => return,
            Arrival::AckOfAccepted => return self.receive_ack(now, message),
            Arrival::Unknown => {}
        }
        let back = self.way_back(flow, &message);
        let tagged = message.to().is_some_and(|to| to.tag().is_some());
        let ends_something = tagged || message.method() == Method::Cancel;
        match message.method() {
            Method::Ack => self.receive_ack(now, message),
            _ if self.is_full(ends_something) => self.refuse_busy(back, &message),
            Method::Cancel => self.receive_cancel(now, back, message),
            _ => match self.objection(&message) {
                Some((status, headers)) => {
                    self.refuse_statelessly(back, &message, status, &headers);
                }
                // A REGISTER makes no dialog, whatever tags it brings.
                None if tagged && message.method() != Method::Register => {
                    self.request_in_dialog(now, back, message);
                }
                None => self.request_outside(now, flow, back, message),
            },
        }
    }

    /// What RFC 3261 section 8.2 finds wrong with a request, in its order.
    fn objection(&self, message: &Message) -> Option<(u16, Vec<HeaderField>)> {
        let plain = |status| Some((status, Vec::new()));
        let tagged = message.to().is_some_and(|to| to.tag().is_some());
        match message.method() {
            Method::Other => return plain(501),
            // Inside a dialog they belong to what it is for.
            Method::Refer | Method::Notify | Method::Message if tagged => {}
            Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Message
            | Method::Publish => return plain(405),
            _ => {}
        }
        let scheme = SipUri::parse(message.request_uri()).map(|uri| uri.scheme());
        if scheme.is_none_or(|scheme| scheme == Scheme::Other) {
            return plain(416);
        }
        let unknown: Vec<&str> = [HeaderName::Require, HeaderName::ProxyRequire]
            .into_iter()
            .flat_map(|name| message.values(name))
            .filter(|tag| !SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(tag)))
            .collect();
        if !unknown.is_empty() {
            return Some((420, vec![("Unsupported".to_owned(), unknown.join(", "))]));
        }
        let coding = message.header(HeaderName::ContentEncoding);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Some((415, vec![("Accept-Encoding".to_owned(), "identity".to_owned())]));
        }
        None
    }

    fn request_outside(&mut self, now: Instant, flow: Flow, back: Flow, message: Message) {
        let method = message.method();
        let ends_here = matches!(method, Method::Options | Method::Register);
        let status = match method {
            Method::Bye | Method::Info | Method::Update | Method::Prack => Some(481),
            _ if message.max_forwards() == Some(0) && !ends_here => Some(483),
            _ if self.is_loop(&message) || self.transactions.merged(&message) => Some(482),
            _ => None,
        };
        if let Some(status) = status {
            return self.refuse_statelessly(back, &message, status, &[]);
        }
        if let Some((status, headers)) = self.short_session(&message) {
            return self.refuse_statelessly(back, &message, status, &headers);
        }
        if method == Method::Invite {
            if self.usages.len() >= self.config.limits.dialogs {
                return self.refuse_busy(back, &message);
            }
            let Some(remote) = Remote::of_request(&message, flow) else {
                return self.refuse_saying(back, &message, 400, "Contact missing", &[]);
            };
            let Some(id) = self.transactions.accept(now, &message, back) else { return };
            return self.receive_invite(id, flow, back, remote, message);
        }
        let Some(transaction) = self.transactions.accept(now, &message, back) else { return };
        let tag = self.rng.hex(16).into();
        let pending = Pending { message: message.clone(), flow: back, tag, dialog: None };
        self.pending.insert(transaction, pending);
        self.event(Event::Request { transaction, flow, message });
    }

    /// The dialog whose tags and Call-ID a request carries.
    pub(super) fn dialog_of(&self, message: &Message) -> Option<DialogId> {
        let to = message.to()?;
        let usage = self.usages.get(self.by_tag.get(to.tag()?)?)?;
        let from = message.from().and_then(|from| from.tag()).unwrap_or_default().to_owned();
        usage.remote_of(message.call_id(), &from).map(|_| usage.id)
    }

    fn response_came(&mut self, now: Instant, message: Message) {
        let Some(client) = self.transactions.receive_response(now, &message) else { return };
        match self.purposes.get(&client) {
            Some(Purpose::Invite(dialog)) => {
                let dialog = *dialog;
                self.invite_response(now, client, dialog, message);
            }
            Some(Purpose::Order(dialog, order)) => {
                let (dialog, order) = (*dialog, order.clone());
                self.order_response(now, client, dialog, order, message);
            }
            Some(Purpose::Prack(dialog, order)) => {
                let (dialog, order) = (*dialog, order.clone());
                self.prack_response(now, dialog, *order, &message);
            }
            Some(Purpose::Bye(dialog, order)) => {
                let (dialog, order) = (*dialog, order.clone());
                self.bye_response(now, dialog, *order, message);
            }
            Some(Purpose::Outside(send, credentials)) => {
                let (send, credentials) = (send.clone(), credentials.clone());
                self.outside_response(now, send, credentials, message);
            }
            Some(Purpose::Nobody) | None => {}
        }
    }

    /// Whether there is no room for another transaction. Requests in dialogs, and our own, may
    /// use a quarter more: calls that stand must be able to end.
    pub(super) fn is_full(&self, in_dialog: bool) -> bool {
        let limit = self.config.limits.transactions;
        let room = if in_dialog { limit.saturating_add(limit / 4) } else { limit };
        self.transactions.len() >= room
    }

    fn refuse_busy(&mut self, back: Flow, message: &Message) {
        let seconds = self.config.limits.retry_after.as_secs().to_string();
        self.refuse_statelessly(back, message, 503, &[("Retry-After".to_owned(), seconds)]);
    }

    /// The usage's peer may still send BYE and ACK while ours is on its way.
    pub(super) fn is_over(&self, dialog: DialogId) -> bool {
        let usage = self.usages.get(&dialog);
        usage.is_none_or(|usage| matches!(usage.phase, Phase::Ending(_)))
    }
}

/// The bytes with `received` and `rport` in the top Via, where they tell something.
fn stamped(message: &Message, source: SocketAddr) -> Option<Bytes> {
    let value = message.values(HeaderName::Via).next()?;
    let via = message.via()?;
    let moved = via.sent_by().ip() != Some(source.ip());
    if !moved && !via.has_rport() {
        return None;
    }
    // The view takes quotes off values that need them.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~[]:".contains(&byte);
    let mut text = String::with_capacity(value.len() + 40);
    text.push_str(value.split(';').next()?.trim_end());
    for (name, value) in via.params().iter() {
        let ours = ["received", "rport"].iter().any(|known| known.eq_ignore_ascii_case(name));
        match value {
            _ if ours => {}
            "" => text.push_str(&format!(";{name}")),
            value if value.bytes().all(plain) => text.push_str(&format!(";{name}={value}")),
            value => text.push_str(&format!(";{name}=\"{value}\"")),
        }
    }
    text.push_str(&format!(";received={}", source.ip()));
    if via.has_rport() {
        text.push_str(&format!(";rport={}", source.port()));
    }
    let bytes = message.as_bytes();
    let start = (value.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    let (before, rest) = bytes.split_at_checked(start)?;
    let after = rest.get(value.len()..)?;
    Some([before, text.as_bytes(), after].concat().into())
}
