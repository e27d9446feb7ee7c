//! Calls over streams, TLS and WebSocket: which way they take, and what they tell TLS.

use super::*;
use crate::directory::{Ping, Registration, TlsPeer};

/// A number of ours is called; its handler is asked.
fn called(stage: &mut Stage) {
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    stage.receive(TRUNK, &invite);
}

fn dial(stage: &mut Stage, target: &str) -> Vec<(Flow, Message)> {
    called(stage);
    stage.document(&format!("<Dial callerId='+12223331234'>{target}</Dial>"));
    stage.requests("INVITE").into_iter().cloned().collect()
}

/// A browser's connection.
fn browser(connection: u64) -> Flow {
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    Flow { transport: Transport::Wss, local, remote: SocketAddr::from((PHONE, 51_234)), connection }
}

#[test]
fn a_browser_is_called_over_its_own_connection_as_long_as_that_lasts() {
    let mut stage = Stage::with(directory(), &[Transport::Udp, Transport::Wss]);
    stage.flow = Some(browser(7));
    let contact = "sip:df7jal23ls0d@a1b2c3.invalid;transport=ws";
    let ok = stage.register("bob", contact).and_then(|answer| answer.status());
    assert_eq!(ok, Some(200));
    stage.flow = None;

    let sent = dial(&mut stage, "<Sip>sip:bob@office.example</Sip>");
    let (flow, invite) = sent.first().cloned().expect("an INVITE");
    assert_eq!((sent.len(), flow), (1, browser(7)));
    assert_eq!(invite.request_uri(), contact);
    assert!(invite.header_by_name("Via").is_some_and(|via| via.starts_with("SIP/2.0/WSS ")));
    stage.flow = Some(browser(7));
    let ok =
        response(&invite, 200, "b", OFFER).replace("<sip:it@192.0.2.50>", &format!("<{contact}>"));
    let sent = stage.receive(PHONE, &ok);
    let ack = sent.iter().find(|(_, message)| message.method_name() == "ACK").expect("an ACK");
    assert_eq!((ack.0, ack.1.request_uri()), (browser(7), contact));

    stage.give(Input::Sip(sip::Input::Unreachable { flow: browser(7) }));
    assert_eq!(stage.registered.last().map(|told| told.phones), Some(0));
    stage.flow = None;
    assert!(dial(&mut stage, "<Sip>sip:bob@office.example</Sip>").is_empty());
    assert!(stage.notes.iter().any(|note| note.contains("no phone registered")));
}

#[test]
fn who_asks_for_secrecy_rings_only_secure_phones() {
    let mut stage = Stage::with(directory(), &[Transport::Udp, Transport::Wss]);
    stage.register("bob", "sip:desk@192.0.2.50");
    stage.flow = Some(browser(7));
    stage.register("bob", "sip:web@a1b2c3.invalid;transport=ws");
    stage.flow = None;
    let sent = dial(&mut stage, "<Sip>sips:bob@office.example</Sip>");
    assert_eq!(sent.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [browser(7)]);
}

#[test]
fn a_foreign_server_must_bear_the_name_in_its_uri() {
    let mut stage = Stage::with(directory(), &[Transport::Udp, Transport::Tls]);
    assert!(dial(&mut stage, "<Sip>sips:eve@Sip.Example</Sip>").is_empty());
    stage.answer_dns(|question| match (question.kind, question.name.as_str()) {
        (locate::Kind::Srv, "_sips._tcp.sip.example") => {
            let (priority, weight, port) = (0, 0, 5061);
            let target = "node7.farm.example".to_owned();
            Some(locate::Record::Srv(locate::Srv { priority, weight, port, target }))
        }
        (locate::Kind::A, "node7.farm.example") => {
            Some(locate::Record::Address([198, 51, 100, 9].into()))
        }
        _ => None,
    });
    let (flow, invite) = stage.requests("INVITE").first().cloned().cloned().expect("an INVITE");
    assert_eq!(
        (flow.transport, flow.remote.to_string()),
        (Transport::Tls, "198.51.100.9:5061".into())
    );
    assert_eq!(stage.expected, [(flow.remote, Expected::Named("sip.example".to_owned()))]);
    let contact = invite.header_by_name("Contact").expect("a Contact");
    assert!(contact.starts_with("<sips:"), "{contact}");
}

/// The directory with its trunk reached by TLS.
fn secure_trunk(client_name: Option<&str>) -> Directory {
    let mut directory = directory();
    let trunk = &mut directory.trunks[0];
    trunk.uri = "sips:carrier.example:5061".to_owned();
    trunk.client_name = client_name.map(str::to_owned);
    directory
}

