//! The numbers of one outgoing RTP stream: SSRC, sequence and timestamp, whoever fills it.
//!
//! Own frames and relayed packets share one stream, so that a phone sees a single source whose
//! timestamps never jump, however often playing, relaying and digits take turns (RFC 3550
//! section 5.1, RFC 3551 section 4.1 for the marker).

use crate::base::{Instant, Rng};
use crate::rtp::packet::Rewrite;
use crate::rtp::sequence::{distance, ticks_between};

/// Ticks of the 8 kHz clock in a frame.
pub const FRAME_TICKS: u32 = 160;

/// The state of one outgoing stream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    /// The last sequence number sent.
    sequence: u16,
    /// The timestamp of the last packet sent, or the end of the last own frame's predecessor.
    timestamp: u32,
    at: Option<Instant>,
    mapping: Option<Mapping>,
    /// Packets sent.
    pub sent: u64,
}

/// How a relayed source's numbers become ours.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    ssrc: u32,
    sequence_offset: u16,
    timestamp_offset: u32,
    highest: u16,
    /// Our sequence number at which this source began; nothing older may be sent.
    first: u16,
    /// Packets relayed since, counted while `first` still matters.
    young: u16,
}

impl Outgoing {
    /// A jump beyond this in either direction is a new source (RFC 3550 appendix A.1).
    const MAX_DROPOUT: i16 = 3_000;
    const MAX_MISORDER: i16 = 100;

    /// A stream with random beginnings (RFC 3550 section 5.1).
    pub fn new(rng: &mut Rng) -> Self {
        Outgoing {
            ssrc: rng.next_u32(),
            sequence: rng.next_u32() as u16,
            timestamp: rng.next_u32(),
            at: None,
            mapping: None,
            sent: 0,
        }
    }

    /// Our source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp that an own frame sent at `now` has, and whether it follows a silence.
    pub fn next_timestamp(&self, now: Instant) -> (u32, bool) {
        let Some(at) = self.at else { return (self.timestamp, true) };
        // A tick that runs late must not look like a silence: half a frame is forgiven.
        let ticks = (now.since(at).as_nanos() / 125_000) as u32;
        match ticks {
            0..=240 => (self.timestamp.wrapping_add(FRAME_TICKS), false),
            _ => (self.timestamp.wrapping_add(ticks), true),
        }
    }

    /// Numbers an own packet: its sequence number. `timestamp` came from
    /// [`next_timestamp`](Self::next_timestamp); an event's packets repeat an older one on the
    /// wire, but the clock goes on.
    pub fn number(&mut self, now: Instant, timestamp: u32) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = timestamp;
        self.at = Some(now);
        self.mapping = None;
        self.sent += 1;
        self.sequence
    }

    /// Numbers a relayed packet; `None` when it is a straggler from before the relaying began.
    pub fn relay(
        &mut self,
        now: Instant,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
    ) -> Option<(u16, u32, bool)> {
        let known = self.mapping.filter(|mapping| {
            let ahead = distance(mapping.highest, sequence);
            mapping.ssrc == ssrc && (-Self::MAX_MISORDER..Self::MAX_DROPOUT).contains(&ahead)
        });
        let began = known.is_none();
        let mut mapping = known.unwrap_or_else(|| self.anchor(now, ssrc, sequence, timestamp));
        let ours = sequence.wrapping_add(mapping.sequence_offset);
        if mapping.young < Self::MAX_MISORDER as u16 {
            if distance(mapping.first, ours) < 0 {
                return None;
            }
            mapping.young += 1;
        }
        let clock = timestamp.wrapping_add(mapping.timestamp_offset);
        if began || distance(mapping.highest, sequence) > 0 {
            mapping.highest = sequence;
            self.sequence = ours;
            self.at = Some(now);
            if began || ticks_between(self.timestamp, clock) > 0 {
                self.timestamp = clock;
            }
        }
        self.mapping = Some(mapping);
        self.sent += 1;
        Some((ours, clock, began))
    }

    /// What a relayed packet is given in place of its own numbers.
    pub fn rewrite(&self, numbers: (u16, u32, bool), payload_type: u8, marker: bool) -> Rewrite {
        let (sequence, timestamp, began) = numbers;
        Rewrite { ssrc: self.ssrc, sequence, timestamp, payload_type, marker: marker || began }
    }

    fn anchor(&self, now: Instant, ssrc: u32, sequence: u16, timestamp: u32) -> Mapping {
        let first = self.sequence.wrapping_add(1);
        let (clock, _) = self.next_timestamp(now);
        Mapping {
            ssrc,
            sequence_offset: first.wrapping_sub(sequence),
            timestamp_offset: clock.wrapping_sub(timestamp),
            highest: sequence,
            first,
            young: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;

    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn loss_and_order_of_a_relayed_source_stay_visible() {
        let mut out = Outgoing::new(&mut Rng::from_number(4));
        let now = Instant::from_millis(100);
        let (first, clock, began) = out.relay(now, 1, 65_534, 1_000).unwrap();
        assert!(began, "a spurt begins");
        for (ahead, sequence) in [(1, 65_535), (4, 2), (3, 1), (5, 3)] {
            let timestamp = 1_000 + 160 * u32::from(ahead);
            let relayed = out.relay(now, 1, sequence, timestamp).unwrap();
            let expected = clock.wrapping_add(160 * u32::from(ahead));
            assert_eq!(relayed, (first.wrapping_add(ahead), expected, false));
        }
        assert_eq!(out.relay(now, 1, 65_530, 360), None, "from before we began");
        assert_eq!(out.sent, 5);
    }

    #[test]
    fn sources_and_own_frames_follow_each_other_without_a_jump() {
        let mut out = Outgoing::new(&mut Rng::from_number(5));
        let mut now = Instant::from_millis(100);
        let (clock, spurt) = out.next_timestamp(now);
        assert!(spurt);
        let own = out.number(now, clock);
        now += FRAME;
        let relayed = out.relay(now, 1, 500, 77_000).unwrap();
        assert_eq!(relayed, (own.wrapping_add(1), clock.wrapping_add(160), true));
        now += FRAME;
        let other = out.relay(now, 2, 9_000, 5).unwrap();
        assert_eq!(other, (own.wrapping_add(2), clock.wrapping_add(320), true));
        now += FRAME;
        let restarted = out.relay(now, 2, 30_000, 1 << 31).unwrap();
        assert_eq!(restarted, (own.wrapping_add(3), clock.wrapping_add(480), true));
        now += FRAME * 50;
        let (after, spurt) = out.next_timestamp(now);
        assert_eq!((after, spurt), (clock.wrapping_add(480 + 8_000), true));
    }
}
