//! Peers of another make at the edges of SIP: repeats, forks, strays, and what we do not know.

use crate::world::raw::Rest;
use crate::world::{OWN_NUMBER, Page, VOICE, World, header, respond};

const US: &str = "sip:+12223331234@192.0.2.1";

/// A raw carrier; the document waits for a minute after its first word.
fn carrier(seed: u64) -> World {
    let mut world = World::new(seed);
    world.web.page(VOICE, Page::xml("<Say>Hi</Say><Pause length='60'/>"));
    world.peer("raw", "198.51.100.1:5060");
    world
}

fn invite(world: &World, headers: &str) -> String {
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { headers, body: &sdp, ..Rest::default() };
    world.request("raw", "INVITE", US, "r1", &rest)
}

/// Sends a request in the dialog that `ok` made.
fn within(world: &mut World, ok: &str, method: &str, cseq: u32, body: &str) {
    let to = header(ok, "To");
    let rest = Rest { to: &to, cseq, body, ..Rest::default() };
    let request = world.request("raw", method, "sip:192.0.2.1:5060", "r1", &rest);
    world.say("raw", &request);
}

#[test]
fn a_repeated_invite_is_one_call() {
    let mut world = carrier(1);
    let invite = invite(&world, "");
    for _ in 0..3 {
        world.say("raw", &invite);
    }
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "");
    world.seconds(1);
    assert_eq!((world.calls(), world.web.asked.len()), (1, 1));
    within(&mut world, &ok, "BYE", 2, "");
    world.expect("raw", "SIP/2.0 200");
    world.end();
}

#[test]
fn line_ends_before_a_request_are_passed_over() {
    // RFC 3261 section 7.5; alone they are answered on streams only (RFC 5626 section 4.4.1).
    let mut world = carrier(1);
    let options = |n: u32| (n, format!("o{n}"));
    for (before, (n, dialog)) in ["\r\n", "\r\n\r\n", "\n"].into_iter().zip((0..).map(options)) {
        let request = world.request("raw", "OPTIONS", US, &dialog, &Rest::default());
        world.say("raw", &format!("{before}{request}"));
        let ok = world.expect("raw", "SIP/2.0 200");
        assert_eq!(header(&ok, "Call-ID"), dialog, "{n}");
    }
    let came = world.raw("raw").inbox.len();
    world.say("raw", "\r\n\r\n");
    world.say("raw", "\r\n");
    world.seconds(1);
    assert_eq!(world.raw("raw").inbox.len(), came);
}

#[test]
fn an_invite_that_came_two_ways_is_merged() {
    let mut world = carrier(2);
    let first = invite(&world, "");
    world.say("raw", &first);
    world.say("raw", &first.replace("z9hG4bKr1", "z9hG4bKother"));
    // RFC 3261 section 8.2.2.2.
    world.expect("raw", "SIP/2.0 482");
    assert_eq!(world.calls(), 1);
}

#[test]
fn an_unknown_extension_is_named() {
    let mut world = carrier(3);
    let invite = invite(&world, "Require: teleport\r\n");
    world.say("raw", &invite);
    let refused = world.expect("raw", "SIP/2.0 420");
    assert_eq!(header(&refused, "Unsupported"), "teleport");
    assert!(world.rows.history.is_empty());
}

#[test]
fn strays_are_told_that_they_are_strays() {
    let mut world = carrier(4);
    for (method, status) in [("BYE", "481"), ("CANCEL", "481"), ("INFO", "481")] {
        let to = "<sip:+12223331234@192.0.2.1>;tag=gone";
        let rest = Rest { to, cseq: 7, ..Rest::default() };
        let request = world.request("raw", method, US, &format!("stray-{method}"), &rest);
        world.say("raw", &request);
        world.expect("raw", &format!("SIP/2.0 {status}"));
    }
    let rest = Rest { to: "<sip:+12223331234@192.0.2.1>;tag=gone", ..Rest::default() };
    let ack = world.request("raw", "ACK", US, "stray-ack", &rest);
    let before = world.raw("raw").inbox.len();
    world.say("raw", &ack);
    world.seconds(1);
    assert_eq!(world.raw("raw").inbox.len(), before, "an ACK has no answer");
}

