//! Loosely written telephone numbers to E.164, for templates.
//!
//! Guesses only where the guess is safe: national numbers are taken as North American, as in the
//! vendor's own pages; anything that is not clearly a number stays as it is.

use percent_encoding::percent_decode_str;

/// The longest number (ITU-T E.164 section 6).
const MOST_DIGITS: usize = 15;

/// The number in E.164, or the text unchanged when it is none.
pub fn e164(text: &str) -> String {
    number(text).unwrap_or_else(|| text.trim().to_owned())
}

fn number(text: &str) -> Option<String> {
    // A `+` that was not escaped in a query arrives as a space.
    let space = text.starts_with(' ');
    let mut user = text.trim();
    for scheme in ["sip:", "sips:", "tel:"] {
        if user.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) {
            user = user[scheme.len()..].trim_start();
            break;
        }
    }
    user = user.split('@').next().unwrap_or(user);
    user = user.split([';', '?']).next().unwrap_or(user);
    let user = percent_decode_str(user).decode_utf8().ok()?;
    let (plus, rest) = match user.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (space, user.as_ref()),
    };
    let mut digits = String::new();
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
            _ => return None,
        }
    }
    if digits.is_empty() || digits.len() > MOST_DIGITS + 3 {
        return None;
    }
    let digits = digits.as_str();
    let full = if plus {
        digits.to_owned()
    } else if let Some(rest) = digits.strip_prefix("011").filter(|rest| rest.len() >= 8) {
        rest.to_owned()
    } else if let Some(rest) = digits.strip_prefix("00").filter(|rest| rest.len() >= 8) {
        rest.to_owned()
    } else if digits.starts_with('0') {
        return None;
    } else {
        match digits.len() {
            10 => format!("1{digits}"),
            11..=MOST_DIGITS => digits.to_owned(),
            _ => return None,
        }
    };
    (full.len() <= MOST_DIGITS).then(|| format!("+{full}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_recognised_and_the_rest_is_left_alone() {
        for (text, expected) in [
            ("+15125551212", "+15125551212"),
            ("sip:+15125551212@office.example;transport=tcp", "+15125551212"),
            ("sip:15551231234@office.localhost", "+15551231234"),
            ("SIPS:%2B4420@x", "+4420"),
            ("tel:+1-201-555-0123", "+12015550123"),
            (" 16505551234", "+16505551234"),
            (" 442071838750", "+442071838750"),
            ("415-123-4567", "+14151234567"),
            ("(415) 555-1212", "+14155551212"),
            ("415.555.1212", "+14155551212"),
            ("1 415 555 1212", "+14155551212"),
            ("011442071838750", "+442071838750"),
            ("00442071838750", "+442071838750"),
            ("442071838750", "+442071838750"),
            ("911", "911"),
            ("02071838750", "02071838750"),
            ("client:alice", "client:alice"),
            ("sip:alice@office.example", "sip:alice@office.example"),
            ("anonymous", "anonymous"),
            ("", ""),
            ("+", "+"),
            ("+1234567890123456", "+1234567890123456"),
            ("é", "é"),
        ] {
            assert_eq!(e164(text), expected, "{text:?}");
        }
    }
}
