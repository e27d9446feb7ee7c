//! A party reached by SIP: dialogs on one side, one media session on the other.
//!
//! An incoming leg is one dialog; an outgoing one is a fork of up to [`MAX_BRANCHES`] dialogs, of
//! which the first to answer wins. Offer and answer are settled here (RFC 3264).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::{Cause, Command, Event, Refusal, Tracks};
use crate::audio::codec::Codec;
use crate::base::id::LegId;
use crate::base::{Duration, Instant, Machine, Outbox, Rng};
use crate::directory::EarlyMedia;
use crate::media::{self, Remote, SessionId};
use crate::sdp::{self, Direction, LocalDescription};
use crate::sip::Method;
use crate::sip::{self, Body, DialogId, Ending, HeaderField, Login, Message};

mod incoming;
mod offer;
mod outgoing;
mod sound;
#[cfg(test)]
mod tests;
mod transfer;
mod translated;
mod within;

pub use offer::objection;
use offer::{sdp_body, sdp_of};

/// Phones of one user that ring together: as many as may register (sip::registrar).
pub const MAX_BRANCHES: usize = 10;

/// Media commands that may wait for the session's socket.
const MAX_WAITING: usize = 64;

/// Where one branch of an outgoing leg goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The Request-URI.
    pub uri: String,
    /// The To URI.
    pub to: String,
    /// The From URI.
    pub from: String,
    /// The From display name.
    pub display_name: Option<String>,
    /// Where to send.
    pub flow: sip::Flow,
    /// Preloaded routes.
    pub route: Vec<String>,
    /// What is left of Max-Forwards.
    pub max_forwards: u8,
    /// For challenges.
    pub login: Option<Login>,
    /// What is wanted of session timers, where that is not what the configuration says.
    pub session: Option<sip::dialog::session_timer::Settings>,
    /// Whether an address translator is known to stand before it.
    pub leeway: media::Leeway,
    /// Headers to add.
    pub headers: Vec<HeaderField>,
}

/// Where a leg's media socket is bound, and what the far end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// The address to bind.
    pub bind: IpAddr,
    /// The address to put into session descriptions.
    pub advertise: IpAddr,
    /// Where the far end's signalling comes from: behind a translator its media do, too.
    pub peer: Option<IpAddr>,
    /// Whether one is known to stand before it, by its signalling or by what was configured.
    pub leeway: media::Leeway,
}

/// Something for a SIP leg.
#[derive(Debug)]
pub enum Input {
    /// An order of its call.
    Command(Command),
    /// Something from one of its dialogs.
    Sip(sip::Event),
    /// Something from its media session.
    Media(media::Event),
    /// Where the outgoing leg goes; empty with the status that says why nowhere.
    Targets(Result<Vec<Target>, u16>),
}

/// Something that a SIP leg asks for.
#[derive(Debug)]
pub enum Output {
    /// For the user agent.
    Sip(sip::Command),
    /// For the plane.
    Media(media::Command),
    /// For the call.
    Event(Event),
    /// All dialogs are over: forget the leg.
    Gone,
}

/// One party of a call, on SIP.
#[derive(Debug)]
pub struct SipLeg {
    id: LegId,
    role: Role,
    media: Media,
    address: MediaAddress,
    description: LocalDescription,
    /// What the far end is offered, and what is taken from it; best first.
    codecs: Vec<Codec>,
    progress: Progress,
    /// Whether the 200 to a re-INVITE holds an offer of ours, which its ACK has to answer.
    offered: bool,
    /// Our description before the re-INVITE of ours that is under way: a failure brings it back
    /// (RFC 3261 section 14.1).
    before: Option<Box<LocalDescription>>,
    early_media: EarlyMedia,
    referral: transfer::Referral,
    referring: transfer::Referring,
    /// Recordings whose end is not known yet: the call hears of them before it hears of the end.
    recordings: usize,
    outputs: Outbox<Output>,
}

/// Which way the leg was made, with what that way needs.
#[derive(Debug)]
enum Role {
    Incoming(incoming::Incoming),
    Outgoing(outgoing::Outgoing),
}

/// Whether the call still hears from the leg.
#[derive(Debug)]
enum Progress {
    Alive,
    /// Over, but its recordings are still being closed.
    Ending(Box<Event>),
    /// The call was told; dialogs may still be closing.
    Ended,
}

/// How far the media session is.
#[derive(Debug)]
enum Media {
    /// Not asked for.
    None,
    /// The socket is being bound; what is to be done then waits.
    Opening(Vec<media::Command>),
    /// Bound here; nothing agreed yet.
    Open { local: SocketAddr, waiting: Vec<media::Command> },
    /// Sound can flow.
    Connected { local: SocketAddr, remote: Remote },
    /// To be closed; the plane has not confirmed it.
    Closing,
    /// Closed for good.
    Closed,
}

