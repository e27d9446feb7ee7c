//! RFC 5118 section 4: IPv6 addresses where SIP and SDP hold them.

use std::net::IpAddr;

use bytes::Bytes;
use offhook::sdp::session::Session;
use offhook::sip::header::Via;
use offhook::sip::uri::SipUri;
use offhook::sip::{HeaderName, Message, Parsed};

fn read(name: &str) -> Parsed {
    let path = format!("{}/tests/data/ipv6/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Message::parse(Bytes::from(bytes))
}

fn message(name: &str) -> Message {
    match read(name) {
        Parsed::Valid(message) => message,
        other => panic!("{name}: {other:?}"),
    }
}

/// Sections 4.1 to 4.4 and 4.10: the host and port of each Request-URI, or none where it is no
/// URI.
#[test]
fn brackets_tell_address_from_port() {
    let table = [
        ("ipv6-good", Some(("2001:db8::10", None))),
        ("ipv6-bad", None),
        // Section 4.3: whoever wrote it may have meant the port 5070, but it is an address.
        ("port-ambiguous", Some(("2001:db8::10:5070", None))),
        ("port-unambiguous", Some(("2001:db8::10", Some(5070)))),
        // Section 4.10: three colons, which the grammar of RFC 3261 allowed by mistake. No
        // address has them, so there is nowhere to go.
        ("ipv6-bug-abnf-3-colons", None),
        ("ipv6-correct-abnf-2-colons", Some(("2001:db8::192.0.2.1", None))),
    ];
    for (name, expected) in table {
        match (read(name), expected) {
            (Parsed::Valid(message), Some(place)) => {
                let uri = SipUri::parse(message.request_uri()).expect("a valid request has a URI");
                assert_eq!((uri.host(), uri.port()), place, "{name}");
                assert!(uri.host_port().ip().is_some_and(|ip| ip.is_ipv6()), "{name}");
                let registers = message.method_name() == "REGISTER";
                assert_eq!(message.contacts().count(), usize::from(registers), "{name}");
            }
            (Parsed::Reject { status, reason, .. }, None) => {
                assert_eq!((status, reason), (400, "Request-URI is no URI"), "{name}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

/// Section 4.5: the grammar wants no brackets in `received`, but many write them.
#[test]
fn received_is_read_with_and_without_brackets() {
    for (name, branch) in [
        ("via-received-param-with-delim", "z9hG4bKas3-111"),
        ("via-received-param-no-delim", "z9hG4bKas3"),
    ] {
        let message = message(name);
        let via = message.via().expect("a valid message has a Via");
        assert_eq!((via.host(), via.port()), ("2001:db8::9:1", None), "{name}");
        assert_eq!(via.received(), Some("2001:db8::9:255"), "{name}");
        assert_eq!(via.branch(), Some(branch), "{name}");
    }
}

/// Section 4.7, and section 4.9 for addresses of IPv4 written as those of IPv6.
#[test]
fn families_mix_in_vias() {
    let table = [
        (
            "mult-ip-in-header",
            vec![
                ("2001:db8::9:1", Some(6050), None),
                ("192.0.2.1", None, None),
                ("2001:db8::9:255", None, Some("192.0.2.200")),
            ],
        ),
        (
            "ipv4-mapped-ipv6",
            vec![("::ffff:192.0.2.10", Some(19823), None), ("::ffff:192.0.2.2", None, None)],
        ),
    ];
    for (name, expected) in table {
        let message = message(name);
        let vias: Vec<_> = message.values(HeaderName::Via).filter_map(Via::parse).collect();
        let vias: Vec<_> = vias.iter().map(|v| (v.host(), v.port(), v.received())).collect();
        assert_eq!(vias, expected, "{name}");
    }
}

/// Sections 4.6, 4.8 and 4.9: where the streams of each description go.
#[test]
fn sessions_name_addresses_of_both_families() {
    let table = [
        ("ipv6-in-sdp", vec!["2001:db8::20", "2001:db8::20"]),
        ("mult-ip-in-sdp", vec!["192.0.2.1", "2001:db8::1"]),
        ("ipv4-mapped-ipv6", vec!["::ffff:192.0.2.2", "::ffff:192.0.2.2"]),
    ];
    for (name, expected) in table {
        let session = Session::parse(&message(name).body()).expect("a session description");
        let places = session.media.iter().map(|media| session.address_of(media));
        let places: Vec<IpAddr> = places.map(|place| place.expect("an address")).collect();
        let expected: Vec<IpAddr> =
            expected.iter().map(|text| text.parse().expect("an address")).collect();
        assert_eq!(places, expected, "{name}");
    }
}
