//! The only user of `quick-xml`: events become a tree, offsets become lines and columns.

use std::cell::Cell;

use quick_xml::errors::{Error as XmlError, IllFormedError};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::write::allowed;
use super::{Attribute, Diagnostic, Element, Node, Position};

/// The longest document, as at the vendor: 64 kB.
pub const MAX_BYTES: usize = 64 * 1024;
/// The deepest nesting; real documents need four.
pub const MAX_DEPTH: usize = 16;
/// The most elements; real documents have tens.
pub const MAX_ELEMENTS: usize = 1_000;
/// The most attributes of one element; the verbs know some thirty. Each is compared with those
/// before it, as none may come twice.
pub const MAX_ATTRIBUTES: usize = 256;

/// A document that is well-formed and within bounds.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The one root.
    pub root: Element,
    /// What was tolerated.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a document.
pub fn parse(body: &[u8]) -> Result<Tree, Diagnostic> {
    if body.len() > MAX_BYTES {
        let message = format!("the document has {} bytes, more than {MAX_BYTES}", body.len());
        return Err(Diagnostic::error(11750, Position::START, message));
    }
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let mut warnings = Vec::new();
    let start = skip_prolog_noise(text, &mut warnings);
    if start == text.len() {
        let empty = Diagnostic::error(11770, Position::START, "the document is empty");
        return Err(empty.expecting("<Response>…</Response>"));
    }
    let source = Source { text, start, seen: Cell::new((0, Position::START)) };
    source.refuse_web_page()?;
    let root = Builder::new(source).run()?;
    Ok(Tree { root, warnings })
}

/// A byte order mark and white space before the declaration are not XML, but web frameworks send
/// them (the TwiML reference).
fn skip_prolog_noise(text: &str, warnings: &mut Vec<Diagnostic>) -> usize {
    let unmarked = text.trim_start_matches('\u{FEFF}');
    let trimmed = unmarked.trim_start();
    let warn = |message| Diagnostic::warning(12200, Position::START, message);
    if unmarked.len() < text.len() {
        warnings.push(warn("a byte order mark before the document is ignored"));
    }
    if trimmed.len() < unmarked.len() && trimmed.starts_with("<?xml") {
        warnings.push(warn("white space before the XML declaration is ignored"));
    }
    text.len() - trimmed.len()
}

fn not_utf8(body: &[u8], valid: usize) -> Diagnostic {
    let before = String::from_utf8_lossy(&body[..valid]);
    let at = locate(&before, before.len());
    Diagnostic::error(12100, at, "the document is not UTF-8 here").expecting("UTF-8")
}

/// The position of a byte offset.
fn locate(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1,
        column: before[line_start..].chars().filter(|c| *c != '\u{FEFF}').count() as u32 + 1,
    }
}

/// The text and where its markup begins.
struct Source<'a> {
    text: &'a str,
    start: usize,
    /// The last offset that was located. Parts are located in their order: each from the one
    /// before, so that many of them do not read the text as many times.
    seen: Cell<(usize, Position)>,
}

impl Source<'_> {
    fn error(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(12100, self.position(offset), message)
    }

    /// The position of an offset into the markup.
    fn position(&self, offset: usize) -> Position {
        let to = self.start + offset;
        let (from, mut at) = match self.seen.get() {
            (from, at) if from <= to => (from, at),
            _ => (0, Position::START),
        };
        let Some(between) = self.text.get(from..to) else { return locate(self.text, to) };
        for c in between.chars() {
            match c {
                '\n' => at = Position { line: at.line + 1, column: 1 },
                '\u{FEFF}' => {}
                _ => at.column += 1,
            }
        }
        self.seen.set((to, at));
        at
    }

    /// A server that fails often answers with a page for people; its first line says why.
    fn refuse_web_page(&self) -> Result<(), Diagnostic> {
        let markup = &self.text[self.start..];
        let opening: String = markup.chars().take(15).collect::<String>().to_ascii_lowercase();
        if !opening.starts_with("<!doctype html") && !opening.starts_with("<html") {
            return Ok(());
        }
        let visible = visible_line(markup);
        let message = format!("this is a web page, not a document: {visible:?}");
        let at = self.position(0);
        Err(Diagnostic::error(12102, at, message).expecting("<Response>…</Response>"))
    }
}

