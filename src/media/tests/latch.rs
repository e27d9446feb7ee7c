//! Whom a session hears and where it sends: its party, and nobody near it.

use super::*;

#[test]
fn packets_of_others_reach_nobody_and_draw_nothing() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcmu]);
    world.bridge();
    world.run(1_000);
    let mut attacker = World::new(&[Codec::Pcmu, Codec::Pcmu, Codec::Pcmu]).parties.remove(2);
    let before = world.parties[1].packets.len();
    for (from, count) in [
        (SocketAddr::from(([198, 51, 100, 9], 4_000)), 50),
        (SocketAddr::from(([192, 0, 2, 10], 4_002)), 50),
        (SocketAddr::from(([192, 0, 2, 99], 4_000)), 50),
    ] {
        for _ in 0..count {
            let packet = attacker.packet();
            world.inject(0, from, packet);
        }
    }
    assert_eq!(world.parties[1].packets.len(), before);
    world.run(1_000);
    assert!(world.parties[1].level(attacker.tone) < 100.0);
    let known: Vec<_> = world.parties.iter().map(|party| party.address).collect();
    assert!(world.sent.iter().all(|(_, to, _)| known.contains(to)));
}

#[test]
fn a_party_that_sends_from_elsewhere_alone_is_told_of_once() {
    let from = SocketAddr::from(([198, 51, 100, 9], 4_000));
    let told = |world: &World| {
        let elsewhere =
            |event: &&Event| matches!(event, Event::Elsewhere { from: seen, .. } if *seen == from);
        world.events.iter().filter(elsewhere).count()
    };
    let mut world = silent(None);
    for (packets, times) in [(49, 0), (1, 1), (200, 1)] {
        for _ in 0..packets {
            let packet = world.parties[0].packet();
            world.inject(0, from, packet);
        }
        assert_eq!(told(&world), times);
    }
    // Somebody who disturbs a party that is heard is nobody's trouble.
    let mut world = World::new(&[Codec::Pcmu]);
    world.run(100);
    for _ in 0..200 {
        let packet = world.parties[0].packet();
        world.inject(0, from, packet);
    }
    assert_eq!(told(&world), 0);
}

/// Where a party that is silent itself is sent to, after each of those sources sent so many of its
/// packets.
fn sent_to(world: &mut World, sources: &[(SocketAddr, usize)]) -> SocketAddr {
    for (from, count) in sources {
        for _ in 0..*count {
            let packet = world.parties[0].packet();
            world.inject(0, *from, packet);
        }
    }
    world.sent.clear();
    let clip = Clip::new(vec![500; 1_600]);
    world.order(Command::Play { session: SessionId(10), play: 1, clip, loops: 1 });
    world.run(300);
    let (_, to, _) = world.sent[0];
    assert!(world.sent.iter().all(|(_, sent, _)| *sent == to), "to one place");
    to
}

/// One silent party at 192.0.2.10, behind a translator at that host.
fn silent(host: Option<[u8; 4]>) -> World {
    let mut world = World::new(&[Codec::Pcmu]);
    world.talking = false;
    world.host = host.map(IpAddr::from);
    world.connect(0, Direction::SendRecv, Some(KEY));
    world
}

#[test]
fn without_a_translator_no_other_host_is_believed() {
    let signalled = SocketAddr::from(([192, 0, 2, 10], 4_000));
    for from in [[192, 0, 2, 77], [203, 0, 113, 9], [127, 0, 0, 1]] {
        let from = SocketAddr::from((from, 9_000));
        assert_eq!(sent_to(&mut silent(None), &[(from, 5)]), signalled, "{from}");
    }
}

#[test]
fn a_party_that_sends_from_another_port_is_heard_there_and_sent_to_where_it_listens() {
    let mut world = silent(None);
    let (session, signalled) = (SessionId(10), world.parties[0].address);
    let from = SocketAddr::from(([192, 0, 2, 10], 9_000));
    assert_eq!(sent_to(&mut world, &[(from, 2)]), signalled);
    let key = |world: &mut World| {
        let packet = world.parties[0].numbered(KEY, 8_000, &[5, 10, 0, 160]);
        world.inject(0, from, packet);
    };
    key(&mut world);
    assert_eq!(world.events.last(), Some(&Event::Digit { session, digit: '5' }));
    // Later nobody who has not begun is heard.
    let mut late = silent(None);
    late.run(3_100);
    key(&mut late);
    assert!(!late.events.contains(&Event::Digit { session, digit: '5' }));
}

