//! Words that are no numbers: abbreviations, symbols, addresses of the net, mixtures.

use super::numbers::{digits, number, value};
use super::{Said, Written, core};

/// Characters of the world to those the rules know: accents off, quotes and dashes plain.
pub(super) fn fold(text: &str) -> String {
    let shouting = is_shouting(text);
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' if shouting => folded.push(c.to_ascii_lowercase()),
            ' '..='~' | '€' | '£' | '¥' | '₹' | '°' => folded.push(c),
            '½' | '¼' | '¾' if folded.ends_with(|before: char| before.is_ascii_digit()) => {
                folded.push_str(" and ");
                folded.push_str(plain_of(c));
            }
            _ => folded.push_str(plain_of(c)),
        }
    }
    folded
}

/// What a character beyond ASCII is read as. Other scripts and pictures are a rest, so that the
/// words around them stay apart.
fn plain_of(c: char) -> &'static str {
    let known = FOLDED.iter().find(|(characters, _)| characters.contains(c));
    known.map_or(" ", |(_, plain)| plain)
}

/// A text all in capitals would be taken for initials.
fn is_shouting(text: &str) -> bool {
    let long = text.split_whitespace().filter(|word| word.len() > 3).count();
    long >= 2 && !text.chars().any(char::is_lowercase)
}

/// `name@example.com`, `https://example.com/a?b`, `www.example.com`, `example.com`.
pub(super) fn address(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    let host_of = |text: &str| {
        let dot = text.rfind('.')?;
        let top = &text[dot + 1..];
        let plain = top.len() >= 2 && top.bytes().all(|b| b.is_ascii_lowercase());
        (dot > 0 && plain).then_some(())
    };
    if let Some((name, host)) = word.trim_start_matches("mailto:").split_once('@') {
        if !name.is_empty() && host_of(host).is_some() {
            return Said::one(format!("{} at {}", pieces(name), pieces(host)));
        }
        return None;
    }
    let (schemed, rest) = match word.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, word),
    };
    // What follows the path is for machines.
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let host = rest.split('/').next().unwrap_or_default();
    let known = TOP_DOMAINS.iter().any(|top| host.ends_with(top));
    if schemed || (host_of(host).is_some() && (host.starts_with("www.") || known)) {
        return Said::one(pieces(rest));
    }
    None
}

/// An address part by part, its punctuation said.
fn pieces(address: &str) -> String {
    let mut said = Vec::new();
    let mut rest = address;
    while let Some(first) = rest.chars().next() {
        let name = match first {
            '.' => Some("dot"),
            '-' => Some("dash"),
            '_' => Some("underscore"),
            '/' => Some("slash"),
            ':' => Some("colon"),
            '@' => Some("at"),
            '+' => Some("plus"),
            _ => None,
        };
        if let Some(name) = name {
            said.push(name.to_owned());
            rest = &rest[1..];
            continue;
        }
        let same =
            |c: char| c.is_ascii_digit() == first.is_ascii_digit() && c.is_ascii_alphanumeric();
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (piece, more) = rest.split_at(end);
        rest = more;
        match piece {
            "www" => said.push("W W W".to_owned()),
            _ if first.is_ascii_digit() => said.push(digits(piece)),
            // Countries at the end (`co.uk`), and what has no vowel.
            _ if (piece.len() == 2 && rest.is_empty()) || !has_vowel(piece) => {
                said.push(spell(piece));
            }
            _ if first.is_ascii_alphabetic() => said.push(piece.to_ascii_lowercase()),
            _ => {}
        }
    }
    said.join(" ")
}

fn has_vowel(word: &str) -> bool {
    word.contains(['a', 'e', 'i', 'o', 'u', 'y', 'A', 'E', 'I', 'O', 'U', 'Y'])
}

/// Capitals with spaces between: letters to be spelled.
fn spell(letters: &str) -> String {
    let capitals = letters.chars().filter(char::is_ascii_alphabetic);
    capitals.map(|c| c.to_ascii_uppercase().to_string()).collect::<Vec<_>>().join(" ")
}

