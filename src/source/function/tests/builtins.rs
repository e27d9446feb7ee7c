//! What scripts find around them, against what Node and Twilio's libraries give for the same code.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::*;
use crate::verb::NOT_YET;

/// The cases below a `## ` heading of `functions/samples/node.txt`: code, and what Node gives.
fn cases(topic: &str) -> Vec<(String, String)> {
    let file = include_str!("../../../../functions/samples/node.txt");
    let section = file.split("\n## ").find_map(|section| section.strip_prefix(topic));
    let lines: Vec<&str> = section.expect("the topic's heading").trim().lines().collect();
    let expected = |line: &str| {
        let text = line.strip_prefix("=> ").expect("below the code, its value");
        serde_json::from_str::<String>(text).expect("a JSON string")
    };
    lines.chunks(2).map(|pair| (pair[0].to_owned(), expected(pair[1]))).collect()
}

/// Runs all cases of a topic in one function, each by itself.
fn agrees(topic: &str, at_least: usize) {
    let cases = cases(topic);
    assert!(cases.len() >= at_least, "{topic}: {} cases", cases.len());
    let mut script = "const out = [];\nconst run = (make) => { try { out.push(String(make())); } \
         catch (e) { out.push(`THROWS ${e.code || ''} ${e.name}: ${e.message}`); } };\n"
        .to_owned();
    for (code, _) in &cases {
        let is_body = ["const ", "function ", "class "].iter().any(|word| code.starts_with(word));
        let statement = if is_body { code.clone() } else { format!("return {code}") };
        script.push_str(&format!("run(() => {{ {statement}; }});\n"));
    }
    script.push_str("callback(null, out);");
    // So many at once are slow in a build without optimisation, beside other tests.
    let generous = Limits { running: Duration::from_secs(9), ..Limits::default() };
    let response = Bench::with(&[], 1, generous).run(&script);
    let given: Vec<String> = serde_json::from_slice(&response.body)
        .unwrap_or_else(|e| panic!("{topic}: {e}: {}", text(&response)));
    for ((code, expected), given) in cases.iter().zip(&given) {
        assert_eq!(given, expected, "{topic}: {code}");
    }
    assert_eq!(given.len(), cases.len());
}

#[test]
fn inspect_and_format_are_those_of_node() {
    agrees("inspect", 100);
}

#[test]
fn buffers_and_text_codecs_are_those_of_node() {
    agrees("buffer", 100);
}

#[test]
fn addresses_and_queries_are_those_of_node() {
    agrees("URL", 100);
    agrees("query", 40);
    agrees("legacy", 30);
}

#[test]
fn hashes_and_the_rest_of_crypto_are_those_of_node() {
    agrees("crypto", 50);
}

#[test]
fn dates_and_numbers_in_english_are_those_of_node() {
    agrees("dates", 80);
    agrees("numbers", 60);
}

#[test]
fn small_modules_are_those_of_node() {
    agrees("path", 60);
    agrees("util", 50);
    agrees("events and assert", 20);
    agrees("clone", 5);
    agrees("more modules", 20);
}

#[test]
fn errors_say_what_those_of_node_say() {
    agrees("errors", 300);
}

/// Each case is a script that calls `done` with what it saw of the module `stream`, which is `S`.
#[test]
fn streams_do_what_those_of_node_do() {
    let cases = cases("streams");
    let mut body = "const S = require('stream');\nconst cases = [\n".to_owned();
    for (code, _) in &cases {
        body.push_str(&format!("(done) => {{ {code} }},\n"));
    }
    body.push_str(
        "];\nconst out = [];\n\
         const next = () => { const one = cases[out.length];\n\
         if (one) one((value) => { out.push(JSON.stringify(value)); setTimeout(next, 0); });\n\
         else callback(null, out); };\nnext();",
    );
    let response = Bench::new(&[]).run(&body);
    let given: Vec<String> = serde_json::from_slice(&response.body)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&response)));
    for ((code, expected), given) in cases.iter().zip(&given) {
        assert_eq!(given, expected, "{code}");
    }
    assert!(given.len() == cases.len() && given.len() > 20, "{}", given.len());
}