#[test]
fn a_phone_behind_a_translator_is_answered_where_its_signalling_comes_from() {
    let signalled = SocketAddr::from(([192, 0, 2, 10], 4_000));
    let from = SocketAddr::from(([203, 0, 113, 9], 9_000));
    for (host, packets, to) in [
        ([203, 0, 113, 9], 2, from),
        ([203, 0, 113, 9], 1, signalled),
        ([203, 0, 113, 77], 2, from),
        ([203, 0, 114, 9], 2, signalled),
    ] {
        assert_eq!(sent_to(&mut silent(Some(host)), &[(from, packets)]), to, "{host:?}");
    }
    let mut late = silent(Some([203, 0, 113, 9]));
    late.run(3_100);
    assert_eq!(sent_to(&mut late, &[(from, 2)]), signalled, "after three seconds");
}

#[test]
fn a_phone_is_answered_where_it_speaks_from_its_neighbours_are_not() {
    let phone = |host| {
        let mut world = World::new(&[Codec::Pcmu]);
        (world.talking, world.host, world.leeway) = (false, Some(host), Leeway::Host);
        world.connect(0, Direction::SendRecv, Some(KEY));
        world
    };
    let (signalled, signals) = (IpAddr::from([192, 0, 2, 10]), IpAddr::from([203, 0, 113, 9]));
    let own = SocketAddr::new(signalled, 4_000);
    for (host, from, believed) in [
        // Its translator has it elsewhere than the server that it asked (STUN) has seen.
        (signalled, SocketAddr::new(signalled, 9_000), true),
        (signals, SocketAddr::new(signals, 9_000), true),
        (signalled, SocketAddr::from(([192, 0, 2, 77], 4_000)), false),
        (signals, SocketAddr::from(([203, 0, 113, 77], 4_000)), false),
    ] {
        let to = if believed { from } else { own };
        assert_eq!(sent_to(&mut phone(host), &[(from, 20)]), to, "{from}");
    }
}

#[test]
fn a_neighbour_of_a_translator_gives_way_to_the_phone_itself() {
    let phone = SocketAddr::from(([203, 0, 113, 9], 9_000));
    let neighbour = SocketAddr::from(([203, 0, 113, 66], 9_000));
    let mut world = silent(Some([203, 0, 113, 9]));
    assert_eq!(sent_to(&mut world, &[(neighbour, 2)]), neighbour);
    let begun = world.parties[0].packet();
    world.inject(0, phone, begun);
    let injected = world.parties[0].numbered(0, 0, &[0; 160]);
    world.parties[0].sequence -= 1;
    world.inject(0, neighbour, injected);
    assert_eq!(sent_to(&mut world, &[(phone, 1)]), phone, "whatever is sent between");
    assert_eq!(sent_to(&mut world, &[(neighbour, 5)]), phone);
    // The port of another phone behind the same translator comes too late.
    assert_eq!(sent_to(&mut world, &[((phone.ip(), 9_002).into(), 5)]), phone);
}

#[test]
fn a_phone_that_says_so_by_a_new_invite_is_followed_to_another_port() {
    let mut world = silent(Some([203, 0, 113, 9]));
    let first = SocketAddr::from(([203, 0, 113, 9], 9_000));
    let second = SocketAddr::from(([203, 0, 113, 9], 9_002));
    assert_eq!(sent_to(&mut world, &[(first, 2)]), first);
    world.connect(0, Direction::SendRecv, Some(KEY));
    assert_eq!(sent_to(&mut world, &[]), first, "the same until it is heard elsewhere");
    assert_eq!(sent_to(&mut world, &[(second, 2)]), second);
}
