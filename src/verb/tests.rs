//! Documents as a whole: tables, tolerance, diagnostics, outlines.

use super::*;
use crate::markup::Severity;

fn read(body: &str) -> (Document, Vec<Diagnostic>) {
    Document::parse(body.as_bytes(), Some("text/xml")).unwrap_or_else(|e| panic!("{body}: {e}"))
}

fn codes(body: &str) -> Vec<u32> {
    read(body).1.iter().map(|finding| finding.code).collect()
}

fn outline(inner: &str) -> Vec<String> {
    read(&format!("<Response>{inner}</Response>")).0.outline()
}

/// What makes a verb complete, so that only the attribute under test is found fault with.
fn complete(verb: &str, attribute: &str) -> String {
    let inside = match verb {
        "Say" => "Hello",
        "Play" => "https://a.example/x.wav",
        "Dial" => "4155551212",
        "Redirect" => "/next",
        "Refer" => "<Sip>sip:a@b.example</Sip>",
        _ => "",
    };
    format!("<Response><{verb} {attribute}>{inside}</{verb}></Response>")
}

/// A value that no row of that kind takes.
fn bad_value(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Method => Some("PUT"),
        Kind::Boolean => Some("perhaps"),
        Kind::Integer(..) => Some("-1"),
        Kind::Word(_) | Kind::Words(_) => Some("nonsense"),
        Kind::Characters(_) => Some("xyz"),
        Kind::Text | Kind::Url | Kind::NotYet => None,
    }
}

#[test]
fn defaults_need_no_attributes() {
    for verb in VERBS {
        assert_eq!(codes(&complete(verb.name, "")), [0u32; 0], "{}", verb.name);
    }
}

#[test]
fn every_row_rejects_with_its_own_code_and_the_call_goes_on() {
    let mut rows = 0;
    for verb in VERBS {
        for row in verb.attributes {
            let (value, code) = match bad_value(row.kind) {
                Some(value) => (value, row.code),
                None if row.kind == Kind::NotYet => ("x", 12200),
                None => continue,
            };
            // A method or an event list without its URL says nothing.
            let url = match row.name {
                name if name.starts_with("recordingStatusCallback") => {
                    "recordingStatusCallback='/r'"
                }
                _ => "action='/a'",
            };
            let url =
                if verb.attributes.iter().any(|row| url.starts_with(row.name)) { url } else { "" };
            let body = complete(verb.name, &format!("{}='{value}' {url}", row.name));
            let (document, findings) = read(&body);
            let found: Vec<u32> = findings.iter().map(|finding| finding.code).collect();
            assert!(found.contains(&code), "{body}: {findings:?}");
            assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
            assert_eq!(document.verbs().len(), 1);
            rows += 1;
        }
    }
    assert!(rows > 45, "{rows} rows were tried");
}

#[test]
fn nouns_have_tables_too() {
    let number = "<Response><Dial><Number sendDigits='x' method='PUT' url='/u' statusCallback='/s' \
                  statusCallbackEvent='gone' machineDetection='Enable' colour='red'>+14155551212\
                  </Number></Dial></Response>";
    let mut found = codes(number);
    found.sort_unstable();
    assert_eq!(found, [12200, 12200, 12200, 13221, 13222]);
    assert_eq!(codes("<Response><Dial><Sip sendDigits='x'>a@b</Sip></Dial></Response>"), [13242]);
}

#[test]
fn typos_are_named() {
    let (_, findings) = read(
        "<Response>\n <say>x</say>\n <Gahter/>\n <Dial callerID='1'>4155551212</Dial></Response>",
    );
    let text: Vec<String> = findings.iter().map(Diagnostic::to_string).collect();
    assert_eq!(
        text,
        [
            "2:2: warning 12200: <say> is not a verb and is skipped (expected <Say>)",
            "3:2: warning 12200: <Gahter> is not a verb and is skipped (expected <Gather>)",
            "4:8: warning 12200: <Dial> has no attribute callerID; it is ignored (expected callerId)",
        ]
    );
}

#[test]
fn verbs_to_come_say_so() {
    for verb in NOT_YET {
        let (document, findings) = read(&format!("<Response><{verb}/><Hangup/></Response>"));
        assert_eq!(document.verbs().len(), 1);
        assert!(findings[0].message.contains("not supported here yet"), "{verb}");
        assert_eq!(findings[0].code, 12200);
    }
}

