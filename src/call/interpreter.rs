//! Documents being read: verbs top to bottom, actions, redirects, fallbacks and their bounds.

use std::sync::Arc;

use crate::base::id::{LegId, RequestId};
use crate::base::{Instant, SmallMap};
use crate::verb::{self, Ask, Document, Handover, Progress, Run, Sound, Step, Turn};

use super::address;
use super::core::{Call, GRACE, Timer, shown};
use super::effect::{Begun, Fetch, FetchError, Fetched, Method, Output, Status};
use super::parameters;

/// Documents of one call; a call that asks for more is a loop.
const MAX_DOCUMENTS: u32 = 1_000;
/// Documents in a row without anything heard, pressed or waited for.
const MAX_IDLE_DOCUMENTS: u32 = 100;
/// Different findings told of one call.
const MAX_TOLD: usize = 64;
/// How many verbs ahead sounds are fetched.
const VERBS_AHEAD: usize = 2;
/// What a caller hears when no document can be had.
const APPLICATION_ERROR: &[u8] = b"<Response><Say>We are sorry. An application error has \
    occurred. Goodbye.</Say><Hangup/></Response>";

/// Whose document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The caller's.
    Main,
    /// The caller's, from the fallback.
    Fallback,
    /// A called party's own, before it is joined.
    Screening(usize),
}

/// A document that was asked for.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) leg: LegId,
    pub(super) url: String,
    role: Role,
}

/// A document that runs.
#[derive(Debug)]
pub(super) struct Script {
    role: Role,
    document: Arc<Document>,
    /// Where it came from.
    base: String,
    /// The verb that runs.
    cursor: usize,
    run: Option<Box<dyn Run>>,
    /// A sound that its verb waits for, and how often it is to play.
    pub pending: Option<(Sound, u32)>,
    /// The play that its verb waits for.
    pub playing: Option<u64>,
}

impl Script {
    /// When the verb that runs wants its turn.
    pub fn deadline(&self) -> Option<Instant> {
        self.run.as_ref().and_then(|run| run.timeout())
    }
}

impl Call {
    /// Asks for a document to run on a leg.
    pub(super) fn fetch(
        &mut self,
        leg: LegId,
        url: String,
        method: Method,
        extra: Vec<(String, String)>,
        role: Role,
    ) {
        if !self.count_document(leg, &url) {
            return;
        }
        let Some(party) = self.parties.get(&leg) else { return };
        let mut parameters = parameters::of_party(self.setup.account, party);
        parameters.extend(extra);
        let request = self.next_request();
        self.timers.set(Timer::Fetch(request), self.now + GRACE);
        self.fetches.insert(request, Fetching { leg, url: url.clone(), role });
        let fetch = Fetch { call: self.setup.sid, url, method, parameters };
        self.output(Output::Fetch(request, fetch));
    }

    /// Counts one more document; a call with too many is ended.
    fn count_document(&mut self, leg: LegId, url: &str) -> bool {
        self.counts.documents += 1;
        self.counts.idle_documents += 1;
        let looping = self.counts.idle_documents > MAX_IDLE_DOCUMENTS;
        if !looping && self.counts.documents <= MAX_DOCUMENTS {
            return true;
        }
        let many = if looping { MAX_IDLE_DOCUMENTS } else { MAX_DOCUMENTS };
        let url = shown(url);
        self.note(14106, format!("{many} documents and no end: the call is ended at {url}"));
        self.hang_up(leg, Status::Failed, "the documents form a loop");
        false
    }

    /// Runs a document that came with an order.
    pub(super) fn begin_ordered(&mut self, leg: LegId, fetched: Fetched) {
        if self.count_document(leg, &fetched.base) {
            self.begin(leg, Role::Main, fetched);
        }
    }

    /// A document came, or did not.
    pub(super) fn fetched(&mut self, request: RequestId, result: Result<Fetched, FetchError>) {
        self.timers.clear(&Timer::Fetch(request));
        let Some(Fetching { leg, url, role }) = self.fetches.remove(&request) else { return };
        if self.fetches.is_empty() {
            self.fetches = SmallMap::new();
        }
        let present = self.parties.get(&leg).is_some_and(|party| party.is_present());
        match result {
            Err(error) => {
                self.note(error.code, error.message);
                if present {
                    self.no_document(leg, &url, role, error.code);
                }
            }
            Ok(fetched) if present => self.begin(leg, role, fetched),
            Ok(_) => {}
        }
    }

    /// The fallback is asked once for each failure; after it, the caller is told.
    fn no_document(&mut self, leg: LegId, url: &str, role: Role, code: u32) {
        if let Role::Screening(_) = role {
            // An unread document cannot say yes for its party.
            return self.hang_up(leg, Status::Failed, "its document could not be had");
        }
        let fallback = self.setup.voice.fallback.clone();
        if let (Role::Main, Some(fallback)) = (role, fallback) {
            let code = ("ErrorCode".to_owned(), code.to_string());
            let url = ("ErrorUrl".to_owned(), url.to_owned());
            return self.ask_handler(fallback, vec![code, url], Role::Fallback);
        }
        let (document, _) = Document::parse(APPLICATION_ERROR, None).expect("it is well-formed");
        let base = self.setup.public_url.clone();
        self.begin(leg, Role::Fallback, Fetched { document: Arc::new(document), base });
    }

