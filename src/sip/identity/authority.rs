//! For which numbers a certificate speaks: its TN authorization list (RFC 8226 section 9).

use super::der::{Der, IA5, INTEGER, SEQUENCE, context, extension};

/// `id-pe-TNAuthList`, 1.3.6.1.5.5.7.1.26.
const OID: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1a];

/// Entries that are kept; a provider's certificate has one.
const MAX_ENTRIES: usize = 256;

/// The longest service provider code that is kept for the story; they have four characters.
const MAX_CODE: usize = 16;

/// What a TN authorization list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Service provider codes: for whatever numbers the provider serves.
    codes: Vec<String>,
    /// First numbers, and how many follow one another.
    ranges: Vec<(String, u64)>,
}

impl Authority {
    /// Of a certificate; `None` when it has no list, or one that breaks off.
    pub fn of(certificate: &[u8]) -> Option<Authority> {
        Authority::parse(extension(certificate, &OID)?)
    }

    /// Of the extension's contents.
    pub fn parse(list: &[u8]) -> Option<Authority> {
        let mut outer = Der(list);
        let mut entries = Der(outer.take(SEQUENCE)?);
        let mut authority = Authority::default();
        for _ in 0..MAX_ENTRIES {
            let Some((tag, value)) = entries.next() else { break };
            let mut value = Der(value);
            if tag == context(0) {
                let code = text(value.take(IA5)?, |byte| byte.is_ascii_graphic())?;
                authority.codes.push(code.chars().take(MAX_CODE).collect());
            } else if tag == context(1) {
                let mut range = Der(value.take(SEQUENCE)?);
                let first = text(range.take(IA5)?, is_dialled)?;
                let count = number(range.take(INTEGER)?)?;
                authority.ranges.push((first.to_owned(), count));
            } else if tag == context(2) {
                authority.ranges.push((text(value.take(IA5)?, is_dialled)?.to_owned(), 1));
            } else {
                return None;
            }
        }
        let any = !authority.codes.is_empty() || !authority.ranges.is_empty();
        (any && entries.is_empty() && outer.is_empty()).then_some(authority)
    }

    /// Whether it speaks for that number, digits alone. Which numbers a provider serves is told
    /// nowhere, so a provider's code speaks for all (as SHAKEN has it).
    pub fn covers(&self, number: &str) -> bool {
        !self.codes.is_empty()
            || self.ranges.iter().any(|(first, count)| within(first, *count, number))
    }

    /// The provider, for people.
    pub fn name(&self) -> &str {
        match (self.codes.first(), self.ranges.first()) {
            (Some(code), _) => code,
            (None, Some((first, _))) => first,
            (None, None) => "",
        }
    }
}

/// Numbers that follow one another have as many digits as the first.
fn within(first: &str, count: u64, number: &str) -> bool {
    if first == number {
        return count > 0;
    }
    let (start, at) = (first.parse::<u64>(), number.parse::<u64>());
    match (start, at) {
        (Ok(start), Ok(at)) if first.len() == number.len() => {
            at.checked_sub(start).is_some_and(|after| after < count)
        }
        _ => false,
    }
}

fn is_dialled(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'*' | b'#')
}

fn text(bytes: &[u8], sound: impl Fn(u8) -> bool) -> Option<&str> {
    let good = !bytes.is_empty() && bytes.iter().all(|byte| sound(*byte));
    std::str::from_utf8(bytes).ok().filter(|_| good)
}

/// A count that is not negative; one beyond all numbers there are is all of them.
fn number(bytes: &[u8]) -> Option<u64> {
    let (first, _) = bytes.split_first()?;
    if *first >= 0x80 {
        return None;
    }
    Some(
        bytes
            .iter()
            .fold(0_u64, |sum, byte| sum.saturating_mul(256).saturating_add((*byte).into())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider's code as certificates in the field have it.
    const CODE: [u8; 10] = [0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J'];

    #[test]
    fn a_providers_code_speaks_for_every_number() {
        let authority = Authority::parse(&CODE).expect("sound");
        assert_eq!(authority.name(), "709J");
        assert!(authority.covers("12155551212") && authority.covers("4930123456"));
    }

    #[test]
    fn ranges_and_single_numbers_speak_for_themselves() {
        let mut list = vec![0x30, 0x1a];
        list.extend([0xa1, 0x0d, 0x30, 0x0b, 0x16, 0x05]);
        list.extend(b"12340");
        list.extend([0x02, 0x02, 0x00, 0x64, 0xa2, 0x09, 0x16, 0x07]);
        list.extend(b"4930123");
        let authority = Authority::parse(&list).expect("sound");
        assert!(authority.covers("12340") && authority.covers("12439"), "a hundred");
        assert!(!authority.covers("12440") && !authority.covers("12339"));
        assert!(!authority.covers("012340"), "another length is another number");
        assert!(authority.covers("4930123") && !authority.covers("4930124"));
        let all = [0xa1, 0x0b, 0x30, 0x09, 0x16, 0x01, b'0', 0x02, 0x04, 0x7f, 0xff, 0xff, 0xff];
        let list: Vec<u8> = [0x30, 0x0d].into_iter().chain(all).collect();
        assert!(Authority::parse(&list).expect("sound").covers("9"));
    }

    #[test]
    fn lists_that_break_off_say_nothing() {
        for end in 0..CODE.len() {
            assert_eq!(Authority::parse(&CODE[..end]), None, "{end}");
        }
        for wrong in [
            &[0x30, 0x00][..],
            &[0x30, 0x04, 0xa0, 0x02, 0x16, 0x00],
            &[0x30, 0x05, 0xa3, 0x03, 0x16, 0x01, b'1'],
            &[0x30, 0x05, 0xa2, 0x03, 0x16, 0x01, b'x'],
            &[0x30, 0x05, 0xa2, 0x03, 0x16, 0x01, b'1', 0],
        ] {
            assert_eq!(Authority::parse(wrong), None, "{wrong:?}");
        }
    }
}
