//! Files that are looked at again and again, and read only once they rest.
//!
//! Editors empty a file before they write it, and an empty configuration is a sound one that has
//! nobody in; so a version counts when nobody has touched it since the look before.

use std::collections::HashMap;
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

/// Things that a command looks at until they change, by name.
#[derive(Debug)]
pub struct Looks<S>(HashMap<String, Watched<S>>);

impl<S: Clone + PartialEq> Looks<S> {
    /// As they are now.
    pub fn new(now: Vec<(String, S)>) -> Looks<S> {
        let seen = now.into_iter().map(|(name, state)| (name, Watched::new(Some(state))));
        Looks(seen.collect())
    }

    /// Waits for a moment, and gives the names of those that are new or have changed, and rest.
    pub fn wait(&mut self, look: impl FnOnce() -> Vec<(String, S)>) -> Vec<String> {
        std::thread::sleep(LOOK);
        self.settled(look())
    }

    fn settled(&mut self, now: Vec<(String, S)>) -> Vec<String> {
        self.0.retain(|name, _| now.iter().any(|(there, _)| there == name));
        let mut changed = Vec::new();
        for (name, state) in now {
            let watched = self.0.entry(name.clone()).or_insert_with(|| Watched::new(None));
            if watched.settled(Some(state)) {
                changed.push(name);
            }
        }
        changed
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

    #[test]
    fn of_several_those_count_that_changed_and_rest() {
        let at = |a: u8, b: u8| vec![("a".to_owned(), a), ("b".to_owned(), b)];
        let mut looks = Looks::new(at(1, 1));
        assert!(looks.settled(at(1, 1)).is_empty(), "nothing happened");
        assert!(looks.settled(at(2, 1)).is_empty(), "it may be half written");
        assert_eq!(looks.settled(at(2, 1)), ["a"]);
        assert!(looks.settled(at(2, 1)).is_empty(), "once");
        let mut more = at(2, 1);
        more.push(("c".to_owned(), 1));
        assert!(looks.settled(more.clone()).is_empty());
        assert_eq!(looks.settled(more), ["c"], "what is new counts, too");
        assert!(looks.settled(at(2, 1)).is_empty(), "what is gone is forgotten");
        assert_eq!(looks.0.len(), 2);
    }
}
