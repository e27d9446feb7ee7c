//! Calls changed and placed from outside.

use super::stage::*;
use crate::base::Rng;
use crate::call::{Call, Changed, Status};
use crate::leg::{Cause, Event, RecordingEnd};

const NEW: &str = "<Response><Say>New</Say></Response>";

fn denied(result: Result<Changed, crate::call::Denied>) -> u32 {
    result.expect_err("denied").code
}

#[test]
fn whatever_verb_runs_another_document_takes_over_at_once() {
    let bodies = [
        "<Response><Say>One</Say><Say>Two</Say></Response>",
        "<Response><Play loop='0'>/assets/a.wav</Play></Response>",
        "<Response><Gather timeout='60' action='/g'><Say>Press</Say></Gather></Response>",
        "<Response><Pause length='60'/><Say>Two</Say></Response>",
        "<Response><Record action='/r'/><Say>Two</Say></Response>",
        "<Response><Dial action='/d'>415-555-1212</Dial><Say>Two</Say></Response>",
        "<Response><Refer action='/f'><Sip>sip:a@b</Sip></Refer></Response>",
        "<Response><Redirect>/never</Redirect></Response>",
    ];
    for body in bodies {
        let mut stage = Opening::phone("<Response><Redirect>/x</Redirect></Response>")
            .web("https://app.example/x", Ok(body))
            .start();
        stage.stuck = true;
        // The first verb answers in most of them; the others are unanswered calls, which may, too.
        stage.event(CALLER, Event::Ringing);
        stage.happened();
        let Ok(Changed::Done(row)) = stage.change(CALLER, &[("Twiml", NEW)]) else {
            panic!("{body}")
        };
        assert_eq!(row.sid, stage.caller_row().sid);
        let said = stage.happened();
        let hears = said.iter().rposition(|line| line == "caller: hears \"New\"");
        let silence = said.iter().rposition(|line| line == "caller: silence");
        assert!(hears > silence, "{body}: {said:?}");
        stage.press("12#");
        stage.seconds(70);
        let later = stage.happened();
        assert!(!later.iter().any(|line| line.contains("hears")), "{body}: {later:?}");
        assert!(stage.done, "{body}: the new document is all that is left; {later:?}");
        assert!(stage.fetches.iter().all(|fetch| fetch.url.len() < 28), "no action is asked for");
    }
}

#[test]
fn a_document_under_way_is_not_waited_for_any_more() {
    let mut stage =
        Opening::phone("<Response><Say>Wait</Say><Redirect>/slow</Redirect></Response>").start();
    stage.stuck = true;
    stage.seconds(2);
    assert_eq!(stage.fetches.last().expect("asked").url, "https://app.example/slow");
    stage.change(CALLER, &[("Url", "/functions/new"), ("Method", "GET")]).expect("changed");
    let asked = stage.fetches.last().expect("asked").clone();
    assert_eq!((asked.url.as_str(), asked.method.as_str()), ("function:new", "GET"));
    assert_eq!(parameter(&asked.parameters, "CallStatus"), Some("in-progress"));
    // The first request's patience is over: nothing comes of it.
    stage.seconds(29);
    assert!(!stage.noted(11203));
    stage.change(CALLER, &[("Twiml", NEW)]).expect("again");
    assert!(stage.has("caller: hears \"New\""));
}

#[test]
fn who_was_dialled_is_hung_up_and_no_action_hears_of_it() {
    let body = "<Response><Dial record='record-from-answer' action='/after' timeout='30'>\
                <Number>415-555-1212</Number><Number>415-555-1313</Number></Dial></Response>";
    for talks in [false, true] {
        let mut stage = Opening::phone(body).start();
        stage.event(target(0), Event::Ringing);
        if talks {
            stage.answer(target(0));
        }
        stage.happened();
        stage.change(CALLER, &[("Twiml", NEW)]).expect("changed");
        let said = stage.happened();
        assert!(said.contains(&"t0: hangup".to_owned()), "{said:?}");
        assert_eq!(said.contains(&"t1: hangup".to_owned()), !talks, "the other left before");
        let parted = said.iter().position(|line| line == "caller: parted").expect("parted");
        let hears = said.iter().position(|line| line == "caller: hears \"New\"").expect("heard");
        assert!(parted < hears);
        assert_eq!(stage.fetches.len(), 1, "no action");
        let wanted = if talks { Status::Completed } else { Status::Canceled };
        assert!(stage.child_rows().iter().any(|row| row.status == wanted));
        if talks {
            let recording = &stage.recordings[0];
            assert_eq!(recording.status.as_str(), "completed", "what was said is kept");
        }
        stage.seconds(5);
        assert!(stage.done);
    }
}

