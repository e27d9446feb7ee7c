//! A session description, as an offer and as the answer to ours.

#![no_main]

use offhook::sdp::session::Session;
use offhook::sdp::{Direction, Encoding, LocalDescription, accept_answer, answer, offer};

#[derive(Clone, Copy, PartialEq)]
struct Pcmu;

impl Encoding for Pcmu {
    fn name(self) -> &'static str {
        "PCMU"
    }
    fn payload_type(self) -> u8 {
        0
    }
    fn clock(self) -> u32 {
        8_000
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let local = ([192, 0, 2, 1], 4_000).into();
    let mut ours = LocalDescription::new(1);
    if let Ok((said, _)) = answer(bytes, local, &[Pcmu], &mut ours) {
        let said = Session::parse(&said).expect("what we say can be read");
        let offered = Session::parse(bytes).expect("what we answered can be read");
        // RFC 3264 section 6: an answer has as many streams as its offer.
        assert_eq!(said.media.len(), offered.media.len());
    }
    let mut ours = LocalDescription::new(2);
    let _ = offer(local, &[Pcmu], Direction::SendRecv, &mut ours);
    let _ = accept_answer(bytes, &[Pcmu], &ours);
});
