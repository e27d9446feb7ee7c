//! Seeing what goes on: calls' stories on disk, counters, and what collectors are sent.
//!
//! The signalling thread only puts values into a queue; a thread of its own takes credentials off,
//! joins messages to calls, writes, exports. Whatever does not keep up loses lines, never calls.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::Notify;

use super::background::stand_back;
use super::clock::Clock;
use super::trace::Direction;
use crate::base::id::CallSid;
use crate::base::{Duration, Instant, WallTime};
use crate::call::{self, CallRecord, Note, Persist};
use crate::config::Config;
use crate::exchange::Told;
use crate::sip::Flow;

pub mod hep;
pub mod history;
pub mod ladder;
pub mod metrics;
pub mod pcap;
pub mod record;
mod recorder;
pub mod redact;
mod spool;
mod tracer;
mod wire;
mod worker;

pub use metrics::Metrics;
pub use spool::FOLDER;

/// Sights that wait for the worker: a second and more of 4,000 calls a second.
const MOST_WAITING: usize = 131_072;

/// Bytes of messages that wait.
const MOST_WAITING_BYTES: usize = 32 << 20;

/// Something that was seen.
#[derive(Debug)]
struct Seen {
    at: Instant,
    sight: Sight,
}

#[derive(Debug)]
enum Sight {
    /// A message on the wire.
    Message { direction: Direction, flow: Flow, bytes: Bytes },
    /// Something that the exchange told.
    Told(Told),
    /// A line of a call.
    Note(Note),
    /// The row of a leg as it is now.
    Row(Box<Row>),
    /// A document was asked for.
    Asked { call: CallSid, url: String, method: &'static str },
    /// It came, or did not.
    Fetched { call: CallSid, url: String, took: Duration, error: Option<(u32, String)> },
}

/// What a story keeps of a leg's row.
#[derive(Clone, Debug)]
struct Row {
    sid: CallSid,
    parent: Option<CallSid>,
    from: String,
    to: String,
    direction: call::Direction,
    status: call::Status,
    started: WallTime,
    answered: Option<WallTime>,
    ended: Option<WallTime>,
    reason: String,
    sip_status: Option<u16>,
    sip_call_id: Option<String>,
}

/// Where the signalling thread puts what it sees. Cheap to clone, never waits.
#[derive(Clone)]
pub struct Observer {
    clock: Clock,
    public_url: Arc<str>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
}

/// What waits for the worker.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Rung when the queue stops being empty, so that a busy server rings seldom.
    came: Notify,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    seen: Vec<Seen>,
    bytes: usize,
}

impl Queue {
    fn put(&self, seen: Seen) {
        let bytes = match &seen.sight {
            Sight::Message { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // What is told of calls is little, and lets them be forgotten: messages go first.
        let room = if bytes > 0 { MOST_WAITING } else { MOST_WAITING + MOST_WAITING / 4 };
        if waiting.seen.len() >= room || waiting.bytes + bytes > MOST_WAITING_BYTES {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += bytes;
        waiting.seen.push(seen);
        if waiting.seen.len() == 1 {
            drop(waiting);
            self.came.notify_one();
        }
    }

    /// Everything that waits, in order; `emptied` is what the next will be gathered in.
    fn take(&self, emptied: Vec<Seen>) -> Vec<Seen> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        std::mem::replace(&mut waiting.seen, emptied)
    }

    fn len(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).seen.len()
    }
}

impl Observer {
    fn see(&self, at: Instant, sight: Sight) {
        self.queue.put(Seen { at, sight });
    }

    /// A message came or goes.
    pub fn message(&self, at: Instant, direction: Direction, flow: Flow, bytes: &Bytes) {
        self.see(at, Sight::Message { direction, flow, bytes: bytes.clone() });
    }

    /// The exchange told something.
    pub fn told(&self, at: Instant, told: Told) {
        self.see(at, Sight::Told(told));
    }

