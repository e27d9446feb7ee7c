//! Several exchanges behind one address: whatever reaches whichever of them, it is one server.

use offhook::base::Duration;
use offhook::directory::{Caps, Ping, Rate, Registration, Trunk, Watching};
use offhook::exchange::Input;
use offhook::sip::registration::State;

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{Office, Page, VOICE, World, header, respond};
use crate::{events, identity, messages, register, rights, transfer};

const SHARDS: u8 = 3;
const TO_BOB: &str = "<Dial timeout='20'><Sip>sip:bob@office.localhost</Sip></Dial>";

/// Each datagram reaches any of three exchanges.
fn world(seed: u64, office: Office) -> World {
    let mut world = World::sharded(seed, office.build(), false, SHARDS);
    world.scatter = true;
    world
}

fn registrations(world: &World) -> Vec<usize> {
    world.figures().iter().map(|figures| figures.registrations).collect()
}

fn answer(world: &mut World, peer: &str, request: &str, line: &str, headers: &str) {
    let local = world.raw(peer).local;
    let text = respond(request, line, local, headers, "");
    world.say(peer, &text);
}

#[test]
fn users_of_different_homes_call_each_other() {
    let mut apart = 0;
    for seed in 0..12 {
        let mut world = world(seed, Office::new());
        world.web.page(VOICE, Page::xml(TO_BOB));
        world.phone("bob");
        let home = registrations(&world);
        world.phone("alice");
        world.answers_after("bob", 1);
        world.dial("alice", "500");
        world.seconds(5);
        assert!(world.talk_together("alice", "bob"), "{}", world.ladder());
        let calls: Vec<usize> = world.figures().iter().map(|figures| figures.calls).collect();
        assert_eq!(calls.iter().sum::<usize>(), 1);
        apart += usize::from(calls != home);
        world.hang_up("alice");
        world.end();
        assert_eq!(registrations(&world).iter().sum::<usize>(), 2);
    }
    assert!(apart > 3, "calls live elsewhere than the called user: {apart} of 12");
}

#[test]
fn who_guesses_passwords_is_silenced_by_all_and_told_of_once() {
    let mut world = world(1, Office::new());
    world.peer("raw", "192.0.2.99:5060");
    let home = "sip:office.localhost";
    for round in 0..12 {
        let user = format!("user{round}");
        let who = format!("sip:{user}@office.localhost");
        let to = format!("<{who}>");
        let dialog = format!("guess{round}");
        let rest = Rest { from: &who, to: &to, ..Rest::default() };
        let request = world.request("raw", "REGISTER", home, &dialog, &rest);
        world.say("raw", &request);
        world.millis(20);
        let Some(challenge) = world.raw("raw").all("SIP/2.0 401").last().map(|t| t.to_string())
        else {
            panic!("not even the first is challenged");
        };
        let nonce = parameter(&challenge, "nonce");
        let login = digest("office.localhost", &nonce, &user, "guess", "REGISTER", home, "c");
        let headers = format!("Authorization: {login}\r\n");
        let rest = Rest { cseq: 2, headers: &headers, ..rest };
        let request = world.request("raw", "REGISTER", home, &dialog, &rest);
        world.say("raw", &request);
        world.millis(20);
    }
    let lines = world.notes.iter().filter(|(_, note)| note.text.contains("silenced for")).count();
    assert_eq!(lines, 1, "{:#?}", world.notes);
    let silenced: u64 = world.counters().iter().map(|counters| counters.silenced).sum();
    let failed: u64 = world.counters().iter().map(|counters| counters.failed_logins).sum();
    assert_eq!((silenced, failed), (1, 10), "counted where they happened");
    let heard = world.raw("raw").inbox.len();
    for index in 0..usize::from(SHARDS) {
        world.receiver = Some(index);
        let rest = Rest::default();
        let request = world.request("raw", "REGISTER", home, &format!("late{index}"), &rest);
        world.say("raw", &request);
    }
    world.seconds(1);
    assert_eq!(world.raw("raw").inbox.len(), heard, "no exchange answers");
}

