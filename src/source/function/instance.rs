//! One invocation: a store with its limits, and the two ways a call in it can end.
//!
//! Guest code runs on a fiber's stack, never on the caller's: the 2 MiB that a guest may use would
//! not fit on an ordinary thread, and running over the end of that one would end the process.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::{ResourceLimiter, Store, Trap, UpdateDeadline};

use super::admit::MAX_TABLE;
use super::ask::{self, Asked};
use super::bundle::Bundle;
use super::error::{Failure, plain};
use super::event::{Cost, Level, LogLine};
use super::sandbox::{Host, Sandbox};
use super::wasi::Streams;
use crate::base::{Duration, Instant};
use crate::directory::grants::Grants;

pub use crate::directory::grants::{Limits, MAX_MEMORY};

/// What a host function does at once: a fraction of a tick, whatever it does.
pub(super) const PART: usize = 64 << 10;

/// A thread that waits for so long has slept.
const SHORTEST_WAIT: Duration = Duration::from_micros(100);

/// What host functions know about the invocation that calls them.
pub(super) struct State {
    pub(super) host: Arc<dyn Host>,
    pub(super) limits: Limits,
    pub(super) environment: Arc<[(String, String)]>,
    /// Bytes for standard input, and how many of them have been read.
    pub(super) input: (Vec<u8>, usize),
    pub(super) output: Vec<u8>,
    pub(super) streams: Streams,
    /// The files of the script, while it is deployed; and the last answer about them.
    pub(super) bundle: Option<Bundle>,
    pub(super) loaded: Vec<u8>,
    pub(super) exit: Option<i32>,
    /// Set by the host function that stops the guest.
    pub(super) failure: Option<Failure>,
    /// Whose invocation this is, and what it may do; none while a script is deployed.
    pub(super) granted: Option<(String, Arc<Grants>)>,
    /// Its operations, from the first on.
    asked: Option<Asked>,
    /// What the guest was told to take.
    answer: Option<String>,
    log: Vec<LogLine>,
    log_bytes: usize,
    memory: usize,
    wants_memory: bool,
    started: Instant,
    /// How long it ran before it last waited, and since when it runs again, by the thread's work.
    ran: Duration,
    resumed: Instant,
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= self.limits.memory;
        if fits {
            self.memory = self.memory.max(desired);
        }
        self.wants_memory |= !fits;
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }
}

impl State {
    /// Adds to the log; the error ends the guest that floods it.
    pub(super) fn write_log(&mut self, level: Level, text: &[u8]) -> wasmtime::Result<()> {
        self.charge_log(text.len(), true)?;
        self.push_log(level, text);
        Ok(())
    }

    /// Adds a line that is paid for.
    pub(super) fn push_log(&mut self, level: Level, text: &[u8]) {
        self.log.push(LogLine { level, text: String::from_utf8_lossy(text).into_owned() });
    }

    /// Counts what was written to the log, whether it is kept or not, and whether a line begins.
    pub(super) fn charge_log(&mut self, bytes: usize, begins: bool) -> wasmtime::Result<()> {
        // A line costs the host more than its text.
        const LINE_OVERHEAD: usize = 16;
        let line = if begins { LINE_OVERHEAD } else { 0 };
        self.log_bytes = self.log_bytes.saturating_add(bytes).saturating_add(line);
        match self.log_bytes > self.limits.log {
            true => Err(self.stop(Failure::LogFlood)),
            false => Ok(()),
        }
    }

    /// Remembers why and gives the error that a host function returns to end its guest.
    pub(super) fn stop(&mut self, failure: Failure) -> wasmtime::Error {
        let error = wasmtime::Error::msg(failure.to_string());
        self.failure.get_or_insert(failure);
        error
    }

    /// Begins an operation and gives its number; 0 where nothing can be asked: while a script is
    /// deployed.
    pub(super) fn ask(&mut self, text: &[u8]) -> u32 {
        let Some((function, grants)) = &self.granted else { return 0 };
        let host = &self.host;
        let begin = || Asked::new(function, host.asks(function, grants));
        self.asked.get_or_insert_with(begin).begin(grants, text)
    }

    /// Ends a guest that has run for longer than it may: asked at every tick, and between the parts
    /// of whatever a host function does that takes its time.
    pub(super) fn check_time(&mut self) -> wasmtime::Result<()> {
        let now = self.host.now();
        if self.ran + self.host.worked().since(self.resumed) >= self.limits.running {
            return Err(self.stop(Failure::RunningTime));
        }
        if now.since(self.started) >= self.limits.wall {
            return Err(self.stop(Failure::WallTime));
        }
        Ok(())
    }

    /// Does `act` on all of `bytes`, which may be the guest's whole memory, part by part.
    pub(super) fn in_parts(
        &mut self,
        bytes: &mut [u8],
        mut act: impl FnMut(&mut Self, &mut [u8]),
    ) -> wasmtime::Result<()> {
        for part in bytes.chunks_mut(PART) {
            self.check_time()?;
            act(self, part);
        }
        Ok(())
    }

