//! Files for `Play` and for browsers, from the project's `assets` folder.
//!
//! `x.protected.wav` is served at `x.wav` to signed requests alone, `x.private.wav` never. What
//! a path or a symbolic link leads to outside the folder does not exist. RFC 9110 section 13.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::base::WallTime;
use crate::http::client::MEDIA_LIMIT;
use crate::http::{Request, Response};

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
    if !file.contains(".protected.") && !file.contains(".private.") {
        if let Some(path) = within(file) {
            return Some(Asset { path, access: Access::Public });
        }
        let (stem, ending) = file.rsplit_once('.')?;
        let path = within(&format!("{stem}.protected.{ending}"))?;
        return Some(Asset { path, access: Access::Protected });
    }
    None
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
        } else if !name.contains(".private.") && names.len() < MOST {
            names.push(format!("{prefix}{}", name.replacen(".protected.", ".", 1)));
        }
    }
}

/// The file as a response: whole, or 304 when the request knows this version.
pub fn serve(asset: &Asset, request: &Request, now: WallTime) -> Response {
    let known = request.headers.first("If-None-Match").unwrap_or_default();
    match read(&asset.path, known, now) {
        Ok(response) => response.with("Cache-Control", "no-cache"),
        Err(_) => Response::text(404, "404: the file cannot be read"),
    }
}

/// Reads a file of bounded length with a tag that changes when it does, unless that is known.
fn read(path: &Path, known: &str, now: WallTime) -> std::io::Result<Response> {
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
    let mut body = Vec::with_capacity(stamp.length() as usize);
    file.take(MEDIA_LIMIT as u64).read_to_end(&mut body)?;
    Ok(Response::new(200, content_type(path), body).with("ETag", tag))
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
        let first = serve(&asset, &Request::get("/assets/a.wav"), later);
        assert_eq!((first.status, &first.body[..]), (200, &b"sound"[..]));
        assert_eq!(first.headers.first("content-type"), Some("audio/wav"));
        let mut again = Request::get("/assets/a.wav");
        again.headers.push("If-None-Match", first.headers.first("ETag").unwrap());
        let served = serve(&asset, &again, later);
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
            let served = serve(&asset, &request, WallTime::from_unix_millis(0));
            assert_eq!((served.status, served.body), (200, save.to_string().into()));
            request = Request::get("/assets/a.wav");
            request.headers.push("If-None-Match", served.headers.first("ETag").unwrap());
        }
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
