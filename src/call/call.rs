//! The call: what it holds, what comes in, what goes out.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::id::{AccountSid, CallSid, LegId, RecordingSid, RequestId};
use crate::base::{Deadlines, Duration, Epoch, Instant, Machine, Outbox, Rng, Seed, SmallMap};
use crate::directory::{Handler, HoldMusic, Voice};
use crate::leg::{self, Incoming, Refusal};
use crate::verb::{self, Document};

use super::address::resolve_callback;
use super::effect::{
    CallRecord, Direction, FetchError, Fetched, Input, Method, Note, Output, Persist, Status,
};
use super::hold::Holds;
use super::interpreter::{Fetching, Role, Script};
use super::party::{Owner, Party, Presence, Watcher, sip_parameters};
use super::placed::Plan;
use super::recordings::Recording;
use super::sounds::Sounds;
use super::transfer::Transfer;

/// How many leg numbers a call may use after [`Setup::next_leg`]: far more than its bound on
/// documents lets it dial in any useful way; past it, targets fail.
pub const LEGS_PER_CALL: u64 = 1 << 20;
/// The longest call, as at the vendor.
const MAX_CALL: Duration = Duration::from_secs(4 * 3600);
/// A leg that was hung up is given up after timer F (32 s) and a little (RFC 3261 section 17).
const LEG_GRACE: Duration = Duration::from_secs(36);
/// Documents and sounds come within 15 s; a call must not hang if one never does.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// What a new call is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its SID.
    pub sid: CallSid,
    /// The caller's leg.
    pub leg: LegId,
    /// Who calls whom.
    pub incoming: Incoming,
    /// For a call that we made, who was shown as its caller: it may show that again.
    pub shown: Option<String>,
    /// The account.
    pub account: AccountSid,
    /// The handler, its fallback and its status callback.
    pub voice: Voice,
    /// `http://host:port`, without a slash at the end.
    pub public_url: String,
    /// What caller IDs it may show.
    pub policy: Policy,
    /// Wall time.
    pub epoch: Epoch,
    /// The first of [`LEGS_PER_CALL`] numbers for the legs that it dials.
    pub next_leg: u64,
}

/// What caller IDs a call may show.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Our numbers, E.164.
    pub owned: Arc<BTreeSet<String>>,
    /// Whether any will do.
    pub any_caller_id: bool,
    /// Our SIP domains, lower case: whose users may transfer, each to users of its own.
    pub domains: Arc<BTreeSet<String>>,
    /// Those of them whose users may transfer to telephone numbers, too.
    pub transfer_out: Arc<BTreeSet<String>>,
    /// What is heard by whom a party holds.
    pub hold_music: Arc<HoldMusic>,
}

/// One call from its first ring to its last report.
#[derive(Debug)]
pub struct Call {
    pub(super) setup: Setup,
    pub(super) now: Instant,
    pub(super) seed: Seed,
    /// The caller and everybody dialled; those that are over leave it.
    pub(super) parties: SmallMap<LegId, Box<Party>>,
    /// Documents that run, by the leg that hears them.
    pub(super) scripts: SmallMap<LegId, Box<Script>>,
    /// The targets of the dial that runs.
    pub(super) targets: SmallMap<usize, LegId>,
    /// Why the latest dial reached nobody: what a caller is told who was never answered.
    pub(super) unreached: Option<Refusal>,
    pub(super) fetches: SmallMap<RequestId, Fetching>,
    pub(super) sounds: Sounds,
    pub(super) recordings: SmallMap<RecordingSid, Box<Recording>>,
    pub(super) timers: Deadlines<Timer>,
    /// What verbs are yet to be told.
    pub(super) agenda: Outbox<(LegId, verb::Event)>,
    pub(super) counts: Counts,
    pub(super) changes: Persist,
    pub(super) transfer: Option<Transfer>,
    pub(super) holds: Holds,
    /// What is to happen once the party that we call has answered.
    pub(super) plan: Option<Box<Plan>>,
    outputs: Outbox<Output>,
    stage: Stage,
}

/// Whether anything may still begin.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// The server goes down, or the call was too long: nothing new is asked for.
    Closing,
    Done,
}

/// Numbers that only grow.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub legs: u64,
    pub requests: u64,
    pub plays: u64,
    /// Documents asked for.
    pub documents: u32,
    /// Documents asked for since the last thing that took time.
    pub idle_documents: u32,
    /// Findings that were told, each once; bounded where it grows.
    pub told: BTreeSet<String>,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The longest call.
    Limit,
    /// The verb that runs on that leg.
    Verb(LegId),
    /// A leg that was hung up never said that it ended.
    Leg(LegId),
    /// A document that never came.
    Fetch(RequestId),
    /// A sound that never came.
    Sound(RequestId),
    /// Whoever is to take a referrer's place never answered.
    Transfer,
    /// Whom we call never answered.
    Answer,
}

