//! One request that a function asked for: unsigned, without our cookies and logins, guarded like
//! every other, and never followed; whoever sent it judges where a redirect leads.
//!
//! What frames a message or names its route is ours, whatever the function says (RFC 9110 section
//! 7.6, RFC 9112 section 6).

use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::client::{Client, Reply, Trust, read};
use super::{Error, Headers};

/// A server that takes longer to take a connection is none to ask while a call waits.
const CONNECT: Duration = Duration::from_secs(5);

/// Fields that decide whom a connection speaks to or where a message ends; those of proxies and
/// of upgrades come by their beginnings.
const OURS: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// A request.
#[derive(Clone, Debug)]
pub struct Fetching<'a> {
    /// Where to.
    pub url: &'a Url,
    /// The method, a token.
    pub method: &'a str,
    /// Header fields; those that are ours are left out.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: Option<&'a [u8]>,
    /// The largest body read.
    pub limit: usize,
}

impl Client {
    /// Sends it and reads what comes, a redirect like all else.
    pub async fn fetch(&self, fetching: &Fetching<'_>) -> Result<Reply, Error> {
        let Fetching { url, method, body, limit, .. } = fetching;
        self.check(url)?;
        let bad = |what: String| Error::BadRequest(what);
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .ok()
            .filter(|method| !matches!(method.as_str(), "CONNECT" | "TRACE" | "TRACK"))
            .ok_or_else(|| bad(format!("method {method:?}")))?;
        let trust = if url.scheme() == "https" { Trust::System } else { Trust::Nobody };
        let client = self.client(CONNECT, trust)?;
        let mut request = client.request(method, (*url).clone()).headers(fields(fetching.headers)?);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        read(request.send().await?, (*url).clone(), *limit).await
    }
}

/// The fields as they go out. Names and values that are none are refused: a line end in one would
/// begin another field.
fn fields(given: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut fields = HeaderMap::new();
    fields.insert(header::USER_AGENT, HeaderValue::from_static("offhook"));
    let mut own_agent = false;
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::BadRequest(format!("header name {name:?}")))?;
        // Characters up to U+00FF are one byte each, as browsers send them.
        let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
        let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let value = value.ok_or_else(|| Error::BadRequest(format!("value of header {name}")))?;
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            continue;
        }
        if name == header::USER_AGENT && !own_agent {
            own_agent = true;
            fields.insert(name, value);
        } else {
            let many = |_| Error::BadRequest("too many headers".to_owned());
            fields.try_append(name, value).map_err(many)?;
        }
    }
    Ok(fields)
}

/// Fields that go to the origin that they were meant for, and to no other.
pub const PERSONAL: [&str; 2] = ["authorization", "cookie"];

/// Where a reply sends its reader on to; none when it is no redirect that anybody can follow.
pub fn location(from: &Url, status: u16, headers: &Headers) -> Result<Option<Url>, Error> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(text) = headers.first("location") else { return Ok(None) };
    let mut url =
        from.join(text).map_err(|error| Error::BadRedirect(format!("Location: {error}")))?;
    url.set_fragment(None);
    if from.scheme() == "https" && url.scheme() != "https" {
        return Err(Error::BadRedirect(format!("from TLS to {}", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::BadRedirect("a URL with a user name or password in it".to_owned()));
    }
    Ok(Some(url))
}

/// What a status is called; connections of HTTP/1.1 lose what the server called it.
pub fn reason(status: u16) -> &'static str {
    reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_that_a_function_writes_ends_a_line_or_names_another_host() {
        for (name, value) in [
            ("x", "a\r\nHost: evil"),
            ("x", "a\nb"),
            ("x", "a\0"),
            ("x: y\r\nz", "a"),
            ("", "a"),
            ("x y", "a"),
            ("x", "\u{100}"),
        ] {
            let refused = fields(&pairs(&[(name, value)]));
            assert!(matches!(refused, Err(Error::BadRequest(_))), "{name:?}: {value:?}");
        }
        let given = pairs(&[
            ("Host", "evil.example"),
            ("Content-Length", "0"),
            ("Transfer-Encoding", "chunked"),
            ("Proxy-Authorization", "x"),
            ("X-Own", "1"),
            ("x-own", "2"),
            ("User-Agent", "mine"),
        ]);
        let sent = fields(&given).expect("sound");
        let names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(sent.get_all("x-own").iter().count(), 2);
        assert_eq!(sent["user-agent"], "mine");
    }

    #[test]
    fn a_redirect_never_leaves_tls() {
        let from = Url::parse("https://a.example/x/y").expect("a URL");
        let to = |status, text: &str| {
            location(&from, status, &Headers::new(pairs(&[("Location", text)])))
        };
        assert!(to(302, "http://a.example/").is_err() && to(302, "//u:p@a.example/").is_err());
        assert_eq!(
            to(307, "z#f").expect("sound").expect("a URL").as_str(),
            "https://a.example/x/z"
        );
        assert!(to(304, "/").expect("sound").is_none());
        assert!(location(&from, 302, &Headers::default()).expect("sound").is_none());
    }
}
