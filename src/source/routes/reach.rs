//! Rules that can never speak, or only for a part of what they are about.

use super::rules::{Condition, Place};

/// Beyond so many prefixes and numbers in all, nobody is told: each is held against each.
const MOST: usize = 2000;

/// What a rule is about, as far as reach is asked.
pub(super) struct Subject<'t> {
    pub place: &'t Place,
    pub condition: &'t Condition,
    /// The rules below it see its calls, too.
    pub goes_on: bool,
}

/// A finding about the rule of that index.
pub(super) struct Shadow {
    pub rule: usize,
    pub message: String,
}

/// A prefix or a number, with the lengths of what it is about.
#[derive(Clone, Copy)]
struct Pattern<'t> {
    text: &'t str,
    exact: bool,
    least: usize,
    most: usize,
}

/// What earlier rules leave nothing of, or less than it seems.
pub(super) fn shadows(rules: &[Subject<'_>], overlaps: bool) -> Vec<Shadow> {
    let patterns: Vec<Vec<Pattern<'_>>> = rules.iter().map(|r| patterns(r.condition)).collect();
    if patterns.iter().map(Vec::len).sum::<usize>() > MOST {
        return vec![];
    }
    let mut found = vec![];
    for (rule, (subject, own)) in rules.iter().zip(&patterns).enumerate() {
        if own.is_empty() {
            let message = "it can never speak: no number is so short with that prefix".to_owned();
            found.push(Shadow { rule, message });
            continue;
        }
        let earlier = rules.iter().zip(&patterns).take(rule).filter(|(first, _)| !first.goes_on);
        for (first, theirs) in earlier {
            let place = first.place;
            if covers(first.condition, theirs, subject.condition, own) {
                let message = format!("it can never speak: {} takes all of it", named(place));
                found.push(Shadow { rule, message });
                break;
            }
            if !overlaps {
                continue;
            }
            if let Some(both) = common(first.condition, theirs, subject.condition, own) {
                let message = format!("{} takes {both} before it, by its place", named(place));
                found.push(Shadow { rule, message });
                break;
            }
        }
    }
    found
}

fn named(place: &Place) -> String {
    match place.why.as_str() {
        "" => format!("line {}", place.line),
        why => format!("line {}, \"{why}\",", place.line),
    }
}

fn patterns(condition: &Condition) -> Vec<Pattern<'_>> {
    let (least, most) = condition.length.unwrap_or((0, usize::MAX));
    let prefix = |text| Pattern { text, exact: false, least: least.max(length(text)), most };
    let exact = |text: &'_ String| {
        let is = length(text);
        (least..=most).contains(&is)
    };
    let mut all: Vec<Pattern<'_>> = condition.prefix.iter().map(|text| prefix(text)).collect();
    let numbers = condition.exact.iter().filter(|text| exact(text));
    all.extend(numbers.map(|text| {
        let is = length(text);
        Pattern { text, exact: true, least: is, most: is }
    }));
    if condition.prefix.is_empty() && condition.exact.is_empty() {
        all.push(prefix(""));
    }
    let taken = |p: &Pattern<'_>| condition.except.iter().any(|e| p.text.starts_with(e.as_str()));
    all.retain(|pattern| pattern.least <= pattern.most && !taken(pattern));
    all
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn covers(
    first: &Condition,
    theirs: &[Pattern<'_>],
    then: &Condition,
    own: &[Pattern<'_>],
) -> bool {
    let users = first.users.is_empty()
        || (!then.users.is_empty() && then.users.iter().all(|user| first.users.contains(user)));
    let begins = |caller: &String| first.callers.iter().any(|c| caller.starts_with(c.as_str()));
    let callers =
        first.callers.is_empty() || (!then.callers.is_empty() && then.callers.iter().all(begins));
    users
        && callers
        && own.iter().all(|own| {
            // What the first leaves out may be left for the later one.
            let left = |e: &String| e.starts_with(own.text) || own.text.starts_with(e.as_str());
            !first.except.iter().any(left) && theirs.iter().any(|their| their.covers(own))
        })
}

/// What both are about although the later one says more exactly whom it means, or neither does.
fn common(
    first: &Condition,
    theirs: &[Pattern<'_>],
    then: &Condition,
    own: &[Pattern<'_>],
) -> Option<String> {
    let apart = |a: &[String], b: &[String]| {
        !a.is_empty() && !b.is_empty() && !a.iter().any(|one| b.contains(one))
    };
    let narrower = (!first.users.is_empty() && then.users.is_empty())
        || (!first.callers.is_empty() && then.callers.is_empty());
    if narrower || apart(&first.users, &then.users) || !first.callers.is_empty() {
        return None;
    }
    let pairs = theirs.iter().flat_map(|their| own.iter().map(move |own| (their, own)));
    for (their, own) in pairs {
        if their.is_narrower_than(own) {
            continue;
        }
        let Some(both) = their.common(own) else { continue };
        let except = first.except.iter().chain(&then.except);
        if except.into_iter().any(|prefix| both.text.starts_with(prefix.as_str())) {
            continue;
        }
        return Some(both.tell());
    }
    None
}

impl<'t> Pattern<'t> {
    fn covers(&self, other: &Pattern<'_>) -> bool {
        let text = match self.exact {
            true => other.exact && self.text == other.text,
            false => other.text.starts_with(self.text),
        };
        text && self.least <= other.least && other.most <= self.most
    }

    fn common<'o>(&self, other: &Pattern<'o>) -> Option<Pattern<'o>>
    where
        't: 'o,
    {
        let (least, most) = (self.least.max(other.least), self.most.min(other.most));
        let text = match () {
            () if self.exact && other.exact => (self.text == other.text).then_some(self.text),
            () if self.text.starts_with(other.text) && !other.exact => Some(self.text),
            () if other.text.starts_with(self.text) && !self.exact => Some(other.text),
            () => None,
        };
        let exact = self.exact || other.exact;
        text.filter(|_| least <= most).map(|text| Pattern { text, exact, least, most })
    }

    /// Exceptions come before the rule: that is how such lists are written.
    fn is_narrower_than(&self, other: &Pattern<'_>) -> bool {
        let longer = self.text.len() > other.text.len() && self.text.starts_with(other.text);
        let same = self.text == other.text;
        let within = self.least >= other.least && self.most <= other.most;
        (self.exact && !other.exact) || longer || (same && within)
    }

    fn tell(&self) -> String {
        if self.exact {
            return self.text.to_owned();
        }
        let begin = match self.text {
            "" => "numbers".to_owned(),
            text => format!("numbers that begin with {text}"),
        };
        match (self.least, self.most) {
            (_, usize::MAX) => begin,
            (least, most) if least == most => format!("{begin} and have a length of {least}"),
            (least, most) => format!("{begin} and have a length from {least} to {most}"),
        }
    }
}
