//! From a URI to servers, as a function of what the DNS is known to say (RFC 3263 section 4).
//!
//! Nothing is remembered between two looks: whoever asks learns the answers to what is missing and
//! looks again. So the order in which answers come cannot matter.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::cache::Known;
use super::question::{Kind, Naptr, Question, Record, Srv};
use super::{Family, Hop, LocateError, Protocol};
use crate::base::Rng;
use crate::sip::uri::{Scheme, SipUri};

/// Records of one answer that are looked at: a hostile zone could list thousands.
const MOST_RECORDS: usize = 16;

/// Servers of one place that are given; nobody waits for more to fail.
const MOST_HOPS: usize = 16;

/// What a URI says about its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub host: String,
    pub port: Option<u16>,
    /// The transport that the URI names.
    pub protocol: Option<Protocol>,
    /// Nothing but TLS will do.
    pub secure: bool,
}

/// One look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These answers are missing.
    Ask(Vec<Question>),
    /// All is known.
    Done(Vec<Hop>),
}

/// What is known so far.
pub(super) type Answers = BTreeMap<Question, Known>;

impl Place {
    /// Reads a URI; `maddr` goes before the host (RFC 3263 section 4).
    pub(super) fn of(uri: &str) -> Result<Place, LocateError> {
        let uri = SipUri::parse(uri).ok_or(LocateError::Malformed)?;
        let secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other => return Err(LocateError::Unsupported),
        };
        let protocol = match uri.transport().map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp") if !secure => Some(Protocol::Udp),
            Some("tcp") if !secure => Some(Protocol::Tcp),
            // A sips URI names the transport below TLS; `transport=tls` is the older spelling
            // (RFC 3261 section 26.2.2).
            Some("tcp" | "tls") => Some(Protocol::Tls),
            Some(_) => return Err(LocateError::Unsupported),
        };
        let maddr = uri.params().get("maddr").filter(|maddr| !maddr.is_empty());
        let host = maddr.unwrap_or(uri.host()).trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err(LocateError::Malformed);
        }
        // RFC 6761 section 6.4: never asked. Browsers register with such contacts (RFC 7118).
        if host == "invalid" || host.ends_with(".invalid") {
            return Err(LocateError::NoAddress);
        }
        Ok(Place { host, port: uri.port(), protocol, secure })
    }

    /// What is used where nothing says otherwise (RFC 3263 section 4.1).
    fn usual(&self) -> Protocol {
        self.protocol.unwrap_or(if self.secure { Protocol::Tls } else { Protocol::Udp })
    }
}

/// Looks once.
pub(super) struct Look<'a> {
    pub place: &'a Place,
    /// The protocols that can be used, best first.
    pub usable: &'a [Protocol],
    pub family: Family,
    pub known: &'a Answers,
    pub missing: Vec<Question>,
    pub rng: &'a mut Rng,
}

impl<'a> Look<'a> {
    pub(super) fn step(mut self) -> Result<Step, LocateError> {
        let place = self.place;
        let usual = place.usual();
        if let Ok(address) = place.host.parse::<IpAddr>() {
            let port = place.port.unwrap_or(usual.port());
            self.usable(usual)?;
            return Ok(Step::Done(vec![Hop::new(usual, SocketAddr::new(address, port))]));
        }
        let hops = match (place.port, place.protocol) {
            (Some(port), _) => {
                self.usable(usual)?;
                self.addresses(usual, &place.host, port)
            }
            (None, Some(protocol)) => {
                self.usable(protocol)?;
                self.service(protocol)
            }
            (None, None) => self.services()?,
        };
        if !self.missing.is_empty() {
            return Ok(Step::Ask(self.missing));
        }
        let mut hops: Vec<Hop> = hops.into_iter().take(MOST_HOPS).collect();
        hops.dedup();
        match (hops.is_empty(), self.known.values().any(|known| *known == Known::Dead)) {
            (false, _) => Ok(Step::Done(hops)),
            (true, true) => Err(LocateError::Dead),
            (true, false) => Err(LocateError::NoAddress),
        }
    }

    fn usable(&self, protocol: Protocol) -> Result<(), LocateError> {
        self.usable.contains(&protocol).then_some(()).ok_or(LocateError::Unsupported)
    }

