//! What is seen of a request for a bin or a function: what it was given, said and cost.
//!
//! For whoever watches (`offhook dev`, the functions' log) and for answers that explain themselves.
//! Nothing of it changes what is answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde_json::Value;

use super::function::LogLine;
use crate::base::Duration;
use crate::http::Response;

/// What the runner tells of one invocation.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What the handler was given, where somebody wants to know.
    pub event: Option<Value>,
    /// What it logged; why it was stopped comes last.
    pub log: Vec<LogLine>,
    /// Why it was stopped, or could not begin.
    pub failure: Option<String>,
    /// What is wrong with the file as it is now, when an earlier version answered.
    pub stale: Option<String>,
    /// Whether the function was closed to who asked before its turn came.
    pub refused: bool,
    /// Waited for its turn.
    pub queued: Duration,
    /// Loaded the file, or saw that it has not changed.
    pub load: Duration,
    /// Ran, waiting included.
    pub run: Duration,
    /// The largest that its memory was, in bytes.
    pub memory: usize,
}

/// What a runner writes its report into; clones write into the same.
#[derive(Clone, Debug, Default)]
pub struct Reporter {
    report: Arc<Mutex<Report>>,
    detailed: bool,
    shown: bool,
}

impl Reporter {
    /// `detailed`: with the event, and loading told apart from running. `shown`: somebody shows
    /// the log, so that it need not go to the server's own.
    pub fn new(detailed: bool, shown: bool) -> Reporter {
        Reporter { report: Arc::default(), detailed, shown }
    }

    /// Whether the event is wanted, and loading told apart from running.
    pub fn is_detailed(&self) -> bool {
        self.detailed
    }

    /// Whether somebody else shows what the function logs.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// To write.
    pub fn write(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written.
    pub fn take(&self) -> Report {
        std::mem::take(&mut *self.write())
    }
}

/// What answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bin.
    Bin,
    /// A function.
    Function,
}

impl Kind {
    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Bin => "bin",
            Kind::Function => "function",
        }
    }
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What answered.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Whether a call asked, in this process.
    pub call: bool,
    /// The answer.
    pub response: &'a Response,
    /// How it came about.
    pub report: &'a Report,
}

/// Watches requests. Is told on the thread that answers: it must not wait.
pub trait Watcher: Send + Sync {
    /// Whether it shows events and logs itself.
    fn shows(&self) -> bool;

    /// A request was answered.
    fn saw(&self, seen: &Seen<'_>);
}

/// Those who watch a project; a handful at most, from the start on.
#[derive(Default)]
pub struct Watchers(RwLock<Vec<Arc<dyn Watcher>>>);

impl Watchers {
    /// One more.
    pub fn add(&self, watcher: Arc<dyn Watcher>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }

    /// Whether nobody watches.
    pub(super) fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether one of them shows events and logs itself.
    pub(super) fn show(&self) -> bool {
        let watchers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().any(|watcher| watcher.shows())
    }

    pub(super) fn tell(&self, seen: &Seen<'_>) {
        let watchers = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        watchers.iter().for_each(|watcher| watcher.saw(seen));
    }
}
