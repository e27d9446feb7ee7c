//! Reliable provisional responses and UPDATE (RFC 3262, RFC 3311).

use super::net::*;
use super::races::Alone;
use crate::base::{Duration, Secret};
use crate::sip::{Body, Command, DialogId, Ending, Event, HeaderName, Login, Message, Method};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn racks(net: &Net) -> Vec<String> {
    let pracks = net.sent.iter().filter(|sent| sent.message.method() == Method::Prack);
    pracks
        .filter(|sent| sent.message.is_request())
        .map(|sent| header(&sent.message, HeaderName::RAck))
        .collect()
}

/// Where the net stands when a 183 with a description is on its way.
fn early_call() -> (Net, DialogId, DialogId) {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, early(theirs));
    (net, ours, theirs)
}

#[test]
fn a_description_before_the_answer_is_acknowledged_and_the_answer_waits_for_that() {
    let (mut net, ours, theirs) = early_call();
    net.command(1, accept(theirs));
    assert_eq!(net.responses(1, 200, Method::Invite), 0, "held back");
    net.run_for(millis(50));
    assert_eq!((net.requests(0, Method::Prack), net.responses(1, 200, Method::Prack)), (1, 1));
    let kinds: Vec<&str> = net.events[1].iter().map(super::calls::kind).collect();
    assert_eq!(kinds, ["invite", "acknowledged", "confirmed"]);
    let ack = net.sent.iter().find(|sent| sent.message.method() == Method::Ack).expect("an ACK");
    assert_eq!(ack.message.cseq().map(|cseq| cseq.number), Some(1), "the INVITE's, not PRACK's");
    net.command(0, hangup(ours));
    net.run_out();
    let bye = net.sent.iter().find(|sent| sent.message.method() == Method::Bye).expect("a BYE");
    assert_eq!(bye.message.cseq().map(|cseq| cseq.number), Some(3));
}

