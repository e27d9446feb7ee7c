//! Calls from their INVITE to the last thing that is forgotten.

use super::*;
use crate::call::Change;

/// A call from the trunk to our number, whose handler was asked.
fn called(stage: &mut Stage) -> String {
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    stage.receive(TRUNK, &invite);
    invite
}

fn nothing_is_left(stage: &mut Stage) {
    // Timers of transactions run out; nothing of calls may wait for them.
    for _ in 0..1_000 {
        let Some(at) = stage.exchange.timeout() else { break };
        stage.now = at;
        stage.exchange.handle_timeout(at);
        stage.listen();
    }
    assert_eq!(stage.exchange.calls(), 0);
    assert!(stage.exchange.legs.table.is_empty(), "legs");
    assert!(stage.exchange.legs.incoming.is_empty(), "dialogs");
    assert_eq!(stage.exchange.locating.locator.lookups(), 0, "names");
    assert!(stage.exchange.legs.attempts.is_empty(), "attempts");
    assert!(stage.exchange.usage.is_empty(), "caps");
    assert_eq!(stage.exchange.agent.dialogs(), 0);
    assert_eq!(stage.exchange.agent.transactions(), 0);
}

#[test]
fn all_phones_of_a_user_ring_and_the_first_is_talked_to() {
    let mut stage = Stage::new();
    stage.register("bob", "sip:bob@192.0.2.50:5070").expect("registered");
    stage.register("bob", "sip:bob@192.0.2.50:5072").expect("registered");
    called(&mut stage);
    stage.document("<Dial><Sip>sip:bob@office.example</Sip></Dial>");
    let forks: Vec<Message> = stage.requests("INVITE").iter().map(|(_, m)| m.clone()).collect();
    assert_eq!(forks.len(), 2);
    for fork in &forks {
        assert!(fork.request_uri().starts_with("sip:bob@192.0.2.50:507"));
        assert!(fork.from().expect("From").uri().starts_with("sip:+15550001111@"));
        assert_eq!(fork.to().expect("To").uri(), "sip:bob@office.example");
        assert_eq!(fork.max_forwards(), Some(69));
        stage.receive(PHONE, &response(fork, 180, "r", ""));
    }
    stage.receive(PHONE, &response(&forks[1], 200, "b", OFFER));
    stage.sent.clear();
    let sent = stage.receive(PHONE, &response(&forks[1], 200, "b", OFFER));
    assert_eq!(sent[0].1.method_name(), "ACK", "again for the repeated 200");
    // The other phone gets its CANCEL and says 487, or crosses it with a 200 and gets BYE.
    let crossed = stage.receive(PHONE, &response(&forks[0], 200, "a", OFFER));
    let methods: Vec<&str> = crossed.iter().map(|(_, message)| message.method_name()).collect();
    assert_eq!(methods, ["ACK", "BYE"]);
    stage.receive(PHONE, &response(&crossed[1].1, 200, "", ""));
    stage.give(Input::Shutdown);
    nothing_is_left(&mut stage);
}

#[test]
fn a_call_that_is_ended_from_outside_leaves_nothing_and_no_other_ends() {
    let mut stage = Stage::new();
    stage.register("bob", "sip:bob@192.0.2.50:5070").expect("registered");
    called(&mut stage);
    stage.document("<Dial><Sip>sip:bob@office.example</Sip></Dial>");
    let fork = stage.requests("INVITE")[0].1.clone();
    let sid = stage.exchange.calls.table.values().next().expect("a call").sid;
    let ends = |sid| {
        let status = [("Status".to_owned(), "completed".to_owned())];
        let change = Box::new(Change::read(&status).expect("sound"));
        Input::Order(OrderNumber(1), Box::new(Order::Change(sid, change)))
    };
    stage.give(ends(CallSid::random(&mut crate::base::Rng::from_number(1))));
    assert_eq!(stage.outcomes, [Outcome::Elsewhere]);
    assert_eq!(stage.exchange.calls(), 1, "another call's name");
    stage.receive(PHONE, &response(&fork, 180, "r", ""));
    stage.sent.clear();
    stage.give(ends(sid));
    assert!(matches!(stage.outcomes.last(), Some(Outcome::Done(row)) if row.status.is_final()));
    assert_eq!(stage.requests("CANCEL").len(), 1);
    stage.receive(PHONE, &response(&fork, 487, "r", ""));
    nothing_is_left(&mut stage);
}

#[test]
fn a_caller_that_cancels_stops_the_phones() {
    let mut stage = Stage::new();
    stage.register("bob", "sip:bob@192.0.2.50:5070").expect("registered");
    let invite = called(&mut stage);
    stage.document("<Dial><Sip>sip:bob@office.example</Sip></Dial>");
    let fork = stage.requests("INVITE")[0].1.clone();
    stage.receive(PHONE, &response(&fork, 180, "r", ""));
    let head = invite.split("Content-Type").next().expect("a head").replace("INVITE", "CANCEL");
    stage.receive(TRUNK, &format!("{head}Content-Length: 0\r\n\r\n"));
    let cancel = stage.receive(PHONE, &response(&fork, 180, "r", ""));
    assert!(cancel.is_empty(), "the CANCEL went out at once");
    stage.receive(PHONE, &response(&fork, 487, "r", ""));
    nothing_is_left(&mut stage);
}

