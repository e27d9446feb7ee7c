//! Compiled code on disk, so that a start does not compile again what it compiled before.
//!
//! Files are named by what went into them: the module's bytes and the compiler with its settings.
//! Scripts never come here: their images hold the environment's secrets.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

/// Every edit of a module leaves a file; the oldest go.
const MAX_FILES: usize = 64;

/// A folder of compiled modules.
pub(super) struct Cache {
    dir: Option<PathBuf>,
    compiler: u64,
}

impl Cache {
    /// Makes nothing yet: the folder comes with the first file.
    pub(super) fn new(dir: Option<PathBuf>, engine: &Engine) -> Cache {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Cache { dir, compiler: hasher.finish() }
    }

    /// The compiled form of `wasm`. Trouble with the disk costs time, never the module.
    pub(super) fn compile(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
        let Some(dir) = &self.dir else { return Module::new(engine, wasm) };
        let digest = Sha256::digest(wasm);
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let file = dir.join(format!("{name}-{:016x}.cwasm", self.compiler));
        if let Some(module) = load(engine, &file) {
            return Ok(module);
        }
        let module = Module::new(engine, wasm)?;
        let _ = module.serialize().map(|bytes| write(dir, &file, &bytes));
        Ok(module)
    }
}

/// Writes beside and renames, so that no half of a file is ever loaded.
fn write(dir: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    prune(dir);
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    fs::write(&beside, bytes)?;
    fs::rename(&beside, file)
}

fn prune(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let age = |entry: &fs::DirEntry| entry.metadata().and_then(|m| m.modified()).ok();
    let mut files: Vec<_> = entries.flatten().map(|e| (age(&e), e.path())).collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(MAX_FILES - 1) {
        let _ = fs::remove_file(path);
    }
}

/// Loads what [`write`] wrote; nothing if there is no such file or it does not fit.
#[expect(
    unsafe_code,
    reason = "loading compiled code is running it: it comes from our folder only"
)]
fn load(engine: &Engine, file: &Path) -> Option<Module> {
    if !file.exists() {
        return None;
    }
    // SAFETY: the folder is made by and for this program alone (mode 0700), files are complete
    // when they get their name, and wasmtime itself refuses another version or other settings.
    unsafe { Module::deserialize_file(engine, file) }.ok()
}