    /// Waits for an answer as long as the guest asks (none: as long as there is one to come) and
    /// its wall time allows; gives the answer's length. Waiting is not running.
    pub(super) fn next(&mut self, time: Option<Duration>) -> wasmtime::Result<Option<usize>> {
        self.check_time()?;
        let waiting = self.is_waiting();
        if !waiting && time.is_none() {
            self.answer = None;
            return Ok(None);
        }
        let (begun, worked) = (self.host.now(), self.host.worked());
        let allowed = self.limits.wall.saturating_sub(begun.since(self.started));
        let longest = time.map_or(allowed, |time| time.min(allowed));
        let answered = match self.asked.as_mut().filter(|_| waiting) {
            Some(asked) => asked.next(longest),
            None => {
                self.host.wait(longest);
                None
            }
        };
        let waited = self.resume(begun, worked);
        if answered.is_none() && time.is_none_or(|time| time >= allowed) {
            return Err(self.stop(Failure::WallTime));
        }
        self.answer = answered.map(|(id, answer)| ask::spell(id, answer, waited));
        Ok(self.answer.as_ref().map(String::len))
    }

    /// Waits for so long, as far as its wall time allows. Waiting is not running.
    pub(super) fn nap(&mut self, time: Duration) -> wasmtime::Result<()> {
        self.check_time()?;
        if time.is_zero() {
            return Ok(());
        }
        let (begun, worked) = (self.host.now(), self.host.worked());
        let allowed = self.limits.wall.saturating_sub(begun.since(self.started));
        self.host.wait(time.min(allowed));
        self.resume(begun, worked);
        if time >= allowed { Err(self.stop(Failure::WallTime)) } else { Ok(()) }
    }

    /// Runs again, after waiting since `begun`, when the thread had worked so much: for so long.
    fn resume(&mut self, begun: Instant, worked: Instant) -> Duration {
        let waited = self.host.now().since(begun);
        // What is over at once was no wait, or a loop of it would be no running.
        if waited >= SHORTEST_WAIT {
            self.ran += worked.since(self.resumed);
            self.resumed = self.host.worked();
        }
        waited
    }

    fn is_waiting(&self) -> bool {
        self.asked.as_ref().is_some_and(Asked::is_waiting)
    }

    /// The answer whose length was told last; once.
    pub(super) fn take(&mut self) -> String {
        self.answer.take().unwrap_or_default()
    }
}

/// A fresh store with its clock running.
pub(super) fn open(
    sandbox: &Sandbox,
    limits: Limits,
    environment: Arc<[(String, String)]>,
) -> Store<State> {
    let host = sandbox.host().clone();
    let (started, resumed) = (host.now(), host.worked());
    let mut store = Store::new(
        sandbox.engine(),
        State {
            host,
            limits,
            environment,
            input: (Vec::new(), 0),
            output: Vec::new(),
            streams: Streams::default(),
            bundle: None,
            loaded: Vec::new(),
            exit: None,
            failure: None,
            granted: None,
            asked: None,
            answer: None,
            log: Vec::new(),
            log_bytes: 0,
            memory: 0,
            wants_memory: false,
            started,
            ran: Duration::ZERO,
            resumed,
        },
    );
    store.limiter(|state| state);
    // Each tick has it look at the clock, which is exact where counting ticks is not: they come
    // late on a busy machine, and may fall into a wait.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut guest| {
        guest.data_mut().check_time().map(|()| UpdateDeadline::Continue(1))
    });
    store
}

/// What is left of an invocation when its instance is gone.
pub(super) fn close(store: Store<State>) -> (Vec<LogLine>, Cost) {
    let state = store.into_data();
    let wall = state.host.now().since(state.started);
    (state.log, Cost { wall, memory: state.memory })
}

/// Why a call into the guest ended with `error`; none if it ended itself well.
pub(super) fn failure_of(store: &mut Store<State>, error: &wasmtime::Error) -> Option<Failure> {
    let state = store.data_mut();
    if let Some(failure) = state.failure.take() {
        return Some(failure);
    }
    match (state.exit, error.downcast_ref::<Trap>()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(Failure::Exit(code)),
        (None, Some(Trap::Interrupt)) => Some(Failure::RunningTime),
        (None, _) if state.wants_memory => Some(Failure::Memory),
        (None, Some(trap)) => Some(Failure::Trap(trap.to_string())),
        (None, None) => Some(Failure::Trap(plain(&error.root_cause().to_string()))),
    }
}

/// Drives a call on its fiber to the end. None of our host functions suspends, so that one poll
/// is the whole call.
pub(super) fn complete<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("no host function suspends"),
    }
}

/// Bytes of guest memory, or nothing when the guest's numbers point outside it.
pub(super) fn slice(memory: &[u8], pointer: u32, length: u32) -> Option<&[u8]> {
    memory.get(pointer as usize..)?.get(..length as usize)
}

/// As [`slice`], to write on.
pub(super) fn slice_mut(memory: &mut [u8], pointer: u32, length: u32) -> Option<&mut [u8]> {
    memory.get_mut(pointer as usize..)?.get_mut(..length as usize)
}
