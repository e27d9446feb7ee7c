//! Trunks and foreign hosts with many servers: found by the DNS, tried in turn, spared when they
//! fail.

mod choice;

use offhook::base::Duration;
use offhook::directory::{Caps, NumberFormat, NumberStyle, Ping, Rate, Trunk};
use offhook::exchange::Input;
use offhook::sip::{self, Flow, Transport};

use crate::world::raw::{digest, parameter};
use crate::world::{NUMBER, OWN_NUMBER, Office, Page, SERVER, VOICE, World, header, respond};

const DIALLED: &str = "https://app.example/dialled";
const ONE: &str = "198.51.100.1:5060";
const TWO: &str = "198.51.100.2:5060";

/// Alice can dial through the office's trunk, whose name has two servers: peers one and two.
fn world(change: impl FnOnce(&mut Trunk)) -> World {
    named(8, change)
}

fn named(seed: u64, change: impl FnOnce(&mut Trunk)) -> World {
    let office = Office::new().change(|directory| {
        directory.trunks[0].uri = "sip:carrier.example:5060".to_owned();
        change(&mut directory.trunks[0]);
    });
    offices(seed, office)
}

fn offices(seed: u64, office: Office) -> World {
    let mut world = World::with(seed, office.build(), false);
    let attributes = format!("action='/dialled' timeout='60' callerId='{OWN_NUMBER}'");
    let dial = format!("<Dial {attributes}>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&dial));
    world.web.page(DIALLED, Page::xml("<Say>Done</Say>"));
    world.peer("one", ONE);
    world.peer("two", TWO);
    world.dns.a("carrier.example", "198.51.100.1");
    world.dns.a("carrier.example", "198.51.100.2");
    world.phone("alice");
    world
}

/// A second trunk beside the office's.
fn with_second(change: impl FnOnce(&mut Trunk, &mut Trunk)) -> Office {
    Office::new().trunk("second", TWO, &["+1"], None).change(|directory| {
        if let [first, second] = &mut directory.trunks[..] {
            change(first, second);
        }
    })
}

fn answer(world: &mut World, peer: &str, request: &str, line: &str, headers: &str) {
    let local = world.raw(peer).local;
    let body = match line.starts_with("200") && request.starts_with("INVITE") {
        true => world.raw(peer).sdp("sendrecv"),
        false => String::new(),
    };
    let text = respond(request, line, local, headers, &body);
    world.say(peer, &text);
}

/// A call that is answered by a peer, talks and ends.
fn takes(world: &mut World, peer: &str) -> String {
    let invite = world.expect(peer, "INVITE");
    let bye = talks(world, peer, &invite);
    answer(world, peer, &bye, "200 OK", "");
    world.seconds(1);
    invite
}

/// A peer answers an INVITE, both talk, and the caller hangs up: the BYE, not yet answered.
fn talks(world: &mut World, peer: &str, invite: &str) -> String {
    answer(world, peer, invite, "200 OK", "");
    world.expect(peer, "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", peer));
    world.hang_up("alice");
    world.expect(peer, "BYE")
}

fn outcome(world: &World) -> String {
    world.web.parameter(DIALLED, "DialCallStatus").last().cloned().unwrap_or_default()
}

#[test]
fn a_trunk_is_found_by_naptr_srv_and_addresses() {
    // Each asks the DNS for itself.
    let _alone = World::alone();
    let mut world = world(|trunk| trunk.uri = "sip:carrier.example".to_owned());
    world.dns.clear("carrier.example");
    world.dns.naptr("carrier.example", 10, "SIPS+D2T", "_sips._tcp.carrier.example");
    world.dns.naptr("carrier.example", 20, "SIP+D2U", "_sip._udp.carrier.example");
    world.dns.srv("_sip._udp.carrier.example", 20, 0, 5060, "b.carrier.example");
    world.dns.srv("_sip._udp.carrier.example", 10, 0, 5070, "a.carrier.example");
    world.dns.a("a.carrier.example", "198.51.100.7");
    world.dns.a("b.carrier.example", "198.51.100.2");
    world.peer("seven", "198.51.100.7:5070");
    world.dial("alice", "500");
    let invite = takes(&mut world, "seven");
    assert!(invite.starts_with("INVITE sip:+14155551212@carrier.example SIP/2.0\r\n"), "{invite}");
    let asked = world.dns.asked.len();
    world.dial("alice", "500");
    takes(&mut world, "seven");
    assert_eq!(world.dns.asked.len(), asked, "known for a minute");
    world.end();
    assert!(world.raw("two").inbox.is_empty());
}

