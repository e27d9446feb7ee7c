//! Functions in other languages against golden events: the templates that greet, and the samples
//! that map caller IDs. One document per event is what all of them have to answer. And the way of
//! a user: a new function in each language, built, tested, broken, and one that asks the world.
//!
//! What needs a compiler is built by `cargo xtask guests`, which names its folder in
//! `OFFHOOK_GUESTS` and runs the ignored test.
#![expect(clippy::disallowed_methods, reason = "stands for the node, which owns the clock")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant as Clock;

use offhook::base::{Duration, Instant, Rng, WallTime};
use offhook::source::function::{Error, Event, Functions, Host, Response, Sandbox, Setup, TICK};
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
        members.flat_map(|(n, v)| texts(v).into_iter().map(|t| (n.clone(), t))).collect()
    };
    let (event, request) = (&document["event"], &document["event"]["request"]);
    let parameters = |event: &Value| {
        let mut parameters = event.as_object().expect("an object").clone();
        parameters.remove("request");
        parameters
    };
    Event {
        method: request["method"].as_str().expect("a method").to_owned(),
        headers: pairs(&request["headers"]),
        cookies: pairs(&request["cookies"]),
        parameters: parameters(event),
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
        let event = Event {
            parameters: [("From".to_owned(), from.into())].into_iter().collect(),
            ..Event::default()
        };
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
fn guests_remember_callers_in_the_store_and_ask_another_server_for_their_names() {
    let folder = std::env::var_os("OFFHOOK_GUESTS").expect("OFFHOOK_GUESTS, set by xtask");
    let entries = fs::read_dir(Path::new(&folder).join("returning")).expect("built guests");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing was built");
    for file in files {
        let bench = Bench::new();
        match bench.functions.invoke(&bench.add(&file), &Event::default()) {
            Err(Error::Load(error)) => assert!(error.reason.contains("offhook.ask"), "{error}"),
            other => panic!("loaded without a grant: {other:?}"),
        }
        let directory = Directory::start();
        let project = tempfile::tempdir().expect("a temporary folder");
        let port = directory.port;
        let toml = format!(
            "[webhook]\nallow = [\"127.0.0.0/8\"]\n\
             [functions]\nenv = {{ CRM_URL = \"http://127.0.0.1:{port}/who\" }}\n\
             [[function]]\nname = \"returning\"\nstore = true\nhosts = [\"127.0.0.1:{port}\"]\n"
        );
        fs::write(project.path().join("offhook.toml"), toml).expect("written");
        let functions = project.path().join("functions");
        fs::create_dir(&functions).expect("made");
        fs::copy(&file, functions.join("returning.wasm")).expect("copied");
        let cases = [
            ("+15550001111", "Welcome"),
            ("+15550001111", "Welcome back, Ada \"of\" &lt;London&gt;"),
            ("+15550002222", "Welcome"),
            ("+15550002222", "Welcome back, caller number 2"),
            ("+15550001111", "Welcome back, Ada \"of\" &lt;London&gt;"),
        ];
        let cases = cases.map(|(from, said)| {
            let expected = format!("<Response><Say>{said}</Say></Response>");
            serde_json::json!({ "event": { "From": from }, "expected": expected })
        });
        fs::write(functions.join("returning.test.json"), Value::from(cases.to_vec()).to_string())
            .expect("written");
        let tested = offhook(project.path(), &["fn", "test", "--json"]);
        assert!(tested.status.success(), "{}: {tested:?}", file.display());
        let asked = directory.asked.lock().expect("not poisoned").clone();
        assert_eq!(asked, ["/who?number=%2B15550001111", "/who?number=%2B15550002222"]);
        println!("guests: returning, {}: store and fetch", file.display());
    }
}

/// Knows one name; and what it was asked for.
struct Directory {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Directory {
    fn start() -> Directory {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let told = asked.clone();
        // Ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut line = String::new();
                let mut lines = BufReader::new(&stream);
                lines.read_line(&mut line).expect("a request");
                let mut rest = String::new();
                while lines.read_line(&mut rest).is_ok_and(|length| length > 2) {
                    rest.clear();
                }
                let target = line.split(' ').nth(1).expect("a target").to_owned();
                let (status, body) = match target.ends_with("1111") {
                    true => ("200 OK", r#"{"name":"Ada \"of\" <London>"}"#),
                    false => ("404 Not Found", "{}"),
                };
                told.lock().expect("not poisoned").push(target);
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
                let answer = format!("{head}Connection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).expect("written");
            }
        });
        Directory { port, asked }
    }
}

/// A command on a project.
fn offhook(project: &Path, arguments: &[&str]) -> Output {
    let mut offhook = Command::new(env!("CARGO_BIN_EXE_offhook"));
    offhook.current_dir(project).args(arguments).output().expect("it runs")
}

#[test]
fn a_missing_compiler_is_named_with_where_to_get_it() {
    let wanted = [
        ("c", "`apt install clang lld` or `pip install ziglang`"),
        ("rust", "https://rustup.rs"),
        ("assemblyscript", "https://nodejs.org"),
        ("go", "https://go.dev/dl"),
    ];
    for (lang, wanted) in wanted {
        let project = tempfile::tempdir().expect("a temporary folder");
        fs::write(project.path().join("offhook.toml"), "").expect("written");
        let run = |arguments: &[&str]| {
            let mut offhook = Command::new(env!("CARGO_BIN_EXE_offhook"));
            offhook.current_dir(&project).args(arguments).env("PATH", project.path());
            offhook.output().expect("it runs")
        };
        let written = run(&["fn", "new", "greet", "--lang", lang]);
        let said = String::from_utf8_lossy(&written.stdout).into_owned();
        assert!(written.status.success() && said.contains(wanted), "{lang}: {written:?}");
        assert!(said.contains("\nnext: offhook fn build greet\n"), "{lang}: {said}");
        let built = run(&["fn", "build"]);
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert_eq!(built.status.code(), Some(1), "{lang}: {said}");
        assert!(said.starts_with("offhook: functions-src/greet: "), "{lang}: {said}");
        assert!(said.contains(wanted) && said.contains("is not there yet"), "{lang}: {said}");
    }
}

#[test]
#[ignore = "needs compilers of other languages; run `cargo xtask guests`"]
fn a_rust_program_is_built_as_a_command() {
    let project = tempfile::tempdir().expect("a temporary folder");
    let project = project.path();
    fs::write(project.join("offhook.toml"), "").expect("written");
    assert!(offhook(project, &["fn", "new", "greet", "--lang", "rust"]).status.success());
    let source = project.join("functions-src/greet/src/lib.rs");
    let text = fs::read_to_string(&source).expect("a source");
    let text = text.replace(
        "offhook_function::export!(handle);",
        "fn main() {\n    offhook_function::run(handle)\n}",
    );
    fs::write(source.with_file_name("main.rs"), text).expect("written");
    fs::remove_file(source).expect("removed");
    let manifest = project.join("functions-src/greet/Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let text = text.replace("[lib]\ncrate-type = [\"cdylib\"]\n", "");
    fs::write(manifest, text).expect("written");
    let built = offhook(project, &["fn", "build", "greet"]);
    assert!(built.status.success(), "{built:?}");
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(said.contains("--target wasm32-wasip1"), "{said}");
    let answered = offhook(project, &["preview", "function:greet", "--from", "a&b"]);
    let said = String::from_utf8_lossy(&answered.stdout).into_owned();
    assert!(said.contains("Hello, a&amp;b"), "{answered:?}");
}

#[test]
#[ignore = "needs compilers of other languages; run `cargo xtask guests`"]
fn tsc_takes_new_functions_and_finds_what_a_call_would_not_know() {
    let project = tempfile::tempdir().expect("a temporary folder");
    let project = project.path();
    fs::write(project.join("offhook.toml"), "").expect("written");
    for (name, lang) in [("typed", "ts"), ("plain", "js")] {
        assert!(offhook(project, &["fn", "new", name, "--lang", lang]).status.success());
    }
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).current_dir(project).output()
    };
    fs::write(project.join("package.json"), "{}").expect("written");
    let install = ["install", "--silent", "--no-audit", "--no-fund", "typescript@5"];
    if !run("npm", &install).is_ok_and(|output| output.status.success()) {
        return println!("guests: types are LEFT OUT: npm cannot fetch typescript");
    }
    let tsc = || {
        let output = run("npx", &["tsc"]).expect("it is installed");
        (output.status.success(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(tsc(), (true, String::new()));
    let path = project.join("functions/typed.ts");
    let text = fs::read_to_string(&path).expect("a function");
    let say =
        "  response.say({ vocie: 'alice' }, 'Hello');\n  response.say({ loop: 'x' }, 'Hello');\n";
    let say = format!("{say}  response.hangup");
    fs::write(&path, text.replace("  response.hangup", &say)).expect("written");
    let (sound, said) = tsc();
    assert!(!sound && said.starts_with("functions/typed.ts("), "{said}");
    assert!(said.contains("'vocie'") && said.contains("Type '\"x\"' is not assignable"), "{said}");
    println!("guests: types: new functions are sound, a wrong attribute is found");
}

/// Of languages with sources: a file of them, which can be broken.
const SOURCES: [(&str, &str); 4] = [
    ("c", "function.c"),
    ("rust", "src/lib.rs"),
    ("assemblyscript", "function.ts"),
    ("go", "main.go"),
];

#[test]
#[ignore = "needs compilers of other languages; run `cargo xtask guests`"]
fn a_new_function_in_any_language_is_built_and_passes_its_test() {
    for lang in ["js", "ts", "routes", "wat", "c", "rust", "assemblyscript", "go"] {
        let project = tempfile::tempdir().expect("a temporary folder");
        let project = project.path();
        fs::write(project.join("offhook.toml"), "").expect("written");
        let run = |arguments: &[&str]| {
            let output = offhook(project, arguments);
            assert!(output.status.success(), "{lang}: {arguments:?}: {output:?}");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let written = run(&["fn", "new", "menu/greet", "--lang", lang, "--protected"]);
        if written.contains("needs: ") {
            println!("guests: {lang} is LEFT OUT: {written}");
            continue;
        }
        let source = SOURCES.iter().find(|(name, _)| *name == lang);
        let module = project.join("functions/menu/greet.protected.wasm");
        if source.is_some() {
            let early = offhook(project, &["fn", "test", "menu/greet"]);
            let said = String::from_utf8_lossy(&early.stderr).into_owned();
            assert!(said.contains("run `offhook fn build menu/greet`"), "{lang}: {said}");
            let checked = offhook(project, &["check"]);
            let said = String::from_utf8_lossy(&checked.stderr).into_owned();
            assert!(said.contains("warning function: is not built yet"), "{lang}: {said}");
            let listed = offhook(project, &["fn", "list"]);
            let said = String::from_utf8_lossy(&listed.stderr).into_owned();
            assert!(said.contains("is not built yet; run `offhook fn build menu/greet`"), "{said}");
            run(&["fn", "build"]);
            assert!(module.is_file(), "{lang}");
        }
        run(&["fn", "test", "menu/greet", "--write"]);
        run(&["fn", "test"]);
        let expected = project.join("functions/menu/greet.test/call.xml");
        let expected = fs::read_to_string(expected).expect("what came");
        assert!(expected.contains("+15550001111"), "{lang}: {expected}");
        let list = run(&["fn", "list"]);
        assert!(list.starts_with("menu/greet  protected  functions/menu/greet"), "{list}");
        assert_eq!(list.lines().count(), 1, "its sources and tests are no functions: {list}");
        run(&["fn", "bench", "menu/greet", "-n", "20"]);
        let Some((_, file)) = source else { continue };
        let path = project.join("functions-src/menu/greet.protected").join(file);
        let good = (fs::read(&module).expect("a module"), fs::read(&path).expect("a source"));
        fs::write(&path, [&good.1[..], b"\nno program {\n"].concat()).expect("written");
        let broken = offhook(project, &["fn", "build", "menu/greet"]);
        let said = String::from_utf8_lossy(&broken.stderr).into_owned();
        assert_eq!(broken.status.code(), Some(1), "{lang}: {said}");
        let line = good.1.split(|byte| *byte == b'\n').count() + 1;
        let place = said.contains(&format!("{file}:{line}")) || said.contains(&format!("({line},"));
        assert!(place, "{lang}: no {file}:{line} in {said}");
        assert!(said.contains("functions/menu/greet.protected.wasm stays as it was"), "{said}");
        assert_eq!(fs::read(&module).expect("a module"), good.0, "{lang}");
        println!("guests: {lang}: new, build, test, list, bench, a broken edit");
    }
}
