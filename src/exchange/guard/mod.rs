//! Who is heard: budgets of messages before they are read, totals of new requests, and silence for
//! who guesses passwords.
//!
//! It never reads a message beyond its first word, keeps bounded tables only, and drops nothing that
//! belongs to a call: in doubt such messages pass to the user agent, which knows.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::ledger::Ledger;
use crate::base::Instant;
use crate::directory::{Directory, Limits, Rate};
use crate::sip::{Flow, Method};

mod bucket;
mod logins;
mod recent;

pub(super) use bucket::{Bucket, Share, SharedBucket};
use logins::{Logins, Who};
use recent::Recent;

/// Half of the sources whose budgets are kept, some 5 MB in all. Who is forgotten has a full budget.
const SOURCES: usize = 32_768;

/// Half of the registered phones whose own budgets are kept: of those that needed one.
const PHONES: usize = 16_384;

/// What has happened at the door since the start: each only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that arrived.
    pub messages: u64,
    /// Of those, dropped unread because their source was over its budget.
    pub over_budget: u64,
    /// Of those, heard only in what they had begun, because their source is silenced.
    pub muted: u64,
    /// Challenges sent.
    pub challenges: u64,
    /// Logins that were right.
    pub logins: u64,
    /// Logins that were wrong.
    pub failed_logins: u64,
    /// Sources that were silenced.
    pub silenced: u64,
    /// New calls answered 503: draining, full, or above a total.
    pub busy_invites: u64,
    /// Registrations answered 503.
    pub busy_registers: u64,
    /// New requests answered 503 because they came faster than the machine can follow.
    pub too_late: u64,
    /// Calls that were not made because a user or trunk had too many.
    pub capped_calls: u64,
}

/// An address, or a /64 of IPv6: what one customer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::exchange) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address => address,
        })
    }
}

/// How a message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// As any.
    Open,
    /// Only where it belongs to something that has begun.
    Muted,
    /// Not at all.
    Deaf,
}

/// What a failed login led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The first, second, third in a minute.
    Counted(u32),
    /// One too many: its source is silenced.
    Silenced(u32),
    /// Maybe not from there at all, and nothing was learnt: the answer would have been the same
    /// to the right password.
    Forged,
}

/// A failed login, as other exchanges of this server hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Strike {
    pub flow: Flow,
    /// A number for the account.
    pub account: u64,
    /// Whether the flow is a registered phone's.
    pub phone: bool,
}

#[derive(Debug)]
struct Budget {
    bucket: Bucket,
    rate: Rate,
}

/// What all peers together ask for with one method: those who are let in and those who are asked
/// for a password, each at the same rate.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Total {
    admitted: SharedBucket,
    challenges: SharedBucket,
}

/// The guard at the door.
#[derive(Debug)]
pub(super) struct Guard {
    limits: Limits,
    sources: Recent<Source, Budget>,
    phones: Recent<SocketAddr, Bucket>,
    /// Where the totals of all exchanges are.
    ledger: Arc<Ledger>,
    logins: Logins,
    pub(super) counters: Counters,
}

impl Guard {
    pub(super) fn new(limits: Limits, ledger: Arc<Ledger>) -> Guard {
        Guard {
            limits,
            sources: Recent::new(SOURCES),
            phones: Recent::new(PHONES),
            ledger,
            logins: Logins::new(),
            counters: Counters::default(),
        }
    }

    /// Takes new limits. Budgets begin anew; who is silenced stays so.
    pub(super) fn reconfigure(&mut self, limits: Limits) {
        self.limits = limits;
        self.sources.clear();
        self.phones.clear();
    }

