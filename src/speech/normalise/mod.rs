//! English text as it is written becomes words as they are said.
//!
//! Numbers, money, dates, times, telephone numbers, addresses of the net, abbreviations, units and
//! symbols. What comes out holds letters, apostrophes, spaces and the marks `.,;:?!` only; a
//! capital on its own is a letter to be spelled. Never fails, never guesses beyond the sentence.

mod numbers;
mod quantities;
mod telephone;
mod when;
mod words;

#[cfg(test)]
mod tests;

/// What a rule made of some words: the text said and how many written words it stands for.
struct Said {
    text: String,
    used: usize,
}

impl Said {
    fn one(text: impl Into<String>) -> Option<Said> {
        Said::many(text, 1)
    }

    fn many(text: impl Into<String>, used: usize) -> Option<Said> {
        Some(Said { text: text.into(), used })
    }
}

/// Written words, with their marks, and the place of the one in question.
#[derive(Clone, Copy)]
struct Written<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl<'a> Written<'a> {
    /// The word so many places on, as it stands.
    fn raw(self, offset: usize) -> &'a str {
        self.words.get(self.at + offset).copied().unwrap_or_default()
    }

    /// The word so many places on, without quotes, brackets and marks around it.
    fn core(self, offset: usize) -> &'a str {
        core(self.raw(offset))
    }

    /// The word before, bare.
    fn before(self) -> &'a str {
        self.at.checked_sub(1).and_then(|at| self.words.get(at)).map_or("", |word| core(word))
    }
}

/// A text as it is to be read.
pub fn normalise(text: &str) -> String {
    let folded = words::fold(text);
    let words: Vec<&str> = folded.split_whitespace().collect();
    let mut said = String::with_capacity(folded.len() * 2);
    let mut at = 0;
    while at < words.len() {
        let written = Written { words: &words, at };
        let read = RULES.iter().find_map(|rule| rule(written));
        let read = read.unwrap_or_else(|| Said { text: words::plain(written), used: 1 });
        let last = (at + read.used.max(1)).min(words.len()) - 1;
        // The point of an abbreviation ends a sentence only where the text ends.
        let short = words.get(last + 1).is_some_and(|n| words::is_abbreviation(words[last], n));
        push(&mut said, &read.text, mark(words[last], short));
        at = last + 1;
    }
    said
}

/// The pieces of a normalised text to be synthesised one by one: sentences, and where one is
/// longer than `longest` bytes, its clauses or at last its words.
pub(super) fn sentences(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    let mut rest = text.trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let ends = |marks: &[char]| {
            let places = rest.match_indices(' ').map(|(at, _)| at).chain([rest.len()]);
            places.filter(|at| rest[..*at].ends_with(marks)).collect::<Vec<_>>()
        };
        let sentence = ends(&['.', '!', '?']).first().copied().unwrap_or(rest.len());
        let end = if sentence <= longest {
            sentence
        } else {
            let fits = |places: Vec<usize>| places.into_iter().rfind(|at| *at <= longest);
            let space = || rest[..floor(rest, longest)].rfind(' ');
            fits(ends(&[',', ';', ':'])).or_else(space).unwrap_or(floor(rest, longest))
        };
        let (piece, more) = rest.split_at(end.max(1));
        rest = more.trim_start();
        Some(piece)
    })
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// In this order: what looks most special first.
const RULES: &[fn(Written<'_>) -> Option<Said>] = &[
    words::address,
    telephone::telephone,
    when::date,
    when::time,
    quantities::money,
    quantities::measure,
    quantities::range,
    quantities::fraction,
    quantities::dotted,
    quantities::number,
    quantities::ordinal,
    words::abbreviation,
    words::symbol,
    words::mixed,
];

fn core(word: &str) -> &str {
    word.trim_start_matches(['"', '\'', '(', '[', '{', '<', '*', '_'])
        .trim_end_matches(['"', '\'', ')', ']', '}', '>', '.', ',', ';', ':', '!', '?', '_'])
}

/// The mark that a word ends in, if it is one to be heard.
fn mark(word: &str, is_abbreviation: bool) -> Option<char> {
    let tail = word.trim_end_matches(['"', '\'', ')', ']', '}', '>', '_']);
    let marks = tail.len() - tail.trim_end_matches(MARKS).len();
    let marks = &tail[tail.len() - marks..];
    let strongest = ['?', '!', '.', ':', ';', ','].into_iter().find(|mark| marks.contains(*mark));
    match strongest {
        Some('.') if is_abbreviation => None,
        // A bracket that closes is a short rest.
        None if word.ends_with([')', ']']) => Some(','),
        strongest => strongest,
    }
}

fn push(said: &mut String, text: &str, mark: Option<char>) {
    let text = text.trim();
    if !text.is_empty() {
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(text);
    }
    if let Some(mark) = mark.filter(|_| !said.is_empty()) {
        if said.ends_with(MARKS) {
            // The stronger of two marks that met: a full stop over a comma.
            if !matches!(mark, ',' | ';' | ':') {
                said.pop();
                said.push(mark);
            }
            return;
        }
        said.push(mark);
    }
}

const MARKS: &[char] = &['.', ',', ';', ':', '!', '?'];
