//! A script's answer as JSON: what is known of it is kept, and what is not is skipped as it is read,
//! so that an answer takes no more memory than its text, whatever it holds.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::event::MOST_FIELDS;

/// What is said of an answer whose header is not read to its end.
const TOO_MANY: &str = "far too many header fields";

/// The members of an answer.
#[derive(Deserialize)]
pub(super) struct Reply {
    pub(super) status: Option<Scalar>,
    #[serde(rename = "type")]
    pub(super) kind: Option<Scalar>,
    #[serde(default)]
    pub(super) headers: Fields,
    pub(super) body: Option<Scalar>,
    pub(super) body64: Option<Scalar>,
}

/// A value of JSON, as far as it is of use.
pub(super) enum Scalar {
    Text(String),
    /// A number, truth or null, as it is spelled.
    Other(String),
    /// An array or object, which was skipped.
    Tree,
}

impl Scalar {
    /// As text, where it is no tree.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Scalar::Text(text) | Scalar::Other(text) => Some(text),
            Scalar::Tree => None,
        }
    }
}

/// Header fields; names repeat.
#[derive(Default)]
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    /// Those that count, and some that are left out when they are looked at.
    const MOST: usize = 2 * MOST_FIELDS;
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Scalar, D::Error> {
        let mut values = from.deserialize_any(Values { are_many: false })?;
        Ok(values.pop().unwrap_or(Scalar::Tree))
    }
}

/// What a header field holds: a value, or several.
struct Field(Vec<Scalar>);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Field, D::Error> {
        from.deserialize_any(Values { are_many: true }).map(Field)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
        from.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("header fields")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, Field(values))) = members.next_entry::<String, Field>()? {
            for value in values {
                if fields.len() >= Fields::MOST {
                    return Err(A::Error::custom(TOO_MANY));
                }
                let text = value.into_text();
                let text = text.ok_or_else(|| A::Error::custom("a header field is no text"))?;
                fields.push((name.clone(), text));
            }
        }
        Ok(Fields(fields))
    }
}

/// One value, or those of an array where that is wanted.
struct Values {
    are_many: bool,
}

impl<'de> Visitor<'de> for Values {
    type Value = Vec<Scalar>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Vec<Scalar>, E> {
        Ok(vec![Scalar::Text(text.to_owned())])
    }
    fn visit_bool<E>(self, truth: bool) -> Result<Vec<Scalar>, E> {
        Ok(vec![Scalar::Other(truth.to_string())])
    }
    fn visit_u64<E>(self, number: u64) -> Result<Vec<Scalar>, E> {
        Ok(vec![Scalar::Other(number.to_string())])
    }
    fn visit_i64<E>(self, number: i64) -> Result<Vec<Scalar>, E> {
        Ok(vec![Scalar::Other(number.to_string())])
    }
    fn visit_f64<E>(self, number: f64) -> Result<Vec<Scalar>, E> {
        Ok(vec![Scalar::Other(number.to_string())])
    }
    fn visit_unit<E>(self) -> Result<Vec<Scalar>, E> {
        Ok(vec![Scalar::Other("null".to_owned())])
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Scalar>, A::Error> {
        if !self.are_many {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(vec![Scalar::Tree]);
        }
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            if values.len() >= Fields::MOST {
                return Err(A::Error::custom(TOO_MANY));
            }
            values.push(value);
        }
        Ok(values)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<Scalar>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(vec![Scalar::Tree])
    }
}
