//! Orders from parameters: every name that is given is known and meant, or the order is refused.

use std::sync::Arc;

use super::{Callee, Change, Denied, Placement, Script, Turn, Watch};
use crate::base::{Duration, Secret, hint};
use crate::call::address;
use crate::verb::{
    CALL_EVENTS, DIGITS, Destination, Document, Method, Request, normalise, sip_destination,
};

/// Characters of an inline document, as at the vendor.
const MAX_INLINE: usize = 4_000;
/// Digits to be sent after the answer.
const MAX_DIGITS: usize = 32;
/// Seconds that a call may ring.
const MAX_RINGING: u64 = 600;
const USUAL_RINGING: u64 = 60;
/// Seconds that a call may last: what any call may.
const MAX_LASTING: u64 = 14_400;
/// The longest name of a user, and the longest text that is shown in a refusal.
const MAX_NAME: usize = 256;

/// What a call may be placed with.
const PLACED_WITH: &[&str] = &[
    "To",
    "From",
    "CallerId",
    "Url",
    "Method",
    "FallbackUrl",
    "FallbackMethod",
    "Twiml",
    "StatusCallback",
    "StatusCallbackMethod",
    "StatusCallbackEvent",
    "Timeout",
    "TimeLimit",
    "SendDigits",
    "SipAuthUsername",
    "SipAuthPassword",
    "Record",
    "AsyncAmd",
];

/// What a call may be changed with.
const CHANGED_WITH: &[&str] = &[
    "Url",
    "Method",
    "FallbackUrl",
    "FallbackMethod",
    "Twiml",
    "Status",
    "StatusCallback",
    "StatusCallbackMethod",
    "TimeLimit",
];

/// What the vendor knows besides.
const NOT_HERE: &[&str] = &[
    "ApplicationSid",
    "MachineDetection",
    "MachineDetectionTimeout",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSilenceTimeout",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
    "RecordingChannels",
    "RecordingTrack",
    "RecordingStatusCallback",
    "RecordingStatusCallbackMethod",
    "RecordingStatusCallbackEvent",
    "Trim",
    "Byoc",
    "CallReason",
    "CallToken",
    "ClientNotificationUrl",
    "IfMachine",
];

/// Parameters by name, in the order in which they came; lists are names that come again.
struct Parameters<'a>(&'a [(String, String)]);

impl<'a> Parameters<'a> {
    /// Those whose names are all known.
    fn checked(given: &'a [(String, String)], known: &[&str]) -> Result<Parameters<'a>, Denied> {
        for (name, value) in given {
            if known.contains(&name.as_str()) {
                continue;
            }
            let name: String = name.chars().take(MAX_NAME).collect();
            return Err(match &*name {
                "ApplicationSid" => Denied::new(
                    21218,
                    format!("{value:.64} is no application of this server; give a Url or Twiml"),
                ),
                _ if NOT_HERE.contains(&&*name) || PLACED_WITH.contains(&&*name) => {
                    Denied::new(20001, format!("The parameter {name} is not supported here."))
                }
                _ => {
                    Denied::new(20001, format!("Unknown parameter {name}; {}", hint(&name, known)))
                }
            });
        }
        Ok(Parameters(given))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(given, _)| given == name);
        named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The only value; an empty one is none.
    fn one(&self, name: &'static str) -> Result<Option<&'a str>, Denied> {
        let mut all = self.all(name);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(_) => Err(invalid(name, "it is given more than once")),
        }
    }

    fn method(&self, name: &'static str) -> Result<Method, Denied> {
        match self.one(name)?.map(str::to_ascii_uppercase).as_deref() {
            None | Some("POST") => Ok(Method::Post),
            Some("GET") => Ok(Method::Get),
            Some(_) => Err(invalid(name, "expected GET or POST")),
        }
    }

    fn request(&self, url: &'static str, method: &'static str) -> Result<Option<Request>, Denied> {
        let method = self.method(method)?;
        Ok(self.one(url)?.map(|url| Request { url: url.to_owned(), method }))
    }

    fn seconds(
        &self,
        name: &'static str,
        (most, code): (u64, u32),
    ) -> Result<Option<Duration>, Denied> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(seconds) if (1..=most).contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(Denied::new(code, format!("{name} must be 1 to {most} seconds."))),
        }
    }

    /// Only a value that asks for nothing is understood.
    fn must_be_off(&self, name: &'static str) -> Result<(), Denied> {
        match self.one(name)? {
            None | Some("false") => Ok(()),
            Some(_) => Err(Denied::new(20001, format!("{name}=true is not supported here."))),
        }
    }

    fn watch(&self) -> Result<Option<Watch>, Denied> {
        let request = self.request("StatusCallback", "StatusCallbackMethod")?;
        let mut events: Vec<String> = vec![];
        for event in self.all("StatusCallbackEvent").flat_map(str::split_whitespace) {
            if !CALL_EVENTS.contains(&event) {
                let hint = hint(event, CALL_EVENTS);
                let message = format!("StatusCallbackEvent {event:.64} is not valid; {hint}");
                return Err(Denied::new(21626, message));
            }
            events.push(event.to_owned());
        }
        Ok(request.map(|request| Watch { request, events }))
    }

    /// The document, where one is given; of two, the one at the URL.
    fn script(&self, warnings: &mut Vec<(u32, String)>) -> Result<Option<Script>, Denied> {
        let request = self.request("Url", "Method")?;
        let fallback = self.request("FallbackUrl", "FallbackMethod")?;
        let inline = self.one("Twiml")?;
        match (request, inline) {
            (None, None) => Ok(None),
            (None, Some(text)) => self::inline(text, warnings).map(Some),
            (Some(request), inline) => {
                if inline.is_some() {
                    warnings.push((32019, "Url and Twiml were both given: Url is used".to_owned()));
                }
                Ok(Some(Script::At { request, fallback }))
            }
        }
    }
}

