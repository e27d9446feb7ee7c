//! Markup: elements with attributes, text and elements inside.

/// An element of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

/// The element that holds the verbs.
pub fn response() -> Element {
    Element::new("Response")
}

impl Element {
    /// Without attributes, empty.
    pub fn new(name: &'static str) -> Element {
        Element { name, attributes: String::new(), content: String::new() }
    }

    /// With one more attribute.
    pub fn attribute(mut self, name: &str, value: &str) -> Element {
        self.attributes.push_str(&format!(" {name}=\""));
        for c in value.chars().filter(|c| is_legal(*c)) {
            match c {
                '&' => self.attributes.push_str("&amp;"),
                '<' => self.attributes.push_str("&lt;"),
                '"' => self.attributes.push_str("&quot;"),
                '\t' => self.attributes.push_str("&#x9;"),
                '\n' => self.attributes.push_str("&#xA;"),
                '\r' => self.attributes.push_str("&#xD;"),
                _ => self.attributes.push(c),
            }
        }
        self.attributes.push('"');
        self
    }

    /// With more text inside, which stays text whatever it holds.
    pub fn text(mut self, text: &str) -> Element {
        for c in text.chars().filter(|c| is_legal(*c)) {
            match c {
                '&' => self.content.push_str("&amp;"),
                '<' => self.content.push_str("&lt;"),
                '>' => self.content.push_str("&gt;"),
                '\r' => self.content.push_str("&#xD;"),
                _ => self.content.push(c),
            }
        }
        self
    }

    /// With one more element inside.
    pub fn child(mut self, child: Element) -> Element {
        child.write(&mut self.content);
        self
    }

    /// The whole document.
    pub fn to_document(&self) -> String {
        let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        self.write(&mut document);
        document
    }

    fn write(&self, to: &mut String) {
        let Element { name, attributes, content } = self;
        to.push_str(&match content.is_empty() {
            true => format!("<{name}{attributes}/>"),
            false => format!("<{name}{attributes}>{content}</{name}>"),
        });
    }
}

/// XML 1.0 section 2.2: what is left out, because no document can hold it.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        let say = Element::new("Say").attribute("voice", "a\"<&\n").text("<Hangup/> & \"\0\r");
        let document = response().child(say).child(Element::new("Hangup")).to_document();
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        let say = "<Say voice=\"a&quot;&lt;&amp;&#xA;\">&lt;Hangup/&gt; &amp; \"&#xD;</Say>";
        assert_eq!(document, format!("{head}<Response>{say}<Hangup/></Response>"));
    }
}
