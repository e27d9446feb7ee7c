//! Where a script's files are looked for: in the project, within bounds, and remembered.
//!
//! What may not be loaded is refused before anything is learned of it: in the same words whether it
//! is there or not, and without a trace in what the function depends on. So nothing that running a
//! function changes (its log, versions, compiled code, the database) makes it new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::bundle::Refused;
use super::depends::{hash_of, is_near};
use crate::base::WallTime;
use crate::source::{AsRead, Stamp};

/// Paths looked at; several for each file.
const MAX_PROBES: usize = 20_000;
/// Of these, where there was a file: the files of a script, and as many that it only asks for.
const MOST_FOUND: usize = 4_000;
/// Where there was none, and a request looks whether there is one now: a millisecond's worth.
const MOST_ABSENT: usize = 500;
/// Where there was none in packages, at which only the server's watcher looks.
const MOST_ABSENT_IN_PACKAGES: usize = 2_000;
/// Of all paths that are remembered.
const MAX_REMEMBERED_BYTES: usize = 2 << 20;
/// A path from the project's folder, and the names in it: deeper ones were put together by mistake.
const MAX_PATH: usize = 1024;
const MAX_PARTS: usize = 64;

/// Where the files of one script were looked for.
pub(super) struct Looked {
    /// The project's folder, canonical.
    root: PathBuf,
    /// Folders of the project that nothing is loaded from, canonical.
    hidden: Vec<PathBuf>,
    /// When the first look was.
    begun: WallTime,
    /// How it was there; none where there was no file, and it would count if there were.
    seen: BTreeMap<PathBuf, Option<AsRead>>,
    /// Of other paths where there was none.
    absent: HashSet<u64>,
    /// Where links lead that folders lie behind.
    folders: HashMap<PathBuf, PathBuf>,
    probes: usize,
    found: usize,
    missing: usize,
    missing_in_packages: usize,
    bytes: usize,
}

impl Looked {
    pub(super) fn new(root: PathBuf, hidden: &[PathBuf], begun: WallTime) -> Looked {
        let absolute =
            |folder: &PathBuf| std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        Looked {
            root,
            hidden: hidden.iter().map(|folder| real(&absolute(folder), MOST_LINKS)).collect(),
            begun,
            seen: BTreeMap::new(),
            absent: HashSet::new(),
            folders: HashMap::new(),
            probes: 0,
            found: 0,
            missing: 0,
            missing_in_packages: 0,
            bytes: 0,
        }
    }

    /// The project's folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What was looked at, and how it was.
    pub(super) fn into_seen(self) -> BTreeMap<PathBuf, Option<AsRead>> {
        self.seen
    }

    /// The canonical path of a file of code, if there is one at `path`.
    pub(super) fn file(&mut self, path: &Path) -> Result<Option<PathBuf>, Refused> {
        let known = self.seen.get(path).map(Option::is_some);
        if known == Some(false) || self.absent.contains(&hash_of(&path)) {
            return Ok(None);
        }
        self.refuse(path)?;
        if !self.may_be_code(path) {
            return Ok(None);
        }
        // As it is before it is read: an edit in between is an edit after.
        if known.is_none() {
            self.look(path)?;
        }
        let there = self.seen.get(path).is_some_and(Option::is_some);
        let found = fs::canonicalize(path).ok().filter(|_| there);
        Ok(found.filter(|found| self.may_be_code(found)))
    }

    /// Refuses what leads out of the project, and what is hidden there; whether it is there or not.
    pub(super) fn refuse(&mut self, path: &Path) -> Result<(), Refused> {
        let id = |root: &Path| {
            let within = path.strip_prefix(root).ok().and_then(Path::to_str);
            within.map_or_else(|| "a file".to_owned(), |within| format!("/{within}"))
        };
        if self.is_hidden(path) {
            return Err(Refused::hidden(&id(&self.root)));
        }
        let real = self.real(path);
        if !real.starts_with(&self.root) {
            return Err(Refused::outside(&id(&self.root)));
        }
        match self.is_hidden(&real) {
            true => Err(Refused::hidden(&id(&self.root))),
            false => Ok(()),
        }
    }

    /// The path of an id or a path from the root with `.` and `..` in it; those that lead above
    /// the root are refused.
    pub(super) fn path(&self, id: &str) -> Result<PathBuf, Refused> {
        let (mut path, mut depth) = (PathBuf::new(), 0_usize);
        for part in Path::new(id.trim_start_matches('/')).components() {
            match part {
                Component::Normal(name) => {
                    path.push(name);
                    depth += 1;
                }
                Component::CurDir => {}
                Component::ParentDir if depth == 0 => return Err(Refused::outside(id)),
                Component::ParentDir => {
                    path.pop();
                    depth -= 1;
                }
                Component::RootDir | Component::Prefix(_) => return Err(Refused::outside(id)),
            }
            if depth > MAX_PARTS || path.as_os_str().len() > MAX_PATH {
                return Err(Refused::missing("that is no name of a file"));
            }
        }
        Ok(match depth {
            0 => self.root.clone(),
            _ => self.root.join(path),
        })
    }

