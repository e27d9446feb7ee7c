//! The shards beside the first: each on a thread with a runtime of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, mpsc, oneshot};

use super::shard::{Parts, Shard};
use super::sip_io::{Bound, Settings, SipIo};
use crate::exchange::Input;
use crate::sip::ShardId;

/// At the end nobody waits longer for a thread: it writes its rows within ten seconds.
const LONGEST_END: Duration = Duration::from_secs(15);

/// Orders that a shard has not taken yet: there are three in a life.
const ORDERS: usize = 4;

/// What all shards do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// No new calls.
    Drain,
    /// All calls end now.
    Shutdown,
    /// Finish and let everything go.
    End,
}

/// All threads of a server but the first.
pub(super) struct Threads {
    threads: Vec<Thread>,
    /// Rung when a shard has no more calls.
    quieter: Arc<Notify>,
    ends: mpsc::Sender<ShardId>,
    ended: mpsc::Receiver<ShardId>,
}

struct Thread {
    orders: mpsc::Sender<Order>,
    calls: Arc<AtomicUsize>,
}

impl Threads {
    /// None yet.
    pub(super) fn new() -> Threads {
        let (ends, ended) = mpsc::channel(usize::from(crate::sip::Shards::MAX));
        Threads { threads: vec![], quieter: Arc::new(Notify::new()), ends, ended }
    }

    /// Starts a shard; gives the way into its exchange once it is at work.
    pub(super) async fn start(
        &mut self,
        parts: Parts,
        bound: Bound,
        settings: Settings,
    ) -> io::Result<mpsc::Sender<Input>> {
        let (orders, taken) = mpsc::channel(ORDERS);
        let (ready, started) = oneshot::channel();
        let calls = Arc::new(AtomicUsize::new(0));
        self.threads.push(Thread { orders, calls: Arc::clone(&calls) });
        let (quieter, ends) = (Arc::clone(&self.quieter), self.ends.clone());
        let id = parts.id;
        let work = move || async move {
            let _end = End(id, ends);
            let opened = SipIo::open(bound, settings, id).and_then(|sip| Shard::open(parts, sip));
            match opened {
                Ok(shard) => {
                    let _ = ready.send(Ok(shard.effects.sender()));
                    let serving = serve(shard, taken, calls, quieter);
                    // As a task: what `block_on` is given is woken by a system call.
                    let _ = tokio::task::spawn_local(serving).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        std::thread::Builder::new().name(format!("shard-{}", id.0)).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(16)
                .build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(work());
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!("shard {}: {error}", id.0),
            }
        })?;
        let crashed = |_| io::Error::other(format!("shard {} did not start", id.0));
        started.await.map_err(crashed)?
    }

    /// Tells all of them.
    pub(super) fn order(&self, order: Order) {
        for thread in &self.threads {
            // One that takes no orders has ended, and is not waited for.
            let _ = thread.orders.try_send(order);
        }
    }

    /// Their calls.
    pub(super) fn calls(&self) -> usize {
        self.threads.iter().map(|thread| thread.calls.load(Ordering::Relaxed)).sum()
    }

    /// Resolves when one of them has no more calls, or ends that was not told to.
    pub(super) async fn heard(&mut self) -> Option<ShardId> {
        if self.threads.is_empty() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = self.quieter.notified() => None,
            shard = self.ended.recv() => shard,
        }
    }

    /// Waits until all have ended.
    pub(super) async fn ended(&mut self) {
        for _ in 0..self.threads.len() {
            if tokio::time::timeout(LONGEST_END, self.ended.recv()).await.is_err() {
                return tracing::error!("a shard does not end");
            }
        }
    }
}

/// Tells of the end of a thread, a crash included.
struct End(ShardId, mpsc::Sender<ShardId>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.1.try_send(self.0);
    }
}

async fn serve(
    mut shard: Shard,
    mut orders: mpsc::Receiver<Order>,
    calls: Arc<AtomicUsize>,
    quieter: Arc<Notify>,
) {
    let mut draining = false;
    loop {
        tokio::select! {
            () = shard.turn() => {}
            order = orders.recv() => match order {
                Some(Order::Drain) => {
                    draining = true;
                    shard.give(Input::Drain);
                }
                Some(Order::Shutdown) => shard.give(Input::Shutdown),
                Some(Order::End) | None => break,
            },
        }
        shard.show();
        let now = shard.exchange.calls();
        let before = calls.swap(now, Ordering::Relaxed);
        if draining && now == 0 && before != 0 {
            quieter.notify_one();
        }
    }
    shard.finish().await;
    shard.close().await;
}