#[test]
fn a_trunk_by_tls_is_called_by_tls() {
    let mut stage = Stage::with(secure_trunk(None), &[Transport::Udp, Transport::Tls]);
    dial(&mut stage, "<Number>+15557654321</Number>");
    stage.answer_dns(at_trunk);
    let (flow, invite) = stage.requests("INVITE").first().cloned().cloned().expect("an INVITE");
    assert_eq!(flow.transport, Transport::Tls);
    assert_eq!(invite.request_uri(), "sips:+15557654321@carrier.example:5061");
    let name = "carrier.example".to_owned();
    let expected = Expected::Upstream(TlsPeer { name, identity: None });
    assert_eq!(stage.expected, [(flow.remote, expected)]);
    let mut deaf = Stage::with(secure_trunk(None), &[Transport::Udp]);
    assert!(dial(&mut deaf, "<Number>+15557654321</Number>").is_empty());
    assert!(deaf.notes.iter().any(|note| note.contains("no `[sip] listen`")), "{:?}", deaf.notes);
}

/// The trunk's address.
fn at_trunk(question: &locate::Question) -> Option<locate::Record> {
    (question.kind == locate::Kind::A).then(|| locate::Record::Address(TRUNK.into()))
}

#[test]
fn registrations_and_pings_by_tls_name_their_server_and_keep_their_secrecy() {
    let mut directory = secure_trunk(None);
    let trunk = &mut directory.trunks[0];
    trunk.proxy = Some("sip:edge.carrier.example:5071".to_owned());
    trunk.tls_name = Some("sip.carrier.example".to_owned());
    trunk.registration =
        Some(Registration { user: "us".to_owned(), expires: 600, keep_alive: None });
    let interval = Duration::from_secs(30);
    trunk.ping = Some(Ping { interval, down_after: 2, up_after: 2 });
    let mut stage = Stage::with(directory, &[Transport::Udp, Transport::Tls]);
    stage.exchange.handle_timeout(stage.now);
    stage.listen();
    stage.answer_dns(at_trunk);
    let name = "sip.carrier.example".to_owned();
    let expected = Expected::Upstream(TlsPeer { name, identity: None });
    for method in ["REGISTER", "OPTIONS"] {
        let (flow, request) = stage.requests(method).first().cloned().cloned().expect(method);
        assert_eq!((flow.transport, flow.remote.port()), (Transport::Tls, 5071));
        assert_eq!(request.request_uri(), "sips:carrier.example:5061");
        assert!(stage.expected.contains(&(flow.remote, expected.clone())), "{method}");
        let contact = request.header_by_name("Contact");
        let secret = contact
            .is_some_and(|contact| contact.starts_with("<sips:") && !contact.contains("transport"));
        assert_eq!(secret, method == "REGISTER", "{contact:?}");
    }
}

#[test]
fn a_call_by_the_service_route_finds_whom_the_registration_found() {
    let mut directory = secure_trunk(None);
    directory.trunks[0].registration =
        Some(Registration { user: "us".to_owned(), expires: 600, keep_alive: None });
    let mut stage = Stage::with(directory, &[Transport::Udp, Transport::Tls]);
    stage.exchange.handle_timeout(stage.now);
    stage.listen();
    stage.answer_dns(at_trunk);
    let (flow, register) = stage.requests("REGISTER").first().cloned().cloned().expect("one");
    let contact = register.header_by_name("Contact").expect("a Contact").to_owned();
    let ok = response(&register, 200, "r", "").replace(
        "Contact: <sip:it@192.0.2.50>",
        &format!("Contact: {contact}\r\nService-Route: <sip:core9.farm.example:5061;lr>"),
    );
    stage.flow = Some(Flow { connection: 4, ..flow });
    stage.receive(TRUNK, &ok);
    stage.flow = None;
    stage.expected.clear();
    dial(&mut stage, "<Number>+15557654321</Number>");
    stage.answer_dns(at_trunk);
    let (way, invite) = stage.requests("INVITE").first().cloned().cloned().expect("an INVITE");
    assert_eq!((way.transport, way.remote), (Transport::Tls, flow.remote), "not in the clear");
    let route = invite.header_by_name("Route").expect("a Route");
    assert!(route.contains("core9.farm.example"), "{route}");
    let name = "carrier.example".to_owned();
    let expected = Expected::Upstream(TlsPeer { name, identity: None });
    assert_eq!(stage.expected, [(flow.remote, expected)], "the connection is used again");
}

#[test]
fn a_trunk_that_proves_its_name_is_known_by_nothing_less() {
    let proven = secure_trunk(Some("carrier.example"));
    let mut stage = Stage::with(proven, &[Transport::Udp, Transport::Tls]);
    called(&mut stage);
    assert!(stage.fetches.is_empty(), "a datagram proves nothing");
    let local = SocketAddr::from(([192, 0, 2, 1], 5060));
    let remote = SocketAddr::from((TRUNK, 40_000));
    stage.flow = Some(Flow { transport: Transport::Tls, local, remote, connection: 3 });
    called(&mut stage);
    assert_eq!(stage.fetches.len(), 1);
}
