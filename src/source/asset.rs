//! Files for `Play` and for browsers, from the project's `assets` folder.
//!
//! `x.protected.wav` is served at `x.wav` to signed requests alone, `x.private.wav` never; so are
//! `x.protected` and `x.private`. What a path or a symbolic link leads to outside the folder does
//! not exist. RFC 9110 section 13.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::base::WallTime;
use crate::http::client::MEDIA_LIMIT;
use crate::http::{Request, Response, file};

use super::Stamp;
use crate::directory::paths::Access;

/// An asset that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its canonical path.
    pub path: PathBuf,
    /// Who may have it.
    pub access: Access,
}

/// The asset at a path below the folder, percent-decoded.
pub fn find(folder: &Path, path: &str) -> Option<Asset> {
    let mut parts: Vec<&str> = path.split('/').collect();
    let fits = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains('\0');
    if !parts.iter().all(fits) {
        return None;
    }
    let file = parts.pop()?;
    let folder = fs::canonicalize(folder).ok()?;
    let within = |name: &str| {
        let path = fs::canonicalize(folder.join(parts.join("/")).join(name)).ok()?;
        (path.starts_with(&folder) && path.is_file()).then_some(path)
    };
    if access(file) != Access::Public {
        return None;
    }
    if let Some(path) = within(file) {
        return Some(Asset { path, access: Access::Public });
    }
    let before_ending =
        file.rsplit_once('.').map(|(stem, ending)| format!("{stem}{PROTECTED}.{ending}"));
    let path = before_ending
        .and_then(|name| within(&name))
        .or_else(|| within(&format!("{file}{PROTECTED}")))?;
    Some(Asset { path, access: Access::Protected })
}

/// What protected files have in their names, before the ending or at the end.
const PROTECTED: &str = ".protected";

/// Who may ask for a file, by its own name. Any part behind a dot says it, in any case: whoever
/// wrote `key.private` or `key.Private.json` did not mean anybody.
fn access(file: &str) -> Access {
    let of = |part: &str| match part {
        _ if part.eq_ignore_ascii_case("private") => Access::Private,
        _ if part.eq_ignore_ascii_case("protected") => Access::Protected,
        _ => Access::Public,
    };
    file.split('.').skip(1).map(of).max().unwrap_or_default()
}

/// The paths of all assets that there is a route to, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    collect(folder, "", 0, &mut names);
    names.sort();
    names
}

fn collect(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    // Deeper is a link in a circle, and more than anybody names in documents.
    const DEEPEST: usize = 8;
    const MOST: usize = 10_000;
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        if entry.path().is_dir() {
            if depth < DEEPEST {
                collect(&entry.path(), &format!("{prefix}{name}/"), depth + 1, names);
            }
        } else if let Some(name) = served_as(name).filter(|_| names.len() < MOST) {
            names.push(format!("{prefix}{name}"));
        }
    }
}

/// The name under which a file is served; `None` for those that are not.
fn served_as(file: &str) -> Option<String> {
    match access(file) {
        Access::Public => Some(file.to_owned()),
        Access::Protected => {
            let bare = |file: &str| file.strip_suffix(PROTECTED).map(str::to_owned);
            let before_ending = || {
                let (stem, ending) = file.rsplit_once('.')?;
                Some(format!("{}.{ending}", bare(stem)?))
            };
            let name = bare(file).or_else(before_ending)?;
            (access(&name) == Access::Public).then_some(name)
        }
        Access::Private => None,
    }
}

/// How what is served is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// In memory as a whole, for calls.
    Whole,
    /// Read from the disk as the client takes it, but for small files: as many as there may be
    /// clients do not fit the memory.
    InPieces,
}

/// Files up to this length are read at one go.
const SMALL: u64 = 64 * 1024;

/// The file as a response: whole, a part, or 304 when the request knows this version.
pub fn serve(asset: &Asset, request: &Request, now: WallTime, held: Held) -> Response {
    match read(&asset.path, request, now, held) {
        Ok(response) => response.with("Cache-Control", "no-cache"),
        Err(_) => Response::text(404, "404: the file cannot be read"),
    }
}

/// Reads a file of bounded length with a tag that changes when it does, unless that is known.
fn read(path: &Path, request: &Request, now: WallTime, held: Held) -> std::io::Result<Response> {
    let known = request.headers.first("If-None-Match").unwrap_or_default();
    let file = File::open(path)?;
    let stamp = Stamp::from(&file.metadata()?);
    if stamp.length() > MEDIA_LIMIT as u64 {
        return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
    }
    // Before the body is read: a save in between has another tag than what is sent.
    let tag = format!("\"{}\"", stamp.exact(path, now).tag());
    if known.contains(&tag) {
        return Ok(Response { status: 304, ..Response::default() }.with("ETag", tag));
    }
    let response = file::of(file, stamp.length(), &tag, content_type(path), request);
    match &response.file {
        Some(part) if held == Held::Whole || part.length() <= SMALL => {
            let body = part.read()?;
            Ok(Response { body, file: None, ..response })
        }
        _ => Ok(response),
    }
}

/// The content type for a file's ending.
pub fn content_type(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(ending))
        .map_or("application/octet-stream", |(_, kind)| kind)
}

