//! Looks up servers for whoever needs them: legs, health, registrations (RFC 3263).

use super::peers::Say;
use super::trunks::Key;
use super::*;
use crate::directory::{TlsPeer, Trunk};
use crate::sip::locate::{self, Family, Hop, LocateError, Locator, Lookup, Protocol};
use crate::sip::uri::SipUri;

/// Who waits for a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seeker {
    /// An outgoing leg.
    Leg(LegId),
    /// The health of a trunk.
    Ping(Key),
    /// A registration.
    Registration(Key),
}

/// Whom TLS is to find at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A trunk or line: no URI that somebody dials overrules it.
    Upstream(TlsPeer),
    /// The server of that name, as a URI said.
    Named(String),
}

impl Expected {
    /// The host that a URI names, not what the DNS made of it (RFC 5922 section 4), unless the
    /// settings of a trunk or line say more.
    pub fn of(uri: &str, trunk: Option<&Trunk>) -> Option<Expected> {
        let uri = SipUri::parse(uri)?;
        let host = uri.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Some(match trunk {
            Some(trunk) => Expected::Upstream(TlsPeer {
                name: trunk.tls_name.clone().unwrap_or(host),
                identity: trunk.identity.clone(),
            }),
            None => Expected::Named(host),
        })
    }
}

/// The locator, and who waits for it.
pub(super) struct Locating {
    pub locator: Locator,
    seekers: BTreeMap<Lookup, Seeker>,
    last: u64,
}

impl Locating {
    /// One for these listeners; `prefer` counts where both families can be used.
    pub(super) fn new(config: &Config, prefer: Family, rng: Rng) -> Self {
        let of_family = |v4: bool| config.listeners.iter().any(|(_, at)| at.is_ipv4() == v4);
        let family = match (of_family(true), of_family(false)) {
            (true, true) => prefer,
            (false, true) => Family::V6Only,
            (_, false) => Family::V4Only,
        };
        let can = |protocol: &Protocol| {
            let transport = transport_of(*protocol);
            config.listeners.iter().any(|(own, _)| *own == transport)
        };
        let all = [Protocol::Udp, Protocol::Tcp, Protocol::Tls];
        let protocols = all.into_iter().filter(can).collect();
        let config = locate::Config { protocols, family };
        Locating { locator: Locator::new(config, rng), seekers: BTreeMap::new(), last: 0 }
    }
}

/// How a server is sent to.
const fn transport_of(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp => Transport::Tcp,
        Protocol::Tls => Transport::Tls,
    }
}

/// The server at the far end of a flow.
pub(super) fn hop_of(flow: Flow) -> Hop {
    let protocol = match flow.transport {
        Transport::Udp => Protocol::Udp,
        // Nobody locates WebSockets (RFC 7118 section 7); each counts as what carries it.
        Transport::Tcp | Transport::Ws => Protocol::Tcp,
        Transport::Tls | Transport::Wss => Protocol::Tls,
    };
    Hop::new(protocol, flow.remote)
}

impl Exchange {
    /// Prefers a family of addresses where listeners speak both.
    pub fn preferring(mut self, family: Family) -> Self {
        self.locating = Locating::new(&self.config, family, self.rng.fork());
        self
    }

    /// Looks up the servers of a URI; the seeker hears of them in the same turn if they are known.
    pub(super) fn seek(&mut self, now: Instant, seeker: Seeker, uri: &str) -> Lookup {
        self.locating.last += 1;
        let lookup = Lookup(self.locating.last);
        self.locating.seekers.insert(lookup, seeker);
        let locate = locate::Input::Locate(lookup, uri.to_owned());
        self.locating.locator.handle(now, locate);
        lookup
    }

    /// Nobody waits any more.
    pub(super) fn stop_seeking(&mut self, lookup: Lookup) {
        self.locating.seekers.remove(&lookup);
        self.locating.locator.handle(Instant::ZERO, locate::Input::Forget(lookup));
    }

    /// What became of a server that was sent to.
    pub(super) fn tell_locator(&mut self, now: Instant, input: locate::Input) {
        if let locate::Input::Failed(hop, wait) = &input {
            // Nobody of us needs to find out again.
            self.say_all(|| Say::Failed(*hop, *wait));
        }
        self.locating.locator.handle(now, input);
    }

    pub(super) fn handle_locate(&mut self, now: Instant, output: locate::Output) {
        match output {
            locate::Output::Ask(question) => self.outputs.push_back(Output::Ask(question)),
            locate::Output::Located(lookup, found) => {
                let Some(seeker) = self.locating.seekers.remove(&lookup) else { return };
                self.located(now, seeker, lookup, found);
            }
        }
    }

    fn located(
        &mut self,
        now: Instant,
        seeker: Seeker,
        lookup: Lookup,
        found: Result<Vec<Hop>, LocateError>,
    ) {
        match seeker {
            Seeker::Leg(leg) => self.leg_located(now, leg, lookup, found),
            Seeker::Ping(key) => self.ping_located(now, &key, found),
            Seeker::Registration(key) => self.registrar_located(now, &key, found),
        }
    }

    /// Tells TLS whom it is to find at the far end of a flow to which a URI has led.
    pub(super) fn expect(&mut self, flow: Flow, uri: &str, trunk: Option<&Trunk>) {
        let secure = flow.transport.is_secure();
        if let Some(expected) = Expected::of(uri, trunk).filter(|_| secure) {
            self.outputs.push_back(Output::Expect(flow.remote, expected));
        }
    }

    /// The listener from which a server is reached: same transport and family, loopback to
    /// loopback.
    pub(super) fn flow_to(&self, hop: &Hop) -> Option<Flow> {
        let (transport, remote) = (transport_of(hop.protocol), hop.address);
        let fits = |(own, local): &&(Transport, SocketAddr)| {
            *own == transport && local.is_ipv4() == remote.is_ipv4()
        };
        let near = |local: &SocketAddr| {
            local.ip().is_unspecified() || local.ip().is_loopback() == remote.ip().is_loopback()
        };
        let fitting: Vec<SocketAddr> =
            self.config.listeners.iter().filter(fits).map(|(_, local)| *local).collect();
        let local = fitting.iter().find(|local| near(local)).or(fitting.first())?;
        Some(Flow { transport, local: *local, remote, connection: 0 })
    }
}
