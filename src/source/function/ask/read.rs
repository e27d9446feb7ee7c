//! What a guest asked for, read from its JSON and held against its grants.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use super::{
    ControlOperation, Fetch, MOST_FIELDS, MOST_KEY, MOST_LISTED, MOST_VALUE, Operation, Redirect,
    Refusal, StoreOperation,
};
use crate::base::Duration;
use crate::call::order::{Callee, Change, Payer, Placement};
use crate::directory::grants::{Control, Grants};
use crate::sip::uri::SipUri;

/// The operation that is asked for, if it is granted.
pub(super) fn operation(
    function: &str,
    grants: &Grants,
    request: &Value,
) -> Result<Operation, Refusal> {
    let op = request["op"].as_str().unwrap_or_default();
    match op {
        "fetch" => fetch(function, grants, request).map(Operation::Fetch),
        "kv.get" | "kv.set" | "kv.delete" | "kv.list" => match &grants.store {
            Some(store) => stored(op, request).map(|op| Operation::Store(store.clone(), op)),
            None => Err(not_granted(function, "keep values", "store = true")),
        },
        "control" => control(function, grants, request).map(Operation::Control),
        other => Err(Refusal::new("BadOperation", format!("there is no operation \"{other}\""))),
    }
}

fn not_granted(function: &str, what: &str, line: &str) -> Refusal {
    let message = format!(
        "function \"{function}\" may not {what}; to grant it, write `{line}` under [[function]] \
         name = \"{function}\" in offhook.toml"
    );
    Refusal::new("NotGranted", message)
}

