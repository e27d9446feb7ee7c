//! Which of several exchanges a message, a call or a user belongs to.
//!
//! All of them compute the same answer from the same text, so nobody keeps a table of calls or
//! users, and nobody asks. Tags and branches that we make say which of us made them.

use std::hash::{DefaultHasher, Hasher};

use super::peek::Peek;
use super::uri::percent_decode;

/// One of the exchanges of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u8);

/// Which of how many exchanges one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    index: u8,
    count: u8,
    /// The same for all of a server, and nobody else's, so that no peer can choose a shard for all
    /// that it sends.
    key: u64,
}

impl Default for Shards {
    fn default() -> Self {
        Shards::ONE
    }
}

impl Shards {
    /// As many as can be told apart by one hexadecimal digit.
    pub const MAX: u8 = 16;

    /// The only one.
    pub const ONE: Shards = Shards { index: 0, count: 1, key: 0 };

    /// Number `index` of `count`; more than [`MAX`](Shards::MAX) are as many.
    pub fn new(index: u8, count: u8, key: u64) -> Shards {
        let count = count.clamp(1, Shards::MAX);
        Shards { index: index.min(count - 1), count, key }
    }

    /// Which one this is.
    pub const fn own(&self) -> ShardId {
        ShardId(self.index)
    }

    /// How many there are.
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// Whether there are no others.
    pub const fn is_alone(&self) -> bool {
        self.count == 1
    }

    /// All but this one.
    pub fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let index = self.index;
        (0..self.count).filter(move |other| *other != index).map(ShardId)
    }

    /// Twelve hexadecimal digits that all shards of a server know, and nobody else; `None` for one
    /// that is alone and shares nothing.
    pub fn secret(&self) -> Option<String> {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.key);
        hasher.write(b"cookie");
        (!self.is_alone()).then(|| format!("{:012x}", hasher.finish() >> 16))
    }

    /// The number that all shards of a server have drawn together.
    pub const fn key(&self) -> u64 {
        self.key
    }

    /// Marks a name that we make (a tag or branch that ends in random hexadecimal digits) as ours:
    /// the exclusive or of its last two digits is the shard's number.
    pub fn sign(&self, mut name: String) -> String {
        if self.is_alone() {
            return name;
        }
        if let Some(last) = name.pop() {
            let before = name.chars().next_back().and_then(|digit| digit.to_digit(16));
            let signed =
                before.and_then(|digit| char::from_digit(digit ^ u32::from(self.index), 16));
            name.push(signed.unwrap_or(last));
        }
        name
    }

    /// The shard that made a name; `None` for what none of us can have made.
    pub fn signer(&self, name: &str) -> Option<ShardId> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let [.., before, last] = name.as_bytes() else { return None };
        let shard = (digit(before)? ^ digit(last)?) as u8;
        (shard < self.count).then_some(ShardId(shard))
    }

    /// Where a call lives whose first request came to us: by its Call-ID.
    pub fn of_call(&self, call_id: &[u8]) -> ShardId {
        self.pick(b'c', call_id)
    }

    /// Where all is kept that belongs to a user: by the user part of its addresses, decoded. The
    /// host has no say, because a domain of ours may go by several names.
    pub fn of_user(&self, user: &str) -> ShardId {
        self.pick(b'u', user.as_bytes())
    }

    /// Where something lives that only has a name: a trunk, a line.
    pub fn of_thing(&self, name: &str) -> ShardId {
        self.pick(b't', name.as_bytes())
    }

    /// Who is to have a message.
    pub fn of(&self, peek: &Peek<'_>) -> ShardId {
        if self.is_alone() {
            return ShardId(0);
        }
        let signer = peek.ours.as_deref().and_then(|name| self.signer(name));
        let user = || peek.user.as_deref().map(|user| self.of_user(&percent_decode(user)));
        signer.or_else(user).unwrap_or_else(|| self.of_call(peek.call_id))
    }

    fn pick(&self, kind: u8, text: &[u8]) -> ShardId {
        if self.is_alone() {
            return ShardId(0);
        }
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.key);
        hasher.write_u8(kind);
        hasher.write(text);
        // The high bits of the product: no division, and no bias that matters.
        let scaled = (u128::from(hasher.finish()) * u128::from(self.count)) >> 64;
        ShardId(scaled as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    #[test]
    fn names_tell_who_made_them() {
        let mut rng = Rng::from_number(1);
        for count in 2..=Shards::MAX {
            for index in 0..count {
                let shards = Shards::new(index, count, 7);
                let name = shards.sign(rng.hex(16));
                assert_eq!((name.len(), shards.signer(&name)), (16, Some(shards.own())));
            }
        }
    }

    #[test]
    fn names_of_others_are_nobodys_or_somebodys_but_no_error() {
        let shards = Shards::new(1, 3, 7);
        for name in ["", "1", "zz", "tag-9fxqiG", "a1é", "é"] {
            assert_eq!(shards.signer(name), None, "{name}");
        }
        assert_eq!(shards.signer("0f"), None, "15 of 3");
        assert_eq!(shards.signer("Aa"), Some(ShardId(0)), "any case");
    }

    #[test]
    fn who_is_alone_marks_nothing_and_has_everything() {
        let alone = Shards::new(5, 1, 7);
        assert_eq!(alone.sign("00112233".to_owned()), "00112233");
        assert_eq!(alone.of_user("alice"), ShardId(0));
        assert_eq!(alone.others().count(), 0);
    }

    #[test]
    fn calls_spread_evenly_and_all_shards_agree_on_them() {
        let mut counts = [0; 5];
        for number in 0..5_000 {
            let call_id = format!("{number}@192.0.2.1");
            let homes = (0..5).map(|index| Shards::new(index, 5, 9).of_call(call_id.as_bytes()));
            let homes: std::collections::BTreeSet<ShardId> = homes.collect();
            assert_eq!(homes.len(), 1);
            counts[usize::from(homes.first().expect("one").0)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
