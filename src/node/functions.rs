//! Functions in the world: clock, chance and ticks for the sandbox, threads for invocations.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use asks::Outside;
use tokio::sync::oneshot;

use super::account::Account;
use super::clock::Clock;
use super::start::StartError;
use crate::base::{Duration, Instant, Rng, WallTime};
use crate::config::Config;
use crate::http::client::Client;
use crate::http::{BoxFuture, Response};
use crate::node::seeing::ladder::printable;
use crate::node::seeing::redact;
use crate::source::function::ask::Asks;
use crate::source::function::{
    self, Functions, Grants, Level, LoadError, LogLine, Sandbox, Versions,
};
use crate::source::seen::Reporter;
use crate::source::turns::{Bounds, Entered, Refused, Turn, Turns, Waiting};
use crate::source::{Access, Candidate, FunctionRunner, Invocation, Loaded, inbound, tell_stale};

mod asks;
mod control;
#[cfg(test)]
mod tests;
mod threads;

pub(super) use asks::Backing;
pub(super) use control::Served;
use threads::{Pool, Ticker};

/// Invocations at one time: more of them than cores only wait for one another.
const SLOTS: u32 = 64;

/// Of these, for loading what was saved: requests never take them.
const FOR_LOADING: u32 = 4;

/// Where a served project keeps compiled code.
pub(super) fn cache_folder(config: &Config) -> PathBuf {
    config.server.data.join("cache").join("functions")
}

/// Where this user keeps compiled code of projects that were never served. Code from there is run,
/// so it must be a folder that nobody else writes: else there is none.
pub(super) fn own_cache_folder() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    let folder = caches.join("offhook").join("functions");
    let mut maker = std::fs::DirBuilder::new();
    maker.recursive(true).mode(0o700).create(&folder).ok()?;
    is_private(&folder).then_some(folder)
}

fn is_private(folder: &Path) -> bool {
    let Ok(own) = std::fs::metadata("/proc/self") else { return false };
    let found = std::fs::symlink_metadata(folder);
    found.is_ok_and(|found| found.is_dir() && found.uid() == own.uid() && found.mode() & 0o022 == 0)
}

/// The sandbox that a project's functions run in.
pub(super) fn sandbox(
    cache: Option<PathBuf>,
    rng: Rng,
    client: Arc<Client>,
    backing: Arc<Backing>,
) -> Result<Sandbox, StartError> {
    let clock = Clock::start();
    let outside = Outside::new(client, backing, clock);
    let host = Arc::new(World { clock, rng: Mutex::new(rng), outside });
    let setup = function::Setup { cache, slots: SLOTS, host };
    Sandbox::new(setup).map_err(StartError::Functions)
}

/// The functions of a project as it is configured now.
pub(super) fn open(
    config: &Config,
    account: &Account,
    public_url: &str,
    sandbox: Sandbox,
    versions: Option<Versions>,
) -> Functions {
    let domain = public_url.split("://").nth(1).unwrap_or(public_url);
    let own = [
        ("ACCOUNT_SID", account.sid.to_string()),
        ("AUTH_TOKEN", account.token.expose().to_owned()),
        ("DOMAIN_NAME", domain.to_owned()),
    ];
    let mut environment: Vec<(String, String)> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let configured = config.function_env.iter();
    environment.extend(configured.map(|(name, value)| (name.clone(), value.expose().to_owned())));
    let functions = Functions::new(config.project.join("functions"), environment, sandbox);
    let functions = functions.with_grants(config.function_grants.clone());
    let functions = functions.hiding(config.server.data.clone());
    match versions {
        Some(versions) => functions.keeping(versions),
        None => functions,
    }
}

/// Compiles or loads the JavaScript engine beside the start, so that no request waits for it; what
/// it gives tells the end of that, well or not.
pub(super) fn warm_up(sandbox: Sandbox) -> oneshot::Receiver<()> {
    let (done, warm) = oneshot::channel();
    let work = move || {
        if let Err(error) = sandbox.warm_up() {
            tracing::warn!("JavaScript functions cannot run: {error}");
        }
        let _ = done.send(());
    };
    // Without a thread the first request does it.
    let _ = std::thread::Builder::new().name("warm-up".to_owned()).spawn(work);
    warm
}

/// Loads every function, with the clock of the sandbox running, and says what is wrong with it.
pub(super) fn check_all(functions: &Functions, sandbox: Sandbox) -> Checked {
    let ticker = Ticker::start(sandbox);
    let _running = ticker.running();
    let names = functions.names().into_iter();
    names.map(|name| (name.clone(), functions.check(&name))).collect()
}

/// The module of a Python script, with the clock of the sandbox running, and what was logged.
pub(super) fn python_module(
    sandbox: Sandbox,
    file: &str,
    script: &[u8],
) -> (Result<Vec<u8>, LoadError>, Vec<LogLine>) {
    let ticker = Ticker::start(sandbox.clone());
    let _running = ticker.running();
    function::python::module_of(&sandbox, file, script)
}

