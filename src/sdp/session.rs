//! A session description as read: the lines that a telephone call needs, the others skipped.
//!
//! Tolerant of line ends, unknown lines and missing ones; bounded; never panics. Attributes for
//! ICE, DTLS, bandwidth and the like are not looked at. Grammar: RFC 8866.

use std::net::IpAddr;

use crate::sdp::Direction;

/// The longest description that we read: ten times what a telephone with video sends.
pub const MAX_BYTES: usize = 32 * 1024;
/// The most m= lines; audio, video, application and text make four.
pub const MAX_MEDIA: usize = 16;
/// The most formats of an m= line that we look at.
const MAX_FORMATS: usize = 64;

/// A description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The address of streams that name none.
    pub address: Option<Connection>,
    /// The direction of streams that name none.
    pub direction: Option<Direction>,
    /// The streams, in their order.
    pub media: Vec<Media>,
}

/// A stream: an m= line and what follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video` …
    pub kind: String,
    /// Where it is wanted; 0 is declined or over.
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP` …
    pub protocol: String,
    /// Payload types in the order of preference, as written: not numbers where it is not RTP.
    pub formats: Vec<String>,
    /// Its own address.
    pub address: Option<Connection>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// Milliseconds a packet, as wanted.
    pub ptime: Option<u16>,
    /// What payload types mean.
    pub rtpmaps: Vec<Rtpmap>,
}

/// What a c= line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// An address.
    Ip(IpAddr),
    /// A host name or anything else; resolving is nothing that a description can wait for. It
    /// still overrules the session's c= line.
    Other,
}

/// An `a=rtpmap` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtpmap {
    /// The payload type.
    pub payload_type: u8,
    /// The encoding name.
    pub name: String,
    /// Ticks of its clock a second.
    pub clock: u32,
}

/// Why bytes are not a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than [`MAX_BYTES`], or more streams than [`MAX_MEDIA`].
    TooLong,
    /// No m= line that can be read.
    NoMedia,
}

impl Session {
    /// Reads a description.
    pub fn parse(bytes: &[u8]) -> Result<Session, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed::TooLong);
        }
        let text = String::from_utf8_lossy(bytes);
        let mut session = Session::default();
        // Some senders end lines by CR alone; an empty line between CR and LF does no harm.
        for line in text.split(['\r', '\n']) {
            let Some((kind, value)) = line.split_once('=') else { continue };
            session.read(kind.trim(), value.trim())?;
        }
        if session.media.is_empty() { Err(Malformed::NoMedia) } else { Ok(session) }
    }

    /// Where a stream is wanted: its own address, or else the session's.
    pub fn address_of(&self, media: &Media) -> Option<IpAddr> {
        match media.address.or(self.address)? {
            Connection::Ip(ip) => Some(ip),
            Connection::Other => None,
        }
    }

    /// The direction of a stream as its sender sees it: its own, or else the session's, or else
    /// both ways (RFC 8866 section 6.7).
    pub fn direction_of(&self, media: &Media) -> Direction {
        media.direction.or(self.direction).unwrap_or_default()
    }

    fn read(&mut self, kind: &str, value: &str) -> Result<(), Malformed> {
        match kind {
            "m" => {
                // An m= line that cannot be read still takes a place, for the answer's sake.
                self.media.push(Media::parse(value).ok_or(Malformed::NoMedia)?);
                if self.media.len() > MAX_MEDIA {
                    return Err(Malformed::TooLong);
                }
            }
            "c" => match self.media.last_mut() {
                Some(media) => media.address = Some(connection(value)),
                None => self.address = Some(connection(value)),
            },
            "a" => self.read_attribute(value),
            _ => {}
        }
        Ok(())
    }

    fn read_attribute(&mut self, value: &str) {
        let direction = match value.to_ascii_lowercase().as_str() {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        };
        match (direction, self.media.last_mut()) {
            (Some(_), Some(media)) => media.direction = direction,
            (Some(_), None) => self.direction = direction,
            (None, Some(media)) => media.read_attribute(value),
            (None, None) => {}
        }
    }
}

impl Media {
    fn parse(value: &str) -> Option<Media> {
        let mut words = value.split_ascii_whitespace();
        let kind = words.next().filter(|kind| is_token(kind))?.to_owned();
        let port = words.next()?;
        // A count of ports may follow (RFC 8866 section 5.14); we never want more than one.
        let port = port.split_once('/').map_or(port, |(port, _)| port).parse().ok()?;
        let protocol =
            words.next().filter(|protocol| protocol.split('/').all(is_token))?.to_owned();
        let formats = words.filter(|w| is_token(w)).take(MAX_FORMATS).map(str::to_owned).collect();
        Some(Media { kind, port, protocol, formats, ..Media::default() })
    }

    /// The payload type of an encoding, if the stream has it. An `a=rtpmap` explains a payload
    /// type; without one `fixed`, the encoding's static type, explains itself.
    pub fn payload_type_of(&self, name: &str, clock: u32, fixed: Option<u8>) -> Option<u8> {
        self.payload_types().find(|&payload_type| {
            match self.rtpmaps.iter().find(|map| map.payload_type == payload_type) {
                Some(map) => map.name.eq_ignore_ascii_case(name) && map.clock == clock,
                None => fixed == Some(payload_type),
            }
        })
    }

    /// The formats that are payload types.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|&number| number < 128)
    }

    fn read_attribute(&mut self, value: &str) {
        let Some((name, value)) = value.split_once(':') else { return };
        match name.to_ascii_lowercase().as_str() {
            "ptime" => self.ptime = value.trim().parse::<f32>().ok().map(|ms| ms as u16),
            "rtpmap" if self.rtpmaps.len() < MAX_FORMATS => {
                self.rtpmaps.extend(Rtpmap::parse(value));
            }
            _ => {}
        }
    }
}

impl Rtpmap {
    /// `101 telephone-event/8000`; G.711 with two channels is not what we speak, so it is left
    /// unread.
    fn parse(value: &str) -> Option<Rtpmap> {
        let (payload_type, encoding) = value.trim().split_once([' ', '\t'])?;
        let mut parts = encoding.trim().split('/');
        let (name, clock) = (parts.next()?.trim(), parts.next()?.trim());
        let mono = parts.next().is_none_or(|channels| channels.trim() == "1");
        Some(Rtpmap {
            payload_type: payload_type.parse().ok()?,
            name: if mono { name.to_owned() } else { format!("{name} in stereo") },
            clock: clock.parse().ok()?,
        })
    }
}

/// The address of a c= line: `IN IP4 192.0.2.1`, perhaps with a TTL.
fn connection(value: &str) -> Connection {
    let address = value.split_ascii_whitespace().nth(2).unwrap_or_default();
    let address = address.split_once('/').map_or(address, |(address, _)| address);
    address.trim_matches(['[', ']']).parse().map_or(Connection::Other, Connection::Ip)
}

/// RFC 8866 section 9, `token`: what may be written back in an answer.
fn is_token(word: &str) -> bool {
    let special = |byte: u8| b"!#$%&'*+-.^_`{|}~".contains(&byte);
    !word.is_empty()
        && word.len() <= 64
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    const PHONE: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
        a=ice-lite\r\nm=audio 4000 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\n\
        a=rtpmap:8 PCMA/8000/1\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
        a=ptime:30\r\na=sendonly\r\na=rtcp-mux\r\n\
        m=video 4002 RTP/AVP 96\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:96 VP8/90000\r\n";

    #[test]
    fn a_telephones_description_is_read() {
        let session = Session::parse(PHONE.as_bytes()).unwrap();
        let [audio, video] = &session.media[..] else { panic!("{session:?}") };
        assert_eq!((audio.kind.as_str(), audio.port, audio.ptime), ("audio", 4000, Some(30)));
        assert_eq!(session.address_of(audio), Some("192.0.2.7".parse().unwrap()));
        assert_eq!(session.address_of(video), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(session.direction_of(audio), Direction::SendOnly);
        assert_eq!(session.direction_of(video), Direction::SendRecv);
        assert_eq!(audio.payload_type_of("pcma", 8_000, Some(8)), Some(8));
        assert_eq!(audio.payload_type_of("PCMU", 8_000, Some(0)), Some(0), "static, unexplained");
        assert_eq!(audio.payload_type_of("telephone-event", 8_000, None), Some(101));
        assert_eq!(audio.payload_type_of("telephone-event", 48_000, None), None);
    }

    #[test]
    fn odd_line_ends_spaces_and_levels_are_tolerated() {
        let text = PHONE.replace("\r\n", "\n").replace("a=ice-lite", "a=INACTIVE\njunk\n=\na=");
        let session = Session::parse(text.as_bytes()).unwrap();
        assert_eq!(session.direction, Some(Direction::Inactive));
        assert_eq!(session.direction_of(&session.media[1]), Direction::Inactive);
        let session = Session::parse(b"m=audio 5/2 RTP/AVP 0\rc=IN IP4 host.example\r").unwrap();
        assert_eq!((session.media[0].port, session.address_of(&session.media[0])), (5, None));
    }

    #[test]
    fn a_payload_type_that_is_explained_otherwise_is_not_the_static_one() {
        let session = Session::parse(b"m=audio 5 RTP/AVP 0\na=rtpmap:0 opus/48000/2\n").unwrap();
        assert_eq!(session.media[0].payload_type_of("PCMU", 8_000, Some(0)), None);
    }

    #[test]
    fn what_is_no_description_is_refused() {
        assert_eq!(Session::parse(b""), Err(Malformed::NoMedia));
        assert_eq!(Session::parse(b"v=0\r\ns=-\r\n"), Err(Malformed::NoMedia));
        assert_eq!(Session::parse(b"m=audio seventy RTP/AVP 0"), Err(Malformed::NoMedia));
        assert_eq!(Session::parse(&vec![b'a'; MAX_BYTES + 1]), Err(Malformed::TooLong));
        let many = "m=audio 0 RTP/AVP 0\n".repeat(MAX_MEDIA + 1);
        assert_eq!(Session::parse(many.as_bytes()), Err(Malformed::TooLong));
    }

    #[test]
    fn no_bytes_panic() {
        let mut rng = Rng::from_number(8866);
        for _ in 0..20_000 {
            let mut bytes = PHONE.as_bytes().to_vec();
            for _ in 0..=rng.below(8) {
                let at = rng.below(bytes.len() as u64) as usize;
                match rng.below(3) {
                    0 => bytes[at] = rng.next_u32() as u8,
                    1 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, b"\r\n=/: 09"[rng.below(8) as usize]),
                }
            }
            if let Ok(session) = Session::parse(&bytes) {
                assert!(session.media.len() <= MAX_MEDIA);
            }
        }
    }
}
