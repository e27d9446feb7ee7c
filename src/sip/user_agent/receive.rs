//! What comes in: parsed, marked with its source, and sent to whom it concerns (RFC 3261
//! sections 8.2 and 18).

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Pending, Purpose, SUPPORTED, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::{Phase, Remote};
use crate::sip::header::Via;
use crate::sip::transaction::Arrival;
use crate::sip::uri::{Scheme, SipUri};
use crate::sip::{
    DialogId, Event, Flow, HeaderField, HeaderName, Message, Method, Parsed, Transport,
};

impl UserAgent {
    pub(super) fn receive(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match self.read(flow, bytes) {
            Parsed::Valid(message) if message.is_request() => {
                self.request(now, flow, message, false);
            }
            Parsed::Valid(message) => self.response_came(now, message),
            Parsed::Reject { message, status, reason } => {
                self.counters.rejected += 1;
                let back = self.way_back(flow, &message);
                self.refuse_saying(back, &message, status, reason, &[]);
            }
            Parsed::Discard(_) => self.counters.discarded += 1,
        }
    }

    /// What a peer in disgrace sends: heard where it belongs to what stands, else passed over.
    pub(super) fn receive_muted(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match self.read(flow, bytes) {
            Parsed::Valid(message) if message.is_request() => {
                self.request(now, flow, message, true);
            }
            Parsed::Valid(message) => self.response_came(now, message),
            Parsed::Reject { .. } | Parsed::Discard(_) => {}
        }
    }

