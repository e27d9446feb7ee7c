//! Versions of functions' files, kept so that an earlier one can be put back.
//!
//! Under the data folder, a folder a function: contents named by their SHA-256, and an index. Only
//! the files themselves are kept, never the environment. The server keeps what it loaded well;
//! rolling back writes an earlier content to the function's file, which is then saved like any.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::files::SUFFIXES;
use super::{Access, Functions, is_name};
use crate::base::WallTime;

/// Versions of one function that are kept; the oldest goes first.
const MOST_VERSIONS: usize = 20;
/// Bytes of one function's versions, of which the two newest are kept whatever their size.
const MOST_BYTES: u64 = 16 << 20;
/// Functions whose versions are kept: more names than this come from tools that make them up.
const MOST_FUNCTIONS: usize = 1_000;
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

/// What rolling back did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The version that is in the file now.
    pub version: Version,
    /// The file that was written, relative to the functions folder.
    pub file: String,
    /// The version that was in it before, when there was a file.
    pub replaced: Option<String>,
}

/// The versions of all functions of a project.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Those under a folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Versions {
        Versions { folder }
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

    /// Writes an earlier version to the function's file: `wanted` begins its id; without it the
    /// newest good one that is not there now. What was in the file stays a version. Nobody may
    /// call it then who may not call what is there now, or what was there last.
    pub fn roll_back(
        &self,
        functions: &Path,
        name: &str,
        wanted: Option<&str>,
        now: WallTime,
    ) -> Result<RolledBack, String> {
        let current = current(functions, name);
        let content = current.as_ref().map(|(_, path)| fs::read(path)).transpose();
        let content = content.map_err(|error| format!("the function cannot be read: {error}"))?;
        let there = content.as_deref().map(version_of);
        let versions = self.list(name);
        let version = choose(name, &versions, wanted, there.as_deref())?.clone();
        let file = match &current {
            Some((file, _)) => same_kind(file, &version)?,
            None => version.file.clone(),
        };
        let last = versions.first().map(|newest| newest.file.as_str());
        let file = no_opener_than(name, file, last);
        let unkept = |error: io::Error| format!("version {} is lost: {error}", version.short());
        let bytes = self.read(name, &version).map_err(unkept)?;
        if let (Some((file, _)), Some(content)) = (&current, &content) {
            let keep = self.keep(name, file, content, now, false);
            keep.map_err(|error| format!("what is there now cannot be kept: {error}"))?;
        }
        let path = functions.join(&file);
        replace(&path, &bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(RolledBack { version, file, replaced: there })
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

impl Functions {
    /// The files that have a name, relative to the functions folder: the one that counts first.
    pub fn candidates(&self, name: &str) -> Vec<(String, Access)> {
        candidates(self.finder.dir(), name)
            .into_iter()
            .map(|(file, access, _)| (file, access))
            .collect()
    }

    /// The folder that the functions lie in.
    pub fn folder(&self) -> &Path {
        self.finder.dir()
    }
}

fn candidates(functions: &Path, name: &str) -> Vec<(String, Access, PathBuf)> {
    let files = SUFFIXES.iter().filter(|_| is_name(name)).map(|(suffix, access)| {
        let file = format!("{name}{suffix}");
        let path = functions.join(&file);
        (file, *access, path)
    });
    files.filter(|(_, _, path)| path.is_file()).collect()
}

/// The file that a name stands for now, and where it is.
pub fn current(functions: &Path, name: &str) -> Option<(String, PathBuf)> {
    let (file, _, path) = candidates(functions, name).into_iter().next()?;
    Some((file, path))
}

fn choose<'a>(
    name: &str,
    versions: &'a [Version],
    wanted: Option<&str>,
    there: Option<&str>,
) -> Result<&'a Version, String> {
    if versions.is_empty() {
        return Err(format!("no versions of {name} are kept; a running server keeps them"));
    }
    let Some(wanted) = wanted else {
        let earlier = |version: &&Version| version.good && Some(version.id.as_str()) != there;
        return versions
            .iter()
            .find(earlier)
            .ok_or_else(|| format!("there is no other good version of {name}"));
    };
    let mut fitting = versions.iter().filter(|version| version.id.starts_with(wanted));
    match (fitting.next(), fitting.next()) {
        (Some(version), None) => Ok(version),
        (Some(one), Some(other)) if one.id == other.id => Ok(one),
        (Some(_), Some(_)) => {
            Err(format!("several versions begin with {wanted}; write more of it"))
        }
        (None, _) => {
            let known: Vec<&str> = versions.iter().map(Version::short).collect();
            Err(format!("there is no version {wanted} of {name}; known: {}", known.join(", ")))
        }
    }
}

/// The file to write: the one that counts now, so that who may call does not change.
fn same_kind(file: &str, version: &Version) -> Result<String, String> {
    let ending = |file: &str| file.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    match ending(file) == ending(&version.file) {
        true => Ok(file.to_owned()),
        false => Err(format!(
            "version {} was {}, and {file} counts now; move that away first",
            version.short(),
            version.file
        )),
    }
}

