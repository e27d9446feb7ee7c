//! `offhook test`: the project's call flows, in virtual time, without phones, and the tests that
//! stand in its tables of routes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::check::{default_url, many, shown};
use super::flow::report::{Suite, junit};
use super::flow::{self, Flow, run};
use super::serve::{block_on, read_config};
use super::{Outcome, Project, test_tables};
use crate::node::project::Opened;

/// Arguments of `offhook test`.
#[derive(clap::Args, Debug)]
pub(super) struct Test {
    #[command(flatten)]
    project: Project,
    /// Runs only flows and tests whose name or file holds this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// Writes the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A flow file that was read.
struct Source {
    file: String,
    flows: Vec<Flow>,
}

impl Test {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let sources = self.read()?;
        let chosen: usize = sources.iter().map(|source| source.flows.len()).sum();
        let tables = test_tables::run(&config, self.filter.as_deref())?;
        let tests = test_tables::count(&tables);
        if chosen + tests == 0 {
            let folder = shown(&self.project.folder.join("flows"));
            return match &self.filter {
                Some(filter) => Err(format!("no flow in {folder} has \"{filter}\" in its name")),
                None => Err(format!("there are no flows in {folder}; write one, such as x.flow")),
            };
        }
        let suites = block_on(async move {
            let url = default_url(&config);
            let opened = Opened::open(config, url).map_err(|error| error.to_string())?;
            let mut suites = Vec::new();
            for source in sources {
                suites.push(run_all(&opened, source).await);
            }
            suites.extend(test_tables::tell_all(tables));
            Ok(suites)
        })?;
        if let Some(path) = &self.junit {
            let written = fs::write(path, junit(&suites));
            written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        let failed = suites.iter().flat_map(|suite| &suite.flows);
        let failed = failed.filter(|(_, outcome)| outcome.failure.is_some()).count();
        let of_tables = match tests {
            0 => String::new(),
            tests => format!(", {} of tables", many(tests, "test")),
        };
        let (flows, all) = (many(chosen, "flow"), chosen + tests);
        println!("{flows}{of_tables}: {} passed, {failed} failed", all - failed);
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The flows that are to run; mistakes in any file go to standard error.
    fn read(&self) -> Result<Vec<Source>, String> {
        let mut sources = Vec::new();
        let mut mistakes = 0;
        for path in files(&self.project.folder) {
            let file = shown(&path);
            let text = fs::read_to_string(&path);
            let text = text.map_err(|error| format!("cannot read {file}: {error}"))?;
            match flow::parse(&text) {
                Ok(flows) => sources.push(Source { flows: self.chosen(&file, flows), file }),
                Err(found) => {
                    mistakes += found.len();
                    for mistake in found {
                        eprintln!("{file}:{}: error flow: {}", mistake.position, mistake.message);
                    }
                }
            }
        }
        match mistakes {
            0 => Ok(sources),
            found => Err(format!("{} in the flows; mend and try again", many(found, "mistake"))),
        }
    }

    fn chosen(&self, file: &str, flows: Vec<Flow>) -> Vec<Flow> {
        let Some(filter) = &self.filter else { return flows };
        let whole = file.contains(filter.as_str());
        flows.into_iter().filter(|flow| whole || flow.name.contains(filter.as_str())).collect()
    }
}

/// The flow files of a project, in the order of their names.
pub(super) fn files(project: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.join("flows")) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "flow")).collect();
    files.sort();
    files
}

async fn run_all(opened: &Opened, source: Source) -> Suite {
    let Source { file, flows } = source;
    let mut suite = Suite { file, flows: Vec::new() };
    for flow in flows {
        let outcome = run::run(opened, &flow).await;
        let name = &flow.name;
        let length = outcome.length.as_secs_f64();
        match &outcome.failure {
            None => println!("ok    {}: {name} ({length:.1} s)", suite.file),
            Some(failure) => {
                println!("FAIL  {}: {name} ({length:.1} s)", suite.file);
                eprint!("{}", failure.text(&suite.file));
            }
        }
        suite.flows.push((flow.name, outcome));
    }
    suite
}