fn invalid(name: &str, why: &str) -> Denied {
    Denied::new(20422, format!("Invalid parameter {name}: {why}."))
}

/// A document as it is written; what is only doubtful in it is told when it runs.
fn inline(text: &str, warnings: &mut Vec<(u32, String)>) -> Result<Script, Denied> {
    if text.chars().count() > MAX_INLINE {
        let message = format!("Twiml is longer than {MAX_INLINE} characters");
        return Err(Denied::new(32018, message));
    }
    match Document::parse(text.as_bytes(), Some("text/xml")) {
        Ok((document, _)) => Ok(Script::Inline(Arc::new(document))),
        Err(error) => {
            warnings.clear();
            Err(Denied::new(error.code, format!("Twiml: {error}")))
        }
    }
}

impl Placement {
    /// Reads what a call is to be placed with.
    pub fn read(given: &[(String, String)]) -> Result<Placement, Denied> {
        let parameters = Parameters::checked(given, PLACED_WITH)?;
        parameters.must_be_off("Record")?;
        parameters.must_be_off("AsyncAmd")?;
        let to = parameters.one("To")?;
        let to = to.ok_or_else(|| Denied::new(21201, "No 'To' number is specified"))?;
        let to = callee(to, login(&parameters)?)?;
        let from = parameters.one("From")?;
        let from = from.ok_or_else(|| Denied::new(21213, "A 'From' phone number is required."))?;
        if from.len() > MAX_NAME {
            return Err(Denied::new(21212, "'From' is too long."));
        }
        let shown = parameters.one("CallerId")?.unwrap_or(from);
        let mut warnings = vec![];
        let script = parameters.script(&mut warnings)?;
        let script = script.ok_or_else(|| Denied::new(21205, "Url parameter is required."))?;
        let timeout = parameters.seconds("Timeout", (MAX_RINGING, 21208))?;
        Ok(Placement {
            to,
            shown: shown.to_owned(),
            from: normalise(from).unwrap_or_else(|| from.to_owned()),
            script,
            watch: parameters.watch()?,
            timeout: timeout.unwrap_or(Duration::from_secs(USUAL_RINGING)),
            time_limit: parameters.seconds("TimeLimit", (MAX_LASTING, 20422))?,
            send_digits: digits(&parameters)?,
            payer: None,
            warnings,
        })
    }
}

