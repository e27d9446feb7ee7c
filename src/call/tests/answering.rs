//! From the first ring: what answers, what is heard, what is refused.

use super::stage::*;
use crate::call::{Input, Status};
use crate::directory::Handler;
use crate::leg::Cause;

#[test]
fn a_sentence_is_answered_spoken_and_hung_up() {
    let mut stage = Opening::phone("<Response><Say voice='alice'>Hello</Say></Response>").start();
    stage.seconds(2);
    let story = [
        "caller: ring",
        "POST https://app.example/voice",
        "caller: answer",
        "caller: hears \"Hello\"",
        "caller: hangup",
        "done",
    ];
    assert_eq!(stage.happened(), story);
    assert_eq!(stage.caller_row().status, Status::Completed);
    assert_eq!(stage.caller_row().reason, "the document ended");
}

#[test]
fn every_verb_is_told_with_its_place_when_its_turn_comes() {
    let body = "<Response>\n <Pause length='1'/><Say>a</Say>\n<Hangup/></Response>";
    let mut stage = Opening::phone(body).start();
    assert_eq!(stage.verbs, ["caller: Pause 2:2"]);
    stage.seconds(3);
    assert_eq!(stage.verbs, ["caller: Pause 2:2", "caller: Say 2:21", "caller: Hangup 3:1"]);
}

#[test]
fn the_first_request_carries_every_parameter() {
    let stage = Opening::sip("<Response/>").start();
    let sid = stage.caller_row().sid.to_string();
    let account = format!("AC{}", "07".repeat(16));
    for (name, value) in [
        ("CallSid", sid.as_str()),
        ("AccountSid", account.as_str()),
        ("From", "sip:home@office.localhost"),
        ("To", "sip:15551231234@office.localhost"),
        ("Caller", "sip:home@office.localhost"),
        ("Called", "sip:15551231234@office.localhost"),
        ("CallStatus", "ringing"),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
        ("SipDomain", "office.localhost"),
        ("SipDomainSid", "SD00000000000000000000000000000001"),
        ("SipUsername", "home"),
        ("SipCallId", "abc@phone"),
        ("SipSourceIp", "192.0.2.7"),
        ("SipHeader_X-Floor", "3"),
    ] {
        assert_eq!(stage.asked(name), Some(value), "{name}");
    }
    assert_eq!(stage.asked("ParentCallSid"), None);
}

#[test]
fn an_empty_document_declines_without_an_answer() {
    let stage = Opening::phone("<Response/>").start();
    assert!(stage.has("caller: refuse Declined") && stage.done);
    assert_eq!(stage.caller_row().status, Status::NoAnswer);
}

#[test]
fn reject_and_hangup_end_without_an_answer() {
    for (body, refusal, status) in [
        ("<Response><Reject/></Response>", "Rejected", Status::NoAnswer),
        ("<Response><Reject reason='busy'/></Response>", "Busy", Status::Busy),
        ("<Response><Hangup/></Response>", "Declined", Status::NoAnswer),
    ] {
        let stage = Opening::phone(body).start();
        assert!(stage.has(&format!("caller: refuse {refusal}")), "{body}: {:?}", stage.lines);
        assert!(!stage.has("caller: answer") && stage.done);
        assert_eq!(stage.caller_row().status, status);
    }
}

#[test]
fn reject_after_an_answer_hangs_up() {
    let mut stage = Opening::phone("<Response><Say>x</Say><Reject/></Response>").start();
    stage.seconds(1);
    assert!(stage.has("caller: hangup") && stage.done);
    assert_eq!(stage.caller_row().status, Status::Completed);
}

#[test]
fn a_pause_lets_it_ring() {
    let body = "<Response><Pause length='3'/><Say>x</Say></Response>";
    let mut stage = Opening::phone(body).start();
    stage.wait(std::time::Duration::from_millis(2_999));
    assert!(!stage.has("caller: answer"));
    stage.wait(std::time::Duration::from_millis(1));
    assert!(stage.has("caller: answer"));
}

#[test]
fn redirect_stays_ringing() {
    let stage = Opening::phone("<Response><Redirect method='get'>next?a=b</Redirect></Response>")
        .web("https://app.example/next?a=b", Ok("<Response><Reject/></Response>"))
        .start();
    assert!(stage.has("GET https://app.example/next?a=b"));
    assert!(!stage.has("caller: answer") && stage.has("caller: refuse Rejected"));
}

#[test]
fn no_handler_is_a_404_and_says_so() {
    let mut opening = Opening::phone("<Response/>");
    opening.voice.handler = None;
    let stage = opening.start();
    assert!(stage.has("caller: refuse Rejected") && stage.done);
    assert!(stage.notes.iter().any(|(_, text)| text.contains("no handler")));
}

#[test]
fn a_sip_handler_rings_its_user_and_answers_with_it() {
    let mut opening = Opening::phone("<Response/>");
    opening.voice.handler = Some(Handler::Sip("sip:alice@office.localhost".to_owned()));
    let mut stage = opening.start();
    stage.event(target(0), crate::leg::Event::Ringing);
    assert!(!stage.has("caller: answer"));
    stage.answer(target(0));
    let story = [
        "caller: ring",
        "t0: dial sip:alice@office.localhost as +14155550100",
        "caller: answer",
        "caller: joined with t0",
    ];
    assert_eq!(stage.happened(), story);
}

