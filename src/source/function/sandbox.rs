//! The WebAssembly engine that all functions share: its settings, its slots and its clock.
//!
//! It has no thread of its own: whoever owns it calls [`Sandbox::tick`] every [`TICK`], without
//! which nothing stops a guest that never ends.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Linker, OptLevel, PoolingAllocationConfig,
};

use super::admit::MAX_TABLE;
use super::ask::Asks;
use super::cache::Cache;
use super::error::{Error, LoadError};
use super::instance::{MAX_MEMORY, State};
use super::javascript::Runtime;
use super::{host, wasi};
use crate::base::{Duration, Instant, WallTime};
use crate::directory::grants::Grants;

/// How often the owner calls [`Sandbox::tick`], at which guests that run look at the clock: a
/// runaway lives at most one longer than its limit.
pub const TICK: Duration = Duration::from_millis(5);

/// What guests need of the world outside: the node's clock and chance.
pub trait Host: Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// How long this thread has worked, from some start on: what a guest runs is measured by it,
    /// so that a busy machine costs guests nothing.
    fn worked(&self) -> Instant {
        self.now()
    }
    /// Wall time.
    fn wall(&self) -> WallTime;
    /// Fills `bytes` with unpredictable ones.
    fn random(&self, bytes: &mut [u8]);
    /// Holds this thread for so long.
    fn wait(&self, time: Duration);
    /// Who carries out what an invocation of this function asks for; none where nobody does.
    fn asks(&self, function: &str, grants: &Arc<Grants>) -> Option<Box<dyn Asks>> {
        let _ = (function, grants);
        None
    }
}

/// How a sandbox is set up.
pub struct Setup {
    /// A folder that only this program writes: compiled code is loaded from it and run. Without
    /// one everything is compiled anew.
    pub cache: Option<PathBuf>,
    /// How many invocations may run at once. Each slot reserves 4 GiB of address space (not of
    /// memory), for which memory accesses need no bounds checks.
    pub slots: u32,
    /// Clock and chance.
    pub host: Arc<dyn Host>,
}

/// The shared engine; clones are handles to the same one.
#[derive(Clone)]
pub struct Sandbox(Arc<Shared>);

struct Shared {
    engine: Engine,
    guests: Linker<State>,
    /// For guests that some operation is granted to.
    asking: Linker<State>,
    host: Arc<dyn Host>,
    cache: Cache,
    slots: u32,
    taken: AtomicUsize,
    javascript: OnceLock<Runtime>,
    /// When the JavaScript engine last failed to start, and why; held while it starts.
    failed: Mutex<Option<(Instant, LoadError)>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("slots", &self.0.slots).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Sets up the engine and reserves its address space.
    pub fn new(setup: Setup) -> Result<Sandbox, String> {
        let engine = engine(setup.slots).map_err(|e| format!("cannot start functions: {e:#}"))?;
        let mut guests = Linker::new(&engine);
        host::link(&mut guests).and_then(|()| wasi::link(&mut guests)).expect("names differ");
        let mut asking = guests.clone();
        host::link_operations(&mut asking).expect("names differ");
        Ok(Sandbox(Arc::new(Shared {
            cache: Cache::new(setup.cache, &engine),
            engine,
            guests,
            asking,
            host: setup.host,
            slots: setup.slots,
            taken: AtomicUsize::new(0),
            javascript: OnceLock::new(),
            failed: Mutex::default(),
        })))
    }

    /// Has all running guests look at the clock.
    pub fn tick(&self) {
        self.0.engine.increment_epoch();
    }

    /// Compiles the JavaScript engine, or loads it from the cache, so that the first request does
    /// not wait for it.
    pub fn warm_up(&self) -> Result<(), LoadError> {
        self.javascript().map(drop)
    }

    /// Whether scripts run at once.
    #[cfg(test)]
    pub(crate) fn is_warm(&self) -> bool {
        self.0.javascript.get().is_some()
    }

    /// The engine, started by whoever needs it first. A start that failed, on a machine that stood
    /// still perhaps, is tried again after a while.
    pub(super) fn javascript(&self) -> Result<&Runtime, LoadError> {
        const AGAIN: Duration = Duration::from_secs(10);
        if let Some(runtime) = self.0.javascript.get() {
            return Ok(runtime);
        }
        let mut failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = self.0.javascript.get() {
            return Ok(runtime);
        }
        if let Some((at, error)) = &*failed
            && self.0.host.now().since(*at) < AGAIN
        {
            return Err(error.clone());
        }
        match Runtime::start(self) {
            Ok(runtime) => Ok(self.0.javascript.get_or_init(|| runtime)),
            Err(error) => {
                *failed = Some((self.0.host.now(), error.clone()));
                Err(error)
            }
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What a guest with these grants may import.
    pub(super) fn imports(&self, grants: &Grants) -> &Linker<State> {
        if grants.may_ask() { &self.0.asking } else { &self.0.guests }
    }

    pub(super) fn host(&self) -> &Arc<dyn Host> {
        &self.0.host
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// A place in the pool, until it is dropped.
    pub(super) fn take_slot(&self) -> Result<Slot<'_>, Error> {
        let taken = &self.0.taken;
        let free = |count: usize| (count < self.0.slots as usize).then_some(count + 1);
        taken.fetch_update(Ordering::Acquire, Ordering::Relaxed, free).map_err(|_| Error::Busy)?;
        Ok(Slot(taken))
    }
}

/// The right to one instance of the pool.
pub(super) struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// The stack of guests. With less, deep recursion in JavaScript would trap before the engine's
/// own check makes a RangeError of it.
const WASM_STACK: usize = 2 << 20;
/// What host functions called from the bottom of that stack may use.
const HOST_STACK: usize = 1 << 20;

fn engine(slots: u32) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    config.memory_init_cow(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK).async_stack_size(WASM_STACK + HOST_STACK);
    // Where it trapped; who called that, authors learn by a debugger.
    config.wasm_backtrace_max_frames(Some(NonZeroUsize::MIN));
    // Nobody's guest needs them; `admit` refuses whatever is not in its list, these or others.
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_relaxed_simd(false);
    config.wasm_wide_arithmetic(false).wasm_custom_page_sizes(false);

    let scan = PoolingAllocationConfig::is_pagemap_scan_available();
    let mut pool = PoolingAllocationConfig::new();
    // JavaScript takes two instances: the image with the memory, and the code.
    pool.total_core_instances(slots * 2).total_memories(slots).total_tables(slots * 2);
    pool.total_stacks(slots).max_unused_warm_slots(slots);
    pool.max_memory_size(MAX_MEMORY).table_elements(MAX_TABLE).max_core_instance_size(1 << 20);
    // Without the scan a slot is reset by writing zeros over what stays, which costs time.
    pool.linear_memory_keep_resident(if scan { 4 << 20 } else { 1 << 20 });
    pool.table_keep_resident(16 << 10);
    pool.pagemap_scan(if scan { Enabled::Yes } else { Enabled::No });
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
