//! `offhook preview`: the XML that a handler gives for a call, with what is wrong with it.
//!
//! The document goes to standard output; findings and what a caller would notice go to standard
//! error.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use super::check::bins::wrong_urls;
use super::check::default_url;
use super::flow::incoming::{self, Arrival, hint};
use super::serve::{block_on, read_config};
use super::{Outcome, Project};
use crate::base::plain::{printable, printable_lines};
use crate::base::{Instant, Machine, Rng, nearest};
use crate::call::{Call, Fetch, FetchError, Method, Output};
use crate::config::Config;
use crate::directory::{Handler, Voice};
use crate::markup;
use crate::node::project::{Opened, names};
use crate::source::{Answer, view};
use crate::verb::{Document, normalise};

/// Who calls when nobody is named: a number that belongs to nobody.
const SOMEBODY: &str = "+15550001111";

/// Arguments of `offhook preview`.
#[derive(clap::Args, Debug)]
pub(super) struct Preview {
    /// bin:NAME, function:NAME, a number of the configuration, or an http or https URL
    #[arg(value_name = "TARGET")]
    target: String,
    /// Who calls: a number or a SIP URI
    #[arg(long, value_name = "FROM", default_value = SOMEBODY)]
    from: String,
    /// Whom they call
    #[arg(long, value_name = "TO")]
    to: Option<String>,
    /// One more parameter of the request, such as Digits=1
    #[arg(short = 'd', long = "data", value_name = "NAME=VALUE", value_parser = pair)]
    data: Vec<(String, String)>,
    /// The method of the request, GET or POST
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Method>,
    #[command(flatten)]
    project: Project,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as Digits=1")?;
    if name.is_empty() {
        return Err("expected NAME=VALUE, such as Digits=1".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn method(text: &str) -> Result<Method, String> {
    match text.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::Get),
        "POST" => Ok(Method::Post),
        _ => Err("expected GET or POST".to_owned()),
    }
}

impl Preview {
    pub(super) fn run(self) -> Outcome {
        super::serve::start_logging();
        let config = read_config(&self.project)?;
        let to = self.to.clone().unwrap_or_else(|| self.default_to(&config));
        block_on(async move {
            let url = default_url(&config);
            let opened = Opened::open(config, url).map_err(|error| error.to_string())?;
            let handler = self.handler(&opened)?;
            let mut fetch = match request(&opened, handler, &self.from, &to) {
                Some(fetch) => fetch,
                // A SIP user is rung without any document.
                None => {
                    eprintln!("{} rings that user; there is no document", self.target);
                    return Ok(ExitCode::SUCCESS);
                }
            };
            fetch.method = self.method.unwrap_or(fetch.method);
            for (name, value) in self.data {
                fetch.parameters.retain(|(known, _)| *known != name);
                fetch.parameters.push((name, value));
            }
            Ok(show(&opened, &fetch).await)
        })
    }

    /// The handler that the target names.
    fn handler(&self, opened: &Opened) -> Result<Handler, String> {
        let (target, config) = (&self.target, &opened.config);
        if let Some(number) = normalise(target).filter(|_| !target.contains(':')) {
            let found = config.numbers.iter().find(|known| known.number == number);
            let names: Vec<&str> = config.numbers.iter().map(|n| n.number.as_str()).collect();
            let Some(found) = found else {
                let hint = hint(&number, &names);
                return Err(format!("{number} is none of the configured numbers; {hint}"));
            };
            let missing = || format!("{number} has no handler; set its `voice` in offhook.toml");
            return found.voice.handler.clone().ok_or_else(missing);
        }
        let known = targets(opened);
        let named = target.split(['?', '#']).next().unwrap_or(target);
        match Handler::parse(target) {
            Some(handler) if !is_own(named) || known.iter().any(|own| own == named) => Ok(handler),
            Some(_) => Err(format!("there is no {named}; {}", nearest_target(named, &known))),
            None => Err(format!(
                "\"{target}\" is no target; {}; expected bin:NAME, function:NAME, a number or a URL",
                nearest_target(target, &known)
            )),
        }
    }

