//! The whole switch of one core as one machine: user agent, registrations, legs and calls.
//!
//! It speaks in values: bytes and results in; bytes, media orders and requests out. Nothing here
//! waits, and nothing here knows a socket. The simulator drives exactly this machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use crate::audio::Clip;
use crate::base::id::{CallSid, LegId, RequestId};
use crate::base::{Duration, Epoch, Instant, Machine, Rng, TimerTable};
use crate::call::order::Payer;
use crate::call::{self, Call, Fetch, FetchError, Fetched, Note, Order, Persist, Policy, Speech};
use crate::directory::Directory;
use crate::leg::sip::{MediaAddress, SipLeg};
use crate::media;
use crate::sip::auth::{Algorithm, Challenger};
use crate::sip::locate::{self, Family};
use crate::sip::registrar::{BindingChange, Lifetimes, Registrar};
use crate::sip::user_agent::{self, UserAgent};
use crate::sip::{self, DialogId, Flow, ShardId, Transport};

mod admission;
mod backlog;
mod calls;
mod caps;
mod door;
mod events;
mod guard;
mod identity;
mod inner;
mod ledger;
mod legs;
mod locating;
mod old_digest;
mod orders;
mod peers;
mod pings;
mod refusal;
mod registration;
mod route;
mod routing;
mod story;
#[cfg(test)]
mod tests;
mod translated;
mod trunks;
mod who;

pub use admission::domain_sid;
pub use backlog::{Backlog, Class, Full, Turn};
pub use guard::Counters;
pub use identity::Certificate;
pub use ledger::Ledger;
pub use locating::Expected;
pub use orders::{OrderNumber, Outcome};
pub use peers::PeerMessage;
pub use registration::Registered;
pub use routing::session_settings;
pub use story::{Figures, RefusedRequest, Told};
pub use trunks::{Answers, TrunkChange, TrunkState};

/// Calls at one time; each may hold a few legs. More are answered 503 (RFC 3261 section 21.5.4).
const MAX_CALLS: usize = 20_000;

/// One call of this exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallNumber(pub u64);

/// A request of one call, so that its answer finds the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The call.
    pub call: CallNumber,
    /// Its own number for the request.
    pub request: RequestId,
}

/// What an exchange is built with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The user agent's part.
    pub agent: user_agent::Config,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<(Transport, SocketAddr)>,
    /// What peers are told instead of the listener's address (`[sip] public_address`).
    pub public_address: Option<IpAddr>,
    /// This machine's own address by family, for listeners bound to all addresses.
    pub own_addresses: Vec<IpAddr>,
    /// Ties `now` to wall time.
    pub epoch: Epoch,
    /// Calls by user and trunk, counted together with the other exchanges of this server.
    pub ledger: Arc<Ledger>,
}

/// Something for the exchange.
#[derive(Debug)]
pub enum Input {
    /// Bytes that arrived, or a transport's report that they could not leave.
    Sip(sip::Input),
    /// The same, come too late to begin anything: a new request is answered 503.
    Late(sip::Input),
    /// Bytes that [`Exchange::hear`] let through, from one who is muted or not, in time or late.
    Heard {
        /// Where they came from.
        flow: Flow,
        /// One message.
        bytes: Bytes,
        /// Whether they count only where they belong to something that has begun.
        muted: bool,
        /// Whether they came too late to begin anything.
        late: bool,
    },
    /// Something from a media plane.
    Media(media::Event),
    /// The answer to [`Output::Fetch`].
    Fetched(Ticket, Result<Fetched, FetchError>),
    /// The answer to [`Output::Speak`] or [`Output::Load`].
    Sound(Ticket, Result<Clip, FetchError>),
    /// The answer to [`Output::Ask`].
    Answered(locate::Question, Result<locate::Answer, locate::Unanswered>),
    /// From another exchange of this server.
    Peer(ShardId, PeerMessage),
    /// The answer to [`Output::Certificate`]; an error says why there is none.
    Certificate(String, Result<Certificate, String>),
    /// The configuration changed; calls in progress keep what they began with.
    Directory(Arc<Directory>),
    /// Somebody wants a call placed or changed; [`Output::Ordered`] follows at once.
    Order(OrderNumber, Box<Order>),
    /// No new calls from here on (503 with Retry-After).
    Drain,
    /// All calls end now.
    Shutdown,
}

