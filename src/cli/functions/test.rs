//! `offhook fn test`: events to functions, and whether they answer what is expected.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::check::{many, shown};
use super::super::serve::{block_on, read_config};
use super::super::{Outcome, Project, say};
use super::diff;
use super::fixture::{self, Fixture, Place, Unusable};
use crate::base::hint;
use crate::http::Response;
use crate::markup;
use crate::source::seen::{Report, Reporter};
use crate::source::{FunctionRunner, function, routes};

/// Arguments of `offhook fn test`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Test {
    /// The function; without it all that have fixtures
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only this fixture of it
    #[arg(value_name = "CASE")]
    case: Option<String>,
    /// Writes what came where nothing is expected yet
    #[arg(long)]
    write: bool,
    /// The same, and over what was expected where something else came
    #[arg(long)]
    accept: bool,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of a fixture.
struct Tried {
    function: String,
    case: String,
    /// None where the fixture could not be run.
    response: Option<Response>,
    report: Report,
    verdict: Verdict,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Where what is expected stands, and the lines of the difference.
    Differs(String, Vec<String>),
    /// The file.
    Written(String),
    /// Nothing is expected, with what to do about that, and what came.
    NothingExpected(String, Vec<String>),
    /// The function could not be loaded, or was stopped.
    NoAnswer(String),
    /// It could not be run or written, with the reason.
    Unusable(String),
}

impl Test {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let fixtures = self.fixtures()?;
        let all = block_on(async move {
            let (_opened, runner) = super::open(config)?;
            let mut all = Vec::new();
            for fixture in fixtures {
                all.push(match fixture {
                    Ok(fixture) => self.try_one(&*runner, fixture).await,
                    Err(unusable) => Tried::unusable(unusable),
                });
            }
            self.tell(&all);
            Ok(all)
        })?;
        let passed = all.iter().all(Tried::passed);
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn fixtures(&self) -> Result<Vec<Result<Fixture, Unusable>>, String> {
        let (project, functions) = (&self.project.folder, self.project.folder.join("functions"));
        let names = match &self.name {
            Some(name) => {
                super::known(project, name)?;
                vec![name.clone()]
            }
            None => fixture::names(&functions),
        };
        let mut found = Vec::new();
        for name in names {
            match super::known(project, &name) {
                Ok(()) => found.extend(fixture::of(&functions, &name)),
                Err(why) => {
                    let why = format!("{}/{name}.test: {why}", shown(&functions));
                    found.push(Err(Unusable::new(&name, "all of its fixtures", why)));
                }
            }
        }
        match &self.case {
            _ if found.is_empty() => Err(self.none(&functions)),
            Some(case) => only(found, case),
            None => Ok(found),
        }
    }

    /// Why there is nothing to do, and what would change that.
    fn none(&self, functions: &Path) -> String {
        let name = self.name.as_deref().unwrap_or("NAME");
        let folder = shown(functions);
        let file = function::versions::current(functions, name).map(|(file, _)| file);
        let table = file.is_some_and(|file| file.ends_with(routes::ENDING));
        let own = if table { "; its own [[test]]s run with `offhook test`" } else { "" };
        format!("there are no fixtures; write an event to {folder}/{name}.test/CASE.json{own}")
    }

    async fn try_one(&self, runner: &dyn FunctionRunner, fixture: Fixture) -> Tried {
        let reporter = Reporter::new(false, true);
        let invocation = fixture.invocation(reporter.clone());
        let response = runner.invoke(&fixture.function, invocation).await;
        let came = readable(&String::from_utf8_lossy(&response.body));
        let report = reporter.take();
        let verdict = match (self.verdict(&fixture, response.status, &came), &report.failure) {
            (Verdict::Same, _) => Verdict::Same,
            (_, Some(failure)) => Verdict::NoAnswer(failure.clone()),
            (verdict, None) => verdict,
        };
        let Fixture { function, case, .. } = fixture;
        Tried { function, case, response: Some(response), report, verdict }
    }

    fn verdict(&self, fixture: &Fixture, status: u16, came: &str) -> Verdict {
        let nothing = fixture.expected.is_none() && fixture.status.is_none();
        let found = judge(fixture.expected.as_deref(), fixture.status, came, status);
        if found.is_empty() && !nothing {
            return Verdict::Same;
        }
        let lines = || came.lines().map(|line| format!("  {line}")).collect();
        match &fixture.place {
            // A file says what is expected with status 200; another is no answer to keep.
            Place::File { event, expected } if status == 200 && (self.accept || nothing) => {
                let ending = if came.starts_with('<') { "xml" } else { "txt" };
                let path = event.with_extension(ending);
                match self.accept || self.write {
                    true => write(&path, expected.as_deref(), came),
                    false => {
                        let path = shown(&path);
                        let advice = format!("write {path}, or run with --write, which writes");
                        Verdict::NothingExpected(format!("{advice} what came:"), lines())
                    }
                }
            }
            Place::File { event, .. } if nothing => {
                let whole = event.parent().map(|folder| folder.with_extension("test.json"));
                let whole = whole.map(|whole| shown(&whole)).unwrap_or_default();
                let advice = format!(
                    "status {status} came, and an event in a file of its own has to get 200; mend the \
                     function, or move the event to {whole} with \"status\": {status}. What came:"
                );
                Verdict::NothingExpected(advice, lines())
            }
            Place::File { expected: Some(path), .. } => Verdict::Differs(shown(path), found),
            Place::File { event: path, .. } | Place::In(path) => {
                Verdict::Differs(shown(path), found)
            }
        }
    }

