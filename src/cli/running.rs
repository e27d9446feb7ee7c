//! Whether a server uses a data folder, without disturbing one that is about to.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The kernel's list of locked files.
const LOCKS: &str = "/proc/locks";

/// Whether a server holds the folder's lock. Trying the lock would take it, and a server that
/// starts in that moment would not; so the kernel's list is read. Where there is none a folder
/// that was served counts as served.
pub(super) fn serves(data: &Path) -> bool {
    let Ok(lock) = std::fs::metadata(data.join("lock")) else { return false };
    match std::fs::read_to_string(LOCKS) {
        Ok(locks) => holds(&locks, lock.ino()),
        Err(_) => true,
    }
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234567 0 EOF`: the last of the three is the inode.
fn holds(locks: &str, inode: u64) -> bool {
    locks.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let flock = fields.nth(1) == Some("FLOCK");
        let file = fields.nth(3).and_then(|file| file.rsplit(':').next()?.parse::<u64>().ok());
        flock && file == Some(inode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_by_its_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 1 fe:00:7 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 2 fe:00:1234567 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 3 fe:00:8 0 EOF\n";
        assert!(holds(locks, 1_234_567));
        assert!(!holds(locks, 7), "another kind of lock");
        assert!(!holds(locks, 8), "one that only waits");
        assert!(!holds("", 1));
    }

    #[test]
    fn a_folder_is_served_as_long_as_its_lock_is_held() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(!serves(data.path()), "no server ever ran");
        let file = std::fs::File::create(data.path().join("lock")).expect("made");
        assert!(!serves(data.path()), "the last one has ended");
        file.try_lock().expect("free");
        assert!(serves(data.path()));
    }
}
