//! The value of an Authorization or WWW-Authenticate header.

#![no_main]

use offhook::sip::{Message, Parsed};

#[path = "../exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|value: &str| {
    for name in ["Authorization", "Proxy-Authenticate", "WWW-Authenticate"] {
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\n\
             CSeq: 2 REGISTER\r\n{name}: {value}\r\n\r\n"
        );
        if let Parsed::Valid(message) = Message::parse(text.into()) {
            exercise::credentials(&message);
        }
    }
});
