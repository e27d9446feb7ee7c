//! The lexer that the views share: blanks, tokens, quoted strings, lists outside quotes.
//!
//! All of it is one pass over the text, so that no header can cost more than its length.

/// Linear white space within a value; folds have become spaces (RFC 3261 section 7.3.1).
pub(crate) const BLANK: [char; 2] = [' ', '\t'];

/// Without blanks at either end.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_ascii()
}

/// Whether the byte may stand in a token (RFC 3261 section 25.1).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

/// Whether no byte of the text is one that URIs never hold and that frames them elsewhere:
/// blanks, controls, quotes and angle brackets.
pub(crate) fn is_uri_text(text: &str) -> bool {
    // Without early exit, so that it compiles to straight code: nearly all texts are good.
    text.bytes().fold(URI, |all, byte| all & CLASS[byte as usize]) != 0
}

/// How many bytes that the text begins with are of that class.
#[inline]
pub(crate) fn run(text: &str, class: u8) -> usize {
    run_from(text.as_bytes(), 0, class)
}

/// How many bytes from `at` on are of that class. Four at a time, since one test for each byte is
/// what reading a header would mostly consist of.
#[inline(never)]
pub(crate) fn run_from(bytes: &[u8], at: usize, class: u8) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let (fours, tail) = rest.as_chunks::<4>();
    let classes = |byte: u8| CLASS[usize::from(byte)];
    let mut length = 0;
    for &[first, second, third, fourth] in fours {
        let (one, two) = (classes(first), classes(first) & classes(second));
        if two & classes(third) & classes(fourth) & class == 0 {
            // Counted without a branch: where a run ends within the four is anyone's guess.
            let is_part = |classes: u8| usize::from(classes & class != 0);
            return length + is_part(one) + is_part(two) + is_part(two & classes(third));
        }
        length += 4;
    }
    length + tail.iter().take_while(|byte| classes(**byte) & class != 0).count()
}

/// Where a byte below `bound` (at most 0x80) first stands. Sixteen at a time, and without what it
/// takes to set up a search through long texts: lines are short.
#[inline]
pub(crate) fn find_below(bytes: &[u8], bound: u8) -> Option<usize> {
    let borrow = u64::from_ne_bytes([bound; 8]);
    let marks = |word: u64| word.wrapping_sub(borrow) & !word;
    let (pairs, tail) = bytes.as_chunks::<16>();
    let mut at = 0;
    for pair in pairs {
        let [low, high] = halves(*pair).map(marks);
        if (low | high) & TOP_BITS != 0 {
            return first_mark(low).or_else(|| Some(8 + first_mark(high)?)).map(|mark| at + mark);
        }
        at += 16;
    }
    tail.iter().position(|byte| *byte < bound).map(|found| at + found)
}

/// Where the byte first stands, as [`find_below`] looks for it, but within the first few bytes.
#[inline]
pub(crate) fn find_near(bytes: &[u8], byte: u8) -> Option<usize> {
    let pattern = u64::from_ne_bytes([byte; 8]);
    let (words, tail) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let differs = u64::from_le_bytes(*word) ^ pattern;
        if let Some(mark) = first_mark(differs.wrapping_sub(TOP_BITS >> 7) & !differs) {
            return Some(at + mark);
        }
        at += 8;
    }
    tail.iter().position(|known| *known == byte).map(|found| at + found)
}

/// The bytes as two words, the first byte lowest.
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(bytes);
    [both as u64, (both >> 64) as u64]
}

/// The first byte of the word whose top bit is set. A subtraction's borrows may set more of them
/// after the first, never before.
fn first_mark(marks: u64) -> Option<usize> {
    let marks = marks & TOP_BITS;
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
}

/// The top bit of every byte.
const TOP_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Where the byte first stands.
pub(crate) fn find(text: &str, byte: u8) -> Option<usize> {
    memchr::memchr(byte, text.as_bytes())
}

/// The text before and after the first such byte, which must be ASCII.
pub(crate) fn split(text: &str, byte: u8) -> Option<(&str, &str)> {
    around(text, find(text, byte)?)
}

/// The text before and after the first blank.
pub(crate) fn split_at_blank(text: &str) -> Option<(&str, &str)> {
    around(text, memchr::memchr2(b' ', b'\t', text.as_bytes())?)
}

/// As [`split`], where the byte is expected within the first few.
pub(crate) fn split_near(text: &str, byte: u8) -> Option<(&str, &str)> {
    around(text, find_near(text.as_bytes(), byte)?)
}

fn around(text: &str, at: usize) -> Option<(&str, &str)> {
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Whether the text is a token: not empty, and only token characters.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Given text that begins with `"`, where the closing `"` stands.
pub(crate) fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The number that the text spells in decimal digits, at most `max`.
pub(crate) fn number(text: &str, max: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit).filter(|sum| *sum <= max)
    })
}

/// The first of `stops` outside quoted strings, and where; an open quote hides all that follows.
pub(crate) fn find_unquoted(text: &str, stops: impl Fn(u8) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' {
            at += closing_quote(text.get(at..)?)? + 1;
        } else if stops(*byte) {
            return Some(at);
        } else {
            at += 1;
        }
    }
    None
}

