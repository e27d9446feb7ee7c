//! Puts a server together, in the order in which parts need each other.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Notify, mpsc, watch};

use super::background;
use super::clock::Clock;
use super::function_log::FunctionLog;
use super::http_io::{self, HttpThread};
use super::link::Link;
use super::media_io;
use super::orders::Orders;
use super::project::{Opened, names, recordings_folder};
use super::recover::{LastSign, recover};
use super::seeing::{Observer, Seeing, metrics};
use super::shard::{Parts, Shard};
use super::sip_io::{Bound, Settings, SipIo};
use super::threads::Threads;
use super::trace::Trace;
use super::watched::look_often;
use super::{Node, bindings, loader, reload, tell_problems, tell_secrets};
use crate::call::Note;
use crate::callback::Outbox;
use crate::config::{Config, Problem, Severity};
use crate::directory::Directory;
use crate::exchange::{self, Exchange, Ledger};
use crate::http::recordings::{self, Recordings};
use crate::sip::user_agent::{self, Listener};
use crate::sip::{ShardId, Shards, Transport};
use crate::source::Project;
use crate::source::seen::Watcher;
use crate::speech::{self, Voices};
use crate::store::{Sqlite, Store};

/// Speech kept on disk: about a day of it.
const SPEECH_CACHE: u64 = 256 << 20;

/// What a caller of [`Node::start`] may want to watch.
#[derive(Clone, Default)]
pub struct Options {
    /// Keeps the Call-IDs of calls.
    pub trace: Option<Trace>,
    /// Gets the calls' notes as they are written.
    pub notes: Option<mpsc::Sender<Note>>,
    /// Is told of requests for bins and functions.
    pub watcher: Option<Arc<dyn Watcher>>,
}

/// Why a server does not start. Each says what failed and what to do.
#[derive(Debug)]
pub enum StartError {
    /// Handlers of the configuration name what does not exist.
    Handlers(Vec<Problem>),
    /// A listener, thread or descriptor could not be had.
    System(io::Error),
    /// The data folder cannot be used.
    Data(PathBuf, io::Error),
    /// Another server uses the data folder.
    InUse(PathBuf),
    /// The database cannot be used.
    Store(crate::store::StoreError),
    /// The function engine cannot start.
    Functions(String),
    /// The system gives no randomness.
    Randomness(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Handlers(problems) => {
                f.write_str("the configuration names what does not exist; mend it and try again")?;
                problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
            }
            StartError::System(error) => {
                write!(f, "{error}; {}", to_do(error))
            }
            StartError::Data(folder, error) => write!(
                f,
                "the data folder {} cannot be used: {error}; set [server] data to a writable folder",
                folder.display()
            ),
            StartError::InUse(folder) => write!(
                f,
                "the data folder {} is in use by another offhook; stop that, or set [server] data \
                 to a folder of this one's own",
                folder.display()
            ),
            StartError::Store(error) => write!(f, "{error}"),
            StartError::Functions(reason) => write!(f, "functions cannot run: {reason}"),
            StartError::Randomness(error) => write!(f, "cannot read /dev/urandom: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What to do about a listener, or anything else, that cannot be had.
fn to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is another server running? change `listen` in offhook.toml",
        io::ErrorKind::AddrNotAvailable => {
            "this address is not one of this machine's; change `listen` in offhook.toml"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 want a privilege; change `listen` in offhook.toml"
        }
        io::ErrorKind::InvalidData => "mend the files that [tls] names in offhook.toml",
        _ => "look at the limits of this machine and of this process",
    }
}

impl Node {
    /// Starts everything; when this returns, all addresses are bound. Must run inside a
    /// `tokio::runtime::LocalRuntime`.
    pub async fn start(config: Config, options: Options) -> Result<Node, StartError> {
        let problems = config.handler_problems(&names(&config));
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(StartError::Handlers(problems));
        }
        tell_problems(&config.warnings);
        tell_problems(&problems);
        tell_secrets(&config);
        let clock = Clock::start();
        let listeners = http_io::bind(&config.http.listen).map_err(StartError::System)?;
        let first = listeners.first().and_then(|listener| listener.local_addr().ok());
        let public_url = first.map_or_else(String::new, |address| format!("http://{address}"));
        let shards = shards(&config);
        let settings = Settings::of(&config);
        let mut bound = Bound::all(&config.sip.listen, shards).map_err(StartError::System)?;
        let own = bound.drain(..1).next().unwrap_or_default();
        let sip = SipIo::open(own, settings.clone(), ShardId(0)).map_err(StartError::System)?;
        let mut opened = Opened::open_to_serve(config, public_url)?;
        let config = opened.config.clone();
        let before = LastSign::of(&config.server.data);
        let lock = lock(&config.server.data)?;

