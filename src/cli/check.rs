//! `offhook check`: configuration, bins, functions and flows, without starting anything.
//!
//! Findings go to standard error as `file:line:col: severity code: message`, the sum of them to
//! standard output.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::serve::block_on;
use super::{Outcome, Project};
use crate::base::plain::{printable, printable_lines};
use crate::config::{Config, Problem, Severity};
use crate::markup::Position;
use crate::node::project::Opened;
use crate::node::secrets;
use crate::source::function;
use crate::source::routes::ENDING;
use crate::speech::{self, Voices};

pub(super) mod bins;
mod handlers;
mod routes;

/// Arguments of `offhook check`.
#[derive(clap::Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    project: Project,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    errors: usize,
    warnings: usize,
}

impl Findings {
    fn tell(
        &mut self,
        file: &Path,
        position: Option<Position>,
        severity: Severity,
        code: impl Display,
        message: impl Display,
    ) {
        let severity = match severity {
            Severity::Error => {
                self.errors += 1;
                "error"
            }
            Severity::Warning => {
                self.warnings += 1;
                "warning"
            }
        };
        let place = position.map(|position| format!("{position}:")).unwrap_or_default();
        let message = printable_lines(&message.to_string());
        eprintln!("{}:{place} {severity} {code}: {message}", shown(file));
    }

    fn problem(&mut self, problem: &Problem) {
        let Problem { file, line, column, severity, message } = problem;
        let place = (*line > 0).then(|| place(*line, *column));
        self.tell(file, place, *severity, "config", message);
    }
}

impl Check {
    pub(super) fn run(self) -> Outcome {
        let folder = self.project.folder;
        let mut findings = Findings::default();
        let env = |name: &str| std::env::var(name).ok();
        let mut counts = None;
        match Config::read(&folder, &env) {
            Err(problems) => problems.iter().for_each(|problem| findings.problem(problem)),
            Ok(config) => counts = Some(check_project(config, &mut findings)?),
        }
        let flows = check_flows(&folder, &mut findings);
        let Findings { errors, warnings } = findings;
        let checked = match counts {
            Some((bins, functions)) => {
                let (bins, functions) = (many(bins, "bin"), many(functions, "function"));
                format!("{bins}, {functions}, {}", many(flows, "flow"))
            }
            None => "bins and functions wait for the configuration".to_owned(),
        };
        let (found, more) = (many(errors, "error"), many(warnings, "warning"));
        println!("{}: {found}, {more} ({checked})", shown(&folder));
        Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Everything that needs a sound configuration; gives how many bins and functions there are.
fn check_project(config: Config, findings: &mut Findings) -> Result<(usize, usize), String> {
    let voices = Voices::open(speech::Config {
        voice_dirs: config.speech.voices.clone(),
        cache_dir: None,
        cache_bytes: 0,
    });
    let file = config.project.join(crate::config::FILE);
    if !voices.can_speak() {
        let report = voices.report().join("; ");
        findings.tell(&file, None, Severity::Warning, "speech", report);
    }
    let url = default_url(&config);
    block_on(async {
        let opened = Opened::open(config, url).map_err(|error| error.to_string())?;
        let bins = bins::check(&opened, findings);
        let functions = check_functions(&opened, findings).await;
        handlers::check(&opened.config, findings);
        Ok((bins, functions))
    })
}

async fn check_functions(opened: &Opened, findings: &mut Findings) -> usize {
    let folder = opened.config.project.join("functions");
    let checked = opened.check_functions().await;
    for (name, result) in &checked {
        match result {
            Ok(()) => {}
            // All of its findings are told below, not the first alone.
            Err(function::Error::Load(error)) if error.file.ends_with(ENDING) => {}
            Err(function::Error::Load(error)) => {
                let place =
                    (error.line > 0).then(|| place(error.line as usize, error.column as usize));
                let file = opened.config.project.join(error.in_project().file);
                findings.tell(&file, place, Severity::Error, "function", &error.reason);
            }
            Err(error) => {
                findings.tell(&folder.join(name), None, Severity::Error, "function", error);
            }
        }
    }
    routes::check(&opened.config, findings);
    for (name, grants) in &opened.config.function_grants {
        println!("function {name}: {grants}");
    }
    secrets::told(&opened.config).iter().for_each(|line| println!("{line}"));
    secrets::hidden_reads(&opened.config).iter().for_each(|problem| findings.problem(problem));
    for (sources, name) in super::functions::unbuilt(&opened.config.project) {
        let message = format!("is not built yet; run `offhook fn build {name}`");
        findings.tell(&sources, None, Severity::Warning, "function", message);
    }
    let beyond = function::beyond(&folder);
    if beyond > 0 {
        let message = function::told_beyond(beyond);
        findings.tell(&folder, None, Severity::Error, "function", message);
    }
    for path in function::unnamed(&folder) {
        let message = "cannot be called: a function's name has letters, digits, _ - . ~ and /, and \
                       .private or .protected once at most";
        findings.tell(&path, None, Severity::Warning, "function", message);
    }
    checked.len()
}

/// Reads the flow files; gives how many flows they hold.
fn check_flows(project: &Path, findings: &mut Findings) -> usize {
    let mut count = 0;
    for file in super::test::files(project) {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                findings.tell(
                    &file,
                    None,
                    Severity::Error,
                    "flow",
                    format!("cannot be read: {error}"),
                );
                continue;
            }
        };
        match super::flow::parse(&text) {
            Err(mistakes) => {
                for mistake in mistakes {
                    let place = Some(mistake.position);
                    findings.tell(&file, place, Severity::Error, "flow", mistake.message);
                }
            }
            Ok(flows) => {
                count += flows.len();
                let steps = flows.iter().flat_map(|flow| &flow.steps);
                for step in steps {
                    if let super::flow::Action::Webhook(webhook) = &step.action
                        && !project.join(&webhook.file).is_file()
                    {
                        let message = format!("there is no file {} in the project", webhook.file);
                        findings.tell(&file, Some(step.position), Severity::Error, "flow", message);
                    }
                }
            }
        }
    }
    count
}

/// A name that a URL can say, near to one that none can.
fn plain_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.trim().chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

/// So many of something.
pub(super) fn many(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// What the server is reached at when nothing is configured: its first HTTP listener.
pub(super) fn default_url(config: &Config) -> String {
    config.http.listen.first().map_or_else(String::new, |address| format!("http://{address}"))
}

/// A path without a needless `./` before it, and without what a terminal would obey: files come from
/// others, too.
pub(super) fn shown(path: &Path) -> String {
    let short: PathBuf = path.strip_prefix("./").unwrap_or(path).into();
    if short.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        printable(&short.display().to_string())
    }
}

fn place(line: usize, column: usize) -> Position {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: number(line), column: number(column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_no_orders_to_a_terminal() {
        let evil = shown(Path::new("./functions/ev\u{1b}[2Jl\u{202e}.js"));
        assert_eq!(evil, "functions/ev\u{fffd}[2Jl\u{fffd}.js");
        assert_eq!(shown(Path::new(".")), ".");
    }
}
