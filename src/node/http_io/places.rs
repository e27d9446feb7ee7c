//! The places of connections: how many there are, and who gives way when they are all taken.
//!
//! Whoever waits for its peer longest gives way, of the source that has most of them: nobody can
//! keep others out by opening connections and saying nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::http::idle::{Idle, Order};

/// Connections at one time; more wait in the kernel's queue.
const MOST: usize = 1_024;

/// Those of one source: a quarter, which is more than browsers behind one address open, and leaves
/// the most of it to others. Not for this machine and private networks: proxies stand there, and
/// all that comes through one has its address; what they let in is theirs to bound, and when all
/// places are taken theirs give way first, as anybody's who has most.
const MOST_OF_ONE: usize = 256;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_of_one: usize,
    order: Order,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    places: HashMap<u64, Held>,
    last: u64,
}

#[derive(Debug)]
struct Held {
    source: IpAddr,
    idle: Arc<Idle>,
    leave: Arc<Notify>,
}

/// One connection's place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    /// Tells whether the connection waits for its peer.
    pub(super) idle: Arc<Idle>,
    /// Tells the connection to give way.
    pub(super) leave: Arc<Notify>,
}

impl Default for Places {
    fn default() -> Self {
        Places::new(MOST, MOST_OF_ONE)
    }
}

impl Places {
    fn new(most: usize, most_of_one: usize) -> Self {
        Places { most, most_of_one, order: Order::default(), taken: Mutex::default() }
    }

    /// Whether nobody can come in: all places are taken, and nobody may give way.
    pub(super) fn are_full(&self) -> bool {
        let taken = self.taken();
        taken.places.len() >= self.most && taken.longest_idle(|_| true).is_none()
    }

    /// A place for a connection, if there is one, or another gives way.
    pub(super) fn take(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let source = source(from);
        let mut taken = self.taken();
        let own = taken.places.values().filter(|held| held.source == source).count();
        if own >= self.most_of_one && is_bounded(source) {
            let longest = taken.longest_idle(|held| *held == source)?;
            taken.tell_to_leave(longest);
        } else if taken.places.len() >= self.most {
            let longest = taken.longest_idle(|_| true)?;
            taken.tell_to_leave(longest);
        }
        taken.last += 1;
        let number = taken.last;
        let (idle, leave) = (Arc::new(Idle::new(&self.order)), Arc::new(Notify::new()));
        let held = Held { source, idle: Arc::clone(&idle), leave: Arc::clone(&leave) };
        taken.places.insert(number, held);
        drop(taken);
        Some(Place { places: Arc::clone(self), number, idle, leave })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Of the sources with most places among those, the connection that waits longest.
    fn longest_idle(&self, among: impl Fn(&IpAddr) -> bool) -> Option<u64> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for held in self.places.values() {
            *counts.entry(held.source).or_default() += 1;
        }
        let idle = self.places.iter().filter(|(_, held)| among(&held.source));
        let idle = idle.filter_map(|(number, held)| {
            let count = counts.get(&held.source).copied().unwrap_or_default();
            Some((usize::MAX - count, held.idle.since()?, *number))
        });
        idle.min().map(|(_, _, number)| number)
    }

    /// Its place is free at once; the connection closes as soon as it is its turn to run.
    fn tell_to_leave(&mut self, number: u64) {
        if let Some(held) = self.places.remove(&number) {
            held.leave.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().places.remove(&self.number);
    }
}

/// Whose connections count together: an address, or what one customer has of IPv6.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

fn is_bounded(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(address) => {
            !(address.is_loopback() || address.is_private() || address.is_link_local())
        }
        // Loopback is the only one of its /64 that anybody comes from.
        IpAddr::V6(address) => {
            !(address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Whether it was told to give way.
    fn leaves(place: &Place) -> bool {
        !place.places.taken().places.contains_key(&place.number)
    }

    #[test]
    fn silent_connections_of_one_source_give_way_and_keep_nobody_out() {
        let places = Arc::new(Places::new(8, 4));
        let one: Vec<Place> = (0..4)
            .map(|n| places.take(address(&format!("2001:db8::{n}"))).expect("room"))
            .collect();
        // The same /64: the oldest of its own leaves.
        let more = places.take(address("2001:db8::ffff")).expect("its own gives way");
        let gone = |held: &[Place]| held.iter().map(leaves).collect::<Vec<_>>();
        assert_eq!(gone(&one), [true, false, false, false]);
        let others: Vec<Place> =
            (1..=4).map(|n| places.take(address(&format!("192.0.2.{n}"))).expect("room")).collect();
        // All are taken: of who has most, the one that waits longest, unless it is answered.
        let answering = one[1].idle.answering();
        let last = places.take(address("198.51.100.1")).expect("another gives way");
        assert_eq!(gone(&one), [true, false, true, false]);
        assert!(!gone(&others).contains(&true) && !leaves(&more) && !leaves(&last));
        drop(answering);
        assert!(!places.are_full());
        let all: Vec<_> = one.iter().chain(&others).chain([&more, &last]).collect();
        let busy: Vec<_> = all.iter().map(|place| place.idle.answering()).collect();
        assert!(places.are_full() && places.take(address("198.51.100.2")).is_none());
        drop(busy);
        assert!(places.take(address("198.51.100.2")).is_some());
    }

    #[test]
    fn places_are_free_again_and_those_of_near_proxies_unbounded() {
        let places = Arc::new(Places::new(8, 2));
        for from in ["127.0.0.1", "::ffff:127.0.0.1", "::1", "10.1.2.3", "172.17.0.1", "fd00::1"] {
            let held: Vec<_> = (0..8).map(|_| places.take(address(from)).expect("room")).collect();
            assert!(!held.iter().any(leaves), "{from}");
            drop(held);
            assert!(places.taken().places.is_empty());
        }
        let far: Vec<_> = (0..3).map(|_| places.take(address("192.0.2.1"))).collect();
        assert!(far[0].as_ref().is_some_and(leaves));
        assert_eq!(places.taken().places.len(), 2);
    }
}
