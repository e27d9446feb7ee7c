//! `Dial`: who rings, who is joined, what the caller hears, what may be shown.

use super::stage::*;
use crate::call::Status;
use crate::leg::{Cause, Event};

const DIAL: &str = "<Response><Dial action='/after'>415-555-1212</Dial></Response>";

fn dial(body: &'static str) -> Stage {
    Opening::phone(body)
        .web("https://app.example/after", Ok("<Response><Say>After</Say></Response>"))
        .start()
}

#[test]
fn the_caller_hears_ringing_then_the_other_then_goes_on() {
    let mut stage = dial(DIAL);
    stage.event(target(0), Event::Ringing);
    stage.seconds(3);
    stage.answer(target(0));
    stage.seconds(10);
    stage.end(target(0), Cause::Hangup, 0);
    let story = [
        "caller: ring",
        "POST https://app.example/voice",
        "caller: answer",
        "t0: dial +14155551212 as +14155550100",
        "caller: hears ringing us x1000",
        "caller: silence",
        "caller: joined with t0",
        "caller: parted",
        "POST https://app.example/after",
        "caller: hears \"After\"",
    ];
    assert_eq!(stage.happened(), story);
    let child = stage.child_rows()[0];
    let sid = child.sid.to_string();
    assert_eq!(child.status, Status::Completed);
    assert_eq!(child.to, "+14155551212");
    for (name, value) in [
        ("DialCallStatus", "completed"),
        ("DialCallSid", sid.as_str()),
        ("DialCallDuration", "10"),
        ("DialBridged", "true"),
    ] {
        assert_eq!(stage.asked(name), Some(value), "{name}");
    }
    assert_eq!(stage.asked("DialSipResponseCode"), None, "a number is no SIP noun");
}

#[test]
fn each_failure_has_its_status() {
    for (cause, sip, status) in [
        (Cause::Busy, 486, "busy"),
        (Cause::NoAnswer, 480, "no-answer"),
        (Cause::Failed, 503, "failed"),
    ] {
        let mut stage = dial("<Response><Dial action='/after'><Sip>a@b</Sip></Dial></Response>");
        stage.end(target(0), cause, sip);
        assert_eq!(stage.asked("DialCallStatus"), Some(status));
        assert_eq!(stage.asked("DialBridged"), Some("false"));
        assert_eq!(stage.asked("DialSipResponseCode"), Some(sip.to_string().as_str()));
        assert_eq!(stage.asked("DialSipCallId"), Some("t0@us"));
        assert_eq!(stage.asked("DialSipHeader_X-Why"), Some("because"));
        assert_eq!(stage.child_rows()[0].status.as_str(), status);
        assert_eq!(stage.child_rows()[0].sip_status, Some(sip));
    }
}

#[test]
fn without_an_action_the_next_verb_follows() {
    let mut stage = dial("<Response><Dial>4155551212</Dial><Say>Bye</Say></Response>");
    stage.end(target(0), Cause::Busy, 486);
    assert_eq!(stage.heard(), ["\"Bye\""]);
}

#[test]
fn nobody_answers_in_time() {
    let body = "<Response><Dial timeout='10' action='/after'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.event(target(0), Event::Ringing);
    stage.seconds(9);
    assert!(!stage.has("t0: hangup"));
    stage.seconds(1);
    assert!(stage.has("t0: hangup"));
    assert_eq!(stage.asked("DialCallStatus"), Some("no-answer"));
    assert!(stage.asked("DialCallSid").is_some());
    assert_eq!(stage.child_rows()[0].status, Status::NoAnswer);
    assert_eq!(stage.heard(), ["ringing us x1000", "\"After\""]);
}

#[test]
fn the_first_answer_wins_and_the_others_stop() {
    let body =
        "<Response><Dial><Number>4155551212</Number><Sip>a@b</Sip><Sip>c@d</Sip></Dial></Response>";
    let mut stage = dial(body);
    assert!(stage.has("t2: dial sip:c@d as +14155550100"));
    stage.event(target(1), Event::Ringing);
    stage.end(target(0), Cause::Busy, 486);
    stage.answer(target(2));
    assert!(stage.has("t1: hangup") && stage.has("caller: joined with t2"));
    let mut statuses: Vec<_> = stage.child_rows().iter().map(|row| row.status.as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["busy", "canceled", "in-progress"]);
}

