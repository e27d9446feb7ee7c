//! What a flow file says: its flows, their steps, and what may be wrong with them.

use crate::base::Duration;
use crate::markup::Position;

/// A flow: one call from its first ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub position: Position,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A step and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its first character.
    pub position: Position,
    /// As written, without white space around it.
    pub text: String,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A web server answers from now on.
    Webhook(Webhook),
    /// Somebody calls.
    Call {
        /// Who.
        from: String,
        /// Whom.
        to: String,
    },
    /// Time passes until this is seen.
    Expect(Expectation),
    /// The newest called party answers.
    Answer,
    /// It is busy.
    Busy,
    /// It declines.
    Decline,
    /// It lets it ring.
    NoAnswer,
    /// Keys are pressed.
    Press(Who, String),
    /// Somebody speaks for so long.
    Speak(Who, Duration),
    /// Nobody speaks for so long.
    Silence(Duration),
    /// Time passes.
    Wait(Duration),
    /// Somebody hangs up.
    Hangup(Who),
    /// Time passes until so long after the call began.
    At(Duration),
}

/// Which party a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The newest that it can be about.
    Newest,
    /// The caller.
    Caller,
    /// The newest called party.
    Called,
}

/// What a web server answers to one URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The URL; its query counts only if it is written.
    pub url: String,
    /// The file of the answer, below the project folder.
    pub file: String,
    /// The HTTP status.
    pub status: u16,
    /// How long the answer takes.
    pub after: Duration,
}

/// Something that is to be seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// A sentence with this text in it is said.
    Say(Option<String>),
    /// A file whose URL holds this is played, or such digits are sent.
    Play(Option<String>),
    /// A recording begins; the words stand in the outline of its verb.
    Record(Vec<String>),
    /// The turn of that verb comes; the words stand in its outline.
    Verb(&'static str, Vec<String>),
    /// Somebody is called.
    Dial {
        /// Whom.
        target: Option<String>,
        /// Under which caller ID.
        caller_id: Option<String>,
    },
    /// The caller's leg takes this status.
    Status(String),
    /// A report goes out.
    Callback {
        /// To a URL that holds this.
        url: Option<String>,
        /// With these parameters.
        parameters: Vec<(String, String)>,
    },
}

/// Something wrong in a flow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub position: Position,
    /// What, and what would be right.
    pub message: String,
}

impl Mistake {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        Mistake { position, message: message.into() }
    }
}