/// Whether the point after a word belongs to it.
pub(super) fn is_abbreviation(raw: &str, next: &str) -> bool {
    let word = core(raw);
    raw.contains('.')
        && (is_dotted(word)
            || ABBREVIATIONS.iter().any(|(short, _)| short.eq_ignore_ascii_case(word))
            || ["st", "dr"].iter().any(|short| short.eq_ignore_ascii_case(word))
            || (word.eq_ignore_ascii_case("no") && value(core(next)).is_some()))
}

/// `U.S`, `a.m`, `p.m`: letters with points.
fn is_dotted(word: &str) -> bool {
    word.contains('.')
        && word.split('.').all(|p| p.len() == 1 && p.as_bytes()[0].is_ascii_alphabetic())
}

/// `Dr.`, `St.`, `etc.`, `e.g.`, `U.S.`, `No. 5`.
pub(super) fn abbreviation(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    let raw = written.raw(0);
    let next = written.raw(1);
    let named_next = core(next).starts_with(|c: char| c.is_ascii_uppercase());
    let ends = raw.ends_with([',', '!', '?', ';']) || next.is_empty();
    match word {
        "Dr" | "dr" => return Said::one(if named_next && !ends { "doctor" } else { "drive" }),
        "St" => return Said::one(if named_next && !ends { "saint" } else { "street" }),
        "No" | "no" if raw.ends_with('.') && value(core(next)).is_some() => {
            return Said::one("number");
        }
        "e.g" => return Said::one("for example"),
        "i.e" => return Said::one("that is"),
        _ => {}
    }
    if is_dotted(word) {
        return Said::one(spell(word));
    }
    let (short, long) = ABBREVIATIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(word))?;
    // Those that are words too need their point.
    let is_word = short.starts_with(|c: char| c.is_ascii_uppercase()) && !raw.contains('.');
    if is_word && *short != word { None } else { Said::one(*long) }
}

/// Keys, mathematics and symbols that stand alone.
pub(super) fn symbol(written: Written<'_>) -> Option<Said> {
    let raw =
        written.raw(0).trim_matches(['"', '\'', '(', ')', '[', ']', ',', '.', '!', '?', ';', ':']);
    let name = match raw {
        "&" => "and",
        "@" => "at",
        "#" => "pound",
        "*" => "star",
        "+" => "plus",
        "=" => "equals",
        "%" => "percent",
        "$" => "dollars",
        "°" => "degrees",
        "/" => "slash",
        "~" => "about",
        "<" => "less than",
        ">" => "greater than",
        "->" | "=>" => "to",
        "|" => "or",
        // A dash between words is a rest.
        "-" | "--" | "---" => ",",
        _ => return None,
    };
    Said::one(name)
}

/// `B52`, `H264`, `*67`, `#1234*`, `12B`, `covid-19`, `4x4`: letters and digits apart.
pub(super) fn mixed(written: Written<'_>) -> Option<Said> {
    let raw = written.raw(0).trim_matches(['"', '\'', '(', ')', ',', '.', '!', '?', ';', ':']);
    if !raw.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut said: Vec<String> = Vec::new();
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_alphabetic());
        let single = !first.is_ascii_alphanumeric();
        let end = if single {
            first.len_utf8()
        } else {
            rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len())
        };
        let (piece, more) = rest.split_at(end);
        rest = more;
        match piece {
            "*" => said.push("star".to_owned()),
            "#" => said.push("pound".to_owned()),
            "%" => said.push("percent".to_owned()),
            "+" => said.push("plus".to_owned()),
            "&" => said.push("and".to_owned()),
            "=" => said.push("equals".to_owned()),
            "/" => said.push("slash".to_owned()),
            "." => said.push("point".to_owned()),
            "$" => said.push("dollars".to_owned()),
            _ if first.is_ascii_digit() => said.push(match piece.len() {
                1..=2 => number(piece).unwrap_or_else(|| digits(piece)),
                _ => digits(piece),
            }),
            _ if piece.len() == 1 && first.is_ascii_alphabetic() => said.push(spell(piece)),
            // Airlines, models, plates: capitals beside digits are letters.
            _ if piece.len() <= 3 && piece.bytes().all(|b| b.is_ascii_uppercase()) => {
                said.push(spell(piece));
            }
            _ if first.is_ascii_alphabetic() => said.push(word(piece)),
            _ => {}
        }
    }
    Said::one(said.join(" "))
}

