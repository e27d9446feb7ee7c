//! What is seen of a call, in order: what steps may expect, and what reports tell instead.

use std::fmt;

use crate::base::Instant;

/// Something that happened, and where it stood written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sighting {
    /// When.
    pub at: Instant,
    /// What.
    pub seen: Seen,
    /// The verb that was being carried out.
    pub place: Option<Place>,
}

/// A verb's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its document came from.
    pub base: String,
    /// The line in it.
    pub line: u32,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// A sentence began.
    Say(String),
    /// A file began, or digits were sent.
    Play(String),
    /// A recording began; the outline of its verb.
    Record(String),
    /// A verb's turn came; its name and outline.
    Verb(&'static str, String),
    /// Somebody was called.
    Dial {
        /// Whom.
        target: String,
        /// Under which caller ID.
        caller_id: String,
    },
    /// The caller's leg changed.
    Status(&'static str),
    /// A called leg changed.
    Called {
        /// Whose.
        to: String,
        /// To what.
        status: &'static str,
    },
    /// A report went out.
    Callback {
        /// Where to.
        url: String,
        /// What it said.
        parameters: Vec<(String, String)>,
    },
    /// The call's own words.
    Note(u32, String),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Say(text) => write!(f, "say {text:?}"),
            Seen::Play(what) => write!(f, "play {what}"),
            Seen::Record(outline) | Seen::Verb(_, outline) => f.write_str(outline),
            Seen::Dial { target, caller_id } => write!(f, "dial {target} caller-id {caller_id}"),
            Seen::Status(status) => write!(f, "status {status}"),
            Seen::Called { to, status } => write!(f, "called party {to}: {status}"),
            Seen::Callback { url, parameters } => {
                write!(f, "callback {url}")?;
                let telling = ["CallStatus", "RecordingStatus", "SequenceNumber"];
                let known = parameters.iter().filter(|(name, _)| telling.contains(&name.as_str()));
                known.into_iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
            Seen::Note(0, text) => write!(f, "note: {text}"),
            Seen::Note(code, text) => write!(f, "note {code}: {text}"),
        }
    }
}
