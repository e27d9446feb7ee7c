//! Telephone numbers: digit by digit, a rest between the groups.

use super::numbers::{digits, digits_in_groups};
use super::{Said, Written};

/// `+1 650 555 1234`, `(650) 555-1234`, `1-800-555-0199`, `555-0123`, `650.555.0123`, `+4930123456`.
pub(super) fn telephone(written: Written<'_>) -> Option<Said> {
    if written.core(0).starts_with('+') {
        return international(written);
    }
    national(written)
}

/// Whatever follows a plus, as long as it is groups of digits: ITU-T E.164 allows 15.
fn international(written: Written<'_>) -> Option<Said> {
    let mut groups = groups(written.core(0).strip_prefix('+')?)?;
    let mut used = 1;
    while !ends_clause(written.raw(used - 1)) && used < 8 {
        let Some(more) = self::groups(written.core(used)) else { break };
        let total: usize = groups.iter().chain(&more).map(|group| group.len()).sum();
        if total > 15 {
            break;
        }
        groups.extend(more);
        used += 1;
    }
    let total: usize = groups.iter().map(|group| group.len()).sum();
    if !(7..=15).contains(&total) {
        return None;
    }
    let spoken = match groups.as_slice() {
        // North American numbers written together still have their three parts.
        [all] if all.len() == 11 && all.starts_with('1') => {
            format!("one, {}", digits_in_groups(&all[1..]))
        }
        [all] => digits_in_groups(all),
        groups => spell(groups),
    };
    Said::many(format!("plus {spoken}"), used)
}

/// North American forms, over one to four written words.
fn national(written: Written<'_>) -> Option<Said> {
    let mut all: Vec<&str> = Vec::new();
    for used in 1..=4 {
        let word = written.core(used - 1);
        all.extend(groups(word)?);
        let lengths: Vec<usize> = all.iter().map(|group| group.len()).collect();
        let is_number = match lengths.as_slice() {
            [3, 3, 4] => true,
            [1, 3, 3, 4] => all.first() == Some(&"1"),
            [3, 4] => word.contains('-') && used == 1,
            _ => false,
        };
        let goes_on = groups(written.core(used)).is_some_and(|more| more[0].len() >= 3);
        if is_number && (ends_clause(written.raw(used - 1)) || !goes_on) {
            return Said::many(spell(&all), used);
        }
        if ends_clause(written.raw(used - 1)) {
            return None;
        }
    }
    None
}

fn spell(groups: &[&str]) -> String {
    groups.iter().map(|group| digits(group)).collect::<Vec<_>>().join(", ")
}

/// Digits parted by dashes, dots or brackets; nothing if anything else is there.
fn groups(word: &str) -> Option<Vec<&str>> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')');
    if !word.starts_with(|c: char| c.is_ascii_digit()) || !word.chars().all(is_part) {
        return None;
    }
    Some(word.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect())
}

fn ends_clause(raw: &str) -> bool {
    raw.ends_with(['.', ',', ';', ':', '!', '?'])
}