#[test]
fn sequential_tries_one_after_another() {
    let body = "<Response><Dial sequential='true' timeout='5' action='/after'>\
                <Sip>a@b</Sip><Sip>c@d</Sip><Sip>e@f</Sip></Dial></Response>";
    let mut stage = dial(body);
    assert!(!stage.has("t1: dial sip:c@d as +14155550100"));
    stage.end(target(0), Cause::Busy, 486);
    assert!(stage.has("t1: dial sip:c@d as +14155550100"));
    stage.seconds(5);
    assert!(stage.has("t1: hangup") && stage.has("t2: dial sip:e@f as +14155550100"));
    stage.answer(target(2));
    assert!(stage.has("caller: joined with t2"));
}

#[test]
fn answer_on_bridge_keeps_the_caller_ringing() {
    let body = "<Response><Dial answerOnBridge='true'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.event(target(0), Event::Ringing);
    assert!(!stage.has("caller: answer") && stage.heard().is_empty());
    stage.answer(target(0));
    assert!(stage.has("caller: answer") && stage.has("caller: joined with t0"));
    // It has no effect behind another verb.
    let body = "<Response><Pause/><Dial answerOnBridge='true'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.seconds(1);
    assert!(stage.has("caller: answer"));
}

#[test]
fn an_unanswered_bridge_that_fails_is_never_answered() {
    for (cause, status, refusal) in [
        (Cause::Busy, 486, "Busy"),
        (Cause::Busy, 600, "Busy"),
        (Cause::NoAnswer, 480, "Unavailable"),
        (Cause::NoAnswer, 408, "Unavailable"),
        (Cause::NoAnswer, 603, "Declined"),
        (Cause::Failed, 404, "Rejected"),
        (Cause::Failed, 488, "Unavailable"),
        (Cause::Failed, 500, "Unavailable"),
    ] {
        let body = "<Response><Dial answerOnBridge='true'>4155551212</Dial></Response>";
        let mut stage = dial(body);
        stage.end(target(0), cause, status);
        assert!(stage.has(&format!("caller: refuse {refusal}")) && stage.done, "{status}");
        assert_eq!(stage.caller_row().status, Status::NoAnswer, "{status}");
    }
}

#[test]
fn a_caller_who_was_never_answered_is_told_of_the_last_dial() {
    let body = "<Response><Dial answerOnBridge='true' timeout='5'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.seconds(6);
    assert!(stage.has("caller: refuse Unavailable"), "{:?}", stage.lines);
    // Of several the one that may soon be free.
    let body = "<Response><Dial answerOnBridge='true'><Sip>a@b</Sip><Sip>c@d</Sip>\
                <Sip>e@f</Sip></Dial></Response>";
    let mut stage = dial(body);
    stage.end(target(1), Cause::NoAnswer, 603);
    stage.end(target(0), Cause::Busy, 486);
    stage.end(target(2), Cause::Failed, 404);
    assert!(stage.has("caller: refuse Busy"), "{:?}", stage.lines);
    // A document that refuses says so itself.
    let body = "<Response><Dial answerOnBridge='true'>4155551212</Dial><Reject/></Response>";
    let mut stage = dial(body);
    stage.end(target(0), Cause::Busy, 486);
    assert!(stage.has("caller: refuse Rejected"), "{:?}", stage.lines);
}

#[test]
fn early_media_replaces_the_ringing_tone() {
    let mut stage = dial(DIAL);
    stage.event(target(0), Event::Ringing);
    stage.event(target(0), Event::EarlyMedia);
    stage.answer(target(0));
    let joins = stage.lines.iter().filter(|line| *line == "caller: joined with t0").count();
    assert_eq!(joins, 1, "the early bridge stays");
    assert!(stage.has("caller: silence"));
}

#[test]
fn star_ends_it_for_the_caller_only_when_asked() {
    let body = "<Response><Dial hangupOnStar='true' action='/after'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.answer(target(0));
    stage.seconds(3);
    stage.press("5*");
    assert!(stage.has("t0: hangup"));
    assert_eq!(stage.asked("DialCallStatus"), Some("completed"));
    assert_eq!(stage.asked("DialCallDuration"), Some("3"));
    let mut stage = dial(DIAL);
    stage.answer(target(0));
    stage.press("*");
    assert!(!stage.has("t0: hangup"));
}