#[test]
fn a_lost_183_is_repeated_with_doubling_until_its_prack_and_heard_once() {
    let (mut net, ours, _) = early_call();
    net.drop = |sent| sent.message.method() == Method::Prack && sent.at.as_millis() < 3_000;
    net.run_for(Duration::from_secs(10));
    let early: Vec<u64> = net
        .sent
        .iter()
        .filter(|sent| sent.message.status() == Some(183))
        .map(|sent| sent.at.as_millis())
        .collect();
    assert_eq!(early, [50, 550, 1550, 3550], "T1 and its doubles, then the PRACK got through");
    let progress = |event: &&Event| matches!(event, Event::Progress { .. });
    assert_eq!(net.events[0].iter().filter(progress).count(), 1, "repeats are not news");
    assert!(racks(&net).iter().all(|rack| *rack == racks(&net)[0]));
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn without_a_prack_the_invite_is_given_up() {
    let (mut net, ..) = early_call();
    net.drop = |sent| sent.message.method() == Method::Prack;
    net.run_out();
    assert_eq!(net.responses(1, 504, Method::Invite), 1);
    assert_eq!(net.endings(0), [Ending::Rejected(504)]);
    assert_eq!(net.endings(1), [Ending::Timeout]);
}

#[test]
fn cancel_stops_the_repeats() {
    let (mut net, ours, _) = early_call();
    net.drop = |sent| sent.message.method() == Method::Prack;
    net.run_for(millis(100));
    net.command(0, hangup(ours));
    net.run_for(millis(100));
    let before = net.responses(1, 183, Method::Invite);
    net.run_out();
    assert_eq!(net.responses(1, 183, Method::Invite), before);
    assert_eq!(net.endings(1), [Ending::Cancelled]);
}

#[test]
fn plain_ringing_is_reliable_only_for_those_who_require_it() {
    for (required, pracks) in [(false, 0), (true, 1)] {
        let mut net = Net::udp();
        let flow = net.flow(0);
        let mut order = invite(1, flow);
        if required {
            order.headers.push(("Require".into(), "100rel".into()));
        }
        net.command(0, Command::Invite(Box::new(order)));
        net.run_for(millis(50));
        let theirs = net.incoming(1).expect("it rings");
        net.command(1, ring(theirs));
        net.run_for(millis(50));
        assert_eq!(net.requests(0, Method::Prack), pracks);
        net.command(1, accept(theirs));
        net.run_for(millis(50));
        net.command(0, hangup(DialogId(1)));
        net.run_out();
    }
}

#[test]
fn a_prack_after_the_answer_is_tolerated_and_a_wrong_one_refused() {
    let mut net = Net::udp();
    let flow = net.flow(0);
    let mut order = invite(1, flow);
    order.headers.push(("Require".into(), "100rel".into()));
    net.command(0, Command::Invite(Box::new(order)));
    net.run_for(millis(50));
    let theirs = net.incoming(1).expect("it rings");
    net.drop = |sent| sent.message.method() == Method::Prack && sent.at.as_millis() < 200;
    net.command(1, ring(theirs));
    net.run_for(millis(50));
    net.command(1, accept(theirs));
    net.run_for(Duration::from_secs(2));
    // A description was not under way: the 200 went out, and the PRACK repeated itself after it.
    assert_eq!(net.responses(1, 200, Method::Invite), 1);
    assert_eq!(net.responses(1, 200, Method::Prack), 1);
    assert!(net.endings(0).is_empty() && net.endings(1).is_empty());
    let prack = net.sent.iter().find(|sent| sent.message.method() == Method::Prack);
    let text = String::from_utf8_lossy(prack.expect("sent").message.as_bytes()).into_owned();
    let text = text.replace("z9hG4bK", "z9hG4bKother").replace(" 1 INVITE", " 3 INVITE");
    net.deliver(1, text.replace("CSeq: 2", "CSeq: 7").into());
    net.run_for(millis(50));
    assert_eq!(net.responses(1, 481, Method::Prack), 1);
    net.command(0, hangup(DialogId(1)));
    net.run_out();
}

#[test]
fn each_fork_has_pracks_of_its_own_and_gaps_are_not_heard() {
    let mut alone = Alone::new();
    let require = ("Require", "100rel");
    for (tag, rseq) in [("one", "5"), ("two", "5"), ("one", "7"), ("one", "6"), ("two", "5")] {
        alone.respond(183, tag, &[require, ("RSeq", rseq)]);
    }
    assert_eq!(racks(&alone.net), ["5 1 INVITE", "5 1 INVITE", "6 1 INVITE"]);
    for (tag, rack) in [("one", "6 1 INVITE"), ("two", "5 1 INVITE")] {
        let prack = alone.last(Method::Prack, tag).expect("acknowledged in its own dialog");
        assert_eq!(prack.request_uri(), format!("sip:{tag}@198.51.100.2:5060"));
        assert_eq!(header(prack, HeaderName::RAck), rack);
    }
    assert_eq!(alone.net.events[0].len(), 3);
    alone.respond(200, "two", &[]);
    alone.respond(200, "one", &[]);
    let bye = alone.last(Method::Bye, "one").expect("the surplus fork is ended");
    assert!(bye.cseq().map(|cseq| cseq.number) > Some(4), "beyond its PRACKs");
}

#[test]
fn a_prack_names_the_invite_that_was_sent_with_credentials() {
    let flow = Net::udp().flow(0);
    let mut order = invite(1, flow);
    order.login =
        Some(Login { username: "alice".into(), password: Secret::new("secret"), realm: None });
    let mut alone = Alone::with(order);
    alone.respond(401, "x", &[("WWW-Authenticate", "Digest realm=\"office\", nonce=\"n1\"")]);
    let again = alone.net.sent.iter().rfind(|sent| sent.message.method() == Method::Invite);
    alone.invite = again.expect("with credentials").message.clone();
    alone.respond(183, "a", &[("Require", "100rel"), ("RSeq", "1")]);
    assert_eq!(racks(&alone.net), ["1 2 INVITE"]);
    let prack = alone.last(Method::Prack, "a").expect("a PRACK");
    assert_eq!(prack.cseq().map(|cseq| cseq.number), Some(3));
}

#[test]
fn updates_in_early_dialogs_are_always_answered() {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, ring(theirs));
    net.run_for(millis(50));
    for method in ["UPDATE", "INFO"] {
        let request = Command::Request { dialog: ours, method, headers: vec![], body: None };
        net.command(0, request);
        net.run_for(millis(50));
        let (transaction, message) = net.asked(1);
        assert_eq!(message.method_name(), method);
        let answer = Command::Respond { transaction, status: 200, headers: vec![], body: None };
        net.command(1, answer);
        net.run_for(millis(50));
    }
    let options = Command::Request { dialog: ours, method: "OPTIONS", headers: vec![], body: None };
    net.command(0, options);
    net.run_for(millis(50));
    for method in ["UPDATE", "INFO", "OPTIONS"] {
        assert_eq!(net.answers(0, method), [Some(200)], "{method}");
    }
    net.command(
        1,
        Command::Request { dialog: theirs, method: "INFO", headers: vec![], body: None },
    );
    net.run_for(millis(50));
    let (transaction, _) = net.asked(0);
    net.command(0, respond(transaction, 200));
    net.run_for(millis(50));
    assert_eq!(net.answers(1, "INFO"), [Some(200)], "the callee may ask, too");
    // Their INVITE's offer is not answered yet (RFC 3311 section 5.2).
    let offer = raw_update(&net, "1");
    net.deliver(1, offer.into());
    assert_eq!(net.responses(1, 500, Method::Update), 1);
    net.command(0, hangup(ours));
    net.run_out();
}

