//! SIP's sockets: datagrams and streams in, bytes out. Nobody here waits for a peer.
//!
//! UDP is read in batches by the owner's loop; each stream has a reader and a writer task with a
//! bounded queue between, and a peer that does not read loses its connection, nobody else's.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::sip::frame::{Frame, FrameError, Framer, PONG};
use crate::sip::{Flow, Transport};

/// Datagrams taken from one socket before the others get their turn.
const BATCH: usize = 64;

/// Asked of the kernel for bursts: a second of 4,000 calls (the kernel may give less).
const RECEIVE_BUFFER: usize = 4 << 20;

/// Messages that wait for one stream peer to read; more means that it does not.
const WRITE_QUEUE: usize = 256;

/// Stream messages that wait for the exchange; readers stop reading beyond it.
const READ_QUEUE: usize = 1024;

/// Stream connections at one time, of all peers together.
const MAX_CONNECTIONS: usize = 10_000;

/// A reader without a message for so long is closed, unless keep-alives come (RFC 5626).
const IDLE: std::time::Duration = std::time::Duration::from_secs(1_800);

/// A connect that takes longer has failed.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);

/// What the sockets bring.
#[derive(Debug)]
pub enum Arrival {
    /// A whole message.
    Message(Flow, Bytes),
    /// Nothing can be sent there.
    Unreachable(Flow),
}

/// All sockets of SIP.
pub struct SipIo {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    next_socket: usize,
    buffer: Box<[u8]>,
    streams: Streams,
    arrivals: mpsc::Receiver<StreamEvent>,
    listeners: Vec<(Transport, SocketAddr)>,
}

struct Streams {
    open: HashMap<u64, Stream>,
    by_peer: HashMap<SocketAddr, u64>,
    last: u64,
    events: mpsc::Sender<StreamEvent>,
    tasks: JoinSet<()>,
}

struct Stream {
    flow: Flow,
    writer: mpsc::Sender<Bytes>,
    reader: AbortHandle,
}

enum StreamEvent {
    Accepted(TcpStream, SocketAddr),
    Message(Flow, Bytes),
    Closed(Flow),
}

impl SipIo {
    /// Binds all listeners; the error names the one that cannot be.
    pub fn bind(listen: &[(Transport, SocketAddr)]) -> io::Result<SipIo> {
        let (events, arrivals) = mpsc::channel(READ_QUEUE);
        let mut tasks = JoinSet::new();
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
                    let local = socket.local_addr()?;
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
        let streams =
            Streams { open: HashMap::new(), by_peer: HashMap::new(), last: 0, events, tasks };
        let buffer = vec![0; crate::sip::message::MAX_MESSAGE + 1].into_boxed_slice();
        Ok(SipIo { sockets, next_socket: 0, buffer, streams, arrivals, listeners })
    }

