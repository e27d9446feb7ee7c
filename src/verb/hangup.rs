//! `Hangup`: ends the call; before an answer, without one.

use std::sync::Arc;

use crate::markup::{Diagnostic, Element};

use super::attribute::Attributes;
use super::turn::{Step, Turn};
use super::{Definition, Noun, Run, Verb};

pub(super) const DEFINITION: Definition = Definition {
    name: "Hangup",
    attributes: &[],
    nouns: &[Noun { name: "Parameter", attributes: &[] }],
    screening: true,
    parse: |element, findings| Arc::new(Hangup::parse(element, findings)),
};

/// Nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hangup;

impl Hangup {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Hangup {
        Attributes::new(element, &[], findings);
        Hangup
    }
}

impl Verb for Hangup {
    fn is_last(&self) -> bool {
        true
    }

    fn run(&self) -> Box<dyn Run> {
        Box::new(Hangup)
    }

    fn outline(&self) -> Vec<String> {
        vec!["hangup".to_owned()]
    }
}

impl Run for Hangup {
    fn step(&mut self, _: &mut Turn<'_>) -> Step {
        Step::Hangup
    }
}
