//! `Gather`: digits from the caller, with something to listen to meanwhile.

use std::sync::Arc;

use crate::base::{Duration, Instant};
use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, nearest, spec};
use super::pause::Pause;
use super::play::Play;
use super::say::Say;
use super::turn::{Ask, Event, Handover, Request, Sound, Step, Turn};
use super::{Definition, Noun, Run, Verb, pause, play, say};

/// Longest series of digits kept; longer ones end the verb as `numDigits` would.
const MAX_DIGITS: u32 = 1024;

const ATTRIBUTES: &[Spec] = &[
    spec("action", Kind::Url, "", 11100),
    spec("method", Kind::Method, "POST", 13312),
    spec("input", Kind::Words(&["dtmf", "speech"]), "dtmf", 13326),
    spec("numDigits", Kind::Integer(1, MAX_DIGITS), "", 13314),
    spec("finishOnKey", Kind::Characters("0123456789#*"), "#", 13310),
    spec("timeout", Kind::Integer(1, 14_400), "5", 13313),
    spec("actionOnEmptyResult", Kind::Boolean, "false", 13338),
    spec("speechTimeout", Kind::Text, "", 13327),
    spec("hints", Kind::NotYet, "", 13330),
    spec("language", Kind::Text, "", 13331),
    spec("speechModel", Kind::NotYet, "", 13334),
    spec("enhanced", Kind::NotYet, "", 12200),
    spec("profanityFilter", Kind::NotYet, "", 13333),
    spec("partialResultCallback", Kind::NotYet, "", 11100),
    spec("partialResultCallbackMethod", Kind::NotYet, "", 13329),
    spec("bargeIn", Kind::NotYet, "", 13332),
    spec("debug", Kind::NotYet, "", 12200),
    spec("maxSpeechTime", Kind::NotYet, "", 13328),
];

pub(super) const DEFINITION: Definition = Definition {
    name: "Gather",
    attributes: ATTRIBUTES,
    nouns: &[
        Noun { name: "Say", attributes: say::ATTRIBUTES },
        Noun { name: "Play", attributes: play::ATTRIBUTES },
        Noun { name: "Pause", attributes: pause::ATTRIBUTES },
    ],
    screening: true,
    parse: |element, findings| Arc::new(Gather::parse(element, findings)),
};

/// What the caller hears while keys are awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prompt {
    /// Words.
    Say(Say),
    /// A file.
    Play(Play),
    /// Silence.
    Pause(Pause),
}

/// What ends it and what comes then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    action: Request,
    most: Option<u32>,
    finish: Option<char>,
    timeout: Duration,
    action_on_empty: bool,
    prompts: Vec<Prompt>,
}

impl Gather {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Gather {
        let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
        if attributes.words("input").contains(&"speech") {
            let message = "speech input is not supported here yet; keys are taken";
            attributes.warn(12200, "input", message, "dtmf");
        }
        let action = attributes.request("action", "method");
        let action = action
            .unwrap_or_else(|| Request { url: String::new(), method: attributes.method("method") });
        let finish = attributes.characters("finishOnKey");
        if finish.len() > 1 {
            attributes.warn(13310, "finishOnKey", "finishOnKey takes one key; the first is", "#");
        }
        let auto = attributes.text("timeout").is_some_and(|timeout| timeout == "auto");
        let timeout = if auto { Duration::from_secs(5) } else { attributes.seconds("timeout") };
        let most = attributes.optional_integer("numDigits");
        let action_on_empty = attributes.boolean("actionOnEmptyResult");
        let prompts = prompts(element, findings);
        let finish = finish.chars().next();
        Gather { action, most, finish, timeout, action_on_empty, prompts }
    }
}

fn prompts(element: &Element, findings: &mut Vec<Diagnostic>) -> Vec<Prompt> {
    let mut prompts = Vec::new();
    for child in element.elements() {
        match child.name.as_str() {
            "Say" => prompts.push(Prompt::Say(Say::parse(child, findings))),
            "Pause" => prompts.push(Prompt::Pause(Pause::parse(child, findings))),
            "Play" => {
                let play = Play::parse(child, findings);
                if play.digits.is_empty() {
                    prompts.push(Prompt::Play(play));
                } else {
                    let message = "<Play> inside <Gather> may not send digits; skipped";
                    findings.push(Diagnostic::warning(13320, child.position, message));
                }
            }
            name => {
                let message = format!("<{name}> may not stand in <Gather>; skipped");
                let expected = nearest(name, ["Say", "Play", "Pause"].into_iter());
                let finding = Diagnostic::warning(13320, child.position, message);
                findings.push(finding.expecting(expected.unwrap_or("Say, Play or Pause")));
            }
        }
    }
    prompts
}

