//! espeak-ng as a subprocess, where it is installed: other languages, and the fallback.
//!
//! Text goes in through standard input, never through a shell or the command line. Time and output
//! are bounded; a child that exceeds either is killed and reaped.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use super::names::{Gender, Locale};
use super::{SpeechError, Voice, shape};
use crate::audio::{Clip, wav};
use crate::base::Duration;

/// The installed program.
#[derive(Debug)]
pub(super) struct Espeak {
    program: PathBuf,
    limit: Duration,
}

impl Espeak {
    /// The first `espeak-ng` in the folders of `path` (the variable PATH).
    pub(super) fn find(path: &std::ffi::OsStr) -> Option<Self> {
        let programs = std::env::split_paths(path).map(|folder| folder.join("espeak-ng"));
        programs.into_iter().find(|program| program.is_file()).map(|program| Espeak::at(&program))
    }

    pub(super) fn at(program: &Path) -> Self {
        Espeak { program: program.to_owned(), limit: LONGEST_RUN }
    }

    /// Where it is.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// IPA, a line for each clause.
    pub(super) fn phonemes(&self, text: &str, locale: &Locale) -> Result<String, SpeechError> {
        let output = self.run(&["-q", "--ipa", "-v", &language(locale)], text)?;
        String::from_utf8(output).map_err(|_| failed("its phonemes are not UTF-8"))
    }

    fn run(&self, arguments: &[&str], text: &str) -> Result<Vec<u8>, SpeechError> {
        let mut child = Command::new(&self.program)
            .args(["-b", "1", "--stdin"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed(&e.to_string()))?;
        let result = exchange(&mut child, text, self.limit);
        // Also after an error: a child must be gone and reaped before its slot is used again.
        if result.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|e| failed(&e.to_string()))?;
        match result {
            Ok(output) if status.success() => Ok(output),
            Ok(_) => Err(failed(&format!("it ended with {status}"))),
            Err(error) => Err(error),
        }
    }
}

impl Voice for Espeak {
    fn name(&self) -> &str {
        "espeak-ng"
    }

    fn gender(&self) -> Gender {
        Gender::Unknown
    }

    fn locale(&self) -> Option<&Locale> {
        None
    }

    fn speak(&self, text: &str, locale: &Locale, gender: Gender) -> Result<Clip, SpeechError> {
        let variant = if gender == Gender::Female { "+f2" } else { "" };
        let voice = format!("{}{variant}", language(locale));
        // 160 words a minute: the default of 175 is hard to follow on a telephone.
        let output = self.run(&["--stdout", "-s", "160", "-v", &voice], text)?;
        // Its lengths are made up where it writes to a pipe; the bytes are what counts.
        let spoken = wav::read(&output).map_err(|e| failed(&format!("its output is {e}")))?;
        let samples: Vec<f32> = spoken.samples().iter().map(|&s| f32::from(s) / 32_768.0).collect();
        let mut speech = shape::Speech::default();
        speech.add(&samples, 0.0);
        speech.finish().ok_or(SpeechError::NothingToSay)
    }
}

/// Writes the text and reads all output on helper threads, so that neither side can block us
/// beyond `limit`.
fn exchange(child: &mut Child, text: &str, limit: Duration) -> Result<Vec<u8>, SpeechError> {
    let mut input = child.stdin.take().ok_or_else(|| failed("no standard input"))?;
    let output = child.stdout.take().ok_or_else(|| failed("no standard output"))?;
    let text = text.as_bytes().to_vec();
    // A child that stops reading early is judged by its output and status, not by this error.
    thread::spawn(move || input.write_all(&text));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(MOST_OUTPUT + 1).read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes));
    });
    match receiver.recv_timeout(limit) {
        Ok(Ok(bytes)) if bytes.len() as u64 <= MOST_OUTPUT => Ok(bytes),
        Ok(Ok(_)) => Err(failed("its output is too long")),
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(_) => Err(failed("it did not end in time")),
    }
}

