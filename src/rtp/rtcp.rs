//! RTCP: compound packets of reports, descriptions and goodbyes (RFC 3550 section 6).
//!
//! [`Compound::parse`] checks every length of a datagram once (RFC 3550 appendix A.2); what it
//! gives are views that copy nothing. [`Report`] writes ours. [`Reception`] keeps the statistics
//! that reports are made of. Never decides when to send: [`interval`] only says how often.

mod block;
mod reception;
mod report;

use std::fmt;

pub use block::{Block, Ntp, SenderInfo};
pub use reception::Reception;
pub use report::{MAX_BLOCKS, Report, interval};

use crate::base::Fault;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// The item of a description that names the participant across its sources.
const CNAME: u8 = 1;

/// A checked view of a received datagram: one or more packets.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

/// A packet of a compound.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// From one who sends (RFC 3550 section 6.4.1).
    SenderReport {
        /// Who.
        ssrc: u32,
        /// What it sent.
        sender: SenderInfo,
        /// How it hears others.
        blocks: Blocks<'a>,
    },
    /// From one who only listens (RFC 3550 section 6.4.2).
    ReceiverReport {
        /// Who.
        ssrc: u32,
        /// How it hears others.
        blocks: Blocks<'a>,
    },
    /// Who the sources are (RFC 3550 section 6.5).
    Description(Descriptions<'a>),
    /// Sources end (RFC 3550 section 6.6).
    Goodbye {
        /// Which.
        sources: Sources<'a>,
        /// Why, if it is said; meant as UTF-8.
        reason: Option<&'a [u8]>,
    },
    /// Feedback, extended reports and whatever else there is.
    Other {
        /// Its type.
        kind: u8,
    },
}

/// Why a datagram is not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The lengths of the packets do not add up to the datagram's.
    Length,
    /// A packet is not of version 2.
    Version,
    /// The first packet is no report.
    First,
    /// Padding that is not at the end, or longer than its packet.
    Padding,
    /// A packet is too short for what it says it holds.
    Contents,
}

impl<'a> Compound<'a> {
    /// Checks a datagram, down to the last item of every packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Compound<'a>, Malformed> {
        // Noise passes for RTCP less often when the first packet must be what the RFC demands.
        match *bytes {
            [flags, ..] if flags >> 6 != 2 => return Err(Malformed::Version),
            [_, SENDER_REPORT | RECEIVER_REPORT, ..] => {}
            [_, _, ..] => return Err(Malformed::First),
            _ => return Err(Malformed::Length),
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (packet, after) = Packet::split(rest)?;
            if let Packet::Description(mut descriptions) = packet {
                while descriptions.advance()?.is_some() {}
            }
            rest = after;
        }
        Ok(Compound { bytes })
    }

    /// Its packets.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (packet, after) = Packet::split(rest).ok()?;
            rest = after;
            Some(packet)
        })
    }
}

impl<'a> Packet<'a> {
    /// Takes the first packet off.
    fn split(bytes: &'a [u8]) -> Result<(Packet<'a>, &'a [u8]), Malformed> {
        let &[flags, kind, high, low] = bytes.first_chunk().ok_or(Malformed::Length)?;
        if flags >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let length = 4 * usize::from(u16::from_be_bytes([high, low]));
        let (mut body, rest) = bytes[4..].split_at_checked(length).ok_or(Malformed::Length)?;
        if flags & 0x20 != 0 {
            // Only the last packet may be padded, in whole words that count themselves.
            let count = body.last().map_or(0, |&count| usize::from(count));
            if !rest.is_empty() || count == 0 || count % 4 != 0 || count > body.len() {
                return Err(Malformed::Padding);
            }
            body = &body[..body.len() - count];
        }
        let packet = Packet::read(kind, flags & 0x1F, body).ok_or(Malformed::Contents)?;
        Ok((packet, rest))
    }

