//! Where documents and sounds come from, by the scheme of their URL: one file a source.
//!
//! `https:`/`http:` are webhooks, `bin:NAME` and `function:NAME` are the project's own, and so is
//! every URL under the server's public address: those are answered in this process, by the same
//! handlers that answer a browser. Fallback URLs are the call's business (the TwiML reference).

pub mod asset;
pub mod bin;
mod certificate;
pub mod document;
mod door;
pub mod e164;
pub mod explain;
pub mod function;
pub mod inbound;
pub mod project;
pub mod root;
pub mod routes;
pub mod seen;
pub mod sound;
pub mod stamp;
pub mod template;
#[cfg(test)]
mod tests;
pub mod turns;
pub mod view;
pub mod webhook;

pub use crate::directory::paths::Access;
pub use bin::{Bins, Loaded};
pub use project::{Candidate, FunctionRunner, Invocation, Project, STALE_HEADER, tell_stale};
pub use sound::Sound;
pub use stamp::{AsRead, Stamp};
pub use webhook::{Answer, Sources};