    /// Looks at a path for the first time, and remembers it within the bounds.
    fn look(&mut self, path: &Path) -> Result<(), Refused> {
        self.probes += 1;
        if self.probes > MAX_PROBES {
            let reason = format!("the function looks at more than {MAX_PROBES} paths");
            return Err(Refused::too_large(reason));
        }
        let read = Stamp::of(path).map(|stamp| AsRead::new(path, stamp, self.begun));
        let bytes = self.bytes + path.as_os_str().len();
        let (count, most) = match (&read, is_near(path)) {
            (Some(_), _) => (&mut self.found, MOST_FOUND),
            (None, true) => (&mut self.missing, MOST_ABSENT),
            (None, false) => (&mut self.missing_in_packages, MOST_ABSENT_IN_PACKAGES),
        };
        if *count < most && bytes <= MAX_REMEMBERED_BYTES {
            *count += 1;
            self.bytes = bytes;
            self.seen.insert(path.to_owned(), read);
            return Ok(());
        }
        match read {
            Some(_) => {
                let reason = format!("the function looks at more than {MOST_FOUND} files");
                Err(Refused::too_large(reason))
            }
            None => {
                self.absent.insert(hash_of(&path));
                Ok(())
            }
        }
    }

    /// Texts without an ending are no code, but in packages: keys and the like have none.
    fn may_be_code(&self, path: &Path) -> bool {
        path.extension().is_some() || self.within(path).iter().any(|part| part == "node_modules")
    }

    /// Whether nothing is loaded from there: what the server keeps, and what is none of the code but
    /// about it, as `.env` and `.git`. Package managers have hidden folders of their own.
    fn is_hidden(&self, path: &Path) -> bool {
        let ours = |part: &&OsStr| *part != "node_modules";
        let mut parts = self.within(path).iter().take_while(ours);
        parts.any(|part| part.as_encoded_bytes().starts_with(b"."))
            || self.hidden.iter().any(|folder| path.starts_with(folder))
    }

    fn within<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Where a path leads, or would if there were anything.
    fn real(&mut self, path: &Path) -> PathBuf {
        if let Ok(found) = fs::canonicalize(path) {
            return found;
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        if let Some(known) = self.folders.get(folder) {
            return followed(known, name, MOST_LINKS);
        }
        if self.folders.len() >= MOST_FOUND {
            self.folders.clear();
        }
        let led = real(folder, MOST_LINKS);
        let path = followed(&led, name, MOST_LINKS);
        self.folders.insert(folder.to_owned(), led);
        path
    }
}

/// Links that lead to one another and in the end nowhere.
const MOST_LINKS: usize = 8;

/// Where a path leads as far as there is anything, and the rest of it.
fn real(path: &Path, links: usize) -> PathBuf {
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => followed(&real(folder, links), name, links),
        _ => path.to_owned(),
    }
}

/// A name in a folder, or where it leads when it is a link to nothing.
fn followed(folder: &Path, name: &OsStr, links: usize) -> PathBuf {
    let path = folder.join(name);
    let Some(target) = fs::read_link(&path).ok().filter(|_| links > 0) else { return path };
    let mut plain = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    real(&plain, links - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: WallTime = WallTime::from_unix_millis(40_000_000_000_000);

    fn looked(folder: &tempfile::TempDir) -> Looked {
        let root = fs::canonicalize(folder.path()).expect("there");
        Looked::new(root.clone(), &[root.join("data")], LATER)
    }

    #[test]
    fn what_is_hidden_is_refused_in_the_same_words_and_leaves_no_trace() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut looked = looked(&folder);
        let paths = ["data/log.js", ".env.json", ".git/config.json", "link/log.js", "out/x.js"];
        let all = |looked: &mut Looked| {
            let tell = |looked: &mut Looked, path| {
                looked.file(&looked.path(path).expect("a path")).expect_err(path)
            };
            paths.map(|path| tell(looked, path))
        };
        std::os::unix::fs::symlink("data", folder.path().join("link")).expect("linked");
        std::os::unix::fs::symlink("/nowhere", folder.path().join("out")).expect("linked");
        fs::create_dir(folder.path().join("data")).expect("made");
        let absent = all(&mut looked);
        fs::create_dir(folder.path().join(".git")).expect("made");
        for path in &paths[..4] {
            fs::write(folder.path().join(path), "1").expect("written");
        }
        looked.folders.clear();
        assert_eq!(all(&mut looked)[..4], absent[..4]);
        assert!(looked.into_seen().is_empty());
    }

    #[test]
    fn absent_files_are_remembered_within_bounds_and_paths_are_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut looked = looked(&folder);
        let root = looked.root().to_owned();
        for number in 0..5_000 {
            for place in ["functions", "node_modules/p"] {
                let path = root.join(format!("{place}/nope{number}.js"));
                assert_eq!(looked.file(&path), Ok(None));
                assert_eq!(looked.file(&path), Ok(None), "looked at once");
            }
        }
        assert_eq!(looked.probes, 10_000);
        assert_eq!(looked.seen.len(), MOST_ABSENT + MOST_ABSENT_IN_PACKAGES);
        for number in 5_000..15_001 {
            let _ = looked.file(&root.join(format!("nope{number}.js")));
        }
        assert!(looked.file(&root.join("more.js")).is_err());
        assert!(looked.path(&"a/".repeat(MAX_PARTS + 1)).is_err());
        assert!(looked.path(&"a".repeat(MAX_PATH + 1)).is_err());
        assert_eq!(looked.path(&"a/../".repeat(5_000)), Ok(root));
    }
}
