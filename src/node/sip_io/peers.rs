//! Whom TLS is to find at an address, and who must prove a name when it comes from one.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::directory::{Directory, TrunkTls};

/// Names of foreign servers that are remembered from their URI to their handshake and after.
const MAX_FOREIGN: usize = 1_024;

/// What is known of peers before their handshake.
#[derive(Debug, Default)]
pub(super) struct Peers {
    trunks: HashMap<SocketAddr, TrunkTls>,
    foreign: HashMap<SocketAddr, String>,
    /// The addresses of `foreign`, oldest first.
    order: VecDeque<SocketAddr>,
    inbound: Vec<(Vec<IpNet>, String)>,
}

impl Peers {
    /// Takes the trunks of a configuration.
    pub(super) fn know(&mut self, directory: &Directory) {
        self.trunks.clear();
        self.inbound.clear();
        for trunk in &directory.trunks {
            if let Some(tls) = &trunk.tls {
                let addresses = trunk.addresses.iter();
                self.trunks.extend(addresses.map(|address| (*address, tls.clone())));
            }
            if let Some(name) = &trunk.client_name {
                self.inbound.push((trunk.inbound_ips.clone(), name.clone()));
            }
        }
    }

    /// The name in the URI that led to an address. A trunk's name is never overruled by it.
    pub(super) fn expect(&mut self, address: SocketAddr, name: String) {
        if self.foreign.insert(address, name).is_none() {
            self.order.push_back(address);
        }
        if self.order.len() > MAX_FOREIGN
            && let Some(oldest) = self.order.pop_front()
        {
            self.foreign.remove(&oldest);
        }
    }

    /// The name that a server must prove: that of its trunk or URI, else its address.
    pub(super) fn towards(&self, address: SocketAddr) -> TrunkTls {
        if let Some(trunk) = self.trunks.get(&address) {
            return trunk.clone();
        }
        let name = self.foreign.get(&address).cloned();
        let name = name.unwrap_or_else(|| address.ip().to_canonical().to_string());
        TrunkTls { name, identity: None }
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
