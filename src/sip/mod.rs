//! RFC 3261 and friends, without input or output: bytes and time in, bytes and events out.

pub mod auth;
pub mod cause;
pub mod dialog;
pub mod event;
pub mod frame;
pub mod header;
pub mod identity;
pub mod locate;
pub mod message;
pub mod method;
pub mod peek;
pub mod registrar;
pub mod registration;
pub mod shard;
pub mod stun;
pub mod subscription;
pub mod transaction;
pub mod translator;
pub mod uri;
pub mod user_agent;
pub mod write;

pub use event::{
    Body, Command, DialogId, Ending, Event, Flow, HeaderField, Input, Invite, Login, Output, Send,
    TransactionId, Transport, UnknownTransport,
};
pub use header::HeaderName;
pub use message::index::line_ends_before;
pub use message::{Message, Parsed};
pub use method::Method;
pub use registrar::Registrar;
pub use shard::{ShardId, Shards};
pub use user_agent::UserAgent;
