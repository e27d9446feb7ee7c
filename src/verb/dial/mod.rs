//! `Dial`: calls others and joins the first who takes it with the caller.

mod run;

use std::sync::Arc;

use crate::base::Duration;
use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, nearest, spec};
use super::record::{MAX_DIALLED, RECORDING_EVENTS, TRIM, report};
use super::target::{Destination, Target, noun_text};
use super::tone::{RING_TONE_NAMES, Tone};
use super::turn::{Recording, Request, Track};
use super::{Definition, Noun, Run, Verb, number, sip};

/// The most nouns.
const MAX_TARGETS: usize = 10;
/// The longest caller ID.
const MAX_CALLER_ID: usize = 64;
/// Nouns of the vendor's that are not built yet.
const NOT_YET: [&str; 6] = ["Client", "Conference", "Queue", "Application", "Sim", "WhatsApp"];
const MODES: &[&str] = &[
    "do-not-record",
    "record-from-answer",
    "record-from-ringing",
    "record-from-answer-dual",
    "record-from-ringing-dual",
    "true",
    "false",
];

const ATTRIBUTES: &[Spec] = &[
    spec("action", Kind::Url, "", 11100),
    spec("method", Kind::Method, "POST", 13210),
    spec("timeout", Kind::Integer(1, 600), "30", 13212),
    spec("timeLimit", Kind::Integer(1, 86_400), "14400", 13216),
    spec("hangupOnStar", Kind::Boolean, "false", 13213),
    spec("answerOnBridge", Kind::Boolean, "false", 13219),
    spec("callerId", Kind::Text, "", 13214),
    spec("record", Kind::Word(MODES), "do-not-record", 13217),
    spec("recordingTrack", Kind::NotYet, "", 12200),
    spec("recordingStatusCallback", Kind::Url, "", 13256),
    spec("recordingStatusCallbackMethod", Kind::Method, "POST", 13256),
    spec("recordingStatusCallbackEvent", RECORDING_EVENTS, "completed", 13621),
    spec("trim", TRIM, "do-not-trim", 13239),
    spec("ringTone", Kind::Word(RING_TONE_NAMES), "us", 13220),
    spec("sequential", Kind::Boolean, "false", 13218),
    spec("referUrl", Kind::NotYet, "", 11100),
    spec("referMethod", Kind::NotYet, "", 12200),
    spec("callReason", Kind::NotYet, "", 12200),
    spec("recordingConfigurationId", Kind::NotYet, "", 12200),
    spec("events", Kind::NotYet, "", 12200),
    spec("passports", Kind::NotYet, "", 12200),
];

pub(super) const DEFINITION: Definition = Definition {
    name: "Dial",
    attributes: ATTRIBUTES,
    nouns: &[number::NOUN, sip::NOUN, Noun { name: "Client", attributes: &[] }],
    screening: false,
    parse: |element, findings| Arc::new(Dial::parse(element, findings)),
};

/// Whom to call, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Dial {
    action: Option<Request>,
    targets: Vec<Target>,
    sequential: bool,
    caller_id: Option<String>,
    /// How long each target rings.
    timeout: Duration,
    /// How long they may talk.
    limit: Duration,
    hangup_on_star: bool,
    answer_on_bridge: bool,
    ring_tone: Tone,
    record: Option<Record>,
}

/// What is recorded and from when; the track's target is set when it is known.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    from_ringing: bool,
    dual: bool,
    plan: Recording,
}

impl Dial {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Dial {
        let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
        let record = Record::parse(&mut attributes);
        let mut dial = Dial {
            action: attributes.request("action", "method").filter(|a| !a.url.is_empty()),
            targets: Vec::new(),
            sequential: attributes.boolean("sequential"),
            caller_id: caller_id(&mut attributes),
            timeout: attributes.seconds("timeout"),
            limit: attributes.seconds("timeLimit"),
            hangup_on_star: attributes.boolean("hangupOnStar"),
            answer_on_bridge: attributes.boolean("answerOnBridge"),
            ring_tone: Tone::ringback(attributes.word("ringTone")).unwrap_or(Tone::Ringback(0)),
            record,
        };
        dial.read_targets(element, findings);
        if dial.targets.is_empty() {
            let message = "<Dial> has nobody to call and fails";
            let finding = Diagnostic::warning(13215, element.position, message);
            findings.push(finding.expecting("a number, <Number> or <Sip>"));
        }
        dial
    }

