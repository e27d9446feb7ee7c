//! Calls that go as calls should go.

use super::net::*;
use crate::base::{Duration, Secret};
use crate::sip::{Command, DialogId, Ending, Event, HeaderName, Login, Method, Send, Transport};

#[test]
fn a_call_is_made_answered_and_ended_with_nothing_left_behind() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut net = Net::new(1, transport);
        let (ours, theirs) = net.invite(1);
        net.command(1, ring(theirs));
        net.run_for(Duration::from_millis(50));
        net.command(1, accept(theirs));
        net.run_for(Duration::from_millis(50));
        let kinds: Vec<&str> = net.events[0].iter().map(kind).collect();
        assert_eq!(kinds, ["progress", "accepted"]);
        net.command(0, hangup(ours));
        net.run_out();
        assert_eq!(net.endings(0), [Ending::Local]);
        assert_eq!(net.endings(1), [Ending::Bye]);
        assert_eq!(
            net.events[1].iter().map(kind).collect::<Vec<_>>(),
            ["invite", "confirmed", "ended"]
        );
        let counts = [Method::Invite, Method::Ack, Method::Bye].map(|m| net.requests(0, m));
        assert_eq!(counts, [1, 1, 1], "nothing is sent twice on a good day");
        assert_eq!(net.responses(1, 200, Method::Invite), 1);
    }
}

#[test]
fn the_callee_hangs_up_too() {
    let mut net = Net::udp();
    let (_, theirs) = net.call(1);
    net.command(1, hangup(theirs));
    net.run_out();
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Bye], vec![Ending::Local]));
}

#[test]
fn a_silent_application_gets_its_trying_after_200_milliseconds() {
    let mut net = Net::udp();
    let (_, theirs) = net.invite(1);
    net.run_for(Duration::from_secs(1));
    let trying = net.sent.iter().find(|sent| sent.message.status() == Some(100));
    assert_eq!(trying.map(|sent| sent.at.as_millis()), Some(210));
    net.command(1, Command::Reject { dialog: theirs, status: 486, headers: vec![] });
    net.run_out();
    assert_eq!(net.endings(0), [Ending::Rejected(486)]);
    assert_eq!(net.requests(0, Method::Invite), 1, "100 stops the repeats");
    assert_eq!(net.requests(0, Method::Ack), 1);
}

#[test]
fn ringing_is_repeated_each_minute() {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, ring(theirs));
    net.run_for(Duration::from_secs(125));
    assert_eq!(net.responses(1, 180, Method::Invite), 3);
    net.command(0, hangup(ours));
    net.run_out();
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Local], vec![Ending::Cancelled]));
}

#[test]
fn requests_inside_the_dialog_are_answered() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    let info = |method| Command::Request { dialog: ours, method, headers: vec![], body: None };
    net.command(0, info("INFO"));
    net.command(0, info("OPTIONS"));
    net.run_for(Duration::from_millis(50));
    let Some(Event::InDialog { transaction, dialog, .. }) = net.events[1].last() else {
        panic!("no INFO")
    };
    assert_eq!(*dialog, theirs);
    let transaction = *transaction;
    net.command(1, Command::Respond { transaction, status: 200, headers: vec![], body: None });
    net.run_for(Duration::from_millis(50));
    let answered = net.events[0].iter().filter_map(|event| match event {
        Event::Response { method, message: Some(message), .. } => {
            Some((method.as_str(), message.status(), message.has(HeaderName::Allow)))
        }
        _ => None,
    });
    let answered = answered.collect::<Vec<_>>();
    assert_eq!(answered, [("OPTIONS", Some(200), true), ("INFO", Some(200), false)]);
    net.command(0, hangup(ours));
    net.run_out();
}

fn login() -> Login {
    Login { username: "alice".into(), password: Secret::new("secret"), realm: None }
}

fn challenge() -> Vec<(String, String)> {
    vec![("WWW-Authenticate".into(), "Digest realm=\"office\", nonce=\"n1\"".into())]
}

