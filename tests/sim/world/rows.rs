//! A store that remembers every change, and that can be made to lose them.

use std::collections::BTreeMap;

use offhook::base::Instant;
use offhook::base::id::{CallSid, RecordingSid};
use offhook::call::{CallRecord, Callback, Persist, RecordingRecord};
use offhook::sip::registrar::{BindingChange, BindingKey, StoredBinding};

/// All that was persisted.
#[derive(Default)]
pub struct Rows {
    pub calls: BTreeMap<CallSid, CallRecord>,
    pub recordings: BTreeMap<RecordingSid, RecordingRecord>,
    pub callbacks: Vec<(Instant, Callback)>,
    /// Every change as it was asked for.
    pub history: Vec<(Instant, Persist)>,
    /// Whether the disk is gone: changes are asked for and lost.
    pub broken: bool,
    /// Registrations as a store keeps them.
    pub bindings: BTreeMap<BindingKey, StoredBinding>,
    order: Vec<CallSid>,
}

impl Rows {
    pub fn write(&mut self, now: Instant, persist: Persist) {
        self.history.push((now, persist.clone()));
        if self.broken {
            return;
        }
        for row in persist.calls {
            if let Some(before) = self.calls.get(&row.sid) {
                assert!(!before.status.is_final() || before.status == row.status, "{row:?}");
            } else {
                self.order.push(row.sid);
            }
            self.calls.insert(row.sid, row);
        }
        self.recordings.extend(persist.recordings.into_iter().map(|row| (row.sid, row)));
        self.callbacks.extend(persist.callbacks.into_iter().map(|callback| (now, callback)));
    }

    pub fn keep(&mut self, change: BindingChange) {
        match change {
            BindingChange::Set(binding) => {
                self.bindings.insert(binding.key(), *binding);
            }
            BindingChange::Remove(key) => {
                self.bindings.remove(&key);
            }
        }
    }

    /// The n-th leg that was written: 0 is the first caller.
    pub fn leg(&self, n: usize) -> &CallRecord {
        &self.calls[&self.order[n]]
    }

    /// The statuses of all legs in their order, as parameters spell them.
    pub fn statuses(&self) -> Vec<&'static str> {
        self.order.iter().map(|sid| self.calls[sid].status.as_str()).collect()
    }

    /// The n-th recording's status.
    pub fn recording(&self, n: usize) -> &RecordingRecord {
        self.recordings.values().nth(n).expect("so many recordings")
    }

    /// One parameter of all callbacks to a URL.
    pub fn reported(&self, url: &str, parameter: &str) -> Vec<String> {
        let to = self.callbacks.iter().filter(|(_, callback)| callback.url == url);
        to.map(|(_, callback)| value(&callback.parameters, parameter)).collect()
    }
}

/// The value of a parameter; empty when it is not there.
pub fn value(parameters: &[(String, String)], name: &str) -> String {
    parameters.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone()).unwrap_or_default()
}
