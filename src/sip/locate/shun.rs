//! Servers that failed lately: they come last for a while (RFC 3263 section 4.3).

use std::collections::BTreeMap;

use super::Hop;
use crate::base::{Duration, Instant};

/// Servers remembered. More that fail at once is an outage of ours, where order does not matter.
const MOST: usize = 1_024;

/// A server that failed is spared so long when it does not say how long itself.
const USUAL: Duration = Duration::from_secs(30);

/// No Retry-After keeps a server out longer: it may have been a mistake.
const LONGEST: Duration = Duration::from_secs(300);

/// Servers that failed, and until when they come last.
#[derive(Debug, Default)]
pub(super) struct Shunned(BTreeMap<Hop, Instant>);

impl Shunned {
    /// Notes a failure; `wait` is what the server asked for (Retry-After).
    pub(super) fn add(&mut self, now: Instant, hop: Hop, wait: Option<Duration>) {
        if self.0.len() >= MOST {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() < MOST || self.0.contains_key(&hop) {
            self.0.insert(hop, now + wait.unwrap_or(USUAL).min(LONGEST));
        }
    }

    /// A server that answered is trusted again at once.
    pub(super) fn remove(&mut self, hop: &Hop) {
        self.0.remove(hop);
    }

    /// Whether it failed lately.
    pub(super) fn contains(&self, now: Instant, hop: &Hop) -> bool {
        self.0.get(hop).is_some_and(|until| *until > now)
    }

    /// Moves those that failed behind the others, those that may come back first before the rest.
    pub(super) fn reorder(&self, now: Instant, hops: &mut [Hop]) {
        if !self.0.is_empty() {
            hops.sort_by_key(|hop| self.0.get(hop).copied().filter(|until| *until > now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Protocol;
    use super::*;

    fn hop(last: u8) -> Hop {
        Hop { protocol: Protocol::Udp, address: ([192, 0, 2, last], 5060).into() }
    }

    #[test]
    fn those_that_failed_come_last_for_a_while() {
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        let mut shunned = Shunned::default();
        shunned.add(at(0), hop(1), Some(Duration::from_secs(60)));
        shunned.add(at(0), hop(2), None);
        let order = |shunned: &Shunned, now| {
            let mut hops = [hop(1), hop(2), hop(3), hop(4)];
            shunned.reorder(now, &mut hops);
            hops.map(|hop| hop.address.to_string().as_bytes()[8] - b'0')
        };
        assert_eq!(order(&shunned, at(1)), [3, 4, 2, 1]);
        assert_eq!(order(&shunned, at(30)), [2, 3, 4, 1]);
        shunned.remove(&hop(1));
        assert_eq!(order(&shunned, at(30)), [1, 2, 3, 4]);
        shunned.add(at(40), hop(1), Some(Duration::from_secs(1_000_000)));
        assert!(shunned.contains(at(339), &hop(1)) && !shunned.contains(at(340), &hop(1)));
    }
}
