//! HTTP in both directions: a guarded client for webhooks and media, and a small bounded server.
//!
//! `client` with `authorities` and `fetch`, and `export`, are the only users of reqwest, `server` of hyper.
//! Nothing here knows documents, bins or functions; sockets are accepted and tasks are spawned by
//! `node`. RFC 9110, RFC 9112.

mod authorities;
pub mod bodies;
pub mod client;
pub mod connection;
pub mod cookies;
pub mod digest;
pub mod error;
pub mod export;
pub mod fetch;
pub mod file;
pub mod form;
pub mod guard;
pub mod idle;
#[cfg(test)]
pub(crate) mod loopback;
pub mod message;
pub mod multipart;

pub mod recordings;
pub mod resolver;
pub mod route;
pub mod server;
pub mod signature;
#[cfg(test)]
mod tests;

pub use client::{Client, Config, Outgoing, Reply};
pub use error::Error;
pub use guard::Guard;
pub use message::{Headers, Request, Response};
pub use route::{BoxFuture, Found, Handler, Otherwise, Routes};
