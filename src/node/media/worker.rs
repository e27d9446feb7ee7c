//! The loop of one media worker's thread: wait, drain every socket, let the plane work, send.
//!
//! Wake-ups, not code, are a relay's cost: while packets are dense the worker holds still until
//! the next tick and then takes all that came. With no packet and nothing due it sleeps.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant as SystemInstant;

use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::base::id::RecordingSid;
use crate::base::{Duration, Instant, Machine};
use crate::media::{Command, Event, Input, Output, Plane, RecordingEnd, SessionId};
use crate::node::media::orders::Waiting;
use crate::node::media::poller::{Bell, Poller};
use crate::node::media::ports::Ports;
use crate::node::recording::RecordingWriter;
use crate::rtp::packet::MAX_DATAGRAM;

/// What the worker is told from outside its thread.
#[derive(Debug)]
pub enum Note {
    /// An order for the plane.
    Command(Command),
    /// A session whose socket is bound already, and who asked for it knows.
    Open {
        /// The session.
        session: SessionId,
        /// Its socket.
        socket: UdpSocket,
        /// Where that is bound.
        local: SocketAddr,
    },
    /// A recording cannot be written.
    RecordingLost(RecordingSid),
    /// End the thread.
    Stop,
}

/// The thread's own state.
#[derive(Debug)]
pub struct Worker {
    pub(crate) plane: Plane,
    pub(crate) poller: Poller,
    pub(crate) bell: Arc<Bell>,
    pub(crate) notes: Waiting,
    pub(crate) events: Sender<Event>,
    pub(crate) writer: RecordingWriter,
    pub(crate) ports: Arc<Mutex<Ports>>,
    /// The socket of the session that is being opened.
    pub(crate) arriving: Option<(UdpSocket, SocketAddr)>,
    pub(crate) origin: SystemInstant,
    pub(crate) tick: Duration,
    pub(crate) sockets: Vec<Option<(UdpSocket, u16)>>,
    pub(crate) backlog: VecDeque<Event>,
    /// Orders are left that the bell has already rung for.
    pub(crate) behind: bool,
    pub(crate) stopped: bool,
}

/// The token of the bell; sockets have their slots.
pub(crate) const BELL: u64 = u64::MAX;

/// How busy the sockets are: decides between holding for the tick and sleeping.
#[derive(Clone, Copy, Debug)]
struct Density {
    at: Instant,
    dense: bool,
}

impl Worker {
    /// Events that wait for a node that does not take them; past it, orders wait too.
    const MAX_BACKLOG: usize = 8_192;
    /// While events wait, look again this often whether the node takes them.
    const RETRY: Duration = Duration::from_millis(1);
    /// Packets of one socket in one tick; more is a flood, and the others go first.
    const MAX_BURST: usize = 8;

    /// Runs until it is stopped.
    pub fn run(mut self) {
        let mut tokens = Vec::new();
        let mut density = Density { at: Instant::ZERO, dense: false };
        while !self.stopped {
            let timeout = if density.dense {
                self.hold();
                Some(Duration::ZERO)
            } else {
                self.patience()
            };
            tokens.clear();
            if let Err(error) = self.poller.wait(timeout, &mut tokens) {
                // Nothing that a peer does makes epoll fail: the descriptors are ours.
                tracing::error!(%error, "media worker cannot wait for its sockets; it stops");
                return;
            }
            let now = self.now();
            let packets = self.take(now, &tokens);
            if self.plane.timeout().is_some_and(|due| due <= now) {
                self.plane.handle_timeout(now);
            }
            self.carry_out(now);
            if self.behind && self.backlog.len() < Self::MAX_BACKLOG {
                self.take_notes(now);
            }
            density = density.next(now, packets, self.tick);
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.origin.elapsed().as_nanos() as u64)
    }

    /// Holds still until the next tick; orders are taken meanwhile.
    fn hold(&mut self) {
        let tick = (self.tick.as_nanos() as u64).max(1);
        let boundary = Instant::from_nanos((self.now().as_nanos() / tick + 1) * tick);
        loop {
            let now = self.now();
            let until = self.plane.timeout().map_or(boundary, |due| due.min(boundary));
            let left = until.since(now);
            if left.is_zero() || !self.bell.wait(left) {
                return;
            }
            self.take_notes(now);
            self.carry_out(now);
            if self.stopped {
                return;
            }
        }
    }

    /// How long there is nothing to do but wait.
    fn patience(&self) -> Option<Duration> {
        let due = self.plane.timeout().map(|due| due.since(self.now()));
        if self.backlog.is_empty() {
            due
        } else {
            Some(due.unwrap_or(Self::RETRY).min(Self::RETRY))
        }
    }

