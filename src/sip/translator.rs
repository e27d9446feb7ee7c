//! Whether an address translator (NAT) stands between us and a peer, as its messages show.
//!
//! A peer that writes another address than it sends from does not know how it is seen here. Names
//! prove nothing, nor does what a proxy wrote.

use std::net::IpAddr;

use super::uri::SipUri;
use super::{Flow, Message, Transport};

/// Whether a request's nearest sender is seen elsewhere than it thinks: its address is another, or
/// the port of one that takes answers where it sends from (RFC 3581 section 4). The user agent has
/// noted the source in the top Via.
pub fn before(request: &Message) -> bool {
    let Some(via) = request.via() else { return false };
    let own = via.sent_by().ip().map(|ip| ip.to_canonical());
    let seen = via.received().and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    let moved = own.is_some_and(|own| seen.is_some_and(|seen| seen != own));
    // A stream's port is any.
    let datagrams = via.transport().eq_ignore_ascii_case("UDP");
    let port = via.port().unwrap_or(Transport::Udp.default_port());
    moved || own.is_some() && datagrams && via.rport().is_some_and(|seen| seen != port)
}

/// Where the nearest sender of a request is, as the user agent noted it.
pub fn source(request: &Message) -> Option<IpAddr> {
    let via = request.via()?;
    via.received().and_then(|ip| ip.parse().ok()).or_else(|| via.sent_by().ip())
}

/// Whether a phone that registered that contact directly over `flow` is seen elsewhere than it
/// thinks.
pub fn hides(contact: &str, flow: Flow) -> bool {
    let Some(uri) = SipUri::parse(contact) else { return false };
    let Some(ip) = uri.host_port().ip() else { return false };
    let port = uri.port().unwrap_or(flow.transport.default_port());
    ip.to_canonical() != flow.remote.ip().to_canonical()
        || flow.transport == Transport::Udp && port != flow.remote.port()
}

/// Addresses that mean another host, or none, elsewhere: RFC 1918, RFC 6598, RFC 4193, link-local
/// and loopback.
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || a == 100 && (64..128).contains(&b)
                // RFC 7335 (464XLAT, DS-Lite) and RFC 2544 (tunnels of VPN programs).
                || ip.octets()[..3] == [192, 0, 0]
                || a == 198 && (b == 18 || b == 19)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Parsed;

    fn request(via: &str) -> Message {
        let text = format!(
            "OPTIONS sip:b@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/{via};branch=z9hG4bK1\r\n\
             From: <sip:a@b>;tag=f\r\nTo: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into()) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_translator_is_seen_by_the_source_that_is_not_the_senders_own() {
        for (via, translated) in [
            ("UDP 192.0.2.5:5062", false),
            ("UDP 192.0.2.5:5062;received=192.0.2.5;rport=5062", false),
            ("UDP 192.0.2.5;received=192.0.2.5;rport=5060", false),
            ("UDP 192.0.2.5;received=192.0.2.5;rport=40000", true),
            ("UDP 10.0.0.5;received=192.0.2.5", true),
            ("TCP 192.0.2.5;received=192.0.2.5;rport=40000", false),
            ("TLS 10.0.0.5:5061;received=192.0.2.5;rport=40000", true),
            ("UDP phone.example;received=192.0.2.5;rport=40000", false),
            ("WSS x.invalid;received=192.0.2.5;rport=40000", false),
            ("UDP [2001:db8::5]:5060;received=2001:db8::5;rport=5060", false),
        ] {
            assert_eq!(before(&request(via)), translated, "{via}");
        }
        let seen = "192.0.2.5".parse().ok();
        assert_eq!(source(&request("UDP 10.0.0.5;received=192.0.2.5")), seen);
        assert_eq!(source(&request("UDP 192.0.2.5:5062")), seen);
    }

    #[test]
    fn a_contact_that_is_not_where_it_came_from_is_behind_one() {
        let flow = |transport| Flow {
            transport,
            local: "203.0.113.1:5060".parse().expect("an address"),
            remote: "192.0.2.5:5062".parse().expect("an address"),
            connection: 0,
        };
        for (contact, by_udp, by_tcp) in [
            ("sip:a@192.0.2.5:5062", false, false),
            ("sip:a@192.0.2.5", true, false),
            ("sip:a@10.0.0.5:5062", true, true),
            ("sip:a@x.invalid", false, false),
            ("nothing", false, false),
        ] {
            assert_eq!(hides(contact, flow(Transport::Udp)), by_udp, "{contact}");
            assert_eq!(hides(contact, flow(Transport::Tcp)), by_tcp, "{contact}");
        }
    }
}
