//! `Dial` being carried out: who rings, what the caller hears, who is joined, how it ended.

use crate::base::id::CallSid;
use crate::base::{Duration, Instant};

use super::super::target::Destination;
use super::super::turn::{
    Ask, Event, Handover, Outcome, Outgoing, Progress, Recorded, Reply, Sound, Step, Track, Turn,
    seconds,
};
use super::super::{Run, say};
use super::Dial;

/// A dial that runs.
#[derive(Debug)]
pub(super) struct Dialling {
    dial: Dial,
    targets: Vec<Party>,
    /// The targets' SIDs, as far as they are known.
    sids: Vec<Option<CallSid>>,
    caller_hears: Hearing,
    recording: Recording,
    /// How the last target that mattered ended: what `action` is told.
    result: Option<Result>,
    ending: bool,
    /// The caller hung up.
    left: bool,
    /// The caller, unanswered, hears what we play.
    early: bool,
}

/// How far a target is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Party {
    /// Its turn has not come.
    Waiting,
    /// It was called and has until then to answer.
    Calling { until: Instant },
    /// It answered, and gets digits or hears its document.
    Answered { since: Instant },
    /// It talks with the caller, until then at the longest.
    Joined { since: Instant, until: Instant },
    /// It is over.
    Over,
}

#[derive(Debug, PartialEq)]
enum Hearing {
    Nothing,
    Ringing,
    /// Sound of that target, before or after its answer.
    Target(usize),
}

#[derive(Debug, PartialEq)]
enum Recording {
    Off,
    On,
    Stopping,
    Done(Recorded),
}

#[derive(Debug)]
struct Result {
    outcome: Outcome,
    sid: Option<CallSid>,
    talked: Option<Duration>,
    bridged: bool,
    /// For SIP targets.
    reply: Option<Reply>,
}

impl Dialling {
    pub(super) fn new(dial: Dial) -> Self {
        Dialling {
            targets: vec![Party::Waiting; dial.targets.len()],
            sids: vec![None; dial.targets.len()],
            dial,
            caller_hears: Hearing::Nothing,
            recording: Recording::Off,
            result: None,
            ending: false,
            left: false,
            early: false,
        }
    }

    fn start(&mut self, turn: &mut Turn<'_>) -> Step {
        if !(self.dial.answer_on_bridge && turn.first) {
            turn.answer();
        }
        if self.dial.sequential {
            self.ring_next(turn);
        } else {
            (0..self.targets.len()).for_each(|target| self.ring(turn, target));
        }
        if self.targets.is_empty() {
            self.settle(Outcome::Failed, None, None);
            return self.finish(turn);
        }
        Step::Wait
    }

    fn ring(&mut self, turn: &mut Turn<'_>, target: usize) {
        let until = turn.now + self.dial.timeout;
        self.targets[target] = Party::Calling { until };
        let caller_id = self.dial.caller_id.clone();
        let call = Outgoing { target: self.dial.targets[target].clone(), caller_id };
        turn.ask(Ask::Ring { target, call: Box::new(call) });
    }

    fn ring_next(&mut self, turn: &mut Turn<'_>) -> bool {
        let next = self.targets.iter().position(|party| *party == Party::Waiting);
        next.map(|target| self.ring(turn, target)).is_some()
    }

    fn target(&mut self, turn: &mut Turn<'_>, at: usize, sid: CallSid, progress: Progress) -> Step {
        // Whoever was dropped may still report; it no longer matters.
        if self.targets.get(at).is_none_or(|party| *party == Party::Over) {
            return Step::Wait;
        }
        self.sids[at] = Some(sid);
        match progress {
            Progress::Ringing => self.ringing(turn, at),
            Progress::EarlyMedia => self.early_media(turn, at),
            Progress::Answered(reply) => {
                self.targets[at] = Party::Answered { since: turn.now };
                self.settle(Outcome::Completed, Some(sid), self.reply(at, reply));
                let digits = &self.dial.targets[at].send_digits;
                if !digits.is_empty() {
                    turn.ask(Ask::TargetDigits(at, digits.clone()));
                } else {
                    self.screen_or_join(turn, at);
                }
            }
            Progress::DigitsSent => self.screen_or_join(turn, at),
            Progress::Accepted => self.join(turn, at),
            Progress::Redirected => return self.redirected(turn, at),
            Progress::Ended { outcome, reply } => {
                return self.ended(turn, at, sid, outcome, reply);
            }
        }
        Step::Wait
    }

    fn ringing(&mut self, turn: &mut Turn<'_>, at: usize) {
        let hears = turn.answered || self.early;
        if hears && self.caller_hears == Hearing::Nothing {
            let tone = Sound::Tone(self.dial.ring_tone);
            turn.ask(Ask::Play(tone, say::MAX_LOOPS));
            self.caller_hears = Hearing::Ringing;
        }
        if turn.answered && self.only(at) {
            self.record(turn, at, true);
        }
    }

