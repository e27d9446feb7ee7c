//! `offhook fn list`: the functions of a project, each loaded once to see whether it is sound.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::check::shown;
use super::super::serve::{block_on, read_config};
use super::super::{Outcome, Project, say};
use crate::node::project::versions_of;
use crate::node::secrets;
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
    /// Names of the environment that it sees and some others do not.
    secrets: Vec<String>,
    /// Where it reads one that is hidden from it.
    hidden: Vec<String>,
}

impl List {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let versions = versions_of(&config);
        let (told, seen) = (secrets::told(&config), config.secrets());
        let problems = secrets::hidden_reads(&config);
        let folder = config.project.clone();
        let unbuilt = super::unbuilt(&self.project.folder);
        let all = block_on(async move {
            let (opened, runner) = super::open(config)?;
            let checked = opened.check_functions().await.into_iter();
            let secrets = |name: &String| {
                let own = seen.iter().filter(|(_, functions)| functions.contains(name));
                own.map(|(secret, _)| secret.clone()).collect()
            };
            let hidden = |file: &Option<Candidate>| {
                let Some(file) = file.as_ref() else { return vec![] };
                let of_file =
                    problems.iter().filter(|problem| problem.file == folder.join(&file.file));
                of_file.map(|problem| format!("{problem}")).collect()
            };
            let file = |name: &str| runner.candidates(name).into_iter().next();
            let listed = checked.map(|(name, result)| Listed {
                file: file(&name),
                wrong: result.err().map(|error| match error {
                    function::Error::Load(error) => error.diagnostic(),
                    other => other.to_string(),
                }),
                versions: versions.list(&name).len(),
                secrets: secrets(&name),
                hidden: hidden(&file(&name)),
                name,
            });
            Ok(listed.collect::<Vec<_>>())
        })?;
        match self.json {
            true => say(&Value::from(all.iter().map(as_json).collect::<Vec<_>>()).to_string()),
            false if all.is_empty() && unbuilt.is_empty() => {
                eprintln!("offhook: there are no functions; `offhook fn new NAME` writes one");
            }
            false => {
                all.iter().for_each(|listed| say(&as_line(listed)));
                told.iter().for_each(|line| say(line));
                all.iter().flat_map(|listed| &listed.hidden).for_each(|line| eprintln!("{line}"));
            }
        }
        for (folder, name) in &unbuilt {
            eprintln!("{}: is not built yet; run `offhook fn build {name}`", shown(folder));
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
    let Listed { name, file, wrong, versions, secrets, .. } = listed;
    let file = file.as_ref().map_or("", |file| file.file.as_str());
    let kept = match versions {
        0 => String::new(),
        1 => ", 1 version kept".to_owned(),
        count => format!(", {count} versions kept"),
    };
    let state = wrong.as_ref().map_or_else(|| "ok".to_owned(), |wrong| format!("BROKEN {wrong}"));
    let secrets = match secrets.as_slice() {
        [] => String::new(),
        secrets => format!(", secrets {}", secrets.join(" ")),
    };
    format!("{name}  {}  {file}{kept}{secrets}  {state}", access(listed))
}

fn as_json(listed: &Listed) -> Value {
    let Listed { name, file, wrong, versions, secrets, hidden } = listed;
    json!({
        "name": name,
        "access": access(listed),
        "file": file.as_ref().map(|file| &file.file),
        "version": file.as_ref().and_then(|file| file.version.as_ref()),
        "versions_kept": versions,
        "secrets": secrets,
        "warnings": hidden,
        "error": wrong,
    })
}