#[test]
fn every_builder_writes_what_the_helper_library_writes() {
    let file = include_str!("../../../../functions/samples/verbs.txt");
    let paragraphs = file.split("\n\n").filter(|part| !part.starts_with('#'));
    let mut script = "const out = [];\n".to_owned();
    let mut expected = Vec::new();
    for paragraph in paragraphs {
        let (code, xml) = paragraph.trim().split_once("\n<?xml").expect("code and a document");
        script.push_str(&format!("{{ {code}\nout.push(r.toString()); }}\n"));
        expected.push((code, format!("<?xml{xml}")));
    }
    assert!(expected.len() >= 60, "{}", expected.len());
    let response = Bench::new(&[]).run(&format!("{script}callback(null, out);"));
    let given: Vec<String> = serde_json::from_slice(&response.body).expect("JSON");
    for ((code, expected), given) in expected.iter().zip(&given) {
        assert_eq!(given, expected, "{code}");
    }
    assert_eq!(given.len(), expected.len());
}

/// The table of builders is the helper library's; whatever a call carries out has one.
#[test]
fn every_verb_and_noun_that_calls_know_has_a_builder() {
    let mut script = "const missing = [], V = Twilio.twiml.VoiceResponse;\n\
         const builds = (make, name) => { const xml = make().toString();\n\
         if (!xml.includes('<' + name + '/>')) missing.push(name); };\n\
         const method = (name) => name[0].toLowerCase() + \
         name.slice(1).replace(/-(.)/g, (_, letter) => letter.toUpperCase());\n"
        .to_owned();
    for name in crate::verb::VERBS.iter().map(|verb| verb.name).chain(NOT_YET.iter().copied()) {
        script.push_str(&format!(
            "builds(() => {{ const r = new V(); r[method('{name}')](); return r; }}, '{name}');\n"
        ));
    }
    for verb in crate::verb::VERBS {
        for noun in verb.nouns {
            let (verb, noun) = (verb.name, noun.name);
            script.push_str(&format!(
                "builds(() => {{ const r = new V(); r[method('{verb}')]()[method('{noun}')](); \
                 return r; }}, '{noun}');\n"
            ));
        }
    }
    let response = Bench::new(&[]).run(&format!("{script}callback(null, missing.join());"));
    assert_eq!((response.status, text(&response)), (200, ""));
}

#[test]
fn access_tokens_are_those_of_the_helper_library() {
    let bench = Bench::new(&[]);
    // The clock of tests stands still; `jti`, `iat` and `exp` come from it.
    let response = bench.run(
        "const T = require('twilio').jwt.AccessToken;\
         const t = new T('AC1', 'SK1', 'secret', {identity: 'alice', ttl: 60, region: 'au1'});\
         t.addGrant(new T.VoiceGrant({incomingAllow: true, outgoingApplicationSid: 'AP1',\
         outgoingApplicationParams: {a: 'é'}}));\
         callback(null, t.toJwt().split('.').slice(0, 2).map((part) =>\
         Buffer.from(part, 'base64url').toString()).join(' '));",
    );
    assert_eq!(
        text(&response),
        concat!(
            r#"{"alg":"HS256","typ":"JWT","cty":"twilio-fpa;v=1","twr":"au1"} "#,
            r#"{"jti":"SK1-1795237266","grants":{"identity":"alice","voice":{"incoming":"#,
            r#"{"allow":true},"outgoing":{"application_sid":"AP1","params":{"a":"é"}}}},"#,
            r#""iat":1795237266,"exp":1795237326,"iss":"SK1","sub":"AC1"}"#
        )
    );
    // The whole token, from the library at this time.
    let response = bench.run(
        "const T = Twilio.jwt.AccessToken; const t = new T('AC1', 'SK1', 'secret', {identity: 'x'});\
         t.addGrant(new T.VideoGrant({room: 'r'})); callback(null, t.toJwt('HS512'));",
    );
    assert_eq!(text(&response), TOKEN);
}

