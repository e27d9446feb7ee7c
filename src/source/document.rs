//! What an answer means by its content type: markup, sound to play, text to say, or an error.
//!
//! `twiml.md` section 7. The markup itself is read by `verb::Document`.

use std::fmt;

use crate::verb::Document;

/// Why an answer is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDocument {
    /// The error code.
    pub code: u32,
    /// What is wrong, with the position for a parse error.
    pub message: String,
}

impl fmt::Display for BadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The media type of a content type, lower case, without its parameters.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// Reads an answer of a good status as a document.
pub fn read_document(
    body: &[u8],
    content_type: Option<&str>,
    url: &str,
) -> Result<Document, BadDocument> {
    let kind = media_type(content_type.unwrap_or(""));
    if kind.starts_with("audio/") {
        return Ok(play(url));
    }
    let text = kind == "text/plain";
    if !text && !matches!(kind.as_str(), "text/xml" | "application/xml" | "text/html") {
        let got = if kind.is_empty() { "none" } else { &kind };
        return Err(BadDocument {
            code: 12300,
            message: format!("content type {got}: expected text/xml, application/xml or audio/*"),
        });
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(BadDocument { code: 11770, message: "the body is empty".to_owned() });
    }
    match parse(body) {
        Err(_) if text => Ok(say(&String::from_utf8_lossy(body))),
        result => result,
    }
}

/// Stands in for `Document::parse` until the verbs are there: recognises the root element alone.
fn parse(body: &[u8]) -> Result<Document, BadDocument> {
    let text = String::from_utf8_lossy(body);
    let mut rest = text.trim_start_matches('\u{feff}').trim();
    while let Some((_, after)) = ["?>", "-->"].into_iter().find_map(|end| {
        let prolog = rest.starts_with("<?") && end == "?>";
        (prolog || rest.starts_with("<!--") && end == "-->").then(|| rest.split_once(end))?
    }) {
        rest = after.trim_start();
    }
    let bad = |code, message: &str| Err(BadDocument { code, message: format!("1:1: {message}") });
    let Some(root) = rest.strip_prefix('<') else { return bad(12100, "expected markup") };
    if !root.starts_with("Response") {
        return bad(12102, "the root element is not Response");
    }
    if !(rest.ends_with("</Response>") || rest.ends_with("/>")) {
        return bad(12100, "Response is not closed");
    }
    Ok(Document {})
}

/// Stands in for `Document::play`: a document that plays one file, then hangs up.
fn play(_url: &str) -> Document {
    Document {}
}

/// Stands in for `Document::say`: a document that says a text, then hangs up.
fn say(_text: &str) -> Document {
    Document {}
}
