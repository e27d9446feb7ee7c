//! The words of a line with their places, and lengths of time.

use super::Mistake;
use crate::base::Duration;
use crate::markup::Position;

/// The longest line of a flow file; more is a mistake, not a step.
const LONGEST_LINE: usize = 1_000;
/// The longest length of time: a call's own bound.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Word {
    /// Where it begins.
    pub position: Position,
    /// Without its quotes.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
}

/// The words of a line: apart by white space, or in quotes. `#` where a word would begin starts a
/// comment, except as the key in `press #`.
pub(super) fn words(line: &str, number: u32) -> Result<Vec<Word>, Mistake> {
    let at = |column: usize| Position { line: number, column: column as u32 + 1 };
    if line.len() > LONGEST_LINE {
        let message = format!("the line is longer than {LONGEST_LINE} bytes");
        return Err(Mistake::new(at(0), message));
    }
    let mut found = Vec::new();
    let mut letters = line.chars().enumerate().peekable();
    while let Some((column, letter)) = letters.next() {
        match letter {
            // The hash key is what `press` takes.
            '#' if !matches!(&found[..], [Word { text, .. }] if text == "press") => break,
            letter if letter.is_whitespace() => {}
            '"' => {
                let text = quoted(&mut letters)
                    .ok_or_else(|| Mistake::new(at(column), "the quotes are not closed; add \""))?;
                found.push(Word { position: at(column), text, quoted: true });
            }
            letter => {
                let mut text = String::from(letter);
                while let Some((_, letter)) = letters.next_if(|(_, c)| !c.is_whitespace()) {
                    text.push(letter);
                }
                found.push(Word { position: at(column), text, quoted: false });
            }
        }
    }
    Ok(found)
}

/// What stands up to the closing quotes; `\"` and `\\` are what they hide.
fn quoted(letters: &mut impl Iterator<Item = (usize, char)>) -> Option<String> {
    let mut text = String::new();
    loop {
        match letters.next()?.1 {
            '"' => return Some(text),
            '\\' => text.push(letters.next()?.1),
            letter => text.push(letter),
        }
    }
}

/// Reads `500ms`, `3s`, `1.5s`, `2m`; a bare number is seconds.
pub(in crate::cli) fn length(text: &str) -> Result<Duration, String> {
    let wanted = || format!("expected a length of time such as 500ms, 3s or 2m, not \"{text}\"");
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err(wanted()),
    };
    let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds = number.parse::<f64>().ok().filter(|_| plain).ok_or_else(wanted)? * scale;
    if seconds > LONGEST.as_secs_f64() {
        return Err(format!("\"{text}\" is longer than a call may be ({} s)", LONGEST.as_secs()));
    }
    // Whole milliseconds, so that times in reports are what was written.
    Ok(Duration::from_millis((seconds * 1_000.0).round() as u64))
}
