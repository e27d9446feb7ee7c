//! What crosses, what gets lost, what forks.

use bytes::Bytes;

use super::net::*;
use crate::base::{Duration, Machine};
use crate::sip::write::Builder;
use crate::sip::{Command, DialogId, Ending, Event, HeaderName, Input, Message, Method};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn cancel_waits_for_the_first_provisional_response() {
    let mut net = Net::udp();
    let flow = net.flow(0);
    net.command(0, Command::Invite(Box::new(invite(1, flow))));
    net.command(0, hangup(DialogId(1)));
    net.run_for(Duration::from_millis(150));
    assert_eq!(net.requests(0, Method::Cancel), 0, "nothing was heard yet");
    net.run_out();
    assert_eq!(net.requests(0, Method::Cancel), 1);
    let of = |method| {
        let mut sent = net.sent.iter().filter(|s| s.message.is_request());
        &sent.find(|s| s.message.method() == method).expect("sent").message
    };
    let (invite, cancel) = (of(Method::Invite), of(Method::Cancel));
    assert_eq!(invite.request_uri(), cancel.request_uri());
    assert_eq!(invite.via(), cancel.via());
    assert_eq!(invite.header(HeaderName::To), cancel.header(HeaderName::To));
    assert_eq!(net.responses(1, 487, Method::Invite), 1);
    assert_eq!(net.requests(0, Method::Ack), 1, "the 487 is acknowledged");
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Local], vec![Ending::Cancelled]));
}

#[test]
fn an_answer_that_crosses_cancel_is_acknowledged_and_hung_up() {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, ring(theirs));
    net.run_for(Duration::from_millis(50));
    net.command(0, hangup(ours));
    net.command(1, accept(theirs));
    net.run_out();
    let counts = [Method::Cancel, Method::Ack, Method::Bye].map(|m| net.requests(0, m));
    assert_eq!(counts, [1, 1, 1]);
    assert_eq!(net.responses(1, 487, Method::Invite), 0);
    assert!(!net.events[0].iter().any(|event| matches!(event, Event::Accepted { .. })));
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Local], vec![Ending::Bye]));
}

#[test]
fn a_peer_that_never_answers_cancel_is_left_after_32_seconds() {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, ring(theirs));
    net.run_for(Duration::from_millis(50));
    net.drop = |sent| sent.from == 0;
    net.command(0, hangup(ours));
    net.run_for(seconds(31));
    assert!(net.endings(0).is_empty());
    net.run_for(seconds(2));
    assert_eq!(net.endings(0), [Ending::Local]);
    net.command(1, hangup(theirs));
    net.run_out();
}

#[test]
fn nobody_answers_at_all() {
    let mut net = Net::udp();
    net.drop = |_| true;
    let flow = net.flow(0);
    net.command(0, Command::Invite(Box::new(invite(1, flow))));
    net.run_out();
    assert_eq!((net.endings(0), net.now.as_millis()), (vec![Ending::Timeout], 32_000));
    assert_eq!(net.requests(0, Method::Invite), 7);
}

#[test]
fn an_unreachable_peer_is_told_of_at_once() {
    let mut net = Net::udp();
    let flow = net.flow(0);
    net.command(0, Command::Invite(Box::new(invite(1, flow))));
    net.agents[0].handle(net.now, Input::Unreachable { flow });
    net.drop = |_| true;
    net.run_for(Duration::from_millis(1));
    net.command(0, hangup(DialogId(9)));
    assert_eq!(net.endings(0), [Ending::Unreachable]);
}

#[test]
fn a_lost_ack_is_sent_again_with_each_answer() {
    let mut net = Net::udp();
    net.drop = |sent| sent.message.method() == Method::Ack && sent.at.as_millis() < 2000;
    let (ours, theirs) = net.invite(1);
    net.command(1, accept(theirs));
    net.run_for(seconds(10));
    // 200 at 50, 550 and 1550 ms; then the one at 3550 gets its ACK through.
    assert_eq!(net.responses(1, 200, Method::Invite), 4);
    assert_eq!(net.requests(0, Method::Ack), 4);
    let confirmed = |e: &&Event| matches!(e, Event::Confirmed { .. });
    assert_eq!(net.events[1].iter().filter(confirmed).count(), 1);
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn an_ack_that_never_comes_ends_the_call_by_bye() {
    let mut net = Net::udp();
    net.drop = |sent| sent.message.is_request() && sent.message.method() == Method::Ack;
    let (_, theirs) = net.invite(1);
    net.command(1, accept(theirs));
    net.run_out();
    assert_eq!(net.responses(1, 200, Method::Invite), 11, "once and ten repeats");
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Bye], vec![Ending::NoAck]));
}

