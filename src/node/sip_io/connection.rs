//! One stream connection: its handshakes, its reader, its writer, its keep-alives.
//!
//! RFC 3261 section 18, RFC 5626 section 4.4.1. Nobody but its own task waits for its peer.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::streams::StreamEvent;
use super::tls::{self, TlsError};
use super::{Shared, websocket};
use crate::directory::TlsPeer;
use crate::sip::Flow;
use crate::sip::frame::{Frame, FrameError, Framer, PING, PONG};

/// How long peers are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A connect that takes longer has failed.
    pub connect: Duration,
    /// All handshakes of a connection together; a peer that is slower only holds a place.
    pub handshake: Duration,
    /// A peer that has sent no whole message by then only holds a connection (timer F, as it were).
    pub first_message: Duration,
    /// A reader without a message for so long is closed, unless keep-alives come (RFC 5626).
    pub idle: Duration,
    /// Who began to ping and then does not for so long is gone (RFC 5626 section 4.4).
    pub flow: Duration,
    /// We ping the connections that we opened so often (RFC 5626 section 4.4.1: 95 to 120 s).
    pub ping_every: Duration,
    /// A peer that has answered pings is gone when it does not answer one so long (the same).
    pub pong_within: Duration,
    /// A WebSocket is asked so often whether it lives; translators forget later.
    pub websocket_ping: Duration,
    /// Nothing on a WebSocket for so long, pongs included, means that nobody is there.
    pub websocket_dead: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Patience {
            connect: seconds(5),
            handshake: seconds(10),
            first_message: seconds(32),
            idle: seconds(1_800),
            flow: seconds(1_800),
            ping_every: seconds(100),
            pong_within: seconds(10),
            websocket_ping: seconds(30),
            websocket_dead: seconds(75),
        }
    }
}

/// How long a stream that is lost may take to carry its last answer.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// The kernel asks silent peers whether they live: first after this, then every
/// [`PROBE_EVERY`], [`PROBES`] times. That also keeps translators' mappings.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(20);
const PROBES: u32 = 3;

/// Bytes that a peer does not acknowledge for so long are lost, and the connection with them.
const UNACKNOWLEDGED: Duration = Duration::from_secs(32);

/// A byte stream, encrypted or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// How a connection begins.
pub(super) enum Start {
    /// The peer opened it.
    Accepted(TcpStream),
    /// We open it; over TLS to whom.
    Open(Option<TlsPeer>),
}

/// Why a connection did not come about.
#[derive(Debug)]
pub(super) enum Trouble {
    Connect(io::Error),
    Handshake(io::Error),
    Tls(TlsError),
    NoCertificate,
    NotProven(Vec<String>),
    BadName(String),
    WebSocket(String),
    Slow,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connect(error) => write!(f, "cannot connect: {error}"),
            Trouble::Handshake(error) => write!(f, "TLS handshake failed: {error}"),
            Trouble::Tls(error) => write!(f, "TLS is not set up: {error}"),
            Trouble::NoCertificate => f.write_str("TLS is not set up: no [tls] certificates"),
            Trouble::NotProven(names) => {
                write!(f, "it showed no certificate of {}", names.join(" or "))
            }
            Trouble::BadName(name) => write!(f, "{name:?} is no name that a certificate can bear"),
            Trouble::WebSocket(reason) => write!(f, "WebSocket handshake failed: {reason}"),
            Trouble::Slow => f.write_str("the handshake took too long"),
        }
    }
}

/// What one connection's task holds.
pub(super) struct Connection {
    pub(super) flow: Flow,
    /// What is to be written.
    pub(super) queue: mpsc::Receiver<Bytes>,
    /// The same queue's other end, for answers to keep-alives.
    pub(super) own: mpsc::Sender<Bytes>,
    /// What is queued: counted up by whoever queues, and down by the writer.
    pub(super) unwritten: Rc<Cell<usize>>,
    pub(super) shared: Rc<Shared>,
    pub(super) events: mpsc::Sender<StreamEvent>,
}

/// What messages travel on.
enum Link {
    Bytes(Box<dyn Io>),
    Frames(Box<websocket::Socket>),
}

