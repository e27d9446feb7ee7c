//! The installed voices: finding them, choosing the closest, caching what they said.
//!
//! Voice folders are searched in this order: the configured ones; `voice/` beside the program (an
//! installed binary); `setup/voice/` in a folder above the program, where `cargo xtask setup` puts
//! it (`target/setup/voice`, seen from `cargo run`, tests and benches).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::cache::{Cache, Key};
use super::espeak::Espeak;
use super::names::{Gender, Locale, Wish};
use super::piper::Piper;
use super::{SpeechError, Voice};
use crate::audio::Clip;
use crate::audio::clip::RATE;
use crate::call::Speech;

/// Where voices are and where speech is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folders with Piper voices (`NAME.onnx` and `NAME.onnx.json`), searched first.
    pub voice_dirs: Vec<PathBuf>,
    /// Where speech is kept across restarts, if it is.
    pub cache_dir: Option<PathBuf>,
    /// Bound of the cache in memory, and of the one on disk.
    pub cache_bytes: u64,
}

impl Default for Config {
    /// No disk; 64 MiB of memory, which is 70 minutes of speech.
    fn default() -> Self {
        Config { voice_dirs: Vec::new(), cache_dir: None, cache_bytes: 64 << 20 }
    }
}

/// The voice that will say something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The installed voice; nothing if there is none and tones are heard.
    pub voice: Option<String>,
    /// Why it is not quite what was asked for.
    pub warning: Option<String>,
}

/// Everything that can speak on this machine.
pub struct Voices {
    voices: Vec<Arc<dyn Voice>>,
    cache: Cache,
    speaking: Mutex<HashSet<Key>>,
    spoken: Condvar,
    warned: Mutex<HashSet<(String, String)>>,
    report: Vec<String>,
}

impl Voices {
    /// Looks for voices. Loads none: that happens at the first sentence.
    pub fn open(config: Config) -> Self {
        let espeak = std::env::var_os("PATH").and_then(|path| Espeak::find(&path)).map(Arc::new);
        let folders = search_path(&config.voice_dirs, std::env::current_exe().ok().as_deref());
        Self::assemble(&folders, espeak, &config)
    }

    fn assemble(folders: &[PathBuf], espeak: Option<Arc<Espeak>>, config: &Config) -> Self {
        let mut voices: Vec<Arc<dyn Voice>> = Vec::new();
        let mut report = Vec::new();
        for model in folders.iter().flat_map(|folder| models(folder)) {
            match Piper::open(&model, espeak.clone()) {
                Ok(voice) if voices.iter().any(|known| known.name() == voice.name()) => {}
                Ok(voice) => {
                    let locale = voice.locale().map(ToString::to_string).unwrap_or_default();
                    report.push(format!(
                        "voice {} ({locale}) from {}",
                        voice.name(),
                        model.display()
                    ));
                    voices.push(Arc::new(voice));
                }
                Err(error) => report.push(error.to_string()),
            }
        }
        if voices.is_empty() {
            report.push(
                "no neural voice is installed: run `cargo xtask setup`, or name a folder with a \
                 Piper voice"
                    .to_owned(),
            );
        }
        match espeak {
            Some(espeak) => {
                report.push(format!("voice espeak-ng at {}", espeak.program().display()));
                voices.push(espeak);
            }
            None => report.push(
                "espeak-ng is not installed: other languages are read by the voices above"
                    .to_owned(),
            ),
        }
        if voices.is_empty() {
            report.push("no voice at all: Say plays three tones".to_owned());
        }
        Voices {
            voices,
            cache: Cache::open(config.cache_dir.as_deref(), config.cache_bytes),
            speaking: Mutex::default(),
            spoken: Condvar::new(),
            warned: Mutex::default(),
            report,
        }
    }

    /// What was found and what is missing, a line each: for start-up and `check`.
    pub fn report(&self) -> &[String] {
        &self.report
    }

    /// Whether a sentence can be said rather than toned.
    pub fn can_speak(&self) -> bool {
        !self.voices.is_empty()
    }

    /// Loads the default voice, so that the first caller does not wait half a second for it.
    pub fn warm_up(&self) {
        if let Some(voice) = self.ranked(&Wish::new("", "")).first() {
            // What is wrong with the voice will be said when it is to speak.
            let _ = voice.speak("Hello.", &Locale::parse("en-US"), Gender::Unknown);
        }
    }

