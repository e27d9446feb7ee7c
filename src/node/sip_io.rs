//! SIP's sockets: datagrams and streams in, bytes out. Nobody here waits for a peer.
//!
//! UDP is read in batches by the owner's loop; each stream has a task with a bounded queue to it,
//! and a peer that does not read loses its connection, nobody else's.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use crate::config;
use crate::directory::Directory;
use crate::exchange::Expected;
use crate::sip::{Flow, ShardId, Transport, line_ends_before, stun};
pub use bound::Bound;
pub use connection::Patience;
use peers::Peers;
use streams::{StreamEvent, Streams, accept};
use tls::Tls;

mod bound;
mod connection;
mod peers;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod websocket;

/// Datagrams taken from one socket before the others get their turn.
const BATCH: usize = 64;

/// Stream messages that wait for the exchange; readers stop reading beyond it.
const READ_QUEUE: usize = 1024;

/// How long the last messages of a process that ends may take to get away.
const FLUSH: std::time::Duration = std::time::Duration::from_millis(500);

/// What the sockets bring.
#[derive(Debug)]
pub enum Arrival {
    /// A whole message.
    Message(Flow, Bytes),
    /// Nothing can be sent there.
    Unreachable(Flow),
}

/// What the sockets are told, besides where to listen.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Certificates and authorities.
    pub tls: config::Tls,
    /// Stream connections at one time from one source.
    pub connections_per_source: usize,
    /// The web pages whose browsers may connect; empty: any.
    pub origins: Vec<String>,
    /// How long peers are waited for.
    pub patience: Patience,
    /// Whether WebSockets are opened. Phones do; a server cannot reach a browser but over the
    /// connection that it made (RFC 7118 section 7).
    pub opens_websockets: bool,
}

impl Settings {
    /// Of a server's configuration.
    pub fn of(config: &config::Config) -> Settings {
        let mut patience = Patience::default();
        if config.sip.flow_timer > 0 {
            // Whoever was told to ping within that has missed it twice.
            patience.flow = std::time::Duration::from_secs(2 * u64::from(config.sip.flow_timer));
        }
        Settings {
            tls: config.tls.clone(),
            connections_per_source: config.sip.connections_per_source,
            origins: config.sip.origins.clone(),
            patience,
            opens_websockets: false,
        }
    }

    /// Of a phone, which believes the system's authorities and those in `ca`.
    pub fn of_phone(ca: Vec<PathBuf>) -> Settings {
        Settings {
            tls: config::Tls { ca, system_roots: true, ..config::Tls::default() },
            connections_per_source: config::Sip::default().connections_per_source,
            opens_websockets: true,
            ..Settings::default()
        }
    }
}

/// The way in for connections that HTTP listeners took.
#[derive(Clone)]
pub struct Door(mpsc::Sender<StreamEvent>);

impl Door {
    /// Hands over a connection whose first request, still unread, is a WebSocket handshake.
    pub async fn hand_over(&self, stream: std::net::TcpStream, peer: SocketAddr) {
        let _ = self.0.send(StreamEvent::HandedOver(stream, peer)).await;
    }
}

/// What all connections' tasks look up.
struct Shared {
    settings: Settings,
    tls: Rc<Tls>,
    peers: RefCell<Peers>,
    /// Rung whenever a connection has written something.
    written: Notify,
}

/// A datagram socket that wakes nobody for room to send: that would be once for each datagram
/// that a peer takes, and a datagram that finds no room is lost anyway.
type Datagrams = AsyncFd<UdpSocket>;

/// All sockets of SIP.
pub struct SipIo {
    sockets: Vec<(SocketAddr, Datagrams)>,
    /// Whose turn it is: the sockets one after another, then the streams.
    turn: usize,
    buffer: Box<[u8]>,
    streams: Streams,
    shared: Rc<Shared>,
    arrivals: mpsc::Receiver<StreamEvent>,
    listeners: Vec<(Transport, SocketAddr)>,
}

impl SipIo {
    /// Binds all listeners; the error names the one that cannot be, or the file. Must run where
    /// tasks can be spawned locally.
    pub fn bind(listen: &[(Transport, SocketAddr)], settings: Settings) -> io::Result<SipIo> {
        let bound = Bound::all(listen, 1)?.pop().unwrap_or_default();
        SipIo::open(bound, settings, ShardId(0))
    }

