//! The nearest known word to a mistyped one, for errors that help.

/// Letters of the longest word that is compared: words come from strangers, comparing takes the
/// square of their length, and what is longer was not typed.
pub const LONGEST: usize = 100;

/// The candidate closest to `word`, if it is close enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.into_iter().filter_map(|known| Some((apart(word, known)?, known)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// How many slips lie between `word` and a candidate, if few enough for it to be what was meant.
pub fn apart(word: &str, candidate: &str) -> Option<usize> {
    // Bytes first: what is far too long is not even counted.
    if word.len() > 4 * LONGEST || candidate.len() > 4 * LONGEST {
        return None;
    }
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (word, candidate) = (letters(word), letters(candidate));
    let most = word.len().div_ceil(3).max(1);
    if word.len().max(candidate.len()) > LONGEST || word.len().abs_diff(candidate.len()) > most {
        return None;
    }
    distance(&word, &candidate, most)
}

/// What to say beside a word that is not known: the nearest, or all that there are.
pub fn hint(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other,
/// unless they are more than `most`.
fn distance(from: &[char], to: &[char], most: usize) -> Option<usize> {
    let mut before_last = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, &a) in from.iter().enumerate() {
        let mut this = vec![row + 1; to.len() + 1];
        for (column, &b) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut best = replaced.min(last[column + 1] + 1).min(this[column] + 1);
            if row > 0 && column > 0 && a == to[column - 1] && from[row - 1] == b {
                best = best.min(before_last[column - 1] + 1);
            }
            this[column + 1] = best;
        }
        before_last = std::mem::replace(&mut last, this);
        // What follows is never closer than the closest of two rows: a swap looks back over one.
        if last.iter().chain(&before_last).all(|so_far| *so_far > most) {
            return None;
        }
    }
    Some(last[to.len()]).filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_understood() {
        let keys = ["listen", "public_url", "allow"];
        assert_eq!(nearest("lisen", keys), Some("listen"));
        assert_eq!(nearest("publicurl", keys), Some("public_url"));
        assert_eq!(nearest("Allow", keys), Some("allow"));
        assert_eq!(nearest("alolw", keys), Some("allow"));
        assert_eq!(nearest("password", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn words_that_nobody_types_are_near_to_nothing() {
        let long = "a".repeat(LONGEST);
        assert_eq!(apart(&long, &long), Some(0));
        let longer = "a".repeat(LONGEST + 1);
        assert_eq!(apart(&longer, &longer), None);
        // Compared letter by letter these would take days.
        let endless = "a".repeat(10_000_000);
        assert_eq!(nearest(&endless, [endless.as_str(), "a"]), None);
        assert_eq!(apart("ab", "ba"), Some(1));
        assert_eq!(apart("kitten", "sitting"), None);
    }
}
