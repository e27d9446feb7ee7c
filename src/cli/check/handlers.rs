//! Handlers in the configuration: what they name must exist.

use super::Findings;
use crate::config::Config;
use crate::node::project::names;

/// Looks at every handler of domains, numbers and lines.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let problems = config.handler_problems(&names(config));
    config.warnings.iter().chain(&problems).for_each(|problem| findings.problem(problem));
}
