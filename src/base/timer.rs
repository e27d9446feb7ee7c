//! Deadlines by key, in one ordered table: set, move, clear, and take what is due.

use std::collections::{BTreeMap, BTreeSet};

use super::time::Instant;

/// One deadline a key; the order of keys breaks ties, so that runs repeat exactly.
#[derive(Clone, Debug)]
pub struct TimerTable<K> {
    deadline: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> TimerTable<K> {
    /// An empty table.
    pub fn new() -> Self {
        TimerTable { deadline: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(before) = self.deadline.insert(key.clone(), at) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key));
    }

    /// Forgets the deadline of `key`; harmless when there is none.
    pub fn clear(&mut self, key: &K) {
        if let Some(before) = self.deadline.remove(key) {
            self.order.remove(&(before, key.clone()));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.deadline.get(key).copied()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes one key whose deadline is at or before `now`, earliest first.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.deadline.remove(&key);
        Some(key)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.deadline.len()
    }

    /// Whether no deadline is set.
    pub fn is_empty(&self) -> bool {
        self.deadline.is_empty()
    }
}

impl<K: Ord + Clone> Default for TimerTable<K> {
    fn default() -> Self {
        TimerTable::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_keys_come_earliest_first_and_moved_ones_once() {
        let at = Instant::from_millis;
        let mut table = TimerTable::new();
        table.set("late", at(30));
        table.set("moved", at(5));
        table.set("moved", at(20));
        table.set("cleared", at(1));
        table.clear(&"cleared");
        assert_eq!(table.next(), Some(at(20)));
        assert_eq!(table.pop(at(19)), None);
        assert_eq!(table.pop(at(40)), Some("moved"));
        assert_eq!(table.pop(at(40)), Some("late"));
        assert_eq!(table.pop(at(40)), None);
        assert!(table.is_empty());
    }
}
