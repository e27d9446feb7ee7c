//! What a call takes and gives: the contract between calls and everything beside them.

use std::sync::Arc;

use crate::audio::Clip;
use crate::base::id::{CallSid, LegId, RecordingSid, RequestId};
use crate::base::{Duration, WallTime};
use crate::leg;
use crate::verb::Document;

use super::transfer::Guest;
pub use crate::verb::{Method, Speech};

/// A document wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// For which call: cookies are kept by it, logs and caches name it.
    pub call: CallSid,
    /// `https://…`, `http://…`, `bin:NAME`, `function:NAME`; absolute.
    pub url: String,
    /// How.
    pub method: Method,
    /// The parameters of the TwiML reference, in order.
    pub parameters: Vec<(String, String)>,
}

/// A document that came and is well-formed.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The checked document.
    pub document: Arc<Document>,
    /// Where it finally came from, after redirects: the base of relative URLs.
    pub base: String,
}

/// Why no document came. The call tries the fallback, else speaks an error and hangs up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    /// The error code of the TwiML reference (11200 …, 12100 …).
    pub code: u32,
    /// The URL or file, without password and parameters; what happened and what to do; for a
    /// parse error the position. Neither code nor URL need be said again beside it.
    pub message: String,
}

/// Which way a leg was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Somebody called us.
    Inbound,
    /// The control API placed it.
    OutboundApi,
    /// `Dial` placed it.
    OutboundDial,
}

impl Direction {
    /// As the Direction parameter spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::OutboundApi => "outbound-api",
            Direction::OutboundDial => "outbound-dial",
        }
    }
}

/// CallStatus of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Made, not rung.
    Initiated,
    /// Ringing.
    Ringing,
    /// Answered.
    InProgress,
    /// Ended after an answer.
    Completed,
    /// The far end was busy.
    Busy,
    /// It could not be made.
    Failed,
    /// Nobody answered.
    NoAnswer,
    /// Given up before the answer.
    Canceled,
}

impl Status {
    /// As the CallStatus parameter spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Initiated => "initiated",
            Status::Ringing => "ringing",
            Status::InProgress => "in-progress",
            Status::Completed => "completed",
            Status::Busy => "busy",
            Status::Failed => "failed",
            Status::NoAnswer => "no-answer",
            Status::Canceled => "canceled",
        }
    }

    /// Whether the leg is over.
    pub fn is_final(self) -> bool {
        !matches!(self, Status::Initiated | Status::Ringing | Status::InProgress)
    }
}

/// The row of one leg, written whenever it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// The leg's SID.
    pub sid: CallSid,
    /// The leg that dialled it.
    pub parent: Option<CallSid>,
    /// From, as in webhooks.
    pub from: String,
    /// To, as in webhooks.
    pub to: String,
    /// Which way.
    pub direction: Direction,
    /// How far.
    pub status: Status,
    /// When it began.
    pub started: WallTime,
    /// When it was answered.
    pub answered: Option<WallTime>,
    /// When it ended.
    pub ended: Option<WallTime>,
    /// Why it ended, in plain words; empty while it lasts.
    pub reason: String,
    /// The SIP status that ended it.
    pub sip_status: Option<u16>,
    /// The Call-ID on the wire.
    pub sip_call_id: Option<String>,
    /// What its watcher is to be told should the process die before the leg ends; kept by the
    /// store with the row. None once the leg is over, or when nobody watches.
    pub owed: Option<Callback>,
}