/// Something that the exchange asks for.
#[derive(Debug)]
pub enum Output {
    /// Bytes to send.
    Transmit(Flow, Bytes),
    /// Whom TLS is to find at that address; before anything is sent there.
    Expect(SocketAddr, Expected),
    /// For the media plane.
    Media(media::Command),
    /// Get a document.
    Fetch(Ticket, Fetch),
    /// Make speech.
    Speak(Ticket, Speech),
    /// Get a sound file: ticket, call, URL.
    Load(Ticket, CallSid, String),
    /// Ask the DNS.
    Ask(locate::Question),
    /// Get the certificate at that address, for the signatures of callers.
    Certificate(String),
    /// Write rows and reports.
    Persist(Persist),
    /// A line for the log and for the call's story.
    Note(Note),
    /// A user's registrations changed.
    Registered(Registered),
    /// What is to outlive the process of a registration changed; nobody waits for the write.
    Binding(BindingChange),
    /// A trunk or line fares otherwise than before.
    Trunk(TrunkChange),
    /// For the stories of calls; nothing depends on it.
    Told(Told),
    /// What became of an order.
    Ordered(OrderNumber, Outcome),
    /// For another exchange of this server. What cannot be delivered may be dropped.
    Peer(ShardId, PeerMessage),
}

/// The switch.
pub struct Exchange {
    config: Config,
    directory: Arc<Directory>,
    /// What the directory lets calls show and do; the same sets for all of them.
    policy: Policy,
    rng: Rng,
    agent: UserAgent,
    challenger: Challenger,
    old_digest: old_digest::OldDigest,
    registrar: Registrar,
    legs: Legs,
    calls: Calls,
    locating: locating::Locating,
    trunks: trunks::Trunks,
    draining: bool,
    /// What is handled now came too late to begin anything.
    late: bool,
    guard: guard::Guard,
    peers: peers::Peers,
    usage: caps::Usage,
    events: events::Events,
    /// Who makes the INVITE that is being let in.
    admitted: Option<Box<calls::Admitted>>,
    refusals: refusal::Refusals,
    identities: identity::Identities,
    pings: pings::Pings,
    outputs: VecDeque<Output>,
}

/// The legs, and which of them still have something to say.
#[derive(Default)]
struct Legs {
    /// Boxed: nodes of the map hold eleven, and most would be room for others.
    table: BTreeMap<LegId, Box<LegEntry>>,
    /// The legs of dialogs that peers started; those that we started carry the leg's number.
    incoming: BTreeMap<DialogId, LegId>,
    /// The legs of attempts that are not a leg's first.
    attempts: BTreeMap<DialogId, LegId>,
    last_attempt: u64,
    /// When the present server of a leg is given up.
    timers: TimerTable<LegId>,
    talking: VecDeque<LegId>,
}

struct LegEntry {
    leg: SipLeg,
    call: CallNumber,
    /// Its way to servers, which are tried in turn.
    route: Option<route::Route>,
    /// The trunk that it came in by.
    channel: Option<trunks::Key>,
    /// Why its party left, as its network said (RFC 3326).
    reason: Option<String>,
}

impl LegEntry {
    fn new(leg: SipLeg, call: CallNumber) -> LegEntry {
        LegEntry { leg, call, route: None, channel: None, reason: None }
    }
}

/// The calls, and which of them still have something to say.
#[derive(Default)]
struct Calls {
    /// Boxed, as legs are.
    table: BTreeMap<CallNumber, Box<CallEntry>>,
    timers: TimerTable<CallNumber>,
    talking: VecDeque<CallNumber>,
    last: u64,
}

struct CallEntry {
    call: Call,
    sid: CallSid,
    /// Of the caller's INVITE, less one: what the legs that it makes may carry on.
    max_forwards: u8,
    /// The listener that the caller came in on: its legs go out the same way where they can.
    flow: Flow,
    /// The SIP domain of the caller, which names its outgoing identity.
    domain: Option<String>,
    /// The user who makes it and answers for what it costs, `user@domain`.
    user: Option<String>,
    /// Whether that user had a line of its own then: only such a line may carry its calls.
    has_line: bool,
    /// Who answers for what it costs where no user does.
    payer: Option<Payer>,
    /// By what name the ledger counts it among the calls that its payer placed.
    counted: Option<String>,
    /// Where it came from, for those whom it is passed on to.
    origin: identity::Origin,
    /// Why its latest party left, as that one's network said, and who is told.
    reason: Option<(legs::Left, String)>,
}

