//! Plays everything around a call: legs, the web, voices. What happens is told in lines such as
//! `caller: hears "Hello"`, so that tests read like the call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::audio::Clip;
use crate::base::id::{AccountSid, CallSid, LegId, RecordingSid, RequestId};
use crate::base::{Duration, Epoch, Instant, Machine, Rng, WallTime};
use crate::call::{
    Call, Callback, Change, Changed, Denied, Fetch, FetchError, Fetched, Input, Output, Placement,
    Policy, RecordingRecord, Setup, order::Callee, shown_by,
};
use crate::call::{CallRecord, Persist};
use crate::directory::{Handler, Voice};
use crate::leg::{Cause, Command, Event, Incoming, RecordingEnd, SipCaller};
use crate::verb::Document;
use crate::verb::tone::Tone;

pub const CALLER: LegId = LegId(1);
const FIRST_TARGET: u64 = 100;
pub const US: &str = "http://127.0.0.1:8080";
pub const HANDLER: &str = "https://app.example/voice";

/// The n-th leg that was dialled.
pub fn target(n: u64) -> LegId {
    LegId(FIRST_TARGET + n)
}

/// What the web answers to one URL, one answer after another; the last one stays.
type Answers = VecDeque<Result<String, u32>>;

pub struct Stage {
    pub call: Call,
    pub now: Instant,
    pub lines: Vec<String>,
    pub fetches: Vec<Fetch>,
    pub calls: BTreeMap<CallSid, CallRecord>,
    pub recordings: Vec<RecordingRecord>,
    pub callbacks: Vec<Callback>,
    pub notes: Vec<(u32, String)>,
    /// The verbs whose turn came, with their places.
    pub verbs: Vec<String>,
    pub done: bool,
    web: BTreeMap<String, Answers>,
    clips: Vec<(Clip, String)>,
    plays: BTreeMap<LegId, VecDeque<(u64, Duration)>>,
    until: BTreeMap<LegId, Instant>,
    recording: BTreeMap<LegId, RecordingSid>,
    gone: BTreeSet<LegId>,
    dialled: BTreeSet<LegId>,
    /// Whether recordings hold anything.
    pub sounding: bool,
    /// Whether voices and files work.
    pub mute: bool,
    /// Whether the web answers at all.
    pub stuck: bool,
    /// Whether voices and files never come.
    deaf: bool,
    /// Whether legs that are hung up never confirm it.
    silent: bool,
    /// What was written, change by change.
    pub written: Vec<Persist>,
}

/// What a test may set before the call comes in.
pub struct Opening {
    pub incoming: Incoming,
    pub voice: Voice,
    pub policy: Policy,
    pub web: Vec<(&'static str, Result<&'static str, u32>)>,
    pub mute: bool,
    pub stuck: bool,
    pub deaf: bool,
    pub silent: bool,
    pub seed: u64,
}

impl Opening {
    /// A telephone calls a number of ours, whose handler answers with `body`.
    pub fn phone(body: &'static str) -> Opening {
        Opening {
            incoming: Incoming {
                from: "+14155550100".to_owned(),
                to: "+12223331234".to_owned(),
                ..Incoming::default()
            },
            voice: Voice {
                handler: Some(Handler::Document { url: HANDLER.to_owned(), get: false }),
                ..Voice::default()
            },
            policy: Policy {
                owned: Arc::new(BTreeSet::from(["+12223331234".to_owned(), "+16505551111".into()])),
                any_caller_id: false,
                ..Policy::default()
            },
            web: vec![(HANDLER, Ok(body))],
            mute: false,
            stuck: false,
            deaf: false,
            silent: false,
            seed: 1,
        }
    }

    /// A phone of a SIP domain of ours calls.
    pub fn sip(body: &'static str) -> Opening {
        let mut opening = Opening::phone(body);
        opening.incoming = Incoming {
            from: "sip:home@office.localhost".to_owned(),
            to: "sip:15551231234@office.localhost".to_owned(),
            sip: Some(SipCaller {
                domain: "office.localhost".to_owned(),
                domain_sid: "SD00000000000000000000000000000001".to_owned(),
                username: "home".to_owned(),
                call_id: "abc@phone".to_owned(),
                source_ip: "192.0.2.7".to_owned(),
                headers: vec![("X-Floor".to_owned(), "3".to_owned())],
            }),
            ..Incoming::default()
        };
        opening
    }

    /// What another URL answers.
    pub fn web(mut self, url: &'static str, answer: Result<&'static str, u32>) -> Opening {
        self.web.push((url, answer));
        self
    }

