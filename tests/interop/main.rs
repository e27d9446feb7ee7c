//! Real programs on loopback against the real server: sipp, baresip, curl-like HTTP, damaged bytes,
//! full disks and killed processes. Run by `cargo xtask interop`; every test is `#[ignore]`d, is
//! bounded in time, and fails rather than skips when a tool is missing.

// These tests leave the process on purpose: they sleep, spawn and read the clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod ear;
mod scenario;
mod server;
mod stage;
mod tools;
mod web;
mod wire;

mod baresip;
mod crash;
mod disk;
mod events;
mod extensions;
mod functions;
mod garbage;
mod identity;
mod kamailio;
mod life;
mod loss;
mod nat;
mod odd;
mod offers;
mod pjsua;
mod provider;
mod races;
mod restart;
mod secure;
mod sipp;
