//! The node: clocks, sockets, threads and files around the machines; nothing clever.

mod media;
pub mod media_io;
pub mod recording;
