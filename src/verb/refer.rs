//! `Refer`: asks the party's own telephone to call somebody else, and tells how that went.
//!
//! The party leaves by itself once it is through (RFC 3515, RFC 5589); should it stay, the
//! document goes on.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::{Duration, Instant};
use crate::markup::{Diagnostic, Element};

use super::attribute::{Attributes, Kind, Spec, spec};
use super::sip;
use super::target::{Destination, noun_text};
use super::turn::{Ask, Event, Handover, Referral, Request, Step, Turn};
use super::{Definition, Noun, Run, Verb};

/// How long the party may take to come through: its own phone rings no longer than that, and a
/// subscription that nobody renews is over by then.
const LONGEST: Duration = Duration::from_secs(180);

/// What need not be escaped in a URI's header part (RFC 3261 section 25.1, `hname`).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const ATTRIBUTES: &[Spec] =
    &[spec("action", Kind::Url, "", 11100), spec("method", Kind::Method, "POST", 13210)];

pub(super) const DEFINITION: Definition = Definition {
    name: "Refer",
    attributes: ATTRIBUTES,
    nouns: &[Noun { name: "Sip", attributes: &[] }],
    screening: false,
    parse: |element, findings| Arc::new(Refer::parse(element, findings)),
};

/// Whom the party is to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    action: Option<Request>,
    /// The URI with its headers, or the code that says why there is none.
    to: Result<String, u32>,
}

impl Refer {
    fn parse(element: &Element, findings: &mut Vec<Diagnostic>) -> Refer {
        let mut attributes = Attributes::new(element, ATTRIBUTES, findings);
        let action = attributes.request("action", "method").filter(|a| !a.url.is_empty());
        let mut to = None;
        for child in element.elements() {
            match child.name.as_str() {
                "Sip" if to.is_none() => {
                    Attributes::new(child, &[], findings);
                    let named = sip::destination(&noun_text(child), None, child.position, findings);
                    to = Some(target(named));
                }
                "Sip" => {
                    let message = "<Refer> takes one <Sip>; this one is left out";
                    findings.push(Diagnostic::warning(12200, child.position, message));
                }
                name => {
                    let message = format!("<{name}> may not stand in <Refer>; skipped");
                    let finding = Diagnostic::warning(12200, child.position, message);
                    findings.push(finding.expecting("<Sip>"));
                }
            }
        }
        if to.is_none() {
            let message = "<Refer> names nobody and fails";
            let finding = Diagnostic::warning(12200, element.position, message);
            findings.push(finding.expecting("<Sip>sip:user@host</Sip>"));
        }
        Refer { action, to: to.unwrap_or(Err(12200)) }
    }
}

/// The URI as Refer-To takes it.
fn target(named: Destination) -> Result<String, u32> {
    match named {
        Destination::Sip { uri, headers, .. } => {
            let escaped = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
            let headers = headers.iter().map(|(name, value)| (escaped(name), escaped(value)));
            let query = headers.map(|(name, value)| format!("{name}={value}"));
            let query = query.collect::<Vec<_>>().join("&");
            Ok(if query.is_empty() { uri } else { format!("{uri}?{query}") })
        }
        Destination::Invalid { code, .. } => Err(code),
        Destination::Number(_) => Err(13243),
    }
}

impl Verb for Refer {
    fn run(&self) -> Box<dyn Run> {
        Box::new(Referring {
            refer: self.clone(),
            sip_call_id: None,
            answer: None,
            report: None,
            until: None,
        })
    }

    fn outline(&self) -> Vec<String> {
        let to = self.to.as_deref().unwrap_or("nobody");
        vec![format!("refer {to}")]
    }
}

/// A party that is being referred.
#[derive(Debug)]
struct Referring {
    refer: Refer,
    sip_call_id: Option<String>,
    /// The status that answered our request.
    answer: Option<u16>,
    /// The status that was reported last.
    report: Option<u16>,
    until: Option<Instant>,
}

impl Referring {
    fn start(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.refer.to.clone() {
            Ok(to) => {
                turn.answer();
                turn.ask(Ask::Refer(to));
                self.until = Some(turn.now + LONGEST);
                Step::Wait
            }
            Err(code) => {
                turn.ask(Ask::Note(code, "<Refer> has nobody to refer to".to_owned()));
                self.finish("failed")
            }
        }
    }

    fn told(&mut self, referral: Referral) -> Step {
        match referral {
            Referral::Accepted(status) => self.answer = Some(status),
            Referral::Refused(status) => {
                self.answer = Some(status);
                return self.finish("failed");
            }
            Referral::Reported(status) => {
                self.report = Some(status);
                if status >= 200 {
                    return self.finish(word(status));
                }
            }
        }
        Step::Wait
    }

    fn finish(&mut self, status: &str) -> Step {
        self.until = None;
        let Some(action) = &self.refer.action else { return Step::Done };
        let mut handover = Handover::new(action, [("ReferCallStatus", status.to_owned())]);
        let mut add =
            |name: &str, value: String| handover.parameters.push((name.to_owned(), value));
        if let Some(call_id) = &self.sip_call_id {
            add("ReferSipCallId", call_id.clone());
        }
        // A report may overtake the answer, which it proves.
        if let Some(answer) = self.answer.or(self.report.map(|_| 202)) {
            add("ReferSipResponseCode", answer.to_string());
        }
        if let Some(report) = self.report {
            add("NotifySipResponseCode", report.to_string());
        }
        Step::Document(handover)
    }
}

