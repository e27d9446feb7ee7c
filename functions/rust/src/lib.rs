//! Functions for Offhook in Rust: the event of a request, a document for the answer, and the doors.
//!
//! A function is `fn handle(event: &Event) -> Answer`. As a library for `wasm32-unknown-unknown` it is
//! exported with [`export!`]; as a program for `wasm32-wasip1`, or for the machine that you work on,
//! `main` calls [`run`]. There is no dependency and no `unsafe` in what you write.

mod event;
mod host;
mod json;
mod twiml;

pub use event::{Event, Malformed};
pub use host::{ask, call, log, next, random, Failure, Level};
pub use json::{quote, Value};
pub use twiml::{response, Element};

/// What goes back to who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    head: String,
    body: String,
}

impl Answer {
    /// Any text; markup is told by its first character, `<`.
    pub fn new(body: impl Into<String>) -> Answer {
        Answer { head: String::new(), body: body.into() }
    }

    /// With this HTTP status instead of 200.
    pub fn status(mut self, code: u16) -> Answer {
        self.head.push_str(&format!("Status: {code}\n"));
        self
    }

    /// With one more header field; line ends in the value become spaces.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        let value = value.replace(['\r', '\n'], " ");
        self.head.push_str(&format!("{name}: {value}\n"));
        self
    }

    /// As it is written to the host. Text that would be taken for header fields gets one of its own.
    pub fn into_bytes(self) -> Vec<u8> {
        let Answer { mut head, body } = self;
        if head.is_empty() && !body.starts_with(['<', '{', '[']) {
            head.push_str("Content-Type: text/plain; charset=utf-8\n");
        }
        if !head.is_empty() {
            head.push('\n');
        }
        (head + &body).into_bytes()
    }
}

impl From<Element> for Answer {
    fn from(document: Element) -> Answer {
        Answer::new(document.to_document())
    }
}

/// The answer to the event that stands in `json`: what both doors do.
#[doc(hidden)]
pub fn answer(json: &[u8], handle: impl FnOnce(&Event) -> Answer) -> Vec<u8> {
    match Event::parse(json) {
        Ok(event) => handle(&event).into_bytes(),
        Err(error) => {
            log(Level::Error, &error.to_string());
            Answer::new(error.to_string()).status(500).into_bytes()
        }
    }
}

/// The body of `main`: reads the event from standard input, writes the answer to standard output.
pub fn run(handle: impl FnOnce(&Event) -> Answer) {
    use std::io::{Read, Write};
    let mut json = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut json);
    let written = read.and_then(|_| std::io::stdout().lock().write_all(&answer(&json, handle)));
    if let Err(error) = written {
        log(Level::Error, &error.to_string());
        std::process::exit(1);
    }
}

/// Exports `oh_alloc` and `oh_handle` for a function `fn(&Event) -> Answer`.
#[macro_export]
macro_rules! export {
    ($handle:path) => {
        #[no_mangle]
        pub extern "C" fn oh_alloc(length: usize) -> *mut u8 {
            $crate::door::alloc(length)
        }

        #[no_mangle]
        pub extern "C" fn oh_handle(at: *mut u8, length: usize) -> u64 {
            // SAFETY: the host calls with what `oh_alloc` gave it, once.
            unsafe { $crate::door::handle(at, length, $handle) }
        }
    };
}

/// What [`export!`] expands to calls of.
#[doc(hidden)]
pub mod door {
    use super::{answer, log, Answer, Event, Level};

    /// Memory that the host writes an event of this length to.
    pub fn alloc(length: usize) -> *mut u8 {
        Box::leak(vec![0; length].into_boxed_slice()).as_mut_ptr()
    }

    /// Address and length of the answer, in one number.
    ///
    /// # Safety
    ///
    /// `at` is from [`alloc`] with this `length`, and used no more afterwards.
    pub unsafe fn handle(at: *mut u8, length: usize, handle: fn(&Event) -> Answer) -> u64 {
        std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
        // SAFETY: the caller's promise.
        let json = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, length)) };
        let bytes = Box::leak(answer(&json, handle).into_boxed_slice());
        (bytes.as_ptr() as u64) << 32 | bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_header_block_only_where_it_must() {
        let bytes = |answer: Answer| String::from_utf8(answer.into_bytes()).expect("UTF-8");
        assert_eq!(bytes(Answer::new("<Response/>")), "<Response/>");
        let plain = "Content-Type: text/plain; charset=utf-8\n\nNote: no header";
        assert_eq!(bytes(Answer::new("Note: no header")), plain);
        let split = Answer::new("").status(302).header("Location", "/a\r\nSet-Cookie: b");
        assert_eq!(bytes(split), "Status: 302\nLocation: /a  Set-Cookie: b\n\n");
    }

    #[test]
    fn what_is_no_event_is_answered_with_an_error() {
        let bytes = answer(b"{\"event\":", |_| unreachable!("there is no event"));
        assert!(bytes.starts_with(b"Status: 500\n"));
    }
}
