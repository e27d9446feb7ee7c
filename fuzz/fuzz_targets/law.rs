//! The codec that descriptions are negotiated with.

use offhook::sdp::Encoding;

/// PCMU and PCMA without the rest of the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    Mu,
    A,
}

impl Encoding for Law {
    fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    fn clock(self) -> u32 {
        8_000
    }
}