/// An UPDATE with an offer in the dialog of the latest 180, by hand.
fn raw_update(net: &Net, branch: &str) -> String {
    let ringing = net.sent.iter().rfind(|sent| sent.message.status() == Some(180));
    let ringing = &ringing.expect("it rings").message;
    format!(
        "UPDATE sip:198.51.100.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKu{branch}\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 90 UPDATE\r\n\
         Contact: <sip:198.51.100.1:5060>\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        header(ringing, HeaderName::From),
        header(ringing, HeaderName::To),
        ringing.call_id(),
    )
}

#[test]
fn an_update_moves_the_target_of_an_early_dialog() {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, ring(theirs));
    net.run_for(millis(50));
    let moved = "sip:moved@198.51.100.9:5070";
    let body = "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    let callers = raw_update(&net, "1")
        .replace("Contact: <sip:198.51.100.1:5060>", &format!("Contact: <{moved}>"))
        .replace(body, "Content-Length: 0\r\n\r\n");
    let callees = callers
        .replacen("\r\nFrom:", "\r\nX:", 1)
        .replacen("\r\nTo:", "\r\nFrom:", 1)
        .replacen("\r\nX:", "\r\nTo:", 1);
    for (side, dialog, text, status) in
        [(1, theirs, &callers, 200), (0, ours, &callees, 500), (0, ours, &callees, 200)]
    {
        let text = text.replace("branch=z9hG4bKu1", &format!("branch=z9hG4bKu{status}"));
        let cseq = format!("CSeq: {} UPDATE", 600 - status);
        net.deliver(side, text.replace("CSeq: 90 UPDATE", &cseq).into());
        let (transaction, _) = net.asked(side);
        net.command(side, respond(transaction, status));
        let target = net.agents[side].dialog_peer(dialog).and_then(|(_, target)| target);
        assert_eq!(target == Some(moved), status == 200, "{side} {status}: {target:?}");
    }
    net.command(0, hangup(ours));
    net.run_for(millis(40_000));
}