const TOKEN: &str = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCIsImN0eSI6InR3aWxpby1mcGE7dj0xIn0.eyJqdGkiOiJTSzEtMTc5NTIzNzI2NiIsImdyYW50cyI6eyJpZGVudGl0eSI6IngiLCJ2aWRlbyI6eyJyb29tIjoiciJ9fSwiaWF0IjoxNzk1MjM3MjY2LCJleHAiOjE3OTUyNDA4NjYsImlzcyI6IlNLMSIsInN1YiI6IkFDMSJ9.mE4FhB5Kpu3_4ZWksvAdfDjk9sWFCjUPy1rFN0iOD30OA4wcunx4pgS2QqDfp6xbPK1_jP1Em-cVnKy5krrKIQ";

#[test]
fn the_sample_for_business_hours_knows_where_the_office_is() {
    let sample = include_str!("../../../../functions/samples/hours.js");
    let bench = Bench::new(&[("hours.js", sample)]);
    // A Friday before and after the clocks change in New York, and the Saturday.
    for (at, expected) in [
        ("2026-10-30T13:30:00Z", "<Client>office</Client>"),
        ("2026-10-30T12:30:00Z", "<Say>It is 8:30 AM here.</Say>"),
        ("2026-11-06T13:30:00Z", "<Say>It is 8:30 AM here.</Say>"),
        ("2026-11-06T21:59:00Z", "<Client>office</Client>"),
        ("2026-11-07T15:00:00Z", "<Say>It is 10:00 AM here.</Say>"),
    ] {
        let response = bench.invoke("hours", &[("At", at)]);
        assert!(text(&response).contains(expected), "{at}: {}", text(&response));
    }
}

#[test]
fn the_sample_for_tokens_gives_one() {
    let sample = include_str!("../../../../functions/samples/access-token.js");
    let bench = Bench::new(&[("token.js", sample)]);
    assert_eq!(bench.invoke("token", &[]).status, 400);
    let mut event = event(&[("identity", "alice")]);
    for name in ["ACCOUNT_SID", "API_KEY", "API_SECRET", "APP_SID"] {
        event.context.push((name.to_owned(), format!("{name}-1")));
    }
    let response = bench.functions.invoke("token", &event).expect("a response");
    let body: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(body["identity"], "alice", "{body}");
    let parts = body["token"].as_str().expect("a token").split('.').count();
    assert_eq!((response.status, parts), (200, 3));
    let header = ("Cache-Control".to_owned(), "no-store".to_owned());
    assert!(response.headers.contains(&header), "{response:?}");
}

#[test]
fn requests_are_validated_as_the_helper_library_does() {
    let response = Bench::new(&[]).run(
        "const url = 'https://a.b:443/c?d=e', good = Twilio.getExpectedTwilioSignature('tok',\
         'https://a.b/c?d=e', {B: '2', A: ['z', 'y', 'z']});\
         callback(null, [good, Twilio.validateRequest('tok', good, url, {A: ['y', 'z'], B: '2'}),\
         Twilio.validateRequest('tok', good, url, {A: 'y'}),\
         Twilio.validateRequest('other', good, url, {A: ['y', 'z'], B: '2'})].join());",
    );
    assert_eq!(text(&response), "LnasTYys9Z2dm2jYFfXtLaMTwFs=,true,false,false");
}

