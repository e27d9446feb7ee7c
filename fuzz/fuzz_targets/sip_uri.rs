//! A URI, an address and a Via value.

use offhook::base::{Instant, Machine, Rng};
use offhook::sip::header::{NameAddr, Via};
use offhook::sip::locate::{Config, Family, Input, Locator, Lookup, Output, Protocol};
use offhook::sip::uri::{HostPort, SipUri, escape_user, percent_decode};

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(uri) = SipUri::parse(text) {
        read_uri(&uri);
        // In brackets it is still the same URI.
        let bracketed = format!("<{text}>;tag=1");
        let address = NameAddr::parse(&bracketed).expect("a URI in brackets is an address");
        assert_eq!(address.uri(), text);
        assert_eq!((address.sip_uri(), address.tag()), (Some(uri), Some("1")));
    }
    if let Some(address) = NameAddr::parse(text) {
        read_address(&address);
    }
    let _ = Via::parse(text).map(|via| (via.rport(), via.received().is_some(), via.branch()));
    let _ = HostPort::parse(text).map(|place| place.ip());
    assert_eq!(percent_decode(&escape_user(text)), text);
    located(text);
}

/// Whoever asks for a URI is told something, at once or after a question.
fn located(text: &str) {
    let protocols = vec![Protocol::Udp, Protocol::Tcp, Protocol::Tls];
    let config = Config { protocols, family: Family::V4First };
    let mut locator = Locator::new(config, Rng::from_number(1));
    locator.handle(Instant::ZERO, Input::Locate(Lookup(1), text.to_owned()));
    match locator.poll() {
        Some(Output::Located(Lookup(1), Ok(hops))) => assert!(!hops.is_empty()),
        Some(Output::Located(Lookup(1), Err(error))) => drop((error.status(), error.fault())),
        Some(Output::Ask(question)) => assert!(!question.name.is_empty()),
        other => panic!("{other:?}"),
    }
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
