//! What the builders of documents take, as TypeScript declarations for editors, written from
//! [`VERBS`]: an attribute that a call would not know is marked before anybody calls.

use std::fmt::Write as _;

use super::attribute::{Kind, Spec};
use super::{NOT_YET, Noun, VERBS};

/// The namespace `TwiML`: an interface for each element, one for its attributes.
pub fn declarations() -> String {
    let mut out = String::from("declare namespace TwiML {\n");
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    interface(&mut out, "VoiceResponse", "Document", &verbs);
    let mut known: Vec<&str> = Vec::new();
    for verb in VERBS {
        known.push(verb.name);
        let nouns: Vec<&str> = verb.nouns.iter().map(|noun| noun.name).collect();
        interface(&mut out, verb.name, "Element", &nouns);
        attributes(&mut out, verb.name, verb.attributes);
    }
    for Noun { name, attributes: rows } in VERBS.iter().flat_map(|verb| verb.nouns) {
        // `Say` in `Gather` is the verb; SSML's take what Amazon's reference says, in any element.
        if !known.contains(name) && !is_ssml(name) {
            known.push(name);
            interface(&mut out, name, "Element", &[]);
            attributes(&mut out, name, rows);
        }
    }
    out.push_str("}\n");
    out
}

/// Elements of SSML are in small letters.
fn is_ssml(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn interface(out: &mut String, name: &str, base: &str, children: &[&str]) {
    line(out, 2, &format!("interface {name} extends {base} {{"));
    for child in children {
        let method = method(child);
        if is_ssml(child) {
            line(out, 4, &format!("{method}(attributes: SsmlAttributes, text?: string): Ssml;"));
            if !TEXTLESS.contains(child) {
                line(out, 4, &format!("{method}(text: string): Ssml;"));
            }
            continue;
        }
        if !TEXTLESS.contains(child) {
            line(out, 4, &format!("{method}(text: string): {child};"));
            let text = "text?: string";
            line(out, 4, &format!("{method}(attributes?: {child}Attributes, {text}): {child};"));
        } else {
            line(out, 4, &format!("{method}(attributes?: {child}Attributes): {child};"));
        }
    }
    if base == "Document" {
        for verb in NOT_YET {
            line(out, 4, "/** @deprecated Not carried out here yet: a call goes on past it. */");
            line(
                out,
                4,
                &format!("{}(attributes?: object | string, text?: string): any;", method(verb)),
            );
        }
    }
    line(out, 2, "}");
}

/// The elements whose builders take no text, of those in [`VERBS`].
const TEXTLESS: [&str; 8] =
    ["Pause", "Gather", "Record", "Refer", "Reject", "Hangup", "Parameter", "break"];

/// `say-as` is `sayAs`.
fn method(element: &str) -> String {
    let mut name = String::new();
    let mut words = element.split('-');
    if let Some(first) = words.next() {
        let (start, rest) = first.split_at(1);
        name.push_str(&start.to_ascii_lowercase());
        name.push_str(rest);
    }
    for word in words {
        let (start, rest) = word.split_at(1.min(word.len()));
        name.push_str(&start.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

fn attributes(out: &mut String, name: &str, rows: &[Spec]) {
    line(out, 2, &format!("interface {name}Attributes extends Attributes {{"));
    for row in rows {
        let kind = match row.kind {
            Kind::Boolean => "boolean".to_owned(),
            Kind::Url | Kind::Text | Kind::Characters(_) => "string".to_owned(),
            Kind::Method => one_of(&["GET", "POST"]),
            Kind::Word(words) => one_of(words),
            Kind::Words(words) => format!("({})[] | string", one_of(words)),
            Kind::Integer(least, most) => {
                let range = match most {
                    u32::MAX => format!("{least} or more"),
                    _ => format!("{least} to {most}"),
                };
                line(out, 4, &format!("/** {range}. */"));
                "number | `${number}`".to_owned()
            }
            Kind::NotYet => {
                line(out, 4, "/** @deprecated Without effect here so far. */");
                "string | number | boolean".to_owned()
            }
        };
        line(out, 4, &format!("{}?: {kind};", row.name));
    }
    line(out, 2, "}");
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    quoted.join(" | ")
}

fn line(out: &mut String, indent: usize, text: &str) {
    writeln!(out, "{:indent$}{text}", "").expect("strings take all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_builder_and_every_attribute_a_type() {
        let text = declarations();
        for verb in VERBS {
            assert!(text.contains(&format!("  interface {} extends Element {{", verb.name)));
            assert!(text.contains(&format!("    {}(", method(verb.name))), "{}", verb.name);
            for row in verb.attributes {
                assert!(text.contains(&format!("    {}?: ", row.name)), "{}", row.name);
            }
        }
        for line in [
            "    say(attributes?: SayAttributes, text?: string): Say;\n",
            "    number(text: string): Number;\n",
            "    sayAs(text: string): Ssml;\n",
            "    method?: 'GET' | 'POST';\n",
            "    /** 0 to 14400. */\n    length?: number | `${number}`;\n",
            "    pause(attributes?: PauseAttributes): Pause;\n",
            "    connect(attributes?: object | string, text?: string): any;\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("pause(text"), "{text}");
    }
}
