//! How long a caller waits for a sentence: synthesised, and from the cache.
//!
//! `cargo bench --bench speech`; `-- --wav FOLDER TEXT…` writes what is said instead.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::{Duration, Instant};

use offhook::call::Speech;
use offhook::speech::{Config, Voices};

const SENTENCES: [&str; 5] = [
    "Error placing the call. From caller is required.",
    "Thank you for calling. Please hold while we connect you.",
    "Your balance is $1,250.75, due on March 3, 2026.",
    "Press 1 for sales, 2 for support, or 0 for an operator.",
    "The number you have dialed, +1 650 555 1234, is not in service.",
];

fn main() {
    let voices = Voices::open(Config::default());
    for line in voices.report() {
        println!("{line}");
    }
    let arguments: Vec<String> = std::env::args().filter(|a| a != "--bench").skip(1).collect();
    if let [flag, folder, texts @ ..] = arguments.as_slice()
        && flag == "--wav"
    {
        return write(&voices, folder, texts);
    }
    assert!(voices.can_speak(), "run cargo xtask setup");
    let (first, _) = timed(&voices, "Hello.");
    println!("first sentence, with loading model and lexicon: {first:?}");
    let (mut spent, mut heard) = (Duration::ZERO, Duration::ZERO);
    for text in SENTENCES {
        let (took, sounds) = timed(&voices, text);
        println!("{took:>10.1?} for {sounds:.2?}: {text}");
        spent += took;
        heard += sounds;
    }
    println!("real-time factor: {:.3}", spent.as_secs_f64() / heard.as_secs_f64());
    let start = Instant::now();
    let rounds = 10_000;
    for n in 0..rounds {
        timed(&voices, SENTENCES[n % SENTENCES.len()]);
    }
    println!("cached: {:.2?} a sentence", start.elapsed() / rounds as u32);
}

fn timed(voices: &Voices, text: &str) -> (Duration, Duration) {
    let start = Instant::now();
    let clip = voices.speak(&speech(text)).expect("speech");
    (start.elapsed(), clip.duration())
}

fn speech(text: &str) -> Speech {
    Speech { text: text.to_owned(), voice: String::new(), language: String::new() }
}

/// Telephone WAV files, to be listened to.
fn write(voices: &Voices, folder: &str, texts: &[String]) {
    for (n, text) in texts.iter().enumerate() {
        let clip = voices.speak(&speech(text)).expect("speech");
        let length = clip.samples().len() as u32 * 2;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((length + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend(8_000u32.to_le_bytes());
        bytes.extend(16_000u32.to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data");
        bytes.extend(length.to_le_bytes());
        bytes.extend(clip.samples().iter().flat_map(|sample| sample.to_le_bytes()));
        let path = format!("{folder}/{n:02}.wav");
        std::fs::write(&path, bytes).expect("written");
        println!("{path}: {text}");
    }
}
