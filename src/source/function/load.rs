//! What functions' files are made into, when they are read again, and what answers while one is
//! broken: its last good version, be it one that was kept before the server started.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::admit::{COMPONENT, is_component};
use super::bundle::Bundle;
use super::depends::Depends;
use super::files::{Found, access_of, files, is_script};
use super::share::Share;
use super::versions::Version;
use super::{
    Access, Error, Functions, LOADS, Level, LoadError, LogLine, MOST_FUNCTIONS, guest, javascript,
    table,
};
use crate::base::{Duration, Instant, WallTime};
use crate::source::routes::Table;
use crate::source::{AsRead, Loaded, Stamp};

/// A function as it was when its file was last read.
pub(super) struct Known {
    /// None when it must be read again all the same.
    pub(super) file: Option<(Found, AsRead)>,
    pub(super) good: Option<Good>,
    pub(super) broken: Option<LoadError>,
    /// Its other files, as they were then.
    pub(super) depends: Depends,
    /// What requests may still bring about.
    share: Share,
    /// From when on it is worth another try: it was stopped for its time.
    again: Option<Instant>,
}

impl Known {
    /// What answers while the file was not yet looked at in another environment.
    pub(super) fn unread(good: Option<Good>, broken: Option<LoadError>) -> Known {
        let (depends, share) = (Depends::default(), Share::whole(Instant::ZERO));
        Known { file: None, good, broken, depends, share, again: None }
    }
}

/// Who wants the function as its files are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Looks at the files that a request can look at, and may load within its function's share.
    Request,
    /// Looks at all of them.
    Watcher,
}

/// What loaded well last, of a file that so many might call.
#[derive(Clone)]
pub(super) struct Good {
    pub(super) program: Arc<Program>,
    pub(super) access: Access,
    /// JSON that was sound then, by name.
    data: Vec<String>,
}

impl Good {
    fn new(program: Program, access: Access, depends: &Depends) -> Good {
        let sound = depends.data.iter().filter(|(_, error)| error.is_none());
        let data = sound.map(|(name, _)| name.clone()).collect();
        Good { program: Arc::new(program), access, data }
    }
}

pub(super) enum Program {
    Script(javascript::Script),
    Guest(guest::Guest),
    Routes(Box<Table>),
}

impl Known {
    /// Bytes of a script that answers, whether a request comes or not.
    fn kept(&self) -> usize {
        match self.good.as_ref().map(|good| &*good.program) {
            Some(Program::Script(script)) => script.kept,
            _ => 0,
        }
    }
}

/// What all scripts together keep between requests: a thousand of them that load little, and more
/// than a small machine has.
const MAX_KEPT_BY_ALL: usize = 2 << 30;
/// When to try again what was stopped for its time.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Larger files are mistakes: scripts are written by hand, modules hold one decision.
const MAX_SCRIPT: u64 = 1 << 20;
pub(super) const MAX_MODULE: u64 = 16 << 20;

