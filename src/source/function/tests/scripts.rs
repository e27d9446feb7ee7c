//! What JavaScript handlers see and what becomes of their answers.

use super::*;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

#[test]
fn a_handler_that_goes_on_after_its_callback_answers_first_things_first() {
    let bench = Bench::new(&[("dial.js", DIAL)]);
    let response = bench.invoke("dial", &[("From", "sip:home@x.sip"), ("To", "sip:15551231234@x")]);
    assert_eq!(
        text(&response),
        format!(
            r#"{HEAD}<Response><Dial callerId="+15550100001" record="do-not-record">15551231234</Dial></Response>"#
        )
    );
    assert_eq!((response.status, &*response.content_type), (200, "text/xml; charset=utf-8"));
    assert_eq!(response.log[0].text, "+ from: sip:home@x.sip");

    let response = bench.invoke("dial", &[("From", "+15550100009")]);
    assert_eq!(
        text(&response),
        format!(
            r#"{HEAD}<Response><Say voice="alice" language="en-CA">Error placing the call. To is required.</Say></Response>"#
        )
    );
    let last = response.log.last().expect("the late exception");
    assert_eq!(last.level, Level::Warning);
    assert!(last.text.starts_with("after the callback: TypeError"), "{last:?}");
}

#[test]
fn rejections_that_the_callback_came_before_are_logged() {
    let bench = Bench::new(&[]);
    let late = |body: &str| {
        bench.write(
            "run.js",
            &format!("exports.handler = async (context, event, cb) => {{\n{body}\n}};"),
        );
        let response = bench.invoke("run", &[]);
        assert_eq!((response.status, text(&response)), (200, "ok"), "{body}");
        let warnings = response.log.iter().filter(|line| line.level == Level::Warning);
        let told = warnings.map(|line| line.text.lines().next().unwrap_or_default().to_owned());
        told.collect::<Vec<_>>().join("; ")
    };
    let fails = "const doit = async () => { throw new Error('lost'); };\n";
    for (body, wanted) in [
        ("doit(); cb(null, 'ok');", "after the callback: Error: lost"),
        ("cb(null, 'ok'); doit();", "after the callback: Error: lost"),
        (
            "doit(); doit(); cb(null, 'ok');",
            "after the callback: Error: lost; after the callback: Error: lost",
        ),
        ("cb(null, 'ok'); throw new Error('own');", "after the callback: Error: own"),
        ("await 1; cb(null, 'ok'); throw new Error('own');", "after the callback: Error: own"),
        ("cb(null, 'ok'); return doit();", "after the callback: Error: lost"),
        ("cb(null, 'ok'); Promise.reject(5);", "after the callback: 5"),
        // Somebody listens, sooner or later.
        ("const p = doit(); cb(null, 'ok'); p.catch(() => {});", ""),
        ("(async () => doit())().catch(() => {}); cb(null, 'ok');", ""),
        ("const p = doit(); await p.catch(() => {}); cb(null, 'ok');", ""),
        ("cb(null, 'ok'); await new Promise((done) => setTimeout(done, 5)); doit();", ""),
    ] {
        assert_eq!(late(&format!("{fails}{body}")), wanted, "{body}");
    }
    // Jobs without end do not keep the answer.
    let body = "const go = async () => { for (;;) await 1; };\ngo(); doit(); cb(null, 'ok');";
    assert_eq!(late(&format!("{fails}{body}")), "after the callback: Error: lost");
}

#[test]
fn an_async_handler_answers() {
    let bench = Bench::new(&[("mapped.js", MAPPED)]);
    let response = bench.invoke("mapped", &[("From", "sip:desk@x"), ("To", "sip:home@x")]);
    assert_eq!(
        text(&response),
        format!(
            r#"{HEAD}<Response><Dial callerId="+15550100002" timeout="20" answerOnBridge="true"><Sip>sip:home@x</Sip></Dial></Response>"#
        )
    );
}

