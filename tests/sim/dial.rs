//! Calls that call others: who rings, who is joined, what the caller hears, what is reported.

use std::time::Duration;

use offhook::leg::{Cause, Refusal};

use crate::world::rows::value;
use crate::world::{NUMBER, Page, Pickup, VOICE, World};

const DIALLED: &str = "https://app.example/dialled";
const BOB: &str = "<Sip>sip:bob@office.localhost</Sip>";

/// Alice calls a document that dials; `prepare` says who is there.
fn dialled(seed: u64, sound: bool, body: &str, prepare: impl FnOnce(&mut World)) -> World {
    let mut world = if sound { World::sounding(seed) } else { World::new(seed) };
    world.web.page(VOICE, Page::xml(body));
    world.web.page(DIALLED, Page::xml("<Say>What now</Say>"));
    world.phone("alice");
    prepare(&mut world);
    world.dial("alice", "500");
    world
}

fn outcome(world: &World, name: &str) -> String {
    world.web.parameter(DIALLED, name).concat()
}

#[test]
fn two_phones_talk_and_the_called_one_ends_it() {
    for sound in [false, true] {
        let body = format!("<Dial action='/dialled'>{BOB}</Dial>");
        let mut world = dialled(1, sound, &body, |world| {
            world.phone("bob");
            world.answers_after("bob", 2);
        });
        world.millis(1_500);
        assert!(!world.talk_together("alice", "bob"));
        world.seconds(5);
        assert!(world.talk_together("alice", "bob"));
        world.hang_up("bob");
        world.end();
        assert_eq!(world.heard("alice").last().map(String::as_str), Some("What now"));
        assert_eq!(outcome(&world, "DialCallStatus"), "completed");
        assert_eq!(outcome(&world, "DialSipResponseCode"), "200");
        assert_eq!(outcome(&world, "DialCallSid"), world.rows.leg(1).sid.to_string());
        assert_eq!(world.rows.leg(1).parent, Some(world.rows.leg(0).sid));
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
    }
}

#[test]
fn a_waiting_caller_hears_it_ring() {
    let body = format!("<Dial ringTone='de'>{BOB}</Dial>");
    let mut world = dialled(2, false, &body, |world| {
        world.phone("bob");
        world.answers_after("bob", 8);
    });
    world.seconds(12);
    assert_eq!(world.heard("alice"), ["[ringing de]"]);
    assert!(world.talk_together("alice", "bob"));
    world.hang_up("alice");
    world.end();
}

#[test]
fn nobody_answers() {
    let body = format!("<Dial timeout='7' action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(3, false, &body, |world| world.phone("bob"));
    world.seconds(6);
    assert_eq!(world.ended("bob"), None);
    world.end();
    assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Cancelled));
    assert_eq!(outcome(&world, "DialCallStatus"), "no-answer");
    assert_eq!(outcome(&world, "DialBridged"), "false");
    assert_eq!(world.rows.statuses(), ["completed", "no-answer"]);
}

#[test]
fn an_answer_that_crosses_our_cancel_joins_nobody() {
    let body = format!("<Dial timeout='5' action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(4, false, &body, |world| {
        world.phone("bob");
        world.network.usual.delay = Duration::from_millis(50);
        // The INVITE takes 50 ms; five seconds later the CANCEL is on its way for 50 ms.
        world.pickup("bob", Pickup::After(Duration::from_millis(4_990)));
    });
    world.seconds(8);
    assert!(!world.talk_together("alice", "bob"));
    world.end();
    assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Hangup));
    assert_eq!(outcome(&world, "DialCallStatus"), "no-answer");
    assert_eq!(world.rows.statuses(), ["completed", "no-answer"]);
}

#[test]
fn refusals_have_their_words() {
    let cases = [
        (Refusal::Busy, "busy", "486"),
        (Refusal::Declined, "no-answer", "603"),
        (Refusal::Rejected, "failed", "404"),
        (Refusal::Failed, "failed", "500"),
    ];
    for (refusal, status, code) in cases {
        let body = format!("<Dial action='/dialled'>{BOB}</Dial>");
        let mut world = dialled(5, false, &body, |world| {
            world.phone("bob");
            world.pickup("bob", Pickup::Refuse(refusal));
        });
        world.end();
        assert_eq!(outcome(&world, "DialCallStatus"), status, "{refusal:?}");
        assert_eq!(outcome(&world, "DialSipResponseCode"), code);
        assert_eq!(world.rows.statuses(), ["completed", status]);
    }
}

#[test]
fn all_phones_of_a_user_ring_and_one_answers() {
    let body = format!("<Dial action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(6, false, &body, |world| {
        for name in ["bob", "bob-2", "bob-3"] {
            world.phone_of(name, "bob", "Secret-of-bob-1");
            world.register(name);
            world.seconds(1);
            assert!(world.is_registered(name));
        }
        world.answers_after("bob-2", 2);
        world.pickup("bob-3", Pickup::Refuse(Refusal::Busy));
    });
    world.seconds(5);
    assert!(world.talk_together("alice", "bob-2"));
    let rings = ["bob", "bob-2", "bob-3"].map(|name| world.rings(name));
    assert_eq!(rings, [1, 1, 1]);
    assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Cancelled));
    world.hang_up("alice");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

