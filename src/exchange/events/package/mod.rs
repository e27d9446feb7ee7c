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
    /// The URI by which its watcher knows it.
    pub entity: Arc<str>,
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
    /// The URI by which documents name it.
    pub fn uri(&self) -> &str {
        &self.entity
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

#[cfg(test)]
mod tests {
    use super::super::dialogs::{Direction, Identity, State};
    use super::*;
    use crate::markup::{self, Element};

    /// A user whose names hold all that markup minds.
    fn view() -> View {
        let nasty = "\"<&>'\u{1}";
        View {
            user: "bo&b<\"@office.example".into(),
            entity: "sip:bo&b%3C%22@office.example".into(),
            now: Instant::from_millis(10_000),
            parties: true,
            dialogs: vec![DialogInfo {
                id: 7,
                direction: Direction::Recipient,
                state: State::Confirmed,
                remote: Some(Identity { uri: "sip:a&b@h".into(), name: Some(nasty.into()) }),
            }],
            bindings: vec![],
            published: Published {
                open: Some(false),
                activities: vec!["meeting"],
                note: Some(nasty.into()),
            },
        }
    }

    fn tree(name: &str, view: &View) -> Element {
        let package = find(name).expect("a package");
        let text = (package.write)(view, 3);
        markup::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {text}")).root
    }

    fn child<'a>(element: &'a Element, path: &[&str]) -> &'a Element {
        path.iter().fold(element, |element, name| {
            let mut inside = element.elements();
            inside.find(|inside| inside.name == *name).unwrap_or_else(|| panic!("no {name}"))
        })
    }

    fn attribute<'a>(element: &'a Element, name: &str) -> &'a str {
        element.attribute(name).map_or("", |attribute| &attribute.value)
    }

    #[test]
    fn whatever_names_hold_the_documents_are_sound() {
        let mut view = view();
        let info = tree("dialog", &view);
        assert_eq!(attribute(&info, "version"), "3");
        assert_eq!(attribute(&info, "entity"), "sip:bo&b%3C%22@office.example");
        let remote = child(&info, &["dialog", "remote", "identity"]);
        assert_eq!((attribute(remote, "display"), &*remote.text()), ("\"<&>'", "sip:a&b@h"));
        let presence = tree("presence", &view);
        assert_eq!(child(&presence, &["tuple", "status", "basic"]).text(), "closed");
        assert_eq!(child(&presence, &["tuple", "note"]).text(), "\"<&>'");
        let activities = child(&presence, &["dm:person", "rpid:activities"]);
        let names: Vec<&str> = activities.elements().map(|element| &*element.name).collect();
        assert_eq!(names, ["rpid:meeting", "rpid:on-the-phone"]);
        assert_eq!(attribute(child(&tree("reg", &view), &["registration"]), "state"), "terminated");
        view.parties = false;
        let lamp = tree("dialog", &view);
        assert_eq!(child(&lamp, &["dialog"]).elements().count(), 2, "a state and its own side");
    }

    #[test]
    fn packages_have_names_of_their_own() {
        let names: BTreeSet<&str> = PACKAGES.iter().map(|package| package.kind.name).collect();
        assert_eq!(names.len(), PACKAGES.len());
        assert!(find("Dialog").is_none() && find("dialog").is_some());
    }
}