    fn read_targets(&mut self, element: &Element, findings: &mut Vec<Diagnostic>) {
        let text = noun_text(element);
        if !text.is_empty() {
            self.targets.push(plain(&text, element, findings));
        }
        for child in element.elements() {
            let target = match child.name.as_str() {
                "Number" => number::parse(child, findings),
                "Sip" => sip::parse(child, findings),
                name => {
                    findings.push(unknown(child, name));
                    continue;
                }
            };
            if self.targets.len() < MAX_TARGETS {
                self.targets.push(target);
            } else {
                let message = format!("more than {MAX_TARGETS} targets; this one is left out");
                findings.push(Diagnostic::warning(13250, child.position, message));
            }
        }
        self.targets.shrink_to_fit();
    }
}

fn unknown(child: &Element, name: &str) -> Diagnostic {
    if NOT_YET.contains(&name) {
        let message = format!("<{name}> inside <Dial> is not supported here yet and is skipped");
        return Diagnostic::warning(12200, child.position, message);
    }
    let message = format!("<{name}> may not stand in <Dial>; skipped");
    let meant = nearest(name, ["Number", "Sip"].into_iter()).unwrap_or("Number or Sip");
    Diagnostic::warning(13215, child.position, message).expecting(meant)
}

/// Text in place of a noun: a number, or what is plainly a SIP URI.
fn plain(text: &str, element: &Element, findings: &mut Vec<Diagnostic>) -> Target {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("client:") {
        let message = "clients are not supported here yet; the target fails";
        findings.push(Diagnostic::warning(12200, element.position, message));
        return Target::plain(Destination::Invalid { text: text.to_owned(), code: 12200 });
    }
    if lower.starts_with("sip:") || lower.starts_with("sips:") || text.contains('@') {
        let message = "a SIP URI is the text of <Dial>; it is called as <Sip>";
        let finding = Diagnostic::warning(13223, element.position, message);
        findings.push(finding.expecting("<Sip>"));
        return Target::plain(sip::destination(text, None, element.position, findings));
    }
    Target::plain(number::destination(text, element, findings))
}

fn caller_id(attributes: &mut Attributes<'_>) -> Option<String> {
    let written = attributes.raw("callerId").unwrap_or_default();
    if written.chars().count() > MAX_CALLER_ID {
        attributes.warn(13248, "callerId", "callerId is too long", "at most 64 characters");
    }
    // Kept as written: whether it may be shown is for the call to decide, and to refuse.
    (!written.trim().is_empty()).then(|| written.to_owned())
}

impl Record {
    fn parse(attributes: &mut Attributes<'_>) -> Option<Record> {
        let mode = attributes.word("record");
        let plan = Recording {
            track: Track::Own,
            max: MAX_DIALLED,
            silence: None,
            trim: attributes.word("trim") == "trim-silence",
            source: "DialVerb",
            report: report(attributes),
        };
        let wanted = !matches!(mode, "do-not-record" | "false");
        wanted.then(|| Record {
            from_ringing: mode.starts_with("record-from-ringing"),
            dual: mode.ends_with("-dual"),
            plan,
        })
    }
}

impl Verb for Dial {
    fn is_last(&self) -> bool {
        self.action.is_some()
    }

    fn run(&self) -> Box<dyn Run> {
        Box::new(run::Dialling::new(self.clone()))
    }

    fn outline(&self) -> Vec<String> {
        let line = |target: &Target| {
            let mut line = format!("dial {}", target.text());
            if let Some(id) = &self.caller_id {
                let shown = super::normalise(id).unwrap_or_else(|| id.clone());
                line.push_str(&format!(" caller-id {shown}"));
            }
            if self.timeout.as_secs() != 30 {
                line.push_str(&format!(" timeout {}s", self.timeout.as_secs()));
            }
            if self.record.is_some() {
                line.push_str(" record");
            }
            line
        };
        self.targets.iter().map(line).collect()
    }
}
