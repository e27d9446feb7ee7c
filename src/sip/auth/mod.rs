//! Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760), both sides.
//!
//! [`Challenger`] is the server: its nonces carry their own proof, so that a challenge costs no
//! memory. [`answer`] is the client. Passwords are hashed here and never written or logged.

mod client;
mod hash;
mod server;

pub use client::{AnswerError, answer, is_stale};
pub use server::{Challenger, RefusedReason, Verdict};

use super::header::scan::{BLANK, List, trim};
pub use hash::Algorithm;
pub(in crate::sip) use hash::{Sealer, same};

/// One challenge or one set of credentials: `Digest name=value, name="value"`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scheme<'a> {
    name: &'a str,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Scheme<'a> {
    /// All that one header value holds; several may be joined by commas (RFC 9110
    /// section 11.6.1). What lies beyond the bound is not read.
    fn read_all(value: &'a str) -> Vec<Scheme<'a>> {
        let mut schemes: Vec<Scheme<'a>> = Vec::new();
        for element in List::new(value).take(MAX_ELEMENTS) {
            let (before, param_value) = match element.split_once('=') {
                Some((before, value)) => (trim(before), Some(trim(value))),
                None => (element, None),
            };
            let param_name = match before.split_once(BLANK) {
                Some((name, param)) => {
                    schemes.push(Scheme { name, params: Vec::new() });
                    param.trim_start_matches(BLANK)
                }
                None if param_value.is_none() => {
                    schemes.push(Scheme { name: before, params: Vec::new() });
                    continue;
                }
                None => before,
            };
            if let (Some(scheme), Some(value)) = (schemes.last_mut(), param_value) {
                scheme.params.push((param_name, value));
            }
        }
        schemes
    }

    fn is_digest(&self) -> bool {
        self.name.eq_ignore_ascii_case("Digest")
    }

    /// The value without its quotes; its escapes stay, as hashes want it (RFC 7616
    /// section 3.4.1, `unq`).
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| {
            let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            inner.unwrap_or(value)
        })
    }
}

/// Parameters in one header value: four challenges with all that the RFCs define.
const MAX_ELEMENTS: usize = 40;

/// What goes into `response` besides the password (RFC 7616 section 3.4.1).
#[derive(Clone, Copy)]
struct Exchange<'a> {
    algorithm: Algorithm,
    session: bool,
    username: &'a str,
    realm: &'a str,
    nonce: &'a str,
    /// The cnonce and nc as they stand; `None` is the oldest form, without qop (RFC 2069).
    count: Option<(&'a str, &'a str)>,
    method: &'a str,
    uri: &'a str,
}

impl Exchange<'_> {
    /// The value of `response` in lower-case hexadecimal digits.
    fn response(&self, password: &str) -> String {
        let h = |parts: &[&str]| self.algorithm.hex(parts);
        let mut a1 = h(&[self.username, self.realm, password]);
        if let (true, Some((cnonce, _))) = (self.session, self.count) {
            a1 = h(&[&a1, self.nonce, cnonce]);
        }
        let a2 = h(&[self.method, self.uri]);
        match self.count {
            Some((cnonce, nc)) => h(&[&a1, self.nonce, nc, cnonce, "auth", &a2]),
            None => h(&[&a1, self.nonce, &a2]),
        }
    }
}

#[cfg(test)]
mod tests;
