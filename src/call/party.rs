//! One party of a call: its row, how far it is, and who is told of it.

use crate::base::{Instant, WallTime};
use crate::leg::{Cause, SipCaller};

use super::effect::{CallRecord, Callback, Method, Status};

/// A party.
#[derive(Clone, Debug)]
pub(super) struct Party {
    /// Its row.
    pub record: CallRecord,
    /// How far it is.
    pub presence: Presence,
    /// Whether it hears sound before its answer.
    pub early: bool,
    /// The answer, for durations.
    pub answered: Option<Instant>,
    /// Its number among the targets of the dial that called it.
    pub target: Option<usize>,
    /// Digits that are being sent to it before it is joined.
    pub sending: Option<u64>,
    /// Who is told.
    pub watcher: Option<Watcher>,
    /// What was last recorded on it: SID and whole seconds.
    pub recorded: Option<(String, u64)>,
    /// Parameters that every request about it carries (SIP facts, diversion, caller name).
    pub extra: Vec<(String, String)>,
}

/// Whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not answered yet.
    Ringing,
    /// Answered.
    Talking,
    /// We hung it up then; what it counts as if it was never answered.
    Leaving {
        /// When.
        since: Instant,
        /// As what.
        status: Status,
    },
    /// It is over.
    Gone,
}

/// A status callback.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    /// Absolute URL.
    pub url: String,
    /// How.
    pub method: Method,
    /// On which events.
    pub events: Vec<String>,
    /// How many reports went out.
    pub sent: u32,
}

impl Party {
    /// One that is there from the start, and that nobody watches.
    pub fn talking(record: CallRecord, now: Instant) -> Party {
        Party {
            record,
            presence: Presence::Talking,
            early: false,
            answered: Some(now),
            target: None,
            sending: None,
            watcher: None,
            recorded: None,
            extra: Vec::new(),
        }
    }

    /// Whether media can be asked of it, if only one way.
    pub fn hears(&self) -> bool {
        self.is_talking() || self.early && self.presence == Presence::Ringing
    }

    /// Whether it was answered and is still there.
    pub fn is_talking(&self) -> bool {
        self.presence == Presence::Talking
    }

    /// Whether it neither left nor is being hung up.
    pub fn is_present(&self) -> bool {
        matches!(self.presence, Presence::Ringing | Presence::Talking)
    }

    /// The status that the end gives it.
    pub fn final_status(&self, cause: Cause) -> Status {
        if self.answered.is_some() {
            return Status::Completed;
        }
        match (self.presence, cause) {
            (Presence::Leaving { status, .. }, _) => status,
            (_, Cause::Cancelled | Cause::Hangup | Cause::Local) => Status::Canceled,
            (_, Cause::Busy) => Status::Busy,
            (_, Cause::NoAnswer) => Status::NoAnswer,
            (_, Cause::Failed | Cause::Lost) => Status::Failed,
        }
    }

    /// Writes the end into the row.
    pub fn end(&mut self, cause: Cause, ended: WallTime) {
        self.record.status = self.final_status(cause);
        self.record.ended = Some(ended);
        if self.record.reason.is_empty() {
            let reason = match cause {
                Cause::Hangup => "the party hung up",
                Cause::Cancelled => "the caller gave up before the answer",
                Cause::Local => "hung up by the document",
                Cause::Busy => "busy",
                Cause::NoAnswer => "not answered",
                Cause::Failed => "could not be reached",
                Cause::Lost => "the party was lost",
            };
            self.record.reason = reason.to_owned();
        }
        self.presence = Presence::Gone;
    }
}

/// Parameters of a caller from one of our SIP domains.
pub(super) fn sip_parameters(sip: &SipCaller) -> Vec<(String, String)> {
    let mut parameters = vec![
        ("SipDomain".to_owned(), sip.domain.clone()),
        ("SipDomainSid".to_owned(), sip.domain_sid.clone()),
        ("SipCallId".to_owned(), sip.call_id.clone()),
        ("SipSourceIp".to_owned(), sip.source_ip.clone()),
    ];
    if !sip.username.is_empty() {
        parameters.push(("SipUsername".to_owned(), sip.username.clone()));
    }
    let headers = sip.headers.iter();
    parameters.extend(headers.map(|(name, value)| (format!("SipHeader_{name}"), value.clone())));
    parameters
}

impl Watcher {
    /// A report of `event`, if it is watched.
    pub fn report(
        &mut self,
        record: &CallRecord,
        event: &str,
        parameters: impl FnOnce(u32) -> Vec<(String, String)>,
    ) -> Option<Callback> {
        if !self.events.iter().any(|watched| watched == event) {
            return None;
        }
        let number = self.sent;
        self.sent += 1;
        Some(Callback {
            call: record.sid,
            url: self.url.clone(),
            method: self.method,
            parameters: parameters(number),
        })
    }
}
