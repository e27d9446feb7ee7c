//! One party of a call: what is agreed with it, what comes from it and what goes to it.
//!
//! Knows nothing of other sessions; [`Plane`](super::Plane) carries frames and packets between
//! them. No packet allocates.

use std::net::SocketAddr;

use crate::audio::Codec;
use crate::audio::goertzel::DtmfDetector;
use crate::base::{Instant, Rng};
use crate::media::command::{Remote, SessionId};
use crate::media::decoder::{Decoder, Frame, Heard};
use crate::media::latch::Latch;
use crate::media::outgoing::Outgoing;
use crate::media::player::{Player, Sound};
use crate::media::recorder::Recorder;
use crate::rtp::packet::{FIXED, Rewrite, rewrite};
use crate::rtp::sequence::extend_sequence;
use crate::rtp::telephone_event::Receiver;
use crate::rtp::{FRAME, Packet};

/// An own packet: a header and 20 ms of G.711.
pub const OWN_PACKET: usize = FIXED + FRAME;

/// What a packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Sound in the agreed codec, and the key whose tones begin in it.
    Sound(Option<char>),
    /// A packet of a key, told when it is the first of its press.
    Key(Option<char>),
    /// Not the peer's, not agreed or not RTP.
    Refused,
    /// The same, and it is the packet that shows that the party is heard by nobody: told once.
    Elsewhere,
}

impl Arrival {
    /// Whether nothing is to be done with the packet.
    pub fn is_refused(self) -> bool {
        matches!(self, Arrival::Refused | Arrival::Elsewhere)
    }
}

/// Packets from elsewhere, and none from the party, after which somebody is told: a second of them
/// is no stray, and no scan of our ports sends as many to one.
const ELSEWHERE: u8 = 50;

/// One party.
#[derive(Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// Which millisecond of every 20 is its own.
    pub phase: usize,
    /// The slot of the session it is bridged to.
    pub bridge: Option<usize>,
    /// What is played to it.
    pub player: Player,
    /// What records it.
    pub recorders: Vec<Recorder>,
    /// Recordings of any session that listen to this one.
    pub listeners: usize,
    /// Its stream towards the party.
    pub outgoing: Outgoing,
    /// Present while somebody needs its samples.
    pub decoder: Option<Box<Decoder>>,
    /// When a packet last came, or was first expected.
    pub last_packet: Instant,
    /// Packets that came.
    pub incoming: Incoming,
    /// Packets that were refused for their source before any was the party's.
    elsewhere: u8,
    link: Option<Link>,
    keys: Receiver,
    /// Present where telephone-event was not agreed: keys are then in the sound.
    tones: Option<Box<DtmfDetector>>,
}

#[derive(Debug)]
struct Link {
    remote: Remote,
    latch: Latch,
}

impl Session {
    /// A session that nothing is agreed for.
    pub fn new(now: Instant, id: SessionId, phase: usize, rng: &mut Rng) -> Self {
        Session {
            id,
            phase,
            bridge: None,
            player: Player::default(),
            recorders: Vec::new(),
            listeners: 0,
            outgoing: Outgoing::new(rng),
            decoder: None,
            last_packet: now,
            incoming: Incoming::default(),
            elsewhere: 0,
            link: None,
            keys: Receiver::new(),
            tones: None,
        }
    }

    /// Offer and answer are done, or done again.
    pub fn connect(&mut self, now: Instant, remote: Remote) {
        let latch = match self.link.take() {
            Some(mut link) => {
                link.latch.renew(now, &remote);
                link.latch
            }
            None => Latch::new(now, &remote),
        };
        if let Some(decoder) = &mut self.decoder {
            decoder.reset();
        }
        self.tones = match remote.telephone_event {
            Some(_) => None,
            None => Some(self.tones.take().unwrap_or_else(|| Box::new(DtmfDetector::new()))),
        };
        self.link = Some(Link { remote, latch });
        self.last_packet = now;
    }

    /// What was agreed.
    pub fn remote(&self) -> Option<&Remote> {
        self.link.as_ref().map(|link| &link.remote)
    }

    /// The codec agreed.
    pub fn codec(&self) -> Option<Codec> {
        self.remote().map(|remote| remote.codec)
    }

