//! Runs a flow: plays the parties, the web servers and the voices around one call.
//!
//! Time is a number that jumps from one event to the next; nothing waits and no socket opens. Bins
//! and functions of the project answer in this process; other URLs only as `webhook` lines say.

use std::collections::{BTreeMap, VecDeque};

use super::incoming::{self, CALLER};
use super::party::{Party, State};
use super::report::{Failure, Quote};
use super::seen::{Place, Seen, Sighting};
use super::{Action, Expectation, Flow, Step, Webhook, Who};
use crate::audio::{Clip, wav};
use crate::base::id::{CallSid, LegId, RequestId};
use crate::base::{Duration, Instant, Machine, Rng};
use crate::call::{self, Begun, Call, Fetch, FetchError, Input, Output, Persist, Speech};
use crate::http::Headers;
use crate::leg::{self, Cause, Command, Event};
use crate::node::project::Opened;
use crate::source::{Answer, asset};

/// The longest that a step waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(600);
/// Events of one flow; more is a call that never gets on.
const MOST_EVENTS: u32 = 100_000;
/// Sightings kept: what a step can still expect.
const MOST_SEEN: usize = 10_000;
/// Sounds remembered: more than a call keeps at one time.
const MOST_CLIPS: usize = 64;
/// Documents whose text is kept for quoting.
const MOST_TEXTS: usize = 64;
/// How long a letter takes to say: about 150 words a minute.
const LETTER: Duration = Duration::from_millis(65);
/// How long a key takes to press.
const KEY: Duration = Duration::from_millis(200);
/// After so long the client gives up on a web server.
const WEB_PATIENCE: Duration = Duration::from_secs(15);

/// How a flow went.
#[derive(Debug)]
pub(in crate::cli) struct Outcome {
    /// The call's time.
    pub length: Duration,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// Runs one flow.
pub(in crate::cli) async fn run(opened: &Opened, flow: &Flow) -> Outcome {
    let mut stage = Stage::new(opened);
    for step in &flow.steps {
        if let Err(reason) = stage.step(step).await {
            let failure = stage.failure(step, reason);
            return Outcome { length: stage.elapsed(), failure: Some(failure) };
        }
    }
    Outcome { length: stage.elapsed(), failure: None }
}

/// Everything around the call.
struct Stage<'p> {
    opened: &'p Opened,
    rng: Rng,
    now: Instant,
    call: Option<Call>,
    sid: Option<CallSid>,
    began: Instant,
    over: bool,
    parties: BTreeMap<LegId, Party>,
    webhooks: BTreeMap<String, VecDeque<Webhook>>,
    later: BTreeMap<(Instant, u64), Input>,
    events: u32,
    counter: u64,
    clips: VecDeque<(Clip, Seen)>,
    statuses: BTreeMap<CallSid, &'static str>,
    seen: Vec<Sighting>,
    /// What steps have gone past.
    passed: usize,
    place: BTreeMap<LegId, Place>,
    last_place: Option<Place>,
    texts: VecDeque<(String, String)>,
}