        let database = config.server.data.join("offhook.db");
        let mut chance = opened.rng.fork();
        // Its thread begins where it is opened, and works while calls are set up.
        let store = background::run(async move || Sqlite::open(&database, &mut chance).await);
        let store = store.await.map_err(StartError::System)?.map_err(StartError::Store)?;
        let store = Arc::new(store);
        opened.keep_values_in(Arc::clone(&store) as _);
        let store: Arc<dyn Store> = store;
        let folder = recordings_folder(&config);
        let recovered = recover(&*store, &clock, &folder, before).await?;

        let voices = Arc::new(Voices::open(speech::Config {
            voice_dirs: config.speech.voices.clone(),
            cache_dir: Some(config.server.data.join("cache").join("speech")),
            cache_bytes: SPEECH_CACHE,
        }));
        for line in voices.report() {
            tracing::info!("{line}");
        }
        // Before any thread takes calls, which would find functions slow and the rest not there yet.
        opened.warmed().await;
        let (seeing, observer) = Seeing::start(&config, clock, &opened.public_url)
            .map_err(|error| StartError::Data(config.server.data.clone(), error))?;
        observer.rows(clock.now(), &recovered);
        if let Some(watcher) = &options.watcher {
            opened.project.watchers.add(Arc::clone(watcher));
        }
        let log = FunctionLog::start(&config.server.data);
        let log = log.map_err(|error| StartError::Data(config.server.data.clone(), error))?;
        opened.project.watchers.add(Arc::new(log));
        let (door, orders) = (sip.door(), Arc::<Orders>::default());
        let team = Team {
            config: &config,
            clock,
            listeners: sip.listeners().to_vec(),
            directory: Arc::new(opened.directory()),
            count: shards,
            key: opened.rng.next_u64(),
            ledger: Arc::default(),
            voices,
            store: Arc::clone(&store),
            observer: observer.clone(),
            orders: Arc::clone(&orders),
            outbox: Arc::new(Notify::new()),
            options,
        };
        let mut kept = bindings::kept(&*store, &clock).await?;
        let mut links = if shards > 1 { Link::all(shards) } else { vec![] }.into_iter();
        let mut threads = Threads::new();
        let mut inlets = vec![];
        let mut parts = |id| {
            let mut parts = team.parts(id, &mut opened, links.next());
            kept.restore(&mut parts.exchange, &clock);
            parts
        };
        let own = parts(ShardId(0));
        let shard = Shard::open(own, sip).map_err(StartError::System)?;
        inlets.push(shard.effects.sender());
        for (id, bound) in (1..).map(ShardId).zip(bound) {
            let started = threads.start(parts(id), bound, settings.clone()).await;
            inlets.push(started.map_err(StartError::System)?);
        }
        kept.tell_restored(&clock);
        let woken = Arc::clone(&team.outbox);
        drop(team);

