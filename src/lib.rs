//! Offhook: programmable voice that you run yourself. Point a phone number at markup.
//!
//! The library is the whole program; `main.rs` only starts it. `docs/architecture.md` draws the
//! floors: a module imports only from lower floors, and `tests/floors.rs` holds it to that.

// floor 0
pub mod base;
// floor 1
pub mod audio;
pub mod directory;
pub mod markup;
pub mod rtp;
pub mod sdp;
pub mod sip;
// floor 2
pub mod media;
// floor 3
pub mod leg;
// floor 4
pub mod verb;
// floor 5
pub mod call;
// floor 6
pub mod exchange;
pub mod phone;
// floor 7
pub mod config;
pub mod http;
pub mod store;
// floor 8
pub mod callback;
pub mod source;
pub mod speech;
// floor 9
pub mod node;
// floor 10
pub mod cli;
