//! `?_explain=1`: which file answered and why, and where the time went, as plain text.

use crate::base::Duration;
use crate::http::{Request, Response};

use super::project::Candidate;
use super::routes::ENDING;
use super::seen::{Report, Seen};
use crate::directory::paths::Access;

/// The parameter that asks for it; handlers do not see it.
const PARAMETER: &str = "_explain";

/// Whether a request asks for an explanation.
pub(super) fn is_wanted(request: &Request) -> bool {
    // Most queries say nothing of it: do not decode them for nothing.
    request.query.contains(PARAMETER)
        && request.query_parameters().iter().any(|(name, value)| is_it(name) && value == "1")
}

/// Whether a parameter is the one that asks.
pub(super) fn is_it(name: &str) -> bool {
    name == PARAMETER
}

/// The explanation of an answer. `candidates` are the files of the name, the one that counts first.
pub(super) fn text(seen: &Seen<'_>, candidates: &[Candidate]) -> Response {
    let Seen { kind, name, method, target, response, report, .. } = *seen;
    let mut lines = vec![format!("{method} {target}"), row(kind.as_str(), name)];
    if let Some(first) = candidates.first() {
        lines.push(row("file", &format!("{}, {}", first.file, access(first.access))));
        lines.push(row("resolved", &resolved(candidates)));
        if let Some(version) = &first.version {
            let shown = version.get(..super::function::versions::SHOWN).unwrap_or(version);
            lines.push(row("version", shown));
        }
    }
    if let Some(stale) = &report.stale {
        lines.push(row("broken", stale));
        lines.push(row("", "so the last good version answered"));
    }
    let kind = response.headers.first("Content-Type").unwrap_or("no type");
    let length = response.body.len();
    lines.push(row("answer", &format!("{} {kind}, {length} bytes", response.status)));
    if let Some(failure) = &report.failure {
        lines.push(row("failure", failure));
    }
    lines.extend(costs(report));
    lines.push(row("log", &format!("{} lines", report.log.len())));
    if candidates.first().is_some_and(|first| first.file.ends_with(ENDING)) {
        // A table explains itself, rule by rule, and ends with its document.
        lines.push(String::new());
        lines.push(String::from_utf8_lossy(&response.body).into_owned());
    }
    Response::text(200, &lines.join("\n")).with("Cache-Control", "no-store")
}

/// Where the time went, where anything ran.
fn costs(report: &Report) -> Vec<String> {
    if report.run.is_zero() {
        return vec![];
    }
    vec![
        row("queue", &millis(report.queued)),
        row("load", &millis(report.load)),
        row("run", &millis(report.run)),
        row("memory", &format!("{} KiB", report.memory.div_ceil(1024))),
    ]
}

/// A duration as people compare them.
pub fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn row(key: &str, value: &str) -> String {
    format!("{key:<9} {value}")
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Public => "public",
        Access::Protected => "protected",
        Access::Private => "private",
    }
}

fn resolved(candidates: &[Candidate]) -> String {
    match candidates {
        [_] => "the only file of that name".to_owned(),
        [first, others @ ..] => {
            let others: Vec<&str> = others.iter().map(|other| other.file.as_str()).collect();
            format!("{} counts before {}", first.file, others.join(" and "))
        }
        [] => "no file".to_owned(),
    }
}
