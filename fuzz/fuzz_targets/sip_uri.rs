//! A URI, an address and a Via value.

#![no_main]

use offhook::sip::header::{NameAddr, Via};
use offhook::sip::uri::{HostPort, SipUri, escape_user, percent_decode};

#[path = "../exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Some(uri) = SipUri::parse(text) {
        exercise::read_uri(&uri);
        // In brackets it is still the same URI.
        let bracketed = format!("<{text}>;tag=1");
        let address = NameAddr::parse(&bracketed).expect("a URI in brackets is an address");
        assert_eq!(address.uri(), text);
        assert_eq!((address.sip_uri(), address.tag()), (Some(uri), Some("1")));
    }
    if let Some(address) = NameAddr::parse(text) {
        exercise::read_address(&address);
    }
    let _ = Via::parse(text).map(|via| (via.rport(), via.received().is_some(), via.branch()));
    let _ = HostPort::parse(text).map(|place| place.ip());
    assert_eq!(percent_decode(&escape_user(text)), text);
});
