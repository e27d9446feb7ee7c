//! `offhook fn versions` and `offhook fn rollback`: what a server kept, and putting it back.
//!
//! Rolling back writes the function's file: a running server takes it as any save.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::serve::read_config;
use super::super::{Outcome, Project, say};
use crate::node::clock::Clock;
use crate::node::project::versions_of;
use crate::source::function::version_of;
use crate::source::function::versions::{SHOWN, Version, current};

/// Arguments of `offhook fn versions`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct List {
    /// The function
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `offhook fn rollback`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Rollback {
    /// The function
    #[arg(value_name = "NAME")]
    name: String,
    /// The version, or how it begins; without it the last good one that is not there now
    #[arg(value_name = "VERSION")]
    wanted: Option<String>,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let versions = versions_of(&config).list(&self.name);
        if versions.is_empty() {
            super::known(&self.project.folder, &self.name)?;
            eprintln!(
                "offhook: no versions of {} are kept: a server keeps those that load well",
                self.name
            );
        }
        let functions = config.project.join("functions");
        let text = current(&functions, &self.name).and_then(|(_, path)| std::fs::read(path).ok());
        let there = text.map(|text| version_of(&text));
        let is_there = |version: &Version| there.as_ref() == Some(&version.id);
        match self.json {
            true => {
                let all = versions.iter().map(|version| as_json(version, is_there(version)));
                say(&Value::from(all.collect::<Vec<_>>()).to_string());
            }
            false => versions.iter().for_each(|version| say(&as_line(version, is_there(version)))),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn as_line(version: &Version, is_there: bool) -> String {
    let mark = if is_there { '*' } else { ' ' };
    let state = if version.good { "good" } else { "not known to be good" };
    let (id, kept, bytes) = (version.short(), version.kept.rfc3339(), version.bytes);
    format!("{mark} {id}  {kept}  {bytes} bytes  functions/{}  {state}", version.file)
}

fn as_json(version: &Version, is_there: bool) -> Value {
    let Version { id, file, kept, bytes, good } = version;
    json!({
        "version": id,
        "file": format!("functions/{file}"),
        "kept": kept.rfc3339(),
        "bytes": bytes,
        "good": good,
        "current": is_there,
    })
}

impl Rollback {
    pub(super) fn run(self) -> Outcome {
        let config = read_config(&self.project)?;
        let functions = config.project.join("functions");
        let now = Clock::start().wall();
        let wanted = self.wanted.as_deref();
        if versions_of(&config).list(&self.name).is_empty() {
            super::known(&self.project.folder, &self.name)?;
        }
        let done = versions_of(&config).roll_back(&functions, &self.name, wanted, now)?;
        let file = format!("functions/{}", done.file);
        if self.json {
            let replaced = done.replaced;
            say(&json!({ "version": done.version.id, "file": file, "replaced": replaced })
                .to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let kept = done.version.kept.rfc3339();
        say(&format!("{file} is version {} of {kept} now", done.version.short()));
        if let Some(replaced) = done.replaced {
            let id = replaced.get(..SHOWN).unwrap_or(&replaced);
            say(&format!("what was there is kept: offhook fn rollback {} {id}", self.name));
        }
        Ok(ExitCode::SUCCESS)
    }
}
