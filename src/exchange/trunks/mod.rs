//! Trunks and lines at work: which are up, which are registered, how many calls each carries.
//!
//! A line is a trunk that belongs to one user. What was configured stays in the directory; here is
//! what became of it.

use std::fmt;

use super::ledger::Ledger;
use super::locating::{Seeker, hop_of};
use super::peers::Say;
use super::registration::derived;
use super::routing::login_of;
use super::*;
use crate::directory::Trunk;
use crate::sip::header::NameAddr;
use crate::sip::locate::{self, Hop, LocateError};
use crate::sip::registration::{self, Registration, Settings, bracketed, registrar_of};
use crate::sip::uri::{Scheme, SipUri};
use crate::sip::{Command, Message, Shards};

mod health;
mod inbound;
mod state;
mod upkeep;

use health::Health;
pub use state::{Answers, TrunkChange, TrunkState};

/// The numbers of our requests outside dialogs have this bit, apart from those of others. The last
/// four bits belong to registrations, see [`Settings::id`].
const REQUEST: u64 = 1 << 60;

/// The bits that a registration uses.
const SERVER_BITS: u64 = 15;

/// Servers of one trunk that a ping or REGISTER tries in turn.
const MOST_SERVERS: usize = 4;

/// The code of notes about trunks that do not work: "Error communicating with your SIP
/// communications infrastructure".
const TROUBLE: u32 = 32_011;

/// A trunk or line by name; names are told apart by kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Trunk(Arc<str>),
    Line(Arc<str>),
}

impl Key {
    pub(super) fn trunk(name: &str) -> Key {
        Key::Trunk(name.into())
    }

    pub(super) fn line(name: &str) -> Key {
        Key::Line(name.into())
    }

    pub(super) fn is_line(&self) -> bool {
        matches!(self, Key::Line(_))
    }

    fn name(&self) -> &str {
        match self {
            Key::Trunk(name) | Key::Line(name) => name,
        }
    }

    /// Its settings.
    pub(super) fn find<'a>(&self, directory: &'a Directory) -> Option<&'a Trunk> {
        match self {
            Key::Trunk(name) => directory.trunks.iter().find(|trunk| *trunk.name == **name),
            Key::Line(name) => directory.lines.named(name).map(|line| &line.account),
        }
    }

    /// All that are configured.
    fn all(directory: &Directory) -> impl Iterator<Item = (Key, &Trunk)> {
        let trunks = directory.trunks.iter().map(|trunk| (Key::trunk(&trunk.name), trunk));
        let lines = directory.lines.iter().map(|line| &line.account);
        trunks.chain(lines.map(|account| (Key::line(&account.name), account)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Trunk(name) => write!(f, "trunk {name}"),
            Key::Line(name) => write!(f, "line {name}"),
        }
    }
}

/// All trunks and lines.
pub(super) struct Trunks {
    shards: Shards,
    ledger: Arc<Ledger>,
    table: BTreeMap<Key, Upstream>,
    /// Whose Contact it is, by its user part.
    contacts: BTreeMap<String, Key>,
    /// Whose request outside dialogs it is.
    requests: BTreeMap<u64, Key>,
    timers: TimerTable<Key>,
    /// Registrations of what is configured no more, until they are taken back.
    leaving: BTreeMap<u64, Registration>,
    /// The server that holds each registration, and how many each of them holds.
    held: BTreeMap<Key, SocketAddr>,
    servers: BTreeMap<SocketAddr, usize>,
    last_request: u64,
    /// What is configured no more and was not told yet.
    gone: Vec<Key>,
    /// What others look after, and have not been asked for yet.
    asks: Vec<Key>,
}

/// One of them. Who looks after it registers and asks it, and tells the other exchanges.
#[derive(Default)]
struct Upstream {
    /// What was told of it last.
    shown: Option<Box<TrunkState>>,
    health: Option<Health>,
    account: Option<Account>,
    /// Of one that another exchange looks after: how it fares.
    away: Option<Fare>,
    /// What the other exchanges were told last.
    told: Fare,
}

