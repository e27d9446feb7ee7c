//! Which trunk takes a call, and when one is passed over.

use super::*;

#[test]
fn the_next_trunk_takes_what_the_first_fails_but_not_who_is_busy() {
    for (line, goes_on) in [
        ("500 Server Internal Error", true),
        ("408 Request Timeout", true),
        ("504 Server Time-out", true),
        ("486 Busy Here", false),
        ("404 Not Found", false),
        ("603 Decline", false),
    ] {
        let office = with_second(|first, second| (first.priority, second.priority) = (1, 2));
        let mut world = offices(9, office);
        world.dial("alice", "500");
        let invite = world.expect("one", "INVITE");
        answer(&mut world, "one", &invite, line, "");
        world.expect("one", "ACK");
        match goes_on {
            true => drop(takes(&mut world, "two")),
            false => world.seconds(5),
        }
        world.end();
        assert_eq!(world.raw("two").all("INVITE").len(), usize::from(goes_on), "{line}");
    }
}

#[test]
fn a_trunk_that_failed_is_tried_last_for_a_while() {
    let office = |first: &mut Trunk, second: &mut Trunk| {
        (first.priority, second.priority) = (1, 2);
        first.answer_within = Duration::from_secs(4);
    };
    // Silence: the next call does not wait for it again.
    let mut world = offices(15, with_second(office));
    world.dial("alice", "500");
    let silent = header(&world.expect("one", "INVITE"), "Call-ID");
    world.seconds(5);
    takes(&mut world, "two");
    // The first INVITE is still sent again.
    let other = |world: &World| {
        let invites = world.raw("one").all("INVITE").into_iter();
        invites.map(str::to_owned).find(|invite| header(invite, "Call-ID") != silent)
    };
    world.dial("alice", "500");
    world.millis(500);
    takes(&mut world, "two");
    assert_eq!(other(&world), None, "passed over");
    world.seconds(40);
    world.dial("alice", "500");
    world.millis(500);
    let invite = other(&world).expect("trusted again");
    let bye = talks(&mut world, "one", &invite);
    answer(&mut world, "one", &bye, "200 OK", "");
    world.end();

    // For as long as it asks for (RFC 3261 section 21.5.4).
    let mut world = offices(16, with_second(office));
    world.dial("alice", "500");
    let invite = world.expect("one", "INVITE");
    answer(&mut world, "one", &invite, "503 Service Unavailable", "Retry-After: 120\r\n");
    takes(&mut world, "two");
    world.seconds(90);
    world.dial("alice", "500");
    let invite = world.expect("two", "INVITE");
    assert_eq!(world.raw("one").all("INVITE").len(), 1);
    answer(&mut world, "two", &invite, "500 Server Internal Error", "");
    world.seconds(2);
    assert!(world.told("trunk carrier at udp:198.51.100.1:5060 asked by Retry-After for "));
    world.seconds(30);
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.end();
}

#[test]
fn a_trunk_that_asks_for_rest_has_it_even_alone() {
    let office = Office::new().change(|directory| {
        let interval = Duration::from_secs(30);
        directory.trunks[0].ping = Some(Ping { interval, down_after: 2, up_after: 1 });
    });
    let mut world = offices(17, office);
    pongs(&mut world, "one", 2);
    world.dial("alice", "500");
    let invite = world.expect("one", "INVITE");
    answer(&mut world, "one", &invite, "503 Service Unavailable", "Retry-After: 1000\r\n");
    world.seconds(2);
    let pings = world.raw("one").all("OPTIONS").len();
    for _ in 0..2 {
        world.dial("alice", "500");
        world.seconds(5);
    }
    assert_eq!(world.raw("one").all("INVITE").len(), 1, "it is left alone");
    let last = world.rows.statuses().len() - 1;
    assert_eq!(world.rows.leg(last).sip_status, Some(503));
    assert_eq!(world.web.asked.last().map(|_| outcome(&world)).as_deref(), Some("failed"));
    // But for five minutes at most: it may have been a mistake.
    world.seconds(280);
    assert_eq!(world.raw("one").all("OPTIONS").len(), pings, "nor asked how it is");
    assert_eq!(world.trunks()[0].words(), "up", "nor down for that");
    world.seconds(20);
    world.dial("alice", "500");
    takes(&mut world, "one");
    assert!(world.raw("one").all("OPTIONS").len() > pings);
    world.end();
}

#[test]
fn every_trunk_writes_numbers_headers_and_codecs_its_own_way() {
    let office = with_second(|first, second| {
        second.priority = 1;
        first.numbers = NumberFormat {
            style: NumberStyle::National,
            country_code: "1".to_owned(),
            national_prefix: String::new(),
            dial_prefix: "9".to_owned(),
            ..NumberFormat::default()
        };
        first.headers = vec![("X-Account".to_owned(), "42".to_owned())];
        first.codecs = vec!["PCMA".to_owned()];
        second.numbers.style = NumberStyle::Digits;
        second.from_domain = Some("us.example".to_owned());
        second.proxy = Some("sip:198.51.100.2:5060".to_owned());
        second.uri = "sip:far.example".to_owned();
    });
    let mut world = offices(10, office);
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    assert!(first.starts_with("INVITE sip:94155551212@198.51.100.1:5060 SIP/2.0\r\n"), "{first}");
    assert!(header(&first, "From").contains("sip:6505551111@office.localhost"), "{first}");
    assert_eq!(header(&first, "X-Account"), "42");
    assert!(first.contains("RTP/AVP 8 101"), "{first}");
    answer(&mut world, "one", &first, "503 Service Unavailable", "");
    let second = world.expect("two", "INVITE");
    assert!(second.starts_with("INVITE sip:14155551212@far.example SIP/2.0\r\n"), "{second}");
    assert_eq!(header(&second, "Route"), "<sip:198.51.100.2:5060;lr>");
    assert!(header(&second, "From").contains("sip:16505551111@us.example"), "{second}");
    assert!(header(&second, "X-Account").is_empty() && second.contains("RTP/AVP 0 8 101"));
    answer(&mut world, "two", &second, "486 Busy Here", "");
    world.end();
}

