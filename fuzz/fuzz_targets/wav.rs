//! A sound file from the web.

use offhook::audio::wav::{self, Header, MAX_SECONDS};

pub fn run(bytes: &[u8]) {
    match wav::read(bytes) {
        Ok(clip) => {
            assert!(clip.duration().as_secs() <= MAX_SECONDS);
            let again = wav::read(&wav::write(clip.samples(), 1)).expect("what we write is read");
            assert_eq!(again.samples(), clip.samples());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = wav::read_ulaw(bytes);
    if let Some((header, length)) = Header::parse(bytes) {
        assert_eq!(Header::parse(&header.to_bytes(length)), Some((header, length)));
    }
}
