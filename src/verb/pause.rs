//! `Pause`: time passes. It does not answer: as the first verb it lets the caller hear ringing.

use std::sync::Arc;

use crate::base::{Duration, Instant};
use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::turn::{Event, Step, Turn};
use super::{Definition, Run, Verb};

pub(super) const ATTRIBUTES: &[Spec] = &[spec("length", Kind::Integer(0, 14_400), "1", 13910)];

pub(super) const DEFINITION: Definition = Definition {
    name: "Pause",
    attributes: ATTRIBUTES,
    nouns: &[],
    screening: true,
    parse: |element, findings| Arc::new(Pause::parse(element, findings)),
};

/// How long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long.
    pub length: Duration,
}

impl Pause {
    pub(super) fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Pause {
        let length = Attributes::new(element, ATTRIBUTES, findings).seconds("length");
        super::document::refuse_children(element, 12200, findings);
        Pause { length }
    }
}

impl Verb for Pause {
    fn run(&self) -> Box<dyn Run> {
        Box::new(Pausing { length: self.length, until: None })
    }

    fn outline(&self) -> Vec<String> {
        vec![format!("pause {}s", self.length.as_secs())]
    }
}

/// A pause that runs.
#[derive(Debug)]
struct Pausing {
    length: Duration,
    until: Option<Instant>,
}

impl Run for Pausing {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match turn.event {
            Event::Start => {
                self.until = Some(turn.now + self.length);
                Step::Wait
            }
            Event::Due => Step::Done,
            Event::Left => Step::Hangup,
            _ => Step::Wait,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.until
    }
}
