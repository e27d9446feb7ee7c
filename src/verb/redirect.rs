//! `Redirect`: another document takes over; what follows is never reached. It does not answer.

use std::sync::Arc;

use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::turn::{Event, Handover, Request, Step, Turn};
use super::{Definition, Run, Verb};

const ATTRIBUTES: &[Spec] = &[spec("method", Kind::Method, "POST", 13710)];

pub(super) const DEFINITION: Definition = Definition {
    name: "Redirect",
    attributes: ATTRIBUTES,
    nouns: &[],
    screening: true,
    parse: |element, findings| Arc::new(Redirect::parse(element, findings)),
};

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The document that takes over; an empty URL asks for the current one again.
    pub request: Request,
}

impl Redirect {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Redirect {
        let method = Attributes::new(element, ATTRIBUTES, findings).method("method");
        super::document::refuse_children(element, 12200, findings);
        let url = element.text();
        if url.is_empty() {
            let message = "<Redirect> has no URL: the current document is asked for again";
            findings.push(Diagnostic::warning(12200, element.position, message));
        }
        Redirect { request: Request { url, method } }
    }
}

impl Verb for Redirect {
    fn is_last(&self) -> bool {
        true
    }

    fn run(&self) -> Box<dyn Run> {
        Box::new(self.clone())
    }

    fn outline(&self) -> Vec<String> {
        vec![format!("redirect {}", self.request.url)]
    }
}

impl Run for Redirect {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match turn.event {
            Event::Left => Step::Hangup,
            _ => Step::Document(Handover::new(&self.request, [])),
        }
    }
}
