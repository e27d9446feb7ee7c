//! Where a URI's servers are: RFC 3263 as a machine that asks the DNS through whoever drives it.
//!
//! Given a URI it asks for NAPTR, SRV, A and AAAA records, remembers the answers, and gives
//! servers in the order in which they are to be tried (RFC 2782, RFC 7984). It never sends
//! anything: who tries a server and fails says so, and the server comes last for a while.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;

use crate::base::{Duration, Fault, Instant, Machine, Rng, TimerTable};

mod cache;
mod question;
mod resolve;
mod shun;
#[cfg(test)]
mod tests;

pub use question::{Answer, Kind, Naptr, Question, Record, Srv, Unanswered};

use cache::Cache;
use resolve::{Answers, Look, Place, Step};
use shun::Shunned;

/// Look-ups under way: each is a leg, a trunk or a line that waits. More is a flood.
const MOST_LOOKUPS: usize = 4_096;

/// Questions that wait for the DNS, of all look-ups together.
const MOST_QUESTIONS: usize = 1_024;

/// NAPTR, SRV and addresses are three looks; a zone that leads on is let go.
const MOST_LOOKS: u8 = 6;

/// A question that its driver does not answer by then counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a server is spoken to, as RFC 3263 tells services apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `SIP+D2U`, `_sip._udp`.
    Udp,
    /// `SIP+D2T`, `_sip._tcp`.
    Tcp,
    /// `SIPS+D2T`, `_sips._tcp`.
    Tls,
}

impl Protocol {
    /// The port when nothing names one (RFC 3261 section 19.1.2).
    pub const fn port(self) -> u16 {
        match self {
            Protocol::Udp | Protocol::Tcp => 5060,
            Protocol::Tls => 5061,
        }
    }

    /// The SRV name of a domain's service (RFC 3263 section 4.2).
    fn service(self, domain: &str) -> String {
        let labels = match self {
            Protocol::Udp => "_sip._udp",
            Protocol::Tcp => "_sip._tcp",
            Protocol::Tls => "_sips._tcp",
        };
        format!("{labels}.{domain}")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
            Protocol::Tls => "tls",
        })
    }
}

/// A server to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// How.
    pub protocol: Protocol,
    /// Where.
    pub address: SocketAddr,
}

impl Hop {
    /// A server at an address.
    pub const fn new(protocol: Protocol, address: SocketAddr) -> Hop {
        Hop { protocol, address }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.protocol, self.address)
    }
}

/// Which addresses are asked for, and which go first (RFC 6724 leaves the choice to policy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, IPv4 first: what carriers in the field are tried with.
    #[default]
    V4First,
    /// Both, IPv6 first.
    V6First,
    /// IPv4 alone.
    V4Only,
    /// IPv6 alone.
    V6Only,
}

/// What a locator is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The protocols that can be used, best first.
    pub protocols: Vec<Protocol>,
    /// The addresses that can be used.
    pub family: Family,
}

/// A look-up, numbered by whoever asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup(pub u64);

/// Why a URI leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocateError {
    /// It is no URI with a host.
    Malformed,
    /// Its scheme or transport is none that can be used here.
    Unsupported,
    /// The DNS says that there is nothing.
    NoAddress,
    /// The DNS does not answer.
    Dead,
    /// Too much is being looked up already.
    Busy,
}

impl LocateError {
    /// The status that says so to whoever wanted to go there.
    pub const fn status(self) -> u16 {
        match self {
            LocateError::Malformed => 400,
            LocateError::Unsupported => 416,
            LocateError::NoAddress => 404,
            LocateError::Dead | LocateError::Busy => 503,
        }
    }

    /// Who should act.
    pub const fn fault(self) -> Fault {
        match self {
            LocateError::Malformed | LocateError::NoAddress => Fault::Application,
            LocateError::Unsupported | LocateError::Dead | LocateError::Busy => Fault::Operator,
        }
    }
}

impl fmt::Display for LocateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LocateError::Malformed => "it is no SIP URI with a host",
            LocateError::Unsupported => "no `[sip] listen` is of its scheme and transport",
            LocateError::NoAddress => "the host has no address",
            LocateError::Dead => "the DNS does not answer",
            LocateError::Busy => "too many names are being looked up",
        })
    }
}

impl std::error::Error for LocateError {}

/// Something for the locator.
#[derive(Clone, Debug)]
pub enum Input {
    /// Find the servers of a URI; [`Output::Located`] follows.
    Locate(Lookup, String),
    /// Nobody waits for that look-up any more.
    Forget(Lookup),
    /// The answer to [`Output::Ask`].
    Answered(Question, Result<Answer, Unanswered>),
    /// A server did not answer, could not be reached, or said 503, with its Retry-After.
    Failed(Hop, Option<Duration>),
    /// A server answered.
    Worked(Hop),
}

/// Something that the locator gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the DNS; exactly one [`Input::Answered`] with that question is to follow.
    Ask(Question),
    /// The servers of a URI in the order in which they are to be tried; never empty.
    Located(Lookup, Result<Vec<Hop>, LocateError>),
}

/// Finds servers.
#[derive(Debug)]
pub struct Locator {
    config: Config,
    rng: Rng,
    cache: Cache,
    shunned: Shunned,
    lookups: BTreeMap<Lookup, Waiting>,
    /// Questions under way, and who waits for them.
    asked: BTreeMap<Question, BTreeSet<Lookup>>,
    timers: TimerTable<Question>,
    out: VecDeque<Output>,
}

