//! Telephone numbers as tokens spell them: digits alone (RFC 8224 section 8.3).

/// The longest number (ITU-T E.164).
const MAX_DIGITS: usize = 15;

/// The digits of a number, without its plus and what only the eye wants; `None` when it is no
/// telephone number.
pub fn canonical(text: &str) -> Option<String> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let seen = |c: &char| !matches!(c, '-' | '.' | '(' | ')' | ' ');
    // Bounded before anything is kept: a peer writes this.
    if text.len() > 4 * MAX_DIGITS {
        return None;
    }
    let digits: String = text.chars().filter(seen).collect();
    let sound = (1..=MAX_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
    sound.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_spelling() {
        for text in ["+12155551212", "12155551212", "+1-215-555-1212", "1 (215) 555.1212"] {
            assert_eq!(canonical(text).as_deref(), Some("12155551212"), "{text}");
        }
        assert_eq!(canonical("*67#").as_deref(), Some("*67#"));
        for none in ["", "+", "anonymous", "++1", "1234567890123456", &" ".repeat(99), "1;2"] {
            assert_eq!(canonical(none), None, "{none}");
        }
    }
}
