//! What reports say: what a sender sent, how a source is heard, and when (RFC 3550 section 6.4).

use super::word;
use crate::base::{Duration, Epoch, Instant};

/// What a sender tells about its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was made.
    pub ntp: Ntp,
    /// The same moment on the stream's clock.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub bytes: u32,
}

impl SenderInfo {
    pub(super) fn read(bytes: &[u8]) -> Option<(SenderInfo, &[u8])> {
        let (ntp, rest) = bytes.split_first_chunk()?;
        let (timestamp, rest) = word(rest)?;
        let (packets, rest) = word(rest)?;
        let (bytes, rest) = word(rest)?;
        let ntp = Ntp(u64::from_be_bytes(*ntp));
        Some((SenderInfo { ntp, timestamp, packets, bytes }, rest))
    }

    pub(super) fn write(&self, datagram: &mut Vec<u8>) {
        datagram.extend(self.ntp.0.to_be_bytes());
        for word in [self.timestamp, self.packets, self.bytes] {
            datagram.extend(word.to_be_bytes());
        }
    }
}

/// How one source is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The source.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256 of what was expected.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits with sign: duplicates make it negative.
    pub lost: i32,
    /// The highest sequence number, extended by its wraps.
    pub highest: u32,
    /// Interarrival jitter in ticks of the stream's clock.
    pub jitter: u32,
    /// The middle of [`SenderInfo::ntp`] of the last sender report heard; 0 if there was none.
    pub last_report: u32,
    /// How long ago that was heard, in 1/65536 s.
    pub delay: u32,
}

impl Block {
    /// Its bytes.
    pub(super) const LENGTH: usize = 24;

    /// Time from the sender to the receiver and back, if this block answers a report of ours;
    /// `now` is when it came (RFC 3550 section 6.4.1).
    pub fn round_trip(&self, now: Ntp) -> Option<Duration> {
        if self.last_report == 0 {
            return None;
        }
        let units = now.middle().wrapping_sub(self.last_report).wrapping_sub(self.delay);
        // Half the circle is negative: clocks stepped, or the peer's arithmetic is wrong.
        let units = u32::try_from(units as i32).ok()?;
        Some(Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16))
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Block> {
        let (ssrc, rest) = word(bytes)?;
        let (losses, rest) = word(rest)?;
        let (highest, rest) = word(rest)?;
        let (jitter, rest) = word(rest)?;
        let (last_report, rest) = word(rest)?;
        let (delay, _) = word(rest)?;
        // The cast and the shift back spread the sign of the 24 bits.
        let (fraction_lost, lost) = ((losses >> 24) as u8, (losses << 8) as i32 >> 8);
        Some(Block { ssrc, fraction_lost, lost, highest, jitter, last_report, delay })
    }

    pub(super) fn write(&self, datagram: &mut Vec<u8>) {
        let lost = self.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        let losses = u32::from(self.fraction_lost) << 24 | lost;
        let words = [self.ssrc, losses, self.highest, self.jitter, self.last_report, self.delay];
        for word in words {
            datagram.extend(word.to_be_bytes());
        }
    }
}

/// A moment in NTP's format: seconds since 1900 and 2⁻³² of them (RFC 3550 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ntp(pub u64);

impl Ntp {
    /// From 1900 to 1970.
    const UNIX: u64 = 2_208_988_800;

    /// A moment of ours. One epoch for all reports, so that steps of the clock do not show.
    pub fn at(epoch: Epoch, at: Instant) -> Ntp {
        let millis = epoch.wall(at).unix_millis();
        let nanos = millis % 1_000 * 1_000_000 + at.as_nanos() % 1_000_000;
        // The seconds wrap in 2036, as NTP's do.
        let seconds = (millis / 1_000).wrapping_add(Self::UNIX);
        Ntp((seconds << 32) | ((nanos << 32) / 1_000_000_000))
    }

    /// The middle 32 bits, by which report blocks name a sender report.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}
