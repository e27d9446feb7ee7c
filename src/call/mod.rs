//! A call as a machine that reads a document. It knows legs by number and never sees SIP or RTP.

pub mod effect;

pub use effect::{
    CallRecord, Callback, Direction, Fetch, FetchError, Fetched, Input, Method, Note, Output,
    Persist, RecordingRecord, RecordingStatus, Speech, Status,
};
