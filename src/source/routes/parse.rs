//! The file: its tables, one function each, and every mistake at its place.

use std::path::Path;

use jiff::tz::TimeZone;

use super::attributes::{self, position};
use super::gates::{self, check_e164, check_target, condition, place, template, values};
use super::reach::{Shadow, Subject, shadows};
use super::rules::{CallerId, Expected, Gate, Missing, Place, Rewrite, Trial, Users, What};
use super::template::Template;
use super::{Table, hours};
use crate::config::reader::{Reader, Source};
use crate::config::{Problem, Severity};

/// More rules of one kind are another kind of problem, and each is held against each.
const MOST_RULES: usize = 1000;

/// What a test can expect, by its key.
const EXPECTATIONS: [(&str, What); 7] = [
    ("dials", What::Dials),
    ("caller_id", What::CallerId),
    ("says", What::Says),
    ("rejects", What::Rejects),
    ("redirects", What::Redirects),
    ("rule", What::Rule),
    ("xml", What::Xml),
];

/// The table, when nothing in it is wrong, and all findings but those of its tests.
pub(super) fn read(file: &Path, text: &str) -> (Option<Table>, Vec<Problem>) {
    let mut source = Source::plain(file, text);
    let document = match toml_edit::Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            source.error(error.span(), error.message().trim());
            return (None, source.problems);
        }
    };
    if document.as_table().is_empty() {
        // Without rules it would dial anything; so is a file that an editor is about to write.
        source
            .error(None, "is empty: a table that is to dial whatever is asked says so with [dial]");
        return (None, source.problems);
    }
    let s = &mut source;
    let mut root = Reader::new("", Some(document.as_table()), None);
    let zone = gates::zone(s, &mut root);
    let missing = root.table(s, "missing");
    let missing = self::missing(s, missing);
    let has_caller_id = root.item("caller_id").is_some();
    let caller_id = root.table(s, "caller_id");
    let caller_id = has_caller_id.then(|| self::caller_id(s, caller_id));
    let has_users = root.item("users").is_some();
    let users = root.table(s, "users");
    let users = has_users.then(|| self::users(s, users, has_caller_id)).flatten();
    let dial = root.table(s, "dial");
    let dial = attributes::dial(s, dial, has_caller_id);
    let say = root.table(s, "say");
    let say = attributes::say(s, say);
    let rewrites = list(s, &mut root, "rewrite", rewrite);
    let blocks = list(s, &mut root, "block", |s, reader| Some(gates::block(s, reader)));
    let hours =
        list(s, &mut root, "hours", |s, reader| Some(gates::hours(s, reader, zone.as_ref())));
    let first = hours.iter().find_map(|gate| Some(gate.hours.as_ref()?.zone.clone()));
    let clock = zone.or(first).unwrap_or(TimeZone::UTC);
    let trials = list(s, &mut root, "test", |s, reader| trial(s, reader, &clock));
    root.finish(s);
    // What is told of a table with mistakes may go with them.
    let sound = s.problems.is_empty();
    if sound {
        warn(s, &rewrites, &blocks);
        source.problems.append(&mut source.warnings);
    }
    let problems = source.problems;
    let table = Table {
        file: file.to_string_lossy().into_owned(),
        missing,
        caller_id,
        users,
        dial,
        say,
        rewrites,
        blocks,
        hours,
        trials,
    };
    (sound.then_some(table), problems)
}

/// The tables of a list, those that are sound.
fn list<T>(
    source: &mut Source<'_>,
    root: &mut Reader<'_>,
    key: &'static str,
    mut read: impl FnMut(&mut Source<'_>, Reader<'_>) -> Option<T>,
) -> Vec<T> {
    let tables = root.tables(source, key);
    if let Some(first) = tables.get(MOST_RULES) {
        source.error(first.span(), format!("more than {MOST_RULES} of [[{key}]]"));
        return vec![];
    }
    tables.into_iter().filter_map(|reader| read(source, reader)).collect()
}

fn missing(source: &mut Source<'_>, mut reader: Reader<'_>) -> Missing {
    let place = place(source, &mut reader);
    let mut text = |key| reader.text(source, key).map(|(text, _)| text);
    let (from, to) = (text("from"), text("to"));
    let unless_override = reader.flag(source, "unless_override").unwrap_or_default();
    reader.finish(source);
    Missing { place, from, to, unless_override }
}

fn caller_id(source: &mut Source<'_>, mut reader: Reader<'_>) -> CallerId {
    let place = place(source, &mut reader);
    let default = template(source, &mut reader, "default").map(|(template, span)| {
        if let Some(text) = template.literal() {
            check_e164(source, text, &span, "or \"{From}\"");
        }
        template
    });
    let parameter = reader.text(source, "override").map(|(text, _)| text);
    let owned = reader.flag(source, "owned").unwrap_or_default();
    if owned && parameter.is_none() {
        let message = "owned: nothing overrides; write override = \"callerId\" too";
        source.error(reader.at("owned"), message);
    }
    let mut numbers = vec![];
    for (number, span) in reader.texts(source, "numbers").unwrap_or_default() {
        check_e164(source, &number, &span, "");
        numbers.push(number);
    }
    let named = reader.table(source, "users");
    let mut users = vec![];
    for (name, key, item) in named.entries() {
        let Some(text) = item.as_str() else {
            source
                .error(item.span(), format!("{name}: expected a number such as \"+14155550100\""));
            continue;
        };
        match Template::parse(text) {
            Err(reason) => source.error(item.span(), format!("{name}: {reason}")),
            Ok(template) => {
                if let Some(text) = template.literal() {
                    check_e164(source, text, &item.span(), "");
                }
                users.push((name.to_owned(), template, position(source, key).line));
            }
        }
    }
    reader.finish(source);
    CallerId { place, users, default, parameter, owned, numbers }
}

