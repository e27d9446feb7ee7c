//! Identity headers, the tokens in them, and what stands where their certificates should.

#![no_main]

#[path = "../exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::identity(bytes));