#[test]
fn the_end_of_an_old_recording_is_nothing_to_a_new_one() {
    let body = "<Response><Record action='/old'/></Response>";
    let mut stage = Opening::phone(body)
        .web("https://app.example/new", Ok("<Response><Say>Thanks</Say></Response>"))
        .start();
    stage.seconds(2);
    let new = "<Response><Record action='https://app.example/new' playBeep='false'/></Response>";
    stage.change(CALLER, &[("Twiml", new)]).expect("changed");
    assert_eq!(stage.fetches.len(), 1, "the first one's action is never asked for");
    assert_eq!(stage.recordings.len(), 2);
    stage.recording_ends(CALLER, RecordingEnd::Silence);
    assert_eq!(stage.fetches.last().expect("asked").url, "https://app.example/new");
    assert!(stage.has("caller: hears \"Thanks\""));
}

#[test]
fn a_dialled_leg_leaves_with_its_sid_and_the_caller_goes_on() {
    let body = "<Response><Dial action='/after'>415-555-1212</Dial></Response>";
    let mut stage = Opening::phone(body)
        .web("https://app.example/after", Ok("<Response><Say>Alone</Say></Response>"))
        .start();
    let leg = target(0);
    assert_eq!(denied(stage.change(leg, &[("Twiml", NEW)])), 21220, "it only rings");
    stage.answer(leg);
    stage.seconds(3);
    let sid = stage.child_rows()[0].sid;
    let Ok(Changed::Leaves(guest, script)) = stage.change(leg, &[("Twiml", NEW)]) else {
        panic!("it leaves")
    };
    assert_eq!(stage.asked("DialCallStatus"), Some("completed"));
    assert_eq!(stage.asked("DialBridged"), Some("true"));
    assert_eq!(stage.asked("DialCallDuration"), None, "it talks on");
    assert!(stage.has("caller: hears \"Alone\""));
    let setup = stage.call.setup_of(&guest, 500);
    assert_eq!((setup.sid, setup.leg), (sid, leg));
    stage.seconds(9);
    assert!(stage.done, "its old call is over");
    assert_eq!(stage.child_rows()[0].status, Status::InProgress, "and it is not");
    stage.done = false;
    let now = stage.now;
    stage.follow(Call::detached(setup, *guest, script, Rng::from_number(9), now));
    assert!(stage.has("t0: hears \"New\""));
    stage.seconds(9);
    assert!(stage.has("t0: hangup") && stage.done);
    assert_eq!((stage.child_rows()[0].sid, stage.child_rows()[0].status), (sid, Status::Completed));
}

#[test]
fn calls_end_when_they_are_told_to_and_only_while_they_last() {
    let dial = "<Response><Dial action='/after'>415-555-1212</Dial></Response>";
    let mut stage = Opening::phone(dial).start();
    stage.answer(target(0));
    assert_eq!(denied(stage.change(CALLER, &[("Status", "canceled")])), 21220, "it talks");
    // The leg that was dialled, alone: the caller's document goes on.
    let Ok(Changed::Done(row)) = stage.change(target(0), &[("Status", "completed")]) else {
        panic!("ended")
    };
    assert_eq!(row.status, Status::Completed);
    assert_eq!(stage.asked("DialCallStatus"), Some("completed"));
    let Ok(Changed::Done(row)) = stage.change(CALLER, &[("Status", "completed")]) else {
        panic!("ended")
    };
    assert_eq!(row.status, Status::Completed);
    assert!(stage.done);
    assert_eq!(stage.caller_row().reason, "ended from outside");
    assert_eq!(denied(stage.change(CALLER, &[("Status", "completed")])), 21220);
    assert_eq!(denied(stage.change(CALLER, &[("Twiml", NEW)])), 21220);
}

