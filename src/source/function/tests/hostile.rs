//! The corpus of hostile guests in `tests/data/hostile`: what becomes of each, within which bounds;
//! and that an innocent function in the same place right after is none the worse.
//!
//! Time is the sandbox's ticks: it stands still until the guest has noticed the last one, so that
//! the bound of 20 ms holds to the tick, however busy the machine. What it is on a clock, the bench
//! `functions` measures.

use std::collections::VecDeque;
use std::sync::Condvar;

use serde_json::Value;

use super::ask::{Answer, Asks, MOST_IN_ALL, MOST_UNDER_WAY, Operation};
use super::*;

/// How long after its limit a runaway may be stopped.
const GRACE: Duration = Duration::from_millis(20);
/// What answers about a failure may be as long as.
const TOLD: usize = 10_000;

/// A clock that waits for whoever it is for.
#[derive(Default)]
struct Lockstep {
    /// The time, and how often it was asked for.
    state: Mutex<(Duration, u64)>,
    asked: Condvar,
    rng: Mutex<Option<Rng>>,
    /// The most operations that were under way at one time, and how many there were.
    operations: Arc<Mutex<(usize, u32)>>,
}

impl Host for Lockstep {
    fn now(&self) -> Instant {
        let mut state = self.state.lock().expect("whole");
        state.1 += 1;
        self.asked.notify_all();
        Instant::ZERO + state.0
    }
    fn wall(&self) -> WallTime {
        WallTime::from_unix_millis(1_795_237_266_123)
    }
    fn random(&self, bytes: &mut [u8]) {
        let mut rng = self.rng.lock().expect("whole");
        let rng = rng.get_or_insert_with(|| Rng::from_number(7));
        bytes.fill_with(|| rng.next_u32() as u8);
    }
    fn wait(&self, time: Duration) {
        self.state.lock().expect("whole").0 += time;
    }
    fn asks(&self, _: &str, _: &Arc<Grants>) -> Option<Box<dyn Asks>> {
        *self.operations.lock().expect("whole") = (0, 0);
        Some(Box::new(AtOnce { ended: VecDeque::new(), operations: self.operations.clone() }))
    }
}

/// Carries everything out in no time.
struct AtOnce {
    ended: VecDeque<u32>,
    operations: Arc<Mutex<(usize, u32)>>,
}

impl Asks for AtOnce {
    fn begin(&mut self, id: u32, _: Operation) {
        self.ended.push_back(id);
        let mut operations = self.operations.lock().expect("whole");
        *operations = (operations.0.max(self.ended.len()), operations.1 + 1);
    }
    fn cancel(&mut self, id: u32) {
        self.ended.retain(|ended| *ended != id);
    }
    fn next(&mut self, _: Duration) -> Option<(u32, Answer)> {
        Some((self.ended.pop_front()?, Ok(Value::Null)))
    }
}

/// Ticks, each when the one before was noticed.
fn tick(host: &Lockstep, sandbox: &Sandbox, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(TICK);
        let mut state = host.state.lock().expect("whole");
        state.0 += TICK;
        let before = state.1;
        sandbox.tick();
        let mut waited = 0u32;
        while state.1 == before && !stop.load(Ordering::Relaxed) {
            state = host.asked.wait_timeout(state, TICK).expect("whole").0;
            // A guest that began between the two lines above looks at the next tick only.
            waited += 1;
            if waited.is_multiple_of(100) {
                sandbox.tick();
            }
        }
    }
}

