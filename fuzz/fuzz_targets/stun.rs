//! A datagram on a SIP port that may be a STUN request: answered in kind, and never amplified much.

use offhook::sip::stun;

pub fn run(bytes: &[u8]) {
    for source in ["192.0.2.1:32853", "[2001:db8::1]:5060", "[::ffff:192.0.2.1]:1"] {
        let source = source.parse().expect("an address");
        let Some(answer) = stun::answer(bytes, source) else { continue };
        assert_eq!(answer.get(4..20), bytes.get(4..20), "the same cookie and transaction");
        assert!(answer.len() <= bytes.len() + 64, "{} for {}", answer.len(), bytes.len());
        assert_eq!(stun::answer(&answer, source), None, "answers are not answered");
    }
}
