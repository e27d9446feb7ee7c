//! Whether a connection waits for its peer, and who has done so longest.
//!
//! By order and not by time: nothing here reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what connections do, all together.
#[derive(Clone, Debug)]
pub struct Order(Arc<AtomicU64>);

impl Default for Order {
    fn default() -> Self {
        Order(Arc::new(AtomicU64::new(1)))
    }
}

impl Order {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// One connection, as the table of all sees it. It waits for its peer but for the time between a
/// request that came whole and its answer: what a peer does not send, and does not take, is its own
/// doing.
#[derive(Debug)]
pub struct Idle {
    order: Order,
    /// Zero while a request is answered.
    since: AtomicU64,
}

impl Default for Idle {
    fn default() -> Self {
        Idle::new(&Order::default())
    }
}

impl Idle {
    /// A connection that has just come.
    pub fn new(order: &Order) -> Idle {
        Idle { order: order.clone(), since: AtomicU64::new(order.next()) }
    }

    /// Since when it waits, as a place in the order of all; `None` while a request is answered.
    pub fn since(&self) -> Option<u64> {
        Some(self.since.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// A request is answered until this is dropped.
    pub fn answering(&self) -> Answering<'_> {
        self.since.store(0, Ordering::Relaxed);
        Answering(self)
    }
}

/// A request in hand.
#[derive(Debug)]
pub struct Answering<'a>(&'a Idle);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.since.store(self.0.order.next(), Ordering::Relaxed);
    }
}
