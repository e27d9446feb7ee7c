//! Fixtures: events and the answers that are expected of them.
//!
//! `NAME.test/CASE.json` is an event, and `CASE.xml` (or `.txt`) beside it what is expected. Or all
//! are in `NAME.test.json`: `[{"name": …, "event": {…}, "expected": "<Response>…"}]`, where
//! `"status"` may be expected, too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::check::shown;
use crate::base::hint;
use crate::markup;
use crate::source::seen::Reporter;
use crate::source::{Access, Invocation};

/// One event, and what is expected.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) function: String,
    pub(super) case: String,
    pub(super) event: Map<String, Value>,
    pub(super) expected: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) place: Place,
}

/// Where a fixture is written.
#[derive(Debug)]
pub(super) enum Place {
    /// A file with the event, and one with what is expected, where there is one.
    File { event: PathBuf, expected: Option<PathBuf> },
    /// A file with all cases of the function.
    In(PathBuf),
}

/// A fixture that cannot be run.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) function: String,
    pub(super) case: String,
    /// File, line where there is one, and what to do.
    pub(super) why: String,
}

impl Unusable {
    pub(super) fn new(function: &str, case: &str, why: String) -> Unusable {
        Unusable { function: function.to_owned(), case: case.to_owned(), why }
    }
}

impl Fixture {
    /// The request that brings the event.
    pub(super) fn invocation(&self, reporter: Reporter) -> Invocation {
        invocation(&self.event, reporter)
    }
}

/// A request that a handler sees as this event: `request` says header fields, cookies and method,
/// the other members are the parameters, with their types.
pub(super) fn invocation(event: &Map<String, Value>, reporter: Reporter) -> Invocation {
    let mut parameters = event.clone();
    let request = parameters.shift_remove("request").unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = |value: &Value| -> Vec<(String, String)> {
        let members = value.as_object().into_iter().flatten();
        members.map(|(name, value)| (name.clone(), text(value))).collect()
    };
    let mut headers = pairs(&request["headers"]);
    for (name, value) in pairs(&request["cookies"]) {
        headers.push(("cookie".to_owned(), format!("{name}={value}")));
    }
    Invocation {
        method: request["method"].as_str().unwrap_or("POST").to_owned(),
        headers,
        query: vec![],
        content_type: "application/json".to_owned(),
        body: Value::Object(parameters).to_string().into_bytes(),
        explain: false,
        // Who runs the command owns the files.
        admitted: Access::Private,
        reporter,
    }
}

/// The fixtures of a function, each apart: what is wrong with one leaves the others as they are.
pub(super) fn of(functions: &Path, name: &str) -> Vec<Result<Fixture, Unusable>> {
    let mut found = beside_each_other(functions, name);
    let whole = functions.join(format!("{name}.test.json"));
    if whole.is_file() {
        found.extend(in_one_file(&whole, name));
    }
    found
}

/// Names that fixtures are there for, in the order of the names.
pub(super) fn names(functions: &Path) -> Vec<String> {
    let mut names = Vec::new();
    collect(functions, "", 0, &mut names);
    names.sort();
    names.dedup();
    names
}

fn collect(dir: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    /// As deep as functions lie.
    const MAX_DEPTH: usize = 8;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|n| !n.starts_with('.') && *n != "node_modules")
        else {
            continue;
        };
        let is_folder = entry.path().is_dir();
        match name.strip_suffix(if is_folder { ".test" } else { ".test.json" }) {
            Some(name) => names.push(format!("{prefix}{name}")),
            None if is_folder && depth < MAX_DEPTH => {
                collect(&entry.path(), &format!("{prefix}{name}/"), depth + 1, names);
            }
            None => {}
        }
    }
}

