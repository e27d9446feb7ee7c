//! Functions that loop, allocate, flood and trap while a call proceeds.

use std::time::{Duration, Instant};

use super::server::Project;
use super::web;
use super::wire::Call;
use super::{ear, wire};

const TONE: f64 = 440.0;

const BAD: [(&str, &str); 5] = [
    ("loops", "exports.handler = () => { for (;;) {} };"),
    (
        "allocates",
        "exports.handler = () => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length); };",
    ),
    (
        "floods",
        "exports.handler = (c, e, callback) => { const line = 'x'.repeat(10000);
         for (let n = 0; n < 100000; n++) console.log(line + n); for (;;) {} };",
    ),
    ("throws", "exports.handler = () => { throw new Error('no'); };"),
    ("recurses", "exports.handler = () => { const f = () => f() + 1; return f(); };"),
];

#[test]
#[ignore = "interop"]
fn functions_that_misbehave_disturb_no_call() {
    let project = Project::new(9)
        .tone(TONE)
        .number("+12223331234", "<Play loop=\"0\">/assets/tone.wav</Play>");
    for (name, code) in BAD {
        project.file(&format!("functions/{name}.js"), code);
    }
    project.file(
        "functions/traps.wat",
        "(module (memory (export \"memory\") 1) (func (export \"_start\") unreachable))",
    );
    let server = project.serve();
    let call = Call::dial(server.udp(), "12223331234");
    let http = server.http();
    let before = server.memory();
    for name in BAD.iter().map(|(name, _)| *name).chain(["traps"]) {
        let asked = std::thread::spawn(move || {
            let start = Instant::now();
            let (status, body) =
                web::get(http, &format!("/functions/{name}"), Duration::from_secs(30));
            (status, body, start.elapsed())
        });
        let heard = call.listen(Duration::from_secs(2));
        let (status, body, took) = asked.join().unwrap_or_else(|_| panic!("{name}: no answer"));
        let during = ear::seconds_of(&heard, TONE);
        println!("{name}: {status} after {took:.2?}, {during:.2} of 2 s heard: {}", body.trim());
        assert_eq!(status, 500, "{name}: {body}");
        assert!(took < Duration::from_secs(15), "{name}: {took:?}");
        assert!(during > 1.85, "{name}: {during} s");
    }
    let memory = server.memory();
    println!("memory: {before} kB before, {memory} kB after");
    assert!(memory < before + 200_000, "{before} kB, then {memory} kB");
    let good = web::get_ok(http, "/functions/sip-outbound?From=sip:home@x&To=sip:5551231234@x");
    assert!(good.contains("+15551231234"), "{good}");
    assert_eq!(wire::options(server.udp()), "SIP/2.0 200 OK");
    call.hang_up();
    server.said();
}
