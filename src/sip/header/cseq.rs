//! CSeq: the number and method that order the requests of a dialog (RFC 3261 section 20.16).

use super::scan::{BLANK, is_token, number, split_at_blank, trim};
use crate::sip::method::Method;

/// The value of CSeq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2³¹ (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method's name.
    pub method_name: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads a value.
    pub fn parse(text: &'a str) -> Option<CSeq<'a>> {
        let (digits, name) = split_at_blank(trim(text))?;
        let name = name.trim_start_matches(BLANK);
        let number = u32::try_from(number(digits, (1 << 31) - 1)?).ok()?;
        is_token(name).then(|| CSeq { number, method: Method::from_name(name), method_name: name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_two_to_the_31() {
        let cseq = CSeq::parse("0009   INVITE").expect("valid");
        assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
        assert!(CSeq::parse("2147483647 ACK").is_some());
        assert!(CSeq::parse("2147483648 ACK").is_none());
        assert!(CSeq::parse("36893488147419103232 ACK").is_none());
        assert!(CSeq::parse("1").is_none());
        assert!(CSeq::parse("1 A B").is_none());
        assert_eq!(CSeq::parse("1 NEWMETHOD").map(|c| c.method_name), Some("NEWMETHOD"));
    }
}
