//! RFC 3261 and friends, without input or output: bytes and time in, bytes and events out.

pub mod event;
pub mod message;

pub use event::{
    Body, Command, DialogId, Ending, Event, Flow, HeaderField, Input, Invite, Login, Output,
    TransactionId, Transport,
};
pub use message::Message;