    /// Whether a message is to be read. `registered` says whether its flow is a registered phone's,
    /// or a server's with which we are registered.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        flow: Flow,
        bytes: &[u8],
        directory: &Directory,
        registered: impl Fn() -> bool,
    ) -> Hearing {
        self.counters.messages += 1;
        let address = flow.remote.ip().to_canonical();
        let source = Source::of(address);
        let limits = &self.limits;
        let share = if is_of_something(bytes) { Share::All } else { Share::ThreeQuarters };
        let budget = self.sources.entry(source, || Budget {
            bucket: Bucket::default(),
            rate: rate_of(address, directory, limits),
        });
        if !budget.bucket.take(now, budget.rate, share) {
            let own = || Bucket::default();
            let known = limits.known;
            if !registered() || !self.phones.entry(flow.remote, own).take(now, known, share) {
                self.counters.over_budget += 1;
                return Hearing::Deaf;
            }
        }
        if self.logins.silenced() > 0 {
            self.logins.expire(now);
            let silenced = self.logins.is_silenced(now, self.who(flow, &registered));
            if silenced && !self.is_never_silenced(address, directory) {
                self.counters.muted += 1;
                return Hearing::Muted;
            }
        }
        Hearing::Open
    }

    /// Whether the total of admitted requests of that method is used up. It takes nothing: only
    /// who is admitted does, or strangers would use up what trunks and users may ask for.
    pub(super) fn is_busy(&mut self, now: Instant, method: Method) -> bool {
        let (total, rate, count) = match method {
            Method::Invite => {
                (&self.ledger.invites, self.limits.invites, &mut self.counters.busy_invites)
            }
            Method::Register => {
                (&self.ledger.registers, self.limits.registers, &mut self.counters.busy_registers)
            }
            _ => return false,
        };
        let busy = !total.admitted.has(now, rate, Share::All);
        *count += u64::from(busy);
        busy
    }

    /// A request was admitted.
    pub(super) fn admitted(&mut self, now: Instant, method: Method) {
        match method {
            Method::Invite => {
                self.ledger.invites.admitted.take(now, self.limits.invites, Share::All)
            }
            Method::Register => {
                self.ledger.registers.admitted.take(now, self.limits.registers, Share::All)
            }
            _ => return,
        };
    }

    /// Whether one more may be challenged. The last quarter is for flows of registered phones and
    /// for addresses that the configuration names: they go on while strangers flood.
    pub(super) fn may_challenge(
        &mut self,
        now: Instant,
        method: Method,
        flow: Flow,
        directory: &Directory,
        registered: impl Fn() -> bool,
    ) -> bool {
        let (total, rate, count) = match method {
            Method::Invite => {
                (&self.ledger.invites, self.limits.invites, &mut self.counters.busy_invites)
            }
            Method::Register => {
                (&self.ledger.registers, self.limits.registers, &mut self.counters.busy_registers)
            }
            _ => return true,
        };
        let address = flow.remote.ip().to_canonical();
        let challenges = &total.challenges;
        let may = challenges.take(now, rate, Share::ThreeQuarters)
            || (is_exempt(address, &self.limits) || directory.knows(address) || registered())
                && challenges.take(now, rate, Share::All);
        *count += u64::from(!may);
        may
    }

    /// A login failed. `ours`: on a challenge that we sent to that very source. An exempt address
    /// and a trunk's are many peers in one, whom one guesser must not mute: there it is counted,
    /// and silences nobody.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        flow: Flow,
        account: u64,
        ours: bool,
        directory: &Directory,
        registered: impl Fn() -> bool,
    ) -> Failure {
        self.counters.failed_logins += 1;
        let source = Who::Source(Source::of(flow.remote.ip()));
        if !ours {
            return Failure::Forged;
        }
        let tries = self.logins.tries(now, account, self.limits.failures);
        if self.is_never_silenced(flow.remote.ip().to_canonical(), directory) {
            return Failure::Counted(self.logins.failed(now, source));
        }
        let who = self.who(flow, &registered);
        // What a registered phone gets wrong counts for its address too: it has one password, and
        // may be guessing others.
        let mut count = self.logins.failed(now, source);
        let mut silenced = self.silence_at(now, source, count, tries);
        if who != source {
            count = self.logins.failed(now, who);
            silenced |= self.silence_at(now, who, count, tries);
        }
        if silenced { Failure::Silenced(count) } else { Failure::Counted(count) }
    }

    /// A login failed elsewhere in this server: it counts here as well, so that all silence a
    /// source at the same time. Figures and lines are the other's.
    pub(super) fn struck(&mut self, now: Instant, strike: Strike, directory: &Directory) {
        let counters = self.counters;
        self.failed(now, strike.flow, strike.account, true, directory, || strike.phone);
        self.counters = counters;
    }

    fn silence_at(&mut self, now: Instant, who: Who, count: u32, tries: u32) -> bool {
        let silenced = tries > 0 && count >= tries && !self.logins.is_silenced(now, who);
        if silenced {
            self.counters.silenced += 1;
            self.logins.silence(now, who, now + self.limits.silence);
        }
        silenced
    }

    /// Whether others than the guesser are sure to stand behind an address.
    fn is_never_silenced(&self, address: IpAddr, directory: &Directory) -> bool {
        is_exempt(address, &self.limits) || directory.trunk_from(address).is_some()
    }

    /// How many are silenced now.
    pub(super) fn silenced(&self) -> usize {
        self.logins.silenced()
    }

    /// For how long sources are silenced.
    pub(super) fn silence_seconds(&self) -> u64 {
        self.limits.silence.as_secs()
    }

    /// A registered phone is not made to suffer for its neighbours behind the same address.
    fn who(&self, flow: Flow, registered: &impl Fn() -> bool) -> Who {
        match registered() {
            true => Who::Phone(flow.remote),
            false => Who::Source(Source::of(flow.remote.ip())),
        }
    }
}

fn rate_of(address: IpAddr, directory: &Directory, limits: &Limits) -> Rate {
    if is_exempt(address, limits) {
        return Rate::UNLIMITED;
    }
    if directory.knows(address) { limits.known } else { limits.source }
}

fn is_exempt(address: IpAddr, limits: &Limits) -> bool {
    limits.exempt.iter().any(|net| net.contains(&address))
}

/// Whether a message belongs, by its first bytes, to something that has begun: it goes before what
/// would begin something new.
fn is_of_something(bytes: &[u8]) -> bool {
    const FIRST: [&[u8]; 8] =
        [b"SIP/2.0 ", b"ACK ", b"BYE ", b"CANCEL ", b"PRACK ", b"UPDATE ", b"INFO ", b"NOTIFY "];
    FIRST.iter().any(|start| bytes.starts_with(start))
}

#[cfg(test)]
mod tests;