#[test]
fn a_change_during_the_hanging_up_comes_too_late() {
    let mut stage = Opening::phone("<Response><Say>Bye</Say></Response>").silent().start();
    stage.seconds(2);
    assert!(stage.has("caller: hangup") && !stage.done);
    for parameters in [[("Twiml", NEW)], [("Url", "bin:x")], [("Status", "completed")]] {
        assert_eq!(denied(stage.change(CALLER, &parameters)), 21220);
    }
}

#[test]
fn of_two_changes_the_second_counts() {
    let mut stage =
        Opening::phone("<Response><Say>Old</Say><Pause length='60'/></Response>").start();
    stage.stuck = true;
    stage.change(CALLER, &[("Url", "https://app.example/one")]).expect("changed");
    stage.change(CALLER, &[("Twiml", NEW)]).expect("changed");
    stage.seconds(40);
    assert!(stage.has("caller: hears \"New\"") && stage.done);
    assert!(!stage.noted(11203), "the first is forgotten");
}

#[test]
fn changes_in_a_loop_have_an_end() {
    let mut stage = Opening::phone("<Response><Pause length='60'/></Response>").start();
    let mut count = 0;
    while stage.change(CALLER, &[("Twiml", "<Response><Pause length='9'/></Response>")]).is_ok() {
        count += 1;
        assert!(count < 2_000);
    }
    assert!(stage.noted(14106) && stage.done, "after {count}");
}

#[test]
fn a_change_may_say_who_is_told_and_how_long_it_lasts() {
    let mut stage =
        Opening::phone("<Response><Say>Hi</Say><Pause length='600'/></Response>").start();
    stage.seconds(10);
    let to = "https://app.example/status";
    stage.change(CALLER, &[("StatusCallback", to), ("TimeLimit", "30")]).expect("changed");
    let owed = stage.caller_row().owed.clone().expect("owed");
    assert_eq!(owed.url, to);
    stage.seconds(19);
    assert!(!stage.done);
    stage.seconds(1);
    assert!(stage.done && stage.noted(32015));
    let report = stage.callbacks.last().expect("told");
    assert_eq!(
        (report.url.as_str(), parameter(&report.parameters, "CallStatus")),
        (to, Some("completed"))
    );
}

const ORDER: &[(&str, &str)] = &[
    ("To", "+14155550100"),
    ("From", "+16505551111"),
    ("Url", "https://app.example/voice"),
    ("StatusCallback", "/functions/status"),
    ("StatusCallbackEvent", "initiated ringing answered completed"),
];

fn reported(stage: &Stage) -> Vec<&str> {
    stage.callbacks.iter().filter_map(|c| parameter(&c.parameters, "CallStatus")).collect()
}

#[test]
fn a_placed_call_asks_for_its_document_once_it_is_answered() {
    let mut stage = Opening::phone("<Response><Say>Hello</Say></Response>").placed(ORDER);
    assert_eq!(stage.happened(), ["caller: dial +14155550100 as +16505551111"]);
    stage.event(CALLER, Event::Ringing);
    stage.seconds(5);
    assert!(stage.fetches.is_empty());
    stage.answer(CALLER);
    assert_eq!(stage.heard(), ["\"Hello\""]);
    for (name, value) in [
        ("Direction", "outbound-api"),
        ("CallStatus", "in-progress"),
        ("From", "+16505551111"),
        ("To", "+14155550100"),
    ] {
        assert_eq!(stage.asked(name), Some(value), "{name}");
    }
    stage.seconds(3);
    assert!(stage.has("caller: hangup") && stage.done);
    assert_eq!(reported(&stage), ["initiated", "ringing", "in-progress", "completed"]);
    assert_eq!(stage.callbacks[0].url, format!("{US}/functions/status"));
    let row = stage.caller_row();
    assert_eq!((row.direction.as_str(), row.status), ("outbound-api", Status::Completed));
}

