//! Greets who called before, and asks another service for the name of who did not; granted by
//!   [[function]]
//!   name = "returning"
//!   hosts = ["crm.example.com"]
//!   store = true
//! The same decision as functions/samples/returning.js.

use offhook_function::{call, log, quote, response, Answer, Element, Event, Failure, Level, Value};

offhook_function::export!(handle);

fn handle(event: &Event) -> Answer {
    let said = greeting(event).unwrap_or_else(|failure| {
        log(Level::Error, &failure.to_string());
        "Welcome".to_owned()
    });
    response().child(Element::new("Say").text(&said)).into()
}

fn greeting(event: &Event) -> Result<String, Failure> {
    let key = quote(&format!("callers/{}", event.get("From").unwrap_or_default()));
    loop {
        let entry = call(&format!(r#"{{"op":"kv.get","key":{key}}}"#))?;
        let known = entry.member("value");
        let calls = known.and_then(|known| known.member("calls")?.as_str()?.parse().ok());
        let calls = calls.unwrap_or(0) + 1;
        let name = match known {
            Some(known) => known.member("name").and_then(Value::as_str).unwrap_or("").to_owned(),
            None => name_of(event),
        };
        let value = format!(r#"{{"calls":{calls},"name":{}}}"#, quote(&name));
        let revision = entry.member("revision").and_then(Value::as_str).unwrap_or("0");
        let set = format!(r#"{{"op":"kv.set","key":{key},"value":{value},"revision":{revision}}}"#);
        match call(&set) {
            // Another call of the same caller was quicker.
            Err(failure) if failure.name == "Conflict" => continue,
            Err(failure) => return Err(failure),
            Ok(_) => {}
        }
        return Ok(match (calls, name.as_str()) {
            (1, _) => "Welcome".to_owned(),
            (calls, "") => format!("Welcome back, caller number {calls}"),
            (_, name) => format!("Welcome back, {name}"),
        });
    }
}

/// What the service at CRM_URL calls this number; empty where it does not know it.
fn name_of(event: &Event) -> String {
    let number = event.get("From").unwrap_or_default().replace('+', "%2B");
    let url = format!("{}?number={number}", event.context("CRM_URL").unwrap_or_default());
    let answer = match call(&format!(r#"{{"op":"fetch","url":{}}}"#, quote(&url))) {
        Ok(answer) => answer,
        Err(failure) => {
            log(Level::Warning, &failure.to_string());
            return String::new();
        }
    };
    let text = answer.member("text").and_then(Value::as_str).and_then(Value::parse);
    let name = text.as_ref().and_then(|body| body.member("name")).and_then(Value::as_str);
    name.unwrap_or_default().to_owned()
}
