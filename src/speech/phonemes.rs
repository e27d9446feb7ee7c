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
    let marked = mark_letters(sentence);
    let phonemes = match engine().g2p(&marked) {
        Ok((phonemes, _)) if !phonemes.contains(UNKNOWN) => phonemes,
        // A group of pieces that only partly resolved: word by word instead.
        _ => sentence.split(' ').map(word).collect::<Vec<_>>().join(" "),
    };
    to_espeak(&phonemes)
}

/// One word with the marks around it, in the engine's alphabet.
fn word(word: &str) -> String {
    match engine().g2p(&mark_letters(word)) {
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

/// A capital on its own is a letter being spelled, also where the lexicon would see an article.
fn mark_letters(sentence: &str) -> String {
    let mut marked = String::with_capacity(sentence.len() * 2);
    for (n, word) in sentence.split(' ').enumerate() {
        if n > 0 {
            marked.push(' ');
        }
        let mut characters = word.chars();
        match (characters.next(), characters.next()) {
            (Some(c), next) if c.is_ascii_uppercase() && !next.is_some_and(char::is_alphabetic) => {
                let rest = &word[1..];
                if rest.starts_with('\'') {
                    marked.push_str(word);
                } else {
                    marked.push_str(&format!("[{c}](/{}/){rest}", letters::name(c)));
                }
            }
            _ => marked.push_str(word),
        }
    }
    marked
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
            ('t', Some('ᵊ')) if at(n + 1) == Some('n') => {
                n += 2;
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