impl Verb for Gather {
    fn advice(&self) -> Option<&'static str> {
        let advice = "has no action: the result goes to this document's own URL, which loops \
                      unless that tells requests apart";
        self.action.url.is_empty().then_some(advice)
    }

    fn run(&self) -> Box<dyn Run> {
        let state = State::Prompting { next: 0, pause: None };
        Box::new(Gathering { gather: self.clone(), digits: String::new(), state })
    }

    fn outline(&self) -> Vec<String> {
        let mut line = "gather".to_owned();
        if let Some(most) = self.most {
            line.push_str(&format!(" {most} digits"));
        }
        line.push_str(&format!(" timeout {}s", self.timeout.as_secs()));
        if let Some(finish) = self.finish {
            line.push_str(&format!(" finish {finish}"));
        }
        if !self.action.url.is_empty() {
            line.push_str(&format!(" action {}", self.action.url));
        }
        let inner = self.prompts.iter().flat_map(|prompt| match prompt {
            Prompt::Say(say) => say.outline(),
            Prompt::Play(play) => play.outline(),
            Prompt::Pause(pause) => pause.outline(),
        });
        std::iter::once(line).chain(inner.map(|line| format!("  {line}"))).collect()
    }

    fn sounds(&self) -> Vec<Sound> {
        let sounds = self.prompts.iter().flat_map(|prompt| match prompt {
            Prompt::Say(say) => say.sounds(),
            Prompt::Play(play) => play.sounds(),
            Prompt::Pause(_) => Vec::new(),
        });
        sounds.collect()
    }
}

/// A gather that runs.
#[derive(Debug)]
struct Gathering {
    gather: Gather,
    digits: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A prompt plays, or a pause between them lasts until the given time.
    Prompting { next: usize, pause: Option<Instant> },
    /// All was said, or a key went down: silence ends it.
    Listening { until: Instant },
}

impl Gathering {
    /// The next prompt; after the last one the time runs.
    fn prompt(&mut self, turn: &mut Turn<'_>, mut next: usize) -> Step {
        while let Some(prompt) = self.gather.prompts.get(next) {
            next += 1;
            match prompt {
                Prompt::Pause(pause) => {
                    let pause = Some(turn.now + pause.length);
                    self.state = State::Prompting { next, pause };
                    return Step::Wait;
                }
                Prompt::Say(say) if !say.speech.text.is_empty() => {
                    turn.ask(Ask::Play(Sound::Speech(say.speech.clone()), say.loops));
                }
                Prompt::Play(play) if !play.url.is_empty() => {
                    turn.ask(Ask::Play(Sound::File(play.url.clone()), play.loops));
                }
                Prompt::Say(_) | Prompt::Play(_) => continue,
            }
            self.state = State::Prompting { next, pause: None };
            return Step::Wait;
        }
        self.listen(turn)
    }

    fn listen(&mut self, turn: &Turn<'_>) -> Step {
        self.state = State::Listening { until: turn.now + self.gather.timeout };
        Step::Wait
    }

    fn digit(&mut self, turn: &mut Turn<'_>, digit: char) -> Step {
        if matches!(self.state, State::Prompting { .. }) {
            turn.ask(Ask::Stop);
        }
        if self.gather.finish == Some(digit) {
            return self.finish(Some(digit));
        }
        self.digits.push(digit);
        let most = self.gather.most.unwrap_or(MAX_DIGITS) as usize;
        if self.digits.len() >= most {
            return self.finish(None);
        }
        self.listen(turn)
    }

    fn finish(&mut self, key: Option<char>) -> Step {
        if self.digits.is_empty() && !self.gather.action_on_empty {
            return Step::Done;
        }
        Step::Document(Handover::new(
            &self.gather.action,
            [
                ("msg", "Gather End".to_owned()),
                ("Digits", std::mem::take(&mut self.digits)),
                ("FinishedOnKey", key.map(String::from).unwrap_or_default()),
            ],
        ))
    }
}

impl Run for Gathering {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match (turn.event.clone(), &self.state) {
            (Event::Start, _) => {
                turn.answer();
                self.prompt(turn, 0)
            }
            (Event::Digit(digit), _) => self.digit(turn, digit),
            (Event::Played, State::Prompting { next, pause: None })
            | (Event::Due, State::Prompting { next, pause: Some(_) }) => {
                let next = *next;
                self.prompt(turn, next)
            }
            (Event::Due, State::Listening { .. }) => self.finish(None),
            (Event::Left, _) => Step::Hangup,
            _ => Step::Wait,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        match self.state {
            State::Prompting { pause, .. } => pause,
            State::Listening { until } => Some(until),
        }
    }
}