    /// Reads a body of `count` blocks, chunks or sources; `None` if it is too short for them.
    fn read(kind: u8, count: u8, body: &'a [u8]) -> Option<Packet<'a>> {
        let blocks = |rest: &'a [u8]| {
            let bytes = rest.get(..usize::from(count) * Block::LENGTH)?;
            Some(Blocks { bytes })
        };
        Some(match kind {
            SENDER_REPORT => {
                let (ssrc, rest) = word(body)?;
                let (sender, rest) = SenderInfo::read(rest)?;
                Packet::SenderReport { ssrc, sender, blocks: blocks(rest)? }
            }
            RECEIVER_REPORT => {
                let (ssrc, rest) = word(body)?;
                Packet::ReceiverReport { ssrc, blocks: blocks(rest)? }
            }
            DESCRIPTION => {
                Packet::Description(Descriptions { rest: body, left: count, source: None })
            }
            GOODBYE => {
                let (bytes, rest) = body.split_at_checked(usize::from(count) * 4)?;
                let reason = match rest.split_first() {
                    Some((&length, text)) => Some(text.get(..usize::from(length))?),
                    None => None,
                };
                Packet::Goodbye { sources: Sources { bytes }, reason }
            }
            kind => Packet::Other { kind },
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Length => "RTCP packets do not fill the datagram",
            Malformed::Version => "not RTCP version 2",
            Malformed::First => "RTCP that does not begin with a report",
            Malformed::Padding => "RTCP padding in the wrong place or too long",
            Malformed::Contents => "RTCP packet shorter than its contents",
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

/// The blocks of a report.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    bytes: &'a [u8],
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let (block, rest) = self.bytes.split_at_checked(Block::LENGTH)?;
        self.bytes = rest;
        Block::read(block)
    }
}

/// The sources of a goodbye.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    bytes: &'a [u8],
}

impl Iterator for Sources<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (ssrc, rest) = word(self.bytes)?;
        self.bytes = rest;
        Some(ssrc)
    }
}

/// One thing said about a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description<'a> {
    /// The source.
    pub ssrc: u32,
    /// The type of the item (RFC 3550 section 6.5).
    pub kind: u8,
    /// Meant as UTF-8.
    pub text: &'a [u8],
}

impl Description<'_> {
    /// Whether it is the canonical name.
    pub fn is_cname(&self) -> bool {
        self.kind == CNAME
    }
}

/// The items of a description, source by source.
#[derive(Clone, Debug)]
pub struct Descriptions<'a> {
    rest: &'a [u8],
    /// Chunks that have not begun.
    left: u8,
    /// Whose chunk we are in.
    source: Option<u32>,
}

impl<'a> Descriptions<'a> {
    fn advance(&mut self) -> Result<Option<Description<'a>>, Malformed> {
        loop {
            let Some(ssrc) = self.source else {
                if self.left == 0 {
                    return Ok(None);
                }
                let (ssrc, rest) = word(self.rest).ok_or(Malformed::Contents)?;
                (self.left, self.source, self.rest) = (self.left - 1, Some(ssrc), rest);
                continue;
            };
            match *self.rest {
                // A body is whole words, so what is left tells where the next word begins.
                [0, ..] | [] => {
                    let skip = match self.rest.len() % 4 {
                        0 => self.rest.len().min(4),
                        odd => odd,
                    };
                    (self.rest, self.source) = (&self.rest[skip..], None);
                }
                [kind, length, ref rest @ ..] => {
                    let split = rest.split_at_checked(usize::from(length));
                    let (text, rest) = split.ok_or(Malformed::Contents)?;
                    self.rest = rest;
                    return Ok(Some(Description { ssrc, kind, text }));
                }
                [_] => return Err(Malformed::Contents),
            }
        }
    }
}

impl<'a> Iterator for Descriptions<'a> {
    type Item = Description<'a>;

    fn next(&mut self) -> Option<Description<'a>> {
        self.advance().ok().flatten()
    }
}

/// Takes a big-endian word off.
fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(word, rest)| (u32::from_be_bytes(*word), rest))
}

#[cfg(test)]
mod tests;
