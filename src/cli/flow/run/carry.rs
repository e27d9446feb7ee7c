//! What the call asks for, carried out by scripted parties, and noted down for steps to expect.

use super::super::incoming::CALLER;
use super::super::party::{Party, State};
use super::super::seen::{Place, Seen, Sighting};
use super::{KEY, MOST_EVENTS, MOST_SEEN, PATIENCE, Stage, call_id};
use crate::audio::Clip;
use crate::base::id::LegId;
use crate::base::{Duration, Machine};
use crate::call::{self, Begun, Input, Output, Persist};
use crate::leg::{self, Cause, Command, Event};

impl Stage<'_> {
    /// Carries out what the call asks for.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.events += 1;
        if self.events > MOST_EVENTS {
            return Err(format!("the call does not get on: {MOST_EVENTS} events in one flow"));
        }
        while let Some(output) = self.call.as_mut().and_then(Machine::poll) {
            match output {
                Output::Leg(leg, command) => self.command(leg, command),
                Output::Dial(leg, dial) => self.dial(leg, &dial),
                Output::Fetch(request, fetch) => self.fetch(request, &fetch).await,
                Output::Speak(request, speech) => self.speech(request, &speech),
                Output::Load(request, call, url) => self.load(request, call, &url).await,
                Output::Persist(persist) => self.persist(persist),
                Output::Note(note) => self.saw(None, Seen::Note(note.code, note.text)),
                Output::Verb(leg, begun) => self.verb(leg, &begun),
                // A flow holds one call, so nobody can be taken from another.
                Output::Adopt(referrer, _) => {
                    self.later(Duration::ZERO, Input::Adopted(referrer, None));
                }
                Output::Done => self.over = true,
            }
        }
        Ok(())
    }

    pub(super) fn saw(&mut self, leg: Option<LegId>, seen: Seen) {
        let place = match seen {
            // Parties move for reasons of their own.
            Seen::Status(_) | Seen::Called { .. } | Seen::Callback { .. } => None,
            _ => leg.and_then(|leg| self.place.get(&leg)).or(self.last_place.as_ref()).cloned(),
        };
        if self.seen.len() < MOST_SEEN {
            self.seen.push(Sighting { at: self.now, seen, place });
        }
    }

    pub(super) fn verb(&mut self, leg: LegId, begun: &Begun) {
        let Some(placed) = begun.document.verbs().get(begun.index) else { return };
        let place = Place { base: begun.base.clone(), line: placed.position.line };
        self.place.insert(leg, place.clone());
        self.last_place = Some(place);
        self.party(leg).verb = Some(placed.name);
        // What these do is seen when they do it.
        if !matches!(placed.name, "Say" | "Play" | "Record" | "Dial") {
            let outline = placed.verb.outline().into_iter().next().unwrap_or_default();
            self.saw(Some(leg), Seen::Verb(placed.name, outline));
        }
    }

    pub(super) fn command(&mut self, leg: LegId, command: Command) {
        let now = self.now;
        match command {
            Command::Ring
            | Command::EarlyMedia
            | Command::TransferStatus(_)
            | Command::Bridge(_)
            | Command::Unbridge => {}
            // Parties of flows can be sent anywhere, and come through.
            Command::Refer { .. } => {
                for event in [Event::ReferAnswered(202), Event::Referred(200)] {
                    self.later(Duration::ZERO, Input::Leg(leg, event));
                }
            }
            Command::Answer => {
                self.party(leg).state = State::Talking;
                let answered = Event::Answered { sip_call_id: call_id(leg), headers: Vec::new() };
                self.later(Duration::ZERO, Input::Leg(leg, answered));
            }
            Command::Refuse(_) | Command::Hangup => self.hung_up(leg),
            Command::Play { play, clip, loops } => {
                let known = self.clips.iter().find(|(known, _)| same(known, &clip));
                if let Some(seen) = known.map(|(_, seen)| seen.clone()) {
                    self.saw(Some(leg), seen);
                }
                // 0 is until stopped: longer than any flow waits.
                let length = match loops {
                    0 => PATIENCE * 100,
                    times => clip.duration() * times,
                };
                self.party(leg).play(now, play, length);
            }
            Command::StopPlaying => self.party(leg).stop_playing(),
            Command::SendDigits { play, digits } => {
                let length = KEY * digits.chars().count() as u32;
                self.saw(Some(leg), Seen::Play(format!("digits {digits}")));
                self.party(leg).play(now, play, length);
            }
            Command::Record(order) => {
                let verb = self.party(leg).verb.unwrap_or("Record").to_lowercase();
                let longest = order.max.as_secs();
                self.saw(Some(leg), Seen::Record(format!("record by {verb} max {longest}s")));
                self.party(leg).record(now, order);
            }
            Command::StopRecording(sid) => {
                let Some(recording) = self.party(leg).take_recording(Some(sid)) else { return };
                let speeches = self.speeches(leg, recording.order.tracks);
                let event = recording.ended(now, leg::RecordingEnd::Stopped, &speeches);
                self.later(Duration::ZERO, Input::Leg(leg, event));
            }
        }
    }

    /// The call ended a leg: its own end is told in a moment.
    pub(super) fn hung_up(&mut self, leg: LegId) {
        let party = self.party(leg);
        if !party.is_there() {
            return;
        }
        party.stop_playing();
        let answered = party.state == State::Talking;
        party.state = State::Gone;
        if let Some(recording) = party.take_recording(None) {
            let speeches = self.speeches(leg, recording.order.tracks);
            let event = recording.ended(self.now, leg::RecordingEnd::Stopped, &speeches);
            self.later(Duration::ZERO, Input::Leg(leg, event));
        }
        let ended = Event::Ended {
            cause: Cause::Local,
            sip_status: (!answered && leg != CALLER).then_some(487),
            sip_call_id: Some(call_id(leg)),
            headers: Vec::new(),
        };
        self.later(Duration::ZERO, Input::Leg(leg, ended));
    }

    pub(super) fn dial(&mut self, leg: LegId, dial: &leg::Dial) {
        let (target, carried) = match &dial.destination {
            leg::Destination::Number(number) => (number.clone(), self.is_carried(number)),
            leg::Destination::Sip { uri, .. } => (uri.clone(), true),
        };
        self.parties.insert(leg, Party::new());
        let caller_id = dial.caller_id.clone();
        self.saw(Some(CALLER), Seen::Dial { target: target.clone(), caller_id });
        if carried {
            return self.later(Duration::ZERO, Input::Leg(leg, Event::Ringing));
        }
        let text = format!("no trunk carries {target}: see its `prefixes` in offhook.toml");
        self.saw(None, Seen::Note(0, text));
        self.party(leg).state = State::Gone;
        let ended = Event::Ended {
            cause: Cause::Failed,
            sip_status: Some(403),
            sip_call_id: None,
            headers: Vec::new(),
        };
        self.later(Duration::ZERO, Input::Leg(leg, ended));
    }

    pub(super) fn is_carried(&self, number: &str) -> bool {
        let config = &self.opened.config;
        let lines = config.lines.iter().map(|line| &line.account);
        let mut prefixes = config.trunks.iter().chain(lines).flat_map(|trunk| &trunk.prefixes);
        prefixes.any(|prefix| number.starts_with(prefix.as_str()))
    }

    pub(super) fn persist(&mut self, persist: Persist) {
        for row in persist.calls {
            let status = row.status.as_str();
            if self.statuses.insert(row.sid, status) == Some(status) {
                continue;
            }
            if Some(row.sid) == self.sid {
                self.saw(None, Seen::Status(status));
            } else {
                self.saw(None, Seen::Called { to: row.to, status });
            }
        }
        for call::Callback { url, parameters, .. } in persist.callbacks {
            self.saw(None, Seen::Callback { url, parameters });
        }
    }
}

/// Whether they are the same piece of sound, not only alike: sentences are equally silent.
fn same(one: &Clip, other: &Clip) -> bool {
    std::ptr::eq(one.samples(), other.samples())
}
