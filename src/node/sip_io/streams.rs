//! SIP over streams: one task for each connection, with a bounded queue to it.
//!
//! RFC 3261 section 18, RFC 5626 section 4.4.1 (keep-alives).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::Arrival;
use crate::sip::frame::{Frame, FrameError, Framer, PONG};
use crate::sip::{Flow, Transport};

/// Messages that wait for one stream peer to read; more means that it does not.
const WRITE_QUEUE: usize = 256;

/// Stream connections at one time, of all peers together.
const MAX_CONNECTIONS: usize = 10_000;

/// A reader without a message for so long is closed, unless keep-alives come (RFC 5626).
const IDLE: std::time::Duration = std::time::Duration::from_secs(1_800);

/// A peer that has sent no whole message by then only holds a connection (timer F, as it were).
const FIRST_MESSAGE: std::time::Duration = std::time::Duration::from_secs(32);

/// How long a stream that is lost may take to carry its last answer.
const LAST_ANSWER: std::time::Duration = std::time::Duration::from_millis(500);

/// Names of one stream: its own, and that of connections which it stands in for.
const MAX_NAMES: usize = 16;

/// A connect that takes longer has failed.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);

/// All stream connections.
pub(super) struct Streams {
    open: HashMap<u64, Stream>,
    by_peer: HashMap<SocketAddr, u64>,
    last: u64,
    /// What cannot be reached any more and was not reported yet.
    lost: VecDeque<Flow>,
    events: mpsc::Sender<StreamEvent>,
    tasks: JoinSet<()>,
}

struct Stream {
    flow: Flow,
    /// How its senders called it besides: whoever asked for any connection to that peer, or for
    /// one that is gone, hears by that name that there is no way.
    names: Vec<Flow>,
    writer: mpsc::Sender<Bytes>,
    reader: AbortHandle,
}

/// What the tasks of streams tell.
pub(super) enum StreamEvent {
    Accepted(TcpStream, SocketAddr),
    Message(Flow, Bytes),
    Closed(Flow),
}

impl Streams {
    pub(super) fn new(events: mpsc::Sender<StreamEvent>, tasks: JoinSet<()>) -> Streams {
        let (open, by_peer) = (HashMap::new(), HashMap::new());
        Streams { open, by_peer, last: 0, lost: VecDeque::new(), events, tasks }
    }

    /// What cannot be reached any more, once for each name.
    pub(super) fn next_lost(&mut self) -> Option<Flow> {
        self.lost.pop_front()
    }

    pub(super) fn take(&mut self, event: StreamEvent) -> Option<Arrival> {
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
                self.lost.pop_front().map(Arrival::Unreachable)
            }
        }
    }

    pub(super) fn send(&mut self, flow: Flow, bytes: &Bytes) -> Option<Arrival> {
        let known = match flow.connection {
            0 => self.by_peer.get(&flow.remote).copied(),
            connection => Some(connection),
        };
        let connection = match known.filter(|connection| self.open.contains_key(connection)) {
            Some(connection) => connection,
            // The peer's own connection is gone: RFC 3261 section 18.2.2 opens one to its address.
            None => match self.open(flow, None) {
                Some(connection) => connection,
                None => return Some(Arrival::Unreachable(flow)),
            },
        };
        let stream = self.open.get_mut(&connection)?;
        if flow != stream.flow && stream.names.len() < MAX_NAMES && !stream.names.contains(&flow) {
            stream.names.push(flow);
        }
        if stream.writer.try_send(bytes.clone()).is_ok() {
            return None;
        }
        self.close(connection);
        self.lost.pop_front().map(Arrival::Unreachable)
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
        self.open.insert(flow.connection, Stream { flow, names: vec![], writer, reader });
        self.by_peer.insert(flow.remote, flow.connection);
        Some(flow.connection)
    }

    fn close(&mut self, connection: u64) {
        let Some(stream) = self.open.remove(&connection) else { return };
        stream.reader.abort();
        self.lost.push_back(stream.flow);
        self.lost.extend(stream.names);
        if self.by_peer.get(&stream.flow.remote) == Some(&connection) {
            self.by_peer.remove(&stream.flow.remote);
        }
    }
}

/// Takes connections until the server ends.
pub(super) async fn accept(listener: TcpListener, events: mpsc::Sender<StreamEvent>) {
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
        // Counted from the last whole message: a byte now and then is no sign of life.
        let mut until = tokio::time::Instant::now() + FIRST_MESSAGE;
        loop {
            match tokio::time::timeout_at(until, reader.read(&mut chunk)).await {
                Ok(Ok(length @ 1..)) => framer.push(&chunk[..length]),
                _ => return,
            }
            while let Some(frame) = framer.pop() {
                until = tokio::time::Instant::now() + IDLE;
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
                        return tokio::time::sleep(LAST_ANSWER).await;
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
