//! What an answer means by its content type: markup, sound to play, text to say, or an error.
//!
//! By the rules of the TwiML reference. The markup itself is read by `verb::Document`.

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

/// Reads an answer of a good status as a document. Sound is a document that plays it; all else is
/// [`Document::parse`]'s, for which a missing type is a fault of the answer.
pub fn read_document(
    body: &[u8],
    content_type: Option<&str>,
    url: &str,
) -> Result<Document, BadDocument> {
    let content_type = content_type.unwrap_or("");
    if media_type(content_type).starts_with("audio/") {
        return Ok(Document::play(url));
    }
    match Document::parse(body, Some(content_type)) {
        Ok((document, _)) => Ok(document),
        Err(error) => Err(BadDocument { code: error.code, message: error.place_and_reason() }),
    }
}