impl Exchange {
    /// An exchange without calls.
    pub fn new(mut config: Config, directory: Arc<Directory>, mut rng: Rng) -> Self {
        config.agent.screening = true;
        let config_epoch = config.epoch;
        let agent = UserAgent::new(config.agent.clone(), rng.fork());
        let challenger = challenger(config.agent.shards, &directory, rng.bytes());
        let locating = locating::Locating::new(&config, Family::default(), rng.fork());
        let ledger = Arc::clone(&config.ledger);
        let mut trunks = trunks::Trunks::new(config.agent.shards, Arc::clone(&ledger));
        trunks.configure(&directory, &mut rng);
        Exchange {
            config,
            locating,
            trunks,
            policy: calls::policy(&directory),
            agent,
            challenger,
            old_digest: old_digest::OldDigest::default(),
            registrar: registration::registrar(&directory, config_epoch),
            legs: Legs::default(),
            calls: Calls::default(),
            draining: false,
            late: false,
            guard: guard::Guard::new(directory.limits.clone(), Arc::clone(&ledger)),
            peers: peers::Peers::default(),
            usage: caps::Usage::new(ledger),
            events: events::Events::default(),
            admitted: None,
            refusals: Default::default(),
            identities: Default::default(),
            pings: pings::Pings::every(0),
            outputs: VecDeque::new(),
            directory,
            rng,
        }
    }

    /// Offers phones these digest algorithms, in this order, and takes no other.
    pub fn offering(self, digest: Vec<Algorithm>) -> Self {
        Exchange { challenger: self.challenger.offering(digest), ..self }
    }

    /// Asks phones with RFC 5626 to show every so many seconds that they live; 0 does not ask.
    pub fn with_flow_timer(self, seconds: u32) -> Self {
        Exchange { registrar: self.registrar.with_flow_timer(seconds), ..self }
    }

    /// How many calls are up or being set up.
    pub fn calls(&self) -> usize {
        self.calls.table.len() + self.identities.waiting()
    }

    /// How many legs there are, those included whose dialogs are still closing.
    pub fn legs(&self) -> usize {
        self.legs.table.len()
    }

    /// What has happened at the door since the start.
    pub fn counters(&self) -> Counters {
        self.guard.counters
    }

    /// How many sources are silenced now for guessing passwords.
    pub fn silenced(&self) -> usize {
        self.guard.silenced()
    }

    /// How many registrations there are.
    pub fn registrations(&self) -> usize {
        self.registrar.len()
    }

    /// What peers are told of a local address.
    fn advertised(&self, local: IpAddr) -> IpAddr {
        if let Some(public) = self.config.public_address
            && public.is_ipv4() == local.is_ipv4()
            && !local.is_loopback()
        {
            return public;
        }
        self.own_address(local)
    }

    /// An address of this machine for one that a listener is bound to.
    fn own_address(&self, local: IpAddr) -> IpAddr {
        if !local.is_unspecified() {
            return local;
        }
        let same_family = |own: &&IpAddr| own.is_ipv4() == local.is_ipv4();
        self.config.own_addresses.iter().find(same_family).copied().unwrap_or(local)
    }

    /// Lets everything that has something to say say it, until all are silent.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.agent.poll() {
                match output {
                    sip::Output::Transmit { flow, bytes } if flow.is_inner() => {
                        self.send_inside(flow, bytes);
                    }
                    sip::Output::Transmit { flow, bytes } => {
                        self.outputs.push_back(Output::Transmit(flow, bytes));
                    }
                    sip::Output::Event(event) => self.handle_sip_event(now, event),
                }
            } else if let Some(leg) = self.legs.talking.pop_front() {
                self.drain_leg(now, leg);
            } else if let Some(call) = self.calls.talking.pop_front() {
                self.drain_call(now, call);
            } else if let Some(output) = self.locating.locator.poll() {
                self.handle_locate(now, output);
            } else if let Some(change) = self.registrar.poll() {
                self.outputs.push_back(Output::Binding(change));
            } else if let Some(due) = self.next_due() {
                self.notify(now, &due);
            } else {
                break;
            }
        }
    }

    /// Whether bytes are to be read, which takes of their source's budget: muted or not; `None`
    /// where they are thrown away. Who keeps messages waiting asks before he does.
    pub fn hear(&mut self, now: Instant, flow: Flow, bytes: &[u8]) -> Option<bool> {
        let registered = || {
            self.registrar.has_flow(now, flow)
                || self.peers.is_known(now, flow)
                || self.trunks.is_server(flow.remote)
        };
        match self.guard.hear(now, flow, bytes, &self.directory, registered) {
            guard::Hearing::Open => Some(false),
            guard::Hearing::Muted => Some(true),
            guard::Hearing::Deaf => None,
        }
    }

    /// Bytes that were let through: this exchange's affair, or another's.
    fn take(&mut self, now: Instant, flow: Flow, bytes: Bytes, muted: bool) {
        let bytes = match self.shards().is_alone() {
            true => bytes,
            false => match self.pass_on(flow, bytes, muted) {
                Some(bytes) => bytes,
                None => return,
            },
        };
        let input = match muted {
            false => sip::Input::Received { flow, bytes },
            true => sip::Input::Muted { flow, bytes },
        };
        self.agent.handle(now, input);
    }

    /// Bytes that the guard lets through, and ways that are no more.
    fn handle_sip(&mut self, now: Instant, input: sip::Input) {
        let input = match input {
            sip::Input::Received { flow, bytes } => {
                if let Some(muted) = self.hear(now, flow, &bytes) {
                    self.take(now, flow, bytes, muted);
                }
                return;
            }
            sip::Input::Unreachable { flow } => {
                self.drop_registrations(now, flow);
                // Whoever has a call or a user on it.
                if flow.connection != 0 {
                    self.say_all(|| peers::Say::Lost(flow));
                }
                sip::Input::Unreachable { flow }
            }
            input => input,
        };
        self.agent.handle(now, input);
    }

    fn handle_sip_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Knock { flow, message } => self.handle_knock(now, flow, message),
            sip::Event::Invite { dialog, flow, message } => {
                self.handle_invite(now, dialog, flow, &message);
            }
            sip::Event::Request { transaction, flow, message } => {
                self.handle_request(now, transaction, flow, &message);
            }
            sip::Event::Reply { id, message } if events::is_ours(id) => {
                self.event_reply(now, id, message.as_ref());
            }
            sip::Event::Reply { id, message } => self.trunk_reply(now, id, message),
            event if self.stops_waiting(&event) => {}
            event => self.handle_dialog_event(now, event),
        }
    }

    fn note(&mut self, call: CallSid, code: u32, text: String) {
        self.outputs.push_back(Output::Note(Note { call, code, text }));
    }
}