    /// Several at once would talk across each other: only a lone target's early sound is heard.
    /// A caller who was not answered yet (`answerOnBridge`) hears it as early sound, too.
    fn early_media(&mut self, turn: &mut Turn<'_>, at: usize) {
        if !self.only(at) {
            return;
        }
        if !turn.answered && !self.early {
            self.early = true;
            turn.ask(Ask::EarlyMedia);
        }
        self.hear(turn, at);
        if turn.answered {
            self.record(turn, at, true);
        }
    }

    fn screen_or_join(&mut self, turn: &mut Turn<'_>, at: usize) {
        match self.dial.targets[at].screen.clone() {
            Some(screen) => {
                // What it hears is for it alone.
                if self.caller_hears == Hearing::Target(at) {
                    turn.ask(Ask::Part);
                    self.caller_hears = Hearing::Nothing;
                    self.ringing(turn, at);
                }
                turn.ask(Ask::Screen(at, screen));
            }
            None => self.join(turn, at),
        }
    }

    /// The first to take the call has it; the others stop ringing.
    fn join(&mut self, turn: &mut Turn<'_>, at: usize) {
        let since = match self.targets[at] {
            Party::Answered { since } => since,
            _ => turn.now,
        };
        for other in (0..self.targets.len()).filter(|other| *other != at) {
            self.drop(turn, other, Outcome::Canceled);
        }
        self.targets[at] = Party::Joined { since, until: turn.now + self.dial.limit };
        turn.answer();
        self.hear(turn, at);
        self.record(turn, at, false);
    }

    fn hear(&mut self, turn: &mut Turn<'_>, at: usize) {
        if self.caller_hears == Hearing::Target(at) {
            return;
        }
        match self.caller_hears {
            Hearing::Ringing => turn.ask(Ask::Stop),
            Hearing::Target(_) => turn.ask(Ask::Part),
            Hearing::Nothing => {}
        }
        turn.ask(Ask::Join(at));
        self.caller_hears = Hearing::Target(at);
    }

    fn record(&mut self, turn: &mut Turn<'_>, at: usize, ringing: bool) {
        let Some(record) = &self.dial.record else { return };
        if self.recording != Recording::Off || (ringing && !record.from_ringing) {
            return;
        }
        let track = if record.dual { Track::Dual(at) } else { Track::Mixed(at) };
        let mut plan = record.plan.clone();
        plan.track = track;
        turn.ask(Ask::Record(Box::new(plan)));
        self.recording = Recording::On;
    }

    fn ended(
        &mut self,
        turn: &mut Turn<'_>,
        at: usize,
        sid: CallSid,
        outcome: Outcome,
        reply: Reply,
    ) -> Step {
        let party = std::mem::replace(&mut self.targets[at], Party::Over);
        if self.caller_hears == Hearing::Target(at) {
            turn.ask(Ask::Part);
            self.caller_hears = Hearing::Nothing;
        }
        match party {
            Party::Joined { since, .. } => {
                self.talked(turn.now, since, true);
                return self.finish(turn);
            }
            // It answered and did not take the call.
            Party::Answered { since } => self.talked(turn.now, since, false),
            _ => self.settle(outcome, Some(sid), self.reply(at, reply)),
        }
        self.go_on(turn)
    }

    /// The party talks on, for nobody here knows how long.
    fn redirected(&mut self, turn: &mut Turn<'_>, at: usize) -> Step {
        let party = std::mem::replace(&mut self.targets[at], Party::Over);
        if self.caller_hears == Hearing::Target(at) {
            turn.ask(Ask::Part);
            self.caller_hears = Hearing::Nothing;
        }
        self.settle(Outcome::Completed, None, None);
        match party {
            Party::Joined { .. } => {
                if let Some(result) = &mut self.result {
                    result.bridged = true;
                }
                self.finish(turn)
            }
            _ => self.go_on(turn),
        }
    }

    /// Somebody still rings, or the next one does, or that was all.
    fn go_on(&mut self, turn: &mut Turn<'_>) -> Step {
        let active = |party: &Party| !matches!(party, Party::Over | Party::Waiting);
        if self.targets.iter().any(active) || (self.dial.sequential && self.ring_next(turn)) {
            return Step::Wait;
        }
        self.finish(turn)
    }

    fn due(&mut self, turn: &mut Turn<'_>) -> Step {
        for at in 0..self.targets.len() {
            match self.targets[at] {
                Party::Calling { until } if until <= turn.now => {
                    self.drop(turn, at, Outcome::NoAnswer);
                    self.settle(Outcome::NoAnswer, self.sids[at], None);
                }
                Party::Joined { until, .. } if until <= turn.now => {
                    let note = format!("timeLimit of {} s reached", self.dial.limit.as_secs());
                    turn.ask(Ask::Note(0, note));
                    return self.give_up(turn);
                }
                _ => {}
            }
        }
        self.go_on(turn)
    }

    /// Ends everybody, by the caller's wish or the clock's.
    fn give_up(&mut self, turn: &mut Turn<'_>) -> Step {
        let mut talked = false;
        let first = self.sids.iter().flatten().next().copied();
        for at in 0..self.targets.len() {
            if let Party::Joined { since, .. } = self.targets[at] {
                self.talked(turn.now, since, true);
                talked = true;
            }
            self.drop(turn, at, Outcome::Canceled);
        }
        if !talked {
            self.settle(Outcome::Canceled, first, None);
        }
        self.finish(turn)
    }

