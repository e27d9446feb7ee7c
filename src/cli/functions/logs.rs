//! `offhook fn logs`: what functions of a running server log, or those of the last one did.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use super::super::serve::read_config;
use super::super::{Outcome, Project, running, say};
use crate::node::function_log;
use crate::node::seeing::ladder::printable;

/// Arguments of `offhook fn logs`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Logs {
    /// Only this function's
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How many of the latest lines
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    lines: usize,
    /// Go on with lines as they come, until interrupted
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    project: Project,
    /// Print JSON, a line each
    #[arg(long)]
    json: bool,
}

impl Logs {
    pub(super) fn run(self) -> Outcome {
        let data = read_config(&self.project)?.server.data;
        let failed = |error: std::io::Error| format!("the log cannot be read: {error}");
        if !running::serves(&data) {
            eprintln!("offhook: no server runs here; this is what the last one left");
        }
        let mut log = function_log::Lines::of(&data);
        let there = log.there().map_err(failed)?;
        let shown: Vec<String> = there.iter().filter_map(|line| self.shown(line)).collect();
        let first = shown.len().saturating_sub(self.lines);
        shown.iter().skip(first).for_each(|line| say(line));
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            let more = log.wait().map_err(failed)?;
            for line in more.iter().filter_map(|line| self.shown(line)) {
                // Whoever reads has gone away (`| head`).
                if writeln!(std::io::stdout().lock(), "{}", printable(&line)).is_err() {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }

    /// A line as it is printed; none of others' functions.
    fn shown(&self, line: &str) -> Option<String> {
        let entry: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        if self.name.as_deref().is_some_and(|name| name != text("function")) {
            return None;
        }
        if self.json {
            return Some(line.to_owned());
        }
        let (time, level, name) = (text("time"), text("level"), text("function"));
        Some(format!("{time}  {level:<7}  {name}: {}", text("text")))
    }
}
