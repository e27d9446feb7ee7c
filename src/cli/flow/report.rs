//! What is told of flows that ran: lines for people, JUnit XML for machines.

use std::fmt::Write as _;

use super::run::{Outcome, seconds};
use crate::base::Duration;
use crate::markup::{Position, escape_attribute, escape_text};

/// Lines shown before and after the one that is meant.
const AROUND: u32 = 4;
/// Things that came instead; a call can go on for long.
const MOST_CAME: usize = 20;

/// A step that failed.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Failure {
    /// Where the step stands in its file.
    pub position: Position,
    /// The step as written.
    pub step: String,
    /// Why it failed.
    pub reason: String,
    /// What came since the last step that was met.
    pub came: Vec<Came>,
    /// The document that was being carried out.
    pub quote: Option<Quote>,
}

/// Something that came instead.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Came {
    /// When, from the call's begin.
    pub at: Duration,
    /// What.
    pub what: String,
    /// The document and line that caused it.
    pub place: Option<(String, u32)>,
}

/// A document and a line of it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Quote {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The line that is meant.
    pub line: u32,
}

impl Failure {
    /// As it is told to people; `file` is the flow's.
    pub(in crate::cli) fn text(&self, file: &str) -> String {
        let Failure { position, step, reason, came, quote } = self;
        let mut text = format!("{file}:{position}: error flow: {step}: {reason}\n");
        if came.is_empty() {
            text.push_str("  nothing came instead\n");
        } else {
            text.push_str("  what came instead:\n");
        }
        for Came { at, what, place } in came.iter().take(MOST_CAME) {
            let place = place.as_ref().map(|(name, line)| format!("   ({name}:{line})"));
            let _ = writeln!(text, "    {:>8}  {what}{}", seconds(*at), place.unwrap_or_default());
        }
        if let Some(more) = came.len().checked_sub(MOST_CAME).filter(|more| *more > 0) {
            let _ = writeln!(text, "    and {more} more");
        }
        if let Some(quote) = quote {
            quote.write(&mut text);
        }
        text
    }
}

impl Quote {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "  the document, {}:", self.name);
        for (number, line) in (1u32..).zip(self.text.lines()) {
            if number.abs_diff(self.line) <= AROUND {
                let mark = if number == self.line { '>' } else { ' ' };
                let _ = writeln!(text, "  {mark} {number:>3} | {line}");
            }
        }
    }
}

/// A file's flows and how they went.
#[derive(Debug)]
pub(in crate::cli) struct Suite {
    /// The file.
    pub file: String,
    /// Its flows by name.
    pub flows: Vec<(String, Outcome)>,
}

/// JUnit XML of everything that ran.
pub(in crate::cli) fn junit(suites: &[Suite]) -> String {
    let failed = |suite: &Suite| suite.flows.iter().filter(|(_, o)| o.failure.is_some()).count();
    let tests: usize = suites.iter().map(|suite| suite.flows.len()).sum();
    let failures: usize = suites.iter().map(failed).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites tests=\"{tests}\" failures=\"{failures}\">");
    for suite in suites {
        let file = escape_attribute(&suite.file);
        let (tests, failures) = (suite.flows.len(), failed(suite));
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\">"
        );
        for (name, outcome) in &suite.flows {
            let name = escape_attribute(name);
            let time = outcome.length.as_secs_f64();
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\" time=\"{time:.3}\""
            );
            match &outcome.failure {
                None => xml.push_str("/>\n"),
                Some(failure) => {
                    let message = format!("{}: {}", failure.step, failure.reason);
                    let _ = writeln!(
                        xml,
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        escape_attribute(&message),
                        escape_text(&failure.text(&suite.file))
                    );
                }
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}
