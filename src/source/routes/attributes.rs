//! Attributes of verbs written as a table, checked by the verbs' own tables: what a document would
//! be warned of is found at its place in the file.

use std::ops::Range;

use toml_edit::{Item, Value};

use super::rules::{Dial, Pairs};
use crate::config::reader::{Reader, Source};
use crate::config::{Problem, Severity};
use crate::markup::{Attribute, Element, Node, Position};
use crate::verb::{Definition, Kind, Spec, VERBS};

/// Tables inside `[dial]`, which are no attributes.
const NOUNS: [&str; 2] = ["number", "sip"];

/// Attributes with the places of their names.
struct Written(Vec<Attribute>);

/// `[dial]`, with `[dial.number]` and `[dial.sip]`.
pub(super) fn dial(source: &mut Source<'_>, mut reader: Reader<'_>, has_caller_id: bool) -> Dial {
    let number = reader.item(NOUNS[0]).is_some();
    let mut nouns = NOUNS.map(|noun| reader.table(source, noun));
    let verb = definition("Dial");
    let written = attributes(source, &mut reader, verb.attributes, &NOUNS);
    if has_caller_id && let Some(id) = written.0.iter().find(|a| a.name == "callerId") {
        let message = "callerId is decided by [caller_id]; take it out here";
        problem(source, id.position, Severity::Error, message.to_owned());
    }
    reader.finish(source);
    let mut inside = ["Number", "Sip"].into_iter().zip(&mut nouns).map(|(name, reader)| {
        let specs =
            verb.nouns.iter().find(|noun| noun.name == name).map_or(&[][..], |n| n.attributes);
        (name, attributes(source, reader, specs, &[]))
    });
    let inside: Vec<(&str, Written)> = inside.by_ref().collect();
    let samples = [("Number", "+15550001111"), ("Sip", "sip:user@office.example")];
    let children = inside.iter().zip(samples).map(|((name, written), (_, text))| {
        Node::Element(element(name, written.0.clone(), vec![plain(text)]))
    });
    check(source, verb, element("Dial", written.0.clone(), children.collect()));
    nouns.into_iter().for_each(|reader| reader.finish(source));
    let mut inside = inside.into_iter().map(|(_, written)| written.pairs());
    let attributes = written.pairs();
    let (number_noun, sip) = (inside.next().unwrap_or_default(), inside.next().unwrap_or_default());
    Dial { attributes, number: number.then_some(number_noun), sip }
}

/// `[say]`.
pub(super) fn say(source: &mut Source<'_>, mut reader: Reader<'_>) -> Pairs {
    let verb = definition("Say");
    let written = attributes(source, &mut reader, verb.attributes, &[]);
    reader.finish(source);
    check(source, verb, element("Say", written.0.clone(), vec![plain("hello")]));
    written.pairs()
}

impl Written {
    fn pairs(self) -> Pairs {
        self.0.into_iter().map(|attribute| (attribute.name, attribute.value)).collect()
    }
}

fn definition(name: &str) -> &'static Definition {
    VERBS.iter().find(|verb| verb.name == name).expect("the verbs that this folder asks for")
}

/// Takes the keys that are attributes; the others stay unknown.
fn attributes(
    source: &mut Source<'_>,
    reader: &mut Reader<'_>,
    specs: &'static [Spec],
    tables: &[&str],
) -> Written {
    for spec in specs {
        reader.item(spec.name);
    }
    let mut written = vec![];
    for (key, place, item) in reader.entries() {
        if tables.contains(&key) || !specs.iter().any(|spec| spec.name == key) {
            continue;
        }
        match value(item) {
            Some(value) => {
                let position = position(source, place);
                written.push(Attribute { name: key.to_owned(), value, position });
            }
            None => source
                .error(item.span(), format!("{key}: expected a text, a number or true, false")),
        }
    }
    Written(written)
}

/// As an attribute would be written: lists have spaces between their words.
fn value(item: &Item) -> Option<String> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(flag) => Some(flag.value().to_string()),
        _ => None,
    };
    match item.as_value()? {
        Value::Array(words) => {
            let words: Option<Vec<String>> = words.iter().map(scalar).collect();
            Some(words?.join(" "))
        }
        value => scalar(value),
    }
}

/// Reads the verb as a call would, and tells what it finds.
fn check(source: &mut Source<'_>, verb: &Definition, element: Element) {
    let mut findings = vec![];
    (verb.parse)(&element, &mut findings);
    let nouns = verb.nouns.iter().flat_map(|noun| noun.attributes);
    let specs: Vec<&Spec> = verb.attributes.iter().chain(nouns).collect();
    let mut written: Vec<&Attribute> = element.attributes.iter().collect();
    written.extend(element.elements().flat_map(|child| &child.attributes));
    for finding in findings {
        let Some(attribute) = written.iter().find(|a| a.position == finding.position) else {
            continue;
        };
        let not_yet = |spec: &&&Spec| spec.name == attribute.name && spec.kind == Kind::NotYet;
        let severity = match specs.iter().any(|spec| not_yet(&spec)) {
            true => Severity::Warning,
            false => Severity::Error,
        };
        let expected = finding.expected.map(|e| format!(" (expected {e})")).unwrap_or_default();
        problem(source, finding.position, severity, format!("{}{expected}", finding.message));
    }
}

fn problem(source: &mut Source<'_>, at: Position, severity: Severity, message: String) {
    let (line, column) = (at.line as usize, at.column as usize);
    let problem = Problem { file: source.file.to_owned(), line, column, severity, message };
    match severity {
        Severity::Error => source.problems.push(problem),
        Severity::Warning => source.warnings.push(problem),
    }
}

/// A place in the file as one in a document.
pub(super) fn position(source: &Source<'_>, span: Option<Range<usize>>) -> Position {
    let (line, column) = source.place(span);
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: number(line), column: number(column) }
}

fn element(name: &str, attributes: Vec<Attribute>, children: Vec<Node>) -> Element {
    Element { name: name.to_owned(), position: Position::START, attributes, children }
}

fn plain(text: &str) -> Node {
    Node::Text { text: text.to_owned(), position: Position::START }
}
