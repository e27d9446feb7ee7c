//! Why a table decided as it did, rule by rule, as a value and as text.

use std::fmt;

use super::hours::Hours;
use super::rules::{Condition, Decision, Miss};
use crate::base::WallTime;

/// A decision with the way to it.
#[derive(Clone, Debug)]
pub struct Explanation<'t> {
    /// The table's file.
    pub file: &'t str,
    /// The moment that hours were asked for.
    pub now: WallTime,
    /// Who called.
    pub from: String,
    /// Whom they called.
    pub to: String,
    /// The rules in the order in which they were asked.
    pub steps: Vec<Step<'t>>,
    /// Whether the moment mattered.
    pub asks_time: bool,
    /// What is to happen.
    pub decision: Decision,
    /// The same as a document.
    pub xml: String,
}

/// A rule that was asked.
#[derive(Clone, Debug)]
pub struct Step<'t> {
    /// What kind of rule.
    pub kind: Kind,
    /// Where it stands, from 1; 0 for what stands nowhere.
    pub line: u32,
    /// What it is for, as its author says; may be empty.
    pub why: &'t str,
    /// Whether it had anything to say.
    pub matched: bool,
    pub(super) text: Text<'t>,
}

/// Why, written out only for those who ask.
#[derive(Clone, Debug)]
pub(super) enum Text<'t> {
    Said(String),
    /// With the hours that were asked for, and the moment.
    Missed(Miss, &'t Condition, Option<(&'t Hours, WallTime)>),
}

/// A kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[missing]`.
    Missing,
    /// `[caller_id]`.
    CallerId,
    /// `[users]`.
    Users,
    /// `[[rewrite]]`.
    Rewrite,
    /// `[[block]]`.
    Block,
    /// `[[hours]]`.
    Hours,
    /// The end of the table: what is left is called.
    Dial,
}

impl Kind {
    /// As files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::CallerId => "caller_id",
            Kind::Users => "users",
            Kind::Rewrite => "rewrite",
            Kind::Block => "block",
            Kind::Hours => "hours",
            Kind::Dial => "dial",
        }
    }
}

impl Explanation<'_> {
    /// The rule that decided: the last that had anything to say, apart from the end.
    pub fn decided_by(&self) -> Option<&Step<'_>> {
        let rules = self.steps.iter().rev().filter(|step| step.matched && step.kind != Kind::Dial);
        let mut rules = rules.filter(|step| step.kind != Kind::CallerId);
        rules.next()
    }

    /// What the call's log is to say: the rules that had anything to say.
    pub fn log(&self) -> impl Iterator<Item = String> + '_ {
        self.steps.iter().filter(|step| step.matched).map(|step| match step.line {
            0 => format!("{step}"),
            line => format!("{}:{line}: {step}", self.file),
        })
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if !self.why.is_empty() {
            write!(f, " \"{}\"", self.why)?;
        }
        f.write_str(if self.matched { ": " } else { ": no, " })?;
        match &self.text {
            Text::Said(text) => f.write_str(text),
            Text::Missed(miss, condition, hours) => condition.tell(f, *miss, *hours),
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { file, now, from, to, .. } = self;
        writeln!(f, "{file}: From \"{from}\", To \"{to}\", {}", now.rfc2822())?;
        for step in &self.steps {
            let mark = if step.matched { '>' } else { ' ' };
            match step.line {
                0 => writeln!(f, "{mark} end       {step}")?,
                line => writeln!(f, "{mark} line {line:<4} {step}")?,
            }
        }
        match self.decided_by() {
            None => writeln!(f, "no rule changed it"),
            Some(step) => {
                let kind = step.kind.as_str();
                writeln!(f, "decided by line {}: {kind} \"{}\"", step.line, step.why)
            }
        }
    }
}

impl Condition {
    /// Why it is not about a call.
    fn tell(
        &self,
        f: &mut fmt::Formatter<'_>,
        miss: Miss,
        hours: Option<(&Hours, WallTime)>,
    ) -> fmt::Result {
        match (miss, hours) {
            (Miss::User, _) => write!(f, "the user is not {}", either(&self.users)),
            (Miss::Caller, _) => write!(f, "the caller is not {}", either(&self.callers)),
            (Miss::Number, _) if self.prefix.is_empty() => {
                write!(f, "it is not {}", either(&self.exact))
            }
            (Miss::Number, _) => {
                write!(f, "it does not begin with {}", either(&self.prefix))?;
                match self.exact.as_slice() {
                    [] => Ok(()),
                    exact => write!(f, " and is not {}", either(exact)),
                }
            }
            (Miss::Except, _) => write!(f, "it begins with {}", either(&self.except)),
            (Miss::Length, _) => match self.length {
                Some((least, most)) if least == most => write!(f, "its length is not {least}"),
                Some((least, usize::MAX)) => write!(f, "it is shorter than {least}"),
                Some((least, most)) => write!(f, "its length is not from {least} to {most}"),
                None => Ok(()),
            },
            (Miss::Time, Some((hours, now))) => {
                write!(f, "{} is not {}", hours.clock(now), hours.text())
            }
            (Miss::Time, None) => Ok(()),
        }
    }
}

/// The first few of a list.
fn either(list: &[String]) -> String {
    /// A block list may hold thousands.
    const SHOWN: usize = 5;
    let mut text = list.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if list.len() > SHOWN {
        text.push_str(&format!(" or {} more", list.len() - SHOWN));
    }
    text
}
