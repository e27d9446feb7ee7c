//! The walk down a table: who calls, as whom, what they dialled, what it becomes, who keeps it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::explain::{Explanation, Kind, Step, Text};
use super::number::{Number, bare};
use super::rules::{Action, Caller, Decision, Gate, Place, Then};
use super::template::Values;
use super::{Parameters, Table, xml};
use crate::base::WallTime;

/// A call on its way through a table.
struct Walk<'t, 'a> {
    table: &'t Table,
    now: WallTime,
    from: Cow<'a, str>,
    to: Cow<'a, str>,
    user: Cow<'a, str>,
    host: &'a str,
    dialled: Cow<'a, str>,
    steps: Vec<Step<'t>>,
    time: bool,
}

impl Table {
    /// What becomes of a call, and why. `now` is only asked where there are hours.
    pub fn decide<'t>(&'t self, parameters: &Parameters<'_>, now: WallTime) -> Explanation<'t> {
        let (given_from, given_to) = (parameters.get("From"), parameters.get("To"));
        let (user, host) = address(given_from);
        let mut walk = Walk {
            table: self,
            now,
            from: with_plus(given_from),
            to: with_plus(given_to),
            user,
            host,
            dialled: address(given_to).0,
            steps: Vec::with_capacity(8 + self.rewrites.len()),
            time: false,
        };
        let decision = walk.decide(parameters);
        let Walk { from, to, steps, time, .. } = walk;
        Explanation {
            file: &self.file,
            now,
            from: from.into_owned(),
            to: to.into_owned(),
            steps,
            asks_time: time,
            xml: xml::write(self, &decision),
            decision,
        }
    }
}

