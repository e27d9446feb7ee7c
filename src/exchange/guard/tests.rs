use super::*;
use crate::base::id::AccountSid;
use crate::base::{Duration, Secret};
use crate::directory::Trunk;
use crate::sip::Transport;

fn directory() -> Directory {
    Directory {
        account_sid: AccountSid::from_bytes([1; 16]),
        auth_token: Secret::new("token"),
        public_url: String::new(),
        credential_lists: Default::default(),
        domains: Default::default(),
        numbers: Default::default(),
        trunks: vec![],
        lines: Default::default(),
        limits: Limits::default(),
        hold_music: Default::default(),
    }
}

fn flow(remote: &str) -> Flow {
    let local = "192.0.2.1:5060".parse().expect("an address");
    let remote = remote.parse().expect("an address");
    Flow { transport: Transport::Udp, local, remote, connection: 0 }
}

/// A guard with a budget of 10 a second, 20 at once.
fn guard() -> Guard {
    let source = Rate { per_second: 10, burst: 20 };
    Guard::new(Limits { source, ..Limits::default() }, Arc::default())
}

/// A wrong password for the account 1.
fn fail(guard: &mut Guard, from: Flow, ours: bool, registered: bool) -> Failure {
    guard.failed(Instant::ZERO, from, 1, ours, &directory(), || registered)
}

fn heard(guard: &mut Guard, from: &str, word: &[u8], registered: bool, times: u32) -> usize {
    let directory = directory();
    let mut hear = || guard.hear(Instant::ZERO, flow(from), word, &directory, || registered);
    (0..times).filter(|_| hear() == Hearing::Open).count()
}

#[test]
fn one_source_cannot_use_up_the_budget_of_another() {
    let mut guard = guard();
    assert_eq!(heard(&mut guard, "198.51.100.1:1", b"OPTIONS x", false, 100), 15);
    assert_eq!(heard(&mut guard, "198.51.100.1:2", b"OPTIONS x", false, 100), 0, "another port");
    assert_eq!(heard(&mut guard, "198.51.100.2:1", b"OPTIONS x", false, 100), 15);
    assert_eq!(guard.counters.messages, 300);
    assert_eq!(guard.counters.over_budget, 270);
}

#[test]
fn what_has_begun_goes_before_what_is_new() {
    let mut guard = guard();
    assert_eq!(heard(&mut guard, "198.51.100.1:1", b"INVITE x", false, 100), 15);
    assert_eq!(heard(&mut guard, "198.51.100.1:1", b"BYE x", false, 3), 3);
    assert_eq!(heard(&mut guard, "198.51.100.1:1", b"SIP/2.0 200 OK", false, 100), 2);
}

#[test]
fn a_network_of_ipv6_is_one_source_and_mapped_addresses_are_ipv4() {
    let mut guard = guard();
    assert_eq!(heard(&mut guard, "[2001:db8:0:1::1]:1", b"X", false, 100), 15);
    assert_eq!(heard(&mut guard, "[2001:db8:0:1:ffff::2]:1", b"X", false, 100), 0);
    assert_eq!(heard(&mut guard, "[2001:db8:0:2::1]:1", b"X", false, 100), 15);
    assert_eq!(heard(&mut guard, "198.51.100.1:1", b"X", false, 100), 15);
    assert_eq!(heard(&mut guard, "[::ffff:198.51.100.1]:1", b"X", false, 100), 0);
}

#[test]
fn registered_phones_have_budgets_of_their_own_and_exempt_addresses_none() {
    let mut guard = guard();
    heard(&mut guard, "198.51.100.1:1", b"X", false, 100);
    assert_eq!(heard(&mut guard, "198.51.100.1:2", b"X", true, 100), 100);
    assert_eq!(heard(&mut guard, "198.51.100.1:3", b"X", false, 1), 0);
    assert_eq!(heard(&mut guard, "127.0.0.1:1", b"X", false, 50_000), 50_000);
}

#[test]
fn a_flood_from_everywhere_keeps_the_tables_in_their_bounds() {
    let mut guard = guard();
    let directory = directory();
    for number in 0..200_000_u32 {
        let remote = SocketAddr::from((number.to_be_bytes(), 5060));
        let flow = Flow { remote, ..flow("192.0.2.9:1") };
        guard.hear(Instant::ZERO, flow, b"X", &directory, || false);
    }
    assert!(guard.sources.len() <= 2 * SOURCES);
}

#[test]
fn ten_wrong_passwords_in_a_minute_are_met_with_silence_for_a_while() {
    let mut guard = guard();
    let (thief, other) = (flow("198.51.100.1:1"), flow("198.51.100.2:1"));
    for number in 1..10 {
        assert_eq!(fail(&mut guard, thief, true, false), Failure::Counted(number));
    }
    assert_eq!(fail(&mut guard, thief, true, false), Failure::Silenced(10));
    let directory = directory();
    let at = Instant::from_millis;
    let mut hear = |now, flow, registered| guard.hear(now, flow, b"X", &directory, || registered);
    assert_eq!(hear(at(1), thief, false), Hearing::Muted);
    assert_eq!(
        hear(at(1), Flow { remote: "198.51.100.1:9".parse().expect("an address"), ..thief }, false),
        Hearing::Muted
    );
    assert_eq!(hear(at(1), thief, true), Hearing::Open, "a registered neighbour");
    assert_eq!(hear(at(1), other, false), Hearing::Open);
    assert_eq!(hear(at(899_999), thief, false), Hearing::Muted);
    assert_eq!(hear(at(900_000), thief, false), Hearing::Open);
    assert_eq!((guard.counters.silenced, guard.counters.failed_logins), (1, 10));
}