impl Functions {
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
        self.load_for(name, Asker::Watcher)
    }

    /// As [`Functions::load`], for a request that comes next, and within what requests may.
    pub fn load_to_answer(&self, name: &str) -> Result<(Loaded<LoadError>, Vec<LogLine>), Error> {
        self.load_for(name, Asker::Request)
    }

    fn load_for(
        &self,
        name: &str,
        asker: Asker,
    ) -> Result<(Loaded<LoadError>, Vec<LogLine>), Error> {
        let _slot = self.sandbox.take_slot()?;
        let (known, log) = self.current(name, asker)?;
        let broken = known.broken.clone();
        Ok((Loaded { kept: broken.is_some() && known.good.is_some(), broken }, log))
    }

    /// As if requests had loaded it as often as they may.
    #[cfg(test)]
    pub(super) fn use_up_share(&self, name: &str) {
        let now = self.sandbox.host().now();
        let mut known = self.known();
        if let Some(mut spent) = known.remove(name).and_then(Arc::into_inner) {
            spent.share = Share::spent(now);
            known.insert(name.to_owned(), Arc::new(spent));
        }
    }

    /// Forgets a function whose file is gone for good.
    pub fn forget(&self, name: &str) {
        self.known().remove(name);
    }

    /// All functions as their files are now, in the order of their names.
    pub fn stamps(&self) -> Vec<(String, Stamp)> {
        let now = self.now();
        let stamped = |(name, _, path): (String, usize, PathBuf)| {
            let known = self.known().get(&name).cloned();
            let turn = known.map_or(0, |known| known.depends.notice(now));
            Some((name, Stamp::of(&path)?.with_turn(turn)))
        };
        files(self.finder.dir()).into_iter().filter_map(stamped).collect()
    }

    /// The function as its files say now, and what loading it logged.
    pub(super) fn current(
        &self,
        name: &str,
        asker: Asker,
    ) -> Result<(Arc<Known>, Vec<LogLine>), Error> {
        let now = self.now();
        // What is known stays: an editor that replaces a file may leave none for a moment.
        let Some(found) = self.finder.find(name, now) else {
            return Err(Error::NotFound(name.to_owned()));
        };
        let same = || {
            let same = |known: &Arc<Known>| {
                let (file, read) = known.file.as_ref()?;
                let stamp = read.now(&found.path, found.stamp, now);
                Some(file.path == found.path && stamp == read.stamp())
            };
            let known = self.known().get(name).cloned();
            known.filter(|known| same(known).unwrap_or_default())
        };
        let begun = self.sandbox.host().now();
        let current = |known: &Arc<Known>| match asker {
            _ if known.again.is_some_and(|at| at <= begun) => false,
            Asker::Request => known.depends.is_current(now),
            Asker::Watcher => known.depends.is_exactly_current(now),
        };
        if let Some(known) = same().filter(current) {
            return Ok((known, Vec::new()));
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let turn = &self.loading[hasher.finish() as usize % LOADS];
        let _one_at_a_time = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let same = same();
        if let Some(known) = same.clone().filter(current) {
            return Ok((known, Vec::new()));
        }
        let counts = same.is_some() && asker == Asker::Request;
        if let Some(known) = same
            && counts
            && known.share.at(begun).is_spent()
        {
            // The server's watcher will load it.
            return Ok((known, Vec::new()));
        }
        let before = self.known().get(name).cloned();
        let (made, log) = self.loaded(name, found, before.as_deref(), now);
        let share = before.map_or_else(|| Share::whole(begun), |before| before.share.at(begun));
        let spent = self.sandbox.host().now().since(begun);
        let share = if counts { share.without(spent) } else { share };
        let known = Arc::new(Known { share, ..made });
        self.known().insert(name.to_owned(), known.clone());
        Ok((known, log))
    }

    /// The function as this file makes it, and what its top level logged; `now` is from before the
    /// file was found.
    fn loaded(
        &self,
        name: &str,
        found: Found,
        before: Option<&Known>,
        now: WallTime,
    ) -> (Known, Vec<LogLine>) {
        if let Some(before) = before {
            before.depends.notice(now);
        }
        let as_read = AsRead::new(&found.path, found.stamp, now);
        let file = self.relative(&found.path);
        let access = found.access;
        let (made, bytes) = match self.read(&file, &found) {
            _ if before.is_none() && self.known().len() >= MOST_FUNCTIONS => {
                let reason = format!("is not loaded: {MOST_FUNCTIONS} functions are");
                (Made::broken(LoadError::whole(&file, reason)), vec![])
            }
            Ok(bytes) => (self.make(name, &file, &bytes).within(self.room(name), &file), bytes),
            Err(error) => (Made::broken(error), vec![]),
        };
        // What was written for few answers nobody else.
        let last = before.and_then(|known| known.good.clone());
        let last = last.filter(|good| good.access <= access);
        let Made { outcome, mut depends, mut log } = made.held_against(last.as_ref());
        let (good, broken) = match outcome {
            Ok(program) => {
                if let Some(versions) = &self.versions {
                    versions.note(name, &file, bytes);
                }
                (Some(Good::new(program, access, &depends)), None)
            }
            Err(error) if last.is_some() => (last, Some(error)),
            Err(error) => {
                let (good, tried) = self.kept(name, access, &mut log);
                // What it lacked may be mended before the file is.
                depends = tried.into_iter().fold(depends, Depends::and);
                (good, Some(error))
            }
        };
        let depends = match before {
            Some(before) => depends.after(&before.depends),
            None => depends,
        };
        let share = Share::whole(Instant::ZERO);
        let late = broken.as_ref().is_some_and(|error| error.late);
        let again = late.then(|| self.sandbox.host().now() + TRY_AGAIN);
        (Known { file: Some((found, as_read)), good, broken, depends, share, again }, log)
    }

    /// What all other scripts leave of the memory for all.
    fn room(&self, name: &str) -> usize {
        let known = self.known();
        let others = known.iter().filter(|(other, _)| *other != name);
        MAX_KEPT_BY_ALL.saturating_sub(others.map(|(_, known)| known.kept()).sum())
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.finder.dir()).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn read(&self, file: &str, found: &Found) -> Result<Vec<u8>, LoadError> {
        let script = is_script(&found.path) || table::is_table(file);
        let bound = if script { MAX_SCRIPT } else { MAX_MODULE };
        if found.stamp.length() > bound {
            let mut begins = Vec::new();
            let read =
                fs::File::open(&found.path).map(|file| file.take(8).read_to_end(&mut begins));
            if read.is_ok() && is_component(&begins) {
                return Err(LoadError::whole(file, COMPONENT));
            }
            return Err(LoadError::whole(file, format!("is larger than {bound} bytes")));
        }
        read_at_most(&found.path, bound).map_err(|e| LoadError::whole(file, e.to_string()))
    }

    /// Makes what such a file holds, or held, into a program, with the other files as they are now.
    fn make(&self, name: &str, file: &str, bytes: &[u8]) -> Made {
        let own = self.own(name);
        if table::is_table(file) {
            let (table, log) = table::load(file, bytes);
            let outcome = table.map(|table| Program::Routes(Box::new(table)));
            return Made { outcome, log, depends: Depends::default() };
        }
        if !is_script(Path::new(file)) {
            let guest = guest::Guest::load(&self.sandbox, file, bytes, (name, &*own.grants));
            let (outcome, depends) = (guest.map(Program::Guest), Depends::default());
            return Made { outcome, depends, log: vec![] };
        }
        let runtime = match self.sandbox.javascript() {
            Ok(runtime) => runtime,
            // Whoever needs the engine next may start it.
            Err(error) => return Made::broken(LoadError::whole(file, error.to_string()).late()),
        };
        let main = (Path::new(file), bytes);
        let bundle = Bundle::new(self.finder.dir(), main, &self.hidden, self.now());
        // A private file may be there only for others to require.
        let library = access_of(name, file) == Some(Access::Private);
        let deployed = runtime.deploy(&self.sandbox, file, bundle, library, &own.environment);
        let (script, depends, log) = deployed;
        Made { outcome: script.map(Program::Script), depends, log }
    }

    /// The newest good version of those that were kept, when nothing good was loaded since the
    /// start; none that answered fewer people than may ask now, nor one from before such a one.
    /// With what each that was tried was made from.
    fn kept(
        &self,
        name: &str,
        access: Access,
        log: &mut Vec<LogLine>,
    ) -> (Option<Good>, Vec<Depends>) {
        /// A version may need other files as they were then; somebody waits for this.
        const MOST_TRIED: usize = 3;
        let mut tried = vec![];
        let Some(versions) = &self.versions else { return (None, tried) };
        let list = versions.list(name);
        let open = |version: &&Version| {
            access_of(name, &version.file).is_some_and(|version| version <= access)
        };
        let good = list.iter().take_while(open).filter(|version| version.good);
        let found = good.take(MOST_TRIED).find_map(|version| {
            let bytes = versions.read(name, version).ok()?;
            let made = self.make(name, &version.file, &bytes);
            let access = access_of(name, &version.file)?;
            let good = made.outcome.ok().map(|program| Good::new(program, access, &made.depends));
            tried.push(made.depends);
            log.extend(good.is_some().then_some(made.log).into_iter().flatten());
            good
        });
        (found, tried)
    }
}

