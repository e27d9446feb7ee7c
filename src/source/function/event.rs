//! What goes into a function and what comes out of it, whichever door it has.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value};

use super::error::{Failure, LoadError};
use crate::base::Duration;

/// A request, as a function's handler sees it. Values are already percent-decoded.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// `GET`, `POST`, …
    pub method: String,
    /// Header fields in their order; names in any case.
    pub headers: Vec<(String, String)>,
    /// Cookies of the request.
    pub cookies: Vec<(String, String)>,
    /// Parameters of the query.
    pub query: Vec<(String, String)>,
    /// Parameters of the body; they win over those of the query.
    pub body: Vec<(String, String)>,
    /// What `context` holds besides the environment: `DOMAIN_NAME`, `PATH`, `ACCOUNT_SID`, …
    pub context: Vec<(String, String)>,
}

impl Event {
    /// The JSON document that every door receives: `{"context": {…}, "event": {…}}`.
    pub(super) fn to_json(&self, environment: &[(String, String)]) -> Vec<u8> {
        let mut request = Map::new();
        request.insert("method".into(), self.method.as_str().into());
        let shown = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        request.insert("headers".into(), collect(shown.filter(|(name, _)| !is_hidden(name))));
        request.insert("cookies".into(), collect(pairs(&self.cookies)));
        let mut event = Map::new();
        event.insert("request".into(), request.into());
        for parameters in [&self.query, &self.body] {
            if let Value::Object(members) = collect(pairs(parameters)) {
                event.extend(members);
            }
        }
        let context = collect(pairs(environment).chain(pairs(&self.context)));
        serde_json::json!({ "context": context, "event": event }).to_string().into_bytes()
    }
}

/// What proxies add about themselves is none of the handler's business.
fn is_hidden(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "via" | "x-real-ip")
}

fn pairs(list: &[(String, String)]) -> impl Iterator<Item = (String, &String)> {
    list.iter().map(|(name, value)| (name.clone(), value))
}

/// An object in which repeated names hold arrays.
fn collect<'a>(pairs: impl Iterator<Item = (String, &'a String)>) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = Value::from(value.as_str());
        match object.get_mut(&name) {
            None => drop(object.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    object.into()
}

/// How serious a line of a function's log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `console.debug`.
    Debug,
    /// `console.log`, standard error.
    Info,
    /// `console.warn`.
    Warning,
    /// `console.error`, and what stopped the function.
    Error,
}

impl Level {
    pub(super) fn from_number(number: i32) -> Level {
        match number {
            ..=0 => Level::Debug,
            1 => Level::Info,
            2 => Level::Warning,
            _ => Level::Error,
        }
    }
}

/// One entry of a function's log; the text may hold line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How serious it is.
    pub level: Level,
    /// What was written.
    pub text: String,
}

/// What an invocation used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// From start to end, waiting included.
    pub wall: Duration,
    /// The largest its memory has been, in bytes.
    pub memory: usize,
}

/// What a function answered.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The media type, without which no answer leaves.
    pub content_type: String,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What the function logged, and as the last line why it was stopped.
    pub log: Vec<LogLine>,
    /// What it used up.
    pub cost: Cost,
    /// Why it was stopped; then the status is 500.
    pub failure: Option<Failure>,
    /// The latest edit is broken with this error, and an earlier version answered.
    pub stale: Option<LoadError>,
}

impl Response {
    /// The answer of an invocation that failed.
    pub(super) fn failed(failure: Failure) -> Response {
        Response {
            status: 500,
            content_type: PLAIN.into(),
            body: format!("function {failure}\n").into_bytes(),
            failure: Some(failure),
            ..Response::default()
        }
    }

    /// From what the JavaScript prelude answers.
    pub(super) fn from_json(bytes: &[u8]) -> Result<Response, Failure> {
        let malformed = |reason: &str| Failure::Malformed(reason.to_owned());
        let Ok(Value::Object(mut reply)) = serde_json::from_slice(bytes) else {
            return Err(malformed("not a JSON object"));
        };
        let status = reply.get("status").and_then(status_code);
        let status = status.ok_or_else(|| malformed("statusCode is not an HTTP status"))?;
        let mut response = Response { status, ..Response::default() };
        if let Some(Value::String(body)) = reply.get_mut("body") {
            response.body = std::mem::take(body).into_bytes();
        }
        let bytes = reply.get("base64").and_then(Value::as_str);
        if let Some(bytes) = bytes {
            response.body =
                BASE64_STANDARD.decode(bytes).map_err(|_| malformed("base64 that is none"))?;
        }
        if let Some(Value::Object(headers)) = reply.get("headers") {
            for (name, value) in headers {
                for value in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
                    response.add_header(name, &text_of(value))?;
                }
            }
        }
        if response.content_type.is_empty() {
            let given = reply.get("type").and_then(Value::as_str).unwrap_or("text/plain");
            response.content_type = match bytes {
                Some(_) => given.to_owned(),
                None => format!("{given}; charset=utf-8"),
            };
        }
        Ok(response)
    }

    /// From bytes on standard output: a document, or a CGI header block (RFC 3875 section 6)
    /// and a document.
    pub(super) fn from_output(bytes: Vec<u8>) -> Result<Response, Failure> {
        let mut response = Response { status: 200, ..Response::default() };
        match split_header_block(&bytes) {
            None => response.body = bytes,
            Some((block, body)) => {
                response.body = body.to_vec();
                for (name, value) in block {
                    if !name.eq_ignore_ascii_case("status") {
                        response.add_header(name, value)?;
                        continue;
                    }
                    let code = value.split(' ').next().and_then(|code| code.parse().ok());
                    response.status =
                        code.filter(|code| (200..600).contains(code)).ok_or_else(|| {
                            Failure::Malformed(format!("Status: {value} is not an HTTP status"))
                        })?;
                }
            }
        }
        if response.content_type.is_empty() {
            response.content_type = match response.body.trim_ascii_start().first() {
                Some(b'<') => XML,
                Some(b'{' | b'[') => "application/json; charset=utf-8",
                _ => PLAIN,
            }
            .to_owned();
        }
        Ok(response)
    }

    /// Keeps line ends out of header fields: they would split the response.
    fn add_header(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty()
            || !name.bytes().all(token)
            || value.bytes().any(|b| b < b' ' && b != b'\t')
        {
            return Err(Failure::Malformed(format!("header field {name:?} cannot be sent")));
        }
        if name.eq_ignore_ascii_case("content-type") {
            self.content_type = value.to_owned();
        } else if !name.eq_ignore_ascii_case("content-length") {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }
}

const XML: &str = "text/xml; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

fn status_code(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|code| (200..600).contains(code))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

type HeaderBlock<'a> = (Vec<(&'a str, &'a str)>, &'a [u8]);

/// Header fields before an empty line, when that is how the bytes begin.
fn split_header_block(bytes: &[u8]) -> Option<HeaderBlock<'_>> {
    let mut block = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|&b| b == b'\n')?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..)?;
        let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
        if line.is_empty() {
            return (!block.is_empty()).then_some((block, rest));
        }
        let (name, value) = line.split_once(':')?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return None;
        }
        block.push((name, value.trim()));
    }
}