impl SipLeg {
    /// A leg for an INVITE that was admitted.
    pub fn incoming(
        id: LegId,
        invite: &Message,
        dialog: DialogId,
        address: MediaAddress,
        rng: &mut Rng,
    ) -> Self {
        let role = Role::Incoming(incoming::Incoming::new(dialog, invite));
        SipLeg::new(id, role, address, rng)
    }

    /// A leg to be dialled once its [`Input::Targets`] are known.
    pub fn outgoing(id: LegId, address: MediaAddress, rng: &mut Rng) -> Self {
        SipLeg::new(id, Role::Outgoing(outgoing::Outgoing::default()), address, rng)
    }

    fn new(id: LegId, role: Role, address: MediaAddress, rng: &mut Rng) -> Self {
        let description = LocalDescription::new(rng.next_u64() >> 1);
        SipLeg {
            id,
            role,
            media: Media::None,
            address,
            description,
            codecs: sound::CODECS_OFFERED.to_vec(),
            progress: Progress::Alive,
            offered: false,
            before: None,
            early_media: EarlyMedia::Pass,
            referral: transfer::Referral::None,
            referring: transfer::Referring::None,
            recordings: 0,
            outputs: Outbox::new(),
        }
    }

    /// Where the media socket is to be bound, once it is known from where the far end is reached.
    /// One that is being bound already stays.
    pub fn set_media_address(&mut self, address: MediaAddress) {
        if matches!(self.media, Media::None) {
            self.address = address;
        }
    }

    /// The codecs of whoever is dialled, best first; an empty list leaves all.
    pub fn set_codecs(&mut self, codecs: Vec<Codec>) {
        self.codecs = if codecs.is_empty() { sound::CODECS_OFFERED.to_vec() } else { codecs };
    }

    /// What is passed on of sound before the answer.
    pub fn set_early_media(&mut self, policy: EarlyMedia) {
        self.early_media = policy;
    }

    /// The offer once more, for another far end that is tried in place of the first; `None` while
    /// there is no socket.
    pub fn offer_again(&mut self, target: &Target, codecs: Vec<Codec>) -> Option<Body> {
        if let Role::Outgoing(outgoing) = &mut self.role {
            outgoing.aim_again(target);
        }
        let local = match &self.media {
            Media::Open { local, .. } | Media::Connected { local, .. } => *local,
            Media::None | Media::Opening(_) | Media::Closing | Media::Closed => return None,
        };
        self.set_codecs(codecs);
        self.offer(local)
    }

    fn offer(&mut self, local: SocketAddr) -> Option<Body> {
        let advertised = SocketAddr::new(self.address.advertise, local.port());
        let direction = Direction::SendRecv;
        sdp_body(sdp::offer(advertised, &self.codecs, direction, &mut self.description))
    }

    /// The session of a leg carries the leg's own number, so that bridging needs no look-up.
    pub const fn session_of(leg: LegId) -> SessionId {
        SessionId(leg.0)
    }

    /// The number of a dialog that leg `leg` starts.
    pub const fn dialog_of(leg: LegId, branch: usize) -> DialogId {
        DialogId(leg.0 << 4 | branch as u64)
    }

    /// The leg that started an outgoing dialog.
    pub const fn leg_of(dialog: DialogId) -> LegId {
        LegId(dialog.0 >> 4)
    }

    /// The dialog that the peer started, for an incoming leg.
    pub fn incoming_dialog(&self) -> Option<DialogId> {
        match &self.role {
            Role::Incoming(incoming) => Some(incoming.dialog()),
            Role::Outgoing(_) => None,
        }
    }

    fn session(&self) -> SessionId {
        Self::session_of(self.id)
    }

    fn emit(&mut self, event: Event) {
        if self.is_alive() {
            self.outputs.push_back(Output::Event(event));
        }
    }

    fn sip(&mut self, command: sip::Command) {
        self.outputs.push_back(Output::Sip(command));
    }

    fn is_alive(&self) -> bool {
        matches!(self.progress, Progress::Alive)
    }

