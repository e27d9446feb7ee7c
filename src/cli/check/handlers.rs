//! Handlers in the configuration: what they name must exist.

use std::path::Path;

use super::{Findings, place};
use crate::cli::flow::incoming::hint;
use crate::config::{Config, FILE, Severity};
use crate::directory::{Handler, Voice};
use crate::markup::Position;
use crate::node::project::Opened;
use crate::sip::uri::SipUri;

/// Looks at every handler of domains, numbers and lines.
pub(super) fn check(opened: &Opened, findings: &mut Findings) {
    let config = &opened.config;
    let file = config.project.join(FILE);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let (bins, functions) = (opened.project.bins.names(), opened.function_names());
    let voices = config.domains.iter().map(|domain| (domain.name.as_str(), &domain.voice));
    let voices = voices.chain(config.numbers.iter().map(|n| (n.number.as_str(), &n.voice)));
    let lines = config.lines.iter().map(|line| (line.account.name.as_str(), &line.voice));
    // A line without a handler rings its user.
    let (wanted, voices) = (voices.clone().count(), voices.chain(lines));
    let mut told: Vec<String> = Vec::new();
    for (index, (owner, voice)) in voices.enumerate() {
        if voice.handler.is_none() && index < wanted {
            let message = format!("{owner} has no `voice` handler: calls to it are refused");
            findings.tell(&file, find(&text, owner), Severity::Warning, "config", message);
        }
        for handler in handlers(voice) {
            let written = match handler {
                Handler::Document { url, .. } => url,
                Handler::Sip(uri) => uri,
            };
            if told.contains(written) {
                continue;
            }
            told.push(written.clone());
            if let Some((severity, message)) = wrong(config, handler, &bins, &functions) {
                tell_each(&file, &text, written, severity, &message, findings);
            }
        }
    }
}

fn handlers(voice: &Voice) -> impl Iterator<Item = &Handler> {
    voice.handler.iter().chain(&voice.fallback)
}

/// What is wrong with a handler.
fn wrong(
    config: &Config,
    handler: &Handler,
    bins: &[String],
    functions: &[String],
) -> Option<(Severity, String)> {
    let missing = |kind: &str, name: &str, names: &[String]| {
        let name = name.split(['?', '#']).next().unwrap_or(name);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = names.contains(&name);
        let message = || format!("there is no {kind} \"{name}\"; {}", hint(name, &names));
        (!known).then(|| (Severity::Error, message()))
    };
    match handler {
        Handler::Document { url, .. } => match url.split_once(':')? {
            ("bin", name) => missing("bin", name, bins),
            ("function", name) => missing("function", name, functions),
            ("app", _) => {
                let message = format!("{url}: apps are not supported yet; use bin: or function:");
                Some((Severity::Error, message))
            }
            _ => None,
        },
        Handler::Sip(uri) => {
            let view = SipUri::parse(uri)?;
            let domain =
                config.domains.iter().find(|d| d.name.eq_ignore_ascii_case(view.host()))?;
            let user = view.user()?;
            let lists = config.lists.iter().filter(|(name, _)| domain.registration.contains(name));
            let users: Vec<&str> =
                lists.flat_map(|(_, users)| users.iter().map(|(user, _)| user.as_str())).collect();
            let known = users.contains(&&*user);
            let name = &domain.name;
            let message =
                || format!("nobody registers as \"{user}\" at {name}; {}", hint(&user, &users));
            (!known).then(|| (Severity::Warning, message()))
        }
    }
}

/// Tells it at each place where the handler is written.
fn tell_each(
    file: &Path,
    text: &str,
    written: &str,
    severity: Severity,
    message: &str,
    findings: &mut Findings,
) {
    let places = find_all(text, written);
    if places.is_empty() {
        findings.tell(file, None, severity, "config", message);
    }
    for place in places {
        findings.tell(file, Some(place), severity, "config", message);
    }
}

fn find(text: &str, written: &str) -> Option<Position> {
    find_all(text, written).first().copied()
}

/// Where a text stands in quotes, outside comments.
fn find_all(text: &str, written: &str) -> Vec<Position> {
    let quoted = [format!("\"{written}\""), format!("'{written}'")];
    let mut places = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with('#') {
            continue;
        }
        if let Some(at) = quoted.iter().find_map(|quoted| line.find(quoted.as_str())) {
            places.push(place(number, line[..at].chars().count() + 1));
        }
    }
    places
}
