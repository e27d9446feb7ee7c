//! Words that every floor shares: time, randomness, identifiers, machines and faults.
//!
//! Nothing here performs input or output, and nothing here knows telephony.

pub mod fault;
pub mod fingerprint;
pub mod id;
pub mod machine;
pub mod nearest;
pub mod plain;
pub mod plural;
pub mod rng;
pub mod secret;
pub mod signer;
pub mod small;
pub mod time;
pub mod timer;

pub use fault::Fault;
pub use machine::Machine;
pub use nearest::{apart, hint, nearest};
pub use plural::plural;
pub use rng::{Rng, Seed};
pub use secret::Secret;
pub use signer::{Sign, SigningKey};
pub use small::{Outbox, SmallMap};
pub use time::{Duration, Epoch, Instant, WallTime};
pub use timer::{Deadlines, TimerTable};
