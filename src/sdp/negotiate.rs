//! Offer and answer for one audio stream (RFC 3264).
//!
//! Every description of ours is written from our own state; of the peer's only the m= lines that
//! an answer has to mirror come back. One codec is answered, so that the peer cannot change it in
//! the middle of a sentence. Never offers what it was not given.

use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::Fault;
use crate::sdp::session::{Malformed, Media, Session};
use crate::sdp::{Direction, Encoding};

/// The payload type of telephone-event in our offers: what the field uses.
const TELEPHONE_EVENT: u8 = 101;
/// Milliseconds a packet that we send and ask for.
const PTIME: u16 = 20;

/// Our side of a session's descriptions, kept for the life of its dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDescription {
    id: u64,
    version: u64,
    /// What we said last, without the o= line.
    said: String,
    /// The m= lines of the session: a later description has them all (RFC 3264 section 8).
    lines: Vec<Line>,
    telephone_event: u8,
    direction: Direction,
}

/// A stream's place in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// The one that we speak on.
    Ours { protocol: String },
    /// One that we decline.
    Declined { kind: String, protocol: String, format: String },
}

/// What offer and answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed<C> {
    /// Where the peer wants its media.
    pub address: SocketAddr,
    /// The codec.
    pub codec: C,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone-event at the codec's clock, if agreed.
    pub telephone_event: Option<u8>,
    /// Who sends, as seen by us.
    pub direction: Direction,
    /// Milliseconds a packet that the peer wants.
    pub ptime: u16,
}

/// Why a description cannot be agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read.
    Malformed,
    /// It has no plain RTP audio stream that is on.
    NoAudio,
    /// The stream has none of our codecs.
    NoCodec,
    /// The stream has no address, or one that is a host name.
    NoAddress,
    /// The stream's address is not one party's: multicast, broadcast or unspecified.
    NotUnicast,
}

impl Refusal {
    /// The SIP status that says so (RFC 3261 sections 21.4.1 and 21.4.26).
    pub fn status(self) -> u16 {
        if self == Refusal::Malformed { 400 } else { 488 }
    }

    /// Always whoever sent it.
    pub fn fault(self) -> Fault {
        Fault::Peer
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Malformed => "the session description cannot be read",
            Refusal::NoAudio => "the session description has no RTP audio stream",
            Refusal::NoCodec => "the audio stream has no codec in common with us",
            Refusal::NoAddress => "the audio stream has no IP address",
            Refusal::NotUnicast => "the audio stream's address is not that of one party",
        })
    }
}

impl std::error::Error for Refusal {}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Refusal::Malformed
    }
}

impl LocalDescription {
    /// For a new dialog; `id` is a random number, which is the o= line's session id.
    pub fn new(id: u64) -> Self {
        LocalDescription {
            // RFC 3264 section 5: both numbers fit in a signed 64-bit integer, with room to count.
            id: id & (u64::MAX >> 2),
            version: 1,
            said: String::new(),
            lines: Vec::new(),
            telephone_event: TELEPHONE_EVENT,
            direction: Direction::SendRecv,
        }
    }

    /// The o= line's session id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Who sends, as we said last.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The o= line's version: counts the descriptions that differ from the one before.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The bytes of a description, under the next version if it says anything new.
    fn say(&mut self, local: IpAddr, audio: &str) -> Vec<u8> {
        let network = if local.is_ipv4() { "IP4" } else { "IP6" };
        let mut body = format!("s=-\r\nc=IN {network} {local}\r\nt=0 0\r\n");
        for line in &self.lines {
            match line {
                Line::Ours { .. } => body.push_str(audio),
                Line::Declined { kind, protocol, format } => {
                    let _ = write!(body, "m={kind} 0 {protocol} {format}\r\n");
                }
            }
        }
        if !self.said.is_empty() && self.said != body {
            self.version += 1;
        }
        self.said = body;
        let (id, version, said) = (self.id, self.version, &self.said);
        format!("v=0\r\no=offhook {id} {version} IN {network} {local}\r\n{said}").into_bytes()
    }
}

/// Answers an offer, first or later. Of `codecs`, which are in our order of preference, the first
/// that the offer has is taken, under the offer's payload type.
pub fn answer<C: Encoding>(
    offer: &[u8],
    local: SocketAddr,
    codecs: &[C],
    description: &mut LocalDescription,
) -> Result<(Vec<u8>, Agreed<C>), Refusal> {
    let session = Session::parse(offer)?;
    let (at, media) = audio_stream(&session, codecs)?;
    let codec = codecs.iter().find_map(|&codec| Some((codec, payload_type(media, codec)?)));
    let agreed = agree(&session, media, codec.ok_or(Refusal::NoCodec)?, Direction::SendRecv)?;
    description.lines = session.media.iter().map(Line::declined).collect();
    if let Some(line) = description.lines.get_mut(at) {
        *line = Line::Ours { protocol: media.protocol.clone() };
    }
    description.direction = agreed.direction;
    let formats = [(codec_name(agreed.codec), agreed.payload_type)];
    let event = agreed.telephone_event;
    description.telephone_event = event.unwrap_or(description.telephone_event);
    let audio = audio(local.port(), &media.protocol, &formats, event, agreed.direction);
    Ok((description.say(local.ip(), &audio), agreed))
}

