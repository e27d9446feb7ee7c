//! What requests may bring about: loading functions anew whose own files stay as they are.

use crate::base::{Duration, Instant};

/// The time that requests may still spend on loading a function whose own file stays as it is: what
/// it loads has changed each time, and whoever may change that must not keep a core busy by asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    left: Duration,
    at: Instant,
}

impl Share {
    /// A hundred saves of what a function loads.
    const WHOLE: Duration = Duration::from_secs(10);
    /// So much of all time comes back.
    const PART: u32 = 20;

    pub(super) fn whole(now: Instant) -> Share {
        Share { left: Share::WHOLE, at: now }
    }

    pub(super) fn at(self, now: Instant) -> Share {
        let back = now.since(self.at) / Share::PART;
        Share { left: (self.left + back).min(Share::WHOLE), at: now }
    }

    pub(super) fn without(self, spent: Duration) -> Share {
        Share { left: self.left.saturating_sub(spent), ..self }
    }

    pub(super) fn is_spent(self) -> bool {
        self.left.is_zero()
    }

    /// All of it is, and nothing has come back for a while.
    #[cfg(test)]
    pub(super) fn spent(now: Instant) -> Share {
        Share { left: Duration::ZERO, at: now + Share::WHOLE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_slowly_and_no_more_than_that() {
        let start = Instant::ZERO + Duration::from_secs(1);
        let after = |share: Share, seconds| share.at(start + Duration::from_secs(seconds));
        let spent = Share::whole(start).without(Duration::from_secs(60));
        assert!(spent.is_spent() && !after(spent, 1).is_spent());
        let second = Duration::from_secs(1);
        assert!(!after(spent, 21).without(second).is_spent());
        assert!(after(spent, 20).without(second).is_spent());
        assert_eq!(after(spent, 10_000).left, Share::WHOLE);
    }
}
