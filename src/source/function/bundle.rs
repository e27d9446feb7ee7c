//! The files that a script loads while it is deployed: found, read within bounds, and remembered.
//!
//! A bundle never leaves the project's folder, by no path and no link. Scripts know its files by
//! ids: paths from that folder, beginning with a slash. When the script is deployed, what was
//! looked at, there or not, is left as its [`Depends`].

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde_json::{Value, json};
use wasmtime::{Caller, Linker};

use super::depends::{Depends, Listing};
use super::error::{Failure, LoadError};
use super::instance::{State, slice, slice_mut};
use super::looked::Looked;
use super::typescript::{self, Unstripped};
use super::{host, prelude, resolve};
use crate::base::WallTime;

/// Packages in one file, with their data, are below it.
const MAX_FILE: u64 = 4 << 20;
/// TypeScript, which is written by hand: its tree takes a hundred times as much.
const MAX_TYPED: usize = 1 << 20;
/// All files of a script together: an eighth of the memory that they are compiled into.
const MAX_BYTES: u64 = 8 << 20;
/// Files of a script; packages of more have a bundled form.
const MAX_FILES: usize = 2000;
/// One package.json, and all that a script's packages have: parsed, they take fifty times as much.
const MAX_PACKAGE: u64 = 1 << 20;
const MAX_PACKAGES: u64 = 4 << 20;
/// Folders of which it is remembered what their package.json says, or that they have none.
const MOST_PACKAGES: usize = 4000;
/// What the engine asks: names of files.
const MAX_REQUEST: usize = 64 << 10;

/// Why a file is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// As Node names it, for code that looks at it.
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Refused {
    pub(super) fn missing(reason: impl Into<String>) -> Refused {
        Refused { code: resolve::MISSING, reason: reason.into() }
    }

    pub(super) fn outside(id: &str) -> Refused {
        let reason = format!("{id} leads out of the project's folder");
        Refused { code: "ERR_OUTSIDE_PROJECT", reason }
    }

    pub(super) fn hidden(id: &str) -> Refused {
        Refused::missing(format!("{id}: hidden files are no modules"))
    }

    pub(super) fn too_large(reason: String) -> Refused {
        Refused { code: "ERR_TOO_LARGE", reason }
    }
}

/// What the text of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    CommonJs,
    Module,
    Json,
    /// Its text decides.
    Any,
}

/// The files of one script.
pub(super) struct Bundle {
    /// The folder of the project's functions, canonical.
    functions: PathBuf,
    /// The script itself: it may be a link to anywhere, since who wrote the link wrote the folder.
    main: (String, PathBuf),
    /// What it holds, or held when it was good.
    text: Vec<u8>,
    /// Where files were looked for.
    looked: Looked,
    listings: Vec<Listing>,
    /// The private assets, once they were asked for.
    assets: Option<Vec<(String, String)>>,
    /// Parsed package.json files, by path.
    packages: HashMap<PathBuf, Option<Arc<Value>>>,
    package_bytes: u64,
    /// By the names that stacks show.
    names: HashMap<String, PathBuf>,
    /// The project's own JSON by such names, each with what is wrong with it.
    data: BTreeMap<String, Option<LoadError>>,
    files: usize,
    bytes: u64,
}

impl Bundle {
    /// For the script at the path `main` from the folder `functions`, with what it holds; the project
    /// is the folder around that, except for what is `hidden` there.
    pub(super) fn new(
        functions: &Path,
        (main, text): (&Path, &[u8]),
        hidden: &[PathBuf],
        now: WallTime,
    ) -> Bundle {
        let functions = fs::canonicalize(functions).unwrap_or_else(|_| functions.to_owned());
        let inside = functions.file_name().is_some_and(|name| name == "functions");
        let root = functions.parent().filter(|_| inside).unwrap_or(&functions).to_owned();
        let path = functions.join(main);
        let id = id_within(&root, &path).unwrap_or_default();
        Bundle {
            functions,
            main: (id, path),
            text: text.to_vec(),
            looked: Looked::new(root, hidden, now),
            listings: Vec::new(),
            assets: None,
            packages: HashMap::new(),
            package_bytes: 0,
            names: HashMap::new(),
            data: BTreeMap::new(),
            files: 0,
            bytes: 0,
        }
    }

