//! All transactions of one user agent: found by key, driven by one table of timers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use super::key::{Names, ServerKey};
use super::{Action, GIVE_UP, Input, T2, Timer};
use super::{invite_client, invite_server, non_invite_client, non_invite_server};
use crate::base::fingerprint::{ByFingerprint, Fingerprint};
use crate::base::{Duration, Instant, TimerTable};
use crate::sip::{Flow, Message, Method, TransactionId};

/// A client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// Which of the two machines a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// INVITE.
    Invite,
    /// Anything else but ACK.
    NonInvite,
}

impl Kind {
    /// The kind for a method.
    pub fn of(method: Method) -> Kind {
        match method {
            Method::Invite => Kind::Invite,
            _ => Kind::NonInvite,
        }
    }
}

/// What a received request turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Something seen before; what is to be done is done.
    Absorbed,
    /// An ACK under the branch of an INVITE that was accepted: RFC 2543 peers send that.
    AckOfAccepted,
    /// Nothing here knows it.
    Unknown,
}

/// What the transactions ask for.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Bytes to send.
    Transmit(Flow, Bytes),
    /// Nobody answered an INVITE within 200 ms, or its repeat came before that.
    Trying(TransactionId),
    /// No final response came: timer B or F.
    TimedOut(ClientId),
    /// The transport failed.
    Failed(ClientId),
    /// A peer cannot be reached by the transport that its request went by first.
    Otherwise(SocketAddr),
    /// The client transaction is over, and its number is free.
    Gone(ClientId),
    /// The server transaction is over, and nothing can be answered in it any more.
    Forgotten(TransactionId),
}

/// The transactions. Bounded by whoever starts them, who asks [`len`](Transactions::len) first.
#[derive(Debug, Default)]
pub struct Transactions {
    last: u64,
    clients: BTreeMap<u64, Client>,
    names: Names,
    by_branch: ByFingerprint<u64>,
    by_flow: BTreeSet<(Flow, u64)>,
    servers: BTreeMap<u64, Server>,
    by_key: ByFingerprint<u64>,
    by_request: ByFingerprint<u64>,
    timers: TimerTable<(u64, Timer)>,
    notices: VecDeque<Notice>,
    repeats: u64,
}

#[derive(Clone, Copy, Debug)]
enum ClientState {
    Invite(invite_client::State),
    NonInvite(non_invite_client::State),
}

#[derive(Clone, Copy, Debug)]
enum ServerState {
    Invite(invite_server::State),
    NonInvite(non_invite_server::State),
}

#[derive(Debug)]
struct Client {
    state: ClientState,
    flow: Flow,
    branch: Fingerprint,
    method: Method,
    request: Bytes,
    interval: Duration,
    /// The way to go when the transport fails before any response.
    otherwise: Option<Box<(Flow, Bytes)>>,
}

impl Client {
    const fn timers(&self) -> &'static [Timer] {
        match self.state {
            ClientState::Invite(_) => invite_client::TIMERS,
            ClientState::NonInvite(_) => non_invite_client::TIMERS,
        }
    }
}

#[derive(Debug)]
struct Server {
    state: ServerState,
    flow: Flow,
    key: ServerKey,
    request: Fingerprint,
    response: Option<Bytes>,
    interval: Duration,
}