/// The functions by name, each with what is wrong with it.
pub(super) type Checked = Vec<(String, Result<(), function::Error>)>;

/// What guests may know of the world, and who asks it for them.
struct World {
    clock: Clock,
    rng: Mutex<Rng>,
    outside: Outside,
}

impl function::Host for World {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn worked(&self) -> Instant {
        Clock::worked()
    }

    fn wall(&self) -> WallTime {
        Clock::on_the_wall()
    }

    fn random(&self, bytes: &mut [u8]) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let number: [u8; 8] = rng.bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn asks(&self, function: &str, grants: &Arc<Grants>) -> Option<Box<dyn Asks>> {
        self.outside.asks(function, grants)
    }
}

/// Runs functions for requests, on threads where waiting keeps nobody else waiting.
pub(super) struct Runner {
    functions: RwLock<Arc<Functions>>,
    ticker: Arc<Ticker>,
    turns: Arc<Turns>,
    pool: Pool,
    clock: Clock,
    /// The second in which the log was last told of refused requests.
    told: AtomicU64,
}

impl Runner {
    pub(super) fn new(functions: Functions, sandbox: Sandbox) -> Runner {
        let ticker = Ticker::start(sandbox);
        let turns = Turns::new(Bounds::of_places((SLOTS - FOR_LOADING) as usize));
        let functions = RwLock::new(Arc::new(functions));
        Runner {
            functions,
            ticker,
            turns,
            pool: Pool::start(),
            clock: Clock::start(),
            told: AtomicU64::new(0),
        }
    }

    /// The functions as they are configured now.
    pub(super) fn functions(&self) -> Arc<Functions> {
        Arc::clone(&self.functions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes functions with another environment; those that run finish with what they began with.
    pub(super) fn replace(&self, functions: Functions) {
        let functions = functions.falling_back_on(&self.functions());
        *self.functions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(functions);
    }

    /// The log says that requests are refused, once a second at most: they come in floods.
    fn tell_refused(&self, name: &str, now: Instant) {
        let second = now.as_millis() / 1_000 + 1;
        if self.told.swap(second, Ordering::Relaxed) != second {
            tracing::warn!("function {name}: too many requests at once; some get 503");
        }
    }

    fn refuse(
        &self,
        name: &str,
        invocation: &Invocation,
        refused: Refused,
        asked: Instant,
    ) -> Response {
        self.tell_refused(name, asked);
        invocation.reporter.write().failure = Some(format!("not run: {refused:?}"));
        refused.response(name)
    }

    /// Runs it when its turn has come.
    async fn run_later(
        &self,
        name: &str,
        invocation: Invocation,
        waiting: Waiting,
        asked: Instant,
    ) -> Response {
        match waiting.turn().await {
            Ok(turn) => {
                invocation.reporter.write().queued = self.clock.now().since(asked);
                self.run(name, invocation, turn).await
            }
            Err(refused) => self.refuse(name, &invocation, refused, asked),
        }
    }

    async fn run(&self, name: &str, invocation: Invocation, turn: Turn) -> Response {
        let (functions, ticker) = (self.functions(), Arc::clone(&self.ticker));
        let (name, clock) = (name.to_owned(), self.clock);
        let run = move || {
            let _running = ticker.running();
            let response = run(&functions, &name, &invocation, clock);
            // Before the answer is on its way: whoever waits may begin.
            drop(turn);
            response
        };
        self.pool.spawn(run).await.unwrap_or_else(|_| crashed())
    }

    /// Loads a function if it changed, and logs what its top level says.
    pub(super) fn load(
        &self,
        functions: &Functions,
        name: &str,
    ) -> Result<Loaded<LoadError>, function::Error> {
        let _running = self.ticker.running();
        let (loaded, lines) = functions.load(name)?;
        log(name, &lines, false);
        Ok(loaded)
    }
}

impl FunctionRunner for Runner {
    fn access(&self, name: &str) -> Option<Access> {
        self.functions().access(name)
    }

    fn invoke<'a>(&'a self, name: &'a str, invocation: Invocation) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            let asked = self.clock.now();
            let entered = self.turns.enter(name, self.functions().most_at_once(name));
            match entered {
                Ok(Entered::Now(turn)) => self.run(name, invocation, turn).await,
                Ok(Entered::Later(waiting)) => {
                    self.run_later(name, invocation, waiting, asked).await
                }
                Err(refused) => self.refuse(name, &invocation, refused, asked),
            }
        })
    }

    /// Looks at the file and runs it on one thread, if it may run at once: as it mostly may.
    fn let_in<'a>(
        &'a self,
        name: &'a str,
        invocation: Invocation,
    ) -> BoxFuture<'a, Result<Response, Option<Access>>> {
        Box::pin(async move {
            let asked = self.clock.now();
            let (functions, ticker) = (self.functions(), Arc::clone(&self.ticker));
            let (turns, clock, called) = (Arc::clone(&self.turns), self.clock, name.to_owned());
            let begin = move || {
                match functions.access(&called) {
                    Some(access) if access <= invocation.admitted => {}
                    closed => return Begun::Closed(closed),
                }
                match turns.enter(&called, functions.most_at_once(&called)) {
                    Ok(Entered::Now(turn)) => {
                        let _running = ticker.running();
                        let response = run(&functions, &called, &invocation, clock);
                        // Before the answer is on its way: whoever waits may begin.
                        drop(turn);
                        Begun::Ran(response)
                    }
                    Ok(Entered::Later(waiting)) => Begun::Waits(waiting, invocation),
                    Err(refused) => Begun::Refused(refused, invocation),
                }
            };
            match self.pool.spawn(begin).await {
                Ok(Begun::Closed(access)) => Err(access),
                Ok(Begun::Ran(response)) => Ok(response),
                Ok(Begun::Waits(waiting, invocation)) => {
                    Ok(self.run_later(name, invocation, waiting, asked).await)
                }
                Ok(Begun::Refused(refused, invocation)) => {
                    Ok(self.refuse(name, &invocation, refused, asked))
                }
                Err(_) => Ok(crashed()),
            }
        })
    }

    fn candidates(&self, name: &str) -> Vec<Candidate> {
        let functions = self.functions();
        let candidates = functions.candidates(name).into_iter().enumerate();
        let candidates = candidates.map(|(at, (file, access))| {
            // Only of the one that counts does anybody want to know.
            let version = (at == 0).then(|| functions.version_of_file(&file)).flatten();
            Candidate { file: format!("functions/{file}"), access, version }
        });
        candidates.collect()
    }
}