/// What became of a file.
struct Made {
    outcome: Result<Program, LoadError>,
    depends: Depends,
    /// What its top level wrote.
    log: Vec<LogLine>,
}

impl Made {
    fn broken(error: LoadError) -> Made {
        Made { outcome: Err(error), depends: Depends::default(), log: vec![] }
    }

    /// Nothing, where a script would keep more than there is room for.
    fn within(mut self, room: usize, file: &str) -> Made {
        if let Ok(Program::Script(script)) = &self.outcome
            && script.kept > room
        {
            let most = MAX_KEPT_BY_ALL >> 20;
            let reason = format!(
                "is not loaded: the scripts of all functions would keep more than {most} MiB of \
                 memory between requests; have them make large values in their handlers"
            );
            self.outcome = Err(LoadError::whole(file, reason));
        }
        self
    }

    /// JSON that is read when a handler runs fails there, in every answer. So where it was sound
    /// when the last good version was loaded, that stays; else the log names the place.
    fn held_against(mut self, last: Option<&Good>) -> Made {
        let broken = || self.depends.data.values().flatten();
        self.outcome = match self.outcome {
            Ok(program) => {
                let spoilt =
                    |error: &&LoadError| last.is_some_and(|l| l.data.contains(&error.file));
                match broken().find(spoilt) {
                    Some(error) => Err(error.clone()),
                    None => Ok(program),
                }
            }
            // Where the file is required is not where to look.
            Err(error) => Err(broken()
                .find_map(|place| {
                    let rest =
                        error.reason.strip_prefix(&format!("SyntaxError: {}: ", place.file))?;
                    Some(LoadError { reason: format!("SyntaxError: {rest}"), ..place.clone() })
                })
                .unwrap_or(error)),
        };
        if self.outcome.is_ok() {
            let told = broken().map(|error| error.in_project().to_string());
            let lines = told.map(|text| LogLine { level: Level::Warning, text });
            let lines: Vec<LogLine> = lines.collect();
            self.log.extend(lines);
        }
        self
    }
}

/// Reads a file that may grow, or be none of finite length.
pub(super) fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("is larger than {most} bytes"))),
        false => Ok(bytes),
    }
}
