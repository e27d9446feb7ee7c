//! The last SIP messages of this server, for ladders: a bounded ring with times.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;

use crate::base::Instant;
use crate::sip::{Flow, Message, Parsed};

/// Messages kept: a few hundred calls.
const MOST: usize = 8_192;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// One message on the wire.
#[derive(Clone, Debug)]
pub struct Traced {
    /// When.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// Between whom.
    pub flow: Flow,
    /// The bytes.
    pub bytes: Bytes,
}

/// A ring shared by the node and whoever draws the ladder.
#[derive(Clone, Default)]
pub struct Trace(Rc<RefCell<VecDeque<Traced>>>);

impl Trace {
    /// Keeps one message, and forgets the oldest beyond the bound.
    pub fn record(&self, at: Instant, direction: Direction, flow: Flow, bytes: &Bytes) {
        let mut ring = self.0.borrow_mut();
        if ring.len() >= MOST {
            ring.pop_front();
        }
        ring.push_back(Traced { at, direction, flow, bytes: bytes.clone() });
    }

    /// The messages of one Call-ID, oldest first.
    pub fn of_call(&self, call_id: &str) -> Vec<(Traced, Message)> {
        let ring = self.0.borrow();
        let parsed = ring.iter().filter_map(|traced| match Message::parse(traced.bytes.clone()) {
            Parsed::Valid(message) => Some((traced.clone(), message)),
            Parsed::Reject { .. } | Parsed::Discard(_) => None,
        });
        parsed.filter(|(_, message)| message.call_id() == call_id).collect()
    }

    /// The Call-IDs of INVITEs, in the order in which they were first seen.
    pub fn calls(&self) -> Vec<String> {
        let mut seen: Vec<String> = vec![];
        for traced in self.0.borrow().iter().filter(|traced| traced.bytes.starts_with(b"INVITE ")) {
            if let Parsed::Valid(message) = Message::parse(traced.bytes.clone())
                && !seen.iter().any(|id| id == message.call_id())
            {
                seen.push(message.call_id().to_owned());
            }
        }
        seen
    }

    /// The ladder of one Call-ID: `us` in the middle of nothing, one line a message.
    pub fn ladder(&self, call_id: &str) -> Vec<String> {
        let messages = self.of_call(call_id);
        let Some(start) = messages.first().map(|(traced, _)| traced.at) else { return vec![] };
        let line = |(traced, message): &(Traced, Message)| {
            let what = match message.status() {
                Some(status) => format!("{status} {}", message.reason_phrase()),
                None => format!("{} {}", message.method_name(), message.request_uri()),
            };
            let after = (traced.at - start).as_micros() as f64 / 1000.0;
            let peer = traced.flow.remote;
            match traced.direction {
                Direction::Received => format!("{after:9.1} ms  {peer:>21} ---> offhook  {what}"),
                Direction::Sent => format!("{after:9.1} ms  {peer:>21} <--- offhook  {what}"),
            }
        };
        messages.iter().map(line).collect()
    }
}