fn users(source: &mut Source<'_>, mut reader: Reader<'_>, has_caller_id: bool) -> Option<Users> {
    let place = place(source, &mut reader);
    let uri = template(source, &mut reader, "uri");
    let caller_id = reader.flag(source, "caller_id").unwrap_or(true);
    let own = reader.item("dial").is_some();
    let dial = reader.table(source, "dial");
    let dial = own.then(|| attributes::dial(source, dial, has_caller_id));
    let span = reader.span();
    reader.finish(source);
    let Some((uri, at)) = uri else {
        source.error(span, "users: write uri = \"sip:{dialled}@office.example\"");
        return None;
    };
    if let Some(text) = uri.literal() {
        source.warning(
            at,
            format!("uri: every user is {text}; write {{dialled}} for who was dialled"),
        );
    }
    Some(Users { place, uri, caller_id, dial })
}

fn rewrite(source: &mut Source<'_>, mut reader: Reader<'_>) -> Option<Rewrite> {
    let place = place(source, &mut reader);
    let condition = condition(source, &mut reader);
    let goes_on = reader.flag(source, "go_on").unwrap_or_default();
    let result = template(source, &mut reader, "result");
    let span = reader.span();
    let written = reader.item("result").is_some();
    reader.finish(source);
    let Some((result, at)) = result else {
        if !written {
            source
                .error(span, "result: what does it become? Write such as result = \"+1{number}\"");
        }
        return None;
    };
    check_target(source, &result, &at);
    if result.wants_rest() && condition.prefix.is_empty() {
        source.error(at, "result: {rest} is what comes after the prefix, and this rule has none");
    }
    Some(Rewrite { place, condition, result, goes_on })
}

fn trial(source: &mut Source<'_>, mut reader: Reader<'_>, zone: &TimeZone) -> Option<Trial> {
    let at = position(source, reader.span());
    let mut place = Place { line: at.line, column: at.column, why: String::new() };
    let mut parameters = vec![];
    for (key, parameter) in [("from", "From"), ("to", "To")] {
        if let Some((value, _)) = reader.text(source, key) {
            parameters.push((parameter.to_owned(), value));
        }
    }
    let with = reader.table(source, "with");
    for (name, _, item) in with.entries() {
        match item.as_str() {
            Some(value) => parameters.push((name.to_owned(), value.to_owned())),
            None => source.error(item.span(), format!("{name}: expected a text in quotes")),
        }
    }
    let mut moment = None;
    if let Some(item) = reader.item("at") {
        let text = values(item).into_iter().next().map(|(text, _)| text).unwrap_or_default();
        match hours::parse_moment(&text, zone) {
            Ok(time) => moment = Some(time),
            Err(reason) => source.error(item.span(), format!("at: {reason}")),
        }
    }
    let name = reader.text(source, "name").map(|(name, _)| name);
    let mut expected = vec![];
    for (key, what) in EXPECTATIONS {
        if let Some((value, _)) = reader.text(source, key) {
            let at = position(source, reader.at(key));
            expected.push(Expected { what, value, line: at.line, column: at.column });
        }
    }
    if expected.is_empty() {
        let message = "test: expects nothing; write dials, caller_id, says, rejects, redirects, rule \
                       or xml";
        source.error(reader.span(), message);
    }
    reader.finish(source);
    let to = parameters.iter().find(|(name, _)| name == "To").map(|(_, to)| to.clone());
    let name = name.or(to).unwrap_or_else(|| format!("line {}", place.line));
    place.why.clone_from(&name);
    Some(Trial { place, name, parameters, at: moment, expected })
}

/// Rules that can never speak, and rules that speak for less than it seems.
fn warn(source: &mut Source<'_>, rewrites: &[Rewrite], blocks: &[Gate]) {
    let rules: Vec<Subject<'_>> = rewrites
        .iter()
        .map(|r| Subject { place: &r.place, condition: &r.condition, goes_on: r.goes_on })
        .collect();
    let gates: Vec<Subject<'_>> = blocks
        .iter()
        .map(|b| Subject { place: &b.place, condition: &b.condition, goes_on: false })
        .collect();
    for (key, rules, overlaps) in [("rewrite", rules, true), ("block", gates, false)] {
        for Shadow { rule, message } in shadows(&rules, overlaps) {
            let Some(subject) = rules.get(rule) else { continue };
            let (line, column) = (subject.place.line as usize, subject.place.column as usize);
            let message = format!("{key}: {message}");
            let severity = Severity::Warning;
            let file = source.file.to_owned();
            source.warnings.push(Problem { file, line, column, severity, message });
        }
    }
}