#[test]
fn two_phones_that_answer_at_once_leave_one() {
    let body = format!("<Dial>{BOB}</Dial>");
    let mut world = dialled(7, false, &body, |world| {
        for name in ["bob", "bob-2"] {
            world.phone_of(name, "bob", "Secret-of-bob-1");
            world.register(name);
            world.answers_after(name, 2);
        }
        world.seconds(1);
    });
    world.seconds(5);
    let talking = ["bob", "bob-2"].map(|name| world.talk_together("alice", name));
    assert_eq!(talking.iter().filter(|talks| **talks).count(), 1);
    let loser = if talking[0] { "bob-2" } else { "bob" };
    assert_eq!(world.ended(loser).map(|(cause, _)| cause), Some(Cause::Hangup));
    world.hang_up("alice");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

#[test]
fn several_targets_ring_together_and_the_first_has_it() {
    let body = format!("<Dial action='/dialled'>{BOB}<Sip>sip:carol@office.localhost</Sip></Dial>");
    let mut world = dialled(8, false, &body, |world| {
        world.phone("bob");
        world.phone("carol");
        world.answers_after("carol", 3);
    });
    world.seconds(6);
    assert!(world.talk_together("alice", "carol"));
    assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Cancelled));
    world.hang_up("carol");
    world.end();
    assert_eq!(outcome(&world, "DialCallStatus"), "completed");
    assert_eq!(world.rows.statuses(), ["completed", "canceled", "completed"]);
}

#[test]
fn one_after_another_each_has_its_time() {
    let body = format!(
        "<Dial sequential='true' timeout='5' action='/dialled'>{BOB}\
         <Sip>sip:carol@office.localhost</Sip><Sip>sip:dave@office.localhost</Sip></Dial>"
    );
    let mut world = dialled(9, false, &body, |world| {
        world.phone("bob");
        world.phone("carol");
        world.phone("dave");
        world.pickup("carol", Pickup::Refuse(Refusal::Busy));
        world.answers_after("dave", 2);
    });
    world.seconds(4);
    assert_eq!(["bob", "carol", "dave"].map(|name| world.rings(name)), [1, 0, 0]);
    world.seconds(6);
    assert!(world.talk_together("alice", "dave"));
    world.hang_up("dave");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "no-answer", "busy", "completed"]);
    assert_eq!(outcome(&world, "DialCallStatus"), "completed");
}

#[test]
fn a_user_without_a_phone_cannot_be_reached() {
    let body = format!("<Dial action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(10, false, &body, |_| {});
    world.end();
    assert_eq!(outcome(&world, "DialCallStatus"), "no-answer");
    assert_eq!(outcome(&world, "DialSipResponseCode"), "480");
}

#[test]
fn the_caller_is_answered_only_when_joined() {
    let body = format!("<Dial answerOnBridge='true' action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(11, false, &body, |world| {
        world.phone("bob");
        world.answers_after("bob", 6);
    });
    world.seconds(5);
    assert!(!world.answered("alice"));
    world.seconds(3);
    assert!(world.answered("alice") && world.talk_together("alice", "bob"));
    assert!(world.heard("alice").is_empty());
    world.hang_up("alice");
    world.end();
}

#[test]
fn a_star_ends_the_dial_and_not_the_call() {
    for sound in [false, true] {
        let body = format!("<Dial hangupOnStar='true' action='/dialled'>{BOB}</Dial>");
        let mut world = dialled(12, sound, &body, |world| {
            world.phone("bob");
            world.answers_after("bob", 1);
        });
        world.seconds(4);
        world.press("alice", "1*");
        world.end();
        assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Hangup));
        assert_eq!(outcome(&world, "DialCallStatus"), "completed");
        assert_eq!(world.heard("alice").last().map(String::as_str), Some("What now"));
    }
}

#[test]
fn their_time_is_limited() {
    let body = format!("<Dial timeLimit='10' action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(13, false, &body, |world| {
        world.phone("bob");
        world.answers_after("bob", 1);
    });
    world.seconds(10);
    assert!(world.talk_together("alice", "bob"));
    world.end();
    assert_eq!(outcome(&world, "DialCallDuration"), "10");
    assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Hangup));
}

#[test]
fn keys_reach_the_other_side() {
    for sound in [false, true] {
        let body = format!("<Dial>{BOB}</Dial>");
        let mut world = dialled(14, sound, &body, |world| {
            world.phone("bob");
            world.answers_after("bob", 1);
        });
        world.seconds(4);
        world.press("alice", "42#");
        world.press("bob", "7");
        world.seconds(3);
        assert_eq!((world.keys("bob").as_str(), world.keys("alice").as_str()), ("42#", "7"));
        world.hang_up("alice");
        world.end();
    }
}

