//! Tables of attributes, and reading an element by its table: every value typed, every finding
//! reported, a default in the place of whatever is wrong.

use crate::base::Duration;
use crate::markup::{Attribute, Diagnostic, Element};

use super::turn::{Method, Report, Request};

/// What an attribute's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A URL, relative or absolute.
    Url,
    /// GET or POST in any case.
    Method,
    /// `true` or `false`.
    Boolean,
    /// A whole number in that range.
    Integer(u32, u32),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, with spaces or commas between.
    Words(&'static [&'static str]),
    /// Any of these characters.
    Characters(&'static str),
    /// Known at the vendor, without effect here so far.
    NotYet,
}

/// A row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The attribute's name.
    pub name: &'static str,
    /// Its values.
    pub kind: Kind,
    /// Its default as markup would write it; empty: none.
    pub default: &'static str,
    /// The code of a bad value.
    pub code: u32,
}

/// A row, short.
pub const fn spec(name: &'static str, kind: Kind, default: &'static str, code: u32) -> Spec {
    Spec { name, kind, default, code }
}

/// Reads the attributes of one element by its table.
#[derive(Debug)]
pub struct Attributes<'a> {
    element: &'a Element,
    table: &'static [Spec],
    findings: &'a mut Vec<Diagnostic>,
}

impl<'a> Attributes<'a> {
    /// Reports unknown and not yet supported attributes at once.
    pub fn new(
        element: &'a Element,
        table: &'static [Spec],
        findings: &'a mut Vec<Diagnostic>,
    ) -> Self {
        for attribute in &element.attributes {
            match table.iter().find(|spec| spec.name == attribute.name) {
                None => findings.push(unknown(element, attribute, table)),
                Some(spec) if spec.kind == Kind::NotYet => {
                    let message = format!(
                        "{} of <{}> is not supported here yet and is ignored",
                        spec.name, element.name
                    );
                    findings.push(Diagnostic::warning(12200, attribute.position, message));
                }
                Some(_) => {}
            }
        }
        Attributes { element, table, findings }
    }

    /// A text, trimmed; `None` when it is not written.
    pub fn text(&self, name: &str) -> Option<String> {
        Some(self.element.attribute(name)?.value.trim().to_owned())
    }

    /// A text as it is written, spaces and all.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        Some(&self.element.attribute(name)?.value)
    }

    /// A URL with its method, when the URL is written.
    pub fn request(&mut self, url: &str, method: &str) -> Option<Request> {
        let method = self.method(method);
        Some(Request { url: self.text(url)?, method })
    }

    /// A callback's URL, method and events, when the URL is written.
    pub fn report(&mut self, url: &str, method: &str, events: &str) -> Option<Report> {
        let request = self.request(url, method)?;
        let events = self.words(events);
        (!request.url.is_empty()).then_some(Report { request, events })
    }

    /// GET or POST.
    pub fn method(&mut self, name: &str) -> Method {
        let (text, spec) = self.value(name);
        for value in [text.as_str(), spec.default] {
            match value.to_ascii_uppercase().as_str() {
                "GET" => return Method::Get,
                "POST" => return Method::Post,
                _ => self.bad(spec, "GET or POST"),
            }
        }
        Method::Post
    }

    /// A truth value (the TwiML reference).
    pub fn boolean(&mut self, name: &str) -> bool {
        let (text, spec) = self.value(name);
        let truth = match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => true,
            "false" | "0" | "no" => false,
            _ => {
                self.bad(spec, "true or false");
                return spec.default == "true";
            }
        };
        if text != "true" && text != "false" {
            let message = format!("{name} is read as {truth}");
            self.warn(12200, name, message, "true or false");
        }
        truth
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str) -> u32 {
        let (text, spec) = self.value(name);
        let Kind::Integer(least, most) = spec.kind else { unreachable!("{name} is no integer") };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.bad(spec, &format!("a whole number from {least} to {most}"));
                spec.default.parse().unwrap_or(least)
            }
        }
    }

    /// A whole number, when the attribute is written.
    pub fn optional_integer(&mut self, name: &str) -> Option<u32> {
        let written = self.text(name)?;
        let number = self.integer(name);
        written.parse::<u32>().is_ok_and(|value| value == number).then_some(number)
    }

    /// Whole seconds.
    pub fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(u64::from(self.integer(name)))
    }

    /// One word of the table's.
    pub fn word(&mut self, name: &str) -> &'static str {
        let (text, spec) = self.value(name);
        let Kind::Word(words) = spec.kind else { unreachable!("{name} is no word") };
        if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(&text)) {
            return word;
        }
        self.bad(spec, &words.join(", "));
        spec.default
    }

    /// Words of the table's, each once, in the order of the text.
    pub fn words(&mut self, name: &str) -> Vec<&'static str> {
        let (text, spec) = self.value(name);
        let Kind::Words(known) = spec.kind else { unreachable!("{name} is no list of words") };
        let mut words = Vec::new();
        for written in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            match known.iter().find(|word| word.eq_ignore_ascii_case(written)) {
                Some(word) if !words.contains(word) => words.push(*word),
                Some(_) => {}
                None => self.bad(spec, &known.join(" ")),
            }
        }
        if words.is_empty() {
            words.extend(spec.default.split(' ').filter(|word| !word.is_empty()));
        }
        words
    }

    /// Characters of the table's set.
    pub fn characters(&mut self, name: &str) -> String {
        let (text, spec) = self.value(name);
        let Kind::Characters(set) = spec.kind else { unreachable!("{name} has no set") };
        if text.chars().all(|c| set.contains(c)) {
            return text;
        }
        self.bad(spec, &format!("only characters of {set}"));
        spec.default.to_owned()
    }

    /// A finding of the table's code about an attribute.
    pub fn reject(&mut self, name: &str, expected: &str) {
        let (_, spec) = self.value(name);
        self.bad(spec, expected);
    }

    /// A finding about an attribute.
    pub fn warn(&mut self, code: u32, name: &str, message: impl Into<String>, expected: &str) {
        let at = self.element.attribute(name).map_or(self.element.position, |a| a.position);
        self.findings.push(Diagnostic::warning(code, at, message).expecting(expected));
    }

    /// The value as written and trimmed, or the default.
    fn value(&self, name: &str) -> (String, Spec) {
        let row = self.table.iter().find(|spec| spec.name == name);
        let spec = *row.unwrap_or_else(|| unreachable!("{name} is not in the table"));
        (self.text(name).unwrap_or_else(|| spec.default.to_owned()), spec)
    }

    fn bad(&mut self, spec: Spec, expected: &str) {
        let Some(attribute) = self.element.attribute(spec.name) else { return };
        let shown: String = attribute.value.chars().take(60).collect();
        let becomes = match spec.default {
            "" => "it is ignored".to_owned(),
            default => format!("{default} is taken"),
        };
        let message = format!("{} of <{}> is {shown:?}; {becomes}", spec.name, self.element.name);
        let finding = Diagnostic::warning(spec.code, attribute.position, message);
        self.findings.push(finding.expecting(expected));
    }
}

