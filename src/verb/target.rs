//! Whom `Dial` calls: what all its nouns have in common.

use crate::base::Secret;
use crate::markup::Element;

use super::attribute::{Attributes, Kind, Spec, spec};
use super::play::DIGITS;
use super::turn::{Report, Request};

/// Somebody to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whom.
    pub destination: Destination,
    /// Digits to send when they answer; empty for none.
    pub send_digits: String,
    /// The document that they hear first, and may refuse by.
    pub screen: Option<Request>,
    /// Who is told how far it is.
    pub report: Option<Report>,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A telephone number in E.164.
    Number(String),
    /// A SIP URI without headers.
    Sip {
        /// The URI.
        uri: String,
        /// Headers that stood in it.
        headers: Vec<(String, String)>,
        /// For the far end's challenges.
        login: Option<(String, Secret)>,
    },
    /// What cannot be called: it fails when its turn comes.
    Invalid {
        /// As written.
        text: String,
        /// The code that says why.
        code: u32,
    },
}

impl Target {
    /// Without anything but the destination.
    pub fn plain(destination: Destination) -> Target {
        Target { destination, send_digits: String::new(), screen: None, report: None }
    }

    /// With the attributes that every noun has.
    pub(super) fn read(destination: Destination, attributes: &mut Attributes<'_>) -> Target {
        Target {
            destination,
            send_digits: attributes.characters("sendDigits"),
            screen: attributes.request("url", "method").filter(|screen| !screen.url.is_empty()),
            report: attributes.report(
                "statusCallback",
                "statusCallbackMethod",
                "statusCallbackEvent",
            ),
        }
    }

    /// As webhooks and outlines write it.
    pub fn text(&self) -> &str {
        match &self.destination {
            Destination::Number(number) => number,
            Destination::Sip { uri, .. } => uri,
            Destination::Invalid { text, .. } => text,
        }
    }
}

/// The events of a call that somebody may be told of.
pub const CALL_EVENTS: &[&str] = &["initiated", "ringing", "answered", "completed"];

/// The rows of `Number` and `Sip` that are the same but for the codes of bad values.
pub(super) const fn shared(method: u32, digits: u32) -> [Spec; 14] {
    [
        spec("sendDigits", Kind::Characters(DIGITS), "", digits),
        spec("url", Kind::Url, "", 11100),
        spec("method", Kind::Method, "POST", method),
        spec("statusCallback", Kind::Url, "", 11100),
        spec("statusCallbackMethod", Kind::Method, "POST", method),
        spec("statusCallbackEvent", Kind::Words(CALL_EVENTS), "completed", 12200),
        spec("machineDetection", Kind::NotYet, "", 13211),
        spec("machineDetectionTimeout", Kind::NotYet, "", 13211),
        spec("machineDetectionSpeechThreshold", Kind::NotYet, "", 13211),
        spec("machineDetectionSpeechEndThreshold", Kind::NotYet, "", 13211),
        spec("machineDetectionSilenceTimeout", Kind::NotYet, "", 13211),
        spec("amdStatusCallback", Kind::NotYet, "", 11100),
        spec("amdStatusCallbackMethod", Kind::NotYet, "", 13211),
        // Vendor regions have no meaning here; the name is known so that it does not look wrong.
        spec("region", Kind::NotYet, "", 12200),
    ]
}

/// A noun's text, without the text of its children.
pub(super) fn noun_text(element: &Element) -> String {
    element.text().split_whitespace().collect::<Vec<_>>().join(" ")
}
