//! What tells one version of a file from the next.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
        }
    }
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
}
