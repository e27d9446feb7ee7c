//! Tables of routes: a door like the others, and the same documents as functions written by hand.

use super::*;

const SAMPLES: [(&str, &str); 6] = [
    ("outbound.js", include_str!("../../../../functions/samples/outbound.js")),
    (
        "outbound-table.routes.toml",
        include_str!("../../../../functions/samples/outbound.routes.toml"),
    ),
    ("caller-id.js", include_str!("../../../../functions/samples/caller-id.js")),
    (
        "caller-id-table.routes.toml",
        include_str!("../../../../functions/samples/caller-id.routes.toml"),
    ),
    ("sip-outbound.js", include_str!("../../../../samples/first/functions/sip-outbound.js")),
    (
        "sip-outbound-table.routes.toml",
        include_str!("../../../../samples/first/functions/outbound.routes.toml"),
    ),
];

/// An office's handler as such are written by hand: exceptions of exceptions, and a map of users.
const BY_HAND: &str = r#"
exports.handler = function (context, event, callback) {
  const twiml = new Twilio.twiml.VoiceResponse();
  const voice = { voice: 'alice', language: 'en-CA' };
  let from = event.From || null, to = event.To || null;
  if (from === null) { twiml.say(voice, 'Who is calling?'); return callback(null, twiml); }
  if (to === null) { twiml.say(voice, 'Whom do you call?'); return callback(null, twiml); }
  if (event.callerId) from = event.callerId;
  else if (from.startsWith('sip:home@')) from = '+16505550101';
  else if (from.startsWith('sip:zoiper@')) from = '+16505550102';
  else from = '+16505550100';
  if (to.startsWith('sip:')) to = to.substr(4);
  const at = to.indexOf('@');
  if (at > 0) to = to.substr(0, at);
  if (to.startsWith('64') && to.length === 10) to = '+' + to;
  else if (to.startsWith('650') && to.length === 10) { /* as it is */ }
  else if (to.startsWith('65') && to.length === 10) to = '+' + to;
  twiml.dial({ callerId: from, record: 'do-not-record' }, to);
  callback(null, twiml);
};"#;

const AS_A_TABLE: &str = r#"
[missing]
from = "Who is calling?"
to = "Whom do you call?"
[say]
voice = "alice"
language = "en-CA"
[caller_id]
override = "callerId"
default = "+16505550100"
users = { home = "+16505550101", zoiper = "+16505550102" }
[dial]
record = "do-not-record"
[[rewrite]]
why = "New Zealand"
prefix = "64"
length = 10
result = "+{number}"
[[rewrite]]
why = "California"
prefix = "650"
length = 10
result = "{number}"
[[rewrite]]
why = "Singapore"
prefix = "65"
length = 10
result = "+{number}"
"#;

const FROM: [Option<&str>; 7] = [
    None,
    Some(""),
    Some("sip:home@office.localhost"),
    Some("sip:zoiper@office.sip.us1.example.com"),
    Some("sip:desk@office.localhost:5061;transport=tls"),
    Some("sip:homer@office.localhost"),
    Some("+15550100123"),
];

const TO: [Option<&str>; 18] = [
    None,
    Some(""),
    Some("15551231234"),
    Some("sip:15551231234@office.localhost"),
    Some("sip:6421123456@office.localhost"),
    Some("6421123456"),
    Some("64211234567"),
    Some("6508662222"),
    Some("sip:6508662222@office.localhost"),
    Some("6591234567"),
    Some("sip:6591234567@office.localhost"),
    Some("659123456"),
    Some("4155550100"),
    Some("+442071838750"),
    Some("sip:+442071838750@office.localhost"),
    Some("911"),
    Some("sip:*98@office.localhost"),
    Some("+6591234567"),
];

const CALLER_ID: [Option<&str>; 4] = [None, Some(""), Some("+16508661111"), Some("a&b<\"c\">'d'")];

