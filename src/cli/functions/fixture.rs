//! Fixtures: events and the answers that are expected of them.
//!
//! `NAME.test/CASE.json` is an event, and `CASE.xml` (or `.txt`) beside it what is expected. Or all
//! are in `NAME.test.json`: `[{"name": …, "event": {…}, "expected": "<Response>…"}]`, where
//! `"status"` may be expected, too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::check::shown;
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
    /// Where to write what is expected, when it is not there yet.
    pub(super) beside: Option<PathBuf>,
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

/// The fixtures of a function; mistakes say file and reason.
pub(super) fn of(functions: &Path, name: &str) -> Result<Vec<Fixture>, String> {
    let mut found = Vec::new();
    let folder = functions.join(format!("{name}.test"));
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    for path in paths {
        let Value::Object(event) = read(&path)? else {
            return Err(format!("{}: expected an object, the event", shown(&path)));
        };
        let beside = ["xml", "txt"].map(|ending| path.with_extension(ending));
        let expected = beside.iter().find(|path| path.is_file()).map(|path| {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", shown(path)))
        });
        found.push(Fixture {
            function: name.to_owned(),
            case: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            event,
            expected: expected.transpose()?,
            status: None,
            beside: Some(path),
        });
    }
    let whole = functions.join(format!("{name}.test.json"));
    if whole.is_file() {
        let Value::Array(cases) = read(&whole)? else {
            return Err(format!("{}: expected an array of cases", shown(&whole)));
        };
        for (at, case) in cases.iter().enumerate() {
            found.push(one(name, at, case).map_err(|why| format!("{}: {why}", shown(&whole)))?);
        }
    }
    Ok(found)
}

fn one(function: &str, at: usize, case: &Value) -> Result<Fixture, String> {
    let number = at + 1;
    let members = case.as_object().ok_or(format!("case {number} is no object"))?;
    const KNOWN: [&str; 4] = ["name", "event", "expected", "status"];
    if let Some(strange) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!(
            "case {number}: unknown key \"{strange}\"; known: {}",
            KNOWN.join(", ")
        ));
    }
    let event = match case.get("event") {
        Some(Value::Object(event)) => event.clone(),
        None => Map::new(),
        Some(_) => return Err(format!("case {number}: expected an object, the event")),
    };
    let expected = match case.get("expected") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(json) => Some(json.to_string()),
        None => None,
    };
    let status = match case.get("status") {
        None => None,
        Some(status) => {
            let number = status.as_u64().and_then(|status| u16::try_from(status).ok());
            Some(number.ok_or(format!("case {number:?}: status {status} is no number of HTTP"))?)
        }
    };
    if expected.is_none() && status.is_none() {
        return Err(format!("case {number} expects nothing: add \"expected\" or \"status\""));
    }
    let case = case["name"].as_str().map_or_else(|| number.to_string(), str::to_owned);
    Ok(Fixture { function: function.to_owned(), case, event, expected, status, beside: None })
}

/// A JSON file.
pub(super) fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", shown(path)))?;
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{}:{line}:{column}: not JSON: {error}", shown(path))
    })
}
