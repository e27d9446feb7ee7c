//! Provisional responses that are acknowledged (RFC 3262).
//!
//! [`Reliable`] is the side that sends them: one at a time, repeated at doubling intervals until
//! its PRACK comes, the 2xx held back while a session description is under way. [`Heard`] is the
//! side that receives them and puts them in order. Neither writes a message.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::{Duration, Instant};
use crate::sip::transaction::{GIVE_UP, T1};
use crate::sip::{Body, HeaderField, HeaderName, Message, Method};

/// The option tag.
pub const TAG: &str = "100rel";

/// Provisional responses that wait for the PRACK of the one before: a 180, a 183 and a change of
/// each. More would tell the caller nothing new.
const MAX_WAITING: usize = 4;

/// Reliable responses that are heard from one fork: each costs a PRACK and its transaction, and a
/// call that rings for minutes brings a dozen.
const MAX_HEARD: u16 = 64;

/// The highest RSeq to begin with (RFC 3262 section 3).
pub const MAX_FIRST_RSEQ: u64 = (1 << 31) - 1;

/// What a PRACK acknowledges (RFC 3262 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq number of the request that it answered.
    pub cseq: u32,
    /// The method of that request.
    pub method: Method,
}

impl RAck {
    /// Of a PRACK; `None` when it has none that can be read.
    pub fn of(prack: &Message) -> Option<RAck> {
        let mut words = prack.header(HeaderName::RAck)?.split_ascii_whitespace();
        let rseq = words.next()?.parse().ok()?;
        let cseq = words.next()?.parse().ok()?;
        let method = Method::from_name(words.next()?);
        words.next().is_none().then_some(RAck { rseq, cseq, method })
    }
}

/// Whether a message names an option in Supported or Require.
pub fn has_option(message: &Message, name: HeaderName, option: &str) -> bool {
    message.values(name).any(|value| value.eq_ignore_ascii_case(option))
}

/// Which of our provisional responses go out reliably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// None: the caller does not know how.
    Never,
    /// Those with a session description: their loss would be heard.
    Described,
    /// All: the caller requires it.
    Always,
}

impl Policy {
    /// What an INVITE asks for.
    pub fn of(invite: &Message) -> Policy {
        if has_option(invite, HeaderName::Require, TAG) {
            Policy::Always
        } else if has_option(invite, HeaderName::Supported, TAG) {
            Policy::Described
        } else {
            Policy::Never
        }
    }
}

/// A provisional response of ours before it is written.
#[derive(Clone, Debug)]
pub struct Provisional {
    /// 101 to 199.
    pub status: u16,
    /// Headers to add.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Option<Body>,
}

/// A 2xx before it is written.
#[derive(Clone, Debug)]
pub struct Held {
    /// Headers to add.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Option<Body>,
}

/// The reliable provisional responses to one INVITE of the peer's.
#[derive(Debug)]
pub struct Reliable {
    policy: Policy,
    /// The RSeq of the latest.
    rseq: u32,
    under_way: Option<UnderWay>,
    waiting: VecDeque<Provisional>,
    held: Option<Held>,
    exchange: Exchange,
}

/// One that waits for its PRACK.
#[derive(Debug)]
struct UnderWay {
    described: bool,
    status: u16,
    response: Bytes,
    next: Instant,
    interval: Duration,
    give_up: Instant,
}

/// How far offer and answer are before the 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    Open,
    /// The peer acknowledged a response with a description.
    Done,
    /// The PRACK brought an offer of its own, which we have not answered.
    Renewed,
}

/// What a PRACK did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// Nothing of ours waits for it (481).
    Unknown,
    /// It acknowledged a response without a description.
    Plain,
    /// It acknowledged one with a description.
    Described,
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Send this again.
    Send(u16, Bytes),
    /// No PRACK came within 64·T1: the INVITE is to be refused (RFC 3262 section 3).
    GiveUp,
}

impl Reliable {
    /// For an INVITE; `first` is the RSeq to begin with.
    pub fn new(policy: Policy, first: u32) -> Reliable {
        Reliable {
            policy,
            rseq: first.saturating_sub(1),
            under_way: None,
            waiting: VecDeque::new(),
            held: None,
            exchange: Exchange::Open,
        }
    }

    /// Whether a provisional response is to go out reliably.
    pub fn wants(&self, provisional: &Provisional) -> bool {
        match self.policy {
            Policy::Never => false,
            Policy::Described => provisional.body.is_some(),
            Policy::Always => true,
        }
    }

