//! Writes messages: requests from nothing, responses from the request that they answer.
//!
//! Header names and values can never bring in a line end: whatever text ends up here, one call
//! of [`Builder::header`] is one header line. What a response copies (RFC 3261 section 8.2.6.2)
//! is copied as it stands.

use bytes::Bytes;

use super::header::scan::is_token;
use super::header::{HeaderName, NameAddr};
use super::message::Message;
use super::method::Method;

/// A message in the making.
#[derive(Clone, Debug)]
pub struct Builder {
    head: String,
    body: Bytes,
}

impl Builder {
    /// A request; the caller adds Via, From, To and all the rest.
    pub fn request(method: &str, uri: &str) -> Builder {
        let mut builder = Builder::empty();
        push_clean(&mut builder.head, method, true);
        builder.head.push(' ');
        push_clean(&mut builder.head, uri, true);
        builder.head.push_str(" SIP/2.0\r\n");
        builder
    }

    /// A response to `request`: every Via, From, To, Call-ID and CSeq as they came, the To tag
    /// added unless there is one already or this is a 100, and for what may make a dialog every
    /// Record-Route (RFC 3261 sections 8.2.6.2 and 12.1.1); 100 copies Timestamp.
    pub fn response_to(request: &Message, status: u16, reason: &str, tag: Option<&str>) -> Builder {
        let mut builder = Builder::empty();
        builder.head.push_str(&format!("SIP/2.0 {status} "));
        push_clean(&mut builder.head, reason, false);
        builder.head.push_str("\r\n");
        let makes_dialog = (101..300).contains(&status)
            && matches!(request.method(), Method::Invite | Method::Subscribe | Method::Refer);
        for (id, name, value) in request.lines() {
            match id {
                HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {}
                HeaderName::RecordRoute if makes_dialog => {}
                HeaderName::Timestamp if status == 100 => {}
                HeaderName::To => {
                    builder.push_to(name, value, tag.filter(|_| status > 100));
                    continue;
                }
                _ => continue,
            }
            builder.line(name, value);
        }
        builder
    }

    /// Adds a header line. A name that is no token adds nothing; line ends and other control
    /// characters in the value become spaces.
    pub fn header(mut self, name: &str, value: &str) -> Builder {
        if is_token(name) {
            self.line(name, value);
        }
        self
    }

    /// Adds header lines.
    pub fn headers<'a>(mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Builder {
        for (name, value) in fields {
            self = self.header(name, value);
        }
        self
    }

    /// Sets the body and its Content-Type.
    pub fn body(self, content_type: &str, bytes: Bytes) -> Builder {
        let mut builder = self.header(HeaderName::ContentType.as_str(), content_type);
        builder.body = bytes;
        builder
    }

    /// The whole message. Content-Length is always written, so that streams stay in step.
    pub fn build(mut self) -> Bytes {
        self.head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = self.head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    fn empty() -> Builder {
        // Most messages fit, and the longest only grow it once.
        Builder { head: String::with_capacity(1024), body: Bytes::new() }
    }

    fn line(&mut self, name: &str, value: &str) {
        self.head.push_str(name);
        self.head.push_str(": ");
        push_clean(&mut self.head, value, false);
        self.head.push_str("\r\n");
    }

    /// A To that cannot be read (the request is being refused) gets its tag all the same.
    fn push_to(&mut self, name: &str, value: &str, tag: Option<&str>) {
        let has_tag = NameAddr::parse(value).is_some_and(|to| to.tag().is_some());
        match tag.filter(|_| !has_tag) {
            Some(tag) => self.line(name, &format!("{};tag={tag}", value.trim_end_matches(';'))),
            None => self.line(name, value),
        }
    }
}

/// Text that cannot end the line, nor (in the start line) the field that it is in. Values that
/// came from a peer were single lines already and so are not changed; NUL and the like are
/// legal there behind a backslash.
fn push_clean(to: &mut String, text: &str, in_start_line: bool) {
    let bad = |c: char| matches!(c, '\r' | '\n') || in_start_line && (c <= ' ' || c == '\x7f');
    if !text.contains(bad) {
        return to.push_str(text);
    }
    to.extend(text.chars().map(|c| match bad(c) {
        true if in_start_line => '_',
        true => ' ',
        false => c,
    }));
}

