//! Media of parties behind address translators, and of others who would have them.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::world::raw::Rest;
use crate::world::{Office, Page, SERVER, VOICE, World, header, respond};

const US: &str = "sip:+12223331234@192.0.2.1";
const CARRIER: &str = "198.51.100.1:5060";
/// The port that peers signal for their media.
const SIGNALLED: u16 = 40_000;

/// A carrier calls: its Via, and the host that its description names. Then each of those sources
/// sends so many packets; where the call's sound goes.
fn sound_goes(nat: bool, via: &str, media: &str, sources: &[(&str, usize)]) -> SocketAddr {
    played_out(nat, via, media, sources).0
}

/// The same, and the world after it.
fn played_out(nat: bool, via: &str, media: &str, sources: &[(&str, usize)]) -> (SocketAddr, World) {
    let office = Office::new().change(|directory| directory.trunks[0].nat = nat);
    let mut world = World::with(5, office.build(), true);
    world.web.page(VOICE, Page::xml("<Say loop='0'>Hello over there</Say>"));
    world.peer("raw", CARRIER);
    let own = world.raw("raw").local;
    let sdp = world.raw("raw").sdp("sendrecv").replace(&own.ip().to_string(), media);
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", US, "r1", &rest);
    let invite = invite.replacen(&format!("UDP {own};"), &format!("UDP {via};"), 1);
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    let to = header(&ok, "To");
    let rest = Rest { to: &to, ..Rest::default() };
    let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", "r1", &rest);
    world.say("raw", &ack);
    let ours = our_port(&ok);
    for (ssrc, (from, count)) in sources.iter().enumerate() {
        for sequence in 0..*count {
            let mut packet = vec![0x80, 0, 0, sequence as u8, 0, 0, 0, 0, 0, 0, 0, ssrc as u8];
            packet.extend([0xff; 160]);
            world.send(from.parse().expect("an address"), ours, Bytes::from(packet));
        }
        world.millis(100);
    }
    world.sent.clear();
    world.seconds(2);
    let sound = world.sent.iter().filter(|(_, from, _, _)| *from == ours);
    let places: Vec<SocketAddr> = sound.map(|(_, _, to, _)| *to).collect();
    assert!(places.len() > 50, "it sounds");
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    (places[0], world)
}

#[test]
fn a_neighbour_gets_nothing_of_a_call_whose_peer_is_where_it_says() {
    let signalled = |host: &str| SocketAddr::new(host.parse().expect("one"), SIGNALLED);
    for via in [CARRIER, "198.51.100.1:5060;rport", "proxy.example"] {
        let took = sound_goes(false, via, "198.51.100.1", &[("198.51.100.77:9000", 20)]);
        assert_eq!(took, signalled("198.51.100.1"), "{via}");
    }
    // Nor does one of its signalling, where its media are on another host.
    for thief in ["198.51.100.77:9000", "198.51.100.1:9000", "203.0.113.8:9000"] {
        let took = sound_goes(false, CARRIER, "203.0.113.7", &[(thief, 20)]);
        assert_eq!(took, signalled("203.0.113.7"), "{thief}");
    }
}

#[test]
fn a_peer_behind_a_translator_hears_where_it_speaks_from() {
    let seen = "198.51.100.1:9000";
    for (via, media) in [
        // It does not know how it is seen; by its address, its port, its media.
        ("10.0.0.5:5060", "10.0.0.5"),
        ("10.0.0.5:5060", "203.0.113.7"),
        ("198.51.100.1:5999;rport", "203.0.113.7"),
        (CARRIER, "192.168.1.7"),
        // Its addresses in SIP are rewritten, those of its media mean nothing outside (RFC 7335).
        (CARRIER, "192.0.0.4"),
    ] {
        let heard = sound_goes(false, via, media, &[(seen, 2)]);
        assert_eq!(heard.to_string(), seen, "{via} {media}");
    }
    let declared = sound_goes(true, CARRIER, "203.0.113.7", &[(seen, 2)]);
    assert_eq!(declared.to_string(), seen);
}

