//! What outlives the process: calls, recordings, registrations, and callbacks still to be
//! delivered.
//!
//! A change and the reports of it are written in one transaction, so that neither exists without
//! the other. Each backend implements [`Store`] and passes `suite`; none makes decisions.

pub mod row;
pub mod sqlite;
#[cfg(test)]
mod suite;
pub mod values;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::base::id::{CallSid, RecordingSid};
use crate::base::{Fault, WallTime};
use crate::call::{CallRecord, Callback, Persist, RecordingRecord};
use crate::sip::registrar::{BindingChange, StoredBinding};

pub use sqlite::Sqlite;

/// What every operation returns.
pub type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store could not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The database was made by a newer program.
    NewerSchema {
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The file is no database, or a broken one.
    Unusable(String),
    /// Disk full, locked, gone: it may pass.
    Backend(String),
    /// The database takes no such row, however often it is tried.
    Rejected(String),
    /// A row that cannot be read.
    BadRow(String),
    /// Whoever was writing was dropped half-way; nothing of it was written.
    Interrupted,
    /// More writes are waiting than are queued: the disk does not keep up.
    Overloaded,
}

impl StoreError {
    /// Who should act.
    pub fn fault(&self) -> Fault {
        match self {
            StoreError::Rejected(_) | StoreError::BadRow(_) | StoreError::Interrupted => Fault::Us,
            _ => Fault::Operator,
        }
    }

    /// Whether the same write may succeed later.
    pub fn may_pass(&self) -> bool {
        match self {
            StoreError::Backend(_) | StoreError::Interrupted | StoreError::Overloaded => true,
            StoreError::NewerSchema { .. }
            | StoreError::Unusable(_)
            | StoreError::Rejected(_)
            | StoreError::BadRow(_) => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NewerSchema { found, known } => write!(
                f,
                "the database has schema {found}, this program knows up to {known}: \
                 run the newer offhook that made it, or put back the backup made before the upgrade"
            ),
            StoreError::Unusable(why) => write!(
                f,
                "the database cannot be used: {why}; move the file away to start with an empty one"
            ),
            StoreError::Backend(why) => write!(f, "the database failed: {why}; check the disk"),
            StoreError::Rejected(why) => write!(f, "the database refuses a row: {why}"),
            StoreError::BadRow(why) => write!(f, "a row cannot be read: {why}"),
            StoreError::Interrupted => f.write_str("the write was given up"),
            StoreError::Overloaded => f.write_str("too many writes wait for the disk"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A callback that is still to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place: callbacks of one call are delivered in this order.
    pub id: i64,
    /// The callback.
    pub callback: Callback,
    /// Same on every attempt.
    pub token: String,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not before.
    pub due: WallTime,
}

/// What became of an attempt to deliver a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Delivered, or given up: it is forgotten.
    Done {
        /// Which.
        id: i64,
    },
    /// To be tried again.
    Later {
        /// Which.
        id: i64,
        /// Not before.
        due: WallTime,
    },
}

/// What a process that was killed left behind, and what was made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Calls that were going on; they are failed now.
    pub calls: Vec<CallRecord>,
    /// Recordings that were being written. Their files are valid; how long they are is for the
    /// caller to find out and to write.
    pub recordings: Vec<RecordingRecord>,
}

/// What was kept of registrations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptBindings {
    /// By address-of-record, and of each the latest first.
    pub bindings: Vec<StoredBinding>,
    /// Rows that say nothing that can be understood.
    pub unreadable: usize,
}

/// How a trunk or line fares, as `offhook lines` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkRow {
    /// Whether it is a line.
    pub line: bool,
    /// Its name.
    pub name: String,
    /// In plain words.
    pub state: String,
    /// `user@domain` of ours, for a line.
    pub user: Option<String>,
    /// Whether calls go through it before others.
    pub up: bool,
    /// Since when it is as `state` says.
    pub since: WallTime,
    /// What went wrong last.
    pub trouble: Option<String>,
    /// The server that holds its registration.
    pub server: Option<String>,
    /// When it is tried again.
    pub retry: Option<WallTime>,
    /// When its registration ends unless it is refreshed.
    pub until: Option<WallTime>,
}

/// A change of what is known of a trunk or line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkNews {
    /// It fares so.
    Is(TrunkRow),
    /// It is no more: whether it was a line, and its name.
    Gone(bool, String),
    /// Nothing is known of any: what came before in the same write counts no more.
    AllGone,
}

/// The durable state of one installation.
pub trait Store: Send + Sync {
    /// Writes all of it in one transaction; when this resolves it is on the disk. Changes are
    /// written in the order of the calls to this, whatever the order in which they are awaited.
    /// The future writes for others too: whoever has begun to await it should go on to its end.
    fn persist(&self, persist: Persist) -> Stored<'_, ()>;

    /// At start: marks calls that were going on as failed at `now`, and says what was found.
    fn unfinished(&self, now: WallTime) -> Stored<'_, Unfinished>;

    /// Callbacks due at `now`: at most `limit`, and of each call only its first.
    fn due(&self, now: WallTime, limit: usize) -> Stored<'_, Vec<Pending>>;

    /// When the next callback is due.
    fn next_due(&self) -> Stored<'_, Option<WallTime>>;

    /// Writes what became of deliveries.
    fn settle(&self, settlements: Vec<Settlement>) -> Stored<'_, ()>;

    /// Writes what changed in registrations, in this order and all in one transaction. Who wants
    /// one write before another awaits it first.
    fn keep(&self, changes: Arc<[BindingChange]>) -> Stored<'_, ()>;

    /// All registrations that are kept.
    fn bindings(&self) -> Stored<'_, KeptBindings>;

    /// Writes how trunks and lines fare.
    fn note_trunks(&self, news: Vec<TrunkNews>) -> Stored<'_, ()>;

    /// How trunks and lines fare: trunks first, by name.
    fn trunks(&self) -> Stored<'_, Vec<TrunkRow>>;

    /// The newest calls, newest first.
    fn calls(&self, limit: usize) -> Stored<'_, Vec<CallRecord>>;

    /// One call.
    fn call(&self, sid: CallSid) -> Stored<'_, Option<CallRecord>>;

    /// The legs that a call dialled, in order.
    fn children(&self, sid: CallSid) -> Stored<'_, Vec<CallRecord>>;

    /// The newest recordings, newest first.
    fn recordings(&self, limit: usize) -> Stored<'_, Vec<RecordingRecord>>;

    /// Forgets a recording that is over; whether there was one.
    fn remove_recording(&self, sid: RecordingSid) -> Stored<'_, bool>;

    /// One recording.
    fn recording(&self, sid: RecordingSid) -> Stored<'_, Option<RecordingRecord>>;
}
