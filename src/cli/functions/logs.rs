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
        let mut log = function_log::Lines::of(&data);
        let there = log.there().map_err(failed)?;
        let serves = running::serves(&data);
        match (serves, there.is_empty()) {
            (true, _) => {}
            (false, false) => {
                eprintln!("offhook: no server runs here; this is what the last one left");
            }
            (false, true) => eprintln!(
                "offhook: no server runs here, and none left a log; `offhook dev` starts one"
            ),
        }
        // What a function logged that is there no more is still to be read.
        if let Some(name) = &self.name
            && !there.iter().any(|line| self.shown(line).is_some())
        {
            super::known(&self.project.folder, name)?;
        }
        let shown: Vec<Vec<String>> = there.iter().filter_map(|line| self.shown(line)).collect();
        let first = shown.len().saturating_sub(self.lines);
        shown.iter().skip(first).flatten().for_each(|line| say(line));
        if shown.is_empty() && (serves || !there.is_empty()) {
            let whose = self.name.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
            eprintln!("offhook: nothing{whose} is in the log so far");
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            let more = log.wait().map_err(failed)?;
            for line in more.iter().filter_map(|line| self.shown(line)).flatten() {
                // Whoever reads has gone away (`| head`).
                if writeln!(std::io::stdout().lock(), "{}", printable(&line)).is_err() {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }

    /// An entry as it is printed, in several lines where its text has them; none of others'
    /// functions.
    fn shown(&self, line: &str) -> Option<Vec<String>> {
        let entry: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        if self.name.as_deref().is_some_and(|name| name != text("function")) {
            return None;
        }
        if self.json {
            return Some(vec![line.to_owned()]);
        }
        let head = format!("{}  {:<7}  {}: ", text("time"), text("level"), text("function"));
        // Indented, so that no text looks like another entry.
        let mut lines = text("text").lines();
        let first = format!("{head}{}", lines.next().unwrap_or_default());
        Some(std::iter::once(first).chain(lines.map(|line| format!("    {line}"))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_text_stay_lines_and_no_text_looks_like_an_entry() {
        let logs = |json| Logs {
            name: Some("f".to_owned()),
            lines: 50,
            follow: false,
            project: Project { folder: ".".into() },
            json,
        };
        let entry = |name: &str| {
            let text = "Error: x\n    at f.js:1:2\r\n2026 info f: forged";
            serde_json::json!({ "time": "2026", "level": "error", "function": name, "text": text })
        };
        let line = entry("f").to_string();
        let wanted =
            ["2026  error    f: Error: x", "        at f.js:1:2", "    2026 info f: forged"];
        assert_eq!(logs(false).shown(&line).expect("shown"), wanted);
        assert_eq!(logs(true).shown(&line).expect("shown"), [line]);
        assert_eq!(logs(false).shown(&entry("g").to_string()), None);
    }
}
