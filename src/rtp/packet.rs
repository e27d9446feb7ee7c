//! A received RTP datagram as a view, its rewriting in place for relaying, and writing new ones.
//!
//! The view copies nothing and allocates nothing; every length of the datagram is checked once,
//! in [`Packet::parse`]. The `rtp` crate's [`Header`] is what new packets are written from, and
//! the oracle of the tests (its own reader trusts extension lengths, so it never sees peers'
//! bytes). Wire format: RFC 3550 section 5.1.

use std::fmt;
use std::ops::Range;

pub use ::rtp::header::Header;
use webrtc_util::marshal::Marshal;

use crate::base::Fault;

/// The fixed part of a header.
pub const FIXED: usize = 12;

/// The longest datagram that we read: an Ethernet frame; telephony uses a tenth of it.
pub const MAX_DATAGRAM: usize = 1_500;

/// A checked view of a received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    start: usize,
    end: usize,
    /// Begins a talk spurt, or an event of RFC 4733.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// The sampling instant of the first byte, in ticks of the codec's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

/// Why a datagram is not RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its header says.
    Truncated,
    /// Not version 2: STUN, DTLS, T.38 or noise.
    Version,
    /// It claims more padding than it has payload.
    Padding,
}

/// What a relay gives a packet in place of what its sender gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Our source towards the other leg.
    pub ssrc: u32,
    /// Our count.
    pub sequence: u16,
    /// Our clock.
    pub timestamp: u32,
    /// What the other leg calls the payload.
    pub payload_type: u8,
    /// Whether a talk spurt begins: also after a change of source, which the far end must see.
    pub marker: bool,
}

impl<'a> Packet<'a> {
    /// Checks a datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let Some(fixed) = bytes.first_chunk::<FIXED>() else {
            return Err(if bytes.first().is_some_and(|b| b >> 6 != 2) {
                Malformed::Version
            } else {
                Malformed::Truncated
            });
        };
        let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if flags >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let mut start = FIXED + 4 * usize::from(flags & 0x0F);
        if flags & 0x10 != 0 {
            let extension = bytes.get(start..start + 4).ok_or(Malformed::Truncated)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            start += 4 + 4 * usize::from(words);
        }
        if bytes.len() < start {
            return Err(Malformed::Truncated);
        }
        let end = bytes.len() - padding(bytes, flags, start)?;
        Ok(Packet {
            bytes,
            start,
            end,
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    /// The payload, without padding.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where the payload lies in the datagram.
    pub fn payload_range(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Truncated => "RTP header is longer than the datagram",
            Malformed::Version => "not RTP version 2",
            Malformed::Padding => "RTP padding is longer than the payload",
        })
    }
}

impl std::error::Error for Malformed {}

impl Malformed {
    /// Always whoever sent it.
    pub fn fault(self) -> Fault {
        Fault::Peer
    }
}

/// Gives a checked datagram a new identity in place; extensions and CSRCs stay.
pub fn rewrite(datagram: &mut [u8], to: Rewrite) -> Result<(), Malformed> {
    let fixed = datagram.first_chunk_mut::<FIXED>().ok_or(Malformed::Truncated)?;
    fixed[1] = u8::from(to.marker) << 7 | (to.payload_type & 0x7F);
    fixed[2..4].copy_from_slice(&to.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&to.timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&to.ssrc.to_be_bytes());
    Ok(())
}

/// A plain header: version 2, no extension, no CSRC.
pub fn header(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, marker: bool) -> Header {
    Header {
        version: 2,
        marker,
        payload_type,
        sequence_number: sequence,
        timestamp,
        ssrc,
        ..Header::default()
    }
}

/// Writes a packet over what was in `datagram`, whose capacity is used again.
pub fn write(header: &Header, payload: &[u8], datagram: &mut Vec<u8>) {
    use webrtc_util::marshal::MarshalSize;
    datagram.clear();
    datagram.resize(header.marshal_size(), 0);
    let written = header.marshal_to(datagram).expect("the buffer has the size that it asked for");
    datagram.truncate(written);
    datagram.extend_from_slice(payload);
}

/// Whether a datagram on a shared port is RTCP rather than RTP (RFC 5761 section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [flags, kind, ..] if flags >> 6 == 2 && (192..=223).contains(kind))
}