/// Those of `NAME.test/`: an event a file.
fn beside_each_other(functions: &Path, name: &str) -> Vec<Result<Fixture, Unusable>> {
    let folder = functions.join(format!("{name}.test"));
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let ends = |path: &Path, ending: &str| path.extension().is_some_and(|end| end == ending);
    let mut found = Vec::new();
    for path in &paths {
        let event = path.with_extension("json");
        let fixture = match ends(path, "json") {
            true => from_file(path, name),
            false if !(ends(path, "xml") || ends(path, "txt")) || event.is_file() => continue,
            false => Err(format!(
                "{}: there is no event for it; write {}, such as {EXAMPLE}",
                shown(path),
                shown(&event)
            )),
        };
        let case = path.file_stem().unwrap_or_default().to_string_lossy();
        found.push(fixture.map_err(|why| Unusable::new(name, &case, why)));
    }
    found
}

fn from_file(path: &Path, name: &str) -> Result<Fixture, String> {
    let event = event(path)?;
    let beside = ["xml", "txt"].map(|ending| path.with_extension(ending));
    let expected = match beside.into_iter().find(|path| path.is_file()) {
        Some(path) => {
            let text = fs::read_to_string(&path);
            let text = text.map_err(|e| format!("{}: cannot be read: {e}", shown(&path)))?;
            if path.extension().is_some_and(|ending| ending == "xml") {
                markup::parse(text.as_bytes()).map_err(|wrong| {
                    let (place, why) = (wrong.position, &wrong.message);
                    format!(
                        "{}:{place}: no XML: {why}; mend it, or delete it and run with --write",
                        shown(&path)
                    )
                })?;
            }
            Some((path, text))
        }
        None => None,
    };
    let (path_of, text) = expected.unzip();
    Ok(Fixture {
        function: name.to_owned(),
        case: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        event,
        expected: text,
        status: None,
        place: Place::File { event: path.to_owned(), expected: path_of },
    })
}

/// Those of `NAME.test.json`: an array of cases.
fn in_one_file(whole: &Path, name: &str) -> Vec<Result<Fixture, Unusable>> {
    let file = shown(whole);
    let all = |why: String| vec![Err(Unusable::new(name, "all of its file", why))];
    let text = match fs::read_to_string(whole) {
        Ok(text) => text,
        Err(error) => return all(format!("{file}: cannot be read: {error}")),
    };
    let cases = match parse(&file, &text) {
        Ok(Value::Array(cases)) => cases,
        Ok(_) => {
            let example = format!("[{{\"event\": {EXAMPLE}, \"expected\": \"<Response/>\"}}]");
            return all(format!("{file}: expected an array of cases, such as {example}"));
        }
        Err(why) => return all(why),
    };
    let lines = lines_of_items(&text);
    let one = |(at, case): (usize, &Value)| {
        let number = (at + 1).to_string();
        let place = lines.get(at).map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
        let label = case["name"].as_str().unwrap_or(&number);
        one(name, label, case, whole)
            .map_err(|why| Unusable::new(name, label, format!("{place}: case {number}: {why}")))
    };
    cases.iter().enumerate().map(one).collect()
}

/// The lines on which the items of an array begin, in a text that is sound JSON.
fn lines_of_items(text: &str) -> Vec<usize> {
    let (mut depth, mut line, mut begins) = (0_usize, 1, false);
    let (mut quoted, mut escaped) = (false, false);
    let mut lines = Vec::new();
    for c in text.chars() {
        if begins && !c.is_whitespace() && c != ']' {
            lines.push(line);
            begins = false;
        }
        match c {
            '\n' => line += 1,
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => {
                depth += 1;
                begins = depth == 1;
            }
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => begins = true,
            _ => {}
        }
    }
    lines
}

