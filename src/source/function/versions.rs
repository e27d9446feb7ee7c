//! Versions of functions' files, kept so that an earlier one can be put back.
//!
//! Under the data folder, a folder a function: contents named by their SHA-256, and an index. Only
//! the files themselves are kept, never the environment. The server keeps what it loaded well, and
//! runs that when it starts with a broken file; rolling back writes an earlier content to the
//! function's file, which is then saved like any.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use super::rollback::{RolledBack, current, replace};
use super::{MOST_FUNCTIONS, is_name};
use crate::base::WallTime;

/// Versions of one function that are kept; the oldest goes first.
const MOST_VERSIONS: usize = 20;
/// Bytes of one function's versions, of which the two newest are kept whatever their size.
const MOST_BYTES: u64 = 16 << 20;
/// Versions that wait to be kept, and their bytes: more than load between two looks of the server.
const MOST_NOTED: usize = 64;
const MOST_BYTES_NOTED: usize = 64 << 20;
/// Digits that people are shown and write: enough to tell twenty versions apart.
pub const SHOWN: usize = 12;

/// What tells one content from another, in full.
pub fn version_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A version that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What tells it from others.
    pub id: String,
    /// The file that held it, relative to the functions folder.
    pub file: String,
    /// When it was kept last.
    pub kept: WallTime,
    /// Its length.
    pub bytes: u64,
    /// Whether it was loaded well; else it was replaced by rolling back before anybody knew.
    pub good: bool,
}

impl Version {
    /// As people are shown it.
    pub fn short(&self) -> &str {
        self.id.get(..SHOWN).unwrap_or(&self.id)
    }
}

/// The versions of all functions of a project.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
    /// The oldest first.
    noted: Arc<Mutex<VecDeque<Noted>>>,
}

/// What was loaded well, and is not kept yet.
#[derive(Debug)]
struct Noted {
    name: String,
    file: String,
    bytes: Vec<u8>,
    /// It could not be written, and that was said.
    told: bool,
}

impl Noted {
    fn is_same(&self, other: &Noted) -> bool {
        (&self.name, &self.file, &self.bytes) == (&other.name, &other.file, &other.bytes)
    }
}

impl Versions {
    /// Those under a folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Versions {
        Versions { folder, noted: Arc::default() }
    }

    /// Remembers what was loaded well until [`Versions::keep_noted`]: who loads it may be answering
    /// a call, and writes nothing. The oldest goes first where there is too much.
    pub fn note(&self, name: &str, file: &str, bytes: Vec<u8>) {
        self.take_note(Noted { name: name.to_owned(), file: file.to_owned(), bytes, told: false });
    }

    fn take_note(&self, new: Noted) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|before| !before.is_same(&new));
        noted.push_back(new);
        let mut bytes: usize = noted.iter().map(|noted| noted.bytes.len()).sum();
        while noted.len() > MOST_NOTED || (bytes > MOST_BYTES_NOTED && noted.len() > 1) {
            bytes -= noted.pop_front().map_or(0, |oldest| oldest.bytes.len());
        }
    }

    /// Keeps what was noted, in that order; gives the names of functions where that failed, once:
    /// what a full disk did not take stays noted.
    pub fn keep_noted(&self, now: WallTime) -> Vec<(String, io::Error)> {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut failed = vec![];
        for noted in noted {
            let kept = self.keep(&noted.name, &noted.file, &noted.bytes, now, true);
            if let Err(error) = kept {
                if !noted.told {
                    failed.push((noted.name.clone(), error));
                }
                self.take_note(Noted { told: true, ..noted });
            }
        }
        failed
    }

    /// The versions of a function, the newest first.
    pub fn list(&self, name: &str) -> Vec<Version> {
        let text = fs::read(self.folder_of(name).join(INDEX)).unwrap_or_default();
        let index: Value = serde_json::from_slice(&text).unwrap_or_default();
        let entries = index["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter_map(version).collect()
    }

    /// Keeps a content as the newest version.
    pub fn keep(
        &self,
        name: &str,
        file: &str,
        bytes: &[u8],
        now: WallTime,
        good: bool,
    ) -> io::Result<()> {
        let folder = self.folder_of(name);
        self.make_room(&folder)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // The server and a command may both keep one at a time.
        let lock = create(&folder.join("lock"))?;
        lock.lock()?;
        let id = version_of(bytes);
        let mut versions = self.list(name);
        let known = versions.iter().position(|version| version.id == id && version.file == file);
        let before = known.map(|at| versions.remove(at));
        let content = folder.join(&id);
        if !content.is_file() {
            write_whole(&content, bytes)?;
        }
        let good = good || before.is_some_and(|before| before.good);
        let newest =
            Version { id, file: file.to_owned(), kept: now, bytes: bytes.len() as u64, good };
        versions.insert(0, newest);
        drop_old(&mut versions);
        write_whole(&folder.join(INDEX), index(name, &versions).as_bytes())?;
        sweep(&folder, &versions)
    }

    /// The content of a version.
    pub fn read(&self, name: &str, version: &Version) -> io::Result<Vec<u8>> {
        let bytes = fs::read(self.folder_of(name).join(&version.id))?;
        match version_of(&bytes) == version.id {
            true => Ok(bytes),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "it was changed since")),
        }
    }

    /// A new function's folder takes the place of the one that was touched longest ago.
    fn make_room(&self, folder: &Path) -> io::Result<()> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        if folder.exists() {
            return Ok(());
        }
        let touched = |path: PathBuf| Some((path.metadata().ok()?.modified().ok()?, path));
        let mut folders: Vec<_> = entries.flatten().filter_map(|e| touched(e.path())).collect();
        if folders.len() < MOST_FUNCTIONS {
            return Ok(());
        }
        folders.sort();
        folders.first().map_or(Ok(()), |(_, oldest)| fs::remove_dir_all(oldest))
    }

    /// Names have letters, digits and a few signs, and slashes between folders.
    fn folder_of(&self, name: &str) -> PathBuf {
        const LONGEST: usize = 200;
        let plain = name.replace('/', "%2F");
        match is_name(name) && plain.len() <= LONGEST {
            true => self.folder.join(plain),
            false => self.folder.join(version_of(name.as_bytes())),
        }
    }
}