    /// Where it listens, with the ports that the kernel chose.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    /// Waits for something to arrive.
    pub async fn receive(&mut self) -> Arrival {
        loop {
            tokio::select! {
                biased;
                arrival = std::future::poll_fn(|context| Self::poll_udp(&self.sockets, &mut self.next_socket, &mut self.buffer, context)) => return arrival,
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
        for _ in 0..self.sockets.len() {
            let (local, socket) = &self.sockets[self.next_socket % self.sockets.len()];
            if let Ok((length, remote)) = socket.try_recv_from(&mut self.buffer) {
                return Some(datagram(*local, remote, &self.buffer[..length]));
            }
            self.next_socket = self.next_socket.wrapping_add(1);
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
        sockets: &[(SocketAddr, UdpSocket)],
        next: &mut usize,
        buffer: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<Arrival> {
        for _ in 0..sockets.len() {
            let (local, socket) = &sockets[*next % sockets.len()];
            while socket.poll_recv_ready(context).is_ready() {
                match socket.try_recv_from(buffer) {
                    Ok((length, remote)) => {
                        return Poll::Ready(datagram(*local, remote, &buffer[..length]));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // An ICMP error of an earlier send; the transaction's timers deal with it.
                    Err(_) => {}
                }
            }
            *next = next.wrapping_add(1);
        }
        Poll::Pending
    }

    /// Sends one message; a report comes back only when there is no way there.
    pub fn send(&mut self, flow: Flow, bytes: &Bytes) -> Option<Arrival> {
        match flow.transport {
            Transport::Udp => {
                let socket = self.sockets.iter().find(|(local, _)| *local == flow.local);
                let (_, socket) = socket.or(self.sockets.first())?;
                match socket.try_send_to(bytes, flow.remote) {
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

impl Streams {
    fn take(&mut self, event: StreamEvent) -> Option<Arrival> {
        match event {
            StreamEvent::Accepted(stream, remote) => {
                let local = stream.local_addr().ok()?;
                let flow = Flow { transport: Transport::Tcp, local, remote, connection: 0 };
                self.open(flow, Some(stream));
                None
            }
            StreamEvent::Message(flow, bytes) => Some(Arrival::Message(flow, bytes)),
            StreamEvent::Closed(flow) => {
                self.close(flow.connection);
                Some(Arrival::Unreachable(flow))
            }
        }
    }

    fn send(&mut self, flow: Flow, bytes: &Bytes) -> Option<Arrival> {
        let known = match flow.connection {
            0 => self.by_peer.get(&flow.remote).copied(),
            connection => Some(connection),
        };
        let connection = match known.filter(|connection| self.open.contains_key(connection)) {
            Some(connection) => connection,
            // The peer's own connection is gone: RFC 3261 section 18.2.2 opens one to its address.
            None => self.open(flow, None)?,
        };
        let stream = self.open.get(&connection)?;
        if stream.writer.try_send(bytes.clone()).is_ok() {
            return None;
        }
        let flow = stream.flow;
        self.close(connection);
        Some(Arrival::Unreachable(flow))
    }

    /// Starts the tasks of a connection, which connects first when there is no stream yet.
    fn open(&mut self, flow: Flow, stream: Option<TcpStream>) -> Option<u64> {
        while self.tasks.try_join_next().is_some() {}
        if self.open.len() >= MAX_CONNECTIONS {
            return None;
        }
        self.last += 1;
        let flow = Flow { connection: self.last, ..flow };
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        let task = run_stream(flow, stream, queue, self.events.clone());
        let reader = self.tasks.spawn_local(task);
        self.open.insert(flow.connection, Stream { flow, writer, reader });
        self.by_peer.insert(flow.remote, flow.connection);
        Some(flow.connection)
    }

    fn close(&mut self, connection: u64) {
        let Some(stream) = self.open.remove(&connection) else { return };
        stream.reader.abort();
        if self.by_peer.get(&stream.flow.remote) == Some(&connection) {
            self.by_peer.remove(&stream.flow.remote);
        }
    }
}

fn datagram(local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> Arrival {
    let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
    Arrival::Message(flow, Bytes::copy_from_slice(bytes))
}

fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Best effort: an unprivileged process gets what the kernel's limit allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
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

async fn accept(listener: TcpListener, events: mpsc::Sender<StreamEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if events.send(StreamEvent::Accepted(stream, remote)).await.is_err() {
                    return;
                }
            }
            // Out of descriptors: give those in use time to close.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn run_stream(
    flow: Flow,
    stream: Option<TcpStream>,
    queue: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<StreamEvent>,
) {
    let stream = match stream {
        Some(stream) => Some(stream),
        None => {
            let connect = tokio::time::timeout(CONNECT, TcpStream::connect(flow.remote));
            connect.await.ok().and_then(Result::ok)
        }
    };
    if let Some(stream) = stream {
        // Signalling is small messages that should not wait for one another.
        let _ = stream.set_nodelay(true);
        converse(flow, stream, queue, &events).await;
    }
    let _ = events.send(StreamEvent::Closed(flow)).await;
}

/// Reads frames and writes what is queued until either end is done.
async fn converse(
    flow: Flow,
    stream: TcpStream,
    mut queue: mpsc::Receiver<Bytes>,
    events: &mpsc::Sender<StreamEvent>,
) {
    let (mut reader, writer) = stream.into_split();
    let writer = Rc::new(tokio::sync::Mutex::new(writer));
    let write_all = async {
        while let Some(bytes) = queue.recv().await {
            if writer.lock().await.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let read_all = async {
        let mut framer = Framer::new();
        let mut chunk = vec![0; 8 << 10];
        loop {
            match tokio::time::timeout(IDLE, reader.read(&mut chunk)).await {
                Ok(Ok(length @ 1..)) => framer.push(&chunk[..length]),
                _ => return,
            }
            while let Some(frame) = framer.pop() {
                let bytes = match frame {
                    Ok(Frame::Message(bytes)) => bytes,
                    Ok(Frame::Ping) => {
                        if writer.lock().await.write_all(PONG).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    // The exchange answers what can be answered; then the stream is lost.
                    Err(FrameError::NoLength { head }) => {
                        let _ = events.send(StreamEvent::Message(flow, head)).await;
                        return;
                    }
                    Err(FrameError::TooLong | FrameError::NotSip) => return,
                };
                if events.send(StreamEvent::Message(flow, bytes)).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = write_all => {}
        () = read_all => {}
    }
}