impl CallRecord {
    /// The row of a leg that begins, below the call of `parent`.
    pub(super) fn begun(
        sid: CallSid,
        parent: Option<CallSid>,
        (from, to): (String, String),
        (direction, status): (Direction, Status),
        started: WallTime,
    ) -> CallRecord {
        CallRecord {
            sid,
            parent,
            from,
            to,
            direction,
            status,
            started,
            answered: None,
            ended: None,
            reason: String::new(),
            sip_status: None,
            sip_call_id: None,
            owed: None,
        }
    }
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordingStatus {
    /// Being written.
    InProgress,
    /// Whole.
    Completed,
    /// Nothing was heard.
    Absent,
    /// It could not be kept.
    Failed,
}

impl RecordingStatus {
    /// As RecordingStatus spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordingStatus::InProgress => "in-progress",
            RecordingStatus::Completed => "completed",
            RecordingStatus::Absent => "absent",
            RecordingStatus::Failed => "failed",
        }
    }
}

/// The row of one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRecord {
    /// Its SID; the file is `recordings/SID.wav` in the data folder.
    pub sid: RecordingSid,
    /// The (parent) call.
    pub call: CallSid,
    /// How far.
    pub status: RecordingStatus,
    /// When it began.
    pub started: WallTime,
    /// Its length, once known.
    pub duration: Option<Duration>,
    /// 1 or 2.
    pub channels: u8,
    /// RecordingSource: `RecordVerb` or `DialVerb`.
    pub source: &'static str,
    /// What its watcher is to be told should the process die before the recording ends; its
    /// status and length are known only then. None once it is over, or when nobody watches.
    pub owed: Option<Callback>,
}

/// A report to a web address: delivered at least once, later than the state that it reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The call it speaks of.
    pub call: CallSid,
    /// Absolute http or https URL.
    pub url: String,
    /// How.
    pub method: Method,
    /// The parameters, in order.
    pub parameters: Vec<(String, String)>,
}

/// Rows and reports of one change; all of it is written, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persist {
    /// Legs that changed.
    pub calls: Vec<CallRecord>,
    /// Recordings that changed.
    pub recordings: Vec<RecordingRecord>,
    /// Reports to deliver.
    pub callbacks: Vec<Callback>,
}

/// Something for a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something happened to one of its legs.
    Leg(LegId, leg::Event),
    /// The answer to [`Output::Fetch`].
    Fetched(RequestId, Result<Fetched, FetchError>),
    /// The answer to [`Output::Speak`] or [`Output::Load`].
    Sound(RequestId, Result<Clip, FetchError>),
    /// The answer to [`Output::Adopt`]: who takes that leg's place, if it was found.
    Adopted(LegId, Option<Box<Guest>>),
    /// The other answer to it: that call is carried by another exchange of this server, where
    /// somebody can call in to take the dialog's place.
    Elsewhere(LegId, Box<leg::Replaces>),
    /// The server is going down: end now.
    Shutdown,
}

/// Something that a call asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// An order for one of its legs.
    Leg(LegId, leg::Command),
    /// Make a leg; its events come under the number given.
    Dial(LegId, Box<leg::Dial>),
    /// Get a document.
    Fetch(RequestId, Fetch),
    /// Make speech.
    Speak(RequestId, Speech),
    /// Get a sound file for `Play`: an absolute URL (`https:`, `http:`, or our own `/assets/…`).
    Load(RequestId, CallSid, String),
    /// Write rows and reports.
    Persist(Persist),
    /// A line for the call's log: what was decided, warned or refused.
    Note(Note),
    /// A verb's turn came on that leg: for whoever follows the call through its documents.
    Verb(LegId, Begun),
    /// A leg wants to be replaced by whom the other dialog's party talks with, in whatever call
    /// that is (RFC 5589 section 7); [`Input::Adopted`] or
    /// [`Input::Elsewhere`] follows.
    Adopt(LegId, Box<leg::Replaces>),
    /// The call is over; nothing more comes.
    Done,
}

/// A verb whose turn came, and where it stands.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The document.
    pub document: Arc<Document>,
    /// Which of its verbs.
    pub index: usize,
    /// Where the document came from.
    pub base: String,
}

/// A line of the call's own story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose.
    pub call: CallSid,
    /// An error code of the TwiML reference, or 0.
    pub code: u32,
    /// In plain words.
    pub text: String,
}