/// A display name and URI as From, To and Contact want them: `"Name" <uri>`.
pub fn name_addr(display_name: Option<&str>, uri: &str) -> String {
    let uri: String = uri.chars().filter(|c| *c > ' ' && !matches!(c, '<' | '>' | '"')).collect();
    match display_name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{} <{uri}>", quoted(name)),
        None => format!("<{uri}>"),
    }
}

/// A quoted string (RFC 3261 section 25.1); control characters become spaces.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The phrase that the RFCs give for a status, or that of its class.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        469 => "Bad Info Package",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Parsed;
    use super::*;

    fn valid(bytes: Bytes) -> Message {
        match Message::parse(bytes) {
            Parsed::Valid(message) => message,
            other => panic!("expected a valid message, got {other:?}"),
        }
    }

    fn invite() -> Message {
        let builder = Builder::request("INVITE", "sip:bob@example.com")
            .header("Via", "SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b;branch=z9hG4bK0")
            .header("v", "SIP/2.0/TCP c;branch=z9hG4bKx")
            .header("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")
            .header("From", "\"Alice \\\"A\\\"\" <sip:alice@example.com>;tag=f1")
            .header("To", "<sip:bob@example.com;tag=notmine>")
            .header("Call-ID", "c1@a")
            .header("CSeq", "7 INVITE")
            .header("Timestamp", "12.5");
        valid(builder.body("application/sdp", Bytes::from_static(b"v=0\r\n")).build())
    }

    #[test]
    fn requests_read_back() {
        let message = invite();
        assert_eq!(message.method(), Method::Invite);
        assert_eq!(message.request_uri(), "sip:bob@example.com");
        assert_eq!(message.body(), &b"v=0\r\n"[..]);
        assert!(message.is_content_type("application/sdp"));
        assert_eq!(message.values(HeaderName::Via).count(), 3);
    }

    #[test]
    fn responses_copy_what_they_must() {
        let request = invite();
        let bytes = Builder::response_to(&request, 180, "Ringing", Some("t1")).build();
        let expected = "SIP/2.0 180 Ringing\r\n\
            Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b;branch=z9hG4bK0\r\n\
            v: SIP/2.0/TCP c;branch=z9hG4bKx\r\n\
            Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n\
            From: \"Alice \\\"A\\\"\" <sip:alice@example.com>;tag=f1\r\n\
            To: <sip:bob@example.com;tag=notmine>;tag=t1\r\n\
            Call-ID: c1@a\r\n\
            CSeq: 7 INVITE\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(std::str::from_utf8(&bytes), Ok(expected));
        let refused = valid(Builder::response_to(&request, 404, "Not Found", Some("t1")).build());
        assert_eq!(refused.header(HeaderName::RecordRoute), None);
        let trying = valid(Builder::response_to(&request, 100, "Trying", Some("t1")).build());
        assert_eq!(trying.to().and_then(|to| to.tag()), None);
        assert_eq!(trying.header(HeaderName::Timestamp), Some("12.5"));
    }

    #[test]
    fn no_text_brings_in_a_line() {
        let bytes = Builder::request("INVITE\r\nX: y", "sip:a@b SIP/2.0\r\nEvil: 1\r\n\r\n")
            .header("X-Note", "one\r\nEvil: 2\n\rEvil: 3")
            .header("Bad Name\r\nEvil", "4")
            .build();
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(!text.lines().any(|line| line.starts_with("Evil")), "{text}");
    }

    #[test]
    fn names_are_quoted_so_that_they_read_back() {
        let text = name_addr(Some("Eve \"x\" <sip:a@b> \\\r\n"), "sip:c@d>;tag=1");
        let address = NameAddr::parse(&text).expect("valid");
        assert_eq!(address.display_name().as_deref(), Some("Eve \"x\" <sip:a@b> \\  "));
        assert_eq!(address.uri(), "sip:c@d;tag=1");
    }
}
