//! What paths of the host mean, and who may ask for what is there.

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
