//! Documents that fail, loop, or hold what is not known.

use super::stage::*;
use crate::call::Method;
use crate::directory::Handler;

fn with_fallback(body: Result<&'static str, u32>) -> Opening {
    let mut opening = Opening::phone("");
    opening.web = vec![
        (HANDLER, body),
        ("https://b.example/sorry", Ok("<Response><Say>Sorry</Say></Response>")),
    ];
    let url = "https://b.example/sorry".to_owned();
    opening.voice.fallback = Some(Handler::Document { url, get: true });
    opening
}

#[test]
fn the_fallback_is_told_what_failed() {
    for (answer, code) in
        [(Err(11200), "11200"), (Ok("<Response><Say>"), "12100"), (Ok("<Reponse/>"), "12102")]
    {
        let stage = with_fallback(answer).start();
        assert_eq!(stage.asked("ErrorCode"), Some(code));
        assert_eq!(stage.asked("ErrorUrl"), Some(HANDLER));
        assert_eq!(stage.fetches[1].method, Method::Get);
        assert_eq!(stage.heard(), ["\"Sorry\""]);
    }
}

#[test]
fn a_dead_fallback_is_asked_once_and_the_caller_is_told() {
    let mut opening = with_fallback(Err(11200));
    opening.web[1].1 = Err(11205);
    let mut stage = opening.start();
    assert_eq!(stage.fetches.len(), 2);
    assert!(stage.heard()[0].contains("application error"));
    stage.seconds(20);
    assert!(stage.done && stage.has("caller: hangup"));
}

#[test]
fn without_a_fallback_the_caller_is_told_and_the_position_noted() {
    let mut stage = Opening::phone("<Response>\n  <Say>a & b</Say></Response>").start();
    assert!(stage.heard()[0].contains("application error"));
    assert!(stage.notes.iter().any(|(code, text)| *code == 12100 && text.contains("2:10")));
    stage.seconds(20);
    assert!(stage.done);
}

#[test]
fn a_fallback_may_ring_a_user() {
    let mut opening = with_fallback(Err(11200));
    opening.voice.fallback = Some(Handler::Sip("sip:alice@office.localhost".to_owned()));
    assert!(opening.start().has("t0: dial sip:alice@office.localhost as +14155550100"));
}

#[test]
fn a_failing_action_goes_to_the_fallback_too() {
    let mut opening =
        with_fallback(Ok("<Response><Gather action='/dead' numDigits='1'/></Response>"));
    opening.web.push(("https://app.example/dead", Err(11200)));
    let mut stage = opening.start();
    stage.press("1");
    assert_eq!(stage.asked("ErrorUrl"), Some("https://app.example/dead"));
    assert_eq!(stage.heard(), ["\"Sorry\""]);
}

#[test]
fn a_redirect_loop_ends_after_a_hundred() {
    let stage = Opening::phone("<Response><Redirect/></Response>").start();
    assert!(stage.done && stage.noted(14106) && stage.has("caller: refuse Failed"));
    assert_eq!(stage.fetches.len(), 100);
}

#[test]
fn a_slow_loop_ends_after_a_thousand() {
    let mut stage = Opening::phone("<Response><Pause length='1'/><Redirect/></Response>").start();
    stage.seconds(2_000);
    assert!(stage.done && stage.noted(14106));
    assert_eq!(stage.fetches.len(), 1_000);
}

#[test]
fn unknown_verbs_are_noted_once_and_the_rest_runs() {
    let body = "<Response><Frobnicate/><Say colour='red'>x</Say><Enqueue>q</Enqueue><Redirect/></Response>";
    let mut stage = Opening::phone(body).start();
    stage.seconds(3);
    assert!(stage.heard().contains(&"\"x\""));
    assert_eq!(stage.notes.iter().filter(|(_, text)| text.contains("Frobnicate")).count(), 1);
    assert_eq!(
        stage.notes.iter().filter(|(_, text)| text.contains("not supported here")).count(),
        1
    );
}

#[test]
fn a_url_that_is_none_is_11100() {
    let mut stage = Opening::phone("<Response><Redirect>ftp://x/y</Redirect></Response>").start();
    assert!(stage.noted(11100));
    stage.seconds(20);
    assert!(stage.done && stage.heard()[0].contains("application error"));
}

#[test]
fn a_request_that_is_never_answered_counts_as_failed() {
    let mut opening = with_fallback(Ok("<Response/>"));
    opening.stuck = true;
    let mut stage = opening.start();
    stage.stuck = false;
    stage.seconds(30);
    assert_eq!(stage.asked("ErrorCode"), Some("11203"));
    assert_eq!(stage.heard(), ["\"Sorry\""]);
}

#[test]
fn actions_of_bins_keep_the_short_names() {
    let mut opening = Opening::phone("<Response/>").web(
        "bin:menu",
        Ok("<Response><Gather numDigits='1' action='/functions/route'/></Response>"),
    );
    opening.voice.handler = Some(Handler::Document { url: "bin:menu".to_owned(), get: false });
    let mut stage = opening.start();
    stage.press("1");
    assert!(stage.has("POST function:route"), "{:?}", stage.lines);
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let run = || {
        let body =
            "<Response><Record/><Dial record='true'><Number>4155551212</Number></Dial></Response>";
        let mut stage = Opening::phone(body).start();
        stage.seconds(1);
        stage.sounding = false;
        stage.recording_ends(CALLER, crate::leg::RecordingEnd::Silence);
        stage.answer(target(0));
        stage.caller_hangs_up();
        let rows = format!("{:?} {:?} {:?}", stage.calls, stage.recordings, stage.callbacks);
        (stage.lines, rows)
    };
    assert_eq!(run(), run());
}