#[test]
fn types_decide_how_a_body_is_read() {
    let parse = |body: &str, kind: Option<&str>| Document::parse(body.as_bytes(), kind);
    let xml = "<Response><Say>x</Say></Response>";
    for kind in [
        None,
        Some("text/xml"),
        Some("application/xml; charset=utf-8"),
        Some("TEXT/HTML"),
        Some("text/plain"),
    ] {
        assert_eq!(parse(xml, kind).expect("a document").0.outline(), ["say \"x\""], "{kind:?}");
    }
    let spoken = parse("Hello\n world", Some("text/plain")).expect("text is spoken").0;
    assert_eq!(spoken.outline(), ["say \"Hello world\""]);
    for kind in ["application/json", "", "image/png"] {
        assert_eq!(parse(xml, Some(kind)).expect_err("refused").code, 12300, "{kind}");
    }
    assert_eq!(parse("<Response><Say>", Some("text/plain")).expect_err("broken").code, 12100);
    assert_eq!(parse("", Some("text/plain")).expect_err("empty").code, 11770);
    assert_eq!(parse("<Reponse/>", None).expect_err("root").code, 12102);
    assert_eq!(Document::play("https://a/x.mp3").outline(), ["play https://a/x.mp3"]);
    assert_eq!(Document::ring("sip:a@b;x=1&y").outline(), ["dial sip:a@b;x=1&y"]);
}

#[test]
fn outlines_tell_what_happens() {
    assert_eq!(
        outline(
            "<Say voice='alice' language='en-CA' loop='2'>Hi</Say><Pause length='2'/>\
             <Gather numDigits='1' action='/menu'><Say>Press one</Say></Gather>\
             <Record maxLength='60' action='/done'/><Reject reason='busy'/><Redirect>/x</Redirect>\
             <Hangup/>"
        ),
        [
            "say \"Hi\" voice alice language en-CA 2 times",
            "pause 2s",
            "gather 1 digits timeout 5s finish # action /menu",
            "  say \"Press one\"",
            "record max 60s silence 5s action /done",
            "reject busy",
            "redirect /x",
            "hangup",
        ]
    );
    assert_eq!(
        outline("<Dial callerId=' 16505551111' record='do-not-record'>15551231234</Dial>"),
        ["dial +15551231234 caller-id +16505551111"]
    );
    assert_eq!(
        outline("<Dial><Number>415-555-1212</Number><Sip>alice@office.localhost</Sip></Dial>"),
        ["dial +14155551212", "dial sip:alice@office.localhost"]
    );
}

#[test]
fn markup_for_speech_becomes_words() {
    let said = |inner: &str| outline(&format!("<Say>{inner}</Say>")).remove(0);
    assert_eq!(said("Hello <break time='1s'/> world"), "say \"Hello, world\"");
    assert_eq!(said("<p>One</p><p>Two!</p>"), "say \"One. Two!\"");
    assert_eq!(said("<sub alias='World Wide Web'>WWW</sub> x"), "say \"World Wide Web x\"");
    assert_eq!(said("<say-as interpret-as='digits'>4155</say-as>"), "say \"4 1 5 5\"");
    assert_eq!(
        said("<prosody rate='slow'>slow <emphasis>now</emphasis></prosody>"),
        "say \"slow now\""
    );
    assert_eq!(codes("<Response><Say><blink>x</blink></Say></Response>"), [12200]);
}

#[test]
fn text_has_bounds() {
    let long = "x".repeat(5000);
    let (document, findings) = read(&format!("<Response><Say>{long}</Say></Response>"));
    assert_eq!(findings[0].code, 13521);
    assert_eq!(document.outline()[0].len(), "say \"\"".len() + 4096);
    assert_eq!(codes("<Response><Say> </Say></Response>"), [13520]);
    let many = "<Number>4155551212</Number>".repeat(12);
    assert_eq!(codes(&format!("<Response><Dial>{many}</Dial></Response>")), [13250, 13250]);
}