/// A look-up that waits for answers.
#[derive(Debug)]
struct Waiting {
    place: Place,
    /// What it has learnt: kept apart from the cache, which may forget in between.
    known: Answers,
    /// What it waits for.
    missing: BTreeSet<Question>,
    looks: u8,
}

impl Locator {
    /// A locator that knows nothing yet.
    pub fn new(config: Config, rng: Rng) -> Locator {
        Locator {
            config,
            rng,
            cache: Cache::default(),
            shunned: Shunned::default(),
            lookups: BTreeMap::new(),
            asked: BTreeMap::new(),
            timers: TimerTable::new(),
            out: VecDeque::new(),
        }
    }

    /// Look-ups under way.
    pub fn lookups(&self) -> usize {
        self.lookups.len()
    }

    /// Whether a server failed lately.
    pub fn is_shunned(&self, now: Instant, hop: &Hop) -> bool {
        self.shunned.contains(now, hop)
    }

    /// How long a server is to be left alone that asked for it (Retry-After).
    pub fn resting(&self, now: Instant, hop: &Hop) -> Option<Duration> {
        self.shunned.resting(now, hop)
    }

    fn locate(&mut self, now: Instant, lookup: Lookup, uri: &str) {
        match Place::of(uri) {
            Err(error) => self.located(lookup, Err(error)),
            Ok(_) if self.lookups.len() >= MOST_LOOKUPS => {
                self.located(lookup, Err(LocateError::Busy));
            }
            Ok(place) => {
                let waiting =
                    Waiting { place, known: Answers::new(), missing: BTreeSet::new(), looks: 0 };
                self.look(now, lookup, waiting);
            }
        }
    }

    /// Looks until an answer is missing that has to be asked for.
    fn look(&mut self, now: Instant, lookup: Lookup, mut waiting: Waiting) {
        while waiting.looks < MOST_LOOKS {
            let look = Look {
                place: &waiting.place,
                usable: &self.config.protocols,
                family: self.config.family,
                known: &waiting.known,
                missing: Vec::new(),
                rng: &mut self.rng,
            };
            let questions = match look.step() {
                Ok(Step::Ask(questions)) => questions,
                Ok(Step::Done(mut hops)) => {
                    self.shunned.reorder(now, &mut hops);
                    return self.located(lookup, Ok(hops));
                }
                Err(error) => return self.located(lookup, Err(error)),
            };
            waiting.looks += 1;
            for question in questions {
                if let Some(known) = self.cache.fresh(now, &question).cloned() {
                    waiting.known.insert(question, known);
                } else if self.ask(now, &question, lookup) {
                    waiting.missing.insert(question);
                } else {
                    self.unask(lookup, &waiting);
                    return self.located(lookup, Err(LocateError::Busy));
                }
            }
            if !waiting.missing.is_empty() {
                self.lookups.insert(lookup, waiting);
                return;
            }
        }
        self.located(lookup, Err(LocateError::NoAddress));
    }

    /// Asks once however many wait for it; false when too much is being asked.
    fn ask(&mut self, now: Instant, question: &Question, lookup: Lookup) -> bool {
        if let Some(waiting) = self.asked.get_mut(question) {
            waiting.insert(lookup);
            return true;
        }
        if self.asked.len() >= MOST_QUESTIONS {
            return false;
        }
        self.asked.insert(question.clone(), BTreeSet::from([lookup]));
        self.timers.set(question.clone(), now + PATIENCE);
        self.out.push_back(Output::Ask(question.clone()));
        true
    }

    fn answered(&mut self, now: Instant, question: Question, answer: Result<Answer, Unanswered>) {
        // What was not asked, or no longer, is not believed.
        let Some(waiting) = self.asked.remove(&question) else { return };
        self.timers.clear(&question);
        let known = self.cache.learn(now, &question, answer);
        for lookup in waiting {
            let Some(found) = self.lookups.get_mut(&lookup) else { continue };
            found.known.insert(question.clone(), known.clone());
            found.missing.remove(&question);
            if found.missing.is_empty()
                && let Some(found) = self.lookups.remove(&lookup)
            {
                self.look(now, lookup, found);
            }
        }
    }

    fn forget(&mut self, lookup: Lookup) {
        if let Some(waiting) = self.lookups.remove(&lookup) {
            self.unask(lookup, &waiting);
        }
    }

    /// The questions themselves go on: their answers are of use to the next who asks.
    fn unask(&mut self, lookup: Lookup, waiting: &Waiting) {
        for question in &waiting.missing {
            if let Some(lookups) = self.asked.get_mut(question) {
                lookups.remove(&lookup);
            }
        }
    }

    fn located(&mut self, lookup: Lookup, found: Result<Vec<Hop>, LocateError>) {
        self.out.push_back(Output::Located(lookup, found));
    }
}

impl Machine for Locator {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Locate(lookup, uri) => self.locate(now, lookup, &uri),
            Input::Forget(lookup) => self.forget(lookup),
            Input::Answered(question, answer) => self.answered(now, question, answer),
            Input::Failed(hop, wait) => self.shunned.add(now, hop, wait),
            Input::Worked(hop) => self.shunned.remove(&hop),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(question) = self.timers.pop(now) {
            self.answered(now, question, Err(Unanswered));
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}