    fn tell(&self, all: &[Tried]) {
        if self.json {
            return say(&Value::from(all.iter().map(as_json).collect::<Vec<_>>()).to_string());
        }
        all.iter().for_each(Tried::tell);
        let passed = all.iter().filter(|one| one.passed()).count();
        let failed = all.len() - passed;
        say(&format!("{}: {passed} passed, {failed} failed", many(all.len(), "fixture")));
        if !self.accept && all.iter().any(Tried::can_be_accepted) {
            say("if what came is right, --accept writes it over what was expected");
        }
    }
}

/// The fixture of that name, of a function's.
fn only(
    mut found: Vec<Result<Fixture, Unusable>>,
    wanted: &str,
) -> Result<Vec<Result<Fixture, Unusable>>, String> {
    fn case(fixture: &Result<Fixture, Unusable>) -> &str {
        fixture.as_ref().map_or_else(|unusable| &*unusable.case, |fixture| &*fixture.case)
    }
    if found.iter().any(|fixture| case(fixture) == wanted) {
        found.retain(|fixture| case(fixture) == wanted);
        return Ok(found);
    }
    let cases: Vec<&str> = found.iter().map(case).collect();
    Err(format!("there is no fixture {wanted}; {}", hint(wanted, &cases)))
}

/// Writes what is expected from now on; a text in the place of a document, or the other way
/// round, has another file.
fn write(path: &Path, before: Option<&Path>, came: &str) -> Verdict {
    if let Err(error) = fs::write(path, format!("{came}\n")) {
        return Verdict::Unusable(format!("{}: cannot be written: {error}", shown(path)));
    }
    match before.filter(|before| *before != path) {
        Some(before) if fs::remove_file(before).is_err() => {
            Verdict::Unusable(format!("{}: cannot be removed; remove it", shown(before)))
        }
        _ => Verdict::Written(shown(path)),
    }
}

/// Compares as calls would: white space between elements means nothing, the status 200 goes
/// without saying. Gives the lines of the difference.
fn judge(expected: Option<&str>, status: Option<u16>, came: &str, came_status: u16) -> Vec<String> {
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
    found
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

impl Tried {
    fn unusable(unusable: Unusable) -> Tried {
        let Unusable { function, case, why } = unusable;
        let verdict = Verdict::Unusable(why);
        Tried { function, case, response: None, report: Report::default(), verdict }
    }

    fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Same | Verdict::Written(_))
    }

    /// What came with another status is no answer to keep, and a file of all cases is edited by hand.
    fn can_be_accepted(&self) -> bool {
        let sound = self.response.as_ref().is_some_and(|response| response.status == 200);
        let differs = |place: &str| !place.ends_with(".test.json");
        sound && matches!(&self.verdict, Verdict::Differs(place, _) if differs(place))
    }

    fn tell(&self) {
        let (name, case) = (&self.function, &self.case);
        match &self.verdict {
            Verdict::Same => say(&format!("ok    {name}: {case}")),
            Verdict::Written(path) => say(&format!("wrote {name}: {case}: {path}")),
            Verdict::NothingExpected(advice, came) => {
                say(&format!("FAIL  {name}: {case}"));
                say(&format!("  nothing is expected: {advice}"));
                self.tell_lines(came);
            }
            Verdict::NoAnswer(failure) => {
                say(&format!("FAIL  {name}: {case}"));
                say(&format!("  there is no answer: {failure}"));
                self.tell_lines(&[]);
            }
            Verdict::Unusable(why) => {
                say(&format!("FAIL  {name}: {case}"));
                say(&format!("  {why}"));
            }
            Verdict::Differs(place, lines) => {
                say(&format!("FAIL  {name}: {case}"));
                say(&format!("  - {place}"));
                say("  + what came");
                self.tell_lines(lines);
            }
        }
    }

    /// With what was logged: it often says why.
    fn tell_lines(&self, lines: &[String]) {
        lines.iter().for_each(|line| say(&format!("  {line}")));
        for line in self.report.log.iter().flat_map(|line| line.text.lines()) {
            say(&format!("  log: {line}"));
        }
    }
}

fn as_json(one: &Tried) -> Value {
    let (verdict, difference, error) = match &one.verdict {
        Verdict::Same => ("passed", None, None),
        Verdict::Written(_) => ("written", None, None),
        Verdict::Differs(_, lines) => ("failed", Some(lines.join("\n")), None),
        Verdict::NothingExpected(advice, _) => ("nothing expected", None, Some(advice)),
        Verdict::NoAnswer(failure) => ("failed", None, Some(failure)),
        Verdict::Unusable(why) => ("unusable", None, Some(why)),
    };
    let response = one.response.as_ref();
    json!({
        "function": one.function,
        "case": one.case,
        "verdict": verdict,
        "status": response.map(|response| response.status),
        "body": response.map(|response| String::from_utf8_lossy(&response.body)),
        "difference": difference,
        "error": error,
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
        assert_eq!(judge(Some(same), None, &came, 200), [""; 0]);
        let other = "<Response><Say>a b</Say></Response>";
        assert_eq!(
            judge(Some(other), None, &came, 200),
            ["  <Response>", "-   <Say>a b</Say>", "+   <Say>a  b</Say>", "  </Response>"]
        );
        assert_eq!(judge(Some("x"), None, "x", 500), ["- status 200", "+ status 500"]);
        assert_eq!(judge(None, Some(404), "gone", 404), [""; 0]);
        assert_eq!(judge(Some("{\"a\":1}"), None, &readable("{ \"a\": 1 }"), 200), [""; 0]);
    }
}
