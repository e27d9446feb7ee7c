//! Via: where a response goes (RFC 3261 section 20.42; rport: RFC 3581).

use super::params::Params;
use super::scan::{BLANK, TOKEN, run, split_near, trim};
use crate::sip::uri::HostPort;

/// One value of Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    transport: &'a str,
    sent_by: HostPort<'a>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value, not a list of them. Blanks may stand around every part.
    pub fn parse(text: &'a str) -> Option<Via<'a>> {
        let rest = text.strip_prefix("SIP/2.0/").or_else(|| after_protocol(text))?;
        let (transport, rest) = rest.split_at_checked(run(rest, TOKEN))?;
        if transport.is_empty() || !rest.starts_with(BLANK) {
            return None;
        }
        let (sent_by, params) = HostPort::prefix(rest.trim_ascii_start())?;
        let params = Params::new(params.trim_ascii_start());
        params.well_formed().then_some(Via { transport, sent_by, params })
    }

    /// `UDP`, `TCP`, `TLS`, … as it stands.
    pub const fn transport(&self) -> &'a str {
        self.transport
    }

    /// The host that the sender calls itself; IPv6 addresses without brackets.
    pub const fn host(&self) -> &'a str {
        self.sent_by.host
    }

    /// The port that the sender listens on, where it says so.
    pub const fn port(&self) -> Option<u16> {
        self.sent_by.port
    }

    /// Host and port together.
    pub const fn sent_by(&self) -> HostPort<'a> {
        self.sent_by
    }

    /// The transaction's branch.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch without the cookie of RFC 3261 section 8.1.1.7, where it has one and more.
    pub fn branch_after_cookie(&self) -> Option<&'a str> {
        let branch = self.branch()?;
        let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then_some(rest)
    }

    /// Whether the sender asks for (or got) symmetric response routing, RFC 3581.
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port that a server filled in.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// The source address that a server filled in; some write IPv6 in brackets.
    pub fn received(&self) -> Option<&'a str> {
        let received = self.params.get("received")?;
        Some(received.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')).unwrap_or(received))
    }

    /// The address that responses go to instead, RFC 3261 section 18.2.2.
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.get("maddr")
    }

    /// All parameters.
    pub const fn params(&self) -> Params<'a> {
        self.params
    }
}

/// The text after protocol and version, written in any of the ways that RFC 3261 allows.
fn after_protocol(text: &str) -> Option<&str> {
    let (protocol, rest) = split_near(text, b'/')?;
    let (version, rest) = split_near(rest, b'/')?;
    let known = trim(protocol).eq_ignore_ascii_case("SIP") && trim(version) == "2.0";
    known.then(|| rest.trim_ascii_start())
}

/// Begins every branch that is unique by itself (RFC 3261 section 8.1.1.7).
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_may_stand_everywhere() {
        let via = Via::parse("SIP  /   2.0  /UDP     192.0.2.2:5070;rport ; branch = z9hG4bK390")
            .expect("valid");
        assert_eq!((via.transport(), via.host(), via.port()), ("UDP", "192.0.2.2", Some(5070)));
        assert_eq!(via.branch(), Some("z9hG4bK390"));
        assert_eq!(via.branch_after_cookie(), Some("390"));
        assert!(via.has_rport());
        assert_eq!(via.rport(), None);
    }

    #[test]
    fn ipv6_senders_and_sources_are_read() {
        let via = Via::parse("SIP/2.0/TCP [2001:db8::9:1]:5061;received=[2001:db8::9:255];rport=6")
            .expect("valid");
        assert_eq!((via.host(), via.port()), ("2001:db8::9:1", Some(5061)));
        assert_eq!((via.received(), via.rport()), (Some("2001:db8::9:255"), Some(6)));
        let bare = Via::parse("SIP/2.0/UDP [::1];received=2001:db8::2;branch=z9hG4bK");
        let bare = bare.expect("valid");
        assert_eq!((bare.host(), bare.port()), ("::1", None));
        assert_eq!((bare.received(), bare.branch_after_cookie()), (Some("2001:db8::2"), None));
    }

    #[test]
    fn broken_values_are_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP h;;",
            "SIP/7.0/UDP h",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP [::1;branch=x",
            "SIP/2.0/UDP a b",
            "HTTP/2.0/UDP h",
        ] {
            assert!(Via::parse(text).is_none(), "{text}");
        }
    }
}
