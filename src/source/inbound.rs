//! A request as a function's handler sees it: what `@twilio/runtime-handler` 2 makes of one.
//!
//! Parameters of the query may be nested (`a[b]=1`), those of a form are not, JSON keeps its types.
//! The body wins over the query. Besides, text fields of multipart bodies are read. What becomes
//! many values in our memory is counted first: no handler's limits hold for it.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::function::Event;
use super::project::Invocation;
use super::routes::EXPLAIN;
use crate::http::{form, multipart};

/// What a handler is given of a request; the error says why the body cannot be read.
pub fn event(name: &str, invocation: &Invocation) -> Result<Event, String> {
    let mut parameters: Map<_, _> = nested(&invocation.query).into_iter().collect();
    parameters.extend(body(&invocation.content_type, &invocation.body)?);
    Ok(Event {
        method: invocation.method.clone(),
        headers: invocation.headers.clone(),
        cookies: cookies(&invocation.headers),
        parameters,
        query: query(invocation),
        context: vec![("PATH".to_owned(), format!("/functions/{name}"))],
    })
}

/// The query for tables, which explain themselves when the door says so, and only then.
fn query(invocation: &Invocation) -> Vec<(String, String)> {
    let explain = invocation.explain.then(|| (EXPLAIN.to_owned(), "1".to_owned()));
    let others = invocation.query.iter().filter(|(name, _)| name != EXPLAIN);
    others.cloned().chain(explain).collect()
}

/// The parameters of a body.
fn body(content_type: &str, body: &[u8]) -> Result<Map<String, Value>, String> {
    if form::is_form(content_type) {
        return Ok(flat(form::decode(body)));
    }
    if let Some(boundary) = multipart::boundary(content_type) {
        return Ok(flat(multipart::fields(body, &boundary)));
    }
    let kind = content_type.split(';').next().unwrap_or("").trim();
    if !kind.eq_ignore_ascii_case("application/json") || body.is_empty() {
        return Ok(Map::new());
    }
    if values(body) > MOST_VALUES {
        return Err(format!("the body has more than {MOST_VALUES} values"));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        // As spreading an array into an object does.
        Ok(Value::Array(items)) => {
            Ok(items.into_iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect())
        }
        Ok(_) => Err("the body is JSON, but neither an object nor an array".to_owned()),
        Err(error) => Err(format!("the body is not JSON: {error}")),
    }
}

/// Values of a JSON body, members and items at every depth: one takes up to a hundred bytes of
/// our memory however few it takes in the body, and events have some dozens.
const MOST_VALUES: usize = 20_000;

/// How many values JSON holds, without reading any: each but the first of its array or object
/// stands behind a comma. Of what is no JSON it is a bound on what is read before that shows.
fn values(json: &[u8]) -> usize {
    let (mut values, mut quoted, mut escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => values += 1,
            _ => {}
        }
    }
    values
}

/// Cookies that are read of one request, as of fields of forms; browsers keep 180 of a site.
const MOST_COOKIES: usize = 1_000;

/// Cookies by name, percent-decoded, without their quotes; of several with one name the first
/// (RFC 6265 section 5.4 puts the nearest path first).
fn cookies(headers: &[(String, String)]) -> Vec<(String, String)> {
    let fields = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    let (mut found, mut known) = (Vec::new(), HashSet::new());
    for (name, value) in fields.flat_map(|(_, field)| field.split(';')).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim()))
    }) {
        if found.len() >= MOST_COOKIES {
            break;
        }
        if !known.insert(name) {
            continue;
        }
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = bare.unwrap_or(value);
        let decoded = percent_decode_str(value).decode_utf8();
        let value = decoded.map_or_else(|_| value.to_owned(), |text| text.into_owned());
        found.push((name.to_owned(), value));
    }
    found
}

/// Names as they are; a repeated one holds an array.
fn flat(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, value) in pairs {
        match members.get_mut(&name) {
            Some(before) => merge(before, value.into()),
            None => drop(members.insert(name, value.into())),
        }
    }
    members
}