/// The place in [`SUFFIXES`] of what a file adds to its function's name.
fn place_of(name: &str, file: &str) -> Option<usize> {
    let suffix = file.strip_prefix(name)?;
    SUFFIXES.iter().position(|(known, _)| *known == suffix)
}

/// The file, or the one of its kind that so few may call as `last`.
fn no_opener_than(name: &str, file: String, last: Option<&str>) -> String {
    let at = |file: &str| SUFFIXES.get(place_of(name, file)?);
    let (Some((suffix, access)), Some((_, strict))) = (at(&file), last.and_then(at)) else {
        return file;
    };
    if access >= strict {
        return file;
    }
    let kind = suffix.strip_prefix(".protected").unwrap_or(suffix);
    let mut stricter = SUFFIXES.iter().filter(|(_, access)| access == strict);
    // `.js` is no end of `.mjs`: the kinds begin with a point.
    let found = stricter.find(|(suffix, _)| suffix.ends_with(kind));
    found.map_or(file, |(suffix, _)| format!("{name}{suffix}"))
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

/// Writes a file of the project whole or not at all; it keeps its permissions, and a link stays
/// one: what it leads to is written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &end_of(path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden: no function by that name appears meanwhile. Of this process: two that write at one
    // time spoil neither's.
    let new = path.with_file_name(format!(".{file}.{}.new", std::process::id()));
    let written = write_as(path, &new, bytes).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// Where links lead, though there may be no file yet.
fn end_of(path: &Path) -> io::Result<PathBuf> {
    /// As many as the kernel follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !path.is_symlink() {
            return Ok(path);
        }
        let next = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::other("too many links lead to one another"))
}