#[test]
fn the_time_limit_ends_the_talk() {
    let body = "<Response><Dial timeLimit='60' action='/after'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.answer(target(0));
    stage.seconds(60);
    assert!(stage.has("t0: hangup"));
    assert_eq!(stage.asked("DialCallStatus"), Some("completed"));
    assert_eq!(stage.asked("DialCallDuration"), Some("60"));
}

#[test]
fn digits_are_sent_before_the_parties_are_joined() {
    let body = "<Response><Dial><Number sendDigits='wW1#'>4155551212</Number></Dial></Response>";
    let mut stage = dial(body);
    stage.answer(target(0));
    assert!(stage.has("t0: gets digits wW1#") && !stage.has("caller: joined with t0"));
    stage.seconds(1);
    assert!(stage.has("caller: joined with t0"));
}

#[test]
fn a_called_party_hears_its_document_first() {
    let body = "<Response><Dial><Number url='/screen'>4155551212</Number></Dial></Response>";
    let mut stage = Opening::phone(body)
        .web(
            "https://app.example/screen",
            Ok("<Response><Say>A call</Say><Dial>1</Dial></Response>"),
        )
        .start();
    stage.event(target(0), Event::Ringing);
    stage.answer(target(0));
    assert!(stage.has("t0: hears \"A call\"") && !stage.has("caller: joined with t0"));
    assert_eq!(stage.asked("Direction"), Some("outbound-dial"));
    let parent = stage.caller_row().sid.to_string();
    assert_eq!(stage.asked("ParentCallSid"), Some(parent.as_str()));
    assert_eq!(stage.asked("To"), Some("+14155551212"));
    stage.seconds(2);
    assert!(stage.noted(13201), "Dial is refused there");
    assert!(stage.has("caller: joined with t0"));
}

#[test]
fn a_called_party_may_refuse_by_its_document() {
    let body = "<Response><Dial action='/after'><Number url='/screen'>4155551212</Number></Dial></Response>";
    let screen = "<Response><Gather numDigits='1' action='/ok' timeout='3'><Say>Press</Say></Gather><Hangup/></Response>";
    let start = || {
        Opening::phone(body)
            .web("https://app.example/screen", Ok(screen))
            .web("https://app.example/ok", Ok("<Response/>"))
            .web("https://app.example/after", Ok("<Response/>"))
            .start()
    };
    let mut refused = start();
    refused.answer(target(0));
    refused.seconds(5);
    assert!(refused.has("t0: hangup") && !refused.has("caller: joined with t0"));
    assert_eq!(refused.asked("DialCallStatus"), Some("completed"));
    assert_eq!(refused.asked("DialBridged"), Some("false"));
    let mut accepted = start();
    accepted.answer(target(0));
    accepted.event(target(0), Event::Digit('1'));
    assert_eq!(accepted.asked("Digits"), Some("1"));
    assert!(accepted.has("caller: joined with t0"));
}

#[test]
fn a_screening_document_that_fails_connects_nobody() {
    let body =
        "<Response><Dial><Number url='/dead'>4155551212</Number></Dial><Say>x</Say></Response>";
    let mut stage = Opening::phone(body).start();
    stage.answer(target(0));
    assert!(stage.has("t0: hangup") && !stage.has("caller: joined with t0"));
    assert_eq!(stage.heard(), ["\"x\""]);
}

#[test]
fn the_ring_tone_has_a_country() {
    let mut stage = dial("<Response><Dial ringTone='de'>4155551212</Dial></Response>");
    stage.event(target(0), Event::Ringing);
    assert_eq!(stage.heard(), ["ringing de x1000"]);
}

