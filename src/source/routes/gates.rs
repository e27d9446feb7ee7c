//! Reading what rules have in common: whom they are about, when, and what they do.

use std::ops::Range;

use jiff::tz::TimeZone;
use toml_edit::{Item, Value};

use super::attributes::position;
use super::hours::{self, Dates, Hours};
use super::premium;
use super::rules::{Condition, Gate, Outcome, Place, Then};
use super::template::Template;
use crate::config::reader::{Reader, Source};
use crate::verb::normalise;

type Span = Option<Range<usize>>;

/// Where a table begins, and its `why`.
pub(super) fn place(source: &mut Source<'_>, reader: &mut Reader<'_>) -> Place {
    let at = position(source, reader.span());
    let why = reader.text(source, "why").map(|(text, _)| text).unwrap_or_default();
    Place { line: at.line, column: at.column, why }
}

pub(super) fn condition(source: &mut Source<'_>, reader: &mut Reader<'_>) -> Condition {
    let mut list = |key| reader.texts(source, key).unwrap_or_default();
    let (users, callers) = (list("users"), list("callers"));
    let (prefix, exact, except) = (list("prefix"), list("exact"), list("except"));
    for (text, span) in [&prefix, &exact, &except].into_iter().flatten() {
        check_digits(source, text, span);
    }
    let plain = |list: Vec<(String, Span)>| list.into_iter().map(|(text, _)| text).collect();
    let mut exact: Vec<String> = plain(exact);
    exact.sort();
    let mut condition = Condition {
        users: plain(users),
        callers: plain(callers),
        prefix: plain(prefix),
        exact,
        except: plain(except),
        length: length(source, reader),
    };
    if reader.flag(source, "premium").unwrap_or_default() {
        condition.prefix.extend(premium::PREFIXES.iter().map(|prefix| (*prefix).to_owned()));
    }
    condition
}

/// What numbers begin with, and numbers, hold what can be dialled.
fn check_digits(source: &mut Source<'_>, text: &str, span: &Span) {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c)) {
        let message = format!("\"{text}\" cannot be dialled; write digits, +, * and # only");
        source.error(span.clone(), message);
    }
}

/// `length = 10`, `"8-11"` or `"10-"`.
fn length(source: &mut Source<'_>, reader: &mut Reader<'_>) -> Option<(usize, usize)> {
    let item = reader.item("length")?;
    let read = |text: &str| text.trim().parse::<u8>().ok().map(usize::from);
    let range = match (item.as_integer(), item.as_str()) {
        (Some(number), _) => u8::try_from(number).ok().map(|n| (usize::from(n), usize::from(n))),
        (None, Some(text)) => match text.split_once('-') {
            None => read(text).map(|n| (n, n)),
            Some((least, "")) => read(least).map(|least| (least, usize::MAX)),
            Some((least, most)) => read(least).zip(read(most)),
        },
        (None, None) => None,
    };
    match range {
        Some((least, most)) if least <= most => Some((least, most)),
        Some(_) => {
            source.error(item.span(), "length: ends before it begins");
            None
        }
        None => {
            source.error(item.span(), "length: expected a number, \"8-11\" or \"10-\"");
            None
        }
    }
}

/// A text with places to fill.
pub(super) fn template(
    source: &mut Source<'_>,
    reader: &mut Reader<'_>,
    key: &'static str,
) -> Option<(Template, Span)> {
    let (text, span) = reader.text(source, key)?;
    match Template::parse(&text) {
        Ok(template) => Some((template, span)),
        Err(reason) => {
            source.error(span, format!("{key}: {reason}"));
            None
        }
    }
}

/// What is called: a number, a SIP URI or a short number, unless it is made from what was dialled.
pub(super) fn check_target(source: &mut Source<'_>, target: &Template, span: &Span) {
    /// The longest that reaches nobody outside: emergency and service numbers.
    const SHORT: usize = 6;
    let Some(text) = target.literal() else { return };
    let lower = text.to_ascii_lowercase();
    let sip = lower.starts_with("sip:") || lower.starts_with("sips:");
    let short = (1..=SHORT).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_digit() || "*#".contains(c));
    if !sip && !short {
        check_e164(source, text, span, "or a SIP URI such as \"sip:user@office.example\"");
    }
}

/// Numbers are written in E.164.
pub(super) fn check_e164(source: &mut Source<'_>, text: &str, span: &Span, or: &str) {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain && (7..=15).contains(&digits.len()) {
        return;
    }
    let or = if or.is_empty() { String::new() } else { format!(" {or}") };
    let message = match normalise(text) {
        Some(number) => format!("\"{text}\" is not in E.164; did you mean \"{number}\"?"),
        None => format!("\"{text}\" is no number in E.164, such as \"+14155550100\"{or}"),
    };
    source.error(span.clone(), message);
}

