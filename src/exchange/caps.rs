//! How much of the telephone network each user and each trunk uses: what a stolen password costs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::ledger::Ledger;
use crate::base::Instant;
use crate::base::id::LegId;
use crate::directory::Caps;

/// The calls into the telephone network that are up or being set up, of one exchange.
#[derive(Debug, Default)]
pub(super) struct Usage {
    ledger: Arc<Ledger>,
    legs: BTreeMap<LegId, [Option<Arc<str>>; 2]>,
}

/// Why a call is one too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Over {
    who: String,
    user: bool,
    cap: Cap,
}

impl Over {
    /// Whether the user has too many, and not the trunk.
    pub(super) fn is_of_user(&self) -> bool {
        self.user
    }
}

/// What would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    Calls(u32),
    NewCalls(u32),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = &self.who;
        match self.cap {
            Cap::Calls(most) => write!(f, "{who} has {most} calls out already (its `max_calls`)"),
            Cap::NewCalls(most) => {
                write!(f, "{who} makes more than {most} calls a second (its `calls_per_second`)")
            }
        }
    }
}

impl Usage {
    /// One that counts in that ledger.
    pub(super) fn new(ledger: Arc<Ledger>) -> Usage {
        Usage { ledger, legs: BTreeMap::new() }
    }

    /// Counts a leg for the user who caused it, if one did, and for its trunk, which is named in
    /// plain words; or for neither. A leg that goes on to another trunk was counted for its user
    /// already.
    pub(super) fn take(
        &mut self,
        now: Instant,
        leg: LegId,
        user: Option<(&str, Caps)>,
        trunk: (&str, Caps),
    ) -> Result<(), Over> {
        self.leave_trunk(leg);
        let before = self.legs.get(&leg).and_then(|[user, _]| user.clone());
        let user = user.filter(|_| before.is_none());
        let plain = |name: &str| match name.contains('@') {
            true => format!("user {name}"),
            false => name.to_owned(),
        };
        let user = user.map(|(name, caps)| (name, plain(name), caps));
        let trunk = Some((trunk.0, trunk.0.to_owned(), trunk.1));
        let over = |who: &str, cap| {
            let user = trunk.as_ref().is_none_or(|(_, trunk, _)| trunk != who);
            Over { who: who.to_owned(), user, cap }
        };
        for (key, who, caps) in [&user, &trunk].into_iter().flatten() {
            if caps.calls > 0 && self.ledger.calls(key) >= caps.calls {
                return Err(over(who, Cap::Calls(caps.calls)));
            }
        }
        let mut names = [None, None];
        for (known, name) in [&user, &trunk].into_iter().zip(&mut names) {
            let Some((key, who, caps)) = known else { continue };
            if let Err(cap) = self.ledger.take(now, key, *caps) {
                let over = over(who, cap);
                self.let_go(names);
                return Err(over);
            }
            *name = Some((*key).into());
        }
        let [user, trunk] = names;
        self.legs.insert(leg, [before.or(user), trunk]);
        Ok(())
    }

    /// A leg leaves its trunk, maybe for another; its user still makes it.
    pub(super) fn leave_trunk(&mut self, leg: LegId) {
        let trunk = self.legs.get_mut(&leg).and_then(|[_, trunk]| trunk.take());
        self.let_go([trunk, None]);
    }

    /// Whether nothing is counted.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// A leg is over; harmless for one that was not counted.
    pub(super) fn release(&mut self, leg: LegId) {
        if let Some(names) = self.legs.remove(&leg) {
            self.let_go(names);
        }
    }