/// What becomes of a guest.
enum Expected {
    /// It is stopped for this.
    Stopped(Failure),
    /// It stops itself, and this is said of it.
    Traps(&'static str),
    /// It answers nonsense, and this is said of it.
    Malformed(&'static str),
    /// It throws, and its answer says this.
    Throws(&'static str),
    /// It harms nobody, and answers this.
    Answers(&'static str),
    /// It is never run, for this.
    Refused(&'static str),
    /// It ends somehow: by itself, or by a limit.
    Ends,
}

use Expected::{Answers, Ends, Malformed, Refused, Stopped, Throws, Traps};

/// How long it may run: little for those that are stopped for it, much for those that are not.
const BRIEF: Limits = Limits {
    wall: Duration::from_secs(1),
    running: Duration::from_millis(60),
    memory: MAX_MEMORY,
    log: 64 << 10,
    response: 1 << 20,
};
const LONG: Limits =
    Limits { wall: Duration::from_secs(40), running: Duration::from_secs(30), ..BRIEF };

/// Runs out of its running time.
const TIME: Expected = Stopped(Failure::RunningTime);
const POINTER: Expected = Stopped(Failure::Pointer);
const FLOOD: Expected = Stopped(Failure::LogFlood);
const HUGE: Expected = Stopped(Failure::ResponseSize);

/// Every file of the folder, in the order of their names.
const CORPUS: &[(&str, Limits, Expected)] = &[
    ("abort-flood.wat", LONG, Traps("aborted")),
    ("alloc-forged.wat", BRIEF, POINTER),
    ("alloc-loop.wat", BRIEF, TIME),
    ("alloc-nothing.wat", BRIEF, Stopped(Failure::NoMemory)),
    ("alloc-recursion.wat", LONG, Traps("stack")),
    ("array.js", LONG, Throws("")),
    ("ask-answers.wat", BRIEF, TIME),
    ("ask-flood.wat", BRIEF, TIME),
    ("ask-forged.wat", BRIEF, POINTER),
    ("ask-huge.wat", BRIEF, TIME),
    ("ask-store-flood.wat", BRIEF, TIME),
    ("asks.js", BRIEF, Ends),
    ("async-loop.js", BRIEF, TIME),
    ("bigint.js", BRIEF, Ends),
    ("buffer.js", LONG, Throws("out of memory")),
    ("callback-flood.js", BRIEF, Ends),
    ("digest.js", BRIEF, TIME),
    ("divide.wat", BRIEF, Traps("divide")),
    ("engine-imports.wat", BRIEF, Refused("offhook.load: nothing offers this")),
    ("eval-loop.js", BRIEF, TIME),
    ("files.js", LONG, Refused("reading 'load'")),
    ("files.wat", BRIEF, Stopped(Failure::Exit(8))),
    ("generator.js", BRIEF, TIME),
    ("host-hidden.js", LONG, Answers("undefined,undefined,undefined,undefined,false")),
    ("host-kept.js", LONG, Answers("undefined,undefined,undefined,undefined,false")),
    ("import-self.mjs", LONG, Answers("true")),
    ("indirect-forged.wat", BRIEF, Traps("table")),
    ("indirect.wat", BRIEF, TIME),
    ("initialize-loop.wat", BRIEF, TIME),
    ("json-cycle.js", LONG, Throws("circular")),
    ("json-deep.js", LONG, Ends),
    ("log-empty.wat", LONG, FLOOD),
    ("log-flood.js", LONG, FLOOD),
    ("log-flood.wat", LONG, FLOOD),
    ("log-forged.wat", BRIEF, POINTER),
    ("log-line.js", LONG, FLOOD),
    ("log-line.wat", LONG, FLOOD),
    ("logs-proxy.js", BRIEF, Ends),
    ("loop.js", BRIEF, TIME),
    ("loop.wat", BRIEF, TIME),
    ("memory-bomb.wat", LONG, Stopped(Failure::Memory)),
    ("memory-copy.wat", BRIEF, TIME),
    ("memory-fill.wat", BRIEF, TIME),
    ("memory-grow.wat", BRIEF, TIME),
    ("memory-handled.js", BRIEF, TIME),
    ("memory-imported.wat", BRIEF, Refused("export the memory instead")),
    ("memory-name.wat", BRIEF, Refused("no memory")),
    ("memory-outside.wat", BRIEF, Traps("out of bounds")),
    ("memory-typed.js", BRIEF, TIME),
    ("memory.js", LONG, Throws("out of memory")),
    ("microtasks.js", BRIEF, Ends),
    ("never.js", LONG, Throws("without calling its callback")),
    ("next-forever.wat", BRIEF, Stopped(Failure::WallTime)),
    ("next-naps.wat", BRIEF, Ends),
    ("next-nothing.wat", BRIEF, TIME),
    ("next-numbers.wat", BRIEF, Answers("")),
    ("off-atomics.wat", BRIEF, Refused("threads are off here")),
    ("off-component.wat", BRIEF, Refused("is a component: functions are core modules")),
    ("off-exceptions.wat", BRIEF, Refused("exceptions are off")),
    ("off-externref.wat", BRIEF, Refused("externref")),
    ("off-function-references.wat", BRIEF, Refused("are off here")),
    ("off-gc.wat", BRIEF, Refused("garbage collection")),
    ("off-memories.wat", BRIEF, Refused("several memories are off")),
    ("off-memory64.wat", BRIEF, Refused("64-bit memories")),
    ("off-page-size.wat", BRIEF, Refused("are off here")),
    ("off-relaxed-simd.wat", BRIEF, Refused("relaxed SIMD is off")),
    ("off-stack-switching.wat", BRIEF, Refused("off here")),
    ("off-threads.wat", BRIEF, Refused("without -pthread")),
    ("off-wide-arithmetic.wat", BRIEF, Refused("wide arithmetic is off")),
    ("prelude-broken.js", LONG, Ends),
    ("promises.js", BRIEF, TIME),
    ("prototype-setters.js", LONG, Ends),
    ("random-flood.wat", BRIEF, TIME),
    ("random-forged.wat", BRIEF, POINTER),
    ("recursion-getter.js", LONG, Answers("RangeError")),
    ("recursion-native.js", LONG, Answers("RangeError")),
    ("recursion-wide.wat", LONG, Traps("stack")),
    ("recursion.js", LONG, Answers("RangeError")),
    ("recursion.wat", LONG, Traps("stack")),
    ("regexp-deep.js", LONG, Ends),
    ("regexp.js", BRIEF, TIME),
    ("reply-forged.js", LONG, Refused("undefined")),
    ("reply-forged.wat", BRIEF, POINTER),
    ("reply-header.js", LONG, Malformed("cannot be sent")),
    ("reply-header.wat", BRIEF, Malformed("cannot be sent")),
    ("reply-headers.js", LONG, Malformed("header fields")),
    ("reply-headers.wat", LONG, Malformed("header fields")),
    ("reply-huge.js", LONG, HUGE),
    ("reply-huge.wat", LONG, HUGE),
    ("reply-nonsense.js", LONG, Refused("undefined")),
    ("reply-over-end.wat", BRIEF, POINTER),
    ("sockets.wat", BRIEF, Stopped(Failure::Exit(8))),
    ("sort.js", BRIEF, TIME),
    ("source-deep.js", LONG, Ends),
    ("stack-trace.js", BRIEF, TIME),
    ("start-loop.wat", BRIEF, TIME),
    ("start-recursion.wat", LONG, Traps("stack")),
    ("strings.js", LONG, Ends),
    ("table-grow.wat", BRIEF, TIME),
    ("tables.wat", BRIEF, Refused("tables")),
    ("tail-calls.wat", BRIEF, TIME),
    ("take-forged.wat", BRIEF, POINTER),
    ("take-outside.wat", BRIEF, POINTER),
    ("thenable.js", BRIEF, TIME),
    ("throws-getters.js", LONG, Ends),
    ("throws-long.js", LONG, Ends),
    ("throws-proxy.js", LONG, Ends),
    ("timers-flood.js", BRIEF, TIME),
    ("timers-slow.js", BRIEF, Stopped(Failure::WallTime)),
    ("timers.js", BRIEF, Ends),
    ("to-json.js", LONG, Ends),
    ("top-flood.js", LONG, Refused("more log")),
    ("top-loop.js", LONG, Refused("ran longer")),
    ("top-memory.js", LONG, Refused("out of memory")),
    ("top-never.mjs", LONG, Refused("does not come while deploying")),
    ("top-request.js", LONG, Refused("reading 'load'")),
    ("top-sealed.js", LONG, Answers("sealed")),
    ("top-throws.js", LONG, Refused("Error: ")),
    ("types.ts", LONG, Refused("")),
    ("unreachable.wat", BRIEF, Traps("unreachable")),
    ("vast-memory.wat", BRIEF, Refused("1025 pages of memory")),
    ("vast-table.wat", BRIEF, Refused("entries in a table")),
    ("wasi-clock.wat", BRIEF, TIME),
    ("wasi-environ-forged.wat", BRIEF, Ends),
    ("wasi-exit.wat", BRIEF, Stopped(Failure::Exit(7))),
    ("wasi-poll-forged.wat", BRIEF, POINTER),
    ("wasi-poll.wat", BRIEF, Stopped(Failure::Exit(28))),
    ("wasi-random-flood.wat", BRIEF, TIME),
    ("wasi-read-forged.wat", BRIEF, POINTER),
    ("wasi-sleep.wat", BRIEF, Stopped(Failure::WallTime)),
    ("wasi-spaces.wat", LONG, FLOOD),
    ("wasi-spin.wat", BRIEF, TIME),
    ("wasi-stat-forged.wat", BRIEF, POINTER),
    ("wasi-write-flood.wat", LONG, HUGE),
    ("wasi-write-forged.wat", BRIEF, POINTER),
    ("wasi-write-many.wat", BRIEF, Stopped(Failure::Exit(28))),
];

struct Place {
    bench: Bench,
    host: Arc<Lockstep>,
}

impl Place {
    fn new() -> Place {
        let host = Arc::new(Lockstep::default());
        let mut bench = Bench::with_host(&[("good.wat", LIBRARY)], 1, host.clone());
        bench.write("kind.js", &handler("callback(null, 'hello ' + event.To);"));
        bench.replace_ticker(|sandbox, stop| {
            let host = host.clone();
            std::thread::spawn(move || tick(&host, &sandbox, &stop))
        });
        Place { bench, host }
    }

    /// Runs a file of the corpus under these limits, everything granted.
    fn run(&mut self, file: &str, text: &str, limits: Limits) -> Result<Response, Error> {
        let (stem, ending) = file.rsplit_once('.').expect("a file with an ending");
        let name = format!("{ending}/{stem}");
        self.bench.write(&format!("{name}.{ending}"), text);
        self.grant(&name, limits);
        self.bench.functions.invoke(&name, &event(&[("To", "them")]))
    }

    fn grant(&mut self, name: &str, limits: Limits) {
        let grants = Grants { store: Some(String::new()), ..Grants::default() };
        let dir = self.bench.dir.path().to_owned();
        let functions = Functions::new(dir, Vec::new(), self.bench.sandbox.clone());
        let functions = functions.with_grants(vec![(name.to_owned(), grants)]);
        self.bench.functions = functions.with_limits(limits);
    }

    #[track_caller]
    fn assert_unharmed(&self, after: &str) {
        let answer = self.bench.invoke("kind", &[("To", "you")]);
        assert_eq!((answer.status, text(&answer)), (200, "hello you"), "after {after}");
        assert_eq!(answer.log, [], "after {after}");
        let answer = self.bench.invoke("good", &[]);
        assert_eq!(text(&answer), "<Response><Say>Closed today</Say><Hangup/></Response>");
        assert_eq!(answer.cost.memory, 65_536, "after {after}");
    }
}

fn is_as(expected: &Expected, outcome: &Result<Response, Error>) -> bool {
    match (expected, outcome) {
        (Refused(why), Err(Error::Load(error))) => {
            error.reason.contains(why) && error.reason.len() < TOLD
        }
        (_, Err(_)) | (Refused(_), Ok(_)) => false,
        (Stopped(failure), Ok(answer)) => answer.failure.as_ref() == Some(failure),
        (Traps(why), Ok(answer)) => {
            matches!(&answer.failure, Some(Failure::Trap(told)) if told.contains(why))
        }
        (Malformed(why), Ok(answer)) => {
            matches!(&answer.failure, Some(Failure::Malformed(told)) if told.contains(why))
        }
        (Throws(why), Ok(answer)) => {
            answer.failure.is_none() && answer.status == 500 && text(answer).contains(why)
        }
        (Answers(body), Ok(answer)) => answer.status == 200 && text(answer) == *body,
        (Ends, Ok(_)) => true,
    }
}

/// What no guest gets past, whatever becomes of it.
fn broken_bound(answer: &Response, limits: &Limits) -> Option<String> {
    let log: usize = answer.log.iter().map(|line| line.text.len()).sum();
    let said = answer.failure.as_ref().map_or(0, |failure| failure.to_string().len());
    let head: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let late = match &answer.failure {
        Some(Failure::WallTime) => answer.cost.wall > limits.wall + GRACE,
        // It may wait as well as run.
        _ => answer.cost.wall > limits.wall.max(limits.running) + GRACE,
    };
    let runaway = answer.failure == Some(Failure::RunningTime)
        && answer.log.len() <= 1
        && answer.cost.wall > limits.running + GRACE;
    [
        (late || runaway, "time"),
        (answer.cost.memory > limits.memory, "memory"),
        (log > limits.log + TOLD, "log"),
        (answer.body.len() > limits.response, "response"),
        (said > TOLD || (said > 0 && answer.body.len() > TOLD), "what is said of it"),
        (head > 128 << 10 || answer.headers.len() > 200, "header fields"),
        (answer.failure.is_some() && answer.status != 500, "status"),
    ]
    .into_iter()
    .find_map(|(broken, what)| broken.then(|| format!("{what}: {:?}", answer.cost)))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile")
}

/// An answer, in a line or two.
fn shown(outcome: &Result<Response, Error>) -> String {
    match outcome {
        Err(error) => format!("{error}").chars().take(300).collect(),
        Ok(answer) => {
            let body: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
            format!("{} {:?} {:?} {body:?}", answer.status, answer.failure, answer.cost)
        }
    }
}

#[test]
fn every_hostile_guest_is_stopped_within_its_bounds_and_harms_nobody() {
    let mut place = Place::new();
    let mut wrong = Vec::new();
    for (file, limits, expected) in CORPUS {
        let text = fs::read_to_string(folder().join(file)).expect(file);
        let outcome = place.run(file, &text, *limits);
        if !is_as(expected, &outcome) {
            wrong.push(format!("{file}: {}", shown(&outcome)));
        }
        if let Ok(answer) = &outcome {
            wrong.extend(broken_bound(answer, limits).map(|bound| format!("{file}: {bound}")));
        }
        let (under_way, in_all) = *place.host.operations.lock().expect("whole");
        assert!(under_way <= MOST_UNDER_WAY && in_all <= MOST_IN_ALL, "{file}");
        place.assert_unharmed(file);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_and_the_folder_agree() {
    let entries = fs::read_dir(folder()).expect("the folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".md")).collect();
    names.sort();
    let listed: Vec<_> = CORPUS.iter().map(|(file, ..)| *file).collect();
    assert_eq!(names, listed);
}

/// Runs for a part of each tick and waits for the rest, so that no tick ever finds it running.
#[test]
fn naps_between_ticks_are_no_way_to_run_for_ever() {
    /// A millisecond passes with every look at it, and every wait goes over a tick.
    #[derive(Default)]
    struct Passing(Mutex<Duration>, std::sync::OnceLock<Sandbox>);
    impl Host for Passing {
        fn now(&self) -> Instant {
            let mut time = self.0.lock().expect("whole");
            *time += Duration::from_millis(1);
            Instant::ZERO + *time
        }
        fn wall(&self) -> WallTime {
            WallTime::from_unix_millis(0)
        }
        fn random(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
        fn wait(&self, time: Duration) {
            *self.0.lock().expect("whole") += time;
            self.1.get().expect("set").tick();
        }
    }
    let host = Arc::new(Passing::default());
    let mut bench = Bench::with_host(&[], 1, host.clone());
    bench.replace_ticker(|_, _| std::thread::spawn(|| ()));
    assert!(host.1.set(bench.sandbox.clone()).is_ok());
    let naps = r#"(module
      (import "offhook" "next" (func $next (param f64) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start") (loop $l
        (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))
        (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))
        (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))
        (drop (call $next (f64.const 2)))
        (br $l))))"#;
    bench.write("naps.wat", naps);
    let dir = bench.dir.path().to_owned();
    let grants = Grants { store: Some(String::new()), ..Grants::default() };
    bench.functions = Functions::new(dir, Vec::new(), bench.sandbox.clone())
        .with_grants(vec![("naps".to_owned(), grants)]);
    let answer = bench.invoke("naps", &[]);
    assert_eq!(answer.failure, Some(Failure::RunningTime), "{:?}", answer.cost);
    assert!(answer.cost.wall < Duration::from_secs(1), "{:?}", answer.cost);
}
