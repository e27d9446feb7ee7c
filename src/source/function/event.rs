//! What goes into a function and what comes out of it, whichever door it has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::error::{Failure, LoadError, plain};
use super::reply::{Reply, Scalar};
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
    /// All parameters, with their types; those of the body win over those of the query.
    pub parameters: Map<String, Value>,
    /// The query as it was; by it a table is asked to explain itself.
    pub query: Vec<(String, String)>,
    /// What `context` holds besides the environment: `DOMAIN_NAME`, `PATH`, `ACCOUNT_SID`, …
    pub context: Vec<(String, String)>,
}

impl Event {
    /// The JSON document that every door receives: `{"context": {…}, "event": {…}}`.
    pub(crate) fn to_json(&self, environment: &[(String, String)]) -> Vec<u8> {
        let mut request = Map::new();
        request.insert("method".into(), self.method.as_str().into());
        let shown = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        request
            .insert("headers".into(), collect(shown.filter(|(name, _)| !is_hidden(name))).into());
        request.insert("cookies".into(), collect(pairs(&self.cookies)).into());
        let context = collect(pairs(environment).chain(pairs(&self.context)));
        let event = Given { request: request.into(), parameters: &self.parameters };
        // Keys are texts and numbers finite: nothing of it cannot be written.
        serde_json::to_vec(&Document { context, event }).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Document<'a> {
    context: Map<String, Value>,
    event: Given<'a>,
}

/// The parameters with `request` before them; a parameter of that name takes its place.
/// Written from where they are: they may be a megabyte.
struct Given<'a> {
    request: Value,
    parameters: &'a Map<String, Value>,
}

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const REQUEST: &str = "request";
        let request = self.parameters.get(REQUEST).unwrap_or(&self.request);
        let others = self.parameters.iter().filter(|(name, _)| *name != REQUEST);
        let others = others.map(|(name, value)| (name.as_str(), value));
        serializer.collect_map(std::iter::once((REQUEST, request)).chain(others))
    }
}

