//! A tree as text that people read: an element a line, text where it was.

use super::{Element, Node, escape_attribute, escape_text};

/// The element with each child element on a line of its own, indented by two spaces. Elements that
/// hold text stay on one line, for white space in text may be heard.
pub fn pretty(root: &Element) -> String {
    let mut text = String::new();
    write(root, 0, &mut text);
    text
}

/// Bounded by `MAX_DEPTH`, as every tree is.
fn write(element: &Element, depth: usize, into: &mut String) {
    into.push_str(&"  ".repeat(depth));
    let blank = |node: &Node| matches!(node, Node::Text { text, .. } if text.trim().is_empty());
    if element.children.iter().all(blank) {
        open(element, "/>", into);
    } else if element.children.iter().all(|node| matches!(node, Node::Element(_)) || blank(node)) {
        open(element, ">", into);
        for child in element.elements() {
            into.push('\n');
            write(child, depth + 1, into);
        }
        into.push('\n');
        into.push_str(&"  ".repeat(depth));
        into.push_str(&format!("</{}>", element.name));
    } else {
        inline(element, into);
    }
}

fn inline(element: &Element, into: &mut String) {
    if element.children.is_empty() {
        return open(element, "/>", into);
    }
    open(element, ">", into);
    for node in &element.children {
        match node {
            Node::Text { text, .. } => into.push_str(&escape_text(text)),
            Node::Element(element) => inline(element, into),
        }
    }
    into.push_str(&format!("</{}>", element.name));
}

fn open(element: &Element, end: &str, into: &mut String) {
    into.push('<');
    into.push_str(&element.name);
    for attribute in &element.attributes {
        into.push_str(&format!(" {}=\"{}\"", attribute.name, escape_attribute(&attribute.value)));
    }
    into.push_str(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_get_lines_and_text_keeps_its_own() {
        let xml = "<Response><Dial a=\"1 &amp; &quot;2&quot;\"><Number> +1 &lt; </Number></Dial>\
                   <Say>a<break/> b</Say><Hangup> </Hangup></Response>";
        let tree = crate::markup::parse(xml.as_bytes()).expect("well-formed");
        let wanted = "<Response>\n  <Dial a=\"1 &amp; &quot;2&quot;\">\n    \
                      <Number> +1 &lt; </Number>\n  </Dial>\n  <Say>a<break/> b</Say>\n  \
                      <Hangup/>\n</Response>";
        assert_eq!(pretty(&tree.root), wanted);
        let again = crate::markup::parse(wanted.as_bytes()).expect("well-formed");
        assert_eq!(pretty(&again.root), wanted);
    }
}
