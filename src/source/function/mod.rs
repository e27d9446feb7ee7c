//! Functions: handlers in JavaScript or WebAssembly that run inside this process, in a sandbox, and
//! tables of routes, which need none.
//!
//! A function is a file; its path under the functions folder is its name. Every invocation gets
//! a fresh instance with limits on time, memory, log and response, and nothing survives it.
//! Invoking blocks the thread that does it. Nothing here speaks HTTP or checks signatures: the
//! caller asks [`Functions::access`] first.

mod admit;
pub mod ask;
mod bulk;
mod bundle;
mod cache;
mod crypto;
mod depends;
mod door;
mod error;
mod event;
mod features;
mod files;
mod guest;
mod host;
mod image;
mod imports;
mod instance;
mod javascript;
mod load;
mod looked;
mod prelude;
pub mod python;
mod reply;
mod resolve;
mod rollback;
mod sandbox;
mod share;
mod table;
#[cfg(test)]
mod tests;
mod typescript;
pub mod versions;
mod walk;
mod wasi;
mod weight;
mod zone;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::WallTime;

pub use admit::admit;

pub use crate::directory::grants::{Bounds, Grants, HostGrant};
pub use crate::directory::paths::Access;
pub use error::{Error, Failure, LoadError};
pub use event::{Cost, Event, Level, LogLine, Response};
use files::{Finder, Found, files, is_script};
pub use files::{MOST_FUNCTIONS, beyond, is_name, names, tables, told_beyond, unnamed};
pub use instance::{Limits, MAX_MEMORY};
use load::{Asker, Good, Known, Program, read_at_most};
pub use sandbox::{Host, Sandbox, Setup, TICK};
pub use versions::{Versions, version_of};

/// The functions of one project folder.
pub struct Functions {
    finder: Finder,
    /// All of it, secrets of single functions included.
    environment: Vec<(String, String)>,
    /// What every function has that is not in `own`.
    common: Arc<Own>,
    /// Never more entries than the configuration names.
    own: HashMap<String, Arc<Own>>,
    sandbox: Sandbox,
    limits: Limits,
    /// Folders that scripts load nothing from.
    hidden: Vec<PathBuf>,
    /// Where what loads well is kept, if anywhere.
    versions: Option<Versions>,
    /// Never more entries than files have existed under `dir` since the start.
    known: Mutex<HashMap<String, Arc<Known>>>,
    /// One is held while loading, by the name, so that a burst of requests loads an edit once and
    /// waits for no other function's.
    loading: [Mutex<()>; LOADS],
}

/// What one function sees and may do.
#[derive(Default)]
struct Own {
    grants: Arc<Grants>,
    environment: Arc<[(String, String)]>,
}

impl Own {
    /// Whether it saw a name that the other does not see.
    fn saw_more_than(&self, other: &Own) -> bool {
        let sees = |name: &String| other.environment.iter().any(|(known, _)| known == name);
        !self.environment.iter().all(|(name, _)| sees(name))
    }
}

/// Functions that load at one time; more than cores.
const LOADS: usize = 16;

impl Functions {
    /// The functions under `dir`, which need not exist yet. `environment` is what `context` and
    /// `process.env` hold; when it changes, make this anew.
    pub fn new(dir: PathBuf, environment: Vec<(String, String)>, sandbox: Sandbox) -> Functions {
        let functions = Functions {
            finder: Finder::new(dir),
            environment,
            common: Arc::default(),
            own: HashMap::new(),
            sandbox,
            limits: Limits::default(),
            hidden: Vec::new(),
            versions: None,
            known: Mutex::default(),
            loading: Default::default(),
        };
        functions.with_grants(Vec::new())
    }

    /// With these grants to single functions, by name; to all others nothing is granted.
    pub fn with_grants(mut self, grants: Vec<(String, Grants)>) -> Functions {
        let secret = |name: &String| grants.iter().any(|(_, g)| g.secrets.contains(name));
        let visible = |own: &[String]| {
            let seen = self.environment.iter().filter(|(n, _)| own.contains(n) || !secret(n));
            seen.cloned().collect::<Arc<[_]>>()
        };
        self.common = Arc::new(Own { environment: visible(&[]), ..Own::default() });
        let own = |(name, grants): &(String, Grants)| {
            let environment = visible(&grants.secrets);
            let grants = Arc::new(grants.clone());
            (name.clone(), Arc::new(Own { grants, environment }))
        };
        self.own = grants.iter().map(own).collect();
        self
    }

    fn own(&self, name: &str) -> &Arc<Own> {
        self.own.get(name).unwrap_or(&self.common)
    }

