//! Tables of routes: every finding of each, where the log tells the first, and its own tests.

use super::bins::check_url;
use super::{Findings, place};
use crate::base::nearest;
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
        for (line, user) in compiled.table.iter().flat_map(Table::users) {
            if let Some(message) = slip(config, user) {
                let at = Some(place(line as usize, 1));
                findings.tell(&path, at, Severity::Warning, "routes", message);
            }
        }
    }
}

/// What is wrong with a user who differs from a known one by a letter or two; others may come from
/// elsewhere.
fn slip(config: &Config, user: &str) -> Option<String> {
    let name = user.split('@').next().unwrap_or(user);
    let lists = config.lists.iter().flat_map(|(_, users)| users);
    let known: Vec<&str> = lists.map(|(known, _)| known.as_str()).collect();
    let near = nearest(name, known.iter().copied()).filter(|near| *near != name)?;
    Some(format!("no list of credentials has \"{name}\"; did you mean \"{near}\"?"))
}
