//! One datagram. Seeds: `tests/data/torture` and `tests/data/ipv6`.

#![no_main]

#[path = "../exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::datagram(bytes));