fn each(mut see: impl FnMut(&[(&str, &str)])) {
    for from in FROM {
        for to in TO {
            for caller_id in CALLER_ID {
                let all = [("From", from), ("To", to), ("callerId", caller_id)];
                let given: Vec<_> = all.iter().filter_map(|(n, v)| Some((*n, (*v)?))).collect();
                see(&given);
            }
        }
    }
}

/// Holds a function against a table over every event that the function answers.
fn same(bench: &Bench, function: &str, table: &str) -> usize {
    let mut held = 0;
    each(|parameters| {
        let by_hand = bench.invoke(function, parameters);
        if by_hand.failure.is_some() || by_hand.status != 200 {
            return;
        }
        let by_table = bench.invoke(table, parameters);
        let [one, other] = [&by_hand, &by_table].map(|r| String::from_utf8_lossy(&r.body));
        assert_eq!(one, other, "{function} and {table}: {parameters:?}");
        assert_eq!(by_hand.content_type, by_table.content_type);
        held += 1;
    });
    held
}

#[test]
fn a_table_answers_byte_for_byte_what_functions_written_by_hand_do() {
    let bench = Bench::new(&SAMPLES);
    bench.write("hand.js", BY_HAND);
    bench.write("table.routes.toml", AS_A_TABLE);
    let all = FROM.len() * TO.len() * CALLER_ID.len();
    assert_eq!(same(&bench, "hand", "table"), all);
    assert!(same(&bench, "outbound", "outbound-table") > all / 2);
    // Without a To both dial nobody, each in its way: that function does not ask.
    for from in FROM.into_iter().flatten() {
        for to in ["sip:jack@example.com", "+15551231234", "15551231234"] {
            let parameters = [("From", from), ("To", to)];
            let [one, other] = ["caller-id", "caller-id-table"]
                .map(|name| String::from_utf8(bench.invoke(name, &parameters).body));
            assert_eq!(one, other, "{parameters:?}");
        }
    }
}

#[test]
fn the_sample_table_answers_what_the_sample_function_does() {
    let bench = Bench::new(&SAMPLES);
    assert_eq!(
        same(&bench, "sip-outbound", "sip-outbound-table"),
        FROM.len() * TO.len() * CALLER_ID.len()
    );
    for to in ["sip:myuser@office.localhost", "myuser", "sip:x@h;gr=urn:uuid:1", "sip:y@h;grid=1"] {
        let parameters = [("From", "sip:home@office.localhost"), ("To", to)];
        let [one, other] = ["sip-outbound", "sip-outbound-table"]
            .map(|name| String::from_utf8(bench.invoke(name, &parameters).body));
        assert_eq!(one, other, "{to}");
    }
}

#[test]
fn a_table_is_a_function_like_the_others() {
    let bench = Bench::new(&[
        ("in/a.routes.toml", "[dial]\nrecord = true\n"),
        ("b.protected.routes.toml", "[dial]\n"),
        ("c.private.routes.toml", "[dial]\n"),
    ]);
    let names = ["b", "c", "in/a"].map(str::to_owned);
    assert_eq!(bench.functions.names(), names);
    let access = |name| bench.functions.access(name);
    assert_eq!(access("in/a"), Some(Access::Public));
    assert_eq!(access("b"), Some(Access::Protected));
    assert_eq!(access("c"), Some(Access::Private));
    assert_eq!(access("b.protected"), None);
    let parameters = [("To", "+15551231234")];
    let answer = bench.invoke("in/a", &parameters);
    assert_eq!(answer.content_type, "text/xml; charset=utf-8");
    let body = String::from_utf8(answer.body).expect("text");
    assert!(body.ends_with("<Dial record=\"true\">+15551231234</Dial></Response>"), "{body}");
    assert_eq!(answer.log.len(), 1, "{:?}", answer.log);
    assert_eq!(answer.log[0].text, "dial: +15551231234");
    assert!(answer.numbers, "the server's log shows them in part");

    // A broken save, or one that its own tests refuse, keeps the last good version.
    // Editors that empty a file before they write it leave nothing, or a comment.
    let failing = "[[test]]\nto = \"1\"\ndials = \"2\"\n";
    for broken in ["[dial]\nrecrod = true\n", "[dial\n", failing, "", "# Rules of the\n"] {
        bench.write("in/a.routes.toml", broken);
        let answer = bench.invoke("in/a", &parameters);
        let stale = answer.stale.expect("an earlier version answered");
        assert_eq!((stale.file.as_str(), stale.line > 0), ("in/a.routes.toml", true));
        assert!(String::from_utf8_lossy(&answer.body).contains("record=\"true\""));
    }
    bench.write("in/a.routes.toml", "[dial]\nrecrod = true\n");
    let error = Functions::check(&bench.functions, "in/a").expect_err("broken");
    let text = "function cannot be loaded: in/a.routes.toml:2:1: unknown key \"recrod\" in [dial]; \
                did you mean \"record\"?";
    assert_eq!(error.to_string(), text);
    bench.write("in/a.routes.toml", "[dial]\nrecord = false\n");
    let answer = bench.invoke("in/a", &parameters);
    assert!(answer.stale.is_none());
    assert!(String::from_utf8_lossy(&answer.body).contains("record=\"false\""));
}

