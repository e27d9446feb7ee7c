//! Media workers: a thread with its sockets around a [`Plane`], and the handle to order it about.
//!
//! Events come through the bounded channel that [`MediaWorker::start`] gives back; the node awaits
//! `recv()`. Both sessions of a bridge must be opened on one worker.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant as SystemInstant;

use tokio::sync::mpsc;

use crate::base::{Duration, Fault, Rng};
use crate::media::{Command, Event, Plane, RecordingEnd, SessionId};
use crate::node::background::come_first;
use crate::node::media::orders::{self, Orders};
use crate::node::media::poller::{Bell, Poller, pin};
use crate::node::media::ports::Ports;
use crate::node::media::worker::{BELL, Worker};
use crate::node::recording::RecordingWriter;

/// How a worker is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The UDP ports it may use; workers must not share any.
    pub ports: RangeInclusive<u16>,
    /// How long packets are let gather; zero wakes for each.
    pub tick: Duration,
    /// Where recordings are written; must exist and be repaired (`recording::repair`).
    pub recordings: PathBuf,
    /// The core to stay on, if any.
    pub core: Option<usize>,
}

impl Config {
    /// The tick where nothing else is configured.
    pub const TICK: Duration = Duration::from_millis(1);
    /// The ports where nothing else is configured.
    pub const PORTS: RangeInclusive<u16> = 16_384..=32_767;
}

/// Why an order was not taken.
#[derive(Clone, Debug)]
pub enum SendError {
    /// The worker is too far behind; shed load.
    Full(Command),
    /// The worker is gone.
    Stopped(Command),
}

impl SendError {
    /// Whoever gave the machine too much, or us.
    pub fn fault(&self) -> Fault {
        match self {
            SendError::Full(_) => Fault::Operator,
            SendError::Stopped(_) => Fault::Us,
        }
    }

    /// What the worker would have told in the end: nobody must wait for it for ever.
    pub fn event(&self) -> Option<Event> {
        let (SendError::Full(command) | SendError::Stopped(command)) = self;
        match *command {
            Command::Open { session, .. } => {
                Some(Event::Failed { session, reason: self.to_string() })
            }
            Command::Play { loops: 0, .. } => None,
            Command::Play { session, play, .. } | Command::SendDigits { session, play, .. } => {
                Some(Event::Played { session, play })
            }
            Command::Record { session, plan } => Some(Event::Recorded {
                session,
                recording: plan.recording,
                end: RecordingEnd::Failed,
                length: Duration::ZERO,
                heard: false,
            }),
            Command::Close { session } => {
                Some(Event::Closed { session, received: 0, sent: 0, lost: 0 })
            }
            _ => None,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full(_) => "media worker is too far behind to take orders",
            SendError::Stopped(_) => "media worker has stopped",
        })
    }
}

impl std::error::Error for SendError {}

/// Gives orders to one worker, from any thread.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    orders: Orders,
    bell: Arc<Bell>,
    events: mpsc::Sender<Event>,
    ports: Arc<Mutex<Ports>>,
}

impl MediaHandle {
    /// Gives an order; never waits.
    pub fn send(&self, command: Command) -> Result<(), SendError> {
        let queued = self.queue(command);
        self.ring();
        queued
    }

    /// Puts an order down for the next [`ring`](Self::ring): several of one moment wake the
    /// worker once. A worker that is behind refuses new sessions first, then sounds; ends are
    /// always taken.
    pub fn queue(&self, command: Command) -> Result<(), SendError> {
        match command {
            Command::Open { session, ip } => self.open(session, ip),
            command => self.orders.give(command),
        }
    }

    /// Binds the socket here and now: whoever waits for its port is spared two changes of thread.
    fn open(&self, session: SessionId, ip: IpAddr) -> Result<(), SendError> {
        let Ok(room) = self.events.try_reserve() else {
            return Err(SendError::Full(Command::Open { session, ip }));
        };
        let bound = self.ports.lock().unwrap_or_else(PoisonError::into_inner).bind(ip);
        match bound {
            Ok((socket, local)) => {
                let given = self.orders.open(session, socket, local);
                if given.is_err() {
                    self.ports.lock().unwrap_or_else(PoisonError::into_inner).release(local.port());
                    return given;
                }
                room.send(Event::Opened { session, local });
            }
            Err(error) => room.send(Event::Failed { session, reason: error.to_string() }),
        }
        Ok(())
    }

    /// Tells the worker that orders lie there.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// A recording cannot be written any more.
    pub(crate) fn recording_lost(&self, recording: crate::base::id::RecordingSid) {
        self.orders.recording_lost(recording);
        self.bell.ring();
    }
}

/// A running worker; ends with its thread when dropped.
#[derive(Debug)]
pub struct MediaWorker {
    handle: MediaHandle,
    thread: Option<JoinHandle<()>>,
}

impl MediaWorker {
    /// Events that may wait for the node.
    pub const MAX_EVENTS: usize = 8_192;

    /// Starts a worker whose time counts from `origin`, the node's own [`Instant::ZERO`].
    ///
    /// [`Instant::ZERO`]: crate::base::Instant::ZERO
    pub fn start(
        config: Config,
        origin: SystemInstant,
        mut rng: Rng,
    ) -> io::Result<(MediaWorker, MediaHandle, mpsc::Receiver<Event>)> {
        let (orders, received) = orders::orders();
        let (events, told) = mpsc::channel(Self::MAX_EVENTS);
        let bell = Arc::new(Bell::new()?);
        let poller = Poller::new()?;
        poller.add(&*bell, BELL)?;
        let ports = Arc::new(Mutex::new(Ports::new(config.ports, rng.fork())));
        let handle = MediaHandle {
            orders,
            bell: Arc::clone(&bell),
            events: events.clone(),
            ports: Arc::clone(&ports),
        };
        let writer = RecordingWriter::start(config.recordings, events.clone(), handle.clone())?;
        let worker = Worker {
            plane: Plane::new(rng.fork()),
            poller,
            bell,
            notes: received,
            events,
            writer,
            ports,
            arriving: None,
            origin,
            tick: config.tick,
            sockets: Vec::new(),
            backlog: VecDeque::new(),
            behind: false,
            stopped: false,
        };
        let core = config.core;
        let thread = std::thread::Builder::new().name("media".into()).spawn(move || {
            if let Some(Err(error)) = core.map(pin) {
                tracing::warn!(%error, "media worker cannot stay on its core");
            }
            come_first();
            worker.run();
        })?;
        Ok((MediaWorker { handle: handle.clone(), thread: Some(thread) }, handle, told))
    }
}

impl Drop for MediaWorker {
    fn drop(&mut self) {
        // The worker drains its notes at every turn, so this waits for one turn at most.
        self.handle.orders.stop();
        self.handle.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
