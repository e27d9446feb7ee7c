//! A voice that hums: every text is a tone of its own, as long as the text would take to say.

use offhook::audio::tone::Tone;
use offhook::audio::{Clip, RATE};
use offhook::base::Duration;
use offhook::call::{FetchError, Speech};
use offhook::verb::tone::Tone as Signal;

/// What a voice answers.
pub type Answer = Result<Clip, FetchError>;

/// The first text's tone; the next ones follow at distances that Goertzel tells apart.
const FIRST_HZ: f64 = 1_100.0;
const STEP_HZ: f64 = 100.0;
/// A slow speaker: characters a second.
const PACE: usize = 15;

/// The voice and the shelf of sound files.
#[derive(Default)]
pub struct Voice {
    /// Sounds that were made: name, tone, sound.
    pub known: Vec<(String, f64, Clip)>,
    /// How long it thinks.
    pub delay: Duration,
    /// Whether it has lost its voice.
    pub mute: bool,
    signals: Vec<(String, Clip)>,
}

impl Voice {
    pub fn speak(&mut self, speech: &Speech) -> Answer {
        if self.mute {
            return Err(FetchError { code: 13520, message: "no voice".to_owned() });
        }
        let tenths = (speech.text.chars().count() * 10 / PACE).max(2);
        Ok(self.hum(&speech.text, Duration::from_millis(tenths as u64 * 100)))
    }

    /// Files last for two seconds; those called `missing` are not there.
    pub fn load(&mut self, url: &str) -> Answer {
        if url.contains("missing") {
            return Err(FetchError { code: 11200, message: format!("{url}: 404") });
        }
        Ok(self.hum(url, Duration::from_secs(2)))
    }

    fn hum(&mut self, name: &str, length: Duration) -> Clip {
        if let Some((_, _, clip)) = self.known.iter().find(|(known, _, _)| known == name) {
            return clip.clone();
        }
        let hz = FIRST_HZ + STEP_HZ * self.known.len() as f64;
        let clip = hum(hz, length);
        self.known.push((name.to_owned(), hz, clip.clone()));
        clip
    }

    /// The name of a sound: its text or URL, or the name of a signal in brackets.
    pub fn name(&mut self, clip: &Clip) -> String {
        let same =
            |known: &Clip| known.samples().as_ptr() == clip.samples().as_ptr() || known == clip;
        if let Some((name, _, _)) = self.known.iter().find(|(_, _, known)| same(known)) {
            return name.clone();
        }
        if self.signals.is_empty() {
            let named = |name: &str, tone: Signal| (format!("[{name}]"), tone.clip());
            self.signals.extend([named("beep", Signal::Beep), named("trouble", Signal::Trouble)]);
            self.signals.extend(Signal::ringback("us").map(|tone| named("ringing", tone)));
            self.signals.extend(Signal::ringback("de").map(|tone| named("ringing de", tone)));
        }
        let signal = self.signals.iter().find(|(_, known)| same(known));
        signal.map_or_else(|| "[unknown]".to_owned(), |(name, _)| name.clone())
    }
}

/// A tone of that length.
pub fn hum(hz: f64, length: Duration) -> Clip {
    debug_assert!(hz < f64::from(RATE) / 2.0);
    Clip::new(Tone::new(&[(hz, 6_000.0)]).samples(length))
}
