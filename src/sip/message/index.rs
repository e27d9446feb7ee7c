//! One pass over the bytes: lines, names, values. Judges only what framing needs.

use std::ops::Range;

use memchr::memchr;

use super::{MAX_HEADERS, Method};
use crate::sip::header::HeaderName;
use crate::sip::header::scan::{find_below, find_near, is_token_byte};

/// A range of the message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// The bounds fit, because no message is longer than [`super::MAX_MESSAGE`].
    pub(crate) fn new(start: usize, end: usize) -> Span {
        let bound = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        Span { start: bound(start), end: bound(end) }
    }

    pub(crate) fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) id: HeaderName,
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// The start line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Request { method: Method, name: Span, uri: Span },
    Response { status: u16, reason: Span },
}

/// Room that most messages need no more than.
const USUAL_HEADERS: usize = 32;

/// The first thing that is wrong with a message, and the status that says so.
pub(crate) type Problem = (u16, &'static str);

/// Where everything stands.
pub(crate) struct Index {
    pub(crate) start: Start,
    pub(crate) entries: Vec<Entry>,
    /// One bit for each [`HeaderName`].
    pub(crate) present: u64,
    /// Some line holds line ends: it was folded, or is broken.
    pub(crate) folded: bool,
    /// Where the body begins.
    pub(crate) body: usize,
    pub(crate) content_length: Option<usize>,
    /// Content-Length is repeated or no number.
    length_broken: bool,
    pub(crate) problem: Option<Problem>,
}

/// How many bytes of line ends stand before a message: they mean nothing (RFC 3261 section 7.5).
pub fn line_ends_before(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(found) = match bytes.get(length..) {
        Some([b'\r', b'\n', ..]) => Some(2),
        Some([b'\n', ..]) => Some(1),
        _ => None,
    } {
        length += found;
    }
    length
}

impl Index {
    /// Reads start line and headers; `Err` where this is no SIP message at all.
    pub(crate) fn read(bytes: &[u8]) -> Result<Index, &'static str> {
        let line = Line::read(bytes, 0).ok_or("no line end")?;
        let (start, problem) = start_line(bytes, line.start..line.end)?;
        let mut index = Index {
            start,
            entries: Vec::with_capacity(USUAL_HEADERS),
            present: 0,
            folded: false,
            body: bytes.len(),
            content_length: None,
            length_broken: false,
            problem,
        };
        if line.folded || line.stray {
            index.folded = true;
            index.blame(400, "Line break in start line");
        }
        index.read_headers(bytes, line.next);
        Ok(index)
    }

    /// Notes what is wrong, unless something already is.
    pub(crate) fn blame(&mut self, status: u16, reason: &'static str) {
        self.problem.get_or_insert((status, reason));
    }

    /// The texts that are handed out.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Span> {
        let of_start = match self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { reason, .. } => reason,
        };
        self.entries.iter().map(|entry| entry.value).chain([of_start])
    }

    /// Whether the end of the body is known beyond doubt.
    pub(crate) fn length_is_sound(&self) -> bool {
        !self.length_broken && self.entries.len() < MAX_HEADERS
    }

    fn read_headers(&mut self, bytes: &[u8], mut at: usize) {
        loop {
            let Some(line) = Line::read(bytes, at) else {
                return self.blame(400, "Headers not ended by an empty line");
            };
            if line.start == line.end {
                self.body = line.next;
                return;
            }
            at = line.next;
            self.folded |= line.folded;
            if line.stray {
                self.folded = true;
                self.blame(400, "Stray carriage return in a header");
            }
            let Some(entry) = header_line(bytes, &line) else {
                self.blame(400, "Malformed header line");
                continue;
            };
            if entry.id == HeaderName::ContentLength {
                self.read_content_length(bytes, entry);
            } else if entry.id.is_single() && self.present & entry.id.bit() != 0 {
                self.blame(400, "Header repeated that may stand only once");
            }
            self.present |= entry.id.bit();
            if self.entries.len() == MAX_HEADERS {
                return self.blame(400, "Too many headers");
            }
            self.entries.push(entry);
        }
    }

    /// Two lengths, even equal ones, are how messages are smuggled: refused (RFC 4475
    /// section 3.3.9).
    fn read_content_length(&mut self, bytes: &[u8], entry: Entry) {
        if self.present & HeaderName::ContentLength.bit() != 0 {
            self.length_broken = true;
            return self.blame(400, "Content-Length repeated");
        }
        let digits = bytes.get(entry.value.range()).unwrap_or_default();
        match decimal(digits) {
            Some(length) => self.content_length = Some(length),
            None => {
                self.length_broken = true;
                self.blame(400, "Malformed Content-Length");
            }
        }
    }
}

/// One logical line, folds included.
pub(crate) struct Line {
    pub(crate) start: usize,
    /// Without the line end.
    pub(crate) end: usize,
    pub(crate) next: usize,
    folded: bool,
    /// A carriage return stands in it that no line feed follows.
    stray: bool,
}

