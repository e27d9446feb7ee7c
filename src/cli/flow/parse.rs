//! Reads flow files: `flow "name"` blocks, one step a line, every mistake with its place.

use super::words::{Word, length, words};
use super::{Action, Expectation, Flow, Mistake, Step, Webhook, Who};
use crate::base::{Duration, nearest};
use crate::markup::Position;

/// The largest flow file: hundreds of flows.
const LARGEST: usize = 256 * 1024;
/// Steps of one flow; a longer one is several.
const MOST_STEPS: usize = 1_000;
/// Mistakes told of one file; more are consequences.
const MOST_MISTAKES: usize = 50;

/// Every step: its keyword and how it is written.
const STEPS: [(&str, &str); 14] = [
    ("webhook", "webhook URL returns FILE [status N] [after 3s]"),
    ("call", "call from FROM to TO"),
    (
        "expect",
        "expect say|play|pause|gather|record|dial|redirect|refer|reject|hangup|status|callback …",
    ),
    ("answer", "answer"),
    ("busy", "busy"),
    ("decline", "decline"),
    ("no-answer", "no-answer"),
    ("press", "press DIGITS [caller|called]"),
    ("speak", "speak 4s [caller|called]"),
    ("silence", "silence 4s"),
    ("wait", "wait 10s"),
    ("hangup", "hangup [caller|called]"),
    ("at", "at 12s"),
    ("flow", "flow \"name\""),
];

/// Everything that can be expected: its keyword and how it is written.
const EXPECTATIONS: [(&str, &str); 14] = [
    ("say", "expect say \"text\""),
    ("play", "expect play URL"),
    ("pause", "expect pause [3s]"),
    ("gather", "expect gather [WORD …]"),
    ("record", "expect record [WORD …]"),
    ("dial", "expect dial TARGET [caller-id NUMBER]"),
    ("conference", "expect conference [NAME]"),
    ("enqueue", "expect enqueue [NAME]"),
    ("redirect", "expect redirect [URL]"),
    ("refer", "expect refer [URI]"),
    ("reject", "expect reject [busy|rejected]"),
    ("hangup", "expect hangup"),
    ("status", "expect status completed|busy|no-answer|failed|canceled|in-progress|ringing"),
    ("callback", "expect callback [URL] [Name=value …]"),
];

/// The words of CallStatus.
const STATUSES: [&str; 8] =
    ["initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"];

/// Reads a flow file; all mistakes at once.
pub fn parse(text: &str) -> Result<Vec<Flow>, Vec<Mistake>> {
    if text.len() > LARGEST {
        let message = format!("the file is larger than {LARGEST} bytes; split it");
        return Err(vec![Mistake::new(Position::START, message)]);
    }
    let mut flows: Vec<Flow> = Vec::new();
    let mut mistakes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Err(mistake) = read_line(line, number, &mut flows) {
            mistakes.push(mistake);
        }
        if mistakes.len() >= MOST_MISTAKES {
            break;
        }
    }
    for flow in &flows {
        let calls = |step: &Step| matches!(step.action, Action::Call { .. });
        // A flow whose lines have mistakes may have lost its call to them.
        if mistakes.is_empty() && !flow.steps.iter().any(calls) {
            let message = format!("nobody calls in this flow; add `{}`", usage(&STEPS, "call"));
            mistakes.push(Mistake::new(flow.position, message));
        }
    }
    if mistakes.is_empty() { Ok(flows) } else { Err(mistakes) }
}

fn read_line(line: &str, number: u32, flows: &mut Vec<Flow>) -> Result<(), Mistake> {
    let words = words(line, number)?;
    let Some((first, rest)) = words.split_first() else { return Ok(()) };
    let position = first.position;
    let mut arguments = Arguments { keyword: first, words: rest.iter(), table: &STEPS };
    if first.text == "flow" && !first.quoted {
        let name = arguments.take()?.text.clone();
        arguments.finish()?;
        if flows.iter().any(|flow| flow.name == name) {
            let message = format!("there is already a flow \"{name}\" in this file");
            return Err(Mistake::new(position, message));
        }
        flows.push(Flow { name, position, steps: Vec::new() });
        return Ok(());
    }
    let action = action(&mut arguments)?;
    arguments.finish()?;
    let Some(flow) = flows.last_mut() else {
        let message = "a step before any flow; begin with `flow \"name\"`";
        return Err(Mistake::new(position, message));
    };
    if flow.steps.len() >= MOST_STEPS {
        let message = format!("a flow has at most {MOST_STEPS} steps; split it");
        return Err(Mistake::new(position, message));
    }
    let last = words.last().map_or(position, |word| word.position);
    let text = step_text(line, position, last);
    flow.steps.push(Step { position, text, action });
    Ok(())
}

