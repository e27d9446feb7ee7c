//! Deadlines by key: set, move, clear, and take what is due. In one ordered table for what has
//! thousands, in a plain list for machines of which there are thousands.

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

/// The deadlines of one machine: a dozen at most, so that looking at all of them is quickest.
/// The order of keys breaks ties, so that runs repeat exactly.
#[derive(Clone, Debug)]
pub struct Deadlines<K>(Vec<(Instant, K)>);

impl<K: Ord> Deadlines<K> {
    /// None yet.
    pub const fn new() -> Self {
        Deadlines(Vec::new())
    }

    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        match self.0.iter_mut().find(|(_, set)| *set == key) {
            Some(entry) => entry.0 = at,
            None => self.0.push((at, key)),
        }
    }

    /// Forgets the deadline of `key`; harmless when there is none.
    pub fn clear(&mut self, key: &K) {
        self.0.retain(|(_, set)| set != key);
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(at, _)| *at).min()
    }

    /// Takes one key whose deadline is at or before `now`, earliest first.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let due = self.0.iter().enumerate().filter(|(_, (at, _))| *at <= now);
        let (index, _) = due.min_by(|(_, one), (_, other)| one.cmp(other))?;
        Some(self.0.swap_remove(index).1)
    }
}

impl<K: Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Deadlines::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both keep the same promises.
    macro_rules! due_keys_come_earliest_first_ties_by_key_and_moved_ones_once {
        ($empty:expr) => {
            let at = Instant::from_millis;
            let mut kept = $empty;
            kept.set("late", at(30));
            kept.set("moved", at(5));
            kept.set("moved", at(20));
            kept.set("also", at(20));
            kept.set("cleared", at(1));
            kept.clear(&"cleared");
            kept.clear(&"never set");
            assert_eq!(kept.next(), Some(at(20)));
            assert_eq!(kept.pop(at(19)), None);
            let order: Vec<_> = std::iter::from_fn(|| kept.pop(at(40))).collect();
            assert_eq!(order, ["also", "moved", "late"]);
            assert_eq!(kept.next(), None);
        };
    }

    #[test]
    fn a_table_gives_what_is_due() {
        due_keys_come_earliest_first_ties_by_key_and_moved_ones_once!(TimerTable::new());
    }

    #[test]
    fn a_list_gives_what_is_due() {
        due_keys_come_earliest_first_ties_by_key_and_moved_ones_once!(Deadlines::new());
    }

    #[test]
    fn a_table_knows_each_keys_deadline() {
        let mut table = TimerTable::new();
        table.set("one", Instant::from_millis(5));
        assert_eq!((table.get(&"one"), table.len()), (Some(Instant::from_millis(5)), 1));
        table.clear(&"one");
        assert!(table.get(&"one").is_none() && table.is_empty());
    }
}
