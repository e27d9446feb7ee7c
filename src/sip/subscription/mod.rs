//! Subscriptions to events, as the notifier keeps them (RFC 6665 section 4.2).
//!
//! A value that the driver asks: it decides about dialogs, expiry, order and pace of NOTIFY, never
//! about who may watch whom and never what a body says. It asks for a body only when a NOTIFY may
//! leave, so that all that changed meanwhile is in it. Rights are known at once here, so that no
//! subscription is ever pending (section 4.2.2).

mod dialog;
mod event;
mod table;
#[cfg(test)]
mod tests;

pub use dialog::Dialog;
pub use event::{EventType, Reason};
pub use table::{Due, Subscriptions, Wish};

use super::{Body, HeaderField};
use crate::base::Duration;

/// Shorter wishes get 423: each refresh costs a login and a NOTIFY.
pub const MIN_LIFETIME: Duration = Duration::from_secs(60);

/// Longer wishes are granted only this much: it is how long a lamp may be wrong when a server dies
/// without a word.
pub const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// Between two NOTIFYs of one subscription that nobody asked for; what changes meanwhile is one.
pub const PACE: Duration = Duration::from_secs(1);

/// The text of one subscription in bytes (Call-ID, tags, target, routes), so that with all else it
/// stays below 3 KB. Phones send a tenth.
pub const MAX_TEXT: usize = 2_048;

/// How much is kept at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Subscriptions in all.
    pub total: usize,
    /// Subscriptions of one watcher: some phones with panels of lamps, restarted a few times.
    pub of_watcher: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { total: 20_000, of_watcher: 500 }
    }
}

/// A kind of events, and the type of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// As Event writes it.
    pub name: &'static str,
    /// The Content-Type of its bodies.
    pub content_type: &'static str,
}

/// A NOTIFY, in the dialog of its subscription.
#[derive(Clone, Debug)]
pub struct Notify {
    /// The sender's number for its reply; those of [`super::Send`] are others.
    pub id: u64,
    /// Where it belongs and goes.
    pub dialog: Dialog,
    /// Event and Subscription-State.
    pub headers: Vec<HeaderField>,
    /// What there is to tell.
    pub body: Option<Body>,
}

/// Why a SUBSCRIBE gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: u16,
    /// Headers of the answer.
    pub headers: Vec<HeaderField>,
    /// In plain words, for the log.
    pub reason: &'static str,
}

impl Refusal {
    fn new(status: u16, reason: &'static str) -> Refusal {
        Refusal { status, headers: vec![], reason }
    }

    fn with(self, name: &str, value: impl Into<String>) -> Refusal {
        let mut headers = self.headers;
        headers.push((name.to_owned(), value.into()));
        Refusal { headers, ..self }
    }
}
