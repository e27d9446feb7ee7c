//! Requests that arrive and responses that leave, as values: handlers are tried without sockets.

use std::net::IpAddr;

use bytes::Bytes;

use super::file::FileBody;
use super::form;

/// Header fields in order; names compare without case (RFC 9110 section 5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// From name and value pairs.
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Headers(fields)
    }

    /// The first field of that name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

/// A request that arrived, whole.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST` …, upper case.
    pub method: String,
    /// The path as sent, still percent-encoded; begins with a slash.
    pub path: String,
    /// What follows the question mark, as sent; empty when there is none.
    pub query: String,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// Who sent it; `None` for requests that never left this process.
    pub peer: Option<IpAddr>,
}

impl Request {
    /// A GET of a path with an optional query: `/bins/hello?From=1`.
    pub fn get(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            ..Request::default()
        }
    }

    /// A POST of a form.
    pub fn post(target: &str, fields: &[(String, String)]) -> Self {
        let mut request = Request::get(target);
        request.method = "POST".to_owned();
        request.headers.push("Content-Type", form::CONTENT_TYPE);
        request.body = form::encode(fields).into();
        request
    }

    /// The parameters of the query, in order.
    pub fn query_parameters(&self) -> Vec<(String, String)> {
        form::decode(self.query.as_bytes())
    }

    /// The fields of the body when it is a form, in order; else none.
    pub fn form(&self) -> Vec<(String, String)> {
        match self.headers.first("Content-Type") {
            Some(kind) if form::is_form(kind) => form::decode(&self.body),
            _ => Vec::new(),
        }
    }

    /// Path and query as sent.
    pub fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}

/// A response to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields; length and date are added in sending.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// A file that is sent in its place.
    pub file: Option<FileBody>,
}

impl Response {
    /// A response with a body of that type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = Headers::default();
        headers.push("Content-Type", content_type);
        Response { status, headers, body: body.into(), file: None }
    }

    /// Plain text, with a line feed at the end for terminals.
    pub fn text(status: u16, text: &str) -> Self {
        Response::new(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// Markup.
    pub fn markup(body: impl Into<Bytes>) -> Self {
        Response::new(200, "text/xml; charset=utf-8", body)
    }

    /// An error as the control API writes it.
    pub fn api_error(status: u16, code: u32, message: &str) -> Self {
        let body = serde_json::json!({
            "code": code,
            "message": message,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status,
        });
        Response::new(status, "application/json", body.to_string())
    }

    /// The same with one more field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }
}
