//! The parties that `Dial` calls: who may be shown as the caller, their rows, their reports.

use crate::base::Instant;
use crate::base::id::{CallSid, LegId};
use crate::leg::{self, Command, Refusal};
use crate::verb::{self, Destination, Outcome, Outgoing, Progress, Reply, Target, normalise};

use super::core::{Call, LEGS_PER_CALL};
use super::effect::{CallRecord, Direction, Output, Status};
use super::parameters::API_VERSION;
use super::party::{Owner, Party, Presence, Watcher};

/// The longest caller ID that is sent.
const MAX_CALLER_ID: usize = 64;

/// CallStatus of a leg that ended like that.
pub(super) fn status_of(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Completed => Status::Completed,
        Outcome::Busy => Status::Busy,
        Outcome::NoAnswer => Status::NoAnswer,
        Outcome::Failed => Status::Failed,
        Outcome::Canceled => Status::Canceled,
    }
}

/// What a leg's end is to the `Dial` that made it.
pub(super) fn outcome_of(status: Status) -> Outcome {
    match status {
        Status::Completed | Status::InProgress => Outcome::Completed,
        Status::Busy => Outcome::Busy,
        Status::NoAnswer => Outcome::NoAnswer,
        Status::Canceled => Outcome::Canceled,
        Status::Failed | Status::Initiated | Status::Ringing => Outcome::Failed,
    }
}

/// What a caller who was never answered is told of one party. A 6xx would stop a carrier from trying
/// elsewhere (RFC 3261 section 21.6): only the party itself says that.
fn refusal_of(outcome: Outcome, sip_status: Option<u16>) -> Refusal {
    match (outcome, sip_status) {
        (Outcome::Busy, _) => Refusal::Busy,
        (Outcome::NoAnswer, Some(603)) => Refusal::Declined,
        (Outcome::Failed, Some(404 | 604)) => Refusal::Rejected,
        _ => Refusal::Unavailable,
    }
}

/// Of several parties the first of these says most: one that may yet be reached says more than
/// one that never will.
fn rank(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::Busy => 0,
        Refusal::Unavailable | Refusal::Failed => 1,
        Refusal::Rejected => 2,
        Refusal::Declined => 3,
    }
}

/// Why a caller ID may not be shown.
pub(super) struct Forbidden {
    pub code: u32,
    pub text: String,
}

impl Call {
    /// Calls a target, or says why it cannot be called.
    pub(super) fn ring(&mut self, number: usize, call: Outgoing) {
        self.ring_for(number, call, None);
    }

    /// The same at the expense of `user`, when that is not whoever made the call.
    pub(super) fn ring_for(&mut self, number: usize, call: Outgoing, user: Option<String>) {
        if number == 0 {
            // A new dial: what became of the one before is told no more.
            self.unreached = None;
        }
        let sid = CallSid::random(&mut self.seed.rng());
        let caller_id = self.caller_id(&call);
        let shown = match &caller_id {
            Ok(id) => id.clone(),
            Err(_) => call.caller_id.clone().unwrap_or_default(),
        };
        let dial = match (caller_id, destination(&call.target)) {
            (Err(Forbidden { code, text }), _) | (_, Err(Forbidden { code, text })) => {
                Err((code, text))
            }
            (Ok(id), Ok(destination)) => Ok(self.outgoing(sid, id, destination, &call, user)),
        };
        let leg = LegId(self.setup.next_leg + self.counts.legs);
        self.counts.legs += 1;
        let party = self.called_party(sid, number, shown, call.target);
        self.parties.insert(leg, Box::new(party));
        self.targets.insert(number, leg);
        self.status_event(leg, "initiated");
        match dial {
            Ok(dial) if self.counts.legs < LEGS_PER_CALL && self.is_running() => {
                self.output(Output::Dial(leg, Box::new(dial)));
            }
            Ok(_) => self.fail_target(leg, "no more legs can be made"),
            Err((code, text)) => {
                self.note(code, text.clone());
                self.fail_target(leg, &text);
            }
        }
    }

