//! English letter-to-sound rules, for names and words that no lexicon holds.
//!
//! Greedy: the longest spelling at each place wins, with a few rules that look at the neighbours.
//! Writes the pronunciation engine's compact alphabet; always says something.

/// The sound of the name of a letter.
pub(super) fn name(letter: char) -> &'static str {
    let at = (letter.to_ascii_lowercase() as u32).wrapping_sub('a' as u32) as usize;
    LETTER_NAMES.get(at).copied().unwrap_or("")
}

/// A word's pronunciation with one main stress. Capitals and words without a vowel are spelled.
pub(super) fn pronounce(word: &str) -> String {
    let letters: Vec<char> = word.chars().filter(char::is_ascii_alphabetic).collect();
    let capitals = letters.iter().all(char::is_ascii_uppercase);
    let lower: Vec<char> = letters.iter().map(char::to_ascii_lowercase).collect();
    let spelled =
        !lower.iter().any(|c| is_vowel(*c)) || (capitals && lower.len() <= LONGEST_INITIALS);
    if spelled {
        return lower.iter().map(|c| name(*c)).collect::<Vec<_>>().join(" ");
    }
    let spelling: String = lower.iter().collect();
    match NAMES.iter().find(|(name, _)| *name == spelling) {
        Some((_, said)) => (*said).to_owned(),
        None => stress(&sounds(&lower), &lower),
    }
}

/// One sound each, vowels apart from consonants by their symbols.
fn sounds(word: &[char]) -> Vec<&'static str> {
    let mut sounds = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        let (sound, length) = contextual(word, at).unwrap_or_else(|| longest(word, at));
        if !sound.is_empty() {
            sounds.push(sound);
        }
        at += length;
    }
    // A doubled sound from two spellings is said once.
    sounds.dedup();
    sounds
}

fn longest(word: &[char], at: usize) -> (&'static str, usize) {
    for length in (1..=4.min(word.len() - at)).rev() {
        let piece: String = word[at..at + length].iter().collect();
        let is_last = at + length == word.len();
        let is_first = at == 0;
        let rule = SPELLINGS.iter().find(|(spelling, place, _)| {
            *spelling == piece
                && match place {
                    Place::Any => true,
                    Place::Start => is_first,
                    Place::End => is_last && !is_first,
                }
        });
        if let Some((_, _, sound)) = rule {
            return (sound, length);
        }
    }
    ("", 1)
}

/// Rules that depend on what stands around a letter.
fn contextual(word: &[char], at: usize) -> Option<(&'static str, usize)> {
    let letter = |offset: isize| {
        at.checked_add_signed(offset).and_then(|place| word.get(place)).copied().unwrap_or(' ')
    };
    let consonant = |c: char| c.is_ascii_alphabetic() && !is_vowel(c);
    let soft = |c: char| matches!(c, 'e' | 'i' | 'y');
    let (here, next, after) = (letter(0), letter(1), letter(2));
    if is_vowel(here) && consonant(next) && next != 'x' && after == 'e' && letter(3) == ' ' {
        // A silent final e makes the vowel say its name.
        let long = match here {
            'a' => "A",
            'e' => "i",
            'i' | 'y' => "I",
            'o' => "O",
            _ => "u",
        };
        if next != 'r' && letter(-1) != 'q' && !is_vowel(letter(-1)) {
            return Some((long, 1));
        }
    }
    match here {
        'c' if next == 'c' && soft(after) => Some(("ks", 2)),
        'c' if soft(next) => Some(("s", 1)),
        'g' if next == 'g' => Some(("ɡ", 2)),
        'g' if next == 'e' && (after == ' ' || after == 's') => Some(("ʤ", 1)),
        'g' if next == 'i' && is_vowel(after) => Some(("ʤ", 2)),
        'e' if next == ' ' && at > 0 && word[..at].iter().any(|c| is_vowel(*c)) => Some(("", 1)),
        'e' if next == ' ' => Some(("i", 1)),
        'y' if is_vowel(next) => Some(("j", 1)),
        'y' if next == ' ' => Some((if at > 2 { "i" } else { "I" }, 1)),
        's' if next == ' ' && "bdglmnrvw".contains(letter(-1)) => Some(("z", 1)),
        's' if is_vowel(letter(-1)) && is_vowel(next) && next != 'o' => Some(("z", 1)),
        'a' if next == ' ' => Some(("ə", 1)),
        'a' if next == 'l' && after == 'k' => Some(("ɔ", 2)),
        'i' if next == ' ' => Some(("i", 1)),
        'o' if next == ' ' => Some(("O", 1)),
        'u' if next == ' ' => Some(("u", 1)),
        'i' | 'o' | 'u' if consonant(next) && is_vowel(after) && next != 'r' && at == 0 => Some((
            if here == 'i' {
                "I"
            } else if here == 'o' {
                "O"
            } else {
                "ju"
            },
            1,
        )),
        'h' if consonant(next) || next == ' ' => Some(("", 1)),
        _ if here == next && consonant(here) => Some(("", 1)),
        _ => None,
    }
}