#[test]
fn digits_are_sent_before_the_document() {
    let order = [ORDER, &[("SendDigits", "ww12#")]].concat();
    let mut stage = Opening::phone("<Response><Say>Hello</Say></Response>").placed(&order);
    stage.answer(CALLER);
    assert!(stage.has("caller: gets digits ww12#") && stage.fetches.is_empty());
    stage.seconds(1);
    assert_eq!(stage.heard(), ["\"Hello\""]);
}

#[test]
fn a_placed_call_that_reaches_nobody_says_so() {
    for (cause, sip, status) in [
        (Cause::Busy, 486, "busy"),
        (Cause::NoAnswer, 480, "no-answer"),
        (Cause::Failed, 503, "failed"),
    ] {
        let mut stage = Opening::phone("<Response/>").placed(ORDER);
        stage.event(CALLER, Event::Ringing);
        stage.end(CALLER, cause, sip);
        assert!(stage.done && stage.fetches.is_empty());
        assert_eq!(reported(&stage), ["initiated", "ringing", status]);
    }
    let mut stage = Opening::phone("<Response/>").placed(&[ORDER, &[("Timeout", "20")]].concat());
    stage.event(CALLER, Event::Ringing);
    stage.seconds(19);
    assert!(!stage.has("caller: hangup"));
    stage.seconds(2);
    assert!(stage.has("caller: hangup") && stage.done);
    assert_eq!(reported(&stage).last(), Some(&"no-answer"));
}

#[test]
fn a_placed_call_may_be_given_up_until_it_is_answered() {
    for status in ["canceled", "completed"] {
        let mut stage = Opening::phone("<Response/>").placed(ORDER);
        stage.event(CALLER, Event::Ringing);
        assert_eq!(denied(stage.change(CALLER, &[("Twiml", NEW)])), 21220, "it only rings");
        let Ok(Changed::Done(row)) = stage.change(CALLER, &[("Status", status)]) else {
            panic!("{status}")
        };
        assert_eq!(row.status, Status::Canceled);
        assert!(stage.done);
        assert_eq!(reported(&stage), ["initiated", "ringing", "canceled"]);
    }
    let mut stage = Opening::phone("<Response><Pause length='9'/></Response>").placed(ORDER);
    stage.answer(CALLER);
    assert_eq!(denied(stage.change(CALLER, &[("Status", "canceled")])), 21220);
}

#[test]
fn an_answer_that_crosses_the_giving_up_starts_nothing() {
    let mut stage = Opening::phone("<Response><Say>Hello</Say></Response>").silent().placed(ORDER);
    stage.change(CALLER, &[("Status", "canceled")]).expect("canceled");
    stage.answer(CALLER);
    assert!(stage.fetches.is_empty() && stage.heard().is_empty());
    stage.end(CALLER, Cause::Local, 0);
    assert_eq!(stage.caller_row().status, Status::Canceled);
}

#[test]
fn a_placed_call_shows_no_number_that_it_reached() {
    let dial = |body: &'static str| {
        let mut stage = Opening::phone(body).placed(ORDER);
        stage.answer(CALLER);
        stage
    };
    let stage = dial("<Response><Dial>+14155551212</Dial></Response>");
    assert!(stage.has("t0: dial +14155551212 as +16505551111"), "what it may show already");
    let stage = dial("<Response><Dial callerId='+14155550100'>+14155551212</Dial></Response>");
    assert!(stage.noted(13214), "whom it called has lent it no number: {:?}", stage.notes);
}

#[test]
fn a_placed_call_lasts_no_longer_than_it_may() {
    let order = [ORDER, &[("TimeLimit", "60")]].concat();
    let mut stage = Opening::phone("<Response><Pause length='600'/></Response>").placed(&order);
    stage.seconds(30);
    stage.answer(CALLER);
    stage.seconds(59);
    assert!(!stage.done);
    stage.seconds(2);
    assert!(stage.done && stage.noted(32015));
}
