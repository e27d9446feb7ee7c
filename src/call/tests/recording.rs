//! `Record` with each of its endings.

use super::stage::*;
use crate::call::RecordingStatus;
use crate::leg::RecordingEnd;

fn message() -> Stage {
    let mut stage = Opening::phone(
        "<Response><Record action='/done' maxLength='60' finishOnKey='#9' \
         recordingStatusCallback='/rec' recordingStatusCallbackEvent='in-progress completed absent'/>\
         <Say>Nothing</Say></Response>",
    )
    .web("https://app.example/done", Ok("<Response><Say>Thanks</Say></Response>"))
    .start();
    assert_eq!(stage.heard(), ["beep"]);
    stage.seconds(1);
    assert!(stage.has("caller: recorded alone"));
    stage
}

fn reports(stage: &Stage) -> Vec<&str> {
    let status =
        |c: &'_ crate::call::Callback| parameter(&c.parameters, "RecordingStatus").is_some();
    let told = stage.callbacks.iter().filter(|c| status(c));
    told.filter_map(|c| parameter(&c.parameters, "RecordingStatus")).collect()
}

#[test]
fn silence_ends_it_and_the_action_gets_the_recording() {
    let mut stage = message();
    stage.recording_ends(CALLER, RecordingEnd::Silence);
    let sid = stage.recordings[0].sid.to_string();
    let account = format!("AC{}", "07".repeat(16));
    let url = format!("{US}/2010-04-01/Accounts/{account}/Recordings/{sid}");
    assert_eq!(stage.asked("RecordingUrl"), Some(url.as_str()));
    assert_eq!(stage.asked("RecordingSid"), Some(sid.as_str()));
    assert_eq!(stage.asked("RecordingDuration"), Some("4"));
    assert_eq!(stage.asked("Digits"), Some(""));
    assert_eq!(stage.heard(), ["beep", "\"Thanks\""]);
    assert_eq!(stage.recordings[0].status, RecordingStatus::Completed);
    assert_eq!(reports(&stage), ["in-progress", "completed"]);
    let report = &stage.callbacks[1];
    assert_eq!(report.url, "https://app.example/rec");
    for (name, value) in [
        ("RecordingSource", "RecordVerb"),
        ("RecordingChannels", "1"),
        ("RecordingDuration", "4"),
        ("RecordingUrl", url.as_str()),
    ] {
        assert_eq!(parameter(&report.parameters, name), Some(value));
    }
}

#[test]
fn a_finish_key_ends_it() {
    let mut stage = message();
    stage.press("1");
    assert_eq!(stage.fetches.len(), 1, "1 is not a finish key here");
    stage.press("9");
    assert!(stage.has("caller: recording stopped"));
    assert_eq!(stage.asked("Digits"), Some("9"));
}

#[test]
fn the_longest_length_ends_it() {
    let mut stage = message();
    stage.recording_ends(CALLER, RecordingEnd::MaxLength);
    assert_eq!(stage.asked("Digits"), Some(""));
}

#[test]
fn a_caller_who_hangs_up_leaves_the_message() {
    let mut stage = message();
    stage.caller_hangs_up();
    assert_eq!(stage.asked("Digits"), Some("hangup"));
    assert_eq!(stage.asked("CallStatus"), Some("completed"));
    assert_eq!(stage.recordings[0].status, RecordingStatus::Completed);
    assert!(stage.done);
    assert!(!stage.heard().contains(&"\"Thanks\""), "nobody is there to hear it");
}

#[test]
fn a_caller_who_hangs_up_at_the_beep_leaves_nothing() {
    let mut stage = Opening::phone("<Response><Record action='/done'/></Response>").start();
    stage.caller_hangs_up();
    assert!(stage.done && stage.recordings.is_empty());
    assert_eq!(stage.fetches.len(), 1);
}

#[test]
fn nothing_heard_falls_through() {
    let mut stage = message();
    stage.sounding = false;
    stage.recording_ends(CALLER, RecordingEnd::Silence);
    assert_eq!(stage.heard(), ["beep", "\"Nothing\""]);
    assert!(stage.noted(16102));
    assert_eq!(stage.recordings[0].status, RecordingStatus::Absent);
    assert_eq!(reports(&stage), ["in-progress", "absent"]);
}

#[test]
fn a_full_disk_fails_the_recording_and_the_call_goes_on() {
    let mut stage = message();
    stage.recording_ends(CALLER, RecordingEnd::Failed);
    assert_eq!(stage.heard(), ["beep", "\"Nothing\""]);
    assert_eq!(stage.recordings[0].status, RecordingStatus::Failed);
    assert_eq!(reports(&stage), ["in-progress", "failed"]);
}

#[test]
fn the_beep_can_be_left_out() {
    let stage = Opening::phone("<Response><Record playBeep='false'/></Response>").start();
    assert!(stage.has("caller: recorded alone") && stage.heard().is_empty());
}
