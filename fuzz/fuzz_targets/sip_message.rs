//! One datagram, and the same bytes as a stream. Seeds: `tests/data/torture`.

#![no_main]

#[path = "../exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::sip_message(bytes));
