//! Whether what was seen is what a step expected.

use super::Expectation;
use super::seen::Seen;
use crate::verb::normalise;

impl Expectation {
    /// What the document does, the caller's status and reports are streams of their own: that one
    /// was met says nothing about the order of the others.
    pub(super) fn stream(&self) -> usize {
        match self {
            Expectation::Status(_) => 1,
            Expectation::Callback { .. } => 2,
            _ => 0,
        }
    }

    /// Whether it is this.
    pub(super) fn is_met_by(&self, seen: &Seen) -> bool {
        match (self, seen) {
            (Expectation::Say(wanted), Seen::Say(text)) => holds(text, wanted.as_deref()),
            (Expectation::Play(wanted), Seen::Play(what)) => holds(what, wanted.as_deref()),
            (Expectation::Record(words), Seen::Record(outline)) => has_words(outline, words),
            (Expectation::Verb(name, words), Seen::Verb(verb, outline)) => {
                name == verb && has_words(outline, words)
            }
            (
                Expectation::Dial { target, caller_id },
                Seen::Dial { target: called, caller_id: shown },
            ) => {
                target.as_deref().is_none_or(|wanted| same_party(wanted, called))
                    && caller_id.as_deref().is_none_or(|wanted| same_party(wanted, shown))
            }
            (Expectation::Status(wanted), Seen::Status(status)) => wanted == status,
            (
                Expectation::Callback { url, parameters },
                Seen::Callback { url: called, parameters: told },
            ) => {
                holds(called, url.as_deref())
                    && parameters.iter().all(|wanted| told.contains(wanted))
            }
            _ => false,
        }
    }
}

fn holds(text: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| text.contains(wanted))
}

fn has_words(outline: &str, words: &[String]) -> bool {
    words.iter().all(|word| outline.contains(word.as_str()))
}

/// Numbers in any usual spelling; SIP URIs with or without scheme, and with parameters only where
/// they are wanted.
fn same_party(wanted: &str, called: &str) -> bool {
    let bare = |uri: &str| uri.strip_prefix("sip:").unwrap_or(uri).to_ascii_lowercase();
    let (wanted_uri, mut called_uri) = (bare(wanted), bare(called));
    if !wanted_uri.contains(';') {
        called_uri.truncate(called_uri.find(';').unwrap_or(called_uri.len()));
    }
    let number = normalise(wanted).filter(|_| !wanted.contains('@'));
    wanted_uri == called_uri || number.is_some_and(|number| number == called)
}
