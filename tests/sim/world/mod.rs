//! Everything around one exchange, by script and in virtual time: phones, links, web, voice, rows.
//!
//! The world advances to the earliest deadline and drains until nothing is due. All chance comes
//! from one seed, so that the same seed gives the same bytes twice.

#![allow(dead_code, unused_imports, reason = "test and bench each use a part of it")]

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use offhook::base::{Duration, Epoch, Instant, Machine, Rng, WallTime};
use offhook::call::Note;
use offhook::directory::Directory;
use offhook::exchange::{self, Exchange};
use offhook::sip::registrar::StoredBinding;
use offhook::sip::user_agent::{self, Listener};
use offhook::sip::{self, Flow, ShardId, Shards, Transport};

mod certificates;
mod dns;
mod handset;
mod link;
mod media;
mod office;
mod orders;
mod planes;
pub mod raw;
pub mod rows;
mod scripted;
mod show;
mod voice;
mod web;

pub use certificates::Certificates;
pub use dns::Dns;
pub use handset::{Handset, Pickup};
pub use link::{Link, Network};
pub use media::{Media, Owner};
pub use office::{NUMBER, OWN_NUMBER, Office, VOICE};
pub use orders::Orders;
pub use raw::{Peer, header, respond};
pub use rows::Rows;
pub use voice::Voice;
pub use web::{Page, Web};

/// The exchange's SIP address.
pub const SERVER: &str = "192.0.2.1:5060";
/// What `now` is on the wall when a world begins.
const BEGINNING: u64 = 1_795_237_266_000;
/// Turns of the loop without time going on: more is a machine that spins.
const MOST_TURNS: usize = 200_000;

thread_local! {
    /// How many exchanges the worlds of this thread have, and who lives where.
    static AMONG: Cell<Option<(u8, u64)>> = const { Cell::new(None) };
}

/// Restores how many there were before.
pub struct Among(Option<(u8, u64)>);

impl Drop for Among {
    fn drop(&mut self) {
        AMONG.set(self.0);
    }
}

/// Something that will arrive.
enum Arrival {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Bytes },
    Exchange(usize, exchange::Input),
    Phone(usize, handset::Act),
}

/// Who owns an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Exchange,
    Phone(usize),
    Peer(usize),
}

/// The world.
pub struct World {
    pub now: Instant,
    pub seed: u64,
    pub web: Web,
    pub voice: Voice,
    pub network: Network,
    pub rows: Rows,
    pub media: Media,
    pub notes: Vec<(Instant, Note)>,
    pub registered: Vec<(Instant, String, usize)>,
    /// What became of orders.
    pub orders: Orders,
    /// Whether every datagram is kept; benches turn it off.
    pub keep: bool,
    /// Every datagram that was sent: when, from, to, bytes.
    pub sent: Vec<(Instant, SocketAddr, SocketAddr, Bytes)>,
    /// What host names resolve to.
    pub names: HashMap<String, Vec<IpAddr>>,
    /// The DNS.
    pub dns: Dns,
    built_with: (exchange::Config, Arc<Directory>),
    /// Where signers keep their certificates.
    pub certificates: Certificates,
    /// One, or as many as share the address: each datagram reaches one of them by chance.
    exchanges: Vec<Exchange>,
    /// An exchange that hears nothing of the others.
    pub stuck: Option<usize>,
    /// What exchanges tell each other is lost: the ways between them are full.
    pub apart: bool,
    /// Which exchange gets the next datagram, where that is not left to chance.
    pub receiver: Option<usize>,
    /// Each datagram of a source may reach another exchange.
    pub scatter: bool,
    kernel: Rng,
    receivers: HashMap<SocketAddr, usize>,
    phones: Vec<Handset>,
    peers: Vec<Peer>,
    addresses: HashMap<SocketAddr, Endpoint>,
    agenda: BTreeMap<(Instant, u64), Arrival>,
    arrivals: u64,
    rng: Rng,
}

impl World {
    /// An office as it is built by default, media by script.
    pub fn new(seed: u64) -> World {
        World::with(seed, Office::new().build(), false)
    }

    /// The same with every frame of sound computed and sent.
    pub fn sounding(seed: u64) -> World {
        World::with(seed, Office::new().build(), true)
    }

    /// A world around that directory. `OFFHOOK_SIM_SHARDS` says how many exchanges share it where
    /// a test does not: every scenario must hold with several, too.
    pub fn with(seed: u64, directory: Directory, sounding: bool) -> World {
        let of = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let asked = of("OFFHOOK_SIM_SHARDS").map_or(1, |shards: u64| shards as u8);
        let (shards, salt) = AMONG.get().unwrap_or((asked, of("OFFHOOK_SIM_SALT").unwrap_or(0)));
        World::salted(seed, directory, sounding, shards, seed ^ salt)
    }

