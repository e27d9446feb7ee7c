//! Session timers (RFC 4028).

use super::net::*;
use super::races::Alone;
use crate::base::Duration;
use crate::sip::{Command, DialogId, Ending, Event, HeaderName, Method};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A call whose caller asks for so many seconds.
fn call(interval: u64) -> (Net, DialogId, DialogId) {
    let mut net = Net::udp();
    net.agents[0].config.session.interval = seconds(interval);
    let (ours, theirs) = net.call(1);
    (net, ours, theirs)
}

#[test]
fn the_refresher_refreshes_at_half_time_and_keeps_its_role() {
    let (mut net, ours, _) = call(200);
    let of = |net: &Net, status: Option<u16>, method| {
        let found =
            net.sent.iter().rfind(|s| s.message.status() == status && s.message.method() == method);
        found.map(|sent| header(&sent.message, HeaderName::SessionExpires))
    };
    assert_eq!(of(&net, None, Method::Invite).as_deref(), Some("200"));
    assert_eq!(of(&net, Some(200), Method::Invite).as_deref(), Some("200;refresher=uac"));
    for round in 1..=3 {
        net.run_for(Duration::from_millis(100_030));
        assert_eq!(net.requests(0, Method::Update), round);
        assert_eq!(of(&net, None, Method::Update).as_deref(), Some("200;refresher=uac"));
        let Some(Event::InDialog { transaction, message, .. }) = net.events[1].last().cloned()
        else {
            panic!("no UPDATE")
        };
        assert!(message.body().is_empty(), "it only refreshes");
        let answer = Command::Respond { transaction, status: 200, headers: vec![], body: None };
        net.command(1, answer);
        net.run_for(Duration::from_millis(50));
        assert_eq!(of(&net, Some(200), Method::Update).as_deref(), Some("200;refresher=uac"));
    }
    assert!(net.answers(0, "UPDATE").is_empty(), "nobody above need know");
    net.command(0, hangup(ours));
    net.run_out();
    assert_eq!(net.requests(1, Method::Update), 0);
}

#[test]
fn a_session_that_is_not_refreshed_is_ended_by_whoever_waits() {
    let (mut net, ..) = call(90);
    net.agents[0].timers.clear(&(DialogId(1), super::super::Due::Session));
    let from = net.now;
    net.run_for(seconds(61));
    assert_eq!(net.requests(1, Method::Bye), 1);
    let bye = net.sent.iter().find(|sent| sent.message.method() == Method::Bye).expect("a BYE");
    let after = (bye.at - from).as_millis();
    assert!((59_000..=60_000).contains(&after), "90 s less a third: {after}");
    net.run_out();
    assert_eq!((net.endings(0), net.endings(1)), (vec![Ending::Bye], vec![Ending::Timeout]));
}

#[test]
fn a_refresh_that_the_peer_knows_nothing_of_ends_the_call() {
    for (status, ends) in [(481, true), (408, true), (500, false)] {
        let (mut net, ours, _) = call(90);
        net.run_for(Duration::from_millis(45_030));
        let Some(Event::InDialog { transaction, .. }) = net.events[1].last().cloned() else {
            panic!("no UPDATE")
        };
        net.command(1, Command::Respond { transaction, status, headers: vec![], body: None });
        net.run_for(seconds(1));
        assert_eq!(net.requests(0, Method::Bye) == 1, ends, "{status}");
        if !ends {
            net.run_for(Duration::from_millis(9_010));
            assert_eq!(net.requests(0, Method::Update), 2, "tried again");
            net.command(0, hangup(ours));
        }
        net.run_out();
    }
}

#[test]
fn too_short_a_session_is_refused_and_asked_for_again_with_what_would_do() {
    let mut net = Net::udp();
    net.agents[0].config.session.interval = seconds(100);
    net.agents[1].config.session.min = seconds(300);
    let (ours, theirs) = net.invite(1);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.responses(1, 422, Method::Invite), 1);
    let invites: Vec<_> = net
        .sent
        .iter()
        .filter(|s| s.message.is_request() && s.message.method() == Method::Invite)
        .map(|s| {
            let of = |name| header(&s.message, name);
            (of(HeaderName::SessionExpires), of(HeaderName::MinSe), s.message.call_id().to_owned())
        })
        .collect();
    let id = invites[0].2.clone();
    assert_eq!(invites[0], ("100".into(), "90".into(), id.clone()));
    assert_eq!(invites[1], ("300".into(), "300".into(), id));
    net.command(1, accept(theirs));
    net.run_for(Duration::from_millis(50));
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn a_peer_that_never_has_enough_is_given_up() {
    let mut alone = Alone::new();
    for min in [100, 200, 300, 400, 500, 600] {
        let invite = alone.net.sent.iter().rfind(|s| s.message.method() == Method::Invite);
        alone.invite = invite.expect("sent").message.clone();
        alone.respond(422, "x", &[("Min-SE", &min.to_string())]);
    }
    assert_eq!(alone.net.requests(0, Method::Invite), 4);
    assert_eq!(alone.net.endings(0), [Ending::Rejected(422)]);
}

