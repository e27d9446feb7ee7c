//! TLS of SIP's streams: what we show, whom we believe, and new files taken as they come.
//!
//! A certificate that was renewed counts for the next handshake; connections that are up keep what
//! they began with. Files that cannot be used are told of, and the last good ones stay.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::{self, ClientCertificates};
use crate::directory::KeyPair;
use crate::node::watched::Watched;
use crate::source::Stamp;

/// How often certificate files are looked at. A change counts at the second look that finds it
/// unchanged, so within 5 s even on a busy machine.
const LOOK: Duration = Duration::from_secs(1);

/// Client certificates that are kept ready: one for each trunk that wants its own.
const MAX_IDENTITIES: usize = 256;

/// Why a certificate, key or list of authorities cannot be used.
#[derive(Debug)]
pub enum TlsError {
    /// The file cannot be read, or holds nothing of the kind.
    File(PathBuf, pem::Error),
    /// The file holds no certificate.
    Empty(PathBuf),
    /// Certificate and key do not go together, or the key is of no known kind.
    Pair(KeyPair, rustls::Error),
    /// A certificate of an authority cannot be read.
    Authority(PathBuf, rustls::Error),
    /// What was read cannot be put together.
    Setup(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::Empty(path) => write!(f, "{}: no certificate in it", path.display()),
            TlsError::Pair(pair, error) => {
                let (certificate, key) = (pair.certificate.display(), pair.key.display());
                write!(f, "{certificate} with {key}: {error}")
            }
            TlsError::Authority(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::Setup(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for TlsError {}

/// TLS as it was configured, with what was read for it.
pub(super) struct Tls {
    config: config::Tls,
    provider: Arc<CryptoProvider>,
    loaded: RefCell<Loaded>,
}

struct Loaded {
    /// One for each configured pair; the last good one.
    shown: Vec<Arc<CertifiedKey>>,
    server: Option<Arc<ServerConfig>>,
    /// Read when the first connection is opened: the system's are many, and few servers need them.
    roots: Option<Arc<RootCertStore>>,
    clients: HashMap<Option<KeyPair>, Arc<ClientConfig>>,
    watched: HashMap<Group, Watched<Stamps>>,
}

/// Files that count together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Group {
    /// What listeners show, by its place in the configuration.
    Shown(usize, KeyPair),
    /// What a trunk is shown.
    Identity(KeyPair),
    /// Those who vouch for servers.
    Roots(Vec<PathBuf>),
    /// Those who vouch for clients.
    ClientRoots(Vec<PathBuf>),
}

type Stamps = Vec<Stamp>;

impl Tls {
    /// Reads everything; the error names the file.
    pub(super) fn load(config: config::Tls) -> Result<Tls, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shown: Vec<Arc<CertifiedKey>> = config
            .certificates
            .iter()
            .map(|pair| certified(pair, &provider))
            .collect::<Result<_, _>>()?;
        authorities(&config.ca, false)?;
        let mut watched = HashMap::new();
        let pairs = config.certificates.iter().cloned().enumerate();
        for group in pairs
            .map(|(index, pair)| Group::Shown(index, pair))
            .chain([Group::Roots(config.ca.clone()), Group::ClientRoots(config.client_ca.clone())])
        {
            let now = stamps(&group);
            watched.insert(group, Watched::new(now));
        }
        let server = server_config(&config, &shown, &provider)?;
        let loaded = Loaded { shown, server, roots: None, clients: HashMap::new(), watched };
        Ok(Tls { config, provider, loaded: RefCell::new(loaded) })
    }

    /// Takes connections; `None` without a certificate.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.loaded.borrow().server.clone().map(TlsAcceptor::from)
    }

    /// Opens connections, showing `identity` if the server asks.
    pub(super) fn connector(&self, identity: Option<&KeyPair>) -> Result<TlsConnector, TlsError> {
        let key = identity.cloned();
        let mut loaded = self.loaded.borrow_mut();
        if let Some(known) = loaded.clients.get(&key) {
            return Ok(TlsConnector::from(Arc::clone(known)));
        }
        let config = Arc::new(self.client_config(&mut loaded, identity)?);
        if loaded.clients.len() >= MAX_IDENTITIES {
            loaded.clients.clear();
        }
        if let Some(pair) = &key {
            let group = Group::Identity(pair.clone());
            let now = stamps(&group);
            loaded.watched.insert(group, Watched::new(now));
        }
        loaded.clients.insert(key, Arc::clone(&config));
        Ok(TlsConnector::from(config))
    }

    fn client_config(
        &self,
        loaded: &mut Loaded,
        identity: Option<&KeyPair>,
    ) -> Result<ClientConfig, TlsError> {
        let roots = match &loaded.roots {
            Some(roots) => Arc::clone(roots),
            None => Arc::new(authorities(&self.config.ca, self.config.system_roots)?),
        };
        loaded.roots = Some(Arc::clone(&roots));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_root_certificates(roots);
        Ok(match identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let own = certified(pair, &self.provider)?;
                let single = rustls::sign::SingleCertAndKey::from(own);
                builder.with_client_cert_resolver(Arc::new(single))
            }
        })
    }

    /// Takes files that have changed and rest; what is wrong with any, and the rest in force.
    fn look(&self) -> Vec<Result<String, TlsError>> {
        let mut loaded = self.loaded.borrow_mut();
        let mut settled = vec![];
        for (group, watched) in &mut loaded.watched {
            if watched.settled(stamps(group)) {
                settled.push(group.clone());
            }
        }
        settled.into_iter().map(|group| self.take(&mut loaded, &group)).collect()
    }

    fn take(&self, loaded: &mut Loaded, group: &Group) -> Result<String, TlsError> {
        match group {
            Group::Shown(index, pair) => {
                let new = certified(pair, &self.provider)?;
                let mut shown = loaded.shown.clone();
                if let Some(place) = shown.get_mut(*index) {
                    *place = new;
                }
                loaded.server = server_config(&self.config, &shown, &self.provider)?;
                loaded.shown = shown;
                Ok(format!("{}: new certificate in force", pair.certificate.display()))
            }
            Group::Identity(pair) => {
                let config = self.client_config(loaded, Some(pair))?;
                loaded.clients.insert(Some(pair.clone()), Arc::new(config));
                Ok(format!("{}: new client certificate in force", pair.certificate.display()))
            }
            Group::Roots(paths) => {
                let roots = authorities(paths, self.config.system_roots)?;
                loaded.roots = Some(Arc::new(roots));
                loaded.clients.clear();
                Ok("[tls] ca: new authorities in force".to_owned())
            }
            Group::ClientRoots(_) => {
                loaded.server = server_config(&self.config, &loaded.shown, &self.provider)?;
                Ok("[tls] client_ca: new authorities in force".to_owned())
            }
        }
    }
}

