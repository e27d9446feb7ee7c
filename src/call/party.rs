//! One party of a call: its row, how far it is, and who is told of it.

use std::collections::BTreeSet;

use crate::base::{Instant, WallTime};
use crate::leg::{Cause, SipCaller};
use crate::sip::uri::SipUri;

use super::effect::{CallRecord, Callback, Method, Status};

/// A party.
#[derive(Clone, Debug)]
pub(super) struct Party {
    /// Its row.
    pub record: CallRecord,
    /// Whose telephone it is.
    pub owner: Owner,
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

/// Whose telephone a party is, as far as that is proven. It stays with the party wherever it goes:
/// what it may ask for is judged by this alone, never by the call that it happens to be in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The domain of ours.
    pub domain: Option<String>,
    /// The user who logged in there, `user@domain`: answers for what it costs.
    pub user: Option<String>,
}

impl Owner {
    /// Of who called in.
    pub(super) fn of_caller(caller: &SipCaller) -> Owner {
        let user =
            (!caller.username.is_empty()).then(|| format!("{}@{}", caller.username, caller.domain));
        Owner { domain: Some(caller.domain.clone()), user }
    }

    /// Of who is called at a SIP URI: a registration proved it, when the domain is ours. A port at
    /// an address may be another server's (RFC 3261 section 19.1.4), whose phones are not ours.
    pub(super) fn of_called(uri: &str, domains: &BTreeSet<String>) -> Owner {
        let named = SipUri::parse(uri).and_then(|view| {
            let domain = view.host().to_ascii_lowercase();
            let elsewhere = view.port().is_some() && view.host_port().ip().is_some();
            let ours = !elsewhere && domains.contains(&domain);
            ours.then(|| (view.user().map(|user| format!("{user}@{domain}")), domain))
        });
        match named {
            Some((user, domain)) => Owner { domain: Some(domain), user },
            None => Owner::default(),
        }
    }
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
    /// One that is being answered, and that nobody watches.
    pub fn arriving(record: CallRecord, owner: Owner) -> Party {
        Party {
            record,
            owner,
            presence: Presence::Ringing,
            early: false,
            answered: None,
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
            let reached = self.record.sip_call_id.is_some();
            self.record.reason = plain_reason(cause, self.record.sip_status, reached);
        }
        self.presence = Presence::Gone;
    }
}

/// Why a leg is over, for people. `reached` tells a far end's word from our own.
fn plain_reason(cause: Cause, sip_status: Option<u16>, reached: bool) -> String {
    let said = match cause {
        Cause::Hangup => return "the party hung up".to_owned(),
        Cause::Cancelled => return "the caller gave up before the answer".to_owned(),
        Cause::Local => return "hung up by the document".to_owned(),
        Cause::Lost => return "the party was lost".to_owned(),
        Cause::Busy => "busy",
        Cause::NoAnswer if sip_status == Some(603) => "declined",
        Cause::NoAnswer => "not answered",
        Cause::Failed if !reached => "no way there was found",
        // The words of RFC 3261 section 21, as a caller would put them.
        Cause::Failed => match sip_status.unwrap_or_default() {
            404 | 410 | 484 | 604 => "no such number or user there",
            401 | 403 | 407 => "the far end does not allow it",
            408 => "nothing came back from there",
            415 | 488 | 606 => "no sound that both sides know",
            482 | 483 => "the call went in circles",
            500..=599 => "the far end has trouble",
            _ => "could not be reached",
        },
    };
    match sip_status {
        Some(status) => format!("{said} ({status})"),
        None => said.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_users_of_ours_own_what_is_called() {
        let domains = BTreeSet::from(["office.example".to_owned(), "192.0.2.1".to_owned()]);
        let user = |uri| Owner::of_called(uri, &domains).user;
        assert_eq!(user("sip:b%6fb@OFFICE.example").as_deref(), Some("bob@office.example"));
        assert_eq!(user("sip:bob@192.0.2.1").as_deref(), Some("bob@192.0.2.1"));
        for foreign in [
            "sip:bob@192.0.2.1:5099",
            "sip:bob@evil.example",
            "sip:bob@evil.example;x=@office.example",
            "sip:office.example",
            "+15551234567",
        ] {
            assert_eq!(user(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_end_has_a_reason_in_plain_words() {
        for (cause, status, reached, wanted) in [
            (Cause::Hangup, Some(200), true, "the party hung up"),
            (Cause::Busy, Some(486), true, "busy (486)"),
            (Cause::NoAnswer, Some(603), true, "declined (603)"),
            (Cause::NoAnswer, Some(487), true, "not answered (487)"),
            (Cause::Failed, Some(404), true, "no such number or user there (404)"),
            (Cause::Failed, Some(488), true, "no sound that both sides know (488)"),
            (Cause::Failed, Some(503), true, "the far end has trouble (503)"),
            (Cause::Failed, Some(403), true, "the far end does not allow it (403)"),
            (Cause::Failed, Some(403), false, "no way there was found (403)"),
            (Cause::Failed, None, false, "no way there was found"),
        ] {
            assert_eq!(plain_reason(cause, status, reached), wanted);
        }
    }
}
