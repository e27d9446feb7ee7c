//! Markup text as a checked tree of elements, every part with its line and column.
//!
//! It knows XML and the bounds of a document (the TwiML reference), never a verb. There is
//! no DTD and there are no entities beyond the five of XML 1.0 section 4.6, so nothing expands.

mod diagnostic;
mod pretty;
mod reader;
mod write;

pub use diagnostic::{Diagnostic, Position, Severity};
pub use pretty::pretty;
pub use reader::{MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, Tree, parse};
pub use write::{allowed, escape_attribute, escape_text};

/// An element with everything inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name as written.
    pub name: String,
    /// Where its `<` stands.
    pub position: Position,
    /// Its attributes in the order of the text, no name twice.
    pub attributes: Vec<Attribute>,
    /// What is inside, in order.
    pub children: Vec<Node>,
}

/// An attribute of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name as written.
    pub name: String,
    /// Its value, references resolved, white space as spaces (XML 1.0 section 3.3.3).
    pub value: String,
    /// Where its name begins.
    pub position: Position,
}

/// A part of an element's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text and CDATA that touch, references resolved.
    Text {
        /// The text as written.
        text: String,
        /// Where it begins.
        position: Position,
    },
}

impl Element {
    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The elements directly inside.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text { .. } => None,
        })
    }

    /// The text directly inside, joined and trimmed; what is in child elements is left out.
    pub fn text(&self) -> String {
        let mut whole = String::new();
        for node in &self.children {
            if let Node::Text { text, .. } = node {
                whole.push_str(text);
            }
        }
        whole.trim().to_owned()
    }

    /// The text inside, child elements' too, with every run of white space folded to one space.
    pub fn flat_text(&self) -> String {
        let mut whole = String::new();
        self.gather_text(&mut whole);
        whole.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Bounded by [`MAX_DEPTH`], as every tree is.
    fn gather_text(&self, into: &mut String) {
        for node in &self.children {
            match node {
                Node::Text { text, .. } => into.push_str(text),
                Node::Element(element) => {
                    into.push(' ');
                    element.gather_text(into);
                    into.push(' ');
                }
            }
        }
    }
}
