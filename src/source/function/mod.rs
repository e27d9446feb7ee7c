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
mod error;
mod event;
mod files;
mod guest;
mod host;
mod image;
mod instance;
mod javascript;
mod prelude;
pub mod python;
mod resolve;
mod sandbox;
mod table;
#[cfg(test)]
mod tests;
mod typescript;
pub mod versions;
mod wasi;
mod zone;

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::routes::Table;
use super::{Loaded, Stamp};
use bundle::Bundle;
use depends::Depends;

pub use admit::admit;

pub use crate::directory::grants::{Bounds, Grants, HostGrant};
pub use crate::directory::paths::Access;
pub use error::{Error, Failure, LoadError};
pub use event::{Cost, Event, Level, LogLine, Response};
use files::{Finder, Found, files, is_script};
pub use files::{is_name, names, tables, unnamed};
pub use instance::{Limits, MAX_MEMORY};
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

/// A function as it was when its file was last read.
struct Known {
    /// None when it must be read again all the same.
    file: Option<Found>,
    good: Option<Good>,
    broken: Option<LoadError>,
    /// Its other files, as they were then.
    depends: Depends,
}

/// What loaded well last, of a file that so many might call.
#[derive(Clone)]
struct Good {
    program: Arc<Program>,
    access: Access,
}

enum Program {
    Script(javascript::Script),
    Guest(guest::Guest),
    Routes(Box<Table>),
}

/// Larger files are mistakes: scripts are written by hand, modules hold one decision.
const MAX_SCRIPT: u64 = 1 << 20;
const MAX_MODULE: u64 = 16 << 20;

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
            let (broken, depends) = (known.broken.clone(), Depends::default());
            (name.clone(), Arc::new(Known { file: None, good, broken, depends }))
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
        let (known, mut log) = self.current(name, Depends::is_current)?;
        let access = known.file.as_ref().map(|file| file.access);
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

    /// Loads the function if it changed, and says what is wrong with it.
    pub fn check(&self, name: &str) -> Result<(), Error> {
        match self.load(name)?.0.broken {
            None => Ok(()),
            Some(error) => Err(Error::Load(error)),
        }
    }

    /// Loads the function if it changed, so that the next request does not wait for it, and its
    /// last good version is there when a later one is broken; with what its top level logged.
    pub fn load(&self, name: &str) -> Result<(Loaded<LoadError>, Vec<LogLine>), Error> {
        let _slot = self.sandbox.take_slot()?;
        let (known, log) = self.current(name, Depends::is_exactly_current)?;
        let broken = known.broken.clone();
        Ok((Loaded { kept: broken.is_some() && known.good.is_some(), broken }, log))
    }

    /// Forgets a function whose file is gone for good.
    pub fn forget(&self, name: &str) {
        self.known().remove(name);
    }

    /// All functions as their files are now, in the order of their names.
    pub fn stamps(&self) -> Vec<(String, Stamp)> {
        let stamped = |(name, _, path): (String, usize, PathBuf)| {
            let known = self.known().get(&name).cloned();
            let turn = known.map_or(0, |known| known.depends.notice());
            Some((name, Stamp::of(&path)?.with_turn(turn)))
        };
        files(self.finder.dir()).into_iter().filter_map(stamped).collect()
    }

    /// The names of all functions, in order.
    pub fn names(&self) -> Vec<String> {
        names(self.finder.dir()).into_iter().map(|(name, _)| name).collect()
    }

    /// The function as its files say now, and what loading it logged.
    fn current(
        &self,
        name: &str,
        is_current: fn(&Depends) -> bool,
    ) -> Result<(Arc<Known>, Vec<LogLine>), Error> {
        // What is known stays: an editor that replaces a file may leave none for a moment.
        let Some(found) = self.find(name) else { return Err(Error::NotFound(name.to_owned())) };
        let fresh = || {
            let known = self.known().get(name).cloned();
            let same = |known: &Arc<Known>| known.file.as_ref() == Some(&found);
            known.filter(same).filter(|known| is_current(&known.depends))
        };
        if let Some(known) = fresh() {
            return Ok((known, Vec::new()));
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let turn = &self.loading[hasher.finish() as usize % LOADS];
        let _one_at_a_time = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = fresh() {
            return Ok((known, Vec::new()));
        }
        let before = self.known().get(name).cloned();
        if let Some(before) = &before {
            before.depends.notice();
        }
        let (outcome, depends, log) = self.read(name, &found);
        let access = found.access;
        let (good, broken) = match outcome {
            Ok(program) => (Some(Good { program: Arc::new(program), access }), None),
            Err(error) => {
                // What was written for few answers nobody else.
                let open = |good: &Good| good.access <= access;
                let good = before.as_ref().and_then(|known| known.good.clone());
                (good.filter(open), Some(error))
            }
        };
        let depends = match &before {
            Some(before) => depends.after(&before.depends),
            None => depends,
        };
        let known = Arc::new(Known { file: Some(found), good, broken, depends });
        self.known().insert(name.to_owned(), known.clone());
        Ok((known, log))
    }

    fn read(
        &self,
        name: &str,
        found: &Found,
    ) -> (Result<Program, LoadError>, Depends, Vec<LogLine>) {
        let file = found.path.strip_prefix(self.finder.dir()).unwrap_or(&found.path);
        let file = &*file.to_string_lossy();
        let broken = |error| (Err(error), Depends::default(), vec![]);
        let script = is_script(&found.path);
        let bound = if script || table::is_table(file) { MAX_SCRIPT } else { MAX_MODULE };
        if found.stamp.length() > bound {
            return broken(LoadError::whole(file, format!("is larger than {bound} bytes")));
        }
        let own = self.own(name);
        if script {
            let runtime = match self.sandbox.javascript() {
                Ok(runtime) => runtime,
                Err(error) => return broken(LoadError::whole(file, error.to_string())),
            };
            let bundle = Bundle::new(self.finder.dir(), &found.path, &self.hidden);
            // A private file may be there only for others to require.
            let library = found.access == Access::Private;
            let deployed = runtime.deploy(&self.sandbox, file, bundle, library, &own.environment);
            return (deployed.0.map(Program::Script), deployed.1, deployed.2);
        }
        match read_at_most(&found.path, bound) {
            Ok(bytes) if table::is_table(file) => {
                let (table, log) = table::load(file, &bytes);
                (table.map(|table| Program::Routes(Box::new(table))), Depends::default(), log)
            }
            Ok(bytes) => {
                let guest = guest::Guest::load(&self.sandbox, file, &bytes, (name, &*own.grants));
                (guest.map(Program::Guest), Depends::default(), vec![])
            }
            Err(error) => broken(LoadError::whole(file, error.to_string())),
        }
    }

    fn find(&self, name: &str) -> Option<Found> {
        self.finder.find(name, self.sandbox.host().wall())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a file that may grow, or be none of finite length.
fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("is larger than {most} bytes"))),
        false => Ok(bytes),
    }
}
