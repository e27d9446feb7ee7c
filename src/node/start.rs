//! Puts a server together, in the order in which parts need each other.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::dns::Dns;
use super::effects::Effects;
use super::http_io::{self, HttpThread};
use super::media_io;
use super::project::{Opened, recordings_folder};
use super::sip_io::SipIo;
use super::trace::Trace;
use super::{Media, Node, reload};
use crate::call::{Note, Persist, RecordingStatus};
use crate::callback::Outbox;
use crate::config::Config;
use crate::directory::Directory;
use crate::exchange::{self, Exchange};
use crate::http::recordings::{self, Recordings};
use crate::sip::user_agent::{self, Listener};
use crate::source::Project;
use crate::speech::{self, Voices};
use crate::store::{Sqlite, Store};

/// Speech kept on disk: about a day of it.
const SPEECH_CACHE: u64 = 256 << 20;

/// What a caller of [`Node::start`] may want to watch.
#[derive(Clone, Default)]
pub struct Options {
    /// Keeps SIP messages for ladders.
    pub trace: Option<Trace>,
    /// Gets the calls' notes as they are written.
    pub notes: Option<mpsc::Sender<Note>>,
}

/// Why a server does not start. Each says what failed and what to do.
#[derive(Debug)]
pub enum StartError {
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
            StartError::System(error) => {
                write!(f, "{error}; is another server running? change `listen` in offhook.toml")
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

impl Node {
    /// Starts everything; when this returns, all addresses are bound. Must run inside a
    /// `tokio::task::LocalSet` of a current-thread runtime.
    pub async fn start(config: Config, options: Options) -> Result<Node, StartError> {
        let clock = Clock::start();
        let listeners = http_io::bind(&config.http.listen).map_err(StartError::System)?;
        let first = listeners.first().and_then(|listener| listener.local_addr().ok());
        let public_url = first.map_or_else(String::new, |address| format!("http://{address}"));
        let sip = SipIo::bind(&config.sip.listen).map_err(StartError::System)?;
        let mut opened = Opened::open(config, public_url)?;
        let config = opened.config.clone();
        let lock = lock(&config.server.data)?;
        for missing in opened.missing_handlers() {
            tracing::warn!("{missing}");
        }

        let database = config.server.data.join("offhook.db");
        let store: Arc<dyn Store> =
            Arc::new(Sqlite::open(&database, &mut opened.rng).await.map_err(StartError::Store)?);
        let folder = recordings_folder(&config);
        recover(&*store, &clock, &folder).await?;

        let voices = Arc::new(Voices::open(speech::Config {
            voice_dirs: config.speech.voices.clone(),
            cache_dir: Some(config.server.data.join("cache").join("speech")),
            cache_bytes: SPEECH_CACHE,
        }));
        for line in voices.report() {
            tracing::info!("{line}");
        }
        let (first_port, last_port) = config.media.ports;
        let media = media_io::Config {
            ports: first_port..=last_port,
            tick: std::time::Duration::from_millis(u64::from(config.media.tick_ms)),
            recordings: folder.clone(),
            core: None,
        };
        let media = Media::start(media, &clock, opened.rng.fork()).map_err(StartError::System)?;

        let exchange = exchange(&config, &sip, &clock, opened.directory(), &mut opened.rng);
        let (effects, results) =
            Effects::new(Arc::clone(&opened.sources), voices, Arc::clone(&store));
        let dns =
            Dns::start(config.dns.servers.clone(), effects.sender()).map_err(StartError::System)?;

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
        let http = HttpThread::start(listeners, routes, ready).map_err(StartError::System)?;

        let (stop, stopping) = watch::channel(false);
        let outbox = Outbox::new(store, Arc::clone(&opened.client));
        let woken = Arc::clone(&effects.outbox);
        tokio::task::spawn_local(reload::deliver(outbox, woken, clock, stopping.clone()));
        tokio::task::spawn_local(reload::watch(opened, effects.sender(), stopping));

        let Options { trace, notes } = options;
        Ok(Node {
            clock,
            exchange,
            sip,
            media,
            effects,
            dns,
            results,
            trace,
            notes,
            http,
            _lock: lock,
            stop,
        })
    }
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

fn exchange(
    config: &Config,
    sip: &SipIo,
    clock: &Clock,
    directory: Directory,
    rng: &mut crate::base::Rng,
) -> Exchange {
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
    let listeners = sip.listeners().iter().map(|&(transport, local)| Listener {
        transport,
        local,
        host: advertise(local).to_string(),
        port: local.port(),
    });
    let name = concat!("offhook/", env!("CARGO_PKG_VERSION"));
    let (digest, prefer) = (config.sip.digest.clone(), config.dns.prefer);
    let config = exchange::Config {
        agent: user_agent::Config::new(listeners.collect(), name),
        listeners: sip.listeners().to_vec(),
        public_address: config.sip.public_address,
        own_addresses,
        epoch: clock.epoch(),
    };
    Exchange::new(config, Arc::new(directory), rng.fork()).offering(digest).preferring(prefer)
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

/// Puts right what a killed process left: calls are failed, recordings are whole files.
async fn recover(
    store: &dyn Store,
    clock: &Clock,
    folder: &std::path::Path,
) -> Result<(), StartError> {
    let files = super::recording::repair(folder)
        .map_err(|error| StartError::Data(folder.to_owned(), error))?;
    let found = store.unfinished(clock.wall()).await.map_err(StartError::Store)?;
    let mut persist = Persist::default();
    for mut recording in found.recordings {
        let length =
            files.iter().find(|file| file.recording == recording.sid).map(|file| file.length);
        recording.status = match length {
            Some(_) => RecordingStatus::Completed,
            None => RecordingStatus::Failed,
        };
        recording.duration = length;
        persist.recordings.push(recording);
    }
    if !found.calls.is_empty() || !persist.recordings.is_empty() {
        let (calls, recordings) = (found.calls.len(), persist.recordings.len());
        tracing::warn!(
            "the last run was killed: {calls} calls failed, {recordings} recordings recovered"
        );
        store.persist(persist).await.map_err(StartError::Store)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_serves_one_server() {
        let data = tempfile::tempdir().expect("a folder");
        let held = lock(data.path()).expect("free");
        let error = lock(data.path()).expect_err("taken");
        assert!(error.to_string().contains("in use by another offhook"), "{error}");
        drop(held);
        assert!(lock(data.path()).is_ok(), "free again");
    }
}
