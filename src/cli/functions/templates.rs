//! What `offhook fn new` writes, a language a constant. `{{name}}` stands for the function's name.

/// A language that functions are written in.
#[derive(Debug)]
pub(super) struct Template {
    /// As `--lang` names it: the first is the name, the others are taken, too.
    pub(super) names: &'static [&'static str],
    pub(super) place: Place,
    /// Files with their texts; where they lie is told by the place.
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// Where the files of a template lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the functions folder; in their names `{}` stands for `NAME` or `NAME.protected`.
    Functions,
    /// In a folder of sources, which `offhook fn build` makes a module of.
    Sources,
}

impl Template {
    /// Whether editors are to know what scripts of it find around them.
    pub(super) fn is_script(&self) -> bool {
        ["js", "ts"].contains(&self.lang())
    }

    pub(super) fn lang(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// The template of a language.
pub(super) fn find(lang: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.names.contains(&lang))
}

/// The event of the first test.
pub(super) const EVENT: &str = "{\n  \"From\": \"+15550001111\",\n  \"To\": \"+15550002222\"\n}\n";

/// A file of the repository's `functions` folder.
macro_rules! file {
    ($path:literal) => {
        include_str!(concat!("../../../functions/", $path))
    };
}

/// Types for editors, and what lets them find these: their names in the project's folder. The
/// builders' come from the verbs' own table.
pub(super) const TYPES: (&str, &str) = ("offhook.d.ts", file!("templates/offhook.d.ts"));
pub(super) const TYPED: (&str, &str) = ("tsconfig.json", file!("templates/tsconfig.json"));

/// All languages; a new one is one more.
pub(super) const TEMPLATES: &[Template] = &[
    Template {
        names: &["js", "javascript"],
        place: Place::Functions,
        files: &[("{}.js", file!("templates/function.js"))],
    },
    Template {
        names: &["ts", "typescript"],
        place: Place::Functions,
        files: &[("{}.ts", file!("templates/function.ts"))],
    },
    Template {
        names: &["routes", "table"],
        place: Place::Functions,
        files: &[("{}.routes.toml", file!("templates/function.routes.toml"))],
    },
    Template {
        names: &["wat"],
        place: Place::Functions,
        files: &[("{}.wat", file!("wat/template/library.wat"))],
    },
    Template {
        names: &["c"],
        place: Place::Sources,
        files: &[
            ("function.c", file!("c/template/function.c")),
            ("offhook.h", file!("c/offhook.h")),
            (".gitignore", file!("c/template/.gitignore")),
        ],
    },
    Template {
        names: &["rust", "rs"],
        place: Place::Sources,
        files: &[
            ("src/lib.rs", file!("rust/template/src/lib.rs")),
            ("Cargo.toml", file!("rust/template/Cargo.toml")),
            (".gitignore", file!("rust/template/.gitignore")),
            ("offhook-function/Cargo.toml", file!("rust/Cargo.toml")),
            ("offhook-function/src/lib.rs", file!("rust/src/lib.rs")),
            ("offhook-function/src/event.rs", file!("rust/src/event.rs")),
            ("offhook-function/src/host.rs", file!("rust/src/host.rs")),
            ("offhook-function/src/json.rs", file!("rust/src/json.rs")),
            ("offhook-function/src/twiml.rs", file!("rust/src/twiml.rs")),
        ],
    },
    Template {
        names: &["assemblyscript", "as"],
        place: Place::Sources,
        files: &[
            ("function.ts", file!("assemblyscript/template/function.ts")),
            ("offhook.ts", file!("assemblyscript/template/offhook.ts")),
            ("package.json", file!("assemblyscript/template/package.json")),
            (".gitignore", file!("assemblyscript/template/.gitignore")),
        ],
    },
    Template {
        names: &["go", "golang"],
        place: Place::Sources,
        files: &[
            ("main.go", file!("go/template/main.go")),
            ("go.mod", file!("go/template/go.mod")),
            ("offhook.go", file!("go/template/offhook.go")),
            ("ask.go", file!("go/template/ask.go")),
            ("host_wasip1.go", file!("go/template/host_wasip1.go")),
            ("host_other.go", file!("go/template/host_other.go")),
            (".gitignore", file!("go/template/.gitignore")),
        ],
    },
    Template {
        names: &["python", "py"],
        place: Place::Sources,
        files: &[("function.py", file!("python/template/function.py"))],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that the SDK gained and the template lacks is a project that does not build.
    #[test]
    fn templates_hold_all_files_of_their_folders() {
        let folders = [
            ("c", "c/template", ""),
            ("rust", "rust/template", ""),
            ("rust", "rust/src", "offhook-function/src/"),
            ("assemblyscript", "assemblyscript/template", ""),
            ("go", "go/template", ""),
            ("python", "python/template", ""),
        ];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
        for (lang, folder, prefix) in folders {
            let template = find(lang).expect("a language");
            for entry in std::fs::read_dir(root.join(folder)).expect("a folder").flatten() {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.path().is_file() {
                    let there = template.files.iter().any(|(file, _)| *file == name);
                    assert!(there, "{lang} lacks {name}");
                }
            }
        }
    }
}