#[test]
fn dials_text_may_be_a_sip_address() {
    let (document, findings) = read("<Response><Dial>sip:a@b</Dial></Response>");
    assert_eq!(findings[0].code, 13223);
    assert_eq!(document.outline(), ["dial sip:a@b"]);
    assert_eq!(codes("<Response><Dial><Foo/>4155551212</Dial></Response>"), [13215]);
    assert_eq!(codes("<Response><Gather><Dial/></Gather></Response>"), [13320]);
    assert_eq!(codes("<Response><Gather><Play digits='1'/></Gather></Response>"), [13320]);
    assert_eq!(codes("<Response>loose<Hangup/></Response>"), [12200]);
}

#[test]
fn a_verb_asks_and_steps_as_values() {
    let (document, _) = read("<Response><Say loop='0'>Hello</Say></Response>");
    let mut run = document.verbs()[0].verb.run();
    let mut asks = Vec::new();
    let now = Instant::from_millis(0);
    let mut turn = |event| {
        let mut turn = Turn { now, event, answered: false, first: true, asks: &mut asks };
        run.step(&mut turn)
    };
    assert_eq!(turn(Event::Start), Step::Wait);
    assert_eq!(turn(Event::Digit('1')), Step::Wait);
    assert_eq!(turn(Event::Played), Step::Done);
    assert_eq!(turn(Event::Left), Step::Hangup);
    let speech = Speech { text: "Hello".into(), voice: String::new(), language: String::new() };
    assert_eq!(asks, [Ask::Answer, Ask::Play(Sound::Speech(speech), 1000)]);
}

/// The shapes of published documents (the TwiML reference).
#[test]
fn real_documents_are_clean() {
    for body in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hello -->\n<Response>\n  <Say>Hi</Say>\n</Response>",
        "<Response><Play digits=\"ww1234#\"></Play></Response>",
        "<Response><Dial callerId=\"+12223331234\" record=\"do-not-record\">15551231234</Dial></Response>",
        "<Response><Dial><Sip>\n   aleksey@sdt.sip.us1.example.com\n</Sip></Dial></Response>",
        "<Response><Dial><Number>\n415-123-4567\n</Number></Dial></Response>",
        "<Response><Say voice =\"alice\" language='en-CA'>a &amp; b</Say></Response>",
        "<Response><Gather input=\"dtmf\" method='get'><Play loop='2'> https://a/b.mp3 </Play></Gather></Response>",
        "<Response><Say><![CDATA[x < y]]></Say></Response>",
    ] {
        assert_eq!(codes(body), [0u32; 0], "{body}");
    }
}

#[test]
fn broken_documents_are_findings_and_never_panics() {
    let whole = "<Response><Gather numDigits='1' finishOnKey='#'><Say loop='2'>a<break/>b</Say></Gather>\
                 <Dial callerId='+1' record='true'><Sip username='u' password='p'>sip:a@b;x?X-a=%20\
                 </Sip><Number sendDigits='1w'>+14155551212</Number></Dial><Record/></Response>";
    let mut rng = crate::base::Rng::from_number(5);
    let mut read = 0;
    for _ in 0..5_000 {
        let mut body = whole.as_bytes().to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(body.len() as u64) as usize;
            match rng.below(3) {
                0 => body[at] = b"<>&;'=/ \xC3\x00?@:%"[rng.below(14) as usize],
                1 if body.len() > 1 => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        match Document::parse(&body, None) {
            Ok((document, _)) => read += document.outline().len(),
            Err(error) => assert!(error.code >= 11_000 && error.position.line > 0),
        }
    }
    assert!(read > 1_000, "some are still read: {read}");
}

#[test]
fn the_linter_knows_loops_and_dead_ends() {
    let lint = |inner: &str| -> Vec<String> {
        let (document, _) = read(&format!("<Response>{inner}</Response>"));
        document.lint().iter().map(|finding| finding.message.clone()).collect()
    };
    assert!(lint("<Gather numDigits='1'/>")[0].contains("loops"));
    assert!(lint("<Record/>")[0].contains("loops"));
    assert!(lint("<Redirect>/x</Redirect><Say>x</Say>")[0].contains("<Say> is never reached"));
    assert!(lint("<Dial action='/x'>4155551212</Dial><Hangup/>")[0].contains("never reached"));
    assert!(lint("<Pause/><Reject/>")[0].contains("hangs up"));
    let clean = "<Gather action='/a'/><Record action='/b'/><Dial>4155551212</Dial><Hangup/>";
    assert_eq!(lint(clean), [""; 0]);
}
