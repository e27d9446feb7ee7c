//! Parties, web servers and voices do what steps say, on the flow's own clock.

use super::stage::{fails, passes};
use crate::base::Duration;

const CALL: &str = " call from +15550001111 to +12223331234\n";

#[test]
fn a_menu_takes_a_key() {
    let body = "<Gather numDigits='1' action='/bins/chosen'><Say>Press one</Say></Gather>\
        <Say>Goodbye</Say>";
    let chosen = "<Response><Say>You pressed {{Digits}}</Say><Reject/></Response>";
    let files = [("bins/chosen.xml", chosen)];
    let steps = format!(
        "{CALL} expect status in-progress\n expect gather 1 digits\n expect say \"Press\"\n \
         press 1\n expect say \"You pressed 1\"\n expect reject\n expect status completed\n"
    );
    passes(body, &files, &steps);
    let ignored = format!("{CALL} expect say Press\n expect say Goodbye\n expect status completed");
    passes(body, &files, &ignored);
}

#[test]
fn documents_name_functions_and_assets_at_the_root() {
    let says = |verbs: &str| {
        format!(
            "exports.handler = (context, event, callback) => {{\n\
             const twiml = new Twilio.twiml.VoiceResponse();\n{verbs}\ncallback(null, twiml);\n}};"
        )
    };
    let choice = says("twiml.say('Chose ' + event.Digits); twiml.redirect('./done');");
    let done = says("twiml.say('Done'); twiml.redirect({ method: 'GET' }, '/bye.xml?x=1');");
    let files = [
        ("functions/ivr-choice.js", choice.as_str()),
        ("functions/done.js", done.as_str()),
        ("assets/bye.xml", "<Response><Say>Bye</Say></Response>"),
    ];
    let body = "<Gather numDigits='1' action='/ivr-choice'><Say>Press one</Say></Gather>";
    let steps = format!(
        "{CALL} expect say Press\n press 1\n expect say \"Chose 1\"\n expect say Done\n \
         expect say Bye\n expect status completed\n"
    );
    passes(body, &files, &steps);
    let steps = format!("{CALL} expect say Never\n");
    let failure = fails("<Redirect>/ivr-chioce</Redirect>", &files, &steps);
    let told = format!("{failure:?}");
    assert!(told.contains("there is no function"), "{told}");
    assert!(told.contains("did you mean") && told.contains("ivr-choice"), "{told}");
}

#[test]
fn a_key_that_nobody_heeds_is_shown_where_the_flow_fails() {
    let body = "<Say>A long welcome to everybody</Say><Gather numDigits='1' action='/x'/>";
    let steps = format!("{CALL} expect say welcome\n press 1\n expect redirect\n");
    let failure = fails(body, &[], &steps);
    let came: Vec<String> = failure.came.iter().map(|came| came.what.clone()).collect();
    assert!(came.iter().any(|text| text.contains("key 1 is heeded by nobody")), "{came:?}");
}

#[test]
fn called_parties_answer_refuse_and_ignore() {
    let body = "<Dial timeout='20' callerId='+12223331234' action='/bins/after'>\
        <Sip>alice@office.localhost</Sip></Dial>";
    let after = "<Response><Say>It was {{DialCallStatus}}</Say></Response>";
    let files = [("bins/after.xml", after)];
    for (step, status, end) in [
        ("busy", "busy", "at 1s"),
        ("decline", "no-answer", "at 2s"),
        ("no-answer", "no-answer", "at 30s"),
        ("answer\n wait 5s\n hangup", "completed", "at 8s"),
    ] {
        let steps = format!(
            "{CALL} expect dial alice@office.localhost caller-id +12223331234\n {step}\n \
             expect say \"It was {status}\"\n expect status completed\n {end}\n"
        );
        passes(body, &files, &steps);
    }
}

#[test]
fn a_message_is_recorded_until_silence() {
    let body = "<Record maxLength='60' timeout='3' action='/bins/after'/><Say>Nothing</Say>";
    let after = "<Response><Say>{{RecordingDuration}} seconds</Say></Response>";
    let files = [("bins/after.xml", after)];
    let spoken = format!("{CALL} expect record max 60s\n speak 4s\n expect say \"4 seconds\"\n");
    let outcome = passes(body, &files, &spoken);
    assert!(outcome.length >= Duration::from_secs(7), "{outcome:?}");
    let silent = format!("{CALL} expect record\n silence 10s\n expect say Nothing\n");
    passes(body, &files, &silent);
    let by_key = format!("{CALL} expect record\n speak 2s\n press #\n expect say \"2 seconds\"\n");
    passes(body, &files, &by_key);
}

