//! Texts with places to fill: `"+1{number}"`, `"sip:{user}@office.example"`.

use crate::base::hint;
use crate::source::e164::e164;

/// The longest text that comes of one: what a caller may hear at once. Rules that go on could
/// double a number a thousand times.
const MOST: usize = 4096;

/// A text with places to fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Number,
    Rest,
    E164,
    Dialled,
    User,
    From,
    To,
}

const PLACES: [(&str, Place); 7] = [
    ("number", Place::Number),
    ("rest", Place::Rest),
    ("e164", Place::E164),
    ("dialled", Place::Dialled),
    ("user", Place::User),
    ("From", Place::From),
    ("To", Place::To),
];

/// What the places are filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    /// What is called, as the rules before made it.
    pub number: &'a str,
    /// The same without the prefix that the rule found.
    pub rest: &'a str,
    /// What was dialled, before any rule.
    pub dialled: &'a str,
    /// The user of the caller's address.
    pub user: &'a str,
    /// The parameter `From`.
    pub from: &'a str,
    /// The parameter `To`.
    pub to: &'a str,
}

impl Template {
    /// Reads a text; `{{` stands for a brace.
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = vec![];
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, after) = rest.split_at(at);
            plain.push_str(before);
            let after = after.strip_prefix('{').unwrap_or(after);
            if let Some(after) = after.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            let Some((name, after)) = after.split_once('}') else {
                return Err("a { without its }; write {{ for a brace".to_owned());
            };
            let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name) else {
                let known = PLACES.map(|(name, _)| name);
                return Err(format!("nothing is named {{{name}}}; {}", hint(name, &known)));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Place(*place));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    /// The text when it has no places.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it asks for what comes after the prefix.
    pub(super) fn wants_rest(&self) -> bool {
        self.0.contains(&Piece::Place(Place::Rest))
    }

    /// The text with its places filled, cut off where it is too long.
    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => add(&mut filled, text),
                Piece::Place(Place::Number) => add(&mut filled, values.number),
                Piece::Place(Place::Rest) => add(&mut filled, values.rest),
                Piece::Place(Place::E164) => add(&mut filled, &e164(values.number)),
                Piece::Place(Place::Dialled) => add(&mut filled, values.dialled),
                Piece::Place(Place::User) => add(&mut filled, values.user),
                Piece::Place(Place::From) => add(&mut filled, values.from),
                Piece::Place(Place::To) => add(&mut filled, values.to),
            }
        }
        filled
    }
}

/// Adds what there is room for.
fn add(filled: &mut String, text: &str) {
    let room = MOST.saturating_sub(filled.len());
    filled.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values {
        number: "4155550100",
        rest: "5550100",
        dialled: "9415",
        user: "home",
        from: "sip:home@office",
        to: "sip:9415@office",
    };

    #[test]
    fn places_are_filled_and_braces_can_be_written() {
        let filled = |text| Template::parse(text).expect("a template").fill(&VALUES);
        assert_eq!(filled("+1{number}"), "+14155550100");
        assert_eq!(filled("{e164}/{rest}/{dialled}"), "+14155550100/5550100/9415");
        assert_eq!(filled("{user} {From} {To}{{x}"), "home sip:home@office sip:9415@office{x}");
        assert_eq!(Template::parse("+1{{").expect("a template").literal(), Some("+1{"));
    }

    #[test]
    fn no_text_grows_beyond_its_bound() {
        let twice = Template::parse("{number}{number}é").expect("a template");
        let mut number = "é".to_owned();
        for _ in 0..100 {
            number = twice.fill(&Values { number: &number, ..VALUES });
        }
        assert!((MOST - 1..=MOST).contains(&number.len()), "{}", number.len());
    }

    #[test]
    fn unknown_places_name_the_nearest() {
        let wrong = |text| Template::parse(text).expect_err("no template");
        assert_eq!(wrong("+{numbr}"), "nothing is named {numbr}; did you mean \"number\"?");
        assert!(wrong("+{number").contains("without its }"));
    }
}