    /// A line of a call.
    pub fn note(&self, at: Instant, note: &Note) {
        // Refusals are told with all that belongs to them.
        if note.call != CallSid::from_bytes([0; 16]) {
            self.see(at, Sight::Note(note.clone()));
        }
    }

    /// Rows changed.
    pub fn rows(&self, at: Instant, persist: &Persist) {
        for row in &persist.calls {
            self.see(at, Sight::Row(Box::new(Row::of(row))));
        }
    }

    /// A document is asked for; [`Observer::fetched`] says what came of it.
    pub fn asked(&self, fetch: &call::Fetch) -> Instant {
        let at = self.clock.now();
        let (url, method) = (redact::url(&fetch.url), fetch.method.as_str());
        self.see(at, Sight::Asked { call: fetch.call, url, method });
        at
    }

    /// A document came, or did not.
    pub fn fetched(
        &self,
        asked: Instant,
        fetch: (CallSid, &str),
        result: &Result<call::Fetched, call::FetchError>,
    ) {
        let (call, url) = fetch;
        let at = self.clock.now();
        let took = at.since(asked);
        self.metrics.document(metrics::Source::of(url, &self.public_url), took, result.is_ok());
        let error = result.as_ref().err().map(|error| (error.code, redact::text(&error.message)));
        self.see(at, Sight::Fetched { call, url: redact::url(url), took, error });
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How many sights wait for the worker, and how many were lost because it did not keep up.
    pub fn backlog(&self) -> (usize, u64) {
        (self.queue.len(), self.queue.dropped.load(Ordering::Relaxed))
    }
}

impl Row {
    fn of(row: &CallRecord) -> Row {
        Row {
            sid: row.sid,
            parent: row.parent,
            from: row.from.clone(),
            to: row.to.clone(),
            direction: row.direction,
            status: row.status,
            started: row.started,
            answered: row.answered,
            ended: row.ended,
            reason: row.reason.clone(),
            sip_status: row.sip_status,
            sip_call_id: row.sip_call_id.clone(),
        }
    }
}

/// The thread that writes and exports.
pub struct Seeing {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Seeing {
    /// Starts it. `public_url` tells documents of our own from webhooks.
    pub fn start(
        config: &Config,
        clock: Clock,
        public_url: &str,
    ) -> io::Result<(Seeing, Observer)> {
        let metrics = Arc::new(Metrics::default());
        let queue = Arc::new(Queue::default());
        let stop = Arc::new(Notify::new());
        let observer = Observer {
            clock,
            public_url: public_url.into(),
            queue: Arc::clone(&queue),
            metrics: Arc::clone(&metrics),
        };
        let worker = worker::Worker::open(config, clock, queue, metrics)?;
        let stopping = Arc::clone(&stop);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            stand_back();
            runtime.block_on(worker.run(stopping));
        };
        let thread = std::thread::Builder::new().name("seeing".to_owned()).spawn(run)?;
        Ok((Seeing { stop, thread: Some(thread) }, observer))
    }

    /// Writes what waits and ends.
    pub fn stop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Seeing {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Seen {
        let flow = Flow {
            transport: crate::sip::Transport::Udp,
            local: ([127, 0, 0, 1], 5060).into(),
            remote: ([127, 0, 0, 1], 5062).into(),
            connection: 0,
        };
        let bytes = Bytes::from(vec![b'x'; length]);
        let sight = Sight::Message { direction: Direction::Received, flow, bytes };
        Seen { at: Instant::ZERO, sight }
    }

    #[test]
    fn a_worker_that_does_not_keep_up_loses_sights_and_not_memory() {
        let queue = Queue::default();
        let each = 1 << 20;
        for _ in 0..100 {
            queue.put(message(each));
        }
        assert_eq!(queue.len(), MOST_WAITING_BYTES / each);
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 100 - queue.len() as u64);
        assert_eq!(queue.take(vec![]).len(), MOST_WAITING_BYTES / each);
        queue.put(message(each));
        assert_eq!(queue.len(), 1, "room again");
    }
}