    /// Parses, and notes the source in the top Via of a request, so that every response shows it
    /// (RFC 3261 section 18.2.1, RFC 3581 section 4).
    fn read(&self, flow: Flow, bytes: Bytes) -> Parsed {
        let parse = |bytes| match flow.transport {
            // A frame holds one whole message, as a datagram does (RFC 7118 section 5).
            Transport::Udp | Transport::Ws | Transport::Wss => Message::parse(bytes),
            Transport::Tcp | Transport::Tls => Message::parse_stream(bytes),
        };
        if let Some(bytes) = stamped_early(&bytes, flow.remote) {
            return parse(bytes);
        }
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
    pub(super) fn way_back(&self, flow: Flow, message: &Message) -> Flow {
        let Some(via) = message.via().filter(|_| flow.transport == Transport::Udp) else {
            return flow;
        };
        if via.has_rport() || self.config.force_rport {
            return flow;
        }
        let remote = SocketAddr::new(flow.remote.ip(), via.port().unwrap_or(5060));
        Flow { remote, ..flow }
    }

    fn request(&mut self, now: Instant, flow: Flow, message: Message, muted: bool) {
        match self.transactions.receive_request(now, &message) {
            Arrival::Absorbed => {
                // An ACK ends a transaction; it is no repeat.
                self.counters.repeats_received += u64::from(message.method() != Method::Ack);
                return;
            }
            Arrival::AckOfAccepted => return self.receive_ack(now, message),
            Arrival::Unknown => {}
        }
        if muted && !self.concerns(&message) {
            return;
        }
        let back = self.way_back(flow, &message);
        // A REGISTER makes no dialog, whatever tags it brings, and those of a SUBSCRIBE are never
        // a call's (RFC 6665 section 4.5.2).
        let inside = !matches!(message.method(), Method::Register | Method::Subscribe)
            && message.to().is_some_and(|to| to.tag().is_some());
        match message.method() {
            Method::Ack => self.receive_ack(now, message),
            Method::Cancel if self.is_full(true) => self.refuse_busy(back, &message),
            Method::Cancel => self.receive_cancel(now, back, message),
            _ => match self.objection(&message, inside) {
                Some((status, headers)) => {
                    self.refuse_statelessly(back, &message, status, &headers);
                }
                None if inside && self.is_full(true) => self.refuse_busy(back, &message),
                None if inside => self.request_in_dialog(now, back, message),
                None => self.request_outside(now, flow, back, message),
            },
        }
    }

    /// Whether a request belongs to something that has begun.
    fn concerns(&self, message: &Message) -> bool {
        match message.method() {
            Method::Ack => true,
            Method::Cancel => self.transactions.cancelled(message).is_some(),
            _ => self.dialog_of(message).is_some(),
        }
    }

    /// What RFC 3261 section 8.2 finds wrong with a request, in its order.
    fn objection(&self, message: &Message, inside: bool) -> Option<(u16, Vec<HeaderField>)> {
        let plain = |status| Some((status, Vec::new()));
        let tagged = message.to().is_some_and(|to| to.tag().is_some());
        match message.method() {
            Method::Other => return plain(501),
            // Inside a dialog they belong to what it is for.
            Method::Refer | Method::Notify | Method::Message if tagged => {}
            // Whoever screens says who may send these, and only then what becomes of them.
            Method::Subscribe | Method::Refer | Method::Message | Method::Publish
                if self.config.screening && !inside => {}
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
            // What another exchange of this server sends has its branches of course.
            _ if !flow.is_inner() && self.is_loop(&message) => Some(482),
            _ if self.transactions.merged(&message) => Some(482),
            _ => None,
        };
        if let Some(status) = status {
            return self.refuse_statelessly(back, &message, status, &[]);
        }
        if let Some((status, headers)) = self.short_session(&message) {
            return self.refuse_statelessly(back, &message, status, &headers);
        }
        let invite = method == Method::Invite;
        // What is answered without a transaction needs no room for one.
        let no_room = self.is_full(false) && (invite || !self.config.screening)
            || invite && self.usages.len() >= self.config.limits.dialogs;
        if no_room {
            return self.refuse_busy(back, &message);
        }
        let remote = invite.then(|| Remote::of_request(&message, flow));
        let fault = match &remote {
            Some(None) => Some("Contact missing"),
            Some(Some(remote)) if !remote.is_bounded() => Some("Addresses and routes too long"),
            _ => None,
        };
        if let Some(reason) = fault {
            return self.refuse_saying(back, &message, 400, reason, &[]);
        }
        match self.config.screening {
            true => self.event(Event::Knock { flow, message }),
            false => self.admit(now, flow, message),
        }
    }

    /// Begins what a request outside dialogs asks for.
    pub(super) fn admit(&mut self, now: Instant, flow: Flow, message: Message) {
        let back = self.way_back(flow, &message);
        if self.is_full(false) {
            return self.refuse_busy(back, &message);
        }
        if message.method() == Method::Invite {
            let Some(remote) = Remote::of_request(&message, flow) else { return };
            let Some(id) = self.transactions.accept(now, &message, back) else { return };
            return self.receive_invite(id, flow, back, remote, message);
        }
        let Some(transaction) = self.transactions.accept(now, &message, back) else { return };
        let tag = self.new_tag().into();
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
            Some(Purpose::Notify(id)) => self.notify_response(*id, message),
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
        self.counters.overloaded += 1;
        let seconds = self.config.limits.retry_after.as_secs().to_string();
        self.refuse_statelessly(back, message, 503, &[("Retry-After".to_owned(), seconds)]);
    }

    /// The usage's peer may still send BYE and ACK while ours is on its way.
    pub(super) fn is_over(&self, dialog: DialogId) -> bool {
        let usage = self.usages.get(&dialog);
        usage.is_none_or(|usage| matches!(usage.phase, Phase::Ending(_) | Phase::Reporting(_)))
    }
}

/// The bytes with `received` and `rport` in the top Via, where they tell something.
fn stamped(message: &Message, source: SocketAddr) -> Option<Bytes> {
    let value = message.values(HeaderName::Via).next()?;
    let bytes = message.as_bytes();
    let start = (value.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    splice(bytes, start, value, source)
}

/// The same before anything is read, for requests that start as nearly all do: with their top Via,
/// alone and whole on its line. `None` for others, which are read twice.
fn stamped_early(bytes: &Bytes, source: SocketAddr) -> Option<Bytes> {
    let first = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes.get(first + 1..)?;
    let value = line.strip_prefix(b"Via: ").or_else(|| line.strip_prefix(b"v: "))?;
    let end = value.iter().position(|byte| *byte == b'\r')?;
    let (value, rest) = value.split_at_checked(end)?;
    let folded = !rest.starts_with(b"\r\n") || matches!(rest.get(2), Some(b' ' | b'\t') | None);
    let list = value.iter().any(|byte| b",\"\n\t".contains(byte)) || value.ends_with(b" ");
    if folded || list || bytes.starts_with(b"SIP/") {
        return None;
    }
    let start = (value.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    splice(bytes, start, std::str::from_utf8(value).ok()?, source)
}

/// Writes the source into the Via that begins at `start`.
fn splice(bytes: &Bytes, start: usize, value: &str, source: SocketAddr) -> Option<Bytes> {
    let text = marked(value, source)?;
    let (before, rest) = bytes.split_at_checked(start)?;
    let after = rest.get(value.len()..)?;
    Some([before, text.as_bytes(), after].concat().into())
}

/// A Via value with its source (RFC 3261 section 18.2.1, RFC 3581 section 4).
fn marked(value: &str, source: SocketAddr) -> Option<String> {
    let via = Via::parse(value)?;
    let moved = via.sent_by().ip() != Some(source.ip());
    // Where the peer is seen is ours to say.
    let claims = via.received().is_some();
    if !moved && !claims && !via.has_rport() {
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
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SocketAddr {
        "198.51.100.9:4321".parse().expect("an address")
    }

    fn message(via: &str) -> Bytes {
        format!(
            "OPTIONS sip:a@b SIP/2.0\r\n{via}\r\nMax-Forwards: 7\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        .into()
    }

    #[test]
    fn a_source_that_the_peer_wrote_itself_gives_way_to_the_one_it_has() {
        let own = "SIP/2.0/UDP 198.51.100.9:4321;branch=z9hG4bKa";
        assert_eq!(marked(own, source()), None, "nothing is to be said");
        let claimed = format!("{own};received=203.0.113.66");
        let told = marked(&claimed, source()).expect("it is corrected");
        assert!(
            told.contains(";received=198.51.100.9") && !told.contains("203.0.113.66"),
            "{told}"
        );
    }

    fn read(bytes: Bytes) -> Message {
        match Message::parse(bytes) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_ways_of_marking_the_source_write_the_same() {
        for via in [
            "Via: SIP/2.0/UDP h:5070;branch=z9hG4bK1;rport",
            "v: SIP/2.0/UDP h;rport;branch=z9hG4bK1;received=1.2.3.4",
            "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP i;branch=z9hG4bK2",
        ] {
            let bytes = message(via);
            let early = stamped_early(&bytes, source()).expect("marked");
            assert_eq!(Some(&early), stamped(&read(bytes), source()).as_ref(), "{via}");
            assert_eq!(read(early).via().and_then(|via| via.received()), Some("198.51.100.9"));
        }
    }

    #[test]
    fn unusual_beginnings_are_read_before_they_are_marked() {
        for via in [
            "Via : SIP/2.0/UDP h;branch=z9hG4bK1;rport",
            "VIA: SIP/2.0/UDP h;branch=z9hG4bK1;rport",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\n ;x=y",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport, SIP/2.0/UDP i;branch=z9hG4bK2",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport;x=\"a;b\"",
            "X: y\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport",
        ] {
            let bytes = message(via);
            assert_eq!(stamped_early(&bytes, source()), None, "{via}");
            assert!(stamped(&read(bytes), source()).is_some(), "{via}");
        }
        assert_eq!(stamped_early(&Bytes::from_static(b"SIP/2.0 200\r\nVia: x"), source()), None);
        assert_eq!(stamped_early(&Bytes::from_static(b"\n"), source()), None);
        assert_eq!(stamped_early(&Bytes::from_static(b"\nVia: \r\n"), source()), None);
    }
}
