//! Runs a flow: plays the parties, the web servers and the voices around one call.
//!
//! Time is a number that jumps from one event to the next; nothing waits and no socket opens. Bins
//! and functions of the project answer in this process; other URLs only as `webhook` lines say.

use std::collections::{BTreeMap, VecDeque};

use super::incoming::{self, CALLER};
use super::party::{Party, State};
use super::report::{Came, Failure, Quote};
use super::seen::{Place, Seen, Sighting};
use super::{Action, Expectation, Flow, Step, Webhook, Who};
use crate::audio::Clip;
use crate::base::id::{CallSid, LegId};
use crate::base::{Duration, Instant, Rng};
use crate::call::{Call, Input};
use crate::leg::{self, Cause, Event};
use crate::node::project::Opened;

mod answers;
mod carry;
mod time;

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
/// Verbs that do something with keys; at any other's turn a key is lost.
const HEEDS_KEYS: [&str; 3] = ["Gather", "Record", "Dial"];
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
    /// How far steps have gone past what was seen, in each stream of it.
    passed: [usize; 3],
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
            passed: [0; 3],
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
        let setup = incoming::setup(self.opened, arrival, &mut self.rng);
        self.parties = BTreeMap::from([(CALLER, Party::new())]);
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
            let passed = &mut self.passed[expectation.stream()];
            if let Some(at) = self.seen.iter().skip(*passed).position(fits) {
                *passed += at + 1;
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
                    let verb = self.party(leg).verb;
                    if !verb.is_some_and(|verb| HEEDS_KEYS.contains(&verb)) {
                        let now = verb.map_or("no verb".to_owned(), |verb| format!("<{verb}>"));
                        let text =
                            format!("key {digit} is heeded by nobody: it is the turn of {now}");
                        self.saw(Some(leg), Seen::Note(0, text));
                    }
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
        self.parties.entry(leg).or_insert_with(Party::new)
    }

    /// What a failed step tells.
    fn failure(&self, step: &Step, reason: String) -> Failure {
        let met = self.passed.into_iter().max().unwrap_or(0);
        let instead: Vec<Sighting> = self.seen.iter().skip(met).cloned().collect();
        let placed = instead.iter().find_map(|sighting| sighting.place.clone());
        let place = placed.or_else(|| self.last_place.clone());
        let quote = place.and_then(|place| {
            let (_, text) = self.texts.iter().find(|(base, _)| *base == place.base)?;
            Some(Quote { name: self.short_name(&place.base), text: text.clone(), line: place.line })
        });
        let came = instead.into_iter().map(|sighting| {
            let place = sighting.place.map(|place| (self.short_name(&place.base), place.line));
            Came { at: sighting.at - self.began, what: sighting.seen.to_string(), place }
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

fn call_id(leg: LegId) -> String {
    format!("leg-{}@flow.offhook", leg.0)
}

/// A length as reports write it.
pub(super) fn seconds(length: Duration) -> String {
    format!("{}.{} s", length.as_secs(), length.subsec_millis() / 100)
}