impl Change {
    /// Reads what a call is to be changed with.
    pub fn read(given: &[(String, String)]) -> Result<Change, Denied> {
        let parameters = Parameters::checked(given, CHANGED_WITH)?;
        let mut warnings = vec![];
        let script = parameters.script(&mut warnings)?;
        let turn = match (parameters.one("Status")?, script) {
            (None, script) => script.map(Turn::To),
            (Some("completed"), None) => Some(Turn::End),
            (Some("canceled"), None) => Some(Turn::Cancel),
            (Some("completed" | "canceled"), Some(_)) => {
                return Err(invalid("Status", "a call that ends runs no Url or Twiml"));
            }
            (Some(_), _) => return Err(invalid("Status", "expected completed or canceled")),
        };
        Ok(Change {
            turn,
            watch: parameters.watch()?,
            time_limit: parameters.seconds("TimeLimit", (MAX_LASTING, 20422))?,
            warnings,
        })
    }
}

/// Whom a call is for.
fn callee(text: &str, login: Option<(String, Secret)>) -> Result<Callee, Denied> {
    let bad = || {
        let text: String = text.chars().take(MAX_NAME).collect();
        let message = format!("The phone number you are attempting to call, {text}, is not valid.");
        Denied::new(21211, message)
    };
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("sip" | "sips") => match sip_destination(text, login) {
            Ok(Destination::Sip { uri, headers, login }) => Ok(Callee::Sip { uri, headers, login }),
            Ok(_) => Err(bad()),
            Err(finding) => Err(Denied::new(21211, format!("'To': {}", finding.message))),
        },
        Some("client") => {
            let name = text.get("client:".len()..).unwrap_or_default();
            let fits = |c: char| c.is_ascii_alphanumeric() || "+-_.".contains(c);
            let sound = !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(fits);
            sound.then(|| Callee::Client(name.to_owned())).ok_or_else(bad)
        }
        _ => normalise(text).map(Callee::Number).ok_or_else(bad),
    }
}

fn login(parameters: &Parameters<'_>) -> Result<Option<(String, Secret)>, Denied> {
    let Some(user) = parameters.one("SipAuthUsername")? else { return Ok(None) };
    let password = parameters.one("SipAuthPassword")?.unwrap_or_default();
    if user.len() > MAX_NAME || password.len() > MAX_NAME {
        return Err(Denied::new(21221, format!("SipAuth… is longer than {MAX_NAME} characters.")));
    }
    Ok(Some((user.to_owned(), Secret::new(password))))
}

fn digits(parameters: &Parameters<'_>) -> Result<String, Denied> {
    let digits = parameters.one("SendDigits")?.unwrap_or_default();
    if digits.len() > MAX_DIGITS || !digits.chars().all(|digit| DIGITS.contains(digit)) {
        let message = format!("SendDigits must be at most {MAX_DIGITS} of {DIGITS}");
        return Err(Denied::new(21206, message));
    }
    Ok(digits.to_owned())
}

/// The URL of a document as an order writes it, absolute: what handlers may be, or a path here.
pub(in crate::call) fn absolute(public_url: &str, written: &str) -> Result<String, Denied> {
    let bad = || {
        let written: String = written.chars().take(MAX_NAME).collect();
        Denied::new(21205, format!("Url is not a valid URL: {written}"))
    };
    let scheme = written.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let known = match scheme.as_deref() {
        Some("http" | "https" | "bin" | "function") => true,
        _ => written.starts_with('/') && !written.starts_with("//"),
    };
    if !known {
        return Err(bad());
    }
    let own = at_home(public_url, written);
    let written = own.as_deref().unwrap_or(written);
    address::resolve(public_url, address::INLINE, written).ok_or_else(bad)
}

/// What is ours, as `context.DOMAIN_NAME` behind whatever scheme writes it.
fn at_home(public_url: &str, written: &str) -> Option<String> {
    let (_, home) = public_url.split_once("://")?;
    let (scheme, rest) = written.split_once("://")?;
    let path = rest.strip_prefix(home).filter(|path| path.starts_with('/'))?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    web.then(|| format!("{public_url}{path}"))
}
