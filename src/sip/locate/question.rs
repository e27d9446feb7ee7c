//! What is asked of the DNS, and what comes back.

use std::net::IpAddr;

use crate::base::Duration;

/// The kinds of records that lead to a SIP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Which services a domain has (RFC 3403).
    Naptr,
    /// Which servers a service has (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// What is wanted.
    pub kind: Kind,
    /// Of which name: lower case, without a dot at the end.
    pub name: String,
}

impl Question {
    /// A question about a name in any spelling.
    pub fn new(kind: Kind, name: &str) -> Question {
        Question { kind, name: name.trim_end_matches('.').to_ascii_lowercase() }
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A service of a domain.
    Naptr(Naptr),
    /// A server of a service.
    Srv(Srv),
    /// An address of a server.
    Address(IpAddr),
}

/// A service of a domain (RFC 3403 section 4.1). The regular expression is not kept: SIP uses the
/// replacement (RFC 3263 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lowest first.
    pub order: u16,
    /// Lowest first among those of one order.
    pub preference: u16,
    /// `s`: the replacement is asked for SRV; `a`: for addresses.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T` …
    pub service: String,
    /// The next name.
    pub replacement: String,
}

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The server's port.
    pub port: u16,
    /// The server's name; empty (a dot) says that there is no such service.
    pub target: String,
}

/// What the DNS said: no record at all is an answer too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The records, in no order.
    pub records: Vec<Record>,
    /// How long it may be kept; `None` where the answer does not say.
    pub ttl: Option<Duration>,
}

impl Answer {
    /// Such records for so long.
    pub fn new(records: Vec<Record>, ttl: Duration) -> Answer {
        Answer { records, ttl: Some(ttl) }
    }
}

/// No server of the DNS answered, or none could (SERVFAIL, REFUSED, timeout). Says nothing about
/// the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;