    /// Plays a scenario with so many exchanges, in whatever worlds it makes; the salt decides who
    /// lives where.
    pub fn among(shards: u8, salt: u64, scenario: impl FnOnce()) {
        let _restored = Among(AMONG.replace(Some((shards, salt))));
        scenario();
    }

    /// From here on worlds have one exchange: what a test tells of is each one's own.
    pub fn alone() -> Among {
        Among(AMONG.replace(Some((1, 0))))
    }

    /// The same with so many exchanges.
    pub fn sharded(seed: u64, directory: Directory, sounding: bool, shards: u8) -> World {
        World::salted(seed, directory, sounding, shards, seed)
    }

    fn salted(seed: u64, directory: Directory, sounding: bool, shards: u8, key: u64) -> World {
        let mut rng = Rng::from_number(seed);
        let server: SocketAddr = SERVER.parse().expect("an address");
        let listener = Listener::new(Transport::Udp, server);
        let mut config = exchange::Config {
            agent: user_agent::Config::new(vec![listener], "Offhook"),
            listeners: vec![(Transport::Udp, server)],
            public_address: None,
            own_addresses: vec![],
            epoch: Epoch::new(WallTime::from_unix_millis(BEGINNING)),
            ledger: Default::default(),
        };
        let directory = Arc::new(directory);
        let mut media = Media::new(sounding);
        let mut exchanges = Vec::new();
        for index in 0..shards {
            config.agent.shards = Shards::new(index, shards, key);
            let exchange = Exchange::new(config.clone(), Arc::clone(&directory), rng.fork());
            exchanges.push(exchange);
            media.add(Owner::Exchange(usize::from(index)), server.ip(), rng.fork());
        }
        World {
            now: Instant::from_millis(1_000),
            seed,
            web: Web::default(),
            voice: Voice::default(),
            network: Network::new(rng.fork()),
            rows: Rows::default(),
            media,
            notes: Vec::new(),
            registered: Vec::new(),
            orders: Orders::default(),
            keep: true,
            sent: Vec::new(),
            names: HashMap::new(),
            dns: Dns::default(),
            exchanges,
            stuck: None,
            apart: false,
            receiver: None,
            scatter: false,
            kernel: Rng::from_number(seed),
            receivers: HashMap::new(),
            built_with: (config, directory),
            certificates: Certificates::default(),
            phones: Vec::new(),
            peers: Vec::new(),
            addresses: HashMap::from([(server, Endpoint::Exchange)]),
            agenda: BTreeMap::new(),
            arrivals: 0,
            rng,
        }
    }

    fn later(&mut self, at: Instant, arrival: Arrival) {
        self.arrivals += 1;
        self.agenda.insert((at, self.arrivals), arrival);
    }

    /// Calls that are up or being set up.
    pub fn calls(&self) -> usize {
        self.exchanges.iter().map(Exchange::calls).sum()
    }

    /// The server is killed and started again: only what was written is left. Gives how many
    /// registrations it found.
    pub fn restart(&mut self) -> usize {
        let (config, directory) = self.built_with.clone();
        let mut config = exchange::Config { ledger: Default::default(), ..config };
        let mut kept: Vec<StoredBinding> = self.rows.bindings.values().cloned().collect();
        kept.sort_by_key(|row| (row.address_of_record.clone(), std::cmp::Reverse(row.updated)));
        let (mut restored, count) = (0, self.exchanges.len() as u8);
        // Another key than before: users may have other homes.
        let key = self.rng.next_u64();
        for (index, exchange) in (0..).zip(&mut self.exchanges) {
            config.agent.shards = Shards::new(index, count, key);
            let (config, directory) = (config.clone(), Arc::clone(&directory));
            *exchange = Exchange::new(config, directory, self.rng.fork());
            let (own, others) = exchange.divide(kept);
            restored += exchange.restore(self.now, own);
            kept = others;
        }
        assert!(kept.is_empty(), "nobody's: {kept:?}");
        // What the exchanges had for each other is gone with them.
        self.agenda.retain(|_, arrival| {
            !matches!(arrival, Arrival::Exchange(_, exchange::Input::Peer(..)))
        });
        self.drain();
        restored
    }

    /// Subscriptions that are kept.
    pub fn subscriptions(&self) -> usize {
        self.exchanges.iter().map(Exchange::subscriptions).sum()
    }

    /// The same of each exchange.
    pub fn subscriptions_of_each(&self) -> Vec<usize> {
        self.exchanges.iter().map(Exchange::subscriptions).collect()
    }

