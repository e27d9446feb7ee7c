//! What a caller hears of a `Say`: the installed voice speaks real sentences.
//!
//! Needs the voice that `cargo xtask setup` fetches, and fails without it.

use std::sync::OnceLock;

use offhook::audio::Clip;
use offhook::call::Speech;
use offhook::speech::{Config, SpeechError, Voices};

fn voices() -> &'static Voices {
    static VOICES: OnceLock<Voices> = OnceLock::new();
    VOICES.get_or_init(|| {
        let voices = Voices::open(Config::default());
        let found = voices.choose(&speech("x")).voice;
        assert_eq!(
            found.as_deref(),
            Some("en_US-joe-medium"),
            "the default voice is missing: run cargo xtask setup ({})",
            voices.report().join("; ")
        );
        voices
    })
}

fn speech(text: &str) -> Speech {
    Speech { text: text.to_owned(), voice: String::new(), language: String::new() }
}

fn say(text: &str) -> Clip {
    voices().speak(&speech(text)).expect("speech")
}

/// Root mean square of 20 ms frames.
fn envelope(clip: &Clip) -> Vec<f32> {
    let frame = |f: &[i16]| {
        let power: f32 = f.iter().map(|s| f32::from(*s).powi(2)).sum();
        (power / f.len() as f32).sqrt()
    };
    clip.samples().chunks(160).map(frame).collect()
}

/// Power in a band by a bank of Goertzel filters over the whole clip.
fn power(clip: &Clip, from: u32, to: u32) -> f64 {
    let samples = clip.samples();
    (from..to)
        .step_by(25)
        .map(|hertz| {
            let factor = 2.0 * (std::f64::consts::TAU * f64::from(hertz) / 8_000.0).cos();
            samples
                .chunks_exact(400)
                .map(|chunk| {
                    let (mut a, mut b) = (0.0, 0.0);
                    for (n, sample) in chunk.iter().enumerate() {
                        let window = (std::f64::consts::PI * n as f64 / 400.0).sin();
                        (a, b) = (f64::from(*sample) * window + factor * a - b, a);
                    }
                    a * a + b * b - factor * a * b
                })
                .sum::<f64>()
        })
        .sum()
}

#[test]
fn sentences_last_as_long_as_their_words() {
    for (text, words) in [
        ("Hello!", 1),
        ("Error placing the call. From caller is required.", 8),
        ("Thank you for calling. Please hold while we connect you.", 10),
        ("Your balance is $1,250.75, due on March 3, 2026.", 21),
        ("Call +1 650 555 1234.", 13),
    ] {
        let seconds = say(text).duration().as_secs_f32();
        let each = seconds / words as f32;
        assert!((0.15..0.75).contains(&each), "{text}: {seconds:.2} s, {each:.2} s a word");
    }
}

#[test]
fn it_sounds_like_speech_on_a_telephone() {
    let clip = say("Thank you for calling. Please hold while we connect you to an agent.");
    let envelope = envelope(&clip);
    let loudest = envelope.iter().copied().fold(0.0, f32::max);
    // Syllables: the level goes up and down several times a second.
    let mean = envelope.iter().sum::<f32>() / envelope.len() as f32;
    let crossings = envelope.windows(2).filter(|w| w[0] < mean && w[1] >= mean).count();
    let rate = crossings as f32 / clip.duration().as_secs_f32();
    assert!((1.5..8.0).contains(&rate), "{rate} syllables a second");
    // The pause between the sentences is there.
    let quiet = envelope.windows(8).any(|w| w.iter().all(|level| *level < loudest * 0.03));
    assert!(quiet, "no pause between the sentences");
    // Trimmed: sound within 60 ms of each end.
    let near = |frames: &[f32]| frames.iter().any(|level| *level > loudest * 0.01);
    assert!(near(&envelope[..3]) && near(&envelope[envelope.len() - 4..]));
    // Nothing clips, and the active level suits the network.
    let peak = clip.samples().iter().map(|s| s.unsigned_abs()).max().expect("samples");
    assert!((8_000..32_000).contains(&peak), "{peak}");
    let active: Vec<f32> = envelope.iter().copied().filter(|l| *l > loudest * 0.06).collect();
    let level = active.iter().map(|l| l * l).sum::<f32>() / active.len() as f32;
    let decibels = 20.0 * (level.sqrt() / 32_768.0).log10();
    assert!((-23.0..-17.0).contains(&decibels), "{decibels} dB of full scale");
    // A voice: most power below 1 kHz, some above, next to nothing beyond the filter.
    let low = power(&clip, 75, 1_000);
    let high = power(&clip, 1_000, 3_700);
    let beyond = power(&clip, 3_850, 4_000);
    assert!(low > high && high > low * 0.005, "{low} {high}");
    assert!(beyond < (low + high) * 1e-3, "{beyond}");
}

#[test]
fn the_same_words_sound_the_same_also_in_another_process() {
    let again = Voices::open(Config::default());
    let text = speech("This is the same sentence.");
    let (one, two) = (voices().speak(&text).expect("speech"), again.speak(&text).expect("speech"));
    assert!(one == two, "{:?} and {:?}", one.duration(), two.duration());
}

#[test]
fn digits_apart_take_longer_than_a_number() {
    let apart = say("1 2 3 4").duration();
    assert!(apart.as_millis() > 1_000, "{apart:?}");
    assert!(say("4821953").duration() > apart);
}

#[test]
fn a_disk_cache_outlives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { cache_dir: Some(folder.path().to_owned()), ..Config::default() };
    let text = speech("Kept on disk.");
    let first = Voices::open(config.clone()).speak(&text).expect("speech");
    let files = std::fs::read_dir(folder.path()).expect("a listing").count();
    assert_eq!(files, 1);
    assert_eq!(Voices::open(config).speak(&text).expect("speech"), first);
}

#[test]
fn every_vendor_voice_speaks_and_says_what_speaks_instead() {
    let named = |voice: &str, language: &str| Speech {
        text: "Good morning.".to_owned(),
        voice: voice.to_owned(),
        language: language.to_owned(),
    };
    for voice in ["", "man"] {
        assert_eq!(voices().choose(&named(voice, "en-US")).warning, None, "{voice}");
    }
    for voice in ["woman", "alice", "Polly.Joanna-Neural", "Google.en-US-Chirp3-HD-Kore", "Bob"] {
        let choice = voices().choose(&named(voice, ""));
        assert!(choice.warning.is_some_and(|w| w.contains("speaks instead")), "{voice}");
        assert!(voices().speak(&named(voice, "")).expect("speech").duration().as_millis() > 400);
    }
    // Whatever language: with espeak-ng in its own tongue, else read in English.
    let french = voices().speak(&named("Polly.Celine", "fr-FR")).expect("speech");
    assert!(french.duration().as_millis() > 400);
}

#[test]
fn what_cannot_be_said_is_heard_as_tones_or_refused() {
    assert_eq!(voices().speak(&speech(&"a ".repeat(3_000))), Err(SpeechError::TooLong));
    assert!(say("...").duration().as_millis() > 500);
}