/// Whoever asks for passwords. Exchanges of one server know each other's nonces: who answers one's
/// challenge to another is told that only the nonce is wrong, and tries again by itself.
fn challenger(shards: sip::Shards, directory: &Directory, alone: [u8; 32]) -> Challenger {
    if shards.is_alone() {
        return Challenger::new(alone);
    }
    let key = registration::derived(directory, "nonce", &shards.key().to_string());
    Challenger::new(key).among(shards.own().0, shards.count())
}

impl Machine for Exchange {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Sip(input) => self.handle_sip(now, input),
            Input::Late(input) => {
                self.late = true;
                self.handle_sip(now, input);
                self.settle(now);
                self.late = false;
            }
            Input::Heard { flow, bytes, muted, late } => {
                self.late = late;
                self.take(now, flow, bytes, muted);
                self.settle(now);
                self.late = false;
            }
            Input::Media(event) => self.handle_media_event(now, event),
            Input::Fetched(ticket, result) => {
                self.tell_call(now, ticket.call, call::Input::Fetched(ticket.request, result));
            }
            Input::Sound(ticket, result) => {
                self.tell_call(now, ticket.call, call::Input::Sound(ticket.request, result));
            }
            Input::Answered(question, answer) => {
                self.tell_locator(now, locate::Input::Answered(question, answer));
            }
            Input::Peer(from, message) => self.handle_peer(now, from, message),
            Input::Certificate(url, result) => self.handle_certificate(now, &url, result),
            Input::Directory(directory) => {
                self.policy = calls::policy(&directory);
                if self.directory.limits != directory.limits
                    || self.directory.trunks != directory.trunks
                    || self.directory.domains != directory.domains
                {
                    self.guard.reconfigure(directory.limits.clone());
                }
                self.directory = directory;
                self.configure_trunks(now);
                self.review_subscriptions(now);
            }
            Input::Order(number, order) => self.order(now, number, *order),
            Input::Drain => {
                self.draining = true;
                self.unregister_all(now);
            }
            Input::Shutdown => self.shut_down(now),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.agent.timeout().is_some_and(|at| at <= now) {
            self.agent.handle_timeout(now);
        }
        if self.registrar.timeout().is_some_and(|at| at <= now) {
            for user in self.registrar.handle_timeout(now) {
                self.registrations_changed(now, &user);
            }
        }
        self.events_timeout(now);
        self.ping_phones(now);
        self.locating.locator.handle_timeout(now);
        self.trunks_timeout(now);
        self.peers_timeout(now);
        self.route_timeout(now);
        self.identity_timeout(now);
        while let Some(call) = self.calls.timers.pop(now) {
            if let Some(entry) = self.calls.table.get_mut(&call) {
                entry.call.handle_timeout(now);
                self.calls.talking.push_back(call);
            }
        }
        self.settle(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.agent.timeout(),
            self.registrar.timeout(),
            self.calls.timers.next(),
            self.legs.timers.next(),
            self.locating.locator.timeout(),
            self.trunks.timeout(),
            self.peers.timeout(),
            self.identities.timeout(),
            self.events.timeout(),
            self.pings_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }
}