/// `say`, and one of `reject`, `redirect` and `dial`.
fn outcome(source: &mut Source<'_>, reader: &mut Reader<'_>, default: Option<Then>) -> Outcome {
    let say = template(source, reader, "say").map(|(template, _)| template);
    let reject = reader.text(source, "reject");
    let redirect = reader.text(source, "redirect");
    let dial = template(source, reader, "dial");
    let many = [reject.is_some(), redirect.is_some(), dial.is_some()];
    if many.iter().filter(|written| **written).count() > 1 {
        source.error(reader.span(), "reject, redirect and dial: only one can happen");
    }
    let then = match (reject, redirect, dial) {
        (Some((text, span)), ..) => {
            let reasons = ["rejected", "busy"];
            let reason = reasons.into_iter().find(|reason| *reason == text);
            if reason.is_none() {
                source.error(span, "reject: expected \"rejected\" or \"busy\"");
            } else if say.is_some() {
                source.error(span, "reject: who is refused hears nothing; take out `say` or this");
            }
            Then::Reject(reason.unwrap_or("rejected"))
        }
        (_, Some((url, span)), _) => {
            if url.trim().is_empty() {
                source.error(span, "redirect: expected bin:NAME, function:NAME or a URL");
            }
            Then::Redirect(url)
        }
        (.., Some((target, span))) => {
            check_target(source, &target, &span);
            Then::Dial(target)
        }
        _ => match default {
            _ if say.is_some() => Then::Hangup,
            Some(default) => default,
            None => {
                let message = "nothing happens here: write say, dial, redirect or reject";
                source.error(reader.span(), message);
                Then::Hangup
            }
        },
    };
    Outcome { say, then }
}

/// `[[block]]`.
pub(super) fn block(source: &mut Source<'_>, mut reader: Reader<'_>) -> Gate {
    let place = place(source, &mut reader);
    let condition = condition(source, &mut reader);
    let outcome = outcome(source, &mut reader, Some(Then::Reject("rejected")));
    reader.finish(source);
    Gate { place, condition, hours: None, outcome }
}

/// `[[hours]]`.
pub(super) fn hours(
    source: &mut Source<'_>,
    mut reader: Reader<'_>,
    zone: Option<&TimeZone>,
) -> Gate {
    let place = place(source, &mut reader);
    let condition = condition(source, &mut reader);
    let said = reader.item("zone").is_some();
    let zone = self::zone(source, &mut reader).or_else(|| zone.cloned());
    if zone.is_none() && !said {
        let message =
            "hours: no time zone is said, so these are of UTC; write zone = \"Europe/Berlin\"";
        source.warning(reader.span(), message);
    }
    let zone = zone.unwrap_or(TimeZone::UTC);
    let mut days = [false; 7];
    for (text, span) in reader.texts(source, "days").unwrap_or_default() {
        if let Err(reason) = hours::parse_days(&text, &mut days) {
            source.error(span, format!("days: {reason}"));
        }
    }
    if days == [false; 7] {
        days = [true; 7];
    }
    let outside = match reader.text(source, "when") {
        None => false,
        Some((text, _)) if text == "inside" => false,
        Some((text, _)) if text == "outside" => true,
        Some((_, span)) => {
            source.error(span, "when: expected \"inside\" or \"outside\"");
            false
        }
    };
    let spans = spans(source, &mut reader);
    let dates = dates(source, &mut reader, "dates");
    let holidays = self::dates(source, &mut reader, "holidays");
    let outcome = outcome(source, &mut reader, None);
    reader.finish(source);
    let hours = Hours { zone, days, spans, dates, holidays, outside };
    Gate { place, condition, hours: Some(hours), outcome }
}

/// `zone = "Europe/Berlin"`.
pub(super) fn zone(source: &mut Source<'_>, reader: &mut Reader<'_>) -> Option<TimeZone> {
    let (name, span) = reader.text(source, "zone")?;
    match hours::parse_zone(&name) {
        Ok(zone) => Some(zone),
        Err(reason) => {
            source.error(span, format!("zone: {reason}"));
            None
        }
    }
}

/// `from` and `to`, or `times`; the whole day without.
fn spans(source: &mut Source<'_>, reader: &mut Reader<'_>) -> Vec<(u16, u16)> {
    let ends = ["from", "to"].map(|key| reader.item(key).map(|item| (key, item)));
    let times = reader.item("times");
    let mut wrong = |span: Span, reason: String| source.error(span, reason);
    let mut spans = vec![];
    for (text, span) in times.map(values).unwrap_or_default() {
        match hours::parse_span(&text) {
            Ok(stretch) => spans.push(stretch),
            Err(reason) => wrong(span, format!("times: {reason}")),
        }
    }
    let mut end = |written: Option<(&str, &Item)>, default: u16| {
        let Some((key, item)) = written else { return default };
        match values(item).first().map(|(text, _)| hours::parse_time(text)) {
            Some(Ok(time)) => time,
            Some(Err(reason)) => {
                wrong(item.span(), format!("{key}: {reason}"));
                default
            }
            None => default,
        }
    };
    if spans.is_empty() || ends.iter().any(Option::is_some) {
        let [from, to] = ends;
        let (begin, finish) = (end(from, 0), end(to, 24 * 60));
        if begin == finish {
            wrong(from.or(to).and_then(|(_, item)| item.span()), "from and to are the same".into());
        }
        spans.push((begin, finish));
    }
    spans
}

fn dates(source: &mut Source<'_>, reader: &mut Reader<'_>, key: &'static str) -> Vec<Dates> {
    let mut dates = vec![];
    for (text, span) in reader.item(key).map(values).unwrap_or_default() {
        match Dates::parse(&text) {
            Ok(stretch) => dates.push(stretch),
            Err(reason) => source.error(span, format!("{key}: {reason}")),
        }
    }
    dates
}

/// A text or a date or time as TOML has them, or a list of them, each with its place.
pub(super) fn values(item: &Item) -> Vec<(String, Span)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.value().clone(),
        Value::Datetime(time) => time.value().to_string(),
        other => other.type_name().to_owned(),
    };
    match item.as_value() {
        None => vec![(String::new(), item.span())],
        Some(Value::Array(list)) => list.iter().map(|v| (text(v), v.span())).collect(),
        Some(value) => vec![(text(value), value.span())],
    }
}
