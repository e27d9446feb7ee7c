//! Reads `offhook.toml`: every key has a default, an unknown key is an error that names the
//! nearest known one, and every error says file, line and column.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use crate::base::Secret;
use crate::base::id::AccountSid;
use crate::directory::grants::Grants;
use crate::directory::{
    Directory, Domain, HoldMusic, KeyPair, Limits, Line, Number, SessionTimers, Trunk,
};
use crate::sip::Transport;
use crate::sip::auth::{Algorithm, Challenger};
use crate::sip::locate::Family;

mod calls;
mod functions;
mod handlers;
mod limits;
mod pair;
mod parts;
pub(crate) mod reader;
mod seeing;
mod sip;
mod stir;
#[cfg(test)]
mod tests;
mod trunk;

pub use handlers::{BIN_NAMES, Names, WrittenGrant, WrittenHandler};
pub use reader::{Problem, Severity};
pub use seeing::{Hep, Otel, Story};
pub use stir::signing_key;

/// The file's name in a project folder.
pub const FILE: &str = "offhook.toml";

/// A configuration that was read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The project folder.
    pub project: PathBuf,
    /// `[server]`.
    pub server: Server,
    /// `[http]`.
    pub http: Http,
    /// `[sip]`.
    pub sip: Sip,
    /// `[tls]`.
    pub tls: Tls,
    /// `[dns]`.
    pub dns: Dns,
    /// `[media]`.
    pub media: Media,
    /// `[webhook]`: exceptions to the private-address guard.
    pub webhook_allow: Vec<IpNet>,
    /// `[speech]`.
    pub speech: Speech,
    /// `[story]`.
    pub story: Story,
    /// `[metrics]`: who may read `/metrics`.
    pub metrics_allow: Vec<IpNet>,
    /// `[hep]`, when a collector is named.
    pub hep: Option<Hep>,
    /// `[otel]`, when an endpoint is named.
    pub otel: Option<Otel>,
    /// `[functions]`: what handlers find in `context`.
    pub function_env: Vec<(String, Secret)>,
    /// `[functions] origins`: the web pages that may read what functions answer.
    pub function_origins: Vec<String>,
    /// `[[function]]`: what each may do, by name.
    pub function_grants: Vec<(String, Grants)>,
    /// `[[credential_list]]`, `[[domain]]`, `[[number]]`, `[[trunk]]`, `[[line]]`.
    pub lists: Vec<(String, Vec<(String, Secret)>)>,
    /// The domains.
    pub domains: Vec<Domain>,
    /// The numbers.
    pub numbers: Vec<Number>,
    /// The trunks.
    pub trunks: Vec<Trunk>,
    /// The lines.
    pub lines: Vec<Line>,
    /// Every handler, with its place in the file.
    pub handlers: Vec<WrittenHandler>,
    /// Every function that something is granted to, with its place in the file.
    pub grants: Vec<WrittenGrant>,
    /// What can be served so, but is hardly meant so.
    pub warnings: Vec<Problem>,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where the database, recordings and caches lie.
    pub data: PathBuf,
    /// The account; made and kept in the data folder when absent.
    pub account_sid: Option<AccountSid>,
    /// The account's token; made and kept in the data folder when absent.
    pub auth_token: Option<Secret>,
}

/// `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// What absolute URLs and signatures are built from; without a slash at the end.
    pub public_url: Option<String>,
}

/// `[sip]`.
#[derive(Clone, Debug)]
pub struct Sip {
    /// Where to listen.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// What Via, Contact and SDP advertise.
    pub public_address: Option<IpAddr>,
    /// Digest algorithms that phones are offered, in this order.
    pub digest: Vec<Algorithm>,
    /// Answer datagrams to where they came from, also when their sender did not ask for that.
    pub force_rport: bool,
    /// How often, in seconds, phones with RFC 5626 are to show that they live; 0 asks for nothing.
    pub flow_timer: u32,
    /// How often UDP phones behind a translator are pinged, in seconds; 0: not at all.
    pub nat_ping: u32,
    /// Stream connections at one time from one address (one /64 of IPv6).
    pub connections_per_source: usize,
    /// The web pages whose browsers may connect; empty: any.
    pub origins: Vec<String>,
    /// Exchanges, each on a core of its own; 0 for as many as the process has cores.
    pub shards: u8,
    /// `session_timers`, `session_expires` and `min_se`.
    pub session_timers: SessionTimers,
    /// `[sip.limits]`.
    pub limits: Limits,
}

