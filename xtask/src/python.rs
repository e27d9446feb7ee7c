//! Builds the Python engine: RustPython with some of its standard library, as a module.
//!
//! Writes `TARGET/setup/python.wasm`, which `build.rs` embeds with the feature `python`. What is
//! built from is a copy, so that the library's files never lie in the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine;
use crate::guests::{copy, create, run};

/// What scripts can import besides what RustPython has inside: all that needs neither files nor
/// native modules, and that people use. Each costs space in every module that imports it.
const LIBRARY: [&str; 28] = [
    "_collections_abc.py",
    "_py_abc.py",
    "_py_warnings.py",
    "_weakrefset.py",
    "abc.py",
    "bisect.py",
    "collections",
    "copy.py",
    "copyreg.py",
    "encodings/__init__.py",
    "encodings/aliases.py",
    "encodings/ascii.py",
    "encodings/latin_1.py",
    "encodings/utf_8.py",
    "enum.py",
    "functools.py",
    "heapq.py",
    "html",
    "json",
    "keyword.py",
    "operator.py",
    "re",
    "reprlib.py",
    "string",
    "textwrap.py",
    "types.py",
    "warnings.py",
    "weakref.py",
];

/// Makes the engine; cargo knows whether anything changed.
pub fn setup(workspace: &Path, target: &Path) -> Result<(), String> {
    let target = std::path::absolute(target).map_err(|e| format!("{}: {e}", target.display()))?;
    let (python, rust) = (workspace.join("functions/python"), workspace.join("functions/rust"));
    println!("python: asking cargo for RustPython (about 200 crates; minutes, once)");
    run(Command::new("rustup").args(["target", "add", "wasm32-wasip1"]))?;
    let library = engine::fetch_source(&python.join("engine"), "rustpython-pylib")?.join("Lib");
    // As in the tree, since the manifest names the crate beside it.
    let shop = target.join("guests/python");
    let folder = shop.join("python/engine");
    copy(&python.join("engine"), &folder)?;
    copy(&rust.join("src"), &shop.join("rust/src"))?;
    fs::copy(rust.join("Cargo.toml"), shop.join("rust/Cargo.toml")).map_err(|e| e.to_string())?;
    for name in LIBRARY {
        let (from, to) = (library.join(name), folder.join("lib").join(name));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            create(to.parent().unwrap_or(&folder))?;
            fs::copy(&from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
        }
    }
    let output = shop.join("target");
    run(Command::new("cargo").current_dir(&folder).env("CARGO_TARGET_DIR", &output).args([
        "build",
        "--release",
        "--locked",
        "--target",
        "wasm32-wasip1",
    ]))?;
    let built = output.join("wasm32-wasip1/release/offhook_python.wasm");
    let engine: PathBuf = target.join("setup/python.wasm");
    let (new, old) = (fs::read(&built).map_err(|e| e.to_string())?, fs::read(&engine));
    // Written only where it changed: what embeds it is built again.
    if old.is_ok_and(|old| old == new) {
        println!("python: {} is up to date", engine.display());
        return Ok(());
    }
    fs::write(&engine, new).map_err(|e| format!("{}: {e}", engine.display()))?;
    println!("python: wrote {}; build with --features python", engine.display());
    Ok(())
}
