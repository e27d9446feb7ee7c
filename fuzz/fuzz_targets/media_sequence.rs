//! All media of a worker under orders and packets in any order: a play and a recording end once,
//! a closed session is silent, and when all are closed no timer is left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use offhook::audio::Clip;
use offhook::base::id::RecordingSid;
use offhook::base::{Duration, Instant, Machine, Rng};
use offhook::media::{
    Codec, Command, Direction, Event, Input, Leeway, Output, Plane, RecordingPlan, Remote,
    SessionId, Tracks,
};
use offhook::rtp::packet::{header, write};

use super::steps::Steps;

/// Sessions that there may be.
const SESSIONS: usize = 4;

struct Worker {
    plane: Plane,
    now: Instant,
    /// Slots of sessions that are open.
    open: BTreeMap<SessionId, usize>,
    slots: BTreeMap<usize, SessionId>,
    playing: BTreeSet<(SessionId, u64)>,
    recording: BTreeSet<RecordingSid>,
    last: u64,
    sequence: u16,
    timestamp: u32,
    /// Whether there is a port for the next session.
    refuse: bool,
    refused: Option<SessionId>,
}

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let mut worker = Worker {
        plane: Plane::new(Rng::from_number(9)),
        now: Instant::from_millis(1),
        open: BTreeMap::new(),
        slots: BTreeMap::new(),
        playing: BTreeSet::new(),
        recording: BTreeSet::new(),
        last: 0,
        sequence: 65_500,
        timestamp: 0,
        refuse: false,
        refused: None,
    };
    for _ in 0..Steps::MOST {
        let Some(step) = steps.next() else { break };
        worker.step(step, &mut steps);
        worker.drain();
        assert_eq!(worker.plane.sessions(), worker.open.len(), "all that are open are known");
    }
    worker.run_out();
}

impl Worker {
    fn step(&mut self, step: u8, steps: &mut Steps<'_>) {
        let session = SessionId(1 + steps.below(SESSIONS) as u64);
        match step % 8 {
            0..=2 => self.packet(session, steps),
            3 | 4 => self.command(session, steps),
            5 => self.connect(session, steps),
            _ => {
                let millis = [20, 1, 5, 200, 2_000, 20, 20, 61_000][steps.below(8)];
                self.now += Duration::from_millis(millis);
                self.plane.handle_timeout(self.now);
            }
        }
    }

    fn order(&mut self, command: Command) {
        self.plane.handle(self.now, Input::Command(command));
    }

    fn command(&mut self, session: SessionId, steps: &mut Steps<'_>) {
        self.last += 1;
        let play = self.last;
        let other = SessionId(1 + steps.below(SESSIONS) as u64);
        match steps.below(10) {
            0 | 1 => {
                self.refuse = steps.below(8) == 7;
                self.order(Command::Open { session, ip: IpAddr::from([127, 0, 0, 1]) });
            }
            2 => self.order(Command::Close { session }),
            3 => {
                if self.open.contains_key(&session) {
                    self.playing.insert((session, play));
                }
                let clip = Clip::silence(Duration::from_millis(u64::from(steps.number() % 512)));
                self.order(Command::Play { session, play, clip, loops: steps.below(3) as u32 });
            }
            4 => {
                self.playing.retain(|(of, _)| *of != session);
                self.order(Command::StopPlaying { session });
            }
            5 => {
                if self.open.contains_key(&session) {
                    self.playing.insert((session, play));
                }
                let digits = String::from_utf8_lossy(steps.piece()).into_owned();
                self.order(Command::SendDigits { session, play, digits });
            }
            6 => self.order(Command::Bridge { a: session, b: other }),
            7 => self.order(Command::Unbridge { session }),
            8 => {
                let recording = RecordingSid::from_bytes([self.last as u8; 16]);
                if !self.recording.insert(recording) {
                    return;
                }
                let tracks = [Tracks::Own, Tracks::Mixed(other), Tracks::Dual(other)];
                let plan = RecordingPlan {
                    recording,
                    tracks: steps.pick(&tracks),
                    max: Duration::from_millis(u64::from(steps.number() % 4_096)),
                    silence: steps.flag().then_some(Duration::from_millis(300)),
                    trim: steps.flag(),
                };
                self.order(Command::Record { session, plan });
            }
            _ => {
                let Some(recording) = self.recording.first().copied() else { return };
                match steps.flag() {
                    true => self.order(Command::StopRecording { recording }),
                    false => self.plane.handle(self.now, Input::RecordingLost(recording)),
                }
            }
        }
    }