impl Connection {
    /// From the handshake to the end, which is reported.
    pub(super) async fn run(self, start: Start) {
        let (flow, events) = (self.flow, self.events.clone());
        let opens = matches!(start, Start::Open(_));
        match self.establish(start).await {
            Ok(Link::Bytes(stream)) => self.converse(stream, opens).await,
            Ok(Link::Frames(socket)) => {
                websocket::converse(self, *socket).await;
            }
            Err(trouble) => tell(flow, opens, &trouble),
        }
        let _ = events.send(StreamEvent::Closed(flow)).await;
    }

    async fn establish(&self, start: Start) -> Result<Link, Trouble> {
        let transport = self.flow.transport;
        let patience = &self.shared.settings.patience;
        let (stream, accepted, expected) = match start {
            Start::Accepted(stream) => (stream, true, None),
            Start::Open(expected) => {
                let connect = TcpStream::connect(self.flow.remote);
                let stream = tokio::time::timeout(patience.connect, connect)
                    .await
                    .map_err(|_| Trouble::Slow)?;
                (stream.map_err(Trouble::Connect)?, false, expected)
            }
        };
        set_up(&stream);
        let shake = async {
            let stream: Box<dyn Io> = match (transport.is_secure(), accepted) {
                (false, _) => Box::new(stream),
                (true, true) => self.accept_tls(stream).await?,
                (true, false) => self.connect_tls(stream, expected).await?,
            };
            Ok(match (transport.is_websocket(), accepted) {
                (false, _) => Link::Bytes(stream),
                (true, true) => {
                    let socket = websocket::accept(stream, &self.shared.settings.origins).await?;
                    Link::Frames(Box::new(socket))
                }
                (true, false) => {
                    Link::Frames(Box::new(websocket::connect(stream, self.flow).await?))
                }
            })
        };
        tokio::time::timeout(patience.handshake, shake).await.map_err(|_| Trouble::Slow)?
    }

    /// The server's side. A trunk that is to prove its name does so here.
    async fn accept_tls(&self, stream: TcpStream) -> Result<Box<dyn Io>, Trouble> {
        let acceptor = self.shared.tls.acceptor().ok_or(Trouble::NoCertificate)?;
        let stream = acceptor.accept(stream).await.map_err(Trouble::Handshake)?;
        let names = self.shared.peers.borrow().names_from(self.flow.remote.ip());
        if names.is_empty() {
            return Ok(Box::new(stream));
        }
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let proven = shown.and_then(|own| names.iter().find(|name| tls::bears(own, name)));
        let Some(name) = proven.cloned() else { return Err(Trouble::NotProven(names)) };
        let _ = self.events.send(StreamEvent::Proven(self.flow, name)).await;
        Ok(Box::new(stream))
    }

    async fn connect_tls(
        &self,
        stream: TcpStream,
        expected: Option<TlsPeer>,
    ) -> Result<Box<dyn Io>, Trouble> {
        let expected =
            expected.unwrap_or_else(|| self.shared.peers.borrow().towards(self.flow.remote));
        let connector = self.shared.tls.connector(expected.identity.as_ref());
        let connector = connector.map_err(Trouble::Tls)?;
        let name = ServerName::try_from(expected.name.clone());
        let name = name.map_err(|_| Trouble::BadName(expected.name))?;
        let stream = connector.connect(name, stream).await.map_err(Trouble::Handshake)?;
        Ok(Box::new(stream))
    }

    /// Reads frames and writes what is queued until either end is done.
    async fn converse(self, stream: Box<dyn Io>, opened: bool) {
        let Connection { flow, mut queue, own, unwritten, shared, events } = self;
        let (reader, mut writer) = tokio::io::split(stream);
        let write_all = async {
            while let Some(bytes) = queue.recv().await {
                if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
                unwritten.set(unwritten.get().saturating_sub(1));
                shared.written.notify_one();
            }
        };
        let patience = shared.settings.patience;
        let count = Rc::clone(&unwritten);
        let framer = Framer::new();
        let mut reading = Reading { flow, framer, own, count, events, patience, opened };
        tokio::select! {
            () = write_all => {}
            () = reading.run(reader) => {}
        }
    }
}

/// The reader's side of a byte stream.
struct Reading {
    flow: Flow,
    framer: Framer,
    own: mpsc::Sender<Bytes>,
    count: Rc<Cell<usize>>,
    events: mpsc::Sender<StreamEvent>,
    patience: Patience,
    /// Whether we opened it, and so ping it.
    opened: bool,
}

