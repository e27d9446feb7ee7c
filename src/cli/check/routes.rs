//! Tables of routes: every finding of each, where the log tells the first, and its own tests.

use super::bins::check_url;
use super::{Findings, place};
use crate::config::{Config, Severity};
use crate::node::project::names;
use crate::source::function;
use crate::source::routes::Table;

/// Looks at every table.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let known = names(config);
    for path in function::tables(&config.project.join("functions")) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                findings.tell(&path, None, Severity::Error, "routes", message);
                continue;
            }
        };
        let compiled = Table::compile(&path, &text);
        for problem in &compiled.problems {
            let at = (problem.line > 0).then(|| place(problem.line, problem.column));
            findings.tell(&path, at, problem.severity, "routes", &problem.message);
        }
        for ((line, column), url) in compiled.table.iter().flat_map(Table::redirects) {
            check_url(&known, url, place(line as usize, column as usize), &path, findings);
        }
    }
}