    /// Whom a caller would have called to come here.
    fn default_to(&self, config: &Config) -> String {
        if let Some(number) = normalise(&self.target).filter(|_| !self.target.contains(':')) {
            return number;
        }
        let is_this = |voice: &Voice| {
            let handler = Handler::parse(&self.target);
            match (&voice.handler, &handler) {
                (
                    Some(Handler::Document { url: one, .. }),
                    Some(Handler::Document { url: other, .. }),
                ) => one == other,
                (one, other) => one == other,
            }
        };
        let number = config.numbers.iter().find(|number| is_this(&number.voice));
        let number = number.or(config.numbers.first());
        number.map_or_else(|| "+15550002222".to_owned(), |number| number.number.clone())
    }
}

fn is_own(target: &str) -> bool {
    target.starts_with("bin:") || target.starts_with("function:")
}

/// What of this project can be named.
fn targets(opened: &Opened) -> Vec<String> {
    let bins = opened.project.bins.names().into_iter().map(|name| format!("bin:{name}"));
    let functions = opened.function_names().into_iter().map(|name| format!("function:{name}"));
    let numbers = opened.config.numbers.iter().map(|number| number.number.clone());
    bins.chain(functions).chain(numbers).collect()
}

/// The target that was meant: the one of that name, or with the nearest name; kinds do not count,
/// as they would make short names near.
fn nearest_target(written: &str, known: &[String]) -> String {
    let name = |target: &str| target.rsplit_once(':').map_or(target, |(_, name)| name).to_owned();
    let names: Vec<String> = known.iter().map(|target| name(target)).collect();
    let near = nearest(&name(written), names.iter().map(String::as_str));
    match known.iter().zip(&names).find(|(_, name)| near == Some(name.as_str())) {
        Some((target, _)) => format!("did you mean \"{target}\"?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}

/// The first request of such a call, exactly as the call itself makes it.
fn request(opened: &Opened, handler: Handler, from: &str, to: &str) -> Option<Fetch> {
    let arrival = Arrival {
        incoming: incoming::incoming(&opened.config, from, to),
        voice: Voice { handler: Some(handler), ..Voice::default() },
        any_caller_id: false,
    };
    let mut rng = Rng::from_number(1);
    let setup = incoming::setup(opened, arrival, &mut rng);
    let mut call = Call::incoming(setup, rng.fork(), Instant::ZERO);
    while let Some(output) = call.poll() {
        if let Output::Fetch(_, fetch) = output {
            return Some(fetch);
        }
    }
    None
}

/// The parameters of a sample call, and those that verbs add to later requests.
pub(super) fn sample_parameters(opened: &Opened) -> Vec<(String, String)> {
    let numbers = &opened.config.numbers;
    let to = numbers.first().map_or("+15550002222", |number| number.number.as_str());
    let handler = Handler::Document { url: "bin:sample".to_owned(), get: false };
    let fetch = request(opened, handler, SOMEBODY, to);
    let mut parameters = fetch.map(|fetch| fetch.parameters).unwrap_or_default();
    let later = [
        ("Digits", "1"),
        ("DialCallStatus", "completed"),
        ("DialCallDuration", "10"),
        ("RecordingUrl", "https://example.com/recording"),
        ("RecordingDuration", "10"),
    ];
    parameters.extend(later.map(|(name, value)| (name.to_owned(), value.to_owned())));
    parameters
}

/// Gets the document and tells everything about it.
async fn show(opened: &Opened, fetch: &Fetch) -> ExitCode {
    let answer = match opened.sources.ask_for(fetch).await {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    if (200..300).contains(&answer.status) {
        print_body(&answer);
    }
    match answer.document() {
        Err(error) => failed(&error),
        Ok(fetched) => {
            for finding in missing(opened, &answer) {
                eprintln!("{}", printable(&finding));
            }
            tell(&fetched.document);
            ExitCode::SUCCESS
        }
    }
}

fn print_body(answer: &Answer) {
    let kind = answer.headers.first("Content-Type").unwrap_or("no type").to_owned();
    match std::str::from_utf8(&answer.body) {
        Ok(text) => println!("{}", for_reader(text.trim_end(), std::io::stdout().is_terminal())),
        Err(_) => eprintln!("{} bytes of {}, not shown", answer.body.len(), printable(&kind)),
    }
}

/// An answer as it goes to a program, or to a terminal, which would obey some of it.
fn for_reader(text: &str, is_terminal: bool) -> String {
    if is_terminal { printable_lines(text) } else { text.to_owned() }
}

/// Documents of this project that the answer asks for, and that do not exist.
fn missing(opened: &Opened, answer: &Answer) -> Vec<String> {
    let Ok(tree) = markup::parse(&answer.body) else { return vec![] };
    let resolve = |written: &str| {
        let joined = url::Url::parse(&answer.url).and_then(|base| base.join(written));
        let url = joined.map_or_else(|_| written.to_owned(), String::from);
        url.strip_prefix(&opened.public_url).map_or_else(|| url.clone(), str::to_owned)
    };
    wrong_urls(&names(&opened.config), &tree.root, &resolve)
        .into_iter()
        .map(|(at, message)| format!("{at}: warning 11200: {message}"))
        .collect()
}

fn tell(document: &Document) {
    for finding in view::findings(document) {
        eprintln!("{}", printable(&finding.to_string()));
    }
    eprintln!("a caller would notice:");
    for line in view::outline(document) {
        eprintln!("  {}", printable(&line));
    }
}

fn failed(error: &FetchError) -> ExitCode {
    let FetchError { code, message } = error;
    let message = printable_lines(message);
    // Some messages say themselves what to do.
    match message.ends_with('?') || message.contains("[webhook] allow") {
        true => eprintln!("offhook: error {code}: {message}"),
        false => eprintln!("offhook: error {code}: {message}; {}", advice(*code)),
    }
    ExitCode::FAILURE
}

/// What to do about an error code.
fn advice(code: u32) -> &'static str {
    match code {
        11200 => "look at the server's or function's own log, or name one that exists",
        11210 => "is the host's name spelled as it should be?",
        11100 => "write an absolute http or https URL, bin:NAME or function:NAME",
        11201..=11206 => "is the server up, and reachable from here?",
        11215 => "let it redirect fewer times",
        11220..=11237 => "mend the server's certificate",
        11300..=11320 => "mend the bin's template",
        11750 => "a document has at most 64 KB",
        11770 => "answer with at least <Response/>",
        12100..=12102 => "mend the markup at that place",
        12300 => "send the Content-Type text/xml",
        _ => "see the message above",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_gives_a_terminal_no_orders_and_a_program_every_byte() {
        let text = "<Say>\u{1b}]0;x\u{7}\u{2066}</Say>\n";
        assert_eq!(for_reader(text, true), "<Say>\u{fffd}]0;x\u{fffd}\u{fffd}</Say>\n");
        assert_eq!(for_reader(text, false), text);
    }
}