/// The first line that a browser would show, or the first line at all.
fn visible_line(page: &str) -> String {
    let mut inside_tag = false;
    let mut text = String::new();
    for c in page.chars() {
        match c {
            '<' => inside_tag = true,
            '>' => {
                inside_tag = false;
                text.push('\n');
            }
            c if !inside_tag => text.push(c),
            _ => {}
        }
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = first.or_else(|| page.lines().next()).unwrap_or_default();
    line.chars().take(120).collect()
}

/// Builds the tree from the reader's events.
struct Builder<'a> {
    source: Source<'a>,
    reader: Reader<&'a [u8]>,
    /// Elements that are open, outermost first; at most [`MAX_DEPTH`].
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl<'a> Builder<'a> {
    fn new(source: Source<'a>) -> Self {
        let mut reader = Reader::from_str(&source.text[source.start..]);
        reader.config_mut().check_comments = true;
        Builder { source, reader, open: Vec::new(), root: None, elements: 0 }
    }

    fn run(mut self) -> Result<Element, Diagnostic> {
        loop {
            let at = self.reader.buffer_position() as usize;
            let event = self.reader.read_event().map_err(|error| self.ill_formed(&error))?;
            match event {
                Event::Start(start) => self.open(at, &start)?,
                Event::Empty(start) => {
                    self.open(at, &start)?;
                    self.close();
                }
                Event::End(_) => self.close(),
                Event::Text(text) => self.text(at, &text.into_inner())?,
                Event::CData(data) => self.text(at, &data.into_inner())?,
                Event::GeneralRef(name) => {
                    let resolved = self.reference(at, &name)?;
                    self.text(at, &resolved.to_string())?;
                }
                Event::DocType(_) => {
                    let message = "a document type declaration is refused";
                    return Err(self.source.error(at, message).expecting("no DTD"));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            let message = format!("<{}> is never closed", open.name);
            let expected = format!("</{}>", open.name);
            return Err(Diagnostic::error(12100, open.position, message).expecting(expected));
        }
        self.root.ok_or_else(|| {
            self.source.error(0, "there is no element").expecting("<Response>…</Response>")
        })
    }

    fn open(&mut self, at: usize, start: &BytesStart<'_>) -> Result<(), Diagnostic> {
        let name = start.name().0.to_owned();
        self.elements += 1;
        if self.root.is_some() {
            let message = format!("<{name}> stands after the end of the root element");
            return Err(self.source.error(at, message).expecting("one root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            let message = format!("elements are nested deeper than {MAX_DEPTH}");
            return Err(self.source.error(at, message));
        }
        if self.elements > MAX_ELEMENTS {
            let message = format!("the document has more than {MAX_ELEMENTS} elements");
            return Err(self.source.error(at, message));
        }
        self.check_name(at, &name)?;
        let position = self.source.position(at);
        let attributes = self.attributes(at, start)?;
        self.open.push(Element { name, position, attributes, children: Vec::new() });
        Ok(())
    }

    fn attributes(&self, at: usize, start: &BytesStart<'_>) -> Result<Vec<Attribute>, Diagnostic> {
        let raw: &str = start;
        let mut attributes = Vec::new();
        for found in start.attributes() {
            let found = found.map_err(|error| self.bad_attribute(at, raw, &error))?;
            if attributes.len() >= MAX_ATTRIBUTES {
                let message = format!("an element has more than {MAX_ATTRIBUTES} attributes");
                return Err(self.source.error(at, message));
            }
            let name = found.key.0;
            // The key is a slice of the tag's own text: its distance is its offset.
            let offset = at + 1 + (name.as_ptr() as usize).saturating_sub(raw.as_ptr() as usize);
            self.check_name(offset, name)?;
            let value = self.attribute_value(offset, &found.value)?;
            let position = self.source.position(offset);
            attributes.push(Attribute { name: name.to_owned(), value, position });
        }
        Ok(attributes)
    }

    /// References resolved and white space made spaces (XML 1.0 section 3.3.3).
    fn attribute_value(&self, at: usize, raw: &str) -> Result<String, Diagnostic> {
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(next) = rest.find(['&', '<']) {
            let (plain, special) = rest.split_at(next);
            value.extend(plain.chars().map(|c| if c.is_ascii_whitespace() { ' ' } else { c }));
            if special.starts_with('<') {
                let message = "`<` in an attribute value must be written `&lt;`";
                return Err(self.source.error(at, message));
            }
            let Some((name, after)) = special[1..].split_once(';') else {
                let message = "`&` in an attribute value must be written `&amp;`";
                return Err(self.source.error(at, message).expecting("&amp;"));
            };
            value.push(self.reference(at, name)?);
            rest = after;
        }
        value.extend(rest.chars().map(|c| if c.is_ascii_whitespace() { ' ' } else { c }));
        self.check_characters(at, &value)?;
        Ok(value)
    }

    fn close(&mut self) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(done)),
            None => self.root = Some(done),
        }
    }

    fn text(&mut self, at: usize, text: &str) -> Result<(), Diagnostic> {
        self.check_characters(at, text)?;
        let Some(element) = self.open.last_mut() else {
            if text.trim().is_empty() {
                return Ok(());
            }
            let skipped = text.len() - text.trim_start().len();
            let message = "text stands outside of the root element";
            return Err(self.source.error(at + skipped, message).expecting("<Response>"));
        };
        if let Some(Node::Text { text: before, .. }) = element.children.last_mut() {
            before.push_str(text);
        } else {
            let position = self.source.position(at);
            element.children.push(Node::Text { text: text.to_owned(), position });
        }
        Ok(())
    }

    /// The five entities and character references, nothing else.
    fn reference(&self, at: usize, name: &str) -> Result<char, Diagnostic> {
        let number = name.strip_prefix('#');
        let resolved = match (name, number) {
            ("amp", _) => Some('&'),
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, Some(number)) => match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            }
            .and_then(char::from_u32)
            .filter(|c| allowed(*c)),
            _ => None,
        };
        resolved.ok_or_else(|| {
            let shown: String = name.chars().take(40).collect();
            let message = format!("`&{shown};` is not an entity of XML");
            let expected = "&amp; &lt; &gt; &quot; &apos; or a character number such as &#233;";
            self.source.error(at, message).expecting(expected)
        })
    }

    fn check_name(&self, at: usize, name: &str) -> Result<(), Diagnostic> {
        let first = |c: char| c.is_alphabetic() || c == '_' || c == ':';
        let later = |c: char| c.is_alphanumeric() || "-._:\u{B7}".contains(c);
        let good = name.starts_with(first) && name.chars().all(later);
        let shown: String = name.chars().take(40).collect();
        if good { Ok(()) } else { Err(self.source.error(at, format!("{shown:?} is not a name"))) }
    }

    fn check_characters(&self, at: usize, text: &str) -> Result<(), Diagnostic> {
        match text.char_indices().find(|(_, c)| !allowed(*c)) {
            None => Ok(()),
            Some((offset, c)) => {
                let message = format!("the character {:#06x} is not allowed", u32::from(c));
                Err(self.source.error(at + offset, message))
            }
        }
    }

    fn bad_attribute(&self, at: usize, raw: &str, error: &AttrError) -> Diagnostic {
        let (offset, message) = match error {
            AttrError::ExpectedEq(at) => (*at, "an attribute has no `=`"),
            AttrError::ExpectedValue(at) => (*at, "an attribute has no value"),
            AttrError::UnquotedValue(at) => (*at, "an attribute value has no quotes"),
            AttrError::ExpectedQuote(at, _) => (*at, "an attribute value has no closing quote"),
            AttrError::Duplicated(at, _) => (*at, "an attribute is given twice"),
        };
        self.source.error(at + 1 + offset.min(raw.len()), message)
    }

    fn ill_formed(&self, error: &XmlError) -> Diagnostic {
        let at = self.reader.error_position() as usize;
        let message = match error {
            XmlError::IllFormed(IllFormedError::UnclosedReference) => {
                return self.source.error(at, "`&` must be written `&amp;`").expecting("&amp;");
            }
            XmlError::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                let message = format!("</{found}> closes nothing: <{expected}> is open");
                return self.source.error(at, message).expecting(format!("</{expected}>"));
            }
            other => other.to_string(),
        };
        self.source.error(at, message)
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
