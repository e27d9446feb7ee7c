//! As much DER as it takes to find one extension of a certificate (RFC 5280 section 4.1).
//!
//! The signature and the chain are webpki's; this only reads. Lengths are checked before anything
//! is taken, and nothing nests deeper than the functions here call one another.

/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// OBJECT IDENTIFIER.
pub(super) const OID: u8 = 0x06;
/// OCTET STRING.
pub(super) const OCTETS: u8 = 0x04;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// IA5String.
pub(super) const IA5: u8 = 0x16;
/// An explicit tag of the context.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Values one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Der<'a>(pub &'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and its contents.
    pub fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            0x81 => {
                let (byte, rest) = rest.split_first()?;
                (usize::from(*byte), rest)
            }
            0x82 => {
                let (bytes, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*bytes)), rest)
            }
            // Longer than any certificate that is read.
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, value))
    }

    /// The contents of the next value, if it has that tag.
    pub fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut copy = *self;
        let (found, value) = copy.next()?;
        (found == tag).then(|| {
            *self = copy;
            value
        })
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The contents of an extension of a certificate.
pub(super) fn extension<'a>(certificate: &'a [u8], oid: &[u8]) -> Option<&'a [u8]> {
    let mut outer = Der(certificate);
    let mut outer = Der(outer.take(SEQUENCE)?);
    let mut fields = Der(outer.take(SEQUENCE)?);
    // The extensions are the last field, and the only one with this tag.
    let extensions = loop {
        let (tag, value) = fields.next()?;
        if tag == context(3) {
            break value;
        }
    };
    let mut list = Der(Der(extensions).take(SEQUENCE)?);
    while let Some(one) = list.take(SEQUENCE) {
        let mut one = Der(one);
        if one.take(OID)? != oid {
            continue;
        }
        one.take(BOOLEAN);
        return one.take(OCTETS);
    }
    None
}

/// A signature of two numbers as X.509 writes it (RFC 3279 section 2.2.3).
pub fn ecdsa(signature: &[u8; 64]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(70);
    for half in signature.as_chunks::<32>().0 {
        let start = half.iter().position(|byte| *byte != 0).unwrap_or(31);
        let digits = half.get(start..).unwrap_or_default();
        let sign = digits.first().is_some_and(|byte| *byte >= 0x80);
        numbers.extend([INTEGER, digits.len() as u8 + u8::from(sign)]);
        numbers.extend(sign.then_some(0));
        numbers.extend(digits);
    }
    let mut all = vec![SEQUENCE, numbers.len() as u8];
    all.extend(numbers);
    all
}

/// The two numbers of a signature as X.509 writes it.
pub fn raw(signature: &[u8]) -> Option<[u8; 64]> {
    let mut numbers = Der(Der(signature).take(SEQUENCE)?);
    let mut raw = [0; 64];
    for half in raw.as_chunks_mut::<32>().0 {
        let digits = numbers.take(INTEGER)?;
        let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
        half.get_mut(32usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    }
    Some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_end_the_reading() {
        for wrong in
            [&[][..], &[0x30], &[0x30, 5, 1], &[0x30, 0x81], &[0x30, 0x82, 1], &[0x30, 0x84, 0, 0]]
        {
            assert!(Der(wrong).next().is_none(), "{wrong:?}");
            assert!(extension(wrong, &[1]).is_none());
        }
        let mut two = Der(&[2, 1, 7, 4, 0]);
        assert_eq!(two.take(4), None, "another tag is left where it is");
        assert_eq!(
            (two.take(2), two.next(), two.is_empty()),
            (Some(&[7][..]), Some((4, &[][..])), true)
        );
    }

    #[test]
    fn signatures_keep_their_numbers_either_way() {
        let mut high = [0x80; 64];
        high[32] = 0;
        high[33] = 0x7f;
        for signature in [[0; 64], [1; 64], high] {
            assert_eq!(raw(&ecdsa(&signature)), Some(signature));
        }
    }
}
