//! Hold: a party that wants no sound for a while, and what the other side hears meanwhile.
//!
//! Each side's hold is its own (RFC 3264 section 8.4): both may hold at once, and each goes on by
//! itself. Without music the other side hears what the holder still sends, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::LegId;
use crate::leg::Command;
use crate::verb::Sound;

use super::core::Call;
use super::sounds::State;

/// Who holds, and who hears music for it.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held_by: BTreeSet<LegId>,
    /// The holder, by who hears music.
    music: BTreeMap<LegId, LegId>,
}

impl Call {
    /// A party put the other on hold.
    pub(super) fn held(&mut self, holder: LegId) {
        if !self.holds.held_by.insert(holder) {
            return;
        }
        let who = self.name_of(holder);
        let music = self.hold_music(holder).is_some();
        let heard = if music { "; the other side hears music" } else { "" };
        self.note(0, format!("{who} put the call on hold{heard}"));
        self.play_hold_music(holder);
    }

    /// It talks again.
    pub(super) fn resumed(&mut self, holder: LegId) {
        if self.holds.held_by.remove(&holder) {
            let who = self.name_of(holder);
            self.note(0, format!("{who} took the call up again"));
            // It may still be held by the other side, and hears that side's music.
            self.stop_music(|_, by| by == holder);
        }
    }

    /// A sound is here: whoever was to hear it on hold does.
    pub(super) fn hold_music_came(&mut self) {
        let playing: BTreeSet<LegId> = self.holds.music.values().copied().collect();
        let waiting: Vec<LegId> = self.holds.held_by.difference(&playing).copied().collect();
        for holder in waiting {
            self.play_hold_music(holder);
        }
    }

    /// The two are parted, or one of them left: no music for that any more.
    pub(super) fn end_hold_music(&mut self, leg: LegId) {
        self.stop_music(|hears, holder| hears == leg || holder == leg);
    }

    fn stop_music(&mut self, which: impl Fn(LegId, LegId) -> bool) {
        let playing = self.holds.music.iter().filter(|(hears, holder)| which(**hears, **holder));
        let listeners: Vec<LegId> = playing.map(|(hears, _)| *hears).collect();
        for listener in listeners {
            self.holds.music.remove(&listener);
            if self.parties.get(&listener).is_some_and(|party| party.hears()) {
                self.leg(listener, Command::StopPlaying);
            }
        }
    }

    /// A party is over, or goes to another call.
    pub(super) fn forget_hold(&mut self, leg: LegId) {
        self.end_hold_music(leg);
        self.holds.held_by.remove(&leg);
    }

    fn play_hold_music(&mut self, holder: LegId) {
        let Some(url) = self.hold_music(holder) else { return };
        let Some(listener) = self.other_side(holder) else { return };
        if self.holds.music.contains_key(&listener) {
            return;
        }
        let Some(sound) = self.want_sound(listener, Sound::File(url)) else { return };
        if let Some(State::Ready(clip)) = self.sounds.state(&sound).cloned() {
            self.holds.music.insert(listener, holder);
            let play = self.next_play();
            self.leg(listener, Command::Play { play, clip, loops: 0 });
        }
    }

    /// What is played for a holder: its own domain's music, else everybody's.
    fn hold_music(&self, holder: LegId) -> Option<String> {
        let domain = self.parties.get(&holder)?.owner.domain.as_deref();
        let url = self.setup.policy.hold_music.of(domain)?;
        // Files of the project are ours, wherever the document came from.
        let own = url.starts_with('/');
        Some(if own { format!("{}{url}", self.setup.public_url) } else { url.to_owned() })
    }

    /// A party as notes name it: by its own address.
    pub(super) fn name_of(&self, leg: LegId) -> String {
        let called = leg != self.caller();
        let record = self.parties.get(&leg).map(|party| &party.record);
        let name = record.map(|record| if called { &record.to } else { &record.from });
        name.cloned().unwrap_or_else(|| "a party".to_owned())
    }
}
