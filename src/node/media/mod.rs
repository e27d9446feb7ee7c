//! The parts of a media worker: what it waits on, its ports, and its loop.

pub mod poller;
pub mod ports;
pub mod worker;
