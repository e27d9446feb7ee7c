//! Orders on their way to the exchanges, and who waits for what becomes of them.
//!
//! An exchange answers in the turn in which it hears of one; who waits does so outside of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::id::CallSid;
use crate::call::{CallRecord, Change, Denied, Order, Placement};
use crate::exchange::{Input, OrderNumber, Outcome};

/// An exchange that has not answered by then is stuck, or goes down.
const PATIENCE: Duration = Duration::from_secs(5);

/// Orders that are under way. Whoever gives them is bounded: there are no more than those wait.
#[derive(Default)]
pub(super) struct Orders {
    last: AtomicU64,
    waiting: Mutex<BTreeMap<OrderNumber, mpsc::Sender<Outcome>>>,
}

/// One that is waited for; forgotten when nobody does any more.
struct Waiting<'a> {
    orders: &'a Orders,
    number: OrderNumber,
    outcomes: mpsc::Receiver<Outcome>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.orders.table().remove(&self.number);
    }
}

impl Orders {
    fn table(&self) -> std::sync::MutexGuard<'_, BTreeMap<OrderNumber, mpsc::Sender<Outcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An exchange says what became of one.
    pub(super) fn told(&self, number: OrderNumber, outcome: Outcome) {
        let waiting = self.table().get(&number).cloned();
        if let Some(waiting) = waiting {
            // There is room for one of each exchange.
            let _ = waiting.try_send(outcome);
        }
    }

    fn begin(&self, exchanges: usize) -> Waiting<'_> {
        let number = OrderNumber(self.last.fetch_add(1, Ordering::Relaxed));
        let (sender, outcomes) = mpsc::channel(exchanges.max(1));
        self.table().insert(number, sender);
        Waiting { orders: self, number, outcomes }
    }

    /// Has one exchange place a call; they take turns.
    pub(super) async fn place(
        &self,
        shards: &[mpsc::Sender<Input>],
        placement: Placement,
    ) -> Result<CallRecord, Denied> {
        let mut waiting = self.begin(1);
        let turn = usize::try_from(waiting.number.0).unwrap_or_default();
        let shard = shards.get(turn % shards.len().max(1)).ok_or_else(going_down)?;
        let order = Box::new(Order::Place(Box::new(placement)));
        let sent = shard.send(Input::Order(waiting.number, order)).await;
        sent.map_err(|_| going_down())?;
        match waiting.next().await? {
            Outcome::Done(record) => Ok(*record),
            Outcome::Denied(denied) => Err(denied),
            Outcome::Elsewhere => Err(going_down()),
        }
    }

    /// Has a call changed by whichever exchange carries it; `None` where none does.
    pub(super) async fn change(
        &self,
        shards: &[mpsc::Sender<Input>],
        sid: CallSid,
        change: Change,
    ) -> Result<Option<CallRecord>, Denied> {
        let mut waiting = self.begin(shards.len());
        for shard in shards {
            let order = Box::new(Order::Change(sid, Box::new(change.clone())));
            let sent = shard.send(Input::Order(waiting.number, order)).await;
            sent.map_err(|_| going_down())?;
        }
        for _ in shards {
            match waiting.next().await? {
                Outcome::Done(record) => return Ok(Some(*record)),
                Outcome::Denied(denied) => return Err(denied),
                Outcome::Elsewhere => {}
            }
        }
        Ok(None)
    }
}

impl Waiting<'_> {
    async fn next(&mut self) -> Result<Outcome, Denied> {
        let outcome = tokio::time::timeout(PATIENCE, self.outcomes.recv()).await;
        outcome.ok().flatten().ok_or_else(going_down)
    }
}

fn going_down() -> Denied {
    let message = "Service unavailable: the server is going down, or cannot follow.".to_owned();
    Denied { status: 503, code: 20503, message }
}
