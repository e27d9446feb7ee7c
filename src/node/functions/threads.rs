//! The threads that functions run on, and the one whose ticks have them look at the clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::SLOTS;
use crate::source::function::{Sandbox, TICK};

/// Threads for functions alone: speech and files, which calls wait for, too, have others.
pub(super) struct Pool(Option<tokio::runtime::Runtime>);

impl Pool {
    pub(super) fn start() -> Pool {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(SLOTS as usize)
            .thread_name("function")
            .build();
        Pool(runtime.ok())
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        match &self.0 {
            Some(runtime) => runtime.handle().spawn_blocking(work),
            // It has neither sockets nor timers, so that there is always one.
            None => tokio::task::spawn_blocking(work),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // What still runs must not hold up the end, which may come inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Moves the sandbox's clock while anything runs in it, and sleeps otherwise.
pub(super) struct Ticker {
    running: AtomicUsize,
    asleep: Mutex<()>,
    wake: Condvar,
}

/// While this lives, the clock ticks.
pub(super) struct Running(Arc<Ticker>);

impl Ticker {
    pub(super) fn start(sandbox: Sandbox) -> Arc<Ticker> {
        let ticker = Arc::new(Ticker {
            running: AtomicUsize::new(0),
            asleep: Mutex::new(()),
            wake: Condvar::new(),
        });
        let weak = Arc::downgrade(&ticker);
        std::thread::spawn(move || {
            while let Some(ticker) = weak.upgrade() {
                if ticker.running.load(Ordering::Acquire) > 0 {
                    drop(ticker);
                    std::thread::sleep(TICK);
                    sandbox.tick();
                    continue;
                }
                let guard = ticker.asleep.lock().unwrap_or_else(PoisonError::into_inner);
                // Looks up now and then, to end with its owner.
                let idle = std::time::Duration::from_secs(5);
                let nothing = |(): &mut ()| ticker.running.load(Ordering::Acquire) == 0;
                drop(ticker.wake.wait_timeout_while(guard, idle, nothing));
            }
        });
        ticker
    }

    pub(super) fn running(self: &Arc<Self>) -> Running {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            // The lock closes the gap between the ticker's look and its sleep.
            drop(self.asleep.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_one();
        }
        Running(Arc::clone(self))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
