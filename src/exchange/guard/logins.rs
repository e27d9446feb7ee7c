//! Failed logins: ten in a minute, and their source is not answered for a quarter of an hour.
//!
//! A source is silenced, never an account: whoever has the password gets in. Only failures with a
//! nonce of ours count towards silence, since a forged datagram cannot carry one.

use std::net::SocketAddr;

use super::Source;
use super::recent::Recent;
use crate::base::{Duration, Instant, TimerTable};

/// Failures are counted for so long.
const WINDOW: Duration = Duration::from_secs(60);

/// An account that so many logins failed on in a minute, wherever they came from, is under attack:
/// then a source gets [`TRIES_UNDER_ATTACK`].
const ATTACK: u32 = 30;
const TRIES_UNDER_ATTACK: u32 = 3;

/// Half of the sources and accounts that are remembered; together some 4 MB.
const REMEMBERED: usize = 16_384;

/// Sources silenced at one time; beyond it the one that is free soonest is let go.
const MOST_SILENCED: usize = 16_384;

/// Who fails, and who is silenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::exchange) enum Who {
    /// Everyone at an address who is not registered.
    Source(Source),
    /// One registered phone.
    Phone(SocketAddr),
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    since: Instant,
    /// Logins that failed on a challenge of ours.
    proven: u32,
}

impl Failures {
    fn fresh(&mut self, now: Instant) -> &mut Failures {
        if now.since(self.since) >= WINDOW {
            *self = Failures { since: now, proven: 0 };
        }
        self
    }
}

#[derive(Debug)]
pub(super) struct Logins {
    sources: Recent<Who, Failures>,
    accounts: Recent<u64, u32>,
    accounts_since: Instant,
    silenced: TimerTable<Who>,
}

impl Logins {
    pub(super) fn new() -> Logins {
        Logins {
            sources: Recent::new(REMEMBERED),
            accounts: Recent::new(REMEMBERED),
            accounts_since: Instant::ZERO,
            silenced: TimerTable::new(),
        }
    }

    /// Counts a failure; the number of those in this minute.
    pub(super) fn failed(&mut self, now: Instant, who: Who) -> u32 {
        let failures = self.sources.entry(who, Failures::default).fresh(now);
        failures.proven += 1;
        failures.proven
    }

    /// Counts a failure of an account; how many one source may have.
    pub(super) fn tries(&mut self, now: Instant, account: u64, usual: u32) -> u32 {
        if now.since(self.accounts_since) >= WINDOW {
            self.accounts.clear();
            self.accounts_since = now;
        }
        let failures = self.accounts.entry(account, || 0);
        *failures = failures.saturating_add(1);
        if *failures > ATTACK { usual.min(TRIES_UNDER_ATTACK) } else { usual }
    }

    /// Does not answer `who` until then.
    pub(super) fn silence(&mut self, now: Instant, who: Who, until: Instant) {
        self.expire(now);
        if self.silenced.len() >= MOST_SILENCED {
            let soonest = self.silenced.next().unwrap_or(now);
            self.silenced.pop(soonest);
        }
        self.silenced.set(who, until);
    }

    /// Forgets those who are free again.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.silenced.pop(now).is_some() {}
    }

    pub(super) fn is_silenced(&self, now: Instant, who: Who) -> bool {
        self.silenced.get(&who).is_some_and(|until| until > now)
    }

    /// How many are silenced.
    pub(super) fn silenced(&self) -> usize {
        self.silenced.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(number: u8) -> Who {
        Who::Source(Source::of([192, 0, 2, number].into()))
    }

    #[test]
    fn failures_are_counted_for_a_minute() {
        let mut logins = Logins::new();
        assert_eq!(logins.failed(Instant::ZERO, who(1)), 1);
        assert_eq!(logins.failed(Instant::from_millis(59_999), who(1)), 2);
        assert_eq!(logins.failed(Instant::from_millis(59_999), who(2)), 1);
        assert_eq!(logins.failed(Instant::from_millis(60_000), who(1)), 1);
    }

    #[test]
    fn an_account_under_attack_shortens_the_patience_with_each_source() {
        let mut logins = Logins::new();
        for _ in 0..ATTACK {
            assert_eq!(logins.tries(Instant::ZERO, 1, 10), 10);
        }
        assert_eq!(logins.tries(Instant::ZERO, 1, 10), TRIES_UNDER_ATTACK);
        assert_eq!(logins.tries(Instant::ZERO, 2, 10), 10, "another account");
        assert_eq!(logins.tries(Instant::ZERO + WINDOW, 1, 10), 10, "it is over");
    }

    #[test]
    fn silence_ends_and_is_bounded() {
        let mut logins = Logins::new();
        let until = Instant::from_millis(1000);
        logins.silence(Instant::ZERO, who(1), until);
        assert!(logins.is_silenced(Instant::from_millis(999), who(1)));
        assert!(!logins.is_silenced(until, who(1)) && !logins.is_silenced(Instant::ZERO, who(2)));
        for number in 0..2 * MOST_SILENCED {
            let phone = Who::Phone(SocketAddr::from(([10, 0, 0, 1], (number % 65_536) as u16)));
            logins.silence(Instant::ZERO, phone, until + Duration::from_millis(number as u64));
        }
        assert_eq!(logins.silenced(), MOST_SILENCED);
        assert!(!logins.is_silenced(Instant::ZERO, who(1)), "it was free soonest");
        logins.expire(Instant::from_millis(1_000_000));
        assert_eq!(logins.silenced(), 0);
    }
}
