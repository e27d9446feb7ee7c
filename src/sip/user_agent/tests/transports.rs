//! What each transport makes of a message, and the change from one to another.

use std::net::SocketAddr;

use super::net::*;
use crate::base::{Instant, Machine, Rng};
use crate::sip::user_agent::{Config, Listener, UserAgent};
use crate::sip::{Body, Command, DialogId, Ending, Event, Flow, Input, Invite, Message, Method};
use crate::sip::{HeaderName, Output, Transport};

/// One agent with a listener of each transport, and what it says.
struct Mouth {
    agent: UserAgent,
    events: Vec<Event>,
    sent: Vec<(Flow, Message)>,
    remote: SocketAddr,
    connection: u64,
}

impl Mouth {
    fn new(transports: &[Transport]) -> Mouth {
        let listeners = transports.iter().map(|own| Listener::new(*own, address(1))).collect();
        let agent = UserAgent::new(Config::new(listeners, "test"), Rng::from_number(5));
        Mouth::of(agent)
    }

    fn of(agent: UserAgent) -> Mouth {
        Mouth { agent, events: vec![], sent: vec![], remote: there(), connection: 0 }
    }

    fn input(&mut self, input: Input) {
        self.agent.handle(Instant::ZERO, input);
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Transmit { flow, bytes } => self.sent.push((flow, read(bytes))),
            }
        }
    }

    /// Calls `uri` over `transport` with a body of so many bytes; what was sent.
    fn invite(&mut self, uri: &str, transport: Transport, body: usize) -> (Flow, Message) {
        let Mouth { remote, connection, .. } = *self;
        let flow = Flow { transport, local: address(1), remote, connection };
        let body = Body { content_type: "text/plain".to_owned(), bytes: vec![b'x'; body].into() };
        let before = self.sent.len();
        self.input(Input::Command(Command::Invite(Box::new(Invite {
            dialog: DialogId(before as u64),
            uri: uri.to_owned(),
            to: String::new(),
            from: "sip:us@pbx.example".to_owned(),
            display_name: None,
            flow,
            route: vec![],
            max_forwards: 70,
            login: None,
            session: None,
            headers: vec![],
            body: Some(body),
        }))));
        assert_eq!(self.sent.len(), before + 1);
        self.sent.last().cloned().expect("an INVITE")
    }
}

fn there() -> SocketAddr {
    "198.51.100.1:5060".parse().expect("an address")
}

fn via(message: &Message) -> String {
    message.header(HeaderName::Via).expect("a Via").to_owned()
}

#[test]
fn a_long_request_takes_tcp_and_falls_back_to_udp() {
    let mut mouth = Mouth::new(&[Transport::Udp, Transport::Tcp]);
    let (flow, message) = mouth.invite("sip:a@198.51.100.1", Transport::Udp, 1_300);
    assert_eq!((flow.transport, flow.remote), (Transport::Tcp, there()));
    assert!(via(&message).starts_with("SIP/2.0/TCP "), "{}", via(&message));

    mouth.input(Input::Unreachable { flow });
    let (flow, again) = mouth.sent.last().cloned().expect("the same by UDP");
    assert_eq!((mouth.sent.len(), flow.transport), (2, Transport::Udp));
    assert!(via(&again).starts_with("SIP/2.0/UDP "), "{}", via(&again));
    assert_eq!(again.call_id(), message.call_id());
    assert!(mouth.events.is_empty(), "the call goes on");
    // The transaction is one of datagrams now: it repeats its request.
    let due = mouth.agent.timeout().expect("timer A");
    mouth.agent.handle_timeout(due);
    assert!(
        matches!(mouth.agent.poll(), Some(Output::Transmit { flow: repeat, .. }) if repeat == flow)
    );

    let (flow, _) = mouth.invite("sip:a@198.51.100.1", Transport::Udp, 1_300);
    assert_eq!(flow.transport, Transport::Udp, "the refusal is remembered");
    mouth.input(Input::Unreachable { flow });
    let ended = mouth
        .events
        .iter()
        .filter(|event| matches!(event, Event::Ended { ending: Ending::Unreachable, .. }));
    assert_eq!(ended.count(), 2, "both INVITEs waited on that flow");
}

