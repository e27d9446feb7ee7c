//! The value of one header, read as each of the kinds that there are.

use offhook::leg::Replaces;
use offhook::sip::header::{CSeq, NameAddr, Via};
use offhook::sip::write::{name_addr, quoted};
use offhook::sip::{HeaderName, Message, Parsed};

use super::sip_uri::read_address;

pub fn run(bytes: &[u8]) {
    let (name, value) = bytes.split_at(bytes.len().min(1));
    let Ok(value) = std::str::from_utf8(value) else { return };
    if let Some(address) = NameAddr::parse(value) {
        read_address(&address);
        for (name, value) in address.params().iter() {
            assert_eq!(address.params().has(name), !name.is_empty(), "{name}={value}");
        }
        // What is written of it is read as the same.
        let shown = address.display_name();
        let again = name_addr(shown.as_deref(), address.uri());
        let plain = |text: &str| !text.contains(|c: char| c.is_control());
        if shown.as_deref().is_none_or(plain) && address.sip_uri().is_some() {
            let again = NameAddr::parse(&again).expect("what we write is an address");
            assert_eq!(again.uri(), address.uri());
        }
    }
    if let Some(via) = Via::parse(value) {
        let _ = (via.branch_after_cookie(), via.sent_by().ip(), via.maddr(), via.ttl_of());
    }
    let _ = CSeq::parse(value).map(|cseq| (cseq.number, cseq.method));
    let _ = Replaces::parse(value);
    assert!(!quoted(value).contains(['\r', '\n']));
    let code = name.first().copied().unwrap_or_default();
    within(NAMES[usize::from(code) % NAMES.len()], value);
}

trait TtlOf {
    fn ttl_of(&self) -> Option<u8>;
}

impl TtlOf for Via<'_> {
    fn ttl_of(&self) -> Option<u8> {
        self.params().get("ttl")?.parse().ok()
    }
}

const NAMES: [&str; 24] = [
    "Via",
    "From",
    "To",
    "Contact",
    "Route",
    "Record-Route",
    "Path",
    "Refer-To",
    "Referred-By",
    "Replaces",
    "Diversion",
    "History-Info",
    "P-Asserted-Identity",
    "Reason",
    "Session-Expires",
    "Min-SE",
    "RSeq",
    "RAck",
    "Event",
    "Subscription-State",
    "Retry-After",
    "Require",
    "Privacy",
    "Identity",
];

/// The header where it belongs: values of lists are parts of what was written.
fn within(name: &str, value: &str) {
    let text = format!(
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{name}: {value}\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\n\
         CSeq: 2 INVITE\r\nMax-Forwards: 1\r\nContent-Length: 0\r\n\r\n"
    );
    if let Parsed::Valid(message) | Parsed::Reject { message, .. } = Message::parse(text.into()) {
        let whole = message.as_bytes().len();
        for value in message.values(HeaderName::from_bytes(name.as_bytes())) {
            assert!(value.len() <= whole);
        }
    }
}
