//! `[functions]` and `[[function]]`: what functions find, and what each may do.

use super::Config;
use super::handlers::WrittenGrant;
use super::limits::caps;
use super::parts::Span;
use super::reader::{Reader, Source};
use crate::base::{Duration, Secret, hint};
use crate::directory::Caps;
use crate::directory::grants::{Bounds, CalleeGrant, Calls, Control, Grants, HostGrant, Limits};

/// Names in every function's environment that the configuration does not write.
const OWN: [&str; 2] = ["ACCOUNT_SID", "AUTH_TOKEN"];

/// The longest name of a store, so that it fits a message.
const LONGEST_STORE: usize = 64;

/// More at one time than the server ever runs.
const MOST_CONCURRENT: i64 = 64;

/// A memory below this holds no guest at all, let alone JavaScript.
const LEAST_MEMORY: usize = 2 << 20;

pub(super) fn env(
    source: &mut Source<'_>,
    mut table: Reader<'_>,
) -> (Vec<(String, Secret)>, Vec<String>) {
    let env = table.table(source, "env").secrets(source);
    let origins = table.texts(source, "origins").unwrap_or_default();
    table.finish(source);
    let mut known = Vec::new();
    for (origin, span) in origins {
        // As browsers write it (RFC 6454 section 6.2): anything else would never be equal.
        let plain =
            url::Url::parse(&origin).is_ok_and(|url| url.origin().ascii_serialization() == origin);
        if !plain {
            let expected = "expected scheme and host, such as https://app.example";
            source.error(span, format!("origins: \"{origin}\": {expected}"));
        }
        known.push(origin);
    }
    (env, known)
}

impl Config {
    /// Names of the environment that only some functions see, each with these; in the order in
    /// which they are granted.
    pub fn secrets(&self) -> Vec<(String, Vec<String>)> {
        let mut all: Vec<(String, Vec<String>)> = vec![];
        for (function, grants) in &self.function_grants {
            for name in &grants.secrets {
                match all.iter_mut().find(|(known, _)| known == name) {
                    Some((_, functions)) if functions.contains(function) => {}
                    Some((_, functions)) => functions.push(function.clone()),
                    None => all.push((name.clone(), vec![function.clone()])),
                }
            }
        }
        all
    }
}

/// All `[[function]]` tables, each name once.
pub(super) fn grants(
    source: &mut Source<'_>,
    root: &mut Reader<'_>,
    env: &[(String, Secret)],
) -> Vec<(String, Grants)> {
    let mut all: Vec<(String, Grants)> = vec![];
    for table in root.tables(source, "function") {
        let span = table.at("name");
        let Some((name, grants)) = function(source, table, env) else { continue };
        if all.iter().any(|(known, _)| *known == name) {
            source.error(span, format!("function \"{name}\" is written twice"));
            continue;
        }
        let (line, column) = source.place(span);
        source.grants.push(WrittenGrant { function: name.clone(), line, column });
        all.push((name, grants));
    }
    all
}

fn function(
    source: &mut Source<'_>,
    mut table: Reader<'_>,
    env: &[(String, Secret)],
) -> Option<(String, Grants)> {
    let name = super::parts::required(source, &mut table, "name");
    let grants = Grants {
        hosts: hosts(source, &mut table),
        store: store(source, &mut table),
        control: control(source, &mut table),
        calls: Calls { to: calls(source, &mut table), caps: caps(source, &mut table, Caps::USER) },
        secrets: secrets(source, &mut table, env),
        bounds: bounds(source, &mut table),
    };
    table.finish(source);
    name.map(|name| (name, grants))
}

fn hosts(source: &mut Source<'_>, table: &mut Reader<'_>) -> Vec<HostGrant> {
    let mut hosts = vec![];
    for (text, span) in table.texts(source, "hosts").unwrap_or_default() {
        match HostGrant::parse(&text) {
            Some(host) => hosts.push(host),
            None => source.error(
                span,
                format!(
                    "hosts: \"{text}\" is no host; expected api.example.com, *.example.org, \
                     127.0.0.1:9000 or https://api.example.com"
                ),
            ),
        }
    }
    hosts
}

/// `"read"` is a look at calls and recordings, `true` is all that can be done with them.
fn control(source: &mut Source<'_>, table: &mut Reader<'_>) -> Control {
    let Some(item) = table.item("control") else { return Control::Nothing };
    match (item.as_bool(), item.as_str()) {
        (Some(true), _) => Control::Full,
        (Some(false), _) => Control::Nothing,
        (None, Some("read")) => Control::Read,
        _ => {
            source.error(item.span(), "control: expected true, false or \"read\"");
            Control::Nothing
        }
    }
}