/// What concerns a connection, or proxies add about themselves, is none of the handler's business:
/// the fields that Twilio's runtime keeps back.
fn is_hidden(name: &str) -> bool {
    const PREFIXES: [&str; 6] = ["i-twilio-", "i-t-", "ot-", "x-amz", "x-forwarded-", "x-accel-"];
    const NAMES: [&str; 11] = [
        "via",
        "referer",
        "transfer-encoding",
        "proxy-authorization",
        "proxy-authenticate",
        "x-real-ip",
        "connection",
        "proxy-connection",
        "expect",
        "trailer",
        "upgrade",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Names and values, as [`collect`] wants them.
pub(super) fn pairs(list: &[(String, String)]) -> impl Iterator<Item = (String, &String)> {
    list.iter().map(|(name, value)| (name.clone(), value))
}

/// An object in which repeated names hold arrays.
pub(super) fn collect<'a>(pairs: impl Iterator<Item = (String, &'a String)>) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = Value::from(value.as_str());
        match object.get_mut(&name) {
            None => drop(object.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    object
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
    /// The log holds numbers of callers and callees that its author did not choose to write.
    pub numbers: bool,
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
    pub fn from_json(bytes: &[u8]) -> Result<Response, Failure> {
        let malformed = |reason: &str| Failure::Malformed(reason.to_owned());
        let reply: Reply = serde_json::from_slice(bytes).map_err(|error| {
            // Not the place, which is none in the author's file.
            let told = error.to_string();
            malformed(&plain(told.split(" at line ").next().unwrap_or(&told)))
        })?;
        let status = reply.status.and_then(Scalar::into_text).and_then(|text| text.parse().ok());
        let status = status.filter(|code| (200..600).contains(code));
        let status = status.ok_or_else(|| malformed("statusCode is not an HTTP status"))?;
        let mut response = Response { status, ..Response::default() };
        let mut binary = false;
        if let Some(Scalar::Text(body)) = reply.body64 {
            binary = true;
            response.body = STANDARD.decode(body).map_err(|_| malformed("body64 is not base64"))?;
        } else if let Some(Scalar::Text(body)) = reply.body {
            response.body = body.into_bytes();
        }
        for (name, value) in reply.headers.0 {
            response.add_header(&name, &value)?;
        }
        if response.content_type.is_empty() {
            let given = match &reply.kind {
                Some(Scalar::Text(given)) => given,
                _ => "text/plain",
            };
            let charset = if binary { "" } else { "; charset=utf-8" };
            response.add_header("Content-Type", &format!("{given}{charset}"))?;
        }
        Ok(response)
    }

    /// From bytes on standard output: a document, or a CGI header block (RFC 3875 section 6)
    /// and a document.
    pub fn from_output(bytes: Vec<u8>) -> Result<Response, Failure> {
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
                            let value = plain(value);
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

    /// Keeps out of header fields what would split the response, and leaves to the server what is
    /// between it and the client: how long the answer is and how the connection goes on.
    fn add_header(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty()
            || !name.bytes().all(token)
            || value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f)
        {
            let name = plain(name);
            return Err(Failure::Malformed(format!("header field {name:?} cannot be sent")));
        }
        if name.eq_ignore_ascii_case("content-type") {
            value.clone_into(&mut self.content_type);
        } else if !HOP_BY_HOP.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        let fields = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let bytes = self.content_type.len() + fields.clone().sum::<usize>();
        if fields.len() > MOST_FIELDS || bytes > MOST_FIELD_BYTES {
            let why = format!("more than {MOST_FIELDS} header fields or {MOST_FIELD_BYTES} bytes");
            return Err(Failure::Malformed(why));
        }
        Ok(())
    }
}

/// Header fields of one answer: clients refuse more, and the server's own table of them has an end.
pub(super) const MOST_FIELDS: usize = 128;
const MOST_FIELD_BYTES: usize = 64 << 10;

/// RFC 9110 section 7.6.1, RFC 9112 section 6.
const HOP_BY_HOP: [&str; 8] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

const XML: &str = "text/xml; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(output: &str) -> String {
        match Response::from_output(output.as_bytes().to_vec()) {
            Err(Failure::Malformed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn header_fields_are_few_and_none_is_the_connection_s() {
        let many = "a: b\n".repeat(40_000);
        assert!(refused(&format!("{many}\n<Response/>")).contains("more than 128"));
        let long = format!("a: {}\n\n", "b".repeat(100_000));
        assert!(refused(&long).contains("65536 bytes"));
        let told = refused(&format!("Status: {}\n\n", "9".repeat(100_000)));
        assert!(told.len() < 3_000);
        let framing = "Transfer-Encoding: chunked\nconnection: upgrade\nContent-Length: 1\n\
                       Keep-Alive: x\nTE: x\nUpgrade: h2c\nX-Own: yes\n\nbody";
        let response = Response::from_output(framing.into()).expect("an answer");
        assert_eq!(response.headers, [("X-Own".to_owned(), "yes".to_owned())]);
    }

    #[test]
    fn no_part_of_an_answer_splits_it() {
        let json = |text: &str| Response::from_json(text.as_bytes());
        for reply in [
            r#"{"status":200,"type":"text/plain\r\nSet-Cookie: a=b","body":""}"#,
            r#"{"status":200,"headers":{"X":"a\r\nY: b"},"body":""}"#,
            r#"{"status":200,"headers":{"X\r\nY":"b"},"body":""}"#,
            r#"{"status":200,"headers":{"Content-Type":["a","b\n"]},"body":""}"#,
            r#"{"status":199,"body":""}"#,
            r#"{"status":600,"body":""}"#,
            r#"{"status":200.5,"body":""}"#,
            r#"{"status":200,"body64":"?"}"#,
            "[]",
            "",
        ] {
            assert!(matches!(json(reply), Err(Failure::Malformed(_))), "{reply}");
        }
        // What nobody knows is skipped.
        let whole = format!(
            r#"{{"z":[{}0],"status":"201","headers":{{"A":["b",1]}},"body":"x","y":{{"":0}}}}"#,
            r#"{"":0},"#.repeat(1_000)
        );
        let answer = json(&whole).expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (201, &b"x"[..]));
        let fields = [("A", "b"), ("A", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(answer.headers, fields);
        for many in [
            format!(r#"{{"A":[{}0]}}"#, "0,".repeat(100_000)),
            format!(r#"{{{}"B":0}}"#, r#""TE":0,"#.repeat(100_000)),
        ] {
            let told = json(&format!(r#"{{"status":200,"headers":{many}}}"#)).map(drop);
            let why = Failure::Malformed("far too many header fields".to_owned());
            assert_eq!(told, Err(why));
        }
        let deep = format!(r#"{{"status":200,"body":{}"#, "[".repeat(100_000));
        assert!(json(&deep).is_err());
    }
}
