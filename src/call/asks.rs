//! What verbs ask for, carried out.

use crate::audio::Clip;
use crate::base::id::{LegId, RequestId};
use crate::leg::Command;
use crate::verb::tone::Tone;
use crate::verb::{self, Ask, Sound};

use super::address;
use super::core::{Call, GRACE, Timer};
use super::effect::{FetchError, Output, Status};
use super::interpreter::Role;
use super::party::Presence;
use super::sounds::State;

impl Call {
    /// Carries out one ask of the verb that runs on `leg`.
    pub(super) fn perform(&mut self, leg: LegId, ask: Ask) {
        match ask {
            Ask::Answer => self.answer(leg),
            Ask::EarlyMedia => self.sound_early(leg),
            Ask::Refuse(refusal) => self.refuse(leg, refusal, "refused by the document"),
            Ask::Play(sound, loops) => self.play(leg, sound, loops),
            Ask::Stop => self.stop(leg),
            Ask::SendDigits(digits) => {
                let play = self.next_play();
                if let Some(script) = self.scripts.get_mut(&leg) {
                    script.playing = Some(play);
                }
                self.media(leg, Command::SendDigits { play, digits });
            }
            Ask::Record(plan) => self.record(leg, *plan),
            Ask::StopRecording => self.stop_recordings(leg),
            Ask::Ring { target, call } => self.ring(target, *call),
            Ask::TargetDigits(target, digits) => self.send_to_target(target, digits),
            Ask::Screen(target, request) => self.screen(leg, target, &request),
            Ask::Join(target) => {
                if let Some(other) = self.targets.get(&target).copied() {
                    self.media(leg, Command::Bridge(other));
                }
            }
            Ask::Part => {
                self.end_hold_music(leg);
                self.media(leg, Command::Unbridge);
            }
            Ask::Drop(target, outcome) => {
                if let Some(other) = self.targets.get(&target).copied() {
                    let status = super::children::status_of(outcome);
                    self.note_unreached(outcome, None);
                    self.hang_up(other, status, "hung up by <Dial>");
                }
            }
            Ask::Refer(to) => self.leg(leg, Command::Refer { to }),
            Ask::Note(code, text) => self.note(code, text),
        }
    }

    /// An order about sound, for whoever is still there to hear.
    fn media(&mut self, leg: LegId, command: Command) {
        if self.parties.get(&leg).is_some_and(|party| party.hears()) {
            self.leg(leg, command);
        }
    }

    /// Lets a party hear sound before it is answered.
    fn sound_early(&mut self, leg: LegId) {
        let Some(party) = self.parties.get_mut(&leg) else { return };
        if party.presence == Presence::Ringing && !party.early {
            party.early = true;
            self.leg(leg, Command::EarlyMedia);
        }
    }

    fn answer(&mut self, leg: LegId) {
        let (now, wall) = (self.now, self.setup.epoch.wall(self.now));
        let Some(party) = self.parties.get_mut(&leg) else { return };
        if party.presence != Presence::Ringing {
            return;
        }
        party.presence = Presence::Talking;
        party.answered = Some(now);
        party.record.answered = Some(wall);
        party.record.status = Status::InProgress;
        self.leg(leg, Command::Answer);
        self.status_event(leg, "answered");
    }

    fn screen(&mut self, leg: LegId, target: usize, request: &verb::Request) {
        let Some(other) = self.targets.get(&target).copied() else { return };
        let base = self.base_of(leg);
        match address::resolve(&self.setup.public_url, &base, &request.url) {
            Some(url) => {
                self.fetch(other, url, request.method, Vec::new(), Role::Screening(target));
            }
            None => {
                self.note(11100, format!("{:?} is not a document's URL", request.url));
                self.hang_up(other, Status::Failed, "its document has no URL");
            }
        }
    }

    /// Plays now if the sound is here, else as soon as it comes.
    fn play(&mut self, leg: LegId, sound: Sound, loops: u32) {
        if let Sound::Tone(tone) = sound {
            return self.play_clip(leg, tone.clip(), loops);
        }
        let Some(sound) = self.want_sound(leg, sound) else {
            return self.agenda.push_back((leg, verb::Event::Played));
        };
        match self.sounds.state(&sound).cloned() {
            Some(State::Ready(clip)) => self.play_clip(leg, clip, loops),
            Some(State::Wanted(_)) => {
                if let Some(script) = self.scripts.get_mut(&leg) {
                    script.pending = Some((sound, loops));
                }
            }
            Some(State::Failed) | None => self.agenda.push_back((leg, verb::Event::Played)),
        }
    }

    fn play_clip(&mut self, leg: LegId, clip: Clip, loops: u32) {
        let play = self.next_play();
        let Some(script) = self.scripts.get_mut(&leg) else { return };
        script.playing = Some(play);
        self.media(leg, Command::Play { play, clip, loops });
    }

    fn stop(&mut self, leg: LegId) {
        let Some(script) = self.scripts.get_mut(&leg) else { return };
        script.pending = None;
        if script.playing.take().is_some() {
            self.media(leg, Command::StopPlaying);
        }
    }

    /// Asks for a sound unless it is here or on its way; gives it with its URL made absolute.
    pub(super) fn want_sound(&mut self, leg: LegId, sound: Sound) -> Option<Sound> {
        let sound = match sound {
            Sound::File(url) => {
                let base = self.base_of(leg);
                match address::resolve_sound(&self.setup.public_url, &base, &url) {
                    Some(url) => Sound::File(url),
                    None => {
                        self.note(11100, format!("{url:?} is not a sound's URL; it is skipped"));
                        return None;
                    }
                }
            }
            other => other,
        };
        if self.sounds.state(&sound).is_none() {
            let request = self.next_request();
            let output = match &sound {
                Sound::Speech(speech) => Output::Speak(request, speech.clone()),
                Sound::File(url) => Output::Load(request, self.setup.sid, url.clone()),
                Sound::Tone(_) => return Some(sound),
            };
            self.timers.set(Timer::Sound(request), self.now + GRACE);
            if let Some(forgotten) = self.sounds.want(sound.clone(), request) {
                self.timers.clear(&Timer::Sound(forgotten));
            }
            self.output(output);
        }
        Some(sound)
    }

    /// A sound came, or cannot be had: a sentence is replaced by three tones, never dropped.
    pub(super) fn sound(&mut self, request: RequestId, result: Result<Clip, FetchError>) {
        self.timers.clear(&Timer::Sound(request));
        let Some(wanted) = self.sounds.wanted(request) else { return };
        let spoken = matches!(wanted, Sound::Speech(_));
        let clip = match result {
            Ok(clip) => Some(clip),
            Err(error) => {
                let what = if spoken { "a sentence could not be spoken" } else { "a sound failed" };
                self.note(error.code, format!("{what}: {}", error.message));
                spoken.then(|| Tone::Trouble.clip())
            }
        };
        let Some(sound) = self.sounds.arrived(request, clip) else { return };
        self.hold_music_came();
        let waiting = |pending: &Option<(Sound, u32)>| {
            pending.as_ref().is_some_and(|(wanted, _)| *wanted == sound)
        };
        let legs = self.scripts.iter().filter(|(_, script)| waiting(&script.pending));
        for leg in legs.map(|(leg, _)| *leg).collect::<Vec<_>>() {
            let pending = self.scripts.get_mut(&leg).and_then(|script| script.pending.take());
            if let Some((sound, loops)) = pending {
                self.play(leg, sound, loops);
            }
        }
    }
}