const INDEX: &str = "index.json";

fn version(entry: &Value) -> Option<Version> {
    let id = entry["id"].as_str().filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some(Version {
        id: id.to_owned(),
        file: entry["file"].as_str()?.to_owned(),
        kept: WallTime::from_unix_millis(entry["kept"].as_u64()?),
        bytes: entry["bytes"].as_u64()?,
        good: entry["good"].as_bool()?,
    })
}

fn index(name: &str, versions: &[Version]) -> String {
    let entries = versions.iter().map(|version| {
        let Version { id, file, kept, bytes, good } = version;
        json!({ "id": id, "file": file, "kept": kept.unix_millis(), "bytes": bytes, "good": good })
    });
    json!({ "name": name, "versions": entries.collect::<Vec<_>>() }).to_string()
}

fn drop_old(versions: &mut Vec<Version>) {
    versions.truncate(MOST_VERSIONS);
    let mut bytes = 0;
    let fits = versions.iter().enumerate().take_while(|(at, version)| {
        bytes += version.bytes;
        *at < 2 || bytes <= MOST_BYTES
    });
    let fits = fits.count();
    versions.truncate(fits);
}

/// Removes contents that no version names.
fn sweep(folder: &Path, versions: &[Version]) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let known = file == INDEX || file == "lock" || versions.iter().any(|v| v.id == file);
        if !known {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Whoever reads finds the old content or the new one, never a part.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_tried_again_and_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("versions");
        fs::write(&place, "in the way").expect("written");
        let versions = Versions::new(place.clone());
        let now = WallTime::from_unix_millis(1_795_237_266_123);
        versions.note("f", "f.js", b"one".to_vec());
        assert_eq!(versions.keep_noted(now).len(), 1);
        assert_eq!(versions.keep_noted(now).len(), 0, "told once");
        fs::remove_file(&place).expect("removed");
        assert_eq!(versions.keep_noted(now).len(), 0);
        let [version] = &versions.list("f")[..] else { panic!("one version") };
        assert_eq!(versions.read("f", version).expect("there"), b"one");
    }

    #[test]
    fn what_is_kept_is_bounded_private_and_checked() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let versions = Versions::new(folder.path().join("data/versions"));
        let at = |seconds: u64| WallTime::from_unix_millis(seconds * 1_000);
        let keep = |text: &[u8], seconds| {
            versions.keep("a/f", "a/f.js", text, at(seconds), true).expect("kept");
        };
        for number in 0..MOST_VERSIONS + 5 {
            keep(format!("v{number}").as_bytes(), number as u64);
        }
        keep(b"v24", 99);
        let list = versions.list("a/f");
        assert_eq!((list.len(), list[0].kept), (MOST_VERSIONS, at(99)));
        let folder = folder.path().join("data/versions/a%2Ff");
        let files = fs::read_dir(&folder).expect("there").count();
        assert_eq!(files, MOST_VERSIONS + 2, "contents, index and lock");
        let mode = fs::metadata(folder.join(&list[0].id)).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        let large = vec![b'x'; MOST_BYTES as usize];
        for number in 0..3 {
            keep(&large[number..], 200);
        }
        assert_eq!(versions.list("a/f").len(), 2);
        let newest = &versions.list("a/f")[0];
        fs::write(folder.join(&newest.id), "forged").expect("written");
        assert!(versions.read("a/f", newest).is_err());
    }
}
