//! Session descriptions (RFC 8866) and their negotiation by offer and answer (RFC 3264).
//!
//! Bytes in, bytes out; a description of a peer is never echoed, ours is always our own.

pub mod negotiate;
pub mod session;

pub use negotiate::{Agreed, LocalDescription, Refusal, accept_answer, answer, offer};

/// Who sends, as seen by us (RFC 3264 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// Only we send: the far end holds us.
    SendOnly,
    /// Only the far end sends.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// Whether we may send.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether we should receive.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// A codec as session descriptions name it. SDP knows no codecs itself, so that it stays apart
/// from sound; whoever has a table of codecs implements this for it.
pub trait Encoding: Copy + PartialEq {
    /// The encoding name of `a=rtpmap`.
    fn name(self) -> &'static str;
    /// The payload type in our offers, and in others' that leave a static type unexplained.
    fn payload_type(self) -> u8;
    /// Ticks of its RTP clock a second.
    fn clock(self) -> u32;
}
