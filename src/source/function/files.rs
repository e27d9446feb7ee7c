//! The files of a project's functions: which names there are, whose file each is, who may call it.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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
        if !is_name(name) {
            return None;
        }
        let base = self.dir.join(name);
        let folder = base.parent().unwrap_or(&self.dir).to_owned();
        // Before its files are looked at: what changes meanwhile changes it again.
        let state = FolderState::of(&folder);
        let mut linked = false;
        let found = SUFFIXES.iter().find_map(|(suffix, access)| {
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
    let mut files = Vec::new();
    collect(dir, "", 0, &mut 0, &mut files);
    files.retain(|(name, ..)| !is_name(name));
    files.into_iter().map(|(_, _, path)| path).collect()
}

/// The tables of routes under a folder, in the order of their names.
pub fn tables(dir: &Path) -> Vec<PathBuf> {
    let tables = files(dir).into_iter().map(|(_, _, path)| path);
    tables.filter(|path| path.to_str().is_some_and(table::is_table)).collect()
}

/// The file of each name, with its place in [`SUFFIXES`]; in the order of the names.
pub(super) fn files(dir: &Path) -> Vec<(String, usize, PathBuf)> {
    let mut files = Vec::new();
    collect(dir, "", 0, &mut 0, &mut files);
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

/// Who may call a function of that name whose file is this, relative to the functions folder.
pub(super) fn access_of(name: &str, file: &str) -> Option<Access> {
    let suffix = file.strip_prefix(name)?;
    SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, access)| *access)
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

/// Entries of folders that are looked at: links in circles make endless ones of a few.
pub(super) const MAX_ENTRIES: usize = 50_000;

fn collect(
    dir: &Path,
    prefix: &str,
    depth: usize,
    looked: &mut usize,
    files: &mut Vec<(String, usize, PathBuf)>,
) {
    // Deeper folders are packages' insides, or a link in a circle.
    const MAX_DEPTH: usize = 8;
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        *looked += 1;
        if *looked > MAX_ENTRIES {
            return;
        }
        let file = entry.file_name();
        let Some(file) = file.to_str().filter(|f| !f.starts_with('.') && *f != "node_modules")
        else {
            continue;
        };
        let path = entry.path();
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect(&path, &format!("{prefix}{file}/"), depth + 1, looked, files);
            }
            continue;
        }
        let mut suffixes = SUFFIXES.iter().enumerate();
        // Declarations alone are for editors.
        let code = !file.ends_with(".d.ts");
        let named = suffixes.find_map(|(at, (end, _))| Some((at, file.strip_suffix(end)?)));
        let named = named.filter(|_| code);
        if let Some((at, name)) = named {
            files.push((format!("{prefix}{name}"), at, path));
        }
    }
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