    fn take(&mut self, now: Instant, tokens: &[u64]) -> usize {
        let mut packets = 0;
        for &token in tokens {
            match token {
                BELL => self.take_notes(now),
                slot => packets += self.drain(now, slot as usize),
            }
        }
        packets
    }

    /// Takes what came to a socket, up to the first packet that is sent on: a party sends one a
    /// frame, so looking again would cost a system call to learn that there is nothing. Where
    /// more waits, epoll says so at the next turn; packets that are refused do not hold it up.
    fn drain(&mut self, now: Instant, slot: usize) -> usize {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut packets = 0;
        while packets < Self::MAX_BURST {
            let Some(Some((socket, _))) = self.sockets.get(slot) else { break };
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { break };
            packets += 1;
            let datagram = &mut buffer[..length];
            let forward = self.plane.receive(now, slot, from, datagram);
            if let Some(forward) = forward {
                self.send(forward.slot, datagram, forward.to);
                break;
            }
        }
        packets
    }

    /// Sends without waiting: a full socket loses the packet, as a full network would.
    fn send(&self, slot: usize, datagram: &[u8], to: SocketAddr) {
        if let Some(Some((socket, _))) = self.sockets.get(slot) {
            let _ = socket.send_to(datagram, to);
        }
    }

    fn take_notes(&mut self, now: Instant) {
        self.bell.silence();
        self.behind = false;
        loop {
            if self.backlog.len() >= Self::MAX_BACKLOG {
                self.behind = true;
                return;
            }
            match self.notes.next() {
                Ok(Note::Command(command)) => self.plane.handle(now, Input::Command(command)),
                Ok(Note::Open { session, socket, local }) => {
                    self.arriving = Some((socket, local));
                    let open = Command::Open { session, ip: local.ip() };
                    self.plane.handle(now, Input::Command(open));
                }
                Ok(Note::RecordingLost(sid)) => self.plane.handle(now, Input::RecordingLost(sid)),
                Ok(Note::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopped = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
            self.carry_out(now);
            // The plane had no room for the session, so it never asked for a socket.
            if let Some((socket, local)) = self.arriving.take() {
                drop(socket);
                self.release(local.port());
            }
        }
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.plane.poll() {
            match output {
                Output::Transmit(datagram) => {
                    self.send(datagram.slot, datagram.bytes(), datagram.to);
                }
                Output::Event(event) => self.tell(event),
                Output::Record { recording, channels, trim } => {
                    if !self.writer.begin(recording, channels, trim) {
                        self.plane.handle(now, Input::RecordingLost(recording));
                    }
                }
                Output::Chunk { recording, samples } => {
                    if !self.writer.write(recording, samples) {
                        self.plane.handle(now, Input::RecordingLost(recording));
                    }
                }
                Output::Bind { slot, .. } => {
                    let result = self.open(slot).map_err(|error| error.to_string());
                    self.plane.handle(now, Input::Bound { slot, result });
                }
                Output::Unbind { slot } => self.close(slot),
            }
        }
        self.deliver();
    }

    fn open(&mut self, slot: usize) -> std::io::Result<SocketAddr> {
        let arrived = self.arriving.take();
        let (socket, local) = arrived.ok_or(std::io::ErrorKind::NotConnected)?;
        if let Err(error) = self.poller.add(&socket, slot as u64) {
            self.release(local.port());
            return Err(error);
        }
        if self.sockets.len() <= slot {
            self.sockets.resize_with(slot + 1, || None);
        }
        self.sockets[slot] = Some((socket, local.port()));
        Ok(local)
    }

    fn close(&mut self, slot: usize) {
        if let Some((socket, port)) = self.sockets.get_mut(slot).and_then(Option::take) {
            drop(socket);
            self.release(port);
        }
    }

    /// Taken when a session opens or closes, never for a packet.
    fn release(&self, port: u16) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).release(port);
    }

    /// The end of a recording is told by its writer, once the file is safe.
    fn tell(&mut self, event: Event) {
        match event {
            Event::Recorded { recording, end: RecordingEnd::Failed, .. } => {
                self.writer.abandon(recording);
                self.backlog.push_back(event);
            }
            Event::Recorded { .. } => {
                if let Err(failed) = self.writer.finish(event) {
                    self.backlog.push_back(failed);
                }
            }
            // Told when the socket was bound.
            Event::Opened { .. } => {}
            event => self.backlog.push_back(event),
        }
    }

    fn deliver(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => {}
            }
        }
    }
}

impl Density {
    /// Dense means that the next packets are likely to come within a tick.
    fn next(self, now: Instant, packets: usize, tick: Duration) -> Density {
        if packets == 0 {
            return Density { dense: false, ..self };
        }
        let soon = now.since(self.at) <= tick * 2;
        Density { at: now, dense: !tick.is_zero() && (packets > 1 || soon) }
    }
}