    /// Where packets go, if any may go at all.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.link
            .as_ref()
            .filter(|link| link.remote.direction.sends())
            .map(|link| link.latch.peer())
    }

    /// Whether the far end should be sending.
    pub fn expects(&self) -> bool {
        self.remote().is_some_and(|remote| remote.direction.receives())
    }

    /// Judges a packet and takes from it what is this session's own business.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) -> Arrival {
        let Some(link) = self.link.as_mut().filter(|link| link.remote.direction.receives()) else {
            return Arrival::Refused;
        };
        let sound = packet.payload_type == link.remote.payload_type;
        let key = link.remote.telephone_event == Some(packet.payload_type);
        if !(sound || key) {
            return Arrival::Refused;
        }
        if !link.latch.admit(now, from, packet) {
            return self.refuse();
        }
        self.last_packet = now;
        self.incoming.count(packet);
        if key {
            return Arrival::Key(self.keys.handle(packet.ssrc, packet.timestamp, packet.payload()));
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.insert(now, packet);
        }
        Arrival::Sound(self.listen_for_keys(packet.payload()))
    }

    /// Refuses a packet for its source.
    fn refuse(&mut self) -> Arrival {
        if self.incoming.received > 0 || self.elsewhere >= ELSEWHERE {
            return Arrival::Refused;
        }
        self.elsewhere += 1;
        if self.elsewhere == ELSEWHERE { Arrival::Elsewhere } else { Arrival::Refused }
    }

    /// Keys among the sound, as it comes: without a jitter buffer, so a lost packet may hide one.
    fn listen_for_keys(&mut self, payload: &[u8]) -> Option<char> {
        /// Samples looked at in one piece; longer packets take several.
        const PIECE: usize = 160;
        let (codec, tones) = (self.codec()?, self.tones.as_mut()?);
        let mut pressed = None;
        for piece in payload.chunks(PIECE) {
            let mut samples = [0; PIECE];
            for (sample, &code) in samples.iter_mut().zip(piece) {
                *sample = codec.decode_sample(code);
            }
            // Two presses do not fit into one packet.
            tones.handle(&samples[..piece.len()], |key| pressed = Some(key));
        }
        pressed
    }

    /// Gives a bridged party's packet this session's numbers; where to send it.
    pub fn relay(
        &mut self,
        now: Instant,
        arrived: Relayed,
        datagram: &mut [u8],
    ) -> Option<SocketAddr> {
        let to = self.destination()?;
        let remote = self.remote()?;
        let payload_type = if arrived.key { remote.telephone_event? } else { remote.payload_type };
        let numbers =
            self.outgoing.relay(now, arrived.ssrc, arrived.sequence, arrived.timestamp)?;
        let new = self.outgoing.rewrite(numbers, payload_type, arrived.marker);
        rewrite(datagram, new).ok()?;
        Some(to)
    }

    /// Moves hearing on by 20 ms.
    pub fn hear(&mut self) {
        if let (Some(codec), Some(decoder)) = (self.codec(), &mut self.decoder) {
            decoder.tick(codec);
        }
    }

    /// What the party said in the last tick.
    pub fn heard(&self) -> Option<Heard<'_>> {
        self.decoder.as_ref().and_then(|decoder| decoder.heard())
    }

    /// Writes the packet of this 20 ms: what is played, else what the bridged party said.
    pub fn speak(
        &mut self,
        now: Instant,
        bridged: Option<&Frame>,
        packet: &mut [u8; OWN_PACKET],
    ) -> Option<(SocketAddr, usize)> {
        let (clock, follows_silence) = self.outgoing.next_timestamp(now);
        let mut frame: Frame = [0; FRAME];
        let sound = match self.player.next(clock, &mut frame) {
            Sound::Nothing => {
                frame = *bridged?;
                Sound::Frame
            }
            sound => sound,
        };
        // On hold the plays go on unheard, so that a document does not stand still.
        let to = self.destination()?;
        let remote = self.remote()?;
        let (payload_type, timestamp, marker, length) = match sound {
            Sound::Event { payload, timestamp, marker } => {
                packet[FIXED..FIXED + payload.len()].copy_from_slice(&payload);
                (remote.telephone_event?, timestamp, marker, payload.len())
            }
            _ => {
                let codec = remote.codec;
                for (code, &sample) in packet[FIXED..].iter_mut().zip(&frame) {
                    *code = codec.encode_sample(sample);
                }
                (remote.payload_type, clock, follows_silence, FRAME)
            }
        };
        let sequence = self.outgoing.number(now, clock);
        let ssrc = self.outgoing.ssrc();
        packet[0] = 0x80;
        let header = Rewrite { ssrc, sequence, timestamp, payload_type, marker };
        rewrite(packet, header).ok()?;
        Some((to, FIXED + length))
    }

    /// Whether it must be ticked: there is something to play, or its samples are wanted.
    pub fn is_busy(&self) -> bool {
        let connected = self.link.is_some();
        !self.recorders.is_empty() || (connected && !self.player.is_idle()) || self.is_hearing()
    }

    /// Whether its decoder may still give samples, or has lately.
    pub fn is_hearing(&self) -> bool {
        /// Ticks: longer than a jitter buffer holds anything back.
        const DRAIN: u32 = 50;
        self.decoder.as_ref().is_some_and(|decoder| decoder.missing() < DRAIN)
    }
}

/// The numbers of a packet on its way through a bridge.
#[derive(Clone, Copy, Debug)]
pub struct Relayed {
    /// Its source.
    pub ssrc: u32,
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// Its marker.
    pub marker: bool,
    /// Whether it is a telephone-event.
    pub key: bool,
}

/// Counts what came and what did not, by sequence number (RFC 3550 appendix A.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming {
    /// Packets that came.
    pub received: u64,
    stream: Option<Counted>,
    lost_before: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    ssrc: u32,
    first: i64,
    highest: i64,
    came: u64,
}

impl Counted {
    fn lost(self) -> u64 {
        // Duplicates can make more come than were sent.
        ((self.highest - self.first + 1) as u64).saturating_sub(self.came)
    }
}

impl Incoming {
    /// A jump beyond this begins a new count (RFC 3550 appendix A.1).
    const MAX_DROPOUT: i64 = 3_000;

    fn count(&mut self, packet: &Packet<'_>) {
        self.received += 1;
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == packet.ssrc) {
            let sequence = extend_sequence(stream.highest, packet.sequence);
            if (sequence - stream.highest).abs() < Self::MAX_DROPOUT {
                stream.highest = stream.highest.max(sequence);
                stream.came += 1;
                return;
            }
        }
        self.lost_before = self.lost();
        let first = i64::from(packet.sequence);
        self.stream = Some(Counted { ssrc: packet.ssrc, first, highest: first, came: 1 });
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.stream.map_or(0, Counted::lost)
    }
}
