//! What paths of the host mean: names at its root, and the files of assets.

use std::fs;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Who may ask for a function or an asset, as its file name says; the stricter is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// `name.js`: anybody.
    #[default]
    Public,
    /// `name.protected.js`: requests with a valid signature.
    Protected,
    /// `name.private.js`: nobody from outside; there is no route to it.
    Private,
}

/// First segments of paths that are the server's own, whether or not something is behind them.
const RESERVED: [&str; 11] = [
    "2010-04-01",
    "assets",
    "bins",
    "console",
    "functions",
    "healthz",
    "metrics",
    "phone",
    "readyz",
    "sip",
    "twiml",
];

/// The name that a path without its query has at the root; `None` for the server's own paths.
pub fn name(path: &str) -> Option<String> {
    let name = percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
    let first = name.split('/').next().unwrap_or_default();
    (!first.is_empty() && !RESERVED.contains(&first)).then(|| name.into_owned())
}

/// An asset that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its canonical path.
    pub path: PathBuf,
    /// Who may have it.
    pub access: Access,
}

/// The asset at a path below the folder, percent-decoded.
pub fn asset(folder: &Path, path: &str) -> Option<Asset> {
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
