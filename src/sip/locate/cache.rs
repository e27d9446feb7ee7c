//! Answers of the DNS, kept as long as they say, and a little longer while the DNS is dead.

use std::collections::BTreeMap;

use super::question::{Answer, Question, Record, Unanswered};
use crate::base::{Duration, Instant};

/// Answers kept. Documents may dial any host, so callers choose what is in here; a busy server
/// talks to a few hundred.
const MOST: usize = 4_096;

/// A zone that says 0 would be asked for every call; one that says a week could not be moved.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3_600);

/// "There is no such name" is kept no longer: somebody is about to make it.
const LONGEST_ABSENCE: Duration = Duration::from_secs(300);

/// What an answer without any record says of its TTL when it has no SOA (RFC 2308 section 5 asks
/// not to keep it at all, which would ask three times for every call).
const USUAL_ABSENCE: Duration = Duration::from_secs(30);

/// So long after its time the last answer still serves while the DNS is dead (RFC 8767 section 5).
const GRACE: Duration = Duration::from_secs(300);

/// A dead DNS is asked again after this.
const RETRY: Duration = Duration::from_secs(5);

/// What is known of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// These records, possibly none.
    Records(Vec<Record>),
    /// The DNS is dead, and nothing is left from before.
    Dead,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    /// Asked again from here on.
    fresh: Instant,
    /// Forgotten from here on.
    kept: Instant,
}

/// The answers, bounded.
#[derive(Debug, Default)]
pub(super) struct Cache(BTreeMap<Question, Entry>);

impl Cache {
    /// What is known and need not be asked now.
    pub(super) fn fresh(&self, now: Instant, question: &Question) -> Option<&Known> {
        self.0.get(question).filter(|entry| entry.fresh > now).map(|entry| &entry.known)
    }

    /// Takes an answer, or the lack of one; gives what is known from here on.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        question: &Question,
        answer: Result<Answer, Unanswered>,
    ) -> Known {
        let entry = match answer {
            Ok(answer) => {
                let fresh = now + clamped(&answer);
                Entry { known: Known::Records(answer.records), fresh, kept: fresh + GRACE }
            }
            Err(Unanswered) => match self.0.remove(question) {
                Some(Entry { known: Known::Records(records), kept, .. }) if kept > now => {
                    let fresh = kept.min(now + RETRY);
                    Entry { known: Known::Records(records), fresh, kept }
                }
                _ => Entry { known: Known::Dead, fresh: now + RETRY, kept: now + RETRY },
            },
        };
        let known = entry.known.clone();
        self.make_room(now);
        self.0.insert(question.clone(), entry);
        known
    }

    /// How many answers are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A quarter goes at once, oldest first, so that a flood of names does not sort each time.
    fn make_room(&mut self, now: Instant) {
        if self.0.len() < MOST {
            return;
        }
        self.0.retain(|_, entry| entry.kept > now);
        if self.0.len() < MOST {
            return;
        }
        let mut ends: Vec<Instant> = self.0.values().map(|entry| entry.fresh).collect();
        let (_, limit, _) = ends.select_nth_unstable(MOST / 4);
        let limit = *limit;
        let mut left = MOST / 4;
        self.0.retain(|_, entry| {
            let goes = entry.fresh <= limit && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

fn clamped(answer: &Answer) -> Duration {
    match (answer.records.is_empty(), answer.ttl) {
        (true, ttl) => ttl.unwrap_or(USUAL_ABSENCE).clamp(SHORTEST, LONGEST_ABSENCE),
        (false, ttl) => ttl.unwrap_or(SHORTEST).clamp(SHORTEST, LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::super::question::Kind;
    use super::*;

    fn question(name: &str) -> Question {
        Question::new(Kind::A, name)
    }

    fn answer(last: u8, seconds: u64) -> Answer {
        let address = Record::Address([192, 0, 2, last].into());
        Answer::new(vec![address], Duration::from_secs(seconds))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn answers_are_kept_as_long_as_they_say_within_bounds() {
        let mut cache = Cache::default();
        cache.learn(at(0), &question("sixty"), Ok(answer(1, 60)));
        cache.learn(at(0), &question("zero"), Ok(answer(1, 0)));
        cache.learn(at(0), &question("week"), Ok(answer(1, 604_800)));
        cache.learn(at(0), &question("none"), Ok(Answer::default()));
        let kept = |name: &str, second| cache.fresh(at(second), &question(name)).is_some();
        assert!(kept("sixty", 59) && !kept("sixty", 60));
        assert!(kept("zero", 4) && !kept("zero", 5), "not asked for every call");
        assert!(kept("week", 3_599) && !kept("week", 3_600));
        assert!(kept("none", 29) && !kept("none", 30), "absence is kept too");
    }

    #[test]
    fn the_last_good_answer_serves_five_minutes_while_the_dns_is_dead() {
        let mut cache = Cache::default();
        let asked = question("sip.example");
        let good = cache.learn(at(0), &asked, Ok(answer(1, 60)));
        assert_eq!(cache.learn(at(60), &asked, Err(Unanswered)), good);
        assert!(cache.fresh(at(64), &asked).is_some() && cache.fresh(at(65), &asked).is_none());
        assert_eq!(cache.learn(at(359), &asked, Err(Unanswered)), good);
        assert_eq!(cache.learn(at(360), &asked, Err(Unanswered)), Known::Dead);
        assert!(cache.fresh(at(364), &asked).is_some(), "a dead DNS is not asked for each call");
        let back = cache.learn(at(365), &asked, Ok(answer(2, 60)));
        assert_ne!(back, good);
    }

    #[test]
    fn a_flood_of_names_stays_bounded_and_spares_the_newest() {
        let mut cache = Cache::default();
        for number in 0..3 * MOST as u64 {
            let name = format!("{number}.example");
            cache.learn(Instant::from_millis(number), &question(&name), Ok(answer(1, 3_600)));
            assert!(cache.len() <= MOST);
            assert!(cache.fresh(Instant::from_millis(number), &question(&name)).is_some());
        }
    }
}
