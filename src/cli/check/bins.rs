//! Bins: their templates, and their markup as a call would get it.

use std::path::Path;

use super::{Findings, place};
use crate::cli::preview::sample_parameters;
use crate::config::{BIN_NAMES, Names, Severity};
use crate::markup::{self, Diagnostic, Element, Node, Position};
use crate::node::project::Opened;
use crate::source::template::Template;
use crate::verb::Document;

/// Looks at every bin; gives how many there are.
pub(super) fn check(opened: &Opened, findings: &mut Findings) -> usize {
    let folder = opened.config.project.join("bins");
    let names = opened.project.bins.names();
    let known = crate::node::project::names(&opened.config);
    let sample = sample_parameters(opened);
    for name in &names {
        check_one(&folder.join(format!("{name}.xml")), &sample, &known, findings);
    }
    check_names(&folder, &names, findings);
    names.len()
}

/// Files that look like bins and are none, because a URL could not name them.
fn check_names(folder: &Path, names: &[String], findings: &mut Findings) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            let message = "is not served: bins lie in this folder itself, not in folders within it";
            findings.tell(&path, None, Severity::Warning, 11200, message);
            continue;
        }
        let lower = file.to_ascii_lowercase();
        let Some(name) = lower.strip_suffix(".xml").map(|name| &file[..name.len()]) else {
            continue;
        };
        if !names.iter().any(|known| format!("{known}.xml") == file) {
            let message =
                format!("is not served: {BIN_NAMES}; rename it {}.xml", super::plain_name(name));
            findings.tell(&path, None, Severity::Warning, 11200, message);
        }
    }
}

fn check_one(file: &Path, sample: &[(String, String)], known: &Names, findings: &mut Findings) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            return findings.tell(file, None, Severity::Error, 11300, message);
        }
    };
    let template = match Template::parse(&text) {
        Ok(template) => template,
        Err(error) => {
            let at = Some(place(error.line, error.column));
            return findings.tell(file, at, Severity::Error, error.code, &error.reason);
        }
    };
    let is_static = template.is_static();
    let rendered = match template.render(sample) {
        Ok(rendered) => rendered,
        Err(_) => {
            let message = "gives more than 64 KB for a sample call";
            return findings.tell(file, None, Severity::Error, 11750, message);
        }
    };
    let as_rendered = if is_static { "" } else { " (as rendered for a sample call)" };
    let mut tell = |diagnostic: &Diagnostic, severity: Severity| {
        let Diagnostic { code, position, message, expected, .. } = diagnostic;
        let expected = expected.as_ref().map(|e| format!(" (expected {e})")).unwrap_or_default();
        let message = format!("{message}{expected}{as_rendered}");
        findings.tell(file, Some(*position), severity, code, message);
    };
    match Document::parse(rendered.as_bytes(), None) {
        // Other parameters may give other elements, but not where all that they give is text.
        Err(error) if !is_static && shapes_markup(&text) => tell(&error, Severity::Warning),
        Err(error) => tell(&error, Severity::Error),
        Ok((_, diagnostics)) => {
            for diagnostic in &diagnostics {
                let severity = match diagnostic.severity {
                    markup::Severity::Error => Severity::Error,
                    markup::Severity::Warning => Severity::Warning,
                };
                tell(diagnostic, severity);
            }
        }
    }
    if let Ok(tree) = markup::parse(rendered.as_bytes()) {
        for (position, message) in wrong_urls(known, &tree.root, &str::to_owned) {
            findings.tell(file, Some(position), Severity::Warning, 11200, message);
        }
    }
}

/// Whether parameters can change elements: sections, and values that are not escaped.
fn shapes_markup(text: &str) -> bool {
    text.match_indices("{{")
        .any(|(at, _)| text[at + 2..].trim_start().starts_with(['{', '&', '#', '^']))
}

/// Attributes that hold a document's URL.
const URLS: [&str; 2] = ["action", "url"];

/// The documents of our own that a document asks for and that do not exist: where, and what is
/// wrong. `resolve` makes of a URL as written what it stands for where the document is served.
pub(in crate::cli) fn wrong_urls(
    known: &Names,
    element: &Element,
    resolve: &dyn Fn(&str) -> String,
) -> Vec<(Position, String)> {
    let mut wrong = Vec::new();
    let mut look = |url: &str, position: Position| {
        wrong.extend(wrong_url(known, &resolve(url)).map(|message| (position, message)));
    };
    for attribute in &element.attributes {
        if URLS.contains(&attribute.name.as_str()) {
            look(&attribute.value, attribute.position);
        }
    }
    let mut inner = Vec::new();
    for node in &element.children {
        match node {
            Node::Element(child) => inner.extend(wrong_urls(known, child, resolve)),
            Node::Text { text, position } if element.name == "Redirect" => {
                look(text.trim(), *position);
            }
            Node::Text { .. } => {}
        }
    }
    wrong.extend(inner);
    wrong
}

pub(super) fn check_url(
    known: &Names,
    url: &str,
    position: Position,
    file: &Path,
    findings: &mut Findings,
) {
    if let Some(message) = wrong_url(known, url) {
        findings.tell(file, Some(position), Severity::Warning, 11200, message);
    }
}

/// Why a URL of ours names no document.
fn wrong_url(known: &Names, url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let named = |scheme: &str| path.strip_prefix(scheme).filter(|name| !name.contains('%'));
    match (named("bin:"), named("function:")) {
        (Some(name), _) => known.wrong_bin(name),
        (_, Some(name)) => known.wrong_function(name),
        // Of another host.
        _ if path.starts_with("//") => None,
        _ => known.wrong_path(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_root_must_lead_to_a_function_or_an_asset() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("next.xml"), "<Response/>").expect("written");
        let known = Names {
            functions: vec!["ivr-choice".to_owned(), "a/b".to_owned()],
            private: vec!["keys".to_owned()],
            assets: crate::source::asset::names(folder.path()),
            ..Names::default()
        };
        for fine in ["/ivr-choice?x=1", "/a/b", "/next.xml", "/healthz", "//h/nope", "https://h/x"]
        {
            assert_eq!(wrong_url(&known, fine), None, "{fine}");
        }
        for (url, said) in [
            ("/nope", "there is no function \"nope\""),
            ("/ivr-chioce", "did you mean \"ivr-choice\"?"),
            ("/functions/nope", "there is no function \"nope\""),
            ("/bins/nope", "there is no bin \"nope\""),
            ("/keys", "is private by its file name"),
        ] {
            let wrong = wrong_url(&known, url).unwrap_or_default();
            assert!(wrong.contains(said), "{url}: {wrong}");
        }
    }

    #[test]
    fn urls_are_looked_at_wherever_they_stand() {
        let text = "<Response><Gather action=\"/nope\"><Say>x</Say></Gather>\
                    <Redirect>/gone</Redirect></Response>";
        let tree = markup::parse(text.as_bytes()).expect("markup");
        let told = wrong_urls(&Names::default(), &tree.root, &str::to_owned);
        let told: Vec<String> = told.iter().map(|(at, text)| format!("{at} {text}")).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("1:19 there is no function \"nope\""), "{told:?}");
        assert!(told[1].contains("there is no function \"gone\""), "{told:?}");
    }
}
