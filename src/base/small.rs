//! Containers for machines of which there are tens of thousands: what is empty holds no memory.
//!
//! A node of a `BTreeMap` has room for eleven entries and stays when the last one leaves, and a
//! `VecDeque` keeps its buffer: together they were half of what a call that is up held.

use std::collections::VecDeque;

use super::time::Instant;

/// An ordered map of a few entries, in one vector.
pub type SmallMap<K, V> = litemap::LiteMap<K, V>;

/// What a machine has to say and nobody took yet, first to last.
#[derive(Clone, Debug)]
pub struct Outbox<T>(VecDeque<T>);

impl<T> Outbox<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Outbox(VecDeque::new())
    }

    /// Says something more.
    pub fn push_back(&mut self, item: T) {
        self.0.push_back(item);
    }

    /// Takes the oldest. Whoever finds nothing left gives the buffer back.
    pub fn pop_front(&mut self) -> Option<T> {
        let item = self.0.pop_front();
        if item.is_none() && self.0.capacity() > 0 {
            self.0 = VecDeque::new();
        }
        item
    }

    /// Unsays everything.
    pub fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// What is in it, oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Outbox::new()
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

    #[test]
    fn an_outbox_gives_in_order_and_its_buffer_back_once_empty() {
        let mut outbox = Outbox::new();
        outbox.push_back(1);
        outbox.push_back(2);
        assert_eq!((outbox.pop_front(), outbox.pop_front()), (Some(1), Some(2)));
        assert!(outbox.0.capacity() > 0, "whoever takes in a loop pays once");
        assert_eq!(outbox.pop_front(), None);
        assert_eq!(outbox.0.capacity(), 0);
    }

    #[test]
    fn due_keys_come_earliest_first_ties_by_key_and_moved_ones_once() {
        let at = Instant::from_millis;
        let mut deadlines = Deadlines::new();
        deadlines.set("late", at(30));
        deadlines.set("moved", at(5));
        deadlines.set("moved", at(20));
        deadlines.set("also", at(20));
        deadlines.set("cleared", at(1));
        deadlines.clear(&"cleared");
        assert_eq!(deadlines.next(), Some(at(20)));
        assert_eq!(deadlines.pop(at(19)), None);
        let order: Vec<_> = std::iter::from_fn(|| deadlines.pop(at(40))).collect();
        assert_eq!(order, ["also", "moved", "late"]);
        assert_eq!(deadlines.next(), None);
    }
}
