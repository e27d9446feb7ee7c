//! What the user agent takes and gives: the contract between SIP and the floors above.
//!
//! The user agent owns transactions and dialogs. It does not know users, trunks or calls:
//! whoever drives it authenticates requests (with [`crate::sip::auth`]), keeps registrations
//! (with [`crate::sip::registrar`]) and decides what to answer.

use std::net::SocketAddr;

use bytes::Bytes;

use super::dialog::session_timer::Settings as SessionSettings;
use super::message::Message;
use super::subscription::Notify;
use super::uri::{Scheme, SipUri};
use crate::base::Secret;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams, RFC 3261 section 18.
    Udp,
    /// Streams framed by Content-Length.
    Tcp,
    /// The same inside TLS, RFC 3261 section 26.3.
    Tls,
    /// WebSocket, one message a frame (RFC 7118).
    Ws,
    /// The same inside TLS.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 5] =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// As a configuration and a log write it: `tls`.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// The transport of that name, in any case of letters.
    pub fn of_name(name: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// As Via writes it (RFC 3261 section 20.42, RFC 7118 section 5.2.3).
    pub const fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// As a `sip:` URI's `transport=` writes it; `ws` stands for both (RFC 7118 section 5.2.2).
    pub const fn uri_name(self) -> &'static str {
        match self {
            Transport::Wss => "ws",
            other => other.name(),
        }
    }

    /// Which transport a URI asks for: its `transport=`, and TLS below it for `sips:` (RFC 3261
    /// section 26.2.2). `None` when it does not say, an error when nothing can be meant.
    pub fn of_uri(uri: &SipUri<'_>) -> Result<Option<Transport>, UnknownTransport> {
        let asked = match uri.transport() {
            Some(name) => Some(Transport::of_name(name).ok_or(UnknownTransport)?),
            None => None,
        };
        match (uri.scheme(), asked) {
            (Scheme::Sips, None | Some(Transport::Tcp | Transport::Tls)) => {
                Ok(Some(Transport::Tls))
            }
            (Scheme::Sips, Some(Transport::Ws | Transport::Wss)) => Ok(Some(Transport::Wss)),
            // Datagrams have no secrecy here (DTLS is not spoken).
            (Scheme::Sips, Some(Transport::Udp)) => Err(UnknownTransport),
            (_, asked) => Ok(asked),
        }
    }

    /// Whether messages travel on connections, which deliver or fail.
    pub const fn is_stream(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Whether TLS carries it.
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether it is a WebSocket, whose clients nobody can connect to (RFC 7118 section 7).
    pub const fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The port of a URI or Via that names none (RFC 3261 section 19.1.2, RFC 7118 section 9).
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

/// A URI asks for a transport that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTransport;

/// Where a message came from, or goes: responses and in-dialog requests reuse it.
///
/// For UDP `connection` is 0 and `local` says which listener; for streams `connection` names the
/// connection, and 0 asks the driver to use or open one to `remote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our address on it.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The stream connection, 0 for none.
    pub connection: u64,
}

impl Flow {
    /// The connection number of the way between two exchanges of one server: no socket's.
    pub const INNER: u64 = u64::MAX;

    /// The way to another exchange of this server, whatever listens at the address.
    pub const fn inner(own: SocketAddr) -> Flow {
        Flow { transport: Transport::Tcp, local: own, remote: own, connection: Flow::INNER }
    }

    /// Whether it leads to another exchange of this server, so that nobody else sent what came by
    /// it.
    pub const fn is_inner(&self) -> bool {
        self.connection == Flow::INNER
    }
}

/// A dialog, or the attempt at one; numbered by whoever starts it, see [`DialogId::incoming`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId(pub u64);

impl DialogId {
    /// The user agent numbers dialogs that peers start with this bit set; callers number their own
    /// without it, so that a command can name its dialog before the user agent has seen it.
    pub const INCOMING: u64 = 1 << 63;

    /// Whether the peer started it.
    pub const fn incoming(self) -> bool {
        self.0 & Self::INCOMING != 0
    }
}