impl Call {
    /// A call that somebody makes to us. It rings at once and asks for its document.
    pub fn incoming(setup: Setup, rng: Rng, now: Instant) -> Call {
        let party = caller(&setup, now);
        let leg = setup.leg;
        let mut call = Call::new(setup, party, rng, now);
        call.leg(leg, leg::Command::Ring);
        call.status_event(leg, "initiated");
        call.status_event(leg, "ringing");
        call.first_document();
        call.settle();
        call
    }

    /// One of whom nothing is known but its first party.
    pub(super) fn new(setup: Setup, party: Party, mut rng: Rng, now: Instant) -> Call {
        let leg = setup.leg;
        let mut call = Call {
            setup,
            now,
            seed: rng.put_by(),
            parties: SmallMap::from_iter([(leg, Box::new(party))]),
            scripts: SmallMap::new(),
            targets: SmallMap::new(),
            unreached: None,
            fetches: SmallMap::new(),
            sounds: Sounds::default(),
            recordings: SmallMap::new(),
            timers: Deadlines::new(),
            agenda: Outbox::new(),
            counts: Counts::default(),
            changes: Persist::default(),
            transfer: None,
            holds: Holds::default(),
            plan: None,
            outputs: Outbox::new(),
            stage: Stage::Running,
        };
        call.timers.set(Timer::Limit, now + MAX_CALL);
        call
    }

    /// Its longest duration counts from there.
    pub(super) fn last_from(&mut self, since: Instant) {
        self.timers.set(Timer::Limit, since + MAX_CALL);
    }

    /// Its SID.
    pub fn sid(&self) -> CallSid {
        self.setup.sid
    }

    fn first_document(&mut self) {
        let leg = self.setup.leg;
        match self.setup.voice.handler.clone() {
            Some(handler) => self.ask_handler(handler, Vec::new(), Role::Main),
            None => {
                self.note(0, "no handler is configured here: the call is refused with 404");
                self.refuse(leg, Refusal::Rejected, "no handler is configured");
            }
        }
    }

    /// Runs a handler's document on the caller.
    pub(super) fn ask_handler(
        &mut self,
        handler: Handler,
        extra: Vec<(String, String)>,
        role: Role,
    ) {
        let leg = self.setup.leg;
        match handler {
            Handler::Sip(uri) => {
                let document = Arc::new(Document::ring(&uri));
                let base = self.setup.public_url.clone();
                self.begin(leg, Role::Main, Fetched { document, base });
            }
            Handler::Document { url, get } => {
                let method = if get { Method::Get } else { Method::Post };
                self.fetch(leg, url, method, extra, role);
            }
        }
    }

