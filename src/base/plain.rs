//! Text that others wrote, on one's own terminal and in one's own log.

/// Whether a terminal obeys a character, or orders what follows by it: control characters, ends of
/// lines and what turns the direction of text.
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line without what a terminal would obey.
pub fn printable(line: &str) -> String {
    let plain = |c: char| if is_obeyed(c) && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    line.chars().map(plain).collect()
}

/// Lines without what a terminal would obey.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shows_what_it_says_and_no_more() {
        assert_eq!(printable("a\tb\u{1b}[2J\u{9b}c"), "a\tb\u{fffd}[2J\u{fffd}c");
        let turned = "\u{202e}lj.\u{2066}x\u{2028}y";
        assert_eq!(printable(turned), "\u{fffd}lj.\u{fffd}x\u{fffd}y");
        assert_eq!(printable_lines("Grüße\r\n שלום"), "Grüße\u{fffd}\n שלום");
    }
}
