//! What a phone takes and tells.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::base::Secret;
use crate::leg::{self, Refusal};
use crate::media;
use crate::sip::{self, Flow, Transport, user_agent};

/// Who the phone is and where its server is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its user name.
    pub user: String,
    /// Its domain.
    pub domain: String,
    /// Its password; none for a carrier that is known by its address.
    pub password: Option<Secret>,
    /// The server's address: everything goes there.
    pub server: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// The phone's own address.
    pub local: SocketAddr,
    /// The user agent's part.
    pub agent: user_agent::Config,
}

/// An order for the phone.
#[derive(Clone, Debug)]
pub enum Command {
    /// Registers, and keeps registered.
    Register,
    /// Takes the registration back.
    Unregister,
    /// Calls a SIP URI, or a user or number at the phone's domain.
    Dial(String),
    /// Answers what rings.
    Answer,
    /// Refuses what rings.
    Refuse(Refusal),
    /// Ends the call.
    Hangup,
    /// Something for the call's media: play, digits, record.
    Leg(leg::Command),
}

/// Something for the phone.
#[derive(Debug)]
pub enum Input {
    /// Bytes, or a transport's failure.
    Sip(sip::Input),
    /// Something from its media plane.
    Media(media::Event),
    /// An order.
    Command(Command),
}

/// What the phone tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Registered, or refreshed.
    Registered,
    /// Registration failed with this status (none: no answer).
    NotRegistered(Option<u16>),
    /// It rings: the caller's URI, and the user that was called.
    Incoming {
        /// The From URI.
        from: String,
        /// The From display name.
        name: Option<String>,
        /// The Request-URI.
        uri: String,
    },
    /// The far end rings.
    Ringing,
    /// The call is up.
    Answered,
    /// Something of the call: digits, plays, recordings, its end.
    Leg(leg::Event),
}

/// Something that the phone asks for.
#[derive(Debug)]
pub enum Output {
    /// Bytes to send.
    Transmit(Flow, Bytes),
    /// For its media plane.
    Media(media::Command),
    /// For whoever holds it.
    Event(Event),
}
