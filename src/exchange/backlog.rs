//! What waits to be read by one exchange, in two classes: what belongs to something that has begun
//! goes first, and of what would begin something new only what has not waited too long is served.
//!
//! It decides by how long messages wait, not by how many: a burst that is soon over is served, a
//! load that does not end is turned away at the door (503 with Retry-After, RFC 3261 section
//! 21.5.4), and calls that are up notice neither. The idea is that of RFC 8289.

use std::collections::VecDeque;

use crate::base::{Duration, Instant};
use crate::sip::Method;
use crate::sip::peek::Peek;

/// A new request that waited longer is late. With what follows it, a call still rings within 50 ms.
const TARGET: Duration = Duration::from_millis(10);

/// New requests may be late for so long before any is turned away: a burst. Well below T1 (500 ms),
/// after which all of them would come twice.
const BURST: Duration = Duration::from_millis(150);

/// New requests that wait. Parsed or refused at 20 µs each they are gone within [`BURST`].
const MOST_NEW: usize = 8_192;

/// Messages of what has begun: ten for each new request.
const MOST_BEGUN: usize = 65_536;

/// What a message is to those who are served already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It belongs to something that has begun: a response, or a request within a dialog.
    Begun,
    /// It would end something that has begun, or that still waits to begin: a CANCEL must not
    /// overtake its INVITE.
    Cancel,
    /// It would begin something, or nobody knows what it is.
    New,
}

impl Class {
    /// Of a message, by what it looks like.
    pub fn of(peek: Option<&Peek<'_>>) -> Class {
        match peek {
            Some(peek) if peek.method == Some(Method::Cancel) => Class::Cancel,
            Some(peek) if !peek.class.is_new() => Class::Begun,
            _ => Class::New,
        }
    }
}

/// What to do with the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Serve it.
    Serve,
    /// Say 503 if it would begin something.
    Refuse,
}

/// No room was left: the message is lost, as if the network had lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Messages that wait.
#[derive(Debug)]
pub struct Backlog<T> {
    begun: VecDeque<T>,
    new: VecDeque<(Instant, Class, T)>,
    /// Since when new requests are late.
    late: Option<Instant>,
    /// Set while late requests are turned away: since when none was late.
    refusing: Option<Option<Instant>>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Backlog { begun: VecDeque::new(), new: VecDeque::new(), late: None, refusing: None }
    }
}

impl<T> Backlog<T> {
    /// Takes a message that arrived.
    pub fn push(&mut self, now: Instant, class: Class, message: T) -> Result<(), Full> {
        // Where nothing waits to begin, a CANCEL has nothing to overtake.
        if class == Class::Begun || (class == Class::Cancel && self.new.is_empty()) {
            if self.begun.len() >= MOST_BEGUN {
                return Err(Full);
            }
            self.begun.push_back(message);
        } else {
            if self.new.len() >= MOST_NEW {
                return Err(Full);
            }
            self.new.push_back((now, class, message));
        }
        Ok(())
    }

    /// The next message of something that has begun.
    pub fn begun(&mut self) -> Option<T> {
        self.begun.pop_front()
    }

    /// The next message that would begin something, and whether it may.
    pub fn new_one(&mut self, now: Instant) -> Option<(Turn, T)> {
        let Some((since, class, message)) = self.new.pop_front() else {
            self.on_time(now);
            return None;
        };
        let late = now.since(since) > TARGET;
        if late {
            self.is_late(now);
        } else {
            self.on_time(now);
        }
        let refuse = late && self.refusing.is_some() && class == Class::New;
        Some((if refuse { Turn::Refuse } else { Turn::Serve }, message))
    }

    fn is_late(&mut self, now: Instant) {
        let since = *self.late.get_or_insert(now);
        if let Some(quiet) = &mut self.refusing {
            *quiet = None;
        } else if now.since(since) > BURST {
            self.refusing = Some(None);
        }
    }

