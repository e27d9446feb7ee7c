//! What tells one version of a file from the next.

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::WallTime;

/// Changes with every edit: editors replace files as well as write them, clocks are coarse, and
/// a copied file may bring its time along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Counts changes of what was made from the file, where it was made from others, too.
    turn: u64,
    /// Of what the file held, where the rest would not tell it from the next save; else zero.
    content: u64,
}

impl Stamp {
    /// The stamp of the file there now, if there is one.
    pub fn of(path: &Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| Stamp::from(&metadata))
    }

    /// The stamp of what is made from this file and others, which changed so often.
    pub fn with_turn(self, turn: u64) -> Stamp {
        Stamp { turn, ..self }
    }

    /// With what the file holds, as long as another save might leave the same stamp; `now` is from
    /// before it was taken.
    pub fn exact(self, path: &Path, now: WallTime) -> Stamp {
        match is_settled(self.changed.0, now) {
            true => self,
            false => Stamp { content: content_of(path), ..self },
        }
    }

    /// A short text that is another for another stamp.
    pub fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// The length of the file, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Stamp {
        Stamp {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            turn: 0,
            content: 0,
        }
    }
}

/// A file as it was when something was made of it, to tell whether it still is so.
///
/// Saves of one length within one step of the file system's clock leave the same stamp. So what a
/// file holds counts, too, until it was found the same at a time when nothing could leave its
/// stamp any more; a file that was old from the start is never read for this.
#[derive(Debug)]
pub struct AsRead {
    /// Exact.
    stamp: Stamp,
    /// When it was looked at first.
    seen: WallTime,
    /// Whether the bare stamp tells it from all saves that may come.
    settled: AtomicBool,
}

impl AsRead {
    /// The file with this bare stamp, before it is read: a save in between is one after. `now` is
    /// from before the stamp was taken, here and below.
    pub fn new(path: &Path, bare: Stamp, now: WallTime) -> AsRead {
        let settled = AtomicBool::new(is_settled(bare.changed.0, now));
        AsRead { stamp: bare.exact(path, now), seen: now, settled }
    }

    /// The exact stamp that it had.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// What its stamp is when its bare one is this: equal to [`AsRead::stamp`] as long as nobody
    /// saved it.
    pub fn now(&self, path: &Path, bare: Stamp, now: WallTime) -> Stamp {
        if bare != (Stamp { content: 0, ..self.stamp }) {
            return bare;
        }
        if self.settled.load(Ordering::Acquire) {
            return self.stamp;
        }
        let found = Stamp { content: content_of(path), ..bare };
        // A time that is still to come says nothing: the clock was set back. Then it is enough that
        // nobody saved for so long.
        let seen = i64::try_from(self.seen.unix_millis() / 1000).unwrap_or(i64::MAX);
        if found == self.stamp && is_settled(bare.changed.0.min(seen), now) {
            self.settled.store(true, Ordering::Release);
        }
        found
    }
}

/// Whether the next change will be told from the last one, by its time: clocks of file systems go
/// in steps of up to two seconds.
pub(super) fn is_settled(changed: i64, now: WallTime) -> bool {
    const STEP: i64 = 3;
    let now = i64::try_from(now.unix_millis() / 1000).unwrap_or(i64::MAX);
    changed < now.saturating_sub(STEP)
}

/// A number for what the file holds, as far as anything is made of so much.
fn content_of(path: &Path) -> u64 {
    const MOST: u64 = 32 << 20;
    let mut hasher = DefaultHasher::new();
    let Ok(file) = File::open(path) else { return 0 };
    let (mut file, mut part) = (file.take(MOST), vec![0; 64 << 10]);
    while let Ok(read @ 1..) = file.read(&mut part) {
        hasher.write(part.get(..read).unwrap_or_default());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saving_gives_another_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f");
        assert_eq!(Stamp::of(&file), None);
        fs::write(&file, "one").expect("written");
        let first = Stamp::of(&file);
        assert!(first.is_some());
        assert_eq!(Stamp::of(&file), first, "nothing happened");
        fs::write(&file, "longer").expect("written");
        let written = Stamp::of(&file);
        assert_ne!(written, first);
        fs::write(folder.path().join("new"), "replac").expect("written");
        fs::rename(folder.path().join("new"), &file).expect("renamed");
        assert_ne!(Stamp::of(&file), written);
        assert_eq!(Stamp::of(folder.path()), None, "a folder is no file");
    }

    #[test]
    fn saves_within_one_step_of_the_clock_are_told_apart() {
        const EARLY: WallTime = WallTime::from_unix_millis(0);
        const LATER: WallTime = WallTime::from_unix_millis(40_000_000_000_000);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let save = |text: &str| fs::write(&path, text).expect("written");
        save("one");
        // What a file system says of every such save.
        let bare = Stamp::of(&path).expect("there");
        let young = AsRead::new(&path, bare, EARLY);
        let still = |file: &AsRead, now| file.now(&path, bare, now) == file.stamp();
        assert!(still(&young, EARLY), "nothing happened");
        save("two");
        assert!(!still(&young, EARLY) && !still(&young, LATER), "seen however late");
        let (mended, old) = (AsRead::new(&path, bare, EARLY), AsRead::new(&path, bare, LATER));
        assert!(still(&mended, LATER) && still(&old, LATER));
        assert_eq!(old.stamp(), bare);
        fs::remove_file(&path).expect("removed");
        assert!(still(&mended, LATER) && still(&old, LATER), "not read again");
        assert!(!still(&young, LATER));
        save("late");
        let ahead = Stamp { changed: (50_000_000_000, 0), ..Stamp::of(&path).expect("there") };
        let file = AsRead::new(&path, ahead, LATER);
        let after = WallTime::from_unix_millis(LATER.unix_millis() + 9_000);
        assert_eq!(file.now(&path, ahead, after), file.stamp());
        fs::remove_file(&path).expect("removed");
        assert_eq!(file.now(&path, ahead, after), file.stamp(), "not read again");
        assert_ne!(young.stamp().tag(), mended.stamp().tag());
    }
}
