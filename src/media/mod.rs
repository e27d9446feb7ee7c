//! Sound between legs: sessions, bridges, players, recorders, and the plane that runs them.

pub mod command;

pub use command::{
    Codec, Command, Direction, Event, RecordingEnd, RecordingPlan, Remote, SessionId, Tracks,
};
