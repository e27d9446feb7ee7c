//! Cuts a stream into messages by Content-Length (RFC 3261 section 18.3), and finds keep-alives
//! between them (RFC 5626 section 4.4.1).
//!
//! Each byte is looked at a bounded number of times, however it is dribbled in. After an error
//! the stream has no known boundary any more and must be closed.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memmem};

use super::message::MAX_MESSAGE;
use super::message::index::{Index, Line, start_line};
use crate::base::Fault;

/// What a stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`Message::parse_stream`](super::Message::parse_stream).
    Message(Bytes),
    /// A keep-alive that wants [`PONG`] back.
    Ping,
    /// The answer to a [`PING`] of ours.
    Pong,
}

/// A keep-alive, RFC 5626 section 3.5.1.
pub const PING: &[u8] = b"\r\n\r\n";

/// The answer to [`Frame::Ping`], RFC 5626 section 3.5.1.
pub const PONG: &[u8] = b"\r\n";

/// Why a stream cannot go on. Close it; where there is a `head`, give that to
/// [`Message::parse_stream`](super::Message::parse_stream) first, and send the answer that it
/// asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The headers, or the body they announce, are longer than any message may be.
    TooLong,
    /// Content-Length is missing, repeated or no number, so that nobody knows where the next
    /// message begins.
    NoLength {
        /// Start line and headers.
        head: Bytes,
    },
    /// These are no SIP messages.
    NotSip,
}

impl FrameError {
    /// Always the far end's.
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::TooLong => "message longer than 65,535 bytes",
            FrameError::NoLength { .. } => "message without usable Content-Length",
            FrameError::NotSip => "not SIP",
        })
    }
}

impl std::error::Error for FrameError {}

/// The unfinished end of one stream.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// So far the buffer holds no end of headers.
    searched: usize,
    /// Its first line begins a SIP message.
    begun: bool,
    /// The length of the message at the front, once its headers are there.
    wanted: Option<usize>,
    /// A single line end was dropped; another one makes a ping.
    half_ping: bool,
    /// We have sent a ping, so the next single line end answers it.
    pong_due: bool,
    broken: bool,
}

impl Framer {
    /// For a new stream.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes what was read. Call [`pop`](Framer::pop) until it is empty after each push; then
    /// no more than one message and one read are ever held.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// A [`PING`] was sent: the next line end between messages is its answer. A ping of the peer's
    /// own that comes first is taken for it, and its answer completes that ping.
    pub fn expect_pong(&mut self) {
        self.pong_due = true;
    }