fn calls(source: &mut Source<'_>, table: &mut Reader<'_>) -> Vec<CalleeGrant> {
    let mut to = vec![];
    for (text, span) in table.texts(source, "calls").unwrap_or_default() {
        match CalleeGrant::parse(&text) {
            Some(callee) => to.push(callee),
            None => source.error(
                span,
                format!(
                    "calls: \"{text}\" is nobody to call; expected a number's beginning such as \
                     +1415, *@office.example, client:* or *"
                ),
            ),
        }
    }
    to
}

/// `true` is the store that all share who say so; a text is the store of that name.
fn store(source: &mut Source<'_>, table: &mut Reader<'_>) -> Option<String> {
    let item = table.item("store")?;
    match (item.as_bool(), item.as_str()) {
        (Some(true), _) => Some(String::new()),
        (Some(false), _) => None,
        (None, Some(name)) if (1..=LONGEST_STORE).contains(&name.len()) => Some(name.to_owned()),
        _ => {
            let wanted = format!("true, false or a name of at most {LONGEST_STORE} bytes");
            source.error(item.span(), format!("store: expected {wanted}"));
            None
        }
    }
}

fn secrets(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    env: &[(String, Secret)],
) -> Vec<String> {
    let known: Vec<&str> = env.iter().map(|(name, _)| name.as_str()).chain(OWN).collect();
    let mut secrets = vec![];
    for (name, span) in table.texts(source, "secrets").unwrap_or_default() {
        if known.contains(&&*name) {
            secrets.push(name);
        } else {
            let near = hint(&name, &known);
            source.error(span, format!("secrets: [functions] env has no \"{name}\"; {near}"));
        }
    }
    secrets
}

fn bounds(source: &mut Source<'_>, table: &mut Reader<'_>) -> Bounds {
    let Limits { wall, running, memory, log, response } = Bounds::MOST;
    let concurrency = match table.number(source, "concurrency") {
        Some(number) if (1..=MOST_CONCURRENT).contains(&number) => u32::try_from(number).ok(),
        Some(_) => {
            let message = format!("concurrency: expected 1 to {MOST_CONCURRENT}");
            source.error(table.at("concurrency"), message);
            None
        }
        None => None,
    };
    Bounds {
        wall: time(source, table, "wall", wall),
        running: time(source, table, "running", running),
        memory: bytes(source, table, "memory", LEAST_MEMORY..=memory),
        log: bytes(source, table, "log", 0..=log),
        response: bytes(source, table, "response", 1..=response),
        concurrency,
    }
}

fn time(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
    most: Duration,
) -> Option<Duration> {
    let (text, span) = table.text(source, key)?;
    let (number, unit) = split(&text);
    let time = match unit {
        "ms" => number.map(Duration::from_millis),
        "s" => number.and_then(|n| n.checked_mul(1000)).map(Duration::from_millis),
        _ => None,
    };
    let time = time.filter(|time| *time > Duration::ZERO && *time <= most);
    if time.is_none() {
        blame(source, span, key, &format!("a time such as \"500ms\" or \"5s\", at most {most:?}"));
    }
    time
}

fn bytes(
    source: &mut Source<'_>,
    table: &mut Reader<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<usize>,
) -> Option<usize> {
    let (text, span) = table.text(source, key)?;
    let (number, unit) = split(&text);
    let factor = match unit {
        "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let bytes = number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    let bytes = bytes.and_then(|b| usize::try_from(b).ok()).filter(|b| range.contains(b));
    if bytes.is_none() {
        let (least, most) = (range.start().div_ceil(1024), range.end() >> 10);
        let wanted = format!("a size such as \"512KiB\" or \"16MiB\", {least} KiB to {most} KiB");
        blame(source, span, key, &wanted);
    }
    bytes
}

fn split(text: &str) -> (Option<u64>, &str) {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number.parse().ok(), unit.trim())
}

