//! The headers Event and Subscription-State (RFC 6665 sections 8.2.1 and 8.2.3).

use std::fmt;

use crate::sip::header::scan::{is_token, trim};
use crate::sip::{HeaderName, Message};

/// What a request is about: a package, and which of several subscriptions in one dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType<'a> {
    /// The package, such as `dialog`; names are compared byte by byte (RFC 6665 section 8.2.1).
    pub package: &'a str,
    /// The `id` parameter.
    pub id: Option<&'a str>,
}

impl<'a> EventType<'a> {
    /// Of a request's Event; `None` without one that can be read.
    pub fn of(request: &'a Message) -> Option<EventType<'a>> {
        let mut parts = request.header(HeaderName::Event)?.split(';').map(trim);
        let package = parts.next().filter(|package| is_token(package))?;
        let ids = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            trim(name).eq_ignore_ascii_case("id").then_some(trim(value))
        });
        let mut ids = ids;
        let id = ids.next();
        (ids.next().is_none() && id.is_none_or(is_token)).then_some(EventType { package, id })
    }
}

/// Why a subscription ends (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Subscribe again at once: somebody else will answer.
    Deactivated,
    /// Subscribe again, but not before so many seconds have passed.
    Probation(u32),
    /// No longer allowed.
    Rejected,
    /// It was not refreshed, or its subscriber asked for its end.
    Timeout,
    /// There is no such user any more.
    Noresource,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Deactivated => f.write_str("deactivated"),
            Reason::Probation(seconds) => write!(f, "probation;retry-after={seconds}"),
            Reason::Rejected => f.write_str("rejected"),
            Reason::Timeout => f.write_str("timeout"),
            Reason::Noresource => f.write_str("noresource"),
        }
    }
}
