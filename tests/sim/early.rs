//! Sound before the answer: what a caller hears while the far end rings.

use crate::world::{OWN_NUMBER, Page, VOICE, World, header, respond};

/// Alice dials a raw phone, and is answered when that answers; gives its INVITE.
fn dialled(seed: u64, targets: &str) -> (World, String) {
    let mut world = World::new(seed);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    let dial = format!("<Dial callerId='{OWN_NUMBER}' answerOnBridge='true'>{targets}</Dial>");
    world.web.page(VOICE, Page::xml(&dial));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    (world, invite)
}

fn say(world: &mut World, request: &str, line: &str, tag: &str, headers: &str, sound: bool) {
    let peer = world.raw("raw");
    let body = if sound { peer.sdp("sendrecv") } else { String::new() };
    let text = respond(request, line, peer.local, headers, &body);
    let text = text.replace(";tag=raw", &format!(";tag={tag}"));
    world.say("raw", &text);
}

/// The statuses and To tags of what Alice was told of her INVITE.
fn told(world: &World) -> Vec<(String, String)> {
    let alice = world.ip("alice");
    let mut told: Vec<(String, String)> = Vec::new();
    for (_, _, to, bytes) in &world.sent {
        let text = String::from_utf8_lossy(bytes);
        if to.ip() != alice || !text.starts_with("SIP/2.0 1") || text.contains("SIP/2.0 100") {
            continue;
        }
        let tag = header(&text, "To").split("tag=").nth(1).unwrap_or_default().to_owned();
        told.push((text[8..11].to_owned(), tag));
    }
    told
}

#[test]
fn the_caller_hears_what_the_callee_sends_before_it_answers() {
    let (mut world, invite) = dialled(1, "+14155551212");
    say(&mut world, &invite, "183 Session Progress", "one", "", true);
    world.seconds(1);
    assert!(!world.answered("alice"), "nobody answered yet");
    assert!(world.hears("alice", "raw"));
    say(&mut world, &invite, "200 OK", "one", "", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.answered("alice") && world.talk_together("alice", "raw"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    say(&mut world, &bye, "200 OK", "one", "", false);
    world.end();
}

#[test]
fn of_several_forks_one_is_heard_and_the_caller_sees_one_tag() {
    let (mut world, invite) = dialled(2, "+14155551212");
    say(&mut world, &invite, "180 Ringing", "one", "", false);
    say(&mut world, &invite, "183 Session Progress", "two", "Require: 100rel\r\nRSeq: 4\r\n", true);
    let prack = world.expect("raw", "PRACK");
    assert!(header(&prack, "To").contains("tag=two") && header(&prack, "RAck") == "4 1 INVITE");
    say(&mut world, &prack, "200 OK", "two", "", false);
    say(&mut world, &invite, "183 Session Progress", "three", "", true);
    world.seconds(1);
    let mut tags: Vec<String> = told(&world).into_iter().map(|(_, tag)| tag).collect();
    tags.dedup();
    assert_eq!(tags.len(), 1, "one stable To tag");
    assert!(told(&world).iter().any(|(status, _)| status == "183"));
    world.hang_up("alice");
    let cancel = world.expect("raw", "CANCEL");
    say(&mut world, &cancel, "200 OK", "one", "", false);
    say(&mut world, &invite, "487 Request Terminated", "one", "", false);
    world.expect("raw", "ACK");
    world.end();
}

#[test]
fn a_busy_callee_after_early_sound_leaves_nothing() {
    let (mut world, invite) = dialled(3, "+14155551212");
    say(&mut world, &invite, "183 Session Progress", "one", "", true);
    world.seconds(1);
    say(&mut world, &invite, "486 Busy Here", "one", "", false);
    world.expect("raw", "ACK");
    world.end();
    assert!(!world.answered("alice"));
}

#[test]
fn two_that_ring_at_once_are_not_heard_across_each_other() {
    let (mut world, invite) =
        dialled(4, "<Number>+14155551212</Number><Number>+14155551213</Number>");
    let other = world.expect("raw", "INVITE");
    say(&mut world, &invite, "183 Session Progress", "one", "", true);
    say(&mut world, &other, "183 Session Progress", "two", "", true);
    world.seconds(1);
    assert!(told(&world).iter().all(|(status, _)| status == "180"), "her own phone rings on");
    for request in [&invite, &other] {
        say(&mut world, request, "486 Busy Here", "x", "", false);
    }
    world.end();
}

/// The final refusal that Alice got.
fn refused(world: &World) -> String {
    let alice = world.ip("alice");
    let refused = world.sent.iter().find_map(|(_, _, to, bytes)| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let starts = ["SIP/2.0 404", "SIP/2.0 48", "SIP/2.0 5", "SIP/2.0 6"];
        let refusal = starts.iter().any(|start| text.starts_with(start));
        (to.ip() == alice && refusal).then_some(text)
    });
    refused.expect("refused")
}

#[test]
fn a_caller_who_was_not_answered_hears_what_became_of_the_callee() {
    for (line, told) in [
        ("486 Busy Here", "486"),
        ("404 Not Found", "404"),
        ("480 Temporarily Unavailable", "480"),
        ("488 Not Acceptable Here", "480"),
        ("500 Server Internal Error", "480"),
        ("603 Decline", "603"),
    ] {
        let (mut world, invite) = dialled(9, "+14155551212");
        say(&mut world, &invite, line, "one", "", false);
        world.expect("raw", "ACK");
        world.end();
        assert_eq!(refused(&world).get(8..11), Some(told), "{line}");
    }
}

#[test]
fn a_caller_is_not_told_the_reason_of_the_dial_before_the_last() {
    let mut world = World::new(10);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    let dial = |more: &str| {
        format!("<Dial callerId='{OWN_NUMBER}' answerOnBridge='true' {more}>+14155551212</Dial>")
    };
    world.web.page(VOICE, Page::xml(&dial("action='/next'")));
    world.web.page("https://app.example/next", Page::xml(&dial("timeout='5'")));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "486 Busy Here", "one", "Reason: Q.850;cause=17\r\n", false);
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "180 Ringing", "two", "", false);
    let cancel = world.expect("raw", "CANCEL");
    say(&mut world, &cancel, "200 OK", "two", "", false);
    say(&mut world, &invite, "487 Request Terminated", "two", "", false);
    world.end();
    let refused = refused(&world);
    assert_eq!((refused.get(8..11), header(&refused, "Reason").as_str()), (Some("480"), ""));
}