    /// Tells the call that the leg is over, once, and lets the media go. The call hears of the
    /// end of a recording first.
    fn end(&mut self, cause: Cause, message: Option<&Message>, status: Option<u16>) {
        if !self.is_alive() {
            return;
        }
        let sip_call_id = message.map(|message| message.call_id().to_owned());
        let headers = message.map(x_headers).unwrap_or_default();
        let ended = Event::Ended { cause, sip_status: status, sip_call_id, headers };
        self.close_media();
        if self.recordings > 0 && matches!(self.media, Media::Closing) {
            self.progress = Progress::Ending(Box::new(ended));
        } else {
            self.emit(ended);
            self.progress = Progress::Ended;
        }
    }

    fn handle_command(&mut self, command: Command) {
        if !self.is_alive() {
            // Who left by a transfer still hears what became of it.
            if let Command::TransferStatus(status) = command {
                self.report_transfer(status);
                self.gone_if_done();
            }
            return;
        }
        match command {
            Command::Ring => self.ring(),
            Command::EarlyMedia => self.sound_early(),
            Command::TransferStatus(status) => self.report_transfer(status),
            Command::Refer { to } => self.refer(&to),
            Command::Answer => self.answer(),
            Command::Refuse(refusal) => self.refuse(refusal),
            Command::Hangup if self.puts_off_hang_up() => {}
            Command::Hangup => self.hang_up(),
            other => self.handle_media_command(other),
        }
    }

    fn hang_up(&mut self) {
        self.end_report();
        self.hang_up_dialogs();
        self.end(Cause::Local, None, None);
        self.gone_if_done();
    }

    fn hang_up_dialogs(&mut self) {
        match &self.role {
            Role::Incoming(_) => self.hang_up_incoming(),
            Role::Outgoing(_) => self.hang_up_branches(),
        }
    }

    fn gone_if_done(&mut self) {
        let done = match &self.role {
            Role::Incoming(incoming) => incoming.is_over(),
            Role::Outgoing(outgoing) => outgoing.is_over(),
        };
        let quiet = matches!(self.media, Media::None | Media::Closed);
        if matches!(self.progress, Progress::Ended) && done && quiet && !self.owes_report() {
            self.outputs.push_back(Output::Gone);
        }
    }
}

impl Machine for SipLeg {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, _now: Instant, input: Input) {
        match input {
            Input::Command(command) => self.handle_command(command),
            Input::Sip(event) => self.handle_sip(event),
            Input::Media(event) => self.handle_media(event),
            Input::Targets(targets) => self.handle_targets(targets),
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        None
    }
}

impl SipLeg {
    fn handle_sip(&mut self, event: sip::Event) {
        match event {
            sip::Event::InDialog { dialog, transaction, message } => {
                self.handle_within(dialog, transaction, &message);
            }
            sip::Event::Response { method, message, .. } => {
                self.handle_response(&method, message.as_ref());
            }
            sip::Event::Confirmed { message, .. } => self.handle_confirmed(&message),
            sip::Event::Acknowledged { message, .. } => self.handle_acknowledged(&message),
            sip::Event::Refresh { dialog } => self.renew_session(dialog),
            sip::Event::Progress { dialog, message } => self.handle_progress(dialog, &message),
            sip::Event::Accepted { dialog, message } => self.handle_accepted(dialog, &message),
            sip::Event::Ended { dialog, ending, message } => {
                self.handle_ended(dialog, ending, message.as_ref());
            }
            // Both open a leg and are taken by the exchange before one exists.
            sip::Event::Knock { .. }
            | sip::Event::Request { .. }
            | sip::Event::Invite { .. }
            | sip::Event::Reply { .. } => {}
        }
        self.gone_if_done();
    }

    fn handle_ended(&mut self, dialog: DialogId, ending: Ending, message: Option<&Message>) {
        self.outlive_call(ending);
        match &mut self.role {
            Role::Incoming(incoming) => {
                incoming.over();
                self.end(incoming_cause(ending), message, None);
            }
            Role::Outgoing(_) => self.branch_ended(dialog, ending, message),
        }
    }
}

/// Why an incoming leg is over, in the call's words.
fn incoming_cause(ending: Ending) -> Cause {
    match ending {
        Ending::Bye => Cause::Hangup,
        Ending::Cancelled => Cause::Cancelled,
        Ending::Local | Ending::Rejected(_) => Cause::Local,
        Ending::NoAck | Ending::Timeout | Ending::Unreachable => Cause::Lost,
    }
}

/// The headers that handlers are told of: `X-…` and User-to-User.
pub fn x_headers(message: &Message) -> Vec<(String, String)> {
    /// More than a chatty carrier sends; the rest of a flood is not worth a parameter.
    const MOST: usize = 32;
    message
        .all_headers()
        .filter(|(name, _)| {
            name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
                || name.eq_ignore_ascii_case("user-to-user")
        })
        .take(MOST)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
