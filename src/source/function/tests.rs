//! Every door, every limit, and what an edit does.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::*;
use crate::base::{Duration, Instant, Rng, WallTime};

/// The real clock and a seeded generator: limits are about real time.
#[expect(clippy::disallowed_methods, reason = "stands for the node, which owns the clock")]
mod clock {
    use super::*;

    pub(super) struct TestHost {
        start: std::time::Instant,
        rng: Mutex<Rng>,
        pub(super) waited: Mutex<Duration>,
        /// Other programs take the core: work seems to be an hour more at each look.
        pub(super) busy: AtomicBool,
        wall: WallTime,
    }

    impl TestHost {
        pub(super) fn new() -> Arc<TestHost> {
            TestHost::at(WallTime::from_unix_millis(1_795_237_266_123))
        }

        pub(super) fn at(wall: WallTime) -> Arc<TestHost> {
            let (start, rng) = (std::time::Instant::now(), Mutex::new(Rng::from_number(1)));
            Arc::new(TestHost {
                start,
                rng,
                waited: Mutex::default(),
                busy: AtomicBool::default(),
                wall,
            })
        }
    }

    impl Host for TestHost {
        fn now(&self) -> Instant {
            let waited = *self.waited.lock().expect("not poisoned");
            Instant::ZERO + self.start.elapsed() + waited
        }
        fn wall(&self) -> WallTime {
            self.wall
        }
        fn worked(&self) -> Instant {
            if self.busy.load(Ordering::Relaxed) {
                *self.waited.lock().expect("not poisoned") += Duration::from_secs(3600);
            }
            self.now()
        }
        fn random(&self, bytes: &mut [u8]) {
            let mut rng = self.rng.lock().expect("not poisoned");
            bytes.fill_with(|| rng.next_u32() as u8);
        }
        /// Moves the clock instead of waiting.
        fn wait(&self, time: Duration) {
            *self.waited.lock().expect("not poisoned") += time;
        }
    }
}
use clock::TestHost;

/// A functions folder, a sandbox and the thread that ticks it.
struct Bench {
    functions: Functions,
    sandbox: Sandbox,
    dir: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

/// Compiled once for all tests, beside their own binary.
fn cache() -> PathBuf {
    let binary = std::env::current_exe().expect("a test binary");
    binary.ancestors().nth(2).expect("the profile's folder").join("function-cache")
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Bench {
        // More than the usual time: what is tested is not how busy the machine is.
        let limits = Limits { running: Duration::from_secs(2), ..Limits::default() };
        Bench::with(files, 4, limits)
    }

    fn with(files: &[(&str, &str)], slots: u32, limits: Limits) -> Bench {
        let mut bench = Bench::with_host(files, slots, TestHost::new());
        let environment = vec![("GREETING".to_owned(), "hello".to_owned())];
        let dir = bench.dir.path().to_owned();
        let functions = Functions::new(dir, environment, bench.sandbox.clone());
        bench.functions = functions.with_limits(limits);
        bench
    }

    fn with_host(files: &[(&str, &str)], slots: u32, host: Arc<dyn Host>) -> Bench {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sandbox = Sandbox::new(Setup { cache: Some(cache()), slots, host });
        let sandbox = sandbox.expect("a sandbox");
        let functions = Functions::new(dir.path().to_owned(), Vec::new(), sandbox.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let mut bench = Bench { functions, sandbox, dir, stop, ticker: None };
        bench.replace_ticker(|sandbox, stop| {
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(TICK);
                    sandbox.tick();
                }
            })
        });
        for (name, text) in files {
            bench.write(name, text);
        }
        bench
    }

    /// Ends the thread that ticks, and has another one do it.
    fn replace_ticker(&mut self, start: impl FnOnce(Sandbox, Arc<AtomicBool>) -> JoinHandle<()>) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.ticker.take().map(JoinHandle::join);
        self.stop = Arc::new(AtomicBool::new(false));
        self.ticker = Some(start(self.sandbox.clone(), self.stop.clone()));
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        // A new inode each time: edits within one clock tick are seen, too.
        let beside = path.with_extension("new");
        fs::write(&beside, text).expect("written");
        fs::rename(&beside, &path).expect("renamed");
    }

    fn invoke(&self, name: &str, parameters: &[(&str, &str)]) -> Response {
        self.functions.invoke(name, &event(parameters)).expect("a response")
    }

    /// Runs the body of a handler.
    fn run(&self, body: &str) -> Response {
        self.write("run.js", &handler(body));
        self.invoke("run", &[])
    }

    fn load_error(&self, name: &str) -> LoadError {
        match self.functions.invoke(name, &Event::default()) {
            Err(Error::Load(error)) => error,
            other => panic!("expected a load error, not {other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.ticker.take().map(JoinHandle::join);
    }
}

fn handler(body: &str) -> String {
    format!("exports.handler = function (context, event, callback) {{\n{body}\n}};\n")
}

fn event(parameters: &[(&str, &str)]) -> Event {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let parameters: Vec<_> = parameters.iter().map(owned).collect();
    Event {
        method: "POST".to_owned(),
        headers: vec![("User-Agent".to_owned(), "test".to_owned())],
        parameters: super::event::collect(super::event::pairs(&parameters)),
        context: vec![("DOMAIN_NAME".to_owned(), "localhost".to_owned())],
        ..Event::default()
    }
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).expect("UTF-8")
}

const DIAL: &str = include_str!("../../../functions/samples/outbound.js");
const MAPPED: &str = include_str!("../../../functions/samples/caller-id.js");
const LIBRARY: &str = include_str!("../../../functions/samples/library.wat");
const COMMAND: &str = include_str!("../../../functions/samples/command.wat");

mod bombs;
mod bounds;
mod builtins;
mod doors;
mod files;
mod hostile;
mod modules;
mod scripts;
mod survival;
mod tables;
mod wasi;
