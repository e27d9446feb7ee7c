//! What was heard, and what a person wants to see when a scenario fails.

use std::fmt::Write as _;

use offhook::audio::goertzel::power_at;

use super::media::Owner;
use super::scripted::Heard;
use super::{Media, World};

/// Power of a hum that is certainly heard: an eighth of the amplitude that is sent.
const AUDIBLE: f64 = 250_000.0;
/// Samples of one look: 100 ms, which tells tones 10 Hz apart.
const WINDOW: usize = 800;

impl World {
    /// What a party was played, in order: texts, URLs, signals in brackets.
    pub fn heard(&mut self, name: &str) -> Vec<String> {
        let ip = self.ip(name);
        match &self.media {
            Media::Scripted(scripted) => {
                let played = scripted.heard.iter().filter(|(_, to, _)| to.ip() == ip);
                let clips = played.filter_map(|(_, _, heard)| match heard {
                    Heard::Clip(clip) => Some(clip),
                    Heard::Joined(_) => None,
                });
                clips.map(|clip| self.voice.name(clip)).collect()
            }
            Media::Planes(_) => self.spectrum(name),
        }
    }

    /// The tones in what a phone heard over its last call, each once for each stretch.
    fn spectrum(&self, name: &str) -> Vec<String> {
        let samples = self.sound_at(name);
        let mut tones: Vec<(&str, f64)> =
            self.voice.known.iter().map(|(name, hz, _)| (name.as_str(), *hz)).collect();
        tones.push(("[beep]", 1_000.0));
        let mut found: Vec<String> = Vec::new();
        let mut last = None;
        for window in samples.chunks_exact(WINDOW) {
            let power = |hz: f64| power_at(window, hz);
            let loudest = tones.iter().max_by(|a, b| power(a.1).total_cmp(&power(b.1)));
            let heard = loudest.filter(|(_, hz)| power(*hz) > AUDIBLE).map(|(name, _)| *name);
            if let Some(name) = heard
                && last != heard
            {
                found.push(name.to_owned());
            }
            last = heard;
        }
        found
    }

    /// What a phone heard over its last call (media for real).
    pub fn sound_at(&self, name: &str) -> &[i16] {
        let index = self.phones.iter().position(|phone| phone.name == name).expect("a phone");
        let own = self.media.planes().plane(Owner::Phone(index));
        let last = self.phones[index].heard.last();
        last.and_then(|sid| own.recordings.get(sid)).map_or(&[], |r| r.samples.as_slice())
    }

    /// Whether one hears the other just now.
    pub fn hears(&self, name: &str, other: &str) -> bool {
        match &self.media {
            Media::Scripted(scripted) => {
                let other = self.ip(other);
                scripted.joined(self.ip(name)).iter().any(|source| source.ip() == other)
            }
            Media::Planes(_) => {
                let samples = self.sound_at(name);
                let recent = &samples[samples.len().saturating_sub(2 * WINDOW)..];
                power_at(recent, self.handset(other).hz) > AUDIBLE
            }
        }
    }

    /// Whether both hear each other.
    pub fn talk_together(&self, one: &str, other: &str) -> bool {
        self.hears(one, other) && self.hears(other, one)
    }

    /// Everything that left a machine of the world, byte for byte.
    pub fn transcript(&self) -> Vec<String> {
        let mut lines = Vec::with_capacity(self.sent.len());
        for (at, from, to, bytes) in &self.sent {
            lines.push(format!("{} {from} {to} {}", at.as_nanos(), bytes.escape_ascii()));
        }
        for (at, persist) in &self.rows.history {
            lines.push(format!("{} {persist:?}", at.as_nanos()));
        }
        for (at, note) in &self.notes {
            lines.push(format!("{} {note:?}", at.as_nanos()));
        }
        lines
    }

    /// The SIP messages and what was noted, a line each.
    pub fn ladder(&self) -> String {
        let mut lines: Vec<(u64, String)> = Vec::new();
        for (at, from, to, bytes) in &self.sent {
            // RTP begins with a byte that no SIP message begins with.
            if bytes.first().is_none_or(|first| !first.is_ascii_alphabetic()) {
                continue;
            }
            let text = String::from_utf8_lossy(bytes);
            let cseq = super::header(&text, "CSeq");
            let what = format!("{} ({cseq})", text.lines().next().unwrap_or_default());
            lines.push((at.as_nanos(), format!("{from} -> {to}  {what}")));
        }
        for (at, fetch) in &self.web.asked {
            lines.push((at.as_nanos(), format!("fetch {}", fetch.url)));
        }
        for (at, note) in &self.notes {
            lines.push((at.as_nanos(), format!("note {} {}", note.code, note.text)));
        }
        for phone in &self.phones {
            for (at, event) in &phone.events {
                lines.push((at.as_nanos(), format!("{}: {event:?}", phone.name)));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        let mut text = String::new();
        for (at, line) in lines {
            let _ = writeln!(text, "{:>10.3} s  {line}", at as f64 / 1e9);
        }
        text
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}, at {} ms\n{}", self.seed, self.now.as_millis(), self.ladder());
            for row in self.rows.calls.values() {
                eprintln!("{row:?}");
            }
        }
    }
}