#[test]
fn why_one_side_left_is_told_to_the_other() {
    let (mut world, invite) = dialled(5, "+14155551212");
    say(&mut world, &invite, "486 Busy Here", "one", "Reason: Q.850;cause=17\r\n", false);
    world.expect("raw", "ACK");
    world.end();
    let refused = refused(&world);
    assert!(refused.starts_with("SIP/2.0 486 "), "{refused}");
    assert_eq!(header(&refused, "Reason"), "Q.850;cause=17", "RFC 3326");
    assert!(world.told("its network says why it ended: Q.850 cause 17, user busy"));
}

#[test]
fn why_one_call_failed_is_no_reason_of_the_next() {
    let mut world = World::new(6);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    let dial = format!("<Dial callerId='{OWN_NUMBER}'>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&dial.repeat(3)));
    world.dial("alice", "500");
    let busy = "Reason: Q.850;cause=17;text=\"User busy\"\r\n";
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "486 Busy Here", "one", busy, false);
    // Answered, and hung up over there with a reason.
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "200 OK", "two", "", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    let (from, to) = (header(&invite, "To"), header(&invite, "From"));
    let id = header(&invite, "Call-ID");
    world.say(
        "raw",
        &format!(
            "BYE sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKbye\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag=two\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: 9 BYE\r\n\
             Reason: Q.850;cause=16\r\nContent-Length: 0\r\n\r\n"
        ),
    );
    // Alice gives the third one up while it rings.
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "180 Ringing", "three", "", false);
    world.seconds(1);
    world.hang_up("alice");
    let cancel = world.expect("raw", "CANCEL");
    assert_eq!(header(&cancel, "Reason"), "");

    let (mut world, invite) = dialled(7, "+14155551212");
    say(&mut world, &invite, "200 OK", "one", "", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    world.hang_up("alice");
    assert_eq!(header(&world.expect("raw", "BYE"), "Reason"), "", "she gave none");
}

#[test]
fn a_reason_of_an_earlier_leg_is_not_told_later() {
    let mut world = World::new(8);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    let dial = format!("<Dial callerId='{OWN_NUMBER}'>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&dial.repeat(2)));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "486 Busy Here", "one", "Reason: Q.850;cause=17\r\n", false);
    let invite = world.expect("raw", "INVITE");
    say(&mut world, &invite, "200 OK", "two", "", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    world.hang_up("alice");
    assert_eq!(header(&world.expect("raw", "BYE"), "Reason"), "");
}
