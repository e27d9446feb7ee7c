//! A token bucket in one instant: when it will be full again.

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
    /// One that will be full again then.
    pub(in crate::exchange) fn full_at(full_at: Instant) -> Bucket {
        Bucket { full_at }
    }

    /// When it will be full again, if one token is taken now; `None` if there is none.
    pub(in crate::exchange) fn after(mut self, now: Instant, rate: Rate) -> Option<Instant> {
        self.take(now, rate, Share::All).then_some(self.full_at)
    }

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
        assert_eq!(bucket.full_at, at(1_500));
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
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!((0..100).all(|_| bucket.take(Instant::ZERO, Rate::UNLIMITED, Share::All)));
    }
}
