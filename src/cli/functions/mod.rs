//! `offhook fn`: functions from their first line to their versions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;

use super::Outcome;
use super::check::default_url;
use crate::base::hint;
use crate::config::Config;
use crate::node::project::Opened;
use crate::source::FunctionRunner;
use crate::source::function;

mod bench;
mod build;
mod compilers;
mod diff;
mod fixture;
mod list;
mod logs;
mod new;
mod sources;
mod templates;
mod test;
mod versions;

pub(super) use build::{build_changed, build_stale, looked_at};

/// What to do with functions.
#[derive(Subcommand, Debug)]
pub(super) enum Fn {
    /// Write a commented function in any language, and a first test of it
    New(new::New),
    /// Compile functions whose sources are in functions-src
    Build(build::Build),
    /// List functions: who may call them, their file, what is wrong with them
    List(list::List),
    /// Compare what functions answer to events with what is expected
    Test(test::Test),
    /// Measure a function: time at the median and the worst, runs a second, memory
    Bench(bench::Bench),
    /// Print what functions log; of a running server or of the last one
    Logs(logs::Logs),
    /// List the versions of a function that a server kept
    Versions(versions::List),
    /// Put an earlier version back into the function's file
    Rollback(versions::Rollback),
}

impl Fn {
    pub(super) fn run(self) -> Outcome {
        match self {
            Fn::New(command) => command.run(),
            Fn::Build(command) => command.run(),
            Fn::List(command) => command.run(),
            Fn::Test(command) => command.run(),
            Fn::Bench(command) => command.run(),
            Fn::Logs(command) => command.run(),
            Fn::Versions(command) => command.run(),
            Fn::Rollback(command) => command.run(),
        }
    }
}

/// Opens a project to run its functions, without a server.
fn open(config: Config) -> Result<(Opened, Arc<dyn FunctionRunner>), String> {
    let url = default_url(&config);
    let opened = Opened::open(config, url).map_err(|error| error.to_string())?;
    let runner = Arc::clone(&opened.project.functions);
    Ok((opened, runner))
}

/// Folders of sources whose modules were never made, each with its function's name.
pub(super) fn unbuilt(project: &Path) -> Vec<(PathBuf, String)> {
    let functions = project.join("functions");
    let sources = sources::all(project).into_iter();
    let missing = sources.filter(|source| !functions.join(&source.module).is_file());
    missing.map(|source| (source.folder, source.name)).collect()
}

/// Why no request reaches a function, told to who owns it: to others a private one answers as one
/// that does not exist.
pub(super) fn why_not_reached(project: &Path, name: &str) -> Option<String> {
    let functions = project.join("functions");
    let all = function::names(&functions);
    let found = all.iter().find(|(known, _)| known == name);
    match found {
        Some((_, function::Access::Private)) => {
            let file = function::versions::current(&functions, name).map(|(file, _)| file);
            let file = file.unwrap_or_else(|| name.to_owned());
            Some(format!("functions/{file} is private: requests get the same as without it"))
        }
        Some(_) => None,
        None => known(project, name).err(),
    }
}

/// An error when a project has no function of that name.
fn known(project: &Path, name: &str) -> Result<(), String> {
    let names: Vec<String> =
        function::names(&project.join("functions")).into_iter().map(|(name, _)| name).collect();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    if sources::all(project).iter().any(|source| source.name == name) {
        return Err(format!("{name} is not built yet; run `offhook fn build {name}`"));
    }
    if let Some(meant) = meant(project, name, &names) {
        return Err(format!("{name} is a function's file; its name is {meant}"));
    }
    if names.is_empty() {
        return Err(format!(
            "there is no function {name}, nor any other; `offhook fn new {name}` writes it"
        ));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Err(format!("there is no function {name}; {}", hint(name, &names)))
}

/// The function whose file somebody named in the place of the function.
fn meant<'a>(project: &Path, given: &str, names: &'a [String]) -> Option<&'a String> {
    let given = given.strip_prefix("./").unwrap_or(given);
    let given = given.strip_prefix("functions/").unwrap_or(given);
    let functions = project.join("functions");
    let is_file = |name: &str| {
        function::versions::current(&functions, name).is_some_and(|(file, _)| file == given)
    };
    names.iter().find(|name| name.as_str() == given || is_file(name))
}
