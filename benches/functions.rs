//! What functions cost: warm calls of every kind, an edit, a start, and a runaway's end.
//!
//! `cargo bench --bench functions [-- WORD…]` runs those whose name has a word, and calls a file of
//! your own that is named by its path; needs `cargo xtask setup` before. Goals, at the median:
//! script 110 µs, WebAssembly 10 µs, edit 30 ms, a start with 100 functions 300 ms; runaways at the
//! most 20 ms late.
#![allow(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "measures: stands for the node and its clock")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant as Clock;

use offhook::base::{Duration, Instant, Rng, WallTime};
use offhook::source::function::{Event, Functions, Host, Limits, Sandbox, Setup, TICK};

struct BenchHost(Clock, Mutex<Rng>);

impl Host for BenchHost {
    fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }
    fn worked(&self) -> Instant {
        offhook::node::clock::Clock::worked()
    }
    fn wall(&self) -> WallTime {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        WallTime::from_unix_millis(now.expect("a clock").as_millis() as u64)
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

/// Runs `act` so often and prints the median, two later percentiles and how many a second.
fn measure(what: &str, count: usize, mut act: impl FnMut(usize)) {
    (0..count / 10).for_each(&mut act);
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    let begun = Clock::now();
    for number in 0..count {
        let start = Clock::now();
        act(number);
        times.push(start.elapsed());
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    times.sort();
    let at = |part: usize| times[(count - 1) * part / 100];
    let (p50, p95, p99) = (at(50), at(95), at(99));
    println!("{what:28} p50 {p50:>9.1?}  p95 {p95:>9.1?}  p99 {p99:>9.1?}  {rate:>9.0}/s");
}

fn event() -> Event {
    let parameters = [
        ("AccountSid", "AC00000000000000000000000000000000"),
        ("CallSid", "CA00000000000000000000000000000000"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", "sip:home@office.localhost"),
        ("To", "sip:15551231234@office.localhost"),
    ];
    Event {
        method: "POST".to_owned(),
        parameters: parameters
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
        ..Event::default()
    }
}

struct Bench {
    words: Vec<String>,
    cache: PathBuf,
    folder: PathBuf,
    sandbox: Sandbox,
}

impl Bench {
    fn wants(&self, what: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| what.contains(&**word))
    }

    fn functions(&self) -> Functions {
        Functions::new(self.folder.clone(), Vec::new(), self.sandbox.clone())
    }

    fn starts(&self) {
        if self.wants("start, filled cache") {
            measure("start, filled cache", 5, |_| drop(sandbox(&self.cache)));
        }
        if !self.wants("start, 100 functions") {
            return;
        }
        let folder = self.folder.with_file_name("hundred");
        std::fs::create_dir(&folder).expect("a folder");
        let text = std::fs::read_to_string(self.folder.join("outbound.js")).expect("the sample");
        for number in 0..100 {
            let text = format!("{text}\n// {number}\n");
            std::fs::write(folder.join(format!("f{number}.js")), text).expect("saved");
        }
        measure("start, 100 functions", 5, |_| {
            let functions = Functions::new(folder.clone(), Vec::new(), sandbox(&self.cache));
            let names = functions.names();
            assert_eq!(names.len(), 100);
            names.iter().for_each(|name| functions.check(name).expect("it is sound"));
        });
    }

    fn warm(&self) {
        let (functions, event) = (self.functions(), event());
        for (name, label) in [
            ("outbound", "script, warm"),
            ("library", "library, warm"),
            ("command", "WASI command, warm"),
            ("table", "table of routes"),
        ] {
            if self.wants(label) {
                measure(label, 20_000, |_| {
                    let response = functions.invoke(name, &event).expect("a response");
                    assert!(response.status < 300, "{response:?}");
                });
            }
        }
    }

    /// Files that the command names.
    fn named(&self) {
        let (functions, event) = (self.functions(), event());
        for file in self.words.iter().map(Path::new).filter(|word| word.is_file()) {
            let name = file.file_name().expect("a file has a name");
            std::fs::copy(file, self.folder.join(name)).expect("copied");
            let name = name.to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default();
            measure(&name, 20_000, |_| {
                let response = functions.invoke(stem, &event).expect("a response");
                assert!(response.failure.is_none(), "{response:?}");
            });
        }
    }

    fn edit(&self) {
        if !self.wants("script, edited") {
            return;
        }
        let (functions, event, file) = (self.functions(), event(), self.folder.join("outbound.js"));
        let text = std::fs::read_to_string(&file).expect("the sample");
        measure("script, edited", 50, |number| {
            std::fs::write(&file, format!("{text}// {number}\n")).expect("saved");
            let response = functions.invoke("outbound", &event).expect("a response");
            assert_eq!(response.status, 200);
        });
    }

    /// How long after their running time guests that never end are stopped.
    fn runaways(&self) {
        let limits = Limits { running: Duration::from_millis(100), ..Limits::default() };
        let functions = self.functions().with_limits(limits);
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile");
        for file in RUNAWAYS.into_iter().filter(|file| self.wants(&format!("late, {file}"))) {
            let (stem, ending) = file.split_once('.').expect("an ending");
            let name = format!("runaway/{stem}-{ending}");
            let path = self.folder.join(format!("{name}.{ending}"));
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
            println!("{label:28} p50 {:>9.1?}  max {:>9.1?}", late[4], late[9]);
        }
    }
}

/// Guests that never end, each in a way of its own: computing, moving memory, having the host do
/// something long, and all that at once in the engine.
const RUNAWAYS: [&str; 11] = [
    "loop.wat",
    "tail-calls.wat",
    "memory-fill.wat",
    "memory-copy.wat",
    "memory-grow.wat",
    "random-flood.wat",
    "loop.js",
    "regexp.js",
    "memory-handled.js",
    "memory-typed.js",
    "digest.js",
];

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (cache, folder) = (dir.path().join("cache"), dir.path().join("functions"));
    std::fs::create_dir(&folder).expect("a folder");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/samples");
    for (name, copy) in [
        ("outbound.js", "outbound.js"),
        ("library.wat", "library.wat"),
        ("command.wat", "command.wat"),
        ("outbound.routes.toml", "table.routes.toml"),
    ] {
        std::fs::copy(samples.join(name), folder.join(copy)).expect("copied");
    }
    let start = Clock::now();
    let sandbox = sandbox(&cache);
    println!("{:28} {:>13.1?}", "start, empty cache", start.elapsed());
    let words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let bench = Bench { words, cache, folder, sandbox };
    bench.starts();
    let ticker = bench.sandbox.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            ticker.tick();
        }
    });
    // So long a folder's change is fresh, and its files are searched for each time.
    std::thread::sleep(std::time::Duration::from_secs(4));
    bench.warm();
    bench.named();
    bench.edit();
    bench.runaways();
}