    fn fail_target(&mut self, leg: LegId, reason: &str) {
        if let Some(party) = self.parties.get_mut(&leg) {
            party.record.reason = reason.to_owned();
        }
        let cause = leg::Cause::Failed;
        let ended =
            leg::Event::Ended { cause, sip_status: None, sip_call_id: None, headers: Vec::new() };
        self.leg_event(leg, ended);
    }

    fn outgoing(
        &self,
        sid: CallSid,
        caller_id: String,
        destination: leg::Destination,
        call: &Outgoing,
        user: Option<String>,
    ) -> leg::Dial {
        let header = |name: &str, value: String| (name.to_owned(), value);
        // The name belongs to the caller's own ID, not to one that the document put in its place.
        let own_name = call.caller_id.is_none();
        leg::Dial {
            destination,
            caller_id,
            user,
            caller_name: self.setup.incoming.caller_name.clone().filter(|_| own_name),
            headers: vec![
                header("X-Twilio-AccountSid", self.setup.account.to_string()),
                header("X-Twilio-CallSid", sid.to_string()),
                header("X-Twilio-ApiVersion", API_VERSION.to_owned()),
            ],
        }
    }

    fn called_party(&mut self, sid: CallSid, number: usize, from: String, target: Target) -> Party {
        let to = target.text().to_owned();
        let owner = match &target.destination {
            Destination::Sip { uri, .. } => Owner::of_called(uri, &self.setup.policy.domains),
            Destination::Number(_) | Destination::Invalid { .. } => Owner::default(),
        };
        let report = target.report.and_then(|report| self.absolute(self.caller(), report));
        let watcher = report.map(|report| Watcher {
            url: report.request.url,
            method: report.request.method,
            events: report.events.iter().map(|event| (*event).to_owned()).collect(),
            sent: 0,
        });
        Party {
            record: CallRecord::begun(
                sid,
                Some(self.setup.sid),
                (from, to),
                (Direction::OutboundDial, Status::Initiated),
                self.setup.epoch.wall(self.now),
            ),
            owner,
            presence: Presence::Ringing,
            early: false,
            answered: None,
            target: Some(number),
            sending: None,
            watcher,
            recorded: None,
            extra: Vec::new(),
        }
    }

    /// Who is shown to a target (the TwiML reference): towards telephones only numbers of
    /// ours, or, for a call that itself came from a telephone, its two ends. A SIP caller's From
    /// is whatever the phone wrote: it proves nothing.
    fn caller_id(&self, call: &Outgoing) -> Result<String, Forbidden> {
        let asked = call.caller_id.as_deref();
        let incoming = &self.setup.incoming;
        if let Destination::Sip { .. } = call.target.destination {
            return match asked {
                Some(id) => sip_caller_id(id),
                None => Ok(self.shown_user().to_owned()),
            };
        }
        let written = asked.unwrap_or_else(|| self.shown_user());
        if written.chars().count() > MAX_CALLER_ID {
            let text = format!("callerId is longer than {MAX_CALLER_ID} characters");
            return Err(Forbidden { code: 13248, text });
        }
        let policy = &self.setup.policy;
        let Some(number) = normalise(written) else {
            let stranger = incoming.sip.is_none() && self.setup.shown.is_none();
            return match asked {
                Some(id) => Err(Forbidden {
                    code: 13214,
                    text: format!("callerId {id:?} is not a telephone number"),
                }),
                // A withheld number stays withheld on the way through.
                None if stranger => Ok(incoming.from.clone()),
                None if policy.any_caller_id => Ok(written.to_owned()),
                None => Err(Forbidden {
                    code: 13247,
                    text: "a call from a SIP phone to a number needs a callerId that is ours"
                        .to_owned(),
                }),
            };
        };
        // A call that we made came from nobody: whom it reached has lent us no number.
        let ends: &[&String] = match &self.setup.shown {
            Some(shown) => &[shown],
            None if incoming.sip.is_none() => &[&incoming.from, &incoming.to],
            None => &[],
        };
        let own_end = ends.iter().any(|end| normalise(end).as_ref() == Some(&number));
        if policy.any_caller_id || policy.owned.contains(&number) || own_end {
            return Ok(number);
        }
        let code = if asked.is_some() { 13214 } else { 13247 };
        let text = format!("callerId {number} is not a number of ours");
        Err(Forbidden { code, text })
    }