#[test]
fn a_users_most_calls_hold_wherever_they_live() {
    let office = Office::new().change(|directory| {
        let domain = directory.domains.values_mut().next().expect("the office");
        domain.caps = Caps { calls: 2, new_calls: Rate { per_second: 0, burst: 0 } };
    });
    let mut world = world(4, office);
    let body = "<Dial callerId='+16505551111'>+14155551212</Dial>";
    world.web.page(VOICE, Page::xml(body));
    world.peer("carrier", "198.51.100.1:5060");
    for name in ["one", "two", "three", "four"] {
        world.phone_of(name, "alice", "Secret-of-alice-1");
        world.dial(name, "500");
        world.millis(100);
        for invite in unread(&mut world, "INVITE") {
            answer(&mut world, "carrier", &invite, "180 Ringing", "");
        }
        world.seconds(1);
    }
    assert_eq!(world.raw("carrier").all("INVITE").len(), 2, "{}", world.ladder());
    assert!(world.told("user alice@office.localhost has 2 calls out already"), "{:?}", world.notes);
    for name in ["one", "two"] {
        world.hang_up(name);
    }
    world.seconds(1);
    for cancel in unread(&mut world, "CANCEL") {
        answer(&mut world, "carrier", &cancel, "200 OK", "");
    }
    let all: Vec<String> =
        world.raw("carrier").all("INVITE").iter().map(|t| t.to_string()).collect();
    for invite in all {
        answer(&mut world, "carrier", &invite, "487 Request Terminated", "");
    }
    world.end();
    world.dial("one", "500");
    world.millis(100);
    assert_eq!(unread(&mut world, "INVITE").len(), 1, "there is room again");
}

/// The carrier's messages with that beginning that nobody has looked at.
fn unread(world: &mut World, start: &str) -> Vec<String> {
    let mut found = vec![];
    while world.raw("carrier").unread().any(|text| text.starts_with(start)) {
        found.push(world.expect("carrier", start));
    }
    found
}

#[test]
fn one_registers_a_trunk_and_all_know_how_it_fares() {
    let trunk = Trunk {
        registration: Some(Registration {
            user: "12345".to_owned(),
            expires: 600,
            keep_alive: None,
        }),
        ping: Some(Ping { interval: Duration::from_secs(10), down_after: 1, up_after: 1 }),
        ..Trunk::new("isp", "sip:198.51.100.5")
    };
    let mut world = world(2, Office::new().change(|directory| directory.trunks = vec![trunk]));
    world.peer("isp", "198.51.100.5:5060");
    let register = world.expect("isp", "REGISTER");
    answer(&mut world, "isp", &register, "200 OK", "Expires: 600\r\n");
    world.seconds(1);
    let of_all = |world: &World| -> Vec<(bool, bool)> {
        let states = world.all_trunks().into_iter().flatten();
        let registered = |state: &Option<State>| matches!(state, Some(State::Registered { .. }));
        states.map(|state| (state.up, registered(&state.registration))).collect()
    };
    assert_eq!(of_all(&world), [(true, true); SHARDS as usize]);
    assert_eq!(world.raw("isp").all("REGISTER").len(), 1);
    // It answers no OPTIONS.
    assert!(world.until(60, |world| of_all(world) == [(false, true); SHARDS as usize]));
    assert!(world.raw("isp").all("OPTIONS").len() < 40, "one exchange asks");
    while !world.until(1, |world| of_all(world) == [(true, true); SHARDS as usize]) {
        let ping = world.expect_within("isp", "OPTIONS", 30);
        answer(&mut world, "isp", &ping, "200 OK", "");
    }
    world.tell(Input::Drain);
    let leave = world.expect("isp", "REGISTER");
    assert_eq!(header(&leave, "Expires"), "0");
}

#[test]
fn an_exchange_that_is_stuck_does_not_hold_the_calls_of_others() {
    let mut tried = 0;
    for seed in 0..12 {
        let mut world = world(seed, Office::new());
        world.web.page(VOICE, Page::xml(TO_BOB));
        world.phone("bob");
        let home = registrations(&world).iter().position(|count| *count == 1).expect("at home");
        world.phone("alice");
        world.answers_after("bob", 1);
        // Its own calls come to nobody; those of others go on.
        world.scatter = false;
        world.receiver = Some((home + 1) % usize::from(SHARDS));
        world.stuck = Some(home);
        world.dial("alice", "500");
        world.seconds(3);
        if !world.told("does not say where bob@office.localhost is") {
            continue;
        }
        tried += 1;
        assert_eq!(world.rings("bob"), 0);
        assert!(world.until(5, |world| world.calls() == 0), "{}", world.ladder());
        let done = world.rows.statuses();
        assert_eq!(done.last(), Some(&"failed"), "{done:?}");
    }
    assert!(tried > 3, "{tried}");
}

