//! A token bucket in one instant: when it will be full again.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::{Duration, Instant};
use crate::directory::Rate;

/// How much was taken lately. Full at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Bucket {
    full_at: Instant,
}

/// Who takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum Share {
    /// May empty the bucket.
    All,
    /// Leaves the last quarter to others.
    ThreeQuarters,
}

impl Bucket {
    /// Takes one token, if there is one for that share.
    pub(in crate::exchange) fn take(&mut self, now: Instant, rate: Rate, share: Share) -> bool {
        let Some(one) = interval(rate) else { return true };
        let fits = self.has(now, rate, share);
        if fits {
            self.full_at = self.full_at.max(now) + Duration::from_nanos(one);
        }
        fits
    }

    /// Whether there is a token for that share.
    pub(in crate::exchange) fn has(&self, now: Instant, rate: Rate, share: Share) -> bool {
        let Some(one) = interval(rate) else { return true };
        let burst = u64::from(rate.burst.max(1));
        let most = match share {
            Share::All => burst,
            Share::ThreeQuarters => burst - burst / 4,
        };
        let full_at = self.full_at.max(now) + Duration::from_nanos(one);
        full_at.since(now) <= Duration::from_nanos(one.saturating_mul(most))
    }

    /// Whether nothing was taken that is not refilled yet.
    pub(in crate::exchange) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// One that all exchanges of a server take from. Nobody waits for anybody.
#[derive(Debug, Default)]
pub(in crate::exchange) struct SharedBucket {
    /// In nanoseconds.
    full_at: AtomicU64,
}

impl SharedBucket {
    /// Takes one token, if there is one for that share.
    pub(in crate::exchange) fn take(&self, now: Instant, rate: Rate, share: Share) -> bool {
        let after = |full_at| {
            let mut bucket = Bucket { full_at: Instant::from_nanos(full_at) };
            bucket.take(now, rate, share).then_some(bucket.full_at.as_nanos())
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).is_ok()
    }

    /// Whether there is a token for that share.
    pub(in crate::exchange) fn has(&self, now: Instant, rate: Rate, share: Share) -> bool {
        let full_at = Instant::from_nanos(self.full_at.load(Ordering::Relaxed));
        Bucket { full_at }.has(now, rate, share)
    }
}

/// Nanoseconds for one token; `None` without a limit.
fn interval(rate: Rate) -> Option<u64> {
    1_000_000_000_u64.checked_div(u64::from(rate.per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate() {
        let (mut bucket, rate) = (Bucket::default(), Rate { per_second: 10, burst: 4 });
        let at = Instant::from_millis;
        let take = |bucket: &mut Bucket, ms| bucket.take(at(ms), rate, Share::All);
        assert_eq!((0..6).filter(|_| take(&mut bucket, 1_000)).count(), 4);
        assert!(!take(&mut bucket, 1_099) && take(&mut bucket, 1_100) && !take(&mut bucket, 1_101));
        assert!(!bucket.is_full(at(1_400)) && bucket.is_full(at(1_500)));
        assert_eq!((0..9).filter(|_| take(&mut bucket, 9_000)).count(), 4, "no more than a burst");
    }

    #[test]
    fn the_last_quarter_is_for_what_has_begun() {
        let (mut bucket, rate) = (Bucket::default(), Rate { per_second: 1, burst: 8 });
        let mut take = |share| bucket.take(Instant::ZERO, rate, share);
        assert_eq!((0..9).filter(|_| take(Share::ThreeQuarters)).count(), 6);
        assert_eq!((0..9).filter(|_| take(Share::All)).count(), 2);
    }

    #[test]
    fn all_who_share_one_take_no_more_than_one_would() {
        let (shared, rate) = (SharedBucket::default(), Rate { per_second: 1, burst: 8 });
        let take = |share| shared.take(Instant::ZERO, rate, share);
        assert_eq!((0..9).filter(|_| take(Share::ThreeQuarters)).count(), 6);
        assert!(shared.has(Instant::ZERO, rate, Share::All));
        assert_eq!((0..9).filter(|_| take(Share::All)).count(), 2);
        assert!(!shared.has(Instant::ZERO, rate, Share::All));
        assert!(shared.has(Instant::from_millis(1_000), rate, Share::All));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!((0..100).all(|_| bucket.take(Instant::ZERO, Rate::UNLIMITED, Share::All)));
    }
}