    /// Takes over from functions with another environment what each falls back on when its file
    /// is broken now: the last good version, with the environment that it was loaded with, unless
    /// that holds what the function may see no more.
    pub fn falling_back_on(self, before: &Functions) -> Functions {
        let again = |(name, known): (&String, &Arc<Known>)| {
            let hides = before.own(name).saw_more_than(self.own(name));
            let good = known.good.clone().filter(|_| !hides);
            (name.clone(), Arc::new(Known::unread(good, known.broken.clone())))
        };
        let known = before.known().iter().map(again).collect();
        Functions { known: Mutex::new(known), ..self }
    }

    /// With other limits than the default ones; memory at most [`MAX_MEMORY`].
    pub fn with_limits(mut self, limits: Limits) -> Functions {
        self.limits = Limits { memory: limits.memory.min(MAX_MEMORY), ..limits };
        self
    }

    /// With a folder from which scripts load nothing, though it lies in the project: the server's own
    /// data.
    pub fn hiding(mut self, folder: PathBuf) -> Functions {
        self.hidden.push(folder);
        self
    }

    /// With versions to fall back on when a function is broken that was never loaded well here, to
    /// which those are added that are.
    pub fn keeping(self, versions: Versions) -> Functions {
        Functions { versions: Some(versions), ..self }
    }

    /// Who may call the function; none if there is no such function.
    pub fn access(&self, name: &str) -> Option<Access> {
        self.find(name).map(|found| found.access)
    }

    /// How many of it may run at one time, where the configuration says so; whoever invokes it
    /// keeps to that.
    pub fn most_at_once(&self, name: &str) -> Option<u32> {
        self.own(name).grants.bounds.concurrency
    }

    /// Runs the function for somebody who may call any. Blocks: call it where threads may wait.
    pub fn invoke(&self, name: &str, event: &Event) -> Result<Response, Error> {
        self.invoke_as(name, event, Access::Private)
    }

    /// Runs the function for somebody who was let in to those that are no stricter than `admitted`:
    /// the file may be another by now than at the door.
    pub fn invoke_as(
        &self,
        name: &str,
        event: &Event,
        admitted: Access,
    ) -> Result<Response, Error> {
        let own = self.own(name);
        let _slot = self.sandbox.take_slot()?;
        let (known, mut log) = self.current(name, Asker::Request)?;
        let access = known.file.as_ref().map(|(file, _)| file.access);
        if let Some(access) = access.filter(|access| *access > admitted) {
            return Err(Error::Refused(name.to_owned(), access));
        }
        let Some(Good { program, .. }) = &known.good else {
            let broken = known.broken.clone();
            return Err(broken.map_or_else(|| Error::NotFound(name.to_owned()), Error::Load));
        };
        if let Program::Routes(table) = program.as_ref() {
            let mut response = table::invoke(table, event, &**self.sandbox.host());
            response.log.splice(0..0, log);
            response.stale = known.broken.clone();
            return Ok(response);
        }
        let limits = own.grants.bounds.over(self.limits);
        let mut store = instance::open(&self.sandbox, limits, own.environment.clone());
        store.data_mut().granted = Some((name.to_owned(), own.grants.clone()));
        let outcome = match program.as_ref() {
            Program::Script(script) => match self.sandbox.javascript() {
                // The script's image already holds the environment.
                Ok(runtime) => runtime.invoke(&mut store, script, &event.to_json(&[])),
                Err(error) => return Err(Error::Load(error)),
            },
            Program::Guest(guest) => guest.invoke(&mut store, event.to_json(&own.environment)),
            Program::Routes(_) => unreachable!("it was answered without a store"),
        };
        let (lines, cost) = instance::close(store);
        log.extend(lines);
        let mut response = outcome.unwrap_or_else(Response::failed);
        if let Some(failure) = &response.failure {
            log.push(LogLine { level: Level::Error, text: failure.to_string() });
        }
        (response.log, response.cost, response.stale) = (log, cost, known.broken.clone());
        Ok(response)
    }

    /// The names of all functions, in order.
    pub fn names(&self) -> Vec<String> {
        names(self.finder.dir()).into_iter().map(|(name, _)| name).collect()
    }

    /// How many there are beyond those that are loaded.
    pub fn beyond(&self) -> usize {
        beyond(self.finder.dir())
    }

    /// Whether any of them needs the JavaScript engine.
    pub fn has_scripts(&self) -> bool {
        files(self.finder.dir()).iter().any(|(.., path)| is_script(path))
    }

    fn find(&self, name: &str) -> Option<Found> {
        self.finder.find(name, self.now())
    }

    fn now(&self) -> WallTime {
        self.sandbox.host().wall()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
