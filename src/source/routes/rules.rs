//! The rules themselves: whom and what each is about, and what it does.

use super::hours::Hours;
use super::number::Number;
use super::template::Template;
use crate::base::WallTime;

/// Names and values, in the order of the file.
pub(super) type Pairs = Vec<(String, String)>;

/// Where a rule stands, and what for.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub line: u32,
    pub column: u32,
    pub why: String,
}

/// Whom and what a rule is about; what is not written holds for all.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    /// Users of callers: `home` or `home@office.example`.
    pub users: Vec<String>,
    /// What callers' numbers begin with.
    pub callers: Vec<String>,
    /// What the called number begins with …
    pub prefix: Vec<String>,
    /// … or is, in order.
    pub exact: Vec<String>,
    /// What it does not begin with.
    pub except: Vec<String>,
    /// Its length, least and most.
    pub length: Option<(usize, usize)>,
}

/// Why a rule is not about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    User,
    Caller,
    Number,
    Except,
    Length,
    Time,
}

/// Who calls, as far as rules ask.
#[derive(Clone, Debug)]
pub(super) struct Caller<'a> {
    /// The part before `@`, or the number.
    pub user: &'a str,
    /// The part after it; empty without.
    pub host: &'a str,
    /// The user as a number.
    pub number: Number<'a>,
}

impl<'a> Caller<'a> {
    pub(super) fn new(user: &'a str, host: &'a str) -> Caller<'a> {
        Caller { user, host, number: Number::called(user) }
    }

    /// Whether `home` or `home@office.example` names this caller.
    pub(super) fn is(&self, name: &str) -> bool {
        match name.split_once('@') {
            Some((user, host)) => user == self.user && host.eq_ignore_ascii_case(self.host),
            None => name == self.user,
        }
    }
}

impl Condition {
    /// Whether it is about this call; gives the length of the prefix that the number has. It is
    /// when it is in any form of the number, and it is not when what it leaves out is in any.
    pub(super) fn meets(&self, caller: &Caller<'_>, number: &Number<'_>) -> Result<usize, Miss> {
        if !self.users.is_empty() && !self.users.iter().any(|name| caller.is(name)) {
            return Err(Miss::User);
        }
        let begins = |prefix: &String| caller.number.begins(prefix);
        if !self.callers.is_empty() && !self.callers.iter().any(begins) {
            return Err(Miss::Caller);
        }
        let mut met = Err(Miss::Number);
        for form in number.forms() {
            let Some(prefix) = self.finds(form) else { continue };
            let long = form.chars().count();
            if self.length.is_none_or(|(least, most)| (least..=most).contains(&long)) {
                met = Ok(prefix);
                break;
            }
            met = Err(Miss::Length);
        }
        let prefix = met?;
        if self.except.iter().any(|prefix| number.begins(prefix)) {
            return Err(Miss::Except);
        }
        Ok(prefix)
    }

    /// The length of the longest prefix that a number begins with; 0 where it needs none.
    fn finds(&self, number: &str) -> Option<usize> {
        let begins = |prefix: &&String| number.starts_with(prefix.as_str());
        let prefix = self.prefix.iter().filter(begins).map(String::len).max();
        let is = || self.exact.binary_search_by(|known| known.as_str().cmp(number)).is_ok();
        let any = self.prefix.is_empty() && self.exact.is_empty();
        prefix.or_else(|| (any || is()).then_some(0))
    }
}

/// `[[rewrite]]`.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    pub place: Place,
    pub condition: Condition,
    pub result: Template,
    /// Whether the rules below it see the result.
    pub goes_on: bool,
}

/// `[[block]]`, and `[[hours]]` with its hours.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub place: Place,
    pub condition: Condition,
    pub hours: Option<Hours>,
    pub outcome: Outcome,
}

/// What becomes of a call that a gate keeps.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub say: Option<Template>,
    pub then: Then,
}

#[derive(Clone, Debug)]
pub(super) enum Then {
    Hangup,
    Reject(&'static str),
    Redirect(String),
    Dial(Template),
}

impl Gate {
    /// Whether it keeps this call.
    pub(super) fn keeps(
        &self,
        caller: &Caller<'_>,
        number: &Number<'_>,
        now: WallTime,
    ) -> Result<(), Miss> {
        self.condition.meets(caller, number)?;
        match &self.hours {
            Some(hours) if !hours.hold(now) => Err(Miss::Time),
            _ => Ok(()),
        }
    }
}

/// `[caller_id]`.
#[derive(Clone, Debug, Default)]
pub(super) struct CallerId {
    pub place: Place,
    /// By user, with the line of each.
    pub users: Vec<(String, Template, u32)>,
    pub default: Option<Template>,
    /// The parameter that wins.
    pub parameter: Option<String>,
    /// Whether it wins only with a number of this table.
    pub owned: bool,
    /// Numbers that it may have, too.
    pub numbers: Vec<String>,
}

impl CallerId {
    /// Whether a number is one of this table's.
    pub(super) fn owns(&self, number: &str) -> bool {
        let own = |template: &Template| template.literal() == Some(number);
        self.numbers.iter().any(|known| known == number)
            || self.default.as_ref().is_some_and(own)
            || self.users.iter().any(|(_, template, _)| own(template))
    }
}

/// `[missing]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    pub place: Place,
    pub from: Option<String>,
    pub to: Option<String>,
    /// Nobody needs to call where the override parameter says as whom.
    pub unless_override: bool,
}

/// `[users]`: what is dialled has letters.
#[derive(Clone, Debug)]
pub(super) struct Users {
    pub place: Place,
    pub uri: Template,
    pub caller_id: bool,
    pub dial: Option<Dial>,
}

/// Attributes of `<Dial>` and of what stands inside.
#[derive(Clone, Debug, Default)]
pub(super) struct Dial {
    pub attributes: Pairs,
    /// With `<Number>` around numbers.
    pub number: Option<Pairs>,
    pub sip: Pairs,
}

/// What is to happen to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the caller hears first.
    pub says: Option<String>,
    /// And then.
    pub action: Action,
}

/// What happens after the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing more.
    Hangup,
    /// The call is refused: `rejected` or `busy`.
    Reject(&'static str),
    /// Another document takes over.
    Redirect(String),
    /// Somebody is called.
    Dial {
        /// A number, as the rules made it, or a SIP URI.
        target: String,
        /// As whom; by the rules of `<Dial>` when absent.
        caller_id: Option<String>,
        /// Whether the target is a SIP URI.
        sip: bool,
    },
}

/// `[[test]]`.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub place: Place,
    pub name: String,
    pub parameters: Pairs,
    pub at: Option<WallTime>,
    pub expected: Vec<Expected>,
}

/// One thing that a test expects, with its place in the file.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub what: What,
    pub value: String,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Dials,
    CallerId,
    Says,
    Rejects,
    Redirects,
    Rule,
    Xml,
}