        let ready = Arc::new(AtomicBool::new(false));
        let mut routes = Project::routes(&opened.project);
        routes.merge(recordings::routes(
            Recordings {
                folder,
                account_sid: opened.account.sid,
                auth_token: opened.account.token.clone(),
            },
            Arc::clone(&ready),
        ));
        let page = metrics::Page::new(observer.clone(), config.metrics_allow.clone());
        routes.add(&["GET"], "/metrics", page);
        let http = HttpThread::start(listeners, routes, ready, door);
        let http = http.map_err(StartError::System)?;

        let (stop, stopping) = watch::channel(false);
        opened.control(Arc::clone(&store), orders, inlets.clone());
        let outbox = Outbox::new(store, Arc::clone(&opened.client));
        tokio::task::spawn_local(reload::deliver(outbox, woken, clock, stopping.clone()));
        let mut loader = opened.loader();
        let mut sign = LastSign::leave(&lock, clock).map_err(StartError::System)?;
        let load = move || {
            sign.renew();
            loader.look().iter().for_each(loader::Said::log);
            true
        };
        look_often("loader", stopping.clone(), load).map_err(StartError::System)?;
        reload::watch(opened, inlets, stopping).map_err(StartError::System)?;

        Ok(Node { shard, threads, seeing, http, _lock: lock, stop })
    }
}

/// How many shards: so many as are configured, or one for each core that the process may use.
fn shards(config: &Config) -> u8 {
    match config.sip.shards {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            u8::try_from(cores).unwrap_or(Shards::MAX).clamp(1, Shards::MAX)
        }
        count => count.min(Shards::MAX),
    }
}

/// What all shards have in common.
struct Team<'a> {
    config: &'a Config,
    clock: Clock,
    listeners: Vec<(Transport, SocketAddr)>,
    directory: Arc<Directory>,
    count: u8,
    key: u64,
    ledger: Arc<Ledger>,
    voices: Arc<Voices>,
    store: Arc<dyn Store>,
    observer: Observer,
    orders: Arc<Orders>,
    outbox: Arc<Notify>,
    options: Options,
}

impl Team<'_> {
    /// The parts of one of them.
    fn parts(&self, id: ShardId, opened: &mut Opened, link: Option<Link>) -> Parts {
        let shards = Shards::new(id.0, self.count, self.key);
        let sources = match id {
            ShardId(0) => Arc::clone(&opened.sources),
            _ => opened.more_sources(),
        };
        Parts {
            id,
            clock: self.clock,
            exchange: self.exchange(shards, &mut opened.rng),
            media: media_io::Config {
                ports: ports(self.config.media.ports, shards),
                tick: std::time::Duration::from_millis(u64::from(self.config.media.tick_ms)),
                recordings: recordings_folder(self.config),
                core: None,
            },
            rng: opened.rng.fork(),
            sources,
            voices: Arc::clone(&self.voices),
            store: Arc::clone(&self.store),
            observer: self.observer.clone(),
            orders: Arc::clone(&self.orders),
            outbox: Arc::clone(&self.outbox),
            dns: self.config.dns.servers.clone(),
            directory: Arc::clone(&self.directory),
            options: self.options.clone(),
            link,
        }
    }
}

/// A shard's share of the media ports: nobody else binds one of them.
fn ports((first, last): (u16, u16), shards: Shards) -> std::ops::RangeInclusive<u16> {
    let all = u32::from(last).saturating_sub(u32::from(first)) + 1;
    // Even, for a port and the one after it (RFC 3550 section 11).
    let each = (all / u32::from(shards.count())) & !1;
    if shards.is_alone() || each < 2 {
        return first..=last;
    }
    let begin = u32::from(first) + each * u32::from(shards.own().0);
    let bound = |port: u32| u16::try_from(port).unwrap_or(last);
    bound(begin)..=bound(begin + each - 1)
}