#[test]
fn the_body_wins_over_the_query_and_an_explanation_can_be_asked_for() {
    let bench = Bench::new(&SAMPLES);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut event = Event {
        query: vec![pair("From", "sip:home@x")],
        parameters: [("To", "6591234567"), ("From", "sip:home@x"), ("_explain", "1")]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
        ..Event::default()
    };
    let answer = bench.functions.invoke("sip-outbound-table", &event).expect("an answer");
    assert_eq!(answer.content_type, "text/xml; charset=utf-8", "bodies cannot ask for it");
    // The same is in the query, behind another: what the body says counts all the same.
    event.query = vec![pair("To", "911"), pair("To", "6591234567"), pair("_explain", "1")];
    let answer = bench.functions.invoke("sip-outbound-table", &event).expect("an answer");
    assert_eq!(answer.content_type, "text/plain; charset=utf-8");
    let body = String::from_utf8(answer.body).expect("text");
    assert!(body.contains("rewrite \"Singapore without its plus\": 6591234567 becomes"), "{body}");
    assert!(body.contains("rewrite \"California\": no, it does not begin with 650"), "{body}");
    let xml =
        "<Dial callerId=\"+12223331234\" record=\"do-not-record\">+6591234567</Dial></Response>\n";
    assert!(body.ends_with(xml), "{body}");
}

#[test]
fn an_explanation_tells_the_time_it_decided_with_and_takes_no_other() {
    let table = "[[hours]]\nwhy = \"night\"\nzone = \"Asia/Singapore\"\nfrom = \"20:00\"\n\
                 to = \"07:00\"\nreject = \"busy\"\n";
    let bench = Bench::new(&[("t.routes.toml", table)]);
    let night = "2026-11-21T22:00:00+08:00";
    let asked = ["_explain", "_at", "at", "_now", "now", "time", "_time"];
    let pair = |name: &str| {
        let value = if name == "_explain" { "1" } else { night };
        (name.to_owned(), value.to_owned())
    };
    let mut event = Event {
        parameters: [("To".to_owned(), "6591234567".into())].into_iter().collect(),
        query: asked.map(pair).to_vec(),
        ..Event::default()
    };
    let answer = bench.functions.invoke("t", &event).expect("an answer");
    let line = "hours \"night\": no, Sat 2026-11-21 13:01 +08 is not every day 20:00-07:00 \
                Asia/Singapore\n";
    assert!(text(&answer).contains(line), "{}", text(&answer));
    event.query.retain(|(name, _)| name != "_explain");
    let answer = bench.functions.invoke("t", &event).expect("an answer");
    assert!(text(&answer).contains("<Dial>6591234567</Dial>"), "{}", text(&answer));
}
