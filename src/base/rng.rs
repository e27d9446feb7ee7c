//! The one source of chance: seeded by the node or by a test, forked for each machine.
//!
//! Tags, branches, SSRCs and SIDs come only from here. The generator is ChaCha12, so that a
//! peer who sees some of its numbers cannot guess the next. (Only user of `rand_chacha`.)

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// A seeded generator; the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha12Rng);

impl Rng {
    /// From 32 bytes of the operating system's randomness, or of a test's choosing.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Rng(ChaCha12Rng::from_seed(seed))
    }

    /// From a small number, for tests.
    pub fn from_number(seed: u64) -> Self {
        Rng(ChaCha12Rng::seed_from_u64(seed))
    }

    /// A generator of its own for a part, which does not disturb this one's other parts.
    pub fn fork(&mut self) -> Rng {
        Rng::from_seed(self.bytes())
    }

    /// The generator put by, in a ninth of its memory, for machines that need it seldom.
    pub fn put_by(&mut self) -> Seed {
        Seed(self.bytes())
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is below 2⁻³² for bounds of 32 bits.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// `digits` lower-case hexadecimal digits, for tags and branches.
    pub fn hex(&mut self, digits: usize) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(digits);
        let (mut bits, mut left) = (0, 0);
        for _ in 0..digits {
            if left == 0 {
                (bits, left) = (self.next_u64(), 16);
            }
            text.push(HEX[(bits & 15) as usize] as char);
            bits >>= 4;
            left -= 1;
        }
        text
    }
}

/// A generator that was put by.
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A generator; the next one differs.
    pub fn rng(&mut self) -> Rng {
        let mut rng = Rng::from_seed(self.0);
        self.0 = rng.bytes();
        rng
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers_and_forks_differ() {
        let (mut one, mut two) = (Rng::from_number(7), Rng::from_number(7));
        assert_eq!(one.hex(40), two.hex(40));
        let (mut left, mut right) = (one.fork(), one.fork());
        assert_ne!(left.next_u64(), right.next_u64());
        assert_eq!(two.fork().next_u64(), Rng::from_number(7).clone_after_hex_and_fork());
    }

    impl Rng {
        fn clone_after_hex_and_fork(mut self) -> u64 {
            self.hex(40);
            self.fork().next_u64()
        }
    }

    #[test]
    fn bounded_numbers_stay_below_their_bound() {
        let mut rng = Rng::from_number(1);
        assert!((0..1000).all(|_| rng.below(10) < 10));
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).map(|_| rng.unit()).all(|u| (0.0..1.0).contains(&u)));
    }
}