/// Anything else: letters and apostrophes stay, joints become spaces.
pub(super) fn plain(written: Written<'_>) -> String {
    let text = written.core(0);
    let mut said = String::with_capacity(text.len());
    for piece in text.split(['-', '_', '.', ',', ':', ';', '!', '?', '~', '=', '^', '\\', '|', '"'])
    {
        let piece = piece
            .replace('&', " and ")
            .replace('@', " at ")
            .replace('/', " or ")
            .replace('+', " plus ")
            .replace('%', " percent ");
        for part in piece.split_whitespace() {
            let clean: String =
                part.chars().filter(|c| c.is_ascii_alphabetic() || *c == '\'').collect();
            let clean = clean.trim_matches('\'');
            if clean.is_empty() {
                continue;
            }
            if !said.is_empty() {
                said.push(' ');
            }
            said.push_str(&article(written, clean).unwrap_or_else(|| word(clean)));
        }
    }
    said
}

/// `A` before a word is the article, unless a letter is spoken of.
fn article(written: Written<'_>, clean: &str) -> Option<String> {
    let before = written.before().to_ascii_lowercase();
    let letter = ["letter", "option", "section", "plan", "grade", "class", "type", "vitamin"];
    let follows = written.core(1).starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_article = matches!(clean, "A" | "a") && follows && !letter.contains(&before.as_str());
    is_article.then(|| "a".to_owned())
}

/// One word: single letters are spelled, and initials that nobody says as a word.
fn word(word: &str) -> String {
    if word.len() == 1 && word != "a" {
        return word.to_ascii_uppercase();
    }
    let known = INITIALS.contains(&word);
    let plural = word.strip_suffix('s').filter(|stem| INITIALS.contains(stem));
    match (known, plural) {
        (true, _) => spell(word),
        (_, Some(stem)) => format!("{}'s", spell(stem)),
        _ => word.to_owned(),
    }
}

/// Characters and what they become.
#[rustfmt::skip]
const FOLDED: &[(&str, &str)] = &[
    ("àáâãäåāăą", "a"), ("ÀÁÂÃÄÅĀĂĄ", "A"), ("æ", "ae"), ("Æ", "Ae"), ("çćčĉ", "c"), ("ÇĆČĈ", "C"),
    ("ďđð", "d"), ("ĎĐÐ", "D"), ("èéêëēęěė", "e"), ("ÈÉÊËĒĘĚĖ", "E"), ("ğģ", "g"), ("ĞĢ", "G"),
    ("ìíîïīı", "i"), ("ÌÍÎÏĪİ", "I"), ("łľĺ", "l"), ("ŁĽĹ", "L"), ("ñńň", "n"), ("ÑŃŇ", "N"),
    ("òóôõöøōő", "o"), ("ÒÓÔÕÖØŌŐ", "O"), ("œ", "oe"), ("Œ", "Oe"), ("ŕř", "r"), ("ŔŘ", "R"),
    ("śšşș", "s"), ("ŚŠŞȘ", "S"), ("ß", "ss"), ("ťţț", "t"), ("ŤŢȚ", "T"), ("þ", "th"), ("Þ", "Th"),
    ("ùúûüūůű", "u"), ("ÙÚÛÜŪŮŰ", "U"), ("ýÿ", "y"), ("ÝŸ", "Y"), ("źżž", "z"), ("ŹŻŽ", "Z"),
    ("‘’ʼ´", "'"), ("“”„«»", "\""), ("—―", " , "), ("–‐‑−", "-"), ("…", "."),
    ("½", "1/2"), ("¼", "1/4"), ("¾", "3/4"), ("×", " times "), ("÷", " divided by "),
    ("±", " plus or minus "), ("¢", " cents "), ("™®©", ""),
    // Joiners, soft hyphens, variation selectors and combining accents: nothing to hear.
    ("\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{ad}\u{fe0e}\u{fe0f}", ""),
    ("\u{300}\u{301}\u{302}\u{303}\u{304}\u{306}\u{307}\u{308}\u{30a}\u{30b}\u{30c}\u{327}\u{328}", ""),
];

