//! The far side of one dialog: its tag, its target, the way to it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::route::RouteSet;
use crate::sip::translator::is_private;
use crate::sip::uri::SipUri;
use crate::sip::{Flow, HeaderName, Message, Transport};

/// What a request to the far side of a dialog needs to know of it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its tag; empty for peers older than RFC 3261.
    pub tag: Arc<str>,
    /// Its From or To value as it wrote it, tag and all.
    pub header: String,
    /// Its Contact: the remote target.
    pub target: String,
    /// The proxies between.
    pub routes: RouteSet,
    /// Whether its addresses are behind a translator, so that only the flow reaches it.
    behind_nat: bool,
}

/// What is kept of a peer's addresses and routes in one dialog, in bytes: ten proxies with long
/// names and a contact of two hundred take a third of it.
const MOST_KEPT: usize = 4 * 1024;

impl Remote {
    /// Of an INVITE that came in; `None` without a Contact to send requests to.
    pub fn of_request(request: &Message, flow: Flow) -> Option<Remote> {
        let header = request.header(HeaderName::From)?.to_owned();
        let tag = request.from().and_then(|from| from.tag()).unwrap_or_default().into();
        let target = request.contacts().next()?.uri().to_owned();
        // Only the nearest Via tells of the peer itself, and only when there is no proxy.
        let direct = request.values(HeaderName::Via).count() == 1;
        let sent_by = request.via().and_then(|via| via.sent_by().ip());
        let translated = direct && sent_by.is_some_and(|ip| ip != flow.remote.ip());
        let behind_nat = translated || wants_flow(&target) || private_here(&target, flow);
        let routes = RouteSet::of_callee(request);
        Some(Remote { tag, header, target, routes, behind_nat })
    }

    /// Of a response to an INVITE that went to `uri` over `flow`.
    pub fn of_response(response: &Message, uri: &str, flow: Flow) -> Option<Remote> {
        let header = response.header(HeaderName::To)?.to_owned();
        let tag = response.to().and_then(|to| to.tag()).unwrap_or_default().into();
        let contact = response.contacts().next();
        let target = contact.map_or(uri, |contact| contact.uri()).to_owned();
        // We were told to reach that very place over this flow, so whoever resolved it knew of a
        // translator (a registered phone) or of an outbound proxy.
        let behind_nat = literal(&target).is_none_or(|place| literal(uri) == Some(place))
            || wants_flow(&target)
            || private_here(&target, flow);
        let routes = RouteSet::of_caller(response);
        Some(Remote { tag, header, target, routes, behind_nat })
    }

    /// Whether it is small enough to be kept as long as a call lasts: every request in the dialog
    /// repeats all of it, and must fit into a message.
    pub fn is_bounded(&self) -> bool {
        self.header.len() + self.target.len() + self.routes.bytes() <= MOST_KEPT
    }

    /// Takes a new target from a request that came over `flow` and may refresh it (RFC 3261
    /// section 12.2); the route set stays. Whether `flow` is now the way to reach the peer.
    pub fn refresh_by_request(&mut self, request: &Message, flow: Flow) -> bool {
        let Some(moved) = Remote::of_request(request, flow) else { return false };
        if moved.target != self.target {
            (self.target, self.behind_nat) = (moved.target, moved.behind_nat);
        }
        self.behind_nat
    }

    /// Takes a new target from a response that may refresh it; the route set stays.
    pub fn refresh(&mut self, message: &Message) {
        if let Some(contact) = message.contacts().next() {
            self.target = contact.uri().to_owned();
        }
    }

    /// Where a request goes, for a dialog that came about over `flow`: to the top route or the
    /// target if that is an address, else over the flow. Names were resolved when the flow was
    /// chosen, and `.invalid` never resolves. `listening` gives our address on a transport.
    pub fn hop(&self, flow: Flow, listening: impl Fn(Transport) -> Option<SocketAddr>) -> Flow {
        if flow.is_inner() {
            return flow;
        }
        let hop = self.routes.next_hop(&self.target);
        let by_target = hop == self.target;
        let Some(place) = literal(hop).filter(|_| !(by_target && self.behind_nat)) else {
            return flow;
        };
        let asked = SipUri::parse(hop).and_then(|uri| Transport::of_uri(&uri).ok().flatten());
        let transport = asked.unwrap_or(flow.transport);
        // Nobody can connect to a WebSocket client (RFC 7118 section 7), and what began in secret
        // goes on in secret.
        let less_safe = flow.transport.is_secure() && !transport.is_secure();
        if transport.is_websocket() || less_safe {
            return flow;
        }
        let stream_there = transport.is_stream() && place.ip() == flow.remote.ip();
        if transport == flow.transport && (stream_there || place == flow.remote) {
            return flow;
        }
        match (transport == flow.transport).then_some(flow.local).or_else(|| listening(transport)) {
            Some(local) => Flow { transport, local, remote: place, connection: 0 },
            None => flow,
        }
    }
}

