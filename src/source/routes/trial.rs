//! The tests that stand beside a table's rules.

use std::path::Path;

use super::hours::Hours;
use super::rules::{Action, Expected, Trial, What};
use super::{Explanation, Parameters, Table};
use crate::base::WallTime;
use crate::config::{Problem, Severity};

/// How one test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its name, or what it dials.
    pub name: String,
    /// Where what it expects stands, from 1.
    pub line: u32,
    /// The column of that, from 1.
    pub column: u32,
    /// What came in the place of what was expected, and by which rule.
    pub failure: Option<String>,
}

impl Table {
    /// Runs the tests, in the order of the file.
    pub fn run_tests(&self) -> Vec<Verdict> {
        self.trials.iter().map(|trial| self.run(trial)).collect()
    }

    /// What went wrong, as findings of the file.
    pub(super) fn failures(&self, file: &Path) -> Vec<Problem> {
        let problem = |verdict: Verdict| {
            let Verdict { name, line, column, failure } = verdict;
            let message = format!("test \"{name}\" fails: {}", failure?);
            let (line, column) = (line as usize, column as usize);
            Some(Problem {
                file: file.to_owned(),
                line,
                column,
                severity: Severity::Error,
                message,
            })
        };
        self.run_tests().into_iter().filter_map(problem).collect()
    }

    fn run(&self, trial: &Trial) -> Verdict {
        let parameters = Parameters { body: &trial.parameters, query: &[] };
        let now = trial.at.unwrap_or_default();
        let explanation = self.decide(&parameters, now);
        let name = trial.name.clone();
        if explanation.asks_time && trial.at.is_none() {
            let failure = "what it expects depends on the time; say `at = \"2026-11-21 10:00\"`";
            let (line, column) = (trial.place.line, trial.place.column);
            return Verdict { name, line, column, failure: Some(failure.to_owned()) };
        }
        for expected in &trial.expected {
            if let Some(failure) = expected.failure(&explanation) {
                let (line, column) = (expected.line, expected.column);
                let failure = Some(format!("{failure}{}", self.blame(&explanation, now)));
                return Verdict { name, line, column, failure };
            }
        }
        Verdict { name, line: trial.place.line, column: trial.place.column, failure: None }
    }

    /// The rule that decided, and the clock where that mattered.
    fn blame(&self, explanation: &Explanation<'_>, now: WallTime) -> String {
        let clock = |hours: &Hours| format!(" at {}", hours.clock(now));
        let hours = self.hours.iter().find_map(|gate| gate.hours.as_ref());
        let clock = hours.filter(|_| explanation.asks_time).map(clock).unwrap_or_default();
        match explanation.decided_by() {
            None => format!("; no rule changed it{clock}"),
            Some(step) => format!("; line {} decided{clock}, {step}", step.line),
        }
    }
}

impl Expected {
    fn failure(&self, explanation: &Explanation<'_>) -> Option<String> {
        let decision = &explanation.decision;
        let says = decision.says.as_deref();
        let (verb, came) = match (self.what, &decision.action) {
            (What::Dials, Action::Dial { target, .. }) => ("dials", Some(target.as_str())),
            (What::Dials, _) => ("dials", None),
            (What::CallerId, Action::Dial { caller_id, .. }) => {
                ("calls as", Some(caller_id.as_deref().unwrap_or("")))
            }
            (What::CallerId, _) => ("calls as", None),
            (What::Rejects, Action::Reject(reason)) => ("rejects as", Some(*reason)),
            (What::Rejects, _) => ("rejects as", None),
            (What::Redirects, Action::Redirect(url)) => ("redirects to", Some(url.as_str())),
            (What::Redirects, _) => ("redirects to", None),
            (What::Says, _) => ("says", says),
            (What::Rule, _) => ("is decided by", explanation.decided_by().map(|step| step.why)),
            (What::Xml, _) => ("answers", Some(explanation.xml.as_str())),
        };
        let good = match (self.what, came) {
            (What::Says, Some(came)) => came.contains(&self.value),
            (_, came) => came == Some(self.value.trim()),
        };
        if good {
            return None;
        }
        let wanted = match self.what {
            What::CallerId if self.value.is_empty() => "nobody".to_owned(),
            _ => format!("\"{}\"", self.value.trim()),
        };
        Some(match came {
            Some("") if self.what == What::CallerId => {
                format!("expected that it {verb} {wanted}, but it sets no caller ID")
            }
            Some(came) => format!("expected that it {verb} {wanted}, but it {verb} \"{came}\""),
            None => format!("expected that it {verb} {wanted}, but it {}", outline(explanation)),
        })
    }
}

/// What a call does, in a few words.
fn outline(explanation: &Explanation<'_>) -> String {
    let does = match &explanation.decision.action {
        Action::Hangup => "hangs up".to_owned(),
        Action::Reject(reason) => format!("rejects as {reason}"),
        Action::Redirect(url) => format!("redirects to {url}"),
        Action::Dial { target, .. } => format!("dials {target}"),
    };
    match &explanation.decision.says {
        Some(text) => format!("says \"{text}\" and {does}"),
        None => does,
    }
}
