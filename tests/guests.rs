//! Functions in other languages against golden events: the templates that greet, and the samples
//! that map caller IDs. One document per event is what all of them have to answer.
//!
//! What needs a compiler is built by `cargo xtask guests`, which names its folder in
//! `OFFHOOK_GUESTS` and runs the ignored test.
#![expect(clippy::disallowed_methods, reason = "stands for the node, which owns the clock")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant as Clock;

use offhook::base::{Duration, Instant, Rng, WallTime};
use offhook::source::function::ask::{Answer, Asks, Operation, StoreOperation};
use offhook::source::function::{
    Error, Event, Functions, Grants, Host, Response, Sandbox, Setup, TICK,
};
use serde_json::Value;

struct TestHost(Clock, Mutex<Rng>);

impl Host for TestHost {
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
    /// No guest here waits.
    fn wait(&self, _time: Duration) {}
    fn asks(&self, _function: &str, _grants: &Arc<Grants>) -> Option<Box<dyn Asks>> {
        Some(Box::new(OneValue(None)))
    }
}

/// A store in which every key has the same value; and the operation that waits for it.
struct OneValue(Option<(u32, Operation)>);

impl Asks for OneValue {
    fn begin(&mut self, id: u32, operation: Operation) {
        self.0 = Some((id, operation));
    }
    fn cancel(&mut self, _id: u32) {}
    fn next(&mut self, _time: Duration) -> Option<(u32, Answer)> {
        let (id, operation) = self.0.take()?;
        let Operation::Store(store, StoreOperation::Get { key }) = operation else {
            panic!("asked for {operation:?}");
        };
        let value = format!("<{key}> of \"{store}\"");
        Some((id, Ok(serde_json::json!({ "key": key, "value": value, "revision": 1 }))))
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of functions; its sandbox's clock ticks until it is dropped.
struct Bench {
    functions: Functions,
    dir: tempfile::TempDir,
    stop: Arc<AtomicBool>,
}

impl Bench {
    fn new() -> Bench {
        Bench::granting(Vec::new())
    }

    fn granting(grants: Vec<(String, Grants)>) -> Bench {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let host = Arc::new(TestHost(Clock::now(), Mutex::new(Rng::from_number(1))));
        let sandbox = Sandbox::new(Setup { cache: None, slots: 4, host }).expect("a sandbox");
        let stop = Arc::new(AtomicBool::new(false));
        let (ticked, stopped) = (sandbox.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(TICK);
                ticked.tick();
            }
        });
        let functions = Functions::new(dir.path().to_owned(), Vec::new(), sandbox);
        let functions = functions.with_grants(grants);
        Bench { functions, dir, stop }
    }

    /// Puts a file into the folder and gives the function's name.
    fn add(&self, file: &Path) -> String {
        let name = file.file_name().expect("a file");
        fs::copy(file, self.dir.path().join(name)).expect("copied");
        file.file_stem().expect("a name").to_string_lossy().into_owned()
    }

    /// Holds the function against all golden documents of a set.
    fn check(&self, name: &str, set: &str) {
        for (case, event, expected) in golden(set) {
            let answer = self.functions.invoke(name, &event);
            let answer = answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(body(&answer), expected, "{name}, {set}/{case}: {:?}", answer.log);
            assert_eq!(answer.status, 200, "{name}, {set}/{case}");
            assert!(answer.content_type.starts_with("text/xml"), "{name}, {set}/{case}");
        }
    }

    /// The median time of a call.
    fn median(&self, name: &str, set: &str) -> Duration {
        const CALLS: usize = 300;
        let events = golden(set);
        let mut times: Vec<Duration> = (0..CALLS)
            .map(|number| {
                let (_, event, _) = &events[number % events.len()];
                let start = Clock::now();
                self.functions.invoke(name, event).expect("an answer");
                start.elapsed()
            })
            .collect();
        times.sort();
        times[CALLS / 2]
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn body(answer: &Response) -> &str {
    std::str::from_utf8(&answer.body).expect("UTF-8")
}

/// The cases of a set: name, event, and the document that answers it.
fn golden(set: &str) -> Vec<(String, Event, String)> {
    let folder = repository().join("functions/samples/guests").join(set);
    let entries = fs::read_dir(&folder).expect("a folder of golden events");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "json"));
    files.sort();
    assert!(!files.is_empty(), "no events in {}", folder.display());
    let case = |file: PathBuf| {
        let json = fs::read_to_string(&file).expect("an event");
        let document = fs::read_to_string(file.with_extension("xml")).expect("its document");
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, event(&json), document.trim_end_matches('\n').to_owned())
    };
    files.into_iter().map(case).collect()
}