#[test]
fn tcp_is_left_out_where_it_cannot_lead_there() {
    let cases = [
        ("sip:a@198.51.100.1", 700, "it is short"),
        ("sip:a@198.51.100.1;transport=udp", 1_300, "UDP was asked for"),
        ("sip:a@192.168.1.5:5062", 1_300, "a translator is between"),
        ("sip:a@xyz.invalid", 1_300, "only the flow leads there"),
    ];
    for (uri, body, why) in cases {
        let mut mouth = Mouth::new(&[Transport::Udp, Transport::Tcp]);
        let (flow, _) = mouth.invite(uri, Transport::Udp, body);
        assert_eq!(flow.transport, Transport::Udp, "{why}");
    }
    let mut deaf = Mouth::new(&[Transport::Udp]);
    let (flow, _) = deaf.invite("sip:a@198.51.100.1", Transport::Udp, 1_300);
    assert_eq!(flow.transport, Transport::Udp, "answers could not come back");
}

#[test]
fn a_response_by_tcp_ends_the_choice() {
    let mut mouth = Mouth::new(&[Transport::Udp, Transport::Tcp]);
    let (flow, message) = mouth.invite("sip:a@198.51.100.1", Transport::Udp, 1_300);
    let ringing = crate::sip::write::Builder::response_to(&message, 180, "Ringing", Some("t"));
    mouth.input(Input::Received { flow, bytes: ringing.build() });
    mouth.input(Input::Command(Command::Hangup { dialog: DialogId(0), headers: vec![] }));
    let (way, cancel) = mouth.sent.last().cloned().expect("a CANCEL");
    assert_eq!((way, cancel.method()), (flow, Method::Cancel));
    assert_eq!(via(&cancel), via(&message), "RFC 3261 section 9.1");
}

#[test]
fn a_phone_whose_connection_is_closed_is_tried_where_it_listens() {
    for (uri, elsewhere) in [
        ("sip:a@198.51.100.1:5062;transport=tcp", Some("198.51.100.1:5062")),
        ("sip:a@198.51.100.1;transport=tcp", Some("198.51.100.1:5060")),
        ("sip:a@10.0.0.5;transport=tcp", None),
        ("sip:a@198.51.100.1;transport=udp", None),
    ] {
        let mut mouth = Mouth::new(&[Transport::Udp, Transport::Tcp]);
        mouth.remote.set_port(41_000);
        mouth.connection = 5;
        let (flow, _) = mouth.invite(uri, Transport::Tcp, 10);
        assert_eq!(flow.connection, 5);
        mouth.input(Input::Unreachable { flow });
        let again = mouth.sent.get(1).map(|(flow, _)| (flow.remote.to_string(), flow.connection));
        assert_eq!(again, elsewhere.map(|place| (place.to_owned(), 0)), "{uri}");
        assert_eq!(mouth.events.is_empty(), elsewhere.is_some(), "{uri}");
    }
}

#[test]
fn each_transport_has_its_names() {
    let cases = [
        (Transport::Udp, "sip:a@x.example", "UDP", "<sip:198.51.100.", ">"),
        (Transport::Tcp, "sip:a@x.example", "TCP", "<sip:198.51.100.", ";transport=tcp>"),
        (Transport::Tls, "sip:a@x.example", "TLS", "<sip:198.51.100.", ";transport=tls>"),
        (Transport::Tls, "sips:a@x.example", "TLS", "<sips:198.51.100.", ":5060>"),
        (Transport::Ws, "sip:a@x.invalid", "WS", "<sip:198.51.100.", ";transport=ws>"),
        (Transport::Wss, "sip:a@x.invalid", "WSS", "<sip:198.51.100.", ";transport=ws>"),
        (Transport::Wss, "sips:a@x.invalid", "WSS", "<sips:198.51.100.", ";transport=ws>"),
    ];
    for (transport, uri, name, start, end) in cases {
        let listener = Listener::new(transport, "198.51.100.9:5060".parse().expect("an address"));
        let agent = UserAgent::new(Config::new(vec![listener], "test"), Rng::from_number(1));
        let mut mouth = Mouth::of(agent);
        let (_, message) = mouth.invite(uri, transport, 10);
        assert!(via(&message).starts_with(&format!("SIP/2.0/{name} ")), "{}", via(&message));
        let contact = message.header(HeaderName::Contact).expect("a Contact");
        assert!(contact.starts_with(start) && contact.ends_with(end), "{uri}: {contact}");
    }
}