fn fetch(function: &str, grants: &Grants, request: &Value) -> Result<Fetch, Refusal> {
    let bad = |what: String| Refusal::new("BadOperation", what);
    let text = request["url"].as_str().unwrap_or_default();
    let mut url = Url::parse(text).map_err(|error| bad(format!("\"{text}\": {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("a URL with a user name or password in it".to_owned()));
    }
    url.set_fragment(None);
    permit(function, grants, &url)?;
    let method = request["method"].as_str().unwrap_or("GET");
    let body = match (&request["body"], &request["base64"]) {
        (Value::String(text), _) => Some(text.clone().into_bytes()),
        (_, Value::String(text)) => {
            Some(STANDARD.decode(text).map_err(|_| bad("base64: not base64".to_owned()))?)
        }
        _ => None,
    };
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    let headers = request["headers"].as_array().map_or(&[][..], Vec::as_slice);
    let headers: Option<Vec<_>> = headers.iter().map(pair).collect();
    let headers = headers.ok_or_else(|| bad("headers: expected [[name, value], …]".to_owned()))?;
    if headers.len() > MOST_FIELDS {
        return Err(bad(format!("headers: more than {MOST_FIELDS}")));
    }
    let redirect = match request["redirect"].as_str() {
        None | Some("follow") => Redirect::Follow,
        Some("error") => Redirect::Error,
        Some("manual") => Redirect::Manual,
        Some(other) => return Err(bad(format!("redirect: \"{other}\""))),
    };
    Ok(Fetch { url, method: method.to_owned(), headers, body, redirect })
}

/// Whether the function may send a request there: asked again for every redirect.
pub fn permit(function: &str, grants: &Grants, url: &Url) -> Result<(), Refusal> {
    if grants.may_reach(url) {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let what = format!("send requests to {host}{port}");
    Err(not_granted(function, &what, &format!("hosts = [\"{host}{port}\"]")))
}

/// What is asked of calls and recordings: looking at them, changing them and placing new ones are
/// granted each by itself.
fn control(function: &str, grants: &Grants, request: &Value) -> Result<ControlOperation, Refusal> {
    let what = request["what"].as_str().unwrap_or_default();
    match what {
        "create" => return place(function, grants, request),
        "call" | "calls" | "recording" | "recordings" if grants.control == Control::Nothing => {
            return Err(not_granted(function, "look at calls", "control = \"read\""));
        }
        "update" | "end" | "removeRecording" if grants.control != Control::Full => {
            return Err(not_granted(function, "control calls", "control = true"));
        }
        _ => {}
    }
    let text = |name: &str| request[name].as_str().map(str::to_owned);
    let limit = request["limit"].as_u64().map_or(MOST_LISTED, |limit| limit as usize);
    let limit = limit.min(MOST_LISTED);
    match what {
        "call" => Ok(ControlOperation::Call(sid(request, "sid")?)),
        "calls" => {
            let (status, from, to) = (text("status"), text("from"), text("to"));
            Ok(ControlOperation::Calls { limit, status, from, to })
        }
        "update" => {
            let sid = sid(request, "sid")?;
            Ok(ControlOperation::Change(sid, Box::new(Change::read(&parameters(request)?)?)))
        }
        "end" => {
            let ends = [("Status".to_owned(), "completed".to_owned())];
            Ok(ControlOperation::Change(sid(request, "sid")?, Box::new(Change::read(&ends)?)))
        }
        "recording" => Ok(ControlOperation::Recording(sid(request, "sid")?)),
        "recordings" => {
            let call = request.get("callSid").map(|_| sid(request, "callSid")).transpose()?;
            Ok(ControlOperation::Recordings { limit, call })
        }
        "removeRecording" => Ok(ControlOperation::RemoveRecording(sid(request, "sid")?)),
        other => Err(Refusal::new("BadOperation", format!("control: \"{other}\""))),
    }
}

/// A call to be placed: whom the function may call is granted by destination.
fn place(function: &str, grants: &Grants, request: &Value) -> Result<ControlOperation, Refusal> {
    if grants.calls.to.is_empty() {
        return Err(not_granted(function, "place calls", "calls = [\"+1415\", …]"));
    }
    let mut placement = Placement::read(&parameters(request)?)?;
    let (granted, line) = match &placement.to {
        Callee::Number(number) => (grants.calls.cover_number(number), number.clone()),
        Callee::Client(_) => (grants.calls.cover_clients(), "client:*".to_owned()),
        Callee::Sip { uri, .. } => {
            let hosts = hosts(uri);
            let closed = hosts.iter().find(|host| !grants.calls.cover_host(host));
            (closed.is_none(), format!("*@{}", closed.map_or("*", |host| host)))
        }
    };
    if !granted {
        let what = format!("call {}", placement.to.text());
        return Err(not_granted(function, &what, &format!("calls = [\"{line}\"]")));
    }
    placement.payer = Some(Payer { name: format!("function {function}"), caps: grants.calls.caps });
    Ok(ControlOperation::Place(Box::new(placement)))
}

/// Where a call to this URI goes, as far as it says: to its `maddr` before its host (RFC 3261
/// section 19.1.1), and both have to be granted.
fn hosts(uri: &str) -> Vec<String> {
    let Some(uri) = SipUri::parse(uri) else { return vec![String::new()] };
    let maddr = uri.params().get("maddr");
    [Some(uri.host()), maddr].into_iter().flatten().map(str::to_ascii_lowercase).collect()
}

/// Names and values as the REST API has them; a name may come again.
fn parameters(request: &Value) -> Result<Vec<(String, String)>, Refusal> {
    let bad = || Refusal::new("BadOperation", "parameters: expected [[name, value], …]");
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    let list = request["parameters"].as_array().ok_or_else(bad)?;
    list.iter().map(pair).collect::<Option<_>>().ok_or_else(bad)
}

fn sid<T: std::str::FromStr>(request: &Value, name: &str) -> Result<T, Refusal> {
    let text = request[name].as_str().unwrap_or_default();
    text.parse().map_err(|_| Refusal::new("NotFound", format!("\"{text}\" is no such SID")))
}

fn stored(op: &str, request: &Value) -> Result<StoreOperation, Refusal> {
    let bad = |what: String| Refusal::new("BadOperation", what);
    if op == "kv.list" {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let limit = request["limit"].as_u64().map_or(MOST_LISTED, |limit| limit as usize);
        let limit = limit.min(MOST_LISTED);
        return Ok(StoreOperation::List { prefix: text("prefix"), after: text("after"), limit });
    }
    if let ("kv.delete", Some(prefix)) = (op, request["prefix"].as_str()) {
        return Ok(StoreOperation::Clear { prefix: prefix.to_owned() });
    }
    let key = request["key"].as_str().ok_or_else(|| bad("key: expected a text".to_owned()))?;
    if key.is_empty() || key.len() > MOST_KEY {
        return Err(bad(format!("key: expected 1 to {MOST_KEY} bytes")));
    }
    let key = key.to_owned();
    match op {
        "kv.get" => Ok(StoreOperation::Get { key }),
        "kv.delete" => Ok(StoreOperation::Delete { key }),
        _ => {
            let value = request.get("value").unwrap_or(&Value::Null).to_string();
            if value.len() > MOST_VALUE {
                let message = format!("the value is larger than {MOST_VALUE} bytes");
                return Err(Refusal::new("TooLarge", message));
            }
            // A year, beyond which nobody means it; also keeps the sum from passing its end.
            const LONGEST: f64 = 31_536_000.0;
            let seconds = request["ttl"].as_f64().filter(|seconds| *seconds > 0.0);
            let ttl = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST)));
            let revision = request["revision"].as_i64();
            Ok(StoreOperation::Set { key, value, ttl, revision })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::grants::{CalleeGrant, Calls};

    #[test]
    fn a_call_is_held_against_every_place_that_its_address_names() {
        let to = vec![CalleeGrant::parse("*@good.example").expect("sound")];
        let grants = Grants { calls: Calls { to, ..Calls::default() }, ..Grants::default() };
        let place = |to: &str| {
            let parameters =
                serde_json::json!([["To", to], ["From", "+14155550100"], ["Twiml", "<Response/>"]]);
            let request = serde_json::json!({ "op": "control", "what": "create",
                "parameters": parameters });
            operation("menu", &grants, &request).map(drop).map_err(|refusal| refusal.message)
        };
        for open in [
            "sip:bob@good.example",
            "sip:bob@GOOD.example:5070;transport=tcp",
            "sip:bob@good.example;maddr=good.example",
        ] {
            assert_eq!(place(open), Ok(()), "{open}");
        }
        for (closed, line) in [
            ("sip:bob@other.example", "*@other.example"),
            ("sip:bob@good.example;maddr=192.0.2.9", "*@192.0.2.9"),
            ("sip:bob@good.example;transport=udp;MADDR=[::1]", "*@[::1]"),
            ("sip:bob@other.example;maddr=good.example", "*@other.example"),
        ] {
            let refusal = place(closed).expect_err(closed);
            assert!(refusal.contains(&format!("calls = [\"{line}\"]")), "{refusal}");
        }
    }
}