#[test]
fn recordings_begin_at_the_answer_or_at_the_ringing() {
    let body = "<Response><Dial action='/after' record='record-from-answer-dual' \
                recordingStatusCallback='/rec'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.event(target(0), Event::Ringing);
    assert!(!stage.has("caller: recorded beside t0"));
    stage.answer(target(0));
    assert!(stage.has("caller: recorded beside t0"));
    stage.end(target(0), Cause::Hangup, 0);
    assert!(stage.has("caller: recording stopped"));
    assert_eq!(stage.asked("RecordingDuration"), Some("4"));
    assert_eq!(stage.recordings[0].channels, 2);
    let report = &stage.callbacks[0];
    assert_eq!(parameter(&report.parameters, "RecordingSource"), Some("DialVerb"));

    let body = "<Response><Dial record='record-from-ringing'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.event(target(0), Event::Ringing);
    assert!(stage.has("caller: recorded with t0"));
}

#[test]
fn nouns_report_their_own_status() {
    let body = "<Response><Dial><Number statusCallback='/s' \
                statusCallbackEvent='initiated ringing answered completed'>4155551212</Number></Dial></Response>";
    let mut stage = dial(body);
    stage.event(target(0), Event::Ringing);
    stage.answer(target(0));
    stage.seconds(61);
    stage.end(target(0), Cause::Hangup, 0);
    let told: Vec<_> =
        stage.callbacks.iter().filter_map(|c| parameter(&c.parameters, "CallStatus")).collect();
    assert_eq!(told, ["initiated", "ringing", "in-progress", "completed"]);
    let last = &stage.callbacks[3].parameters;
    let parent = stage.caller_row().sid.to_string();
    assert_eq!(parameter(last, "ParentCallSid"), Some(parent.as_str()));
    assert_eq!(parameter(last, "CallDuration"), Some("61"));
    assert_eq!(parameter(last, "Duration"), Some("2"));
    assert_eq!(parameter(last, "SequenceNumber"), Some("3"));
}

#[test]
fn a_caller_who_hangs_up_cancels_who_rings() {
    let mut stage = dial(DIAL);
    stage.event(target(0), Event::Ringing);
    stage.caller_hangs_up();
    assert!(stage.has("t0: hangup") && stage.done);
    assert_eq!(stage.asked("DialCallStatus"), Some("canceled"));
    assert_eq!(stage.asked("CallStatus"), Some("completed"));
    assert!(!stage.has("caller: hears \"After\""));
    assert_eq!(stage.child_rows()[0].status, Status::Canceled);
}

#[test]
fn a_caller_who_hangs_up_ends_the_other() {
    let mut stage = dial(DIAL);
    stage.answer(target(0));
    stage.seconds(7);
    stage.caller_hangs_up();
    assert!(stage.has("t0: hangup") && stage.done);
    assert_eq!(stage.asked("DialCallStatus"), Some("completed"));
    assert_eq!(stage.asked("DialCallDuration"), Some("7"));
    assert_eq!(stage.child_rows()[0].status, Status::Completed);
}

#[test]
fn caller_ids_must_be_ours() {
    let cases = [
        // (from SIP, callerId, what is shown or the code)
        (false, "", Ok("+14155550100")),
        (false, "callerId='+12223331234'", Ok("+12223331234")),
        (false, "callerId='(650) 555-1111'", Ok("+16505551111")),
        (false, "callerId=' 16505551111'", Ok("+16505551111")),
        (false, "callerId='+14155550100'", Ok("+14155550100")),
        (false, "callerId='+19995550000'", Err(13214)),
        (true, "callerId='+16505551111'", Ok("+16505551111")),
        (true, "callerId='+15551231234'", Err(13214)),
        (true, "callerId='sip:home@office.localhost'", Err(13214)),
        (true, "", Err(13247)),
    ];
    for (sip, attribute, result) in cases {
        let body = format!("<Response><Dial {attribute}>15551231234</Dial></Response>");
        let body: &'static str = Box::leak(body.into_boxed_str());
        let stage = if sip { Opening::sip(body).start() } else { Opening::phone(body).start() };
        match result {
            Ok(id) => {
                assert!(stage.has(&format!("t0: dial +15551231234 as {id}")), "{attribute}");
            }
            Err(code) => {
                assert!(stage.noted(code), "{attribute}: {:?}", stage.notes);
                assert_eq!(stage.child_rows()[0].status, Status::Failed);
                assert!(!stage.lines.iter().any(|line| line.contains("dial")), "{attribute}");
            }
        }
    }
    let mut opening =
        Opening::sip("<Response><Dial callerId='+19995550000'>4155551212</Dial></Response>");
    opening.policy.any_caller_id = true;
    assert!(opening.start().has("t0: dial +14155551212 as +19995550000"));
    let mut opening = Opening::sip("<Response><Dial>4155551212</Dial></Response>");
    opening.policy.any_caller_id = true;
    assert!(opening.start().has("t0: dial +14155551212 as home"));
}