    /// No sound ever comes.
    pub fn deaf(mut self) -> Opening {
        self.deaf = true;
        self
    }

    /// Legs never confirm their end.
    pub fn silent(mut self) -> Opening {
        self.silent = true;
        self
    }

    /// A call that we make, by these parameters.
    pub fn placed(self, parameters: &[(&str, &str)]) -> Stage {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters: Vec<(String, String)> = parameters.iter().map(own).collect();
        let mut placement = Placement::read(&parameters).expect("sound");
        placement.resolve(US).expect("URLs");
        self.begin(|setup, rng, now| {
            let shown = shown_by(&placement, &setup.policy).expect("ours");
            let setup = setup.placed(&placement, &shown);
            let destination = match placement.to.clone() {
                Callee::Number(number) => crate::leg::Destination::Number(number),
                Callee::Sip { uri, headers, login } => {
                    crate::leg::Destination::Sip { uri, headers, login }
                }
                Callee::Client(_) => panic!("an exchange finds those"),
            };
            Call::placed(setup, placement, destination, rng, now)
        })
    }

    pub fn start(self) -> Stage {
        self.begin(Call::incoming)
    }

    fn begin(self, make: impl FnOnce(Setup, Rng, Instant) -> Call) -> Stage {
        let mut rng = Rng::from_number(self.seed);
        let setup = Setup {
            sid: CallSid::random(&mut rng),
            leg: CALLER,
            incoming: self.incoming,
            shown: None,
            account: AccountSid::from_bytes([7; 16]),
            voice: self.voice,
            public_url: US.to_owned(),
            policy: self.policy,
            epoch: Epoch::new(WallTime::from_unix_millis(1_795_237_266_000)),
            next_leg: FIRST_TARGET,
        };
        let now = Instant::from_millis(1_000);
        let mut web: BTreeMap<String, Answers> = BTreeMap::new();
        for (url, answer) in self.web {
            web.entry(url.to_owned()).or_default().push_back(answer.map(str::to_owned));
        }
        let mut stage = Stage {
            call: make(setup, rng, now),
            now,
            lines: Vec::new(),
            fetches: Vec::new(),
            calls: BTreeMap::new(),
            recordings: Vec::new(),
            callbacks: Vec::new(),
            notes: Vec::new(),
            verbs: Vec::new(),
            done: false,
            web,
            clips: tones(),
            plays: BTreeMap::new(),
            until: BTreeMap::new(),
            recording: BTreeMap::new(),
            gone: BTreeSet::new(),
            dialled: BTreeSet::from([CALLER]),
            sounding: true,
            mute: self.mute,
            stuck: self.stuck,
            deaf: self.deaf,
            silent: self.silent,
            written: Vec::new(),
        };
        stage.drain();
        stage
    }
}

fn tones() -> Vec<(Clip, String)> {
    let named = |tone: Tone, name: &str| (tone.clip(), name.to_owned());
    vec![
        named(Tone::Beep, "beep"),
        named(Tone::Trouble, "trouble"),
        named(Tone::ringback("us").expect("known"), "ringing us"),
        named(Tone::ringback("de").expect("known"), "ringing de"),
    ]
}

pub fn name(leg: LegId) -> String {
    match leg {
        CALLER => "caller".to_owned(),
        LegId(n) => format!("t{}", n - FIRST_TARGET),
    }
}

impl Stage {
    /// The lines since this was last asked.
    pub fn happened(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Everything that the caller was played, in order.
    pub fn heard(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.strip_prefix("caller: hears ")).collect()
    }

    pub fn has(&self, line: &str) -> bool {
        self.lines.iter().any(|known| known == line)
    }

    pub fn noted(&self, code: u32) -> bool {
        self.notes.iter().any(|(noted, _)| *noted == code)
    }

    pub fn input(&mut self, input: Input) {
        assert!(!self.done, "nothing may come after the end");
        self.call.handle(self.now, input);
        self.drain();
    }

