//! What a function was made from besides its own file, and whether that is still as it was.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::LoadError;
use super::walk::walk;
use crate::base::WallTime;
use crate::source::{AsRead, Stamp};

/// A folder whose file names a script was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    folder: PathBuf,
    assets: bool,
    /// Of its entries when they were told.
    hash: u64,
}

impl Listing {
    /// Every function of the project by name.
    pub(super) fn functions(_root: &Path, functions: &Path) -> Listing {
        Listing::of(functions.to_owned(), false)
    }

    /// The private assets of the project, by the path at which a public one would be served.
    pub(super) fn assets(root: &Path, _functions: &Path) -> Listing {
        Listing::of(root.join("assets"), true)
    }

    fn of(folder: PathBuf, assets: bool) -> Listing {
        let mut listing = Listing { folder, assets, hash: 0 };
        listing.hash = listing.now();
        listing
    }

    fn now(&self) -> u64 {
        hash_of(&self.entries())
    }

    /// Names and paths, in the order of the names.
    pub(super) fn entries(&self) -> Vec<(String, PathBuf)> {
        if !self.assets {
            let files = super::files(&self.folder).into_iter();
            let script = |(_, path): &(String, PathBuf)| super::is_script(path);
            return files.map(|(name, _, path)| (name, path)).filter(script).collect();
        }
        private_assets(&self.folder)
    }
}

fn private_assets(dir: &Path) -> Vec<(String, PathBuf)> {
    /// A script that wants more of them wants a database.
    const MAX_ASSETS: usize = 1000;
    let mut assets = Vec::new();
    walk(dir, |prefix, name, path| {
        if let Some((stem, ending)) = name.split_once(".private.")
            && assets.len() < MAX_ASSETS
        {
            assets.push((format!("/{prefix}{stem}.{ending}"), path));
        }
    });
    assets.sort();
    assets
}

/// Files and folders that a function was made from.
#[derive(Debug)]
pub(super) struct Depends {
    /// Paths and how they were then; none for those that were not there, and would count if they
    /// were. First those that every request looks at.
    files: Vec<(PathBuf, Option<AsRead>)>,
    /// How many these are.
    near: usize,
    listings: Vec<Listing>,
    /// Of these, JSON by the names that stacks show, each with what was wrong with it.
    pub(super) data: BTreeMap<String, Option<LoadError>>,
    /// Grows with every change that anybody noticed, over all versions of the function.
    turn: AtomicU64,
    /// The last state that was noticed.
    noticed: AtomicU64,
}

impl Default for Depends {
    /// On nothing but its own file.
    fn default() -> Depends {
        // Not zeros: the first look would see another state than was noticed.
        Depends::new(BTreeMap::new(), Vec::new())
    }
}

impl Depends {
    pub(super) fn new(files: BTreeMap<PathBuf, Option<AsRead>>, listings: Vec<Listing>) -> Depends {
        let (mut files, far): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(path, _)| is_near(path));
        let near = files.len();
        files.extend(far);
        let listed: Vec<u64> = listings.iter().map(|listing| listing.hash).collect();
        let stamps: Vec<Option<Stamp>> =
            files.iter().map(|(_, read)| read.as_ref().map(AsRead::stamp)).collect();
        let noticed = AtomicU64::new(hash_of(&(stamps, listed)));
        let data = BTreeMap::new();
        Depends { files, near, listings, data, turn: AtomicU64::new(0), noticed }
    }

    /// How many files requests and the watcher look at.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Of a newer version of the same function.
    pub(super) fn after(self, before: &Depends) -> Depends {
        self.turn.store(before.turn.load(Ordering::Relaxed), Ordering::Relaxed);
        self
    }

    /// With what an earlier version was made from, too.
    pub(super) fn and(self, earlier: Depends) -> Depends {
        let mut files: BTreeMap<_, _> = earlier.files.into_iter().collect();
        files.extend(self.files);
        let listings = [self.listings, earlier.listings].concat();
        Depends { data: self.data, ..Depends::new(files, listings) }
    }

    /// Whether all is as it was, for a request, which cannot look at a thousand files: of packages
    /// it looks at their package.json, which every installation writes.
    pub(super) fn is_current(&self, now: WallTime) -> bool {
        self.files.iter().take(self.near).all(|file| is_as_read(file, now))
            && self.listings.iter().all(|listing| listing.now() == listing.hash)
    }

    /// Looks at everything; gives a number that differs from all before it when anything did.
    pub(super) fn notice(&self, now: WallTime) -> u64 {
        let stamps: Vec<_> = self.files.iter().map(|file| stamp_now(file, now)).collect();
        let listed: Vec<u64> = self.listings.iter().map(Listing::now).collect();
        let state = hash_of(&(stamps, listed));
        if self.noticed.swap(state, Ordering::AcqRel) != state {
            return self.turn.fetch_add(1, Ordering::AcqRel) + 1;
        }
        self.turn.load(Ordering::Acquire)
    }

    /// Whether everything, packages included, is as it was.
    pub(super) fn is_exactly_current(&self, now: WallTime) -> bool {
        self.files.iter().all(|file| is_as_read(file, now))
            && self.listings.iter().all(|listing| listing.now() == listing.hash)
    }
}

/// Whether requests look at this file, too, and not only the server's watcher.
pub(super) fn is_near(path: &Path) -> bool {
    path.ends_with("package.json") || !path.iter().any(|part| part == "node_modules")
}

fn stamp_now((path, read): &(PathBuf, Option<AsRead>), now: WallTime) -> Option<Stamp> {
    let bare = Stamp::of(path)?;
    Some(read.as_ref().map_or(bare, |read| read.now(path, bare, now)))
}

fn is_as_read(file: &(PathBuf, Option<AsRead>), now: WallTime) -> bool {
    stamp_now(file, now) == file.1.as_ref().map(AsRead::stamp)
}

pub(super) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