/// Read letter by letter although a lexicon may know a word for them.
#[rustfmt::skip]
const INITIALS: &[&str] = &[
    "AI", "API", "ATM", "CEO", "CPU", "DIY", "DTMF", "EU", "FAQ", "GPS", "HR", "HTML", "HTTP",
    "HTTPS", "ID", "IP", "ISP", "IT", "IVR", "JSON", "LLC", "PBX", "PC", "PDF", "PM", "AM", "PR",
    "QA", "RTP", "SMS", "SSN", "SUV", "TLS", "TTS", "TV", "UI", "UK", "UPS", "URL", "US", "USA",
    "USB", "VAT", "VIP", "VPN", "WWW", "XML", "ZIP+4",
];

/// With their point, or without where the short form is no word. Capitalised: only so written.
#[rustfmt::skip]
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("Mr", "mister"), ("Mrs", "missus"), ("Ms", "miz"), ("Prof", "professor"), ("Sgt", "sergeant"),
    ("Capt", "captain"), ("Lt", "lieutenant"), ("Gov", "governor"), ("Sen", "senator"),
    ("Rev", "reverend"), ("Hon", "honorable"), ("Jr", "junior"), ("Sr", "senior"),
    ("Ave", "avenue"), ("Blvd", "boulevard"), ("Rd", "road"), ("Ln", "lane"), ("Hwy", "highway"),
    ("Pkwy", "parkway"), ("Apt", "apartment"), ("Ste", "suite"), ("Bldg", "building"),
    ("Mt", "mount"), ("Ft", "fort"), ("Inc", "incorporated"), ("Ltd", "limited"), ("Corp", "corporation"),
    ("Co", "company"), ("Mon", "Monday"), ("Tue", "Tuesday"), ("Tues", "Tuesday"), ("Wed", "Wednesday"),
    ("Thu", "Thursday"), ("Thur", "Thursday"), ("Thurs", "Thursday"), ("Fri", "Friday"),
    ("Sat", "Saturday"), ("Sun", "Sunday"), ("Jan", "January"), ("Feb", "February"), ("Mar", "March"),
    ("Apr", "April"), ("Jun", "June"), ("Jul", "July"), ("Aug", "August"), ("Sep", "September"),
    ("Sept", "September"), ("Oct", "October"), ("Nov", "November"), ("Dec", "December"),
    ("etc", "et cetera"), ("vs", "versus"), ("approx", "approximately"), ("dept", "department"),
    ("ext", "extension"), ("tel", "telephone"), ("acct", "account"), ("appt", "appointment"),
    ("qty", "quantity"), ("misc", "miscellaneous"), ("mgr", "manager"), ("asst", "assistant"),
    ("govt", "government"), ("intl", "international"), ("hrs", "hours"), ("mins", "minutes"),
    ("secs", "seconds"), ("yrs", "years"), ("lbs", "pounds"), ("pls", "please"), ("thx", "thanks"),
];

/// Endings that make a word with a point an address even without `www`.
const TOP_DOMAINS: &[&str] = &[
    ".com", ".org", ".net", ".io", ".dev", ".edu", ".gov", ".info", ".co", ".uk", ".de", ".fr",
    ".eu", ".app", ".ai", ".us", ".ca", ".biz", ".me", ".test", ".example",
];
