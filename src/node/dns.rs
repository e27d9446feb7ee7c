//! The DNS client: what the exchange asks is answered from a thread of its own, so that neither
//! calls nor their timers wait for a name server. It keeps nothing: the exchange does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::{Semaphore, mpsc};

use crate::exchange::Input;
use crate::sip::locate::{Answer, Kind, Naptr, Question, Record, Srv, Unanswered};

/// Questions that wait for the thread: as many as the exchange asks at once.
const WAITING: usize = 1_024;

/// Questions under way at name servers. More would look like an attack to them.
const UNDER_WAY: usize = 64;

/// One name server is given so long before it, or the next, is asked again.
const TRY: Duration = Duration::from_millis(1_500);
const TRIES: usize = 2;

/// A question is given up after this: less than the exchange waits.
const GIVE_UP: Duration = Duration::from_secs(8);

/// What the system's part of the configuration is read from; an edit counts from the next question.
const SYSTEM: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// The way to the thread. Dropping it ends the thread.
#[derive(Clone, Debug)]
pub struct Dns(mpsc::Sender<Question>);

impl Dns {
    /// Starts the thread; answers go to `results`. Without `servers` the system's are asked.
    pub fn start(servers: Vec<SocketAddr>, results: mpsc::Sender<Input>) -> io::Result<Dns> {
        let (sender, questions) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || runtime.block_on(serve(servers, questions, results));
        std::thread::Builder::new().name("dns".to_owned()).spawn(serve)?;
        Ok(Dns(sender))
    }

    /// Asks; when the thread cannot keep up the answer is given at once: that there is none.
    pub fn ask(&self, question: Question) -> Option<Input> {
        let refused = self.0.try_send(question).err()?;
        Some(Input::Answered(refused.into_inner(), Err(Unanswered)))
    }
}

/// Answers questions until nobody asks any more.
async fn serve(
    servers: Vec<SocketAddr>,
    mut questions: mpsc::Receiver<Question>,
    results: mpsc::Sender<Input>,
) {
    let places = Arc::new(Semaphore::new(UNDER_WAY));
    let mut client = Client::new(servers);
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(question) = questions.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (resolver, results) = (client.resolver(), results.clone());
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let answer = match resolver {
                Some(resolver) => ask(&resolver, &question).await,
                None => Err(Unanswered),
            };
            drop(place);
            // A server that ends takes no more answers.
            let _ = results.send(Input::Answered(question, answer)).await;
        });
    }
}

/// A resolver, and the version of the system's files that it was made from.
struct Client {
    servers: Vec<SocketAddr>,
    resolver: Option<Arc<TokioResolver>>,
    stamps: [Option<SystemTime>; SYSTEM.len()],
}

impl Client {
    fn new(servers: Vec<SocketAddr>) -> Client {
        Client { resolver: build(&servers), servers, stamps: stamps() }
    }

    /// The resolver of what the files say now.
    fn resolver(&mut self) -> Option<Arc<TokioResolver>> {
        let stamps = stamps();
        if stamps != self.stamps {
            (self.stamps, self.resolver) = (stamps, build(&self.servers));
        }
        self.resolver.clone()
    }
}

fn stamps() -> [Option<SystemTime>; SYSTEM.len()] {
    SYSTEM.map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
}

fn build(servers: &[SocketAddr]) -> Option<Arc<TokioResolver>> {
    let mut builder = match servers.is_empty() {
        true => match TokioResolver::builder_tokio() {
            Ok(builder) => builder,
            Err(error) => {
                tracing::warn!("no name server: {error}; set [dns] servers");
                return None;
            }
        },
        false => {
            let provider = TokioRuntimeProvider::default();
            TokioResolver::builder_with_config(config_of(servers), provider)
        }
    };
    tune(builder.options_mut());
    builder
        .build()
        .inspect_err(|error| tracing::warn!("no name server: {error}"))
        .ok()
        .map(Arc::new)
}

fn config_of(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

fn tune(options: &mut ResolverOpts) {
    // Answers are kept by the exchange, once, with bounds of its own.
    options.cache_size = 0;
    options.timeout = TRY;
    options.attempts = TRIES;
    options.use_hosts_file = ResolveHosts::Always;
}

/// Asks one question.
async fn ask(resolver: &TokioResolver, question: &Question) -> Result<Answer, Unanswered> {
    let (kind, whole) = match question.kind {
        Kind::Naptr => (RecordType::NAPTR, true),
        Kind::Srv => (RecordType::SRV, true),
        // Short names are completed by the search list, as everywhere else on the system.
        Kind::A => (RecordType::A, false),
        Kind::Aaaa => (RecordType::AAAA, false),
    };
    let Ok(mut name) = Name::from_ascii(&question.name) else {
        // What cannot be written as a name has no address.
        return Ok(Answer::default());
    };
    name.set_fqdn(whole);
    let found = match tokio::time::timeout(GIVE_UP, resolver.lookup(name, kind)).await {
        Ok(found) => found,
        Err(_) => return Err(Unanswered),
    };
    match found {
        Ok(lookup) => {
            let wanted =
                |record: &&hickory_resolver::proto::rr::Record| record.record_type() == kind;
            let records = lookup.answers().iter().filter(wanted);
            let ttl = lookup.answers().iter().map(|record| record.ttl).min();
            Ok(Answer {
                records: records.filter_map(|record| read(&record.data)).collect(),
                ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())),
            })
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            Ok(Answer { records: vec![], ttl })
        }
        Err(error) => {
            tracing::debug!("{:?} {}: {error}", question.kind, question.name);
            Err(Unanswered)
        }
    }
}

fn read(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = |name: &Name| name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    Some(match data {
        RData::A(address) => Record::Address(address.0.into()),
        RData::AAAA(address) => Record::Address(address.0.into()),
        RData::SRV(srv) => Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: name(&srv.target),
        }),
        RData::NAPTR(naptr) => Record::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: name(&naptr.replacement),
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