#[test]
fn phones_of_a_domain_call_and_strangers_do_not() {
    let body = "<Say>Hello {{SipUsername}} of {{SipDomain}}</Say>";
    let call = |from: &str| {
        format!(
            " call from {from} to sip:1234@office.localhost\n expect say \"Hello home of office.localhost\"\n"
        )
    };
    passes(body, &[], &call("sip:home@office.localhost"));
    let failure = fails(body, &[], &call("sip:hmoe@office.localhost"));
    assert_eq!(
        failure.reason,
        "user \"hmoe\" may not call at office.localhost; did you mean \"home\"?"
    );
    let nobody = fails(body, &[], " call from +15550001111 to +12223331235\n");
    assert!(nobody.reason.contains("did you mean \"+12223331234\"?"), "{}", nobody.reason);
}

#[test]
fn web_servers_answer_as_they_are_told() {
    let files = [
        ("one.xml", "<Response><Say>One</Say><Redirect>/voice</Redirect></Response>"),
        ("two.xml", "<Response><Say>Two</Say></Response>"),
    ];
    let call = " call from +15550001111 to +12223335678\n";
    let in_turn = format!(
        " webhook https://app.example/voice returns one.xml after 3s\n \
         webhook https://app.example/voice returns two.xml\n{call} expect say One\n \
         expect redirect /voice\n expect say Two\n expect status completed\n at 10s\n"
    );
    passes("", &files, &in_turn);
    for answer in ["one.xml status 500", "one.xml after 20s"] {
        let broken = format!(
            " webhook https://app.example/voice returns {answer}\n{call} expect say Sorry\n"
        );
        passes("", &files, &broken);
    }
    // Nothing leaves the process: an address that no line answers is a failure of the document.
    passes("", &files, &format!("{call} expect say Sorry\n"));
    let missing = fails("", &[], &format!(" webhook http://a/ returns none.xml\n{call}"));
    assert_eq!(missing.reason, "there is no file none.xml in the project");
}

#[test]
fn numbers_that_no_trunk_carries_fail() {
    let body = "<Dial action='/bins/after' callerId='+12223331234'>+4420000000</Dial>";
    let after = "<Response><Say>{{DialCallStatus}}</Say></Response>";
    let steps = format!("{CALL} expect dial +4420000000\n expect say failed\n");
    passes(body, &[("bins/after.xml", after)], &steps);
}

#[test]
fn reports_are_seen_with_their_parameters() {
    let steps = format!(
        "{CALL} expect callback https://app.example/status CallStatus=completed CallDuration=1\n"
    );
    passes("<Say>Hello, caller</Say>", &[], &steps);
    let failure = fails("<Say>Hi</Say>", &[], &format!("{CALL} expect callback x=1\n"));
    assert!(failure.came.iter().any(|came| came.what
        == "callback https://app.example/status CallStatus=completed SequenceNumber=0"));
}

#[test]
fn steps_that_nobody_can_do_fail_at_once() {
    let steps = |step: &str| format!("{CALL} wait 1s\n {step}\n");
    let reason = |step: &str| fails("<Pause length='9'/>", &[], &steps(step)).reason;
    assert_eq!(reason("answer"), "nobody is being called now");
    assert_eq!(reason("press 1"), "nobody is talking who could press a key");
    assert_eq!(reason("speak 1s"), "nobody is talking who could speak");
    assert_eq!(reason("hangup called"), "nobody is there any more");
    assert_eq!(reason("at 500ms"), "the call is already 1.0 s long");
    assert!(reason("call from +1 to +12223331234").contains("is not over"));
    let early = fails("", &[], " expect say\n call from +15550001111 to +12223331234\n");
    assert!(early.reason.starts_with("nobody has called yet"));
}

#[test]
fn a_call_that_never_gets_on_ends_the_flow() {
    let steps = format!("{CALL} expect say never\n");
    let endless = fails("<Play loop='0'>/assets/none.wav</Play><Redirect/>", &[], &steps);
    assert!(endless.reason.starts_with("it did not come"), "{}", endless.reason);
    let waiting = fails("<Say>a</Say><Pause length='3000'/>", &[], &steps);
    assert_eq!(waiting.reason, "it did not come within 600.0 s");
}

#[test]
fn a_flow_runs_the_same_each_time() {
    let body = "<Dial><Sip>alice@office.localhost</Sip></Dial>";
    let steps = format!("{CALL} expect dial\n answer\n speak 1s\n expect say never\n");
    let told = || fails(body, &[], &steps).text("x.flow");
    assert_eq!(told(), told());
}