#[test]
fn calls_spread_over_servers_by_weight() {
    let mut world = world(|trunk| trunk.uri = "sip:carrier.example;transport=udp".to_owned());
    world.dns.srv("_sip._udp.carrier.example", 10, 75, 5060, "a.carrier.example");
    world.dns.srv("_sip._udp.carrier.example", 10, 25, 5060, "b.carrier.example");
    world.dns.a("a.carrier.example", "198.51.100.1");
    world.dns.a("b.carrier.example", "198.51.100.2");
    let mut taken = [0, 0];
    for _ in 0..60 {
        world.dial("alice", "500");
        let before = taken;
        assert!(world.until(5, |world| {
            world.raw("one").all("INVITE").len() + world.raw("two").all("INVITE").len()
                > before[0] + before[1]
        }));
        taken = [world.raw("one").all("INVITE").len(), world.raw("two").all("INVITE").len()];
        let peer = if taken[0] > before[0] { "one" } else { "two" };
        let invite = world.expect(peer, "INVITE");
        answer(&mut world, peer, &invite, "486 Busy Here", "");
        world.expect(peer, "ACK");
        world.seconds(3);
    }
    assert!((36..=54).contains(&taken[0]) && taken[0] + taken[1] == 60, "{taken:?}");
}

#[test]
fn a_server_that_says_503_is_passed_over_and_spared() {
    let mut world = world(|_| {});
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    answer(&mut world, "one", &first, "503 Service Unavailable", "Retry-After: 120\r\n");
    world.expect("one", "ACK");
    let second = world.expect("two", "INVITE");
    assert_ne!(header(&first, "Via"), header(&second, "Via"), "a new branch");
    let bye = talks(&mut world, "two", &second);
    assert_eq!(header(&bye, "Call-ID"), header(&second, "Call-ID"));
    answer(&mut world, "two", &bye, "200 OK", "");
    world.seconds(60);
    world.dial("alice", "500");
    takes(&mut world, "two");
    world.seconds(60);
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.end();
    assert!(world.rows.statuses().iter().all(|status| *status == "completed"));
}

#[test]
fn each_server_of_a_trunk_has_its_challenges_met_and_its_own_are_pinned() {
    let login = |trunk: &mut Trunk| {
        trunk.login = Some(("us".to_owned(), offhook::base::Secret::new("key")));
    };
    let mut world = world(login);
    let challenge = |realm: &str, nonce: &str| {
        format!(
            "Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\", \
             algorithm=MD5\r\n"
        )
    };
    let proven = |request: &str, method: &str, realm: &str, nonce: &str| {
        let login = header(request, "Proxy-Authorization");
        let (uri, cnonce) = (parameter(&login, "uri"), parameter(&login, "cnonce"));
        let expected = digest(realm, nonce, "us", "key", method, &uri, &cnonce);
        assert_eq!(parameter(&login, "response"), parameter(&expected, "response"), "{request}");
    };
    let asked = "407 Proxy Authentication Required";
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    answer(&mut world, "one", &first, asked, &challenge("one", "n1"));
    let again = world.expect("one", "INVITE");
    proven(&again, "INVITE", "one", "n1");
    answer(&mut world, "one", &again, "503 Service Unavailable", "");
    let second = world.expect("two", "INVITE");
    assert_eq!(header(&second, "Proxy-Authorization"), "", "made for another server");
    answer(&mut world, "two", &second, asked, &challenge("two", "n2"));
    let again = world.expect("two", "INVITE");
    proven(&again, "INVITE", "two", "n2");
    let bye = talks(&mut world, "two", &again);
    answer(&mut world, "two", &bye, asked, &challenge("one", "n3"));
    world.seconds(2);
    assert_eq!(world.raw("two").all("BYE").len(), 1, "the realm that this call met is `two`");
    world.end();

    let mut world = self::world(login);
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    answer(&mut world, "one", &first, "503 Service Unavailable", "");
    let second = world.expect("two", "INVITE");
    answer(&mut world, "two", &second, asked, &challenge("two", "n2"));
    let again = world.expect("two", "INVITE");
    let bye = talks(&mut world, "two", &again);
    answer(&mut world, "two", &bye, asked, &challenge("two", "n3"));
    let again = world.expect("two", "BYE");
    proven(&again, "BYE", "two", "n3");
    answer(&mut world, "two", &again, "200 OK", "");
    world.end();
}

