//! Dates and times of day.

use super::numbers::{cardinal, ordinal, value, year};
use super::{Said, Written, core};

/// `2026-03-04`, `3/4/2026`, `04.03.2026`, `March 3, 2026`, `3 March`, `Mar 3rd`, `in 1984`.
pub(super) fn date(written: Written<'_>) -> Option<Said> {
    numeric(written)
        .or_else(|| month_and_day(written))
        .or_else(|| month_first(written))
        .or_else(|| day_first(written))
        .or_else(|| {
            let is_year = matches!(
                written.before().to_ascii_lowercase().as_str(),
                "in" | "since" | "year" | "until" | "by" | "from"
            );
            let number = value(written.core(0)).filter(|n| (1900..2100).contains(n) && is_year)?;
            // Four digits, or "1,984" of something would be one.
            if written.core(0).len() == 4 { Said::one(year(number)) } else { None }
        })
}

fn numeric(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    for separator in ['-', '/', '.'] {
        let parts: Vec<&str> = word.split(separator).collect();
        let [a, b, c] = parts.as_slice() else { continue };
        let order = match (separator, a.len(), b.len(), c.len()) {
            ('-' | '/', 4, 1..=2, 1..=2) => (a, b, c),
            ('/' | '-', 1..=2, 1..=2, 4) => (c, a, b),
            ('/', 1..=2, 1..=2, 2) => (c, a, b),
            ('.', 1..=2, 1..=2, 4) => (c, b, a),
            _ => continue,
        };
        let (mut full, mut month, mut day) = (value(order.0)?, value(order.1)?, value(order.2)?);
        if full < 100 {
            full += if full < 70 { 2000 } else { 1900 };
        }
        // 25/12/2026 can only be day first.
        if month > 12 && day <= 12 {
            (month, day) = (day, month);
        }
        let name = MONTHS.get((month as usize).checked_sub(1)?)?;
        if (1..=31).contains(&day) {
            return Said::one(format!("{name} {}, {}", ordinal(day), year(full)));
        }
    }
    None
}

/// `on 12/24`: without a year only where a date is expected, else it is a fraction.
fn month_and_day(written: Written<'_>) -> Option<Said> {
    let before = written.before().to_ascii_lowercase();
    let expected = ["on", "by", "due", "before", "until", "after", "since"];
    let (a, b) = written.core(0).split_once('/').filter(|_| expected.contains(&before.as_str()))?;
    let (mut month, mut day) = (value(a)?, value(b)?);
    if month > 12 {
        (month, day) = (day, month);
    }
    let name = MONTHS.get((month as usize).checked_sub(1)?)?;
    (1..=31).contains(&day).then(|| Said::one(format!("{name} {}", ordinal(day))))?
}

fn month_first(written: Written<'_>) -> Option<Said> {
    let name = month(written, 0)?;
    let day = day(written.core(1))?;
    match year_of(written.core(2)) {
        Some(year) => Said::many(format!("{name} {}, {year}", ordinal(day)), 3),
        None => Said::many(format!("{name} {}", ordinal(day)), 2),
    }
}

fn day_first(written: Written<'_>) -> Option<Said> {
    if let (Some(name), Some(year)) = (month(written, 0), year_of(written.core(1))) {
        return Said::many(format!("{name} {year}"), 2);
    }
    let day = day(written.core(0))?;
    let of = usize::from(written.core(1).eq_ignore_ascii_case("of"));
    let name = month(written, 1 + of)?;
    let the = if written.before().eq_ignore_ascii_case("the") { "" } else { "the " };
    let said = format!("{the}{} of {name}", ordinal(day));
    match year_of(written.core(2 + of)) {
        Some(year) => Said::many(format!("{said}, {year}"), 3 + of),
        None => Said::many(said, 2 + of),
    }
}

fn month(written: Written<'_>, offset: usize) -> Option<&'static str> {
    let word = written.core(offset);
    // "may" and "march" are verbs; months are capitalised.
    let is_name = word.starts_with(|c: char| c.is_ascii_uppercase());
    let matches = |name: &&&str| {
        word.eq_ignore_ascii_case(name)
            || (word.len() >= 3 && word.len() <= 4 && starts_with(name, word))
    };
    MONTHS.iter().find(matches).copied().filter(|_| is_name)
}

fn starts_with(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

fn day(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &word[digits.len()..];
    let day = if digits.len() <= 2 { value(digits)? } else { return None };
    let known = matches!(suffix.to_ascii_lowercase().as_str(), "" | "st" | "nd" | "rd" | "th");
    ((1..=31).contains(&day) && known).then_some(day)
}

fn year_of(word: &str) -> Option<String> {
    let number = if word.len() == 4 { value(word)? } else { return None };
    (1100..2200).contains(&number).then(|| year(number))
}

/// `3:30`, `15:45`, `3:30pm`, `3 p.m.`, `12:00`, `08:05:10`.
pub(super) fn time(written: Written<'_>) -> Option<Said> {
    let (clock, glued) = split_half(written.core(0));
    let next = half(core(written.raw(1)));
    let (half, used) = match (glued, next) {
        (Some(half), _) => (Some(half), 1),
        (None, Some(half)) => (Some(half), 2),
        (None, None) => (None, 1),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let hour = parts.first().filter(|h| matches!(h.len(), 1 | 2)).and_then(|h| value(h))?;
    let two = |part: &&str| part.len() == 2 && value(part).is_some_and(|n| n < 60);
    if hour > 24 || !parts[1..].iter().all(two) || parts.len() > 3 {
        return None;
    }
    let minute = parts.get(1).and_then(|m| value(m));
    let mut said = match (minute, half) {
        (None, None) => return None,
        (None, Some(_)) if hour > 12 => return None,
        (None, Some(_)) => cardinal(hour),
        (Some(0), Some(_)) => cardinal(hour),
        (Some(0), None) if (1..=12).contains(&hour) => format!("{} o'clock", cardinal(hour)),
        (Some(0), None) => format!("{} hundred", cardinal(hour)),
        (Some(m @ 1..=9), _) => format!("{} oh {}", cardinal(hour), cardinal(m)),
        (Some(m), _) => format!("{} {}", cardinal(hour), cardinal(m)),
    };
    if let Some(second) = parts.get(2).and_then(|s| value(s)) {
        said.push_str(&format!(" and {} seconds", cardinal(second)));
    }
    if let Some(half) = half {
        said.push_str(if half == 'a' { " A M" } else { " P M" });
    }
    Said::many(said, used)
}

/// `3:30pm` → `3:30` and the half of the day.
fn split_half(word: &str) -> (&str, Option<char>) {
    let clock = word.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '.');
    match half(&word[clock.len()..]) {
        Some(half) if !clock.is_empty() => (clock, Some(half)),
        _ => (word, None),
    }
}

fn half(word: &str) -> Option<char> {
    match word.to_ascii_lowercase().replace('.', "").as_str() {
        "am" => Some('a'),
        "pm" => Some('p'),
        _ => None,
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