impl Transactions {
    /// None yet; `secret` keeps peers from choosing names that look alike to the tables.
    pub fn new(secret: [u8; 16]) -> Transactions {
        Transactions { names: Names::new(secret), ..Transactions::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next thing that is asked for.
    pub fn poll(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The next deadline.
    pub fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How many messages were sent again: by timers, or for a request that was repeated.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((id, timer)) = self.timers.pop(now) {
            self.drive_client(now, id, Input::Fired(timer), None);
            self.drive_server(now, id, Input::Fired(timer), None);
        }
    }

    /// Sends a request and keeps it going. The branch must be in its top Via.
    pub fn send(
        &mut self,
        now: Instant,
        method: Method,
        branch: &str,
        flow: Flow,
        request: Bytes,
    ) -> ClientId {
        self.send_or(now, method, branch, (flow, request), None)
    }

    /// As [`send`](Transactions::send); when the transport fails before any response, the request
    /// goes the other way once (RFC 3261 section 18.1.1).
    pub fn send_or(
        &mut self,
        now: Instant,
        method: Method,
        branch: &str,
        (flow, request): (Flow, Bytes),
        otherwise: Option<(Flow, Bytes)>,
    ) -> ClientId {
        self.last += 1;
        let (id, branch) = (self.last, self.names.client(branch, method));
        let (state, actions) = begin(method, flow);
        self.by_branch.insert(branch, id);
        self.by_flow.insert((flow, id));
        let (interval, otherwise) = (Duration::ZERO, otherwise.map(Box::new));
        let client = Client { state, flow, branch, method, request, interval, otherwise };
        self.clients.insert(id, client);
        self.act_client(now, id, actions, None);
        ClientId(id)
    }

    /// Sends a request the other way that it was given, if there is one and nobody has answered;
    /// whether it does.
    fn go_otherwise(&mut self, now: Instant, id: u64) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        let Some((flow, request)) = client.otherwise.take().map(|way| *way) else { return false };
        let failed = std::mem::replace(&mut client.flow, flow);
        client.request = request;
        let (state, actions) = begin(client.method, flow);
        let timers = client.timers();
        client.state = state;
        timers.iter().for_each(|timer| self.timers.clear(&(id, *timer)));
        self.by_flow.remove(&(failed, id));
        self.by_flow.insert((flow, id));
        if failed.transport != flow.transport {
            self.notices.push_back(Notice::Otherwise(failed.remote));
        }
        self.act_client(now, id, actions, None);
        true
    }

    /// The request of a client transaction and where it went.
    pub fn request(&self, id: ClientId) -> Option<(&Bytes, Flow)> {
        self.clients.get(&id.0).map(|client| (&client.request, client.flow))
    }

    /// Takes a response: the transaction whose starter must hear of it (RFC 3261
    /// section 17.1.3). Strays and repeats give `None`.
    pub fn receive_response(&mut self, now: Instant, response: &Message) -> Option<ClientId> {
        let via = response.via()?;
        let cseq = response.cseq()?;
        let id = *self.by_branch.get(&self.names.client(via.branch()?, cseq.method))?;
        let input = Input::response(response.status()?);
        self.drive_client(now, id, input, Some(response)).then_some(ClientId(id))
    }

    /// Takes a request: absorbs what a transaction here has seen before (section 17.2.3).
    pub fn receive_request(&mut self, now: Instant, request: &Message) -> Arrival {
        let key = self.names.server(request);
        let known = key.and_then(|key| self.by_key.get(&key.name()).copied());
        let Some(id) = known else { return Arrival::Unknown };
        let ack = request.method() == Method::Ack;
        let input = if ack { Input::Ack } else { Input::Request };
        match self.drive_server(now, id, input, None) {
            true => Arrival::AckOfAccepted,
            false => Arrival::Absorbed,
        }
    }

    /// Whether the request came before under another branch: a fork that meets itself again
    /// (RFC 3261 section 8.2.2.2).
    pub fn merged(&self, request: &Message) -> bool {
        self.by_request.contains_key(&self.names.request(request, request.method_name()))
    }

    /// The INVITE that a CANCEL means. When a NAT changed the sender's port, and with it the
    /// key, branch, Call-ID, From tag and CSeq must be the INVITE's.
    pub fn cancelled(&self, cancel: &Message) -> Option<TransactionId> {
        let key = self.names.cancelled_by(cancel)?;
        if let Some(id) = self.by_key.get(&key.name()) {
            return Some(TransactionId(*id));
        }
        cancel.via()?.branch()?;
        let id = *self.by_request.get(&self.names.request(cancel, "INVITE"))?;
        let server = self.servers.get(&id)?;
        server.key.has_branch_of(&key).then_some(TransactionId(id))
    }

    /// Starts the server transaction of a request that is [`Arrival::Unknown`]; its responses go
    /// to `flow`. `None` when the request has no Via.
    pub fn accept(&mut self, now: Instant, request: &Message, flow: Flow) -> Option<TransactionId> {
        let key = self.names.server(request)?;
        self.last += 1;
        let id = self.last;
        let (state, actions) = match Kind::of(request.method()) {
            Kind::Invite => {
                let (state, actions) = invite_server::start();
                (ServerState::Invite(state), actions)
            }
            Kind::NonInvite => {
                let (state, actions) = non_invite_server::start();
                (ServerState::NonInvite(state), actions)
            }
        };
        let request = self.names.request(request, request.method_name());
        self.by_request.entry(request).or_insert(id);
        self.by_key.insert(key.name(), id);
        let interval = Duration::ZERO;
        let server = Server { state, flow, key, request, response: None, interval };
        self.servers.insert(id, server);
        self.act_server(now, id, actions);
        Some(TransactionId(id))
    }

    /// Sends a response in a server transaction; harmless when that is over.
    pub fn respond(&mut self, now: Instant, id: TransactionId, status: u16, response: Bytes) {
        self.drive_server(now, id.0, Input::response(status), Some(response));
    }

    /// Whether a server transaction lives.
    pub fn serves(&self, id: TransactionId) -> bool {
        self.servers.contains_key(&id.0)
    }

    /// Fails the client transactions that still wait for a response from there. Whoever asked for
    /// any connection (number 0) waits on the one that the driver chose.
    pub fn unreachable(&mut self, now: Instant, flow: Flow) {
        let asked = Flow { connection: 0, ..flow };
        let others = (asked != flow).then_some(asked);
        for flow in std::iter::once(flow).chain(others) {
            let range = (flow, 0)..=(flow, u64::MAX);
            let hit: Vec<u64> = self.by_flow.range(range).map(|(_, id)| *id).collect();
            for id in hit {
                if !self.go_otherwise(now, id) {
                    self.drive_client(now, id, Input::TransportError, None);
                }
            }
        }
    }

    /// Ends a client transaction without another word, when whoever started it has given up.
    pub fn abandon(&mut self, id: ClientId) {
        self.remove_client(id.0);
    }

    /// Ends an INVITE client transaction that has no final response by 64·T1 from now. Until
    /// then a failure is still acknowledged.
    pub fn abandon_later(&mut self, now: Instant, id: ClientId) {
        if self.clients.get(&id.0).is_some_and(|client| client.method == Method::Invite) {
            self.timers.set((id.0, Timer::Abandoned), now + GIVE_UP);
        }
    }

    fn remove_client(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        self.by_flow.remove(&(client.flow, id));
        client.timers().iter().for_each(|timer| self.timers.clear(&(id, *timer)));
        self.by_branch.remove(&client.branch);
        self.notices.push_back(Notice::Gone(ClientId(id)));
    }

    /// Whether the input is to be told to the transaction's starter.
    fn drive_client(
        &mut self,
        now: Instant,
        id: u64,
        input: Input,
        response: Option<&Message>,
    ) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        if response.is_some() {
            client.otherwise = None;
        }
        let reliable = reliable(client.flow);
        let actions = match &mut client.state {
            ClientState::Invite(state) => {
                let (next, actions) = invite_client::step(*state, input, reliable);
                *state = next;
                actions
            }
            ClientState::NonInvite(state) => {
                let (next, actions) = non_invite_client::step(*state, input, reliable);
                *state = next;
                actions
            }
        };
        self.repeats += u64::from(is_repeat(input, actions));
        self.act_client(now, id, actions, response);
        actions.contains(&Action::Tell)
    }

