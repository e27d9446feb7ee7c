//! What a verb may ask of the call that runs it, and what it is told: plain values both ways.

use crate::base::id::{CallSid, RecordingSid};
use crate::base::{Duration, Instant};
use crate::leg::Refusal;
use crate::media::RecordingEnd;

use super::target::Target;
use super::tone::Tone;

/// The request method of a webhook or callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters as a form.
    #[default]
    Post,
}

impl Method {
    /// `GET` or `POST`.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speech {
    /// The text, entities resolved, white space folded.
    pub text: String,
    /// The voice's name as the markup wrote it; empty for the default.
    pub voice: String,
    /// The language tag, such as `en-US`; empty for the voice's own.
    pub language: String,
}

/// Something to be heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sound {
    /// A sentence.
    Speech(Speech),
    /// A sound file, by a URL that may be relative to the document's.
    File(String),
    /// A signal of our own.
    Tone(Tone),
}

/// An address to be asked or told.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Request {
    /// The URL as written; empty for the current document's.
    pub url: String,
    /// How.
    pub method: Method,
}

/// Who is told of a recording, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where.
    pub request: Request,
    /// On which events.
    pub events: Vec<&'static str>,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// The party that runs the verb.
    Own,
    /// The party and a target of `Dial`, in one channel.
    Mixed(usize),
    /// The party and a target, a channel each.
    Dual(usize),
}

/// A recording wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Whom.
    pub track: Track,
    /// The longest.
    pub max: Duration,
    /// Ends after so much silence.
    pub silence: Option<Duration>,
    /// Cut silence off both ends.
    pub trim: bool,
    /// RecordingSource.
    pub source: &'static str,
    /// Who hears of it.
    pub report: Option<Report>,
}

/// Something that a verb asks for. None of it is answered at once: [`Event`]s follow.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Answers the party if that has not happened.
    Answer,
    /// Lets the party hear sound before it is answered.
    EarlyMedia,
    /// Refuses the party, which has not been answered.
    Refuse(Refusal),
    /// Plays a sound so often; [`Event::Played`] follows.
    Play(Sound, u32),
    /// Stops what plays; no [`Event::Played`] comes for it.
    Stop,
    /// Sends digits; [`Event::Played`] follows.
    SendDigits(String),
    /// Records; [`Event::Recorded`] follows in the end, whatever happens.
    Record(Box<Recording>),
    /// Ends the recording.
    StopRecording,
    /// Calls a target of `Dial`, numbered by the verb; [`Event::Target`]s follow.
    Ring {
        /// Its number.
        target: usize,
        /// Whom and how.
        call: Box<Outgoing>,
    },
    /// Sends digits to a target; [`Progress::DigitsSent`] follows.
    TargetDigits(usize, String),
    /// Runs a document for a target; [`Progress::Accepted`] follows unless the document hangs up.
    Screen(usize, Request),
    /// Joins the party with a target.
    Join(usize),
    /// Parts the party from whom it was joined with.
    Part,
    /// Hangs a target up; the outcome is what it counts as if it was not answered. Nothing more
    /// need be heard of it.
    Drop(usize, Outcome),
    /// Asks the party to call that URI instead of us; [`Event::Referred`]s follow.
    Refer(String),
    /// A line for the call's log.
    Note(u32, String),
}

/// How to call a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Whom.
    pub target: Target,
    /// The caller ID that the markup asked for.
    pub caller_id: Option<String>,
}

/// Something that a verb is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The verb's turn has come.
    Start,
    /// The party pressed a key.
    Digit(char),
    /// What was asked to be played or sent has ended.
    Played,
    /// The deadline of [`super::Run::timeout`] has come.
    Due,
    /// The party hung up. The verb may still ask for a document, which nobody will hear.
    Left,
    /// The recording ended.
    Recorded(Recorded),
    /// How far the party is with what [`Ask::Refer`] asked for.
    Referred {
        /// The Call-ID of the party's dialog.
        sip_call_id: Option<String>,
        /// How far.
        referral: Referral,
    },
    /// Something happened to a target.
    Target {
        /// Its number.
        target: usize,
        /// Its leg's SID.
        sid: CallSid,
        /// What.
        progress: Progress,
    },
}

/// A recording that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its name.
    pub sid: RecordingSid,
    /// Where it can be fetched.
    pub url: String,
    /// Why it ended.
    pub end: RecordingEnd,
    /// How long it is.
    pub length: Duration,
    /// Whether anything was heard.
    pub heard: bool,
}

/// How far a party is that we asked to call somebody else; each with the SIP status that said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referral {
    /// It took the request.
    Accepted(u16),
    /// It would not; nothing more comes.
    Refused(u16),
    /// What it reports of its own call; one of 200 or more is the last.
    Reported(u16),
}

/// How far a target of `Dial` is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It rings.
    Ringing,
    /// It sends sound before the answer.
    EarlyMedia,
    /// It answered.
    Answered(Reply),
    /// The digits were sent.
    DigitsSent,
    /// Its document ended without hanging up.
    Accepted,
    /// Somebody took it away for another document.
    Redirected,
    /// It is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// What its signalling said.
        reply: Reply,
    },
}

/// What the far end's final response said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reply {
    /// The Call-ID, where there is one.
    pub sip_call_id: Option<String>,
    /// The final status.
    pub sip_status: Option<u16>,
    /// X- headers.
    pub headers: Vec<(String, String)>,
}

/// How a dialled leg ended; the words of DialCallStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Completed,
    /// Busy.
    Busy,
    /// Nobody took it.
    NoAnswer,
    /// It could not be made.
    Failed,
    /// Given up before the answer.
    Canceled,
}

impl Outcome {
    /// As DialCallStatus spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Busy => "busy",
            Outcome::NoAnswer => "no-answer",
            Outcome::Failed => "failed",
            Outcome::Canceled => "canceled",
        }
    }
}

/// One turn of a verb: what happened, what holds, and all that it may ask.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time.
    pub now: Instant,
    /// What happened.
    pub event: Event,
    /// Whether the party has been answered.
    pub answered: bool,
    /// Whether the verb is the first of its document.
    pub first: bool,
    /// What is asked, in order.
    pub asks: &'a mut Vec<Ask>,
}

impl Turn<'_> {
    /// Asks for something.
    pub fn ask(&mut self, ask: Ask) {
        self.asks.push(ask);
    }

    /// Answers the party, unless it has been.
    pub fn answer(&mut self) {
        if !self.answered {
            self.answered = true;
            self.ask(Ask::Answer);
        }
    }
}

/// What a verb does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It waits for its next event.
    Wait,
    /// It is done; the next verb's turn comes.
    Done,
    /// Another document takes over.
    Document(Handover),
    /// The party is hung up.
    Hangup,
}

/// A request whose answer takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Where.
    pub request: Request,
    /// Parameters beside those of every request.
    pub parameters: Vec<(String, String)>,
}

impl Handover {
    /// With parameters given by name.
    pub fn new<const N: usize>(request: &Request, parameters: [(&str, String); N]) -> Self {
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value)).into();
        Handover { request: request.clone(), parameters }
    }
}

/// Whole seconds, rounded to the nearest, as durations are reported.
pub fn seconds(length: Duration) -> u64 {
    (length.as_millis() as u64 + 500) / 1000
}