    /// Something for the exchange from outside of the network: a new directory, a shutdown.
    pub fn tell(&mut self, input: exchange::Input) {
        let all: Vec<exchange::Input> = match input {
            exchange::Input::Directory(new) => {
                let each = |_| exchange::Input::Directory(Arc::clone(&new));
                self.exchanges.iter().map(each).collect()
            }
            exchange::Input::Drain => {
                self.exchanges.iter().map(|_| exchange::Input::Drain).collect()
            }
            exchange::Input::Shutdown => {
                self.exchanges.iter().map(|_| exchange::Input::Shutdown).collect()
            }
            exchange::Input::Sip(sip::Input::Unreachable { flow }) => {
                let each = |_| exchange::Input::Sip(sip::Input::Unreachable { flow });
                self.exchanges.iter().map(each).collect()
            }
            one => vec![one],
        };
        for (exchange, input) in self.exchanges.iter_mut().zip(all) {
            exchange.handle(self.now, input);
        }
        self.drain();
    }

    /// What each exchange holds.
    pub fn figures(&self) -> Vec<exchange::Figures> {
        self.exchanges.iter().map(Exchange::figures).collect()
    }

    /// What happened at each exchange's door.
    pub fn counters(&self) -> Vec<exchange::Counters> {
        self.exchanges.iter().map(Exchange::counters).collect()
    }

    /// Lets time pass.
    pub fn run(&mut self, length: Duration) {
        let end = self.now + length;
        while self.step(end) {}
    }

    /// Lets so many seconds pass.
    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    /// Lets so many milliseconds pass.
    pub fn millis(&mut self, millis: u64) {
        self.run(Duration::from_millis(millis));
    }