    /// Serves what was bound. Must run where tasks can be spawned locally.
    pub fn open(bound: Bound, settings: Settings, shard: ShardId) -> io::Result<SipIo> {
        let tls = Tls::load(settings.tls.clone());
        let tls = Rc::new(tls.map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("TLS: {error}"))
        })?);
        let (events, arrivals) = mpsc::channel(READ_QUEUE);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn_local(tls::watch(Rc::clone(&tls)));
        let mut sockets = vec![];
        for (local, socket) in bound.datagrams {
            sockets.push((local, registered(socket)?));
        }
        for (transport, listener) in bound.streams {
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn_local(accept(transport, listener, events.clone()));
        }
        let shared =
            Rc::new(Shared { settings, tls, peers: RefCell::default(), written: Notify::new() });
        let streams = Streams::new(Rc::clone(&shared), events, tasks, shard);
        let buffer = vec![0; crate::sip::message::MAX_MESSAGE + 1].into_boxed_slice();
        let listeners = bound.listeners;
        Ok(SipIo { sockets, turn: 0, buffer, streams, shared, arrivals, listeners })
    }

    /// The shard whose connection a flow is; `None` where any can send on it.
    pub fn owner(flow: Flow) -> Option<ShardId> {
        (flow.connection != 0).then(|| streams::owner(flow.connection))
    }

    /// Where the HTTP server's threads hand over browsers that want SIP.
    pub fn door(&self) -> Door {
        Door(self.streams.events())
    }

    /// Takes from a configuration who must prove a name when it connects to us.
    pub fn know(&self, directory: &Directory) {
        self.shared.peers.borrow_mut().know(directory);
    }

    /// Whom TLS is to find at that address.
    pub fn expect(&self, address: SocketAddr, expected: Expected) {
        self.shared.peers.borrow_mut().expect(address, expected);
    }

    /// Where it listens, with the ports that the kernel chose.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    /// Waits for something to arrive.
    pub async fn receive(&mut self) -> Arrival {
        loop {
            if let Some(flow) = self.streams.next_lost() {
                return Arrival::Unreachable(flow);
            }
            tokio::select! {
                arrival = std::future::poll_fn(|context| Self::poll_udp(&self.sockets, &mut self.turn, &mut self.buffer, context)) => return arrival,
                Some(event) = self.arrivals.recv() => {
                    if let Some(arrival) = self.streams.take(event) {
                        return arrival;
                    }
                }
            }
        }
    }

    /// What has arrived already, without waiting.
    pub fn try_receive(&mut self) -> Option<Arrival> {
        for _ in 0..=self.sockets.len() {
            let turn = self.turn % (self.sockets.len() + 1);
            self.turn = self.turn.wrapping_add(1);
            let Some((local, socket)) = self.sockets.get(turn) else {
                if let Some(arrival) = self.try_streams() {
                    return Some(arrival);
                }
                continue;
            };
            for _ in 0..BATCH {
                let received =
                    socket.try_io(Interest::READABLE, |socket| socket.recv_from(&mut self.buffer));
                let Ok((length, remote)) = received else { break };
                let bytes = &self.buffer[..length];
                if !keeps_alive(socket.get_ref(), remote, bytes) {
                    return Some(datagram(*local, remote, bytes));
                }
            }
        }
        None
    }

    fn try_streams(&mut self) -> Option<Arrival> {
        if let Some(flow) = self.streams.next_lost() {
            return Some(Arrival::Unreachable(flow));
        }
        while let Ok(event) = self.arrivals.try_recv() {
            if let Some(arrival) = self.streams.take(event) {
                return Some(arrival);
            }
        }
        None
    }

    /// Waits until all that was sent is on its way, before the sockets go; what arrives meanwhile
    /// is lost, and a peer that does not read is not waited for.
    pub async fn flush(&mut self) {
        let until = tokio::time::Instant::now() + FLUSH;
        while !self.streams.is_written() {
            tokio::select! {
                () = self.shared.written.notified() => {}
                Some(event) = self.arrivals.recv() => drop(self.streams.take(event)),
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    /// How many arrivals to take before other work gets its turn.
    pub const fn batch() -> usize {
        BATCH
    }

    fn poll_udp(
        sockets: &[(SocketAddr, Datagrams)],
        next: &mut usize,
        buffer: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        for _ in 0..sockets.len() {
            let (local, socket) = &sockets[*next % sockets.len()];
            *next = next.wrapping_add(1);
            while let Poll::Ready(Ok(mut ready)) = socket.poll_read_ready(context) {
                // Another error than that nothing is there is an ICMP error of an earlier send;
                // the transaction's timers deal with it.
                if let Ok(Ok((length, remote))) =
                    ready.try_io(|socket| socket.get_ref().recv_from(buffer))
                    && !keeps_alive(socket.get_ref(), remote, &buffer[..length])
                {
                    return Poll::Ready(datagram(*local, remote, &buffer[..length]));
                }
            }
        }
        Poll::Pending
    }

    /// Sends one message; a report comes back only when there is no way there.
    pub fn send(&mut self, flow: Flow, bytes: &Bytes) -> Option<Arrival> {
        match flow.transport {
            Transport::Udp => {
                let socket = self.sockets.iter().find(|(local, _)| *local == flow.local);
                let (_, socket) = socket.or(self.sockets.first())?;
                match socket.get_ref().send_to(bytes, flow.remote) {
                    Ok(_) => None,
                    // A full buffer is a lost datagram: retransmission is what UDP has for it.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                    Err(_) => Some(Arrival::Unreachable(flow)),
                }
            }
            _ => self.streams.send(flow, bytes),
        }
    }
}

/// The message alone, for everybody from here on: budgets, steering, kept messages, parser.
fn datagram(local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> Arrival {
    let bytes = bytes.get(line_ends_before(bytes)..).unwrap_or_default();
    let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
    Arrival::Message(flow, Bytes::copy_from_slice(bytes))
}

/// Takes what only keeps a mapping open: line ends and zeros get no answer, STUN gets its own (RFC
/// 5626 section 4.4.2). None of it is a message.
fn keeps_alive(socket: &UdpSocket, remote: SocketAddr, bytes: &[u8]) -> bool {
    if bytes.iter().all(|byte| b"\r\n\0".contains(byte)) {
        return true;
    }
    let Some(answer) = stun::answer(bytes, remote) else { return false };
    let _ = socket.send_to(&answer, remote);
    true
}

fn registered(socket: UdpSocket) -> io::Result<Datagrams> {
    // SAFETY: the socket owns its descriptor and keeps it until it is dropped with the AsyncFd.
    #[allow(unsafe_code, reason = "tokio cannot check that a descriptor stays open")]
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    Ok(registered?)
}