#[test]
fn who_answers_one_exchanges_challenge_to_another_is_told_to_try_again() {
    let mut elsewhere = 0;
    for seed in 0..6 {
        let mut world = world(seed, Office::new());
        world.peer("raw", "192.0.2.99:5060");
        let who = "sip:carol@office.localhost";
        let home = "sip:office.localhost";
        let (to, rest) = (format!("<{who}>"), Rest { from: who, ..Rest::default() });
        let rest = Rest { to: &to, ..rest };
        let request = world.request("raw", "REGISTER", home, "r", &rest);
        world.say("raw", &request);
        let nonce = parameter(&world.expect("raw", "SIP/2.0 401"), "nonce");
        for user in ["alice", "bob", "dave"] {
            let uri = format!("sip:{user}@office.localhost");
            let password = "Secret-of-carol-1";
            let login =
                digest("office.localhost", &nonce, "carol", password, "MESSAGE", &uri, user);
            let headers = format!("Authorization: {login}\r\n");
            let rest = Rest { headers: &headers, ..rest };
            let request = world.request("raw", "MESSAGE", &uri, user, &rest);
            world.say("raw", &request);
            let answer = world.expect("raw", "SIP/2.0 ");
            if !answer.starts_with("SIP/2.0 480") {
                assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
                assert!(answer.contains("stale=true"), "{answer}");
                elsewhere += 1;
            }
        }
    }
    assert!(elsewhere > 6, "{elsewhere} of 18");
}

#[test]
fn a_lamp_whose_end_was_lost_between_exchanges_goes_out() {
    let mut tried = 0;
    for seed in 0..12 {
        let mut world = world(
            seed,
            Office::new().change(|directory| {
                directory.domains.values_mut().for_each(|domain| domain.watching = Watching::Lamps);
            }),
        );
        world.web.page(VOICE, Page::xml(TO_BOB));
        world.phone("bob");
        let home = registrations(&world).iter().position(|count| *count == 1);
        world.phone("alice");
        world.peer("raw", "192.0.2.99:5060");
        events::subscribe(&mut world, "raw", "bob", "dialog");
        events::notified(&mut world, "raw");
        world.answers_after("bob", 1);
        world.dial("alice", "500");
        assert_eq!(events::states(&events::notified(&mut world, "raw")), ["early"]);
        assert_eq!(events::states(&events::notified(&mut world, "raw")), ["confirmed"]);
        let call = world.figures().iter().position(|figures| figures.calls == 1);
        if call == home {
            continue;
        }
        tried += 1;
        let told = world.raw("raw").all("NOTIFY").len();
        world.seconds(250);
        assert_eq!(world.raw("raw").all("NOTIFY").len(), told, "it burns as long as they talk");
        (world.receiver, world.scatter, world.apart) = (call, false, true);
        world.hang_up("alice");
        world.seconds(3);
        assert_eq!(world.calls(), 0, "{}", world.ladder());
        (world.receiver, world.scatter, world.apart) = (None, true, false);
        assert_eq!(world.raw("raw").all("NOTIFY").len(), told, "nobody said so");
        let over = world.expect_within("raw", "NOTIFY", 100);
        assert_eq!(events::states(&over), ["terminated"]);
    }
    assert!(tried > 3, "{tried}");
}

/// Plays scenarios with three exchanges, as often as it takes for everybody to live everywhere.
fn wherever(scenarios: &[fn()]) {
    for salt in 0..8 {
        for scenario in scenarios {
            World::among(SHARDS, salt, scenario);
        }
    }
}

#[test]
fn lamps_presence_and_messages_know_no_homes() {
    wherever(&[
        events::a_lamp_follows_a_call_from_ringing_to_its_end,
        events::a_lamp_follows_a_call_to_a_name_that_hides_its_user,
        events::colleagues_see_with_whom_one_talks_where_the_domain_says_so,
        events::presence_follows_phones_and_calls_and_what_is_published,
        events::a_phone_that_publishes_twice_at_once_can_take_both_back,
        events::no_message_waits_and_nobody_else_is_told_even_that,
        events::a_user_sees_where_it_is_registered_and_others_do_not,
        messages::a_message_reaches_both_phones_and_the_first_answers_for_them,
        messages::a_gruu_is_written_to_and_watched_like_it_is_called,
        events::endings::after_a_restart_phones_learn_that_they_must_subscribe_anew,
        events::endings::what_a_new_directory_forbids_ends,
    ]);
}