/// A server transaction that waits for its final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// A header to add to a message that the user agent writes: name and value, without line ends.
pub type HeaderField = (String, String);

/// A body with its media type, such as `application/sdp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The value of Content-Type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// A login for digest challenges of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The digest user name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// Only answer challenges of this realm; `None` answers any on the request's own flow.
    pub realm: Option<String>,
}

/// Something for the user agent.
#[derive(Clone, Debug)]
pub enum Input {
    /// One datagram, or one framed message of a stream, or what [`crate::sip::frame`] refused.
    Received {
        /// Where it came from.
        flow: Flow,
        /// The whole message.
        bytes: Bytes,
    },
    /// The same from a peer that is only heard in what it has begun: nothing new, and no answer to
    /// what nobody knows.
    Muted {
        /// Where it came from.
        flow: Flow,
        /// The whole message.
        bytes: Bytes,
    },
    /// A transport reported that nothing can be sent there (refused, closed, unreachable).
    Unreachable {
        /// The destination that failed.
        flow: Flow,
    },
    /// An order from above.
    Command(Command),
}

/// An order for the user agent.
#[derive(Clone, Debug)]
pub enum Command {
    /// Finally (or, below 200, provisionally) answers a non-dialog request or an in-dialog one.
    Respond {
        /// Whose response it is.
        transaction: TransactionId,
        /// 100 to 699.
        status: u16,
        /// Headers to add (Contact, WWW-Authenticate, Expires …).
        headers: Vec<HeaderField>,
        /// The body.
        body: Option<Body>,
    },
    /// Lets a request in that knocked ([`Event::Knock`]): [`Event::Invite`] or
    /// [`Event::Request`] follows.
    Admit {
        /// Where it came from.
        flow: Flow,
        /// The request.
        message: Message,
    },
    /// Finally answers a request that knocked, and keeps nothing of it: a repeat knocks again, and
    /// the ACK of a refused INVITE finds nothing and ends there (RFC 3261 section 8.2.7).
    Answer {
        /// Where it came from.
        flow: Flow,
        /// The request.
        message: Message,
        /// 200 to 699; no 2xx for INVITE.
        status: u16,
        /// Headers to add.
        headers: Vec<HeaderField>,
    },
    /// Starts a dialog by INVITE.
    Invite(Box<Invite>),
    /// What is wanted of session timers in a dialog that the peer begins, where that is not what
    /// the configuration says.
    Session {
        /// The dialog.
        dialog: DialogId,
        /// What is wanted.
        settings: SessionSettings,
    },
    /// 101 to 199 for an incoming dialog (180, or 183 with a body).
    Progress {
        /// The dialog.
        dialog: DialogId,
        /// 101 to 199.
        status: u16,
        /// Headers to add.
        headers: Vec<HeaderField>,
        /// Early media.
        body: Option<Body>,
    },
    /// 200 for an incoming dialog; resent until its ACK comes (RFC 3261 section 13.3.1.4).
    Accept {
        /// The dialog.
        dialog: DialogId,
        /// Headers to add.
        headers: Vec<HeaderField>,
        /// The answer, or an offer when the INVITE had none.
        body: Option<Body>,
    },
    /// 300 to 699 for an incoming dialog that was not accepted.
    Reject {
        /// The dialog.
        dialog: DialogId,
        /// 300 to 699.
        status: u16,
        /// Headers to add.
        headers: Vec<HeaderField>,
    },
    /// Ends the dialog in the way its state asks for: CANCEL (once a 1xx came, and ACK plus BYE
    /// if a 200 crosses it), or BYE; a 487 for an incoming one that still rings.
    Hangup {
        /// The dialog.
        dialog: DialogId,
        /// Headers to add, such as Reason (RFC 3326).
        headers: Vec<HeaderField>,
    },
    /// A request outside any dialog, such as REGISTER or OPTIONS; [`Event::Reply`] follows.
    Send(Box<Send>),
    /// A NOTIFY in the dialog of a subscription; [`Event::Reply`] follows.
    Notify(Box<Notify>),
    /// A request in a dialog: INFO, UPDATE, or in a confirmed one a re-INVITE when the method is
    /// INVITE. An early dialog must have been heard of; with several forks the first is meant.
    Request {
        /// The dialog.
        dialog: DialogId,
        /// The method's name.
        method: &'static str,
        /// Headers to add.
        headers: Vec<HeaderField>,
        /// The body.
        body: Option<Body>,
    },
}

