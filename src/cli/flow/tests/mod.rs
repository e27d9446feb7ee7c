//! Flow files and their runs.

mod parsing;
mod reports;
mod running;
mod stage;
