//! `Number` inside `Dial`, and telephone numbers as people write them.

use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::target::{Destination, Target, noun_text, shared};
use super::{Noun, document};

pub(super) const ATTRIBUTES: &[Spec] = {
    const OWN: [Spec; 14] = shared(13221, 13222);
    const BYOC: Spec = spec("byoc", Kind::NotYet, "", 12200);
    &[
        BYOC, OWN[0], OWN[1], OWN[2], OWN[3], OWN[4], OWN[5], OWN[6], OWN[7], OWN[8], OWN[9],
        OWN[10], OWN[11], OWN[12],
    ]
};

pub(super) const NOUN: Noun = Noun { name: "Number", attributes: ATTRIBUTES };

pub(super) fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Target {
    let destination = destination(&noun_text(element), element, findings);
    document::refuse_children(element, 13215, findings);
    let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
    Target::read(destination, &mut attributes)
}

/// A number as written, or a finding and a target that fails.
pub(super) fn destination(
    text: &str,
    element: &Element,
    findings: &mut Vec<Diagnostic>,
) -> Destination {
    if let Some(number) = normalise(text) {
        return Destination::Number(number);
    }
    let shown: String = text.chars().take(60).collect();
    let message = format!("{shown:?} is not a telephone number; it cannot be called");
    let finding = Diagnostic::warning(13223, element.position, message);
    findings.push(finding.expecting("a number such as +14155551212"));
    Destination::Invalid { text: shown, code: 13223 }
}

/// A telephone number in E.164, from the ways in which people and programs write it:
/// `+1 415 555 1212`, `(415) 555-1212`, `14155551212`, `tel:+1…`, `00` or `011` for the `+`; ten
/// digits are North American, where no number begins with 0.
/// A space where the `+` was is what an unescaped `+` in a query becomes: all digits count.
pub fn normalise(written: &str) -> Option<String> {
    let text = written.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let (international, rest) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if !rest.chars().all(|c| c.is_ascii_digit() || " -().\u{a0}/".contains(c)) {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let dialled = ["00", "011"].iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (international, digits) = match dialled {
        Some(rest) if !international => (true, rest),
        _ => (international, digits.as_str()),
    };
    // E.164 has at most 15 digits; fewer than 7 reach nobody outside of their own exchange.
    match digits.len() {
        _ if digits.starts_with('0') => None,
        10 if !international => Some(format!("+1{digits}")),
        7..=15 => Some(format!("+{digits}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (written, number) in [
            ("415-123-4567", Some("+14151234567")),
            ("(415) 555-1212", Some("+14155551212")),
            ("15551231234", Some("+15551231234")),
            ("+15551231234", Some("+15551231234")),
            (" 16505551234", Some("+16505551234")),
            ("6508662222", Some("+16508662222")),
            ("+6412345678", Some("+6412345678")),
            ("442071234567", Some("+442071234567")),
            ("tel:+1-201-555-0123", Some("+12015550123")),
            ("00442071838750", Some("+442071838750")),
            ("011 44 20 7183 8750", Some("+442071838750")),
            ("0012345678", Some("+12345678")),
            ("02071838750", None),
            ("0207183875", None),
            ("000442071838750", None),
            ("sip:home@office", None),
            ("12", None),
            ("+0123456789", None),
            ("1234567890123456", None),
            ("", None),
        ] {
            assert_eq!(normalise(written).as_deref(), number, "{written}");
        }
    }
}