#[test]
fn an_update_may_bring_an_offer_before_the_answer_once_one_exchange_is_through() {
    let (mut net, ours, theirs) = early_call();
    net.command(0, update(ours, true));
    assert_eq!(net.answers(0, "UPDATE"), [None], "not before the 183 came");
    net.run_for(millis(50));
    for (side, dialog) in [(0, ours), (1, theirs)] {
        net.command(side, update(dialog, true));
        net.run_for(millis(50));
        let (transaction, message) = net.asked(1 - side);
        assert!(message.method() == Method::Update && !message.body().is_empty());
        net.command(1 - side, respond(transaction, 200));
        net.run_for(millis(50));
        assert_eq!(net.answers(side, "UPDATE").last(), Some(&Some(200)));
    }
    net.command(1, accept(theirs));
    net.run_for(millis(50));
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn an_offer_in_the_prack_is_answered_before_the_invite_is() {
    let mut alone = Alone::new();
    alone.net.drop = |_| false;
    alone.net.run_for(Duration::from_secs(1));
    let theirs = alone.net.incoming(1).expect("it rings");
    alone.net.drop = |sent| sent.message.method() == Method::Prack;
    alone.net.command(1, early(theirs));
    alone.net.run_for(millis(50));
    let net = &mut alone.net;
    let prack = net.sent.iter().find(|sent| sent.message.method() == Method::Prack);
    let text = String::from_utf8_lossy(prack.expect("sent").message.as_bytes()).into_owned();
    let text = text.replace(
        "Content-Length: 0\r\n\r\n",
        "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    );
    net.command(1, accept(theirs));
    net.deliver(1, text.into());
    assert_eq!(net.responses(1, 200, Method::Invite), 0);
    let (transaction, _) = net.asked(1);
    net.command(1, respond(transaction, 200));
    let order: Vec<Method> = net
        .sent
        .iter()
        .filter(|sent| sent.from == 1 && sent.message.status() == Some(200))
        .map(|sent| sent.message.method())
        .collect();
    assert_eq!(order, [Method::Prack, Method::Invite]);
}

#[test]
fn updates_that_cross_are_told_so_and_one_gets_through() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.command(0, update(ours, true));
    net.command(1, update(theirs, true));
    net.run_for(millis(50));
    assert_eq!(net.responses(0, 491, Method::Update) + net.responses(1, 491, Method::Update), 2);
    let crossed = net.now;
    let mut asked = [0, 0];
    for _ in 0..60 {
        net.run_for(millis(100));
        for (side, asked) in asked.iter_mut().enumerate() {
            let requests = net.events[side].iter().filter(|e| matches!(e, Event::InDialog { .. }));
            if requests.count() > *asked {
                *asked += 1;
                let (transaction, _) = net.asked(side);
                net.command(side, respond(transaction, 200));
            }
        }
    }
    // The one that waited was made for the session as it was before: its maker decides anew.
    assert_eq!(net.answers(1, "UPDATE"), [Some(200)]);
    assert_eq!(net.answers(0, "UPDATE"), [Some(491)]);
    let again = |side: usize| {
        let mut sent = net.sent.iter().filter(move |sent| sent.from == side && sent.at > crossed);
        let update = sent.find(|s| s.message.is_request() && s.message.method() == Method::Update);
        (update.expect("again").at - crossed).as_millis()
    };
    // RFC 3261 section 14.1: whoever does not own the Call-ID comes first.
    assert!(again(1) <= 2_000, "{}", again(1));
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn a_second_offer_while_theirs_is_open_is_put_off() {
    let mut net = Net::udp();
    let (ours, _) = net.call(1);
    net.command(0, update(ours, true));
    net.run_for(millis(50));
    let (transaction, first) = net.asked(1);
    let text = String::from_utf8_lossy(first.as_bytes()).into_owned();
    let number = first.cseq().map_or(0, |cseq| cseq.number);
    let text = text
        .replace("z9hG4bK", "z9hG4bKother")
        .replace(&format!("CSeq: {number}"), &format!("CSeq: {}", number + 1));
    net.deliver(1, text.into());
    let refused = net.sent.iter().rfind(|sent| sent.message.status() == Some(500));
    assert!(refused.expect("500").message.has(HeaderName::RetryAfter), "RFC 3311 section 5.2");
    net.command(1, respond(transaction, 200));
    net.run_for(millis(50));
    assert_eq!(net.answers(0, "UPDATE"), [Some(200)]);
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn reliable_calls_survive_loss_and_reordering() {
    for seed in 0..40 {
        let mut net = Net::new(seed, crate::sip::Transport::Udp);
        net.weather = Weather { lost: 200, repeated: 100, jitter_ms: 600 };
        let flow = net.flow(0);
        net.command(0, Command::Invite(Box::new(invite(1, flow))));
        net.run_for(Duration::from_secs(12));
        let Some(theirs) = net.incoming(1) else { continue };
        net.command(1, early(theirs));
        net.command(1, accept(theirs));
        net.run_for(Duration::from_secs(31));
        let accepted = net.events[0].iter().filter(|e| matches!(e, Event::Accepted { .. })).count();
        let given_up = net.responses(1, 504, Method::Invite) > 0;
        assert!(accepted == 1 || given_up, "seed {seed}");
        net.command(0, hangup(DialogId(1)));
        net.run_for(Duration::from_secs(70));
        let standing: Vec<DialogId> = net.agents[1].usages.keys().copied().collect();
        standing.into_iter().for_each(|dialog| net.command(1, hangup(dialog)));
        net.run_out();
    }
}

#[test]
fn the_answer_in_a_prack_reaches_whoever_offered() {
    let flow = Net::udp().flow(0);
    let mut net = Net::udp();
    net.command(0, Command::Invite(Box::new(crate::sip::Invite { body: None, ..invite(1, flow) })));
    net.run_for(millis(50));
    let theirs = net.incoming(1).expect("it rings");
    net.drop = |sent| sent.message.method() == Method::Prack;
    net.command(1, early(theirs));
    net.run_for(millis(50));
    let prack = net.sent.iter().find(|sent| sent.message.method() == Method::Prack);
    let text = String::from_utf8_lossy(prack.expect("sent").message.as_bytes()).into_owned();
    let text = text.replace(
        "Content-Length: 0\r\n\r\n",
        "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    );
    net.deliver(1, text.into());
    let told = net.events[1].iter().find_map(|event| match event {
        Event::Acknowledged { message, .. } => Some(message.clone()),
        _ => None,
    });
    assert_eq!(told.map(|prack: Message| prack.body()), Some(sdp_bytes()));
    net.drop = |_| false;
    net.command(0, hangup(DialogId(1)));
    net.run_out();
}

fn sdp_bytes() -> bytes::Bytes {
    let Body { bytes, .. } = sdp();
    bytes
}
