//! The parts of a media worker: its orders, what it waits on, its ports, and its loop.

pub(crate) mod orders;
pub mod poller;
pub mod ports;
pub mod worker;