#[test]
fn towards_sip_the_callers_user_is_shown() {
    let stage =
        Opening::sip("<Response><Dial><Sip>bob@office.localhost</Sip></Dial></Response>").start();
    assert!(stage.has("t0: dial sip:bob@office.localhost as home"));
    let body = "<Response><Dial callerId='front desk'><Sip>bob@x</Sip></Dial></Response>";
    assert!(Opening::sip(body).start().noted(13214));
}

#[test]
fn what_cannot_be_called_fails_and_the_document_goes_on() {
    for (body, code) in [
        ("<Response><Dial>nobody</Dial><Say>x</Say></Response>", 13223),
        ("<Response><Dial/><Say>x</Say></Response>", 13215),
        ("<Response><Dial><Conference>room</Conference></Dial><Say>x</Say></Response>", 12200),
        ("<Response><Dial><Sip>a b@c d</Sip></Dial><Say>x</Say></Response>", 13243),
    ] {
        let stage = Opening::phone(body).start();
        assert!(stage.noted(code), "{body}: {:?}", stage.notes);
        assert_eq!(stage.heard(), ["\"x\""], "{body}");
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_joins_nobody() {
    let body = "<Response><Dial timeout='10'>4155551212</Dial><Pause length='60'/></Response>";
    let mut stage = dial(body);
    stage.seconds(10);
    assert!(stage.has("t0: hangup"));
    assert!(!stage.has("caller: joined with t0"));
    assert_eq!(stage.child_rows()[0].status, Status::NoAnswer);
}

#[test]
fn a_recorded_talk_that_the_caller_ends_is_told_to_the_action() {
    let body =
        "<Response><Dial action='/after' record='record-from-answer'>4155551212</Dial></Response>";
    let mut stage = dial(body);
    stage.answer(target(0));
    stage.seconds(5);
    stage.caller_hangs_up();
    assert!(stage.done);
    assert_eq!(stage.asked("DialCallDuration"), Some("5"));
    assert_eq!(stage.asked("RecordingDuration"), Some("4"));
    assert_eq!(stage.recordings[0].status, crate::call::RecordingStatus::Completed);
}

#[test]
fn when_all_fail_in_turn_the_last_one_is_told() {
    let body = "<Response><Dial sequential='true' action='/after'><Sip>a@b</Sip><Sip>c@d</Sip></Dial></Response>";
    let mut stage = dial(body);
    stage.end(target(0), Cause::Busy, 486);
    stage.end(target(1), Cause::Failed, 404);
    assert_eq!(stage.asked("DialCallStatus"), Some("failed"));
    assert_eq!(stage.asked("DialSipResponseCode"), Some("404"));
    assert_eq!(stage.asked("DialSipCallId"), Some("t1@us"));
}

#[test]
fn others_ring_on_while_one_is_asked() {
    let body =
        "<Response><Dial><Number url='/screen'>4155551212</Number><Sip>c@d</Sip></Dial></Response>";
    let mut stage = Opening::phone(body)
        .web("https://app.example/screen", Ok("<Response><Pause length='5'/></Response>"))
        .start();
    stage.answer(target(0));
    stage.seconds(1);
    assert!(!stage.has("t1: hangup"));
    stage.answer(target(1));
    assert!(stage.has("caller: joined with t1") && stage.has("t0: hangup"));
}

#[test]
fn a_caller_who_leaves_while_a_party_is_asked_frees_it() {
    let body = "<Response><Dial><Number url='/screen'>4155551212</Number></Dial></Response>";
    let mut stage = Opening::phone(body)
        .web("https://app.example/screen", Ok("<Response><Pause length='5'/></Response>"))
        .start();
    stage.answer(target(0));
    stage.caller_hangs_up();
    assert!(stage.done && stage.has("t0: hangup"));
    assert_eq!(stage.child_rows()[0].status, Status::Completed);
}