    fn on_time(&mut self, now: Instant) {
        self.late = None;
        if let Some(quiet) = &mut self.refusing
            && now.since(*quiet.get_or_insert(now)) > BURST
        {
            self.refusing = None;
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.begun.len() + self.new.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether new requests are being turned away.
    pub fn is_refusing(&self) -> bool {
        self.refusing.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// A server that needs `cost` µs for what it serves and 20 µs for what it refuses, offered
    /// one new request each `every` µs from `from` until `until` (ms): served, refused, and the
    /// longest wait of one that was served and came after `settled` (ms).
    fn run(backlog: &mut Backlog<u64>, (from, until): (u64, u64), every: u64, cost: u64) -> Run {
        let mut run = Run::default();
        let (mut clock, mut next) = (from * 1_000, from * 1_000);
        let time = |us| Instant::ZERO + Duration::from_micros(us);
        while clock < until * 1_000 {
            while next <= clock {
                backlog.push(time(next), Class::New, next).expect("there is room");
                next += every;
            }
            match backlog.new_one(time(clock)) {
                Some((Turn::Serve, came)) => {
                    run.served += 1;
                    let settled = clock > (from + 200) * 1_000;
                    run.longest = run.longest.max(if settled { clock - came } else { 0 });
                    clock += cost;
                }
                Some((Turn::Refuse, _)) => {
                    run.refused += 1;
                    clock += 20;
                }
                None => clock = next,
            }
        }
        run
    }

    #[derive(Debug, Default)]
    struct Run {
        served: u64,
        refused: u64,
        longest: u64,
    }

    #[test]
    fn at_twice_the_rate_nearly_all_that_can_be_served_is_and_nobody_waits_long() {
        let mut backlog = Backlog::default();
        let run = run(&mut backlog, (0, 30_000), 500, 1_000);
        assert!(run.served > 28_000, "{run:?}");
        assert!(run.refused > 28_000, "{run:?}");
        assert!(run.longest <= 12_000, "{run:?}");
    }

    #[test]
    fn below_the_rate_nothing_is_refused_and_a_burst_is_served() {
        let mut backlog = Backlog::default();
        assert_eq!(run(&mut backlog, (0, 5_000), 1_100, 1_000).refused, 0);
        for n in 0..140 {
            backlog.push(at(5_000), Class::New, n).expect("there is room");
        }
        for n in 0..140 {
            let turn = backlog.new_one(at(5_000 + n)).map(|(turn, _)| turn);
            assert_eq!(turn, Some(Turn::Serve), "{n}");
        }
    }

    #[test]
    fn when_it_is_over_everything_is_served_again() {
        let mut backlog = Backlog::default();
        run(&mut backlog, (0, 3_000), 300, 1_000);
        assert!(backlog.is_refusing());
        let after = run(&mut backlog, (3_000, 4_000), 2_000, 1_000);
        assert!(after.refused < 50, "{after:?}");
        assert_eq!(run(&mut backlog, (4_000, 5_000), 2_000, 1_000).refused, 0);
        assert!(!backlog.is_refusing());
    }

    #[test]
    fn what_has_begun_goes_first_and_is_never_refused() {
        let mut backlog = Backlog::default();
        backlog.push(at(0), Class::New, "INVITE").expect("there is room");
        backlog.push(at(0), Class::Begun, "BYE").expect("there is room");
        assert_eq!(backlog.begun(), Some("BYE"));
        assert_eq!(backlog.begun(), None);
        assert_eq!(backlog.new_one(at(0)), Some((Turn::Serve, "INVITE")));
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_cancel_comes_after_its_invite_and_is_never_refused() {
        let mut backlog = Backlog::default();
        run(&mut Backlog::default(), (0, 1), 500, 1_000);
        backlog.push(at(0), Class::Cancel, 1).expect("there is room");
        assert_eq!(backlog.begun(), Some(1), "nothing to overtake");
        for n in 2..600 {
            backlog.push(at(0), Class::New, n).expect("there is room");
        }
        backlog.push(at(0), Class::Cancel, 0).expect("there is room");
        assert_eq!(backlog.begun(), None);
        let mut last = None;
        for ms in 100.. {
            let Some(next) = backlog.new_one(at(ms)) else { break };
            last = Some(next);
        }
        assert!(backlog.is_refusing());
        assert_eq!(last, Some((Turn::Serve, 0)));
    }

    #[test]
    fn a_queue_without_end_is_none() {
        let mut backlog = Backlog::default();
        for n in 0..MOST_NEW {
            backlog.push(at(0), Class::New, n).expect("there is room");
        }
        assert_eq!(backlog.push(at(0), Class::New, 0), Err(Full));
        assert_eq!(backlog.push(at(0), Class::Begun, 0), Ok(()), "the other class has its own");
    }
}