    /// The id of the script.
    pub(super) fn main(&self) -> &str {
        &self.main.0
    }

    /// What the script was made from.
    pub(super) fn into_depends(self) -> Depends {
        let mut depends = Depends::new(self.looked.into_seen(), self.listings);
        depends.data = self.data;
        depends
    }

    /// Whether a name in a stack is one of its files.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The text of a file by the name that stacks show, as the engine was given it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let path = self.names.get(name)?;
        String::from_utf8(self.bytes_of(path).ok()?).ok()
    }

    /// Answers a request of the engine: a line of JSON, and then the text of a file, if any; asks
    /// `is_over` now and then whether the time is.
    fn answer(&mut self, request: &[u8], is_over: &mut dyn FnMut() -> bool) -> Vec<u8> {
        let request = request.get(..MAX_REQUEST.min(request.len())).unwrap_or_default();
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let field = |name: &str| request[name].as_str().unwrap_or_default();
        let answer = match field("op") {
            "resolve" => {
                let importing = request["importing"] == true;
                let (from, specifier) = (field("from"), field("specifier"));
                resolve::resolve(self, from, specifier, importing, is_over)
                    .map(|id| (json!({ "id": id }), String::new()))
            }
            "read" => self.read(field("id"), is_over),
            "open" => self.open_asset(field("id")).map(|text| (json!({}), text)),
            "functions" => Ok((json!({ "entries": self.list(Listing::functions) }), String::new())),
            "assets" => Ok((json!({ "entries": self.assets() }), String::new())),
            _ => Err(Refused::missing("not a request")),
        };
        let (head, text) = answer.unwrap_or_else(|Refused { code, reason }| {
            (json!({ "code": code, "error": reason }), String::new())
        });
        let mut reply = head.to_string().into_bytes();
        reply.push(b'\n');
        reply.extend_from_slice(text.as_bytes());
        reply
    }

    fn read(
        &mut self,
        id: &str,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<(Value, String), Refused> {
        let path = self.place(id)?;
        let kind = match self.kind(&path)? {
            Kind::CommonJs => "commonjs",
            Kind::Module => "module",
            Kind::Json => "json",
            Kind::Any => "any",
        };
        let text = self.open(id, &path)?;
        let name = self.name_of(id, &path);
        let typed = path.extension().is_some_and(|e| ["ts", "mts", "cts"].iter().any(|t| e == *t));
        self.names.insert(name.clone(), path);
        if !typed {
            return Ok((json!({ "name": name, "kind": kind }), text));
        }
        if text.len() > MAX_TYPED {
            return Err(Refused::too_large(format!("{name}: is larger than {MAX_TYPED} bytes")));
        }
        match typescript::strip(&text, is_over) {
            Ok(text) => Ok((json!({ "name": name, "kind": kind }), text)),
            Err(Unstripped { line, column, reason }) => {
                let head = json!({ "error": reason, "name": name, "line": line, "column": column });
                Ok((head, String::new()))
            }
        }
    }

    /// Any text, but of private assets alone: the rest of the folder is nobody's to read, by a link
    /// in their folder neither.
    fn open_asset(&mut self, id: &str) -> Result<String, Refused> {
        let missing = || Refused::missing("there is no such private asset");
        if !self.assets().iter().any(|(_, asset)| asset == id) {
            return Err(missing());
        }
        let path = self.place(id)?;
        let assets = fs::canonicalize(self.root().join("assets"));
        if !assets.is_ok_and(|assets| path.starts_with(assets)) {
            return Err(missing());
        }
        self.open(id, &path)
    }

    /// Where the file of an id is.
    fn place(&mut self, id: &str) -> Result<PathBuf, Refused> {
        if id == self.main.0 {
            return Ok(self.main.1.clone());
        }
        let found = self.file(&self.path(id)?)?;
        found.ok_or_else(|| Refused::missing(format!("{id} is gone")))
    }

    /// Reads a file within the bounds.
    fn open(&mut self, id: &str, path: &Path) -> Result<String, Refused> {
        let bytes = self.bytes_of(path);
        let length = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        (self.files, self.bytes) = (self.files + 1, self.bytes + length);
        if self.bytes > MAX_BYTES || self.files > MAX_FILES {
            let reason =
                format!("the function loads more than {MAX_FILES} files or {MAX_BYTES} bytes");
            return Err(Refused::too_large(reason));
        }
        let bytes = bytes.map_err(|error| match error.kind() {
            io::ErrorKind::Other => Refused::too_large(error.to_string()),
            _ => Refused::missing(format!("{id}: {error}")),
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Refused { code: "ERR_NOT_TEXT", reason: "is not UTF-8".to_owned() })?;
        let own = !path.iter().any(|part| part == "node_modules");
        if own && path.extension().is_some_and(|ending| ending == "json") {
            let name = self.name_of(id, path);
            self.data.insert(name.clone(), no_json(name, &text));
        }
        Ok(text)
    }

    /// As stacks show it.
    fn name_of(&self, id: &str, path: &Path) -> String {
        match path.strip_prefix(&self.functions) {
            Ok(within) => within.to_string_lossy().into_owned(),
            Err(_) => format!("..{id}"),
        }
    }

    fn bytes_of(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path == self.main.1 {
            true => Ok(self.text.clone()),
            false => super::read_at_most(path, MAX_FILE),
        }
    }

    /// By its ending and, for plain `.js`, by what its package says of itself.
    fn kind(&mut self, path: &Path) -> Result<Kind, Refused> {
        let hidden = |name: &str| name.starts_with('.');
        if path.file_name().and_then(|name| name.to_str()).is_some_and(hidden) {
            return Err(Refused::missing("hidden files are no modules"));
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok(Kind::Json),
            Some("mjs" | "mts") => Ok(Kind::Module),
            Some("cjs" | "cts") => Ok(Kind::CommonJs),
            Some("js" | "ts") | None => Ok(self.kind_of_package(path)),
            Some(other) => {
                let code = "ERR_UNKNOWN_FILE_EXTENSION";
                let reason = match other {
                    "node" => "is compiled for Node's own processes: functions run none".to_owned(),
                    _ => {
                        format!(".{other} files are no modules: .js, .mjs, .cjs, .ts and .json are")
                    }
                };
                Err(Refused { code, reason })
            }
        }
    }

    fn kind_of_package(&mut self, path: &Path) -> Kind {
        let root = self.root();
        let around = path.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
        let within = path.strip_prefix(root).unwrap_or(path);
        let own = !within.iter().any(|part| part == "node_modules");
        for folder in around.map(Path::to_owned).collect::<Vec<_>>() {
            if let Some(package) = self.package(&folder) {
                return match package["type"].as_str() {
                    Some("module") => Kind::Module,
                    // `npm init` writes this unasked: of the project's own files it says nothing.
                    Some("commonjs") if !own => Kind::CommonJs,
                    _ => Kind::Any,
                };
            }
            if folder.file_name().is_some_and(|name| name == "node_modules") {
                break;
            }
        }
        Kind::Any
    }

    /// The package.json of a folder, if it has one that can be read.
    pub(super) fn package(&mut self, folder: &Path) -> Option<Arc<Value>> {
        let path = folder.join("package.json");
        if let Some(known) = self.packages.get(&path) {
            return known.clone();
        }
        let found = self.file(&path).ok().flatten();
        let room = MAX_PACKAGE.min(MAX_PACKAGES - self.package_bytes);
        let text = found.and_then(|path| super::read_at_most(&path, room).ok());
        self.package_bytes += text.as_ref().map_or(0, |text| text.len() as u64);
        let package = text.and_then(|text| serde_json::from_slice(&text).ok()).map(Arc::new);
        if self.packages.len() < MOST_PACKAGES {
            self.packages.insert(path, package.clone());
        }
        package
    }

    /// The canonical path of a file of code, if there is one at `path`.
    pub(super) fn file(&mut self, path: &Path) -> Result<Option<PathBuf>, Refused> {
        self.looked.file(path)
    }

    /// Refuses what leads out of the project, and what is hidden there.
    pub(super) fn refuse(&mut self, path: &Path) -> Result<(), Refused> {
        self.looked.refuse(path)
    }

    /// The path of an id, or of what was put together from one.
    pub(super) fn path(&self, id: &str) -> Result<PathBuf, Refused> {
        self.looked.path(id)
    }

    /// The id of a path under the root.
    pub(super) fn id(&self, path: &Path) -> String {
        id_within(self.root(), path).unwrap_or_else(|| "a file".to_owned())
    }

    /// The project's folder.
    pub(super) fn root(&self) -> &Path {
        self.looked.root()
    }

    fn assets(&mut self) -> Vec<(String, String)> {
        if self.assets.is_none() {
            self.assets = Some(self.list(Listing::assets));
        }
        self.assets.clone().unwrap_or_default()
    }

    fn list(&mut self, listing: fn(&Path, &Path) -> Listing) -> Vec<(String, String)> {
        let listing = listing(self.root(), &self.functions);
        let entries = listing.entries();
        if !self.listings.contains(&listing) {
            self.listings.push(listing);
        }
        let id = |(name, path): (String, PathBuf)| Some((name, id_within(self.root(), &path)?));
        entries.into_iter().filter_map(id).collect()
    }
}

/// Why a text is no JSON, and where.
fn no_json(file: String, text: &str) -> Option<LoadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let (line, column) = (place(error.line()), place(error.column()));
    let told = error.to_string();
    let reason = told.rsplit_once(" at line ").map_or(told.as_str(), |(reason, _)| reason);
    Some(LoadError { file, line, column, reason: format!("is no JSON: {reason}"), late: false })
}

