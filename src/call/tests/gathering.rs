//! `Gather` with each of its endings.

use super::stage::*;

fn menu(attributes: &'static str) -> Stage {
    let body = format!(
        "<Response><Gather action='/menu' {attributes}><Say>Press a key</Say><Pause length='2'/>\
         <Play>/assets/tune.wav</Play></Gather><Say>Nothing</Say></Response>"
    );
    let body: &'static str = Box::leak(body.into_boxed_str());
    Opening::phone(body)
        .web("https://app.example/menu", Ok("<Response><Say>Thanks</Say></Response>"))
        .start()
}

#[test]
fn prompts_play_in_turn_and_then_the_time_runs() {
    let mut stage = menu("");
    stage.seconds(3);
    assert_eq!(stage.heard(), ["\"Press a key\""]);
    stage.seconds(1);
    assert_eq!(stage.heard(), ["\"Press a key\"", "https://app.example/assets/tune.wav"]);
    // The tune lasts 2 s, the timeout 5 s.
    stage.seconds(5);
    assert!(!stage.heard().contains(&"\"Nothing\""));
    stage.seconds(2);
    assert_eq!(stage.heard().last(), Some(&"\"Nothing\""), "no input falls through");
    assert_eq!(stage.fetches.len(), 1);
}

#[test]
fn a_key_stops_the_prompt_at_once() {
    let mut stage = menu("");
    stage.press("1");
    assert!(stage.has("caller: silence"));
    stage.seconds(4);
    stage.press("2");
    stage.seconds(4);
    assert_eq!(stage.fetches.len(), 1, "each key restarts the time");
    stage.seconds(1);
    assert_eq!(stage.asked("Digits"), Some("12"));
    assert_eq!(stage.asked("FinishedOnKey"), Some(""));
    assert_eq!(stage.asked("CallStatus"), Some("in-progress"));
    assert_eq!(stage.heard().last(), Some(&"\"Thanks\""));
}

#[test]
fn enough_digits_end_it() {
    let mut stage = menu("numDigits='3'");
    stage.press("12#");
    assert_eq!(stage.asked("Digits"), Some("12"));
    let mut stage = menu("numDigits='3'");
    stage.press("123");
    assert_eq!(stage.asked("Digits"), Some("123"));
}

#[test]
fn the_finish_key_ends_it_and_is_left_out() {
    let mut stage = menu("finishOnKey='*'");
    stage.press("1#*");
    assert_eq!(stage.asked("Digits"), Some("1#"));
    assert_eq!(stage.asked("FinishedOnKey"), Some("*"));
    assert_eq!(stage.asked("msg"), Some("Gather End"));
}

#[test]
fn the_finish_key_alone_is_no_input() {
    let mut stage = menu("");
    stage.press("#");
    assert_eq!(stage.heard(), ["\"Press a key\"", "\"Nothing\""]);
}

#[test]
fn without_a_finish_key_every_key_is_data() {
    let mut stage = menu("finishOnKey=''");
    stage.press("#*1");
    stage.seconds(5);
    assert_eq!(stage.asked("Digits"), Some("#*1"));
}

#[test]
fn empty_input_can_be_posted() {
    let mut stage = menu("actionOnEmptyResult='true'");
    stage.seconds(20);
    assert_eq!(stage.asked("Digits"), Some(""));
    assert!(stage.has("POST https://app.example/menu"));
}

#[test]
fn the_action_is_the_current_document_by_default() {
    let mut stage = Opening::phone("<Response><Gather numDigits='1'/></Response>").start();
    stage.press("5");
    assert_eq!(stage.fetches.len(), 2);
    assert_eq!(stage.fetches[1].url, HANDLER);
    assert_eq!(stage.asked("Digits"), Some("5"));
}

#[test]
fn a_caller_who_hangs_up_posts_nothing() {
    let mut stage = menu("");
    stage.press("1");
    stage.caller_hangs_up();
    assert!(stage.done);
    assert_eq!(stage.fetches.len(), 1);
}

#[test]
fn keys_work_while_a_sentence_is_still_being_made() {
    let opening = Opening::phone(
        "<Response><Gather numDigits='1' action='/menu'><Say>slow</Say></Gather></Response>",
    );
    let mut stage = opening
        .deaf()
        .web("https://app.example/menu", Ok("<Response><Hangup/></Response>"))
        .start();
    stage.press("7");
    assert_eq!(stage.asked("Digits"), Some("7"));
    assert!(stage.done);
}