fn padding(bytes: &[u8], flags: u8, start: usize) -> Result<usize, Malformed> {
    if flags & 0x20 == 0 {
        return Ok(0);
    }
    match bytes.last() {
        // RFC 3550 section 5.1: the count includes itself, so it is never 0.
        Some(&count) if count != 0 && usize::from(count) <= bytes.len() - start => {
            Ok(usize::from(count))
        }
        _ => Err(Malformed::Padding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use ::rtp::header::Extension;
    use webrtc_util::marshal::{MarshalSize, Unmarshal};

    fn random_header(rng: &mut Rng) -> Header {
        let mut header = header(
            rng.below(128) as u8,
            rng.next_u32() as u16,
            rng.next_u32(),
            rng.next_u32(),
            rng.below(2) == 1,
        );
        header.csrc = (0..rng.below(16)).map(|_| rng.next_u32()).collect();
        if rng.below(2) == 1 {
            header.extension = true;
            header.extension_profile = 0xBEDE;
            for id in 1..=1 + rng.below(4) as u8 {
                let bytes: [u8; 16] = rng.bytes();
                let length = 1 + rng.below(16) as usize;
                header.extensions.push(Extension { id, payload: bytes[..length].to_vec().into() });
            }
        }
        header
    }

    #[test]
    fn reads_what_the_rtp_crate_writes() {
        let mut rng = Rng::from_number(3550);
        let mut datagram = Vec::new();
        for _ in 0..2_000 {
            let wrote = random_header(&mut rng);
            let payload: [u8; 32] = rng.bytes();
            write(&wrote, &payload, &mut datagram);
            let packet = Packet::parse(&datagram).unwrap();
            assert_eq!(packet.marker, wrote.marker);
            assert_eq!(packet.payload_type, wrote.payload_type);
            assert_eq!(packet.sequence, wrote.sequence_number);
            assert_eq!(packet.timestamp, wrote.timestamp);
            assert_eq!(packet.ssrc, wrote.ssrc);
            assert_eq!(packet.payload(), payload);
            assert_eq!(packet.payload_range().start, wrote.marshal_size());
        }
    }

    #[test]
    fn the_rtp_crate_reads_what_a_relay_rewrote() {
        let mut rng = Rng::from_number(7);
        let mut datagram = Vec::new();
        for _ in 0..500 {
            let before = random_header(&mut rng);
            write(&before, b"payload", &mut datagram);
            let to = Rewrite {
                ssrc: rng.next_u32(),
                sequence: rng.next_u32() as u16,
                timestamp: rng.next_u32(),
                payload_type: rng.below(128) as u8,
                marker: rng.below(2) == 1,
            };
            rewrite(&mut datagram, to).unwrap();
            let after = Header::unmarshal(&mut &datagram[..]).unwrap();
            assert_eq!((after.ssrc, after.timestamp), (to.ssrc, to.timestamp));
            assert_eq!((after.sequence_number, after.marker), (to.sequence, to.marker));
            assert_eq!(after.payload_type, to.payload_type);
            assert_eq!((after.csrc, after.extensions), (before.csrc, before.extensions));
            assert!(datagram.ends_with(b"payload"));
        }
    }

    #[test]
    fn padding_is_cut_off_and_checked() {
        let mut datagram = Vec::new();
        write(&header(0, 1, 2, 3, false), &[9, 9, 0, 0, 3], &mut datagram);
        datagram[0] |= 0x20;
        assert_eq!(Packet::parse(&datagram).unwrap().payload(), [9, 9]);
        for wrong in [0, 6, 255] {
            *datagram.last_mut().unwrap() = wrong;
            assert_eq!(Packet::parse(&datagram), Err(Malformed::Padding));
        }
    }

    #[test]
    fn other_protocols_and_short_datagrams_are_told_apart() {
        assert_eq!(Packet::parse(&[]), Err(Malformed::Truncated));
        assert_eq!(Packet::parse(&[0x80; 11]), Err(Malformed::Truncated));
        assert_eq!(Packet::parse(&[0, 1, 0, 0]), Err(Malformed::Version), "STUN");
        let mut claims_sources = [0; 16];
        claims_sources[0] = 0x82;
        assert_eq!(Packet::parse(&claims_sources), Err(Malformed::Truncated));
        let mut claims_extension = [0; 16];
        (claims_extension[0], claims_extension[15]) = (0x90, 1);
        assert_eq!(Packet::parse(&claims_extension), Err(Malformed::Truncated));
    }

    #[test]
    fn rtcp_on_the_same_port_is_recognised() {
        assert!(is_rtcp(&[0x80, 200, 0, 6]));
        assert!(!is_rtcp(&[0x80, 0, 0, 6]));
        assert!(!is_rtcp(&[0x80, 0x80, 0, 6]), "PCMU with marker");
        assert!(!is_rtcp(&[0, 200]));
    }

    #[test]
    fn no_datagram_panics() {
        let mut rng = Rng::from_number(11);
        let mut datagram = Vec::new();
        for _ in 0..20_000 {
            write(&random_header(&mut rng), &rng.bytes::<24>(), &mut datagram);
            for _ in 0..rng.below(6) {
                let at = rng.below(datagram.len() as u64) as usize;
                datagram[at] = rng.next_u32() as u8;
            }
            datagram.truncate(rng.below(datagram.len() as u64 + 1) as usize);
            if let Ok(packet) = Packet::parse(&datagram) {
                assert!(packet.payload().len() + FIXED <= datagram.len());
            }
        }
    }
}
