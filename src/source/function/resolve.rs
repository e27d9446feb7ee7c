//! What a name in `require` or `import` means: the algorithm of Node's documentation ("CommonJS
//! modules", "Modules: Packages"), within the project's folder.
//!
//! Imports find files without an ending and folders, too, as `require` does; Node is stricter.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::bundle::{Bundle, Refused};

/// Tried after the name itself. Last those by which functions say who may call them.
const ENDINGS: &[&str] = &[
    ".js",
    ".json",
    ".mjs",
    ".cjs",
    ".ts",
    ".private.js",
    ".private.mjs",
    ".private.ts",
    ".protected.js",
    ".protected.mjs",
    ".protected.ts",
];
/// Names are short; what is longer was put together by mistake.
const MAX_NAME: usize = 1024;

/// What a system takes as a path; stars in a target would make gigabytes of a kilobyte.
const MAX_TARGET: usize = 4096;

/// As Node names what is not there.
pub(super) const MISSING: &str = "MODULE_NOT_FOUND";

type Found = Result<Option<PathBuf>, Refused>;

/// The id of the file that `specifier` means in the file `from`; `is_over` says whether the time is.
pub(super) fn resolve(
    bundle: &mut Bundle,
    from: &str,
    specifier: &str,
    importing: bool,
    is_over: &mut dyn FnMut() -> bool,
) -> Result<String, Refused> {
    // Whoever asks may have made up both.
    if from.len() > MAX_NAME || specifier.len() > MAX_NAME || specifier.contains('\0') {
        return Err(Refused::missing("that is no name of a file"));
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let specifier = specifier.strip_prefix("file://").unwrap_or(specifier);
    let relative = ["./", "../"].iter().any(|start| specifier.starts_with(start))
        || matches!(specifier, "." | "..");
    let mut search = Search { bundle, importing, is_over };
    let found = if relative || specifier.starts_with('/') {
        let id = if relative { format!("{folder}/{specifier}") } else { specifier.to_owned() };
        let path = search.bundle.path(&id)?;
        let folder_only = specifier.ends_with('/') || specifier.ends_with('.');
        let found = match folder_only {
            true => search.folder(&path),
            false => search.file_or_folder(&path),
        };
        let missing = || no_file(specifier, &search.bundle.id(&path));
        match found {
            // Whoever writes such a path takes it for one of the whole machine.
            Err(refused) if refused.code == MISSING && !relative => return Err(missing()),
            found => found?.ok_or_else(missing)?,
        }
    } else if specifier.starts_with('#') {
        search.inner(&folder, specifier)?
    } else {
        search.package(&folder, specifier)?
    };
    Ok(bundle.id(&found))
}

fn no_file(specifier: &str, id: &str) -> Refused {
    if specifier.starts_with('/') {
        return Refused::missing(format!(
            "there is no {id} in the project's folder, where absolute paths begin for functions"
        ));
    }
    Refused::missing(format!("there is no file {}", id.trim_start_matches('/')))
}

struct Search<'a> {
    bundle: &'a mut Bundle,
    importing: bool,
    is_over: &'a mut dyn FnMut() -> bool,
}