    /// The records of a question; none while it is unknown, and it is asked then.
    fn records(&mut self, kind: Kind, name: &str) -> &'a [Record] {
        let question = Question::new(kind, name);
        let known: &'a Answers = self.known;
        match known.get(&question) {
            Some(Known::Records(records)) => {
                records.get(..records.len().min(MOST_RECORDS)).unwrap_or_default()
            }
            Some(Known::Dead) => &[],
            None => {
                if !self.missing.contains(&question) {
                    self.missing.push(question);
                }
                &[]
            }
        }
    }

    /// A domain without transport and port: NAPTR says which services it has, else SRV, else it
    /// is one host (RFC 3263 sections 4.1 and 4.2).
    fn services(&mut self) -> Result<Vec<Hop>, LocateError> {
        let host = self.place.host.clone();
        let mut services: Vec<Naptr> = Vec::new();
        for record in self.records(Kind::Naptr, &host) {
            if let Record::Naptr(naptr) = record {
                services.push(naptr.clone());
            }
        }
        if !self.missing.is_empty() {
            return Ok(vec![]);
        }
        services.sort_by_key(|naptr| (naptr.order, naptr.preference));
        let mut hops = Vec::new();
        for naptr in services {
            let Some(protocol) = protocol_of(&naptr.service) else { continue };
            if !self.fits(protocol) {
                continue;
            }
            match naptr.flags.to_ascii_lowercase().as_str() {
                "s" => hops.extend(self.servers(protocol, &naptr.replacement).unwrap_or_default()),
                "a" => hops.extend(self.addresses(protocol, &naptr.replacement, protocol.port())),
                _ => {}
            }
        }
        if !hops.is_empty() || !self.missing.is_empty() {
            return Ok(hops);
        }
        let fitting: Vec<Protocol> =
            self.usable.iter().copied().filter(|protocol| self.fits(*protocol)).collect();
        if fitting.is_empty() {
            return Err(LocateError::Unsupported);
        }
        let mut listed = false;
        for protocol in fitting {
            if let Some(found) = self.servers(protocol, &protocol.service(&host)) {
                listed = true;
                hops.extend(found);
            }
        }
        if listed || !self.missing.is_empty() {
            return Ok(hops);
        }
        let usual = self.place.usual();
        self.usable(usual)?;
        Ok(self.addresses(usual, &host, usual.port()))
    }

    /// Whether a service may be used for the URI: sips wants TLS, and sip may have it.
    fn fits(&self, protocol: Protocol) -> bool {
        self.usable.contains(&protocol) && (!self.place.secure || protocol == Protocol::Tls)
    }

    /// The transport is known, the port is not (RFC 3263 section 4.2).
    fn service(&mut self, protocol: Protocol) -> Vec<Hop> {
        let host = self.place.host.clone();
        match self.servers(protocol, &protocol.service(&host)) {
            Some(hops) => hops,
            None if self.missing.is_empty() => self.addresses(protocol, &host, protocol.port()),
            None => vec![],
        }
    }

    /// The servers that SRV lists in the order of RFC 2782; `None` where it lists nothing.
    fn servers(&mut self, protocol: Protocol, name: &str) -> Option<Vec<Hop>> {
        let mut servers: Vec<Srv> = Vec::new();
        for record in self.records(Kind::Srv, name) {
            if let Record::Srv(srv) = record {
                servers.push(srv.clone());
            }
        }
        if servers.is_empty() {
            return None;
        }
        let mut hops = Vec::new();
        for server in arranged(servers, self.rng) {
            // A dot: the service is decidedly not there.
            if !server.target.trim_end_matches('.').is_empty() {
                hops.extend(self.addresses(protocol, &server.target, server.port));
            }
        }
        Some(hops)
    }

    /// The addresses of a host, of both families where both can be used (RFC 7984 section 3.1).
    fn addresses(&mut self, protocol: Protocol, host: &str, port: u16) -> Vec<Hop> {
        // What NAPTR or SRV name may be an address in a careless zone.
        if let Ok(address) = host.parse::<IpAddr>() {
            return vec![Hop::new(protocol, SocketAddr::new(address, port))];
        }
        let kinds: &[Kind] = match self.family {
            Family::V4First => &[Kind::A, Kind::Aaaa],
            Family::V6First => &[Kind::Aaaa, Kind::A],
            Family::V4Only => &[Kind::A],
            Family::V6Only => &[Kind::Aaaa],
        };
        let mut hops = Vec::new();
        for kind in kinds {
            for record in self.records(*kind, host) {
                if let Record::Address(address) = record {
                    hops.push(Hop::new(protocol, SocketAddr::new(*address, port)));
                }
            }
        }
        hops
    }
}

