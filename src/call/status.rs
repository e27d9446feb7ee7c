//! Rows and status callbacks: every change of a party is written together with its reports.

use crate::base::id::{AccountSid, LegId};
use crate::base::{Epoch, Instant};

use super::core::Call;
use super::effect::{Callback, Status};
use super::parameters;
use super::party::Party;

/// What reports say of the call as a whole.
struct Sender {
    account: AccountSid,
    epoch: Epoch,
    now: Instant,
    public_url: String,
}

impl Call {
    /// Writes the party's row and reports `event` to whoever watches it.
    pub(super) fn status_event(&mut self, leg: LegId, event: &str) {
        let sender = self.sender();
        let Some(party) = self.parties.get_mut(&leg) else { return };
        let report = sender.report(party, event);
        self.write_row(leg, sender, report);
    }

    fn sender(&self) -> Sender {
        Sender {
            account: self.setup.account,
            epoch: self.setup.epoch,
            now: self.now,
            public_url: self.setup.public_url.clone(),
        }
    }

    /// Writes the party's row anew, without any event.
    pub(super) fn row_changed(&mut self, leg: LegId) {
        let sender = self.sender();
        self.write_row(leg, sender, None);
    }

    fn write_row(&mut self, leg: LegId, sender: Sender, report: Option<Callback>) {
        let Some(party) = self.parties.get_mut(&leg) else { return };
        let mut record = party.record.clone();
        record.owed = sender.owed(party);
        self.changes.calls.retain(|row| row.sid != record.sid);
        self.changes.calls.push(record);
        self.changes.callbacks.extend(report);
    }
}

impl Sender {
    /// The report of an event, if it is watched.
    fn report(&self, party: &mut Party, event: &str) -> Option<Callback> {
        let mut watcher = party.watcher.take()?;
        let report = watcher.report(&party.record, event, |number| {
            let url = party
                .recorded
                .as_ref()
                .map(|(sid, _)| parameters::recording_url(&self.public_url, self.account, sid));
            let mut list = parameters::of_party(self.account, party);
            list.extend(parameters::of_status(party, self.epoch, self.now, url, number));
            list
        });
        party.watcher = Some(watcher);
        report
    }

    /// The last report, made out in advance for the case that the process dies.
    fn owed(&self, party: &mut Party) -> Option<Callback> {
        let sent = party.watcher.as_ref()?.sent;
        if party.record.status.is_final() {
            return None;
        }
        let status = std::mem::replace(&mut party.record.status, Status::Failed);
        let report = self.report(party, "completed");
        party.record.status = status;
        if let Some(watcher) = &mut party.watcher {
            watcher.sent = sent;
        }
        report
    }
}
