//! Routes tables, `functions/NAME.routes.toml`: what an office's outgoing-call handler decides,
//! written as rules instead of code.
//!
//! A table is compiled once and asked often; asking is a walk down its rules. No clock and no
//! file here: the text and the moment are arguments. Every answer says which rule gave it.

mod attributes;
mod decide;
mod explain;
mod gates;
mod hours;
mod number;
mod parse;
mod premium;
mod reach;
mod rules;
mod template;
#[cfg(test)]
mod tests;
mod trial;
mod xml;

use std::path::Path;

use crate::config::{Problem, Severity};

pub use explain::{Explanation, Kind, Step};
pub use rules::{Action, Decision};
use rules::{CallerId, Dial, Gate, Missing, Pairs, Rewrite, Then, Trial, Users};
pub use trial::Verdict;

/// How such files end, before `.toml`'s own meaning is asked for.
pub const ENDING: &str = ".routes.toml";

/// The parameter that asks for the explanation in the place of the document.
pub const EXPLAIN: &str = "_explain";

/// A table that was read and is sound.
#[derive(Clone, Debug)]
pub struct Table {
    file: String,
    missing: Missing,
    caller_id: Option<CallerId>,
    users: Option<Users>,
    dial: Dial,
    /// Attributes of `<Say>`.
    say: Pairs,
    rewrites: Vec<Rewrite>,
    blocks: Vec<Gate>,
    hours: Vec<Gate>,
    trials: Vec<Trial>,
}

/// The parameters of a request; those of the body win over those of the query.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// Of the body.
    pub body: &'a [(String, String)],
    /// Of the query.
    pub query: &'a [(String, String)],
}

impl<'a> Parameters<'a> {
    /// The value of a parameter; empty when it is not there.
    pub fn get(&self, name: &str) -> &'a str {
        let mut all = self.body.iter().chain(self.query);
        all.find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether they ask for the explanation in the place of the document. Whoever may ask writes
    /// it into the query; what a body says is only a parameter of the call.
    pub fn want_explanation(&self) -> bool {
        self.query.iter().any(|(name, value)| name == EXPLAIN && value == "1")
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct Compiled {
    /// The table; none when there are errors.
    pub table: Option<Table>,
    /// Errors, and warnings about rules that are hardly meant so, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Table {
    /// Reads a table and runs the tests in it; one that fails is an error like any other.
    pub fn compile(file: &Path, text: &str) -> Compiled {
        let (table, mut problems) = parse::read(file, text);
        if let Some(table) = &table {
            problems.extend(table.failures(file));
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
        Compiled { table: table.filter(|_| !broken), problems }
    }

    /// As [`Table::compile`], whatever its own tests say: to run them one by one.
    pub fn read(file: &Path, text: &str) -> Compiled {
        let (table, problems) = parse::read(file, text);
        Compiled { table, problems }
    }

    /// The documents that calls are handed to, each with the place of its rule.
    pub fn redirects(&self) -> impl Iterator<Item = ((u32, u32), &str)> {
        self.blocks.iter().chain(&self.hours).filter_map(|gate| match &gate.outcome.then {
            Then::Redirect(url) => Some(((gate.place.line, gate.place.column), url.as_str())),
            _ => None,
        })
    }

    /// The users that have a caller ID of their own, each with its line.
    pub fn users(&self) -> impl Iterator<Item = (u32, &str)> {
        let users = self.caller_id.iter().flat_map(|caller_id| &caller_id.users);
        users.map(|(name, _, line)| (*line, name.as_str()))
    }
}