#[test]
fn a_neighbour_of_a_translator_keeps_no_call_whose_phone_speaks() {
    let (thief, phone) = ("198.51.100.77:9000", "198.51.100.1:9000");
    let sources = [(thief, 5), (phone, 2), (thief, 5)];
    let heard = sound_goes(false, "10.0.0.5:5060", "10.0.0.5", &sources);
    assert_eq!(heard.to_string(), phone);
}

#[test]
fn a_carrier_whose_sound_comes_from_elsewhere_is_told_of_with_what_to_do() {
    let elsewhere = "198.51.100.77:9000";
    let (_, world) = played_out(false, CARRIER, "198.51.100.1", &[(elsewhere, 60)]);
    assert!(world.noted(32014) && world.told(elsewhere) && world.told("`nat = true`"));
    let (_, world) = played_out(true, CARRIER, "198.51.100.1", &[(elsewhere, 60)]);
    assert!(!world.noted(32014), "declared, it is heard");
}

/// A caller behind a translator, who is silent until the answer, which comes so long after the
/// first sound: where the caller is sent to then, and how many packets the other side gets.
fn answered_late(wait: u64) -> (SocketAddr, usize) {
    let mut world = World::with(5, Office::new().build(), true);
    let dial = "<Dial answerOnBridge='true' timeout='60'><Sip>sip:x@203.0.113.50</Sip></Dial>";
    world.web.page(VOICE, Page::xml(dial));
    world.peer("raw", CARRIER);
    world.peer("far", "203.0.113.50:5060");
    let own = world.raw("raw").local;
    let sdp = world.raw("raw").sdp("sendrecv").replace(&own.ip().to_string(), "10.0.0.5");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", US, "r1", &rest);
    world.say("raw", &invite.replacen(&format!("UDP {own};"), "UDP 10.0.0.5:5060;", 1));
    let out = world.expect("far", "INVITE");
    let (local, body) = (world.raw("far").local, world.raw("far").sdp("sendrecv"));
    world.say("far", &respond(&out, "183 Session Progress", local, "", &body));
    let early = world.expect("raw", "SIP/2.0 183");
    world.seconds(wait);
    world.say("far", &respond(&out, "200 OK", local, "", &body));
    let to = header(&world.expect("raw", "SIP/2.0 200"), "To");
    let rest = Rest { to: &to, ..Rest::default() };
    let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", "r1", &rest);
    world.say("raw", &ack);
    let (to_caller, to_far) = (our_port(&early), our_port(&out));
    world.sent.clear();
    for n in 0..100u8 {
        let sides = [("198.51.100.1:9000", to_caller, 1), ("203.0.113.50:40000", to_far, 2)];
        for (from, ours, ssrc) in sides {
            let mut packet = vec![0x80, 0, 0, n];
            packet.extend((u32::from(n) * 160).to_be_bytes());
            packet.extend([0, 0, 0, ssrc]);
            packet.extend([0x90; 160]);
            world.send(from.parse().expect("an address"), ours, packet.into());
        }
        world.millis(20);
    }
    let of = |ours| world.sent.iter().filter(move |(_, from, _, _)| *from == ours);
    let (_, _, place, _) = of(to_caller).last().expect("sound");
    (*place, of(to_far).count())
}

/// Where we take media, as our description in a message says.
fn our_port(message: &str) -> SocketAddr {
    let server: SocketAddr = SERVER.parse().expect("an address");
    let port = message.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next());
    SocketAddr::new(server.ip(), port.and_then(|port| port.parse().ok()).expect("a port"))
}

#[test]
fn a_caller_who_speaks_only_after_a_late_answer_is_found_behind_its_translator() {
    for wait in [1, 5, 40] {
        let (place, heard) = answered_late(wait);
        assert_eq!(place.to_string(), "198.51.100.1:9000", "after {wait} s");
        assert!(heard > 90, "{heard} of 100 packets after {wait} s");
    }
}