    /// Sends digits to a target that answered.
    pub(super) fn send_to_target(&mut self, target: usize, digits: String) {
        let Some(leg) = self.targets.get(&target).copied() else { return };
        let play = self.next_play();
        if let Some(party) = self.parties.get_mut(&leg) {
            party.sending = Some(play);
        }
        self.leg(leg, Command::SendDigits { play, digits });
    }

    /// Tells the `Dial` that runs what became of a target.
    pub(super) fn tell_dial(&mut self, leg: LegId, progress: Progress) {
        let Some(party) = self.parties.get(&leg) else { return };
        let (Some(target), sid) = (party.target, party.record.sid) else { return };
        if self.is_target(leg) {
            let event = verb::Event::Target { target, sid, progress };
            self.agenda.push_back((self.caller(), event));
        }
    }

    /// Whether a leg is a target of the latest dial: a later one numbers its targets anew, and only
    /// its own leg speaks for a number.
    pub(super) fn is_target(&self, leg: LegId) -> bool {
        let target = self.parties.get(&leg).and_then(|party| party.target);
        target.is_some_and(|target| self.targets.get(&target) == Some(&leg))
    }

    /// Keeps what the caller is told of the latest dial, should nobody take the call.
    pub(super) fn note_unreached(&mut self, outcome: Outcome, sip_status: Option<u16>) {
        let refusal = refusal_of(outcome, sip_status);
        if self.unreached.is_none_or(|known| rank(refusal) < rank(known)) {
            self.unreached = Some(refusal);
        }
    }

    /// A target answered.
    pub(super) fn target_answered(&mut self, leg: LegId, reply: Reply, now: Instant) {
        let wall = self.setup.epoch.wall(now);
        let Some(party) = self.parties.get_mut(&leg) else { return };
        party.record.sip_call_id.clone_from(&reply.sip_call_id);
        party.record.sip_status = reply.sip_status;
        // An answer that crossed our hanging up: the leg ends it, nobody joins.
        if party.presence != Presence::Ringing {
            return;
        }
        party.presence = Presence::Talking;
        party.answered = Some(now);
        party.record.answered = Some(wall);
        party.record.status = Status::InProgress;
        self.status_event(leg, "answered");
        self.tell_dial(leg, Progress::Answered(reply));
    }
}

/// The user of a SIP URI, or the text itself.
pub(super) fn user_part(address: &str) -> &str {
    let bare = address.strip_prefix("sips:").or_else(|| address.strip_prefix("sip:"));
    let bare = bare.unwrap_or(address);
    bare.split(['@', ';']).next().unwrap_or(bare)
}

/// Towards SIP any name will do that is a SIP user without escapes.
pub(super) fn sip_caller_id(written: &str) -> Result<String, Forbidden> {
    let number = normalise(written);
    let text = written.trim();
    let text = text.strip_prefix("client:").unwrap_or_else(|| user_part(text));
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-_.".contains(c);
    match number {
        Some(number) => Ok(number),
        None if text.is_empty() || !text.chars().all(fits) => Err(Forbidden {
            code: 13214,
            text: format!("callerId {written:?} may hold only letters, digits and + - _ ."),
        }),
        None if text.len() > MAX_CALLER_ID => {
            Err(Forbidden { code: 13248, text: "callerId is too long".to_owned() })
        }
        None => Ok(text.to_owned()),
    }
}

fn destination(target: &Target) -> Result<leg::Destination, Forbidden> {
    match &target.destination {
        Destination::Number(number) => Ok(leg::Destination::Number(number.clone())),
        Destination::Sip { uri, headers, login } => Ok(leg::Destination::Sip {
            uri: uri.clone(),
            headers: headers.clone(),
            login: login.clone(),
        }),
        Destination::Invalid { text, code } => {
            Err(Forbidden { code: *code, text: format!("{text:?} cannot be called") })
        }
    }
}
