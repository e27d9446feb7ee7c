//! Flow files: calls written as steps, run in virtual time against a project, without phones.
//!
//! `parse` reads them, `run` plays everybody around a call (parties, web servers, voices), `seen`
//! is what a step may expect, `report` says what came instead.

pub(super) mod incoming;
mod matching;
mod parse;
mod party;
pub(super) mod report;
pub(super) mod run;
mod seen;
mod step;
#[cfg(test)]
mod tests;
pub(super) mod words;

pub use parse::parse;
pub use step::{Action, Expectation, Flow, Mistake, Step, Webhook, Who};
