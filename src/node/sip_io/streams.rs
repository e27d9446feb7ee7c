//! The table of stream connections: who has one, which is used again, what is refused.
//!
//! Each connection is a task with a bounded queue to it (RFC 3261 section 18).

use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::connection::{Connection, Start};
use super::{Arrival, Shared};
use crate::directory::TlsPeer;
use crate::sip::{Flow, Message, Parsed, ShardId, Transport, line_ends_before};

/// Messages that wait for one stream peer to read; more means that it does not.
const WRITE_QUEUE: usize = 256;

/// Stream connections at one time, of all peers together.
const MAX_CONNECTIONS: usize = 10_000;

/// Names of one stream: its own, and that of connections which it stands in for.
const MAX_NAMES: usize = 16;

/// The numbers of a shard's connections have its own above these bits: each is one in the process.
const OWNER_SHIFT: u32 = 56;

/// Whose connection has that number.
pub(super) fn owner(connection: u64) -> ShardId {
    ShardId((connection >> OWNER_SHIFT) as u8)
}

/// All stream connections.
pub(super) struct Streams {
    open: HashMap<u64, Stream>,
    /// The connections that requests to an address may use again. Over TLS only those whose far
    /// end has proven its name (RFC 5923 section 8): ours, and those of proven trunks.
    by_peer: HashMap<Known, u64>,
    by_source: HashMap<IpAddr, usize>,
    last: u64,
    /// What cannot be reached any more and was not reported yet.
    lost: VecDeque<Flow>,
    shared: Rc<Shared>,
    events: mpsc::Sender<StreamEvent>,
    tasks: JoinSet<()>,
}

struct Stream {
    flow: Flow,
    origin: Origin,
    /// How its senders called it besides: whoever asked for any connection to that peer, or for
    /// one that is gone, hears by that name that there is no way.
    names: Vec<Flow>,
    /// Under which addresses requests find it.
    known_as: Vec<Known>,
    writer: mpsc::Sender<Bytes>,
    /// Messages that were not given to the kernel yet.
    unwritten: Rc<Cell<usize>>,
    task: AbortHandle,
}

/// What a connection is found by: its peer's address, and over TLS who is to be there and what it
/// is shown of us.
type Known = (Transport, SocketAddr, Option<TlsPeer>);

/// Who began a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// The peer, from that source.
    Accepted { source: IpAddr, proven: Option<String> },
    /// We; over TLS to whom.
    Opened(Option<TlsPeer>),
}

/// What the tasks of streams tell.
pub(super) enum StreamEvent {
    Accepted(Transport, TcpStream, SocketAddr),
    /// A browser that came by an HTTP listener.
    HandedOver(std::net::TcpStream, SocketAddr),
    /// The peer's certificate bears the name that its trunk asks for.
    Proven(Flow, String),
    Message(Flow, Bytes),
    Closed(Flow),
}

impl Streams {
    pub(super) fn new(
        shared: Rc<Shared>,
        events: mpsc::Sender<StreamEvent>,
        tasks: JoinSet<()>,
        shard: ShardId,
    ) -> Streams {
        let (open, by_peer, by_source) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (last, lost) = (u64::from(shard.0) << OWNER_SHIFT, VecDeque::new());
        Streams { open, by_peer, by_source, last, lost, shared, events, tasks }
    }

    /// The way in for what tasks tell.
    pub(super) fn events(&self) -> mpsc::Sender<StreamEvent> {
        self.events.clone()
    }

    /// What cannot be reached any more, once for each name.
    pub(super) fn next_lost(&mut self) -> Option<Flow> {
        self.lost.pop_front()
    }

    /// Whether all that was sent is with the kernel, or lost.
    pub(super) fn is_written(&self) -> bool {
        self.open.values().all(|stream| stream.unwritten.get() == 0)
    }

    pub(super) fn take(&mut self, event: StreamEvent) -> Option<Arrival> {
        match event {
            StreamEvent::Accepted(transport, stream, remote) => {
                let local = stream.local_addr().ok()?;
                let flow = Flow { transport, local, remote, connection: 0 };
                self.accept(flow, stream);
                None
            }
            StreamEvent::HandedOver(stream, remote) => {
                let stream = TcpStream::from_std(stream).ok()?;
                self.take(StreamEvent::Accepted(Transport::Ws, stream, remote))
            }
            StreamEvent::Proven(flow, name) => {
                if let Some(stream) = self.open.get_mut(&flow.connection)
                    && let Origin::Accepted { proven, .. } = &mut stream.origin
                {
                    *proven = Some(name);
                }
                None
            }
            StreamEvent::Message(flow, bytes) => {
                // Streams' frames have none; what a WebSocket carries comes as it was sent.
                let bytes = bytes.slice(line_ends_before(&bytes)..);
                self.learn_alias(flow, &bytes);
                Some(Arrival::Message(flow, bytes))
            }
            StreamEvent::Closed(flow) => {
                self.close(flow.connection);
                self.lost.pop_front().map(Arrival::Unreachable)
            }
        }
    }