#[test]
fn play_loops_and_digits() {
    let body = "<Response><Play loop='2'>\n /assets/a.wav </Play><Play digits='1w2'></Play>\
                <Say loop='0'>on</Say></Response>";
    let mut stage = Opening::phone(body).start();
    stage.seconds(5);
    assert_eq!(stage.heard(), ["https://app.example/assets/a.wav x2", "\"on\" x1000"]);
    assert!(stage.has("caller: gets digits 1w2"));
}

#[test]
fn sounds_of_a_bin_come_from_our_own_assets() {
    let mut opening = Opening::phone("<Response/>")
        .web("bin:hello", Ok("<Response><Play>/assets/a.wav</Play></Response>"));
    opening.voice.handler = Some(Handler::Document { url: "bin:hello".to_owned(), get: false });
    assert_eq!(opening.start().heard(), ["/assets/a.wav"]);
}

#[test]
fn the_next_sentence_is_asked_for_while_the_first_plays() {
    let body = "<Response><Say>one</Say><Say>two</Say></Response>";
    let mut stage = Opening::phone(body).start();
    // Voices die now: the second sentence is already here.
    stage.mute = true;
    stage.seconds(2);
    assert_eq!(stage.heard(), ["\"one\"", "\"two\""]);
}

#[test]
fn without_a_voice_three_tones_play_and_the_call_goes_on() {
    let mut opening = Opening::phone(
        "<Response><Say>one</Say><Play>https://x.example/a.wav</Play><Pause/></Response>",
    );
    opening.mute = true;
    let mut stage = opening.start();
    assert_eq!(stage.heard(), ["trouble"]);
    assert!(stage.noted(12400));
    stage.seconds(10);
    assert!(stage.done, "a file that failed is skipped: {:?}", stage.lines);
    assert_eq!(stage.heard(), ["trouble"]);
}

#[test]
fn a_caller_who_gives_up_while_it_rings_is_canceled() {
    let mut opening = Opening::phone("<Response><Say>x</Say></Response>");
    opening.stuck = true;
    let mut stage = opening.start();
    stage.end(CALLER, Cause::Cancelled, 487);
    assert_eq!(stage.caller_row().status, Status::Canceled);
    stage.seconds(31);
    assert!(stage.done, "a request that is never answered does not keep the call");
    assert!(!stage.has("caller: answer"));
}

#[test]
fn a_server_that_goes_down_ends_the_call_at_once() {
    let mut stage = Opening::phone("<Response><Record action='/r'/></Response>").start();
    stage.input(Input::Shutdown);
    assert!(stage.done && stage.has("caller: hangup"));
    assert_eq!(stage.fetches.len(), 1, "no action is asked for");
    assert_eq!(stage.caller_row().reason, "the server is going down");
}

#[test]
fn a_call_ends_after_four_hours() {
    let mut stage = Opening::phone("<Response><Pause length='14400'/><Pause/></Response>").start();
    stage.seconds(4 * 3600 - 1);
    assert!(!stage.done);
    stage.seconds(1);
    assert!(stage.done && stage.noted(32015));
}

#[test]
fn status_callbacks_follow_the_events_that_were_asked_for() {
    let mut opening = Opening::phone("<Response><Say>12345678901234567890</Say></Response>");
    opening.voice.status_callback = Some("https://app.example/status".to_owned());
    opening.voice.status_callback_events =
        ["ringing", "answered", "completed"].map(str::to_owned).into();
    let mut stage = opening.start();
    stage.seconds(5);
    let all: Vec<_> = stage
        .callbacks
        .iter()
        .map(|c| {
            (parameter(&c.parameters, "CallStatus"), parameter(&c.parameters, "SequenceNumber"))
        })
        .collect();
    let expected = [("ringing", "0"), ("in-progress", "1"), ("completed", "2")]
        .map(|(a, b)| (Some(a), Some(b)));
    assert_eq!(all, expected);
    let last = &stage.callbacks[2].parameters;
    assert_eq!(parameter(last, "CallDuration"), Some("2"));
    assert_eq!(parameter(last, "Duration"), Some("1"));
    assert_eq!(parameter(last, "CallbackSource"), Some("call-progress-events"));
    assert_eq!(parameter(last, "Timestamp"), Some("Sat, 21 Nov 2026 05:01:09 +0000"));
    assert_eq!(parameter(&stage.callbacks[0].parameters, "CallDuration"), None);
}

#[test]
fn completed_is_reported_by_default() {
    let mut opening = Opening::phone("<Response><Reject/></Response>");
    opening.voice.status_callback = Some("https://app.example/status".to_owned());
    let stage = opening.start();
    assert_eq!(stage.callbacks.len(), 1);
    assert_eq!(parameter(&stage.callbacks[0].parameters, "CallStatus"), Some("no-answer"));
}

#[test]
fn a_voice_that_never_answers_does_not_hang_the_call() {
    let mut opening = Opening::phone("<Response><Redirect/></Response>");
    opening.web = vec![(HANDLER, Ok("<Response><Say>one</Say></Response>"))];
    let mut stage = opening.deaf().start();
    assert!(stage.heard().is_empty());
    stage.seconds(30);
    assert_eq!(stage.heard(), ["trouble"]);
    stage.seconds(3);
    assert!(stage.done);
}
