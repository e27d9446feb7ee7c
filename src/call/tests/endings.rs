//! Hanging up in each verb, lost legs, and inputs in any order: every call ends, and its rows say
//! how.

use super::stage::*;
use crate::base::{Machine, Rng};
use crate::call::Input;
use crate::leg::{Cause, Event};

const VERBS: [&str; 8] = [
    "<Say>a long sentence</Say>",
    "<Play>/a.wav</Play>",
    "<Play digits='123'/>",
    "<Pause length='9'/>",
    "<Gather><Say>x</Say></Gather>",
    "<Record action='/r'/>",
    "<Dial action='/r'>4155551212</Dial>",
    "<Dial record='record-from-ringing' answerOnBridge='true'><Sip>a@b</Sip><Sip>c@d</Sip></Dial>",
];

fn body(verb: &str) -> &'static str {
    Box::leak(format!("<Response>{verb}<Say>next</Say></Response>").into_boxed_str())
}

#[test]
fn a_caller_may_hang_up_in_each_verb() {
    for verb in VERBS {
        let mut stage = Opening::phone(body(verb)).start();
        stage.wait(std::time::Duration::from_millis(300));
        stage.caller_hangs_up();
        stage.seconds(40);
        assert!(stage.done, "{verb}: {:?}", stage.lines);
        assert!(!stage.heard().contains(&"\"next\""), "{verb}");
        for row in stage.calls.values() {
            assert!(row.status.is_final() && row.ended.is_some(), "{verb}: {row:?}");
        }
    }
}

#[test]
fn a_lost_leg_ends_the_call() {
    let mut stage = Opening::phone(body("<Say>x</Say>")).start();
    stage.end(CALLER, Cause::Lost, 0);
    assert!(stage.done);
    assert_eq!(stage.caller_row().reason, "the party was lost");
}

#[test]
fn events_of_unknown_legs_are_ignored() {
    let mut stage = Opening::phone(body("<Pause/>")).start();
    stage.event(target(5), Event::Ringing);
    stage.event(target(5), Event::Digit('1'));
    stage.event(CALLER, Event::Played(77));
    assert!(!stage.done);
}

/// No order of inputs panics, leaves a call without a deadline, or keeps it from ending.
#[test]
fn any_order_of_inputs_ends() {
    for seed in 0..400 {
        let mut rng = Rng::from_number(seed);
        let verbs: String = (0..3).map(|_| VERBS[rng.below(8) as usize]).collect();
        let mut opening = Opening::phone(body(&verbs));
        opening.seed = seed;
        opening.mute = rng.below(4) == 0;
        let mut stage = opening.start();
        for _ in 0..30 {
            if stage.done {
                break;
            }
            let leg = [CALLER, target(0), target(1), target(2)][rng.below(4) as usize];
            match rng.below(9) {
                0 | 1 => stage.seconds(rng.below(8)),
                2 => stage.press("1"),
                3 => stage.event(leg, Event::Ringing),
                4 => stage.event(leg, Event::EarlyMedia),
                5 => stage.answer(leg),
                6 if leg != CALLER || rng.below(6) == 0 => {
                    stage.lively_end(leg, [Cause::Busy, Cause::Hangup][rng.below(2) as usize]);
                }
                7 => stage.event(leg, Event::Played(rng.below(6))),
                _ => stage.sounding = !stage.sounding,
            }
            assert!(stage.done || stage.call.timeout().is_some(), "seed {seed}");
        }
        if !stage.done {
            stage.input(Input::Shutdown);
        }
        stage.seconds(100);
        assert!(stage.done, "seed {seed}: {:?}", stage.lines);
        assert!(stage.calls.values().all(|row| row.status.is_final()), "seed {seed}");
    }
}

#[test]
fn a_leg_that_never_says_that_it_ended_is_given_up() {
    let mut stage = Opening::phone(body("<Hangup/>")).silent().start();
    assert!(stage.has("caller: refuse Declined") && !stage.done);
    stage.seconds(35);
    assert!(!stage.done);
    stage.seconds(1);
    assert!(stage.done && stage.caller_row().status.is_final());
}

#[test]
fn the_last_row_and_its_report_are_written_together() {
    let mut opening = Opening::phone(body("<Reject reason='busy'/>"));
    opening.voice.status_callback = Some("https://app.example/status".to_owned());
    let stage = opening.start();
    let last = stage.written.last().expect("something was written");
    assert_eq!((last.calls.len(), last.callbacks.len()), (1, 1));
    assert_eq!(last.calls[0].status.as_str(), "busy");
    assert_eq!(parameter(&last.callbacks[0].parameters, "CallStatus"), Some("busy"));
}