#[test]
fn registrations_are_restored_to_new_homes() {
    wherever(&[
        register::registrations_outlive_a_server_that_is_killed,
        register::a_phone_that_refreshes_is_never_lost_by_a_restart,
        register::a_gruu_rings_one_device_also_after_a_restart,
    ]);
}

#[test]
fn calls_are_joined_picked_up_and_taken_over_wherever_they_are() {
    wherever(&[
        transfer::two_calls_of_one_phone_become_one,
        transfer::a_call_that_is_not_here_cannot_be_joined,
        transfer::a_phone_takes_a_call_over_from_another_of_its_domain,
        transfer::a_ringing_call_is_picked_up_by_another_phone,
        transfer::a_ringing_call_is_not_taken_from_its_caller,
        rights::a_trunks_far_end_stays_a_stranger_in_a_phones_call,
    ]);
}

#[test]
fn a_signature_is_good_for_one_call_of_all_exchanges() {
    wherever(&[identity::a_token_that_comes_back_with_another_call_is_a_replay]);
}

#[test]
fn a_restart_gives_each_user_to_one_exchange() {
    let mut world = world(3, Office::new());
    for user in ["alice", "bob", "carol", "dave"] {
        world.phone(user);
    }
    for _ in 0..4 {
        assert_eq!(world.restart(), 4);
        assert_eq!(registrations(&world).iter().sum::<usize>(), 4);
    }
    world.web.page(VOICE, Page::xml(TO_BOB));
    world.answers_after("bob", 1);
    world.dial("alice", "500");
    world.seconds(3);
    assert!(world.talk_together("alice", "bob"), "{}", world.ladder());
    world.hang_up("alice");
    world.end();
}

#[test]
fn a_subscription_that_names_nobody_is_to_its_watcher() {
    for seed in 0..8 {
        let mut world = world(seed, Office::new());
        world.peer("raw", "192.0.2.99:5060");
        let (uri, who) = ("sip:office.localhost", "sip:carol@office.localhost");
        let to = format!("<{uri}>");
        let event = "Event: message-summary\r\nExpires: 600\r\n";
        let rest = Rest { from: who, to: &to, headers: event, ..Rest::default() };
        let request = world.request("raw", "SUBSCRIBE", uri, "own", &rest);
        world.say("raw", &request);
        let nonce = parameter(&world.expect("raw", "SIP/2.0 401"), "nonce");
        let password = "Secret-of-carol-1";
        let login = digest("office.localhost", &nonce, "carol", password, "SUBSCRIBE", uri, "c");
        let headers = format!("{event}Authorization: {login}\r\n");
        let rest = Rest { cseq: 2, headers: &headers, ..rest };
        let request = world.request("raw", "SUBSCRIBE", uri, "own", &rest);
        world.say("raw", &request);
        world.expect("raw", "SIP/2.0 200");
        world.expect("raw", "NOTIFY");
        // Where her registrations are.
        world.phone("carol");
        let homes = registrations(&world);
        assert_eq!(world.subscriptions_of_each(), homes, "seed {seed}");
    }
}

#[test]
fn a_cancel_finds_the_invite_that_takes_anothers_place() {
    for salt in 0..8 {
        World::among(SHARDS, salt, || {
            let (mut world, alices) = transfer::alice_talks_with_bob(8);
            let ok = transfer::picks_up(&mut world, &alices, "b9");
            assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
            let to = "<sip:500@office.localhost>";
            let from = "sip:bob@office.localhost";
            let rest = Rest { from, to, cseq: 2, branch: "b9-INVITE-2", ..Rest::default() };
            let cancel = world.request("raw", "CANCEL", "sip:500@office.localhost", "b9", &rest);
            world.say("raw", &cancel);
            world.millis(100);
            let answers = world.raw("raw").all("SIP/2.0 ");
            let last = answers.into_iter().rfind(|text| header(text, "CSeq") == "2 CANCEL");
            // Too late, but it is known (RFC 3261 section 9.2).
            assert!(last.is_some_and(|text| text.starts_with("SIP/2.0 200")), "{last:?}");
        });
    }
}
