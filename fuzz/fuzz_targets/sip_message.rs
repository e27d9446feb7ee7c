//! One datagram.

use bytes::Bytes;
use offhook::sip::header::{NameAddr, Via};
use offhook::sip::write::Builder;
use offhook::sip::{HeaderName, Message, Parsed};

use super::digest_client::answered;
use super::digest_server::verified;
use super::sip_uri::{read_address, read_uri};

pub fn run(bytes: &[u8]) {
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Parsed::Valid(message) => {
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
    let _ = offhook::sip::uri::SipUri::parse(message.request_uri()).map(|uri| read_uri(&uri));
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
