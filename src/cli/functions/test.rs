//! `offhook fn test`: events to functions, and whether they answer what is expected.

use std::fs;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::check::{many, shown};
use super::super::serve::{block_on, read_config};
use super::super::{Outcome, Project, say};
use super::diff;
use super::fixture::{self, Fixture};
use crate::http::Response;
use crate::markup;
use crate::source::seen::{Report, Reporter};
use crate::source::{FunctionRunner, function};

/// Arguments of `offhook fn test`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Test {
    /// The function; without it all that have fixtures
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Writes what came where nothing is expected yet
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of a fixture.
struct Outcomes {
    fixture: Fixture,
    response: Response,
    report: Report,
    verdict: Verdict,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Differs(Vec<String>),
    Written,
    NothingExpected,
}

impl Test {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let fixtures = self.fixtures()?;
        let all = block_on(async move {
            let (_opened, runner) = super::open(config)?;
            let mut all = Vec::new();
            for fixture in fixtures {
                all.push(self.try_one(&*runner, fixture).await?);
            }
            self.tell(&all);
            Ok(all)
        })?;
        let passed = all.iter().all(|one| matches!(one.verdict, Verdict::Same | Verdict::Written));
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn fixtures(&self) -> Result<Vec<Fixture>, String> {
        let functions = self.project.folder.join("functions");
        let mut found = Vec::new();
        match &self.name {
            Some(name) => {
                super::known(&self.project.folder, name)?;
                found = fixture::of(&functions, name)?;
            }
            None => {
                for (name, _) in function::names(&functions) {
                    found.extend(fixture::of(&functions, &name)?);
                }
            }
        }
        if found.is_empty() {
            let name = self.name.as_deref().unwrap_or("NAME");
            let folder = shown(&functions);
            return Err(format!(
                "there are no fixtures; write an event to {folder}/{name}.test/CASE.json"
            ));
        }
        Ok(found)
    }

    async fn try_one(
        &self,
        runner: &dyn FunctionRunner,
        fixture: Fixture,
    ) -> Result<Outcomes, String> {
        let reporter = Reporter::new(false, true);
        let invocation = fixture.invocation(reporter.clone());
        let response = runner.invoke(&fixture.function, invocation).await;
        let came = readable(&String::from_utf8_lossy(&response.body));
        let verdict = match (&fixture.expected, fixture.status) {
            (None, None) if self.write && response.status == 200 => {
                let ending = if came.starts_with('<') { "xml" } else { "txt" };
                let path = fixture.beside.as_ref().map(|path| path.with_extension(ending));
                let path = path.unwrap_or_default();
                fs::write(&path, format!("{came}\n"))
                    .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
                Verdict::Written
            }
            (None, None) => Verdict::NothingExpected,
            (expected, status) => judge(expected.as_deref(), status, &came, response.status),
        };
        Ok(Outcomes { fixture, response, report: reporter.take(), verdict })
    }

    fn tell(&self, all: &[Outcomes]) {
        if self.json {
            return say(&Value::from(all.iter().map(as_json).collect::<Vec<_>>()).to_string());
        }
        for one in all {
            one.tell();
        }
        let failed = |one: &&Outcomes| !matches!(one.verdict, Verdict::Same | Verdict::Written);
        let failed = all.iter().filter(failed).count();
        println!("{}: {} passed, {failed} failed", many(all.len(), "fixture"), all.len() - failed);
    }
}

/// Compares as calls would: white space between elements means nothing, the status 200 goes
/// without saying.
fn judge(expected: Option<&str>, status: Option<u16>, came: &str, came_status: u16) -> Verdict {
    let wanted_status = status.unwrap_or(200);
    let mut found = Vec::new();
    if wanted_status != came_status {
        found.push(format!("- status {wanted_status}"));
        found.push(format!("+ status {came_status}"));
    }
    match expected.map(readable) {
        Some(expected) if expected != came => found.extend(diff::lines(&expected, came)),
        _ if !found.is_empty() && expected.is_none() => {
            found.extend(came.lines().map(|line| format!("  {line}")));
        }
        _ => {}
    }
    if found.is_empty() { Verdict::Same } else { Verdict::Differs(found) }
}

/// Markup and JSON with an element or member a line; other text as it is.
fn readable(text: &str) -> String {
    let text = text.trim();
    if let Ok(tree) = markup::parse(text.as_bytes()) {
        return markup::pretty(&tree.root);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => format!("{json:#}"),
        _ => text.replace("\r\n", "\n"),
    }
}

impl Outcomes {
    fn tell(&self) {
        let (name, case) = (&self.fixture.function, &self.fixture.case);
        match &self.verdict {
            Verdict::Same => say(&format!("ok    {name}: {case}")),
            Verdict::Written => say(&format!("wrote {name}: {case}: what came is expected now")),
            Verdict::NothingExpected => {
                say(&format!("FAIL  {name}: {case}"));
                let path = self.fixture.beside.as_ref().map(|path| path.with_extension("xml"));
                let path = path.map(|path| shown(&path)).unwrap_or_default();
                eprintln!("  nothing is expected: write {path}, or run with --write");
            }
            Verdict::Differs(lines) => {
                say(&format!("FAIL  {name}: {case}"));
                lines.iter().for_each(|line| eprintln!("  {line}"));
                for line in &self.report.log {
                    eprintln!("  log: {}", line.text);
                }
            }
        }
    }
}

fn as_json(one: &Outcomes) -> Value {
    let difference = match &one.verdict {
        Verdict::Differs(lines) => Some(lines.join("\n")),
        _ => None,
    };
    let verdict = match one.verdict {
        Verdict::Same => "passed",
        Verdict::Written => "written",
        Verdict::Differs(_) => "failed",
        Verdict::NothingExpected => "nothing expected",
    };
    json!({
        "function": one.fixture.function,
        "case": one.fixture.case,
        "verdict": verdict,
        "status": one.response.status,
        "body": String::from_utf8_lossy(&one.response.body),
        "difference": difference,
        "log": one.report.log.iter().map(|line| &line.text).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_elements_is_no_difference_and_text_is() {
        let came = readable("<Response><Say>a  b</Say></Response>");
        let same = "<?xml version=\"1.0\"?>\n<Response>\n\t<Say>a  b</Say>\n</Response>\n";
        assert_eq!(judge(Some(same), None, &came, 200), Verdict::Same);
        let other = "<Response><Say>a b</Say></Response>";
        let Verdict::Differs(lines) = judge(Some(other), None, &came, 200) else { panic!() };
        assert_eq!(
            lines,
            ["  <Response>", "-   <Say>a b</Say>", "+   <Say>a  b</Say>", "  </Response>"]
        );
        let Verdict::Differs(lines) = judge(Some("x"), None, "x", 500) else { panic!() };
        assert_eq!(lines, ["- status 200", "+ status 500"]);
        assert_eq!(judge(None, Some(404), "gone", 404), Verdict::Same);
        assert_eq!(judge(Some("{\"a\":1}"), None, &readable("{ \"a\": 1 }"), 200), Verdict::Same);
    }
}
