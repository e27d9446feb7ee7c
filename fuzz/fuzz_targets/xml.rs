//! A document of markup.

#![no_main]

use offhook::markup::{Element, Node, parse};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| match parse(bytes) {
    Ok(tree) => read(&tree.root),
    Err(diagnostic) => assert!(!diagnostic.message.is_empty()),
});

/// The reader bounds the depth, so this cannot run out of stack.
fn read(element: &Element) {
    assert!(!element.name.is_empty() && element.position.line > 0);
    let _ = (element.text(), element.flat_text());
    for child in &element.children {
        if let Node::Element(child) = child {
            read(child);
        }
    }
}
