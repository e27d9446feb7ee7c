//! Identifiers: the 34-character SIDs that users see, and the small numbers inside.

use std::fmt;
use std::str::FromStr;

use super::rng::Rng;

/// Why a text is not a SID of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASid {
    /// The two letters that were wanted.
    pub prefix: &'static str,
}

impl fmt::Display for NotASid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} followed by 32 hexadecimal digits", self.prefix)
    }
}

impl std::error::Error for NotASid {}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The two letters in front.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh one.
            pub fn random(rng: &mut Rng) -> Self {
                $name(rng.bytes())
            }

            /// One from 16 bytes, such as a hash of a name that must keep its SID.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                $name(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotASid;

            fn from_str(text: &str) -> Result<Self, NotASid> {
                sixteen_bytes(text, $prefix).map($name).ok_or(NotASid { prefix: $prefix })
            }
        }
    };
}

sid!(
    /// One call leg, as users see it: `CA` and 32 hexadecimal digits.
    CallSid, "CA"
);
sid!(
    /// The account that owns everything: `AC…`.
    AccountSid, "AC"
);
sid!(
    /// One recording: `RE…`.
    RecordingSid, "RE"
);
sid!(
    /// A SIP domain: `SD…`.
    DomainSid, "SD"
);
sid!(
    /// A telephone number: `PN…`.
    NumberSid, "PN"
);
sid!(
    /// A markup bin: `EH…`.
    BinSid, "EH"
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

number!(
    /// One party of a call, unique in its exchange.
    LegId
);
number!(
    /// A request for something done outside (a document, speech); its answer carries the same number.
    RequestId
);

fn sixteen_bytes(text: &str, prefix: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix(prefix)?.as_bytes();
    let mut bytes = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_read_back_what_they_write() {
        let sid = CallSid::random(&mut Rng::from_number(3));
        let text = sid.to_string();
        assert_eq!(text.len(), 34);
        assert_eq!(text.parse(), Ok(sid));
        assert!(text.parse::<AccountSid>().is_err());
        assert!("CA12".parse::<CallSid>().is_err());
        assert!(format!("CA{}", "g".repeat(32)).parse::<CallSid>().is_err());
    }
}