#[test]
fn digits_are_sent_before_they_are_joined() {
    let body = "<Dial><Number sendDigits='w12'>+14155551212</Number></Dial>";
    let mut world = World::new(15);
    world.web.page(VOICE, Page::xml(body));
    world.carrier();
    world.answers_after("carrier", 1);
    world.stranger("caller", "+14155550101", "198.51.100.2:5060");
    let directory =
        crate::world::Office::new().trunk("second", "198.51.100.2:5060", &["+9"], None).build();
    world.tell(offhook::exchange::Input::Directory(directory.into()));
    world.dial("caller", NUMBER);
    world.seconds(6);
    assert_eq!(world.keys("carrier"), "12");
    assert!(world.talk_together("caller", "carrier"));
    assert_eq!(world.keys("caller"), "");
    world.hang_up("carrier");
    world.end();
}

#[test]
fn a_screened_call_needs_a_yes() {
    let screen = "https://app.example/screen";
    let body = "<Dial action='/dialled'><Sip url='/screen'>sip:bob@office.localhost</Sip></Dial>";
    for accepts in [true, false] {
        let mut world = dialled(16, false, body, |world| {
            let verb = "<Gather numDigits='1' timeout='4' action='/yes'><Say>Take it</Say></Gather><Hangup/>";
            world.web.page(screen, Page::xml(verb));
            world.web.page("https://app.example/yes", Page::xml(""));
            world.phone("bob");
            world.answers_after("bob", 1);
        });
        world.seconds(3);
        assert!(!world.hears("alice", "bob"), "not joined before the yes");
        if accepts {
            world.press("bob", "1");
        }
        world.seconds(7);
        assert_eq!(world.heard("bob"), ["Take it"]);
        assert_eq!(world.talk_together("alice", "bob"), accepts);
        assert_eq!(
            world.web.parameter(screen, "ParentCallSid"),
            [world.rows.leg(0).sid.to_string()]
        );
        if accepts {
            world.hang_up("alice");
        }
        world.end();
        assert_eq!(outcome(&world, "DialBridged"), accepts.to_string());
    }
}

#[test]
fn a_called_phone_that_vanishes_frees_the_caller() {
    let body = format!("<Dial action='/dialled'>{BOB}</Dial>");
    let mut world = dialled(17, false, &body, |world| {
        world.phone("bob");
        world.answers_after("bob", 1);
    });
    world.seconds(4);
    world.unplug("bob");
    world.seconds(70);
    world.end();
    assert_eq!(outcome(&world, "DialCallStatus"), "completed");
    assert_eq!(world.heard("alice").last().map(String::as_str), Some("What now"));
}

#[test]
fn the_status_of_a_called_phone_is_reported_step_by_step() {
    let body = "<Dial><Sip statusCallback='/status' \
                statusCallbackEvent='initiated ringing answered completed'>\
                sip:bob@office.localhost</Sip></Dial>";
    let mut world = dialled(18, false, body, |world| {
        world.phone("bob");
        world.answers_after("bob", 2);
    });
    world.seconds(9);
    world.hang_up("bob");
    world.end();
    let url = "https://app.example/status";
    let statuses = ["initiated", "ringing", "in-progress", "completed"];
    assert_eq!(world.rows.reported(url, "CallStatus"), statuses);
    assert_eq!(world.rows.reported(url, "SequenceNumber"), ["0", "1", "2", "3"]);
    let (_, last) = world.rows.callbacks.last().expect("reports");
    let of = |name: &str| value(&last.parameters, name);
    assert_eq!(of("ParentCallSid"), world.rows.leg(0).sid.to_string());
    assert_eq!(of("CallSid"), world.rows.leg(1).sid.to_string());
    assert_eq!(of("Direction"), "outbound-dial");
    assert_eq!(of("To"), "sip:bob@office.localhost");
    assert_eq!((of("CallDuration").as_str(), of("Duration").as_str()), ("7", "1"));
    assert_eq!(of("CallbackSource"), "call-progress-events");
    assert!(of("Timestamp").ends_with("+0000"));
}

#[test]
fn a_caller_of_ours_is_described_to_the_handler() {
    let body = format!("<Dial>{BOB}</Dial>");
    let mut world = dialled(19, false, &body, |_| {});
    world.end();
    let of = |name: &str| world.web.parameter(VOICE, name).concat();
    assert_eq!(of("From"), "sip:alice@office.localhost");
    assert_eq!(of("To"), "sip:500@office.localhost");
    assert_eq!(of("SipDomain"), "office.localhost");
    assert_eq!(of("SipUsername"), "alice");
    assert_eq!(of("SipSourceIp"), world.ip("alice").to_string());
    assert_eq!(of("Direction"), "inbound");
    assert!(of("SipCallId").len() > 5);
}
