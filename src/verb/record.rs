//! `Record`: a message from the caller, after a beep.

use std::sync::Arc;

use crate::base::{Duration, Instant};
use crate::markup::{Diagnostic, Element};
use crate::media::RecordingEnd;

use super::attribute::{Attributes, Kind, Spec, spec};
use super::tone::Tone;
use super::turn::{
    Ask, Event, Handover, Recorded, Recording, Report, Request, Sound, Step, Track, Turn, seconds,
};
use super::{Definition, Run, Verb};

/// The events that `recordingStatusCallbackEvent` takes.
pub(super) const RECORDING_EVENTS: Kind = Kind::Words(&["in-progress", "completed", "absent"]);
/// What `trim` takes.
pub(super) const TRIM: Kind = Kind::Word(&["trim-silence", "do-not-trim"]);

const ATTRIBUTES: &[Spec] = &[
    spec("action", Kind::Url, "", 11100),
    spec("method", Kind::Method, "POST", 13610),
    spec("timeout", Kind::Integer(0, 86_400), "5", 13611),
    spec("finishOnKey", Kind::Characters("0123456789*#"), "1234567890*#", 13613),
    spec("maxLength", Kind::Integer(2, 86_400), "3600", 13612),
    spec("playBeep", Kind::Boolean, "true", 13616),
    spec("trim", TRIM, "trim-silence", 13699),
    spec("recordingStatusCallback", Kind::Url, "", 13256),
    spec("recordingStatusCallbackMethod", Kind::Method, "POST", 13256),
    spec("recordingStatusCallbackEvent", RECORDING_EVENTS, "completed", 13621),
    spec("transcribe", Kind::NotYet, "", 13614),
    spec("transcribeCallback", Kind::NotYet, "", 13257),
    spec("recordingConfigurationId", Kind::NotYet, "", 12200),
];

pub(super) const DEFINITION: Definition = Definition {
    name: "Record",
    attributes: ATTRIBUTES,
    nouns: &[],
    screening: false,
    parse: |element, findings| Arc::new(Record::parse(element, findings)),
};

/// What ends it and what comes then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    action: Request,
    finish: String,
    beep: bool,
    plan: Recording,
}

impl Record {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Record {
        let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
        let action = attributes.request("action", "method");
        let action = action
            .unwrap_or_else(|| Request { url: String::new(), method: attributes.method("method") });
        let silence = attributes.seconds("timeout");
        let plan = Recording {
            track: Track::Own,
            max: attributes.seconds("maxLength"),
            silence: (!silence.is_zero()).then_some(silence),
            trim: attributes.word("trim") == "trim-silence",
            source: "RecordVerb",
            report: report(&mut attributes),
        };
        let finish = attributes.characters("finishOnKey");
        let beep = attributes.boolean("playBeep");
        super::document::refuse_children(element, 12200, findings);
        Record { action, finish, beep, plan }
    }
}

/// The recordingStatusCallback attributes, which `Dial` shares.
pub(super) fn report(attributes: &mut Attributes<'_>) -> Option<Report> {
    attributes.report(
        "recordingStatusCallback",
        "recordingStatusCallbackMethod",
        "recordingStatusCallbackEvent",
    )
}

impl Verb for Record {
    fn advice(&self) -> Option<&'static str> {
        let advice = "has no action: the result goes to this document's own URL, which loops \
                      unless that tells requests apart";
        self.action.url.is_empty().then_some(advice)
    }

    fn run(&self) -> Box<dyn Run> {
        Box::new(Recorder { record: self.clone(), state: State::Beeping })
    }

    fn outline(&self) -> Vec<String> {
        let mut line = format!("record max {}s", self.plan.max.as_secs());
        if let Some(silence) = self.plan.silence {
            line.push_str(&format!(" silence {}s", silence.as_secs()));
        }
        if !self.action.url.is_empty() {
            line.push_str(&format!(" action {}", self.action.url));
        }
        vec![line]
    }
}

/// A record that runs.
#[derive(Debug)]
struct Recorder {
    record: Record,
    state: State,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    /// The beep sounds.
    Beeping,
    /// The caller speaks.
    Recording,
    /// The end was asked for by a key, or the caller left.
    Ending { digits: String },
    /// It ended unasked, as it does when a caller hangs up: that news is on its way.
    Leaving { recorded: Recorded, until: Instant },
}

/// `Digits` when the caller left in mid-sentence.
const HANGUP: &str = "hangup";
/// How long the news of a hang-up may take.
const LEAVING: Duration = Duration::from_secs(2);

impl Recorder {
    fn begin(&mut self, turn: &mut Turn<'_>) -> Step {
        self.state = State::Recording;
        turn.ask(Ask::Record(Box::new(self.record.plan.clone())));
        Step::Wait
    }

    fn recorded(&mut self, turn: &mut Turn<'_>, recorded: &Recorded) -> Step {
        let digits = match &self.state {
            State::Ending { digits } => digits.clone(),
            State::Leaving { .. } => HANGUP.to_owned(),
            _ => String::new(),
        };
        if recorded.end == RecordingEnd::Failed {
            turn.ask(Ask::Note(12400, "the recording could not be kept".to_owned()));
        } else if recorded.heard {
            return Step::Document(Handover::new(
                &self.record.action,
                [
                    ("RecordingUrl", recorded.url.clone()),
                    ("RecordingDuration", seconds(recorded.length).to_string()),
                    ("RecordingSid", recorded.sid.to_string()),
                    ("Digits", digits),
                ],
            ));
        } else {
            turn.ask(Ask::Note(16102, "nothing was heard: the next verb follows".to_owned()));
        }
        if digits == HANGUP { Step::Hangup } else { Step::Done }
    }
}

impl Run for Recorder {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match (turn.event.clone(), &self.state) {
            (Event::Start, _) => {
                turn.answer();
                if !self.record.beep {
                    return self.begin(turn);
                }
                turn.ask(Ask::Play(Sound::Tone(Tone::Beep), 1));
                Step::Wait
            }
            (Event::Played, State::Beeping) => self.begin(turn),
            (Event::Digit(digit), State::Recording) if self.record.finish.contains(digit) => {
                self.state = State::Ending { digits: digit.to_string() };
                turn.ask(Ask::StopRecording);
                Step::Wait
            }
            (Event::Recorded(recorded), State::Recording)
                if recorded.end == RecordingEnd::Stopped =>
            {
                self.state = State::Leaving { recorded, until: turn.now + LEAVING };
                Step::Wait
            }
            (Event::Recorded(recorded), _) => self.recorded(turn, &recorded),
            (Event::Left | Event::Due, State::Leaving { recorded, .. }) => {
                let recorded = recorded.clone();
                self.recorded(turn, &recorded)
            }
            (Event::Left, State::Beeping) => Step::Hangup,
            (Event::Left, State::Recording) => {
                self.state = State::Ending { digits: HANGUP.to_owned() };
                Step::Wait
            }
            _ => Step::Wait,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        match self.state {
            State::Leaving { until, .. } => Some(until),
            _ => None,
        }
    }
}

/// The longest recording that `Dial` may make: its longest call.
pub(super) const MAX_DIALLED: Duration = Duration::from_secs(14_400);
