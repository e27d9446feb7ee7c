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
use super::versions::Version;
use super::{Access, Error, Functions, LOADS, Level, LoadError, LogLine, guest, javascript, table};
use crate::base::WallTime;
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
        is_current: fn(&Depends, WallTime) -> bool,
    ) -> Result<(Arc<Known>, Vec<LogLine>), Error> {
        let now = self.now();
        // What is known stays: an editor that replaces a file may leave none for a moment.
        let Some(found) = self.finder.find(name, now) else {
            return Err(Error::NotFound(name.to_owned()));
        };
        let fresh = || {
            let known = self.known().get(name).cloned();
            let same = |known: &Arc<Known>| {
                let (file, read) = known.file.as_ref()?;
                let stamp = read.now(&found.path, found.stamp, now);
                Some(file.path == found.path && stamp == read.stamp())
            };
            let current = |known: &Arc<Known>| {
                same(known).unwrap_or_default() && is_current(&known.depends, now)
            };
            known.filter(current)
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
            before.depends.notice(now);
        }
        let as_read = AsRead::new(&found.path, found.stamp, now);
        let file = self.relative(&found.path);
        let access = found.access;
        let (made, bytes) = match self.read(&file, &found) {
            Ok(bytes) => (self.make(name, &file, &bytes), bytes),
            Err(error) => (Made::broken(error), vec![]),
        };
        // What was written for few answers nobody else.
        let last = before.as_ref().and_then(|known| known.good.clone());
        let last = last.filter(|good| good.access <= access);
        let Made { outcome, depends, mut log } = made.held_against(last.as_ref());
        let (good, broken) = match outcome {
            Ok(program) => {
                if let Some(versions) = &self.versions {
                    versions.note(name, &file, bytes);
                }
                (Some(Good::new(program, access, &depends)), None)
            }
            Err(error) => (last.or_else(|| self.kept(name, access, &mut log)), Some(error)),
        };
        let depends = match &before {
            Some(before) => depends.after(&before.depends),
            None => depends,
        };
        let known = Arc::new(Known { file: Some((found, as_read)), good, broken, depends });
        self.known().insert(name.to_owned(), known.clone());
        Ok((known, log))
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
            Err(error) => return Made::broken(LoadError::whole(file, error.to_string())),
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
    fn kept(&self, name: &str, access: Access, log: &mut Vec<LogLine>) -> Option<Good> {
        /// A version may need other files as they were then; somebody waits for this.
        const MOST_TRIED: usize = 3;
        let versions = self.versions.as_ref()?;
        let list = versions.list(name);
        let open = |version: &&Version| {
            access_of(name, &version.file).is_some_and(|version| version <= access)
        };
        let good = list.iter().take_while(open).filter(|version| version.good);
        good.take(MOST_TRIED).find_map(|version| {
            let bytes = versions.read(name, version).ok()?;
            let made = self.make(name, &version.file, &bytes);
            let access = access_of(name, &version.file)?;
            let good = Good::new(made.outcome.ok()?, access, &made.depends);
            log.extend(made.log);
            Some(good)
        })
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
