//! The hashes of digest authentication. (Only user of `hmac`, `md-5` and `sha2` in `sip`.)

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A digest algorithm, weakest first, so that the greatest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Broken as a hash, and all that many phones know.
    Md5,
    /// Rare.
    Sha512Trunc256,
    /// What RFC 8760 wants.
    Sha256,
}

impl Algorithm {
    /// The algorithm of that name and whether it is the session variant (RFC 7616
    /// section 3.4); a missing name means MD5.
    pub fn from_name(name: Option<&str>) -> Option<(Algorithm, bool)> {
        let Some(name) = name else { return Some((Algorithm::Md5, false)) };
        let all = [Algorithm::Md5, Algorithm::Sha512Trunc256, Algorithm::Sha256];
        all.into_iter().find_map(|algorithm| {
            let (base, rest) = name.split_at_checked(algorithm.name().len())?;
            if !base.eq_ignore_ascii_case(algorithm.name()) {
                return None;
            }
            let session = rest.eq_ignore_ascii_case("-sess");
            (session || rest.is_empty()).then_some((algorithm, session))
        })
    }

    /// As headers spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha512Trunc256 => "SHA-512-256",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The hash of the parts joined by colons, in lower-case hexadecimal digits.
    pub(super) fn hex(self, parts: &[&str]) -> String {
        match self {
            Algorithm::Md5 => joined::<Md5>(parts),
            Algorithm::Sha512Trunc256 => joined::<Sha512_256>(parts),
            Algorithm::Sha256 => joined::<Sha256>(parts),
        }
    }
}

fn joined<D: Digest>(parts: &[&str]) -> String {
    let mut hash = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Seals with one key, which is hashed once for all of them.
#[derive(Clone)]
pub(in crate::sip) struct Sealer(Hmac<Sha256>);

impl Sealer {
    pub(in crate::sip) fn new(key: &[u8; 32]) -> Sealer {
        Sealer(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The first half of HMAC-SHA-256 over the parts, each led by its length so that their borders
    /// cannot be shifted.
    pub(in crate::sip) fn seal(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        half
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// Equality in a time that depends on the lengths alone.
pub(in crate::sip) fn same(one: &[u8], two: &[u8]) -> bool {
    let differences =
        one.iter().zip(two).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    one.len() == two.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_with_and_without_session() {
        assert_eq!(Algorithm::from_name(None), Some((Algorithm::Md5, false)));
        assert_eq!(Algorithm::from_name(Some("md5-sess")), Some((Algorithm::Md5, true)));
        assert_eq!(Algorithm::from_name(Some("SHA-256")), Some((Algorithm::Sha256, false)));
        assert_eq!(
            Algorithm::from_name(Some("SHA-512-256-sess")),
            Some((Algorithm::Sha512Trunc256, true))
        );
        assert_eq!(Algorithm::from_name(Some("SHA-256-foo")), None);
    }

    #[test]
    fn seals_depend_on_key_and_borders() {
        let seal_of = |parts: &[&[u8]]| Sealer::new(&[1; 32]).seal(parts);
        assert_ne!(seal_of(&[b"ab", b"c"]), seal_of(&[b"a", b"bc"]));
        assert_ne!(seal_of(&[b"a"]), Sealer::new(&[2; 32]).seal(&[b"a"]));
        assert!(same(b"abc", b"abc") && !same(b"abc", b"abd") && !same(b"ab", b"abc"));
    }
}
