//! What fuzzing and the mutation tests do with bytes: everything that reads them, and the
//! promises that hold for whatever was read.

#![allow(dead_code, reason = "each target uses its part")]

use bytes::Bytes;
use offhook::base::{Instant, Secret};
use offhook::sip::auth::{Challenger, answer, is_stale};
use offhook::sip::frame::{Frame, Framer};
use offhook::sip::header::{NameAddr, Via};
use offhook::sip::peek::{self, Class, Peek};
use offhook::sip::uri::SipUri;
use offhook::sip::write::Builder;
use offhook::sip::{HeaderName, Login, Message, Method, Parsed};

/// Reads the bytes as a datagram and as a stream.
pub fn sip_message(bytes: &[u8]) {
    datagram(bytes);
    stream(bytes);
}

/// Reads the bytes as a datagram.
pub fn datagram(bytes: &[u8]) {
    let peeked = peek::peek(bytes);
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Parsed::Valid(message) => {
            assert_steered(&peeked.expect("a message"), &message);
            assert!(message.via().is_some() && message.from().is_some() && message.to().is_some());
            assert!(message.cseq().is_some() && !message.call_id().is_empty());
            read_all(&message);
            if message.is_request() {
                assert_answerable(&message, true);
            }
        }
        Parsed::Reject { message, status, .. } => {
            assert!(message.is_request() && (400..600).contains(&status));
            read_all(&message);
            assert_answerable(&message, false);
        }
        Parsed::Discard(_) => {}
    }
}

/// A look at a message says what reading it says, or it would come to one who does not know it.
fn assert_steered(peek: &Peek<'_>, message: &Message) {
    assert_eq!(String::from_utf8_lossy(peek.call_id), message.call_id());
    if !message.is_request() {
        assert_eq!((peek.class, peek.method), (Class::Response, None));
        assert_eq!(peek.ours.as_deref(), message.via().and_then(|via| via.branch()));
        return;
    }
    assert_eq!(peek.method, Some(message.method()));
    let to = message.to();
    let tag = to.and_then(|to| to.tag()).filter(|_| message.method() != Method::Register);
    if tag.is_some() {
        assert_eq!((peek.class, peek.ours.as_deref()), (Class::Ongoing, tag));
    } else if !message.has(HeaderName::Replaces) {
        assert_eq!(peek.ours, None);
    }
    if peek.class == Class::Other {
        let requested = SipUri::parse(message.request_uri());
        let whose = if message.method() == Method::Register {
            to.and_then(|to| to.sip_uri())
        } else {
            requested
        };
        assert_eq!(peek.user.as_deref(), whose.and_then(|uri| uri.user_raw()));
    }
}

/// What we send back never says more lines than we wrote, and reads back where the request did.
fn assert_answerable(message: &Message, valid: bool) {
    let answer = Builder::response_to(message, 486, "Busy Here", Some("t")).build();
    match Message::parse(answer) {
        Parsed::Valid(answer) => {
            assert_eq!(answer.status(), Some(486));
            assert_eq!(answer.via(), message.via());
            assert_eq!(answer.call_id(), message.call_id());
        }
        other => assert!(!valid, "{other:?}"),
    }
}

fn read_all(message: &Message) {
    let _ = (message.method(), message.request_uri(), message.status(), message.reason_phrase());
    let _ = (message.max_forwards(), message.expires(), message.is_content_type("a/b"));
    assert!(message.body().len() <= message.as_bytes().len());
    let _ = SipUri::parse(message.request_uri()).map(|uri| read_uri(&uri));
    for (name, value) in message.all_headers() {
        assert!(!name.is_empty() && !value.contains(['\r', '\n']));
        assert!(message.header_by_name(name).is_some());
    }
    let lists = [HeaderName::Via, HeaderName::Contact, HeaderName::Route, HeaderName::Supported];
    for value in lists.into_iter().flat_map(|name| message.values(name)) {
        let _ = Via::parse(value).map(|via| (via.rport(), via.received().is_some(), via.maddr()));
        if let Some(address) = NameAddr::parse(value) {
            read_address(&address);
        }
    }
    credentials(message);
}

/// Asks an address for all its parts.
pub fn read_address(address: &NameAddr<'_>) {
    let _ = (address.display_name(), address.tag(), address.params().iter().count());
    let _ = address.sip_uri().map(|uri| read_uri(&uri));
}

/// Asks a URI for all its parts.
pub fn read_uri(uri: &SipUri<'_>) {
    assert!(uri.equivalent(uri), "{uri:?}");
    let _ = (uri.user(), uri.headers().count(), uri.transport(), uri.host_port().ip());
}

/// Checks its credentials and answers its challenges.
pub fn credentials(message: &Message) {
    let source = [192, 0, 2, 1].into();
    let mut challenger = Challenger::new([1; 32]);
    let _ = challenger.verify(Instant::ZERO, message, "example.com", source, |_| None);
    let login = Login { username: "a".into(), password: Secret::new("b"), realm: None };
    let _ = (is_stale(message), answer(message, "INVITE", "sip:x", &login, "c", 1));
}

/// However the bytes are cut, the same frames come out.
pub fn stream(bytes: &[u8]) {
    let whole = frames(bytes, usize::MAX);
    let cut = frames(bytes, 7);
    assert_eq!(whole, cut);
    for bytes in whole {
        let _ = Message::parse_stream(bytes);
    }
}

fn frames(bytes: &[u8], step: usize) -> Vec<Bytes> {
    let mut framer = Framer::new();
    let mut messages = Vec::new();
    for chunk in bytes.chunks(step.min(bytes.len().max(1))) {
        framer.push(chunk);
        while let Some(Ok(frame)) = framer.pop() {
            if let Frame::Message(bytes) = frame {
                messages.push(bytes);
            }
        }
    }
    messages
}
