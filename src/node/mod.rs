//! Clocks, sockets, threads and effects: what connects the machines to the world. Nothing clever.
//!
//! One thread runs the exchange, SIP's sockets and webhooks; one serves HTTP; workers carry media;
//! a small pool runs functions and speech. Queues between them are bounded.

#![allow(clippy::disallowed_methods, reason = "this floor reads clocks, sleeps and spawns")]

pub mod account;
pub mod clock;
pub mod dns;
mod effects;
mod functions;
mod http_io;
mod media;
pub mod media_io;
pub mod phone_line;
pub mod project;
pub mod recording;
mod reload;
mod rows;
pub mod sip_io;
mod start;
pub mod trace;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::{mpsc, watch};

use crate::base::id::CallSid;
use crate::base::{Instant, Machine};
use crate::call::Note;
use crate::exchange::{self, Exchange};
use crate::sip::{self, Transport};
use clock::Clock;
use dns::Dns;
use effects::Effects;
use sip_io::{Arrival, SipIo};
pub use start::{Options, StartError};
use trace::{Direction, Trace};

/// Results of effects that wait for the exchange; each call asks for a few at a time.
const RESULTS: usize = 4_096;

/// A running server.
pub struct Node {
    clock: Clock,
    exchange: Exchange,
    sip: SipIo,
    media: Media,
    effects: Rc<Effects>,
    dns: Dns,
    results: mpsc::Receiver<exchange::Input>,
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
    /// Ends its thread when dropped.
    _worker: media_io::MediaWorker,
}

impl Media {
    fn start(config: media_io::Config, clock: &Clock, rng: crate::base::Rng) -> io::Result<Media> {
        let (worker, handle, events) = media_io::MediaWorker::start(config, clock.origin(), rng)?;
        Ok(Media { handle, events, _worker: worker })
    }

    /// Gives an order; what comes back is the event of a session that cannot be opened.
    fn send(&self, command: crate::media::Command) -> Option<crate::media::Event> {
        let failed = self.queue(command);
        self.handle.ring();
        failed
    }

    /// The same for one of several orders; [`media_io::MediaHandle::ring`] comes after the last.
    fn queue(&self, command: crate::media::Command) -> Option<crate::media::Event> {
        let error = self.handle.queue(command).err()?;
        tracing::error!("{error}");
        match error {
            media_io::SendError::Full(crate::media::Command::Open { session, .. })
            | media_io::SendError::Stopped(crate::media::Command::Open { session, .. }) => {
                Some(crate::media::Event::Failed { session, reason: "no media worker".to_owned() })
            }
            _ => None,
        }
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
        let mut stopping = Box::pin(stop());
        let mut draining = false;
        loop {
            let deadline = self.exchange.timeout().map(|at| self.clock.deadline(at));
            // In no fixed order: a flood on one side must not keep timers, answers or the other
            // sides waiting.
            tokio::select! {
                arrival = self.sip.receive() => {
                    if self.take_arrivals(arrival) {
                        // More is there: streams, webhooks and callbacks run in between.
                        tokio::task::yield_now().await;
                    }
                }
                Some(event) = self.media.events.recv() => self.take_media(event),
                Some(result) = self.results.recv() => self.give(result),
                () = wait_until(deadline) => {
                    let now = self.clock.now();
                    self.exchange.handle_timeout(now);
                    self.carry_out(now);
                }
                () = stopping.as_mut() => {
                    if draining {
                        self.give(exchange::Input::Shutdown);
                        break;
                    }
                    draining = true;
                    self.http.not_ready();
                    self.give(exchange::Input::Drain);
                    stopping = Box::pin(stop());
                }
            }
            if draining && self.exchange.calls() == 0 {
                break;
            }
        }
        self.close().await
    }

    /// What arrived, and what else is there already: one wake-up for a burst. Whether the batch
    /// was full, so that more may wait.
    fn take_arrivals(&mut self, first: Arrival) -> bool {
        self.take_arrival(first);
        for _ in 1..SipIo::batch() {
            match self.sip.try_receive() {
                Some(arrival) => self.take_arrival(arrival),
                None => return false,
            }
        }
        true
    }

    /// Likewise for media.
    fn take_media(&mut self, first: crate::media::Event) {
        self.give(exchange::Input::Media(first));
        for _ in 1..SipIo::batch() {
            match self.media.events.try_recv() {
                Ok(event) => self.give(exchange::Input::Media(event)),
                Err(_) => break,
            }
        }
    }

    fn take_arrival(&mut self, arrival: Arrival) {
        let input = match arrival {
            Arrival::Message(flow, bytes) => {
                if let Some(trace) = &self.trace {
                    trace.record(self.clock.now(), Direction::Received, flow, &bytes);
                }
                sip::Input::Received { flow, bytes }
            }
            Arrival::Unreachable(flow) => sip::Input::Unreachable { flow },
        };
        self.give(exchange::Input::Sip(input));
    }

    fn give(&mut self, input: exchange::Input) {
        let now = self.clock.now();
        self.exchange.handle(now, input);
        self.carry_out(now);
    }

    /// Does what the exchange asks for.
    fn carry_out(&mut self, now: Instant) {
        let mut orders = false;
        while let Some(output) = self.exchange.poll() {
            match output {
                exchange::Output::Transmit(flow, bytes) => {
                    if let Some(trace) = &self.trace {
                        trace.record(now, Direction::Sent, flow, &bytes);
                    }
                    if let Some(Arrival::Unreachable(flow)) = self.sip.send(flow, &bytes) {
                        let report = sip::Input::Unreachable { flow };
                        self.exchange.handle(now, exchange::Input::Sip(report));
                    }
                }
                exchange::Output::Media(command) => {
                    orders = true;
                    if let Some(failed) = self.media.queue(command) {
                        self.exchange.handle(now, exchange::Input::Media(failed));
                    }
                }
                exchange::Output::Note(note) => self.tell(note),
                exchange::Output::Registered(registered) => {
                    let (user, phones) = (registered.user, registered.phones);
                    tracing::info!("{user} has {phones} phones registered");
                }
                exchange::Output::Ask(question) => {
                    if let Err(unanswered) = self.dns.ask(question) {
                        self.exchange.handle(now, unanswered);
                    }
                }
                exchange::Output::Persist(persist) => {
                    tell_endings(&persist);
                    self.effects.start(exchange::Output::Persist(persist));
                }
                other => self.effects.start(other),
            }
        }
        if orders {
            self.media.handle.ring();
        }
    }

    fn tell(&self, note: Note) {
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
            let deadline = self.exchange.timeout().map(|at| self.clock.deadline(at));
            tokio::select! {
                arrival = self.sip.receive() => {
                    self.take_arrivals(arrival);
                }
                Some(event) = self.media.events.recv() => self.take_media(event),
                Some(result) = self.results.recv() => self.give(result),
                () = self.effects.one_done() => {}
                () = wait_until(deadline) => {
                    let now = self.clock.now();
                    self.exchange.handle_timeout(now);
                    self.carry_out(now);
                }
                () = tokio::time::sleep_until(grace) => break,
            }
        }
        let _ = self.stop.send(true);
        drop(self.media);
        self.http.stop();
        self.effects.close().await;
        Ok(())
    }
}

/// One line in the log for each leg that is over.
fn tell_endings(persist: &crate::call::Persist) {
    for row in persist.calls.iter().filter(|row| row.status.is_final()) {
        let (sid, way, status) = (row.sid, row.direction.as_str(), row.status.as_str());
        tracing::info!("{sid}: {way} {} to {}: {status}, {}", row.from, row.to, row.reason);
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
