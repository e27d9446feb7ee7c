//! `message-summary`: how many messages wait for a user (RFC 3842).
//!
//! Recordings belong to calls and handlers here, not to users, so that no mailbox ever has a message:
//! phones are told so, and which account is meant, and keep their lamp dark.

use super::*;

pub(super) const PACKAGE: Package = Package {
    kind: subscription::Package {
        name: "message-summary",
        content_type: "application/simple-message-summary",
    },
    rights: Rights::Oneself,
    write,
};

fn write(view: &View, _: u32) -> String {
    let own = view.uri();
    format!("Messages-Waiting: no\r\nMessage-Account: {own}\r\nVoice-Message: 0/0 (0/0)\r\n")
}
