//! A document: its verbs in order, and what was found wrong with it.

use std::sync::Arc;

use crate::markup::{self, Diagnostic, Element, Node, Position};

use super::attribute::{Attributes, nearest};
use super::turn::Speech;
use super::{NOT_YET, VERBS, Verb, play, say};

/// Findings kept of one document: nobody reads more, and a document of 64 KB may have thousands.
const MOST_FINDINGS: usize = 100;

/// A checked document: what a call reads.
#[derive(Clone, Debug, Default)]
pub struct Document {
    verbs: Vec<Placed>,
    diagnostics: Vec<Diagnostic>,
}

/// A verb and where it stands.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its name.
    pub name: &'static str,
    /// Where its `<` stands.
    pub position: Position,
    /// Whether a called party's own document may have it.
    pub screening: bool,
    /// The verb.
    pub verb: Arc<dyn Verb>,
}

impl Document {
    /// Reads what came as `content_type` (the TwiML reference): markup types are markup, plain
    /// text is markup if it reads as such and else is spoken, and anything else is 12300. `None`
    /// is for files of ours, which have no type and are markup. Sound is not for here: see
    /// [`Document::play`].
    pub fn parse(
        body: &[u8],
        content_type: Option<&str>,
    ) -> Result<(Document, Vec<Diagnostic>), Diagnostic> {
        let full = content_type.unwrap_or("text/xml");
        let kind = full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let document = match kind.as_str() {
            "text/xml" | "application/xml" | "text/html" => Document::from_markup(body),
            "text/plain" => {
                Document::from_markup(body).or_else(|error| Document::from_text(body, error))
            }
            _ => {
                let message = match kind.as_str() {
                    "" => "the answer has no Content-Type".to_owned(),
                    kind => format!("the answer's Content-Type {kind} is not a document's"),
                };
                let error = Diagnostic::error(12300, Position::START, message);
                Err(error.expecting("text/xml, application/xml, text/html, text/plain or audio/*"))
            }
        }?;
        let diagnostics = document.diagnostics.clone();
        Ok((document, diagnostics))
    }

    /// A document that plays one sound and hangs up, for a handler that answers with sound.
    pub fn play(url: &str) -> Document {
        Document::of("Play", Arc::new(play::Play::file(url)))
    }

    /// A document that rings one user, for a handler that is a SIP URI.
    pub fn ring(uri: &str) -> Document {
        let uri = markup::escape_text(uri);
        let xml =
            format!("<Response><Dial answerOnBridge=\"true\"><Sip>{uri}</Sip></Dial></Response>");
        Document::from_markup(xml.as_bytes()).unwrap_or_default()
    }

    /// The verbs in order.
    pub fn verbs(&self) -> &[Placed] {
        &self.verbs
    }

    /// What was found wrong; none of it stops the document.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// What the author may not have meant, beside what is plainly wrong.
    pub fn lint(&self) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        let mut last: Option<&str> = None;
        for (place, placed) in self.verbs.iter().enumerate() {
            let mut advise = |message: String| {
                findings.push(Diagnostic::warning(12200, placed.position, message));
            };
            let name = placed.name;
            if let Some(last) = last {
                advise(format!("<{name}> is never reached: <{last}> hands the call over"));
            }
            if let Some(advice) = placed.verb.advice() {
                advise(format!("<{name}> {advice}"));
            }
            if name == "Reject" && place > 0 {
                advise("<Reject> only refuses as the first verb; here it hangs up".to_owned());
            }
            if placed.verb.is_last() {
                last = Some(name);
            }
        }
        findings
    }

    /// What the document does, a line for each thing that a caller would notice.
    pub fn outline(&self) -> Vec<String> {
        self.verbs.iter().flat_map(|placed| placed.verb.outline()).collect()
    }

    fn of(name: &'static str, verb: Arc<dyn Verb>) -> Document {
        let position = Position::START;
        let placed = Placed { name, position, screening: true, verb };
        Document { verbs: vec![placed], diagnostics: Vec::new() }
    }

    fn from_text(body: &[u8], error: Diagnostic) -> Result<Document, Diagnostic> {
        let text = std::str::from_utf8(body).map_err(|_| error.clone())?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // What begins as markup was meant as markup: its mistake should be seen, not heard.
        if text.is_empty() || text.starts_with('<') || error.code == 11750 {
            return Err(error);
        }
        let speech = Speech { text, voice: String::new(), language: String::new() };
        Ok(Document::of("Say", Arc::new(say::Say::sentence(speech))))
    }

    fn from_markup(body: &[u8]) -> Result<Document, Diagnostic> {
        let tree = markup::parse(body)?;
        let root = &tree.root;
        if root.name != "Response" {
            let message = format!("the root element is <{}>", root.name);
            return Err(Diagnostic::error(12102, root.position, message).expecting("<Response>"));
        }
        let mut document = Document { verbs: Vec::new(), diagnostics: tree.warnings };
        Attributes::new(root, &[], &mut document.diagnostics);
        for node in &root.children {
            match node {
                Node::Element(element) => document.add(element),
                Node::Text { text, position } if !text.trim().is_empty() => {
                    let message = "text between verbs is ignored; <Say> would speak it";
                    document.diagnostics.push(Diagnostic::warning(12200, *position, message));
                }
                Node::Text { .. } => {}
            }
        }
        document.verbs.shrink_to_fit();
        document.bound_findings();
        Ok(document)
    }

    fn bound_findings(&mut self) {
        let Some(left) = self.diagnostics.len().checked_sub(MOST_FINDINGS) else { return };
        let Some(at) = self.diagnostics.get(MOST_FINDINGS).map(|first| first.position) else {
            return;
        };
        self.diagnostics.truncate(MOST_FINDINGS);
        let message = format!("and {left} more findings from here on");
        self.diagnostics.push(Diagnostic::warning(12200, at, message));
    }

    fn add(&mut self, element: &Element) {
        let Some(definition) = VERBS.iter().find(|known| known.name == element.name) else {
            self.diagnostics.push(unknown(element));
            return;
        };
        let verb = (definition.parse)(element, &mut self.diagnostics);
        self.verbs.push(Placed {
            name: definition.name,
            position: element.position,
            screening: definition.screening,
            verb,
        });
    }
}

fn unknown(element: &Element) -> Diagnostic {
    let name = &element.name;
    if NOT_YET.contains(&name.as_str()) {
        let message = format!("<{name}> is not supported here yet and is skipped");
        return Diagnostic::warning(12200, element.position, message);
    }
    let message = format!("<{name}> is not a verb and is skipped");
    let finding = Diagnostic::warning(12200, element.position, message);
    match nearest(name, VERBS.iter().map(|verb| verb.name)) {
        Some(meant) => finding.expecting(format!("<{meant}>")),
        None => finding,
    }
}

/// Elements that may not stand inside a verb, each with a finding.
pub(super) fn refuse_children(element: &Element, code: u32, findings: &mut Vec<Diagnostic>) {
    for child in element.elements() {
        let message = format!("<{}> may not stand in <{}>; skipped", child.name, element.name);
        findings.push(Diagnostic::warning(code, child.position, message));
    }
}
