//! Loosely written telephone numbers to E.164, for templates.
//!
//! Guesses only where the guess is safe: national numbers are taken as North American, as in the
//! vendor's own pages; anything that is not clearly a number stays as it is.

use percent_encoding::percent_decode_str;

use crate::verb::normalise;

/// Digits without which a number that does not begin with `+` may be an extension.
const LEAST_DIGITS: usize = 10;

/// The number in E.164, or the text unchanged when it is none.
pub fn e164(text: &str) -> String {
    let trimmed = text.trim();
    // A `+` that was not escaped in a query arrives as a space.
    let plus = text.starts_with(' ') && trimmed.starts_with(|c: char| c.is_ascii_digit());
    let text = if plus { format!("+{trimmed}") } else { trimmed.to_owned() };
    number(&text).unwrap_or(text)
}

/// The number that a text or the user of a URI clearly is.
pub(super) fn number(text: &str) -> Option<String> {
    let mut user = text;
    for scheme in ["sip:", "sips:", "tel:"] {
        if user.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) {
            user = user[scheme.len()..].trim_start();
            break;
        }
    }
    user = user.split('@').next().unwrap_or(user);
    user = user.split([';', '?']).next().unwrap_or(user);
    let user = percent_decode_str(user).decode_utf8().ok()?;
    let number = normalise(&user)?;
    let clear = user.starts_with('+') || number.len() > LEAST_DIGITS;
    clear.then_some(number)
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
            ("SIPS:%2B442071838750@x", "+442071838750"),
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
            ("5551212", "5551212"),
            (" 4930123456", "+4930123456"),
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
