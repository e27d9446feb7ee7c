//! Requests that are refused, and how: one by one, without harm to anyone else.

use bytes::Bytes;

use super::net::*;
use crate::base::{Instant, Machine, Rng};
use crate::sip::user_agent::{Config, Limits, Listener, UserAgent};
use crate::sip::{Command, Event, Flow, HeaderName, Input, Message, Method, Output, Transport};

/// One agent that hears handwritten messages.
struct Ear {
    agent: UserAgent,
    flow: Flow,
    events: Vec<Event>,
    sent: Vec<(Flow, Message)>,
}

impl Ear {
    fn new() -> Ear {
        Ear::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Ear {
        let listeners = vec![Listener::new(Transport::Udp, address(1))];
        let mut config = Config::new(listeners, "test");
        change(&mut config);
        let agent = UserAgent::new(config, Rng::from_number(5));
        let remote = "198.51.100.1:40000".parse().expect("an address");
        let flow = Flow { transport: Transport::Udp, local: address(1), remote, connection: 0 };
        Ear { agent, flow, events: Vec::new(), sent: Vec::new() }
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

    fn hear(&mut self, text: &str) {
        let flow = self.flow;
        self.input(Input::Received { flow, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    /// The status of the only answer.
    fn verdict(text: &str) -> Option<u16> {
        let mut ear = Ear::new();
        ear.hear(text);
        assert!(ear.sent.len() < 2);
        let refused = ear.sent.first().and_then(|(_, message)| message.status());
        if refused.is_some() {
            assert_eq!((ear.agent.dialogs(), ear.agent.transactions()), (0, 0), "{text}");
        }
        refused
    }
}

/// A request with these words replaced.
fn request(method: &str, changes: &[(&str, &str)]) -> String {
    let mut text = format!(
        "{method} sip:b@198.51.100.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5061;branch=z9hG4bK1;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=f\r\nTo: <sip:b@c>\r\nCall-ID: i\r\n\
         CSeq: 7 {method}\r\nContact: <sip:a@198.51.100.1:5061>\r\nContent-Length: 0\r\n\r\n"
    );
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

#[test]
fn each_fault_has_its_answer() {
    let to_tag = ("To: <sip:b@c>", "To: <sip:b@c>;tag=unknown");
    type Changes<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(&str, Changes<'_>, Option<u16>)] = &[
        ("INVITE", &[], None),
        ("INVITE", &[("Max-Forwards: 70", "Max-Forwards: many")], Some(400)),
        ("INVITE", &[("Contact: <sip:a@198.51.100.1:5061>\r\n", "")], Some(400)),
        ("INVITE", &[("Max-Forwards: 70", "Max-Forwards: 0")], Some(483)),
        ("INVITE", &[("sip:b@198.51.100.2 ", "mailto:b@c ")], Some(416)),
        ("INVITE", &[("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")], Some(505)),
        ("INVITE", &[to_tag], Some(481)),
        ("INVITE", &[("Contact", "Content-Encoding: gzip\r\nContact")], Some(415)),
        ("INVITE", &[("Contact", "Require: path, teleport\r\nContact")], Some(420)),
        ("OPTIONS", &[("Max-Forwards: 70", "Max-Forwards: 0")], None),
        ("OPTIONS", &[to_tag], Some(481)),
        ("REGISTER", &[to_tag], None),
        ("BYE", &[], Some(481)),
        ("CANCEL", &[], Some(481)),
        ("ACK", &[to_tag], None),
        ("ACK", &[("Call-ID: i\r\n", "")], None),
        ("NOTIFY", &[], Some(405)),
        ("PRACK", &[to_tag], Some(481)),
        ("FROBNICATE", &[], Some(501)),
    ];
    for (method, changes, expected) in cases {
        assert_eq!(Ear::verdict(&request(method, changes)), *expected, "{method} {changes:?}");
    }
}

#[test]
fn a_dialog_is_not_made_of_what_would_fill_the_memory() {
    let route = "Record-Route: <sip:proxy.of-the-network.example.com;transport=tcp;lr>\r\n";
    let routes = |count| format!("{}Contact: ", route.repeat(count));
    let parameter = format!("Record-Route: <sip:p;lr;x={}>\r\nContact: ", "y".repeat(5_000));
    let name = format!("\"{}\" <sip:a@b>", "Alice ".repeat(900));
    for (from, to) in
        [("Contact: ", parameter), ("Contact: ", routes(140)), ("<sip:a@b>", name.clone())]
    {
        assert_eq!(Ear::verdict(&request("INVITE", &[(from, &to)])), Some(400), "{from}");
    }
    assert_eq!(Ear::verdict(&request("INVITE", &[("Contact: ", &routes(20))])), None);
    let nothing_kept = request("OPTIONS", &[("<sip:a@b>", &name)]);
    assert_eq!(Ear::verdict(&nothing_kept), None);
}

#[test]
fn refusals_say_what_would_do() {
    let mut ear = Ear::new();
    ear.hear(&request("NOTIFY", &[]));
    ear.hear(&request("INVITE", &[("Contact", "Require: path, teleport\r\nContact")]));
    assert!(header(&ear.sent[0].1, HeaderName::Allow).contains("INVITE"));
    assert_eq!(header(&ear.sent[1].1, HeaderName::Unsupported), "teleport");
    ear.hear(&request("NOTIFY", &[]));
    assert_eq!(ear.sent[0].1.to(), ear.sent[2].1.to(), "the same tag for a repeat");
}

#[test]
fn answers_go_to_where_the_request_came_from() {
    let mut ear = Ear::new();
    ear.hear(&request("NOTIFY", &[]));
    let (flow, answer) = &ear.sent[0];
    assert_eq!(*flow, ear.flow);
    let via = answer.via().expect("a Via");
    assert_eq!((via.received(), via.rport()), (Some("198.51.100.1"), Some(40_000)));
    // Without rport the port in Via is believed, but never its host (RFC 3261 section 18.2.2).
    ear.hear(&request("NOTIFY", &[(";rport", ""), ("UDP 198.51.100.1", "UDP 10.0.0.1")]));
    let (flow, answer) = &ear.sent[1];
    assert_eq!(flow.remote.to_string(), "198.51.100.1:5061");
    assert_eq!(answer.via().and_then(|via| via.received()), Some("198.51.100.1"));
    let mut ear = Ear::with(|config| config.force_rport = true);
    ear.hear(&request("NOTIFY", &[(";rport", "")]));
    assert_eq!(ear.sent[0].0, ear.flow);
}

#[test]
fn a_phone_that_moves_behind_a_translator_is_followed() {
    let private = ("<sip:a@198.51.100.1:5061>", "<sip:a@192.168.1.5>");
    let mut ear = Ear::new();
    ear.hear(&request("INVITE", &[private]));
    let Some(Event::Invite { dialog, .. }) = ear.events.first() else { panic!("no INVITE") };
    let dialog = *dialog;
    ear.input(Input::Command(accept(dialog)));
    let to = header(&ear.sent[0].1, HeaderName::To);
    let again = |method, changes: &[(&str, &str)]| {
        let text = request(method, &[private, ("To: <sip:b@c>", &format!("To: {to}"))]);
        changes.iter().fold(text, |text, (old, new)| text.replace(old, new))
    };
    ear.hear(&again("ACK", &[]));
    ear.flow.remote = "198.51.100.77:1234".parse().expect("an address");
    ear.hear(&again("INVITE", &[("CSeq: 7", "CSeq: 8"), ("bK1", "bK8"), ("1.5>", "1.6>")]));
    let Some(Event::InDialog { transaction, .. }) = ear.events.last() else { panic!("no offer") };
    let transaction = *transaction;
    let answer = Command::Respond { transaction, status: 200, headers: vec![], body: None };
    ear.input(Input::Command(answer));
    ear.hear(&again("ACK", &[("CSeq: 7", "CSeq: 8"), ("bK1", "bK9")]));
    ear.input(Input::Command(hangup(dialog)));
    let (flow, bye) = ear.sent.last().expect("a BYE");
    assert_eq!((bye.method(), bye.request_uri()), (Method::Bye, "sip:a@192.168.1.6"));
    assert_eq!(flow.remote.to_string(), "198.51.100.77:1234");
}

#[test]
fn the_same_request_over_another_way_is_merged() {
    let mut ear = Ear::new();
    ear.hear(&request("INVITE", &[]));
    ear.hear(&request("INVITE", &[("z9hG4bK1", "z9hG4bK2")]));
    assert_eq!(ear.sent[0].1.status(), Some(482));
    assert_eq!(ear.events.len(), 1);
}

#[test]
fn our_own_invite_coming_back_is_a_loop_but_a_spiral_is_not() {
    let mut ear = Ear::new();
    let flow = Flow { remote: address(0), ..ear.flow };
    ear.input(Input::Command(Command::Invite(Box::new(invite(1, flow)))));
    let sent = String::from_utf8_lossy(ear.sent[0].1.as_bytes()).into_owned();
    let looped = sent.replacen("Via: ", "Via: SIP/2.0/UDP p;branch=z9hG4bKp, ", 1);
    ear.hear(&looped);
    assert_eq!(ear.sent[1].1.status(), Some(482));
    ear.hear(&looped.replace("INVITE sip:bob@", "INVITE sip:carol@").replace("bKp", "bKq"));
    assert!(matches!(ear.events[..], [Event::Invite { .. }]));
}

#[test]
fn a_full_house_says_when_to_come_again() {
    for limits in [
        Limits { dialogs: 1, ..Limits::default() },
        Limits { transactions: 1, ..Limits::default() },
    ] {
        let mut ear = Ear::with(|config| config.limits = limits);
        ear.hear(&request("INVITE", &[]));
        ear.hear(&request("INVITE", &[("Call-ID: i", "Call-ID: j"), ("bK1", "bK2")]));
        let (_, answer) = &ear.sent[0];
        assert_eq!(answer.status(), Some(503));
        assert_eq!(header(answer, HeaderName::RetryAfter), "5");
        assert_eq!(ear.agent.dialogs(), 1);
    }
}

#[test]
fn strangers_cannot_end_a_call() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    let invite = net.sent[0].message.clone();
    let answer = net.sent.iter().find(|s| s.message.status() == Some(200)).expect("answered");
    let to = header(&answer.message, HeaderName::To);
    let from = header(&invite, HeaderName::From);
    let call_id = invite.call_id().to_owned();
    for (from, to, call_id) in [
        ("<sip:eve@b>;tag=eve", to.as_str(), call_id.as_str()),
        (from.as_str(), "<sip:b@c>;tag=guess", call_id.as_str()),
        (from.as_str(), to.as_str(), "another"),
    ] {
        let bye = crate::sip::write::Builder::request("BYE", "sip:b@198.51.100.2")
            .header("Via", &format!("SIP/2.0/UDP e;branch=z9hG4bK{}", to.len() + call_id.len()))
            .header("From", from)
            .header("To", to)
            .header("Call-ID", call_id)
            .header("CSeq", "99 BYE");
        net.deliver(1, bye.build());
    }
    assert_eq!(net.responses(1, 481, Method::Bye), 3);
    assert!(net.agents[1].call_id(theirs).is_some());
    net.command(0, hangup(ours));
    net.run_out();
}

fn screening() -> Ear {
    Ear::with(|config| config.screening = true)
}

fn knocked(ear: &mut Ear) -> Message {
    match ear.events.pop() {
        Some(Event::Knock { message, .. }) => message,
        other => panic!("no knock but {other:?}"),
    }
}

fn kept(ear: &Ear) -> (usize, usize, usize) {
    (ear.agent.dialogs(), ear.agent.transactions(), ear.agent.pending())
}

#[test]
fn who_screens_is_asked_and_keeps_nothing_of_what_it_answers() {
    let mut ear = screening();
    for method in ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "REFER", "PUBLISH"] {
        let text = request(method, &[]);
        let mut tags = Vec::new();
        for _ in 0..2 {
            ear.hear(&text);
            let (flow, message) = (ear.flow, knocked(&mut ear));
            let headers = vec![("X-Why".to_owned(), "no".to_owned())];
            let answer = Command::Answer { flow, message, status: 403, headers };
            ear.input(Input::Command(answer));
            let (flow, answer) = ear.sent.pop().expect("an answer");
            assert_eq!((flow, answer.status()), (ear.flow, Some(403)), "{method}");
            tags.push(header(&answer, HeaderName::To));
        }
        assert!(tags[0] == tags[1] && tags[0].contains("tag="), "{method}: {tags:?}");
        assert_eq!((kept(&ear), ear.agent.timeout()), ((0, 0, 0), None), "{method}");
    }
    ear.hear(&request("ACK", &[]));
    ear.hear(&request("NOTIFY", &[]));
    assert_eq!(ear.sent.pop().and_then(|(_, answer)| answer.status()), Some(405));
    assert!(ear.sent.is_empty() && ear.events.is_empty());
}

#[test]
fn what_is_admitted_goes_on_as_if_nobody_had_screened() {
    let mut ear = screening();
    ear.hear(&request("INVITE", &[]));
    let (flow, message) = (ear.flow, knocked(&mut ear));
    ear.input(Input::Command(Command::Admit { flow, message: message.clone() }));
    assert!(matches!(ear.events[..], [Event::Invite { .. }]));
    assert_eq!(kept(&ear), (1, 1, 1));
    ear.hear(&request("INVITE", &[]));
    assert_eq!(ear.events.len(), 1, "a repeat is absorbed");
    ear.input(Input::Command(Command::Answer { flow, message, status: 200, headers: vec![] }));
    assert!(ear.sent.iter().all(|(_, m)| m.status() == Some(100)), "no 2xx without a dialog");
    let other = [("Call-ID: i", "Call-ID: j"), ("bK1", "bK2")];
    ear.hear(&request("MESSAGE", &other));
    let (flow, message) = (ear.flow, knocked(&mut ear));
    ear.input(Input::Command(Command::Admit { flow, message }));
    assert!(matches!(ear.events.last(), Some(Event::Request { .. })));
}

#[test]
fn a_muted_peer_is_heard_in_its_dialogs_alone() {
    let mut ear = screening();
    ear.hear(&request("INVITE", &[]));
    let (flow, message) = (ear.flow, knocked(&mut ear));
    ear.input(Input::Command(Command::Admit { flow, message }));
    let Some(Event::Invite { dialog, .. }) = ear.events.pop() else { panic!("no call") };
    let mute = |ear: &mut Ear, text: String| {
        let flow = ear.flow;
        ear.sent.clear();
        ear.input(Input::Muted { flow, bytes: text.into() });
        ear.sent.iter().filter_map(|(_, message)| message.status()).collect::<Vec<u16>>()
    };
    let other = [("Call-ID: i", "Call-ID: j"), ("bK1", "bK2")];
    for method in ["INVITE", "REGISTER", "OPTIONS", "BYE", "CANCEL", "NOTIFY", "FROBNICATE"] {
        assert!(mute(&mut ear, request(method, &other)).is_empty(), "{method}");
    }
    let broken = request("INVITE", &[("Max-Forwards: 70", "Max-Forwards: x"), other[1]]);
    assert!(mute(&mut ear, broken).is_empty());
    assert!(ear.events.is_empty());
    ear.input(Input::Command(accept(dialog)));
    let to = header(&ear.sent.last().expect("a 200").1, HeaderName::To);
    let inside = [("To: <sip:b@c>", format!("To: {to}"))];
    let inside = [(inside[0].0, inside[0].1.as_str()), ("bK1", "bK3"), ("CSeq: 7", "CSeq: 8")];
    assert_eq!(mute(&mut ear, request("BYE", &inside)), [200]);
}