fn one(function: &str, case: &str, members: &Value, whole: &Path) -> Result<Fixture, String> {
    const KNOWN: [&str; 4] = ["name", "event", "expected", "status"];
    let known = KNOWN.join(", ");
    let all = members.as_object().ok_or(format!("expected an object with members of {known}"))?;
    if let Some(strange) = all.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("unknown key \"{strange}\"; {}", hint(strange, &KNOWN)));
    }
    let event = match members.get("event") {
        Some(Value::Object(event)) => event.clone(),
        None => Map::new(),
        Some(_) => return Err(format!("\"event\" is no object; write one, such as {EXAMPLE}")),
    };
    let expected = match members.get("expected") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(json) => Some(json.to_string()),
        None => None,
    };
    let status = match members.get("status") {
        None => None,
        Some(status) => {
            let number = status.as_u64().and_then(|status| u16::try_from(status).ok());
            let number = number.filter(|number| (100..600).contains(number));
            Some(number.ok_or(format!("\"status\": {status} is none of HTTP's, 100 to 599"))?)
        }
    };
    if expected.is_none() && status.is_none() {
        return Err("it expects nothing: add \"expected\" or \"status\"".to_owned());
    }
    let (function, case) = (function.to_owned(), case.to_owned());
    Ok(Fixture { function, case, event, expected, status, place: Place::In(whole.to_owned()) })
}

/// What an event looks like.
const EXAMPLE: &str = "{\"From\": \"+15550001111\"}";

/// An event, as a file has it.
pub(super) fn event(path: &Path) -> Result<Map<String, Value>, String> {
    let file = shown(path);
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| format!("{file}: cannot be read: {error}"))?;
    match parse(&file, &text)? {
        Value::Object(event) => Ok(event),
        _ => Err(format!("{file}: expected an object, the event, such as {EXAMPLE}")),
    }
}

fn parse(file: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line().max(1), error.column().max(1));
        let why = error.to_string();
        // The place stands in front.
        let why = why.split(" at line ").next().unwrap_or_default();
        format!("{file}:{line}:{column}: not JSON: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_that_is_none_says_where_and_what_to_do_and_leaves_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, inner) = (folder.path(), folder.path().join("f.test"));
        fs::create_dir(&inner).expect("made");
        for (file, text) in [
            ("f.test/cut.json", "{\n\"From\": "),
            ("f.test/list.json", "[1]"),
            ("f.test/lone.xml", "<Response/>"),
            ("f.test/odd.json", "{}"),
            ("f.test/odd.xml", "<Response>\n<Say></Response>"),
            ("f.test/sound.json", "{\"From\": \"+1\"}"),
            (
                "f.test.json",
                "[\n  {\"name\": \"a, [\\\" b\", \"status\": 200},\n  {\"expect\": \"x\"}, 3,\n\
                 {},\n{\"event\": [],\n\"status\": 1}, {\"status\": 99}]",
            ),
        ] {
            fs::write(root.join(file), text).expect("written");
        }
        let (mut sound, mut wrong) = (vec![], vec![]);
        for fixture in of(root, "f") {
            match fixture {
                Ok(fixture) => sound.push(fixture.case),
                Err(unusable) => wrong.push(unusable.why.replace(&shown(root), "")),
            }
        }
        assert_eq!(sound, ["sound", "a, [\" b"]);
        let expected = [
            "/f.test/cut.json:2:8: not JSON: EOF while parsing a value",
            "/f.test/list.json: expected an object, the event, such as {\"From\": \"+15550001111\"}",
            "/f.test/lone.xml: there is no event for it; write /f.test/lone.json, such as",
            "/f.test/odd.xml:2:",
            "/f.test.json:3: case 2: unknown key \"expect\"; did you mean \"expected\"?",
            "/f.test.json:3: case 3: expected an object with members of name, event, ",
            "/f.test.json:4: case 4: it expects nothing: add \"expected\" or \"status\"",
            "/f.test.json:5: case 5: \"event\" is no object; write one, such as",
            "/f.test.json:6: case 6: \"status\": 99 is none of HTTP's, 100 to 599",
        ];
        assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
        for (wrong, expected) in wrong.iter().zip(expected) {
            assert!(wrong.starts_with(expected), "{wrong}\n{expected}");
        }
        fs::write(root.join("f.test.json"), "[{]").expect("written");
        let Some(Err(all)) = of(root, "f").pop() else { panic!("it is no JSON") };
        assert!(all.why.contains("/f.test.json:1:3: not JSON: key must be a string"), "{all:?}");
        assert_eq!(names(root), ["f"]);
    }
}
