//! Text made safe to stand in markup.

use std::borrow::Cow;

/// `text` as character data: `&`, `<` and `>` escaped (XML 1.0 section 2.4).
pub fn escape_text(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '&' | '<' | '>'))
}

/// `text` as an attribute value between either kind of quotes; line ends and tabs survive too.
pub fn escape_attribute(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '&' | '<' | '>' | '"' | '\'' | '\n' | '\r' | '\t'))
}

/// Characters that XML 1.0 section 2.2 does not allow at all cannot be escaped: they are dropped.
fn escape(text: &str, special: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(|c| special(c) || !allowed(c)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !allowed(c) => {}
            c if !special(c) => escaped.push(c),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character may stand in a document: the Char production of XML 1.0 section 2.2.
pub fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let nasty = "Tom & \"Jerry\" <b>'x'</b>\ttab\nline";
        let xml = format!("<a b=\"{}\">{}</a>", escape_attribute(nasty), escape_text(nasty));
        let tree = crate::markup::parse(xml.as_bytes()).expect("well-formed");
        assert_eq!(tree.root.attribute("b").map(|a| a.value.as_str()), Some(nasty));
        assert_eq!(tree.root.text(), nasty);
    }

    #[test]
    fn clean_text_is_borrowed_and_control_characters_vanish() {
        assert!(matches!(escape_text("plain"), Cow::Borrowed("plain")));
        assert_eq!(escape_text("a\u{0}b\u{1f}c"), "abc");
    }
}
