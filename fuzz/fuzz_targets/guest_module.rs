//! A binary module, as it is held against the bounds before anything compiles it.

use offhook::source::function::admit;

pub fn run(bytes: &[u8]) {
    match admit(bytes) {
        Ok(compiled) => assert!(compiled.starts_with(b"\0asm\x01\0\0\0")),
        Err(why) => assert!(!why.is_empty() && why.len() < 100_000),
    }
}
