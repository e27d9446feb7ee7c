//! RTP and RTCP on the wire (RFC 3550), digits in it (RFC 4733) and its order restored.
//!
//! Never a socket, never a codec: packets in, packets out.

pub mod jitter;
pub mod packet;
pub mod rtcp;
pub mod sequence;
pub mod telephone_event;

pub use jitter::{FRAME, JitterBuffer};
pub use packet::{Header, Packet};
