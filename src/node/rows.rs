//! Rows on their way to the store: those that come close together share one transaction.
//!
//! A commit costs a sync and a few thread switches, more than all else that a call does, so it
//! must not be paid for each change of each leg.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::effects::Effects;
use crate::base::id::{CallSid, RecordingSid};
use crate::call::Persist;

/// Between two transactions: a change that comes after a quiet moment, or that somebody outside is
/// to be told of, is written at once; another of a busy moment is lost if the process is killed
/// within this time, as the last second of a recording is.
const REST: Duration = Duration::from_millis(1_000);

/// At the end of the process: a store that has written nothing for so long writes no more. It
/// waits 5 s itself for a database that another program has locked.
const STALLED: Duration = Duration::from_secs(6);

/// At the end of the process nobody waits longer, however much there is.
const LONGEST_END: Duration = Duration::from_secs(10);

/// What waits for the store, in the order in which it is written: changes are as many as the
/// queue to the writer holds, and those of the transaction under way.
#[derive(Default)]
pub(super) struct Unwritten {
    changes: RefCell<VecDeque<Vec<Sid>>>,
    progress: Notify,
}

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sid {
    Call(CallSid),
    Recording(RecordingSid),
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sid::Call(sid) => sid.fmt(f),
            Sid::Recording(sid) => sid.fmt(f),
        }
    }
}

impl Unwritten {
    /// A change was given to the writer.
    pub(super) fn add(&self, sids: Vec<Sid>) {
        self.changes.borrow_mut().push_back(sids);
    }

    /// The oldest changes were written, or given up.
    fn remove(&self, count: usize) {
        let mut changes = self.changes.borrow_mut();
        let count = count.min(changes.len());
        changes.drain(..count);
        self.progress.notify_one();
    }

    /// The rows of the oldest changes, each once.
    fn oldest(&self, count: usize) -> Vec<Sid> {
        let changes = self.changes.borrow();
        let oldest: BTreeSet<Sid> = changes.iter().take(count).flatten().copied().collect();
        oldest.into_iter().collect()
    }

    /// Waits until all is written, as long as the store goes on writing; gives what is not.
    pub(super) async fn settle(&self) -> Vec<Sid> {
        self.settle_within(STALLED, LONGEST_END).await
    }

    async fn settle_within(&self, stalled: Duration, longest: Duration) -> Vec<Sid> {
        let end = Instant::now() + longest;
        while !self.changes.borrow().is_empty() {
            let patience = end.min(Instant::now() + stalled);
            if tokio::time::timeout_at(patience, self.progress.notified()).await.is_err() {
                break;
            }
        }
        self.oldest(usize::MAX)
    }
}

/// The rows of a change.
pub(super) fn sids(change: &Persist) -> Vec<Sid> {
    let calls = change.calls.iter().map(|row| Sid::Call(row.sid));
    let recordings = change.recordings.iter().map(|row| Sid::Recording(row.sid));
    let reports = change.callbacks.iter().map(|report| Sid::Call(report.call));
    calls.chain(recordings).chain(reports).collect()
}

/// Says that rows are lost, and whose; a few dozen a line.
pub(super) fn tell_lost(rows: &[Sid], why: impl fmt::Display) {
    for some in rows.chunks(40) {
        let names: Vec<String> = some.iter().map(ToString::to_string).collect();
        tracing::error!("rows not written ({why}): {}", names.join(" "));
    }
}

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
            tell_lost(&own.unwritten.oldest(count), error);
        }
        rested = Instant::now() + REST;
        own.unwritten.remove(count);
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

    fn change(sids: &[CallSid]) -> Vec<Sid> {
        let calls = sids.iter().map(|&sid| row(sid, Status::Completed)).collect();
        super::sids(&Persist { calls, ..Persist::default() })
    }

    #[tokio::test]
    async fn the_end_waits_for_a_store_that_goes_on_writing() {
        let mut rng = Rng::from_number(2);
        let unwritten = Rc::new(Unwritten::default());
        for _ in 0..50 {
            unwritten.add(change(&[CallSid::random(&mut rng)]));
        }
        let minute = Duration::from_secs(60);
        let store = async {
            for _ in 0..50 {
                tokio::task::yield_now().await;
                unwritten.remove(1);
            }
        };
        let (lost, ()) = tokio::join!(unwritten.settle_within(minute, minute), store);
        assert_eq!(lost, [], "all is written");
    }

    #[tokio::test]
    async fn what_a_dead_store_did_not_write_is_named_once() {
        let mut rng = Rng::from_number(3);
        let [one, two, three] = [(); 3].map(|()| CallSid::random(&mut rng));
        let unwritten = Unwritten::default();
        unwritten.add(change(&[one]));
        unwritten.add(change(&[two, three]));
        unwritten.add(change(&[two]));
        unwritten.remove(1);
        let instant = Duration::from_millis(1);
        let lost = unwritten.settle_within(instant, Duration::from_secs(60)).await;
        let mut wanted = [Sid::Call(two), Sid::Call(three)];
        wanted.sort();
        assert_eq!(lost, wanted, "a store that stands still");
        assert_eq!(unwritten.settle_within(Duration::from_secs(60), instant).await, wanted);
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
