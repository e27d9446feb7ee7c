//! A call as a machine that reads a document. It knows legs by number and never sees SIP or RTP.

mod address;
mod asks;
mod children;
#[path = "call.rs"]
mod core;
pub mod effect;
mod events;
mod hold;
mod interpreter;
pub mod order;
mod parameters;
mod party;
mod placed;
mod recordings;
mod redirect;
mod sounds;
mod status;
mod transfer;

pub use self::core::{Call, LEGS_PER_CALL, Policy, Setup};
pub use effect::{
    Begun, CallRecord, Callback, Direction, Fetch, FetchError, Fetched, Input, Method, Note,
    Output, Persist, RecordingRecord, RecordingStatus, Speech, Status,
};
pub use order::{Change, Denied, Order, Placement};
pub use party::Owner;
pub use placed::shown_by;
pub use redirect::Changed;
pub use transfer::Guest;
pub(crate) use transfer::REPLACES;

#[cfg(test)]
mod tests;