const TYPES: &[(&str, &str)] = &[
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("aif", "audio/aiff"),
    ("aiff", "audio/aiff"),
    ("gsm", "audio/gsm"),
    ("ul", "audio/ulaw"),
    ("ulaw", "audio/ulaw"),
    ("ogg", "audio/ogg"),
    ("xml", "text/xml; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("svg", "image/svg+xml"),
    ("ico", "image/vnd.microsoft.icon"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("assets");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(root.path().join("secret.txt"), "s").unwrap();
        fs::write(folder.join("a.wav"), "a").unwrap();
        fs::write(folder.join("sub/b.wav"), "b").unwrap();
        fs::write(folder.join("c.protected.wav"), "c").unwrap();
        fs::write(folder.join("d.private.wav"), "d").unwrap();
        fs::write(folder.join(".hidden"), "h").unwrap();
        std::os::unix::fs::symlink(root.path().join("secret.txt"), folder.join("link.txt"))
            .unwrap();
        std::os::unix::fs::symlink(folder.join("a.wav"), folder.join("alias.wav")).unwrap();
        std::os::unix::fs::symlink(root.path(), folder.join("up")).unwrap();
        let access = |path: &str| find(&folder, path).map(|asset| asset.access);
        for path in ["a.wav", "sub/b.wav", "alias.wav"] {
            assert_eq!(access(path), Some(Access::Public), "{path}");
        }
        assert_eq!(access("c.wav"), Some(Access::Protected));
        for path in [
            "",
            "..",
            "../secret.txt",
            "sub/../../secret.txt",
            "/etc/passwd",
            "link.txt",
            "up/secret.txt",
            ".hidden",
            "sub",
            "sub//b.wav",
            "c.protected.wav",
            "d.private.wav",
            "d.wav",
            "a.wav\0",
            "none.wav",
        ] {
            assert_eq!(access(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.wav"), "sound").unwrap();
        let asset = find(folder.path(), "a.wav").unwrap();
        let later = WallTime::from_unix_millis(40_000_000_000_000);
        let first = serve(&asset, &Request::get("/assets/a.wav"), later, Held::InPieces);
        assert_eq!((first.status, &first.body[..]), (200, &b"sound"[..]));
        assert_eq!(first.headers.first("content-type"), Some("audio/wav"));
        let mut again = Request::get("/assets/a.wav");
        again.headers.push("If-None-Match", first.headers.first("ETag").unwrap());
        let served = serve(&asset, &again, later, Held::InPieces);
        assert_eq!(
            (served.status, served.headers.first("ETag")),
            (304, first.headers.first("ETag"))
        );
    }

    #[test]
    fn saves_of_one_length_in_quick_succession_are_all_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut request = Request::get("/assets/a.wav");
        for save in 100..200 {
            fs::write(folder.path().join("a.wav"), save.to_string()).unwrap();
            let asset = find(folder.path(), "a.wav").unwrap();
            // As if the file system's clock had stood still since.
            let served = serve(&asset, &request, WallTime::from_unix_millis(0), Held::Whole);
            assert_eq!((served.status, served.body), (200, save.to_string().into()));
            request = Request::get("/assets/a.wav");
            request.headers.push("If-None-Match", served.headers.first("ETag").unwrap());
        }
    }

    #[test]
    fn large_files_are_read_as_they_leave_and_calls_have_them_whole() {
        let folder = tempfile::tempdir().unwrap();
        let sound = vec![7; SMALL as usize + 10];
        fs::write(folder.path().join("a.wav"), &sound).unwrap();
        let asset = find(folder.path(), "a.wav").unwrap();
        let later = WallTime::from_unix_millis(40_000_000_000_000);
        let mut request = Request::get("/assets/a.wav");
        let whole = serve(&asset, &request, later, Held::Whole);
        assert_eq!((&whole.body[..], &whole.file), (&sound[..], &None));
        let pieces = serve(&asset, &request, later, Held::InPieces);
        assert_eq!((pieces.status, pieces.body.len()), (200, 0));
        assert_eq!(pieces.file.map(|file| file.length()), Some(sound.len() as u64));
        assert_eq!(pieces.headers, whole.headers);
        request.headers.push("Range", "bytes=-5");
        let part = serve(&asset, &request, later, Held::InPieces);
        assert_eq!((part.status, &part.body[..]), (206, &[7; 5][..]));
        request.headers.push("If-None-Match", whole.headers.first("ETag").unwrap());
        assert_eq!(serve(&asset, &request, later, Held::InPieces).status, 304);
    }

    #[test]
    fn what_is_closed_is_so_in_any_case_and_at_the_end_of_a_name() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "key.private",
            "w.Private.json",
            "k.protected",
            "P.PROTECTED.json",
            "a.b.protected.json",
            "x.private.y.json",
            "both.private.protected",
            "private.json",
        ] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let access = |path: &str| find(folder.path(), path).map(|asset| asset.access);
        for file in fs::read_dir(folder.path()).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            let wanted = (name == "private.json").then_some(Access::Public);
            assert_eq!(access(&name), wanted, "{name}");
        }
        for (path, wanted) in [
            ("k", Some(Access::Protected)),
            ("a.b.json", Some(Access::Protected)),
            ("P.json", None),
            ("key", None),
            ("w.json", None),
            ("both.private", None),
            ("both", None),
        ] {
            assert_eq!(access(path), wanted, "{path}");
        }
        assert_eq!(names(folder.path()), ["a.b.json", "k", "private.json"]);
    }

    #[test]
    fn names_are_those_that_have_a_route() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        for file in ["a.wav", "in/b.protected.wav", "c.private.json", ".hidden"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let names = names(folder.path());
        assert_eq!(names, ["a.wav", "in/b.wav"]);
        assert!(names.iter().all(|name| find(folder.path(), name).is_some()));
    }
}
