//! What functions cost: warm calls of both kinds, an edit, and a start with a filled cache; and how
//! long after its limit a runaway is stopped.
//!
//! `cargo bench --bench functions`; needs `cargo xtask setup` before. Goals, at the median: script
//! 150 µs, WebAssembly 15 µs, edit 50 ms, start 50 ms; runaways at the most 20 ms late.
#![allow(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "measures: stands for the node and its clock")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant as Clock;

use offhook::base::{Duration, Instant, Rng, WallTime};
use offhook::source::function::{Event, Functions, Host, Limits, Sandbox, Setup, TICK};

struct BenchHost(Clock, Mutex<Rng>);

impl Host for BenchHost {
    fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }
    fn wall(&self) -> WallTime {
        WallTime::from_unix_millis(1_795_237_266_123)
    }
    fn random(&self, bytes: &mut [u8]) {
        let mut rng = self.1.lock().expect("not poisoned");
        bytes.fill_with(|| rng.next_u32() as u8);
    }
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

fn sandbox(cache: &Path) -> Sandbox {
    let host = Arc::new(BenchHost(Clock::now(), Mutex::new(Rng::from_number(1))));
    let sandbox = Sandbox::new(Setup { cache: Some(cache.to_owned()), slots: 32, host });
    let sandbox = sandbox.expect("a sandbox");
    sandbox.warm_up().expect("the JavaScript engine");
    sandbox
}

/// Runs `act` so often and prints the median and the 95th percentile.
fn measure(what: &str, count: usize, mut act: impl FnMut(usize)) {
    (0..count / 10).for_each(&mut act);
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    for number in 0..count {
        let start = Clock::now();
        act(number);
        times.push(start.elapsed());
    }
    times.sort();
    let at = |part: usize| times[(count - 1) * part / 100];
    println!("{what:32} p50 {:>10.1?}  p95 {:>10.1?}", at(50), at(95));
}

/// Guests that never end, each in a way of its own: computing, moving memory, having the host do
/// something long, and all that at once in the engine.
const RUNAWAYS: [&str; 10] = [
    "loop.wat",
    "tail-calls.wat",
    "memory-fill.wat",
    "memory-copy.wat",
    "memory-grow.wat",
    "random-flood.wat",
    "loop.js",
    "regexp.js",
    "memory-handled.js",
    "digest.js",
];

/// How long after their running time guests that never end are stopped.
fn runaways(project: &Path, sandbox: &Sandbox) {
    let limits = Limits { running: Duration::from_millis(100), ..Limits::default() };
    let functions = Functions::new(project.to_owned(), Vec::new(), sandbox.clone());
    let functions = functions.with_limits(limits);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile");
    for file in RUNAWAYS {
        let (stem, ending) = file.split_once('.').expect("an ending");
        let name = format!("runaway/{stem}-{ending}");
        let path = project.join(format!("{name}.{ending}"));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::copy(corpus.join(file), path).expect("copied");
        functions.check(&name).expect("sound");
        let late = |_| {
            let start = Clock::now();
            let response = functions.invoke(&name, &Event::default()).expect("an answer");
            assert!(response.failure.is_some(), "{file}: {response:?}");
            start.elapsed().saturating_sub(limits.running)
        };
        let mut late: Vec<Duration> = (0..10).map(late).collect();
        late.sort();
        let label = format!("late, {file}");
        println!("{label:32} p50 {:>10.1?}  max {:>10.1?}", late[4], late[9]);
    }
}

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let cache = dir.path().join("cache");
    let project = dir.path().join("functions");
    std::fs::create_dir(&project).expect("a folder");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/samples");
    for name in ["outbound.js", "library.wat", "command.wat"] {
        std::fs::copy(samples.join(name), project.join(name)).expect("copied");
    }
    let table = project.join("table.routes.toml");
    std::fs::copy(samples.join("outbound.routes.toml"), table).expect("copied");
    let start = Clock::now();
    let sandbox_ = sandbox(&cache);
    println!("{:32} {:>14.1?}", "start, empty cache", start.elapsed());
    measure("start, filled cache", 5, |_| drop(sandbox(&cache)));

    let ticker = sandbox_.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            ticker.tick();
        }
    });
    runaways(&project, &sandbox_);
    let functions = Functions::new(project.clone(), Vec::new(), sandbox_);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let event = Event {
        method: "POST".to_owned(),
        body: vec![
            pair("AccountSid", "AC00000000000000000000000000000000"),
            pair("CallSid", "CA00000000000000000000000000000000"),
            pair("CallStatus", "ringing"),
            pair("Direction", "inbound"),
            pair("From", "sip:home@office.localhost"),
            pair("To", "sip:15551231234@office.localhost"),
        ],
        ..Event::default()
    };
    for (name, label) in [
        ("outbound", "script, warm"),
        ("library", "library, warm"),
        ("command", "WASI command, warm"),
        ("table", "table of routes"),
    ] {
        measure(label, 5000, |_| {
            let response = functions.invoke(name, &event).expect("a response");
            assert!(response.status < 300, "{response:?}");
        });
    }
    let text = std::fs::read_to_string(project.join("outbound.js")).expect("the sample");
    measure("script, from edit to answer", 50, |number| {
        std::fs::write(project.join("outbound.js"), format!("{text}// {number}\n")).expect("saved");
        let response = functions.invoke("outbound", &event).expect("a response");
        assert_eq!(response.status, 200);
    });
}