impl Search<'_> {
    fn file_or_folder(&mut self, path: &Path) -> Found {
        match self.file(path)? {
            Some(found) => Ok(Some(found)),
            None => self.folder(path),
        }
    }

    fn file(&mut self, path: &Path) -> Found {
        if (self.is_over)() {
            return Err(Refused::missing("there is no time left to look for it"));
        }
        if let Some(found) = self.bundle.file(path)? {
            return Ok(Some(found));
        }
        for ending in ENDINGS {
            let mut with = path.as_os_str().to_owned();
            with.push(ending);
            if let Some(found) = self.bundle.file(Path::new(&with))? {
                return Ok(Some(found));
            }
        }
        // TypeScript names the JavaScript that a compiler would have made.
        match path.extension().is_some_and(|ending| ending == "js") {
            true => self.bundle.file(&path.with_extension("ts")),
            false => Ok(None),
        }
    }

    fn folder(&mut self, path: &Path) -> Found {
        self.bundle.refuse(path)?;
        if !path.is_dir() {
            return Ok(None);
        }
        let package = self.bundle.package(path);
        let main = package.as_ref().and_then(|package| package["main"].as_str());
        if let Some(main) = main.filter(|main| !main.is_empty()) {
            let main = self.within(path, main)?;
            if let Some(found) = self.file(&main)? {
                return Ok(Some(found));
            }
            if let Some(found) = self.file(&main.join("index"))? {
                return Ok(Some(found));
            }
        }
        self.file(&path.join("index"))
    }

    /// A path that a package.json in `folder` writes.
    fn within(&self, folder: &Path, path: &str) -> Result<PathBuf, Refused> {
        self.bundle.path(&format!("{}/{path}", self.bundle.id(folder)))
    }

    /// A package by its name, and what of it.
    fn package(&mut self, folder: &str, specifier: &str) -> Result<PathBuf, Refused> {
        let parts = if specifier.starts_with('@') { 2 } else { 1 };
        let name_end = specifier.match_indices('/').nth(parts - 1).map(|(at, _)| at);
        let (name, rest) = specifier.split_at(name_end.unwrap_or(specifier.len()));
        let subpath = format!(".{rest}");
        let missing = || {
            let install = "install it in the project's folder with npm";
            Refused::missing(format!("there is no package {name} in node_modules: {install}"))
        };
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(missing());
        }
        let from = self.bundle.path(folder)?;
        if let Some((home, package)) = self.scope(&from)
            && package["name"].as_str() == Some(name)
            && !package["exports"].is_null()
        {
            return self.exported(&home, &package["exports"], &subpath, specifier);
        }
        for place in self.places(&from) {
            let home = place.join(name);
            let package = self.bundle.package(&home);
            if let Some(exports) = package.as_ref().map(|p| &p["exports"]).filter(|e| !e.is_null())
            {
                return self.exported(&home, exports, &subpath, specifier);
            }
            let found = match rest {
                "" => self.file_or_folder(&home)?,
                _ => self.file_or_folder(&self.within(&home, &subpath)?)?,
            };
            if let Some(found) = found {
                return Ok(found);
            }
            if let Some(package) = &package
                && self.is_types(&home, package, &subpath)?
            {
                let reason = format!("{name}{rest} has types and no code: write import type");
                return Err(Refused::missing(reason));
            }
            if package.is_some() && !rest.is_empty() {
                let reason = format!("the package {name} has no {}", rest.trim_start_matches('/'));
                return Err(Refused::missing(reason));
            }
        }
        Err(missing())
    }

    /// Whether what has no code in a package is there for compilers of TypeScript.
    fn is_types(&mut self, home: &Path, package: &Value, subpath: &str) -> Result<bool, Refused> {
        let told = || ["types", "typings"].iter().any(|key| package[*key].is_string());
        let declared = self.within(home, &format!("{subpath}.d.ts"))?;
        Ok(subpath == "." && told() || self.bundle.file(&declared)?.is_some())
    }

    /// Every node_modules around a folder, the nearest first.
    fn places(&self, from: &Path) -> Vec<PathBuf> {
        let root = self.bundle.root();
        let around = from.ancestors().take_while(|folder| folder.starts_with(root));
        let own = around.filter(|folder| !folder.ends_with("node_modules"));
        own.map(|folder| folder.join("node_modules")).collect()
    }

    /// The package that a folder belongs to.
    fn scope(&mut self, from: &Path) -> Option<(PathBuf, std::sync::Arc<Value>)> {
        let root = self.bundle.root().to_owned();
        let around = from.ancestors().take_while(|folder| folder.starts_with(&root));
        let around = around.take_while(|folder| !folder.ends_with("node_modules"));
        let folders: Vec<PathBuf> = around.map(Path::to_owned).collect();
        folders.into_iter().find_map(|folder| Some((folder.clone(), self.bundle.package(&folder)?)))
    }

    /// A name that begins with `#`: the package's own `imports` say what it is.
    fn inner(&mut self, folder: &str, specifier: &str) -> Result<PathBuf, Refused> {
        let from = self.bundle.path(folder)?;
        let Some((home, package)) = self.scope(&from) else {
            return Err(Refused::missing("no package.json says what it is"));
        };
        let Some(target) = self.matching(&package["imports"], specifier) else {
            return Err(Refused::missing("the package.json's imports do not name it"));
        };
        match target.starts_with("./") {
            true => self.target(&home, &target, specifier),
            false => self.package(folder, &target),
        }
    }

    /// What a package exports under a name.
    fn exported(
        &mut self,
        home: &Path,
        exports: &Value,
        subpath: &str,
        specifier: &str,
    ) -> Result<PathBuf, Refused> {
        let names = exports.as_object().is_some_and(|o| o.keys().any(|key| key.starts_with('.')));
        let target = match (names, subpath) {
            (true, _) => self.matching(exports, subpath),
            (false, ".") => self.conditional(exports, "", 0),
            (false, _) => None,
        };
        let Some(target) = target else {
            let reason = format!(
                "the package's exports have no {subpath} for {}",
                if self.importing { "import" } else { "require" }
            );
            return Err(Refused { code: "ERR_PACKAGE_PATH_NOT_EXPORTED", reason });
        };
        self.target(home, &target, specifier)
    }

    fn target(&mut self, home: &Path, target: &str, specifier: &str) -> Result<PathBuf, Refused> {
        let path = self.within(home, target)?;
        if !path.starts_with(home) {
            return Err(Refused::missing(format!("{target} is not in its package")));
        }
        let found = self.bundle.file(&path)?;
        found.ok_or_else(|| no_file(specifier, &self.bundle.id(&path)))
    }

    /// The target of the key that is `name`, or of the longest pattern that fits it.
    fn matching(&self, table: &Value, name: &str) -> Option<String> {
        let table = table.as_object()?;
        if let Some(value) = table.get(name).filter(|_| !name.contains('*')) {
            return self.conditional(value, "", 0);
        }
        let fits = |key: &str| {
            let (before, after) = key.split_once('*')?;
            let middle = name.strip_prefix(before)?.strip_suffix(after)?;
            (!middle.is_empty()).then(|| (before.len(), middle.to_owned()))
        };
        let best = table.iter().filter_map(|(key, value)| Some((fits(key)?, value)));
        let ((_, middle), value) = best.max_by_key(|((length, _), _)| *length)?;
        self.conditional(value, &middle, 0)
    }

    /// The first target whose conditions hold, with `middle` in the place of its stars.
    fn conditional(&self, value: &Value, middle: &str, depth: usize) -> Option<String> {
        /// Deeper than anybody nests conditions.
        const MAX_DEPTH: usize = 16;
        match value {
            Value::String(target) => {
                let stars = target.bytes().filter(|byte| *byte == b'*').count();
                let fits = target.len() + stars * middle.len() <= MAX_TARGET;
                fits.then(|| target.replace('*', middle))
            }
            Value::Array(choices) if depth < MAX_DEPTH => {
                choices.iter().find_map(|choice| self.conditional(choice, middle, depth + 1))
            }
            Value::Object(conditions) if depth < MAX_DEPTH => {
                let way = if self.importing { "import" } else { "require" };
                let holds = |name: &str| [way, "node", "default"].contains(&name);
                let mut chosen = conditions.iter().filter(|(name, _)| holds(name));
                chosen.find_map(|(_, value)| self.conditional(value, middle, depth + 1))
            }
            _ => None,
        }
    }
}