fn blame(source: &mut Source<'_>, span: Span, key: &str, wanted: &str) {
    source.error(span, format!("{key}: expected {wanted}"));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, FILE, Names};

    fn read(text: &str) -> Result<Config, Vec<String>> {
        let read = Config::parse(Path::new("."), Path::new(FILE), text, &|_| None);
        read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn grants_are_read_and_shown_in_one_line() {
        let config = read(
            "[functions]\nenv = { GREETING = \"hello\", KEY = \"k\" }\n\
             [[function]]\nname = \"menu/route\"\n\
             hosts = [\"api.example.com\", \"127.0.0.1:9000\"]\nstore = true\n\
             secrets = [\"KEY\"]\nwall = \"20s\"\nrunning = \"500ms\"\nmemory = \"16MiB\"\n\
             log = \"8KiB\"\nresponse = \"2MiB\"\nconcurrency = 4\n\
             [[function]]\nname = \"own\"\nstore = \"counters\"\ncontrol = true\n\
             [[function]]\nname = \"env\"\nstore = false\n\
             [[function]]\nname = \"look\"\ncontrol = \"read\"\n\
             calls = [\"+1415\", \"client:*\"]\nmax_calls = 3\n",
        );
        let config = config.expect("sound");
        let shown: Vec<String> =
            config.function_grants.iter().map(|(name, g)| format!("{name}: {g}")).collect();
        assert_eq!(
            shown,
            [
                "menu/route: HTTP to api.example.com, 127.0.0.1:9000; the store; secrets KEY; wall \
                 20s; running 500ms; memory 16384 KiB; log 8 KiB; response 2048 KiB; concurrency 4",
                "own: the store \"counters\"; control of calls and recordings",
                "env: nothing",
                "look: a look at calls and recordings; calls to +1415, client:* (at one time 3, a \
                 second 1)",
            ]
        );
        assert_eq!(config.secrets(), [("KEY".to_owned(), vec!["menu/route".to_owned()])]);
        assert!(!format!("{config:?}").contains("\"k\""), "no secret is in what can be printed");
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_with_what_would_be_right() {
        let table = "[functions]\nenv = { API_KEY = \"k\" }\n[[function]]\nname = \"f\"\n";
        for (line, place, told) in [
            (
                "host = [\"a\"]",
                "5:1",
                "unknown key \"host\" in [function]; did you mean \"hosts\"?",
            ),
            ("hosts = [\"a\", \"http://b\"]", "5:15", "hosts: \"http://b\" is no host"),
            ("secrets = [\"API_KAY\"]", "5:12", "did you mean \"API_KEY\"?"),
            ("control = 1", "5:11", "control: expected true, false or \"read\""),
            ("calls = [\"+1\", \"0900\"]", "5:16", "calls: \"0900\" is nobody to call"),
            ("max_calls = -1", "5:13", "max_calls: expected 0 to"),
            ("store = 1", "5:9", "store: expected true, false or a name"),
            ("wall = \"61s\"", "5:8", "wall: expected a time such as"),
            ("wall = \"5\"", "5:8", "wall: expected a time"),
            ("running = \"0ms\"", "5:11", "running: expected a time"),
            ("memory = \"65MiB\"", "5:10", "memory: expected a size"),
            ("memory = \"99999999999999999999MiB\"", "5:10", "memory: expected a size"),
            ("concurrency = 0", "5:15", "concurrency: expected 1 to 64"),
        ] {
            let said = read(&format!("{table}{line}\n")).expect_err(line);
            assert!(said.len() == 1 && said[0].contains(&format!(":{place}: ")), "{said:?}");
            assert!(said[0].contains(told), "{said:?}");
        }
        let twice = read("[[function]]\nname = \"f\"\n[[function]]\nname = \"f\"\n");
        assert!(
            twice.expect_err("twice")[0].contains(":4:8: error config: function \"f\" is written")
        );
        assert!(
            read("[[function]]\nstore = true\n").expect_err("nameless")[0].contains("\"name\"")
        );
    }

    #[test]
    fn a_grant_to_a_function_that_does_not_exist_names_the_nearest() {
        let config = read(
            "\n[[function]]\nname = \"menu/rote\"\n[[function]]\nname = \"keys\"\n[[function]]\n\
             name = \"lib\"\nstore = true\n",
        );
        let names = Names {
            functions: vec!["menu/route".to_owned()],
            private: vec!["keys".to_owned(), "lib".to_owned()],
            ..Names::default()
        };
        let problems = config.expect("sound").handler_problems(&names);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "offhook.toml:3:8: error config: there is no function \"menu/rote\"; did you mean \
              \"menu/route\"?",
                "offhook.toml:7:8: warning config: \"lib\" is private: it runs as a part of the \
              functions that require it, with their grants; grant this to them"
            ]
        );
    }
}
