//! `Reject`: refuses a call that was not answered; later in a document it hangs up.

use std::sync::Arc;

use crate::leg::Refusal;
use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::turn::{Ask, Step, Turn};
use super::{Definition, Noun, Run, Verb};

const ATTRIBUTES: &[Spec] = &[spec("reason", Kind::Word(&["rejected", "busy"]), "rejected", 13810)];

pub(super) const DEFINITION: Definition = Definition {
    name: "Reject",
    attributes: ATTRIBUTES,
    nouns: &[Noun { name: "Parameter", attributes: &[] }],
    screening: false,
    parse: |element, findings| Arc::new(Reject::parse(element, findings)),
};

/// How it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// `busy` or `rejected`.
    pub reason: &'static str,
}

impl Reject {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Reject {
        let reason = Attributes::new(element, ATTRIBUTES, findings).word("reason");
        Reject { reason }
    }
}

impl Verb for Reject {
    fn is_last(&self) -> bool {
        true
    }

    fn run(&self) -> Box<dyn Run> {
        Box::new(self.clone())
    }

    fn outline(&self) -> Vec<String> {
        vec![format!("reject {}", self.reason)]
    }
}

impl Run for Reject {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        if !turn.answered {
            let busy = self.reason == "busy";
            turn.ask(Ask::Refuse(if busy { Refusal::Busy } else { Refusal::Rejected }));
        }
        Step::Hangup
    }
}