/// How a trunk or line fares, as far as calls depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fare {
    up: bool,
    answers: Answers,
    flow: Option<Flow>,
    service_route: Vec<String>,
    registration: Option<registration::State>,
}

impl Default for Fare {
    fn default() -> Self {
        let answers = Answers::Unasked;
        Fare { up: true, answers, flow: None, service_route: vec![], registration: None }
    }
}

/// How one fares, for the exchanges that do not look after it.
#[derive(Debug)]
pub(super) struct News {
    key: Key,
    fare: Fare,
}

/// A registration, and the user part of its Contact: a secret between us and the registrar, by
/// which calls to it are known wherever they come from.
struct Account {
    contact: String,
    registration: Registration,
}

impl Trunks {
    /// None yet.
    pub(super) fn new(shards: Shards, ledger: Arc<Ledger>) -> Trunks {
        Trunks {
            shards,
            ledger,
            table: BTreeMap::new(),
            contacts: BTreeMap::new(),
            requests: BTreeMap::new(),
            timers: TimerTable::new(),
            leaving: BTreeMap::new(),
            held: BTreeMap::new(),
            servers: BTreeMap::new(),
            last_request: 0,
            gone: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// Whether it works as far as is known.
    pub(super) fn is_up(&self, key: &Key) -> bool {
        self.table.get(key).is_none_or(Upstream::is_up)
    }

    /// Takes a channel; gives the URI whose servers are to be tried, or says why not.
    pub(super) fn enter(&mut self, directory: &Directory, key: &Key) -> Result<String, String> {
        let Some(trunk) = key.find(directory) else {
            return Err(format!("{key} is configured no more"));
        };
        let routes = self.routes(key, trunk);
        let route = routes.first().and_then(|route| NameAddr::parse(route));
        let uri = as_secret(trunk, route.as_ref().map_or(&trunk.uri, |route| route.uri()));
        if self.table.contains_key(key) {
            let channels = trunk.channels;
            let full = |most| format!("{key} has all its {most} channels in use");
            if channels == Some(0) {
                return Err(full(0));
            }
            self.ledger
                .enter(&channels_of(key), channels.unwrap_or(0))
                .map_err(|_| full(channels.unwrap_or(0)))?;
        }
        Ok(uri)
    }

    /// Whether it may carry no further call.
    fn full(&self, directory: &Directory, key: &Key) -> Option<u32> {
        let calls = self.ledger.calls(&channels_of(key));
        key.find(directory)?.channels.filter(|channels| calls >= *channels)
    }

    /// Takes a channel for a call that came by it.
    pub(super) fn occupy(&mut self, key: &Key) {
        // No limit holds for one that is let in already.
        let _ = self.ledger.enter(&channels_of(key), 0);
    }

    /// Gives a channel back.
    pub(super) fn leave(&mut self, key: &Key) {
        self.ledger.leave(&channels_of(key));
    }

    /// The server that holds the registration.
    pub(super) fn registered_at(&self, key: &Key) -> Option<Flow> {
        let upstream = self.table.get(key)?;
        match &upstream.away {
            Some(away) => away.flow,
            None => upstream.account.as_ref()?.registration.flow(),
        }
    }

    /// The Route values of a call: what the registrar asked for, else the proxy.
    pub(super) fn routes(&self, key: &Key, trunk: &Trunk) -> Vec<String> {
        let upstream = self.table.get(key);
        let account = upstream.and_then(|upstream| upstream.account.as_ref());
        let away = upstream.and_then(|upstream| upstream.away.as_ref());
        let service = match (account, away) {
            (_, Some(away)) => away.service_route.as_slice(),
            (Some(account), None) => account.registration.service_route(),
            (None, None) => &[],
        };
        match service.is_empty() {
            true => trunk.proxy.as_deref().map(loose).into_iter().collect(),
            false => service.to_vec(),
        }
    }

    /// Whether it is this exchange that registers and asks it.
    fn looks_after(&self, key: &Key) -> bool {
        self.shards.is_alone() || self.shards.of_thing(&key.to_string()) == self.shards.own()
    }

    /// Takes over what is configured now. What stays as it was is not disturbed.
    pub(super) fn configure(&mut self, directory: &Directory, rng: &mut Rng) {
        let wanted: BTreeMap<Key, &Trunk> = Key::all(directory).collect();
        let gone: Vec<Key> =
            self.table.keys().filter(|key| !wanted.contains_key(key)).cloned().collect();
        for key in gone {
            self.timers.clear(&key);
            self.contacts.retain(|_, known| *known != key);
            if let Some(account) = self.table.remove(&key).and_then(|upstream| upstream.account) {
                self.contacts.remove(&account.contact);
                self.retire(account);
            }
            self.note_server(&key);
            // Who looked after it says so.
            if self.looks_after(&key) {
                self.gone.push(key);
            }
        }
        for (key, trunk) in wanted {
            let own = self.looks_after(&key);
            let upstream = self.table.entry(key.clone()).or_default();
            if !own {
                if upstream.away.is_none() {
                    upstream.away = Some(Fare::default());
                    self.asks.push(key.clone());
                }
                self.contacts.retain(|_, known| *known != key);
                if trunk.registration.is_some() {
                    self.contacts.insert(contact_of(directory, &key), key);
                }
                continue;
            }
            // What has not happened yet is due at once.
            if upstream.health.as_ref().map(Health::ping) != trunk.ping {
                upstream.health = trunk.ping.map(Health::new);
                self.timers.set(key.clone(), Instant::ZERO);
            }
            self.configure_account(directory, &key, trunk, rng);
        }
    }

    /// The same for the registration of one of them.
    fn configure_account(
        &mut self,
        directory: &Directory,
        key: &Key,
        trunk: &Trunk,
        rng: &mut Rng,
    ) {
        let Some(upstream) = self.table.get_mut(key) else { return };
        let old = upstream.account.as_ref().map(|account| account.registration.settings());
        let instance = instance_of(directory, key);
        let wanted = settings_of(trunk, old.map_or(0, |settings| settings.id), instance);
        if old == wanted.as_ref() {
            return;
        }
        if let Some(before) = upstream.account.take() {
            self.contacts.remove(&before.contact);
            let old = before.registration.settings();
            let stays = wanted.as_ref().is_some_and(|wanted| {
                wanted.registrar == old.registrar
                    && wanted.address_of_record == old.address_of_record
            });
            // The same binding is replaced; taking it back could overtake that.
            match stays {
                true => drop(self.requests.remove(&old.id)),
                false => self.retire(before),
            }
            self.note_server(key);
        }
        let Some(settings) = wanted else { return };
        let id = self.request(key);
        let registration = Registration::new(Settings { id, ..settings }, rng.fork());
        let contact = contact_of(directory, key);
        self.contacts.insert(contact.clone(), key.clone());
        if let Some(upstream) = self.table.get_mut(key) {
            upstream.account = Some(Account { contact, registration });
        }
        self.timers.set(key.clone(), Instant::ZERO);
    }

    /// Whether one of our registrations is held there.
    pub(super) fn is_server(&self, address: SocketAddr) -> bool {
        self.servers.contains_key(&address)
    }

    /// Keeps in mind which server holds a registration now, if any does.
    fn note_server(&mut self, key: &Key) {
        let now = self.registered_at(key).map(|flow| flow.remote);
        let before = match now {
            Some(server) => self.held.insert(key.clone(), server),
            None => self.held.remove(key),
        };
        if let Some(server) = now {
            *self.servers.entry(server).or_default() += 1;
        }
        if let Some(server) = before
            && let Some(count) = self.servers.get_mut(&server)
        {
            *count -= 1;
            if *count == 0 {
                self.servers.remove(&server);
            }
        }
    }

    /// A number for requests.
    fn request(&mut self, key: &Key) -> u64 {
        self.last_request += 1;
        let id = REQUEST | self.last_request << SERVER_BITS.count_ones();
        self.requests.insert(id, key.clone());
        id
    }

    fn retire(&mut self, account: Account) {
        let id = account.registration.settings().id;
        self.requests.remove(&id);
        self.leaving.insert(id, account.registration);
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How one fares that another exchange looks after.
    pub(super) fn hear(&mut self, news: News) {
        let upstream = self.table.get_mut(&news.key);
        if let Some(away) = upstream.and_then(|upstream| upstream.away.as_mut()) {
            *away = news.fare;
            self.note_server(&news.key);
        }
    }
}

/// Under which name the channels of a trunk or line are counted; users and caps have others.
fn channels_of(key: &Key) -> String {
    format!("channels of {key}")
}

impl Upstream {
    fn is_up(&self) -> bool {
        if let Some(away) = &self.away {
            return away.up;
        }
        let registered = self.account.as_ref().is_none_or(|account| {
            !matches!(account.registration.state(), registration::State::Failed { .. })
        });
        registered && self.health.as_ref().is_none_or(Health::is_up)
    }

    fn registration(&self) -> Option<registration::State> {
        match &self.away {
            Some(away) => away.registration.clone(),
            None => self.account.as_ref().map(|account| account.registration.state()),
        }
    }

    fn answers(&self) -> Answers {
        match &self.away {
            Some(away) => away.answers,
            None => self.health.as_ref().map_or(Answers::Unasked, Health::answers),
        }
    }

    fn fare(&self) -> Fare {
        let registration = self.account.as_ref().map(|account| &account.registration);
        Fare {
            up: self.is_up(),
            answers: self.answers(),
            flow: registration.and_then(|registration| registration.flow()),
            service_route: registration.map_or(vec![], |one| one.service_route().to_vec()),
            registration: registration.map(|registration| registration.state()),
        }
    }
}

/// The user part of a Contact: nobody can guess it, and it is the same after a restart, so that a
/// registration of before still leads here.
fn contact_of(directory: &Directory, key: &Key) -> String {
    let digest = derived(directory, "contact", &key.to_string());
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// The name of this server as the device of a registration (RFC 5626 section 4.1): the same after
/// a restart, and a UUID of version 8 (RFC 9562 section 5.8).
fn instance_of(directory: &Directory, key: &Key) -> String {
    let digest = derived(directory, "instance", &key.to_string());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    let (one, two, three, four, five) =
        (part(0..8), part(8..12), part(13..16), part(17..20), part(20..32));
    format!("urn:uuid:{one}-{two}-8{three}-a{four}-{five}")
}

/// A Route value of a proxy, which is a loose router as all are (RFC 3261 section 19.1.1).
fn loose(uri: &str) -> String {
    match SipUri::parse(uri).is_some_and(|uri| uri.is_loose_router()) {
        true => format!("<{uri}>"),
        false => format!("<{uri};lr>"),
    }
}

/// Where requests outside dialogs go.
fn proxy_or_uri(trunk: &Trunk) -> String {
    as_secret(trunk, trunk.proxy.as_deref().unwrap_or(&trunk.uri))
}

/// The URI of a next hop; of a trunk by `sips:` each is found as if it were one, too (RFC 3261
/// section 8.1.2).
fn as_secret(trunk: &Trunk, hop: &str) -> String {
    let secret = SipUri::parse(&trunk.uri).is_some_and(|uri| uri.scheme() == Scheme::Sips);
    match (secret, hop.split_once(':')) {
        (true, Some((scheme, rest))) if scheme.eq_ignore_ascii_case("sip") => {
            format!("sips:{rest}")
        }
        _ => hop.to_owned(),
    }
}

/// What a trunk's registration is made of, if it has one.
fn settings_of(trunk: &Trunk, id: u64, instance: String) -> Option<Settings> {
    let account = trunk.registration.as_ref()?;
    let uri = SipUri::parse(&trunk.uri)?;
    let (scheme, host) = (uri.scheme_name(), bracketed(uri.host()));
    Some(Settings {
        id,
        registrar: registrar_of(&trunk.uri)?,
        address_of_record: format!("{scheme}:{}@{host}", account.user),
        route: trunk.proxy.as_deref().map(loose),
        expires: account.expires,
        login: login_of(trunk),
        keep_alive: account.keep_alive,
        instance: Some(instance),
    })
}