/// Offers `codecs` in their order, and telephone-event. In a dialog that has streams already the
/// others stay declined.
pub fn offer<C: Encoding>(
    local: SocketAddr,
    codecs: &[C],
    direction: Direction,
    description: &mut LocalDescription,
) -> Vec<u8> {
    let protocol = description.lines.iter().find_map(|line| match line {
        Line::Ours { protocol } => Some(protocol.clone()),
        Line::Declined { .. } => None,
    });
    if protocol.is_none() {
        description.lines = vec![Line::Ours { protocol: "RTP/AVP".to_owned() }];
    }
    let protocol = protocol.unwrap_or_else(|| "RTP/AVP".to_owned());
    description.direction = direction;
    let formats: Vec<_> =
        codecs.iter().map(|&codec| (codec_name(codec), codec.payload_type())).collect();
    let event = Some(description.telephone_event);
    let audio = audio(local.port(), &protocol, &formats, event, direction);
    description.say(local.ip(), &audio)
}

/// Reads the answer to our last [`offer`], made with `codecs`. The first codec of the answer that
/// we offered is taken: the answer's order is the peer's preference.
pub fn accept_answer<C: Encoding>(
    answer: &[u8],
    codecs: &[C],
    description: &LocalDescription,
) -> Result<Agreed<C>, Refusal> {
    let session = Session::parse(answer)?;
    let at = description.lines.iter().position(|line| matches!(line, Line::Ours { .. }));
    let media = session.media.get(at.unwrap_or(0)).filter(|media| media.is_plain_audio());
    let media = media.ok_or(Refusal::NoAudio)?;
    let codec = media
        .payload_types()
        .find_map(|number| {
            let is_it = |codec: &&C| payload_type(media, **codec) == Some(number);
            codecs.iter().find(is_it).map(|&codec| (codec, number))
        })
        .ok_or(Refusal::NoCodec)?;
    agree(&session, media, codec, description.direction)
}

impl Media {
    /// Whether it is a stream that we can take: on, and neither encrypted nor anything but audio.
    fn is_plain_audio(&self) -> bool {
        self.port != 0
            && self.kind.eq_ignore_ascii_case("audio")
            && matches!(self.protocol.to_ascii_uppercase().as_str(), "RTP/AVP" | "RTP/AVPF")
    }
}

impl Line {
    fn declined(media: &Media) -> Line {
        Line::Declined {
            kind: media.kind.clone(),
            protocol: media.protocol.clone(),
            // A declined line still names a format (RFC 3264 section 6).
            format: media.formats.first().cloned().unwrap_or_else(|| "0".to_owned()),
        }
    }
}

impl Direction {
    /// From both halves.
    pub fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The same stream as the other side sees it (RFC 3264 section 6.1).
    pub fn complement(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// The word of the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// The first stream that we can take with one of our codecs.
fn audio_stream<'a, C: Encoding>(
    session: &'a Session,
    codecs: &[C],
) -> Result<(usize, &'a Media), Refusal> {
    let streams = || session.media.iter().enumerate().filter(|(_, media)| media.is_plain_audio());
    let ours = |media: &Media| codecs.iter().any(|&codec| payload_type(media, codec).is_some());
    streams().find(|(_, media)| ours(media)).ok_or(if streams().next().is_some() {
        Refusal::NoCodec
    } else {
        Refusal::NoAudio
    })
}

fn payload_type<C: Encoding>(media: &Media, codec: C) -> Option<u8> {
    media.payload_type_of(codec.name(), codec.clock(), Some(codec.payload_type()))
}

fn agree<C: Encoding>(
    session: &Session,
    media: &Media,
    (codec, payload_type): (C, u8),
    wanted: Direction,
) -> Result<Agreed<C>, Refusal> {
    let ip = session.address_of(media).ok_or(Refusal::NoAddress)?;
    let held = ip.to_canonical() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if !held && !is_unicast(ip) {
        return Err(Refusal::NotUnicast);
    }
    let theirs = session.direction_of(media).complement();
    // RFC 3264 section 8.4: before there were directions, hold was an address of zeros.
    let sends = wanted.sends() && theirs.sends() && !held;
    Ok(Agreed {
        address: SocketAddr::new(ip, media.port),
        codec,
        payload_type,
        telephone_event: media.payload_type_of("telephone-event", codec.clock(), None),
        direction: Direction::new(sends, wanted.receives() && theirs.receives()),
        ptime: media.ptime.filter(|ptime| (10..=60).contains(ptime)).unwrap_or(PTIME),
    })
}

/// Whether one party can be at that address. A multicast stream is another kind of session (RFC
/// 3264 section 5.2), and would let a caller have us send to whole networks. Zeros mean hold in
/// IPv4 alone (section 8.4), and the rest of that network is nobody's.
fn is_unicast(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast() && ip.octets()[0] != 0,
        IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
    }
}

fn codec_name<C: Encoding>(codec: C) -> (&'static str, u32) {
    (codec.name(), codec.clock())
}

/// Our m= line and its attributes.
fn audio(
    port: u16,
    protocol: &str,
    formats: &[((&str, u32), u8)],
    telephone_event: Option<u8>,
    direction: Direction,
) -> String {
    let mut text = format!("m=audio {port} {protocol}");
    for number in formats.iter().map(|&(_, number)| number).chain(telephone_event) {
        let _ = write!(text, " {number}");
    }
    text.push_str("\r\n");
    for ((name, clock), number) in formats {
        let _ = write!(text, "a=rtpmap:{number} {name}/{clock}\r\n");
    }
    if let Some(number) = telephone_event {
        // RFC 4733 section 2.4.1: the keys 0-9 * # A-D, and nothing else.
        let clock = formats.first().map_or(8_000, |((_, clock), _)| *clock);
        let _ =
            write!(text, "a=rtpmap:{number} telephone-event/{clock}\r\na=fmtp:{number} 0-15\r\n");
    }
    let _ = write!(text, "a=ptime:{PTIME}\r\na={}\r\n", direction.as_str());
    text
}

#[cfg(test)]
mod tests;
