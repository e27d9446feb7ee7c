//! A bounded table that forgets what was not asked for lately.
//!
//! Two generations: when the young one is full it becomes the old one, and what nobody asked for
//! since the last change is gone. No lists, no clocks, the same cost for each look-up.

use std::collections::BTreeMap;
use std::mem::take;

/// At most twice `half` entries; those of the last `half` keys asked for are surely there.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
    half: usize,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    pub(super) fn new(half: usize) -> Self {
        Recent { young: BTreeMap::new(), old: BTreeMap::new(), half }
    }

    /// The entry of `key`, made where there is none.
    pub(super) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            if self.young.len() >= self.half {
                self.old = take(&mut self.young);
            }
            let value = self.old.remove(&key).unwrap_or_else(make);
            self.young.insert(key.clone(), value);
        }
        self.young.get_mut(&key).expect("it is among the young now")
    }

    #[cfg(test)]
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_is_bounded_and_whoever_is_active_stays() {
        let mut table = Recent::new(100);
        *table.entry(0, || 0) = 7;
        for key in 1..10_000 {
            table.entry(key, || 1);
            assert_eq!(*table.entry(0, || 0), 7, "asked for all the time");
            assert!(table.len() <= 200);
        }
        assert!(table.get(&9_999).is_some() && table.get(&5).is_none());
        table.clear();
        assert_eq!(table.len(), 0);
    }
}