    /// Keeps a response that may not go out before another's PRACK came; gives it back when it
    /// may go at once. One too many is dropped, as the network might.
    pub fn queue(&mut self, provisional: Provisional) -> Option<Provisional> {
        if self.under_way.is_none() && self.waiting.is_empty() {
            return Some(provisional);
        }
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(provisional);
        }
        None
    }

    /// The RSeq for the next response.
    pub fn number(&mut self) -> u32 {
        self.rseq = self.rseq.saturating_add(1);
        self.rseq
    }

    /// The RSeq of the latest response, for a PRACK that comes after the 2xx.
    pub fn latest(&self) -> Option<u32> {
        (self.policy != Policy::Never).then_some(self.rseq)
    }

    /// Notes that the response with the latest [`number`](Self::number) went out.
    pub fn sent(&mut self, now: Instant, status: u16, described: bool, response: Bytes) {
        let (next, give_up) = (now + T1, now + GIVE_UP);
        self.under_way =
            Some(UnderWay { described, status, response, next, interval: T1, give_up });
    }

    /// Takes a PRACK's RSeq.
    pub fn acknowledge(&mut self, rseq: u32) -> Acknowledged {
        match self.under_way.take_if(|_| self.rseq == rseq) {
            None => Acknowledged::Unknown,
            Some(UnderWay { described: true, .. }) => {
                self.exchange = Exchange::Done;
                Acknowledged::Described
            }
            Some(_) => Acknowledged::Plain,
        }
    }

    /// The PRACK brought an offer; the 2xx waits until it is answered.
    pub fn renewed(&mut self) {
        self.exchange = Exchange::Renewed;
    }

    /// The offer of a PRACK was answered.
    pub fn renewal_answered(&mut self) {
        self.exchange = Exchange::Done;
    }

    /// Whether an offer and its answer went through reliably, so that an UPDATE may bring a new
    /// offer (RFC 3311 section 5.2).
    pub fn exchanged(&self) -> bool {
        self.exchange == Exchange::Done && self.under_way.as_ref().is_none_or(|u| !u.described)
    }

    /// Keeps the 2xx while a description is unacknowledged (RFC 3262 section 3); gives it back
    /// when it may go at once.
    pub fn hold(&mut self, held: Held) -> Option<Held> {
        if self.may_accept() {
            return Some(held);
        }
        self.held = Some(held);
        None
    }

    fn may_accept(&self) -> bool {
        let described = self.under_way.as_ref().is_some_and(|under_way| under_way.described)
            || self.waiting.iter().any(|provisional| provisional.body.is_some());
        !described && self.exchange != Exchange::Renewed
    }

    /// The 2xx that was held and may go now.
    pub fn release(&mut self) -> Option<Held> {
        if self.may_accept() { self.held.take() } else { None }
    }

    /// Whether a 2xx waits: nothing provisional is said any more but what was before it.
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// The next response that may go out.
    pub fn take_next(&mut self) -> Option<Provisional> {
        if self.under_way.is_some() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// When something is due.
    pub fn timeout(&self) -> Option<Instant> {
        self.under_way.as_ref().map(|under_way| under_way.next.min(under_way.give_up))
    }

    /// What is due at `now`. The interval doubles without an upper limit (RFC 3262 section 3).
    pub fn due(&mut self, now: Instant) -> Option<Repeat> {
        let under_way = self.under_way.as_mut()?;
        if under_way.give_up <= now {
            return Some(Repeat::GiveUp);
        }
        if under_way.next > now {
            return None;
        }
        under_way.interval *= 2;
        under_way.next = now + under_way.interval;
        Some(Repeat::Send(under_way.status, under_way.response.clone()))
    }
}

/// The order of one early dialog's reliable responses, as they come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The CSeq of the INVITE and the latest RSeq.
    latest: Option<(u32, u32)>,
    /// How many were taken.
    taken: u16,
}

impl Heard {
    /// The RSeq of a response that wants a PRACK.
    pub fn wanted(response: &Message) -> Option<u32> {
        let provisional = response.status().is_some_and(|status| (101..200).contains(&status));
        if !provisional || !has_option(response, HeaderName::Require, TAG) {
            return None;
        }
        response.header(HeaderName::RSeq)?.trim().parse().ok()
    }

