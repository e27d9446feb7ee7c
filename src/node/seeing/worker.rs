//! The thread that turns what was seen into lines, counts, packets and spans.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::recorder::Recorder;
use super::spool::{Limits, Spool};
use super::tracer::Tracer;
use super::{Metrics, Queue, Seen, Sight, hep, redact, wire};
use crate::base::{Duration, Instant};
use crate::config::{self, Config};
use crate::exchange::Told;
use crate::http::export::Exporter;
use crate::node::clock::Clock;
use crate::node::trace::Direction;

/// Between two batches: whoever asks for a story sees it this late at most, and a busy server
/// wakes this thread no oftener.
const REST: std::time::Duration = std::time::Duration::from_millis(250);

/// How often old files are looked for.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(600);

/// Spans are gathered so long before they are sent.
const GATHER: Duration = Duration::from_secs(1);

/// At the end, a collector gets so long for the last spans.
const LAST_SPANS: std::time::Duration = std::time::Duration::from_secs(2);

/// A disk that refuses is complained about once in this time.
const COMPLAIN: Duration = Duration::from_secs(60);

/// The room that a batch's buffer keeps when it is empty again.
const ROOM: usize = 1_024;

pub(super) struct Worker {
    clock: Clock,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    /// With the files it writes to; none when stories are off.
    story: Option<Story>,
    lost_lines: u64,
    complained: Option<Instant>,
    hep: Option<hep::Sender>,
    tracing: Option<Tracing>,
}

/// What makes lines, and the files that take them.
struct Story {
    recorder: Recorder,
    calls: Spool,
    refusals: Spool,
}

/// Spans and the way to their collector.
struct Tracing {
    tracer: Tracer,
    exporter: Exporter,
    /// One request at a time, and how many spans it carries.
    sending: Option<(u64, JoinHandle<Result<(), String>>)>,
    sent: Instant,
    failing: bool,
}

