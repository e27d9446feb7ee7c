//! How one source is heard: what came, what did not and how evenly (RFC 3550 appendices A.1, A.3
//! and A.8). Whether a source may be heard at all is judged before, so there is no probation.

use crate::base::{Duration, Instant};
use crate::rtp::Packet;
use crate::rtp::rtcp::{Block, SenderInfo};
use crate::rtp::sequence::{distance, ticks_between};

/// The statistics of one source.
#[derive(Clone, Debug)]
pub struct Reception {
    ssrc: u32,
    /// Ticks of the stream's clock a second.
    clock: u32,
    received: u64,
    run: Option<Run>,
    arrived: Option<Arrived>,
    /// Sixteen times the jitter in ticks: the filter's gain is 1/16.
    jitter: u64,
    heard: Option<(u32, Instant)>,
}

/// Sequence numbers without a break that would be a restart of the sender.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    /// The highest sequence number, extended by its wraps.
    highest: u64,
    received: u64,
    /// The successor of a number that jumped; when it comes, the sender has begun anew.
    stray: Option<u16>,
    /// What was expected and received at the last report.
    prior: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
struct Arrived {
    timestamp: u32,
    /// The moment in ticks of the stream's clock.
    at: u32,
}

impl Reception {
    /// Numbers as far ahead as this are a restart or a stray (RFC 3550 appendix A.1).
    const MAX_DROPOUT: i16 = 3_000;
    /// Numbers as far behind as this are, too (RFC 3550 appendix A.1).
    const MAX_MISORDER: i16 = 100;

    /// A source that has not been heard, whose timestamps count `clock` ticks a second.
    pub fn new(ssrc: u32, clock: u32) -> Self {
        Reception { ssrc, clock, received: 0, run: None, arrived: None, jitter: 0, heard: None }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Takes a packet of the source; false if its number does not fit and it is not counted.
    pub fn handle(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        if !self.count(packet.sequence) {
            return false;
        }
        self.received += 1;
        self.measure(now, packet.timestamp);
        true
    }

    /// Takes a sender report of the source, which our next report answers.
    pub fn handle_sender_report(&mut self, now: Instant, sender: &SenderInfo) {
        self.heard = Some((sender.ntp.middle(), now));
    }

    /// Packets that came, since the beginning.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came, since the sender began (anew); negative when more were
    /// duplicated than lost.
    pub fn lost(&self) -> i64 {
        self.run.map_or(0, |run| run.expected() as i64 - run.received as i64)
    }

    /// How uneven arrivals are.
    pub fn jitter(&self) -> Duration {
        let ticks = self.jitter / 16;
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / u64::from(self.clock.max(1)))
    }

    /// The report on what came since the last; `None` while nothing ever came.
    pub fn report(&mut self, now: Instant) -> Option<Block> {
        let lost = self.lost().clamp(-0x80_0000, 0x7F_FFFF) as i32;
        let run = self.run.as_mut()?;
        let (last_report, delay) = match self.heard {
            Some((report, at)) => (report, since(at, now)),
            None => (0, 0),
        };
        Some(Block {
            ssrc: self.ssrc,
            fraction_lost: run.fraction_lost(),
            lost,
            highest: run.highest as u32,
            jitter: u32::try_from(self.jitter / 16).unwrap_or(u32::MAX),
            last_report,
            delay,
        })
    }

    /// Follows the numbers (RFC 3550 appendix A.1).
    fn count(&mut self, sequence: u16) -> bool {
        let Some(run) = self.run.as_mut() else {
            self.run = Some(Run::begin(sequence));
            return true;
        };
        let ahead = distance(run.highest as u16, sequence);
        if ahead <= -Self::MAX_MISORDER || ahead >= Self::MAX_DROPOUT {
            if run.stray == Some(sequence) {
                *run = Run::begin(sequence);
                // Its clock has begun anew, too.
                self.arrived = None;
                return true;
            }
            run.stray = Some(sequence.wrapping_add(1));
            return false;
        }
        run.stray = None;
        run.highest += u64::from(ahead.max(0).unsigned_abs());
        run.received += 1;
        true
    }

    /// Follows the arrivals (RFC 3550 appendix A.8).
    fn measure(&mut self, now: Instant, timestamp: u32) {
        let nanos = u128::from(now.as_nanos());
        let at = (nanos * u128::from(self.clock) / 1_000_000_000) as u32;
        let last = self.arrived.filter(|last| last.timestamp != timestamp);
        if let Some(last) = last {
            let difference = ticks_between(last.at, at)
                .wrapping_sub(ticks_between(last.timestamp, timestamp))
                .unsigned_abs();
            self.jitter = self.jitter + u64::from(difference) - ((self.jitter + 8) >> 4);
        }
        // Packets of one key, and duplicates, repeat a timestamp: they say nothing about jitter,
        // and only the first of them came at its own time.
        if last.is_some() || self.arrived.is_none() {
            self.arrived = Some(Arrived { timestamp, at });
        }
    }
}

impl Run {
    fn begin(sequence: u16) -> Run {
        let first = u64::from(sequence);
        Run { first, highest: first, received: 1, stray: None, prior: (0, 0) }
    }

    fn expected(self) -> u64 {
        self.highest - self.first + 1
    }

    /// Lost since the last report, in 1/256 (RFC 3550 appendix A.3).
    fn fraction_lost(&mut self) -> u8 {
        let (expected, received) = (self.expected() - self.prior.0, self.received - self.prior.1);
        self.prior = (self.expected(), self.received);
        let lost = expected.saturating_sub(received);
        (lost << 8).checked_div(expected).map_or(0, |fraction| fraction.min(255) as u8)
    }
}

/// The time between in 1/65536 s.
fn since(earlier: Instant, now: Instant) -> u32 {
    u32::try_from((now.since(earlier).as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}