/// An outgoing INVITE.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The caller's number for this dialog, without [`DialogId::INCOMING`].
    pub dialog: DialogId,
    /// Request-URI, such as `sip:alice@192.0.2.4:5062;ob`.
    pub uri: String,
    /// The To header's URI when it differs from the Request-URI (a registered contact).
    pub to: String,
    /// The From header's URI, without tag.
    pub from: String,
    /// The From display name, unquoted.
    pub display_name: Option<String>,
    /// Where to send it; already resolved.
    pub flow: Flow,
    /// Preloaded Route header values, top first.
    pub route: Vec<String>,
    /// The Max-Forwards to send: what came in less one, or 70.
    pub max_forwards: u8,
    /// For 401 and 407.
    pub login: Option<Login>,
    /// What is wanted of session timers, where that is not what the configuration says.
    pub session: Option<SessionSettings>,
    /// Headers to add.
    pub headers: Vec<HeaderField>,
    /// The offer.
    pub body: Option<Body>,
}

/// An outgoing request outside any dialog. Requests with the same `id` share their Call-ID and
/// From tag and count their CSeq up, as refreshes of a registration must (RFC 3261 section 10.2.4).
#[derive(Clone, Debug)]
pub struct Send {
    /// The sender's number for it.
    pub id: u64,
    /// The method's name; not INVITE, ACK or CANCEL.
    pub method: &'static str,
    /// Request-URI.
    pub uri: String,
    /// The To URI.
    pub to: String,
    /// The From URI.
    pub from: String,
    /// Where to send it.
    pub flow: Flow,
    /// For 401 and 407, which are answered like those of an INVITE.
    pub login: Option<Login>,
    /// Headers to add. A Contact is added for REGISTER where none is given; Route values stand in
    /// the order given.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Option<Body>,
}

/// What the user agent gives.
#[derive(Clone, Debug)]
pub enum Output {
    /// Bytes to send.
    Transmit {
        /// Where.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
    },
    /// Something for the floors above.
    Event(Event),
}

