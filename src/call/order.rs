//! Orders from outside: a call to be placed, and what is to become of one that goes on.
//!
//! They are read from the parameters of the vendor's REST API, whoever brings them; URLs stay as
//! written until the exchange resolves them. What is wrong is told as that API tells it.

use std::fmt;
use std::sync::Arc;

use crate::base::id::CallSid;
use crate::base::{Duration, Secret};
use crate::directory::Caps;
use crate::verb::{Destination, Document, Request};

mod read;
#[cfg(test)]
mod tests;

pub(super) use read::absolute;

/// An order.
#[derive(Clone, Debug)]
pub enum Order {
    /// A new call.
    Place(Box<Placement>),
    /// For the call with that SID, or the leg that a call dialled.
    Change(CallSid, Box<Change>),
}

/// Why an order is not carried out: what the REST API answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The HTTP status.
    pub status: u16,
    /// The vendor's error code.
    pub code: u32,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Denied {
    /// What most orders fail with: 400.
    pub fn new(code: u32, message: impl Into<String>) -> Denied {
        Denied { status: 400, code, message: message.into() }
    }

    /// The call is not as far as it would have to be, or over.
    pub fn not_in_progress() -> Denied {
        Denied::new(21220, "Call is not in-progress. Cannot redirect.")
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Whom.
    pub to: Callee,
    /// Who is shown as the caller: From, or CallerId where that is given.
    pub shown: String,
    /// From, as webhooks have it.
    pub from: String,
    /// What happens once it is answered.
    pub script: Script,
    /// Who is told how far it is.
    pub watch: Option<Watch>,
    /// How long it may ring.
    pub timeout: Duration,
    /// How long it may last from the answer.
    pub time_limit: Option<Duration>,
    /// Digits to send once it is answered; empty for none.
    pub send_digits: String,
    /// Who answers for what it costs.
    pub payer: Option<Payer>,
    /// What the order's author may not have meant: code and words.
    pub warnings: Vec<(u32, String)>,
}

/// Whom a placed call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callee {
    /// A telephone number, E.164.
    Number(String),
    /// A SIP URI.
    Sip {
        /// Without headers.
        uri: String,
        /// Those that stood in it, checked.
        headers: Vec<(String, String)>,
        /// For the far end's challenges.
        login: Option<(String, Secret)>,
    },
    /// A user of ours by name alone.
    Client(String),
}

impl Callee {
    /// As webhooks write it.
    pub fn text(&self) -> String {
        match self {
            Callee::Number(number) => number.clone(),
            Callee::Sip { uri, .. } => uri.clone(),
            Callee::Client(name) => format!("client:{name}"),
        }
    }
}

impl From<Callee> for Destination {
    fn from(callee: Callee) -> Destination {
        match callee {
            Callee::Number(number) => Destination::Number(number),
            Callee::Sip { uri, headers, login } => Destination::Sip { uri, headers, login },
            Callee::Client(name) => Destination::Invalid { text: name, code: 13223 },
        }
    }
}

/// Who answers for what calls cost, where no user does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// In plain words, such as `function menu`.
    pub name: String,
    /// How much of the telephone network it may use.
    pub caps: Caps,
}

/// Where a call's document comes from.
#[derive(Clone, Debug)]
pub enum Script {
    /// It came with the order.
    Inline(Arc<Document>),
    /// From there.
    At {
        /// The URL.
        request: Request,
        /// When that fails.
        fallback: Option<Request>,
    },
}

/// Who is told how far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Where.
    pub request: Request,
    /// On which events; none: as before, or on the end.
    pub events: Vec<String>,
}

/// What is to become of a call.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What it does from now on.
    pub turn: Option<Turn>,
    /// Who is told how far it is.
    pub watch: Option<Watch>,
    /// How long it may last from its answer.
    pub time_limit: Option<Duration>,
    /// What the order's author may not have meant: code and words.
    pub warnings: Vec<(u32, String)>,
}

/// What a call does from now on.
#[derive(Clone, Debug)]
pub enum Turn {
    /// It leaves the document that it runs, for this one.
    To(Script),
    /// It is given up, which it may be only until it is answered.
    Cancel,
    /// It ends.
    End,
}
