//! What is read of a message without parsing it: enough to sort and to count it.

use memchr::memchr;

/// The methods that are counted by name; all others are "other", so that labels stay few.
pub(super) const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "MESSAGE",
    "UPDATE",
];

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A request: its method's place in [`METHODS`], past its end for others.
    Request(usize),
    /// A response: the first digit of its status.
    Response(usize),
    /// No SIP: keep-alives and noise.
    Neither,
}

/// What kind of message it is.
pub(super) fn start(bytes: &[u8]) -> Start {
    let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = bytes.get(..end).unwrap_or_default();
    if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
        return match rest.first() {
            Some(digit @ b'1'..=b'6') => Start::Response(usize::from(digit - b'0')),
            _ => Start::Neither,
        };
    }
    match memchr(b' ', line) {
        Some(end) if end > 0 && line.trim_ascii_end().ends_with(b"SIP/2.0") => {
            let method = line.get(..end).unwrap_or_default();
            let known = METHODS.iter().position(|known| known.as_bytes() == method);
            Start::Request(known.unwrap_or(METHODS.len()))
        }
        _ => Start::Neither,
    }
}

/// The status of a response that says no (400 and above), but for challenges, which are no news.
pub(super) fn failure(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (status >= 400 && !matches!(status, 401 | 407)).then_some(status)
}

/// The Call-ID header's value, in full or compact form (RFC 3261 section 20.8).
pub(super) fn call_id(bytes: &[u8]) -> Option<&str> {
    lines(bytes).skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
        let name = name.trim_ascii_end();
        let wanted = name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i");
        wanted.then(|| std::str::from_utf8(value.get(1..)?.trim_ascii()).ok()).flatten()
    })
}

/// The lines without their ends.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let left = rest?;
        let (line, after) = match memchr(b'\n', left) {
            Some(at) => (left.get(..at)?, left.get(at + 1..)),
            None => (left, None),
        };
        rest = after;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sorted_by_their_first_line_and_call_id() {
        let invite = b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\ni : abc@d \r\n\r\nCall-ID: no";
        assert_eq!(start(invite), Start::Request(0));
        assert_eq!(call_id(invite), Some("abc@d"));
        assert_eq!(start(b"SIP/2.0 486 Busy Here\r\n"), Start::Response(4));
        assert_eq!(start(b"WHAT sip:a SIP/2.0\r\n"), Start::Request(METHODS.len()));
        for noise in
            [&b""[..], b"\r\n\r\n", b"SIP/2.0", b"SIP/2.0 999", b"GET / HTTP/1.1\r\n", b" "]
        {
            assert_eq!(start(noise), Start::Neither);
            assert_eq!(call_id(noise), None);
        }
        assert_eq!(failure(b"SIP/2.0 420 Bad Extension\r\n"), Some(420));
        for other in [&b"SIP/2.0 401 U"[..], b"SIP/2.0 200 OK", b"SIP/2.0 4", b"INVITE"] {
            assert_eq!(failure(other), None);
        }
        assert_eq!(call_id(b"BYE sip:a SIP/2.0\nCALL-ID:x\n\n"), Some("x"));
        assert_eq!(call_id(b"BYE sip:a SIP/2.0\r\n\r\nCall-ID: body\r\n"), None);
    }
}