/// From the document that the guest is to see.
fn event(json: &str) -> Event {
    let document: Value = serde_json::from_str(json).expect("JSON");
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    let pairs = |object: &Value| -> Vec<(String, String)> {
        let members = object.as_object().expect("an object").iter();
        let parameters = members.filter(|(name, _)| *name != "request");
        parameters.flat_map(|(n, v)| texts(v).into_iter().map(|t| (n.clone(), t))).collect()
    };
    let (event, request) = (&document["event"], &document["event"]["request"]);
    Event {
        method: request["method"].as_str().expect("a method").to_owned(),
        headers: pairs(&request["headers"]),
        cookies: pairs(&request["cookies"]),
        body: pairs(event),
        context: pairs(&document["context"]),
        ..Event::default()
    }
}

#[test]
fn templates_in_webassembly_s_text_form_greet_through_both_doors() {
    let bench = Bench::new();
    for file in ["library.wat", "command.wat"] {
        let name = bench.add(&repository().join("functions/wat/template").join(file));
        bench.check(&name, "hello");
        // Far beyond the pages that the module begins with, and each byte becomes five.
        let (from, said) = ("&".repeat(200_000), "&amp;".repeat(200_000));
        let event = Event { body: vec![("From".to_owned(), from)], ..Event::default() };
        let answer = bench.functions.invoke(&name, &event).expect("an answer");
        assert!(body(&answer).ends_with(&format!("<Say>Hello, {said}</Say></Response>")), "{name}");
    }
}

#[test]
fn the_javascript_sample_answers_what_the_other_languages_have_to() {
    let bench = Bench::new();
    let name = bench.add(&repository().join("samples/first/functions/sip-outbound.js"));
    bench.check(&name, "outbound");
}

#[test]
#[ignore = "needs compilers of other languages; run `cargo xtask guests`"]
fn guests_of_all_languages_answer_the_same() {
    let folder = std::env::var_os("OFFHOOK_GUESTS").expect("OFFHOOK_GUESTS, set by xtask");
    for set in ["hello", "outbound"] {
        let entries = fs::read_dir(Path::new(&folder).join(set)).expect("built guests");
        let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "nothing was built for {set}");
        let bench = Bench::new();
        for file in files {
            let size = fs::metadata(&file).expect("a module").len();
            let name = bench.add(&file);
            bench.check(&name, set);
            let median = bench.median(&name, set);
            println!("guests: {set}, {name}: {size} bytes, {median:?} a call");
        }
    }
}

#[test]
#[ignore = "needs compilers of other languages; run `cargo xtask guests`"]
fn a_guest_that_asks_loads_with_a_grant_and_gets_its_answer() {
    let folder = std::env::var_os("OFFHOOK_GUESTS").expect("OFFHOOK_GUESTS, set by xtask");
    let file = Path::new(&folder).join("store/c-zig.wasm");
    let bench = Bench::new();
    match bench.functions.invoke(&bench.add(&file), &Event::default()) {
        Err(Error::Load(error)) => assert!(error.reason.contains("offhook.ask"), "{error}"),
        other => panic!("loaded without a grant: {other:?}"),
    }
    let grants = Grants { store: Some("office".to_owned()), ..Grants::default() };
    let bench = Bench::granting(vec![("c-zig".to_owned(), grants)]);
    let answer = bench.functions.invoke(&bench.add(&file), &Event::default()).expect("an answer");
    let said = "<Say>&lt;greeting&gt; of \"office\"</Say></Response>";
    assert!(body(&answer).ends_with(said), "{}: {:?}", body(&answer), answer.log);
}