impl Worker {
    pub(super) fn open(
        config: &Config,
        clock: Clock,
        queue: Arc<Queue>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Worker> {
        let kept = config.story;
        let limits = Limits { bytes: kept.bytes, age: kept.age };
        let story = match kept.bytes {
            0 => None,
            _ => {
                let (calls, refusals) = Spool::open_both(&config.server.data, limits)?;
                Some(Story { recorder: Recorder::new(clock.epoch()), calls, refusals })
            }
        };
        let hep = match &config.hep {
            Some(config::Hep { collector, capture_id, password }) => {
                let opened = hep::Sender::open(*collector, *capture_id, password.clone());
                Some(
                    opened
                        .map_err(|error| io::Error::other(format!("[hep] collector: {error}")))?,
                )
            }
            None => None,
        };
        let tracing = match &config.otel {
            Some(otel) => Some(Tracing::open(otel).map_err(io::Error::other)?),
            None => None,
        };
        Ok(Worker { clock, queue, metrics, story, lost_lines: 0, complained: None, hep, tracing })
    }

    /// Works until it is told to stop, then until nothing waits.
    pub(super) async fn run(mut self, stop: Arc<Notify>) {
        let mut batch = Vec::with_capacity(ROOM);
        let mut sweep = tokio::time::interval(SWEEP);
        let mut stopping = false;
        while !stopping {
            // With spans underway there is something to look after without anything new.
            let idle = self.tracing.as_ref().is_none_or(Tracing::is_idle);
            tokio::select! {
                () = self.queue.came.notified() => {}
                () = stop.notified() => stopping = true,
                () = tokio::time::sleep(REST), if !idle => {}
                _ = sweep.tick() => self.sweep(),
            }
            if !stopping {
                tokio::select! {
                    () = tokio::time::sleep(REST) => {}
                    () = stop.notified() => stopping = true,
                }
            }
            batch = self.queue.take(batch);
            self.work(batch.drain(..));
            batch.shrink_to(ROOM);
            if let Some(tracing) = &mut self.tracing {
                tracing.export(self.clock.now()).await;
            }
        }
        if let Some(tracing) = &mut self.tracing {
            let _ = tokio::time::timeout(LAST_SPANS, tracing.flush()).await;
        }
    }

    /// Takes a batch and writes what it gave at once.
    fn work(&mut self, batch: impl Iterator<Item = Seen>) {
        let epoch = self.clock.epoch();
        let start = epoch.wall(Instant::ZERO).unix_millis() * 1_000_000;
        for seen in batch {
            self.count(&seen);
            if let Some(tracing) = &mut self.tracing {
                match &seen.sight {
                    Sight::Row(row) => tracing.tracer.row(row),
                    Sight::Fetched { call, url, took, error } => {
                        let end = start + seen.at.as_nanos();
                        tracing.tracer.document(*call, url, end, *took, error.as_ref());
                    }
                    _ => {}
                }
            }
            if let Some(Story { recorder, .. }) = &mut self.story {
                let message = match (&seen.sight, &self.hep) {
                    (Sight::Message { direction, flow, bytes }, Some(_)) => {
                        Some((seen.at, *direction, *flow, bytes.clone()))
                    }
                    _ => None,
                };
                recorder.take(seen);
                if let Some((at, direction, flow, bytes)) = message {
                    let call = recorder.call_of(&bytes).map(|call| call.to_string());
                    self.capture(at, direction, flow, &bytes, call.as_deref());
                }
            } else if let Sight::Message { direction, flow, bytes } = seen.sight {
                self.capture(seen.at, direction, flow, &bytes, None);
            }
        }
        self.write();
        self.show_losses();
    }

    fn count(&self, seen: &Seen) {
        match &seen.sight {
            Sight::Message { direction, bytes, .. } => {
                self.metrics.message(*direction, wire::start(bytes));
            }
            Sight::Row(row) if row.status.is_final() => {
                self.metrics.ended(row.direction, row.status);
            }
            Sight::Told(Told::Refused(refused)) => self.metrics.refused(refused),
            _ => {}
        }
    }

    fn capture(
        &mut self,
        at: Instant,
        direction: Direction,
        flow: crate::sip::Flow,
        bytes: &[u8],
        correlation: Option<&str>,
    ) {
        let Some(hep) = &mut self.hep else { return };
        if wire::start(bytes) == wire::Start::Neither {
            return;
        }
        let (source, destination) = match direction {
            Direction::Sent => (flow.local, flow.remote),
            Direction::Received => (flow.remote, flow.local),
        };
        let start = self.clock.epoch().wall(Instant::ZERO).unix_millis() * 1_000;
        let at = start + at.as_nanos() / 1_000;
        let payload = &redact::message(bytes);
        let transport = flow.transport;
        hep.send(&hep::Packet { at, transport, source, destination, correlation, payload });
    }

    fn write(&mut self) {
        let now = self.clock.wall();
        let Some(Story { recorder, calls, refusals }) = &mut self.story else { return };
        let lines = recorder.drain();
        let mut failed = None;
        for (spool, lines) in [(calls, lines.calls), (refusals, lines.refusals)] {
            if !lines.is_empty()
                && let Err(error) = spool.append(now, &lines)
            {
                self.lost_lines += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                failed = Some(error);
            }
        }
        if let Some(error) = failed {
            self.complain(&error);
        }
    }

    fn sweep(&mut self) {
        let now = self.clock.wall();
        let Some(Story { calls, refusals, .. }) = &self.story else { return };
        if let Err(error) = calls.sweep(now).and(refusals.sweep(now)) {
            self.complain(&error);
        }
    }

    fn complain(&mut self, error: &io::Error) {
        let now = self.clock.now();
        if self.complained.is_none_or(|at| now.since(at) >= COMPLAIN) {
            self.complained = Some(now);
            tracing::error!("stories of calls cannot be kept: {error}; check the data folder");
        }
    }

    fn show_losses(&self) {
        let metrics = &self.metrics;
        metrics.dropped("stories", self.lost_lines);
        metrics.dropped("refusals", self.story.as_ref().map_or(0, |story| story.recorder.hidden));
        metrics.dropped("hep", self.hep.as_ref().map_or(0, |hep| hep.dropped));
        metrics.dropped("spans", self.tracing.as_ref().map_or(0, |t| t.tracer.dropped));
    }
}

impl Tracing {
    fn open(otel: &config::Otel) -> Result<Tracing, String> {
        let headers = otel.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let url = format!("{}/v1/traces", otel.endpoint);
        Ok(Tracing {
            tracer: Tracer::new(otel.service.clone()),
            exporter: Exporter::new(&url, headers.collect())?,
            sending: None,
            sent: Instant::ZERO,
            failing: false,
        })
    }

    fn is_idle(&self) -> bool {
        self.sending.is_none() && self.tracer.is_empty()
    }

    /// Sends a batch now and then, one at a time.
    async fn export(&mut self, now: Instant) {
        if self.sending.as_ref().is_some_and(|(_, sending)| !sending.is_finished()) {
            return;
        }
        self.settle().await;
        if now.since(self.sent) < GATHER {
            return;
        }
        self.begin();
        self.sent = now;
    }

    fn begin(&mut self) {
        if let Some((count, body)) = self.tracer.batch() {
            let exporter = self.exporter.clone();
            self.sending = Some((count, tokio::spawn(async move { exporter.post(body).await })));
        }
    }

    /// What became of the last batch. A failed one is lost: spans are not worth a queue on disk.
    async fn settle(&mut self) {
        let Some((count, sending)) = self.sending.take() else { return };
        let failed = match sending.await {
            Ok(result) => result.err(),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = &failed {
            self.tracer.dropped += count;
            if !self.failing {
                tracing::warn!("spans are lost: {error}; check [otel] endpoint");
            }
        }
        self.failing = failed.is_some();
    }

    async fn flush(&mut self) {
        self.settle().await;
        while !self.tracer.is_empty() && !self.failing {
            self.begin();
            self.settle().await;
        }
    }
}
