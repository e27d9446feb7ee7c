//! Whether a caller's number is its own: signed calls, read and written (STIR and SHAKEN).
//!
//! The Identity header (RFC 8224), the token in it (RFC 8225, RFC 8588), the certificate behind it
//! (RFC 8226), and what a carrier says that it has verified itself. Nothing here fetches, waits or
//! holds a private key: a claim is read from a message, and judged with a certificate and a time.

use std::fmt;

mod authority;
mod certificate;
mod date;
mod der;
mod header;
mod number;
mod passport;
mod replay;
#[cfg(test)]
mod tests;
mod verify;
mod verstat;

pub use authority::Authority;
pub use certificate::{Algorithms, Chain, MAX_CHAIN, Signer};
pub use date::read_date;
pub use der::{ecdsa as x509_signature, raw as raw_signature};
pub use header::Identity;
pub use number::canonical;
pub use passport::Draft;
pub use replay::{Mark, Replays};
pub use verify::{Call, Claim, Refused, check_url};
pub use verstat::{Verstat, carried};

/// How sure the signing provider is of a caller (RFC 8588 section 4): best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attest {
    /// Full: it knows the customer, and that the number is the customer's.
    A,
    /// Partial: it knows the customer.
    B,
    /// Gateway: it knows where the call entered its network.
    C,
}

impl Attest {
    /// As the claim spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Attest::A => "A",
            Attest::B => "B",
            Attest::C => "C",
        }
    }

    /// Reads the claim.
    pub fn of_name(name: &str) -> Option<Attest> {
        [Attest::A, Attest::B, Attest::C].into_iter().find(|known| known.as_str() == name)
    }
}

impl fmt::Display for Attest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a signed call proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is no Identity header that could be read as one.
    Missing,
    /// The header or its token cannot be read.
    Malformed(&'static str),
    /// An algorithm or extension that nobody here knows.
    Unsupported(&'static str),
    /// The certificate's address cannot be asked, or gave nothing.
    Unreachable(String),
    /// The certificate leads to nobody who is trusted here, or is out of its time.
    Untrusted(String),
    /// The certificate does not speak for the caller's number.
    Unauthorised,
    /// The token is too old, or from the future: so many seconds apart.
    Stale(u64),
    /// The token is about another caller.
    OtherCaller,
    /// The token is about another called number.
    OtherCalled,
    /// The signature is not that of the certificate's key.
    Signature,
    /// The token was used by another call before.
    Replayed,
}

impl Flaw {
    /// The status that refuses such a call (RFC 8224 section 6.2.2), where the policy says so.
    pub const fn status(&self) -> u16 {
        match self {
            Flaw::Missing => 428,
            Flaw::Stale(_) => 403,
            Flaw::Unreachable(_) => 436,
            Flaw::Unsupported(_) | Flaw::Untrusted(_) | Flaw::Unauthorised => 437,
            Flaw::Malformed(_)
            | Flaw::OtherCaller
            | Flaw::OtherCalled
            | Flaw::Signature
            | Flaw::Replayed => 438,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Missing => f.write_str("the call is not signed"),
            Flaw::Malformed(what) => write!(f, "the signature cannot be read: {what}"),
            Flaw::Unsupported(what) => write!(f, "the signature is of a kind unknown here: {what}"),
            Flaw::Unreachable(why) => write!(f, "the signer's certificate did not come: {why}"),
            Flaw::Untrusted(why) => write!(f, "the signer's certificate is not trusted: {why}"),
            Flaw::Unauthorised => {
                f.write_str("the signer's certificate does not cover the caller's number")
            }
            Flaw::Stale(seconds) => write!(f, "the signature is {seconds} s off the present time"),
            Flaw::OtherCaller => f.write_str("the signature is for another caller"),
            Flaw::OtherCalled => f.write_str("the signature is for a call to another number"),
            Flaw::Signature => f.write_str("the signature is wrong"),
            Flaw::Replayed => f.write_str("the signature was used by another call before"),
        }
    }
}

impl std::error::Error for Flaw {}