/// Looks at the files until the sockets are gone.
pub(super) async fn watch(tls: Rc<Tls>) {
    loop {
        tokio::time::sleep(LOOK).await;
        for change in tls.look() {
            match change {
                Ok(change) => tracing::info!("{change}"),
                Err(error) => {
                    tracing::error!("TLS: {error}; the last good certificate stays in force");
                }
            }
        }
    }
}

/// The versions of a group's files; `None` while one of them is missing.
fn stamps(group: &Group) -> Option<Stamps> {
    match group {
        Group::Shown(_, pair) | Group::Identity(pair) => {
            Some(vec![Stamp::of(&pair.certificate)?, Stamp::of(&pair.key)?])
        }
        Group::Roots(paths) | Group::ClientRoots(paths) => {
            paths.iter().map(|path| Stamp::of(path)).collect()
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| TlsError::File(path.to_owned(), error);
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let found: Vec<CertificateDer<'static>> = found.collect::<Result<_, _>>().map_err(failed)?;
    if found.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(found) }
}

/// A chain and its key, which must be each other's.
fn certified(pair: &KeyPair, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(&pair.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&pair.key);
    let key = key.map_err(|error| TlsError::File(pair.key.clone(), error))?;
    let certified = CertifiedKey::from_der(chain, key, provider);
    certified.map(Arc::new).map_err(|error| TlsError::Pair(pair.clone(), error))
}

/// Those of the files, and the system's where they are wanted.
fn authorities(paths: &[PathBuf], system: bool) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if system {
        // Systems carry a few that no library takes, or none at all; then fewer servers are
        // believed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for path in paths {
        for certificate in certificates(path)? {
            let added = roots.add(certificate);
            added.map_err(|error| TlsError::Authority(path.clone(), error))?;
        }
    }
    Ok(roots)
}

fn server_config(
    config: &config::Tls,
    shown: &[Arc<CertifiedKey>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    if shown.is_empty() {
        return Ok(None);
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?;
    let builder = match config.client_certificates {
        ClientCertificates::None => builder.with_no_client_auth(),
        wish => {
            let roots = Arc::new(authorities(&config.client_ca, false)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            let verifier = match wish {
                ClientCertificates::Required => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| TlsError::Setup(format!("client_ca: {error}")))?,
            )
        }
    };
    let shown = Shown(shown.to_vec());
    Ok(Some(Arc::new(builder.with_cert_resolver(Arc::new(shown)))))
}

/// Our certificates: the first that bears the name asked for (SNI) and speaks an algorithm that
/// the peer knows, else the first.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default();
        let speaks =
            |own: &&Arc<CertifiedKey>| own.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = self.0.iter().filter(|own| own.cert.first().is_some_and(|c| bears(c, asked)));
        named
            .clone()
            .find(speaks)
            .or_else(|| self.0.iter().find(speaks))
            .or(self.0.first())
            .cloned()
    }
}

/// Whether a certificate is of that name or address.
pub(super) fn bears(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let parsed = ParsedCertificate::try_from(certificate);
    match (parsed, ServerName::try_from(name)) {
        (Ok(parsed), Ok(name)) => verify_server_name(&parsed, &name).is_ok(),
        _ => false,
    }
}
