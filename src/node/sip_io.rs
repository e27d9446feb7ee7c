//! SIP's sockets: datagrams and streams in, bytes out. Nobody here waits for a peer.
//!
//! UDP is read in batches by the owner's loop; each stream has a reader and a writer task with a
//! bounded queue between, and a peer that does not read loses its connection, nobody else's.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::task::{Context, Poll};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::sip::{Flow, Transport};
use streams::{StreamEvent, Streams, accept};

mod streams;
#[cfg(test)]
mod tests;

/// Datagrams taken from one socket before the others get their turn.
const BATCH: usize = 64;

/// Asked of the kernel for bursts: a second of 4,000 calls (the kernel may give less).
const RECEIVE_BUFFER: usize = 4 << 20;

/// Stream messages that wait for the exchange; readers stop reading beyond it.
const READ_QUEUE: usize = 1024;

/// What the sockets bring.
#[derive(Debug)]
pub enum Arrival {
    /// A whole message.
    Message(Flow, Bytes),
    /// Nothing can be sent there.
    Unreachable(Flow),
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
    arrivals: mpsc::Receiver<StreamEvent>,
    listeners: Vec<(Transport, SocketAddr)>,
}

impl SipIo {
    /// Binds all listeners; the error names the one that cannot be.
    pub fn bind(listen: &[(Transport, SocketAddr)]) -> io::Result<SipIo> {
        let (events, arrivals) = mpsc::channel(READ_QUEUE);
        let mut tasks = tokio::task::JoinSet::new();
        let mut sockets = vec![];
        let mut listeners = vec![];
        for &(transport, address) in listen {
            let named = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot listen for SIP on {transport:?} {address}: {error}"),
                )
            };
            let local = match transport {
                Transport::Udp => {
                    let socket = udp_socket(address).map_err(named)?;
                    let local = socket.get_ref().local_addr()?;
                    sockets.push((local, socket));
                    local
                }
                Transport::Tcp => {
                    let listener = tcp_listener(address).map_err(named)?;
                    let local = listener.local_addr()?;
                    tasks.spawn_local(accept(listener, events.clone()));
                    local
                }
            };
            listeners.push((transport, local));
        }
        let streams = Streams::new(events, tasks);
        let buffer = vec![0; crate::sip::message::MAX_MESSAGE + 1].into_boxed_slice();
        Ok(SipIo { sockets, turn: 0, buffer, streams, arrivals, listeners })
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
            let received =
                socket.try_io(Interest::READABLE, |socket| socket.recv_from(&mut self.buffer));
            if let Ok((length, remote)) = received {
                return Some(datagram(*local, remote, &self.buffer[..length]));
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
            Transport::Tcp => self.streams.send(flow, bytes),
        }
    }
}

fn datagram(local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> Arrival {
    let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
    Arrival::Message(flow, Bytes::copy_from_slice(bytes))
}

fn udp_socket(address: SocketAddr) -> io::Result<Datagrams> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Best effort: an unprivileged process gets what the kernel's limit allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // SAFETY: the socket owns its descriptor and keeps it until it is dropped with the AsyncFd.
    #[allow(unsafe_code, reason = "tokio cannot check that a descriptor stays open")]
    let registered =
        unsafe { AsyncFd::register_with_interest(UdpSocket::from(socket), Interest::READABLE) };
    Ok(registered?)
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}
