//! One party of a call: signalling and media together, whatever kind of endpoint it is.
//!
//! A call gives a leg [`Command`]s and hears its [`Event`]s; it never sees SIP, SDP or RTP.

use std::fmt;
use std::net::SocketAddr;

use crate::audio::Clip;
use crate::base::id::{LegId, RecordingSid};
use crate::base::{Duration, Secret};
pub use crate::media::RecordingEnd;

pub mod sip;

/// A leg that somebody started towards us.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Incoming {
    /// The From of webhooks: E.164 for trunks, `sip:user@host` for phones.
    pub from: String,
    /// The To of webhooks, likewise.
    pub to: String,
    /// The From display name.
    pub caller_name: Option<String>,
    /// Whether it came from a phone of one of our domains, and which.
    pub sip: Option<SipCaller>,
    /// Who diverted it here (Diversion, RFC 5806).
    pub forwarded_from: Option<String>,
    /// What is known of whether the caller's number is its own.
    pub stir: Option<Stir>,
}

/// What came of a caller's signature, or of a carrier's word on it (RFC 8224).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Stir {
    /// StirVerstat.
    pub verstat: String,
    /// StirPassportToken, for a signed call.
    pub token: Option<String>,
}

/// What a handler is told of a call from a SIP domain.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SipCaller {
    /// SipDomain.
    pub domain: String,
    /// SipDomainSid.
    pub domain_sid: String,
    /// SipUsername: who authenticated; empty when by address only.
    pub username: String,
    /// SipCallId.
    pub call_id: String,
    /// SipSourceIp.
    pub source_ip: String,
    /// X- headers and User-to-User of the INVITE, names as written.
    pub headers: Vec<(String, String)>,
}

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A telephone number, through the trunk that carries its prefix.
    Number(String),
    /// A SIP URI: a user of ours (all of the user's phones ring) or a foreign address.
    Sip {
        /// `sip:user@host;params`, without headers.
        uri: String,
        /// Headers from the URI, already checked.
        headers: Vec<(String, String)>,
        /// For a 401 or 407 of the far end.
        login: Option<(String, Secret)>,
    },
}

/// An outgoing leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Whom.
    pub destination: Destination,
    /// What the far end is shown: a number, or a SIP user name.
    pub caller_id: String,
    /// The display name beside it.
    pub caller_name: Option<String>,
    /// Who answers for what it costs, `user@domain`, when that is not whoever made the call: one
    /// who transfers.
    pub user: Option<String>,
    /// More headers (X-Twilio-CallSid …).
    pub headers: Vec<(String, String)>,
}

/// What a recording of a leg holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracks {
    /// What this party says.
    Own,
    /// This party and the other, summed in one channel.
    Mixed(LegId),
    /// This party in the first channel, the other in the second.
    Dual(LegId),
}

/// How to record a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub recording: RecordingSid,
    /// Whom.
    pub tracks: Tracks,
    /// The longest.
    pub max: Duration,
    /// Ends after so much silence; `None`: never.
    pub silence: Option<Duration>,
    /// Cut silence off both ends.
    pub trim: bool,
}

/// A dialog that another is to replace (RFC 3891), named as its far end names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: String,
    /// Our tag, when the dialog is ours.
    pub to_tag: String,
    /// The other side's.
    pub from_tag: String,
    /// Whether it may be replaced only as long as it is not answered.
    pub early_only: bool,
}

impl Replaces {
    /// Of the header's value: each tag once (RFC 3891 section 6.1).
    pub fn parse(value: &str) -> Option<Replaces> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| is_call_id(id))?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim()),
                None => (part, ""),
            };
            let place = match name {
                name if name.eq_ignore_ascii_case("to-tag") => &mut to_tag,
                name if name.eq_ignore_ascii_case("from-tag") => &mut from_tag,
                name => {
                    early_only |= name.eq_ignore_ascii_case("early-only");
                    continue;
                }
            };
            let sound = !value.is_empty() && !value.contains([',', ' ', '"']);
            if !sound || place.replace(value.to_owned()).is_some() {
                return None;
            }
        }
        Some(Replaces { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replaces { call_id, to_tag, from_tag, early_only } = self;
        let early = if *early_only { ";early-only" } else { "" };
        write!(f, "{call_id};to-tag={to_tag};from-tag={from_tag}{early}")
    }
}

/// A Call-ID as far as it can be told from two headers that were joined by a comma.
fn is_call_id(text: &str) -> bool {
    !text.is_empty() && !text.contains([',', ' '])
}

/// How an incoming leg is refused before it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 486 Busy Here.
    Busy,
    /// 404 as `<Reject reason="rejected">` gives it, and for whom nobody knows.
    Rejected,
    /// 480 Temporarily Unavailable: whom it was for did not take it.
    Unavailable,
    /// 603 Decline: hung up without an answer.
    Declined,
    /// 500: our own trouble.
    Failed,
}