    /// Which voice would say this.
    pub fn choose(&self, speech: &Speech) -> Choice {
        let wish = Wish::new(&speech.voice, &speech.language);
        let Some(voice) = self.ranked(&wish).first().copied() else {
            let warning = Some("no voice is installed; three tones are played".to_owned());
            return Choice { voice: None, warning };
        };
        Choice { voice: Some(voice.name().to_owned()), warning: warning(&wish, voice.as_ref()) }
    }

    /// Says it: from the cache, with the closest voice, with any other that can, or as three
    /// tones. Only a text that is too long is an error.
    pub fn speak(&self, speech: &Speech) -> Result<Clip, SpeechError> {
        if speech.text.chars().count() > LONGEST_TEXT {
            return Err(SpeechError::TooLong);
        }
        let wish = Wish::new(&speech.voice, &speech.language);
        let ranked = self.ranked(&wish);
        let key = key(&wish, ranked.first().map_or("", |voice| voice.name()), &speech.text);
        if let Some(clip) = self.cache.find(&key) {
            return Ok(clip);
        }
        let _turn = self.turn(key);
        // Somebody may have said it while we waited.
        if let Some(clip) = self.cache.find(&key) {
            return Ok(clip);
        }
        self.warn(speech);
        for voice in ranked {
            match voice.speak(&speech.text, &wish.locale, wish.gender) {
                Ok(clip) => {
                    self.cache.add(key, &clip);
                    return Ok(clip);
                }
                Err(SpeechError::NothingToSay) => {}
                Err(error) => tracing::error!(%error, "trying the next voice"),
            }
        }
        Ok(tones())
    }

    /// Best first.
    fn ranked(&self, wish: &Wish) -> Vec<&Arc<dyn Voice>> {
        let mut ranked: Vec<_> = self.voices.iter().collect();
        ranked.sort_by_key(|v| std::cmp::Reverse(wish.rank(v.name(), v.locale(), v.gender())));
        ranked
    }

    /// One caller at a time works on a sentence; the others wait and find it in the cache.
    fn turn(&self, key: Key) -> Turn<'_> {
        let mut speaking = lock(&self.speaking);
        while speaking.contains(&key) {
            speaking = self.spoken.wait(speaking).unwrap_or_else(PoisonError::into_inner);
        }
        speaking.insert(key);
        Turn { voices: self, key }
    }

    /// Once for each name and language, and not for ever more of them.
    fn warn(&self, speech: &Speech) {
        let mut warned = lock(&self.warned);
        let pair = (speech.voice.clone(), speech.language.clone());
        if warned.len() < MOST_WARNINGS
            && warned.insert(pair)
            && let Some(warning) = self.choose(speech).warning
        {
            tracing::warn!("{warning}");
        }
    }
}

struct Turn<'a> {
    voices: &'a Voices,
    key: Key,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.voices.speaking).remove(&self.key);
        self.voices.spoken.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn warning(wish: &Wish, voice: &dyn Voice) -> Option<String> {
    let name = voice.name();
    if wish.name == name {
        return None;
    }
    if voice.locale().is_some_and(|own| own.language() != wish.locale.language()) {
        return Some(format!("no installed voice speaks {}; {name} reads it", wish.locale));
    }
    let is_vendor = wish.name.contains('.');
    let known = matches!(wish.name.as_str(), "" | "man" | "woman" | "alice") || is_vendor;
    let clash = wish.gender != Gender::Unknown
        && voice.gender() != Gender::Unknown
        && wish.gender != voice.gender();
    (is_vendor || !known || clash)
        .then(|| format!("voice {:?} is not installed; {name} speaks instead", wish.name))
}