/// Why a dialog ended or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A final response of 300 or more.
    Rejected(u16),
    /// The peer sent BYE.
    Bye,
    /// The caller sent CANCEL before we answered.
    Cancelled,
    /// No response within timer B or F (RFC 3261 section 17.1), or a lost BYE after ours.
    Timeout,
    /// The transport said that the peer cannot be reached.
    Unreachable,
    /// No ACK came for our 200 within 64·T1; a BYE was sent.
    NoAck,
    /// We hung up, and that is done.
    Local,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A sound request outside any dialog, where [`super::user_agent::Config::screening`] is on.
    /// Nothing is kept of it: answer with [`Command::Admit`], [`Command::Answer`], or silence.
    Knock {
        /// Where it came from.
        flow: Flow,
        /// The request.
        message: Message,
    },
    /// A request outside any dialog that is not INVITE, ACK or CANCEL. Answer it with
    /// [`Command::Respond`].
    Request {
        /// Its server transaction.
        transaction: TransactionId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        message: Message,
    },
    /// A new INVITE that is well-formed, not merged, not looping and needs nothing unknown.
    /// 100 goes out by itself if no answer is given within 200 ms.
    Invite {
        /// The new dialog, with [`DialogId::INCOMING`].
        dialog: DialogId,
        /// Where it came from.
        flow: Flow,
        /// The request.
        message: Message,
    },
    /// A 1xx above 100 for our INVITE. Each fork (To tag) is told of.
    Progress {
        /// The dialog.
        dialog: DialogId,
        /// The response.
        message: Message,
    },
    /// The first 2xx for our INVITE; its ACK is sent, further forks' 2xx are ended by themselves.
    Accepted {
        /// The dialog.
        dialog: DialogId,
        /// The response.
        message: Message,
    },
    /// The ACK for our 200 came, with its body if the INVITE had no offer.
    Confirmed {
        /// The dialog.
        dialog: DialogId,
        /// The ACK.
        message: Message,
    },
    /// The PRACK for a 1xx of ours with a body came (RFC 3262). Its own body answers the offer in
    /// that 1xx, if the INVITE had none; a PRACK with a new offer comes as [`Event::InDialog`].
    Acknowledged {
        /// The dialog.
        dialog: DialogId,
        /// The PRACK.
        message: Message,
    },
    /// The session wants to be refreshed by a re-INVITE (RFC 4028 section 10), since the peer
    /// takes no UPDATE: send one whose offer changes nothing.
    Refresh {
        /// The dialog.
        dialog: DialogId,
    },
    /// A request inside a dialog (re-INVITE, INFO, UPDATE …), to be answered with
    /// [`Command::Respond`]. BYE, ACK and CANCEL are answered by the user agent itself.
    InDialog {
        /// The dialog.
        dialog: DialogId,
        /// Its server transaction.
        transaction: TransactionId,
        /// The request.
        message: Message,
    },
    /// The final response to a [`Command::Send`], its digest challenges already met, or to a
    /// [`Command::Notify`].
    Reply {
        /// The sender's number.
        id: u64,
        /// The response; `None` when none came or the peer cannot be reached.
        message: Option<Message>,
    },
    /// The final response to a [`Command::Request`], its digest challenges already met.
    Response {
        /// The dialog.
        dialog: DialogId,
        /// The method that it answers.
        method: String,
        /// The response; `None` when none came.
        message: Option<Message>,
    },
    /// The dialog is over; nothing more comes from it.
    Ended {
        /// The dialog.
        dialog: DialogId,
        /// Why.
        ending: Ending,
        /// The final response, BYE or CANCEL that ended it, where one did.
        message: Option<Message>,
    },
}

impl Command {
    /// The dialog that it is for.
    pub fn dialog_mut(&mut self) -> Option<&mut DialogId> {
        match self {
            Command::Invite(invite) => Some(&mut invite.dialog),
            Command::Session { dialog, .. }
            | Command::Progress { dialog, .. }
            | Command::Accept { dialog, .. }
            | Command::Reject { dialog, .. }
            | Command::Hangup { dialog, .. }
            | Command::Request { dialog, .. } => Some(dialog),
            Command::Respond { .. }
            | Command::Admit { .. }
            | Command::Answer { .. }
            | Command::Send(_)
            | Command::Notify(_) => None,
        }
    }
}

impl Event {
    /// As [`dialog`](Event::dialog), to name it otherwise.
    pub fn dialog_mut(&mut self) -> Option<&mut DialogId> {
        match self {
            Event::Progress { dialog, .. }
            | Event::Accepted { dialog, .. }
            | Event::Confirmed { dialog, .. }
            | Event::Acknowledged { dialog, .. }
            | Event::Refresh { dialog }
            | Event::InDialog { dialog, .. }
            | Event::Response { dialog, .. }
            | Event::Ended { dialog, .. } => Some(dialog),
            Event::Knock { .. }
            | Event::Request { .. }
            | Event::Invite { .. }
            | Event::Reply { .. } => None,
        }
    }

    /// The dialog that it belongs to, if that exists already.
    pub fn dialog(&self) -> Option<DialogId> {
        match self {
            Event::Progress { dialog, .. }
            | Event::Accepted { dialog, .. }
            | Event::Confirmed { dialog, .. }
            | Event::Acknowledged { dialog, .. }
            | Event::Refresh { dialog }
            | Event::InDialog { dialog, .. }
            | Event::Response { dialog, .. }
            | Event::Ended { dialog, .. } => Some(*dialog),
            Event::Knock { .. }
            | Event::Request { .. }
            | Event::Invite { .. }
            | Event::Reply { .. } => None,
        }
    }
}
