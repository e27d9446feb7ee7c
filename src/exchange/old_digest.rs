//! Phones that give up at a challenge with an algorithm they do not know, instead of passing over
//! it (RFC 8760 section 2.4): they get MD5 alone.
//!
//! Some say so by their name. The others are known by coming back without credentials although
//! they were challenged: a bounded table remembers that for a while, and nothing is lost by a
//! mistake, since MD5 is offered to everybody.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use crate::base::{Duration, Instant};

/// User-Agents that stop at SHA-256, by how they begin. Tried, not hearsay.
const KNOWN: [&str; 2] = ["baresip v0.", "baresip v1."];

/// So long an unanswered challenge counts: longer than a phone's own pause between tries.
const MEMORY: Duration = Duration::from_secs(600);

/// Challenges remembered; a flood of strangers makes us forget, which costs one more try.
const MOST: usize = 4_096;

/// Who was challenged and has not answered yet.
#[derive(Debug, Default)]
pub(super) struct OldDigest(BTreeMap<(IpAddr, u64), Instant>);

impl OldDigest {
    /// Notes that `user` at `source` is being challenged now; whether MD5 alone is wise.
    pub(super) fn challenge(
        &mut self,
        now: Instant,
        source: IpAddr,
        user: &str,
        user_agent: &str,
    ) -> bool {
        if KNOWN.iter().any(|name| user_agent.starts_with(name)) {
            return true;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, at| now.since(*at) < MEMORY / 10);
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let before = self.0.insert((source, name_of(user)), now);
        before.is_some_and(|at| now.since(at) < MEMORY)
    }

    /// Credentials came, whatever they are worth: this phone can read what we send.
    pub(super) fn answered(&mut self, source: IpAddr, user: &str) {
        self.0.remove(&(source, name_of(user)));
    }
}

/// Strangers name users as long as a datagram; a number is kept. Two users with one number cost one
/// of them a stronger algorithm.
fn name_of(user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[test]
    fn a_phone_that_comes_back_without_an_answer_gets_md5_alone() {
        let at = Instant::from_millis;
        let mut old = OldDigest::default();
        assert!(!old.challenge(at(0), PHONE, "home", ""));
        assert!(old.challenge(at(1_000), PHONE, "home", ""));
        assert!(!old.challenge(at(1_000), PHONE, "other", ""), "another user");
        old.answered(PHONE, "other");
        assert!(!old.challenge(at(2_000), PHONE, "other", ""), "it had answered");
        assert!(!old.challenge(at(700_000), PHONE, "home", ""), "long ago");
        assert!(old.challenge(at(0), PHONE, "new", "baresip v1.0.0 (x86_64/linux)"));
    }

    #[test]
    fn a_flood_of_strangers_is_forgotten() {
        let mut old = OldDigest::default();
        for number in 0..3 * MOST {
            old.challenge(Instant::ZERO, PHONE, &number.to_string(), "");
        }
        assert!(old.0.len() <= MOST);
    }
}
