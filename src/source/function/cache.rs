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
/// Bytes of all files: dozens of the largest real modules, Go's of 11 MB and Python's of 30 MB.
const MAX_BYTES: u64 = 512 << 20;
/// Bytes of one, which every start reads whole.
const MAX_COMPILED: usize = 96 << 20;

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
        let file = self.file(dir, wasm);
        if let Some(module) = load(engine, &file) {
            return Ok(module);
        }
        let module = Module::new(engine, wasm)?;
        if let Ok(bytes) = module.serialize() {
            if bytes.len() > MAX_COMPILED {
                let (made, most) = (bytes.len(), MAX_COMPILED);
                let why = format!("has {made} bytes when compiled; at most {most} are allowed");
                return Err(wasmtime::Error::msg(why));
            }
            let _ = write(dir, &file, &bytes);
        }
        Ok(module)
    }

    fn file(&self, dir: &Path, wasm: &[u8]) -> PathBuf {
        let digest = Sha256::digest(wasm);
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        dir.join(format!("{name}-{:016x}.cwasm", self.compiler))
    }

    /// Whether this was compiled.
    #[cfg(test)]
    pub(super) fn holds(&self, wasm: &[u8]) -> bool {
        self.dir.as_deref().is_some_and(|dir| self.file(dir, wasm).exists())
    }
}

/// Writes beside and renames, so that no half of a file is ever loaded.
fn write(dir: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    prune(dir, MAX_BYTES.saturating_sub((bytes.len() + SUM) as u64));
    // Several threads may compile the same module.
    let beside = format!("new-{}-{:?}", std::process::id(), std::thread::current().id());
    let beside = file.with_extension(beside);
    let mut whole = Sha256::digest(bytes).to_vec();
    whole.extend_from_slice(bytes);
    fs::write(&beside, whole)?;
    fs::rename(&beside, file)
}

/// Removes the oldest, so that what stays has at most so many bytes and leaves room for one file.
fn prune(dir: &Path, most: u64) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let known = |entry: fs::DirEntry| {
        let data = entry.metadata().ok()?;
        Some((data.modified().ok()?, data.len(), entry.path()))
    };
    let mut files: Vec<_> = entries.flatten().filter_map(known).collect();
    files.sort();
    let mut bytes = 0;
    for (number, (_, length, path)) in files.iter().rev().enumerate() {
        bytes += length;
        if number >= MAX_FILES - 1 || bytes > most {
            let _ = fs::remove_file(path);
        }
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

    #[test]
    fn the_oldest_files_go_when_there_are_too_many_bytes() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |n: u64| dir.path().join(format!("{n}.cwasm"));
        for n in 0..5 {
            let file = fs::File::create(path(n)).expect("made");
            file.set_len(100).expect("long");
            let age = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n);
            file.set_modified(age).expect("old");
        }
        prune(dir.path(), 250);
        let left: Vec<_> = (0..5).filter(|n| path(*n).exists()).collect();
        assert_eq!(left, [3, 4]);
    }
}