impl<'p> Stage<'p> {
    fn new(opened: &'p Opened) -> Self {
        Stage {
            opened,
            // The same numbers in each run: a flow that failed fails again.
            rng: Rng::from_number(1),
            now: Instant::ZERO,
            call: None,
            sid: None,
            began: Instant::ZERO,
            over: false,
            parties: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            later: BTreeMap::new(),
            events: 0,
            counter: 0,
            clips: VecDeque::new(),
            statuses: BTreeMap::new(),
            seen: Vec::new(),
            passed: 0,
            place: BTreeMap::new(),
            last_place: None,
            texts: VecDeque::new(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Webhook(webhook) => self.webhook(webhook),
            Action::Call { from, to } => self.begin(from, to).await,
            Action::Expect(expectation) => self.expect(expectation).await,
            Action::Answer => {
                let leg = self.ringing()?;
                self.party(leg).state = State::Talking;
                let answered = Event::Answered { sip_call_id: call_id(leg), headers: Vec::new() };
                self.tell(leg, answered).await
            }
            Action::Busy => self.refuse(Cause::Busy, 486).await,
            Action::Decline => self.refuse(Cause::NoAnswer, 603).await,
            Action::NoAnswer => {
                let leg = self.ringing()?;
                self.party(leg).state = State::Ignored;
                Ok(())
            }
            Action::Press(who, digits) => self.press(*who, digits).await,
            Action::Speak(who, length) => self.speak(*who, *length).await,
            Action::Silence(length) | Action::Wait(length) => {
                self.pass_until(self.now + *length).await
            }
            Action::Hangup(who) => {
                let leg = self.newest(*who, |party| party.is_there())?;
                let ringing = leg == CALLER && self.party(leg).state == State::Ringing;
                let cause = if ringing { Cause::Cancelled } else { Cause::Hangup };
                self.end(leg, cause, None).await
            }
            Action::At(length) => {
                let at = self.began + *length;
                if at < self.now {
                    let now = seconds(self.elapsed());
                    return Err(format!("the call is already {now} long"));
                }
                self.pass_until(at).await
            }
        }
    }

    fn webhook(&mut self, webhook: &Webhook) -> Result<(), String> {
        let path = self.opened.config.project.join(&webhook.file);
        if !path.is_file() {
            return Err(format!("there is no file {} in the project", webhook.file));
        }
        self.webhooks.entry(webhook.url.clone()).or_default().push_back(webhook.clone());
        Ok(())
    }

    async fn begin(&mut self, from: &str, to: &str) -> Result<(), String> {
        if self.call.is_some() && !self.over {
            return Err("the call before this one is not over; `hangup` first".to_owned());
        }
        let arrival = incoming::arrival(&self.opened.config, from, to)?;
        let caller = Party::new(&arrival.incoming.from);
        let setup = incoming::setup(self.opened, arrival, &mut self.rng);
        self.parties = BTreeMap::from([(CALLER, caller)]);
        self.later.clear();
        self.began = self.now;
        self.over = false;
        self.sid = Some(setup.sid);
        self.call = Some(Call::incoming(setup, self.rng.fork(), self.now));
        self.settle().await
    }

    async fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        if self.call.is_none() {
            return Err("nobody has called yet; `call from FROM to TO` comes first".to_owned());
        }
        let until = self.now + PATIENCE;
        loop {
            let fits = |sighting: &Sighting| expectation.is_met_by(&sighting.seen);
            if let Some(at) = self.seen[self.passed..].iter().position(fits) {
                self.passed += at + 1;
                return Ok(());
            }
            let next = self.next().filter(|at| *at <= until);
            match next {
                Some(_) if !self.over => self.one_event().await?,
                _ if self.over => {
                    let now = seconds(self.elapsed());
                    return Err(format!("it did not come before the call ended at {now}"));
                }
                _ => {
                    let patience = seconds(PATIENCE);
                    return Err(format!("it did not come within {patience}"));
                }
            }
        }
    }

    async fn refuse(&mut self, cause: Cause, status: u16) -> Result<(), String> {
        let leg = self.ringing()?;
        self.end(leg, cause, Some(status)).await
    }

    async fn press(&mut self, who: Who, digits: &str) -> Result<(), String> {
        let listens = |party: &Party| {
            party.state == State::Talking && matches!(party.verb, Some("Gather" | "Record"))
        };
        let leg = self
            .newest(who, listens)
            .or_else(|_| self.newest(who.or_caller(), |party| party.state == State::Talking))
            .map_err(|_| "nobody is talking who could press a key".to_owned())?;
        for digit in digits.chars() {
            match digit {
                'w' => self.pass_until(self.now + Duration::from_millis(500)).await?,
                'W' => self.pass_until(self.now + Duration::from_secs(1)).await?,
                digit => {
                    self.tell(leg, Event::Digit(digit)).await?;
                    self.pass_until(self.now + KEY).await?;
                }
            }
        }
        Ok(())
    }

    async fn speak(&mut self, who: Who, length: Duration) -> Result<(), String> {
        let recorded =
            |party: &Party| party.recording().is_some_and(|r| r.order.tracks == leg::Tracks::Own);
        let leg = self
            .newest(who, recorded)
            .or_else(|_| self.newest(who.or_caller(), |party| party.state == State::Talking))
            .map_err(|_| "nobody is talking who could speak".to_owned())?;
        let now = self.now;
        self.party(leg).speak(now, length);
        self.pass_until(now + length).await
    }

