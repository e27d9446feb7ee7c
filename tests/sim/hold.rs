//! Hold: what the other side hears meanwhile, by its spectrum, and what both are answered.

use std::sync::Arc;

use offhook::audio::goertzel::power_at;
use offhook::directory::HoldMusic;

use crate::transfer::{BOB, Dialog, answer_by, bobs};

use crate::world::{OWN_NUMBER, Office, Page, VOICE, World, header};

const LOUD: f64 = 1_000_000.0;
const QUIET: f64 = 10_000.0;

/// An office with music on hold for all, or only for that domain.
fn office(everybody: Option<&str>, domain: Option<&str>) -> World {
    let own = domain.map(|url| ("office.localhost".to_owned(), url.to_owned()));
    let music =
        HoldMusic { everybody: everybody.map(str::to_owned), domains: own.into_iter().collect() };
    let office = Office::new().change(|directory| directory.hold_music = Arc::new(music));
    World::with(21, office.build(), true)
}

/// Alice calls Bob, who is a raw peer; they talk.
fn talking(world: World) -> (World, Dialog) {
    let mut world = bobs(world);
    let dial = format!("<Dial><Sip>{BOB}</Sip></Dial><Say>Goodbye</Say>");
    world.web.page(VOICE, Page::xml(&dial));
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    answer_by(&mut world, "raw", &invite, "200 OK", "b", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    (world, Dialog::called(&invite, "b"))
}

/// How loud the music is that a phone has heard in the last second.
fn music(world: &mut World, name: &str) -> f64 {
    world.seconds(2);
    let tunes = world.voice.known.iter().filter(|(name, _, _)| name.starts_with("/assets/"));
    let Some(hz) = tunes.map(|(_, hz, _)| *hz).next() else { return 0.0 };
    let heard = world.sound_at(name);
    power_at(&heard[heard.len().saturating_sub(8_000)..], hz)
}

#[test]
fn whoever_is_held_hears_music_until_the_call_is_taken_up_again() {
    let zeros = |sdp: &str| {
        let at = sdp.find("c=IN IP4 ").expect("a c= line");
        let end = sdp[at..].find("\r\n").expect("its end") + at;
        format!("{}c=IN IP4 0.0.0.0{}", &sdp[..at], &sdp[end..])
    };
    for (direction, old, answered) in [
        ("sendonly", false, "a=recvonly"),
        ("inactive", false, "a=inactive"),
        ("sendrecv", true, "a=recvonly"),
    ] {
        let (mut world, mut bob) = talking(office(Some("/assets/hold.wav"), None));
        assert!(music(&mut world, "alice") < QUIET);
        let sdp = world.raw("raw").sdp(direction);
        let hold = if old { zeros(&sdp) } else { sdp };
        let ok = bob.offer(&mut world, &hold);
        assert!(ok.contains(answered), "{ok}");
        assert!(music(&mut world, "alice") > LOUD, "{direction}");
        assert!(world.told("put the call on hold; the other side hears music"));
        // Held once more is the same hold.
        bob.offer(&mut world, &hold);
        assert!(music(&mut world, "alice") > LOUD, "{direction}");
        let sdp = world.raw("raw").sdp("sendrecv");
        let ok = bob.offer(&mut world, &sdp);
        assert!(ok.contains("a=sendrecv"), "{ok}");
        assert!(music(&mut world, "alice") < QUIET, "{direction}");
        assert!(world.told("took the call up again"));
        bob.request(&mut world, "BYE", "");
        world.end();
    }
}

#[test]
fn a_domain_has_music_of_its_own_and_without_any_it_is_quiet() {
    let (mut world, mut bob) =
        talking(office(Some("/assets/missing.wav"), Some("/assets/own.wav")));
    let sdp = world.raw("raw").sdp("sendonly");
    bob.offer(&mut world, &sdp);
    assert!(music(&mut world, "alice") > LOUD);
    for quiet in [office(None, None), office(Some("/assets/missing.wav"), None)] {
        let (mut world, mut bob) = talking(quiet);
        let sdp = world.raw("raw").sdp("sendonly");
        let ok = bob.offer(&mut world, &sdp);
        assert!(ok.contains("a=recvonly"), "{ok}");
        assert!(music(&mut world, "alice") < QUIET);
        assert!(world.told("put the call on hold"));
    }
}

#[test]
fn a_holder_that_leaves_takes_its_music_along() {
    let (mut world, mut bob) = talking(office(Some("/assets/hold.wav"), None));
    let sdp = world.raw("raw").sdp("inactive");
    bob.offer(&mut world, &sdp);
    assert!(music(&mut world, "alice") > LOUD);
    bob.request(&mut world, "BYE", "");
    world.end();
    let heard = world.heard("alice");
    assert_eq!(heard.last().map(String::as_str), Some("Goodbye"), "{heard:?}");
}

#[test]
fn an_offer_that_is_asked_for_on_hold_is_whole_and_its_answer_decides() {
    let (mut world, mut bob) = talking(office(Some("/assets/hold.wav"), None));
    let sdp = world.raw("raw").sdp("sendonly");
    bob.offer(&mut world, &sdp);
    assert!(music(&mut world, "alice") > LOUD);
    for (answer, held) in [("sendonly", true), ("sendrecv", false)] {
        bob.cseq += 1;
        bob.send(&mut world, "INVITE", "", "");
        let ok = world.expect("raw", "SIP/2.0 200");
        // RFC 3264 section 8.4: our side holds nothing.
        assert!(ok.contains("a=sendrecv") && ok.contains("m=audio"), "{ok}");
        let sdp = world.raw("raw").sdp(answer);
        bob.send(&mut world, "ACK", "Content-Type: application/sdp\r\n", &sdp);
        assert_eq!(music(&mut world, "alice") > LOUD, held, "{answer}");
    }
}

/// Packets with sound that went to an address since then.
fn packets(world: &World, since: usize, to: &str) -> usize {
    let to = to.parse().expect("an address");
    world.sent[since..].iter().filter(|(_, _, at, _)| *at == to).count()
}

#[test]
fn both_may_hold_and_each_goes_on_by_itself() {
    let mut world = bobs(office(Some("/assets/hold.wav"), None));
    let far = "198.51.100.1:5060";
    world.peer("far", far);
    let dial = format!("<Dial callerId='{OWN_NUMBER}'>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&dial));
    let mut bob = crate::transfer::bob_calls(&mut world, "b1");
    let invite = world.expect("far", "INVITE");
    answer_by(&mut world, "far", &invite, "200 OK", "f", true);
    world.expect("far", "ACK");
    let mut other = Dialog { who: "far", ..Dialog::called(&invite, "f") };
    let media = ["192.0.2.99:40000", "198.51.100.1:40000"];
    let heard = |world: &mut World| {
        world.millis(200);
        let since = world.sent.len();
        world.seconds(1);
        media.map(|to| packets(world, since, to) > 40)
    };
    let sdp = |world: &World, who: &str, direction: &str| world.raw(who).sdp(direction);
    let body = sdp(&world, "raw", "sendonly");
    assert!(bob.offer(&mut world, &body).contains("a=recvonly"));
    assert_eq!(heard(&mut world), [false, true], "the far end hears music");
    let body = sdp(&world, "far", "sendonly");
    assert!(other.offer(&mut world, &body).contains("a=recvonly"));
    assert_eq!(heard(&mut world), [false, false], "neither wants to hear anything");
    let body = sdp(&world, "raw", "sendrecv");
    assert!(bob.offer(&mut world, &body).contains("a=sendrecv"));
    assert_eq!(heard(&mut world), [true, false], "the far end still holds");
    let body = sdp(&world, "far", "sendrecv");
    assert!(other.offer(&mut world, &body).contains("a=sendrecv"));
    assert_eq!(heard(&mut world), [false, false], "no music: these two say nothing");
    bob.request(&mut world, "BYE", "");
    let bye = world.expect("far", "BYE");
    assert_eq!(header(&bye, "Call-ID"), header(&invite, "Call-ID"));
    answer_by(&mut world, "far", &bye, "200 OK", "f", false);
    world.end();
}
