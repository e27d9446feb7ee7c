//! Recordings: every ending, what is in them, and who is told.

use offhook::audio::goertzel::power_at;

use crate::world::rows::value;
use crate::world::{Page, World};
use crate::{called, sounding};

const DONE: &str = "https://app.example/done";

fn record(attributes: &str) -> World {
    let mut world =
        called(&format!("<Record action='/done' {attributes}/><Say>Nothing was heard</Say>"));
    world.web.page(DONE, Page::xml("<Say>Thanks</Say>"));
    world
}

#[test]
fn silence_ends_it() {
    let mut world = record("timeout='3'");
    world.seconds(5);
    world.talk("carrier", false);
    world.end();
    assert_eq!(world.heard("carrier"), ["[beep]", "Thanks"]);
    assert_eq!(world.web.parameter(DONE, "Digits"), [""]);
    let length: u64 = world.web.parameter(DONE, "RecordingDuration")[0].parse().expect("seconds");
    assert!((7..=8).contains(&length), "{length}");
}

#[test]
fn a_key_ends_it() {
    let mut world = record("finishOnKey='#'");
    world.seconds(4);
    world.press("carrier", "1#");
    world.end();
    assert_eq!(world.web.parameter(DONE, "Digits"), ["#"]);
    assert_eq!(world.rows.recording(0).status.as_str(), "completed");
}

#[test]
fn its_longest_length_ends_it() {
    for sound in [false, true] {
        let body = "<Record action='/done' maxLength='6'/>";
        let mut world = if sound { sounding(body) } else { called(body) };
        world.web.page(DONE, Page::xml("<Say>Thanks</Say>"));
        world.end();
        assert_eq!(world.web.parameter(DONE, "RecordingDuration"), ["6"]);
        assert_eq!(world.heard("carrier"), ["[beep]", "Thanks"]);
    }
}

#[test]
fn nothing_heard_goes_on_with_the_document() {
    let mut world = record("timeout='2'");
    world.talk("carrier", false);
    world.end();
    assert_eq!(world.heard("carrier"), ["[beep]", "Nothing was heard"]);
    assert_eq!(world.rows.recording(0).status.as_str(), "absent");
    assert!(world.noted(16102));
}

#[test]
fn the_caller_is_in_it_and_the_beep_is_not() {
    let mut world = sounding("<Record action='/done' maxLength='4'/>");
    world.web.page(DONE, Page::xml("<Hangup/>"));
    world.end();
    let own = world.media.planes().recording();
    let recorded = own.recordings.values().next().expect("a recording");
    let middle = &recorded.samples[8_000..24_000];
    assert_eq!((recorded.channels, recorded.samples.len()), (1, 32_000));
    assert!(power_at(middle, world.handset("carrier").hz) > 1_000_000.0);
    assert!(power_at(middle, 1_000.0) < 10_000.0);
}

#[test]
fn silence_is_told_from_sound_by_ear() {
    let mut world = sounding("<Record action='/done' timeout='2'/>");
    world.web.page(DONE, Page::xml("<Hangup/>"));
    world.seconds(5);
    assert!(world.web.parameter(DONE, "RecordingDuration").is_empty());
    // Comfort noise in the place of a pause: packets with silence in them.
    world.quiet("carrier");
    assert!(world.until(4, |world| world.web.asked.len() == 2));
    world.end();
    assert_eq!(world.rows.recording(0).status.as_str(), "completed");
}

#[test]
fn its_callback_tells_of_every_event_asked_for() {
    let mut world = record(
        "maxLength='3' recordingStatusCallback='/told' recordingStatusCallbackEvent='in-progress completed'",
    );
    world.end();
    let url = "https://app.example/told";
    assert_eq!(world.rows.reported(url, "RecordingStatus"), ["in-progress", "completed"]);
    assert_eq!(world.rows.reported(url, "RecordingSource"), ["RecordVerb", "RecordVerb"]);
    let (_, callback) = &world.rows.callbacks[1];
    assert_eq!(value(&callback.parameters, "RecordingDuration"), "3");
    assert_eq!(value(&callback.parameters, "CallSid"), world.rows.leg(0).sid.to_string());
    let link = value(&callback.parameters, "RecordingUrl");
    assert!(link.ends_with(&world.rows.recording(0).sid.to_string()), "{link}");
}

#[test]
fn both_ends_of_a_dial_have_a_channel_each() {
    let mut world = World::sounding(5);
    world.phone("bob");
    world.answers_after("bob", 1);
    let body = "<Dial record='record-from-answer-dual' recordingStatusCallback='/told'>\
                <Sip>sip:bob@office.localhost</Sip></Dial>";
    crate::begin(&mut world, body);
    world.seconds(6);
    assert!(world.talk_together("carrier", "bob"));
    world.hang_up("bob");
    world.end();
    let own = world.media.planes().recording();
    let recorded = own.recordings.values().next().expect("a recording");
    assert_eq!(recorded.channels, 2);
    let (carrier, bob) = (world.handset("carrier").hz, world.handset("bob").hz);
    for (channel, own, other) in [(0, carrier, bob), (1, bob, carrier)] {
        let samples = recorded.channel(channel);
        let middle = &samples[8_000..24_000];
        assert!(power_at(middle, own) > 1_000_000.0, "channel {channel}");
        assert!(power_at(middle, other) < 10_000.0, "channel {channel}");
    }
    let told = "https://app.example/told";
    assert_eq!(world.rows.reported(told, "RecordingChannels"), ["2"]);
    assert_eq!(world.rows.reported(told, "RecordingSource"), ["DialVerb"]);
}
