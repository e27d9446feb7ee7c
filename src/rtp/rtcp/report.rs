//! Writing compounds of our own, and how often (RFC 3550 sections 6.1 to 6.3).

use super::{Block, CNAME, DESCRIPTION, GOODBYE, RECEIVER_REPORT, SENDER_REPORT, SenderInfo};
use crate::base::{Duration, Rng};

/// Report blocks that one packet can count.
pub const MAX_BLOCKS: usize = 31;
/// Bytes of a description or a reason: its length is one byte.
const MAX_TEXT: usize = 255;

/// A compound of our own: report, canonical name and, at the end of a stream, a goodbye.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// What we sent, if we send.
    pub sender: Option<SenderInfo>,
    /// How we hear others; [`MAX_BLOCKS`] at most.
    pub blocks: &'a [Block],
    /// Our name, which every compound carries (RFC 3550 section 6.1); random (RFC 7022).
    pub cname: &'a str,
    /// Whether this is the last: the stream ends, for this reason if it is not empty.
    pub goodbye: Option<&'a str>,
}

impl Report<'_> {
    /// Writes it over what was in `datagram`, whose capacity is used again.
    pub fn write(&self, datagram: &mut Vec<u8>) {
        datagram.clear();
        let blocks = &self.blocks[..self.blocks.len().min(MAX_BLOCKS)];
        let kind = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        packet(datagram, kind, blocks.len() as u8, |body| {
            body.extend(self.ssrc.to_be_bytes());
            self.sender.iter().for_each(|sender| sender.write(body));
            blocks.iter().for_each(|block| block.write(body));
        });
        packet(datagram, DESCRIPTION, 1, |body| {
            body.extend(self.ssrc.to_be_bytes());
            body.push(CNAME);
            text(body, self.cname);
            // The end of the items; filling up to a whole word adds more of it.
            body.push(0);
        });
        if let Some(reason) = self.goodbye {
            packet(datagram, GOODBYE, 1, |body| {
                body.extend(self.ssrc.to_be_bytes());
                if !reason.is_empty() {
                    text(body, reason);
                }
            });
        }
    }
}

/// How long to wait until the next report: 5 s, or half of it before the first, at random so
/// that nobody's reports keep step, and made up for what that does to the mean (RFC 3550
/// sections 6.2 and 6.3.1). Two parties never come near the bandwidth that would ask for more.
pub fn interval(rng: &mut Rng, first: bool) -> Duration {
    const LEAST: f64 = 5.0;
    const COMPENSATION: f64 = std::f64::consts::E - 1.5;
    let mean = if first { LEAST / 2.0 } else { LEAST };
    Duration::from_secs_f64(mean * (0.5 + rng.unit()) / COMPENSATION)
}

/// Appends a packet, filled up to whole words.
fn packet(datagram: &mut Vec<u8>, kind: u8, count: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = datagram.len();
    datagram.extend([0x80 | count, kind, 0, 0]);
    write(datagram);
    datagram.resize(datagram.len().next_multiple_of(4), 0);
    let words = (datagram.len() - start) / 4 - 1;
    datagram[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
}

/// Appends a text behind its length, cut where a character ends.
fn text(body: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    body.push(text.len() as u8);
    body.extend_from_slice(text.as_bytes());
}
