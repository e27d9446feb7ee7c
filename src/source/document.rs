//! What an answer means by its content type: markup, sound to play, text to say, or an error.
//!
//! By the rules of the TwiML reference. The markup itself is read by `verb::Document`. Handlers
//! mostly answer what they answered before, so what was read lately is kept.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use moka::Equivalent;
use moka::sync::Cache;

use crate::verb::Document;

/// Bytes of text whose documents are kept: a thousand answers of the usual size. A document takes
/// about four times its text.
const KEPT: u64 = 1 << 18;

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
    if is_sound(content_type) {
        return Ok(Document::play(url));
    }
    match Document::parse(body, Some(content_type.unwrap_or(""))) {
        Ok((document, _)) => Ok(document),
        Err(error) => Err(BadDocument { code: error.code, message: error.place_and_reason() }),
    }
}

/// Documents read lately, by their text: calls that hear the same share one.
#[derive(Debug)]
pub struct Documents {
    kept: Cache<Text, Arc<Document>>,
}

/// What a document was read from.
#[derive(Debug, Hash, PartialEq, Eq)]
struct Text {
    body: Box<[u8]>,
    content_type: Option<Box<str>>,
}

/// The same, not yet kept.
#[derive(Hash)]
struct Seen<'a> {
    body: &'a [u8],
    content_type: Option<&'a str>,
}

impl Equivalent<Text> for Seen<'_> {
    fn equivalent(&self, text: &Text) -> bool {
        *self.body == *text.body && self.content_type == text.content_type.as_deref()
    }
}

impl Default for Documents {
    fn default() -> Self {
        let weight =
            |text: &Text, _: &Arc<Document>| u32::try_from(text.body.len()).unwrap_or(u32::MAX);
        Documents { kept: Cache::builder().max_capacity(KEPT).weigher(weight).build() }
    }
}

impl Documents {
    /// [`read_document`], or what it gave for the same text before.
    pub fn read(
        &self,
        body: &[u8],
        content_type: Option<&str>,
        url: &str,
    ) -> Result<Arc<Document>, BadDocument> {
        let seen = Seen { body, content_type };
        if let Some(document) = self.kept.get(&seen) {
            return Ok(document);
        }
        let document = Arc::new(read_document(body, content_type, url)?);
        // Sound is a document about its URL, not about its bytes.
        if !is_sound(content_type) {
            let text = Text { body: body.into(), content_type: content_type.map(Into::into) };
            self.kept.insert(text, Arc::clone(&document));
        }
        Ok(document)
    }
}

fn is_sound(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|content_type| media_type(content_type).starts_with("audio/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANG_UP: &[u8] = b"<Response><Hangup/></Response>";

    #[test]
    fn the_same_text_is_read_once_and_another_type_anew() {
        let documents = Documents::default();
        let read = |kind| documents.read(HANG_UP, Some(kind), "http://h/");
        let first = read("text/xml").expect("a document");
        assert!(Arc::ptr_eq(&first, &read("text/xml").expect("the same")));
        assert!(!Arc::ptr_eq(&first, &read("text/html").expect("a document")));
        assert_eq!(read("image/png").expect_err("no document").code, 12300);
    }

    #[test]
    fn sound_is_told_apart_by_its_url() {
        let documents = Documents::default();
        let sounds = |url| {
            let document = documents.read(b"RIFF", Some("audio/wav"), url).expect("a document");
            document.verbs()[0].verb.sounds()
        };
        assert_ne!(sounds("http://h/a.wav"), sounds("http://h/b.wav"));
    }
}