    /// Orders a change of a leg, by these parameters.
    pub fn change(&mut self, leg: LegId, parameters: &[(&str, &str)]) -> Result<Changed, Denied> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters: Vec<(String, String)> = parameters.iter().map(own).collect();
        let mut change = Change::read(&parameters)?;
        change.resolve(US)?;
        let changed = self.call.change(self.now, leg, change);
        self.drain();
        changed
    }

    /// Goes on with another call: that of a leg that left.
    pub fn follow(&mut self, call: Call) {
        self.call = call;
        self.drain();
    }

    pub fn event(&mut self, leg: LegId, event: Event) {
        self.input(Input::Leg(leg, event));
    }

    pub fn press(&mut self, digits: &str) {
        digits.chars().for_each(|digit| self.event(CALLER, Event::Digit(digit)));
    }

    pub fn answer(&mut self, leg: LegId) {
        let sip_call_id = format!("{}@us", name(leg));
        self.event(leg, Event::Answered { sip_call_id, headers: Vec::new() });
    }

    pub fn end(&mut self, leg: LegId, cause: Cause, status: u16) {
        assert!(!self.done, "nothing may come after the end");
        self.gone.insert(leg);
        self.plays.remove(&leg);
        self.until.remove(&leg);
        // A leg tells both at once.
        if let Some(recording) = self.recording.remove(&leg) {
            let recorded = self.recorded(recording, RecordingEnd::Stopped);
            self.call.handle(self.now, Input::Leg(leg, recorded));
        }
        let event = Event::Ended {
            cause,
            sip_status: (status > 0).then_some(status),
            sip_call_id: Some(format!("{}@us", name(leg))),
            headers: vec![("X-Why".to_owned(), "because".to_owned())],
        };
        self.event(leg, event);
    }

    /// Ends a leg unless it is over already.
    pub fn lively_end(&mut self, leg: LegId, cause: Cause) {
        if !self.gone.contains(&leg) && self.dialled.contains(&leg) {
            self.end(leg, cause, 0);
        }
    }

    pub fn caller_hangs_up(&mut self) {
        self.end(CALLER, Cause::Hangup, 0);
    }

    fn recorded(&self, recording: RecordingSid, end: RecordingEnd) -> Event {
        let heard = self.sounding;
        Event::Recorded { recording, end, length: Duration::from_millis(4_200), heard }
    }

    pub fn recording_ends(&mut self, leg: LegId, end: RecordingEnd) {
        let recording = self.recording.remove(&leg).expect("a recording runs");
        self.event(leg, self.recorded(recording, end));
    }

    /// Lets time pass: sounds end and deadlines come, in order.
    pub fn wait(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let ended = self.until.iter().find(|(_, until)| **until <= self.now);
            if let Some(leg) = ended.map(|(leg, _)| *leg) {
                self.play_ended(leg);
            } else {
                self.call.handle_timeout(self.now);
                self.drain();
            }
        }
        self.now = self.now.max(end);
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    fn next(&self) -> Option<Instant> {
        self.until.values().copied().chain(self.call.timeout()).min()
    }

    fn play_ended(&mut self, leg: LegId) {
        self.until.remove(&leg);
        let Some((play, _)) = self.plays.get_mut(&leg).and_then(VecDeque::pop_front) else {
            return;
        };
        self.start_play(leg);
        self.event(leg, Event::Played(play));
    }

    fn start_play(&mut self, leg: LegId) {
        if let Some((_, length)) = self.plays.get(&leg).and_then(VecDeque::front) {
            self.until.entry(leg).or_insert(self.now + *length);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll() {
            assert!(!self.done, "nothing may be asked after the end: {output:?}");
            self.output(output);
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Leg(leg, command) => self.command(leg, command),
            Output::Dial(leg, dial) => {
                self.dialled.insert(leg);
                let whom = match &dial.destination {
                    crate::leg::Destination::Number(number) => number.clone(),
                    crate::leg::Destination::Sip { uri, .. } => uri.clone(),
                };
                self.lines.push(format!("{}: dial {whom} as {}", name(leg), dial.caller_id));
            }
            Output::Fetch(request, fetch) => self.fetch(request, fetch),
            Output::Speak(request, speech) => {
                self.sound(request, format!("{:?}", speech.text), speech.text.len());
            }
            Output::Load(request, _, url) => self.sound(request, url, 20),
            Output::Persist(persist) => self.persist(persist),
            Output::Note(note) => self.notes.push((note.code, note.text)),
            Output::Adopt(leg, replaces) => {
                self.lines.push(format!("{}: wants {}", name(leg), replaces.call_id));
            }
            Output::Verb(leg, begun) => {
                let verb = &begun.document.verbs()[begun.index];
                self.verbs.push(format!("{}: {} {}", name(leg), verb.name, verb.position));
            }
            Output::Done => {
                self.lines.push("done".to_owned());
                self.done = true;
            }
        }
    }

    fn persist(&mut self, persist: Persist) {
        self.written.push(persist.clone());
        self.calls.extend(persist.calls.into_iter().map(|row| (row.sid, row)));
        for row in persist.recordings {
            self.recordings.retain(|known| known.sid != row.sid);
            self.recordings.push(row);
        }
        self.callbacks.extend(persist.callbacks);
    }

    fn fetch(&mut self, request: RequestId, fetch: Fetch) {
        self.lines.push(format!("{} {}", fetch.method.as_str(), fetch.url));
        let url = fetch.url.clone();
        self.fetches.push(fetch);
        if self.stuck {
            return;
        }
        let answers = self.web.entry(url.clone()).or_default();
        let answer = match answers.len() {
            0 => Err(11200),
            1 => answers[0].clone(),
            _ => answers.pop_front().expect("there are several"),
        };
        let result = match answer {
            Err(code) => Err(FetchError { code, message: "it failed".to_owned() }),
            Ok(body) => match Document::parse(body.as_bytes(), Some("text/xml")) {
                Ok((document, _)) => Ok(Fetched { document: Arc::new(document), base: url }),
                Err(error) => Err(FetchError { code: error.code, message: error.to_string() }),
            },
        };
        self.call.handle(self.now, Input::Fetched(request, result));
    }

    fn sound(&mut self, request: RequestId, what: String, tenths: usize) {
        if self.deaf {
            return;
        }
        let result = if self.mute {
            Err(FetchError { code: 12400, message: "no voice".to_owned() })
        } else {
            // Each sound is a clip that no other equals.
            let mut samples = vec![0; tenths * 800];
            samples.push(i16::try_from(self.clips.len()).expect("few"));
            let clip = Clip::new(samples);
            self.clips.push((clip.clone(), what));
            Ok(clip)
        };
        self.call.handle(self.now, Input::Sound(request, result));
    }

    fn command(&mut self, leg: LegId, command: Command) {
        assert!(!self.gone.contains(&leg), "{} is gone: {command:?}", name(leg));
        let line = match &command {
            Command::Ring => "ring".to_owned(),
            Command::EarlyMedia => "hears early".to_owned(),
            Command::Refer { to } => format!("referred to {to}"),
            Command::TransferStatus(status) => format!("transfer {status}"),
            Command::Answer => "answer".to_owned(),
            Command::Refuse(refusal) => format!("refuse {refusal:?}"),
            Command::Hangup => "hangup".to_owned(),
            Command::Play { clip, loops, .. } => {
                let known = self.clips.iter().find(|(known, _)| known == clip);
                let what = &known.expect("a clip that was given").1;
                if *loops == 1 { format!("hears {what}") } else { format!("hears {what} x{loops}") }
            }
            Command::StopPlaying => "silence".to_owned(),
            Command::SendDigits { digits, .. } => format!("gets digits {digits}"),
            Command::Bridge(other) => format!("joined with {}", name(*other)),
            Command::Unbridge => "parted".to_owned(),
            Command::Record(record) => format!("recorded {}", tracks(record.tracks)),
            Command::StopRecording(_) => "recording stopped".to_owned(),
        };
        self.lines.push(format!("{}: {line}", name(leg)));
        self.react(leg, command);
    }

    fn react(&mut self, leg: LegId, command: Command) {
        match command {
            Command::Refuse(_) | Command::Hangup if self.silent => {}
            Command::Refuse(_) | Command::Hangup => self.end(leg, Cause::Local, 0),
            Command::Play { play, clip, loops } => {
                let length = clip.duration() * loops;
                self.plays.entry(leg).or_default().push_back((play, length));
                self.start_play(leg);
            }
            Command::SendDigits { play, .. } => {
                self.plays.entry(leg).or_default().push_back((play, Duration::from_millis(500)));
                self.start_play(leg);
            }
            Command::StopPlaying => {
                self.plays.remove(&leg);
                self.until.remove(&leg);
            }
            Command::Record(record) => {
                self.recording.insert(leg, record.recording);
            }
            Command::StopRecording(_) => self.recording_ends(leg, RecordingEnd::Stopped),
            _ => {}
        }
    }

    /// A parameter of the last request.
    pub fn asked(&self, name: &str) -> Option<&str> {
        parameter(&self.fetches.last()?.parameters, name)
    }

    pub fn caller_row(&self) -> &CallRecord {
        self.calls.values().find(|row| row.parent.is_none()).expect("the caller's row")
    }

    pub fn child_rows(&self) -> Vec<&CallRecord> {
        self.calls.values().filter(|row| row.parent.is_some()).collect()
    }
}

fn tracks(tracks: crate::leg::Tracks) -> String {
    match tracks {
        crate::leg::Tracks::Own => "alone".to_owned(),
        crate::leg::Tracks::Mixed(other) => format!("with {}", name(other)),
        crate::leg::Tracks::Dual(other) => format!("beside {}", name(other)),
    }
}

pub fn parameter<'a>(list: &'a [(String, String)], name: &str) -> Option<&'a str> {
    list.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
