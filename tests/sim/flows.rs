//! Flows of RFC 5626: a phone that moves, and what reaches it afterwards.

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{Page, VOICE, World, header, respond};

/// What bob's phone calls itself, wherever it is.
const CONTACT: &str =
    "<sip:bob@10.0.0.5:5060;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";

/// Registers bob from where `place` is as that flow of his phone; gives the answer.
fn register(world: &mut World, place: &str, reg_id: u32) -> String {
    let (uri, who) = ("sip:office.localhost", "sip:bob@office.localhost");
    let contact = format!("{CONTACT};reg-id={reg_id}");
    let me = format!("<sip:raw@{}>", world.raw(place).local);
    let mut login = String::new();
    for cseq in 1..=2 {
        let headers = format!("Supported: outbound, path\r\nExpires: 300\r\n{login}");
        let rest =
            Rest { from: who, to: &format!("<{who}>"), cseq, headers: &headers, ..Rest::default() };
        let dialog = format!("{place}{reg_id}");
        let request = world.request(place, "REGISTER", uri, &dialog, &rest);
        // Its own address, which means nothing outside.
        let sender = format!("SIP/2.0/UDP {};", world.raw(place).local);
        let request = request.replace(&sender, "SIP/2.0/UDP 10.0.0.5:5060;rport;");
        world.say(place, &request.replace(&me, &contact));
        let answer = world.expect(place, "SIP/2.0 ");
        if cseq == 2 {
            return answer;
        }
        let nonce = parameter(&answer, "nonce");
        let made =
            digest("office.localhost", &nonce, "bob", "Secret-of-bob-1", "REGISTER", uri, place);
        login = format!("Authorization: {made}\r\n");
    }
    unreachable!("the second answer is returned");
}

fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.web.page(VOICE, Page::xml("<Dial><Sip>sip:bob@office.localhost</Sip></Dial>"));
    world.peer("home", "198.51.100.7:31000");
    world.peer("train", "203.0.113.9:41000");
    world.phone("alice");
    world
}

#[test]
fn a_phone_that_moves_is_reached_where_it_is_now() {
    let mut world = world(31);
    let ok = register(&mut world, "home", 1);
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert!(header(&ok, "Require").contains("outbound"), "{ok}");
    let ok = register(&mut world, "train", 1);
    assert_eq!(ok.matches("\r\nContact: ").count(), 1, "the new flow replaces the old: {ok}");
    assert_eq!(world.registered.last().map(|(_, _, phones)| *phones), Some(1));

    world.dial("alice", "500");
    let invite = world.expect("train", "INVITE");
    assert!(invite.starts_with("INVITE sip:bob@10.0.0.5:5060;ob SIP/2.0\r\n"), "{invite}");
    let me = world.raw("train").local;
    let sdp = world.raw("train").sdp("sendrecv");
    let ok = respond(&invite, "200 OK", me, "", &sdp);
    world.say("train", &ok.replace(&format!("<sip:raw@{me}>"), "<sip:bob@10.0.0.5:5060;ob>"));
    world.expect("train", "ACK sip:bob@10.0.0.5:5060;ob ");
    world.seconds(3);
    world.hang_up("alice");
    world.expect("train", "BYE sip:bob@10.0.0.5:5060;ob ");
    assert!(world.raw("home").all("INVITE").is_empty(), "nobody is at home");
}

#[test]
fn two_flows_of_one_phone_ring_it_once() {
    let mut world = world(32);
    register(&mut world, "home", 1);
    let ok = register(&mut world, "train", 2);
    assert_eq!(ok.matches("\r\nContact: ").count(), 2, "both stand: {ok}");
    world.dial("alice", "500");
    world.expect("train", "INVITE");
    world.seconds(2);
    assert!(world.raw("home").all("INVITE").is_empty(), "the latest is enough");
}
