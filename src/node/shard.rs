//! One exchange with all that carries out what it asks for, on one thread: sockets, media worker,
//! webhooks, DNS. A server is one or more of them; what they have for each other goes by a link.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::clock::Clock;
use super::dns::Dns;
use super::effects::Effects;
use super::link::{Link, Parcel};
use super::orders::Orders;
use super::seeing::Observer;
use super::sip_io::{Arrival, SipIo};
use super::trace::{Direction, Trace};
use super::turn::{Overload, Waiting};
use super::{Options, media_io, rows};
use crate::base::id::CallSid;
use crate::base::{Duration, Instant, Machine, Rng, plural};
use crate::call::Note;
use crate::directory::Directory;
use crate::exchange::{self, Backlog, Exchange};
use crate::sip::{self, Flow, ShardId};
use crate::source::Sources;
use crate::speech::Voices;
use crate::store::Store;

/// A shard at work.
pub(super) struct Shard {
    pub(super) id: ShardId,
    pub(super) clock: Clock,
    pub(super) exchange: Exchange,
    pub(super) sip: SipIo,
    /// What arrived and was not read yet.
    pub(super) backlog: Backlog<Waiting>,
    pub(super) overload: Overload,
    pub(super) media: Media,
    pub(super) effects: Rc<Effects>,
    pub(super) dns: Dns,
    pub(super) results: mpsc::Receiver<exchange::Input>,
    pub(super) observer: Observer,
    pub(super) trace: Option<Trace>,
    pub(super) notes: Option<mpsc::Sender<Note>>,
    /// To the others, where there are any.
    pub(super) link: Option<Link>,
}

/// What a shard is made of, before its thread runs.
pub(super) struct Parts {
    pub(super) id: ShardId,
    pub(super) clock: Clock,
    pub(super) exchange: Exchange,
    pub(super) media: media_io::Config,
    pub(super) rng: Rng,
    pub(super) sources: Arc<Sources>,
    pub(super) voices: Arc<Voices>,
    pub(super) store: Arc<dyn Store>,
    pub(super) observer: Observer,
    pub(super) orders: Arc<Orders>,
    pub(super) outbox: Arc<Notify>,
    pub(super) dns: Vec<SocketAddr>,
    pub(super) directory: Arc<Directory>,
    pub(super) options: Options,
    pub(super) link: Option<Link>,
}

