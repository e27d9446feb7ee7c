//! `presence`: whether a user can be reached, and what it is doing (RFC 3856, RFC 3863, RFC 4480).
//!
//! What a phone publishes counts; without that a user with a registered phone is open. Who talks is
//! on the phone, whatever was published.

use std::fmt::Write as _;

use super::*;

pub(super) const PACKAGE: Package = Package {
    kind: subscription::Package { name: "presence", content_type: "application/pidf+xml" },
    rights: Rights::Colleagues,
    write,
};

/// RFC 4480 section 3.2.
const ON_THE_PHONE: &str = "on-the-phone";

fn write(view: &View, _: u32) -> String {
    let own = view.uri();
    let open = view.published.open.unwrap_or(!view.bindings.is_empty());
    let basic = if open { "open" } else { "closed" };
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"{0}\">\r\n\
         <tuple id=\"phone\">\r\n<status><basic>{basic}</basic></status>\r\n\
         <contact>{1}</contact>\r\n",
        Attribute(own),
        Text(own)
    );
    if let Some(note) = &view.published.note {
        let _ = write!(text, "<note>{}</note>\r\n", Text(note));
    }
    text.push_str("</tuple>\r\n");
    let talks = view.dialogs.iter().any(|dialog| dialog.state.is_alive());
    let mut activities = view.published.activities.clone();
    if talks && !activities.contains(&ON_THE_PHONE) {
        activities.push(ON_THE_PHONE);
    }
    if !activities.is_empty() {
        text.push_str("<dm:person id=\"user\"><rpid:activities>");
        for activity in activities {
            let _ = write!(text, "<rpid:{activity}/>");
        }
        text.push_str("</rpid:activities></dm:person>\r\n");
    }
    text.push_str("</presence>\r\n");
    text
}
