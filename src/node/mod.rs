//! Clocks, sockets, threads and effects: what connects the machines to the world. Nothing clever.
//!
//! One thread runs the exchange, SIP's sockets and webhooks; one serves HTTP; workers carry media;
//! a small pool runs functions and speech. Queues between them are bounded.

#![allow(clippy::disallowed_methods, reason = "this floor reads clocks, sleeps and spawns")]

pub mod account;
mod background;
mod bindings;
pub mod clock;
pub mod dns;
mod effects;
mod functions;
mod http_io;
mod loader;
mod media;
pub mod media_io;
pub mod phone_line;
pub mod project;
pub mod recording;
mod recover;
mod reload;
mod rows;
pub mod seeing;
pub mod sip_io;
mod start;
pub mod trace;
mod turn;
mod watched;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::base::id::CallSid;
use crate::base::{Duration, Instant, Machine, plural};
use crate::call::Note;
use crate::exchange::{self, Backlog, Exchange};
use crate::sip::{self, Flow, Transport};
use clock::Clock;
use dns::Dns;
use effects::Effects;
use seeing::{Observer, Seeing};
use sip_io::SipIo;
pub use start::{Options, StartError};
use trace::{Direction, Trace};
use turn::Overload;

/// Results of effects that wait for the exchange; each call asks for a few at a time.
const RESULTS: usize = 4_096;

/// A running server.
pub struct Node {
    clock: Clock,
    exchange: Exchange,
    sip: SipIo,
    /// What arrived and was not read yet.
    backlog: Backlog<(Flow, Bytes)>,
    overload: Overload,
    media: Media,
    effects: Rc<Effects>,
    dns: Dns,
    results: mpsc::Receiver<exchange::Input>,
    observer: Observer,
    seeing: Seeing,
    trace: Option<Trace>,
    notes: Option<mpsc::Sender<Note>>,
    http: http_io::HttpThread,
    /// Held as long as this server uses its data folder.
    _lock: std::fs::File,
    /// Tells the background tasks to end.
    stop: watch::Sender<bool>,
}

/// A media worker, with its two ends.
struct Media {
    handle: media_io::MediaHandle,
    events: mpsc::Receiver<crate::media::Event>,
    /// When the first order was put down for which the worker was not woken yet.
    waiting: Option<Instant>,
    /// Somebody would hear that orders wait.
    pressing: bool,
    /// Ends its thread when dropped.
    _worker: media_io::MediaWorker,
}

/// Orders that nobody hears yet (sockets to open, answers, sessions to close) wait this long for
/// those of the same moment: waking a thread costs more than the order.
const LEISURE: Duration = Duration::from_millis(2);
/// And this long where nothing else wakes the switch.
const PATIENCE: Duration = Duration::from_millis(20);

impl Media {
    fn start(config: media_io::Config, clock: &Clock, rng: crate::base::Rng) -> io::Result<Media> {
        let (worker, handle, events) = media_io::MediaWorker::start(config, clock.origin(), rng)?;
        Ok(Media { handle, events, waiting: None, pressing: false, _worker: worker })
    }

    /// Puts an order down; what comes back is the event that an order which was refused ends in.
    fn queue(
        &mut self,
        now: Instant,
        command: crate::media::Command,
    ) -> Option<crate::media::Event> {
        use crate::media::Command::{Close, Connect, Open};
        self.waiting.get_or_insert(now);
        self.pressing |= !matches!(command, Open { .. } | Connect { .. } | Close { .. });
        let error = self.handle.queue(command).err()?;
        tracing::error!("{error}");
        error.event()
    }

    /// The same, and wakes the worker.
    fn send(
        &mut self,
        now: Instant,
        command: crate::media::Command,
    ) -> Option<crate::media::Event> {
        let failed = self.queue(now, command);
        self.pressing = true;
        self.ring(now);
        failed
    }

    /// Wakes the worker where that is due.
    fn ring(&mut self, now: Instant) {
        if self.waiting.is_some_and(|since| self.pressing || now.since(since) >= LEISURE) {
            self.waiting = None;
            self.pressing = false;
            self.handle.ring();
        }
    }

    /// When it has to be woken at the latest.
    fn timeout(&self) -> Option<Instant> {
        self.waiting.map(|since| since + PATIENCE)
    }
}

/// Where a running server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// SIP.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

impl Node {
    /// Where it listens, with the ports that the kernel chose.
    pub fn addresses(&self) -> Addresses {
        Addresses { sip: self.sip.listeners().to_vec(), http: self.http.addresses().to_vec() }
    }

    /// Runs until `stop` resolves, then drains: no new calls, then, when the last call is over or
    /// `stop` resolves again, an end.
    pub async fn run<F: Future<Output = ()>>(
        mut self,
        mut stop: impl FnMut() -> F,
    ) -> io::Result<()> {
        background::come_first();
        let mut stopping = Box::pin(stop());
        let mut draining = false;
        loop {
            let deadline = self.deadline();
            tokio::select! {
                arrival = self.sip.receive() => self.arrived(arrival),
                Some(event) = self.media.events.recv() => self.heard(event),
                Some(result) = self.results.recv() => self.give(result),
                () = wait_until(deadline) => {}
                // More is there: streams, webhooks and callbacks run in between.
                () = tokio::task::yield_now(), if !self.backlog.is_empty() => {}
                () = stopping.as_mut() => {
                    if draining {
                        let calls = plural(self.exchange.calls(), "call");
                        tracing::warn!("told to stop again: ending {calls} now");
                        self.give(exchange::Input::Shutdown);
                        break;
                    }
                    draining = true;
                    self.http.not_ready();
                    self.give(exchange::Input::Drain);
                    self.tell_draining();
                    stopping = Box::pin(stop());
                }
            }
            self.turn();
            self.show();
            if draining && self.exchange.calls() == 0 {
                break;
            }
        }
        self.close().await?;
        tracing::info!("stopped");
        Ok(())
    }

