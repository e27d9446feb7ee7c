//! Challenges of a server, answered.

use offhook::base::Secret;
use offhook::sip::auth::{answer, is_stale};
use offhook::sip::{Login, Message, Parsed};

pub fn run(bytes: &[u8]) {
    let Ok(value) = std::str::from_utf8(bytes) else { return };
    let (first, second) = value.split_once('\n').unwrap_or((value, ""));
    let text = format!(
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>;tag=2\r\nCall-ID: 1\r\n\
         CSeq: 2 REGISTER\r\nWWW-Authenticate: {first}\r\nProxy-Authenticate: {second}\r\n\r\n"
    );
    if let Parsed::Valid(message) = Message::parse(text.into()) {
        answered(&message);
    }
}

/// Whatever a challenge says, no line of its own gets into ours, nor the password.
pub fn answered(message: &Message) {
    let password = "Secret-and-long";
    for realm in [None, Some("example.com".to_owned())] {
        let login = Login { username: "a\"b\\".into(), password: Secret::new(password), realm };
        for (name, value) in answer(message, "INVITE", "sip:x", &login, "c", 1).unwrap_or_default()
        {
            assert!(name.ends_with("Authorization"));
            assert!(!value.contains(['\r', '\n']) && !value.contains(password), "{value}");
        }
    }
    let _ = is_stale(message);
}
