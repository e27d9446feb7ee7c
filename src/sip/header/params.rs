//! Parameters: `;name=value`, with tokens, hosts or quoted strings as values.

use std::borrow::Cow;

use super::scan::{
    PARAM_VALUE, TOKEN, URI_PARAM, closing_quote, find_unquoted, run, run_from, split_near, trim,
};

/// The parameters of one value, read as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Params<'a> {
    /// Empty, or from the first semicolon on.
    text: &'a str,
}

impl<'a> Params<'a> {
    /// From text that is blank or begins with `;`.
    pub(crate) const fn new(text: &'a str) -> Self {
        Params { text }
    }

    /// The parameters as they stand, with the leading `;`; empty for none.
    pub const fn as_str(self) -> &'a str {
        self.text
    }

    /// The value of the first parameter of that name, in any case of letters, without its
    /// quotes but with its escapes; empty for a parameter without value.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// As [`get`](Params::get), with the escapes of quoted strings undone.
    pub fn get_unescaped(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(unescape)
    }

    /// Whether a parameter of that name stands here, with or without value.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them, in order.
    pub fn iter(self) -> ParamsIter<'a> {
        ParamsIter { rest: self.text }
    }

    /// Whether they follow the grammar: no empty parameter (but a stray `;` at the very end is
    /// forgiven), names are tokens, quotes are closed and nothing follows them.
    pub(crate) fn well_formed(self) -> bool {
        let bytes = self.text.as_bytes();
        let mut at = skip_blanks(bytes, 0);
        while bytes.get(at) == Some(&b';') {
            at = skip_blanks(bytes, at + 1);
            if at == bytes.len() {
                return true;
            }
            let name = run_from(bytes, at, TOKEN);
            if name == 0 {
                return false;
            }
            at += name;
            // Most often nothing but these follows, and no blanks.
            match bytes.get(at) {
                Some(b'=') => {}
                Some(b';') => continue,
                _ => {
                    at = skip_blanks(bytes, at);
                    if bytes.get(at) != Some(&b'=') {
                        continue;
                    }
                }
            }
            at = skip_blanks(bytes, at + 1);
            let value = match bytes.get(at) {
                Some(b'"') => self.text.get(at..).and_then(closing_quote).map_or(0, |end| end + 1),
                _ => run_from(bytes, at, PARAM_VALUE),
            };
            if value == 0 {
                return false;
            }
            at = skip_blanks(bytes, at + value);
        }
        at == bytes.len()
    }
}

/// Hardly ever is there one.
#[inline]
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Iterates over parameters as name and value.
#[derive(Clone, Debug)]
pub struct ParamsIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for ParamsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let text = self.rest.trim_ascii_start();
            let (param, next) = split_param(text.strip_prefix(';').unwrap_or(text));
            self.rest = next;
            let (name, value) = halves(param);
            if !name.is_empty() {
                return Some((name, value.map_or("", unquote)));
            }
        }
        None
    }
}

/// One parameter without its `;`, and the rest from the next `;` on.
fn split_param(text: &str) -> (&str, &str) {
    // Most parameters hold nothing that could hide a semicolon.
    let plain = run(text, URI_PARAM);
    let end = match text.as_bytes().get(plain) {
        None => None,
        Some(b';') => Some(plain),
        Some(_) => find_unquoted(text, |byte| byte == b';'),
    };
    match end {
        Some(end) => text.split_at_checked(end).unwrap_or((text, "")),
        None => (text, ""),
    }
}

fn halves(param: &str) -> (&str, Option<&str>) {
    match split_near(param, b'=') {
        Some((name, value)) => (trim(name), Some(trim(value))),
        None => (trim(param), None),
    }
}

/// The text between the quotes, or the text itself where there are none.
pub(crate) fn unquote(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// Undoes quoted-pairs (RFC 3261 section 25.1).
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_past_quotes_and_blanks() {
        let params = Params::new(r#" ; a = "x;tag=evil\"" ;TAG=1;lr ; empty="""#);
        assert_eq!(params.get("tag"), Some("1"));
        assert_eq!(params.get("a"), Some(r#"x;tag=evil\""#));
        assert_eq!(params.get_unescaped("a").as_deref(), Some(r#"x;tag=evil""#));
        assert_eq!(params.get("lr"), Some(""));
        assert!(params.has("empty") && !params.has("b"));
        assert!(params.well_formed());
    }

    #[test]
    fn empty_and_open_parameters_are_not_well_formed() {
        assert!(!Params::new(";;").well_formed());
        assert!(!Params::new(";a;;b").well_formed());
        assert!(!Params::new(r#";a="x"#).well_formed());
        assert!(!Params::new(r#";a="x"y"#).well_formed());
        assert!(!Params::new(";a=").well_formed());
        assert!(!Params::new("a").well_formed());
        assert!(Params::new(";a=1;").well_formed());
        assert!(Params::new("").well_formed());
    }
}
