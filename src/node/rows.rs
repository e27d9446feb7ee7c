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
use crate::call::{CallRecord, Persist};
use crate::store::StoreError;

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

/// The legs of a change that are over, and why, for the log.
pub(super) fn endings(change: &Persist) -> impl Iterator<Item = String> {
    change.calls.iter().filter(|row| row.status.is_final()).map(|row| {
        let (sid, way, status) = (row.sid, row.direction.as_str(), row.status.as_str());
        format!("{sid}: {way} {} to {}: {status}, {}", row.from, row.to, row.reason)
    })
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
    changes: Vec<Persist>,
}

impl Group {
    /// All rows in the order in which they came. Of several rows of one leg the last says it all,
    /// and stands at the place of the first; reports are kept.
    fn rows(&self) -> Persist {
        let mut legs: HashMap<CallSid, usize> = HashMap::new();
        let mut calls: Vec<&CallRecord> = vec![];
        for row in self.changes.iter().flat_map(|change| &change.calls) {
            match legs.get(&row.sid) {
                Some(&at) => calls[at] = row,
                None => {
                    legs.insert(row.sid, calls.len());
                    calls.push(row);
                }
            }
        }
        let changes = &self.changes;
        Persist {
            calls: calls.into_iter().cloned().collect(),
            recordings: changes.iter().flat_map(|change| &change.recordings).cloned().collect(),
            callbacks: changes.iter().flat_map(|change| &change.callbacks).cloned().collect(),
        }
    }

    /// Whether somebody outside waits for it.
    fn is_urgent(&self) -> bool {
        self.changes.iter().any(|change| !change.callbacks.is_empty())
    }

    /// Writes it, however that ends: `done` hears of so many of the oldest changes at a time. A
    /// store that fails as a whole is waited for as long as there is room for what comes
    /// meanwhile; one bad row costs only its own change.
    async fn write<F: Future<Output = Result<(), StoreError>>>(
        mut self,
        patience: Patience,
        persist: impl Fn(Persist) -> F,
        has_room: impl Fn() -> bool,
        mut done: impl FnMut(usize, Result<(), StoreError>),
    ) {
        let count = self.changes.len();
        let together = insist(patience, || persist(self.rows()), &has_room).await;
        match together {
            Err(error) if count > 1 && !error.may_pass() => {}
            result => return done(count, result),
        }
        let mut left = count;
        for change in std::mem::take(&mut self.changes) {
            match insist(patience, || persist(change.clone()), &has_room).await {
                // The store is out now: no other change fares better.
                Err(error) if error.may_pass() => return done(left, Err(error)),
                result => done(1, result),
            }
            left -= 1;
        }
    }
}

/// How long a store that fails is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// Before the second try; twice as long before each next one.
    pause: Duration,
    /// But no longer.
    longest: Duration,
    /// After the first failure.
    total: Duration,
}

impl Patience {
    /// A backup of a large database, or a disk that is being made room on, takes a minute.
    const USUAL: Patience = Patience {
        pause: Duration::from_millis(250),
        longest: Duration::from_secs(4),
        total: Duration::from_secs(60),
    };
}