#[test]
fn the_callee_says_bye_only_after_the_ack() {
    let mut net = Net::udp();
    let (_, theirs) = net.invite(1);
    net.command(1, accept(theirs));
    net.command(1, hangup(theirs));
    assert_eq!(net.requests(1, Method::Bye), 0);
    net.run_out();
    assert_eq!(net.requests(1, Method::Bye), 1);
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Bye], vec![Ending::Local]));
}

#[test]
fn a_lost_bye_is_repeated_and_in_the_end_given_up() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.drop = |sent| sent.from == 0;
    net.command(0, hangup(ours));
    net.run_for(seconds(40));
    assert_eq!((net.requests(0, Method::Bye), net.endings(0)), (11, vec![Ending::Timeout]));
    net.drop = |_| false;
    net.command(1, hangup(theirs));
    net.run_out();
    assert_eq!(net.responses(0, 481, Method::Bye), 1);
    assert_eq!(net.endings(1), [Ending::Local]);
}

#[test]
fn both_hang_up_at_once() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.command(0, hangup(ours));
    net.command(1, hangup(theirs));
    net.run_out();
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Local], vec![Ending::Local]));
}

/// Answers every re-INVITE that is waiting.
fn answer_offers(net: &mut Net, side: usize) {
    let waiting: Vec<_> = net.events[side]
        .iter()
        .filter_map(|event| match event {
            Event::InDialog { transaction, message, .. } => {
                (message.method() == Method::Invite).then_some(*transaction)
            }
            _ => None,
        })
        .collect();
    for transaction in waiting {
        let answer =
            Command::Respond { transaction, status: 200, headers: vec![], body: Some(sdp()) };
        net.command(side, answer);
    }
}

fn answers(net: &Net, side: usize) -> Vec<Option<u16>> {
    let responses = net.events[side].iter().filter_map(|event| match event {
        Event::Response { message, .. } => Some(message.as_ref().and_then(Message::status)),
        _ => None,
    });
    responses.collect()
}

#[test]
fn offers_that_meet_are_both_refused_and_then_come_one_after_the_other() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.command(0, reinvite(ours));
    net.command(1, reinvite(theirs));
    net.run_for(Duration::from_millis(100));
    assert_eq!(net.responses(0, 491, Method::Invite), 1);
    assert_eq!(net.responses(1, 491, Method::Invite), 1);
    for _ in 0..60 {
        net.run_for(Duration::from_millis(100));
        answer_offers(&mut net, 0);
        answer_offers(&mut net, 1);
    }
    // The one that does not own the Call-ID comes first; the other's offer is then out of date,
    // and goes back to whoever made it.
    assert_eq!(answers(&net, 1), [Some(200)]);
    assert_eq!(answers(&net, 0), [Some(491)]);
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn an_offer_waits_for_the_ack_of_the_one_before() {
    let mut net = Net::udp();
    let (ours, theirs) = net.invite(1);
    net.command(1, accept(theirs));
    net.command(1, reinvite(theirs));
    assert_eq!(net.requests(1, Method::Invite), 0, "no ACK yet");
    net.run_for(Duration::from_millis(100));
    assert_eq!(net.requests(1, Method::Invite), 1);
    answer_offers(&mut net, 0);
    net.run_for(Duration::from_millis(100));
    assert_eq!((answers(&net, 1), net.requests(1, Method::Ack)), (vec![Some(200)], 1));
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn a_second_offer_before_the_answer_is_put_off() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.command(0, reinvite(ours));
    net.run_for(Duration::from_millis(50));
    let first = net.sent.iter().rfind(|s| s.message.method() == Method::Invite).expect("sent");
    let text = String::from_utf8_lossy(first.message.as_bytes()).into_owned();
    let second = text
        .replace("CSeq: 2 INVITE", "CSeq: 3 INVITE")
        .replace("branch=z9hG4bK", "branch=z9hG4bKx");
    net.deliver(1, second.into());
    let refused = net.sent.iter().find(|s| s.message.status() == Some(500)).expect("refused");
    assert!(refused.message.has(HeaderName::RetryAfter));
    let old = text
        .replace("CSeq: 2 INVITE", "CSeq: 1 INVITE")
        .replace("branch=z9hG4bK", "branch=z9hG4bKy");
    net.deliver(1, old.into());
    assert_eq!(net.responses(1, 500, Method::Invite), 2, "out of order");
    answer_offers(&mut net, 1);
    net.run_for(Duration::from_millis(50));
    assert_eq!(answers(&net, 0), [Some(200)]);
    // The forged CSeq 3 is spent, so the caller's own next request would be out of order.
    net.command(1, hangup(theirs));
    net.run_out();
}

#[test]
fn an_unanswered_offer_gets_487_when_the_dialog_ends() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.command(0, reinvite(ours));
    net.run_for(Duration::from_millis(50));
    net.command(1, hangup(theirs));
    net.run_out();
    assert_eq!(net.responses(1, 487, Method::Invite), 1);
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Bye], vec![Ending::Local]));
}

