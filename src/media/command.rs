//! What the plane takes and gives: the contract between media and the floors above.
//!
//! No packet crosses it: packets go between the plane and its worker's sockets.

use std::net::{IpAddr, SocketAddr};

use crate::audio::Clip;
pub use crate::audio::Codec;
use crate::base::Duration;
use crate::base::id::RecordingSid;
pub use crate::sdp::Direction;
use crate::sdp::Encoding;

/// One media session (one socket, one party), numbered by whoever opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl Encoding for Codec {
    fn name(self) -> &'static str {
        Codec::name(self)
    }

    fn payload_type(self) -> u8 {
        Codec::payload_type(self)
    }

    fn clock(self) -> u32 {
        self.entry().clock
    }
}

/// What was agreed for a session: the outcome of offer and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where the far end wants its media, as signalled.
    pub address: SocketAddr,
    /// The host that signals, if media may come from there. `None`: they come from the signalled
    /// host and from nobody else.
    pub signalled_from: Option<IpAddr>,
    /// How far they may come from elsewhere than signalled.
    pub leeway: Leeway,
    /// The codec to send, and to expect.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone-event/8000 (RFC 4733), if agreed.
    pub telephone_event: Option<u8>,
    /// Who sends.
    pub direction: Direction,
}

/// How far the media of a party may come from elsewhere than it signals, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leeway {
    /// Not at all: servers know where their media are.
    None,
    /// From the host that signals, and answered at whichever port they come from: a phone's
    /// translator (NAT) may not show, and a phone sends where it listens (RFC 4961).
    Host,
    /// From the neighbours of the signalled host or the one that signals, too: a translator stands
    /// before the party, and may have several addresses.
    Network,
}

/// What a recording holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracks {
    /// What this party says.
    Own,
    /// What this party and the other say, summed.
    Mixed(SessionId),
    /// This party in the first channel, the other in the second.
    Dual(SessionId),
}

/// How to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingPlan {
    /// Its name.
    pub recording: RecordingSid,
    /// Whom.
    pub tracks: Tracks,
    /// Ends after so much sound.
    pub max: Duration,
    /// Ends after so much silence of this party (no packets are not silence); `None`: never.
    pub silence: Option<Duration>,
    /// Cuts silence off both ends when it is finished.
    pub trim: bool,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// [`Command::StopRecording`], or the session closed.
    Stopped,
    /// The silence of the plan.
    Silence,
    /// The length of the plan.
    MaxLength,
    /// Its sound could not be kept (disk full, writer too slow).
    Failed,
}

/// An order for the plane.
#[derive(Clone, Debug)]
pub enum Command {
    /// Opens a socket on a free port of `ip`; answered by [`Event::Opened`] or [`Event::Failed`].
    Open {
        /// The session.
        session: SessionId,
        /// The local address to bind.
        ip: IpAddr,
    },
    /// Offer and answer are done, or done again. Media sources are learnt afresh from here on.
    Connect {
        /// The session.
        session: SessionId,
        /// What was agreed.
        remote: Remote,
    },
    /// Ends the session; its plays and recordings end with it.
    Close {
        /// The session.
        session: SessionId,
    },
    /// Plays a clip to the party, after what is already queued; [`Event::Played`] when it ends.
    Play {
        /// The session.
        session: SessionId,
        /// The caller's number for it.
        play: u64,
        /// The sound.
        clip: Clip,
        /// How often; 0 is until stopped.
        loops: u32,
    },
    /// Stops and forgets all plays of the session; no [`Event::Played`] comes for them.
    StopPlaying {
        /// The session.
        session: SessionId,
    },
    /// Sends digits (`0-9 A-D * #`, `w` 0.5 s and `W` 1 s of pause) by RFC 4733, or as tones where
    /// telephone-event was not agreed; [`Event::Played`] when done.
    SendDigits {
        /// The session.
        session: SessionId,
        /// The caller's number for it.
        play: u64,
        /// The digits.
        digits: String,
    },
    /// Joins two sessions: each hears the other, digits pass.
    Bridge {
        /// One.
        a: SessionId,
        /// The other.
        b: SessionId,
    },
    /// Parts what [`Command::Bridge`] joined; harmless when it is not bridged.
    Unbridge {
        /// Either of the two.
        session: SessionId,
    },
    /// Starts recording a session.
    Record {
        /// The session.
        session: SessionId,
        /// How.
        plan: RecordingPlan,
    },
    /// Ends a recording; [`Event::Recorded`] follows.
    StopRecording {
        /// Which.
        recording: RecordingSid,
    },
}

/// What the plane tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The session's socket is bound.
    Opened {
        /// The session.
        session: SessionId,
        /// Its local address.
        local: SocketAddr,
    },
    /// The session could not be opened (no port left, too many descriptors).
    Failed {
        /// The session.
        session: SessionId,
        /// Why, for the log.
        reason: String,
    },
    /// A second of sound came from a source that nothing signalled or allows, and none from the
    /// party: it is refused, and whoever runs the server must hear of it. Told once.
    Elsewhere {
        /// The session.
        session: SessionId,
        /// The source.
        from: SocketAddr,
    },
    /// The party pressed a key; told once, when the key goes down.
    Digit {
        /// The session.
        session: SessionId,
        /// `0-9 A-D * #`.
        digit: char,
    },
    /// A play or a series of digits came to its end.
    Played {
        /// The session.
        session: SessionId,
        /// The caller's number for it.
        play: u64,
    },
    /// A recording ended.
    Recorded {
        /// The session that it was started on.
        session: SessionId,
        /// Which.
        recording: RecordingSid,
        /// Why.
        end: RecordingEnd,
        /// Length of what was kept, before trimming.
        length: Duration,
        /// Whether anything louder than silence was in it.
        heard: bool,
    },
    /// No packet came for so long that the party is taken for gone.
    Silent {
        /// The session.
        session: SessionId,
    },
    /// Told once when a session closes.
    Closed {
        /// The session.
        session: SessionId,
        /// Packets received.
        received: u64,
        /// Packets sent.
        sent: u64,
        /// Packets that never came, by sequence number.
        lost: u64,
    },
}

impl Event {
    /// The session that it is about.
    pub fn session(&self) -> SessionId {
        match self {
            Event::Opened { session, .. }
            | Event::Failed { session, .. }
            | Event::Elsewhere { session, .. }
            | Event::Digit { session, .. }
            | Event::Played { session, .. }
            | Event::Recorded { session, .. }
            | Event::Silent { session }
            | Event::Closed { session, .. } => *session,
        }
    }
}
