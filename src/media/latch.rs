//! Which source a session listens to and where it sends.
//!
//! Media goes to the signalled address, and comes from its host. A phone's may also come from the
//! host that signals, and behind an address translator from the neighbourhood of either; such a
//! source is answered. Each is believed after two consecutive packets within [`Latch::WINDOW`] of the
//! answer; after that nothing but new signalling moves it, so that injected packets neither reach
//! nor redirect a call.

use std::net::{IpAddr, SocketAddr};

use crate::base::{Duration, Instant};
use crate::media::command::{Leeway, Remote};
use crate::rtp::Packet;
use crate::rtp::sequence::distance;

/// The learning of one session's source.
#[derive(Clone, Debug)]
pub struct Latch {
    signalled: SocketAddr,
    /// The host that signals, where its media are believed.
    host: Option<IpAddr>,
    leeway: Leeway,
    /// Where to send.
    peer: SocketAddr,
    /// Whom to hear: the peer, or another port of its host.
    source: SocketAddr,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Learning {
        until: Instant,
        candidate: Option<Candidate>,
        /// What the source that was learnt has for itself; only a better one takes its place.
        learnt: Option<Claim>,
    },
    Fixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    from: SocketAddr,
    claim: Claim,
    ssrc: u32,
    sequence: u16,
}

/// What speaks for a source, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// It is near the signalled host or the one that signals: a translator may have several
    /// addresses.
    Neighbour,
    /// It is on either host.
    Host,
    /// It is what was signalled.
    Signalled,
}

impl Latch {
    /// How long after the answer a source may be learnt: as long as a phone behind a slow router
    /// needs for its first packets, too short for a scan of our ports.
    pub const WINDOW: Duration = Duration::from_secs(3);

    /// Learns afresh what was agreed at `now`.
    pub fn new(now: Instant, remote: &Remote) -> Self {
        let &Remote { address: signalled, signalled_from: host, leeway, .. } = remote;
        let until = now + Self::WINDOW;
        let state = State::Learning { until, candidate: None, learnt: None };
        Latch { signalled, host, leeway, peer: signalled, source: signalled, state }
    }

    /// Signalling spoke again. The peer stays where it is while the signalled address does, so
    /// that a re-INVITE does not send a phone behind NAT into silence.
    pub fn renew(&mut self, now: Instant, remote: &Remote) {
        let signalled = remote.address;
        let (peer, source) = match signalled == self.signalled {
            true => (self.peer, self.source),
            false => (signalled, signalled),
        };
        *self = Latch { peer, source, ..Latch::new(now, remote) };
    }

    /// Where to send.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether a packet is the peer's; may learn from it.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) -> bool {
        let State::Learning { until, candidate, learnt } = self.state else {
            return from == self.source;
        };
        if now >= until {
            self.state = State::Fixed;
            return from == self.source;
        }
        let Some(claim) = self.claim(from).filter(|claim| Some(*claim) > learnt) else {
            return from == self.source;
        };
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        let seen = Candidate { from, claim, ssrc, sequence };
        if candidate.is_some_and(|before| before.is_followed_by(seen)) {
            self.learn(until, seen);
            return true;
        }
        // A packet from elsewhere must not undo what a better source, or the present one, began.
        let gives_way = |before: Candidate| {
            before.from == from
                || claim > before.claim
                || claim == before.claim && before.from != self.source
        };
        if candidate.is_none_or(gives_way) {
            self.state = State::Learning { until, candidate: Some(seen), learnt };
        }
        from == self.source
    }

    fn learn(&mut self, until: Instant, seen: Candidate) {
        self.source = seen.from;
        // A server may send from another port than it listens on (RFC 3550
        // section 11), and what it signalled is where it listens.
        if self.leeway != Leeway::None || seen.claim == Claim::Signalled {
            self.peer = seen.from;
        }
        self.state = match seen.claim {
            Claim::Signalled => State::Fixed,
            claim => State::Learning { until, candidate: None, learnt: Some(claim) },
        };
    }

    fn claim(&self, from: SocketAddr) -> Option<Claim> {
        let (own, ip) = (self.signalled.ip(), from.ip());
        if from == self.signalled {
            Some(Claim::Signalled)
        } else if ip == own || self.host == Some(ip) {
            Some(Claim::Host)
        } else {
            let host = self.host.filter(|_| self.leeway == Leeway::Network)?;
            (same_network(own, ip) || same_network(host, ip)).then_some(Claim::Neighbour)
        }
    }
}

impl Candidate {
    fn is_followed_by(self, next: Candidate) -> bool {
        self.from == next.from
            && self.ssrc == next.ssrc
            && distance(self.sequence, next.sequence) == 1
    }
}

/// Whether two hosts are in one /24 (a pool of NAT addresses); for IPv6 in one /64.
pub fn same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.octets()[..8] == b.octets()[..8],
        _ => false,
    }
}