/// How far a request came without waiting.
enum Begun {
    /// It may not come in.
    Closed(Option<Access>),
    Ran(Response),
    Waits(Waiting, Invocation),
    Refused(Refused, Invocation),
}

fn crashed() -> Response {
    Response::text(500, "500: the function's thread crashed")
}

/// Runs a function and reports on it.
fn run(functions: &Functions, name: &str, invocation: &Invocation, clock: Clock) -> Response {
    let reporter = &invocation.reporter;
    let event = match inbound::event(name, invocation) {
        Ok(event) => event,
        Err(why) => return Response::text(400, &format!("400: {why}")),
    };
    let admitted = invocation.admitted;
    if reporter.is_detailed() && functions.access(name).is_some_and(|access| access <= admitted) {
        let begun = clock.now();
        // What is wrong with it is said by invoking it.
        let loaded = functions.load_to_answer(name);
        let mut report = reporter.write();
        report.load = clock.now().since(begun);
        report.log.extend(loaded.map(|(_, log)| log).unwrap_or_default());
        let json = serde_json::from_slice::<serde_json::Value>(&event.to_json(&[])).ok();
        report.event = json.and_then(|mut json| json.get_mut("event").map(serde_json::Value::take));
    }
    let begun = clock.now();
    let outcome = functions.invoke_as(name, &event, admitted);
    reporter.write().run = clock.now().since(begun);
    respond(name, outcome, reporter)
}

/// The answer on the wire; what the function logged goes to our log, under its name.
fn respond(
    name: &str,
    outcome: Result<function::Response, function::Error>,
    reporter: &Reporter,
) -> Response {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!("function {name}: {error}");
            let mut report = reporter.write();
            report.failure = Some(error.to_string());
            report.refused = matches!(error, function::Error::Refused(..));
            drop(report);
            return Response::text(error.status(), &format!("{}: {error}", error.status()));
        }
    };
    if !reporter.is_shown() {
        log(name, &answer.log, answer.numbers);
    }
    let mut response = Response::new(answer.status, &answer.content_type, answer.body);
    for (header, value) in answer.headers.into_iter().filter(|(header, _)| !is_ours(header)) {
        response = response.with(&header, value);
    }
    let stale = answer.stale.map(|stale| stale.in_project().to_string());
    if let Some(stale) = &stale {
        tracing::warn!(
            "function {name}: the last good version answered; the edit is broken: {stale}"
        );
        response = tell_stale(response, stale);
    }
    let mut report = reporter.write();
    report.log.extend(answer.log);
    report.failure = answer.failure.map(|failure| failure.to_string());
    (report.stale, report.memory) = (stale, answer.cost.memory);
    drop(report);
    response
}

/// Fields by which the server says what became of a request: no function says so in its name.
fn is_ours(header: &str) -> bool {
    const OURS: &str = "offhook-";
    header.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

/// What a function said goes to our log, under its name; what a table says, without the numbers.
fn log(name: &str, lines: &[LogLine], numbers: bool) {
    for line in lines {
        let mut text = within_one(&line.text);
        if numbers {
            text = redact::numbers(&text);
        }
        match line.level {
            Level::Error => tracing::error!("function {name}: {text}"),
            Level::Warning => tracing::warn!("function {name}: {text}"),
            _ => tracing::info!("function {name}: {text}"),
        }
    }
}

/// A function's text as one entry of the log: none of its lines looks like an entry of its own, and
/// nothing in it is an order to a terminal.
fn within_one(text: &str) -> String {
    text.trim_end().split('\n').map(printable).collect::<Vec<_>>().join("\n    ")
}