#[test]
fn a_trunk_with_its_most_calls_out_is_passed_over_and_its_users_call_counts_once() {
    let office = with_second(|first, second| {
        first.caps.calls = 1;
        second.priority = 1;
    });
    let office = office.change(|directory| {
        let domain = directory.domains.values_mut().next().expect("the office");
        domain.caps = Caps { calls: 1, new_calls: Rate { per_second: 1, burst: 1 } };
    });
    let mut world = offices(15, office);
    world.phone("bob");
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    answer(&mut world, "one", &first, "503 Service Unavailable", "");
    let second = world.expect("two", "INVITE");
    answer(&mut world, "two", &second, "200 OK", "");
    world.expect("two", "ACK");
    // The first trunk has its place back; bob is another user.
    world.seconds(40);
    world.dial("bob", "500");
    let third = world.expect("one", "INVITE");
    answer(&mut world, "one", &third, "200 OK", "");
    world.expect("one", "ACK");
    world.seconds(5);
    world.phone("carol");
    world.dial("carol", "500");
    let fourth = world.expect("two", "INVITE");
    answer(&mut world, "two", &fourth, "486 Busy Here", "");
    assert_eq!(world.raw("one").all("INVITE").len(), 2, "the first trunk is full");
    for (phone, peer) in [("alice", "two"), ("bob", "one")] {
        world.hang_up(phone);
        let bye = world.expect(peer, "BYE");
        answer(&mut world, peer, &bye, "200 OK", "");
    }
    world.end();
}

#[test]
fn a_silent_server_is_left_after_four_seconds_and_its_late_answer_ended() {
    let mut world = world(|_| {});
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    world.seconds(3);
    assert!(world.raw("two").inbox.is_empty());
    world.seconds(2);
    let second = world.expect("two", "INVITE");
    answer(&mut world, "two", &second, "180 Ringing", "");
    // The first wakes up: its answer is acknowledged and ended, and nobody hears of it.
    answer(&mut world, "one", &first, "200 OK", "");
    world.expect("one", "ACK");
    let bye = world.expect("one", "BYE");
    answer(&mut world, "one", &bye, "200 OK", "");
    let bye = talks(&mut world, "two", &second);
    answer(&mut world, "two", &bye, "200 OK", "");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

#[test]
fn a_server_that_says_100_is_waited_for() {
    let mut world = world(|_| {});
    world.dial("alice", "500");
    let invite = world.expect("one", "INVITE");
    answer(&mut world, "one", &invite, "100 Trying", "");
    world.seconds(20);
    assert!(world.raw("two").inbox.is_empty());
    answer(&mut world, "one", &invite, "486 Busy Here", "");
    world.end();
    assert_eq!((outcome(&world).as_str(), world.raw("two").inbox.len()), ("busy", 0));
}

#[test]
fn a_server_that_refuses_packets_is_passed_over_at_once() {
    let mut world = world(|_| {});
    world.dial("alice", "500");
    world.expect("one", "INVITE");
    let (local, remote) = (SERVER.parse().expect("ours"), ONE.parse().expect("theirs"));
    let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
    world.tell(Input::Sip(sip::Input::Unreachable { flow }));
    world.millis(20);
    assert_eq!(world.raw("two").all("INVITE").len(), 1);
    takes(&mut world, "two");
    world.end();
}

#[test]
fn all_servers_down_fail_the_call_with_a_reason() {
    let mut world = world(|_| {});
    world.dial("alice", "500");
    let invite = world.expect("one", "INVITE");
    answer(&mut world, "one", &invite, "503 Service Unavailable", "");
    world.expect("two", "INVITE");
    world.end();
    assert_eq!(outcome(&world), "failed");
    assert_eq!(world.rows.leg(1).sip_status, Some(503), "what was said goes before silence");
    assert!(world.told("trunk carrier at udp:198.51.100.1:5060 answered 503"), "{:?}", world.notes);
    assert!(world.told("trunk carrier at udp:198.51.100.2:5060 did not answer"));
}

#[test]
fn an_address_that_moved_is_followed_when_its_time_is_over() {
    // Each asks the DNS for itself.
    let _alone = World::alone();
    let mut world = world(|_| {});
    world.dns.clear("carrier.example");
    world.dns.a("carrier.example", "198.51.100.1");
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.dns.clear("carrier.example");
    world.dns.a("carrier.example", "198.51.100.2");
    world.seconds(30);
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.seconds(30);
    world.dial("alice", "500");
    takes(&mut world, "two");
    world.end();
}

#[test]
fn a_dead_dns_leaves_the_last_good_answer_for_five_minutes() {
    // Each asks the DNS for itself.
    let _alone = World::alone();
    let mut world = world(|_| {});
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.dns.dead = true;
    world.seconds(300);
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.seconds(120);
    world.dial("alice", "500");
    world.end();
    assert_eq!(world.raw("one").all("INVITE").len(), 2);
    assert!(world.told("trunk carrier: the DNS does not answer"), "{:?}", world.notes);
    assert_eq!(outcome(&world), "failed");
}
