//! 2xx responses to INVITE that wait for their ACK (RFC 3261 section 13.3.1.4).
//!
//! The dialog repeats them, on streams too, since a proxy further on may use datagrams. An ACK
//! counts only for the INVITE whose CSeq it carries: a late one must not confirm a newer INVITE.

use bytes::Bytes;

use crate::base::{Duration, Instant};
use crate::sip::Flow;
use crate::sip::transaction::{GIVE_UP, T1, T2};

/// At most the initial INVITE and a few impatient re-INVITEs after it.
const MAX_UNACKED: usize = 4;

/// One 2xx.
#[derive(Clone, Debug)]
pub struct Unacked {
    cseq: u32,
    /// Whether it holds an offer, which the ACK answers.
    offers: bool,
    flow: Flow,
    response: Bytes,
    next: Instant,
    interval: Duration,
    give_up: Instant,
}

/// The 2xx responses of one dialog.
#[derive(Clone, Debug, Default)]
pub struct UnackedQueue(Vec<Unacked>);

impl UnackedQueue {
    /// Whether every 2xx is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one more would be too many.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_UNACKED
    }

    /// Whether one of them holds an offer of ours that its ACK will answer.
    pub fn offers(&self) -> bool {
        self.0.iter().any(|unacked| unacked.offers)
    }

    /// Adds a 2xx that was just sent; `offers` says that its body is no answer.
    pub fn push(&mut self, now: Instant, cseq: u32, offers: bool, flow: Flow, response: Bytes) {
        let (next, give_up) = (now + T1, now + GIVE_UP);
        self.0.push(Unacked { cseq, offers, flow, response, next, interval: T1, give_up });
    }

    /// Takes the ACK of that CSeq; false when none was awaited.
    pub fn acknowledge(&mut self, cseq: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|unacked| unacked.cseq != cseq);
        let left = self.0.len();
        if left == 0 {
            // Calls that are up hold nothing of how they came up.
            self.0 = Vec::new();
        }
        left < before
    }

    /// When something is to be done next.
    pub fn timeout(&self) -> Option<Instant> {
        self.0.iter().map(|unacked| unacked.next.min(unacked.give_up)).min()
    }

    /// Whether the ACK of one of them has not come within 64·T1.
    pub fn given_up(&self, now: Instant) -> bool {
        self.0.iter().any(|unacked| unacked.give_up <= now)
    }

    /// The responses to send again at `now`.
    pub fn due(&mut self, now: Instant) -> Vec<(Flow, Bytes)> {
        let due = self.0.iter_mut().filter(|unacked| unacked.next <= now);
        due.map(|unacked| {
            unacked.interval = (unacked.interval * 2).min(T2);
            unacked.next = now + unacked.interval;
            (unacked.flow, unacked.response.clone())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    fn flow() -> Flow {
        let local = "192.0.2.1:5060".parse().expect("an address");
        Flow { transport: Transport::Udp, local, remote: local, connection: 0 }
    }

    #[test]
    fn a_2xx_is_repeated_at_doubling_intervals_until_it_is_given_up() {
        let mut queue = UnackedQueue::default();
        queue.push(Instant::ZERO, 1, false, flow(), Bytes::from_static(b"200"));
        let mut times = Vec::new();
        while let Some(next) = queue.timeout() {
            if queue.given_up(next) {
                break;
            }
            times.extend(queue.due(next).iter().map(|_| next.as_millis()));
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    }

    #[test]
    fn a_late_ack_does_not_confirm_a_newer_invite() {
        let mut queue = UnackedQueue::default();
        queue.push(Instant::ZERO, 2, true, flow(), Bytes::from_static(b"new"));
        assert!(!queue.acknowledge(1));
        assert!(!queue.is_empty());
        assert!(queue.acknowledge(2));
        assert!(queue.is_empty() && queue.timeout().is_none());
    }
}