#[test]
fn requests_outside_of_calls_have_their_answers() {
    let mut world = carrier(5);
    for (method, status) in [("OPTIONS", "200"), ("SUBSCRIBE", "403"), ("FOO", "501")] {
        let rest = Rest::default();
        let request = world.request("raw", method, US, &format!("out-{method}"), &rest);
        world.say("raw", &request);
        let answer = world.expect("raw", "SIP/2.0 ");
        assert_eq!(answer.get(8..11), Some(status), "{method}: {answer}");
    }
}

#[test]
fn garbage_disturbs_nobody() {
    let mut world = carrier(6);
    let text = invite(&world, "");
    world.say("raw", &text);
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "");
    let mut rng = offhook::base::Rng::from_number(9);
    for _ in 0..2_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=rng.below(20) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.below(256) as u8;
        }
        bytes.truncate(rng.below(bytes.len() as u64) as usize + 1);
        let (from, to) = (world.raw("raw").local, crate::world::SERVER.parse().expect("ours"));
        world.send(from, to, bytes.into());
        world.millis(1);
    }
    assert!(world.calls() >= 1);
    within(&mut world, &ok, "BYE", 2, "");
    world.seconds(1);
    assert!(!world.raw("raw").all("SIP/2.0 200").is_empty());
    world.seconds(120);
    assert_eq!(world.calls(), 0);
}

/// A raw phone is dialled by a stranger's call; gives its INVITE.
fn dialled(seed: u64) -> (World, String) {
    let mut world = World::new(seed);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    let body = format!("<Dial callerId='{OWN_NUMBER}' action='/dialled'>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&body));
    world.web.page("https://app.example/dialled", Page::xml("<Say>Done</Say>"));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    (world, invite)
}

fn answer(world: &mut World, request: &str, line: &str, tag: &str) {
    let peer = world.raw("raw");
    let text = respond(request, line, peer.local, "", &peer.sdp("sendrecv"));
    let text = text.replace(";tag=raw", &format!(";tag={tag}"));
    world.say("raw", &text);
}

#[test]
fn a_repeated_answer_is_acknowledged_again() {
    let (mut world, invite) = dialled(7);
    for _ in 0..3 {
        answer(&mut world, &invite, "200 OK", "one");
        world.expect("raw", "ACK");
    }
    assert!(world.talk_together("alice", "raw"));
    assert!(world.raw("raw").all("BYE").is_empty());
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "one");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

#[test]
fn a_second_answer_of_a_fork_is_ended_politely() {
    let (mut world, invite) = dialled(8);
    answer(&mut world, &invite, "180 Ringing", "one");
    answer(&mut world, &invite, "180 Ringing", "two");
    answer(&mut world, &invite, "200 OK", "one");
    world.expect("raw", "ACK");
    answer(&mut world, &invite, "200 OK", "two");
    let ack = world.expect("raw", "ACK");
    assert!(header(&ack, "To").contains("tag=two"));
    let bye = world.expect("raw", "BYE");
    assert!(header(&bye, "To").contains("tag=two"), "the second one is hung up");
    answer(&mut world, &bye, "200 OK", "two");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    assert!(header(&bye, "To").contains("tag=one"));
    answer(&mut world, &bye, "200 OK", "one");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

#[test]
fn a_party_on_hold_hears_nothing_until_it_is_back() {
    let (mut world, invite) = dialled(9);
    answer(&mut world, &invite, "200 OK", "one");
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    let (to, from) = (header(&invite, "From"), "sip:+14155551212@198.51.100.1");
    let call_id = header(&invite, "Call-ID");
    for (cseq, direction, talks) in [(100, "inactive", false), (101, "sendrecv", true)] {
        let sdp = world.raw("raw").sdp(direction);
        let rest = Rest { from, to: &to, cseq, body: &sdp, ..Rest::default() };
        let request = world.request("raw", "INVITE", "sip:192.0.2.1:5060", "one", &rest);
        let request = request.replace("Call-ID: one", &format!("Call-ID: {call_id}"));
        world.say("raw", &request);
        let ok = world.expect("raw", "SIP/2.0 200");
        let rest = Rest { body: "", branch: "ack", ..rest };
        let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", "one", &rest);
        world.say("raw", &ack.replace("Call-ID: one", &format!("Call-ID: {call_id}")));
        assert_eq!(ok.contains("a=inactive"), !talks, "{ok}");
        world.millis(100);
        assert_eq!(world.talk_together("alice", "raw"), talks);
    }
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "one");
    world.end();
}

#[test]
fn each_method_in_a_dialog_has_its_answer() {
    let mut world = carrier(10);
    let invite = invite(&world, "");
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "");
    // RFC 3261 section 12.2.2: out of order, be it a repeat of what is long over.
    for cseq in [1, 0] {
        let to = header(&ok, "To");
        let branch = format!("late{cseq}");
        let rest = Rest { to: &to, cseq, branch: &branch, ..Rest::default() };
        let request = world.request("raw", "INFO", "sip:192.0.2.1:5060", "r1", &rest);
        world.say("raw", &request);
        world.expect("raw", "SIP/2.0 500");
    }
    let cases = [
        ("INFO", "200"),
        ("OPTIONS", "200"),
        ("UPDATE", "200"),
        ("MESSAGE", "405"),
        ("PUBLISH", "405"),
        ("FOO", "501"),
        ("PRACK", "400"),
    ];
    for (at, (method, status)) in (10..).zip(cases) {
        within(&mut world, &ok, method, at, "");
        let answer = world.expect("raw", "SIP/2.0 ");
        assert_eq!(answer.get(8..11), Some(status), "{method}: {answer}");
        assert_eq!(header(&answer, "CSeq"), format!("{at} {method}"));
        let refused = matches!(status, "405" | "501");
        assert_eq!(
            !header(&answer, "Allow").is_empty(),
            refused || method == "OPTIONS" || method == "UPDATE"
        );
    }
    // A CSeq may leap as far as the number goes, and not back.
    within(&mut world, &ok, "INFO", 2_147_483_647, "");
    world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "INFO", 100, "");
    world.expect("raw", "SIP/2.0 500");
    assert_eq!(world.calls(), 1, "none of it ended the call");
}