impl Reading {
    async fn run(&mut self, mut reader: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; 8 << 10];
        // Counted from the last whole message: a byte now and then is no sign of life.
        let patience = self.patience;
        let first = if self.opened { patience.idle } else { patience.first_message };
        let mut until = Instant::now() + first;
        let mut next_ping = self.opened.then(|| Instant::now() + patience.ping_every);
        let mut lives = Lives::Unknown;
        let mut spoken = self.opened;
        loop {
            let wake = next_ping.map_or(until, |ping| ping.min(until));
            match tokio::time::timeout_at(wake, reader.read(&mut chunk)).await {
                Ok(Ok(length @ 1..)) => self.framer.push(&chunk[..length]),
                Ok(_) => return,
                Err(_) if wake == until => return,
                Err(_) => {
                    next_ping = Some(Instant::now() + patience.ping_every);
                    if !self.say(PING) {
                        return;
                    }
                    self.framer.expect_pong();
                    if matches!(lives, Lives::Answers) {
                        until = until.min(Instant::now() + patience.pong_within);
                    }
                    continue;
                }
            }
            while let Some(frame) = self.framer.pop() {
                match &frame {
                    Ok(Frame::Pong) => lives = Lives::Answers,
                    Ok(Frame::Ping) if !self.opened => lives = Lives::Pings,
                    _ => {}
                }
                let longest = match lives {
                    Lives::Pings => patience.flow,
                    Lives::Unknown | Lives::Answers => patience.idle,
                };
                // Keep-alives alone do not hold a place.
                spoken |= matches!(frame, Ok(Frame::Message(_)));
                if spoken {
                    until = Instant::now() + longest;
                }
                match frame {
                    Ok(frame) => {
                        if !self.take(frame).await {
                            return;
                        }
                    }
                    Err(error) => return self.lose(error, spoken).await,
                }
            }
        }
    }

    /// Queues a keep-alive, if there is room.
    fn say(&self, keep_alive: &'static [u8]) -> bool {
        let queued = self.own.try_send(Bytes::from_static(keep_alive)).is_ok();
        self.count.set(self.count.get() + usize::from(queued));
        queued
    }

    /// Whether the stream goes on.
    async fn take(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Message(bytes) => {
                self.events.send(StreamEvent::Message(self.flow, bytes)).await.is_ok()
            }
            // A full queue belongs to a peer that does not read.
            Frame::Ping => self.say(PONG),
            Frame::Pong => true,
        }
    }

    /// Nobody knows where the next message begins: what came before is still answered, and so is
    /// what can be of the last; then the stream is closed, whatever follows.
    async fn lose(&mut self, error: FrameError, spoken: bool) {
        let (name, remote) = (self.flow.transport.name(), self.flow.remote);
        match spoken {
            true => tracing::warn!("{name}:{remote} closed: {error}"),
            // Scanners are daily noise.
            false => tracing::debug!("connection from {name}:{remote} closed: {error}"),
        }
        let head = match error {
            FrameError::NoLength { head } => Some(head),
            FrameError::TooLong | FrameError::NotSip => None,
        };
        let answers = spoken || head.is_some();
        if let Some(head) = head {
            let _ = self.events.send(StreamEvent::Message(self.flow, head)).await;
        }
        if answers {
            tokio::time::sleep(LAST_ANSWER).await;
        }
    }
}

/// What a peer's keep-alives have shown so far.
enum Lives {
    Unknown,
    /// It pings us.
    Pings,
    /// It answers our pings.
    Answers,
}

/// What the kernel does for a connection; best effort.
fn set_up(stream: &TcpStream) {
    // Signalling is small messages that should not wait for one another.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let probes =
        TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
    let _ = socket.set_tcp_keepalive(&probes);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

/// Strangers' failed handshakes are daily noise; our own failures are somebody's lost calls.
fn tell(flow: Flow, opens: bool, trouble: &Trouble) {
    let (name, remote) = (flow.transport.name(), flow.remote);
    match (opens, trouble) {
        (true, _) => tracing::warn!("{name}:{remote}: {trouble}"),
        (false, Trouble::NotProven(_) | Trouble::NoCertificate) => {
            tracing::warn!("connection from {name}:{remote} refused: {trouble}");
        }
        (false, _) => tracing::debug!("connection from {name}:{remote} refused: {trouble}"),
    }
}