    fn act_client(
        &mut self,
        now: Instant,
        id: u64,
        actions: &[Action],
        response: Option<&Message>,
    ) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        for action in actions {
            match *action {
                Action::Send => {
                    let (flow, request) = (client.flow, client.request.clone());
                    self.notices.push_back(Notice::Transmit(flow, request));
                }
                Action::Ack => {
                    let ack = response.and_then(|response| super::ack(&client.request, response));
                    self.notices.extend(ack.map(|ack| Notice::Transmit(client.flow, ack)));
                }
                Action::TellTimeout => self.notices.push_back(Notice::TimedOut(ClientId(id))),
                Action::TellTransportError => self.notices.push_back(Notice::Failed(ClientId(id))),
                // The caller of receive_response is told by its return value.
                Action::Tell | Action::Trying => {}
                Action::Start(timer, after) => {
                    client.interval = interval(timer, after, client.interval);
                    self.timers.set((id, timer), now + after);
                }
                Action::Double(timer) => {
                    client.interval = doubled(timer, client.interval);
                    self.timers.set((id, timer), now + client.interval);
                }
                Action::Stop(timer) => self.timers.clear(&(id, timer)),
            }
        }
        if matches!(client.state, ClientState::NonInvite(non_invite_client::State::Completed)) {
            // It only absorbs repeats from here on, and there may be many of its kind.
            client.request = Bytes::new();
        }
        let over = match client.state {
            ClientState::Invite(state) => state == invite_client::State::Terminated,
            ClientState::NonInvite(state) => state == non_invite_client::State::Terminated,
        };
        if over {
            self.remove_client(id);
        }
    }

    /// Whether the input is to be told to the transaction's user.
    fn drive_server(
        &mut self,
        now: Instant,
        id: u64,
        input: Input,
        response: Option<Bytes>,
    ) -> bool {
        let Some(server) = self.servers.get_mut(&id) else { return false };
        let reliable = reliable(server.flow);
        let actions = match &mut server.state {
            ServerState::Invite(state) => {
                let (next, actions) = invite_server::step(*state, input, reliable);
                *state = next;
                actions
            }
            ServerState::NonInvite(state) => {
                let (next, actions) = non_invite_server::step(*state, input, reliable);
                *state = next;
                actions
            }
        };
        // A response that the state does not allow must not become the one that is repeated.
        if response.is_some() && actions.contains(&Action::Send) {
            server.response = response;
        }
        self.repeats += u64::from(is_repeat(input, actions));
        self.act_server(now, id, actions);
        actions.contains(&Action::Tell)
    }

    fn act_server(&mut self, now: Instant, id: u64, actions: &[Action]) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        for action in actions {
            match *action {
                Action::Send => {
                    let response = server.response.clone();
                    self.notices.extend(response.map(|bytes| Notice::Transmit(server.flow, bytes)));
                }
                Action::Trying => self.notices.push_back(Notice::Trying(TransactionId(id))),
                Action::Start(timer, after) => {
                    server.interval = interval(timer, after, server.interval);
                    self.timers.set((id, timer), now + after);
                }
                Action::Double(timer) => {
                    server.interval = doubled(timer, server.interval);
                    self.timers.set((id, timer), now + server.interval);
                }
                Action::Stop(timer) => self.timers.clear(&(id, timer)),
                // A lost ACK of a failure, or a lost response, changes nothing for anyone above:
                // the peer repeats its request or gives up by itself.
                Action::Ack | Action::Tell | Action::TellTimeout | Action::TellTransportError => {}
            }
        }
        if matches!(server.state, ServerState::Invite(invite_server::State::Accepted)) {
            // The dialog has it, and repeats it (RFC 6026 section 7.1).
            server.response = None;
        }
        let (over, timers) = match server.state {
            ServerState::Invite(state) => {
                (state == invite_server::State::Terminated, invite_server::TIMERS)
            }
            ServerState::NonInvite(state) => {
                (state == non_invite_server::State::Terminated, non_invite_server::TIMERS)
            }
        };
        if over && let Some(server) = self.servers.remove(&id) {
            self.by_key.remove(&server.key.name());
            if self.by_request.get(&server.request) == Some(&id) {
                self.by_request.remove(&server.request);
            }
            timers.iter().for_each(|timer| self.timers.clear(&(id, *timer)));
            self.notices.push_back(Notice::Forgotten(TransactionId(id)));
        }
    }
}