/// The step as written, without what stands around it.
fn step_text(line: &str, first: Position, last: Position) -> String {
    let from_first: String = line.chars().skip(first.column as usize - 1).collect();
    // A comment begins after the last word: only there can ` #` be one.
    let tail = (last.column - first.column) as usize;
    let tail = from_first.char_indices().nth(tail).map_or(0, |(at, _)| at);
    let quoted = from_first[tail..].starts_with('"');
    let end = match quoted {
        true => from_first[tail + 1..].rfind('"').map(|at| tail + 1 + at + 1),
        false => from_first[tail..].find(char::is_whitespace).map(|at| tail + at),
    };
    from_first[..end.unwrap_or(from_first.len())].to_owned()
}

fn action(arguments: &mut Arguments<'_>) -> Result<Action, Mistake> {
    let keyword = arguments.keyword;
    let action = match keyword.text.as_str() {
        "webhook" => webhook(arguments)?,
        "call" => {
            arguments.literal("from")?;
            let from = arguments.take()?.text.clone();
            arguments.literal("to")?;
            Action::Call { from, to: arguments.take()?.text.clone() }
        }
        "expect" => Action::Expect(expectation(arguments)?),
        "answer" => Action::Answer,
        "busy" => Action::Busy,
        "decline" => Action::Decline,
        "no-answer" => Action::NoAnswer,
        "press" => {
            let digits = digits(arguments.take()?)?;
            Action::Press(arguments.who()?, digits)
        }
        "speak" => {
            let length = arguments.length()?;
            Action::Speak(arguments.who()?, length)
        }
        "silence" => Action::Silence(arguments.length()?),
        "wait" => Action::Wait(arguments.length()?),
        "hangup" => Action::Hangup(arguments.who()?),
        "at" => Action::At(arguments.length()?),
        _ => return Err(unknown(keyword, "step", &STEPS)),
    };
    Ok(action)
}

fn webhook(arguments: &mut Arguments<'_>) -> Result<Action, Mistake> {
    let url = arguments.take()?;
    if !url.text.starts_with("http://") && !url.text.starts_with("https://") {
        let message = format!("a webhook has an http or https URL, not \"{}\"", url.text);
        return Err(Mistake::new(url.position, message));
    }
    arguments.literal("returns")?;
    let file = arguments.take()?.text.clone();
    let mut webhook = Webhook { url: url.text.clone(), file, status: 200, after: Duration::ZERO };
    while let Some(word) = arguments.next() {
        match word.text.as_str() {
            "status" => {
                let word = arguments.take()?;
                let status = word.text.parse().ok().filter(|status| (200..=599).contains(status));
                let wanted = || Mistake::new(word.position, "expected a status of 200 to 599");
                webhook.status = status.ok_or_else(wanted)?;
            }
            "after" => webhook.after = arguments.length()?,
            _ => return Err(arguments.usage_at(word)),
        }
    }
    Ok(Action::Webhook(webhook))
}

fn expectation(arguments: &mut Arguments<'_>) -> Result<Expectation, Mistake> {
    let what = arguments.take()?;
    arguments.keyword = what;
    arguments.table = &EXPECTATIONS;
    let text = |word: Option<&Word>| word.map(|word| word.text.clone());
    let expectation = match what.text.as_str() {
        "say" => Expectation::Say(text(arguments.next())),
        "play" => Expectation::Play(text(arguments.next())),
        "record" => Expectation::Record(arguments.rest()),
        "dial" => {
            let target = text(arguments.next());
            let mut caller_id = None;
            if let Some(word) = arguments.next() {
                if word.text != "caller-id" {
                    return Err(arguments.usage_at(word));
                }
                caller_id = Some(arguments.take()?.text.clone());
            }
            Expectation::Dial { target, caller_id }
        }
        "status" => {
            let word = arguments.take()?;
            if !STATUSES.contains(&word.text.as_str()) {
                return Err(unknown_word(word, "status", &STATUSES));
            }
            Expectation::Status(word.text.clone())
        }
        "callback" => callback(arguments)?,
        "pause" => Expectation::Verb("Pause", arguments.rest()),
        "gather" => Expectation::Verb("Gather", arguments.rest()),
        "conference" => Expectation::Verb("Conference", arguments.rest()),
        "enqueue" => Expectation::Verb("Enqueue", arguments.rest()),
        "redirect" => Expectation::Verb("Redirect", arguments.rest()),
        "refer" => Expectation::Verb("Refer", arguments.rest()),
        "reject" => Expectation::Verb("Reject", arguments.rest()),
        "hangup" => Expectation::Verb("Hangup", arguments.rest()),
        _ => return Err(unknown(what, "expectation", &EXPECTATIONS)),
    };
    Ok(expectation)
}