/// ReferCallStatus for how the party's own call ended (the TwiML reference).
fn word(status: u16) -> &'static str {
    match status {
        200..300 => "in-progress",
        486 | 600 => "busy",
        408 | 480 | 487 | 603 => "no-answer",
        _ => "failed",
    }
}

impl Run for Referring {
    fn step(&mut self, turn: &mut Turn<'_>) -> Step {
        match &turn.event {
            Event::Start => self.start(turn),
            Event::Referred { sip_call_id, referral } => {
                if sip_call_id.is_some() {
                    self.sip_call_id.clone_from(sip_call_id);
                }
                let referral = *referral;
                self.told(referral)
            }
            // Phones that let go as soon as they have taken the request (RFC 5589 section 6.1)
            // are on their way; nobody will tell us how it ends.
            Event::Left => self.finish("canceled"),
            Event::Due => {
                let text = "no report of the <Refer> came in 180 s".to_owned();
                turn.ask(Ask::Note(0, text));
                self.finish("no-answer")
            }
            _ => Step::Wait,
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Refer, Vec<u32>) {
        let tree = crate::markup::parse(body.as_bytes()).expect("well-formed");
        let mut findings = Vec::new();
        let refer = Refer::parse(&tree.root, &mut findings);
        (refer, findings.iter().map(|finding| finding.code).collect())
    }

    /// Runs it through those events; what it asks, and its last step.
    fn run(refer: &Refer, events: Vec<Event>) -> (Vec<Ask>, Step) {
        let (mut run, mut asks, mut step) = (refer.run(), Vec::new(), Step::Wait);
        for event in events {
            assert_eq!(step, Step::Wait, "{event:?}");
            let now = Instant::ZERO;
            let asks = &mut asks;
            step = run.step(&mut Turn { now, event, answered: false, first: true, asks });
        }
        (asks, step)
    }

    fn told(referral: Referral) -> Event {
        Event::Referred { sip_call_id: Some("c@h".to_owned()), referral }
    }

    fn parameters(step: Step) -> Vec<(String, String)> {
        match step {
            Step::Document(handover) => handover.parameters,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_target_keeps_its_headers_and_nothing_else_is_let_in() {
        let (refer, codes) =
            read("<Refer><Sip> sip:bob@h;transport=tcp?X-a=1%20%26b&amp;Via=x </Sip></Refer>");
        assert_eq!(refer.to.as_deref(), Ok("sip:bob@h;transport=tcp?X-a=1%20%26b"));
        assert_eq!(codes, [13252], "Via is not to be written by a document");
        assert_eq!(read("<Refer/>").1, [12200]);
        assert_eq!(read("<Refer><Sip>nobody here</Sip></Refer>").0.to, Err(13243));
        let (refer, codes) = read("<Refer><Number>1</Number><Sip>a@b</Sip><Sip>c@d</Sip></Refer>");
        assert_eq!(refer.to.as_deref(), Ok("sip:a@b"));
        assert_eq!(codes, [12200, 12200]);
    }

    #[test]
    fn the_action_is_told_how_it_went() {
        let (refer, _) = read("<Refer action='/next'><Sip>sip:bob@h</Sip></Refer>");
        let accepted = || vec![Event::Start, told(Referral::Accepted(202))];
        let cases = [
            (told(Referral::Reported(200)), "in-progress", Some("200")),
            (told(Referral::Reported(486)), "busy", Some("486")),
            (told(Referral::Reported(404)), "failed", Some("404")),
            (Event::Left, "canceled", None),
            (Event::Due, "no-answer", None),
        ];
        for (last, status, report) in cases {
            let events = [accepted(), vec![last]].concat();
            let (asks, step) = run(&refer, events);
            assert_eq!(asks[..2], [Ask::Answer, Ask::Refer("sip:bob@h".to_owned())]);
            let told = parameters(step);
            let value = |name: &str| {
                told.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            };
            assert_eq!(value("ReferCallStatus"), Some(status));
            assert_eq!(value("ReferSipResponseCode"), Some("202"));
            assert_eq!(value("NotifySipResponseCode"), report);
            assert_eq!(value("ReferSipCallId"), Some("c@h"));
        }
        let refused = vec![Event::Start, told(Referral::Refused(405))];
        let told = parameters(run(&refer, refused).1);
        assert!(told.contains(&("ReferSipResponseCode".to_owned(), "405".to_owned())));
        assert!(told.contains(&("ReferCallStatus".to_owned(), "failed".to_owned())));
    }

    #[test]
    fn without_an_action_the_document_goes_on() {
        let (refer, _) = read("<Refer><Sip>sip:bob@h</Sip></Refer>");
        let ended =
            vec![Event::Start, told(Referral::Reported(180)), told(Referral::Reported(603))];
        assert_eq!(run(&refer, ended).1, Step::Done);
        let (nobody, _) = read("<Refer/>");
        let (asks, step) = run(&nobody, vec![Event::Start]);
        assert_eq!(step, Step::Done);
        assert!(matches!(asks[..], [Ask::Note(12200, _)]), "and the caller is not answered for it");
    }
}