#[test]
fn results_become_responses_by_their_kind() {
    let bench = Bench::new(&[]);
    let plain = bench.run("callback(null, 'hi');");
    assert_eq!((text(&plain), &*plain.content_type), ("hi", "text/plain; charset=utf-8"));
    let json = bench.run("callback(null, {a: [1]});");
    assert_eq!(
        (text(&json), &*json.content_type),
        (r#"{"a":[1]}"#, "application/json; charset=utf-8")
    );
    let empty = bench.run("callback();");
    assert_eq!((empty.status, text(&empty)), (200, ""));
    let made = bench.run(
        "const r = new Twilio.Response(); r.setStatusCode(303).appendHeader('Location', '/x');\
         r.setCookie('a', 'b', ['HttpOnly']); r.setCookie('c', 'd'); callback(null, r);",
    );
    assert_eq!(made.status, 303);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        made.headers,
        [
            header("Set-Cookie", "a=b;HttpOnly"),
            header("Set-Cookie", "c=d"),
            header("Location", "/x")
        ]
    );
    let split = bench.run(
        "const r = new Twilio.Response(); r.appendHeader('X', 'a\\r\\nSet-Cookie: b'); callback(null, r);",
    );
    assert!(matches!(split.failure, Some(Failure::Malformed(_))), "{split:?}");
}

#[test]
fn errors_are_500_with_name_message_and_stack() {
    let bench = Bench::new(&[]);
    for body in [
        "null.x;",
        "callback(new TypeError(\"Cannot read properties of null (reading 'x')\"));",
        "return Promise.reject(new TypeError(\"Cannot read properties of null (reading 'x')\"));",
        // As Node has it: a rejection that nobody listens to.
        "Promise.resolve().then(() => null.x);",
        "process.nextTick(() => null.x);",
    ] {
        let response = bench.run(body);
        assert_eq!(response.status, 500, "{body}");
        assert_eq!(response.failure, None, "{body}");
        let error: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(error["name"], "TypeError", "{body}");
        assert_eq!(error["message"], "Cannot read properties of null (reading 'x')", "{body}");
        assert!(error["stack"].as_str().expect("text").contains("run.js:2:"), "{body}: {error}");
        assert_eq!(response.log.last().map(|line| line.level), Some(Level::Error), "{body}");
    }
    let response = bench.run("callback('bad');");
    assert_eq!((response.status, text(&response)), (500, "bad"));
    for (code, message) in [
        ("event.From.split(',');", "event.From.split is not a function"),
        ("new Twilio.twiml.FooResponse();", "Twilio.twiml.FooResponse is not a constructor"),
        ("event.list ['of'].map(1)(2);", "Cannot read properties of undefined (reading 'of')"),
        ("event.toString().foo();", "event.toString(...).foo is not a function"),
    ] {
        let response = bench.run(&format!("event.From = 5; {code}"));
        let error: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(error["message"], message, "{code}");
    }
    let response = bench.run("");
    assert!(text(&response).contains("without calling its callback"), "{}", text(&response));
}

#[test]
fn context_environment_and_event_are_there() {
    let bench = Bench::new(&[]);
    let response = bench.run(
        "callback(null, [context.GREETING, process.env.GREETING, context.DOMAIN_NAME,\
         event.request.headers['user-agent'], typeof context.getTwilioClient, typeof __host].join());",
    );
    assert_eq!(text(&response), "hello,hello,localhost,test,function,undefined");
}

#[test]
fn chance_and_time_come_from_the_host_at_each_call() {
    let bench = Bench::new(&[("chance.js", &handler("callback(null, String(Math.random()));"))]);
    let (one, two) = (bench.invoke("chance", &[]), bench.invoke("chance", &[]));
    assert_ne!(text(&one), text(&two));
    assert!(text(&one).parse::<f64>().is_ok_and(|n| (0.0..1.0).contains(&n)));
    let response = bench.run("callback(null, new Date().toISOString());");
    assert_eq!(text(&response), "2026-11-21T05:01:06.123Z");
}

#[test]
fn timers_fire_in_order_and_waiting_is_not_running() {
    let bench = Bench::new(&[]);
    let response = bench.run(
        "const seen = []; setTimeout(() => callback(null, seen.join()), 3000);\
         setTimeout(() => seen.push('b'), 200); setTimeout(() => seen.push('a'), 100);\
         const off = setTimeout(() => seen.push('never'), 50); clearTimeout(off);",
    );
    assert_eq!(text(&response), "a,b");
    assert!(response.cost.wall >= Duration::from_secs(3), "{:?}", response.cost);
}

