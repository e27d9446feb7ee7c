//! Containers for machines of which there are tens of thousands: what is empty holds no memory.
//!
//! A node of a `BTreeMap` has room for eleven entries and stays when the last one leaves, and a
//! `VecDeque` keeps its buffer: together they were half of what a call that is up held.

use std::collections::VecDeque;

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
}