#[test]
fn without_update_the_refresh_is_a_re_invite_by_whoever_knows_the_session() {
    let mut alone = Alone::new();
    alone.respond(200, "a", &[("Session-Expires", "90;refresher=uac"), ("Allow", "INVITE, BYE")]);
    alone.net.run_for(seconds(46));
    assert!(matches!(alone.net.events[0].last(), Some(Event::Refresh { .. })));
    assert_eq!(alone.net.requests(0, Method::Update), 0);
    alone.net.command(0, reinvite(DialogId(1)));
    let invite = alone.last(Method::Invite, "a").expect("a re-INVITE");
    assert_eq!(header(invite, HeaderName::SessionExpires), "90;refresher=uac");
    assert!(invite.values(HeaderName::Supported).any(|tag| tag == "timer"));
}

#[test]
fn a_refresh_waits_while_an_invite_is_pending() {
    let (mut net, ours, theirs) = call(90);
    net.run_for(seconds(44));
    net.command(1, reinvite(theirs));
    net.run_for(seconds(3));
    assert_eq!(net.requests(0, Method::Update), 0, "theirs refreshes as well");
    let (transaction, _) = net.asked(0);
    net.command(0, respond(transaction, 200));
    net.run_for(seconds(1));
    let ok = net.sent.iter().rfind(|s| s.message.status() == Some(200)).expect("a 200");
    assert_eq!(header(&ok.message, HeaderName::SessionExpires), "90;refresher=uas", "still us");
    net.run_for(seconds(40));
    assert_eq!(net.requests(0, Method::Update), 0, "counted from their re-INVITE");
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn no_timer_is_forced_on_whoever_wants_none() {
    let mut alone = Alone::new();
    alone.respond(200, "a", &[]);
    alone.net.run_for(seconds(10_000));
    assert!(alone.net.endings(0).is_empty());
    assert_eq!(alone.net.requests(0, Method::Update), 0);
}

#[test]
fn a_refresh_that_is_refused_as_too_short_does_not_go_in_circles() {
    let (mut net, ours, _) = call(600);
    let refuse = |net: &mut Net, min: u32| {
        let (transaction, _) = net.asked(1);
        let headers = vec![("Min-SE".to_owned(), min.to_string())];
        net.command(1, Command::Respond { transaction, status: 422, headers, body: None });
        net.run_for(Duration::from_millis(50));
        net.requests(0, Method::Update)
    };
    let asked = |net: &Net| {
        let (_, update) = net.asked(1);
        let of = |name| header(&update, name);
        (of(HeaderName::SessionExpires), of(HeaderName::MinSe))
    };
    net.run_for(Duration::from_millis(300_030));
    assert_eq!(net.requests(0, Method::Update), 1);
    assert_eq!(refuse(&mut net, 600), 1, "600 s were asked for");
    net.run_for(seconds(10));
    assert_eq!(net.requests(0, Method::Update), 2, "tried again later");
    for (sent, min) in [(3, 700), (4, 800), (5, 900)] {
        assert_eq!(refuse(&mut net, min), sent);
        assert_eq!(asked(&net), (format!("{min};refresher=uac"), min.to_string()));
    }
    assert_eq!(refuse(&mut net, 1000), 5, "not a fourth time at once");
    net.run_for(seconds(10));
    let (transaction, _) = net.asked(1);
    net.command(1, respond(transaction, 200));
    net.run_for(Duration::from_millis(500_100));
    assert_eq!(net.requests(0, Method::Update), 7, "the next refresh, at half time");
    assert_eq!(asked(&net).1, "1000", "RFC 4028 section 7.4");
    net.command(0, hangup(ours));
    net.run_out();
}

#[test]
fn a_refresh_that_could_not_be_sent_is_tried_again() {
    let (mut net, ours, _) = call(200);
    net.run_for(seconds(99));
    let room = std::mem::take(&mut net.agents[0].config.limits.transactions);
    net.run_for(seconds(5));
    assert_eq!(net.requests(0, Method::Update), 0, "no room for a transaction");
    net.agents[0].config.limits.transactions = room;
    net.run_for(Duration::from_millis(6_100));
    assert_eq!(net.requests(0, Method::Update), 1);
    net.command(0, hangup(ours));
    net.run_out();
}
