//! The tests that stand in tables of routes, as suites beside those of flows.

use super::check::{many, shown};
use super::flow::report::{Failure, Suite};
use super::flow::run::Outcome;
use crate::base::Duration;
use crate::config::{Config, Severity};
use crate::markup::Position;
use crate::source::function;
use crate::source::routes::{Table, Verdict};

/// The tests of one file, as they went.
pub(super) struct Ran {
    file: String,
    tests: Vec<Verdict>,
}

/// Runs those whose name or file holds the filter.
pub(super) fn run(config: &Config, filter: Option<&str>) -> Result<Vec<Ran>, String> {
    let (mut all, mut mistakes) = (vec![], 0);
    for path in function::tables(&config.project.join("functions")) {
        let file = shown(&path);
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| format!("cannot read {file}: {error}"))?;
        let read = Table::read(&path, &text);
        for problem in read.problems.iter().filter(|p| p.severity == Severity::Error) {
            mistakes += 1;
            let place = format!("{file}:{}:{}", problem.line, problem.column);
            eprintln!("{place}: error routes: {}", problem.message);
        }
        let mut tests = read.table.map(|table| table.run_tests()).unwrap_or_default();
        tests.retain(|test| filter.is_none_or(|f| file.contains(f) || test.name.contains(f)));
        all.push(Ran { file, tests });
    }
    match mistakes {
        0 => Ok(all),
        found => Err(format!("{} in the tables; mend and try again", many(found, "mistake"))),
    }
}

/// How many tests ran.
pub(super) fn count(ran: &[Ran]) -> usize {
    ran.iter().map(|ran| ran.tests.len()).sum()
}

/// Tells how each went.
pub(super) fn tell_all(ran: Vec<Ran>) -> impl Iterator<Item = Suite> {
    let ran = ran.into_iter().filter(|ran| !ran.tests.is_empty());
    ran.map(|Ran { file, tests }| {
        let flows = tests.into_iter().map(|test| tell(&file, test)).collect();
        Suite { file, flows }
    })
}

fn tell(file: &str, test: Verdict) -> (String, Outcome) {
    let Verdict { name, line, column, failure } = test;
    let failure = failure.map(|reason| {
        let position = Position { line, column };
        println!("FAIL  {file}: {name}");
        eprintln!("{file}:{position}: error routes: {reason}");
        Failure { position, step: name.clone(), reason, came: vec![], quote: None }
    });
    if failure.is_none() {
        println!("ok    {file}: {name}");
    }
    (name, Outcome { length: Duration::ZERO, failure })
}
