//! Tokens that were used: one that comes back with another call is somebody else's (RFC 8224
//! section 12.1).

use std::collections::{HashMap, VecDeque};

use crate::base::{Duration, Instant};

/// Tokens that are kept: a minute of 1,000 signed calls a second. Past it the oldest go first.
const MAX_TOKENS: usize = 65_536;

/// A mark of a token, or of a Call-ID.
pub type Mark = [u8; 16];

/// Tokens of late, and the calls that used them.
#[derive(Debug, Default)]
pub struct Replays {
    known: HashMap<Mark, Mark>,
    order: VecDeque<(Instant, Mark)>,
}

impl Replays {
    /// As long as a token is fresh, before or after its time.
    pub const KEPT: Duration = Duration::from_secs(2 * super::verify::FRESH);

    /// Notes that a call used a token; `false` if another call did so before.
    pub fn note(&mut self, now: Instant, token: Mark, call: Mark) -> bool {
        while let Some((at, oldest)) = self.order.front()
            && (now.since(*at) > Self::KEPT || self.order.len() >= MAX_TOKENS)
        {
            self.known.remove(oldest);
            self.order.pop_front();
        }
        match self.known.get(&token) {
            Some(first) => *first == call,
            None => {
                self.known.insert(token, call);
                self.order.push_back((now, token));
                true
            }
        }
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_the_first_call_that_brings_it() {
        let mut replays = Replays::default();
        let at = |seconds: u64| Instant::from_millis(seconds * 1000);
        assert!(replays.note(at(1), [1; 16], [7; 16]));
        assert!(replays.note(at(2), [1; 16], [7; 16]), "the same call once more");
        assert!(!replays.note(at(3), [1; 16], [8; 16]));
        assert!(replays.note(at(3), [2; 16], [8; 16]));
        assert!(replays.note(at(122), [1; 16], [8; 16]), "it is stale by now anyway");
        assert_eq!(replays.len(), 2);
    }

    #[test]
    fn a_flood_of_tokens_stays_within_its_bound() {
        let mut replays = Replays::default();
        for number in 0..=MAX_TOKENS as u128 {
            assert!(replays.note(Instant::ZERO, number.to_be_bytes(), [1; 16]));
        }
        assert_eq!((replays.len(), replays.known.len()), (MAX_TOKENS, MAX_TOKENS));
        assert!(replays.note(Instant::ZERO, 0_u128.to_be_bytes(), [2; 16]), "the oldest went");
    }
}