    fn drop(&mut self, turn: &mut Turn<'_>, at: usize, outcome: Outcome) {
        let party = std::mem::replace(&mut self.targets[at], Party::Over);
        if matches!(party, Party::Over | Party::Waiting) {
            return;
        }
        if self.caller_hears == Hearing::Target(at) {
            turn.ask(Ask::Part);
            self.caller_hears = Hearing::Nothing;
        }
        turn.ask(Ask::Drop(at, outcome));
    }

    /// The end: a recording must be whole before `action` is told of it.
    fn finish(&mut self, turn: &mut Turn<'_>) -> Step {
        if !self.ending {
            self.ending = true;
            if self.caller_hears == Hearing::Ringing {
                turn.ask(Ask::Stop);
                self.caller_hears = Hearing::Nothing;
            }
        }
        match self.recording {
            Recording::On => {
                // The party's leg ends a recording by itself when it goes.
                if !self.left {
                    turn.ask(Ask::StopRecording);
                }
                self.recording = Recording::Stopping;
                Step::Wait
            }
            Recording::Stopping => Step::Wait,
            Recording::Off | Recording::Done(_) => self.conclude(),
        }
    }

    fn conclude(&self) -> Step {
        match &self.dial.action {
            Some(action) => {
                let mut handover = Handover::new(action, []);
                handover.parameters = self.parameters();
                Step::Document(handover)
            }
            None if self.left => Step::Hangup,
            None => Step::Done,
        }
    }

    fn parameters(&self) -> Vec<(String, String)> {
        let mut parameters = Vec::new();
        let mut add = |name: &str, value: String| parameters.push((name.to_owned(), value));
        let Some(result) = &self.result else { return parameters };
        add("DialCallStatus", result.outcome.as_str().to_owned());
        if let Some(sid) = result.sid {
            add("DialCallSid", sid.to_string());
        }
        if let Some(talked) = result.talked {
            add("DialCallDuration", seconds(talked).to_string());
        }
        add("DialBridged", result.bridged.to_string());
        if let Recording::Done(recorded) = &self.recording {
            add("RecordingUrl", recorded.url.clone());
            add("RecordingSid", recorded.sid.to_string());
            add("RecordingDuration", seconds(recorded.length).to_string());
        }
        if let Some(reply) = &result.reply {
            if let Some(call_id) = &reply.sip_call_id {
                add("DialSipCallId", call_id.clone());
            }
            if let Some(status) = reply.sip_status {
                add("DialSipResponseCode", status.to_string());
            }
            for (name, value) in &reply.headers {
                add(&format!("DialSipHeader_{name}"), value.clone());
            }
        }
        parameters
    }

    /// Keeps what was known of the same leg: its reply came with its answer.
    fn settle(&mut self, outcome: Outcome, sid: Option<CallSid>, reply: Option<Reply>) {
        let before = self.result.take();
        let (old_sid, old_reply) = before.map_or((None, None), |b| (b.sid, b.reply));
        self.result = Some(Result {
            outcome,
            sid: sid.or(old_sid),
            talked: None,
            bridged: false,
            reply: reply.or(old_reply.filter(|_| sid.is_none())),
        });
    }

    fn talked(&mut self, now: Instant, since: Instant, bridged: bool) {
        if let Some(result) = &mut self.result {
            result.outcome = Outcome::Completed;
            result.talked = Some(now - since);
            result.bridged = bridged;
        }
    }

    fn reply(&self, at: usize, reply: Reply) -> Option<Reply> {
        let sip = matches!(self.dial.targets[at].destination, Destination::Sip { .. });
        sip.then_some(reply)
    }

    /// Whether that target is the only one that rings or talks.
    fn only(&self, at: usize) -> bool {
        let idle = |party: &Party| matches!(party, Party::Over | Party::Waiting);
        self.targets.iter().enumerate().all(|(other, party)| other == at || idle(party))
    }
}

impl Run for Dialling {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match turn.event.clone() {
            Event::Start => self.start(turn),
            Event::Recorded(recorded) => {
                self.recording = Recording::Done(recorded);
                if self.ending { self.finish(turn) } else { Step::Wait }
            }
            Event::Left => {
                self.left = true;
                if self.ending { self.finish(turn) } else { self.give_up(turn) }
            }
            _ if self.ending => Step::Wait,
            Event::Target { target, sid, progress } => self.target(turn, target, sid, progress),
            Event::Digit('*') if self.dial.hangup_on_star => self.give_up(turn),
            Event::Due => self.due(turn),
            Event::Digit(_) | Event::Played | Event::Referred { .. } => Step::Wait,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        if self.ending {
            return None;
        }
        let deadlines = self.targets.iter().filter_map(|party| match party {
            Party::Calling { until } | Party::Joined { until, .. } => Some(*until),
            _ => None,
        });
        deadlines.min()
    }
}