/// Tries until it is done, cannot be done, or is not to be waited for.
async fn insist<F: Future<Output = Result<(), StoreError>>>(
    patience: Patience,
    attempt: impl Fn() -> F,
    has_room: impl Fn() -> bool,
) -> Result<(), StoreError> {
    let mut pause = patience.pause;
    let mut until = None;
    loop {
        let Err(error) = attempt().await else { return Ok(()) };
        let until = *until.get_or_insert_with(|| {
            tracing::warn!("rows wait: {error}");
            Instant::now() + patience.total
        });
        if !error.may_pass() || !has_room() || Instant::now() >= until {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(patience.longest);
    }
}

/// Writes rows in the order in which they came, until nobody sends any.
pub(super) async fn write(own: Rc<Effects>, mut changes: mpsc::Receiver<Persist>) {
    let mut rested = Instant::now();
    while let Some(first) = changes.recv().await {
        let mut group = Group { changes: vec![first] };
        let mut urgent = group.is_urgent();
        while !urgent {
            match tokio::time::timeout_at(rested, changes.recv()).await {
                Ok(Some(change)) => {
                    urgent = !change.callbacks.is_empty();
                    group.changes.push(change);
                }
                Ok(None) | Err(_) => break,
            }
        }
        while let Ok(change) = changes.try_recv() {
            group.changes.push(change);
        }
        let urgent = group.is_urgent();
        let persist = |rows: Persist| {
            let begun = Instant::now();
            let own = Rc::clone(&own);
            async move {
                let written = own.store.persist(rows).await;
                own.observer.metrics().store.observe(begun.elapsed());
                written
            }
        };
        // Half a channel is left to those that come while the last try is under way.
        let has_room = || changes.len() < changes.max_capacity() / 2;
        let done = |count: usize, written: Result<(), StoreError>| {
            if let Err(error) = written {
                tell_lost(&own.unwritten.oldest(count), error);
            }
            own.unwritten.remove(count);
            own.written(count, urgent);
        };
        group.write(Patience::USUAL, persist, has_room, done).await;
        rested = Instant::now() + REST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rng, WallTime};
    use crate::call::{Direction, Status};
    use std::cell::Cell;

    #[test]
    fn of_one_leg_the_last_row_is_written_at_its_first_place() {
        let mut rng = Rng::from_number(1);
        let (one, two) = (CallSid::random(&mut rng), CallSid::random(&mut rng));
        let changes = [(one, Status::Ringing), (two, Status::Initiated), (one, Status::Completed)];
        let change =
            |(sid, status)| Persist { calls: vec![row(sid, status)], ..Persist::default() };
        let group = Group { changes: changes.map(change).into() };
        let rows = group.rows();
        let written: Vec<_> = rows.calls.iter().map(|row| (row.sid, row.status)).collect();
        assert_eq!(written, [(one, Status::Completed), (two, Status::Initiated)]);
    }

    #[test]
    fn the_log_is_told_of_legs_that_are_over() {
        let mut rng = Rng::from_number(7);
        let [one, two, three] = [(); 3].map(|()| CallSid::random(&mut rng));
        let calls = vec![row(one, Status::Completed), row(two, Status::Ringing)];
        let mut change = Persist { calls, ..Persist::default() };
        change.calls.push(CallRecord { reason: "busy".into(), ..row(three, Status::Busy) });
        let lines: Vec<String> = endings(&change).collect();
        let of = |sid, end| format!("{sid}: inbound  to : {end}");
        assert_eq!(lines, [of(one, "completed, "), of(three, "busy, busy")]);
    }

    /// Tries again at once, for so long.
    fn patience(total: Duration) -> Patience {
        Patience { pause: Duration::ZERO, longest: Duration::ZERO, total }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn group(rng: &mut Rng) -> (Vec<CallSid>, Group) {
        let sids: Vec<CallSid> = (0..5).map(|_| CallSid::random(rng)).collect();
        let one = |&sid| Persist { calls: vec![row(sid, Status::Completed)], ..Persist::default() };
        let changes = sids.iter().map(one).collect();
        (sids, Group { changes })
    }

    #[tokio::test]
    async fn a_store_that_is_locked_for_a_while_costs_no_row() {
        let (sids, group) = group(&mut Rng::from_number(4));
        let (tries, written) = (RefCell::new(0), RefCell::new(vec![]));
        let persist = |rows: Persist| {
            *tries.borrow_mut() += 1;
            let locked = *tries.borrow() < 4;
            if !locked {
                written.borrow_mut().extend(rows.calls.iter().map(|row| row.sid));
            }
            std::future::ready(match locked {
                true => Err(StoreError::Backend("database is locked".to_owned())),
                false => Ok(()),
            })
        };
        let mut told = vec![];
        let done = |count, result: Result<(), StoreError>| told.push((count, result.is_ok()));
        group.write(patience(MINUTE), persist, || true, done).await;
        assert_eq!((told, *tries.borrow()), (vec![(5, true)], 4));
        assert_eq!(*written.borrow(), sids, "all, once, in one transaction");
    }

    #[tokio::test]
    async fn a_store_that_stays_out_is_given_up_in_time_or_for_want_of_room() {
        for (total, room) in [(Duration::ZERO, true), (MINUTE, false)] {
            let (_, group) = group(&mut Rng::from_number(5));
            let tries = Cell::new(0);
            let persist = |_| {
                tries.set(tries.get() + 1);
                std::future::ready(Err(StoreError::Backend("disk full".to_owned())))
            };
            let mut told = vec![];
            let done = |count, result: Result<(), StoreError>| told.push((count, result.is_ok()));
            group.write(patience(total), persist, || room, done).await;
            assert_eq!((told, tries.get()), (vec![(5, false)], 1));
        }
    }

    #[tokio::test]
    async fn one_bad_row_costs_only_itself() {
        let (sids, group) = group(&mut Rng::from_number(6));
        let written = RefCell::new(vec![]);
        let persist = |rows: Persist| {
            let bad = rows.calls.iter().any(|row| row.sid == sids[2]);
            if !bad {
                written.borrow_mut().extend(rows.calls.iter().map(|row| row.sid));
            }
            std::future::ready(match bad {
                true => Err(StoreError::Rejected("a constraint".to_owned())),
                false => Ok(()),
            })
        };
        let mut told = vec![];
        let done = |count, result: Result<(), StoreError>| told.push((count, result.is_ok()));
        group.write(patience(MINUTE), persist, || true, done).await;
        assert_eq!(told, [(1, true), (1, true), (1, false), (1, true), (1, true)]);
        assert_eq!(*written.borrow(), [sids[0], sids[1], sids[3], sids[4]]);
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