#[test]
fn the_builders_write_what_the_helper_library_writes() {
    let bench = Bench::new(&[]);
    let cases = include_str!("../../../../functions/samples/builders.txt");
    let mut count = 0;
    for case in cases.split("\n\n").filter(|case| !case.trim_start().starts_with('#')) {
        let (code, xml) =
            case.trim().split_once("\n<?xml").expect("code and, below it, the document");
        let response = bench.run(&format!(
            "const r = new Twilio.twiml.VoiceResponse();\n{code}\ncallback(null, r);"
        ));
        assert_eq!(text(&response), format!("<?xml{xml}"), "{code}");
        count += 1;
    }
    assert!(count >= 20, "{count}");
}

#[test]
fn messaging_and_requires_are_there_as_far_as_voice_handlers_use_them() {
    let bench = Bench::new(&[]);
    let response = bench.run(
        "const r = new Twilio.twiml.MessagingResponse(); r.message({to: '+1'}, 'a & b');\
         callback(null, r);",
    );
    assert_eq!(
        text(&response),
        format!(r#"{HEAD}<Response><Message to="+1">a &amp; b</Message></Response>"#)
    );
    let response = bench.run(
        "const VoiceResponse = require('twilio').twiml.VoiceResponse;\
         const q = new (require('url').URLSearchParams)('a=1+2&a=3'); const r = new VoiceResponse();\
         r.say(q.getAll('a').join('|') + q); callback(null, r);",
    );
    assert!(text(&response).contains("<Say>1 2|3a=1+2&amp;a=3</Say>"), "{}", text(&response));
    let response = bench.run("require('left-pad');");
    assert!(text(&response).contains("Cannot find module 'left-pad'"));
}

#[test]
fn bytes_are_answered_as_they_are() {
    let bench = Bench::new(&[]);
    for (length, body) in
        [(0, "[]"), (1, "[255]"), (2, "[1, 2]"), (3, "[0, 128, 10]"), (4, "[1, 2, 3, 4]")]
    {
        let answer = bench.run(&format!("callback(null, new Uint8Array({body}));"));
        assert_eq!((answer.status, &*answer.content_type), (200, "application/octet-stream"));
        let wanted: Vec<u8> = serde_json::from_str(body).expect("numbers");
        assert_eq!((answer.body.len(), &answer.body), (length, &wanted));
    }
    let part = bench.run(
        "const r = new Twilio.Response();\
         r.setBody(new Uint8Array([9, 8, 7, 6]).subarray(1, 3)).setStatusCode(201);\
         r.appendHeader('Content-Type', 'image/png'); callback(null, r);",
    );
    assert_eq!((part.status, &*part.content_type, &part.body[..]), (201, "image/png", &[8, 7][..]));
}

#[test]
fn headers_that_concern_the_connection_are_kept_back() {
    let bench =
        Bench::new(&[("f.js", &handler("callback(null, Object.keys(event.request.headers));"))]);
    let field = |name: &str| (name.to_owned(), "x".to_owned());
    let names = [
        "Host",
        "Via",
        "Referer",
        "X-Forwarded-For",
        "X-Amz-Date",
        "I-Twilio-A",
        "OT-B",
        "Connection",
    ];
    let mut headers: Vec<_> = names.map(field).to_vec();
    headers.push(field("X-Twilio-Signature"));
    let event = Event { headers, ..Event::default() };
    let answer = bench.functions.invoke("f", &event).expect("a response");
    assert_eq!(text(&answer), r#"["host","x-twilio-signature"]"#);
}

#[test]
fn events_list_what_twilios_do_and_the_method_can_be_read() {
    let bench = Bench::new(&[]);
    let answer = bench.run("callback(null, [event.request.method, JSON.stringify(event)]);");
    let wanted =
        r#"["POST","{\"request\":{\"headers\":{\"user-agent\":\"test\"},\"cookies\":{}}}"]"#;
    assert_eq!(text(&answer), wanted);
}

#[test]
fn a_collection_takes_what_a_request_made_and_nothing_that_was_there_before() {
    let script = r"
        const kept = new Map([['x', { own: [1, 2, 3] }]]);
        class Shape { #sides; constructor(sides) { this.#sides = sides; } get sides() { return this.#sides; } }
        const square = new Shape(4);
        const pattern = /(b+)/g;
        exports.handler = function (context, event, callback) {
            // Circles, of which counts alone would free none: of each size, twice the memory there is.
            const circles = (count, size) => {
                for (let i = 0; i < count; i++) {
                    const one = { pad: new Array(size).fill(i) }, other = { one };
                    one.other = other;
                }
            };
            circles(8192, 2048);
            circles(256, 65536);
            // What was sealed can still be changed, too.
            kept.get('x').own.push(square.sides);
            kept.set('y', Object.keys(event).length);
            Shape.prototype.area = function () { return this.sides ** 2; };
            delete Array.prototype.flat;
            const words = ['abba', 'cobb'].map((word) => word.replace(pattern, '<$1>'));
            callback(null, [...kept.get('x').own, square.area(), kept.size, [].flat, ...words].join());
        };";
    let limits = Limits { running: Duration::from_secs(5), ..Limits::default() };
    let bench = Bench::with(&[("circles.js", script)], 4, limits);
    for _ in 0..2 {
        let response = bench.invoke("circles", &[]);
        assert_eq!(text(&response), "1,2,3,4,16,2,,a<bb>a,co<bb>", "{:?}", response.failure);
    }
}

#[test]
fn numbers_in_the_place_of_a_body_are_statuses() {
    let bench = Bench::new(&[]);
    for (body, status, told) in [
        ("callback(null, 201);", 201, "Created"),
        ("callback(404, 'unused');", 404, "Not Found"),
        ("const r = new Twilio.Response(); r.setBody(299); callback(null, r);", 299, ""),
    ] {
        let response = bench.run(body);
        assert_eq!((response.status, text(&response)), (status, told), "{body}");
        assert_eq!(response.content_type, "text/plain; charset=utf-8", "{body}");
    }
    for (body, status) in [
        ("callback(null, 5);", "5"),
        ("callback(99);", "99"),
        ("callback(null, new Twilio.Response().setStatusCode(undefined));", "undefined"),
    ] {
        let response = bench.run(body);
        let error: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!((response.status, response.failure), (500, None), "{body}");
        assert_eq!(error["name"], "RangeError", "{body}");
        assert_eq!(error["message"], format!("Invalid status code: {status}"), "{body}");
    }
}

#[test]
fn errors_of_what_was_awaited_have_the_place_that_waited() {
    let bench = Bench::new(&[]);
    for call in [
        "Offhook.store.get('x')",
        "Offhook.store.update('x', () => 1)",
        "Runtime.getSync().documents('x').fetch()",
        "Runtime.getSync().maps('x').syncMapItems.create({ key: 'a', data: 1 })",
        "context.getTwilioClient().calls('CA1').fetch()",
        "fetch('http://127.0.0.1:9/')",
    ] {
        let response =
            bench.run(&format!("const one = async () => {{\n await {call};\n}};\nreturn one();"));
        let error: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let stack = error["stack"].as_str().expect("text");
        let frames: Vec<&str> = stack.lines().filter(|line| line.contains("run.js:")).collect();
        assert!(frames[0].starts_with("    at async one (run.js:3:"), "{call}: {stack}");
        assert!(frames[1].contains("(run.js:5:"), "{call}: {stack}");
    }
}

#[test]
fn places_of_calls_are_those_of_what_is_called() {
    let bench = Bench::new(&[]);
    for (body, place) in [
        ("const f = () => null.x;\nf(event, context.a);", "run.js:3:1)"),
        ("const o = { f() { null.x; } };\no.f(event.a, () => 1);", "run.js:3:3)"),
        ("const o = {};\no.go({\n a: event.x,\n}).then(1);", "run.js:3:3)"),
    ] {
        let response = bench.run(body);
        let error: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let stack = error["stack"].as_str().expect("text");
        assert!(stack.contains(place), "{place}: {stack}");
    }
}
