//! Money, measures, ranges, fractions, versions and plain numbers.

use super::numbers::{
    cardinal, digits, digits_in_groups, number as said_number, ordinal as said_ordinal, value,
};
use super::{Said, Written};

/// `$5`, `$1,250.75`, `€3.5 million`, `£1`, `12 USD`, `USD 12`, `5€`, `-$3`.
pub(super) fn money(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    let (sign, word) = match word.strip_prefix('-') {
        Some(rest) => ("minus ", rest),
        None => ("", word),
    };
    for (symbols, unit, units, cent, cents) in CURRENCIES {
        for symbol in symbols.split(' ') {
            let (amount, mut used) = if word == symbol && symbol.len() > 1 {
                (written.core(1), 2)
            } else if let Some(amount) = word.strip_prefix(symbol) {
                (amount, 1)
            } else if let Some(amount) = word.strip_suffix(symbol) {
                (amount, 1)
            } else if written.core(1) == symbol {
                (word, 2)
            } else {
                continue;
            };
            let (amount, scale) = match scale_of(amount) {
                Some(found) => found,
                None => {
                    let scale = spelled_scale(written.core(used));
                    used += usize::from(scale.is_some());
                    (amount, scale)
                }
            };
            let Some(spoken) = amount_of(amount, scale, [unit, units, cent, cents]) else {
                continue;
            };
            return Said::many(format!("{sign}{spoken}"), used);
        }
    }
    None
}

/// `5M` is five million.
fn scale_of(amount: &str) -> Option<(&str, Option<&'static str>)> {
    let scale = match amount.bytes().last()? {
        b'k' | b'K' => "thousand",
        b'm' | b'M' => "million",
        b'b' | b'B' => "billion",
        _ => return None,
    };
    Some((&amount[..amount.len() - 1], Some(scale)))
}

fn spelled_scale(word: &str) -> Option<&'static str> {
    ["thousand", "million", "billion", "trillion"].into_iter().find(|scale| *scale == word)
}

fn amount_of(amount: &str, scale: Option<&str>, names: [&str; 4]) -> Option<String> {
    let [unit, units, cent, cents] = names;
    if let Some(scale) = scale {
        return Some(format!("{} {scale} {units}", said_number(amount)?));
    }
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    // $.50 has no whole part; three decimals (a price of petrol) are said as decimals.
    let whole_value = if whole.is_empty() && !part.is_empty() { 0 } else { value(whole)? };
    let part_value = match part.len() {
        0 => 0,
        2 => value(part)?,
        _ => return Some(format!("{} {units}", said_number(amount)?)),
    };
    let major =
        format!("{} {}", cardinal(whole_value), if whole_value == 1 { unit } else { units });
    let minor = format!("{} {}", cardinal(part_value), if part_value == 1 { cent } else { cents });
    Some(match (whole_value, part_value) {
        (_, 0) => major,
        (0, _) => minor,
        _ if cent.is_empty() => format!("{} {units}", said_number(amount)?),
        _ => format!("{major} and {minor}"),
    })
}

/// `5%`, `20°C`, `10 km`, `3.5GB`, `60mph`.
pub(super) fn measure(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    let end = word.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (amount, glued) = word.split_at(end);
    let spoken = said_number(amount)?;
    let (unit, used) = if glued.is_empty() { (written.core(1), 2) } else { (glued, 1) };
    if glued.is_empty() && written.raw(0).len() > word.len() {
        return None;
    }
    if glued == "s" && amount.len() == 4 {
        // The 1990s.
        return None;
    }
    let (_, one, many) = UNITS.iter().find(|(short, ..)| *short == unit)?;
    // A letter of its own is too often something else: "5 m" reads on, "size 5 l" does not.
    if used == 2 && unit.len() == 1 && !matches!(unit, "m" | "g" | "%" | "°") {
        return None;
    }
    let name = if matches!(amount, "1" | "-1") { one } else { many };
    Said::many(format!("{spoken} {name}"), used)
}

/// `5-10`, `9-5`, `2020–2025`, `$5` apart.
pub(super) fn range(written: Written<'_>) -> Option<Said> {
    let (from, to) = written.core(0).split_once('-')?;
    let short = |part: &str| matches!(part.len(), 1..=4) && value(part).is_some();
    if !short(from) || !short(to) {
        return None;
    }
    let spoken = |part: &str| match value(part) {
        Some(n) if part.len() == 4 && (1900..2100).contains(&n) => Some(super::numbers::year(n)),
        _ => said_number(part),
    };
    Said::one(format!("{} to {}", spoken(from)?, spoken(to)?))
}

/// `1/2`, `3/4`, `24/7`.
pub(super) fn fraction(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    if word == "24/7" {
        return Said::one("twenty four seven");
    }
    let (top, bottom) = word.split_once('/')?;
    let (n, d) = (value(top)?, value(bottom)?);
    let many = if n == 1 { "" } else { "s" };
    Said::one(match d {
        2 => format!("{} {}", cardinal(n), if n == 1 { "half" } else { "halves" }),
        4 => format!("{} quarter{many}", cardinal(n)),
        3 | 5..=10 | 100 if n < d => format!("{} {}{many}", cardinal(n), said_ordinal(d)),
        _ => format!("{} over {}", cardinal(n), cardinal(d)),
    })
}