    /// The caller's leg.
    pub(super) fn caller(&self) -> LegId {
        self.setup.leg
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn leg(&mut self, leg: LegId, command: leg::Command) {
        self.outputs.push_back(Output::Leg(leg, command));
    }

    pub(super) fn note(&mut self, code: u32, text: impl Into<String>) {
        let note = Note { call: self.setup.sid, code, text: text.into() };
        self.outputs.push_back(Output::Note(note));
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.counts.requests += 1;
        RequestId(self.counts.requests)
    }

    pub(super) fn next_play(&mut self) -> u64 {
        self.counts.plays += 1;
        self.counts.plays
    }

    /// Whether new documents and legs may be asked for.
    pub(super) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Refuses a party that was not answered.
    pub(super) fn refuse(&mut self, leg: LegId, refusal: Refusal, reason: &str) {
        let status = match refusal {
            Refusal::Busy => Status::Busy,
            Refusal::Rejected | Refusal::Unavailable | Refusal::Declined => Status::NoAnswer,
            Refusal::Failed => Status::Failed,
        };
        self.leave(leg, status, reason, leg::Command::Refuse(refusal));
    }

    /// Ends a party in whatever state it is; harmless when it is over.
    pub(super) fn hang_up(&mut self, leg: LegId, unanswered: Status, reason: &str) {
        self.place_given_up(leg);
        let Some(party) = self.parties.get(&leg) else { return };
        let incoming = party.record.direction == Direction::Inbound;
        if incoming && party.presence == Presence::Ringing {
            let (status, refusal) = match unanswered {
                Status::Failed => (unanswered, Refusal::Failed),
                _ => (Status::NoAnswer, self.unreached.unwrap_or(Refusal::Declined)),
            };
            self.leave(leg, status, reason, leg::Command::Refuse(refusal));
        } else {
            self.leave(leg, unanswered, reason, leg::Command::Hangup);
        }
    }

    fn leave(&mut self, leg: LegId, status: Status, reason: &str, command: leg::Command) {
        let now = self.now;
        self.scripts.remove(&leg);
        self.timers.clear(&Timer::Verb(leg));
        let Some(party) = self.parties.get_mut(&leg).filter(|party| party.is_present()) else {
            return;
        };
        party.presence = Presence::Leaving { since: now, status };
        party.record.reason = reason.to_owned();
        self.leg(leg, command);
        self.timers.set(Timer::Leg(leg), now + LEG_GRACE);
    }

    /// Ends everything that is left, without asking for anything more.
    pub(super) fn close(&mut self, reason: &str) {
        if self.stage != Stage::Running {
            return;
        }
        self.stage = Stage::Closing;
        self.agenda.clear();
        self.fetches.clear();
        let legs: Vec<LegId> = self.parties.keys().copied().collect();
        for leg in legs {
            self.hang_up(leg, Status::Canceled, reason);
        }
    }

    /// Carries out what the input led to, writes what changed, and ends when all is over.
    pub(super) fn settle(&mut self) {
        while let Some((leg, event)) = self.agenda.pop_front() {
            self.step(leg, event);
        }
        let caller = self.caller();
        if !self.parties.contains_key(&caller) {
            self.scripts.clear();
            let left: Vec<LegId> = self.parties.keys().copied().collect();
            for leg in left {
                self.hang_up(leg, Status::Canceled, "the caller left");
            }
        }
        if self.changes != Persist::default() {
            let changes = std::mem::take(&mut self.changes);
            self.output(Output::Persist(changes));
        }
        let over = self.parties.is_empty() && self.fetches.is_empty();
        if over && self.stage != Stage::Done {
            self.stage = Stage::Done;
            self.timers = Deadlines::new();
            self.output(Output::Done);
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Limit => {
                self.note(32015, "the call has lasted as long as it may and is ended");
                self.close("the longest duration was reached");
            }
            Timer::Verb(leg) => self.agenda.push_back((leg, verb::Event::Due)),
            Timer::Leg(leg) => {
                let event = leg::Event::Ended {
                    cause: leg::Cause::Lost,
                    sip_status: None,
                    sip_call_id: None,
                    headers: Vec::new(),
                };
                self.leg_event(leg, event);
            }
            Timer::Fetch(request) => {
                let url = self.fetches.get(&request).map_or(String::new(), |f| shown(&f.url));
                let message = format!("{url}: no answer came in 30 s");
                self.fetched(request, Err(FetchError { code: 11203, message }));
            }
            Timer::Sound(request) => {
                let message = "no sound came in 30 s".to_owned();
                self.sound(request, Err(FetchError { code: 11203, message }));
            }
            Timer::Transfer => self.transfer_unanswered(),
            Timer::Answer => self.placed_unanswered(),
        }
    }
}

/// The caller's side of a new call.
fn caller(setup: &Setup, now: Instant) -> Party {
    let Setup { incoming, voice, .. } = setup;
    let mut extra = Vec::new();
    if let Some(diverted) = &incoming.forwarded_from {
        extra.push(("ForwardedFrom".to_owned(), diverted.clone()));
    }
    if let Some(name) = &incoming.caller_name {
        extra.push(("CallerName".to_owned(), name.clone()));
    }
    if let Some(stir) = &incoming.stir {
        extra.push(("StirVerstat".to_owned(), stir.verstat.clone()));
        let token = stir.token.iter().map(|token| ("StirPassportToken".to_owned(), token.clone()));
        extra.extend(token);
    }
    extra.extend(incoming.sip.iter().flat_map(sip_parameters));
    let events = match voice.status_callback_events.is_empty() {
        true => vec!["completed".to_owned()],
        false => voice.status_callback_events.clone(),
    };
    let root = &setup.public_url;
    let absolute = |url: &String| resolve_callback(root, root, url).unwrap_or_else(|| url.clone());
    let watcher = voice.status_callback.as_ref().map(|url| Watcher {
        url: absolute(url),
        method: Method::Post,
        events,
        sent: 0,
    });
    Party {
        record: CallRecord {
            sip_call_id: incoming.sip.as_ref().map(|sip| sip.call_id.clone()),
            ..CallRecord::begun(
                setup.sid,
                None,
                (incoming.from.clone(), incoming.to.clone()),
                (Direction::Inbound, Status::Ringing),
                setup.epoch.wall(now),
            )
        },
        owner: incoming.sip.as_ref().map(Owner::of_caller).unwrap_or_default(),
        presence: Presence::Ringing,
        early: false,
        answered: None,
        target: None,
        sending: None,
        watcher,
        recorded: None,
        extra,
    }
}

/// A URL for the log: without password and parameters.
pub(super) fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or("");
    let Some((scheme, rest)) = bare.split_once("://") else { return bare.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

impl Machine for Call {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        self.now = now;
        if self.stage == Stage::Done {
            return;
        }
        match input {
            Input::Leg(leg, event) => self.leg_event(leg, event),
            Input::Fetched(request, result) => self.fetched(request, result),
            Input::Sound(request, result) => self.sound(request, result),
            Input::Adopted(referrer, guest) => self.adopt(referrer, guest),
            Input::Elsewhere(referrer, replaces) => self.call_in(referrer, &replaces),
            Input::Shutdown => self.close("the server is going down"),
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.pop(now) {
            self.due(timer);
            self.settle();
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}