/// Puts the main stress where English most often has it.
fn stress(sounds: &[&str], word: &[char]) -> String {
    let is_core = |sound: &&str| sound.chars().any(|c| "AIOWYaiueæɑɔəɛɜɪʊʌᵊ".contains(c));
    let cores: Vec<usize> = (0..sounds.len()).filter(|n| is_core(&sounds[*n])).collect();
    let spelling: String = word.iter().collect();
    let ends = |endings: &[&str]| endings.iter().any(|end| spelling.ends_with(end));
    let back = match cores.len() {
        0 | 1 => 1,
        2 if ends(&["ee", "eer", "oon", "ette", "elle", "ine"]) => 1,
        2 => 2,
        _ if ends(&["tion", "sion", "ic", "ics", "cian", "cial"]) => 2,
        // Names from the south end in a vowel and stress the one before.
        _ if ends(&["a", "o", "i", "ez", "es"]) => 2,
        _ => 3,
    };
    let stressed = cores.len().checked_sub(back).and_then(|n| cores.get(n)).copied();
    let mut said = String::new();
    for (n, sound) in sounds.iter().enumerate() {
        if Some(n) == stressed {
            // The mark stands before the vowel, also where the sound begins with a glide.
            let glide = sound.chars().take_while(|c| "jw".contains(*c)).map(char::len_utf8).sum();
            let (glide, vowel) = sound.split_at(glide);
            said.push_str(glide);
            said.push('ˈ');
            said.push_str(if vowel == "ə" { "ʌ" } else { vowel });
            continue;
        }
        said.push_str(sound);
    }
    said
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// Up to here unknown capitals are taken for initials.
const LONGEST_INITIALS: usize = 4;

const LETTER_NAMES: [&str; 26] = [
    "ˈA",
    "bˈi",
    "sˈi",
    "dˈi",
    "ˈi",
    "ˈɛf",
    "ʤˈi",
    "ˈAʧ",
    "ˈI",
    "ʤˈA",
    "kˈA",
    "ˈɛl",
    "ˈɛm",
    "ˈɛn",
    "ˈO",
    "pˈi",
    "kjˈu",
    "ˈɑɹ",
    "ˈɛs",
    "tˈi",
    "jˈu",
    "vˈi",
    "dˈʌbᵊlju",
    "ˈɛks",
    "wˈI",
    "zˈi",
];

#[derive(Clone, Copy)]
enum Place {
    Any,
    Start,
    End,
}
use Place::{Any, End, Start};

/// Names that callers bear often and that no rule of English spelling gets right.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("adebayo", "ɑdAbˈɑjO"), ("aoife", "ˈifə"), ("beauchamp", "bˈiʧəm"), ("bouchard", "buʃˈɑɹd"),
    ("boudreaux", "budɹˈO"), ("brzezinski", "bɹəzˈɪnski"), ("cai", "tsˈI"), ("caoimhe", "kˈivə"),
    ("cetera", "sˈɛtəɹə"), ("creme", "kɹˈɛm"), ("doeuvres", "dˈɜɹvz"), ("dvorak", "dvˈɔɹʒæk"),
    ("eoghan", "ˈOən"), ("ferreira", "fəɹˈɛɹə"), ("fi", "fˈI"), ("fujimoto", "fuʤimˈOtO"),
    ("garcia", "ɡɑɹsˈiə"), ("goethe", "ɡˈɜɹtə"), ("gonzalez", "ɡɑnzˈɑlɛz"), ("hors", "ˈɔɹ"),
    ("hsieh", "ʃjˈA"), ("huynh", "wˈɪn"), ("hwang", "hwˈɑŋ"), ("ivanov", "ɪvˈɑnɔf"),
    ("jalapeno", "hɑləpˈAnjO"), ("jeong", "ʤˈʌŋ"), ("kowalczyk", "kOvˈɑlʧɪk"),
    ("krakow", "kɹˈɑkW"), ("kubernetes", "kubəɹnˈɛtiz"), ("laguardia", "ləɡwˈɑɹdiə"),
    ("lefebvre", "ləfˈɛv"), ("lopez", "lˈOpɛz"), ("malmo", "mˈɑlmO"), ("mueller", "mjˈuləɹ"),
    ("nakamura", "nɑkəmˈʊɹə"), ("ng", "ˈɛŋ"), ("nginx", "ˈɛnʤən ˈɛks"), ("nguyen", "wˈɪn"),
    ("niamh", "nˈiv"), ("papadopoulos", "pɑpədˈɑpələs"), ("patel", "pətˈɛl"), ("perez", "pˈɛɹɛz"),
    ("pfeiffer", "fˈIfəɹ"), ("phuong", "fˈʌŋ"), ("postgresql", "pˈOstɡɹɛs kjˈu ˈɛl"),
    ("qiu", "ʧjˈu"), ("ramirez", "ɹəmˈɪɹɛz"), ("rhys", "ɹˈis"), ("rivera", "ɹɪvˈɛɹə"),
    ("rodriguez", "ɹɑdɹˈiɡɛz"), ("sao", "sˈW"), ("saoirse", "sˈɪɹʃə"), ("schmidt", "ʃmˈɪt"),
    ("siobhan", "ʃɪvˈɔn"), ("tanaka", "tənˈɑkə"), ("tchaikovsky", "ʧIkˈɔfski"),
    ("thibodeaux", "tˈɪbədO"), ("thompson", "tˈɑmpsən"), ("tsai", "tsˈI"),
    ("watanabe", "wɑtənˈɑbi"), ("wi", "wˈI"), ("xiaoming", "ʃWmˈɪŋ"), ("yoshikawa", "jOʃikˈɑwə"),
    ("zhang", "ʤˈɑŋ"), ("zhou", "ʤˈO"),
];

