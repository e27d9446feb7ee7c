//! How many calls each user and trunk has, and how many it made lately: the one thing that all
//! exchanges of a server share.
//!
//! A table of atomics that never grows: nobody waits for anybody. Names are told apart by a hash of
//! 64 bits; those who find no place of their own share one, and then each has less, never more.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::caps::Cap;
use super::guard::{Share, SharedBucket, Total};
use crate::base::Instant;
use crate::directory::Caps;

/// Users and trunks that call out, of which a server has some thousands; 400 KB.
const SLOTS: usize = 16_384;

/// Places that a name may have.
const PROBES: usize = 16;

/// Counts of calls, shared by all exchanges of a server.
pub struct Ledger {
    slots: Box<[Slot]>,
    /// What all peers together ask for.
    pub(super) invites: Total,
    pub(super) registers: Total,
}

/// One name's.
#[derive(Default)]
struct Slot {
    /// The hash of the name; 0 for nobody's.
    name: AtomicU64,
    calls: AtomicU32,
    new_calls: SharedBucket,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::sized(SLOTS)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}

impl Ledger {
    fn sized(slots: usize) -> Ledger {
        Ledger {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            invites: Total::default(),
            registers: Total::default(),
        }
    }

    /// The place of a name. It stays its own as long as the server runs.
    fn slot(&self, name: &str) -> Option<&Slot> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = hasher.finish().max(1);
        let start = hash as usize % self.slots.len().max(1);
        let order = Ordering::Relaxed;
        let places =
            (0..PROBES).filter_map(|step| self.slots.get((start + step) % self.slots.len()));
        let mut own = places.filter(|slot| {
            let known = slot.name.load(order);
            known == hash
                || known == 0
                    && match slot.name.compare_exchange(0, hash, order, order) {
                        Ok(_) => true,
                        Err(other) => other == hash,
                    }
        });
        own.next().or_else(|| self.slots.get(start))
    }

    /// Calls that are up or being set up.
    pub(super) fn calls(&self, name: &str) -> u32 {
        self.slot(name).map_or(0, |slot| slot.calls.load(Ordering::Relaxed))
    }

    /// One call more, unless that is one too many.
    pub(super) fn take(&self, now: Instant, name: &str, caps: Caps) -> Result<(), Cap> {
        self.enter(name, caps.calls)?;
        let Some(slot) = self.slot(name) else { return Ok(()) };
        if !slot.new_calls.take(now, caps.new_calls, Share::All) {
            self.leave(name);
            return Err(Cap::NewCalls(caps.new_calls.per_second));
        }
        Ok(())
    }

    /// One call more, where that makes no more than `most`; 0 is no limit.
    pub(super) fn enter(&self, name: &str, most: u32) -> Result<(), Cap> {
        let Some(slot) = self.slot(name) else { return Ok(()) };
        let order = Ordering::Relaxed;
        let more = |calls: u32| (most == 0 || calls < most).then(|| calls.saturating_add(1));
        match slot.calls.fetch_update(order, order, more) {
            Ok(_) => Ok(()),
            Err(_) => Err(Cap::Calls(most)),
        }
    }

    /// One call less.
    pub(super) fn leave(&self, name: &str) {
        let order = Ordering::Relaxed;
        if let Some(slot) = self.slot(name) {
            let _ = slot.calls.fetch_update(order, order, |calls| Some(calls.saturating_sub(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Rate;

    #[test]
    fn all_who_share_it_count_together_and_never_beyond_a_cap() {
        let ledger = Ledger::default();
        let caps = Caps { calls: 100, new_calls: Rate { per_second: 0, burst: 0 } };
        // Clones of an Arc, as exchanges hold it.
        let ledger = std::sync::Arc::new(ledger);
        let holders = [(); 4].map(|()| std::sync::Arc::clone(&ledger));
        let tries = (0..400).zip(holders.iter().cycle());
        let taken = tries.filter(|(_, one)| one.take(Instant::ZERO, "a", caps).is_ok()).count();
        assert_eq!((taken, ledger.calls("a"), ledger.calls("b")), (100, 100, 0));
        (0..100).for_each(|_| ledger.leave("a"));
        ledger.leave("a");
        assert_eq!(ledger.calls("a"), 0);
    }

    #[test]
    fn a_rate_holds_for_all_together() {
        let ledger = Ledger::default();
        let caps = Caps { calls: 0, new_calls: Rate { per_second: 1, burst: 3 } };
        let take = |millis| ledger.take(Instant::from_millis(millis), "a", caps).is_ok();
        assert!((0..3).all(|_| take(0)) && !take(0), "a burst");
        assert!(take(1_000) && !take(1_000), "then the rate");
        assert_eq!(ledger.calls("a"), 4, "who was refused is not counted");
    }

    #[test]
    fn a_full_ledger_counts_strangers_together() {
        let ledger = Ledger::sized(4);
        (0..6).for_each(|name| ledger.enter(&name.to_string(), 0).expect("no limit"));
        let all: u32 = (0..6).map(|name| ledger.calls(&name.to_string())).sum();
        assert!(all >= 6, "each sees its own at least");
    }
}
