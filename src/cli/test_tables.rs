//! The tests that stand in tables of routes, as suites beside those of flows.

use super::check::shown;
use super::flow::report::{Failure, Suite};
use super::flow::run::Outcome;
use crate::base::Duration;
use crate::config::{Config, Severity};
use crate::markup::Position;
use crate::source::function;
use crate::source::routes::{Table, Verdict};

/// Runs those whose name or file holds the filter, and tells of each; gives how many ran.
pub(super) fn run(config: &Config, filter: Option<&str>) -> Result<(Vec<Suite>, usize), String> {
    let (mut suites, mut count, mut mistakes) = (vec![], 0, 0);
    for path in function::tables(&config.project.join("functions")) {
        let file = shown(&path);
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| format!("cannot read {file}: {error}"))?;
        let read = Table::read(&path, &text);
        for problem in read.problems.iter().filter(|p| p.severity == Severity::Error) {
            mistakes += 1;
            eprintln!(
                "{file}:{}:{}: error routes: {}",
                problem.line, problem.column, problem.message
            );
        }
        let mut tests = read.table.map(|table| table.run_tests()).unwrap_or_default();
        tests.retain(|test| filter.is_none_or(|f| file.contains(f) || test.name.contains(f)));
        count += tests.len();
        let flows = tests.into_iter().map(|test| tell(&file, test)).collect::<Vec<_>>();
        if !flows.is_empty() {
            suites.push(Suite { file, flows });
        }
    }
    match mistakes {
        0 => Ok((suites, count)),
        1 => Err("1 mistake in the tables; mend and try again".to_owned()),
        many => Err(format!("{many} mistakes in the tables; mend and try again")),
    }
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
