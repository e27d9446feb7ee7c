//! The XML schema of documents, written from [`VERBS`] for editors and linters.
//!
//! What it does not know, a call warns of (12200) and goes on past: a finding against the schema
//! is a warning too. Values that rows take beyond their kind (`True`, commas between words,
//! padding) are left out, so that new documents are written the plain way.

use std::fmt::Write as _;

use super::attribute::{Kind, Spec};
use super::{Definition, Noun, VERBS};

/// The schema as text.
pub fn schema() -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!-- Written by `offhook`'s verb tables; a test keeps it equal to them. -->\n\
         <xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\n\
         \x20 <xs:element name=\"Response\">\n    <xs:complexType mixed=\"true\">\n\
         \x20     <xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">\n",
    );
    for verb in VERBS {
        line(&mut out, 8, &format!("<xs:element name=\"{0}\" type=\"{0}\"/>", verb.name));
    }
    out.push_str("      </xs:choice>\n    </xs:complexType>\n  </xs:element>\n");
    for Definition { name, attributes, nouns, .. } in VERBS {
        complex_type(&mut out, name, attributes, nouns);
        for noun in nouns.iter().filter(|noun| is_own(noun)) {
            complex_type(&mut out, noun.name, noun.attributes, &[]);
        }
    }
    out.push_str("</xs:schema>\n");
    out
}

/// Nouns that are verbs elsewhere have their type there; those without a table need none.
fn is_own(noun: &Noun) -> bool {
    !noun.attributes.is_empty() && VERBS.iter().all(|verb| verb.name != noun.name)
}

fn complex_type(out: &mut String, name: &str, attributes: &[Spec], nouns: &[Noun]) {
    line(out, 2, &format!("<xs:complexType name=\"{name}\" mixed=\"true\">"));
    line(out, 4, "<xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">");
    for noun in nouns {
        let typed = is_own(noun) || VERBS.iter().any(|verb| verb.name == noun.name);
        let kind = if typed { noun.name } else { "xs:anyType" };
        line(out, 6, &format!("<xs:element name=\"{}\" type=\"{kind}\"/>", noun.name));
    }
    line(out, 4, "</xs:choice>");
    for row in attributes {
        attribute(out, row);
    }
    line(out, 2, "</xs:complexType>");
}

fn attribute(out: &mut String, row: &Spec) {
    let head = format!("<xs:attribute name=\"{}\"", row.name);
    let kind = match row.kind {
        Kind::Boolean => "xs:boolean",
        Kind::Url => "xs:anyURI",
        Kind::Text | Kind::NotYet | Kind::Words(_) => "xs:string",
        Kind::Method => return choice(out, &head, &["GET", "POST"]),
        Kind::Word(words) => return choice(out, &head, words),
        Kind::Integer(least, most) => {
            let facets = [
                format!("<xs:minInclusive value=\"{least}\"/>"),
                format!("<xs:maxInclusive value=\"{most}\"/>"),
            ];
            return restriction(out, &head, "xs:unsignedInt", &facets);
        }
        Kind::Characters(set) => {
            // `-` is in no set, so a class needs no escapes.
            let facet = format!("<xs:pattern value=\"[{set}]*\"/>");
            return restriction(out, &head, "xs:string", &[facet]);
        }
    };
    line(out, 4, &format!("{head} type=\"{kind}\"/>"));
}

fn choice(out: &mut String, head: &str, words: &[&str]) {
    let facets: Vec<String> =
        words.iter().map(|word| format!("<xs:enumeration value=\"{word}\"/>")).collect();
    restriction(out, head, "xs:string", &facets);
}

fn restriction(out: &mut String, head: &str, base: &str, facets: &[String]) {
    line(out, 4, &format!("{head}>"));
    line(out, 6, &format!("<xs:simpleType><xs:restriction base=\"{base}\">"));
    for facet in facets {
        line(out, 8, facet);
    }
    line(out, 6, "</xs:restriction></xs:simpleType>");
    line(out, 4, "</xs:attribute>");
}

fn line(out: &mut String, indent: usize, text: &str) {
    writeln!(out, "{:indent$}{text}", "").expect("strings take all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_attribute_is_in_it() {
        let schema = schema();
        let tree = crate::markup::parse(schema.as_bytes()).expect("well-formed");
        assert_eq!(tree.root.name, "xs:schema");
        for verb in VERBS {
            assert!(schema.contains(&format!("complexType name=\"{}\"", verb.name)));
            for row in verb.attributes {
                assert!(schema.contains(&format!("attribute name=\"{}\"", row.name)));
            }
        }
    }
}
