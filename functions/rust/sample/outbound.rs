//! Calls that phones make: the phone's user decides the caller ID, and the dialled text becomes a
//! number. The same decision as samples/first/functions/sip-outbound.js.

use offhook_function::{log, response, Answer, Element, Event, Level};

offhook_function::export!(handle);

const CALLER_IDS: [(&str, &str); 2] = [("home", "+12223331234"), ("myuser", "+12223335678")];
const DEFAULT_CALLER_ID: &str = "+12223339999";

pub fn handle(event: &Event) -> Answer {
    decide(event)
        .unwrap_or_else(|reason| {
            let say =
                Element::new("Say").attribute("voice", "alice").attribute("language", "en-CA");
            response().child(say.text(reason))
        })
        .into()
}

fn decide(event: &Event) -> Result<Element, &'static str> {
    let (from, given) = (event.get("From"), event.get("callerId"));
    if from.or(given).is_none() {
        return Err("Error placing the call. From caller is required.");
    }
    let to = event.get("To").ok_or("Error placing the call. To caller is required.")?;

    let user = user_of(from.unwrap_or_default());
    let known = CALLER_IDS.iter().find(|(name, _)| *name == user).map(|(_, number)| *number);
    let caller_id = given.or(known).unwrap_or(DEFAULT_CALLER_ID);
    let dialled = user_of(to);
    let dial = Element::new("Dial");
    let dial = if is_device(to) {
        // One device of a user (RFC 5627): only the whole URI leads to it.
        dial.child(Element::new("Sip").text(to))
    } else if dialled.contains(|c: char| c.is_ascii_alphabetic()) {
        // A colleague, not a number: rings all phones of that user.
        dial.child(Element::new("Sip").text(&format!("sip:{dialled}@office.localhost")))
    } else {
        let number = number_of(dialled);
        log(Level::Info, &format!("{user} calls {number} as {caller_id}"));
        dial.attribute("callerId", caller_id).attribute("record", "do-not-record").text(&number)
    };
    Ok(response().child(dial))
}

/// The part between "sip:" and "@".
fn user_of(uri: &str) -> &str {
    let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:")).unwrap_or(uri);
    rest.split('@').next().unwrap_or_default()
}

fn is_device(uri: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    uri.split(";gr").skip(1).any(|rest| !rest.starts_with(word))
}

/// New Zealand (64…) and Singapore (65…) numbers of ten digits lack their plus; 650… is California.
fn number_of(dialled: &str) -> String {
    let prefix = match dialled {
        _ if dialled.chars().count() != 10 => {
            if dialled.starts_with('+') {
                ""
            } else {
                "+"
            }
        }
        _ if dialled.starts_with("650") => "+1",
        _ if dialled.starts_with("64") || dialled.starts_with("65") => "+",
        _ => "+1",
    };
    format!("{prefix}{dialled}")
}
