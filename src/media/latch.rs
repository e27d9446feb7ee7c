//! Which source a session listens to and where it sends.
//!
//! Media goes to the signalled address. Another source is believed once: two consecutive packets
//! within [`Latch::WINDOW`] of the answer, from the signalled host, the host that signals, or the
//! neighbourhood of either: that is how a phone behind a translator is heard and answered. After
//! that nothing but new signalling moves it, so injected packets neither reach nor redirect a call.

use std::net::{IpAddr, SocketAddr};

use crate::base::{Duration, Instant};
use crate::rtp::Packet;
use crate::rtp::sequence::distance;

/// The learning of one session's source.
#[derive(Clone, Debug)]
pub struct Latch {
    signalled: SocketAddr,
    /// The host that signals.
    host: Option<IpAddr>,
    peer: SocketAddr,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Learning { until: Instant, candidate: Option<Candidate> },
    Fixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
}

impl Latch {
    /// How long after the answer a source may be learnt: as long as a phone behind a slow router
    /// needs for its first packets, too short for a scan of our ports.
    pub const WINDOW: Duration = Duration::from_secs(3);

    /// Learns afresh: `signalled` was agreed at `now`.
    pub fn new(now: Instant, signalled: SocketAddr, host: Option<IpAddr>) -> Self {
        let state = State::Learning { until: now + Self::WINDOW, candidate: None };
        Latch { signalled, host, peer: signalled, state }
    }

    /// Signalling spoke again. The peer stays where it is while the signalled address does, so
    /// that a re-INVITE does not send a phone behind NAT into silence.
    pub fn renew(&mut self, now: Instant, signalled: SocketAddr, host: Option<IpAddr>) {
        let peer = if signalled == self.signalled { self.peer } else { signalled };
        *self = Latch { peer, ..Latch::new(now, signalled, host) };
    }

    /// Where to send.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether a packet is the peer's; may learn from it.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) -> bool {
        let State::Learning { until, candidate } = self.state else { return from == self.peer };
        if now >= until {
            self.state = State::Fixed;
            return from == self.peer;
        }
        let known = [Some(self.signalled.ip()), self.host];
        if from != self.peer && !known.into_iter().flatten().any(|host| near(host, from.ip())) {
            return false;
        }
        let seen = Candidate { from, ssrc: packet.ssrc, sequence: packet.sequence };
        if candidate.is_some_and(|before| before.is_followed_by(seen)) {
            (self.peer, self.state) = (from, State::Fixed);
            return true;
        }
        // A packet from elsewhere must not undo what the signalled address has begun.
        if from == self.peer || candidate.is_none_or(|before| before.from != self.peer) {
            self.state = State::Learning { until, candidate: Some(seen) };
        }
        from == self.peer
    }
}

impl Candidate {
    fn is_followed_by(self, next: Candidate) -> bool {
        self.from == next.from
            && self.ssrc == next.ssrc
            && distance(self.sequence, next.sequence) == 1
    }
}

/// The same host, or its /24 (a pool of NAT addresses); for IPv6 the same /64. A phone on this
/// machine may signal another of its addresses and send from loopback, as only this machine can.
fn near(signalled: IpAddr, from: IpAddr) -> bool {
    if from.is_loopback() {
        return true;
    }
    match (signalled, from) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.octets()[..8] == b.octets()[..8],
        _ => false,
    }
}