/// One server a data folder: two would deliver callbacks twice and mend each other's recordings.
fn lock(data: &std::path::Path) -> Result<std::fs::File, StartError> {
    let failed = |error: io::Error| StartError::Data(data.to_owned(), error);
    let file = std::fs::File::create(data.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl Team<'_> {
    fn exchange(&self, shards: Shards, rng: &mut crate::base::Rng) -> Exchange {
        let Team { config, clock, .. } = self;
        let own_addresses = own_addresses();
        let advertise = |local: SocketAddr| -> IpAddr {
            let same = |own: &&IpAddr| own.is_ipv4() == local.is_ipv4();
            match config.sip.public_address.filter(|public| public.is_ipv4() == local.is_ipv4()) {
                Some(public) if !local.ip().is_loopback() => public,
                _ if local.ip().is_unspecified() => {
                    own_addresses.iter().find(same).copied().unwrap_or(local.ip())
                }
                _ => local.ip(),
            }
        };
        let listeners = self.listeners.iter().map(|&(transport, local)| Listener {
            transport,
            local,
            host: advertise(local).to_string(),
            port: local.port(),
        });
        let name = concat!("offhook/", env!("CARGO_PKG_VERSION"));
        let (digest, prefer) = (config.sip.digest.clone(), config.dns.prefer);
        let mut agent = user_agent::Config::new(listeners.collect(), name);
        agent.force_rport = config.sip.force_rport;
        agent.session = exchange::session_settings(config.sip.session_timers, agent.session);
        agent.shards = shards;
        let (flow_timer, nat_ping) = (config.sip.flow_timer, config.sip.nat_ping);
        let config = exchange::Config {
            agent,
            listeners: self.listeners.clone(),
            public_address: config.sip.public_address,
            own_addresses,
            epoch: clock.epoch(),
            ledger: Arc::clone(&self.ledger),
        };
        Exchange::new(config, Arc::clone(&self.directory), rng.fork())
            .offering(digest)
            .preferring(prefer)
            .with_flow_timer(flow_timer)
            .with_nat_ping(nat_ping)
    }
}

/// This machine's address by family: what the kernel would send from. No packet is sent.
fn own_addresses() -> Vec<IpAddr> {
    let probe = |bind: &str, towards: &str| {
        let socket = UdpSocket::bind(bind).ok()?;
        socket.connect(towards).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // Documentation addresses (RFC 5737, RFC 3849): routed like any other, never answered.
    let v4 = probe("0.0.0.0:0", "192.0.2.1:9").unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let v6 = probe("[::]:0", "[2001:db8::1]:9").unwrap_or(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]));
    vec![v4, v6]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_trouble() {
        let flaw = io::Error::new(io::ErrorKind::InvalidData, "TLS: a.pem with b.key: no");
        let told = StartError::System(flaw).to_string();
        assert!(told.contains("[tls]") && !told.contains("limits"), "{told}");
    }

    #[test]
    fn a_data_folder_serves_one_server() {
        let data = tempfile::tempdir().expect("a folder");
        let held = lock(data.path()).expect("free");
        let error = lock(data.path()).expect_err("taken");
        assert!(error.to_string().contains("in use by another offhook"), "{error}");
        drop(held);
        assert!(lock(data.path()).is_ok(), "free again");
    }

    #[tokio::test]
    async fn a_start_with_handlers_that_are_not_there_fails_as_a_check_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[http]\nlisten = [\"127.0.0.1:0\"]\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
                    [[number]]\nnumber = \"+12223331234\"\nvoice = \"bin:gone\"\n";
        let file = folder.path().join(crate::config::FILE);
        let config = Config::parse(folder.path(), &file, text, &|_| None).expect("sound");
        let started = Node::start(config, Options::default()).await;
        let error = started.err().expect("a refusal").to_string();
        let wanted = format!(
            "{}:7:9: error config: there is no bin \"gone\"; there is none",
            file.display()
        );
        assert!(error.ends_with(&wanted), "{error}");
        assert!(!folder.path().join("data").exists(), "nothing was begun");
    }
}