/// The address in a URI, if it is no name.
fn literal(uri: &str) -> Option<SocketAddr> {
    let uri = SipUri::parse(uri)?;
    let transport = Transport::of_uri(&uri).ok()?.unwrap_or(Transport::Udp);
    let port = uri.port().unwrap_or(transport.default_port());
    Some(SocketAddr::new(uri.host_port().ip()?, port))
}

/// Whether a Contact asks for requests over the flow that it came by (RFC 5626 section 4.3).
fn wants_flow(uri: &str) -> bool {
    SipUri::parse(uri).is_some_and(|uri| uri.params().has("ob"))
}

/// Whether the URI's address is a private one though the peer is reached at a public one.
fn private_here(uri: &str, flow: Flow) -> bool {
    literal(uri).is_some_and(|place| is_private(place.ip()) && !is_private(flow.remote.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Parsed;

    fn flow(remote: &str) -> Flow {
        let local = "203.0.113.1:5060".parse().expect("an address");
        let remote = remote.parse().expect("an address");
        Flow { transport: Transport::Udp, local, remote, connection: 0 }
    }

    fn invite(via: &str, contact: &str, more: &str) -> Message {
        let text = format!(
            "INVITE sip:b@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\n{more}\
             From: <sip:a@b>;tag=f\r\nTo: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\
             Contact: <{contact}>\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into()) {
            Parsed::Valid(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn hop(message: &Message, from: &str) -> String {
        let flow = flow(from);
        let remote = Remote::of_request(message, flow).expect("a contact");
        let way = remote.hop(flow, |_| None);
        way.remote.to_string()
    }

    #[test]
    fn requests_go_to_the_contact_unless_a_translator_hides_it() {
        let direct = invite("198.51.100.7", "sip:a@198.51.100.7:5070", "");
        assert_eq!(hop(&direct, "198.51.100.7:5060"), "198.51.100.7:5070");
        let natted = invite("192.168.1.5", "sip:a@192.168.1.5", "");
        assert_eq!(hop(&natted, "198.51.100.7:40123"), "198.51.100.7:40123");
        let docker = invite("172.17.0.2", "sip:a@172.17.0.2", "");
        assert_eq!(hop(&docker, "192.168.1.5:40123"), "192.168.1.5:40123");
        let named = invite("phone.invalid", "sip:a@phone.invalid", "");
        assert_eq!(hop(&named, "198.51.100.7:40123"), "198.51.100.7:40123");
    }

    #[test]
    fn a_flow_is_kept_where_the_contact_asks_for_it() {
        let bound = invite("198.51.100.7", "sip:a@198.51.100.7:5070;ob", "");
        assert_eq!(hop(&bound, "198.51.100.7:40123"), "198.51.100.7:40123");
    }

    /// Where a request to `contact` goes in a dialog over that transport.
    fn way(transport: Transport, contact: &str) -> Flow {
        let from = Flow { transport, connection: 7, ..flow("198.51.100.7:40123") };
        let message = invite("198.51.100.7", contact, "");
        let remote = Remote::of_request(&message, from).expect("a contact");
        remote.hop(from, |_| Some(from.local))
    }

    #[test]
    fn what_began_on_a_secure_stream_or_websocket_stays_there() {
        for (transport, contact) in [
            (Transport::Wss, "sip:a@198.51.100.9;transport=ws"),
            (Transport::Ws, "sip:a@192.0.2.77:5066;transport=ws"),
            (Transport::Wss, "sip:a@b.invalid;transport=wss"),
            (Transport::Tls, "sips:a@198.51.100.7"),
            (Transport::Tls, "sip:a@198.51.100.7:5070;transport=tls"),
            (Transport::Tls, "sip:a@198.51.100.9;transport=tcp"),
            (Transport::Tls, "sip:a@198.51.100.7:5060"),
        ] {
            assert_eq!(way(transport, contact).connection, 7, "{contact}");
        }
        let elsewhere = way(Transport::Tls, "sip:a@198.51.100.9;transport=tls");
        assert_eq!(elsewhere.remote.to_string(), "198.51.100.9:5061");
        assert_eq!((elsewhere.transport, elsewhere.connection), (Transport::Tls, 0));
    }

    #[test]
    fn routes_go_before_the_contact() {
        let route = "Record-Route: <sip:198.51.100.9;lr>\r\n";
        let routed = invite("192.168.1.5", "sip:a@192.168.1.5", route);
        assert_eq!(hop(&routed, "198.51.100.8:5060"), "198.51.100.9:5060");
    }
}