/// The protocol of a NAPTR service (RFC 3263 section 4.1).
fn protocol_of(service: &str) -> Option<Protocol> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Protocol::Udp),
        "SIP+D2T" => Some(Protocol::Tcp),
        "SIPS+D2T" => Some(Protocol::Tls),
        _ => None,
    }
}

/// Servers by priority, and among those of one priority by lot, as RFC 2782 draws it.
fn arranged(mut servers: Vec<Srv>, rng: &mut Rng) -> Vec<Srv> {
    // Those of weight 0 stand first, so that they have a small chance.
    servers.sort_by_key(|server| (server.priority, server.weight));
    let mut order = Vec::with_capacity(servers.len());
    while let Some(priority) = servers.first().map(|server| server.priority) {
        let same = servers.iter().take_while(|server| server.priority == priority);
        let total: u64 = same.clone().map(|server| u64::from(server.weight)).sum();
        let lot = rng.below(total + 1);
        let mut sum = 0;
        let drawn = same
            .map(|server| {
                sum += u64::from(server.weight);
                sum
            })
            .position(|sum| sum >= lot)
            .unwrap_or(0);
        order.push(servers.remove(drawn));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    #[test]
    fn weights_are_shares_within_a_priority() {
        let mut rng = Rng::from_number(1);
        let mut first = BTreeMap::<String, u32>::new();
        for _ in 0..10_000 {
            let servers = vec![srv(20, 9, "last"), srv(10, 10, "ten"), srv(10, 30, "thirty")];
            let order = arranged(servers, &mut rng);
            assert_eq!(order[2].target, "last", "a higher priority never goes first");
            *first.entry(order[0].target.clone()).or_default() += 1;
        }
        assert!((7_200..7_800).contains(&first["thirty"]), "{first:?}");
        assert_eq!(first["thirty"] + first["ten"], 10_000);
    }

    #[test]
    fn servers_without_weight_still_have_their_turn() {
        let mut rng = Rng::from_number(2);
        let draws = (0..10_000).filter(|_| {
            let order = arranged(vec![srv(1, 0, "spare"), srv(1, 99, "main")], &mut rng);
            order[0].target == "spare"
        });
        assert!((50..200).contains(&draws.count()), "one in a hundred");
        let order = arranged(vec![srv(1, 0, "a"), srv(1, 0, "b")], &mut rng);
        assert_eq!(order.len(), 2);
    }

    #[test]
    fn places_of_uris() {
        let place = |uri: &str| Place::of(uri);
        let plain = place("sip:alice@Example.COM.").expect("a place");
        assert_eq!((plain.host.as_str(), plain.port, plain.secure), ("example.com", None, false));
        let maddr = place("sip:h;maddr=192.0.2.9;transport=TCP").expect("a place");
        assert_eq!((maddr.host.as_str(), maddr.protocol), ("192.0.2.9", Some(Protocol::Tcp)));
        assert_eq!(place("sip:[2001:db8::1]:5070").expect("v6").host, "2001:db8::1");
        assert_eq!(place("sips:h;transport=tcp").expect("tls").protocol, Some(Protocol::Tls));
        assert_eq!(place("sip:h;transport=tls").expect("tls").protocol, Some(Protocol::Tls));
        assert_eq!(place("sip:df7jal23ls0d.invalid;transport=ws"), Err(LocateError::Unsupported));
        assert_eq!(place("sip:df7jal23ls0d.INVALID"), Err(LocateError::NoAddress));
        assert_eq!(place("tel:+15551234567"), Err(LocateError::Unsupported));
        assert_eq!(place("sips:h;transport=udp"), Err(LocateError::Unsupported));
        assert_eq!(place("sip:@"), Err(LocateError::Malformed));
    }
}
