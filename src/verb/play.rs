//! `Play`: a sound file, or digits.

use std::sync::Arc;

use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::say::loops;
use super::turn::{Ask, Event, Sound, Step, Turn};
use super::{Definition, Run, Verb};

/// What `digits` and `sendDigits` take; `w` is half a second, `W` a whole one.
pub const DIGITS: &str = "0123456789ABCD#*wW";

pub(super) const ATTRIBUTES: &[Spec] = &[
    spec("loop", Kind::Integer(0, u32::MAX), "1", 13410),
    spec("digits", Kind::Characters(DIGITS), "", 13430),
];

pub(super) const DEFINITION: Definition = Definition {
    name: "Play",
    attributes: ATTRIBUTES,
    nouns: &[],
    screening: true,
    parse: |element, findings| Arc::new(Play::parse(element, findings)),
};

/// A file or digits, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// The file's URL as written; empty for none.
    pub url: String,
    /// Digits to send in its place.
    pub digits: String,
    /// How often, 1 to 1000.
    pub loops: u32,
}

impl Play {
    pub(super) fn file(url: &str) -> Play {
        Play { url: url.to_owned(), digits: String::new(), loops: 1 }
    }

    pub(super) fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Play {
        let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
        let loops = loops(&mut attributes);
        let digits = attributes.characters("digits");
        super::document::refuse_children(element, 12200, findings);
        let url = element.text();
        if url.is_empty() && element.attribute("digits").is_none() {
            let message = "<Play> has neither a URL nor digits";
            let finding = Diagnostic::warning(12200, element.position, message);
            findings.push(finding.expecting("the URL of a sound file"));
        }
        Play { url, digits, loops }
    }

    fn start(&self, turn: &mut Turn<'_>) -> Step {
        if !self.digits.is_empty() {
            turn.ask(Ask::SendDigits(self.digits.clone()));
        } else if !self.url.is_empty() {
            turn.ask(Ask::Play(Sound::File(self.url.clone()), self.loops));
        } else {
            return Step::Done;
        }
        Step::Wait
    }
}

impl Verb for Play {
    fn run(&self) -> Box<dyn Run> {
        Box::new(self.clone())
    }

    fn outline(&self) -> Vec<String> {
        let what = match self.digits.is_empty() {
            true => self.url.clone(),
            false => format!("digits {}", self.digits),
        };
        match self.loops {
            1 => vec![format!("play {what}")],
            times => vec![format!("play {what} {times} times")],
        }
    }

    fn sounds(&self) -> Vec<Sound> {
        match self.url.is_empty() || !self.digits.is_empty() {
            true => Vec::new(),
            false => vec![Sound::File(self.url.clone())],
        }
    }
}

impl Run for Play {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match turn.event {
            Event::Start => {
                turn.answer();
                self.start(turn)
            }
            // A leg loops sounds itself, digits it does not.
            Event::Played if !self.digits.is_empty() && self.loops > 1 => {
                self.loops -= 1;
                self.start(turn)
            }
            Event::Played => Step::Done,
            Event::Left => Step::Hangup,
            _ => Step::Wait,
        }
    }
}
