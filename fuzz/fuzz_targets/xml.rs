//! A document of markup.

use offhook::markup::{Element, MAX_DEPTH, Node, escape_attribute, escape_text, parse};

pub fn run(bytes: &[u8]) {
    match parse(bytes) {
        Ok(tree) => read(&tree.root, 1),
        Err(diagnostic) => assert!(!diagnostic.message.is_empty()),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        escaped(text);
    }
}

/// The reader bounds the depth, so this cannot run out of stack.
fn read(element: &Element, depth: usize) {
    assert!(depth <= MAX_DEPTH);
    assert!(!element.name.is_empty() && element.position.line > 0);
    let _ = (element.text(), element.flat_text());
    for child in &element.children {
        if let Node::Element(child) = child {
            read(child, depth + 1);
        }
    }
}

/// What is escaped is text, whatever it was.
fn escaped(text: &str) {
    let (inner, value) = (escape_text(text), escape_attribute(text));
    let document = format!("<Response a=\"{value}\">{inner}</Response>");
    if let Ok(tree) = parse(document.as_bytes()) {
        assert!(tree.root.elements().next().is_none() && tree.root.attributes.len() == 1);
    } else {
        assert!(document.len() > offhook::markup::MAX_BYTES, "{document:?}");
    }
}
