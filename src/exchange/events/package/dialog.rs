//! `dialog`: what a user's phones are doing (RFC 4235), which is what lamps show.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::super::dialogs::State;
use super::*;

pub(super) const PACKAGE: Package = Package {
    kind: subscription::Package { name: "dialog", content_type: "application/dialog-info+xml" },
    rights: Rights::Colleagues,
    write,
};

fn write(view: &View, version: u32) -> String {
    let own = view.uri();
    let mut text = format!(
        "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
         version=\"{version}\" state=\"full\" entity=\"{}\">\r\n",
        Attribute(own)
    );
    for dialog in &view.dialogs {
        write_dialog(&mut text, own, dialog, view.parties);
    }
    text.push_str("</dialog-info>\r\n");
    text
}

/// A name of a call in documents about one URI: who watches a user under several, one of which
/// hides them, does not find the same name in both.
fn name_of(id: u64, own: &str) -> u64 {
    let digest = Sha256::digest(format!("{id:016x} {own}").as_bytes());
    u64::from_be_bytes(*digest.first_chunk().expect("it is longer"))
}

fn write_dialog(text: &mut String, own: &str, dialog: &DialogInfo, parties: bool) {
    let (id, direction) = (name_of(dialog.id, own), dialog.direction.name());
    let _ = write!(text, "<dialog id=\"{id:016x}\" direction=\"{direction}\">\r\n<state");
    if let State::Terminated { event, .. } = dialog.state {
        let _ = write!(text, " event=\"{event}\"");
    }
    let _ = write!(text, ">{}</state>\r\n", dialog.state.name());
    write_party(text, "local", None, own);
    if let Some(remote) = dialog.remote.as_ref().filter(|_| parties) {
        write_party(text, "remote", remote.name.as_deref(), &remote.uri);
    }
    text.push_str("</dialog>\r\n");
}

fn write_party(text: &mut String, side: &str, name: Option<&str>, uri: &str) {
    let display = name.map(|name| format!(" display=\"{}\"", Attribute(name)));
    let _ = write!(
        text,
        "<{side}>\r\n<identity{}>{}</identity>\r\n<target uri=\"{}\"/>\r\n</{side}>\r\n",
        display.unwrap_or_default(),
        Text(uri),
        Attribute(uri)
    );
}
