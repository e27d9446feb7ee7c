//! Puts an earlier version of a function's file back, so that nobody may call it then who may not
//! call what is there now.
//!
//! It is written to the function's file, whole or not at all, and then saved like any.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::files::{SUFFIXES, suffixes};
use super::load::{MAX_MODULE, read_at_most};
use super::versions::{Version, Versions, version_of};
use super::{Access, Functions, is_name};
use crate::base::WallTime;

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

impl Versions {
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
}

impl Functions {
    /// The files that have a name, relative to the functions folder: the one that counts first.
    pub fn candidates(&self, name: &str) -> Vec<(String, Access)> {
        candidates(self.finder.dir(), name)
            .into_iter()
            .map(|(file, access, _)| (file, access))
            .collect()
    }

    /// What tells the content of such a file from others, as far as a function's may be.
    pub fn version_of_file(&self, file: &str) -> Option<String> {
        let path = self.finder.dir().join(file);
        read_at_most(&path, MAX_MODULE).ok().map(|content| version_of(&content))
    }

    /// The folder that the functions lie in.
    pub fn folder(&self) -> &Path {
        self.finder.dir()
    }
}

fn candidates(functions: &Path, name: &str) -> Vec<(String, Access, PathBuf)> {
    let files = suffixes(name).filter(|_| is_name(name)).map(|(suffix, access)| {
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
        return Err(format!("no versions of {name} are kept: a server keeps those that load well"));
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
}