impl<'t> Walk<'t, '_> {
    fn decide(&mut self, parameters: &Parameters<'_>) -> Decision {
        let over = self.table.caller_id.as_ref().and_then(|id| id.parameter.as_deref());
        let over = with_plus(over.map_or("", |name| parameters.get(name)));
        if let Some(decision) = self.missing(!over.is_empty()) {
            return decision;
        }
        let caller_id = self.caller_id(&over);
        let colleague = self.colleague();
        let called = match &colleague {
            Some(_) => self.dialled.clone().into_owned(),
            None => self.rewrite(),
        };
        match self.gates(&called) {
            Some(gate) => self.kept(gate, &called, caller_id),
            None => self.dial(colleague.unwrap_or(called), caller_id),
        }
    }

    fn missing(&mut self, overridden: bool) -> Option<Decision> {
        let table = self.table;
        let missing = &table.missing;
        let from = missing
            .from
            .as_ref()
            .filter(|_| self.from.is_empty() && !(overridden && missing.unless_override));
        let (what, text) = match (from, &missing.to) {
            (Some(text), _) => ("From", text.as_str()),
            (None, Some(text)) if self.to.is_empty() => ("To", text.as_str()),
            (None, None) if self.to.is_empty() => ("To", "The number to call is missing."),
            _ => return None,
        };
        self.matched(Kind::Missing, &missing.place, format!("{what} is missing: \"{text}\""));
        Some(Decision { says: Some(text.to_owned()), action: Action::Hangup })
    }

    fn caller_id(&mut self, over: &str) -> Option<String> {
        let rules = self.table.caller_id.as_ref()?;
        let name = rules.parameter.as_deref().unwrap_or_default();
        if !over.is_empty() {
            if !rules.owned || rules.owns(over) {
                let text = format!("the parameter {name} says {over}");
                self.matched(Kind::CallerId, &rules.place, text);
                return Some(over.to_owned());
            }
            let text = format!("the parameter {name} says {over}, which is not one of this table");
            self.passed(Kind::CallerId, &rules.place, Text::Said(text));
        }
        let caller = self.caller();
        // A name with its domain says more than the name alone.
        let of = |whole: bool| {
            let mut named = rules.users.iter().filter(|(name, ..)| name.contains('@') == whole);
            named.find(|(name, ..)| caller.is(name))
        };
        if let Some((name, template, line)) = of(true).or_else(|| of(false)) {
            let number = template.fill(&self.values("", ""));
            let text = Text::Said(format!("the user {name} is {number}"));
            self.steps.push(Step {
                kind: Kind::CallerId,
                line: *line,
                why: "",
                matched: true,
                text,
            });
            return Some(number);
        }
        let Some(template) = &rules.default else {
            let text = format!("nothing for the user \"{}\", and no default", self.user);
            self.passed(Kind::CallerId, &rules.place, Text::Said(text));
            return None;
        };
        let number = template.fill(&self.values("", ""));
        let text = format!("nothing for the user \"{}\": {number} by default", self.user);
        self.matched(Kind::CallerId, &rules.place, text);
        Some(number)
    }

    /// The address of a user who was dialled by name.
    fn colleague(&mut self) -> Option<String> {
        let users = self.table.users.as_ref()?;
        if !self.dialled.chars().any(|c| c.is_ascii_alphabetic()) {
            let text = format!("{} is a number", self.dialled);
            self.passed(Kind::Users, &users.place, Text::Said(text));
            return None;
        }
        if is_one_device(&self.to) {
            // Only the whole URI leads to it (RFC 5627 section 3.3).
            self.matched(Kind::Users, &users.place, format!("{} is one device", self.to));
            return Some(self.to.clone().into_owned());
        }
        let uri = users.uri.fill(&self.values(&self.dialled, &self.dialled));
        self.matched(Kind::Users, &users.place, format!("{} is a user: {uri}", self.dialled));
        Some(uri)
    }

    fn rewrite(&mut self) -> String {
        let user = self.user.clone();
        let caller = Caller::new(&user, self.host);
        let mut number = bare(&self.dialled).into_owned();
        for rule in &self.table.rewrites {
            match rule.condition.meets(&caller, &Number::written(&number)) {
                Err(miss) => {
                    let text = Text::Missed(miss, &rule.condition, None);
                    self.passed(Kind::Rewrite, &rule.place, text);
                }
                Ok(prefix) => {
                    let rest = number.get(prefix..).unwrap_or_default();
                    let result = rule.result.fill(&self.values(&number, rest));
                    let text = format!("{number} becomes {result}");
                    self.matched(Kind::Rewrite, &rule.place, text);
                    if !rule.goes_on {
                        return result;
                    }
                    number = bare(&result).into_owned();
                }
            }
        }
        number
    }

    /// The first block or hours that keep the call.
    fn gates(&mut self, number: &str) -> Option<&'t Gate> {
        let table = self.table;
        let user = self.user.clone();
        let (caller, called) = (Caller::new(&user, self.host), Number::called(number));
        let blocks = table.blocks.iter().map(|gate| (Kind::Block, gate));
        for (kind, gate) in blocks.chain(table.hours.iter().map(|gate| (Kind::Hours, gate))) {
            let kept = gate.keeps(&caller, &called, self.now);
            self.time |=
                gate.hours.is_some() && matches!(kept, Ok(()) | Err(super::rules::Miss::Time));
            match kept {
                Ok(()) => {
                    let text = match &gate.hours {
                        None => format!("{number} is kept"),
                        Some(hours) => format!("{}: {}", hours.clock(self.now), hours.text()),
                    };
                    self.matched(kind, &gate.place, text);
                    return Some(gate);
                }
                Err(miss) => {
                    let hours = gate.hours.as_ref().map(|hours| (hours, self.now));
                    let text = Text::Missed(miss, &gate.condition, hours);
                    self.passed(kind, &gate.place, text);
                }
            }
        }
        None
    }

    fn kept(&mut self, gate: &Gate, number: &str, caller_id: Option<String>) -> Decision {
        let values = self.values(number, number);
        let says = gate.outcome.say.as_ref().map(|template| template.fill(&values));
        let action = match &gate.outcome.then {
            Then::Hangup => Action::Hangup,
            Then::Reject(reason) => Action::Reject(reason),
            Then::Redirect(url) => Action::Redirect(url.clone()),
            Then::Dial(template) => {
                let target = template.fill(&values);
                self.dial(target, caller_id).action
            }
        };
        Decision { says, action }
    }

    fn dial(&mut self, target: String, caller_id: Option<String>) -> Decision {
        let sip = ["sip:", "sips:"].iter().any(|scheme| starts_with(&target, scheme));
        let wanted = self.table.users.as_ref().is_none_or(|users| users.caller_id);
        let caller_id = caller_id.filter(|_| !sip || wanted);
        let as_whom = caller_id.as_ref().map_or_else(String::new, |id| format!(" as {id}"));
        let text = Text::Said(format!("{target}{as_whom}"));
        self.steps.push(Step { kind: Kind::Dial, line: 0, why: "", matched: true, text });
        Decision { says: None, action: Action::Dial { target, caller_id, sip } }
    }

    fn caller(&self) -> Caller<'_> {
        Caller::new(&self.user, self.host)
    }

    fn values<'v>(&'v self, number: &'v str, rest: &'v str) -> Values<'v> {
        let (dialled, user) = (&*self.dialled, &*self.user);
        Values { number, rest, dialled, user, from: &self.from, to: &self.to }
    }

    fn matched(&mut self, kind: Kind, place: &'t Place, text: String) {
        self.step(kind, place, true, Text::Said(text));
    }

    fn passed(&mut self, kind: Kind, place: &'t Place, text: Text<'t>) {
        self.step(kind, place, false, text);
    }

    fn step(&mut self, kind: Kind, place: &'t Place, matched: bool, text: Text<'t>) {
        self.steps.push(Step { kind, line: place.line, why: &place.why, matched, text });
    }
}

/// A `+` that nobody escaped in a query arrives as a space.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.strip_prefix(' ') {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) => {
            Cow::Owned(format!("+{rest}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// User and host of a SIP or tel URI; of a number, the number and no host.
fn address(text: &str) -> (Cow<'_, str>, &str) {
    let schemes = ["sip:", "sips:", "tel:"];
    let scheme = schemes.iter().find(|scheme| starts_with(text, scheme));
    let Some(scheme) = scheme else {
        let (user, host) = split(text);
        return (with_plus(user), host);
    };
    let (user, host) = split(text.get(scheme.len()..).unwrap_or_default());
    // Parameters of the user part, such as `;phone-context=…` (RFC 3261 section 19.1.6).
    let user = user.split(';').next().unwrap_or(user);
    (percent_decode_str(user).decode_utf8_lossy(), host)
}

fn split(text: &str) -> (&str, &str) {
    let (user, host) = text.split_once('@').unwrap_or((text, ""));
    (user, host.split([':', ';', '?', '>']).next().unwrap_or(host))
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))
}

/// Whether a URI has the parameter `gr` (RFC 5627 section 3.3).
fn is_one_device(uri: &str) -> bool {
    let parameters = uri.split('?').next().unwrap_or(uri).split(';').skip(1);
    parameters.into_iter().any(|parameter| parameter.split('=').next() == Some("gr"))
}
