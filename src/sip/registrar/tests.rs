use super::*;
use crate::sip::{Parsed, Transport};

mod gruu;
mod kept;

const ALICE: &str = "sip:alice@example.com";

fn flow(port: u16) -> Flow {
    let local = "192.0.2.1:5060".parse().expect("an address");
    let remote = ([192, 0, 2, 7], port).into();
    Flow { transport: Transport::Udp, local, remote, connection: 0 }
}

fn register(call_id: &str, cseq: u32, more: &str) -> Message {
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\r\n\
         From: <{ALICE}>;tag=f\r\nTo: <{ALICE}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n\
         {more}Content-Length: 0\r\n\r\n"
    );
    match Message::parse(text.into()) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}"),
    }
}

struct Book {
    registrar: Registrar,
    now: Instant,
    cseq: u32,
}

impl Book {
    fn new() -> Book {
        Book { registrar: Registrar::new(Lifetimes::default()), now: Instant::ZERO, cseq: 0 }
    }

    fn register(&mut self, more: &str) -> Outcome {
        self.cseq += 1;
        let message = register("c", self.cseq, more);
        self.registrar.register(self.now, ALICE, &message, flow(5060))
    }

    fn uris(&self) -> Vec<String> {
        self.registrar.bindings(self.now, ALICE).into_iter().map(|b| b.uri).collect()
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn contacts(outcome: &Outcome) -> Vec<&str> {
    let fields = outcome.headers.iter().filter(|(name, _)| name == "Contact");
    fields.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_phone_that_sends_from_where_it_does_not_listen_is_called_at_its_contact() {
    let called = |via: &str, contact: &str| {
        let mut book = Book::new();
        let message = register("c", 1, &format!("Contact: <sip:a@{contact}>\r\n"));
        let text = String::from_utf8_lossy(message.as_bytes()).replace("UDP h;", via);
        let Parsed::Valid(message) = Message::parse(text.into_bytes().into()) else { panic!() };
        book.registrar.register(book.now, ALICE, &message, flow(44_697));
        book.registrar.bindings(book.now, ALICE)[0].flow
    };
    assert_eq!(called("UDP 192.0.2.7:5070;", "192.0.2.7:5070"), flow(5070));
    assert_eq!(called("UDP 192.0.2.7;", "192.0.2.7"), flow(5060));
    for (via, contact) in [
        // It asks for answers where it sends from (RFC 3581).
        ("UDP 192.0.2.7:5070;rport;", "192.0.2.7:5070"),
        // A translator is in between.
        ("UDP 10.0.0.7:5070;", "10.0.0.7:5070"),
        ("UDP 10.0.0.7:5070;", "192.0.2.7:5070"),
        // Another host, or another port, than that of the REGISTER.
        ("UDP 192.0.2.7:5070;", "192.0.2.8:5070"),
        ("UDP 192.0.2.7:5070;", "192.0.2.7:22"),
    ] {
        assert_eq!(called(via, contact), flow(44_697), "{via} {contact}");
    }
}

#[test]
fn a_contact_is_kept_refreshed_listed_and_forgotten() {
    let mut book = Book::new();
    let outcome = book.register("Contact: <sip:a@h1>;expires=120\r\n");
    assert_eq!((outcome.status, outcome.changed, outcome.moved), (200, true, true));
    assert_eq!(contacts(&outcome), ["<sip:a@h1>;expires=120"]);
    book.later(100);
    assert_eq!(contacts(&book.register("")), ["<sip:a@h1>;expires=20"]);
    assert_eq!(book.registrar.timeout(), Some(Instant::from_millis(120_000)));
    let outcome = book.register("Contact: <sip:a@h1>\r\n");
    assert_eq!((outcome.changed, outcome.moved), (true, false), "a refresh");
    assert_eq!(contacts(&outcome), ["<sip:a@h1>;expires=3600"]);
    assert_eq!(book.registrar.len(), 1);
    book.later(3600);
    assert!(book.uris().is_empty(), "it counts no more, timer or not");
    assert_eq!(book.registrar.handle_timeout(book.now), [ALICE]);
    assert!(book.registrar.is_empty() && book.registrar.timeout().is_none());
}

#[test]
fn lifetimes_are_bounded_on_both_sides() {
    let mut book = Book::new();
    let outcome = book.register("Contact: <sip:a@h1>\r\nExpires: 59\r\n");
    assert_eq!(outcome.status, 423);
    assert_eq!(outcome.headers, [("Min-Expires".to_owned(), "60".to_owned())]);
    let outcome = book.register("Contact: <sip:a@h1>\r\nExpires: 999999\r\n");
    assert_eq!(contacts(&outcome), ["<sip:a@h1>;expires=86400"]);
}

#[test]
fn all_contacts_of_a_request_change_or_none() {
    let mut book = Book::new();
    let outcome = book.register("Contact: <sip:a@h1>, <sip:a@h2>;expires=5\r\n");
    assert_eq!(outcome.status, 423);
    assert!(book.uris().is_empty());
    book.register("Contact: <sip:a@h1>, <sip:a@h2>;q=0.5\r\n");
    book.register("Contact: <sip:a@h3>;q=0.7, <sip:a@h2>;expires=0\r\n");
    assert_eq!(book.uris(), ["sip:a@h1", "sip:a@h3"]);
    let many: Vec<String> = (0..11).map(|n| format!("<sip:a@m{n}>")).collect();
    let outcome = book.register(&format!("Contact: {}\r\n", many.join(", ")));
    assert_eq!((outcome.status, book.uris().len()), (403, 2));
}

#[test]
fn the_star_removes_everything_but_only_with_expires_zero() {
    let mut book = Book::new();
    book.register("Contact: <sip:a@h1>, <sip:a@h2>\r\n");
    assert_eq!(book.register("Contact: *\r\n").status, 400);
    assert_eq!(book.register("Contact: *\r\nExpires: 60\r\n").status, 400);
    assert_eq!(book.register("Contact: *, <sip:a@h3>\r\nExpires: 0\r\n").status, 400);
    assert_eq!(book.uris().len(), 2);
    let outcome = book.register("Contact: *\r\nExpires: 0\r\n");
    assert_eq!((outcome.status, outcome.changed, contacts(&outcome).len()), (200, true, 0));
    assert!(book.registrar.is_empty() && book.registrar.timeout().is_none());
}

#[test]
fn late_requests_change_nothing() {
    let mut book = Book::new();
    book.cseq = 9;
    book.register("Contact: <sip:a@h1>\r\n");
    book.cseq = 3;
    let outcome = book.register("Contact: <sip:a@h1>;expires=0\r\n");
    assert_eq!((outcome.status, outcome.changed), (500, false));
    let anew = register("another", 1, "Contact: <sip:a@h1>;expires=0\r\n");
    let outcome = book.registrar.register(book.now, ALICE, &anew, flow(5060));
    assert_eq!((outcome.status, outcome.changed), (200, true));
}

#[test]
fn a_device_that_comes_back_replaces_its_old_flow() {
    let mut book = Book::new();
    let contact = |port: u16| {
        format!(
            "Supported: outbound, path\r\nPath: <sip:edge;lr>\r\n\
             Contact: <sip:a@h:{port}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n"
        )
    };
    let outcome = book.register(&contact(1111));
    assert!(outcome.headers.contains(&("Require".to_owned(), "outbound".to_owned())));
    assert!(outcome.headers.contains(&("Path".to_owned(), "<sip:edge;lr>".to_owned())));
    let again = register("new", 1, &contact(2222));
    let outcome = book.registrar.register(book.now, ALICE, &again, flow(2222));
    let listed = "<sip:a@h:2222>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=3600";
    assert_eq!(contacts(&outcome), [listed]);
    let bindings = book.registrar.bindings(book.now, ALICE);
    assert_eq!((bindings.len(), bindings[0].flow), (1, flow(2222)));
    assert_eq!(bindings[0].path, ["<sip:edge;lr>"]);
    assert_eq!(book.registrar.close(flow(1111)), []);
    assert_eq!(book.registrar.close(flow(2222)), [ALICE.into()]);
    assert!(book.registrar.is_empty());
}

#[test]
fn uris_are_compared_as_uris_and_the_book_has_an_end() {
    let mut book = Book::new();
    book.registrar = Registrar::new(Lifetimes::default()).with_capacity_for(1);
    book.register("Contact: <sip:a@H1;transport=udp>\r\n");
    let outcome = book.register("Contact: <sip:%61@h1;transport=UDP>\r\n");
    assert_eq!((outcome.status, book.registrar.len()), (200, 1));
    let outcome = book.register("Contact: <sip:b@h1>\r\n");
    assert_eq!((outcome.status, outcome.changed), (503, false));
}

#[test]
fn a_binding_stays_below_a_kilobyte() {
    assert!(size_of::<Binding>() + MAX_TEXT + MAX_USER_AGENT <= 1024);
    let mut book = Book::new();
    let long = "x".repeat(MAX_TEXT);
    assert_eq!(book.register(&format!("Contact: <sip:{long}@h1>\r\n")).status, 400);
    assert_eq!(
        book.register(&format!("Path: <sip:{long};lr>\r\nContact: <sip:a@h>\r\n")).status,
        400
    );
    let named = format!("User-Agent: {}\r\nContact: <sip:a@h>\r\n", "\u{e9}".repeat(200));
    assert_eq!(book.register(&named).status, 200);
    let bindings = book.registrar.bindings(book.now, ALICE);
    assert_eq!(bindings[0].user_agent, "\u{e9}".repeat(MAX_USER_AGENT / 2));
}

/// The value of a header of an answer.
fn field<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a str> {
    outcome.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

const DEVICE: &str = "+sip.instance=\"<urn:uuid:1>\"";

#[test]
fn flows_are_for_those_who_speak_of_them() {
    let mut book = Book::new();
    book.registrar = Registrar::new(Lifetimes::default()).with_flow_timer(120);
    // RFC 5626 section 6: without the option tag, reg-id means nothing.
    let old = |port: u16| format!("Contact: <sip:a@h:{port}>;{DEVICE};reg-id=1\r\n");
    let outcome = book.register(&old(1111));
    assert_eq!((field(&outcome, "Require"), field(&outcome, "Flow-Timer")), (None, None));
    book.register(&old(2222));
    assert_eq!(book.uris().len(), 2, "two places by their URIs");

    let outcome = book.register(&format!("Supported: outbound\r\n{}", old(3333)));
    let told = (field(&outcome, "Require"), field(&outcome, "Flow-Timer"));
    assert_eq!(told, (Some("outbound"), Some("120")));
    let nothing = format!("Supported: outbound\r\nContact: <sip:b@h>;{DEVICE};reg-id=0\r\n");
    assert_eq!(field(&book.register(&nothing), "Require"), None, "flows are counted from 1");
}

#[test]
fn one_register_makes_one_flow() {
    let mut book = Book::new();
    let two = format!(
        "Supported: outbound\r\nContact: <sip:a@h>;{DEVICE};reg-id=1, <sip:a@i>;{DEVICE};reg-id=2\r\n"
    );
    assert_eq!((book.register(&two).status, book.uris().len()), (400, 0));
}

#[test]
fn a_first_hop_that_loses_flows_is_told_of() {
    let mut book = Book::new();
    let through = |path: &str| {
        format!(
            "Via: SIP/2.0/UDP phone;branch=z9hG4bKp\r\n{path}\
             Supported: outbound, path\r\nContact: <sip:a@h>;{DEVICE};reg-id=1\r\n"
        )
    };
    assert_eq!(book.register(&through("")).status, 439);
    assert_eq!(book.register(&through("Path: <sip:edge;lr>\r\n")).status, 439);
    let outcome = book.register(&through("Path: <sip:edge;lr;ob>\r\n"));
    assert_eq!((outcome.status, field(&outcome, "Flow-Timer")), (200, None));
}

#[test]
fn a_closed_connection_takes_along_who_has_no_other_way() {
    let mut book = Book::new();
    let way = |transport, connection| Flow { transport, connection, ..flow(40_000) };
    let over = |book: &mut Book, transport, connection, contact: &str| {
        book.cseq += 1;
        let message =
            register("c", book.cseq, &format!("Supported: outbound\r\nContact: {contact}\r\n"));
        let flow = way(transport, connection);
        assert_eq!(book.registrar.register(book.now, ALICE, &message, flow).status, 200);
    };
    over(&mut book, Transport::Wss, 7, "<sip:web@x.invalid;transport=ws>");
    over(&mut book, Transport::Tcp, 8, "<sip:desk@192.0.2.7;transport=tcp>");
    over(&mut book, Transport::Tls, 9, &format!("<sip:mobile@h;transport=tls>;{DEVICE};reg-id=1"));
    over(&mut book, Transport::Tls, 10, &format!("<sip:mobile@h;transport=tls>;{DEVICE};reg-id=1"));
    assert_eq!(book.registrar.close(way(Transport::Tls, 9)), [], "that flow was replaced");
    assert_eq!(book.registrar.close(way(Transport::Tcp, 8)), [], "it listens at its Contact");
    let all = book.registrar.bindings(book.now, ALICE);
    assert_eq!(all.len(), 3);
    let desk = all.iter().find(|b| b.uri.starts_with("sip:desk")).map(|b| b.flow).expect("kept");
    assert_eq!((desk.remote.port(), desk.connection), (5060, 0));
    over(&mut book, Transport::Tcp, 11, "<sip:natted@10.0.0.7;transport=tcp>");
    assert_eq!(
        book.registrar.close(way(Transport::Tcp, 11)),
        [ALICE.into()],
        "a translator was between"
    );
    assert_eq!(book.registrar.close(way(Transport::Wss, 7)), [ALICE.into()]);
    assert_eq!(book.registrar.close(way(Transport::Wss, 7)), [], "once");
    assert_eq!(book.registrar.close(way(Transport::Tls, 10)), [ALICE.into()]);
    assert_eq!(book.uris(), ["sip:desk@192.0.2.7;transport=tcp"]);
}

#[test]
fn a_repeat_is_told_what_stands_and_changes_nothing() {
    let mut book = Book::new();
    let first = register("c", 1, "Contact: <sip:a@h1>\r\n");
    let brief = register("c", 2, "Contact: <sip:a@h2>;expires=5\r\n");
    let gone = register("c", 3, "Contact: <sip:a@h1>;expires=0\r\n");
    book.registrar.register(book.now, ALICE, &first, flow(5060));
    let again = book.registrar.repeat(book.now, ALICE, &first, flow(5060));
    assert_eq!((again.status, again.changed), (200, false));
    assert_eq!(contacts(&again), ["<sip:a@h1>;expires=3600"]);
    assert_eq!(book.registrar.repeat(book.now, ALICE, &brief, flow(5060)).status, 423);
    book.registrar.register(book.now, ALICE, &gone, flow(5060));
    let again = book.registrar.repeat(book.now, ALICE, &gone, flow(5060));
    assert_eq!((again.status, contacts(&again).len()), (200, 0));
    let late = book.registrar.repeat(book.now, ALICE, &first, flow(5060));
    assert_eq!((late.status, contacts(&late).len()), (200, 0), "what is gone stays gone");
}

#[test]
fn a_flow_knows_its_users_as_long_as_they_are_there() {
    let mut book = Book::new();
    let message = register("c", 1, "Contact: <sip:a@h1>\r\n");
    let bob = "sip:bob@example.com";
    book.registrar.register(book.now, ALICE, &message, flow(1));
    book.registrar.register(book.now, bob, &message, flow(1));
    assert_eq!(book.registrar.users_of(flow(1)).len(), 2);
    assert!(book.registrar.users_of(flow(2)).is_empty());
    let moved = register("c", 2, "Contact: <sip:a@h1>\r\n");
    book.registrar.register(book.now, ALICE, &moved, flow(2));
    assert_eq!(book.registrar.users_of(flow(1)), [bob.into()]);
    assert_eq!(book.registrar.close(flow(1)), [bob.into()]);
    assert!(!book.registrar.has_flow(book.now, flow(1)));
    assert!(book.registrar.has_flow(book.now, flow(2)));
    book.later(3600);
    assert!(!book.registrar.has_flow(book.now, flow(2)), "expired, timer or not");
    book.registrar.handle_timeout(book.now);
    assert!(book.registrar.by_flow.is_empty());
}

/// A proxy with all of an office behind it: whether it is known is asked for each of its messages.
/// Looking at all users each time takes minutes here.
#[test]
fn a_flow_with_thousands_of_users_is_known_at_once() {
    let mut registrar = Registrar::new(Lifetimes::default());
    for user in 0..5_000 {
        let message = register("c", 1, "Contact: <sip:a@h1>\r\n");
        registrar.register(Instant::ZERO, &format!("{user}@example.com"), &message, flow(5060));
    }
    assert_eq!(registrar.users_of(flow(5060)).len(), 5_000);
    assert!((0..100_000).all(|_| registrar.has_flow(Instant::ZERO, flow(5060))));
    assert!(!registrar.has_flow(Instant::ZERO, flow(5061)));
}