/// A media worker, with its two ends.
pub(super) struct Media {
    handle: media_io::MediaHandle,
    pub(super) events: mpsc::Receiver<crate::media::Event>,
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

/// At the end: how often a shard that is done looks whether the others are.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(10);

impl Media {
    pub(super) fn start(
        config: media_io::Config,
        clock: &Clock,
        rng: crate::base::Rng,
    ) -> io::Result<Media> {
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
    pub(super) fn send(
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

impl Shard {
    /// Starts what it needs, on the thread that will run it.
    pub(super) fn open(mut parts: Parts, sip: SipIo) -> io::Result<Shard> {
        sip.know(&parts.directory);
        let media = Media::start(parts.media, &parts.clock, parts.rng.fork())?;
        let (effects, results) = Effects::new(
            parts.sources,
            parts.voices,
            parts.store,
            parts.observer.clone(),
            parts.orders,
            parts.outbox,
            parts.clock.epoch(),
        );
        let dns = Dns::start(parts.dns, effects.sender())?;
        Ok(Shard {
            id: parts.id,
            clock: parts.clock,
            exchange: parts.exchange,
            sip,
            backlog: Backlog::default(),
            overload: Overload::default(),
            media,
            effects,
            dns,
            results,
            observer: parts.observer,
            trace: parts.options.trace,
            notes: parts.options.notes,
            link: parts.link,
        })
    }

    /// Waits for one thing to happen, and deals with it and what is there besides.
    pub(super) async fn turn(&mut self) {
        let deadline = self.deadline();
        // In no fixed order: a flood on one side must not keep timers, answers or the other sides
        // waiting.
        tokio::select! {
            arrival = self.sip.receive() => self.arrived(arrival),
            Some(event) = self.media.events.recv() => self.heard(event),
            Some(result) = self.results.recv() => self.give(result),
            parcel = receive(&mut self.link) => self.take_parcel(parcel),
            () = wait_until(deadline) => {}
            // More is there: streams, webhooks and callbacks run in between.
            () = tokio::task::yield_now(), if !self.backlog.is_empty() => {}
        }
        self.work();
    }

    /// The shard whose connection a flow is, if it is not this one.
    fn elsewhere(&self, flow: Flow) -> Option<(ShardId, &Link)> {
        let link = self.link.as_ref()?;
        let owner = SipIo::owner(flow).filter(|owner| *owner != self.id)?;
        Some((owner, link))
    }

    fn deadline(&self) -> Option<tokio::time::Instant> {
        let due = [self.exchange.timeout(), self.media.timeout()];
        due.into_iter().flatten().min().map(|at| self.clock.deadline(at))
    }

    pub(super) fn give(&mut self, input: exchange::Input) {
        if let exchange::Input::Directory(directory) = &input {
            self.sip.know(directory);
        }
        let now = self.clock.now();
        self.exchange.handle(now, input);
        self.carry_out(now);
    }

    /// Does what the exchange asks for.
    pub(super) fn carry_out(&mut self, now: Instant) {
        let mut ended = vec![];
        while let Some(output) = self.exchange.poll() {
            match output {
                exchange::Output::Transmit(flow, bytes) => {
                    self.observer.message(now, Direction::Sent, flow, &bytes);
                    if let Some(trace) = &self.trace {
                        trace.record(&bytes);
                    }
                    if let Some((owner, link)) = self.elsewhere(flow) {
                        let parcel = Parcel::Transmit(flow, bytes);
                        link.send(owner, parcel, self.observer.metrics());
                    } else if let Some(Arrival::Unreachable(flow)) = self.sip.send(flow, &bytes) {
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
                exchange::Output::Peer(to, message) => {
                    if let Some(link) = &self.link {
                        let parcel = Parcel::Peer(self.id, message);
                        link.send(to, parcel, self.observer.metrics());
                    }
                }
                exchange::Output::Note(note) => self.tell(now, note),
                exchange::Output::Told(told) => self.observer.told(now, told),
                exchange::Output::Registered(registered) => {
                    self.observer.metrics().registered();
                    let phones = plural(registered.phones, "phone");
                    // Of refreshes there are too many to tell.
                    match registered.moved {
                        true => tracing::info!("{} has {phones} registered", registered.user),
                        false => tracing::debug!("{} refreshed {phones}", registered.user),
                    }
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
    pub(super) fn show(&self) {
        let metrics = self.observer.metrics();
        metrics.show(self.id, &self.exchange.figures());
        metrics.queue(self.id, "results", self.results.len());
        metrics.queue(self.id, "arrivals", self.backlog.len());
        metrics.lost(self.id, self.overload.lost);
        metrics.queue(self.id, "media_events", self.media.events.len());
        metrics.queue(self.id, "effects", self.effects.pending());
        metrics.queue(self.id, "rows", self.effects.rows_waiting());
        metrics.queue(self.id, "bindings", self.effects.bindings.waiting());
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

    /// Waits until all that it has begun is done and written.
    pub(super) async fn finish(&mut self) {
        // Calls that were ended just now still send their BYEs and write their rows, and carriers
        // are told that we go.
        let grace = tokio::time::Instant::now() + std::time::Duration::from_secs(2);
        let effects = Rc::clone(&self.effects);
        let busy = |shard: &Shard| {
            shard.exchange.calls() + shard.exchange.leaving() + shard.effects.pending() > 0
        };
        while busy(self) {
            tokio::select! {
                () = self.turn() => {}
                () = effects.one_done() => {}
                () = tokio::time::sleep_until(grace) => break,
            }
        }
        self.serve_others(grace).await;
        self.show();
        self.sip.flush().await;
        // What they changed is written, however slow the disk.
        rows::tell_lost(&self.effects.unwritten.settle().await, "the server stopped");
        self.effects.bindings.settle(&*self.effects.store).await;
    }

    /// The phones of others' calls may have their connections here: waits for the last messages of
    /// those calls.
    async fn serve_others(&mut self, until: tokio::time::Instant) {
        if let Some(link) = &self.link {
            link.finish();
        }
        while self.link.as_ref().is_some_and(Link::is_open) {
            let look_again = tokio::time::Instant::now() + LOOK_AGAIN;
            tokio::select! {
                () = self.turn() => {}
                () = tokio::time::sleep_until(look_again) => {}
                () = tokio::time::sleep_until(until) => break,
            }
        }
        self.work();
    }

    /// Lets everything go.
    pub(super) async fn close(self) {
        drop(self.media);
        self.effects.close().await;
    }
}

/// What another shard has for this one; nothing, where this is the only one.
async fn receive(link: &mut Option<Link>) -> Parcel {
    let parcel = match link {
        Some(link) => link.receive().await,
        None => None,
    };
    match parcel {
        Some(parcel) => parcel,
        None => std::future::pending().await,
    }
}

pub(super) async fn wait_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
