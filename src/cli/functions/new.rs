//! `offhook fn new NAME`: a commented function, with a first event to test it by.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::check::shown;
use super::super::{Outcome, Project};
use super::templates::{EVENT, TEMPLATES, Template};
use crate::base::hint;
use crate::source::function;

/// Arguments of `offhook fn new`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct New {
    /// The function's name, which is its path behind /functions/
    #[arg(value_name = "NAME")]
    name: String,
    /// The language it is written in
    #[arg(long, value_name = "LANG", default_value = "js")]
    lang: String,
    /// Only calls, and requests with a valid signature, may run it
    #[arg(long)]
    protected: bool,
    #[command(flatten)]
    project: Project,
}

impl New {
    pub(super) fn run(self) -> Outcome {
        let (name, folder) = (&self.name, &self.project.folder);
        if !folder.join(crate::config::FILE).is_file() {
            return Err(format!(
                "{} is no project folder; `offhook new DIR` writes one",
                shown(folder)
            ));
        }
        if !function::is_name(name) {
            return Err(format!(
                "\"{name}\" is no name of a function: it has letters, digits, _ - . ~ and /"
            ));
        }
        let langs: Vec<&str> = TEMPLATES.iter().map(|template| template.lang).collect();
        let template = TEMPLATES.iter().find(|template| template.lang == self.lang);
        let template = template.ok_or_else(|| {
            format!("there is no language {}; {}", self.lang, hint(&self.lang, &langs))
        })?;
        let functions = folder.join("functions");
        if let Some((file, _)) = function::versions::current(&functions, name) {
            return Err(format!("functions/{file} is there already; choose another name"));
        }
        for path in self.write(template, &functions)? {
            println!("wrote {}", shown(&path));
        }
        if let Some(then) = template.then {
            println!("then: {}", then.replace("{{name}}", name));
        }
        println!("next: offhook preview function:{name}");
        println!("then: offhook fn test {name} --write");
        Ok(ExitCode::SUCCESS)
    }

    /// Writes all files, or none where one is there already.
    fn write(&self, template: &Template, functions: &Path) -> Result<Vec<PathBuf>, String> {
        let name = &self.name;
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for (at, (file, text)) in template.files.iter().enumerate() {
            let stem = match self.protected && at == 0 {
                true => format!("{name}.protected"),
                false => name.clone(),
            };
            files.push((functions.join(file.replace("{}", &stem)), text.replace("{{name}}", name)));
        }
        files.push((functions.join(format!("{name}.test")).join("call.json"), EVENT.to_owned()));
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(format!("{} is there already; nothing was written", shown(path)));
        }
        for (path, text) in &files {
            let failed = |error| format!("cannot write {}: {error}", path.display());
            fs::create_dir_all(path.parent().unwrap_or(functions)).map_err(failed)?;
            fs::write(path, text).map_err(failed)?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}
