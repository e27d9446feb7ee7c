//! The fourth door: a table of routes, which needs no sandbox.

use std::path::Path;

use serde_json::Value;

use super::error::LoadError;
use super::event::{Cost, Event, Level, LogLine, Response};
use super::sandbox::Host;
use crate::config::{Problem, Severity};
use crate::source::routes::{ENDING, Parameters, Table};

/// The longest line of the log, in characters: what callers dial stands in it.
const LONGEST: usize = 500;

/// Whether a file of this name is a table.
pub(super) fn is_table(file: &str) -> bool {
    file.ends_with(ENDING)
}

/// Reads a table; with its warnings, for the log.
pub(super) fn load(file: &str, bytes: &[u8]) -> (Result<Table, LoadError>, Vec<LogLine>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return (Err(LoadError::whole(file, "is not UTF-8")), vec![]);
    };
    let compiled = Table::compile(Path::new(file), text);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        compiled.problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    let log = warnings.into_iter().map(|warning| {
        let Problem { line, message, .. } = warning;
        LogLine { level: Level::Warning, text: format!("{file}:{line}: {message}") }
    });
    let table = compiled.table.ok_or_else(|| {
        let more = match errors.len() {
            0 | 1 => String::new(),
            many => format!(" (and {} more; `offhook check` tells all)", many - 1),
        };
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let first = errors.into_iter().next();
        let (line, column, reason) = first.map_or((0, 0, String::new()), |problem| {
            (place(problem.line), place(problem.column), problem.message)
        });
        LoadError { file: file.to_owned(), line, column, reason: reason + &more, late: false }
    });
    (table, log.collect())
}

/// All parameters, as texts; tables know no others.
fn told(event: &Event) -> Vec<(String, String)> {
    let text = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            // Of a repeated one the first counts.
            Value::Array(all) => all.first()?.as_str()?.to_owned(),
            Value::Null | Value::Object(_) => return None,
        };
        Some((name.clone(), value))
    };
    event.parameters.iter().filter_map(text).collect()
}

/// What the table answers; each rule that had anything to say is a line of the log.
pub(super) fn invoke(table: &Table, event: &Event, host: &dyn Host) -> Response {
    let started = host.now();
    let parameters = Parameters { body: &told(event), query: &event.query };
    let explanation = table.decide(&parameters, host.wall());
    let line =
        |text: String| LogLine { level: Level::Info, text: text.chars().take(LONGEST).collect() };
    let log = explanation.log().map(line).collect();
    let (content_type, body) = match parameters.want_explanation() {
        true => ("text/plain; charset=utf-8", format!("{explanation}\n{}\n", explanation.xml)),
        false => ("text/xml; charset=utf-8", explanation.xml),
    };
    let cost = Cost { wall: host.now().since(started), memory: 0 };
    let (content_type, body) = (content_type.to_owned(), body.into_bytes());
    Response { status: 200, content_type, body, log, cost, numbers: true, ..Response::default() }
}