/// Whether what is sent has been sent before.
fn is_repeat(input: Input, actions: &[Action]) -> bool {
    matches!(input, Input::Fired(_) | Input::Request) && actions.contains(&Action::Send)
}

/// How a client transaction begins.
fn begin(method: Method, flow: Flow) -> (ClientState, &'static [Action]) {
    match Kind::of(method) {
        Kind::Invite => {
            let (state, actions) = invite_client::start(reliable(flow));
            (ClientState::Invite(state), actions)
        }
        Kind::NonInvite => {
            let (state, actions) = non_invite_client::start(reliable(flow));
            (ClientState::NonInvite(state), actions)
        }
    }
}

const fn reliable(flow: Flow) -> bool {
    flow.transport.is_stream()
}

/// Only repeating timers have an interval that may be doubled.
fn interval(timer: Timer, after: Duration, before: Duration) -> Duration {
    match timer {
        Timer::A | Timer::E | Timer::G => after,
        _ => before,
    }
}

fn doubled(timer: Timer, interval: Duration) -> Duration {
    match timer {
        Timer::A => interval * 2,
        _ => (interval * 2).min(T2),
    }
}

/// Checks a machine's table: the listed arrows as listed, every other input changes nothing.
#[cfg(test)]
pub(super) fn check_arrows<S: Copy + PartialEq + std::fmt::Debug>(
    states: &[S],
    arrows: &[(S, Input, super::Step<S>)],
    step: impl Fn(S, Input) -> super::Step<S>,
) {
    use Timer::{A, Abandoned, B, D, E, F, G, H, I, J, K, L, M, Trying, Unanswered};
    let timers = [A, Abandoned, B, D, E, F, G, H, I, J, K, L, M, Trying, Unanswered];
    let mut inputs = vec![
        Input::Request,
        Input::Ack,
        Input::Provisional,
        Input::Success,
        Input::Failure,
        Input::TransportError,
    ];
    inputs.extend(timers.map(Input::Fired));
    for state in states {
        for input in &inputs {
            let listed = arrows.iter().find(|(from, by, _)| from == state && by == input);
            let wanted = listed.map_or((*state, &[][..]), |(_, _, step)| *step);
            assert_eq!(step(*state, *input), wanted, "{state:?} and {input:?}");
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