    /// Whoever stops a server sees what it still waits for.
    fn tell_draining(&self) {
        match self.exchange.calls() {
            0 => tracing::info!("stopping; no calls are up"),
            calls => tracing::info!(
                "stopping: no new calls, waiting for {} to end; another signal ends them at once",
                plural(calls, "call")
            ),
        }
    }

    fn deadline(&self) -> Option<tokio::time::Instant> {
        let due = [self.exchange.timeout(), self.media.timeout()];
        due.into_iter().flatten().min().map(|at| self.clock.deadline(at))
    }

    fn give(&mut self, input: exchange::Input) {
        if let exchange::Input::Directory(directory) = &input {
            self.sip.know(directory);
        }
        let now = self.clock.now();
        self.exchange.handle(now, input);
        self.carry_out(now);
    }

    /// Does what the exchange asks for.
    fn carry_out(&mut self, now: Instant) {
        let mut ended = vec![];
        while let Some(output) = self.exchange.poll() {
            match output {
                exchange::Output::Transmit(flow, bytes) => {
                    self.observer.message(now, Direction::Sent, flow, &bytes);
                    if let Some(trace) = &self.trace {
                        trace.record(&bytes);
                    }
                    if let Some(sip_io::Arrival::Unreachable(flow)) = self.sip.send(flow, &bytes) {
                        self.observer.metrics().unreachable();
                        let report = sip::Input::Unreachable { flow };
                        self.exchange.handle(now, exchange::Input::Sip(report));
                    }
                }
                exchange::Output::Expect(address, name) => self.sip.expect(address, name),
                exchange::Output::Media(command) => {
                    if let Some(failed) = self.media.queue(now, command) {
                        self.exchange.handle(now, exchange::Input::Media(failed));
                    }
                }
                exchange::Output::Note(note) => self.tell(now, note),
                exchange::Output::Told(told) => self.observer.told(now, told),
                exchange::Output::Registered(registered) => {
                    self.observer.metrics().registered();
                    let phones = plural(registered.phones, "phone");
                    tracing::info!("{} has {phones} registered", registered.user);
                }
                exchange::Output::Ask(question) => {
                    if let Some(unanswered) = self.dns.ask(question) {
                        self.exchange.handle(now, unanswered);
                    }
                }
                exchange::Output::Persist(persist) => {
                    ended.extend(rows::endings(&persist));
                    self.observer.rows(now, &persist);
                    self.effects.start(exchange::Output::Persist(persist));
                }
                other => self.effects.start(other),
            }
        }
        self.media.ring(now);
        // One line for all: writing a line costs this thread more than making it.
        if !ended.is_empty() {
            tracing::info!("{}", ended.join("; "));
        }
    }

    /// How everything stands, for gauges: a few stores to memory.
    fn show(&self) {
        let metrics = self.observer.metrics();
        metrics.show(&self.exchange.figures());
        metrics.queue("results", self.results.len());
        metrics.queue("arrivals", self.backlog.len());
        metrics.lost(self.overload.lost);
        metrics.queue("media_events", self.media.events.len());
        metrics.queue("effects", self.effects.pending());
        metrics.queue("rows", self.effects.rows_waiting());
        metrics.queue("bindings", self.effects.bindings.waiting());
    }

    fn tell(&self, now: Instant, note: Note) {
        self.observer.note(now, &note);
        // What was refused before it became a call has no name.
        let nameless = note.call == CallSid::from_bytes([0; 16]);
        let whose = if nameless { String::new() } else { format!("{}: ", note.call) };
        match note.code {
            0 => tracing::info!("{whose}{}", note.text),
            code => tracing::warn!("{whose}{code}: {}", note.text),
        }
        if let Some(notes) = &self.notes {
            // Whoever listens too slowly misses lines; the log has them.
            let _ = notes.try_send(note);
        }
    }

    /// Waits for what is being written, then lets everything go.
    async fn close(mut self) -> io::Result<()> {
        // Calls that were ended just now still send their BYEs and write their rows, and carriers
        // are told that we go.
        let grace = tokio::time::Instant::now() + std::time::Duration::from_secs(2);
        let busy = |node: &Node| {
            node.exchange.calls() + node.exchange.leaving() + node.effects.pending() > 0
        };
        while busy(&self) {
            let deadline = self.deadline();
            tokio::select! {
                arrival = self.sip.receive() => self.arrived(arrival),
                Some(event) = self.media.events.recv() => self.heard(event),
                Some(result) = self.results.recv() => self.give(result),
                () = self.effects.one_done() => {}
                () = wait_until(deadline) => {}
                () = tokio::task::yield_now(), if !self.backlog.is_empty() => {}
                () = tokio::time::sleep_until(grace) => break,
            }
            self.turn();
        }
        self.sip.flush().await;
        // What they changed is written, however slow the disk.
        rows::tell_lost(&self.effects.unwritten.settle().await, "the server stopped");
        self.effects.bindings.settle(&*self.effects.store).await;
        let _ = self.stop.send(true);
        drop(self.media);
        self.http.stop();
        self.effects.close().await;
        self.seeing.stop();
        Ok(())
    }
}

/// Prints what is wrong with a configuration, one line each.
fn tell_problems(problems: &[crate::config::Problem]) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
}

async fn wait_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