/// The values of a list: split at commas outside quoted strings and angle brackets, trimmed,
/// empty elements left out (RFC 3261 section 7.3.1 and section 25.1).
#[derive(Clone, Debug)]
pub(crate) struct List<'a> {
    rest: &'a str,
}

impl<'a> List<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        List { rest: text }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (element, rest) = split_element(self.rest);
            self.rest = rest;
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// The text before the first comma that separates, and the text after it.
pub(crate) fn split_element(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    if memchr::memchr(b',', bytes).is_none() {
        return (text, "");
    }
    let mut at = 0;
    let mut in_brackets = false;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| separates(*b)))
    {
        at += found;
        match bytes[at] {
            b',' if !in_brackets => {
                return (text.get(..at).unwrap_or(text), text.get(at + 1..).unwrap_or(""));
            }
            b'"' if !in_brackets => match text.get(at..).and_then(closing_quote) {
                Some(close) => at += close,
                None => return (text, ""),
            },
            b'<' => in_brackets = true,
            b'>' => in_brackets = false,
            _ => {}
        }
        at += 1;
    }
    (text, "")
}

/// The bytes that [`split_element`] must look at.
const fn separates(byte: u8) -> bool {
    matches!(byte, b',' | b'"' | b'<' | b'>')
}

/// What each byte may be part of: one look-up instead of a row of comparisons.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric() {
            table[at] |= TOKEN | HOST;
        }
        if byte > b' ' && !matches!(byte, b'"' | b'<' | b'>' | 0x7f) {
            table[at] |= URI;
        }
        if !matches!(byte, b';' | b'"' | b' ' | b'\t' | b'<' | b'>') {
            table[at] |= PARAM_VALUE;
        }
        if table[at] & URI != 0 && !matches!(byte, b'@' | b':' | b'%') {
            table[at] |= PLAIN_USER;
        }
        if table[at] & URI != 0 && !matches!(byte, b'@' | b'?' | b';') {
            table[at] |= URI_PARAM;
        }
        at += 1;
    }
    set(set(table, b"-.!%*_+`'~", TOKEN), b".-_", HOST)
};

/// What may stand in a token (RFC 3261 section 25.1).
pub(crate) const TOKEN: u8 = 1;
/// What may stand in a host name or an IPv4 address. Underscores may not, says RFC 1123, but
/// networks are full of them.
pub(crate) const HOST: u8 = 2;
/// All that does not frame URIs elsewhere; see [`is_uri_text`].
pub(crate) const URI: u8 = 4;
/// What may stand in an unquoted parameter value.
pub(crate) const PARAM_VALUE: u8 = 8;
/// What the user part of a URI consists of where it has neither password nor escapes.
pub(crate) const PLAIN_USER: u8 = 16;
/// What may stand in one parameter of a URI; no `;` and no quote among it.
pub(crate) const URI_PARAM: u8 = 32;

const fn set(mut table: [u8; 256], bytes: &[u8], class: u8) -> [u8; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<&str> {
        List::new(text).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        assert_eq!(
            list(r#""a, \"b" <sip:x,y@h>, <sip:z@h> , ,"c""#),
            [r#""a, \"b" <sip:x,y@h>"#, "<sip:z@h>", r#""c""#]
        );
        assert_eq!(list(r#""open, <x>, y"#), [r#""open, <x>, y"#]);
        assert_eq!(list(" , ,"), Vec::<&str>::new());
    }

    #[test]
    fn quotes_end_where_they_are_not_escaped() {
        assert_eq!(closing_quote(r#""a\"b\\" c"#), Some(7));
        assert_eq!(closing_quote(r#""a\"#), None);
        assert_eq!(find_unquoted(r#""<" <"#, |b| b == b'<'), Some(4));
    }

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        for before in 0..40 {
            for after in [0, 1, 7, 8, 15, 16, 40] {
                // The byte beside the one that is sought is where a borrow would show.
                let bytes = [vec![b'\x0e'; before], vec![b'\r'], vec![b'\x0e'; after]].concat();
                assert_eq!(find_below(&bytes, b'\r' + 1), Some(before));
                assert_eq!(find_below(&bytes, b'\r'), None);
                assert_eq!(find_near(&bytes, b'\r'), Some(before));
                assert_eq!(find_near(&bytes, b'\x8d'), None);
                let high = [vec![0xff; before], vec![0x80], vec![b'\n'; after]].concat();
                assert_eq!(find_below(&high, b'\r'), (after > 0).then_some(before + 1));
                assert_eq!(find_near(&high, 0x80), Some(before));
            }
        }
    }

    #[test]
    fn runs_end_at_the_first_byte_of_another_class() {
        for length in 0..12 {
            for rest in ["", ";", ";abcdefg", "; a b c"] {
                let text = format!("..{}{rest}", "a".repeat(length));
                assert_eq!(run_from(text.as_bytes(), 2, TOKEN), length, "{text}");
            }
        }
        assert_eq!(run_from(b"abc", 4, TOKEN), 0);
    }

    #[test]
    fn numbers_are_digits_within_their_bound() {
        assert_eq!(number("0009", 10), Some(9));
        assert_eq!(number("4294967296", u64::from(u32::MAX)), None);
        assert_eq!(number("99999999999999999999999999", u64::MAX), None);
        assert_eq!(number("-1", 10), None);
        assert_eq!(number("", 10), None);
    }
}
