//! The Call-IDs of the last calls on the wire, for whoever shows calls as they happen: `demo`.
//!
//! What a call was is told by its story, see [`seeing`](crate::node::seeing).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::sip::{Message, Parsed};

/// Call-IDs kept: a few hundred calls.
const MOST: usize = 1_024;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// A list shared by the threads of a node and whoever reads it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<VecDeque<String>>>);

impl Trace {
    /// Notes the Call-ID of an INVITE, and forgets the oldest beyond the bound.
    pub fn record(&self, bytes: &Bytes) {
        if !bytes.starts_with(b"INVITE ") {
            return;
        }
        let Parsed::Valid(message) = Message::parse(bytes.clone()) else { return };
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|known| known == message.call_id()) {
            return;
        }
        if list.len() >= MOST {
            list.pop_front();
        }
        list.push_back(message.call_id().to_owned());
    }

    /// The Call-IDs in the order in which they were first seen.
    pub fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