/// Writes `new`, which nobody may read at any time who may not read `old`.
fn write_as(old: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Left behind by one that was killed; it may be anything.
        _ => {}
    }
    let permissions = match fs::metadata(old) {
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mode = if permissions.is_some() { 0o600 } else { 0o666 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(new)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> WallTime {
        WallTime::from_unix_millis(seconds * 1_000)
    }

    struct Bench {
        folder: tempfile::TempDir,
        versions: Versions,
    }

    fn bench() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("functions/a")).expect("made");
        let versions = Versions::new(folder.path().join("data/versions"));
        Bench { folder, versions }
    }

    impl Bench {
        fn functions(&self) -> PathBuf {
            self.folder.path().join("functions")
        }

        fn keep(&self, text: &str, seconds: u64) {
            fs::write(self.functions().join("a/f.js"), text).expect("written");
            let kept = self.versions.keep("a/f", "a/f.js", text.as_bytes(), at(seconds), true);
            kept.expect("kept");
        }

        fn text(&self) -> String {
            fs::read_to_string(self.functions().join("a/f.js")).expect("there")
        }
    }

    #[test]
    fn rolling_back_writes_the_file_and_keeps_what_was_there() {
        let bench = bench();
        bench.keep("one", 1);
        bench.keep("two", 2);
        fs::write(bench.functions().join("a/f.js"), "broken").expect("written");
        let back = bench.versions.roll_back(&bench.functions(), "a/f", None, at(3)).expect("back");
        assert_eq!((bench.text().as_str(), back.version.kept), ("two", at(2)));
        assert_eq!(back.replaced, Some(version_of(b"broken")));
        let list = bench.versions.list("a/f");
        assert_eq!(list.len(), 3);
        assert!(!list[0].good && list[0].id == version_of(b"broken"), "kept, not as a good one");
        // Again: the one before that; and by its id to any.
        bench.versions.roll_back(&bench.functions(), "a/f", None, at(4)).expect("back");
        assert_eq!(bench.text(), "one");
        let wanted = version_of(b"broken");
        let wanted = wanted.get(..6);
        bench.versions.roll_back(&bench.functions(), "a/f", wanted, at(5)).expect("back");
        assert_eq!(bench.text(), "broken");
        let none = bench.versions.roll_back(&bench.functions(), "a/f", Some("zz"), at(6));
        assert!(none.expect_err("no such").contains("known: "));
        let none = bench.versions.roll_back(&bench.functions(), "other", None, at(6));
        assert!(none.expect_err("none kept").contains("no versions of other are kept"));
    }

    #[test]
    fn who_may_call_stays_as_it_is() {
        let bench = bench();
        bench.keep("open", 1);
        fs::rename(bench.functions().join("a/f.js"), bench.functions().join("a/f.protected.js"))
            .expect("moved");
        fs::write(bench.functions().join("a/f.protected.js"), "closed").expect("written");
        let back = bench.versions.roll_back(&bench.functions(), "a/f", None, at(2)).expect("back");
        assert_eq!(back.file, "a/f.protected.js");
        assert!(!bench.functions().join("a/f.js").exists());
        fs::remove_file(bench.functions().join("a/f.protected.js")).expect("removed");
        fs::write(bench.functions().join("a/f.wat"), "(module)").expect("written");
        let other = bench.versions.roll_back(&bench.functions(), "a/f", None, at(3));
        assert!(other.expect_err("another language").contains("move that away first"));
        fs::remove_file(bench.functions().join("a/f.wat")).expect("removed");
        bench.versions.roll_back(&bench.functions(), "a/f", None, at(4)).expect("undeleted");
    }

    #[test]
    fn what_was_closed_last_is_not_opened_by_an_earlier_version() {
        let bench = bench();
        let functions = bench.functions();
        bench.keep("open", 1);
        let keep = |file: &str, text: &str, seconds| {
            bench.versions.keep("a/f", file, text.as_bytes(), at(seconds), true).expect("kept");
        };
        keep("a/f.protected.js", "closed", 2);
        fs::remove_file(functions.join("a/f.js")).expect("removed");
        let open = version_of(b"open");
        let back = bench.versions.roll_back(&functions, "a/f", open.get(..8), at(3));
        assert_eq!(back.expect("back").file, "a/f.protected.js");
        assert!(!functions.join("a/f.js").exists());
        assert_eq!(fs::read_to_string(functions.join("a/f.protected.js")).expect("read"), "open");

        // Nor is what is there now, when that is stricter than what was kept last.
        keep("a/f.js", "open again", 4);
        let back = bench.versions.roll_back(&functions, "a/f", None, at(5)).expect("back");
        assert_eq!(back.file, "a/f.protected.js");
        for (file, last, wanted) in [
            ("a/f.routes.toml", "a/f.private.wat", "a/f.private.routes.toml"),
            ("a/f.protected.mjs", "a/f.private.js", "a/f.private.mjs"),
            ("a/f.js", "a/f.js", "a/f.js"),
            ("a/f.private.js", "a/f.js", "a/f.private.js"),
        ] {
            assert_eq!(no_opener_than("a/f", file.to_owned(), Some(last)), wanted);
        }
    }

    #[test]
    fn a_file_is_replaced_where_links_lead_and_as_readable_as_it_was() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("shared")).expect("made");
        fs::write(path("shared/f.js"), "one").expect("written");
        fs::set_permissions(path("shared/f.js"), fs::Permissions::from_mode(0o640)).expect("set");
        symlink("shared/f.js", path("middle")).expect("a link");
        symlink(path("middle"), path("f.js")).expect("a link");
        replace(&path("f.js"), b"two").expect("replaced");
        assert!(path("f.js").is_symlink() && path("middle").is_symlink());
        assert_eq!(fs::read_to_string(path("shared/f.js")).expect("read"), "two");
        let mode = |name: &str| fs::metadata(path(name)).expect("there").permissions().mode();
        assert_eq!(mode("shared/f.js") & 0o777, 0o640);
        assert_eq!(fs::read_dir(path("shared")).expect("listed").count(), 1, "nothing beside it");

        symlink("shared/new.js", path("new.js")).expect("a link");
        replace(&path("new.js"), b"three").expect("made");
        assert_eq!(fs::read_to_string(path("shared/new.js")).expect("read"), "three");
        symlink("circle", path("circle")).expect("a link");
        assert!(replace(&path("circle"), b"four").is_err());

        // While it is written, too, nobody else may read what only its owner may.
        fs::set_permissions(path("shared/f.js"), fs::Permissions::from_mode(0o600)).expect("set");
        write_as(&path("shared/f.js"), &path("shared/.new"), b"five").expect("written");
        assert_eq!(mode("shared/.new") & 0o777, 0o600);
    }

    #[test]
    fn what_is_kept_is_bounded_private_and_checked() {
        use std::os::unix::fs::PermissionsExt as _;
        let bench = bench();
        for number in 0..MOST_VERSIONS + 5 {
            bench.keep(&format!("v{number}"), number as u64);
        }
        bench.keep("v24", 99);
        let list = bench.versions.list("a/f");
        assert_eq!((list.len(), list[0].kept), (MOST_VERSIONS, at(99)));
        let folder = bench.folder.path().join("data/versions/a%2Ff");
        let files = fs::read_dir(&folder).expect("there").count();
        assert_eq!(files, MOST_VERSIONS + 2, "contents, index and lock");
        let mode = fs::metadata(folder.join(&list[0].id)).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        let large = vec![b'x'; MOST_BYTES as usize];
        for number in 0..3 {
            bench.versions.keep("a/f", "a/f.js", &large[number..], at(200), true).expect("kept");
        }
        assert_eq!(bench.versions.list("a/f").len(), 2);
        let newest = &bench.versions.list("a/f")[0];
        fs::write(folder.join(&newest.id), "forged").expect("written");
        assert!(bench.versions.read("a/f", newest).is_err());
    }
}
