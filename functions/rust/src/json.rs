//! As much JSON as an event needs (RFC 8259): read into a tree; numbers stay as they are written.

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// As it is written.
    Number(String),
    /// Decoded.
    String(String),
    /// `[…]`
    Array(Vec<Value>),
    /// `{…}`, in the order of the document.
    Object(Vec<(String, Value)>),
}

/// The host writes three levels; deeper ones would use up the stack.
const MAX_DEPTH: usize = 64;

impl Value {
    /// Reads a whole document; none if it is not one, or nested too deeply.
    pub fn parse(text: &str) -> Option<Value> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_blank();
        (reader.at == text.len()).then_some(value)
    }

    /// The member of an object.
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string, number or truth value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            _ => None,
        }
    }
}

/// A text as it stands in JSON, with its quotes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '.. => quoted.push(c),
            _ => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    quoted + "\""
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Goes over this byte, if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blank();
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())?;
        Some(value)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blank();
        match self.peek()? {
            b'"' => self.string().map(Value::String),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.text.get(self.at..)?;
        let part = |c: char| !c.is_ascii_digit() && !matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let number = &rest[..rest.find(part).unwrap_or(rest.len())];
        number.parse::<f64>().ok()?;
        self.at += number.len();
        Some(Value::Number(number.to_owned()))
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut list = Vec::new();
        if self.eat(b']') {
            return Some(Value::Array(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Some(Value::Array(list));
            }
            self.eat(b',').then_some(())?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Some(Value::Object(members));
        }
        loop {
            self.skip_blank();
            let name = self.string()?;
            self.eat(b':').then_some(())?;
            members.push((name, self.value(depth + 1)?));
            if self.eat(b'}') {
                return Some(Value::Object(members));
            }
            self.eat(b',').then_some(())?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.eat(b'"').then_some(())?;
        let mut decoded = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let stop = rest.find(['"', '\\'])?;
            decoded.push_str(&rest[..stop]);
            self.at += stop + 1;
            if rest.as_bytes()[stop] == b'"' {
                return Some(decoded);
            }
            let escape = self.peek()?;
            self.at += 1;
            decoded.push(match escape {
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'"' | b'\\' | b'/' => char::from(escape),
                b'u' => self.code_point()?,
                _ => return None,
            });
        }
    }

    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    /// Half a surrogate pair is no character and becomes the one that stands for none.
    fn code_point(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        let mut units = vec![first];
        let before = self.at;
        if (0xd800..0xdc00).contains(&first) && self.word("\\u", Value::Null).is_some() {
            match self.code_unit()? {
                low @ 0xdc00..=0xdfff => units.push(low),
                _ => self.at = before,
            }
        }
        char::decode_utf16(units).next()?.ok().or(Some(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded() {
        let text = |json: &str| Value::parse(json).and_then(|v| v.as_str().map(str::to_owned));
        assert_eq!(text(r#""a\"\\\/\n\u00e9\ud83d\ude00""#).as_deref(), Some("a\"\\/\né😀"));
        assert_eq!(text(r#""\ud83d\u0041""#).as_deref(), Some("\u{fffd}A"));
        assert_eq!(text(r#""\ud83d""#).as_deref(), Some("\u{fffd}"));
        assert_eq!(text("-1.5e3").as_deref(), Some("-1.5e3"));
    }

    #[test]
    fn what_is_not_json_is_nothing() {
        for text in ["", "{", "{\"a\"}", "[1,]", "\"\\x\"", "\"\\u00", "nul", "1 2", "--", "{a:1}"]
        {
            assert_eq!(Value::parse(text), None, "{text}");
        }
        assert_eq!(Value::parse(&"[".repeat(100_000)), None);
    }

    #[test]
    fn a_quoted_text_is_the_text_again() {
        for text in ["", "a\"\\/\n\0é😀\u{7f}", "\\u0041"] {
            let quoted = quote(text);
            assert_eq!(Value::parse(&quoted), Some(Value::String(text.to_owned())), "{quoted}");
        }
        assert_eq!(quote("\n"), "\"\\u000a\"");
    }

    #[test]
    fn objects_keep_their_order() {
        let value = Value::parse(" { \"b\" : [ true , null ] , \"a\" : { } } ").expect("JSON");
        let list = Value::Array(vec![Value::Bool(true), Value::Null]);
        let members = vec![("b".into(), list), ("a".into(), Value::Object(vec![]))];
        assert_eq!(value, Value::Object(members));
    }
}
