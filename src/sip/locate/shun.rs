//! Servers that failed lately: they come last for a while (RFC 3263 section 4.3), and rest where
//! they asked for it.

use std::collections::BTreeMap;

use super::Hop;
use crate::base::{Duration, Instant};

/// Servers remembered. More that fail at once is an outage of ours, where order does not matter.
const MOST: usize = 1_024;

/// A server that failed is spared so long when it does not say how long itself.
const USUAL: Duration = Duration::from_secs(30);

/// No Retry-After keeps a server out longer: it may have been a mistake.
const LONGEST: Duration = Duration::from_secs(300);

/// Servers that failed.
#[derive(Debug, Default)]
pub(super) struct Shunned(BTreeMap<Hop, Failed>);

#[derive(Clone, Copy, Debug)]
struct Failed {
    /// How long it comes last.
    until: Instant,
    /// Whether it asked for that, so that nothing new goes there (RFC 3261 section 21.5.4).
    asked: bool,
}

impl Shunned {
    /// Notes a failure; `wait` is what the server asked for (Retry-After).
    pub(super) fn add(&mut self, now: Instant, hop: Hop, wait: Option<Duration>) {
        if self.0.len() >= MOST {
            self.0.retain(|_, failed| failed.until > now);
        }
        if self.0.len() < MOST || self.0.contains_key(&hop) {
            // What it asked for is not undone by a request that goes unanswered meanwhile.
            let rests = self.resting(now, &hop).filter(|_| wait.is_none());
            let until = now + rests.unwrap_or(wait.unwrap_or(USUAL).min(LONGEST));
            self.0.insert(hop, Failed { until, asked: wait.is_some() || rests.is_some() });
        }
    }

    /// A server that answered is trusted again at once, unless it asked to be left alone: then
    /// what it answers was on its way before.
    pub(super) fn remove(&mut self, hop: &Hop) {
        if self.0.get(hop).is_some_and(|failed| !failed.asked) {
            self.0.remove(hop);
        }
    }

    /// How long a server is to be left alone that asked for it.
    pub(super) fn resting(&self, now: Instant, hop: &Hop) -> Option<Duration> {
        let failed = self.0.get(hop).filter(|failed| failed.asked && failed.until > now)?;
        Some(failed.until - now)
    }

    /// Whether it failed lately.
    pub(super) fn contains(&self, now: Instant, hop: &Hop) -> bool {
        self.0.get(hop).is_some_and(|failed| failed.until > now)
    }

    /// Moves those that failed behind the others, those that may come back first before the rest.
    pub(super) fn reorder(&self, now: Instant, hops: &mut [Hop]) {
        if !self.0.is_empty() {
            let until = |hop: &Hop| self.0.get(hop).map(|failed| failed.until);
            hops.sort_by_key(|hop| until(hop).filter(|until| *until > now));
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
        shunned.remove(&hop(2));
        assert_eq!(order(&shunned, at(1)), [2, 3, 4, 1], "one that answered is trusted");
        shunned.remove(&hop(1));
        assert!(shunned.contains(at(59), &hop(1)), "one that asked for it rests");
        assert_eq!(shunned.resting(at(30), &hop(1)), Some(Duration::from_secs(30)));
        shunned.add(at(50), hop(1), None);
        assert_eq!(shunned.resting(at(50), &hop(1)), Some(Duration::from_secs(10)));
        assert_eq!(shunned.resting(at(60), &hop(1)), None);
        shunned.add(at(60), hop(1), None);
        assert!(shunned.contains(at(70), &hop(1)), "silence is no wish");
        assert_eq!(shunned.resting(at(70), &hop(1)), None);
        shunned.remove(&hop(1));
        assert_eq!(order(&shunned, at(30)), [1, 2, 3, 4]);
        shunned.add(at(40), hop(1), Some(Duration::from_secs(1_000_000)));
        assert!(shunned.contains(at(339), &hop(1)) && !shunned.contains(at(340), &hop(1)));
    }
}
