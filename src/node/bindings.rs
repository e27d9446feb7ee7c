//! Registrations and the states of trunks on their way to the store, and back at the start.
//!
//! Nobody waits for these writes. Of changes of one binding only the last is written, about once a
//! second, away from the thread that carries calls; a crash loses what changed in the last second.
//! What is lost for want of room is a phone's way after a restart, until it registers again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::Clock;
use super::effects::Effects;
use super::start::StartError;
use crate::base::{Epoch, Instant, plural};
use crate::exchange::{Exchange, TrunkChange, TrunkState};
use crate::sip::registrar::{BindingChange, BindingKey, StoredBinding};
use crate::store::{Store, StoreError, TrunkNews, TrunkRow};

/// Between two writes: how much a crash loses.
const REST: Duration = Duration::from_secs(1);

/// Changes that wait: six seconds of 20,000 new registrations a second, about 100 MB.
const MOST_WAITING: usize = 131_072;

/// Changes in one transaction, about 10 ms of the disk: the rows of calls wait no longer.
const MOST_TOGETHER: usize = 2_048;

/// At the end of the process nobody waits longer for a disk that is stuck.
const LONGEST_END: Duration = Duration::from_secs(10);

/// What waits for the store.
pub(super) struct Bindings {
    epoch: Epoch,
    changes: RefCell<HashMap<BindingKey, BindingChange>>,
    /// By whether it is a line, and name; bounded by the configuration.
    trunks: RefCell<BTreeMap<(bool, String), TrunkNews>>,
    /// Changes that found no room since it was last said.
    lost: Cell<u64>,
    came: Notify,
    written: Notify,
    /// A write is under way.
    busy: Cell<bool>,
    /// The process ends: nothing rests any more.
    ending: Notify,
}

impl Bindings {
    /// Nothing waits yet.
    pub(super) fn new(epoch: Epoch) -> Bindings {
        Bindings {
            epoch,
            changes: RefCell::default(),
            trunks: RefCell::default(),
            lost: Cell::default(),
            came: Notify::new(),
            written: Notify::new(),
            busy: Cell::default(),
            ending: Notify::new(),
        }
    }

    /// A change of a registration.
    pub(super) fn put(&self, change: BindingChange) {
        let mut changes = self.changes.borrow_mut();
        if changes.is_empty() {
            self.came.notify_one();
        }
        let key = change.key();
        match changes.len() < MOST_WAITING || changes.contains_key(&key) {
            true => drop(changes.insert(key, change)),
            false => self.lost.set(self.lost.get() + 1),
        }
    }

    /// News of a trunk or line.
    pub(super) fn put_trunk(&self, change: TrunkChange) {
        let epoch = self.epoch;
        let (key, news) = match change {
            TrunkChange::Fares(state) => {
                let row = row(*state, epoch);
                ((row.line, row.name.clone()), TrunkNews::Is(row))
            }
            TrunkChange::Gone { name, line } => ((line, name.clone()), TrunkNews::Gone(line, name)),
        };
        self.trunks.borrow_mut().insert(key, news);
        self.came.notify_one();
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.changes.borrow().len()
    }

    /// Takes back what could not be written, where nothing newer came meanwhile.
    fn put_back(&self, changes: Vec<BindingChange>) {
        let mut waiting = self.changes.borrow_mut();
        for change in changes {
            if waiting.len() >= MOST_WAITING {
                self.lost.set(self.lost.get() + 1);
                continue;
            }
            waiting.entry(change.key()).or_insert(change);
        }
    }

    /// Writes all that waits now; whether the store is in order.
    async fn write(&self, store: &dyn Store) -> bool {
        let news: Vec<TrunkNews> =
            std::mem::take(&mut *self.trunks.borrow_mut()).into_values().collect();
        if !news.is_empty()
            && let Err(error) = store.note_trunks(news).await
        {
            tracing::warn!("the states of trunks are not written: {error}");
        }
        let all = std::mem::take(&mut *self.changes.borrow_mut());
        let mut all = all.into_values();
        loop {
            let some: Arc<[BindingChange]> = all.by_ref().take(MOST_TOGETHER).collect();
            if some.is_empty() {
                return true;
            }
            let written = keep(store, Arc::clone(&some)).await;
            if let Err(error) = written {
                tracing::warn!("registrations wait: {error}");
                self.put_back(some.iter().cloned().chain(all).collect());
                return false;
            }
            // Ten thousand strings are freed elsewhere: this thread carries calls.
            drop(tokio::task::spawn_blocking(move || drop(some)));
        }
    }