/// `192.168.0.1` and `v1.2.3`: parts with points between.
pub(super) fn dotted(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    let (version, word) = match word.strip_prefix(['v', 'V']) {
        Some(rest) => ("version ", rest),
        None => ("", word),
    };
    let parts: Vec<&str> = word.split('.').collect();
    let least = if version.is_empty() { 3 } else { 2 };
    if parts.len() < least || !parts.iter().all(|p| p.len() <= 5 && value(p).is_some()) {
        return None;
    }
    // Three digits of an address are read one by one, as people dictate them.
    let spoken = |part: &&str| match (part.len(), value(part)) {
        (1..=2, Some(n)) if !part.starts_with('0') || n == 0 => cardinal(n),
        _ => digits(part),
    };
    Said::one(format!("{version}{}", parts.iter().map(spoken).collect::<Vec<_>>().join(" point ")))
}

/// `42`, `-3.5`, `1,234`, `#5`.
pub(super) fn number(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    if let Some(after) = word.strip_prefix('#') {
        // An order, a ticket: long ones are codes.
        let is_code = after.len() > 3 && after.bytes().all(|b| b.is_ascii_digit());
        let spoken = if is_code { digits_in_groups(after) } else { said_number(after)? };
        return Said::one(format!("number {spoken}"));
    }
    let spoken = said_number(word)?;
    match spelled_scale(written.core(1)) {
        Some(scale) => Said::many(format!("{spoken} {scale}"), 2),
        None => Said::one(spoken),
    }
}

/// `1st`, `22nd`, `1,000th`, `1990s`.
pub(super) fn ordinal(written: Written<'_>) -> Option<Said> {
    let word = written.core(0);
    let end = word.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (amount, suffix) = word.split_at(end);
    let number = value(amount)?;
    match suffix.to_ascii_lowercase().as_str() {
        "st" | "nd" | "rd" | "th" => Said::one(said_ordinal(number)),
        "s" | "'s" if amount.len() == 4 && number % 10 == 0 => {
            let decade = super::numbers::year(number);
            let plural = match decade.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{decade}s"),
            };
            Said::one(plural)
        }
        _ => None,
    }
}

/// Symbols and codes; one and many; one and many of the hundredth.
const CURRENCIES: [(&str, &str, &str, &str, &str); 8] = [
    ("US$ $ USD", "dollar", "dollars", "cent", "cents"),
    ("€ EUR", "euro", "euros", "cent", "cents"),
    ("£ GBP", "pound", "pounds", "penny", "pence"),
    ("¥ JPY", "yen", "yen", "", ""),
    ("₹ INR", "rupee", "rupees", "paisa", "paise"),
    ("CAD", "Canadian dollar", "Canadian dollars", "cent", "cents"),
    ("AUD", "Australian dollar", "Australian dollars", "cent", "cents"),
    ("CHF", "Swiss franc", "Swiss francs", "centime", "centimes"),
];

/// As written, one, many.
#[rustfmt::skip]
const UNITS: &[(&str, &str, &str)] = &[
    ("%", "percent", "percent"), ("°", "degree", "degrees"),
    ("°C", "degree Celsius", "degrees Celsius"), ("°F", "degree Fahrenheit", "degrees Fahrenheit"),
    ("mm", "millimeter", "millimeters"), ("cm", "centimeter", "centimeters"), ("m", "meter", "meters"),
    ("km", "kilometer", "kilometers"), ("mi", "mile", "miles"), ("ft", "foot", "feet"),
    ("yd", "yard", "yards"), ("km/h", "kilometer an hour", "kilometers an hour"),
    ("kph", "kilometer an hour", "kilometers an hour"), ("mph", "mile an hour", "miles an hour"),
    ("mg", "milligram", "milligrams"), ("g", "gram", "grams"), ("kg", "kilogram", "kilograms"),
    ("lb", "pound", "pounds"), ("lbs", "pound", "pounds"), ("oz", "ounce", "ounces"),
    ("ml", "milliliter", "milliliters"), ("l", "liter", "liters"), ("L", "liter", "liters"),
    ("gal", "gallon", "gallons"), ("ms", "millisecond", "milliseconds"), ("s", "second", "seconds"),
    ("sec", "second", "seconds"), ("secs", "second", "seconds"), ("min", "minute", "minutes"),
    ("mins", "minute", "minutes"), ("h", "hour", "hours"), ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"), ("kB", "kilobyte", "kilobytes"), ("KB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"), ("GB", "gigabyte", "gigabytes"), ("TB", "terabyte", "terabytes"),
    ("Mbps", "megabit per second", "megabits per second"),
    ("Gbps", "gigabit per second", "gigabits per second"),
    ("kbps", "kilobit per second", "kilobits per second"), ("Hz", "hertz", "hertz"),
    ("kHz", "kilohertz", "kilohertz"), ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"), ("W", "watt", "watts"), ("kW", "kilowatt", "kilowatts"),
    ("kWh", "kilowatt hour", "kilowatt hours"), ("V", "volt", "volts"), ("dB", "decibel", "decibels"),
    ("sq", "square", "square"), ("x", "times", "times"),
];