/// Brackets deeper than this stay part of a name.
const DEEPEST: usize = 5;
/// Larger indices are names.
const LARGEST_INDEX: usize = 20;

/// `a[b]=1` as `{a: {b: '1'}}`, `a[]=1` as `{a: ['1']}`.
fn nested(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut members = Map::new();
    // The same name again is one parameter with several values, wherever its brackets lead.
    for (name, value) in flat(pairs.to_vec()) {
        let path = path(&name);
        let Some((root, inner)) = path.split_first() else { continue };
        // Not `__proto__`: to set it would be to change what an object is.
        if root.is_empty() || path.contains(&"__proto__") {
            continue;
        }
        let value = built(inner, value);
        match members.get_mut(*root) {
            Some(before) => merge(before, value),
            None => drop(members.insert((*root).to_owned(), value)),
        }
    }
    members.values_mut().for_each(compact);
    members
}

/// `a[b][]` as `a`, `b` and the empty string.
fn path(name: &str) -> Vec<&str> {
    let opened = name.find('[').filter(|at| name[*at..].contains(']'));
    let Some(opened) = opened else { return vec![name] };
    let (root, mut rest) = name.split_at(opened);
    let mut path = if root.is_empty() { vec![] } else { vec![root] };
    while let Some((inside, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        if path.len() > DEEPEST {
            break;
        }
        path.push(inside);
        rest = after;
    }
    if rest.starts_with('[') {
        path.push(rest);
    }
    path
}

/// One value at the end of its path; places of an array that nothing is at are null.
fn built(path: &[&str], value: Value) -> Value {
    let Some((first, rest)) = path.split_first() else { return value };
    let inner = built(rest, value);
    let index = first.parse::<usize>().ok().filter(|at| at.to_string() == *first);
    match (first.is_empty(), index.filter(|at| *at <= LARGEST_INDEX)) {
        (true, _) if rest.is_empty() && inner.is_array() => inner,
        (true, _) => Value::Array(vec![inner]),
        (_, Some(at)) => {
            let mut items = vec![Value::Null; at];
            items.push(inner);
            Value::Array(items)
        }
        _ => Value::Object([((*first).to_owned(), inner)].into_iter().collect()),
    }
}

/// What two parameters with one name are together.
fn merge(target: &mut Value, source: Value) {
    match (&mut *target, source) {
        (Value::Array(items), Value::Array(more)) => {
            for (at, item) in more.into_iter().enumerate().filter(|(_, item)| !item.is_null()) {
                match items.get_mut(at) {
                    Some(Value::Null) => items[at] = item,
                    Some(here) if here.is_object() && item.is_object() => merge(here, item),
                    Some(_) => items.push(item),
                    None => {
                        items.resize(at, Value::Null);
                        items.push(item);
                    }
                }
            }
        }
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                match members.get_mut(&name) {
                    Some(before) => merge(before, value),
                    None => drop(members.insert(name, value)),
                }
            }
        }
        (Value::Array(items), Value::Object(more)) if !items.iter().all(Value::is_string) => {
            let keyed = items.drain(..).enumerate().map(|(at, item)| (at.to_string(), item));
            let mut members: Map<String, Value> = keyed.collect();
            members.extend(more);
            *target = Value::Object(members);
        }
        (Value::Array(items), more) => items.push(more),
        (_, Value::Array(more)) => {
            let mut items = vec![target.take()];
            items.extend(more);
            *target = Value::Array(items);
        }
        (_, more) => *target = Value::Array(vec![target.take(), more]),
    }
}

