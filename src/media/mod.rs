//! Sound between legs: sessions, bridges, players, recorders, and the plane that runs them.

mod bridge;
pub mod command;
mod decoder;
mod detector;
mod latch;
mod outgoing;
pub mod plane;
mod player;
mod recorder;
mod schedule;
mod session;
#[cfg(test)]
mod tests;

pub use command::{
    Codec, Command, Direction, Event, Leeway, RecordingEnd, RecordingPlan, Remote, SessionId,
    Tracks,
};
pub use latch::same_network;
pub use plane::{Datagram, Forward, Input, Output, Plane};