fn id_within(root: &Path, path: &Path) -> Option<String> {
    Some(format!("/{}", path.strip_prefix(root).ok()?.to_str()?))
}

/// Links what the engine asks for modules with.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("offhook", "load", load)?;
    linker.func_wrap("offhook", "loaded", loaded)?;
    Ok(())
}

/// Answers a request; gives the length of the reply, which [`loaded`] hands over.
fn load(mut caller: Caller<'_, State>, at: u32, length: u32) -> wasmtime::Result<u32> {
    let (memory, state) = host::memory(&mut caller)?.data_and_store_mut(&mut caller);
    let Some(request) = slice(memory, at, length) else { return Err(state.stop(Failure::Pointer)) };
    let builtin = builtin(request);
    state.loaded = match (state.bundle.take(), builtin) {
        (bundle, Some(text)) => {
            state.bundle = bundle;
            format!("{{}}\n{text}").into_bytes()
        }
        (Some(mut bundle), None) => {
            let answer = bundle.answer(request, &mut || state.check_time().is_err());
            state.bundle = Some(bundle);
            answer
        }
        (None, None) => {
            let error = "it was not loaded when the function was deployed; name it in a literal \
                         require('…'), best at the top of the file";
            let head = json!({ "code": "MODULE_NOT_FOUND", "closed": true, "error": error });
            format!("{head}\n").into_bytes()
        }
    };
    state.check_time()?;
    Ok(state.loaded.len() as u32)
}

/// The text of a module of ours that the request names: there while a handler runs, too.
fn builtin(request: &[u8]) -> Option<&'static str> {
    let request: Value = serde_json::from_slice(request).ok()?;
    (request["op"] == "builtin").then(|| prelude::module(request["name"].as_str()?)).flatten()
}

fn loaded(mut caller: Caller<'_, State>, at: u32) -> wasmtime::Result<()> {
    let (memory, state) = host::memory(&mut caller)?.data_and_store_mut(&mut caller);
    let reply = std::mem::take(&mut state.loaded);
    match slice_mut(memory, at, reply.len() as u32) {
        Some(place) => {
            place.copy_from_slice(&reply);
            Ok(())
        }
        None => Err(state.stop(Failure::Pointer)),
    }
}
