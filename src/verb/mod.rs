//! The verbs, one file each: attributes, parsing, behaviour, tests.
//!
//! A verb is a small machine: given a [`Turn`] (what happened, and all that it may ask of the
//! call) it returns a [`Step`]. It never sees legs, SIP or the network. [`VERBS`] gives dispatch
//! and diagnostics; to add a verb is to write its file and its line there.

mod attribute;
mod declarations;
mod dial;
mod document;
mod gather;
mod hangup;
mod number;
mod pause;
mod play;
mod record;
mod redirect;
mod refer;
mod reject;
mod say;
mod schema;
mod sip;
mod target;
pub mod tone;
mod turn;

use std::fmt;
use std::sync::Arc;

use crate::base::Instant;
use crate::markup::{Diagnostic, Element};

pub use attribute::{Kind, Spec, nearest};
pub use declarations::declarations;
pub use document::{Document, Placed};
pub use number::normalise;
pub use play::DIGITS;
pub use schema::schema;
pub use sip::address as sip_destination;
pub use target::{CALL_EVENTS, Destination, Target};
pub use turn::{
    Ask, Event, Handover, Method, Outcome, Outgoing, Progress, Recorded, Recording, Referral,
    Reply, Report, Request, Sound, Speech, Step, Track, Turn, seconds,
};

/// A verb of a document, parsed and checked.
pub trait Verb: fmt::Debug + Send + Sync {
    /// Starts carrying it out.
    fn run(&self) -> Box<dyn Run>;

    /// What it does, a line for each thing that a caller would notice.
    fn outline(&self) -> Vec<String>;

    /// What its author may not have meant, for the linter.
    fn advice(&self) -> Option<&'static str> {
        None
    }

    /// Whether nothing after it can ever run.
    fn is_last(&self) -> bool {
        false
    }

    /// What it will play, so that it can be fetched ahead of its turn.
    fn sounds(&self) -> Vec<Sound> {
        Vec::new()
    }
}

/// A verb being carried out.
pub trait Run: fmt::Debug + Send {
    /// Takes an event and says what comes next.
    fn step(&mut self, turn: &mut Turn<'_>) -> Step;

    /// When [`Event::Due`] is wanted.
    fn timeout(&self) -> Option<Instant> {
        None
    }
}

/// An element that may stand inside a verb.
#[derive(Debug)]
pub struct Noun {
    /// Its name.
    pub name: &'static str,
    /// Its attributes.
    pub attributes: &'static [Spec],
}

/// A verb's line in [`VERBS`].
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its attributes.
    pub attributes: &'static [Spec],
    /// What may stand inside.
    pub nouns: &'static [Noun],
    /// Whether a called party's own document may have it (the TwiML reference).
    pub screening: bool,
    /// Reads it; findings are added to the list.
    pub parse: fn(&Element, &mut Vec<Diagnostic>) -> Arc<dyn Verb>,
}

/// Every verb.
pub const VERBS: &[Definition] = &[
    say::DEFINITION,
    play::DEFINITION,
    pause::DEFINITION,
    gather::DEFINITION,
    record::DEFINITION,
    dial::DEFINITION,
    redirect::DEFINITION,
    refer::DEFINITION,
    reject::DEFINITION,
    hangup::DEFINITION,
];

/// Verbs of the vendor's that are not built yet: they warn, and the call goes on.
pub const NOT_YET: &[&str] =
    &["Connect", "Echo", "Enqueue", "Leave", "Pay", "Prompt", "Queue", "Sms", "Start", "Stop"];

#[cfg(test)]
mod tests;