#[test]
fn an_offer_that_is_only_ever_trying_does_not_outlive_its_dialog() {
    let mut net = Net::udp();
    let (ours, theirs) = net.call(1);
    net.command(0, reinvite(ours));
    net.run_for(seconds(1));
    assert_eq!(net.responses(1, 100, Method::Invite), 1);
    net.drop = |sent| sent.message.status() == Some(487);
    net.command(1, hangup(theirs));
    net.run_out();
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Bye], vec![Ending::Local]));
}

/// One agent alone, whose peer is written by hand.
pub(super) struct Alone {
    pub net: Net,
    /// Its latest INVITE.
    pub invite: Message,
}

impl Alone {
    pub fn new() -> Alone {
        let flow = Net::udp().flow(0);
        Alone::with(invite(1, flow))
    }

    pub fn with(order: crate::sip::Invite) -> Alone {
        let mut net = Net::udp();
        net.drop = |_| true;
        net.command(0, Command::Invite(Box::new(order)));
        let invite = net.sent[0].message.clone();
        Alone { net, invite }
    }

    pub fn respond(&mut self, status: u16, tag: &str, more: &[(&str, &str)]) {
        let builder = Builder::response_to(&self.invite, status, "x", Some(tag));
        let contact = format!("<sip:{tag}@198.51.100.2:5060>");
        let builder = builder.header("Contact", &contact).headers(more.iter().copied());
        self.net.deliver(0, builder.build());
    }

    pub fn last(&self, method: Method, tag: &str) -> Option<&Message> {
        let mut sent = self.net.sent.iter().map(|sent| &sent.message);
        sent.rfind(|m| {
            m.is_request() && m.method() == method && m.to().and_then(|to| to.tag()) == Some(tag)
        })
    }
}

#[test]
fn each_fork_is_told_of_and_only_the_first_answer_is_kept() {
    let mut alone = Alone::new();
    for tag in ["one", "two"] {
        alone.respond(180, tag, &[]);
    }
    alone.respond(200, "two", &[]);
    alone.respond(200, "one", &[]);
    alone.respond(200, "one", &[]);
    alone.respond(200, "two", &[]);
    let net = &alone.net;
    let accepted = |e: &&Event| matches!(e, Event::Accepted { .. });
    assert_eq!(net.events[0].iter().filter(accepted).count(), 1);
    assert_eq!(net.events[0].len(), 3, "two rang, one was accepted");
    assert_eq!(net.requests(0, Method::Ack), 4, "every 2xx is acknowledged");
    let bye = alone.last(Method::Bye, "one").expect("the surplus fork is ended");
    assert_eq!(bye.request_uri(), "sip:one@198.51.100.2:5060");
    assert_eq!(bye.cseq().map(|cseq| cseq.number), Some(2));
    assert!(alone.last(Method::Bye, "two").is_none());
    let (_, target) = net.agents[0].dialog_peer(DialogId(1)).expect("it stands");
    assert_eq!(target, Some("sip:two@198.51.100.2:5060"));
}

#[test]
fn the_route_set_is_that_of_the_answer_and_strict_routers_are_obeyed() {
    let mut alone = Alone::new();
    alone.respond(180, "a", &[("Record-Route", "<sip:198.51.100.2:5060;early;lr>")]);
    let routes = "<sip:far.example;lr>, <sip:198.51.100.2:5060>";
    alone.respond(200, "a", &[("Record-Route", routes)]);
    let ack = alone.last(Method::Ack, "a").expect("an ACK");
    assert_eq!(ack.request_uri(), "sip:198.51.100.2:5060");
    let values: Vec<&str> = ack.values(HeaderName::Route).collect();
    assert_eq!(values, ["<sip:far.example;lr>", "<sip:a@198.51.100.2:5060>"]);
    assert_eq!(ack.cseq().map(|cseq| cseq.number), Some(1));
}

#[test]
fn an_answer_after_the_end_is_acknowledged_and_hung_up() {
    let mut alone = Alone::new();
    alone.respond(180, "a", &[]);
    alone.net.command(0, hangup(DialogId(1)));
    alone.respond(200, "a", &[]);
    assert!(alone.last(Method::Ack, "a").is_some());
    let bye = alone.last(Method::Bye, "a").expect("a BYE").clone();
    let done: Bytes = Builder::response_to(&bye, 200, "OK", None).build();
    alone.net.deliver(0, done);
    assert_eq!(alone.net.endings(0), [Ending::Local]);
    alone.respond(200, "b", &[]);
    assert!(alone.last(Method::Bye, "b").is_some(), "a fork after all was over");
    alone.net.run_out();
}

#[test]
fn a_hostile_proxy_with_endless_forks_is_no_amplifier() {
    let mut alone = Alone::new();
    for fork in 0..100 {
        alone.respond(200, &format!("t{fork}"), &[]);
    }
    assert!(alone.net.requests(0, Method::Bye) <= 9);
}
