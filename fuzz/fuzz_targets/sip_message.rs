//! One datagram.

use bytes::Bytes;
use offhook::sip::header::{NameAddr, Via};
use offhook::sip::peek::{self, Class, Peek};
use offhook::sip::uri::SipUri;
use offhook::sip::write::Builder;
use offhook::sip::{HeaderName, Message, Method, Parsed};

use super::digest_client::answered;
use super::digest_server::verified;
use super::sip_uri::{read_address, read_uri};

pub fn run(bytes: &[u8]) {
    let peeked = peek::peek(bytes);
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Parsed::Valid(message) => {
            let peeked = peeked.expect("a message");
            // What is not text is shown otherwise than it came, and steered as it came.
            if std::str::from_utf8(bytes).is_ok() {
                assert_steered(&peeked, &message);
            }
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
    assert_eq!(peek.call_id, message.call_id().as_bytes());
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
        let requested = requested.as_ref().and_then(SipUri::user_raw);
        let of = |address: Option<NameAddr<'_>>| Some(address?.sip_uri()?.user_raw()?.to_owned());
        let whose = match message.method() {
            Method::Register => of(to),
            // What names nobody is its sender's.
            _ => match requested.filter(|user| !user.is_empty()) {
                Some(user) => Some(user.to_owned()),
                None => of(message.from()),
            },
        };
        assert_eq!(peek.user, whose.map(Into::into));
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
    verified(message);
    answered(message);
}
