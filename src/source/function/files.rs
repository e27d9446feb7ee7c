//! The files of a project's functions: which names there are, whose file each is, who may call it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::walk::{is_in_circles, walk};
use super::{Access, table};
use crate::base::WallTime;
use crate::source::{Stamp, stamp};

/// A file that has the name asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    pub(super) stamp: Stamp,
}

/// Finds the file of a name. A name may have eighteen files, and each request asks which: as long
/// as their folder has not changed, only the one that counted last is looked at.
#[derive(Debug)]
pub(super) struct Finder {
    dir: PathBuf,
    /// Never held while a file is looked at: disks may be slow, and all requests come by here.
    remembered: Mutex<HashMap<String, Arc<Remembered>>>,
}

#[derive(Debug)]
struct Remembered {
    /// Of the file, and the state of it then.
    folder: PathBuf,
    state: FolderState,
    path: PathBuf,
    access: Access,
}

/// What a folder gets anew with every file that is put into it or taken out.
#[derive(Debug, PartialEq)]
struct FolderState {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl FolderState {
    fn of(folder: &Path) -> Option<FolderState> {
        let metadata = fs::metadata(folder).ok().filter(Metadata::is_dir)?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Some(FolderState { device, inode, changed: (metadata.ctime(), metadata.ctime_nsec()) })
    }

    /// Whether the next change will be told from the last one.
    fn is_settled(&self, now: WallTime) -> bool {
        stamp::is_settled(self.changed.0, now)
    }
}

impl Finder {
    /// More names than functions that anybody has.
    const MOST: usize = 10_000;

    pub(super) fn new(dir: PathBuf) -> Finder {
        Finder { dir, remembered: Mutex::default() }
    }

    /// The folder of the functions.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a name; several with one name count in the order of [`SUFFIXES`].
    pub(super) fn find(&self, name: &str, now: WallTime) -> Option<Found> {
        if let Some(found) = self.again(name) {
            return Some(found);
        }
        if !is_name(name) || is_in_circles(&self.dir, name) {
            return None;
        }
        let base = self.dir.join(name);
        let folder = base.parent().unwrap_or(&self.dir).to_owned();
        // Before its files are looked at: what changes meanwhile changes it again.
        let state = FolderState::of(&folder);
        let mut linked = false;
        let found = suffixes(name).find_map(|(suffix, access)| {
            let mut path = base.clone().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            let stamp = Stamp::of(&path);
            // A link whose end appears changes another folder.
            linked |= stamp.is_none() && path.is_symlink();
            Some(Found { path, access: *access, stamp: stamp? })
        });
        let mut remembered = self.remembered();
        remembered.remove(name);
        let (found, state) = (found?, state.filter(|state| !linked && state.is_settled(now)));
        if let Some(state) = state
            && remembered.len() < Finder::MOST
        {
            let (path, access) = (found.path.clone(), found.access);
            let known = Remembered { folder, state, path, access };
            remembered.insert(name.to_owned(), Arc::new(known));
        }
        Some(found)
    }

