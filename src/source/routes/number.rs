//! A number as rules see it: whatever `<Dial>` would call must not pass a rule by how it is written.
//!
//! People and phones write `+1-900-555-0100`, `1 (900) 555 0100` or `01119005550100`, and `<Dial>`
//! calls the same for all of them.

use std::borrow::Cow;

use crate::markup::allowed;
use crate::source::e164;
use crate::verb::normalise;

/// A number in the forms in which rules look for it.
#[derive(Clone, Debug)]
pub(super) struct Number<'a> {
    /// As it is, without what people put between digits.
    pub text: Cow<'a, str>,
    /// What `<Dial>` makes of it, where that is a number and not the same.
    e164: Option<String>,
}

impl<'a> Number<'a> {
    /// As rewriting sees it: only what stands there.
    pub(super) fn written(text: &'a str) -> Number<'a> {
        Number { text: bare(text), e164: None }
    }

    /// As gates see it, and whatever else may keep a call.
    pub(super) fn called(text: &'a str) -> Number<'a> {
        let text = bare(text);
        let e164 = e164(&text).filter(|number| **number != *text);
        Number { text, e164 }
    }

    /// All of its forms.
    pub(super) fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.text).chain(self.e164.as_deref())
    }

    /// Whether one of its forms begins so.
    pub(super) fn begins(&self, prefix: &str) -> bool {
        self.forms().any(|form| form.starts_with(prefix))
    }
}

/// The text without separators when it is dialled as digits, and the text itself otherwise: names
/// of users may have dots and hyphens.
pub(super) fn bare(text: &str) -> Cow<'_, str> {
    let dialled = |c: char| c.is_ascii_digit() || "+*#".contains(c);
    let plain = text.trim();
    let plain = plain.strip_prefix("tel:").unwrap_or(plain);
    if !plain.chars().any(|c| c.is_ascii_digit())
        || !plain.chars().all(|c| dialled(c) || separates(c))
    {
        return Cow::Borrowed(text);
    }
    match plain.chars().all(dialled) {
        true => Cow::Borrowed(plain),
        false => Cow::Owned(plain.chars().filter(|c| dialled(*c)).collect()),
    }
}

/// What [`normalise`] skips, blanks of any kind (`<Dial>` reads them as one space), and what no
/// document can hold: it is left out of the document, and so must not hide a number from a rule.
fn separates(c: char) -> bool {
    "-()./".contains(c) || c.is_whitespace() || !allowed(c)
}

/// The number that `<Dial>` calls for a text, or by the user of a SIP URI.
fn e164(text: &str) -> Option<String> {
    let written: String = text.chars().filter(|c| allowed(*c)).collect();
    normalise(&written).or_else(|| e164::number(&written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_form_that_is_called_and_names_stay_as_they_are() {
        for (text, forms) in [
            ("+19005550100", &["+19005550100"][..]),
            ("+1-900-555-0100", &["+19005550100"]),
            ("+1 (900)\u{a0}555.0100", &["+19005550100"]),
            ("+1\t900\u{1}5550100", &["+19005550100"]),
            ("tel:+1/900/5550100", &["+19005550100"]),
            ("9005550100", &["9005550100", "+19005550100"]),
            ("1-900-555-0100", &["19005550100", "+19005550100"]),
            ("01119005550100", &["01119005550100", "+19005550100"]),
            ("sip:1900-5550100@gw;user=phone", &["sip:1900-5550100@gw;user=phone", "+19005550100"]),
            ("t\u{1}el:+19005550100", &["t\u{1}el:+19005550100", "+19005550100"]),
            ("911", &["911"]),
            ("*98", &["*98"]),
            ("*9-8#", &["*98#"]),
            ("john.smith-2", &["john.smith-2"]),
            ("-", &["-"]),
            ("", &[""]),
            ("é1-2", &["é1-2"]),
        ] {
            assert_eq!(Number::called(text).forms().collect::<Vec<_>>(), forms, "{text:?}");
        }
        assert_eq!(Number::written("900-5550100").forms().collect::<Vec<_>>(), ["9005550100"]);
    }
}
