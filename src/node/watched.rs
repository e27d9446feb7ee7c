//! Files that are looked at again and again, and read only once they rest.
//!
//! Editors empty a file before they write it, and an empty configuration is a sound one that has
//! nobody in; so a version counts when nobody has touched it since the look before.

use std::time::Duration;

use tokio::sync::watch;

use super::background::stand_back;
use crate::source::Stamp;

/// How often files are looked at: an edit takes effect before one can dial.
const LOOK: Duration = Duration::from_millis(200);

/// Looks at files every [`LOOK`], on a thread of its own so that a slow disk holds up no call,
/// until the server stops or `look` says that nobody listens any more.
pub(super) fn look_often(
    name: &str,
    stopping: watch::Receiver<bool>,
    mut look: impl FnMut() -> bool + Send + 'static,
) -> std::io::Result<()> {
    let on = move || !*stopping.borrow() && stopping.has_changed().is_ok();
    let run = move || {
        stand_back();
        while on() && look() {
            std::thread::sleep(LOOK);
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// One file; or several that count together, by the stamps of them all.
#[derive(Debug)]
pub(super) struct Watched<S = Stamp> {
    /// The version in force.
    taken: Option<S>,
    /// What was there at the last look.
    last: Option<S>,
}

impl<S: Clone + PartialEq> Watched<S> {
    /// A file whose present version is in force.
    pub(super) fn new(now: Option<S>) -> Watched<S> {
        Watched { taken: now.clone(), last: now }
    }

    /// Whether there is a new version that nobody has touched since the last look.
    pub(super) fn settled(&mut self, now: Option<S>) -> bool {
        let resting = now.is_some() && now == self.last;
        self.last.clone_from(&now);
        if !resting || now == self.taken {
            return false;
        }
        self.taken = now;
        true
    }

    /// Whether it was there at the last look.
    pub(super) fn is_there(&self) -> bool {
        self.last.is_some()
    }

    /// What was taken could not be used: it counts as new at the next look.
    pub(super) fn again(&mut self) {
        self.taken = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_it_rests() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f");
        let stamp = |text: &str| {
            std::fs::write(&file, text).expect("written");
            Stamp::of(&file)
        };
        let first = stamp("first");
        let mut watched = Watched::new(first);
        assert!(!watched.settled(first), "nothing new");
        assert!(!watched.settled(stamp("")), "emptied by an editor");
        let half = stamp("the first half");
        assert!(!watched.settled(half), "just written");
        assert!(!watched.settled(None), "replaced by another file");
        let whole = stamp("the first half and the second");
        assert!(!watched.settled(whole));
        assert!(watched.settled(whole), "rests");
        assert!(!watched.settled(whole), "once");
    }
}