    fn tell_lost(&self) {
        let lost = self.lost.take();
        if lost > 0 {
            tracing::error!(
                "{lost} changes of registrations not kept (the disk does not keep up): after a \
                 restart these phones are known once they register again"
            );
        }
    }

    /// At the end: waits until all is written, and nobody is told any more how trunks fare.
    pub(super) async fn settle(&self, store: &dyn Store) {
        self.trunks.borrow_mut().clear();
        self.ending.notify_one();
        let all = async {
            while self.busy.get() || self.waiting() > 0 {
                self.written.notified().await;
            }
        };
        if tokio::time::timeout(LONGEST_END, all).await.is_err() {
            let count = plural(self.waiting(), "registration");
            tracing::error!("{count} not written: the server stopped");
        }
        forget_trunks(store).await;
    }
}

/// Writes changes in one transaction. One that the database refuses must not cost the others
/// theirs: what is refused is halved until it is found.
async fn keep(store: &dyn Store, changes: Arc<[BindingChange]>) -> Result<(), StoreError> {
    let mut left = vec![changes];
    while let Some(some) = left.pop() {
        match store.keep(Arc::clone(&some)).await {
            Err(error) if !error.may_pass() => match some.split_at(some.len() / 2) {
                ([], [bad, ..]) => {
                    let key = bad.key();
                    let whose = &key.address_of_record;
                    tracing::error!("a registration of {whose} is not kept: {error}");
                }
                (one, two) => left.extend([two.into(), one.into()]),
            },
            result => result?,
        }
    }
    Ok(())
}

async fn forget_trunks(store: &dyn Store) {
    if let Err(error) = store.note_trunks(vec![TrunkNews::AllGone]).await {
        tracing::warn!("the states of trunks are not forgotten: {error}");
    }
}

/// Writes what comes, until the process ends.
pub(super) async fn write(own: Rc<Effects>) {
    let bindings = &own.bindings;
    loop {
        bindings.came.notified().await;
        tokio::select! {
            () = tokio::time::sleep(REST) => {}
            () = bindings.ending.notified() => {}
        }
        bindings.busy.set(true);
        let sound = bindings.write(&*own.store).await;
        bindings.busy.set(false);
        bindings.tell_lost();
        bindings.written.notify_one();
        if !sound {
            tokio::time::sleep(REST).await;
            bindings.came.notify_one();
        }
    }
}

/// What was kept of before the process, for the exchanges that are to have it.
pub(super) struct Kept {
    bindings: Vec<StoredBinding>,
    found: usize,
    restored: usize,
    begun: Instant,
}

/// Reads it, before anybody can call or register.
pub(super) async fn kept(store: &dyn Store, clock: &Clock) -> Result<Kept, StartError> {
    forget_trunks(store).await;
    let begun = clock.now();
    let kept = store.bindings().await.map_err(StartError::Store)?;
    if kept.unreadable > 0 {
        tracing::warn!("{} cannot be read", plural(kept.unreadable, "kept registration"));
    }
    let found = kept.bindings.len();
    Ok(Kept { bindings: kept.bindings, found, restored: 0, begun })
}

impl Kept {
    /// Gives an exchange what belongs to its users.
    pub(super) fn restore(&mut self, exchange: &mut Exchange, clock: &Clock) {
        let all = std::mem::take(&mut self.bindings);
        let (own, others) = exchange.divide(all);
        self.bindings = others;
        self.restored += exchange.restore(clock.now(), own);
    }

    /// One line for the log.
    pub(super) fn tell_restored(&self, clock: &Clock) {
        if self.found > 0 {
            let took = clock.now().since(self.begun).as_millis();
            let all = plural(self.restored, "registration");
            let over = self.found - self.restored;
            tracing::info!("{all} restored in {took} ms, {over} over or out of reach");
        }
    }
}

/// As `offhook lines` reads it.
fn row(state: TrunkState, epoch: Epoch) -> TrunkRow {
    let wall = |at: Instant| epoch.wall(at);
    TrunkRow {
        line: state.user.is_some(),
        state: state.words().to_owned(),
        up: state.up,
        since: wall(state.since),
        server: state.server.map(|server| server.to_string()),
        retry: state.retry().map(wall),
        until: state.until().map(wall),
        trouble: state.trouble,
        user: state.user,
        name: state.name,
    }
}

#[cfg(test)]
mod tests;