fn key(wish: &Wish, voice: &str, text: &str) -> Key {
    let mut hash = Sha256::new();
    let gender = format!("{:?}", wish.gender);
    for part in [REVISION, voice, &wish.locale.to_string(), &gender, text] {
        // With its length, or two different lists of parts could read the same.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn search_path(configured: &[PathBuf], program: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = configured.to_vec();
    if let Some(beside) = program.and_then(Path::parent) {
        folders.push(beside.join("voice"));
        // target/debug/deps/test-… is three folders below target.
        folders.extend(beside.ancestors().skip(1).take(3).map(|up| up.join("setup").join("voice")));
    }
    folders
}

/// The models of a folder, by name; none if it does not exist.
fn models(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut models: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    models.sort();
    models.truncate(MOST_VOICES);
    models
}

/// Three rising notes: something was to be said here.
fn tones() -> Clip {
    let mut samples = Vec::new();
    for hertz in [523.25f32, 659.25, 783.99] {
        let length = RATE as usize / 4;
        for n in 0..length {
            let edge = n.min(length - n) as f32 / 160.0;
            let angle = std::f32::consts::TAU * hertz * n as f32 / RATE as f32;
            samples.push((angle.sin() * edge.min(1.0) * 5_000.0) as i16);
        }
        samples.resize(samples.len() + RATE as usize / 20, 0);
    }
    Clip::new(samples)
}

/// Characters of one `Say`, as the TwiML reference has it.
pub const LONGEST_TEXT: usize = 4_096;

/// Change it when the same text sounds different from before: caches on disk outlive us.
const REVISION: &str = "1";

/// A loaded voice takes about 130 MB, and a folder is somebody's to fill.
const MOST_VOICES: usize = 64;

/// Warnings about voice names; the names come from documents, so they must not pile up.
const MOST_WARNINGS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn speech(text: &str) -> Speech {
        Speech { text: text.to_owned(), voice: "Polly.Joanna".to_owned(), language: String::new() }
    }

    #[test]
    fn without_any_voice_three_tones_are_heard_and_reported() {
        let voices = Voices::assemble(&[], None, &Config::default());
        assert!(!voices.can_speak());
        let report = voices.report().join("; ");
        assert!(report.contains("cargo xtask setup") && report.contains("three tones"), "{report}");
        assert_eq!(voices.choose(&speech("Hello.")).voice, None);
        let clip = voices.speak(&speech("Hello.")).expect("tones");
        let loud: Vec<bool> =
            clip.samples().chunks(80).map(|frame| frame.iter().any(|s| s.abs() > 3_000)).collect();
        let starts = loud.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert_eq!(starts, 3);
    }

    #[test]
    fn a_broken_voice_costs_the_voice_and_not_the_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("a.onnx", "not a model");
        write("a.onnx.json", r#"{"phoneme_id_map": {"_": [0], "^": [1], "$": [2], "a": [3]}}"#);
        write("b.onnx", "no description");
        write("c.onnx", "not English");
        write("c.onnx.json", r#"{"phoneme_id_map": {"_": [0]}, "language": {"code": "de_DE"}}"#);
        let voices = Voices::assemble(&[folder.path().to_owned()], None, &Config::default());
        let report = voices.report().join("; ");
        assert!(report.contains("voice a (en-US)"), "{report}");
        assert!(report.contains("voice b failed"), "{report}");
        assert!(report.contains("de_DE needs espeak-ng"), "{report}");
        assert_eq!(voices.speak(&speech("Hello.")), Ok(tones()));
    }

    /// A voice that counts how often it speaks.
    struct Counter(std::sync::atomic::AtomicUsize);

    impl Voice for Counter {
        fn name(&self) -> &str {
            "counter"
        }

        fn gender(&self) -> Gender {
            Gender::Male
        }

        fn locale(&self) -> Option<&Locale> {
            None
        }

        fn speak(&self, text: &str, _: &Locale, _: Gender) -> Result<Clip, SpeechError> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Clip::new(vec![text.len() as i16; 800]))
        }
    }

    #[test]
    fn callers_who_hear_the_same_share_one_synthesis() {
        let mut voices = Voices::assemble(&[], None, &Config::default());
        let counter = Arc::new(Counter(0.into()));
        voices.voices.push(counter.clone());
        std::thread::scope(|scope| {
            for n in 0..16 {
                let voices = &voices;
                let text = if n % 2 == 0 { "one" } else { "three" };
                scope.spawn(move || {
                    let clip = voices.speak(&speech(text)).expect("speech");
                    assert_eq!(clip.samples()[0] as usize, text.len());
                });
            }
        });
        assert_eq!(counter.0.load(std::sync::atomic::Ordering::Relaxed), 2);
    }

    #[test]
    fn voices_are_found_beside_the_program_and_above_it() {
        let found = search_path(&["/srv/v".into()], Some(Path::new("/p/target/debug/deps/t-1")));
        let found: Vec<&str> = found.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(
            found,
            [
                "/srv/v",
                "/p/target/debug/deps/voice",
                "/p/target/debug/setup/voice",
                "/p/target/setup/voice",
                "/p/setup/voice"
            ]
        );
    }
}