#[test]
fn a_challenged_invite_comes_again_with_credentials() {
    let mut net = Net::udp();
    let mut order = invite(1, net.flow(0));
    order.login = Some(login());
    net.command(0, Command::Invite(Box::new(order)));
    net.run_for(Duration::from_millis(50));
    let first = net.incoming(1).expect("it rings");
    net.command(1, Command::Reject { dialog: first, status: 401, headers: challenge() });
    net.run_for(Duration::from_millis(50));
    let second = net.incoming(1).expect("it rings again");
    assert_ne!(first, second);
    let invites: Vec<_> = net.sent.iter().map(|sent| &sent.message).collect();
    let invites: Vec<_> =
        invites.into_iter().filter(|m| m.is_request() && m.method() == Method::Invite).collect();
    assert_eq!(invites[0].call_id(), invites[1].call_id());
    assert_eq!(invites[0].header(HeaderName::From), invites[1].header(HeaderName::From));
    assert_ne!(invites[0].via().map(|v| v.branch()), invites[1].via().map(|v| v.branch()));
    assert_eq!(invites[1].cseq().map(|cseq| cseq.number), Some(2));
    assert!(header(invites[1], HeaderName::Authorization).contains("realm=\"office\""));
    net.command(1, accept(second));
    net.run_for(Duration::from_millis(50));
    let ack = net.sent.iter().rfind(|s| s.message.method() == Method::Ack).expect("an ACK");
    assert!(ack.message.has(HeaderName::Authorization), "RFC 3261 section 22.1");
    net.command(0, hangup(DialogId(1)));
    net.run_out();
    assert_eq!(net.endings(0), [Ending::Local]);
}

#[test]
fn a_wrong_password_ends_after_one_more_try() {
    let mut net = Net::udp();
    let mut order = invite(1, net.flow(0));
    order.login = Some(login());
    net.command(0, Command::Invite(Box::new(order)));
    for _ in 0..2 {
        net.run_for(Duration::from_millis(50));
        let dialog = net.incoming(1).expect("it rings");
        net.command(1, Command::Reject { dialog, status: 401, headers: challenge() });
    }
    net.run_out();
    assert_eq!(net.endings(0), [Ending::Rejected(401)]);
    assert_eq!(net.requests(0, Method::Invite), 2);
}

#[test]
fn a_registration_passes_through_and_is_challenged() {
    let mut net = Net::udp();
    let flow = net.flow(0);
    let send = || Send {
        id: 7,
        method: "REGISTER",
        uri: "sip:example.com".into(),
        to: "sip:alice@example.com".into(),
        from: "sip:alice@example.com".into(),
        flow,
        login: Some(login()),
        headers: vec![("Expires".into(), "600".into())],
        body: None,
    };
    net.command(0, Command::Send(Box::new(send())));
    for (status, headers) in [(401, challenge()), (200, vec![])] {
        net.run_for(Duration::from_millis(50));
        let Some(Event::Request { transaction, message, .. }) = net.events[1].last() else {
            panic!("no REGISTER")
        };
        assert_eq!(header(message, HeaderName::Contact), "<sip:alice@198.51.100.1:5060>");
        let transaction = *transaction;
        net.command(1, Command::Respond { transaction, status, headers, body: None });
    }
    net.run_for(Duration::from_millis(50));
    assert!(matches!(net.events[0].last(), Some(Event::Reply { id: 7, message: Some(_) })));
    // What is sent between two leaves no gap (RFC 3261 section 10.2).
    net.command(0, Command::Send(Box::new(Send { id: 8, method: "OPTIONS", ..send() })));
    net.command(0, Command::Send(Box::new(Send { id: 9, ..send() })));
    net.command(0, Command::Send(Box::new(send())));
    net.run_for(Duration::from_millis(50));
    let requests = net.sent.iter().filter(|s| s.message.is_request()).map(|s| &s.message);
    let first = requests.clone().next().expect("a REGISTER").call_id().to_owned();
    let registers = requests.filter(|m| m.call_id() == first);
    let registers: Vec<_> = registers.collect();
    assert!(registers.iter().all(|m| m.call_id() == registers[0].call_id()));
    let numbers: Vec<_> = registers.iter().filter_map(|m| m.cseq()).map(|c| c.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    net.run_out();
    assert!(matches!(net.events[0].last(), Some(Event::Reply { id: 7, message: None })));
}

pub fn kind(event: &Event) -> &'static str {
    match event {
        Event::Request { .. } => "request",
        Event::Invite { .. } => "invite",
        Event::Progress { .. } => "progress",
        Event::Accepted { .. } => "accepted",
        Event::Confirmed { .. } => "confirmed",
        Event::Acknowledged { .. } => "acknowledged",
        Event::Refresh { .. } => "refresh",
        Event::InDialog { .. } => "in dialog",
        Event::Reply { .. } => "reply",
        Event::Response { .. } => "response",
        Event::Ended { .. } => "ended",
        Event::Knock { .. } => "knock",
    }
}