    /// The newest called party that rings.
    fn ringing(&self) -> Result<LegId, String> {
        let rings = |party: &Party| party.state == State::Ringing;
        self.newest(Who::Called, rings).map_err(|_| "nobody is being called now".to_owned())
    }

    fn newest(&self, who: Who, fits: impl Fn(&Party) -> bool) -> Result<LegId, String> {
        let meant = |leg: &LegId| match who {
            Who::Newest => true,
            Who::Caller => *leg == CALLER,
            Who::Called => *leg != CALLER,
        };
        let found = self.parties.iter().rev().find(|(leg, party)| meant(leg) && fits(party));
        found.map(|(leg, _)| *leg).ok_or_else(|| "nobody is there any more".to_owned())
    }

    fn party(&mut self, leg: LegId) -> &mut Party {
        self.parties.entry(leg).or_insert_with(|| Party::new(""))
    }

    /// Lets everything happen that is due until then.
    async fn pass_until(&mut self, until: Instant) -> Result<(), String> {
        while self.next().is_some_and(|at| at <= until) {
            self.one_event().await?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// When something happens next.
    fn next(&self) -> Option<Instant> {
        let later = self.later.keys().next().map(|(at, _)| *at);
        let call = self.call.as_ref().filter(|_| !self.over).and_then(Machine::timeout);
        let plays = self.parties.values().filter_map(Party::playing_until);
        let recordings = self.parties.keys().filter_map(|leg| Some(self.recording_ends(*leg)?.0));
        plays.chain(recordings).chain(later).chain(call).min()
    }

    fn recording_ends(&self, leg: LegId) -> Option<(Instant, leg::RecordingEnd)> {
        let recording = self.parties.get(&leg)?.recording()?;
        Some(recording.deadline(&self.speeches(leg, recording.order.tracks)))
    }

    /// When anybody spoke who is in the recording.
    fn speeches(&self, leg: LegId, tracks: leg::Tracks) -> Vec<(Instant, Instant)> {
        let other = match tracks {
            leg::Tracks::Own => None,
            leg::Tracks::Mixed(other) | leg::Tracks::Dual(other) => Some(other),
        };
        let legs = std::iter::once(leg).chain(other);
        let parties = legs.filter_map(|leg| self.parties.get(&leg));
        parties.flat_map(|party| party.speeches().iter().copied()).collect()
    }

    /// Carries out what happens next: parties first, then answers, then the call's deadlines.
    async fn one_event(&mut self) -> Result<(), String> {
        let Some(at) = self.next() else { return Ok(()) };
        self.now = self.now.max(at);
        let played = self.parties.iter().find(|(_, p)| p.playing_until().is_some_and(|t| t <= at));
        if let Some(leg) = played.map(|(leg, _)| *leg) {
            let now = self.now;
            return match self.party(leg).played(now) {
                Some(event) => self.tell(leg, event).await,
                None => Ok(()),
            };
        }
        let legs: Vec<LegId> = self.parties.keys().copied().collect();
        for leg in legs {
            if let Some((_, end)) = self.recording_ends(leg).filter(|(ends, _)| *ends <= at) {
                return self.end_recording(leg, None, end).await;
            }
        }
        if let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= at) {
            let input = entry.remove();
            return self.give(input).await;
        }
        if let Some(call) = &mut self.call {
            call.handle_timeout(self.now);
        }
        self.settle().await
    }

    async fn end_recording(
        &mut self,
        leg: LegId,
        sid: Option<crate::base::id::RecordingSid>,
        end: leg::RecordingEnd,
    ) -> Result<(), String> {
        let Some(recording) = self.party(leg).take_recording(sid) else { return Ok(()) };
        let speeches = self.speeches(leg, recording.order.tracks);
        let event = recording.ended(self.now, end, &speeches);
        self.tell(leg, event).await
    }

    /// Ends a leg; its recording ends with it.
    async fn end(&mut self, leg: LegId, cause: Cause, status: Option<u16>) -> Result<(), String> {
        let now = self.now;
        let recording = self.party(leg).take_recording(None);
        let recorded = recording.map(|recording| {
            let speeches = self.speeches(leg, recording.order.tracks);
            recording.ended(now, leg::RecordingEnd::Stopped, &speeches)
        });
        let party = self.party(leg);
        party.stop_playing();
        party.state = State::Gone;
        let ended = Event::Ended {
            cause,
            sip_status: status,
            sip_call_id: Some(call_id(leg)),
            headers: Vec::new(),
        };
        for event in recorded.into_iter().chain([ended]) {
            if let Some(call) = &mut self.call {
                call.handle(now, Input::Leg(leg, event));
            }
        }
        self.settle().await
    }

    async fn tell(&mut self, leg: LegId, event: Event) -> Result<(), String> {
        self.give(Input::Leg(leg, event)).await
    }

    async fn give(&mut self, input: Input) -> Result<(), String> {
        if let Some(call) = &mut self.call {
            call.handle(self.now, input);
        }
        self.settle().await
    }

    /// Carries out what the call asks for.
    async fn settle(&mut self) -> Result<(), String> {
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
                Output::Done => self.over = true,
            }
        }
        Ok(())
    }

    fn later(&mut self, after: Duration, input: Input) {
        self.counter += 1;
        self.later.insert((self.now + after, self.counter), input);
    }

    fn saw(&mut self, leg: Option<LegId>, seen: Seen) {
        let place = leg.and_then(|leg| self.place.get(&leg)).or(self.last_place.as_ref()).cloned();
        if self.seen.len() < MOST_SEEN {
            self.seen.push(Sighting { at: self.now, seen, place });
        }
    }

    fn verb(&mut self, leg: LegId, begun: &Begun) {
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

    fn command(&mut self, leg: LegId, command: Command) {
        let now = self.now;
        match command {
            Command::Ring | Command::Bridge(_) | Command::Unbridge => {}
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
    fn hung_up(&mut self, leg: LegId) {
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

    fn dial(&mut self, leg: LegId, dial: &leg::Dial) {
        let (target, carried) = match &dial.destination {
            leg::Destination::Number(number) => (number.clone(), self.is_carried(number)),
            leg::Destination::Sip { uri, .. } => (uri.clone(), true),
        };
        self.parties.insert(leg, Party::new(&target));
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

    fn is_carried(&self, number: &str) -> bool {
        let mut prefixes = self.opened.config.trunks.iter().flat_map(|trunk| &trunk.prefixes);
        prefixes.any(|prefix| number.starts_with(prefix.as_str()))
    }

    async fn fetch(&mut self, request: RequestId, fetch: &Fetch) {
        let (answer, after) = self.answer(fetch).await;
        if let Ok(answer) = &answer {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.texts.retain(|(base, _)| *base != answer.url);
            self.texts.push_back((answer.url.clone(), text));
            if self.texts.len() > MOST_TEXTS {
                self.texts.pop_front();
            }
        }
        let fetched = answer.and_then(|answer| answer.document());
        self.later(after, Input::Fetched(request, fetched));
    }

    /// What the URL answers, and how long that takes.
    async fn answer(&mut self, fetch: &Fetch) -> (Result<Answer, FetchError>, Duration) {
        if let Some(webhook) = self.next_webhook(&fetch.url) {
            if webhook.after > WEB_PATIENCE {
                let message = format!("{}: no complete answer within 15 s", fetch.url);
                return (Err(FetchError { code: 11203, message }), WEB_PATIENCE);
            }
            return (self.canned(&webhook, fetch), webhook.after);
        }
        if self.opened.sources.is_own(&fetch.url) {
            return (self.opened.sources.ask_for(fetch).await, Duration::ZERO);
        }
        (Err(unknown(&fetch.url)), Duration::ZERO)
    }

    /// The answer that comes next at that URL; the last one stays.
    fn next_webhook(&mut self, url: &str) -> Option<Webhook> {
        let bare = url.split(['?', '#']).next().unwrap_or(url);
        let key = [url, bare].into_iter().find(|key| self.webhooks.contains_key(*key))?;
        let answers = self.webhooks.get_mut(key)?;
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    }

    fn canned(&self, webhook: &Webhook, fetch: &Fetch) -> Result<Answer, FetchError> {
        let project = &self.opened.project;
        let bin = webhook.file.strip_prefix("bins/").and_then(|name| name.strip_suffix(".xml"));
        let body = match bin {
            // A bin's file is a template wherever it is served.
            Some(name) => project
                .bins
                .render(name, &fetch.parameters)
                .map(|rendered| rendered.text.into_bytes())
                .map_err(|error| FetchError { code: error.code(), message: error.to_string() })?,
            None => {
                std::fs::read(self.opened.config.project.join(&webhook.file)).map_err(|error| {
                    let message = format!("{} cannot be read: {error}", webhook.file);
                    FetchError { code: 11200, message }
                })?
            }
        };
        let kind = asset::content_type(webhook.file.as_ref()).to_owned();
        Ok(Answer {
            status: webhook.status,
            headers: Headers::new(vec![("Content-Type".to_owned(), kind)]),
            body: body.into(),
            url: fetch.url.clone(),
        })
    }

    /// Nothing is spoken: a clip as long as the sentence would be.
    fn speech(&mut self, request: RequestId, speech: &Speech) {
        let letters = u32::try_from(speech.text.chars().count()).unwrap_or(u32::MAX);
        let clip = Clip::silence(LETTER.saturating_mul(letters).max(Duration::from_millis(500)));
        self.remember(clip.clone(), Seen::Say(speech.text.clone()));
        self.later(Duration::ZERO, Input::Sound(request, Ok(clip)));
    }

    async fn load(&mut self, request: RequestId, call: CallSid, url: &str) {
        let sound = if self.opened.sources.is_own(url) {
            let loaded = self.opened.sources.load_sound(call, url).await;
            loaded.map(|sound| sound.bytes)
        } else {
            match self.next_webhook(url) {
                Some(webhook) => std::fs::read(self.opened.config.project.join(&webhook.file))
                    .map(Into::into)
                    .map_err(|_| unknown(url)),
                None => Err(unknown(url)),
            }
        };
        let clip = sound.and_then(|bytes| {
            let read = wav::read(&bytes);
            read.map_err(|error| FetchError { code: 13420, message: format!("{url}: {error}") })
        });
        if let Ok(clip) = &clip {
            self.remember(clip.clone(), Seen::Play(url.to_owned()));
        }
        self.later(Duration::ZERO, Input::Sound(request, clip));
    }

    fn remember(&mut self, clip: Clip, seen: Seen) {
        if self.clips.len() >= MOST_CLIPS {
            self.clips.pop_front();
        }
        self.clips.push_back((clip, seen));
    }

    fn persist(&mut self, persist: Persist) {
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

    /// What a failed step tells.
    fn failure(&self, step: &Step, reason: String) -> Failure {
        let instead: Vec<Sighting> = self.seen[self.passed..].to_vec();
        let place = instead
            .iter()
            .find(|sighting| !matches!(sighting.seen, Seen::Status(_) | Seen::Called { .. }))
            .and_then(|sighting| sighting.place.clone())
            .or_else(|| self.last_place.clone());
        let quote = place.and_then(|place| {
            let (_, text) = self.texts.iter().find(|(base, _)| *base == place.base)?;
            Some(Quote { name: self.short_name(&place.base), text: text.clone(), line: place.line })
        });
        let came = instead.into_iter().map(|sighting| {
            let place = sighting.place.map(|place| (self.short_name(&place.base), place.line));
            (sighting.at - self.began, sighting.seen.to_string(), place)
        });
        Failure {
            position: step.position,
            step: step.text.clone(),
            reason,
            came: came.collect(),
            quote,
        }
    }

    /// A document of the project without the server's address.
    fn short_name(&self, base: &str) -> String {
        let own = base.strip_prefix(&self.opened.public_url);
        own.map_or(base, |path| path.trim_start_matches('/')).to_owned()
    }
}

impl Who {
    /// With nobody named, the caller is meant.
    fn or_caller(self) -> Who {
        if self == Who::Newest { Who::Caller } else { self }
    }
}

fn unknown(url: &str) -> FetchError {
    let message = format!("{url}: nothing answers here; add `webhook {url} returns FILE`");
    FetchError { code: 11200, message }
}

/// Whether they are the same piece of sound, not only alike: sentences are equally silent.
fn same(one: &Clip, other: &Clip) -> bool {
    std::ptr::eq(one.samples(), other.samples())
}

fn call_id(leg: LegId) -> String {
    format!("leg-{}@flow.offhook", leg.0)
}

/// A length as reports write it.
pub(super) fn seconds(length: Duration) -> String {
    format!("{}.{} s", length.as_secs(), length.subsec_millis() / 100)
}
