//! `offhook dev`: serves a project, and shows each request for a bin or a function in one block.
//!
//! What was saved, and what is wrong with it, is in the log as `serve` has it. Functions whose
//! sources are in `functions-src` are built where they are stale, and after every edit.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::functions::{build_changed, build_stale, looked_at, why_not_reached};
use super::serve::{read_config, serve, start_logging};
use super::{Outcome, Project};
use crate::node::Options;
use crate::node::function_log::name_of;
use crate::node::seeing::ladder::printable;
use crate::node::watched::Looks;
use crate::source::document::media_type;
use crate::source::explain::millis;
use crate::source::seen::{Kind, Seen, Watcher};
use crate::source::view;

/// Arguments of `offhook dev`.
#[derive(clap::Args, Debug)]
pub(super) struct Dev {
    #[command(flatten)]
    project: Project,
}

impl Dev {
    pub(super) fn run(self) -> Outcome {
        start_logging();
        let config = read_config(&self.project)?;
        self.build_functions();
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let printer = Printer { colour, project: self.project.folder.clone() };
        let options = Options { watcher: Some(Arc::new(printer)), ..Options::default() };
        serve(config, options)
    }

    /// Builds what is stale, and what changes from now on until the program ends.
    fn build_functions(&self) {
        let mut looks = Looks::new(looked_at(&self.project.folder));
        build_stale(&self.project);
        let project = self.project.clone();
        let watch = move || {
            loop {
                build_changed(&project, &mut looks, None);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("build".to_owned()).spawn(watch) {
            tracing::warn!("sources of functions are not watched: {error}");
        }
    }
}

/// Prints what it sees.
struct Printer {
    colour: bool,
    project: PathBuf,
}

impl Printer {
    /// What only the owner of the project is told.
    fn note(&self, seen: &Seen<'_>) -> Option<String> {
        let missing = seen.kind == Kind::Function && seen.response.status == 404;
        // A handler may answer 404 itself.
        let asked = !seen.report.run.is_zero();
        (missing && !asked).then(|| why_not_reached(&self.project, seen.name))?
    }
}

impl Watcher for Printer {
    fn shows(&self) -> bool {
        true
    }

    fn saw(&self, seen: &Seen<'_>) {
        let block = block(seen, self.note(seen), self.colour);
        // In one piece: others answer at the same time. Whoever reads may be gone.
        let _ = std::io::stdout().lock().write_all(block.as_bytes());
    }
}

/// Longer answers than this are cut: a person reads them.
const MOST_SHOWN: usize = 8 << 10;

/// A request in a block: line, event, answer, log, cost.
fn block(seen: &Seen<'_>, note: Option<String>, colour: bool) -> String {
    let Seen { method, target, call, response, report, .. } = *seen;
    let kind = response.headers.first("Content-Type").unwrap_or("no type");
    let by = if call { " (a call)" } else { "" };
    let ink = match response.status {
        200..300 => GREEN,
        _ => RED,
    };
    let mut text = format!("\n{}", paint(colour, BOLD, &format!("{method} {target}{by}")));
    let _ = writeln!(text, " {}", paint(colour, ink, &format!("{} {kind}", response.status)));
    if let Some(stale) = &report.stale {
        section(
            &mut text,
            colour,
            "broken",
            [stale.clone(), "the last good version answered".into()],
        );
    }
    section(&mut text, colour, "note", note);
    section(&mut text, colour, "event", event(report.event.as_ref()));
    section(&mut text, colour, answer_name(kind), answer(seen));
    let lines = report.log.iter().flat_map(|line| {
        let level = name_of(line.level);
        line.text.lines().map(move |text| format!("{level}: {text}")).collect::<Vec<_>>()
    });
    section(&mut text, colour, "log", lines);
    if let Some(failure) = &report.failure {
        section(&mut text, colour, "failure", [failure.clone()]);
    }
    if !report.run.is_zero() {
        let memory = report.memory.div_ceil(1024);
        let (queue, load, run) = (report.queued, report.load, report.run);
        let cost = format!(
            "queue {}, load {}, run {}, {memory} KiB",
            millis(queue),
            millis(load),
            millis(run)
        );
        section(&mut text, colour, "cost", [cost]);
    }
    text
}

fn answer_name(kind: &str) -> &'static str {
    if view::is_markup(&media_type(kind)) { "xml" } else { "answer" }
}

/// A heading, and its lines below it; nothing where there are none.
fn section(text: &mut String, colour: bool, name: &str, lines: impl IntoIterator<Item = String>) {
    for (at, line) in lines.into_iter().enumerate() {
        let heading = if at == 0 { name } else { "" };
        let heading = paint(colour, DIM, &format!("  {heading:<8}"));
        // Peers wrote parts of it.
        let _ = writeln!(text, "{heading}{}", printable(&line));
    }
}

/// The parameters, and of the request what handlers look at; header fields by their number.
fn event(event: Option<&Value>) -> Vec<String> {
    let Some(Value::Object(members)) = event else { return vec![] };
    let mut lines = Vec::new();
    for (name, value) in members {
        if name == "request" && value.is_object() {
            let fields = value["headers"].as_object().map_or(0, serde_json::Map::len);
            let cookies = value["cookies"].as_object().filter(|cookies| !cookies.is_empty());
            let cookies = cookies.map(|_| format!(", cookies {}", value["cookies"]));
            lines.push(format!("request: {fields} header fields{}", cookies.unwrap_or_default()));
        } else {
            lines.push(format!("{name}: {value}"));
        }
    }
    lines
}

fn answer(seen: &Seen<'_>) -> Vec<String> {
    let response = seen.response;
    let kind = response.headers.first("Content-Type").unwrap_or("");
    let Ok(text) = std::str::from_utf8(&response.body) else {
        return vec![format!("{} bytes", response.body.len())];
    };
    let text = match view::is_markup(&media_type(kind)) {
        true => view::shown(&response.body),
        false => text.trim_end().to_owned(),
    };
    let end = text.floor_char_boundary(MOST_SHOWN);
    let cut = text.len() > end;
    let mut lines: Vec<String> = text[..end].lines().map(str::to_owned).collect();
    if cut {
        lines.push(format!("… {} bytes in all", response.body.len()));
    }
    lines
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

fn paint(colour: bool, ink: &str, text: &str) -> String {
    let text = printable(text);
    if colour { format!("\x1b[{ink}m{text}\x1b[0m") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;
    use crate::http::Response;
    use crate::source::function::{Level, LogLine};
    use crate::source::seen::Report;

    #[test]
    fn a_request_is_one_readable_block() {
        let event = serde_json::json!({
            "request": { "headers": { "host": "h", "a": "b" }, "cookies": { "k": "v" } },
            "From": "+1555",
            "n": [1],
        });
        let report = Report {
            event: Some(event),
            log: vec![LogLine { level: Level::Info, text: "one\ntwo\x1b[2J".to_owned() }],
            queued: Duration::from_micros(10),
            load: Duration::from_micros(20),
            run: Duration::from_micros(1_234),
            memory: 458_752,
            ..Report::default()
        };
        let xml = "<Response><Say>Hi</Say></Response>";
        let seen = Seen {
            kind: Kind::Function,
            name: "f",
            method: "POST",
            target: "/functions/f",
            call: true,
            response: &Response::markup(xml),
            report: &report,
        };
        let wanted = "\nPOST /functions/f (a call) 200 text/xml; charset=utf-8\n\
                      \x20 event   request: 2 header fields, cookies {\"k\":\"v\"}\n\
                      \x20         From: \"+1555\"\n\
                      \x20         n: [1]\n\
                      \x20 xml     <Response>\n\
                      \x20           <Say>Hi</Say>\n\
                      \x20         </Response>\n\
                      \x20 log     info: one\n\
                      \x20         info: two";
        let plain = block(&seen, None, false);
        assert!(plain.starts_with(wanted), "{plain}");
        assert!(plain.ends_with("cost    queue 0.010 ms, load 0.020 ms, run 1.234 ms, 448 KiB\n"));
        assert!(!plain.contains('\x1b'), "nobody else paints the terminal: {plain:?}");
        assert!(block(&seen, None, true).contains("\x1b[32m200 text/xml"));
    }

    #[test]
    fn who_owns_a_function_is_told_why_no_request_reaches_it() {
        let project = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(project.path().join("functions")).expect("made");
        std::fs::write(project.path().join("functions/keys.private.js"), "").expect("written");
        let printer = Printer { colour: false, project: project.path().to_owned() };
        let shown = |name| {
            let (response, report) = (Response::text(404, "404"), Report::default());
            let (kind, method, target) = (Kind::Function, "GET", "/");
            let (response, report) = (&response, &report);
            let seen = Seen { kind, name, method, target, call: false, response, report };
            block(&seen, printer.note(&seen), false)
        };
        let told = shown("keys");
        assert!(told.contains("\n  note    functions/keys.private.js is private: "), "{told}");
        assert!(
            shown("kays").contains("  note    there is no function kays; did you mean \"keys\"?")
        );
    }
}
