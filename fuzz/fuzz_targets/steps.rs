//! Bytes as a series of choices: what sequences are decoded from.

/// The bytes that are left; at their end every choice is the first, and no step follows.
pub struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    /// Steps a run takes at most, so that none is slow for its length alone.
    pub const MOST: usize = 400;

    pub fn new(bytes: &'a [u8]) -> Self {
        Steps(bytes)
    }

    /// The byte that says what comes next.
    pub fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.next().unwrap_or_default()) % bound.max(1)
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// 16 bits.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.next().unwrap_or_default(), self.next().unwrap_or_default()])
    }

    /// A piece of the bytes, its length before it.
    pub fn piece(&mut self) -> &'a [u8] {
        let length = self.below(256).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
}
