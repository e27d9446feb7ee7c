//! What happened in calls and at the door, told to whoever writes it down: nothing depends on it.

use super::refusal::Refused;
use super::*;
use crate::markup::Position;
use crate::sip::Message;
use crate::sip::user_agent;

/// Something for the story of a call, beside its notes, rows, requests and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A dialog of a call began: from here on messages with this Call-ID are the call's.
    Dialog {
        /// The call, by its caller's SID.
        call: CallSid,
        /// The leg.
        leg: LegId,
        /// The Call-ID on the wire.
        call_id: String,
    },
    /// A verb's turn came.
    Verb {
        /// The call.
        call: CallSid,
        /// Who hears it.
        leg: LegId,
        /// The verb.
        name: &'static str,
        /// Where it stands in its document.
        position: Position,
        /// Where the document came from.
        base: String,
    },
    /// A call is over and forgotten.
    Over {
        /// The call.
        call: CallSid,
    },
    /// A request was not admitted.
    Refused(Box<RefusedRequest>),
}

/// A request that was not admitted, with the reason that its sender is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRequest {
    /// Its method.
    pub method: &'static str,
    /// Its Call-ID.
    pub call_id: String,
    /// Where it came from.
    pub flow: Flow,
    /// The user that it says it is of, as far as it could be read.
    pub user: String,
    /// What was asked for.
    pub uri: String,
    /// The status of the answer.
    pub status: u16,
    /// An error code of the TwiML reference.
    pub code: u32,
    /// Why, in plain words.
    pub reason: String,
}

/// How much an exchange holds at a moment, and what it has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls up or being set up.
    pub calls: usize,
    /// Legs, those included whose dialogs are still closing.
    pub legs: usize,
    /// Bindings of registered phones.
    pub registrations: usize,
    /// Transactions, those that only absorb repeats included.
    pub transactions: usize,
    /// Dialogs and attempts at one.
    pub dialogs: usize,
    /// Outputs that wait for the driver.
    pub outputs: usize,
    /// New requests answered 503 because they came faster than the machine can follow.
    pub late: u64,
    /// Messages dropped unread because their source was over its budget.
    pub over_budget: u64,
    /// Sources that were silenced for guessing passwords.
    pub silenced: u64,
    /// Messages of silenced sources, heard only in what they had begun.
    pub muted: u64,
    /// What the user agent counted.
    pub sip: user_agent::Counters,
}

/// The longest text of a stranger's that is kept in a refusal.
const LONGEST: usize = 256;

impl Exchange {
    /// How much there is of everything, for gauges.
    pub fn figures(&self) -> Figures {
        Figures {
            calls: self.calls.table.len(),
            legs: self.legs.table.len(),
            registrations: self.registrar.len(),
            transactions: self.agent.transactions(),
            dialogs: self.agent.dialogs(),
            outputs: self.outputs.len(),
            late: self.guard.counters.too_late,
            over_budget: self.guard.counters.over_budget,
            silenced: self.guard.counters.silenced,
            muted: self.guard.counters.muted,
            sip: self.agent.counters(),
        }
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.outputs.push_back(Output::Told(told));
    }

    /// Tells of the dialog that a leg's command began, if it did begin one.
    pub(super) fn tell_dialog(&mut self, number: CallNumber, leg: LegId, dialog: DialogId) {
        let call = self.calls.table.get(&number).map(|entry| entry.sid);
        let call_id = self.agent.call_id(dialog).map(str::to_owned);
        if let (Some(call), Some(call_id)) = (call, call_id) {
            self.tell(Told::Dialog { call, leg, call_id });
        }
    }

    /// Tells of a refusal; what is no news (the first request without credentials) is left out.
    pub(super) fn tell_refusal(
        &mut self,
        method: &'static str,
        flow: Flow,
        request: &Message,
        refused: &Refused,
    ) {
        if refused.reason.is_empty() {
            return;
        }
        let user = request.from().and_then(|from| Some(from.sip_uri()?.user()?.into_owned()));
        self.tell(Told::Refused(Box::new(RefusedRequest {
            method,
            call_id: request.call_id().to_owned(),
            flow,
            user: user.unwrap_or_default().chars().take(LONGEST).collect(),
            uri: request.request_uri().chars().take(LONGEST).collect(),
            status: refused.status,
            code: refused.code,
            reason: refused.reason.chars().take(2 * LONGEST).collect(),
        })));
    }
}
