//! Numbers in English words, as Americans say them.

/// `1234` → one thousand two hundred thirty four.
pub(super) fn cardinal(number: u64) -> String {
    if number < 20 {
        return SMALL[number as usize].to_owned();
    }
    if number < 100 {
        return with_rest(TENS[number as usize / 10].to_owned(), number % 10);
    }
    if number < 1_000 {
        return with_rest(format!("{} hundred", cardinal(number / 100)), number % 100);
    }
    let scale = SCALES.iter().find(|(size, _)| number >= *size);
    let (size, name) = scale.expect("the last scale is a thousand");
    with_rest(format!("{} {name}", cardinal(number / size)), number % size)
}

fn with_rest(head: String, rest: u64) -> String {
    if rest == 0 { head } else { format!("{head} {}", cardinal(rest)) }
}

/// `22` → twenty second.
pub(super) fn ordinal(number: u64) -> String {
    let cardinal = cardinal(number);
    let (head, last) = match cardinal.rsplit_once(' ') {
        Some((head, last)) => (format!("{head} "), last),
        None => (String::new(), cardinal.as_str()),
    };
    let irregular = IRREGULAR.iter().find(|(plain, _)| *plain == last).map(|(_, th)| *th);
    match (irregular, last.strip_suffix('y')) {
        (Some(word), _) => head + word,
        (None, Some(stem)) => format!("{head}{stem}ieth"),
        (None, None) => format!("{head}{last}th"),
    }
}

/// `1984` → nineteen eighty four; `2007` → two thousand seven; `1905` → nineteen oh five.
pub(super) fn year(number: u64) -> String {
    let (century, rest) = (number / 100, number % 100);
    match (century, rest) {
        (20, 0..=9) | (10, 0..=9) => cardinal(number),
        (10..=99, 0) => format!("{} hundred", cardinal(century)),
        (10..=99, 1..=9) => format!("{} oh {}", cardinal(century), cardinal(rest)),
        (10..=99, _) => format!("{} {}", cardinal(century), cardinal(rest)),
        _ => cardinal(number),
    }
}

/// Every digit on its own; other characters are passed over.
pub(super) fn digits(text: &str) -> String {
    let spoken: Vec<&str> =
        text.chars().filter_map(|c| c.to_digit(10)).map(|d| SMALL[d as usize]).collect();
    spoken.join(" ")
}

/// A long string of digits in threes, with a rest between, so that it can be written down.
pub(super) fn digits_in_groups(text: &str) -> String {
    let all: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    // Four at the end rather than one alone: 3 3 4, as telephone numbers have it.
    let mut groups: Vec<&[char]> = Vec::new();
    let mut rest = all.as_slice();
    while rest.len() > 4 {
        let (group, more) = rest.split_at(3);
        groups.push(group);
        rest = more;
    }
    groups.push(rest);
    let spoken: Vec<String> =
        groups.iter().map(|group| digits(&group.iter().collect::<String>())).collect();
    spoken.join(", ")
}

/// `-1,234.50` as a number: sign, thousands, decimals. Nothing if it is not one.
pub(super) fn number(text: &str) -> Option<String> {
    let (sign, text) = match text.strip_prefix(['-', '−']) {
        Some(rest) => ("minus ", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if decimals.is_some_and(|d| !is_number(d)) {
        return None;
    }
    let spoken = match whole {
        "" if decimals.is_some() => "zero".to_owned(),
        _ => integer(whole)?,
    };
    Some(match decimals {
        Some(decimals) => format!("{sign}{spoken} point {}", digits(decimals)),
        None => format!("{sign}{spoken}"),
    })
}

/// Digits written together are a number, unless they are a code: seven or more, or a leading zero.
fn integer(text: &str) -> Option<String> {
    if let Some(value) = grouped(text) {
        return Some(cardinal(value));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.len() >= LONGEST_NUMBER || (text.len() > 1 && text.starts_with('0')) {
        return Some(if text.len() > 4 { digits_in_groups(text) } else { digits(text) });
    }
    text.parse().ok().map(cardinal)
}

/// `1,234,567`.
fn grouped(text: &str) -> Option<u64> {
    let mut groups = text.split(',');
    let first = groups.next()?;
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let is_grouped = matches!(first.len(), 1..=3)
        && plain(first)
        && groups.clone().count() > 0
        && groups.all(|group| group.len() == 3 && plain(group));
    if is_grouped && text.len() <= 23 { text.replace(',', "").parse().ok() } else { None }
}

/// A plain whole number, for arithmetic.
pub(super) fn value(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { grouped(text) }
}

/// So many digits are an account, an order or a telephone, not a quantity.
const LONGEST_NUMBER: usize = 7;

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];

const TENS: [&str; 10] =
    ["", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

const SCALES: [(u64, &str); 6] = [
    (1_000_000_000_000_000_000, "quintillion"),
    (1_000_000_000_000_000, "quadrillion"),
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];

const IRREGULAR: [(&str, &str); 7] = [
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("five", "fifth"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("twelve", "twelfth"),
];