    fn connect(&mut self, session: SessionId, steps: &mut Steps<'_>) {
        let ways = [
            Direction::SendRecv,
            Direction::SendRecv,
            Direction::SendOnly,
            Direction::RecvOnly,
            Direction::Inactive,
        ];
        let codec = steps.pick(&[Codec::Pcmu, Codec::Pcma]);
        let remote = Remote {
            address: address(steps.below(3)),
            signalled_from: steps.pick(&[None, Some(address(1).ip()), Some(address(7).ip())]),
            leeway: steps.pick(&[Leeway::Network, Leeway::Host, Leeway::None]),
            codec,
            payload_type: steps.pick(&[0, 8, 96, 127]),
            telephone_event: steps.pick(&[Some(101), None, Some(0)]),
            direction: steps.pick(&ways),
        };
        self.order(Command::Connect { session, remote });
    }

    fn packet(&mut self, session: SessionId, steps: &mut Steps<'_>) {
        let slot = self.open.get(&session).copied().unwrap_or(steps.below(6));
        let from = address(steps.below(3));
        let mut datagram = Vec::new();
        match steps.below(8) {
            0 => datagram.extend_from_slice(steps.piece()),
            1 => {
                datagram = steps.piece().to_vec();
                datagram.splice(0..0, [0x80, 200]);
            }
            kind => {
                self.sequence = match kind {
                    2 => steps.number(),
                    3 => self.sequence.wrapping_sub(1),
                    _ => self.sequence.wrapping_add(1),
                };
                self.timestamp = self.timestamp.wrapping_add(160);
                let payload_type = steps.pick(&[0, 0, 0, 8, 101, 101, 96, 13]);
                let payload = match payload_type {
                    101 => vec![steps.next().unwrap_or_default() % 18, 10, 0, 160],
                    _ => vec![steps.next().unwrap_or_default(); [160, 80, 0, 480][steps.below(4)]],
                };
                let head = header(
                    payload_type,
                    self.sequence,
                    self.timestamp,
                    steps.below(2) as u32,
                    steps.flag(),
                );
                write(&head, &payload, &mut datagram);
            }
        }
        if let Some(forward) = self.plane.receive(self.now, slot, from, &mut datagram) {
            assert!(self.slots.contains_key(&forward.slot), "to a session that is open");
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.plane.poll() {
            match output {
                Output::Bind { slot, session, ip } => {
                    assert!(self.slots.insert(slot, session).is_none(), "a slot of its own");
                    assert!(self.open.insert(session, slot).is_none(), "opened once");
                    let result = match self.refuse {
                        true => {
                            self.refused = Some(session);
                            Err("no port left".to_owned())
                        }
                        false => Ok(SocketAddr::new(ip, 10_000 + slot as u16)),
                    };
                    self.plane.handle(self.now, Input::Bound { slot, result });
                }
                Output::Unbind { slot } => {
                    assert!(self.slots.remove(&slot).is_some(), "a socket is closed once");
                }
                Output::Transmit(datagram) => {
                    assert!(self.slots.contains_key(&datagram.slot), "from a session that is open");
                    assert!(datagram.bytes().len() >= 12);
                }
                Output::Record { recording, channels, .. } => {
                    assert!(self.recording.contains(&recording) && (1..=2).contains(&channels));
                }
                Output::Chunk { samples, .. } => assert!(!samples.is_empty()),
                Output::Event(event) => self.told(event),
            }
        }
    }

    fn told(&mut self, event: Event) {
        let session = event.session();
        match event {
            Event::Played { play, .. } => {
                assert!(self.playing.remove(&(session, play)), "a play ends once");
            }
            Event::Recorded { recording, .. } => {
                assert!(self.recording.remove(&recording), "a recording ends once");
            }
            Event::Failed { .. } if self.refused.take_if(|of| *of == session).is_some() => {
                let slot = self.open.remove(&session).expect("it was being opened");
                self.slots.remove(&slot);
                self.playing.retain(|(of, _)| *of != session);
            }
            Event::Failed { .. } => assert!(self.open.contains_key(&session), "it is open already"),
            Event::Closed { .. } => {
                assert!(self.open.remove(&session).is_some(), "a session closes once");
                self.playing.retain(|(of, _)| *of != session);
            }
            Event::Digit { digit, .. } => assert!("0123456789*#ABCD".contains(digit)),
            Event::Opened { .. } | Event::Silent { .. } | Event::Elsewhere { .. } => {
                assert!(self.open.contains_key(&session));
            }
        }
    }

    fn run_out(&mut self) {
        for session in self.open.clone().into_keys() {
            self.order(Command::Close { session });
            self.drain();
        }
        self.plane.handle_timeout(self.now + Duration::from_secs(1));
        self.drain();
        assert_eq!(self.plane.sessions(), 0);
        assert!(self.recording.is_empty(), "recordings end with their session");
        assert_eq!(self.plane.timeout(), None, "nothing is waited for");
    }
}

fn address(number: usize) -> SocketAddr {
    ([198, 51, 100, 1 + number as u8], 4_000).into()
}