#[test]
fn response_bodies_leave_by_their_kind() {
    let bench = Bench::new(&[]);
    let answer = |code: &str| {
        let response = bench.run(&format!("callback(null, new Twilio.Response(){code});"));
        (response.content_type.clone(), response.body)
    };
    let of = |kind: &str, body: &[u8]| (kind.to_owned(), body.to_vec());
    assert_eq!(answer(".setBody('<p>')"), of("text/html; charset=utf-8", b"<p>"));
    assert_eq!(answer(".setBody({a: 1})"), of("application/json; charset=utf-8", br#"{"a":1}"#));
    assert_eq!(
        answer(".setBody(Buffer.from([0, 255, 1]))"),
        of("application/octet-stream", &[0, 255, 1])
    );
    assert_eq!(
        answer(".appendHeader('content-type', 'image/png').setBody(Buffer.from('x'))"),
        of("image/png", b"x")
    );
    assert_eq!(
        answer(".appendHeader('Content-Type', 'text/plain; charset=latin1').setBody('é')"),
        of("text/plain; charset=utf-8", "é".as_bytes())
    );
    let cookies = bench.run(
        "const r = new Twilio.Response(); r.setCookie('a', 'b; c', ['Path=/']).setCookie('d', 'e');\
         r.removeCookie('d'); callback(null, r);",
    );
    let cookie = |value: &str| ("Set-Cookie".to_owned(), value.to_owned());
    assert_eq!(cookies.headers, [cookie("a=b; c;Path=/"), cookie("d=;Max-Age=0")]);
}

#[test]
fn the_console_writes_as_node_does() {
    let response = Bench::new(&[]).run(
        "console.log('%s of %d', 'two', 3, {a: [1, {b: {c: {}}}], m: new Map([['k', 1]])});\
         console.table([{a: 1, b: 'x'}, {a: 2, c: true}]);\
         console.group('outer'); console.warn('in\\nner'); console.groupEnd();\
         console.assert(1 > 2, 'no %s', 'way'); console.count(); console.count('k'); console.count();\
         console.dir({a: {b: 1}}, {depth: 0}); console.error(new Error('broken')); callback();",
    );
    let log: Vec<(Level, &str)> =
        response.log.iter().map(|line| (line.level, line.text.as_str())).collect();
    let table = "┌─────────┬───┬─────┬──────┐\n│ (index) │ a │ b   │ c    │\n\
                 ├─────────┼───┼─────┼──────┤\n│ 0       │ 1 │ 'x' │      │\n\
                 │ 1       │ 2 │     │ true │\n└─────────┴───┴─────┴──────┘";
    let expected = [
        (Level::Info, "two of 3 { a: [ 1, { b: [Object] } ], m: Map(1) { 'k' => 1 } }"),
        (Level::Info, table),
        (Level::Info, "outer"),
        (Level::Warning, "  in\n  ner"),
        (Level::Warning, "Assertion failed: no way"),
        (Level::Info, "default: 1"),
        (Level::Info, "k: 1"),
        (Level::Info, "default: 2"),
        (Level::Info, "{ a: [Object] }"),
    ];
    assert_eq!(log.get(..expected.len()), Some(&expected[..]));
    let last = log.last().expect("the error").1;
    assert!(last.starts_with("Error: broken\n    at ") && last.contains("run.js:2:"), "{last}");
}

#[test]
fn chance_of_crypto_comes_from_the_host_at_each_call() {
    let body = "const c = require('node:crypto'); callback(null, {uuid: c.randomUUID(),\
         bytes: c.randomBytes(3000).toString('base64'), int: c.randomInt(5, 7),\
         values: [...crypto.getRandomValues(new Uint8Array(16))]});";
    let bench = Bench::new(&[("chance.js", &handler(body))]);
    let read = |response: &Response| serde_json::from_slice::<Value>(&response.body).expect("JSON");
    let (one, two) = (read(&bench.invoke("chance", &[])), read(&bench.invoke("chance", &[])));
    for name in ["uuid", "bytes", "values"] {
        assert_ne!(one[name], two[name], "{name}");
    }
    let uuid = one["uuid"].as_str().expect("text");
    assert_eq!((uuid.len(), uuid.get(14..15)), (36, Some("4")));
    let bytes = BASE64_STANDARD.decode(one["bytes"].as_str().expect("text")).expect("base64");
    assert_eq!(bytes.len(), 3000);
    assert!(one["int"] == json!(5) || one["int"] == json!(6), "{one}");
}

#[test]
fn what_is_not_there_says_so() {
    let bench = Bench::new(&[]);
    for (code, reason) in [
        (
            "require('crypto').createCipheriv('aes-256-gcm', 'k', 'i');",
            "crypto.createCipheriv is not available",
        ),
        ("require('crypto').createHash('nope');", "Digest method not supported"),
        ("new Date().toLocaleString('de-DE');", "The locale de-DE is not available"),
        (
            "new Date().toLocaleString('en', {timeZone: 'No/Where'});",
            "Invalid time zone specified: No/Where",
        ),
        ("new Intl.ListFormat('en');", "Intl.ListFormat is not available"),
    ] {
        let response = bench.run(code);
        assert!(text(&response).contains(reason), "{code}: {}", text(&response));
    }
}

#[test]
fn paths_within_the_package_twilio_are_there_whatever_is_installed() {
    let bench = Bench::new(&[]);
    let built = bench.run(
        "const V = require('twilio/lib/twiml/VoiceResponse'); const r = new V(); r.say('x');\
         callback(null, r);",
    );
    assert_eq!(built.content_type, "text/xml; charset=utf-8");
    assert!(text(&built).ends_with("<Response><Say>x</Say></Response>"), "{}", text(&built));
    let response = bench.run(
        "const twilio = require('twilio'); const { jwt } = twilio;\
         const C = require('twilio/lib/jwt/ClientCapability.js');\
         const { Policy } = jwt.taskrouter.TaskRouterCapability, U = jwt.taskrouter.util;\
         const c = new jwt.taskrouter.TaskRouterCapability({ accountSid: 'AC1', authToken: 's',\
           workspaceSid: 'WS1', channelId: 'WK1' });\
         for (const p of U.defaultEventBridgePolicies('AC1', 'WK1')) c.addPolicy(p);\
         c.addPolicy(new Policy({ url: U.tasksUrl('WS1'), method: 'POST' }));\
         const { iat, exp, ...told } = JSON.parse(Buffer.from(c.toJwt().split('.')[1], 'base64'));\
         require('@twilio-labs/serverless-runtime-types');\
         callback(null, [require('twilio/lib/jwt/AccessToken') === jwt.AccessToken,\
           C.default === jwt.ClientCapability, require('twilio/package.json').name, exp - iat,\
           JSON.stringify(told), typeof twilio('AC1', 'token').calls.create]);",
    );
    let given: Value = serde_json::from_slice(&response.body).expect("JSON");
    let policy = |url: &str, method: &str| {
        format!(
            r#"{{"url":"{url}","method":"{method}","query_filter":{{}},"post_filter":{{}},"allow":true}}"#
        )
    };
    let events = "https://event-bridge.twilio.com/v1/wschannels/AC1/WK1";
    let tasks = "https://taskrouter.twilio.com/v1/Workspaces/WS1/Tasks";
    let token = format!(
        r#"{{"iss":"AC1","version":"v1","account_sid":"AC1","channel":"WK1","workspace_sid":"WS1","policies":[{},{},{}],"worker_sid":"WK1"}}"#,
        policy(events, "GET"),
        policy(events, "POST"),
        policy(tasks, "POST"),
    );
    assert_eq!(given, json!([true, true, "twilio", 3600, token, "function"]));
}

#[test]
fn a_client_of_no_account_is_refused_as_by_the_helper_library() {
    let bench = Bench::new(&[]);
    let response = bench.run(
        "const twilio = require('twilio');\n\
         const told = (make) => { try { return typeof make().calls; } catch (e) { return e.message; } };\n\
         callback(null, [told(() => twilio()), told(() => twilio('AC1', 't')), told(() => new twilio('SK1', 't', { accountSid: 'AC1' })),\n\
           told(() => context.getTwilioClient({ region: 'au1' })), told(() => twilio('user', 't')), told(() => twilio('SK1', 't'))]);",
    );
    let wanted = serde_json::json!([
        "function",
        "function",
        "function",
        "function",
        "accountSid must start with AC",
        "accountSid must start with AC. The given SID indicates an API Key which requires the \
         accountSid to be passed as an additional option"
    ]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&response.body).expect("JSON"), wanted);
}
