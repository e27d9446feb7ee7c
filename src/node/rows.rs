//! Rows on their way to the store: those that come close together share one transaction.
//!
//! A commit costs a sync and a few thread switches, more than all else that a call does, so it
//! must not be paid for each change of each leg.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::effects::Effects;
use crate::base::id::CallSid;
use crate::call::Persist;

/// Between two transactions: a change that comes after a quiet moment is written at once, one of
/// a busy moment is lost if the process is killed within this time.
const REST: Duration = Duration::from_millis(100);

/// Changes of one transaction.
#[derive(Default)]
struct Group {
    rows: Persist,
    /// Where in `rows` a leg's row stands.
    legs: HashMap<CallSid, usize>,
    changes: usize,
}

impl Group {
    /// Takes another change. Of several rows of one leg the last says it all; reports are kept.
    fn add(&mut self, change: Persist) {
        for row in change.calls {
            match self.legs.get(&row.sid) {
                Some(&at) => self.rows.calls[at] = row,
                None => {
                    self.legs.insert(row.sid, self.rows.calls.len());
                    self.rows.calls.push(row);
                }
            }
        }
        self.rows.recordings.extend(change.recordings);
        self.rows.callbacks.extend(change.callbacks);
        self.changes += 1;
    }

    /// Whether somebody outside waits for it.
    fn is_urgent(&self) -> bool {
        !self.rows.callbacks.is_empty()
    }
}

/// Writes rows in the order in which they came, until nobody sends any.
pub(super) async fn write(own: Rc<Effects>, mut changes: mpsc::Receiver<Persist>) {
    let mut rested = Instant::now();
    while let Some(first) = changes.recv().await {
        let mut group = Group::default();
        group.add(first);
        while !group.is_urgent() {
            match tokio::time::timeout_at(rested, changes.recv()).await {
                Ok(Some(change)) => group.add(change),
                Ok(None) | Err(_) => break,
            }
        }
        while let Ok(change) = changes.try_recv() {
            group.add(change);
        }
        let (count, urgent) = (group.changes, group.is_urgent());
        let begun = Instant::now();
        let written = own.store.persist(group.rows).await;
        own.observer.metrics().store.observe(begun.elapsed());
        if let Err(error) = written {
            tracing::error!("rows of {count} changes are lost: {error}");
        }
        rested = Instant::now() + REST;
        own.written(count, urgent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rng, WallTime};
    use crate::call::{CallRecord, Direction, Status};

    #[test]
    fn of_one_leg_the_last_row_is_written_at_its_first_place() {
        let mut rng = Rng::from_number(1);
        let (one, two) = (CallSid::random(&mut rng), CallSid::random(&mut rng));
        let mut group = Group::default();
        for (sid, status) in
            [(one, Status::Ringing), (two, Status::Initiated), (one, Status::Completed)]
        {
            group.add(Persist { calls: vec![row(sid, status)], ..Persist::default() });
        }
        let written: Vec<_> = group.rows.calls.iter().map(|row| (row.sid, row.status)).collect();
        assert_eq!(written, [(one, Status::Completed), (two, Status::Initiated)]);
        assert_eq!(group.changes, 3);
    }

    fn row(sid: CallSid, status: Status) -> CallRecord {
        CallRecord {
            sid,
            parent: None,
            from: String::new(),
            to: String::new(),
            direction: Direction::Inbound,
            status,
            started: WallTime::from_unix_millis(0),
            answered: None,
            ended: None,
            reason: String::new(),
            sip_status: None,
            sip_call_id: None,
            owed: None,
        }
    }
}
