//! A SIP message: shared bytes and a table of where its parts stand (RFC 3261 section 7).
//!
//! Parsing frames the message, indexes its headers and checks what every element must rely on:
//! the start line, Via, From, To, Call-ID, CSeq, Contact, Max-Forwards and the lengths. All else
//! is read when asked for. It never panics, and its cost is linear in the length.

mod check;
pub(crate) mod index;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::header::scan::{List, number};
use super::header::{CSeq, HeaderName, NameAddr, Via};
use super::method::Method;
use crate::base::Duration;
use index::{Entry, Span, Start};

/// Offsets are 16 bits; no datagram is longer, and no sane message on a stream either.
pub const MAX_MESSAGE: usize = 65_535;

/// Three times what the longest messages in the field have; more is an attack or a loop.
pub const MAX_HEADERS: usize = 160;

/// What became of some bytes.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// A message that may be relied on.
    Valid(Message),
    /// A request that must be refused; the message has at least a Via to answer to.
    Reject {
        /// The request as far as it could be read.
        message: Message,
        /// The status to answer with.
        status: u16,
        /// The reason phrase, which says what is wrong.
        reason: &'static str,
    },
    /// Nothing that could be answered: not SIP, a broken response, a broken ACK.
    Discard(&'static str),
}

/// A message whose parts are views of shared bytes; cloning it copies no text.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    start: Start,
    present: u64,
    headers: Arc<[Entry]>,
    body: Span,
}

impl Message {
    /// Reads one datagram, or one message as [`Framer`](super::frame::Framer) cut it out.
    /// Without Content-Length the body is what remains (RFC 3261 section 18.3).
    pub fn parse(bytes: Bytes) -> Parsed {
        check::parse(bytes, false)
    }

    /// As [`parse`](Message::parse), for stream transports, where a message without
    /// Content-Length is refused (RFC 3261 section 18.3).
    pub fn parse_stream(bytes: Bytes) -> Parsed {
        check::parse(bytes, true)
    }