/// An order for a leg.
#[derive(Clone, Debug)]
pub enum Command {
    /// Tells an incoming party that it rings.
    Ring,
    /// Lets an incoming party hear sound before it is answered (183, RFC 3960); where its side
    /// cannot, it goes on with its own ringing. Media commands are taken from here on.
    EarlyMedia,
    /// Answers an incoming party. Media commands before this, or [`Command::EarlyMedia`], are
    /// refused.
    Answer,
    /// Refuses an incoming party.
    Refuse(Refusal),
    /// Ends the leg in whatever state it is; [`Event::Ended`] follows.
    Hangup,
    /// Plays after what is queued; [`Event::Played`] when it ends.
    Play {
        /// The call's number for it.
        play: u64,
        /// The sound.
        clip: Clip,
        /// How often; 0 is until stopped.
        loops: u32,
    },
    /// Stops all plays at once; no [`Event::Played`] comes for them.
    StopPlaying,
    /// Sends digits with `w` and `W` pauses; [`Event::Played`] when done.
    SendDigits {
        /// The call's number for it.
        play: u64,
        /// The digits.
        digits: String,
    },
    /// Joins this leg's media with another's.
    Bridge(LegId),
    /// Parts what was joined.
    Unbridge,
    /// Starts a recording.
    Record(Record),
    /// Ends a recording; [`Event::Recorded`] follows.
    StopRecording(RecordingSid),
    /// How far the transfer is that [`Event::Transfer`] asked for, as a SIP status. The first one
    /// accepts it (below 300) or refuses it; one of 200 or more is the last.
    TransferStatus(u16),
    /// Asks the party, which must have been answered, to call somebody else instead of us
    /// (REFER); [`Event::ReferAnswered`] and [`Event::Referred`]s follow.
    Refer {
        /// The URI of whom.
        to: String,
    },
}

/// Why a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The party hung up.
    Hangup,
    /// An incoming caller gave up before the answer.
    Cancelled,
    /// We hung up, cancelled or refused it.
    Local,
    /// 486 or 600.
    Busy,
    /// 603, 480, 408, 487: nobody took it.
    NoAnswer,
    /// Any other refusal, or no way there.
    Failed,
    /// The party was silent on signalling or media for too long, or never sent its ACK.
    Lost,
}

/// What happened to a leg.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An outgoing party rings.
    Ringing,
    /// An outgoing party sends sound before it answers.
    EarlyMedia,
    /// An outgoing party answered; or an incoming one confirmed our answer (its ACK came).
    Answered {
        /// The dialog's Call-ID.
        sip_call_id: String,
        /// X- headers of the answer.
        headers: Vec<(String, String)>,
    },
    /// The party wants whom it talks with put through (REFER); [`Command::TransferStatus`] is
    /// awaited.
    Transfer {
        /// The URI of whom, without headers.
        to: String,
        /// The dialog that the new one is to replace: both talk already.
        replaces: Option<Replaces>,
    },
    /// The status that answers [`Command::Refer`]; one of 300 or more is the last of it.
    ReferAnswered(u16),
    /// How far the party is with what [`Command::Refer`] asked for, as a SIP status; one of 200
    /// or more is the last. The leg is still there, and usually hung up now.
    Referred(u16),
    /// The party holds: it wants no sound for now (RFC 3264 section 8.4).
    Held,
    /// It wants sound again.
    Resumed,
    /// Its sound comes from there, where it is not expected, and is refused.
    Elsewhere(SocketAddr),
    /// A key went down.
    Digit(char),
    /// A play or series of digits ended.
    Played(u64),
    /// A recording ended.
    Recorded {
        /// Which.
        recording: RecordingSid,
        /// Why.
        end: RecordingEnd,
        /// How long it is.
        length: Duration,
        /// Whether anything louder than silence is in it.
        heard: bool,
    },
    /// The leg is over; nothing more comes from it.
    Ended {
        /// Why.
        cause: Cause,
        /// The SIP status that said so, where one did.
        sip_status: Option<u16>,
        /// The Call-ID, where there was one.
        sip_call_id: Option<String>,
        /// X- headers of the final response.
        headers: Vec<(String, String)>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_to_replace_is_named_once_and_whole() {
        let read = |value| Replaces::parse(value).map(|r| (r.to_tag, r.from_tag, r.early_only));
        let named = |early| Some(("t".to_owned(), "f".to_owned(), early));
        assert_eq!(read("a@b;to-tag=t;from-tag=f"), named(false));
        assert_eq!(read("a@b ; From-Tag = f;early-only ;to-tag=t"), named(true));
        for wrong in [
            "",
            "a@b",
            "a@b;to-tag=t",
            "a@b;to-tag=t;from-tag=",
            ";to-tag=t;from-tag=f",
            "a@b;to-tag=t;to-tag=u;from-tag=f",
            "a@b;to-tag=t;from-tag=f, c@d;to-tag=t;from-tag=f",
        ] {
            assert_eq!(Replaces::parse(wrong), None, "{wrong}");
        }
    }
}
