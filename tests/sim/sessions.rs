//! Session timers as a trunk wants them, and what is heard of it before it answers.

use offhook::base::Duration;
use offhook::directory::{EarlyMedia, SessionTimers, Trunk};

use crate::world::raw::Rest;
use crate::world::{OWN_NUMBER, Office, Page, VOICE, World, header, respond};

/// A world whose carrier, a raw peer, is changed.
fn carrier(seed: u64, change: impl Fn(&mut Trunk)) -> World {
    let office = Office::new().change(|directory| directory.trunks.iter_mut().for_each(change));
    let mut world = World::with(seed, office.build(), false);
    world.peer("raw", "198.51.100.1:5060");
    world
}

/// Alice dials the carrier; gives its INVITE.
fn dialled(world: &mut World) -> String {
    world.phone("alice");
    let dial = format!("<Dial callerId='{OWN_NUMBER}' answerOnBridge='true'>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&dial));
    world.dial("alice", "500");
    world.expect("raw", "INVITE")
}

fn answer(world: &mut World, request: &str, line: &str, headers: &str, sound: bool) {
    let peer = world.raw("raw");
    let body = if sound { peer.sdp("sendrecv") } else { String::new() };
    let text = respond(request, line, peer.local, headers, &body);
    world.say("raw", &text);
}

fn timers(asks: Option<bool>, expires: u64, min: u64) -> impl Fn(&mut Trunk) {
    move |trunk| {
        let (expires, min_se) = (Duration::from_secs(expires), Duration::from_secs(min));
        let (expires, min_se) = (Some(expires), Some(min_se));
        trunk.session_timers = SessionTimers { asks, expires, min_se };
    }
}

#[test]
fn a_trunk_has_session_timers_of_its_own_and_a_422_raises_them() {
    let mut world = carrier(1, timers(None, 600, 300));
    let invite = dialled(&mut world);
    assert_eq!(header(&invite, "Session-Expires"), "600");
    assert_eq!(header(&invite, "Min-SE"), "300");
    // RFC 4028 section 7.3: the same call again, with what would do.
    answer(&mut world, &invite, "422 Session Interval Too Small", "Min-SE: 900\r\n", false);
    world.expect("raw", "ACK");
    let again = world.expect("raw", "INVITE");
    assert_eq!(header(&again, "Call-ID"), header(&invite, "Call-ID"));
    assert_eq!(header(&again, "Session-Expires"), "900");
    assert_eq!(header(&again, "Min-SE"), "900");
    let agreed = "Require: timer\r\nSession-Expires: 900;refresher=uac\r\nAllow: UPDATE\r\n";
    answer(&mut world, &again, "200 OK", agreed, true);
    world.expect("raw", "ACK");
    world.seconds(448);
    let update = world.expect("raw", "UPDATE");
    assert_eq!(header(&update, "Session-Expires"), "900;refresher=uac");
    assert_eq!(header(&update, "Min-SE"), "900");
}

#[test]
fn a_trunk_without_session_timers_is_asked_for_none() {
    let mut world = carrier(2, timers(Some(false), 600, 90));
    let invite = dialled(&mut world);
    assert_eq!(header(&invite, "Session-Expires"), "");
    answer(&mut world, &invite, "200 OK", "", true);
    world.expect("raw", "ACK");
    world.seconds(1_000);
    assert!(world.raw("raw").all("UPDATE").is_empty());
}

/// The carrier calls us with that; gives our final answer.
fn calls(world: &mut World, name: &str, headers: &str) -> String {
    world.web.page(VOICE, Page::xml("<Say>Hi</Say><Pause length='60'/>"));
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { headers, body: &sdp, ..Rest::default() };
    let us = "sip:+12223331234@192.0.2.1";
    let invite = world.request("raw", "INVITE", us, name, &rest);
    world.say("raw", &invite);
    let last = |world: &World| {
        let all = world.raw("raw").all("SIP/2.0 ");
        let mut own = all.iter().filter(|text| header(text, "Call-ID") == name);
        own.find(|text| !text.starts_with("SIP/2.0 1")).map(|text| (*text).to_owned())
    };
    assert!(world.until(5, |world| last(world).is_some()));
    last(world).expect("an answer")
}

#[test]
fn a_trunk_that_asks_for_too_short_a_session_is_told_what_would_do() {
    let mut world = carrier(3, timers(None, 600, 300));
    let refused = calls(&mut world, "s1", "Supported: timer\r\nSession-Expires: 200\r\n");
    assert!(refused.starts_with("SIP/2.0 422"), "{refused}");
    assert_eq!(header(&refused, "Min-SE"), "300");
    let headers = "Supported: timer\r\nSession-Expires: 300\r\nMin-SE: 300\r\n";
    let taken = calls(&mut world, "s2", headers);
    assert_eq!(header(&taken, "Session-Expires"), "300;refresher=uac");
    assert_eq!(header(&taken, "Require"), "timer");
    // What is asked for is not more than the trunk's own interval.
    let taken = calls(&mut world, "s3", "Supported: timer\r\nSession-Expires: 7200\r\n");
    assert_eq!(header(&taken, "Session-Expires"), "600;refresher=uac");
}

#[test]
fn who_wants_no_session_timers_has_them_only_where_the_other_side_insists() {
    let mut world = carrier(4, timers(Some(false), 600, 90));
    let taken = calls(&mut world, "s1", "Supported: timer\r\nSession-Expires: 600\r\n");
    assert!(taken.starts_with("SIP/2.0 200") && header(&taken, "Session-Expires").is_empty());
    let insists = "Supported: timer\r\nRequire: timer\r\nSession-Expires: 600\r\n";
    let taken = calls(&mut world, "s2", insists);
    assert_eq!(header(&taken, "Session-Expires"), "600;refresher=uac");
}

#[test]
fn a_trunk_that_only_rings_is_not_heard_before_it_answers() {
    let early = |policy| {
        let mut world = carrier(5, move |trunk| trunk.early_media = policy);
        let invite = dialled(&mut world);
        answer(&mut world, &invite, "183 Session Progress", "", true);
        world.seconds(1);
        let heard = world.hears("alice", "raw");
        let alice = world.ip("alice");
        let ringing = world
            .sent
            .iter()
            .filter(|(_, _, to, bytes)| to.ip() == alice && bytes.starts_with(b"SIP/2.0 183"));
        let progress = ringing.count();
        answer(&mut world, &invite, "200 OK", "", true);
        world.expect("raw", "ACK");
        world.seconds(1);
        assert!(world.talk_together("alice", "raw"), "{policy:?}");
        (heard, progress > 0)
    };
    assert_eq!(early(EarlyMedia::Pass), (true, true));
    assert_eq!(early(EarlyMedia::Ring), (false, false));
}
