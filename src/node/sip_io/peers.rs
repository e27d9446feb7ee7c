//! Whom TLS is to find at an address, and who must prove a name when it comes from one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::directory::{Directory, TlsPeer, Trunk};
use crate::exchange::Expected;

/// Addresses of trunks and lines that are remembered from one request to the next.
const MAX_UPSTREAM: usize = 4_096;

/// Names of foreign servers that are remembered from their URI to their handshake and after.
const MAX_FOREIGN: usize = 1_024;

/// What is known of peers before their handshake.
#[derive(Debug, Default)]
pub(super) struct Peers {
    upstream: Recent<TlsPeer>,
    foreign: Recent<String>,
    inbound: Vec<(Vec<IpNet>, String)>,
}

/// What was last said of addresses; the oldest are forgotten.
#[derive(Debug)]
struct Recent<T> {
    known: HashMap<SocketAddr, T>,
    /// The addresses of `known`, oldest first.
    order: VecDeque<SocketAddr>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent { known: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Recent<T> {
    fn insert(&mut self, address: SocketAddr, what: T, most: usize) {
        if self.known.insert(address, what).is_none() {
            self.order.push_back(address);
        }
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Peers {
    /// Takes the trunks and lines of a configuration: what is no longer configured counts no more
    /// than what a URI said.
    pub(super) fn know(&mut self, directory: &Directory) {
        let lines = directory.lines.iter().map(|line| &line.account);
        let configured: HashSet<TlsPeer> =
            directory.trunks.iter().chain(lines).flat_map(peers_of).collect();
        let addresses = std::mem::take(&mut self.upstream.order);
        for address in addresses {
            let Some(peer) = self.upstream.known.remove(&address) else { continue };
            match configured.contains(&peer) {
                true => self.upstream.insert(address, peer, MAX_UPSTREAM),
                false => self.foreign.insert(address, peer.name, MAX_FOREIGN),
            }
        }
        self.inbound.clear();
        for trunk in &directory.trunks {
            if let Some(name) = &trunk.client_name {
                self.inbound.push((trunk.inbound_ips.clone(), name.clone()));
            }
        }
    }

    /// Whom the URI that led to an address names.
    pub(super) fn expect(&mut self, address: SocketAddr, expected: Expected) {
        match expected {
            Expected::Upstream(peer) => self.upstream.insert(address, peer, MAX_UPSTREAM),
            Expected::Named(name) => self.foreign.insert(address, name, MAX_FOREIGN),
        }
    }

    /// Whom a server must prove to be: its trunk or the host of its URI, else its address.
    pub(super) fn towards(&self, address: SocketAddr) -> TlsPeer {
        if let Some(peer) = self.upstream.known.get(&address) {
            return peer.clone();
        }
        let name = self.foreign.known.get(&address).cloned();
        let name = name.unwrap_or_else(|| address.ip().to_canonical().to_string());
        TlsPeer { name, identity: None }
    }

    /// The names of which one must be in the certificate of whoever connects from an address;
    /// empty: none is asked for.
    pub(super) fn names_from(&self, source: IpAddr) -> Vec<String> {
        let source = source.to_canonical();
        let of = |(networks, _): &&(Vec<IpNet>, String)| {
            networks.iter().any(|network| network.contains(&source))
        };
        self.inbound.iter().filter(of).map(|(_, name)| name.clone()).collect()
    }
}

/// Whom TLS may be told to find for a trunk.
fn peers_of(trunk: &Trunk) -> impl Iterator<Item = TlsPeer> {
    let places = std::iter::once(&trunk.uri).chain(&trunk.proxy);
    places.filter_map(|uri| match Expected::of(uri, Some(trunk))? {
        Expected::Upstream(peer) => Some(peer),
        Expected::Named(_) => None,
    })
}