    /// Whether a response to the request with that CSeq is the next in order. A repeat is not,
    /// since its PRACK repeats by itself; nor is one after a gap, which its sender repeats
    /// (RFC 3262 section 4).
    pub fn take(&mut self, cseq: u32, rseq: u32) -> bool {
        let in_order = match self.latest {
            Some((of, latest)) if of == cseq => latest.checked_add(1) == Some(rseq),
            _ => true,
        };
        let taken = in_order && self.taken < MAX_HEARD;
        if taken {
            self.latest = Some((cseq, rseq));
            self.taken += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provisional(described: bool) -> Provisional {
        let body =
            described.then(|| Body { content_type: "application/sdp".into(), bytes: Bytes::new() });
        Provisional { status: 183, headers: vec![], body }
    }

    fn held() -> Held {
        Held { headers: vec![], body: None }
    }

    fn send(reliable: &mut Reliable, now: Instant, described: bool) -> u32 {
        let rseq = reliable.number();
        reliable.sent(now, 183, described, Bytes::from_static(b"183"));
        rseq
    }

    #[test]
    fn a_response_is_repeated_at_doubling_intervals_until_it_is_given_up() {
        let mut reliable = Reliable::new(Policy::Described, 7);
        assert_eq!(send(&mut reliable, Instant::ZERO, true), 7);
        let mut times = Vec::new();
        while let Some(next) = reliable.timeout() {
            match reliable.due(next) {
                Some(Repeat::Send(183, _)) => times.push(next.as_millis()),
                other => {
                    assert_eq!((other, next.as_millis()), (Some(Repeat::GiveUp), 32_000));
                    break;
                }
            }
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 15_500, 31_500]);
    }

    #[test]
    fn the_answer_waits_for_the_prack_of_a_description_and_for_nothing_else() {
        let mut reliable = Reliable::new(Policy::Always, 1);
        assert!(reliable.hold(held()).is_some(), "nothing is under way");
        send(&mut reliable, Instant::ZERO, false);
        assert!(reliable.hold(held()).is_some(), "a plain 180 holds nothing up");
        assert_eq!(reliable.acknowledge(1), Acknowledged::Plain);
        send(&mut reliable, Instant::ZERO, true);
        assert!(reliable.hold(held()).is_none() && !reliable.exchanged());
        assert_eq!(reliable.acknowledge(1), Acknowledged::Unknown, "an old one");
        assert!(reliable.release().is_none());
        assert_eq!(reliable.acknowledge(2), Acknowledged::Described);
        assert!(reliable.release().is_some() && reliable.exchanged());
        assert_eq!(reliable.acknowledge(2), Acknowledged::Unknown, "once only");
    }

    #[test]
    fn an_offer_in_the_prack_holds_the_answer_up_until_it_is_answered() {
        let mut reliable = Reliable::new(Policy::Described, 1);
        send(&mut reliable, Instant::ZERO, true);
        reliable.hold(held());
        reliable.acknowledge(1);
        reliable.renewed();
        assert!(reliable.release().is_none() && !reliable.exchanged());
        reliable.renewal_answered();
        assert!(reliable.release().is_some());
    }

    #[test]
    fn one_goes_out_at_a_time_and_few_wait() {
        let mut reliable = Reliable::new(Policy::Described, 1);
        assert!(!reliable.wants(&provisional(false)) && reliable.wants(&provisional(true)));
        assert!(reliable.queue(provisional(true)).is_some());
        send(&mut reliable, Instant::ZERO, true);
        for _ in 0..10 {
            assert!(reliable.queue(provisional(true)).is_none());
        }
        assert!(reliable.take_next().is_none());
        let mut sent = 0;
        reliable.acknowledge(1);
        while reliable.take_next().is_some() {
            let rseq = send(&mut reliable, Instant::ZERO, true);
            reliable.acknowledge(rseq);
            sent += 1;
        }
        assert_eq!(sent, MAX_WAITING);
    }

    #[test]
    fn nobody_is_given_pracks_without_end() {
        let mut heard = Heard::default();
        let taken = (1..=1_000).filter(|rseq| heard.take(1, *rseq)).count();
        assert_eq!(taken, usize::from(MAX_HEARD));
        let mut heard = Heard::default();
        let taken = (1..=1_000).filter(|cseq| heard.take(*cseq, 1)).count();
        assert_eq!(taken, usize::from(MAX_HEARD), "whatever INVITE they claim to be of");
    }

    #[test]
    fn responses_are_heard_in_their_order_and_once() {
        let mut heard = Heard::default();
        let taken = [9, 9, 11, 10, 10, 11].map(|rseq| heard.take(1, rseq));
        assert_eq!(taken, [true, false, false, true, false, true]);
        assert!(heard.take(2, 5), "another INVITE counts anew");
        assert!(!heard.take(2, u32::MAX));
    }
}