fn callback(arguments: &mut Arguments<'_>) -> Result<Expectation, Mistake> {
    let mut url = None;
    let mut parameters = Vec::new();
    while let Some(word) = arguments.next() {
        // A URL may hold `=` too, but never before its colon.
        match word.text.split_once('=').filter(|(name, _)| !name.contains([':', '/'])) {
            Some((name, value)) => parameters.push((name.to_owned(), value.to_owned())),
            None if url.is_none() => url = Some(word.text.clone()),
            None => return Err(arguments.usage_at(word)),
        }
    }
    Ok(Expectation::Callback { url, parameters })
}

fn digits(word: &Word) -> Result<String, Mistake> {
    let fits = |c: char| c.is_ascii_digit() || "*#ABCDwW".contains(c);
    if word.text.is_empty() || !word.text.chars().all(fits) {
        let message = format!("expected keys: 0-9 * # A-D, and w to wait; not \"{}\"", word.text);
        return Err(Mistake::new(word.position, message));
    }
    Ok(word.text.clone())
}

/// What follows a keyword.
struct Arguments<'w> {
    keyword: &'w Word,
    words: std::slice::Iter<'w, Word>,
    /// Where the keyword's usage stands.
    table: &'static [(&'static str, &'static str)],
}

impl<'w> Arguments<'w> {
    fn next(&mut self) -> Option<&'w Word> {
        self.words.next()
    }

    /// The next word, which must be there.
    fn take(&mut self) -> Result<&'w Word, Mistake> {
        let keyword = self.keyword;
        self.next().ok_or_else(|| {
            let usage = usage(self.table, &keyword.text);
            Mistake::new(keyword.position, format!("something is missing here; expected `{usage}`"))
        })
    }

    fn literal(&mut self, wanted: &str) -> Result<(), Mistake> {
        let word = self.take()?;
        if word.text == wanted { Ok(()) } else { Err(self.usage_at(word)) }
    }

    fn length(&mut self) -> Result<Duration, Mistake> {
        let word = self.take()?;
        length(&word.text).map_err(|message| Mistake::new(word.position, message))
    }

    fn who(&mut self) -> Result<Who, Mistake> {
        let Some(word) = self.next() else { return Ok(Who::Newest) };
        match word.text.as_str() {
            "caller" => Ok(Who::Caller),
            "called" => Ok(Who::Called),
            _ => Err(self.usage_at(word)),
        }
    }

    fn rest(&mut self) -> Vec<String> {
        self.words.by_ref().map(|word| word.text.clone()).collect()
    }

    fn finish(&mut self) -> Result<(), Mistake> {
        match self.next() {
            Some(word) => Err(self.usage_at(word)),
            None => Ok(()),
        }
    }

    fn usage_at(&self, word: &Word) -> Mistake {
        let usage = usage(self.table, &self.keyword.text);
        Mistake::new(word.position, format!("\"{}\" does not fit; expected `{usage}`", word.text))
    }
}

fn usage(table: &[(&'static str, &'static str)], keyword: &str) -> &'static str {
    table.iter().find(|(known, _)| *known == keyword).map_or("flow \"name\"", |(_, usage)| usage)
}

fn unknown(word: &Word, kind: &str, table: &[(&'static str, &'static str)]) -> Mistake {
    let known: Vec<&str> = table.iter().map(|(keyword, _)| *keyword).collect();
    unknown_word(word, kind, &known)
}

fn unknown_word(word: &Word, kind: &str, known: &[&str]) -> Mistake {
    let hint = match nearest(&word.text, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("known: {}", known.join(", ")),
    };
    Mistake::new(word.position, format!("unknown {kind} \"{}\"; {hint}", word.text))
}
