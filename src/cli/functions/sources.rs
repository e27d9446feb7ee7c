//! Sources of functions that a compiler makes: each a folder below `functions-src`, whose path is
//! the function's name. As with files, `.protected` or `.private` at its end says who may call.
//!
//! They lie beside `functions` and not in it, where their scripts and modules would be functions.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{Stamp, function};

/// The folder of a project that sources lie in.
pub(super) const FOLDER: &str = "functions-src";

/// Sources are not nested deeper than functions are.
const MAX_DEPTH: usize = 8;

/// More files than this of one function are not looked at for changes: they are a compiler's.
const MAX_FILES: usize = 2_000;

/// How the module of a folder is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Go,
    AssemblyScript,
    C,
    Python,
}

/// A folder of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The function's name.
    pub(super) name: String,
    /// `functions/NAME.wasm`, relative to the functions folder.
    pub(super) module: String,
    pub(super) folder: PathBuf,
    pub(super) language: Language,
}

impl Language {
    /// By the files that the language's own tools want.
    fn of(folder: &Path) -> Option<Language> {
        let has = |file: &str| folder.join(file).is_file();
        match () {
            () if has("Cargo.toml") => Some(Language::Rust),
            () if has("go.mod") => Some(Language::Go),
            () if has("package.json") && has("function.ts") => Some(Language::AssemblyScript),
            () if has("function.c") => Some(Language::C),
            () if has("function.py") => Some(Language::Python),
            () => None,
        }
    }
}

impl Source {
    /// What tells one state of the sources from the next; nothing that compilers write counts.
    pub(super) fn stamps(&self) -> Vec<(PathBuf, Stamp)> {
        let mut stamps = Vec::new();
        collect_stamps(&self.folder, 0, &mut stamps);
        stamps.sort_by(|one, other| one.0.cmp(&other.0));
        stamps
    }

    /// Whether a file of the sources is younger than the module, or there is no module.
    pub(super) fn is_newer(&self, functions: &Path) -> bool {
        let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
        let Some(built) = time(&functions.join(&self.module)) else { return true };
        self.stamps().iter().any(|(path, _)| time(path).is_some_and(|changed| changed > built))
    }
}

/// All sources of a project, in the order of their names; those that make the same function one
/// after the other.
pub(super) fn all(project: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&project.join(FOLDER), "", 0, &mut found);
    found.sort_by(|one, other| (&one.name, &one.module).cmp(&(&other.name, &other.module)));
    found
}

fn collect(folder: &Path, path: &str, depth: usize, found: &mut Vec<Source>) {
    if let Some(language) = Language::of(folder).filter(|_| !path.is_empty()) {
        let name = [".protected", ".private"].iter().find_map(|end| path.strip_suffix(end));
        let name = name.unwrap_or(path).to_owned();
        if function::is_name(&name) {
            let (module, folder) = (format!("{path}.wasm"), folder.to_owned());
            found.push(Source { name, module, folder, language });
        }
        return;
    }
    if depth >= MAX_DEPTH {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let Some(file) = file.to_str().filter(|file| !is_made(file)) else { continue };
        if entry.path().is_dir() {
            let path = if path.is_empty() { file.to_owned() } else { format!("{path}/{file}") };
            collect(&entry.path(), &path, depth + 1, found);
        }
    }
}

/// Whether a file or folder is none of the user's, but a compiler's, an editor's or ours.
fn is_made(file: &str) -> bool {
    file.starts_with('.')
        || file.ends_with('~')
        || ["target", "node_modules", "function.wasm", "Cargo.lock", "package-lock.json"]
            .contains(&file)
}

fn collect_stamps(folder: &Path, depth: usize, stamps: &mut Vec<(PathBuf, Stamp)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_made(&entry.file_name().to_string_lossy()) || stamps.len() >= MAX_FILES {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect_stamps(&path, depth + 1, stamps);
            }
        } else if let Some(stamp) = Stamp::of(&path) {
            stamps.push((path, stamp));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(project: &Path, file: &str) {
        let path = project.join(FOLDER).join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, file).expect("written");
    }

    #[test]
    fn a_folder_s_path_is_the_name_and_its_files_say_the_language() {
        let project = tempfile::tempdir().expect("a folder");
        assert_eq!(all(project.path()), []);
        for file in [
            "greet/Cargo.toml",
            "greet/offhook-function/Cargo.toml",
            "menu/route.protected/function.c",
            "menu/notes.txt",
            "go/go.mod",
            "as/package.json",
            "as/function.ts",
            "as/node_modules/x/go.mod",
            "script/package.json",
            "no name/go.mod",
        ] {
            write(project.path(), file);
        }
        let found = all(project.path());
        let found: Vec<_> =
            found.iter().map(|one| (&*one.name, &*one.module, one.language)).collect();
        assert_eq!(
            found,
            [
                ("as", "as.wasm", Language::AssemblyScript),
                ("go", "go.wasm", Language::Go),
                ("greet", "greet.wasm", Language::Rust),
                ("menu/route", "menu/route.protected.wasm", Language::C),
            ]
        );
    }

    #[test]
    fn what_compilers_write_is_no_change() {
        let project = tempfile::tempdir().expect("a folder");
        write(project.path(), "greet/Cargo.toml");
        write(project.path(), "greet/src/lib.rs");
        let source = all(project.path()).remove(0);
        let functions = project.path().join("functions");
        assert!(source.is_newer(&functions), "there is no module yet");
        let before = source.stamps();
        for file in ["target/release/x.wasm", "Cargo.lock", ".lib.rs.swp", "function.wasm"] {
            write(project.path(), &format!("greet/{file}"));
        }
        assert_eq!(source.stamps(), before);
        fs::create_dir_all(&functions).expect("made");
        fs::write(functions.join("greet.wasm"), "").expect("written");
        assert!(!source.is_newer(&functions));
        write(project.path(), "greet/src/more.rs");
        assert_ne!(source.stamps(), before);
    }
}