    fn again(&self, name: &str) -> Option<Found> {
        let known = self.remembered().get(name).cloned()?;
        if FolderState::of(&known.folder)? != known.state {
            return None;
        }
        let stamp = Stamp::of(&known.path)?;
        Some(Found { path: known.path.clone(), access: known.access, stamp })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Remembered>>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of all functions under a folder, in order, and who may call each.
pub fn names(dir: &Path) -> Vec<(String, Access)> {
    let access = |at: usize| SUFFIXES.get(at).map_or(Access::Private, |(_, access)| *access);
    files(dir).into_iter().map(|(name, at, _)| (name, access(at))).collect()
}

/// Files under a folder that look like functions and are none, because nothing could name them.
pub fn unnamed(dir: &Path) -> Vec<PathBuf> {
    let files = collect(dir).0.into_iter().filter(|(name, ..)| !is_name(name));
    files.map(|(_, _, path)| path).collect()
}

/// The tables of routes under a folder, in the order of their names.
pub fn tables(dir: &Path) -> Vec<PathBuf> {
    let tables = files(dir).into_iter().map(|(_, _, path)| path);
    tables.filter(|path| path.to_str().is_some_and(table::is_table)).collect()
}

/// The file of each name, with its place in [`SUFFIXES`]; in the order of the names.
pub(super) fn files(dir: &Path) -> Vec<(String, usize, PathBuf)> {
    let mut files = collect(dir).0;
    files.retain(|(name, ..)| is_name(name));
    files.sort();
    files.dedup_by(|later, first| later.0 == first.0);
    files
}

/// The strictest first: a file left over from before a function was protected must not open it.
pub(super) const SUFFIXES: [(&str, Access); 18] = [
    (".private.js", Access::Private),
    (".private.mjs", Access::Private),
    (".private.ts", Access::Private),
    (".private.wasm", Access::Private),
    (".private.wat", Access::Private),
    (".private.routes.toml", Access::Private),
    (".protected.js", Access::Protected),
    (".protected.mjs", Access::Protected),
    (".protected.ts", Access::Protected),
    (".protected.wasm", Access::Protected),
    (".protected.wat", Access::Protected),
    (".protected.routes.toml", Access::Protected),
    (".js", Access::Public),
    (".mjs", Access::Public),
    (".ts", Access::Public),
    (".wasm", Access::Public),
    (".wat", Access::Public),
    (".routes.toml", Access::Public),
];

/// What may be added to a name to make a function's file of it.
pub(super) fn suffixes(name: &str) -> impl Iterator<Item = &'static (&'static str, Access)> {
    SUFFIXES.iter().filter(move |(suffix, _)| !is_declaration(&format!("{name}{suffix}")))
}

/// Who may call a function of that name whose file is this, relative to the functions folder.
pub(super) fn access_of(name: &str, file: &str) -> Option<Access> {
    let suffix = file.strip_prefix(name)?;
    suffixes(name).find(|(known, _)| *known == suffix).map(|(_, access)| *access)
}

/// Whether a function file is for the JavaScript engine.
pub(super) fn is_script(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ["js", "mjs", "ts"].iter().any(|script| ending == *script))
}

/// Whether the name stays in the folder, names no hidden file and none of a package, and does not
/// reach a protected file by its full name.
pub fn is_name(name: &str) -> bool {
    const MAX_NAME: usize = 256;
    let segment = |part: &str| {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
        !part.is_empty()
            && !part.starts_with('.')
            && part != "node_modules"
            && part.chars().all(plain)
    };
    name.len() <= MAX_NAME
        && name.split('/').all(segment)
        && !name.ends_with(".protected")
        && !name.ends_with(".private")
}

/// Functions of a project that are loaded: more names than this come from tools, or links, that make
/// them up, and each keeps memory.
pub const MOST_FUNCTIONS: usize = 1_000;

/// How many names there are beyond [`MOST_FUNCTIONS`].
pub fn beyond(dir: &Path) -> usize {
    collect(dir).1
}

/// What is wrong when there are so many.
pub fn told_beyond(count: usize) -> String {
    format!(
        "has {} functions: no more than {MOST_FUNCTIONS} are loaded; remove some, or links to \
         folders that repeat them",
        MOST_FUNCTIONS + count
    )
}

/// Whether a file declares types alone: such are for editors.
fn is_declaration(file: &str) -> bool {
    file.ends_with(".d.ts")
}

/// The files that have a name, and how many names there are beyond those that count.
fn collect(dir: &Path) -> (Vec<(String, usize, PathBuf)>, usize) {
    let (mut files, mut names, mut beyond) = (Vec::new(), HashSet::new(), HashSet::new());
    walk(dir, |prefix, file, path| {
        let mut suffixes = SUFFIXES.iter().enumerate().filter(|_| !is_declaration(file));
        let named = suffixes.find_map(|(at, (end, _))| Some((at, file.strip_suffix(end)?)));
        let Some((at, name)) = named else { return };
        let name = format!("{prefix}{name}");
        if names.len() >= MOST_FUNCTIONS && !names.contains(&name) {
            beyond.insert(name);
            return;
        }
        names.insert(name.clone());
        files.push((name, at, path));
    });
    (files, beyond.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long after whatever the test wrote.
    const LATER: WallTime = WallTime::from_unix_millis(40_000_000_000_000);

    fn finder() -> (tempfile::TempDir, Finder) {
        let dir = tempfile::tempdir().expect("a folder");
        let finder = Finder::new(dir.path().join("functions"));
        fs::create_dir(finder.dir()).expect("a folder");
        (dir, finder)
    }

    fn access(finder: &Finder, now: WallTime) -> Option<Access> {
        finder.find("route", now).map(|found| found.access)
    }

    #[test]
    fn a_stricter_file_counts_from_the_moment_it_is_there() {
        let (_dir, finder) = finder();
        fs::write(finder.dir().join("route.js"), "").expect("saved");
        assert_eq!(access(&finder, LATER), Some(Access::Public));
        assert_eq!(finder.remembered().len(), 1, "it is found without a search from now on");
        assert_eq!(access(&finder, LATER), Some(Access::Public));
        fs::write(finder.dir().join("route.protected.js"), "").expect("saved");
        until_changed(&finder);
        assert_eq!(access(&finder, LATER), Some(Access::Protected));
        fs::remove_file(finder.dir().join("route.protected.js")).expect("removed");
        until_changed(&finder);
        assert_eq!(access(&finder, LATER), Some(Access::Public));
    }

    /// Writes files until the clock of the file system has gone on since the folder was remembered.
    fn until_changed(finder: &Finder) {
        let known = |finder: &Finder| {
            let known = finder.remembered().get("route").cloned().expect("remembered");
            FolderState::of(&known.folder).is_some_and(|state| state == known.state)
        };
        let beside = finder.dir().join("beside.txt");
        while known(finder) {
            fs::write(&beside, "").expect("saved");
            fs::remove_file(&beside).expect("removed");
        }
    }

    #[test]
    fn a_folder_that_just_changed_is_looked_at_each_time() {
        // What is written within one step of the clock may leave the folder's state as it was.
        let early = WallTime::from_unix_millis(0);
        let (_dir, finder) = finder();
        fs::write(finder.dir().join("route.js"), "").expect("saved");
        assert_eq!(access(&finder, early), Some(Access::Public));
        assert_eq!(finder.remembered().len(), 0);
        fs::write(finder.dir().join("route.protected.js"), "").expect("saved");
        assert_eq!(access(&finder, early), Some(Access::Protected));
    }

    #[test]
    fn another_folder_in_its_place_is_seen() {
        let (dir, finder) = finder();
        fs::write(finder.dir().join("route.js"), "").expect("saved");
        assert_eq!(access(&finder, LATER), Some(Access::Public));
        let other = dir.path().join("other");
        fs::create_dir(&other).expect("a folder");
        fs::write(other.join("route.private.js"), "").expect("saved");
        fs::rename(finder.dir(), dir.path().join("old")).expect("moved");
        assert_eq!(access(&finder, LATER), None);
        assert_eq!(finder.remembered().len(), 0);
        fs::rename(&other, finder.dir()).expect("moved");
        assert_eq!(access(&finder, LATER), Some(Access::Private));
    }

    #[test]
    fn links_that_lead_nowhere_yet_are_looked_at_each_time() {
        let (dir, finder) = finder();
        let file = dir.path().join("strict.js");
        std::os::unix::fs::symlink(&file, finder.dir().join("route.private.js")).expect("a link");
        fs::write(finder.dir().join("route.js"), "").expect("saved");
        assert_eq!(access(&finder, LATER), Some(Access::Public));
        fs::write(&file, "").expect("saved");
        assert_eq!(access(&finder, LATER), Some(Access::Private));
    }

    #[test]
    fn an_edit_of_a_remembered_file_gives_another_stamp() {
        let (_dir, finder) = finder();
        let file = finder.dir().join("route.js");
        fs::write(&file, "one").expect("saved");
        let before = finder.find("route", LATER);
        fs::write(&file, "three").expect("saved");
        let after = finder.find("route", LATER);
        assert!(before.is_some() && after.is_some() && before != after);
        fs::remove_file(&file).expect("removed");
        assert_eq!(finder.find("route", LATER), None);
    }
}
