//! The house stands: imports go down, neighbours do not import each other, files stay short.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor; `docs/architecture.md` draws the same picture.
const FLOORS: [&[&str]; 11] = [
    &["base"],
    &["markup", "sip", "sdp", "rtp", "audio", "directory"],
    &["media"],
    &["leg"],
    &["verb"],
    &["call"],
    &["exchange", "phone"],
    &["config", "http", "store"],
    &["source", "speech", "callback"],
    &["node"],
    &["cli"],
];

/// Neighbours that may meet, each with its reason.
const ALLOWED: [(&str, &str); 0] = [];

/// Nobody reads a longer file.
const MOST_LINES: usize = 800;

/// Flat tables, exempt from the length limit.
const FLAT_TABLES: [&str; 0] = [];

/// Words that the pure floors never say: no runtime, socket, file, clock or system randomness.
const IMPURE: [&str; 9] = [
    "async fn",
    "tokio::",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::fs",
    "std::thread",
    "SystemTime",
    "std::time::Instant",
    "std::env",
];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("a folder of sources")
        .map(|e| e.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    rust_files(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            let module = name.split(['/', '.']).next().unwrap_or_default().to_owned();
            (name, module, fs::read_to_string(&path).expect("readable source"))
        })
        .collect()
}

/// The modules that one line names behind `crate::`, braces included.
fn imports_of(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut found = vec![];
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split(['{', '}', ',']).collect(),
            None => vec![rest],
        };
        for name in names {
            let word = name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next();
            found.extend(word.filter(|w| floor_of(w).is_some()).map(str::to_owned));
        }
    }
    found
}

#[test]
fn imports_go_down_and_never_sideways() {
    let mut wrong = vec![];
    for (name, module, text) in sources() {
        let Some(own) = floor_of(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{name} stands on no floor");
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for import in imports_of(line) {
                let floor = floor_of(&import).unwrap_or_default();
                let neighbour = floor == own && import != module;
                let allowed = ALLOWED.contains(&(module.as_str(), import.as_str()));
                if floor > own || (neighbour && !allowed) {
                    wrong.push(format!("src/{name}:{}: {module} imports {import}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that climb or go sideways:\n{}", wrong.join("\n"));
}

#[test]
fn no_circle_among_allowed_neighbours() {
    let edges: BTreeMap<&str, &str> = ALLOWED.into_iter().collect();
    for start in edges.keys() {
        let mut at = *start;
        for _ in 0..ALLOWED.len() {
            let Some(next) = edges.get(at) else { break };
            assert_ne!(next, start, "a circle of neighbours through {start}");
            at = next;
        }
    }
}

#[test]
fn pure_floors_stay_pure() {
    let mut wrong = vec![];
    for (name, module, text) in sources() {
        if floor_of(&module).is_none_or(|floor| floor > 6) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE.iter().filter(|word| code.contains(*word)) {
                wrong.push(format!("src/{name}:{}: {word}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "input and output below floor 7:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![];
    for folder in ["src", "tests", "benches", "xtask/src"] {
        rust_files(&root.join(folder), &mut files);
    }
    let long: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let name = path.strip_prefix(root).ok()?.to_string_lossy().into_owned();
            let lines = fs::read_to_string(path).ok()?.lines().count();
            let exempt = FLAT_TABLES.contains(&name.as_str());
            (lines > MOST_LINES && !exempt).then(|| format!("{name}: {lines} lines"))
        })
        .collect();
    assert!(long.is_empty(), "longer than {MOST_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_all_forms() {
    assert_eq!(imports_of("use crate::base::Rng;"), ["base"]);
    assert_eq!(imports_of("use crate::{base::Rng, call, http::client};"), ["base", "call", "http"]);
    assert_eq!(imports_of("let x = crate::node::start();"), ["node"]);
    assert!(imports_of("// crate::node is above").is_empty());
}
