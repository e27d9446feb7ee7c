//! Event packages: one file each, and a line in [`PACKAGES`].
//!
//! A package writes what a [`View`] shows of one user, always everything: who misses a NOTIFY has
//! missed nothing once the next one comes.

use std::fmt;

use super::dialogs::DialogInfo;
use super::publication::Published;
use super::*;
use crate::markup::{escape_attribute, escape_text};
use crate::sip::registrar::Binding;
use crate::sip::subscription;
use crate::sip::uri::escape_user;

mod dialog;
mod message_summary;
mod presence;
mod reg;

/// All packages that can be subscribed to.
pub(super) const PACKAGES: [&Package; 4] =
    [&dialog::PACKAGE, &presence::PACKAGE, &message_summary::PACKAGE, &reg::PACKAGE];

/// A kind of events.
pub(super) struct Package {
    /// Its name and the type of its bodies.
    pub kind: subscription::Package,
    /// Who may watch.
    pub rights: Rights,
    /// Writes a body with that number.
    pub write: fn(&View, u32) -> String,
}

/// Whom a user may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Users of the same domain.
    Colleagues,
    /// Only oneself: it tells of devices and their addresses, or of private things.
    Oneself,
}

/// The package of that name.
pub(super) fn find(name: &str) -> Option<&'static Package> {
    PACKAGES.into_iter().find(|package| package.kind.name == name)
}

/// The value of Allow-Events.
pub(in crate::exchange) fn allow_events() -> HeaderField {
    let names = PACKAGES.map(|package| package.kind.name);
    ("Allow-Events".to_owned(), names.join(", "))
}

/// What there is to tell about a user.
pub(super) struct View {
    /// `user@domain`.
    pub user: Arc<str>,
    /// When it is told.
    pub now: Instant,
    /// Whether the watcher may see with whom the user talks.
    pub parties: bool,
    /// Its calls.
    pub dialogs: Vec<DialogInfo>,
    /// Its phones.
    pub bindings: Vec<Binding>,
    /// What its phones say of it.
    pub published: Published,
}

impl View {
    /// Its address as a URI.
    pub fn uri(&self) -> String {
        let (user, domain) = self.user.rsplit_once('@').unwrap_or((&self.user, ""));
        format!("sip:{}@{domain}", escape_user(user))
    }
}

/// Text for an attribute or an element, safe to stand there.
struct Attribute<'a>(&'a str);
struct Text<'a>(&'a str);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_attribute(self.0))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_text(self.0))
    }
}