    /// The bytes: as they came, but that line folds are spaces, bytes of header values that are
    /// not UTF-8 are `?`, and what a datagram carried after the body may still follow it.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method of a request, or the method in the CSeq of a response.
    pub fn method(&self) -> Method {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => self.cseq().map_or(Method::Other, |cseq| cseq.method),
        }
    }

    /// The name of [`method`](Message::method).
    pub fn method_name(&self) -> &str {
        match self.start {
            Start::Request { name, .. } => self.text(name),
            Start::Response { .. } => self.cseq().map_or("", |cseq| cseq.method_name),
        }
    }

    /// The Request-URI; empty for a response.
    pub fn request_uri(&self) -> &str {
        match self.start {
            Start::Request { uri, .. } => self.text(uri),
            Start::Response { .. } => "",
        }
    }

    /// The status of a response, 100 to 699.
    pub const fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response; often empty.
    pub fn reason_phrase(&self) -> &str {
        match self.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => self.text(reason),
        }
    }

    /// The first header of that name, as it stands: a list where there is one.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.entries(name).next().map(|entry| self.text(entry.value))
    }

    /// Whether such a header stands in it.
    pub const fn has(&self, name: HeaderName) -> bool {
        self.present & name.bit() != 0
    }

    /// The first header of that name, in any case of letters, in full or compact form.
    pub fn header_by_name(&self, name: &str) -> Option<&str> {
        match HeaderName::from_bytes(name.as_bytes()) {
            HeaderName::Other => {
                let mut others = self.entries(HeaderName::Other);
                let found = others.find(|e| self.text(e.name).eq_ignore_ascii_case(name))?;
                Some(self.text(found.value))
            }
            known => self.header(known),
        }
    }

    /// Every value of that name in order: lists are split at their commas, and headers whose
    /// commas do not separate values (RFC 3261 section 7.3.1) come whole.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> + Clone {
        let split = name.is_list();
        self.entries(name).flat_map(move |entry| {
            let value = self.text(entry.value);
            let list = List::new(if split { value } else { "" });
            let whole = (!split).then_some(value);
            list.chain(whole)
        })
    }

    /// Every header line as name and value, in order, as they stand.
    pub fn all_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|entry| (self.text(entry.name), self.text(entry.value)))
    }

    /// Every header line as number, name and value, for writers that copy.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (HeaderName, &str, &str)> {
        self.headers.iter().map(|entry| (entry.id, self.text(entry.name), self.text(entry.value)))
    }

    /// The top Via.
    pub fn via(&self) -> Option<Via<'_>> {
        self.values(HeaderName::Via).next().and_then(Via::parse)
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        self.header(HeaderName::From).and_then(NameAddr::parse)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        self.header(HeaderName::To).and_then(NameAddr::parse)
    }

    /// The contacts, without `*` (see [`has_star_contact`](Message::has_star_contact)).
    pub fn contacts(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.values(HeaderName::Contact).filter_map(NameAddr::parse)
    }

    /// Whether Contact is `*`: all of them (RFC 3261 section 10.2.2).
    pub fn has_star_contact(&self) -> bool {
        self.values(HeaderName::Contact).any(|value| value == "*")
    }

    /// Call-ID; empty only where a refused request lacks it.
    pub fn call_id(&self) -> &str {
        self.header(HeaderName::CallId).unwrap_or_default()
    }

    /// CSeq.
    pub fn cseq(&self) -> Option<CSeq<'_>> {
        self.header(HeaderName::CSeq).and_then(CSeq::parse)
    }

    /// Max-Forwards.
    pub fn max_forwards(&self) -> Option<u8> {
        let value = number(self.header(HeaderName::MaxForwards)?, u64::from(u8::MAX))?;
        u8::try_from(value).ok()
    }

    /// Expires; a number that is malformed or beyond 2³²−1 counts as 3600, as RFC 3261
    /// section 10.2.1.1 asks.
    pub fn expires(&self) -> Option<u32> {
        let text = self.header(HeaderName::Expires)?;
        let seconds = number(text, u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok());
        Some(seconds.unwrap_or(3600))
    }

    /// Retry-After without its comment (RFC 3261 section 20.33).
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header(HeaderName::RetryAfter)?.trim_start();
        let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Duration::from_secs(digits.parse::<u32>().ok()?.into()))
    }

    /// Content-Type as it stands, with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.header(HeaderName::ContentType)
    }

    /// Whether the body is of that type, parameters and case aside.
    pub fn is_content_type(&self, media_type: &str) -> bool {
        let essence = |text: &str| -> String {
            let text = text.split(';').next().unwrap_or_default();
            text.chars().filter(|c| !matches!(c, ' ' | '\t')).collect()
        };
        self.content_type().is_some_and(|t| essence(t).eq_ignore_ascii_case(media_type))
    }

    /// The body; empty for none.
    pub fn body(&self) -> Bytes {
        self.bytes.get(self.body.range()).map_or_else(Bytes::new, |body| self.bytes.slice_ref(body))
    }

    fn entries(&self, name: HeaderName) -> impl Iterator<Item = &Entry> + Clone {
        let looked_at = if self.has(name) { &self.headers[..] } else { &[] };
        looked_at.iter().filter(move |entry| entry.id == name)
    }

    /// Spans lie on characters of text that parsing has checked, so nothing is lost here.
    fn text(&self, span: Span) -> &str {
        let bytes = self.bytes.get(span.range()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Message {
    /// The start line and who is concerned; never bodies or credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Start::Request { .. } => write!(f, "{} {}", self.method_name(), self.request_uri())?,
            Start::Response { status, .. } => write!(f, "{status} to {}", self.method_name())?,
        }
        write!(f, " (Call-ID {})", self.call_id())
    }
}
