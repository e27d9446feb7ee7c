//! What a user agent is told at its start.

use std::net::SocketAddr;

use crate::base::Duration;
use crate::sip::dialog::session_timer;
use crate::sip::{Flow, Shards, Transport};

/// A listener, and what peers are to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The transport.
    pub transport: Transport,
    /// The address that flows name.
    pub local: SocketAddr,
    /// Host name or address for Via and Contact; IPv6 without brackets.
    pub host: String,
    /// The port for Via and Contact.
    pub port: u16,
}

impl Listener {
    /// One that peers reach at its own address.
    pub fn new(transport: Transport, local: SocketAddr) -> Listener {
        Listener { transport, local, host: local.ip().to_string(), port: local.port() }
    }

    /// `host:port` as Via and URIs want it.
    pub fn host_port(&self) -> String {
        match self.host.contains(':') && !self.host.starts_with('[') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The Contact value: `<sip:host:port;transport=tcp>`.
    pub fn contact(&self) -> String {
        self.contact_of("", "")
    }

    /// The Contact value of a user (escaped as in a URI) in a request to `uri`: whoever asks for
    /// `sips:` gets a target as safe (RFC 3261 sections 8.1.1.8 and 12.1.1).
    pub fn contact_of(&self, user: &str, uri: &str) -> String {
        let asked = uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
        let scheme = if asked && self.transport.is_secure() { "sips" } else { "sip" };
        let at = if user.is_empty() { "" } else { "@" };
        let place = format!("{scheme}:{user}{at}{}", self.host_port());
        match self.transport {
            Transport::Udp => format!("<{place}>"),
            // Below `sips:` it is the usual one.
            Transport::Tls if asked => format!("<{place}>"),
            stream => format!("<{place};transport={}>", stream.uri_name()),
        }
    }

    /// The Contact value for a dialog whose request is to `uri`: whoever asks for `sips:` gets a
    /// target as safe (RFC 3261 section 12.1.1).
    pub fn contact_towards(&self, uri: &str) -> String {
        self.contact_of("", uri)
    }
}

/// How much a user agent keeps at once, so that no flood fills the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Dialogs and attempts at one. A dialog takes about 3 KB.
    pub dialogs: usize,
    /// Transactions, those included that only absorb repeats for 32 s. One takes about 0.7 KB.
    /// A quarter more is kept for requests inside dialogs and for our own.
    pub transactions: usize,
    /// What a refused peer reads in Retry-After.
    pub retry_after: Duration,
}

impl Default for Limits {
    /// 10,000 calls at 2,500 calls a second: each leaves four transactions for 32 s.
    fn default() -> Self {
        Limits { dialogs: 20_000, transactions: 320_000, retry_after: Duration::from_secs(5) }
    }
}

/// What a user agent is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listeners; the first of a transport stands in for flows that name no other.
    pub listeners: Vec<Listener>,
    /// User-Agent and Server.
    pub user_agent_name: String,
    /// Answer datagrams to the port they came from even when the sender did not ask for that by
    /// rport (RFC 3581). Off, the port in Via is believed.
    pub force_rport: bool,
    /// Ask before anything is kept of a request outside dialogs: such requests come as
    /// [`crate::sip::Event::Knock`], so that a flood of them costs no memory.
    pub screening: bool,
    /// The bounds.
    pub limits: Limits,
    /// Session timers (RFC 4028).
    pub session: session_timer::Settings,
    /// Which of several it is: its tags and branches say so.
    pub shards: Shards,
}

impl Config {
    /// With default limits.
    pub fn new(listeners: Vec<Listener>, user_agent_name: impl Into<String>) -> Config {
        let user_agent_name = user_agent_name.into();
        let (limits, session, shards) = Default::default();
        let (force_rport, screening) = (false, false);
        Config { listeners, user_agent_name, force_rport, screening, limits, session, shards }
    }

    /// The listener of a flow. Without any listener a flow speaks for itself.
    pub fn listener(&self, flow: Flow) -> Listener {
        let of_transport = |listener: &&Listener| listener.transport == flow.transport;
        let exact = self.listeners.iter().filter(of_transport).find(|l| l.local == flow.local);
        let found = exact.or_else(|| self.listeners.iter().find(of_transport));
        found.cloned().unwrap_or_else(|| Listener::new(flow.transport, flow.local))
    }

    /// Our address on a transport.
    pub fn listening(&self, transport: Transport) -> Option<SocketAddr> {
        self.listeners.iter().find(|l| l.transport == transport).map(|l| l.local)
    }
}
