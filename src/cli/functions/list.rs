//! `offhook fn list`: the functions of a project, each loaded once to see whether it is sound.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::serve::{block_on, read_config};
use super::super::{Outcome, Project, say};
use crate::node::project::versions_of;
use crate::source::{Access, Candidate, function};

/// Arguments of `offhook fn list`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One function.
struct Listed {
    name: String,
    file: Option<Candidate>,
    wrong: Option<String>,
    versions: usize,
}

impl List {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let versions = versions_of(&config);
        let all = block_on(async move {
            let (opened, runner) = super::open(config)?;
            let checked = opened.check_functions().await.into_iter();
            let listed = checked.map(|(name, result)| Listed {
                file: runner.candidates(&name).into_iter().next(),
                wrong: result.err().map(|error| match error {
                    function::Error::Load(error) => error.diagnostic(),
                    other => other.to_string(),
                }),
                versions: versions.list(&name).len(),
                name,
            });
            Ok(listed.collect::<Vec<_>>())
        })?;
        match self.json {
            true => say(&Value::from(all.iter().map(as_json).collect::<Vec<_>>()).to_string()),
            false if all.is_empty() => {
                eprintln!("offhook: there are no functions; `offhook fn new NAME` writes one");
            }
            false => all.iter().for_each(|listed| say(&as_line(listed))),
        }
        let sound = all.iter().all(|listed| listed.wrong.is_none());
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn access(listed: &Listed) -> &'static str {
    match listed.file.as_ref().map(|file| file.access) {
        Some(Access::Public) => "public",
        Some(Access::Protected) => "protected",
        Some(Access::Private) => "private",
        None => "gone",
    }
}

fn as_line(listed: &Listed) -> String {
    let Listed { name, file, wrong, versions } = listed;
    let file = file.as_ref().map_or("", |file| file.file.as_str());
    let kept = match versions {
        0 => String::new(),
        1 => ", 1 version kept".to_owned(),
        count => format!(", {count} versions kept"),
    };
    let state = wrong.as_ref().map_or_else(|| "ok".to_owned(), |wrong| format!("BROKEN {wrong}"));
    format!("{name}  {}  {file}{kept}  {state}", access(listed))
}

fn as_json(listed: &Listed) -> Value {
    let Listed { name, file, wrong, versions } = listed;
    json!({
        "name": name,
        "access": access(listed),
        "file": file.as_ref().map(|file| &file.file),
        "version": file.as_ref().and_then(|file| file.version.as_ref()),
        "versions_kept": versions,
        "error": wrong,
    })
}
