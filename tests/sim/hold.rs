//! Hold: what the other side hears meanwhile, by its spectrum, and what both are answered.

use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::sync::Arc;

use offhook::audio::Codec;
use offhook::audio::goertzel::power_at;
use offhook::directory::HoldMusic;

use crate::transfer::{BOB, Dialog, answer_by, bobs};

use crate::world::{OWN_NUMBER, Office, Page, SERVER, VOICE, World, header, respond};

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

/// The formats of the first m= line, and the number of the o= line.
fn formats(sdp: &str) -> (&str, &str) {
    let after = |start: &str| sdp.split(start).nth(1).and_then(|rest| rest.lines().next());
    let formats = after("RTP/AVP ").expect("an m= line");
    (formats, after("o=").and_then(|o| o.split(' ').nth(1)).expect("an o= line"))
}

#[test]
fn who_asks_for_our_offer_may_choose_another_codec_and_both_still_hear_each_other() {
    // What Bob's own description names is what was agreed before.
    for (first, second) in [("0", "8"), ("8", "0")] {
        let mut world = bobs(office(None, None));
        let dial = format!("<Dial><Sip>{BOB}</Sip></Dial>");
        world.web.page(VOICE, Page::xml(&dial));
        world.phone("alice");
        world.dial("alice", "500");
        let says = |world: &World, format: &str| {
            let sdp = world.raw("raw").sdp("sendrecv");
            let name = if format == "0" { "PCMU" } else { "PCMA" };
            sdp.replace("RTP/AVP 0 ", &format!("RTP/AVP {format} "))
                .replace("a=rtpmap:0 PCMU", &format!("a=rtpmap:{format} {name}"))
        };
        let invite = world.expect("raw", "INVITE");
        let body = says(&world, first);
        let ok = respond(&invite, "200 OK", world.raw("raw").local, "", &body);
        world.say("raw", &ok.replace(";tag=raw", ";tag=b"));
        world.expect("raw", "ACK");
        let mut bob = Dialog::called(&invite, "b");
        assert!(heard_by_bob(&mut world, first) > LOUD);

        bob.cseq += 1;
        bob.send(&mut world, "INVITE", "", "");
        let offer = world.expect("raw", "SIP/2.0 200");
        let (all, own) = formats(&offer);
        assert_eq!(all, format!("{first} {second} 101"), "in use first");
        assert_eq!(own, formats(&invite).1, "the same session");
        let answer = says(&world, second);
        bob.send(&mut world, "ACK", "Content-Type: application/sdp\r\n", &answer);
        assert!(heard_by_bob(&mut world, second) > LOUD, "{second}");

        // And the other way: Bob hums in what he chose.
        let port = offer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next());
        let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
        let own = world.raw("raw").local.ip();
        for n in 0..100_u32 {
            let mut packet = vec![0x80, second.parse().expect("a number"), 0, n as u8];
            packet.extend((n * 160).to_be_bytes());
            packet.extend([0, 0, 0, 9]);
            let codec = Codec::from_payload_type(packet[1]).expect("one of ours");
            let sine = (0..160).map(|at| f64::from(n * 160 + at) * HUM * TAU / 8_000.0);
            packet.extend(sine.map(|turn| codec.encode_sample((turn.sin() * 8_000.0) as i16)));
            let to = SocketAddr::new(SERVER.parse::<SocketAddr>().expect("one").ip(), port);
            world.send(SocketAddr::new(own, 40_000), to, packet.into());
            world.millis(20);
        }
        let heard = world.sound_at("alice");
        assert!(power_at(&heard[heard.len().saturating_sub(4_000)..], HUM) > LOUD, "{second}");
    }
}

/// What Bob hums.
const HUM: f64 = 1_700.0;

/// How loud Alice's hum is in what Bob is sent for a second, which is all in that format.
fn heard_by_bob(world: &mut World, format: &str) -> f64 {
    world.millis(500);
    let since = world.sent.len();
    world.seconds(1);
    let to = SocketAddr::new(world.raw("raw").local.ip(), 40_000);
    let codec = format.parse().ok().and_then(Codec::from_payload_type).expect("one of ours");
    let mut samples = vec![];
    for (_, _, _, bytes) in world.sent[since..].iter().filter(|(_, _, at, _)| *at == to) {
        assert_eq!(bytes[1] & 0x7f, codec.payload_type());
        samples.extend(bytes[12..].iter().map(|code| codec.decode_sample(*code)));
    }
    assert!(samples.len() > 6_400, "{}", samples.len());
    power_at(&samples, world.handset("alice").hz)
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