impl Default for Sip {
    fn default() -> Self {
        Sip {
            listen: vec![],
            public_address: None,
            digest: Challenger::OFFERS.to_vec(),
            force_rport: false,
            flow_timer: 120,
            // Translators forget a flow after 30 s and more.
            nat_ping: 25,
            connections_per_source: 1_000,
            origins: vec![],
            shards: 1,
            session_timers: SessionTimers::default(),
            limits: Limits::default(),
        }
    }
}

/// `[tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// What listeners show: the first that fits the name that is asked for, else the first.
    pub certificates: Vec<KeyPair>,
    /// Who may vouch for servers, besides the system's authorities.
    pub ca: Vec<PathBuf>,
    /// Whether the system's authorities may.
    pub system_roots: bool,
    /// Who may vouch for those who connect to us.
    pub client_ca: Vec<PathBuf>,
    /// Whether those who connect to us must show a certificate.
    pub client_certificates: ClientCertificates,
}

/// Whether those who connect must show a certificate (mutual TLS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    None,
    /// One is asked for, and must be good if it is shown.
    Optional,
    /// Nobody comes in without.
    Required,
}

impl ClientCertificates {
    fn of_name(name: &str) -> Option<ClientCertificates> {
        match name {
            "none" => Some(ClientCertificates::None),
            "optional" => Some(ClientCertificates::Optional),
            "required" => Some(ClientCertificates::Required),
            _ => None,
        }
    }
}

/// `[dns]`: how the servers of SIP URIs are found.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// The name servers; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// Which family of addresses goes first.
    pub prefer: Family,
}

/// `[media]`.
#[derive(Clone, Debug)]
pub struct Media {
    /// The first and last port of sockets.
    pub ports: (u16, u16),
    /// Milliseconds between looks at the sockets; 0 wakes for each packet.
    pub tick_ms: u32,
    /// `hold_music`, here and of domains.
    pub hold_music: HoldMusic,
}

/// `[speech]`.
#[derive(Clone, Debug, Default)]
pub struct Speech {
    /// Folders of voices, searched first.
    pub voices: Vec<PathBuf>,
}

impl Config {
    /// Reads `offhook.toml` of a project folder; all problems at once.
    pub fn read(
        project: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Vec<Problem>> {
        let path = project.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let advice = "; `offhook new DIR` writes a project folder";
            vec![Problem::whole_file(&path, format!("cannot be read: {error}{advice}"))]
        })?;
        Config::parse(project, &path, &text, env)
    }

    /// Checks a configuration's text; `env` looks up environment variables for secrets.
    pub fn parse(
        project: &Path,
        file: &Path,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Vec<Problem>> {
        parts::read(project, file, text, env)
    }

    /// What the exchange asks who is who; account and public URL as they turned out.
    pub fn directory(
        &self,
        account_sid: AccountSid,
        auth_token: Secret,
        public_url: String,
    ) -> Directory {
        let lists =
            self.lists.iter().map(|(name, users)| (name.clone(), users.iter().cloned().collect()));
        Directory {
            account_sid,
            auth_token,
            public_url,
            credential_lists: lists.collect(),
            domains: self.domains.iter().map(|d| (d.name.clone(), d.clone())).collect(),
            numbers: self.numbers.iter().map(|n| (n.number.clone(), n.clone())).collect(),
            trunks: self.trunks.clone(),
            lines: self.lines.clone().into(),
            limits: self.sip.limits.clone(),
            hold_music: Arc::new(self.media.hold_music.clone()),
        }
    }
}