fn unknown(element: &Element, attribute: &Attribute, table: &[Spec]) -> Diagnostic {
    let message = format!("<{}> has no attribute {}; it is ignored", element.name, attribute.name);
    let finding = Diagnostic::warning(12200, attribute.position, message);
    match nearest(&attribute.name, table.iter().map(|spec| spec.name)) {
        Some(name) => finding.expecting(name),
        None => finding,
    }
}

/// The name that was probably meant: the same but for case, or at most two letters away.
pub fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let letters = lower.chars().count();
    let near = names
        // Whatever is longer or shorter by more is as far away: documents may have thousands.
        .filter(|name| name.chars().count().abs_diff(letters) <= FARTHEST)
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance);
    let (distance, name) = near?;
    (distance <= (name.chars().count() / 3).min(FARTHEST)).then_some(name)
}

/// Letters by which a name may be wrong and still be guessed.
const FARTHEST: usize = 2;

/// Letters to change, add or leave out (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Spec] = &[
        spec("method", Kind::Method, "POST", 1),
        spec("flag", Kind::Boolean, "true", 2),
        spec("count", Kind::Integer(1, 10), "5", 3),
        spec("event", Kind::Words(&["initiated", "ringing", "completed"]), "completed", 4),
        spec("keys", Kind::Characters("0123456789#*"), "#", 5),
        spec("later", Kind::NotYet, "", 0),
    ];

    fn findings(xml: &str, read: impl FnOnce(&mut Attributes<'_>)) -> Vec<u32> {
        let tree = crate::markup::parse(xml.as_bytes()).expect("well-formed");
        let mut findings = Vec::new();
        read(&mut Attributes::new(&tree.root, TABLE, &mut findings));
        findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn good_values_are_typed_and_defaults_fill_in() {
        let none = findings("<x method='get' count=' 7 ' event='completed, ringing'/>", |a| {
            assert_eq!(a.method("method"), Method::Get);
            assert!(a.boolean("flag"));
            assert_eq!(a.integer("count"), 7);
            assert_eq!(a.words("event"), ["completed", "ringing"]);
            assert_eq!(a.characters("keys"), "#");
        });
        assert_eq!(none, [0u32; 0]);
    }

    #[test]
    fn bad_values_warn_and_fall_back() {
        let xml = "<x method='PUT' flag='maybe' count='11' event='gone' keys='A' later='1'/>";
        let codes = findings(xml, |a| {
            assert_eq!(a.method("method"), Method::Post);
            assert!(a.boolean("flag"));
            assert_eq!(a.integer("count"), 5);
            assert_eq!(a.optional_integer("count"), None);
            assert_eq!(a.words("event"), ["completed"]);
            assert_eq!(a.characters("keys"), "#");
        });
        assert_eq!(codes, [12200, 1, 2, 3, 3, 4, 5]);
    }

    #[test]
    fn pythons_booleans_are_read_with_a_warning() {
        let codes = findings("<x flag='False'/>", |a| assert!(!a.boolean("flag")));
        assert_eq!(codes, [12200]);
    }

    #[test]
    fn typos_name_the_nearest() {
        let names = ["timeout", "timeLimit", "callerId"];
        assert_eq!(nearest("callerID", names.into_iter()), Some("callerId"));
        assert_eq!(nearest("timout", names.into_iter()), Some("timeout"));
        assert_eq!(nearest("colour", names.into_iter()), None);
    }
}