/// Spellings and their sounds; a longer spelling wins over a shorter, an earlier over a later.
#[rustfmt::skip]
const SPELLINGS: &[(&str, Place, &str)] = &[
    ("tion", Any, "ʃən"), ("sion", Any, "ʒən"), ("cian", Any, "ʃən"), ("ough", End, "O"),
    ("augh", Any, "ɔ"), ("eigh", Any, "A"), ("ture", End, "ʧəɹ"), ("ches", End, "ʧᵻz"),
    ("shes", End, "ʃᵻz"), ("sses", End, "sᵻz"), ("vsky", End, "fski"), ("kov", End, "kɔf"),
    ("igh", Any, "I"), ("tch", Any, "ʧ"), ("sch", Any, "ʃ"), ("dge", Any, "ʤ"), ("eau", Any, "O"),
    ("ing", End, "ɪŋ"), ("ous", End, "əs"), ("age", End, "ɪʤ"), ("ssi", Any, "si"),
    ("ted", End, "tᵻd"), ("ded", End, "dᵻd"), ("air", Any, "ɛɹ"), ("ear", Any, "ɪɹ"),
    ("eer", Any, "ɪɹ"), ("oor", Any, "ɔɹ"), ("our", Any, "ɔɹ"), ("ure", End, "jʊɹ"),
    ("are", End, "ɛɹ"), ("ire", End, "Iəɹ"), ("ore", End, "ɔɹ"), ("ere", End, "ɪɹ"),
    ("wor", Any, "wɜɹ"), ("war", Any, "wɔɹ"), ("wri", Start, "ɹI"), ("gue", End, "ɡ"),
    ("que", End, "k"), ("man", End, "mən"), ("son", End, "sən"), ("ian", End, "iən"),
    ("chr", Start, "kɹ"), ("ngh", Any, "ŋ"), ("cki", Any, "ki"), ("all", End, "ɔl"),
    ("ph", Any, "f"), ("sh", Any, "ʃ"), ("ch", Any, "ʧ"), ("th", Any, "θ"), ("wh", Any, "w"),
    ("ck", Any, "k"), ("gh", Start, "ɡ"), ("gh", Any, ""), ("kn", Start, "n"), ("gn", Start, "n"),
    ("wr", Start, "ɹ"), ("ps", Start, "s"), ("pt", Start, "t"), ("ng", End, "ŋ"), ("nk", Any, "ŋk"),
    ("qu", Any, "kw"), ("rh", Start, "ɹ"), ("mb", End, "m"), ("ts", Start, "ts"), ("zh", Any, "ʒ"),
    ("kh", Any, "k"), ("dh", Any, "d"), ("bh", Any, "b"), ("sz", Any, "ʃ"), ("cz", Any, "ʧ"),
    ("dz", Any, "dz"), ("ll", Any, "l"), ("sc", Any, "sk"), ("xu", Start, "ʃu"), ("ng", Any, "ŋɡ"),
    ("ee", Any, "i"), ("ea", Any, "i"), ("ai", Any, "A"), ("ay", Any, "A"), ("ei", Any, "I"),
    ("ey", End, "i"), ("ey", Any, "A"), ("ie", Any, "i"), ("oa", Any, "O"), ("oe", Any, "O"),
    ("oi", Any, "Y"), ("oy", Any, "Y"), ("oo", Any, "u"), ("ou", Any, "W"), ("ow", End, "O"),
    ("ow", Any, "W"), ("au", Any, "ɔ"), ("aw", Any, "ɔ"), ("ew", Any, "ju"), ("eu", Any, "ju"),
    ("ue", End, "u"), ("ui", Any, "u"), ("uy", Any, "I"), ("aa", Any, "ɑ"), ("ae", Any, "A"),
    ("ia", Any, "iə"), ("io", Any, "iO"), ("iu", Any, "iu"), ("ua", Any, "wɑ"), ("uo", Any, "wO"),
    ("ar", Any, "ɑɹ"), ("er", End, "əɹ"), ("er", Any, "ɜɹ"), ("ir", Any, "ɜɹ"), ("or", End, "əɹ"),
    ("or", Any, "ɔɹ"), ("ur", Any, "ɜɹ"), ("yr", Any, "ɪɹ"), ("le", End, "ᵊl"), ("el", End, "əl"),
    ("al", End, "əl"), ("en", End, "ən"), ("on", End, "ən"), ("an", End, "ən"), ("ed", End, "d"),
    ("a", Any, "æ"), ("b", Any, "b"), ("c", Any, "k"), ("d", Any, "d"), ("e", Any, "ɛ"),
    ("f", Any, "f"), ("g", Any, "ɡ"), ("h", Any, "h"), ("i", Any, "ɪ"), ("j", Any, "ʤ"),
    ("k", Any, "k"), ("l", Any, "l"), ("m", Any, "m"), ("n", Any, "n"), ("o", Any, "ɑ"),
    ("p", Any, "p"), ("q", Any, "k"), ("r", Any, "ɹ"), ("s", Any, "s"), ("t", Any, "t"),
    ("u", Any, "ʌ"), ("v", Any, "v"), ("w", Any, "w"), ("x", Start, "z"), ("x", Any, "ks"),
    ("y", Any, "ɪ"), ("z", Any, "z"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_words_follow_their_spelling() {
        for (word, said) in [
            ("blick", "blˈɪk"),
            ("shrane", "ʃɹˈAn"),
            ("quib", "kwˈɪb"),
            ("zorbing", "zˈɔɹbɪŋ"),
            ("flumtion", "flˈʌmʃən"),
            ("voltera", "vɑltˈɜɹə"),
            ("phrintle", "fɹˈɪntᵊl"),
            ("cendrin", "sˈɛndɹɪn"),
        ] {
            assert_eq!(pronounce(word), said, "{word}");
        }
    }

    #[test]
    fn well_known_names_are_said_as_their_bearers_do() {
        assert_eq!(pronounce("Nguyen"), "wˈɪn");
        assert_eq!(pronounce("GARCIA"), "ɡɑɹsˈiə");
        let mut names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        names.dedup();
        assert!(names.is_sorted() && names.len() == NAMES.len());
    }

    #[test]
    fn initials_and_words_without_vowels_are_spelled() {
        assert_eq!(pronounce("TTS"), "tˈi tˈi ˈɛs");
        assert_eq!(pronounce("brrt"), "bˈi ˈɑɹ ˈɑɹ tˈi");
        assert_eq!(pronounce("UAC"), "jˈu ˈA sˈi");
    }

    #[test]
    fn every_pair_and_triple_of_letters_is_said() {
        for a in 'a'..='z' {
            for b in 'a'..='z' {
                assert!(!pronounce(&format!("{a}{b}")).is_empty(), "{a}{b}");
                for c in ["a", "e", "gh", "st"] {
                    assert!(!pronounce(&format!("{a}{b}{c}")).is_empty(), "{a}{b}{c}");
                }
            }
        }
        assert_eq!(pronounce(""), "");
        assert_eq!(name('é'), "");
    }
}