/// espeak's name for a language, from letters that [`Locale`] has checked.
fn language(locale: &Locale) -> String {
    match (locale.language(), locale.region()) {
        ("en", "US" | "") => "en-us".to_owned(),
        ("en", "GB" | "AU" | "IE" | "NZ" | "ZA" | "IN") => "en-gb".to_owned(),
        ("fr", "CH" | "BE") => format!("fr-{}", locale.region().to_ascii_lowercase()),
        ("es", region) if !matches!(region, "ES" | "") => "es-419".to_owned(),
        ("pt", "BR") => "pt-br".to_owned(),
        ("zh", "HK") => "yue".to_owned(),
        ("zh", _) => "cmn".to_owned(),
        ("no", _) => "nb".to_owned(),
        ("fil" | "tl", _) => "en-us".to_owned(),
        (language, _) => language.to_owned(),
    }
}

fn failed(why: &str) -> SpeechError {
    SpeechError::BadVoice { voice: "espeak-ng".to_owned(), why: why.to_owned() }
}

/// It makes speech 500 times faster than it sounds; who needs longer hangs.
const LONGEST_RUN: Duration = Duration::from_secs(10);

/// Ten minutes at 22,050 Hz: beyond what the longest text of a `Say` can need.
const MOST_OUTPUT: u64 = 10 * 60 * 22_050 * 2;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program being written cannot be run, and a child forked meanwhile holds it open.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

    /// A program that stands in for espeak-ng.
    fn stand_in(folder: &Path, script: &str) -> Espeak {
        let program = folder.join("espeak-ng");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("made executable");
        Espeak::at(&program)
    }

    fn wav(samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(16_000u32.to_le_bytes());
        bytes.extend(32_000u32.to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data\xff\xff\xff\x7f");
        bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        bytes
    }

    #[test]
    fn text_goes_in_as_it_is_and_sound_comes_out() {
        let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let tone: Vec<i16> = (0..16_000).map(|n| ((n % 40) * 400 - 8_000) as i16).collect();
        std::fs::write(folder.path().join("wav"), wav(&tone)).expect("written");
        let here = folder.path().display();
        let espeak = stand_in(
            folder.path(),
            &format!("echo \"$@\" > {here}/args; cat > {here}/text; cat {here}/wav"),
        );
        let text = "Bonjour; $(rm -rf /) `true` 'ça'";
        let clip = espeak.speak(text, &Locale::parse("fr-FR"), Gender::Female).expect("speech");
        assert!((7_900..=8_000).contains(&clip.samples().len()), "{}", clip.samples().len());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!(read("text"), text);
        assert_eq!(read("args").trim(), "-b 1 --stdin --stdout -s 160 -v fr+f2");
    }

    #[test]
    fn a_child_that_hangs_or_floods_or_fails_is_an_error() {
        let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let english = Locale::parse("en-US");
        let mut espeak = stand_in(folder.path(), "exec cat /dev/zero");
        assert!(espeak.phonemes("x", &english).is_err());
        stand_in(folder.path(), "exit 3");
        assert!(espeak.phonemes("x", &english).is_err());
        stand_in(folder.path(), "exec tail -f /dev/null");
        espeak.limit = Duration::from_millis(50);
        assert!(espeak.phonemes("x", &english).is_err());
    }

    #[test]
    fn output_that_is_no_sound_is_an_error() {
        let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().display();
        let espeak = stand_in(folder.path(), &format!("cat {here}/wav"));
        let whole = wav(&[1, 2, 3]);
        for output in [&b"espeak: no such voice"[..], &whole[..4], &whole[..30], &whole[..44]] {
            std::fs::write(folder.path().join("wav"), output).expect("written");
            assert!(espeak.speak("x", &Locale::parse("en"), Gender::Unknown).is_err());
        }
    }
}