    pub(super) fn send(&mut self, flow: Flow, bytes: &Bytes) -> Option<Arrival> {
        let known = match flow.connection {
            0 => self.reusable(flow),
            connection => Some(connection),
        };
        let connection = match known.filter(|connection| self.open.contains_key(connection)) {
            Some(connection) => connection,
            // The peer's own connection is gone: RFC 3261 section 18.2.2 opens one to its address.
            None => match self.connect(flow) {
                Some(connection) => connection,
                None => return Some(Arrival::Unreachable(flow)),
            },
        };
        let stream = self.open.get_mut(&connection)?;
        if flow != stream.flow && stream.names.len() < MAX_NAMES && !stream.names.contains(&flow) {
            stream.names.push(flow);
        }
        if stream.writer.try_send(bytes.clone()).is_ok() {
            stream.unwritten.set(stream.unwritten.get() + 1);
            return None;
        }
        self.close(connection);
        self.lost.pop_front().map(Arrival::Unreachable)
    }

    /// A connection that carries requests to an address already.
    fn reusable(&self, flow: Flow) -> Option<u64> {
        let known = |peer| self.by_peer.get(&(flow.transport, flow.remote, peer)).copied();
        if !flow.transport.is_secure() {
            return known(None);
        }
        // Another name at the same address is another server, and to one server another
        // certificate of ours makes us another client.
        let wanted = self.shared.peers.borrow().towards(flow.remote);
        let own = TlsPeer { identity: None, ..wanted.clone() };
        // Whoever connected to us has proven its name, whatever it would be shown here.
        let accepted = |connection: &u64| {
            let stream = self.open.get(connection);
            stream.is_some_and(|stream| matches!(stream.origin, Origin::Accepted { .. }))
        };
        known(Some(wanted)).or_else(|| known(Some(own)).filter(accepted))
    }

    fn accept(&mut self, flow: Flow, stream: TcpStream) {
        let source = source_of(flow.remote.ip());
        let most = self.shared.settings.connections_per_source;
        if self.by_source.get(&source).is_some_and(|count| *count >= most) {
            tracing::debug!("{source} has {most} connections and gets no more");
            return;
        }
        let origin = Origin::Accepted { source, proven: None };
        if self.open(flow, origin, Start::Accepted(stream)).is_some() {
            *self.by_source.entry(source).or_default() += 1;
        }
    }

    fn connect(&mut self, flow: Flow) -> Option<u64> {
        if flow.transport.is_websocket() && !self.shared.settings.opens_websockets {
            return None;
        }
        let expected =
            flow.transport.is_secure().then(|| self.shared.peers.borrow().towards(flow.remote));
        self.open(flow, Origin::Opened(expected.clone()), Start::Open(expected))
    }

    /// Starts the task of a connection.
    fn open(&mut self, flow: Flow, origin: Origin, start: Start) -> Option<u64> {
        while self.tasks.try_join_next().is_some() {}
        if self.open.len() >= MAX_CONNECTIONS {
            return None;
        }
        self.last += 1;
        let flow = Flow { connection: self.last, ..flow };
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        let (shared, events) = (Rc::clone(&self.shared), self.events.clone());
        let unwritten = Rc::new(Cell::new(0));
        let count = Rc::clone(&unwritten);
        let own = writer.clone();
        let connection = Connection { flow, queue, own, unwritten: count, shared, events };
        let task = self.tasks.spawn_local(connection.run(start));
        let known_as = match (&origin, flow.transport.is_secure()) {
            (Origin::Accepted { .. }, true) => vec![],
            (Origin::Accepted { .. }, false) => vec![(flow.transport, flow.remote, None)],
            (Origin::Opened(expected), _) => vec![(flow.transport, flow.remote, expected.clone())],
        };
        self.by_peer.extend(known_as.iter().map(|key| (key.clone(), flow.connection)));
        let stream = Stream { flow, origin, names: vec![], known_as, writer, unwritten, task };
        self.open.insert(flow.connection, stream);
        Some(flow.connection)
    }

    /// A trunk that has proven its name and asks for it by `alias` is reached over its own
    /// connection under the port in its Via (RFC 5923 section 5).
    fn learn_alias(&mut self, flow: Flow, bytes: &Bytes) {
        let Some(stream) = self.open.get_mut(&flow.connection) else { return };
        let Origin::Accepted { proven: Some(name), .. } = &stream.origin else { return };
        let peer = TlsPeer { name: name.clone(), identity: None };
        if !stream.known_as.is_empty() {
            return;
        }
        let Parsed::Valid(message) = Message::parse_stream(bytes.clone()) else { return };
        let asked = message
            .via()
            .filter(|via| message.is_request() && via.params().has("alias"))
            .map(|via| via.port().unwrap_or(flow.transport.default_port()));
        let Some(port) = asked else { return };
        let key = (flow.transport, SocketAddr::new(flow.remote.ip(), port), Some(peer));
        // A connection that we opened ourselves is as good, and stays.
        if let Entry::Vacant(free) = self.by_peer.entry(key.clone()) {
            free.insert(flow.connection);
            stream.known_as.push(key);
        }
    }

    fn close(&mut self, connection: u64) {
        let Some(stream) = self.open.remove(&connection) else { return };
        stream.task.abort();
        self.lost.push_back(stream.flow);
        self.lost.extend(stream.names);
        for key in stream.known_as {
            if self.by_peer.get(&key) == Some(&connection) {
                self.by_peer.remove(&key);
            }
        }
        if let Origin::Accepted { source, .. } = stream.origin
            && let Some(count) = self.by_source.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// Who counts as one source: an address, or the /64 that one subscriber of IPv6 has.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Takes connections until the server ends.
pub(super) async fn accept(
    transport: Transport,
    listener: TcpListener,
    events: mpsc::Sender<StreamEvent>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let accepted = StreamEvent::Accepted(transport, stream, remote);
                if events.send(accepted).await.is_err() {
                    return;
                }
            }
            // Out of descriptors: give those in use time to close.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
