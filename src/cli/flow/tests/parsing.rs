//! Every step is read, and every mistake is told with its place.

use super::super::words::{length, words};
use super::super::{Action, Expectation, Webhook, Who, parse};
use crate::base::Duration;

const CALL: &str = "flow \"x\"\n  call from +15550001111 to +12223331234\n";

fn step(line: &str) -> Action {
    let text = format!("{CALL}  {line}\n");
    let mut flows = parse(&text).unwrap_or_else(|mistakes| panic!("{line}: {mistakes:?}"));
    flows.remove(0).steps.pop().expect("a step").action
}

fn mistake(text: &str) -> String {
    let mistakes = parse(text).expect_err(text);
    format!("{}: {}", mistakes[0].position, mistakes[0].message)
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn steps_do_what_they_say() {
    let seconds = Duration::from_secs;
    for (line, wanted) in [
        ("answer", Action::Answer),
        ("busy", Action::Busy),
        ("decline", Action::Decline),
        ("no-answer", Action::NoAnswer),
        ("press 1w#", Action::Press(Who::Newest, "1w#".to_owned())),
        ("press #", Action::Press(Who::Newest, "#".to_owned())),
        ("press # caller # a comment", Action::Press(Who::Caller, "#".to_owned())),
        ("press * called", Action::Press(Who::Called, "*".to_owned())),
        ("speak 4s", Action::Speak(Who::Newest, seconds(4))),
        ("speak 1.5s caller", Action::Speak(Who::Caller, Duration::from_millis(1_500))),
        ("silence 500ms", Action::Silence(Duration::from_millis(500))),
        ("wait 2m # a comment", Action::Wait(seconds(120))),
        ("hangup", Action::Hangup(Who::Newest)),
        ("hangup caller", Action::Hangup(Who::Caller)),
        ("at 12s", Action::At(seconds(12))),
    ] {
        assert_eq!(step(line), wanted, "{line}");
    }
    let webhook = Webhook {
        url: "https://example.com/menu#top".to_owned(),
        file: "a b.xml".to_owned(),
        status: 503,
        after: seconds(3),
    };
    let line = "webhook https://example.com/menu#top returns \"a b.xml\" status 503 after 3s";
    assert_eq!(step(line), Action::Webhook(webhook));
}

#[test]
fn expectations_take_their_words() {
    let text = |text: &str| Some(text.to_owned());
    let dial = |target, caller_id| Expectation::Dial { target, caller_id };
    for (line, wanted) in [
        ("say \"Press \\\"one\\\"\"", Expectation::Say(text("Press \"one\""))),
        ("say", Expectation::Say(None)),
        ("play hello.wav", Expectation::Play(text("hello.wav"))),
        ("record max 60s", Expectation::Record(texts(&["max", "60s"]))),
        ("gather", Expectation::Verb("Gather", vec![])),
        ("pause 3s", Expectation::Verb("Pause", texts(&["3s"]))),
        ("reject busy", Expectation::Verb("Reject", texts(&["busy"]))),
        ("redirect /bins/x", Expectation::Verb("Redirect", texts(&["/bins/x"]))),
        ("hangup", Expectation::Verb("Hangup", vec![])),
        ("conference room", Expectation::Verb("Conference", texts(&["room"]))),
        ("enqueue", Expectation::Verb("Enqueue", vec![])),
        ("dial", dial(None, None)),
        ("dial +1555", dial(text("+1555"), None)),
        ("dial +1555 caller-id +1666", dial(text("+1555"), text("+1666"))),
        ("status no-answer", Expectation::Status("no-answer".to_owned())),
    ] {
        assert_eq!(step(&format!("expect {line}")), Action::Expect(wanted), "{line}");
    }
    let wanted = Expectation::Callback {
        url: text("https://a.example/s?x=1"),
        parameters: vec![("CallStatus".to_owned(), "completed".to_owned())],
    };
    let line = "expect callback https://a.example/s?x=1 CallStatus=completed";
    assert_eq!(step(line), Action::Expect(wanted));
}

#[test]
fn mistakes_name_their_place_and_what_would_be_right() {
    for (line, wanted) in [
        ("expct say", "3:3: unknown step \"expct\"; did you mean \"expect\"?"),
        ("expect sya \"x\"", "3:10: unknown expectation \"sya\"; did you mean \"say\"?"),
        ("expect", "3:3: something is missing here; expected `expect say|play|"),
        ("expect dial +1 callerid +2", "3:18: \"callerid\" does not fit; expected `expect dial"),
        (
            "expect status complete",
            "3:17: unknown status \"complete\"; did you mean \"completed\"?",
        ),
        ("expect say \"x", "3:14: the quotes are not closed"),
        ("press 1x", "3:9: expected keys: 0-9 * # A-D"),
        ("wait soon", "3:8: expected a length of time such as 500ms, 3s or 2m, not \"soon\""),
        ("wait 5h", "3:8: expected a length of time"),
        ("wait 300m", "3:8: \"300m\" is longer than a call may be"),
        ("hangup everybody", "3:10: \"everybody\" does not fit; expected `hangup [caller|called]`"),
        ("answer now", "3:10: \"now\" does not fit; expected `answer`"),
        ("call +1 to +2", "3:8: \"+1\" does not fit; expected `call from FROM to TO`"),
        ("webhook bin:x returns y", "3:11: a webhook has an http or https URL, not \"bin:x\""),
        ("webhook http://a/ returns y status 99", "3:38: expected a status of 200 to 599"),
        ("webhook http://a/ gives y", "3:21: \"gives\" does not fit; expected `webhook URL"),
        ("zzzzzzzzz", "3:3: unknown step \"zzzzzzzzz\"; known: webhook, call, expect"),
    ] {
        let told = mistake(&format!("{CALL}  {line}\n"));
        assert!(told.starts_with(wanted), "{line}: {told}");
    }
}

#[test]
fn flows_have_names_of_their_own_and_a_call() {
    assert!(mistake("  answer\n").starts_with("1:3: a step before any flow"));
    assert!(mistake("flow\n").starts_with("1:1: something is missing here; expected `flow"));
    assert!(mistake("# none\nflow \"x\"\n answer\n").starts_with("2:1: nobody calls in this flow"));
    assert!(mistake(&format!("{CALL}{CALL}")).starts_with("3:1: there is already a flow \"x\""));
    assert_eq!(parse("# nothing\n\n"), Ok(vec![]));
    // One mistake does not hide another, nor cause a third.
    let mistakes = parse("flow \"x\"\n cal from 1 to 2\n anser\n").expect_err("two mistakes");
    assert_eq!(mistakes.iter().map(|m| m.position.line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn files_are_bounded() {
    let many = "x\n".repeat(1_000);
    assert_eq!(parse(&many).expect_err("unknown steps").len(), 50);
    assert!(mistake(&"#".repeat(300_000)).contains("larger than 262144 bytes"));
    assert!(mistake(&"a".repeat(2_000)).contains("longer than 1000 bytes"));
    let steps = format!("{CALL}{}", " answer\n".repeat(1_000));
    assert!(mistake(&steps).contains("a flow has at most 1000 steps"));
}

#[test]
fn steps_are_quoted_as_they_were_written() {
    let text = format!("{CALL}\t expect say \"a # b\"   # why\n hangup# \n");
    let steps = parse(&text.replace("hangup# ", "hangup # ")).expect("sound").remove(0).steps;
    let written: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(
        written,
        ["call from +15550001111 to +12223331234", "expect say \"a # b\"", "hangup"]
    );
    assert_eq!(steps[1].position.to_string(), "3:3");
}

#[test]
fn no_line_panics() {
    let pieces =
        ["flow", "\"", "\\", "#", " ", "é", "expect", "say", "\t", "\"a\"", "\u{0}", "=", "1s"];
    let mut rng = crate::base::Rng::from_number(5);
    for _ in 0..20_000 {
        let line: String =
            (0..rng.below(9)).map(|_| pieces[rng.below(pieces.len() as u64) as usize]).collect();
        let _ = words(&line, 1);
        let _ = parse(&format!("flow \"x\"\n{line}"));
        let _ = length(&line);
    }
}
