//! Compiled code on disk, so that a start does not compile again what it compiled before.
//!
//! Files are named by what went into them: the module's bytes and the compiler with its settings;
//! each begins with the SHA-256 of the rest, so that what a disk or a crash did to it is not run.
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
    // Several threads may compile the same module.
    let beside = format!("new-{}-{:?}", std::process::id(), std::thread::current().id());
    let beside = file.with_extension(beside);
    let mut whole = Sha256::digest(bytes).to_vec();
    whole.extend_from_slice(bytes);
    fs::write(&beside, whole)?;
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

/// Loads what [`write`] wrote; nothing if there is no such file, or it is not what was written.
#[expect(
    unsafe_code,
    reason = "loading compiled code is running it: it comes from our folder only"
)]
fn load(engine: &Engine, file: &Path) -> Option<Module> {
    let whole = fs::read(file).ok()?;
    let (sum, code) = whole.split_first_chunk::<SUM>()?;
    if Sha256::digest(code)[..] != sum[..] {
        return None;
    }
    // SAFETY: the folder is made by and for this program alone (mode 0700), these bytes are those
    // that the compiler gave, and wasmtime itself refuses another version or other settings. They
    // are read, not mapped: a file that shrinks under a mapping ends the process.
    unsafe { Module::deserialize(engine, code) }.ok()
}

/// Bytes of a SHA-256.
const SUM: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const WAT: &[u8] = br#"(module (func (export "f") (result i32) (i32.const 42)))"#;

    fn answer(engine: &Engine, module: &Module) -> i32 {
        let mut store = wasmtime::Store::new(engine, ());
        let instance = wasmtime::Instance::new(&mut store, module, &[]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("a function");
        f.call(&mut store, ()).expect("an answer")
    }

    #[test]
    fn what_is_damaged_is_compiled_anew_and_never_run() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = Engine::default();
        let cache = Cache::new(Some(dir.path().to_owned()), &engine);
        let compiled = || cache.compile(&engine, WAT).expect("compiled");
        compiled();
        let entry = fs::read_dir(dir.path()).expect("there").next().expect("one").expect("a file");
        let whole = fs::read(entry.path()).expect("read");
        assert!(load(&engine, &entry.path()).is_some());
        let mut damaged: Vec<Vec<u8>> =
            [0, 1, SUM, SUM + 100, whole.len() - 1].map(|end| whole[..end].to_vec()).into();
        for at in (0..whole.len()).step_by(whole.len() / 40) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x40;
            damaged.push(flipped);
        }
        damaged.push([&whole[..], b"more"].concat());
        damaged.push(vec![0; whole.len()]);
        for bytes in damaged {
            fs::write(entry.path(), &bytes).expect("written");
            assert!(load(&engine, &entry.path()).is_none());
            assert_eq!(answer(&engine, &compiled()), 42);
            assert_eq!(fs::read(entry.path()).expect("read"), whole, "mended");
        }
        fs::remove_file(entry.path()).expect("removed");
        fs::create_dir(entry.path()).expect("made");
        assert_eq!(answer(&engine, &compiled()), 42, "in the way, but not in ours");
    }
}