    fn let_go(&self, names: [Option<Arc<str>>; 2]) {
        for name in names.into_iter().flatten() {
            self.ledger.leave(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Rate;

    fn caps(calls: u32, per_second: u32, burst: u32) -> Caps {
        Caps { calls, new_calls: Rate { per_second, burst } }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    #[test]
    fn calls_at_one_time_are_counted_until_they_end() {
        let mut usage = Usage::default();
        let alice = Some(("alice@a", caps(2, 0, 0)));
        let trunk = ("trunk carrier", Caps::TRUNK);
        assert_eq!(usage.take(at(0), LegId(1), alice, trunk), Ok(()));
        assert_eq!(usage.take(at(0), LegId(2), alice, trunk), Ok(()));
        let over = usage.take(at(0), LegId(3), alice, trunk).expect_err("a third");
        assert_eq!(over.to_string(), "user alice@a has 2 calls out already (its `max_calls`)");
        assert_eq!(usage.take(at(0), LegId(4), Some(("bob@a", caps(2, 0, 0))), trunk), Ok(()));
        usage.release(LegId(1));
        usage.release(LegId(1));
        usage.release(LegId(3));
        assert_eq!(usage.take(at(1), LegId(5), alice, trunk), Ok(()));
        assert!(usage.take(at(1), LegId(6), alice, trunk).is_err());
        for leg in [2, 4, 5] {
            usage.release(LegId(leg));
        }
        assert!(usage.legs.is_empty(), "nothing is left");
        for name in ["alice@a", "bob@a", "trunk carrier", "trunk one", "trunk two"] {
            assert_eq!(usage.ledger.calls(name), 0, "{name}");
        }
    }

    #[test]
    fn a_trunk_counts_the_calls_of_all_users() {
        let mut usage = Usage::default();
        let trunk = ("trunk carrier", caps(1, 0, 0));
        assert_eq!(usage.take(at(0), LegId(1), None, trunk), Ok(()));
        let over = usage.take(at(0), LegId(2), Some(("bob@a", Caps::USER)), trunk);
        assert!(over.expect_err("one too many").to_string().starts_with("trunk carrier has 1"));
        assert_eq!(usage.take(at(0), LegId(3), None, ("trunk other", caps(1, 0, 0))), Ok(()));
    }

    #[test]
    fn a_leg_that_goes_from_trunk_to_trunk_is_one_call_of_its_user() {
        let mut usage = Usage::default();
        let alice = Some(("alice@a", caps(2, 1, 1)));
        let (one, two) = (("trunk one", caps(1, 0, 0)), ("trunk two", caps(1, 0, 0)));
        assert_eq!(usage.take(at(0), LegId(1), alice, one), Ok(()));
        usage.leave_trunk(LegId(1));
        assert_eq!(usage.take(at(0), LegId(1), alice, two), Ok(()), "no second new call");
        let over = usage.take(at(0), LegId(2), alice, one).expect_err("a new call");
        assert!(over.is_of_user());
        assert_eq!(usage.take(at(9), LegId(3), alice, one), Ok(()), "its place is free again");
        let over = usage.take(at(9), LegId(4), None, two).expect_err("taken");
        assert!(!over.is_of_user());
        usage.release(LegId(1));
        usage.release(LegId(3));
        assert!(usage.legs.is_empty(), "nothing is left");
        for name in ["alice@a", "bob@a", "trunk carrier", "trunk one", "trunk two"] {
            assert_eq!(usage.ledger.calls(name), 0, "{name}");
        }
    }

    #[test]
    fn calls_a_second_are_counted_whether_they_last_or_not() {
        let mut usage = Usage::default();
        let alice = Some(("alice@a", caps(0, 1, 2)));
        let trunk = ("trunk carrier", caps(0, 100, 100));
        let mut dial = |now, leg| {
            let taken = usage.take(now, LegId(leg), alice, trunk);
            usage.release(LegId(leg));
            taken.is_ok()
        };
        assert!(dial(at(0), 1) && dial(at(0), 2) && !dial(at(0), 3));
        assert!(dial(at(1), 4) && !dial(at(1), 5));
        assert!(dial(at(9), 6) && dial(at(9), 7) && !dial(at(9), 8));
    }
}