/// Takes the empty places out of arrays.
fn compact(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(compact);
        }
        Value::Object(members) => members.values_mut().for_each(compact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the runtime of Twilio gives for each, run in Node: express 4 with qs.
    const QUERIES: &str = include_str!("function/tests/queries.json");

    #[test]
    fn queries_nest_as_they_do_for_twilios_functions() {
        let table: Vec<(String, Value)> = serde_json::from_str(QUERIES).expect("a table");
        assert!(table.len() > 15);
        for (query, wanted) in table {
            let pairs = form::decode(query.as_bytes());
            assert_eq!(Value::Object(nested(&pairs)), wanted, "{query}");
        }
    }

    fn given(content_type: &str, body: &str) -> Result<Value, String> {
        let invocation = Invocation {
            query: vec![("a".to_owned(), "1".to_owned())],
            content_type: content_type.to_owned(),
            body: body.as_bytes().to_vec(),
            ..Invocation::default()
        };
        event("f", &invocation).map(|event| Value::Object(event.parameters))
    }

    #[test]
    fn bodies_win_over_the_query_and_keep_their_types() {
        let json = "Application/JSON; charset=utf-8";
        for (kind, body, wanted) in [
            (
                "application/x-www-form-urlencoded",
                "a=2&b=3&b=4&c[d]=9",
                r#"{"a":"2","b":["3","4"],"c[d]":"9"}"#,
            ),
            (json, r#"{"a":{"n":[1,2.5,null,true]}}"#, r#"{"a":{"n":[1,2.5,null,true]}}"#),
            (json, r#"[1,"b"]"#, r#"{"a":"1","0":1,"1":"b"}"#),
            (json, "", r#"{"a":"1"}"#),
            ("application/vnd.api+json", r#"{"a":5}"#, r#"{"a":"1"}"#),
            ("text/plain", "hello", r#"{"a":"1"}"#),
            (
                "multipart/form-data; boundary=X",
                "--X\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nv\r\n--X--\r\n",
                r#"{"a":"1","f":"v"}"#,
            ),
        ] {
            let wanted: Value = serde_json::from_str(wanted).expect("JSON");
            assert_eq!(given(kind, body), Ok(wanted), "{kind} {body}");
        }
        for body in ["{bad", "\"text\"", "7", "null"] {
            assert!(given(json, body).is_err(), "{body}");
        }
        let deep = "[".repeat(10_000);
        assert!(given(json, &deep).is_err(), "nobody's stack overflows");
    }

    #[test]
    fn bodies_of_very_many_values_are_refused_before_they_are_read() {
        let (json, most) = ("application/json", MOST_VALUES - 1);
        let items = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(given(json, &items(most)).is_ok());
        let many = items(MOST_VALUES + 1);
        let wanted = Err("the body has more than 20000 values".to_owned());
        for body in [
            many.clone(),
            format!("{{\"a\":{{\"b\":{many}}}}}"),
            format!("[{}[]]", "[],".repeat(most)),
            "[".repeat(1_000_000),
            format!("[{}", "{\"\\\"\":0},".repeat(MOST_VALUES)),
        ] {
            assert_eq!(given(json, &body), wanted, "{body:.40}");
        }
        // Commas within texts count for nothing.
        let text = format!("{{\"a\":\"\\\"{}\"}}", ",[{".repeat(300_000));
        assert!(given(json, &text).is_ok());
        assert_eq!(values(br#"{"a":[1,{"b":"x,y"}],"c":{}}"#), 7);
    }

    #[test]
    fn cookies_are_bounded_in_number() {
        let names: String = (0..12_500).map(|n| format!("{n}=;")).collect();
        let found = cookies(&[("cookie".to_owned(), names)]);
        assert_eq!(found.len(), MOST_COOKIES);
        assert_eq!(found.last().map(|(name, _)| name.as_str()), Some("999"));
    }

    #[test]
    fn cookies_are_decoded_and_the_first_of_a_name_counts() {
        let field = |text: &str| ("Cookie".to_owned(), text.to_owned());
        let fields = [field("k=v%20w; q=\"z\"; k=late; bad"), field("m=a=b; p=%ff")];
        let wanted = [("k", "v w"), ("q", "z"), ("m", "a=b"), ("p", "%ff")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(cookies(&fields), wanted);
    }

    #[test]
    fn a_parameter_named_request_takes_its_place_as_with_twilio() {
        let invocation = Invocation {
            query: vec![("request".to_owned(), "mine".to_owned())],
            ..Invocation::default()
        };
        let json = event("f", &invocation).expect("an event").to_json(&[]);
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["event"]["request"], "mine");
        assert_eq!(json["context"]["PATH"], "/functions/f");
    }
}