#[test]
fn nobody_is_silenced_by_datagrams_that_bear_his_address() {
    let mut guard = guard();
    let victim = flow("198.51.100.1:1");
    for _ in 0..1000 {
        assert_eq!(fail(&mut guard, victim, false, false), Failure::Forged);
    }
    assert_eq!(guard.hear(Instant::ZERO, victim, b"X", &directory(), || false), Hearing::Open);
}

#[test]
fn a_registered_phone_that_guesses_is_silenced_as_well() {
    let mut guard = guard();
    let phone = flow("198.51.100.1:1");
    for _ in 0..10 {
        fail(&mut guard, phone, true, true);
    }
    assert_eq!(guard.hear(Instant::ZERO, phone, b"X", &directory(), || true), Hearing::Muted);
}

#[test]
fn one_guesser_does_not_mute_everybody_behind_a_proxy_or_a_trunk() {
    let trunk = Trunk {
        inbound_ips: vec!["192.0.2.60/32".parse().expect("a network")],
        ..Trunk::new("carrier", "sip:192.0.2.60")
    };
    let known = Directory { trunks: vec![trunk], ..directory() };
    for (address, registered) in
        [("127.0.0.1:5080", false), ("127.0.0.1:5080", true), ("192.0.2.60:5060", false)]
    {
        let (mut guard, proxy) = (guard(), flow(address));
        for number in 1..=40 {
            let failure = guard.failed(Instant::ZERO, proxy, 1, true, &known, || registered);
            assert_eq!(failure, Failure::Counted(number), "{address}");
        }
        let heard = guard.hear(Instant::ZERO, proxy, b"INVITE x", &known, || registered);
        assert_eq!((heard, guard.silenced()), (Hearing::Open, 0), "{address}");
        assert_eq!((guard.counters.failed_logins, guard.counters.silenced), (40, 0));
        // What was guessed there counts for the account, wherever it is tried next.
        let (elsewhere, mut last) = (flow("198.51.100.1:1"), Failure::Forged);
        for _ in 0..3 {
            last = guard.failed(Instant::ZERO, elsewhere, 1, true, &known, || false);
        }
        assert_eq!(last, Failure::Silenced(3), "{address}");
    }
}

#[test]
fn who_becomes_exempt_is_heard_again() {
    let (mut guard, proxy) = (guard(), flow("198.51.100.1:1"));
    for _ in 0..10 {
        fail(&mut guard, proxy, true, false);
    }
    assert_eq!(guard.hear(Instant::ZERO, proxy, b"X", &directory(), || false), Hearing::Muted);
    let exempt = vec!["198.51.100.1/32".parse().expect("a network")];
    guard.reconfigure(Limits { exempt, ..Limits::default() });
    assert_eq!(guard.hear(Instant::ZERO, proxy, b"X", &directory(), || false), Hearing::Open);
}

#[test]
fn totals_hold_for_everyone_together_and_refill() {
    let invites = Rate { per_second: 5, burst: 5 };
    let mut guard = Guard::new(Limits { invites, ..Limits::default() }, Arc::default());
    let busy = |guard: &mut Guard, now| {
        let busy = guard.is_busy(now, Method::Invite);
        if !busy {
            guard.admitted(now, Method::Invite);
        }
        busy
    };
    assert_eq!((0..8).filter(|_| busy(&mut guard, Instant::ZERO)).count(), 3);
    assert!(!guard.is_busy(Instant::ZERO, Method::Register));
    assert!(!busy(&mut guard, Instant::ZERO + Duration::from_millis(200)));
    assert_eq!(guard.counters.busy_invites, 3);
}

#[test]
fn a_flood_of_strangers_leaves_challenges_to_phones_and_calls_to_who_is_admitted() {
    let invites = Rate { per_second: 8, burst: 8 };
    let mut guard = Guard::new(Limits { invites, ..Limits::default() }, Arc::default());
    let directory = directory();
    let challenged = |guard: &mut Guard, from: &str, registered: bool| {
        let may = |_: &u32| {
            let flow = flow(from);
            guard.may_challenge(Instant::ZERO, Method::Invite, flow, &directory, || registered)
        };
        (0..100).filter(may).count()
    };
    assert_eq!(challenged(&mut guard, "198.51.100.1:1", false), 6);
    assert_eq!(challenged(&mut guard, "198.51.100.2:1", true), 2, "a registered phone");
    assert_eq!(challenged(&mut guard, "127.0.0.1:1", false), 0, "each has its bound");
    assert_eq!(guard.counters.busy_invites, 292);
    assert!(!guard.is_busy(Instant::ZERO, Method::Invite), "nobody was admitted yet");
}