    /// Runs a document on a leg.
    pub(super) fn begin(&mut self, leg: LegId, role: Role, fetched: Fetched) {
        for finding in fetched.document.diagnostics() {
            let text = format!("{}:{}", shown(&fetched.base), finding.place_and_reason());
            if self.counts.told.len() < MAX_TOLD && self.counts.told.insert(text.clone()) {
                self.note(finding.code, text);
            }
        }
        self.sounds.forget();
        // The fallback stands in for one document; the next failure may ask it again.
        let role = if role == Role::Fallback { Role::Main } else { role };
        let script = Script {
            role,
            document: fetched.document,
            base: fetched.base,
            cursor: 0,
            run: None,
            pending: None,
            playing: None,
        };
        self.scripts.insert(leg, Box::new(script));
        self.start_verb(leg);
    }

    /// Starts the verb under the cursor, or ends the document after the last.
    fn start_verb(&mut self, leg: LegId) {
        let Some(script) = self.scripts.get_mut(&leg) else { return };
        let screening = matches!(script.role, Role::Screening(_));
        let mut skipped = Vec::new();
        while let Some(placed) = script.document.verbs().get(script.cursor) {
            if !screening || placed.screening {
                script.run = Some(placed.verb.run());
                break;
            }
            skipped.push((placed.name, placed.position));
            script.cursor += 1;
        }
        let begun = script.run.is_some().then(|| Begun {
            document: Arc::clone(&script.document),
            index: script.cursor,
            base: script.base.clone(),
        });
        for (name, position) in skipped {
            let code = if name == "Dial" { 13201 } else { 12200 };
            self.note(code, format!("{position}: a called party's document may not <{name}>"));
        }
        let Some(begun) = begun else { return self.end_document(leg) };
        self.output(Output::Verb(leg, begun));
        self.fetch_ahead(leg);
        self.agenda.push_back((leg, verb::Event::Start));
    }

    /// Sounds of this verb and the next are asked for together, so that gaps stay small.
    fn fetch_ahead(&mut self, leg: LegId) {
        let Some(script) = self.scripts.get(&leg) else { return };
        let ahead = script.document.verbs().iter().skip(script.cursor).take(VERBS_AHEAD);
        let sounds: Vec<Sound> = ahead.flat_map(|placed| placed.verb.sounds()).take(8).collect();
        for sound in sounds {
            self.want_sound(leg, sound);
        }
    }

    fn end_document(&mut self, leg: LegId) {
        let Some(script) = self.scripts.remove(&leg) else { return };
        match script.role {
            Role::Screening(target) => {
                let Some(party) = self.parties.get(&leg) else { return };
                let sid = party.record.sid;
                let event = verb::Event::Target { target, sid, progress: Progress::Accepted };
                self.agenda.push_back((self.caller(), event));
            }
            Role::Main | Role::Fallback => {
                self.hang_up(leg, Status::NoAnswer, "the document ended");
            }
        }
    }

    /// Gives a verb its turn.
    pub(super) fn step(&mut self, leg: LegId, event: verb::Event) {
        let Some(script) = self.scripts.get_mut(&leg) else { return };
        let Some(run) = script.run.as_mut() else { return };
        let party = self.parties.get(&leg);
        let mut asks: Vec<Ask> = Vec::new();
        if !matches!(event, verb::Event::Start | verb::Event::Left) {
            self.counts.idle_documents = 0;
        }
        let mut turn = Turn {
            now: self.now,
            event,
            // Whoever left cannot be answered any more.
            answered: party.is_none_or(|party| !party.is_present() || party.is_talking()),
            first: script.cursor == 0,
            asks: &mut asks,
        };
        let step = run.step(&mut turn);
        let deadline = run.timeout();
        if step != Step::Wait {
            script.run = None;
        }
        for ask in asks {
            self.perform(leg, ask);
        }
        match (&step, deadline) {
            (Step::Wait, Some(at)) if self.scripts.contains_key(&leg) => {
                self.timers.set(Timer::Verb(leg), at);
            }
            _ => self.timers.clear(&Timer::Verb(leg)),
        }
        self.follow(leg, step);
    }

    fn follow(&mut self, leg: LegId, step: Step) {
        let present = self.parties.get(&leg).is_some_and(|party| party.is_present());
        match step {
            Step::Wait => {}
            Step::Document(handover) => self.hand_over(leg, handover),
            Step::Done if present => {
                if let Some(script) = self.scripts.get_mut(&leg) {
                    script.cursor += 1;
                    script.pending = None;
                    script.playing = None;
                }
                self.start_verb(leg);
            }
            Step::Hangup if present => {
                self.hang_up(leg, Status::NoAnswer, "hung up by the document");
            }
            Step::Done | Step::Hangup => {
                self.scripts.remove(&leg);
            }
        }
    }

    /// Another document takes over. For a caller who left it is only told what happened.
    fn hand_over(&mut self, leg: LegId, handover: Handover) {
        if !self.is_running() {
            return;
        }
        let Some(script) = self.scripts.get_mut(&leg) else { return };
        let role = script.role;
        let verb::Request { url, method } = handover.request;
        match address::resolve(&self.setup.public_url, &script.base, &url) {
            Some(url) => self.fetch(leg, url, method, handover.parameters, role),
            None => {
                self.note(11100, format!("{url:?} is not a document's URL"));
                if self.parties.get(&leg).is_some_and(|party| party.is_present()) {
                    self.no_document(leg, &url, role, 11100);
                }
            }
        }
    }

    /// Where a leg's document came from: the base of its relative URLs.
    pub(super) fn base_of(&self, leg: LegId) -> String {
        let script = self.scripts.get(&leg).or_else(|| self.scripts.get(&self.caller()));
        script.map_or_else(|| self.setup.public_url.clone(), |script| script.base.clone())
    }
}
