//! Callers who leave: in every verb, before the answer, without a word.

use offhook::leg::Cause;

use crate::world::{NUMBER, Page, Pickup, VOICE, World};
use crate::{called, sounding};

/// The caller hangs up three seconds into that document.
fn leaves_in(body: &str) -> World {
    let mut world = World::new(1);
    world.phone("bob");
    crate::begin(&mut world, body);
    world.seconds(3);
    assert!(world.answered("carrier"));
    world.hang_up("carrier");
    world.seconds(1);
    assert_eq!(world.calls(), 0);
    world.end();
    assert_eq!(world.rows.leg(0).reason, "the party hung up");
    assert_eq!(world.rows.statuses()[0], "completed");
    world
}

#[test]
fn in_say() {
    let mut world = leaves_in("<Say loop='0'>Please hold</Say><Say>Never said</Say>");
    assert_eq!(world.heard("carrier"), ["Please hold"]);
}

#[test]
fn in_play() {
    let mut world = leaves_in("<Play loop='9'>/tune.wav</Play><Redirect>/never</Redirect>");
    assert_eq!(world.heard("carrier"), ["https://app.example/tune.wav"]);
    assert_eq!(world.web.asked.len(), 1);
}

#[test]
fn in_pause() {
    let world = leaves_in("<Say>Hi</Say><Pause length='60'/><Redirect>/never</Redirect>");
    assert_eq!(world.web.asked.len(), 1);
}

#[test]
fn in_gather() {
    let world = leaves_in("<Gather timeout='60' action='/never'><Say>Press</Say></Gather>");
    assert_eq!(world.web.asked.len(), 1);
}

#[test]
fn in_record_and_the_action_hears_of_it() {
    let world = leaves_in("<Record playBeep='false' action='/recorded'/>");
    let url = "https://app.example/recorded";
    assert_eq!(world.web.parameter(url, "Digits"), ["hangup"]);
    assert_eq!(world.web.parameter(url, "RecordingDuration"), ["3"]);
    assert_eq!(world.web.parameter(url, "CallStatus"), ["completed"]);
    assert_eq!(world.rows.recording(0).status.as_str(), "completed");
}

#[test]
fn in_dial_while_it_rings() {
    let world = leaves_in("<Dial action='/dialled'><Sip>sip:bob@office.localhost</Sip></Dial>");
    assert_eq!(world.rows.statuses(), ["completed", "canceled"]);
    assert!(world.ended("bob").is_some_and(|(cause, _)| cause == Cause::Cancelled));
    let url = "https://app.example/dialled";
    assert_eq!(world.web.parameter(url, "DialCallStatus"), ["canceled"]);
}

#[test]
fn in_dial_while_they_talk() {
    let mut world = World::new(2);
    world.phone("bob");
    world.answers_after("bob", 1);
    crate::begin(&mut world, "<Dial action='/dialled'><Sip>sip:bob@office.localhost</Sip></Dial>");
    world.seconds(6);
    assert!(world.talk_together("carrier", "bob"));
    world.hang_up("carrier");
    world.end();
    assert_eq!(world.ended("bob"), Some((Cause::Hangup, None)));
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
    let url = "https://app.example/dialled";
    assert_eq!(world.web.parameter(url, "DialCallStatus"), ["completed"]);
    assert_eq!(world.web.parameter(url, "DialBridged"), ["true"]);
    assert_eq!(world.web.parameter(url, "DialCallDuration"), ["5"]);
}

#[test]
fn before_the_document_came() {
    let mut world = World::new(3);
    let late = Page::Late(std::time::Duration::from_secs(8), Box::new(Page::xml("<Say>Hi</Say>")));
    world.web.page(VOICE, late);
    world.carrier();
    world.dial("carrier", NUMBER);
    world.seconds(2);
    world.hang_up("carrier");
    world.end();
    assert_eq!(world.rows.statuses(), ["canceled"]);
    assert_eq!(world.rows.leg(0).reason, "the caller gave up before the answer");
    assert!(world.heard("carrier").is_empty());
}

#[test]
fn before_a_dial_with_answer_on_bridge_is_answered() {
    let mut world = World::new(4);
    world.phone("bob");
    let body = "<Dial answerOnBridge='true'><Sip>sip:bob@office.localhost</Sip></Dial>";
    crate::begin(&mut world, body);
    world.seconds(3);
    assert_eq!(world.rings("bob"), 1);
    world.hang_up("carrier");
    world.end();
    assert_eq!(world.rows.statuses(), ["canceled", "canceled"]);
    assert!(world.ended("bob").is_some_and(|(cause, _)| cause == Cause::Cancelled));
}

#[test]
fn without_a_word() {
    let body = "<Say>Hi</Say><Pause length='600'/>";
    for mut world in [called(body), sounding(body)] {
        world.seconds(3);
        assert!(world.answered("carrier"));
        world.unplug("carrier");
        assert!(
            world.until(70, |world| world.calls() == 0 || !world.rows.leg(0).reason.is_empty())
        );
        world.end();
        assert_eq!(world.rows.statuses(), ["completed"]);
        assert_eq!(world.rows.leg(0).reason, "the party was lost");
    }
}

#[test]
fn without_a_word_while_they_talk_frees_the_other() {
    let mut world = World::new(5);
    world.phone("bob");
    world.pickup("bob", Pickup::After(std::time::Duration::from_secs(1)));
    crate::begin(&mut world, "<Dial><Sip>sip:bob@office.localhost</Sip></Dial>");
    world.seconds(5);
    world.unplug("carrier");
    world.seconds(70);
    assert_eq!(world.ended("bob"), Some((Cause::Hangup, None)));
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}
