//! `Say`: a sentence, spoken.

use std::sync::Arc;

use crate::markup::{Diagnostic, Element, Node};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::turn::{Ask, Event, Sound, Speech, Step, Turn};
use super::{Definition, Noun, Run, Verb};

/// The longest text; more is cut off with a warning.
const MAX_TEXT: usize = 4096;
/// What `loop="0"`, until hang-up, is held to.
pub(super) const MAX_LOOPS: u32 = 1000;

pub(super) const ATTRIBUTES: &[Spec] = &[
    spec("voice", Kind::Text, "", 13511),
    spec("language", Kind::Text, "", 13512),
    spec("loop", Kind::Integer(0, u32::MAX), "1", 13510),
];

const SSML: &[Noun] = &[
    Noun { name: "break", attributes: &[] },
    Noun { name: "emphasis", attributes: &[] },
    Noun { name: "lang", attributes: &[] },
    Noun { name: "p", attributes: &[] },
    Noun { name: "phoneme", attributes: &[] },
    Noun { name: "prosody", attributes: &[] },
    Noun { name: "s", attributes: &[] },
    Noun { name: "say-as", attributes: &[] },
    Noun { name: "sub", attributes: &[] },
    Noun { name: "w", attributes: &[] },
];

pub(super) const DEFINITION: Definition = Definition {
    name: "Say",
    attributes: ATTRIBUTES,
    nouns: SSML,
    screening: true,
    parse: |element, findings| Arc::new(Say::parse(element, findings)),
};

/// A sentence and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The sentence.
    pub speech: Speech,
    /// How often, 1 to 1000.
    pub loops: u32,
}

impl Say {
    pub(super) fn sentence(speech: Speech) -> Say {
        Say { speech, loops: 1 }
    }

    pub(super) fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Say {
        let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
        let voice = attributes.text("voice").unwrap_or_default();
        let language = attributes.text("language").unwrap_or_default();
        let loops = loops(&mut attributes);
        let mut spoken = String::new();
        speak(element, &mut spoken, findings);
        let mut text = spoken.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            let message = "<Say> has no text and is silent";
            findings.push(Diagnostic::warning(13520, element.position, message));
        }
        if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
            text.truncate(end);
            let message = format!("the text of <Say> is cut off after {MAX_TEXT} characters");
            findings.push(Diagnostic::warning(13521, element.position, message));
        }
        Say { speech: Speech { text, voice, language }, loops }
    }
}

/// A `loop` attribute, 0 read as its limit.
pub(super) fn loops(attributes: &mut Attributes<'_>) -> u32 {
    match attributes.integer("loop") {
        0 => MAX_LOOPS,
        times => times.min(MAX_LOOPS),
    }
}

/// What of the SSML (the TwiML reference) survives as words; the rest degrades to its text.
fn speak(element: &Element, spoken: &mut String, findings: &mut Vec<Diagnostic>) {
    for node in &element.children {
        let child = match node {
            Node::Text { text, .. } => {
                spoken.push_str(text);
                continue;
            }
            Node::Element(child) => child,
        };
        match child.name.as_str() {
            "break" => pause(spoken, ','),
            "p" | "s" => {
                speak(child, spoken, findings);
                pause(spoken, '.');
            }
            "sub" if child.attribute("alias").is_some() => {
                spoken.extend(child.attribute("alias").map(|alias| alias.value.as_str()));
            }
            "say-as" => say_as(child, spoken, findings),
            name => {
                if !SSML.iter().any(|known| known.name == name) {
                    let message = format!("<{name}> is not a tag of <Say>; its text is spoken");
                    findings.push(Diagnostic::warning(12200, child.position, message));
                }
                speak(child, spoken, findings);
            }
        }
    }
}

/// A sign that voices pause at, unless the sentence has one there.
fn pause(spoken: &mut String, sign: char) {
    let end = spoken.trim_end().len();
    spoken.truncate(end);
    if spoken.ends_with(|c: char| c.is_alphanumeric()) {
        spoken.push(sign);
    }
    spoken.push(' ');
}

fn say_as(element: &Element, spoken: &mut String, findings: &mut Vec<Diagnostic>) {
    let kind = element.attribute("interpret-as").map_or("", |a| a.value.as_str());
    if !matches!(kind, "characters" | "spell-out" | "digits" | "telephone") {
        return speak(element, spoken, findings);
    }
    // Written apart, digits and letters are read one by one.
    for c in element.flat_text().chars().filter(|c| c.is_alphanumeric() || *c == '+') {
        spoken.push(' ');
        spoken.push(c);
    }
    spoken.push(' ');
}

impl Verb for Say {
    fn run(&self) -> Box<dyn Run> {
        Box::new(self.clone())
    }

    fn outline(&self) -> Vec<String> {
        let Speech { text, voice, language } = &self.speech;
        let mut line = format!("say {text:?}");
        for (name, value) in [("voice", voice), ("language", language)] {
            if !value.is_empty() {
                line.push_str(&format!(" {name} {value}"));
            }
        }
        if self.loops > 1 {
            line.push_str(&format!(" {} times", self.loops));
        }
        vec![line]
    }

    fn sounds(&self) -> Vec<Sound> {
        match self.speech.text.is_empty() {
            true => Vec::new(),
            false => vec![Sound::Speech(self.speech.clone())],
        }
    }
}

impl Run for Say {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match turn.event {
            Event::Start => {
                turn.answer();
                if self.speech.text.is_empty() {
                    return Step::Done;
                }
                turn.ask(Ask::Play(Sound::Speech(self.speech.clone()), self.loops));
                Step::Wait
            }
            Event::Played => Step::Done,
            Event::Left => Step::Hangup,
            _ => Step::Wait,
        }
    }
}
