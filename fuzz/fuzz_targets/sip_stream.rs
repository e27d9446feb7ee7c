//! A stream of messages: however it is cut, the same frames come out, and little is ever held.

use offhook::sip::Message;
use offhook::sip::frame::{Frame, Framer};
use offhook::sip::message::MAX_MESSAGE;

pub fn run(bytes: &[u8]) {
    let whole = frames(bytes, |rest| rest.len());
    assert_eq!(whole, frames(bytes, |_| 7), "cut evenly");
    // The bytes themselves say where they are cut, so that the fuzzer can look for bad places.
    let uneven = |rest: &[u8]| rest.first().map_or(1, |byte| 1 + usize::from(byte % 61));
    assert_eq!(whole, frames(bytes, uneven), "cut unevenly");
    for frame in whole {
        if let Ok(Frame::Message(bytes)) = frame {
            assert!(bytes.len() <= MAX_MESSAGE);
            let _ = Message::parse_stream(bytes);
        }
    }
}

/// What comes out of a stream, its end included: after an error nothing more.
fn frames(bytes: &[u8], cut: impl Fn(&[u8]) -> usize) -> Vec<Result<Frame, String>> {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(cut(rest).clamp(1, rest.len()));
        framer.push(chunk);
        while let Some(frame) = framer.pop() {
            found.push(frame.map_err(|error| error.to_string()));
        }
        assert!(framer.buffered() <= MAX_MESSAGE + chunk.len(), "more is held than may be");
        rest = after;
    }
    if found.iter().any(Result::is_err) {
        assert!(found.last().is_some_and(Result::is_err), "nothing comes after an error");
        framer.push(b"OPTIONS sip:a@b SIP/2.0\r\n");
        assert!(framer.pop().is_none() && framer.buffered() == 0);
    }
    found
}