    /// Lets time pass until something holds; says whether it came to hold within `seconds`.
    pub fn until(&mut self, seconds: u64, holds: impl Fn(&World) -> bool) -> bool {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            if holds(self) {
                return true;
            }
            if !self.step(end) {
                return holds(self);
            }
        }
    }

    /// Until no call is left, then until all transactions have had their time.
    pub fn end(&mut self) {
        // An INVITE may still be on its way when this begins.
        for _ in 0..5 {
            assert!(self.until(200, |world| world.calls() == 0), "a call never ends");
            self.seconds(40);
            if self.calls() == 0 {
                break;
            }
        }
        assert_eq!(
            self.media.own_sessions(self.exchanges.len()),
            0,
            "media sessions are left over"
        );
        let legs: usize = self.exchanges.iter().map(Exchange::legs).sum();
        assert_eq!(legs, 0, "legs are left over");
        for row in self.rows.calls.values() {
            assert!(row.status.is_final(), "the row of {} {} is open", row.from, row.to);
            assert!(row.ended.is_some() && !row.reason.is_empty(), "how did {row:?} end?");
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let phones = self.phones.iter().filter_map(Handset::timeout);
        let exchanges = self.exchanges.iter().filter_map(Exchange::timeout);
        let machines = [agenda, self.media.timeout()];
        machines.into_iter().flatten().chain(phones).chain(exchanges).min()
    }

    /// Goes to the next deadline, if there is one until `end`.
    fn step(&mut self, end: Instant) -> bool {
        let Some(at) = self.deadline().filter(|at| *at <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(at);
        while let Some(entry) = self.agenda.first_entry().filter(|e| e.key().0 <= self.now) {
            let arrival = entry.remove();
            self.arrive(arrival);
            self.drain();
        }
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.media.timeout()) {
            self.media.handle_timeout(now);
        }
        for exchange in &mut self.exchanges {
            if due(exchange.timeout()) {
                exchange.handle_timeout(now);
            }
        }
        for phone in &mut self.phones {
            if due(phone.timeout()) {
                phone.handle_timeout(now);
            }
        }
        self.drain();
        true
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::Exchange(index, input) => self.exchanges[index].handle(now, input),
            Arrival::Phone(index, act) => self.act(index, act),
            Arrival::Datagram { from, to, bytes } => match self.addresses.get(&to).copied() {
                Some(Endpoint::Exchange) => {
                    let received = sip::Input::Received { flow: flow(to, from), bytes };
                    let index = self.receiver(from);
                    self.exchanges[index].handle(now, exchange::Input::Sip(received));
                }
                Some(Endpoint::Phone(index)) => self.phones[index].receive(now, from, bytes),
                Some(Endpoint::Peer(index)) => self.peers[index].receive(now, from, &bytes),
                None => self.media.receive(now, from, to, &bytes),
            },
        }
    }

    /// Sends a datagram over the link between the two.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if self.keep {
            self.sent.push((self.now, from, to, bytes.clone()));
        }
        for delay in self.network.carry(from.ip(), to.ip()) {
            let arrival = Arrival::Datagram { from, to, bytes: bytes.clone() };
            self.later(self.now + delay, arrival);
        }
    }

    /// Carries out what all machines ask for, until all are silent.
    fn drain(&mut self) {
        for _ in 0..MOST_TURNS {
            let mut exchanges = self.exchanges.iter_mut().enumerate();
            let polled = exchanges.find_map(|(index, exchange)| Some((index, exchange.poll()?)));
            if let Some((index, output)) = polled {
                self.carry_out(index, output);
            } else if let Some(told) = self.media.poll() {
                self.heard_of(told);
            } else if !self.drain_phones() {
                return;
            }
        }
        panic!("the machines never fall silent");
    }

    /// Who gets a datagram: of one source always the same, as a kernel does it.
    fn receiver(&mut self, from: SocketAddr) -> usize {
        let (count, kernel) = (self.exchanges.len() as u64, &mut self.kernel);
        let by_chance = || kernel.below(count) as usize;
        if self.scatter {
            return self.receiver.unwrap_or_else(by_chance);
        }
        self.receiver.unwrap_or_else(|| *self.receivers.entry(from).or_insert_with(by_chance))
    }

    fn carry_out(&mut self, index: usize, output: exchange::Output) {
        use exchange::Output;
        let now = self.now;
        match output {
            Output::Transmit(flow, bytes) => {
                raw::assert_single(&bytes);
                self.send(flow.local, flow.remote, bytes);
            }
            Output::Expect(..) => {}
            Output::Media(command) => self.media.command(now, Owner::Exchange(index), command),
            Output::Fetch(ticket, fetch) => {
                if let Some((delay, result)) = self.web.answer(now, fetch) {
                    let input = exchange::Input::Fetched(ticket, result);
                    self.later(now + delay, Arrival::Exchange(index, input));
                }
            }
            Output::Speak(ticket, speech) => {
                let clip = self.voice.speak(&speech);
                self.sound(index, ticket, clip);
            }
            Output::Load(ticket, _, url) => {
                let clip = self.voice.load(&url);
                self.sound(index, ticket, clip);
            }
            Output::Ask(question) => {
                let answer = self.dns.answer(now, &question, &self.names);
                let input = exchange::Input::Answered(question, answer);
                self.later(now + self.dns.delay, Arrival::Exchange(index, input));
            }
            Output::Certificate(url) => {
                let (delay, answer) = self.certificates.answer(&url);
                let input = exchange::Input::Certificate(url, answer);
                self.later(now + delay, Arrival::Exchange(index, input));
            }
            Output::Persist(persist) => self.rows.write(now, persist),
            Output::Ordered(number, outcome) => self.orders.told(number, outcome),
            Output::Note(note) => self.notes.push((now, note)),
            Output::Told(_) | Output::Trunk(_) => {}
            Output::Binding(change) => self.rows.keep(change),
            Output::Peer(to, message) => {
                let from = ShardId(index as u8);
                let to = usize::from(to.0);
                assert_ne!(to, index, "nobody talks to itself");
                if self.stuck != Some(to) && !self.apart {
                    self.later(now, Arrival::Exchange(to, exchange::Input::Peer(from, message)));
                }
            }
            Output::Registered(change) => {
                self.registered.push((now, change.user, change.phones));
            }
        }
    }

    fn sound(&mut self, index: usize, ticket: exchange::Ticket, clip: voice::Answer) {
        let input = exchange::Input::Sound(ticket, clip);
        self.later(self.now + self.voice.delay, Arrival::Exchange(index, input));
    }

    fn heard_of(&mut self, told: media::Told) {
        match told {
            media::Told::Event(Owner::Exchange(index), event) => {
                self.exchanges[index].handle(self.now, exchange::Input::Media(event));
            }
            media::Told::Event(Owner::Phone(index), event) => {
                self.phones[index].media(self.now, event);
            }
            media::Told::Send { from, to, bytes } => self.send(from, to, bytes),
        }
    }

    /// How trunks and lines fare, as each exchange has it.
    pub fn all_trunks(&self) -> Vec<Vec<exchange::TrunkState>> {
        self.exchanges.iter().map(Exchange::trunk_states).collect()
    }

    /// How trunks and lines fare, as those say who look after them.
    pub fn trunks(&self) -> Vec<exchange::TrunkState> {
        let mut states = self.exchanges[0].trunk_states();
        for state in self.all_trunks().into_iter().flatten() {
            let known = |known: &&mut exchange::TrunkState| {
                (&known.name, &known.user) == (&state.name, &state.user)
            };
            if let Some(known) = states.iter_mut().find(known).filter(|k| k.since < state.since) {
                *known = state;
            }
        }
        states
    }

    /// Whether something was noted that contains a text.
    pub fn told(&self, text: &str) -> bool {
        self.notes.iter().any(|(_, note)| note.text.contains(text))
    }

    /// Whether a code was noted.
    pub fn noted(&self, code: u32) -> bool {
        self.notes.iter().any(|(_, note)| note.code == code)
    }
}

/// The flow of a datagram between two addresses.
fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local, remote, connection: 0 }
}