impl Line {
    /// Reads the line that begins at `start`. Nearly all end in the first control that they hold.
    #[inline(always)]
    pub(crate) fn read(bytes: &[u8], start: usize) -> Option<Line> {
        let rest = bytes.get(start..)?;
        let length = find_below(rest, b'\r' + 1)?;
        let end = start + length;
        match rest.get(length..)? {
            [b'\r', b'\n', after, ..] if length == 0 || !matches!(after, b' ' | b'\t') => {
                Some(Line { start, end, next: end + 2, folded: false, stray: false })
            }
            _ => Line::read_any(bytes, start),
        }
    }

    /// A bare line feed ends a line too: some peers write no other.
    #[cold]
    fn read_any(bytes: &[u8], start: usize) -> Option<Line> {
        let mut line = Line { start, end: start, next: start, folded: false, stray: false };
        let mut at = start;
        loop {
            // One test finds both halves of line ends, and hardly ever anything else.
            at += find_below(bytes.get(at..)?, b'\r' + 1)?;
            line.end = at;
            match bytes.get(at..)? {
                [b'\r', b'\n', ..] => at += 2,
                [b'\n', ..] => at += 1,
                [other, ..] => {
                    line.stray |= *other == b'\r';
                    at += 1;
                    continue;
                }
                [] => return None,
            }
            line.next = at;
            // An empty line ends the headers, whatever the body begins with.
            if line.end == start || !matches!(bytes.get(at), Some(b' ' | b'\t')) {
                return Some(line);
            }
            line.folded = true;
        }
    }
}

#[inline]
pub(crate) fn header_line(bytes: &[u8], line: &Line) -> Option<Entry> {
    let text = bytes.get(line.start..line.end)?;
    let colon = find_near(text, b':')?;
    let (name, rest) = text.split_at_checked(colon)?;
    // HCOLON: blanks may stand before the colon (RFC 3261 section 25.1), none before the name.
    let name = name.trim_ascii_end();
    let id = HeaderName::from_bytes(name);
    // The names that are known are tokens.
    if id == HeaderName::Other && !is_token(name) {
        return None;
    }
    let value = rest.get(1..)?.trim_ascii_start();
    let value_start = line.end - value.len();
    let value_end = value_start + value.trim_ascii_end().len();
    Some(Entry {
        id,
        name: Span::new(line.start, line.start + name.len()),
        value: Span::new(value_start, value_end),
    })
}

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

fn decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0usize, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| usize::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The start line, and what is wrong with it if it can at least be taken for a request.
pub(crate) fn start_line(
    bytes: &[u8],
    line: Range<usize>,
) -> Result<(Start, Option<Problem>), &'static str> {
    let text = bytes.get(line.clone()).unwrap_or_default();
    if text.get(..4).is_some_and(|first| first.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(text, line.start).map(|start| (start, None));
    }
    let mut problem = None;
    let name_end = memchr(b' ', text).ok_or("start line without spaces")?;
    let name = text.get(..name_end).unwrap_or_default();
    if !is_token(name) {
        return Err("method is no token");
    }
    let trimmed = text.trim_ascii_end();
    if trimmed.len() != text.len() {
        problem = Some((400, "Blanks after the version"));
    }
    let uri_end = memchr::memrchr(b' ', trimmed).filter(|end| *end > name_end);
    let uri_end = uri_end.ok_or("start line without version")?;
    let version = trimmed.get(uri_end + 1..).unwrap_or_default();
    if !version.get(..4).is_some_and(|first| first.eq_ignore_ascii_case(b"SIP/")) {
        return Err("start line without version");
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        problem = Some((505, "Version Not Supported"));
    }
    let name_text = std::str::from_utf8(name).unwrap_or_default();
    let start = Start::Request {
        method: Method::from_name(name_text),
        name: Span::new(line.start, line.start + name_end),
        uri: Span::new(line.start + name_end + 1, line.start + uri_end),
    };
    Ok((start, problem))
}

fn status_line(text: &[u8], offset: usize) -> Result<Start, &'static str> {
    let rest = text.get(7..).filter(|_| text[..7].eq_ignore_ascii_case(b"SIP/2.0"));
    let rest = rest.and_then(|rest| rest.strip_prefix(b" ")).ok_or("version not supported")?;
    let (digits, reason) = rest.split_at_checked(3).ok_or("status is no number")?;
    let status = decimal(digits).and_then(|status| u16::try_from(status).ok());
    let status =
        status.filter(|status| (100..700).contains(status)).ok_or("status is no number")?;
    // The space before an empty reason phrase is often left out.
    if !matches!(reason.first(), None | Some(b' ')) {
        return Err("status is no number");
    }
    let from = offset + text.len() - reason.trim_ascii_start().len();
    Ok(Start::Response { status, reason: Span::new(from, offset + text.len()) })
}