#[test]
fn an_answer_whose_ack_never_comes_is_repeated_and_then_taken_back() {
    let mut world = carrier(11);
    let invite = invite(&world, "");
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 200");
    world.seconds(31);
    let answers: Vec<_> = {
        let inbox = world.raw("raw").inbox.iter();
        inbox.filter(|(_, text)| text.starts_with("SIP/2.0 200")).map(|(at, _)| *at).collect()
    };
    // RFC 3261 section 13.3.1.4: T1 doubling up to T2, until 64 T1.
    let gaps = answers.windows(2).map(|pair| (pair[1] - pair[0]).as_millis());
    let gaps: Vec<u128> = gaps.collect();
    assert_eq!(gaps[..4], [500, 1_000, 2_000, 4_000], "{gaps:?}");
    assert!(gaps[4..].iter().all(|gap| *gap == 4_000), "{gaps:?}");
    assert!(world.raw("raw").all("BYE").is_empty());
    let bye = world.expect("raw", "BYE");
    let took = world.now - answers[0];
    assert!((31_500..33_000).contains(&took.as_millis()), "{took:?}");
    answer(&mut world, &bye, "200 OK", "raw");
    world.end();
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let mut world = carrier(12);
    let invite = invite(&world, "");
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    let via = header(&invite, "Via");
    let branch = via.split("z9hG4bK").nth(1).unwrap_or_default().to_owned();
    let rest = Rest { branch: &branch, ..Rest::default() };
    let cancel = world.request("raw", "CANCEL", US, "r1", &rest);
    world.say("raw", &cancel);
    let taken = world.expect("raw", "SIP/2.0 ");
    // RFC 3261 section 9.2: after a final response it has no effect.
    assert_eq!((taken.get(8..11), header(&taken, "CSeq")), (Some("200"), "1 CANCEL".to_owned()));
    within(&mut world, &ok, "ACK", 1, "");
    world.seconds(2);
    assert!(world.raw("raw").all("SIP/2.0 487").is_empty());
    assert_eq!(world.calls(), 1);
    within(&mut world, &ok, "BYE", 2, "");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed"]);
}
