//! The event: who asks, with which parameters, and the environment of the project.

use std::fmt;

use crate::json::Value;

/// What a function is asked: the JSON document that the host writes, with names for its parts.
#[derive(Clone, Debug)]
pub struct Event(Value);

/// Why the host's document cannot be read; a host that keeps its contract never causes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event is not a JSON object")
    }
}

impl std::error::Error for Malformed {}

impl Event {
    /// Reads `{"context": {…}, "event": {"request": {…}, …parameters}}`.
    pub fn parse(json: &[u8]) -> Result<Event, Malformed> {
        let value = std::str::from_utf8(json).ok().and_then(Value::parse);
        value.filter(|value| matches!(value, Value::Object(_))).map(Event).ok_or(Malformed)
    }

    /// A parameter, `From` and so on: the first of that name; none if it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        texts(self.0.member("event").and_then(|event| event.member(name)))
    }

    /// A value of the environment.
    pub fn context(&self, name: &str) -> Option<&str> {
        texts(self.0.member("context").and_then(|context| context.member(name))).next()
    }

    /// The request's method.
    pub fn method(&self) -> &str {
        self.request("method").and_then(Value::as_str).unwrap_or_default()
    }

    /// A header field of the request; its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        texts(self.request("headers").and_then(|headers| headers.member(name))).next()
    }

    /// A cookie of the request.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        texts(self.request("cookies").and_then(|cookies| cookies.member(name))).next()
    }

    /// The document itself.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    fn request(&self, part: &str) -> Option<&Value> {
        self.0.member("event")?.member("request")?.member(part)
    }
}

/// Repeated names hold an array.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_request_have_names() {
        let json = r#"{"context":{"A":"b"},"event":{"request":{"method":"GET","headers":{"host":"h"},
            "cookies":{"c":["1","2"]}},"Digits":["1","2"],"From":"","To":"x"}}"#;
        let event = Event::parse(json.as_bytes()).expect("an event");
        assert_eq!(event.method(), "GET");
        assert_eq!(event.header("host"), Some("h"));
        assert_eq!(event.cookie("c"), Some("1"));
        assert_eq!(event.context("A"), Some("b"));
        assert_eq!(event.all("Digits").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((event.get("From"), event.get("To"), event.get("No")), (None, Some("x"), None));
        assert_eq!(Event::parse(b"[]").err(), Some(Malformed));
    }
}
