//! Names of a fixed size for texts that peers choose, so that a table of them costs one look
//! however many it holds and however long they are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

/// Stands for a text. Two texts share one by chance once in 2^128 pairs, and by intent only for
/// who knows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64, u64);

/// A table by fingerprint. It must not be iterated where the order matters: it has none.
pub type ByFingerprint<V> = HashMap<Fingerprint, V, BuildHasherDefault<Taken>>;

/// Makes fingerprints with a secret of its own (SipHash-1-3, twice).
#[derive(Clone, Debug, Default)]
pub struct Fingerprinter {
    keys: [u64; 2],
}

impl Fingerprinter {
    /// With a secret.
    pub fn new(secret: [u8; 16]) -> Fingerprinter {
        let secret = u128::from_le_bytes(secret);
        Fingerprinter { keys: [secret as u64, (secret >> 64) as u64] }
    }

    /// Of the parts in their order; `["ab", "c"]` differs from `["a", "bc"]`.
    pub fn of(&self, parts: &[&[u8]]) -> Fingerprint {
        let [one, other] = self.keys.map(|key| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(key);
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        });
        Fingerprint(one, other)
    }
}

/// Takes what is evenly spread already.
#[derive(Debug, Default)]
pub struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 ^= number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_and_others_another() {
        let of = |secret: u8, parts: &[&str]| {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            Fingerprinter::new([secret; 16]).of(&parts)
        };
        assert_eq!(of(1, &["ab", "c"]), of(1, &["ab", "c"]));
        assert_ne!(of(1, &["ab", "c"]), of(1, &["a", "bc"]));
        assert_ne!(of(1, &["ab", "c"]), of(1, &["ab"]));
        assert_ne!(of(1, &["ab"]), of(2, &["ab"]), "nobody without the secret can make one");
    }

    #[test]
    fn a_table_finds_each_among_many() {
        let names = Fingerprinter::new(*b"0123456789abcdef");
        let of = |n: u32| names.of(&[&n.to_le_bytes()]);
        let table: ByFingerprint<u32> = (0..100_000).map(|n| (of(n), n)).collect();
        assert_eq!(table.len(), 100_000);
        assert!((0..100_000).step_by(97).all(|n| table.get(&of(n)) == Some(&n)));
        assert_eq!(table.get(&of(100_000)), None);
    }
}