#[test]
fn a_trunk_without_a_free_channel_is_passed_over() {
    let office = with_second(|first, second| {
        (first.channels, second.channels) = (Some(1), Some(1));
        second.priority = 1;
    });
    let mut world = offices(11, office);
    world.phone("bob");
    world.dial("alice", "500");
    let first = world.expect("one", "INVITE");
    answer(&mut world, "one", &first, "200 OK", "");
    world.expect("one", "ACK");
    world.dial("bob", "500");
    let second = world.expect("two", "INVITE");
    answer(&mut world, "two", &second, "200 OK", "");
    world.expect("two", "ACK");
    assert_eq!(world.trunks().iter().map(|trunk| trunk.calls).collect::<Vec<_>>(), [1, 1]);
    world.phone("carol");
    world.dial("carol", "500");
    world.seconds(3);
    assert!(world.told("trunk carrier has all its 1 channels in use"), "{:?}", world.notes);
    assert_eq!(outcome(&world), "failed");
    for (phone, peer) in [("alice", "one"), ("bob", "two")] {
        world.hang_up(phone);
        let bye = world.expect(peer, "BYE");
        answer(&mut world, peer, &bye, "200 OK", "");
    }
    world.end();
    assert!(world.trunks().iter().all(|trunk| trunk.calls == 0), "{:?}", world.trunks());
}

#[test]
fn calls_of_a_full_trunk_are_turned_away() {
    let office = Office::new().change(|directory| directory.trunks[0].channels = Some(0));
    let mut world = World::with(12, office.build(), false);
    world.carrier();
    world.dial("carrier", NUMBER);
    world.seconds(2);
    assert_eq!(world.ended("carrier").and_then(|(_, status)| status), Some(503));
    assert!(world.noted(32_001) && world.web.asked.is_empty());
}

/// Answers every OPTIONS that a peer got and gets, for so many seconds.
fn pongs(world: &mut World, peer: &str, seconds: u64) {
    let mut answered = 0;
    for _ in 0..seconds {
        let pings = world.raw(peer).all("OPTIONS").into_iter().skip(answered);
        let pings: Vec<String> = pings.map(str::to_owned).collect();
        answered += pings.len();
        for ping in pings {
            answer(world, peer, &ping, "200 OK", "");
        }
        world.seconds(1);
    }
}

#[test]
fn a_trunk_that_answers_no_options_is_down_until_it_does() {
    let office = with_second(|first, second| {
        second.priority = 1;
        let interval = Duration::from_secs(30);
        first.ping = Some(Ping { interval, down_after: 2, up_after: 2 });
    });
    let mut world = offices(13, office);
    let words = |world: &World| world.trunks()[0].words();
    assert_eq!(words(&world), "not known yet");
    pongs(&mut world, "one", 40);
    assert_eq!(words(&world), "up");
    let up = |world: &World| world.trunks().iter().map(|trunk| trunk.up).collect::<Vec<_>>();
    assert_eq!(up(&world), [true, true]);
    let ping = world.raw("one").all("OPTIONS")[0].to_owned();
    assert!(ping.starts_with("OPTIONS sip:198.51.100.1:5060 SIP/2.0\r\n"), "{ping}");
    world.seconds(45);
    assert_eq!(up(&world), [false, true]);
    assert!(world.told("trunk carrier is down"), "{:?}", world.notes);
    world.dial("alice", "500");
    takes(&mut world, "two");
    assert!(world.raw("one").all("INVITE").is_empty(), "a call does not wait for it");
    pongs(&mut world, "one", 40);
    assert_eq!(up(&world), [true, true]);
    assert!(world.told("trunk carrier is up again"));
    world.dial("alice", "500");
    takes(&mut world, "one");
    world.end();
}

#[test]
fn a_caller_who_hangs_up_while_the_next_server_is_looked_up_leaves_nothing() {
    let office = with_second(|_, second| {
        second.priority = 1;
        second.uri = "sip:slow.example:5060".to_owned();
    });
    let mut world = offices(14, office);
    world.dns.a("slow.example", "198.51.100.2");
    world.dial("alice", "500");
    let invite = world.expect("one", "INVITE");
    answer(&mut world, "one", &invite, "503 Service Unavailable", "");
    world.dns.delay = Duration::from_millis(500);
    world.millis(50);
    world.hang_up("alice");
    world.end();
    assert!(world.raw("two").inbox.is_empty());
    assert!(world.rows.statuses().contains(&"canceled"), "{:?}", world.rows.statuses());
}

#[test]
fn the_only_server_that_does_not_rest_is_given_its_time() {
    let mut world = named(8, |_| {});
    world.dial("alice", "500");
    world.seconds(1);
    let (first, other) = match world.raw("two").all("INVITE").is_empty() {
        true => ("one", "two"),
        false => ("two", "one"),
    };
    let invite = world.expect(first, "INVITE");
    answer(&mut world, first, &invite, "503 Service Unavailable", "Retry-After: 200\r\n");
    takes(&mut world, other);
    world.seconds(2);
    world.dial("alice", "500");
    let invite = world.expect(other, "INVITE");
    world.seconds(5);
    answer(&mut world, other, &invite, "200 OK", "");
    world.seconds(1);
    assert!(world.raw(other).all("CANCEL").is_empty(), "nobody else was to be had");
    assert!(world.talk_together("alice", other));
}