    /// The next frame, `None` when more bytes are needed.
    pub fn pop(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.broken {
            return None;
        }
        if self.wanted.is_none() {
            if let Some(frame) = self.skip_line_ends() {
                return Some(Ok(frame));
            }
            match self.measure() {
                Ok(length) => self.wanted = Some(length?),
                Err(error) => return Some(Err(self.fail(error))),
            }
        }
        let length = self.wanted.filter(|length| self.buffer.len() >= *length)?;
        (self.wanted, self.searched, self.begun) = (None, 0, false);
        Some(Ok(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// Bytes that wait for the rest of their message.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a message has begun and not ended: the driver closes streams that stay so long.
    pub fn is_mid_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Drops line ends between messages: each pair of them is a ping. A lone one is harmless (RFC
    /// 3261 section 7.5), or the pong that is due.
    fn skip_line_ends(&mut self) -> Option<Frame> {
        while let Some(length) = match self.buffer.as_ref() {
            [b'\r', b'\n', ..] => Some(2),
            [b'\n', ..] => Some(1),
            _ => None,
        } {
            self.buffer.advance(length);
            self.searched = 0;
            if std::mem::take(&mut self.pong_due) {
                return Some(Frame::Pong);
            }
            self.half_ping = !self.half_ping;
            if !self.half_ping {
                return Some(Frame::Ping);
            }
        }
        if !matches!(self.buffer.as_ref(), [] | [b'\r']) {
            self.half_ping = false;
        }
        None
    }

    /// The length of the message at the front, `None` while its headers are not all there.
    fn measure(&mut self) -> Result<Option<usize>, FrameError> {
        self.begin()?;
        let from = self.searched.saturating_sub(3);
        let fresh = self.buffer.get(from..).unwrap_or_default();
        let Some(end) = head_end(fresh).map(|end| from + end) else {
            self.searched = self.buffer.len();
            return if self.searched > MAX_MESSAGE { Err(FrameError::TooLong) } else { Ok(None) };
        };
        if end > MAX_MESSAGE {
            return Err(FrameError::TooLong);
        }
        let head = self.buffer.get(..end).unwrap_or_default();
        let index = Index::read(head).map_err(|_| FrameError::NotSip)?;
        match index.content_length {
            Some(length) if index.length_is_sound() => {
                let whole = end.checked_add(length).filter(|whole| *whole <= MAX_MESSAGE);
                whole.map(Some).ok_or(FrameError::TooLong)
            }
            _ => Err(FrameError::NoLength { head: Bytes::copy_from_slice(head) }),
        }
    }

    /// Judges the first line as soon as it is there: what is no message has no end, and nobody
    /// should wait for one. Binary protocols (TLS on the wrong port, scanners) rarely send a line
    /// end, and are told apart by their first byte.
    fn begin(&mut self) -> Result<(), FrameError> {
        if self.begun {
            return Ok(());
        }
        let foreign = |byte: &u8| !byte.is_ascii_graphic() && *byte != b'\r';
        if self.buffer.first().is_some_and(foreign) {
            return Err(FrameError::NotSip);
        }
        // A line end at the end of the buffer is looked at again: a line goes on behind a blank.
        // Such a line is judged with the headers.
        let from = self.searched.saturating_sub(1);
        let fresh = self.buffer.get(from..MAX_MESSAGE.min(self.buffer.len()));
        let Some(end) = fresh.and_then(|fresh| memchr(b'\n', fresh)) else { return Ok(()) };
        let first = self.buffer.get(..from + end + 2).unwrap_or_default();
        match first.last() {
            None => return Ok(()),
            Some(b' ' | b'\t') => {}
            Some(_) => {
                let line = Line::read(first, 0).ok_or(FrameError::NotSip)?;
                start_line(first, line.start..line.end).map_err(|_| FrameError::NotSip)?;
            }
        }
        self.begun = true;
        Ok(())
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.broken = true;
        self.buffer = BytesMut::new();
        error
    }
}

/// Behind the first empty line, in the same sense as the parser's: a bare line feed counts.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let strict = memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    let before = strict.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let bare = memmem::find(before, b"\n\n").map(|at| at + 2);
    let mixed = memmem::find(before, b"\n\r\n").map(|at| at + 3);
    [strict, bare, mixed].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

    fn message(length_header: &str, body: &str) -> String {
        format!("{OPTIONS}{length_header}\r\n\r\n{body}")
    }

    fn drain(framer: &mut Framer) -> Vec<Result<Frame, FrameError>> {
        std::iter::from_fn(|| framer.pop()).collect()
    }

    fn whole(text: &str) -> Result<Frame, FrameError> {
        Ok(Frame::Message(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[test]
    fn lengths_with_blanks_and_compact_names_keep_step() {
        let first = message("Content-Length : 5", "12345");
        let second = message("l:\t3", "OPT");
        let third = message("CONTENT-LENGTH:\r\n 0", "");
        let mut framer = Framer::new();
        framer.push(format!("{first}{second}{third}OPT").as_bytes());
        assert_eq!(drain(&mut framer), [whole(&first), whole(&second), whole(&third)]);
        assert_eq!(framer.buffered(), 3);
    }

    #[test]
    fn single_bytes_give_the_same_messages() {
        let text = message("Content-Length: 4", "\r\n\r\n");
        let mut framer = Framer::new();
        let mut frames = Vec::new();
        for byte in format!("{text}\r\n\r\n{text}").bytes() {
            framer.push(&[byte]);
            frames.extend(drain(&mut framer));
        }
        assert_eq!(frames, [whole(&text), Ok(Frame::Ping), whole(&text)]);
        assert!(!framer.is_mid_message());
    }

    #[test]
    fn only_pairs_of_line_ends_are_pings() {
        let text = message("Content-Length: 0", "");
        let mut framer = Framer::new();
        framer.push(format!("\r\n{text}\r\n{text}\r\n\r\n\r\n\r\n").as_bytes());
        let ping = Ok(Frame::Ping);
        assert_eq!(drain(&mut framer), [whole(&text), whole(&text), ping.clone(), ping]);
    }

    #[test]
    fn a_line_end_answers_our_ping_once() {
        let text = message("Content-Length: 0", "");
        let mut framer = Framer::new();
        framer.expect_pong();
        framer.push(format!("{text}\r\n{text}\r\n\r\n").as_bytes());
        let (pong, ping) = (Ok(Frame::Pong), Ok(Frame::Ping));
        assert_eq!(drain(&mut framer), [whole(&text), pong.clone(), whole(&text), ping.clone()]);
        // Both pinged at once.
        framer.expect_pong();
        framer.push(b"\r\n\r\n\r\n");
        assert_eq!(drain(&mut framer), [pong, ping]);
    }

    #[test]
    fn unknown_boundaries_end_the_stream() {
        for header in ["Subject: x", "Content-Length: -1", "Content-Length: 1\r\nl: 2"] {
            let mut framer = Framer::new();
            let text = message(header, "");
            framer.push(text.as_bytes());
            let head = Bytes::from(text);
            assert_eq!(framer.pop(), Some(Err(FrameError::NoLength { head })), "{header}");
            framer.push(message("Content-Length: 0", "").as_bytes());
            assert_eq!((framer.pop(), framer.buffered()), (None, 0));
        }
    }

    #[test]
    fn lengths_are_bounded() {
        for length in ["65535", "4294967297", "18446744073709551615"] {
            let mut framer = Framer::new();
            framer.push(message(&format!("Content-Length: {length}"), "").as_bytes());
            assert_eq!(framer.pop(), Some(Err(FrameError::TooLong)), "{length}");
        }
        let mut framer = Framer::new();
        framer.push(OPTIONS.as_bytes());
        let mut error = None;
        for _ in 0..100 {
            framer.push(&[b'x'; 1024]);
            error = error.or(framer.pop());
        }
        assert_eq!(error, Some(Err(FrameError::TooLong)));
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn other_protocols_are_told_apart_early() {
        for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"\x00", b"hello\r\n\r\n", b"hello\r\nO"] {
            let mut framer = Framer::new();
            framer.push(bytes);
            assert_eq!(framer.pop(), Some(Err(FrameError::NotSip)));
        }
        let mut framer = Framer::new();
        framer.push(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(framer.pop(), Some(Err(FrameError::NotSip)));
    }
}
