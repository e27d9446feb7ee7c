//! Rows and status callbacks: every change of a party is written together with its reports.

use crate::base::id::LegId;

use super::core::Call;
use super::parameters;

impl Call {
    /// Writes the party's row and reports `event` to whoever watches it.
    pub(super) fn status_event(&mut self, leg: LegId, event: &str) {
        let (account, epoch, now) = (self.setup.account, self.setup.epoch, self.now);
        let public_url = self.setup.public_url.clone();
        let Some(party) = self.parties.get_mut(&leg) else { return };
        let mut watcher = party.watcher.take();
        let report = watcher.as_mut().and_then(|watcher| {
            watcher.report(&party.record, event, |number| {
                let url = party
                    .recorded
                    .as_ref()
                    .map(|(sid, _)| parameters::recording_url(&public_url, account, sid));
                let mut list = parameters::of_party(account, party);
                list.extend(parameters::of_status(party, epoch, now, url, number));
                list
            })
        });
        party.watcher = watcher;
        let record = party.record.clone();
        self.changes.calls.retain(|row| row.sid != record.sid);
        self.changes.calls.push(record);
        self.changes.callbacks.extend(report);
    }
}
