//! `offhook fn new NAME`: a commented function, with a first event to test it by.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::check::shown;
use super::super::{Outcome, Project};
use super::templates::{self, EVENT, Place, TEMPLATES, Template};
use super::{compilers, sources};
use crate::base::hint;
use crate::source::function;

/// Arguments of `offhook fn new`.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct New {
    /// The function's name, which is its path behind /functions/
    #[arg(value_name = "NAME")]
    name: String,
    /// The language it is written in: js, ts, routes, wat, c, rust, assemblyscript, go, python
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
        let langs: Vec<&str> = TEMPLATES.iter().map(Template::lang).collect();
        let template = templates::find(&self.lang).ok_or_else(|| {
            format!("there is no language {}; {}", self.lang, hint(&self.lang, &langs))
        })?;
        self.is_free()?;
        for path in self.write(template)? {
            println!("wrote {}", shown(&path));
        }
        self.tell_next(template);
        Ok(ExitCode::SUCCESS)
    }

    /// An error where something has the name already.
    fn is_free(&self) -> Result<(), String> {
        let (name, folder) = (&self.name, &self.project.folder);
        if let Some((file, _)) = function::versions::current(&folder.join("functions"), name) {
            return Err(format!("functions/{file} is there already; choose another name"));
        }
        let sources = sources::all(folder);
        match sources.iter().find(|source| source.name == *name) {
            Some(source) => {
                let source = shown(&source.folder);
                Err(format!("{source} is there already; choose another name"))
            }
            None => Ok(()),
        }
    }

    fn tell_next(&self, template: &Template) {
        let name = &self.name;
        let folder = match shown(&self.project.folder).as_str() {
            "." => String::new(),
            folder => format!(" -C {folder}"),
        };
        let mut steps = Vec::new();
        if template.place == Place::Sources {
            let sources = sources::all(&self.project.folder);
            let source = sources.iter().find(|source| source.name == *name);
            if let Some(missing) = source.and_then(|source| compilers::missing(source.language)) {
                println!("needs: {missing}");
            }
            steps.push(format!("offhook fn build {name}{folder}"));
        }
        steps.push(format!("offhook preview function:{name}{folder}"));
        steps.push(format!("offhook fn test {name} --write{folder}"));
        steps.push(format!("offhook dev{folder}, and call or curl /functions/{name}"));
        for (at, step) in steps.iter().enumerate() {
            println!("{}: {step}", if at == 0 { "next" } else { "then" });
        }
    }

    /// Writes all files, or none where one is there already.
    fn write(&self, template: &Template) -> Result<Vec<PathBuf>, String> {
        let (name, project) = (&self.name, &self.project.folder);
        let stem = if self.protected { format!("{name}.protected") } else { name.clone() };
        let functions = project.join("functions");
        let path = |file: &str| match template.place {
            Place::Functions => functions.join(file.replace("{}", &stem)),
            Place::Sources => project.join(sources::FOLDER).join(&stem).join(file),
        };
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for (file, text) in template.files {
            files.push((path(file), text.replace("{{name}}", name)));
        }
        files.push((functions.join(format!("{name}.test")).join("call.json"), EVENT.to_owned()));
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(format!("{} is there already; nothing was written", shown(path)));
        }
        for (path, text) in &files {
            let failed = |error| format!("cannot write {}: {error}", path.display());
            fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
            fs::write(path, text).map_err(failed)?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::functions::sources::Language;

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(crate::config::FILE), "").expect("written");
        folder
    }

    fn new(folder: &Path, name: &str, lang: &str, protected: bool) -> New {
        let project = Project { folder: folder.to_owned() };
        New { name: name.to_owned(), lang: lang.to_owned(), protected, project }
    }

    #[test]
    fn every_language_is_either_a_function_or_sources_of_one() {
        for template in TEMPLATES {
            let folder = project();
            let lang = template.lang();
            new(folder.path(), "menu/f", lang, true).run().expect(lang);
            let functions = function::names(&folder.path().join("functions"));
            let sources = sources::all(folder.path());
            match template.place {
                Place::Functions => {
                    let wanted = ("menu/f".to_owned(), function::Access::Protected);
                    assert_eq!((functions, sources.len()), (vec![wanted], 0), "{lang}");
                }
                Place::Sources => {
                    // Neither sources nor tests are functions themselves.
                    assert_eq!((functions.len(), sources.len()), (0, 1), "{lang}");
                    assert_eq!(sources[0].module, "menu/f.protected.wasm", "{lang}");
                }
            }
            let again = new(folder.path(), "menu/f", "js", false).run().expect_err("it is there");
            assert!(again.contains("is there already"), "{again}");
        }
    }

    #[test]
    fn sources_are_told_by_their_language_and_know_their_name() {
        let languages = [
            ("c", Language::C),
            ("rs", Language::Rust),
            ("assemblyscript", Language::AssemblyScript),
            ("golang", Language::Go),
            ("py", Language::Python),
        ];
        let folder = project();
        for (lang, language) in languages {
            new(folder.path(), lang, lang, false).run().expect(lang);
            let sources = sources::all(folder.path());
            let source = sources.iter().find(|source| source.name == lang).expect("sources");
            assert_eq!(source.language, language);
            for (path, _) in source.stamps() {
                let text = fs::read_to_string(&path).expect("a text");
                assert!(!text.contains("{{name}}"), "{}", path.display());
            }
        }
        let unknown = new(folder.path(), "x", "asemblyscript", false).run().expect_err("unknown");
        assert!(unknown.ends_with("did you mean \"assemblyscript\"?"), "{unknown}");
    }
}