#[test]
fn a_number_goes_to_the_trunk_and_a_foreign_name_is_looked_up() {
    let mut stage = Stage::new();
    called(&mut stage);
    stage.document("<Dial callerId='+12223331234'><Number>+15557654321</Number></Dial>");
    let (flow, invite) = stage.requests("INVITE")[0].clone();
    assert_eq!(flow.remote, SocketAddr::from((TRUNK, 5060)));
    assert_eq!(invite.request_uri(), "sip:+15557654321@192.0.2.60");

    let mut stage = Stage::new();
    called(&mut stage);
    stage.document("<Dial><Sip>sip:x@far.example:5080</Sip></Dial>");
    let question = stage.asked.pop().expect("a look-up");
    assert_eq!(question, locate::Question::new(locate::Kind::A, "far.example"));
    let address = locate::Record::Address("203.0.113.5".parse().expect("an address"));
    let answer = locate::Answer::new(vec![address], Duration::from_secs(60));
    stage.sent.clear();
    stage.give(Input::Answered(question.clone(), Ok(answer.clone())));
    assert_eq!(stage.requests("INVITE")[0].0.remote, "203.0.113.5:5080".parse().expect("one"));
    stage.give(Input::Answered(question, Ok(answer)));
    assert_eq!(stage.requests("INVITE").len(), 1, "an answer counts once");
}

#[test]
fn a_leg_without_a_way_says_what_would_give_it_one() {
    let table = [
        ("<Number>+442079460000</Number>", "prefixes"),
        ("<Sip>sip:bob@office.example</Sip>", "no phone registered"),
        ("<Sip>sips:x@192.0.2.50</Sip>", "no `[sip] listen` is of its scheme and transport"),
        ("<Sip>sips:bob@office.example</Sip>", "no phone registered over TLS"),
        ("<Sip>sips:x@192.0.2.50;transport=udp</Sip>", "none of udp, tcp, tls, ws and wss"),
        ("<Sip>sip:x@192.0.2.50;transport=tls</Sip>", "is of its scheme and transport"),
        ("<Sip>sip:x@192.0.2.50;transport=tcp</Sip>", "is of its scheme and transport"),
        ("<Sip>sip:x@[2001:db8::1]</Sip>", "no listener that reaches udp:[2001:db8::1]:5060"),
        ("<Sip>sip:x@192.0.2.50;transport=ws</Sip>", "no place that one can connect to"),
        ("<Sip>sip:df7jal23ls0d@a1b2.invalid</Sip>", "no place that one can connect to"),
    ];
    for (target, told) in table {
        let mut stage = Stage::new();
        called(&mut stage);
        stage.document(&format!("<Dial callerId='+12223331234'>{target}</Dial>"));
        assert!(stage.requests("INVITE").is_empty(), "{target}");
        assert!(stage.asked.is_empty(), "{target}: nobody is asked for the name");
        assert!(stage.notes.iter().any(|note| note.contains(told)), "{:?}", stage.notes);
    }
}

#[test]
fn a_call_is_not_handed_on_for_ever() {
    let mut stage = Stage::new();
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    stage.receive(TRUNK, &invite.replace("Max-Forwards: 70", "Max-Forwards: 1"));
    stage.document("<Dial callerId='+12223331234'><Number>+15557654321</Number></Dial>");
    assert!(stage.requests("INVITE").is_empty());

    let mut stage = Stage::new();
    let invite = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    stage.receive(TRUNK, &invite.replace("Max-Forwards: 70", "Max-Forwards: 255"));
    stage.document("<Dial callerId='+12223331234'><Number>+15557654321</Number></Dial>");
    assert_eq!(stage.requests("INVITE")[0].1.max_forwards(), Some(69));
}

#[test]
fn draining_refuses_new_calls_and_shutdown_ends_the_others() {
    let mut stage = Stage::new();
    called(&mut stage);
    stage.document("<Record/>");
    assert_eq!(stage.statuses(), [200]);
    stage.give(Input::Drain);
    let next = stage.invite("sip:+12223331234@192.0.2.1", "sip:+15550001111@192.0.2.60");
    let refused = stage.answer(TRUNK, &next).expect("an answer");
    assert_eq!(refused.status(), Some(503));
    assert_eq!(refused.header_by_name("Retry-After"), Some("10"));
    assert_eq!(stage.exchange.calls(), 1, "the other goes on");
    stage.give(Input::Shutdown);
    nothing_is_left(&mut stage);
}

#[test]
fn late_answers_for_calls_that_are_over_go_nowhere() {
    let mut stage = Stage::new();
    called(&mut stage);
    let (ticket, _) = stage.fetches.last().cloned().expect("a fetch");
    stage.give(Input::Shutdown);
    nothing_is_left(&mut stage);
    stage.sent.clear();
    let error = FetchError { code: 11200, message: "late".into() };
    stage.give(Input::Fetched(ticket, Err(error)));
    let session = media::SessionId(1 << 21);
    stage.give(Input::Media(media::Event::Digit { session, digit: '1' }));
    assert!(stage.sent.is_empty());
    assert_eq!(stage.exchange.calls(), 0);
}
