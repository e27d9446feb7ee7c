//! Normalised English words to the IPA that espeak-ng writes and Piper voices were trained on.
//!
//! The only user of `misaki-rs`, whose lexicon and tagger find the pronunciation; words it does
//! not know go to [`letters`]. Every symbol that comes out is one of [`SYMBOLS`].

use std::sync::OnceLock;

use misaki_rs::fallback::FallbackError;
use misaki_rs::{Fallback, G2P, Language};

use super::letters;

/// Everything that [`of`] may write.
pub(super) const SYMBOLS: &str = "abdefhijklmnoprstuvwzæðŋɐɑɔəɚɛɜɡɪɹɾʃʊʌʒʔˈˌːθᵻ\u{329} ,.:;?!";

/// The phonemes of a normalised sentence.
pub(super) fn of(sentence: &str) -> String {
    let mut compact = Vec::new();
    let mut run = Vec::new();
    for word in sentence.split(' ') {
        match spelled(word) {
            Some(letter) => {
                compact.extend(words(&run));
                run.clear();
                compact.push(letter);
            }
            None => run.push(word),
        }
    }
    compact.extend(words(&run));
    to_espeak(&compact.join(" "))
}

/// A capital on its own is a letter being spelled, also where the lexicon sees an article.
fn spelled(word: &str) -> Option<String> {
    let letter = word.chars().next().filter(char::is_ascii_uppercase)?;
    let rest = &word[1..];
    let (plural, marks) = match rest.strip_prefix("'s") {
        Some(marks) => ("z", marks),
        None => ("", rest),
    };
    let alone = !marks.contains(|c: char| c.is_alphabetic());
    alone.then(|| format!("{}{plural}{marks}", letters::name(letter)))
}

/// A run of words, which the engine reads in their context.
fn words(run: &[&str]) -> Option<String> {
    if run.is_empty() {
        return None;
    }
    Some(match engine().g2p(&run.join(" ")) {
        Ok((phonemes, _)) if !phonemes.contains(UNKNOWN) => phonemes.trim_end().to_owned(),
        // A group of pieces that only partly resolved: word by word instead.
        _ => run.iter().map(|one| word(one)).collect::<Vec<_>>().join(" "),
    })
}

/// One word with the marks around it, in the engine's alphabet.
fn word(word: &str) -> String {
    match engine().g2p(word) {
        Ok((phonemes, _)) if !phonemes.contains(UNKNOWN) => phonemes.trim_end().to_owned(),
        _ => {
            let end = word.trim_end_matches(|c: char| !c.is_alphabetic());
            letters::pronounce(end) + &word[end.len()..]
        }
    }
}

fn engine() -> &'static G2P {
    static ENGINE: OnceLock<G2P> = OnceLock::new();
    ENGINE.get_or_init(|| G2P::with_fallback(Language::EnglishUS, Some(Box::new(LetterRules))))
}

struct LetterRules;

impl Fallback for LetterRules {
    fn phonemize(&self, word: &str) -> Result<String, FallbackError> {
        Ok(letters::pronounce(word))
    }
}

/// From the engine's compact alphabet (one letter a diphthong) to espeak's American English.
fn to_espeak(compact: &str) -> String {
    let symbols: Vec<char> = compact.chars().collect();
    let at = |n: usize| symbols.get(n).copied();
    let mut ipa = String::with_capacity(compact.len() * 2);
    let mut n = 0;
    while let Some(symbol) = at(n) {
        n += 1;
        let next = at(n);
        let text = match (symbol, next) {
            ('ɜ', Some('ɹ')) => {
                n += 1;
                if at(n).is_some_and(is_vowel) { "ɜːɹ" } else { "ɜː" }
            }
            ('ə', Some('ɹ')) => {
                n += 1;
                // espeak writes the linking r between words too.
                let linked = at(n) == Some(' ') && at(n + 1).is_some_and(is_vowel);
                if linked || at(n).is_some_and(is_vowel) { "ɚɹ" } else { "ɚ" }
            }
            // "button", but not "partner".
            ('t', Some('n')) if !at(n + 1).is_some_and(is_vowel) => {
                n += 1;
                "ʔn\u{329}"
            }
            ('A', _) => "eɪ",
            ('I', _) => "aɪ",
            ('O', _) => "oʊ",
            ('W', _) => "aʊ",
            ('Y', _) => "ɔɪ",
            ('ʤ', _) => "dʒ",
            ('ʧ', _) => "tʃ",
            ('T', _) => "ɾ",
            ('ᵊ', _) => "ə",
            ('g', _) => "ɡ",
            ('ɜ', _) => "ɜː",
            ('ɑ', _) => "ɑː",
            ('ɔ', _) => "ɔː",
            ('u', _) => "uː",
            ('i', next) => {
                let stressed = n >= 2 && matches!(at(n - 2), Some('ˈ' | 'ˌ'));
                let closed = next.is_some_and(|c| c.is_alphabetic() && !is_vowel(c));
                if stressed || closed { "iː" } else { "i" }
            }
            ('—' | '–', _) => ",",
            ('…', _) => ".",
            (other, _) if SYMBOLS.contains(other) => {
                ipa.push(other);
                continue;
            }
            _ => continue,
        };
        ipa.push_str(text);
    }
    ipa
}

fn is_vowel(symbol: char) -> bool {
    "AIOWYaeiouæɐɑɔəɛɜɪʊʌᵊᵻˈˌ".contains(symbol)
}

/// What the engine writes for a word that even its fallback did not settle.
const UNKNOWN: char = '❓';

#[cfg(test)]
mod tests {
    use super::super::normalise;
    use super::*;

    fn said(text: &str) -> String {
        of(&normalise::normalise(text))
    }

    #[test]
    fn a_corpus_of_sentences_and_names_has_no_unknown_symbol() {
        let corpus = include_str!("corpus.txt");
        assert!(corpus.lines().count() >= 300);
        for line in corpus.lines() {
            let phonemes = said(line);
            let strange = phonemes.chars().find(|c| !SYMBOLS.contains(*c));
            assert_eq!(strange, None, "{line}: {phonemes}");
            let words = normalise::normalise(line);
            let written = words.split(' ').filter(|w| w.contains(char::is_alphabetic)).count();
            let spoken = phonemes.split(' ').filter(|w| w.contains(char::is_alphabetic)).count();
            assert!(spoken >= written, "{line}: a word is missing from {phonemes}");
        }
    }

    #[test]
    fn the_pronunciation_is_that_of_espeak() {
        for (text, ipa) in [
            ("Error placing the call.", "ˈɛɹɚ plˈeɪsɪŋ ðə kˈɔːl."),
            ("better water", "bˈɛɾɚ wˈɔːɾɚ"),
            ("bird", "bˈɜːd"),
            ("people", "pˈiːpəl"),
            ("button", "bˈʌʔn̩"),
            ("happy", "hˈæpi"),
            ("choose a judge", "tʃˈuːz ɐ dʒˈʌdʒ"),
        ] {
            assert_eq!(said(text), ipa, "{text}");
        }
    }

    #[test]
    fn capitals_alone_are_letters() {
        assert_eq!(of("A B C"), "ˈeɪ bˈiː sˈiː");
        assert_eq!(of("plan A."), "plˈæn ˈeɪ.");
        assert_eq!(of("the U R L's"), of("the U R") + " ˈɛlz");
    }
}
