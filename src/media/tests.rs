//! Parties hum their own tones through a plane in virtual time; spectra say who hears whom.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::audio::Clip;
use crate::base::id::RecordingSid;
use crate::base::{Duration, Instant, Machine, Rng};
use crate::rtp::Packet;
use crate::rtp::packet::{header, write};
use crate::rtp::telephone_event;

mod latch;

const KEY: u8 = 101;

/// A phone at the far end.
struct Party {
    id: SessionId,
    address: SocketAddr,
    codec: Codec,
    tone: f64,
    sequence: u16,
    samples: u32,
    /// Sound heard, by our stream's timestamp.
    heard: BTreeMap<u32, Vec<i16>>,
    keys: telephone_event::Receiver,
    pressed: String,
    packets: Vec<Vec<u8>>,
}

impl Party {
    fn packet(&mut self) -> Vec<u8> {
        let samples: Vec<i16> = (0..160)
            .map(|n| {
                let time = f64::from(self.samples + n) / 8_000.0;
                ((TAU * self.tone * time).sin() * 8_000.0) as i16
            })
            .collect();
        let mut payload = Vec::new();
        self.codec.encode(&samples, &mut payload);
        self.numbered(self.codec.payload_type(), self.samples, &payload)
    }

    fn numbered(&mut self, kind: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        write(&header(kind, self.sequence, timestamp, 7, false), payload, &mut datagram);
        self.sequence = self.sequence.wrapping_add(1);
        datagram
    }

    fn take(&mut self, datagram: &[u8]) {
        let packet = Packet::parse(datagram).expect("we send RTP");
        self.packets.push(datagram.to_vec());
        if packet.payload_type == KEY {
            self.pressed.extend(self.keys.handle(packet.ssrc, packet.timestamp, packet.payload()));
            return;
        }
        assert_eq!(packet.payload_type, self.codec.payload_type());
        let mut samples = Vec::new();
        self.codec.decode(packet.payload(), &mut samples);
        self.heard.insert(packet.timestamp, samples);
    }

    fn level(&self, tone: f64) -> f64 {
        level(&self.heard.values().flatten().copied().collect::<Vec<_>>(), tone)
    }
}

/// The amplitude of a tone, measured in half-seconds so that phases do not matter.
fn level(samples: &[i16], tone: f64) -> f64 {
    let windows: Vec<f64> = samples
        .chunks(800)
        .map(|window| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (n, &sample) in window.iter().enumerate() {
                let angle = TAU * tone * n as f64 / 8_000.0;
                real += f64::from(sample) * angle.cos();
                imaginary += f64::from(sample) * angle.sin();
            }
            2.0 * real.hypot(imaginary) / window.len() as f64
        })
        .collect();
    windows.iter().sum::<f64>() / windows.len().max(1) as f64
}

/// A plane, its parties and what it told.
struct World {
    plane: Plane,
    now: Instant,
    parties: Vec<Party>,
    events: Vec<Event>,
    recorded: BTreeMap<RecordingSid, Vec<i16>>,
    sent: Vec<(u64, SocketAddr, Vec<u8>)>,
    chance: Rng,
    loss: f64,
    talking: bool,
    /// The host that signals, where it is believed.
    host: Option<IpAddr>,
    leeway: Leeway,
}

impl World {
    fn new(codecs: &[Codec]) -> World {
        let mut world = World {
            plane: Plane::new(Rng::from_number(1)),
            now: Instant::from_millis(5),
            parties: Vec::new(),
            events: Vec::new(),
            recorded: BTreeMap::new(),
            sent: Vec::new(),
            chance: Rng::from_number(2),
            loss: 0.0,
            talking: true,
            host: None,
            leeway: Leeway::Network,
        };
        for (n, &codec) in codecs.iter().enumerate() {
            let id = SessionId(n as u64 + 10);
            world.parties.push(Party {
                id,
                address: SocketAddr::from(([192, 0, 2, 10 + n as u8], 4_000)),
                codec,
                tone: 500.0 + 400.0 * n as f64,
                sequence: 65_500,
                samples: 1_000 * n as u32,
                heard: BTreeMap::new(),
                keys: telephone_event::Receiver::new(),
                pressed: String::new(),
                packets: Vec::new(),
            });
            world.order(Command::Open { session: id, ip: IpAddr::V4(Ipv4Addr::LOCALHOST) });
            world.connect(n, Direction::SendRecv, Some(KEY));
        }
        world
    }

    fn connect(&mut self, n: usize, direction: Direction, telephone_event: Option<u8>) {
        let party = &self.parties[n];
        let (address, codec) = (party.address, party.codec);
        let payload_type = codec.payload_type();
        let signalled_from = self.host;
        let leeway = if signalled_from.is_some() { self.leeway } else { Leeway::None };
        let remote = Remote {
            address,
            signalled_from,
            leeway,
            codec,
            payload_type,
            telephone_event,
            direction,
        };
        let session = party.id;
        self.order(Command::Connect { session, remote });
    }

    fn order(&mut self, command: Command) {
        self.plane.handle(self.now, Input::Command(command));
        self.drain();
    }

    fn bridge(&mut self) {
        let (a, b) = (self.parties[0].id, self.parties[1].id);
        self.order(Command::Bridge { a, b });
    }

    fn drain(&mut self) {
        while let Some(output) = self.plane.poll() {
            match output {
                Output::Transmit(datagram) => self.deliver(datagram.to, datagram.bytes()),
                Output::Event(event) => self.events.push(event),
                Output::Record { recording, .. } => {
                    assert!(self.recorded.insert(recording, Vec::new()).is_none());
                }
                Output::Chunk { recording, samples } => {
                    self.recorded.get_mut(&recording).expect("it began").extend(samples);
                }
                Output::Bind { slot, .. } => {
                    let local = SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * slot as u16));
                    self.plane.handle(self.now, Input::Bound { slot, result: Ok(local) });
                }
                Output::Unbind { .. } => {}
            }
        }
    }

    fn deliver(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.sent.push((self.now.as_nanos(), to, datagram.to_vec()));
        if let Some(party) = self.parties.iter_mut().find(|party| party.address == to) {
            party.take(datagram);
        }
    }

    fn inject(&mut self, slot: usize, from: SocketAddr, mut datagram: Vec<u8>) {
        if let Some(forward) = self.plane.receive(self.now, slot, from, &mut datagram) {
            self.deliver(forward.to, &datagram);
        }
        self.drain();
    }

    /// Lets time pass by milliseconds; everyone who talks sends each 20 ms.
    fn run(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while self.now < end {
            self.now += Duration::from_millis(1);
            if self.plane.timeout().is_some_and(|due| due <= self.now) {
                self.plane.handle_timeout(self.now);
                self.drain();
            }
            for n in 0..self.parties.len() {
                if self.now.as_millis() % 20 != n as u64 * 7 {
                    continue;
                }
                self.parties[n].samples += 160;
                if self.talking {
                    let (from, packet) = (self.parties[n].address, self.parties[n].packet());
                    if self.chance.unit() >= self.loss {
                        self.inject(n, from, packet);
                    }
                }
            }
        }
    }

    fn press(&mut self, n: usize, digit: char, keep: impl Fn(usize) -> bool) {
        let timestamp = self.parties[n].samples;
        let mut sender = telephone_event::Sender::new(&digit.to_string());
        for at in 0.. {
            match sender.tick(timestamp) {
                telephone_event::Tick::Packet { payload, timestamp, .. } => {
                    let from = self.parties[n].address;
                    let packet = self.parties[n].numbered(KEY, timestamp, &payload);
                    if keep(at) {
                        self.inject(n, from, packet);
                    }
                }
                telephone_event::Tick::Pause => {}
                telephone_event::Tick::Done => return,
            }
        }
    }

    fn record(&mut self, n: usize, tracks: Tracks, silence: Option<u64>, max: u64) -> RecordingSid {
        let recording = RecordingSid::random(&mut self.chance);
        let (max, silence) = (Duration::from_millis(max), silence.map(Duration::from_millis));
        let plan = RecordingPlan { recording, tracks, max, silence, trim: false };
        self.order(Command::Record { session: self.parties[n].id, plan });
        recording
    }
}

#[test]
fn bridged_parties_hear_each_other_and_not_themselves() {
    let both = [(Codec::Pcmu, Codec::Pcmu), (Codec::Pcma, Codec::Pcma), (Codec::Pcmu, Codec::Pcma)];
    for (a, b) in both {
        let mut world = World::new(&[a, b]);
        world.bridge();
        world.run(2_000);
        for (n, party) in world.parties.iter().enumerate() {
            let (own, other) = (party.tone, world.parties[1 - n].tone);
            assert!(party.level(other) > 7_000.0, "{a:?} {b:?}: {}", party.level(other));
            assert!(party.level(own) < 100.0, "{a:?} {b:?}: {}", party.level(own));
            let stamps: Vec<u32> = party.heard.keys().copied().collect();
            assert!(stamps.len() > 90);
            assert!(stamps.windows(2).all(|pair| pair[1] - pair[0] == 160), "stamps jump");
        }
    }
}

#[test]
fn a_relay_gives_one_source_with_unbroken_numbers_across_plays() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcmu]);
    world.bridge();
    world.run(300);
    let clip = Clip::new(vec![0; 1_600]);
    world.order(Command::Play { session: SessionId(10), play: 1, clip, loops: 1 });
    world.run(700);
    assert!(world.events.contains(&Event::Played { session: SessionId(10), play: 1 }));
    let packets = &world.parties[0].packets;
    let parsed: Vec<_> = packets.iter().map(|bytes| Packet::parse(bytes).unwrap()).collect();
    assert!(parsed.len() > 40);
    for pair in parsed.windows(2) {
        assert_eq!(pair[0].ssrc, pair[1].ssrc);
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((160..=480).contains(&ticks), "timestamp moves by {ticks}");
    }
}

#[test]
fn plays_are_paced_end_in_order_and_stop_when_told() {
    let mut world = World::new(&[Codec::Pcmu]);
    world.talking = false;
    let tone: Vec<i16> = (0..4_000)
        .map(|n| ((TAU * 700.0 * f64::from(n) / 8_000.0).sin() * 9_000.0) as i16)
        .collect();
    let session = SessionId(10);
    world.order(Command::Play { session, play: 1, clip: Clip::new(tone.clone()), loops: 2 });
    world.order(Command::Play { session, play: 2, clip: Clip::new(Vec::new()), loops: 0 });
    world.order(Command::Play { session, play: 3, clip: Clip::new(tone), loops: 0 });
    world.run(1_500);
    let played = |play| Event::Played { session, play };
    assert_eq!(world.events[1..], [played(1), played(2)]);
    assert!(world.parties[0].level(700.0) > 8_500.0);
    let times: Vec<u64> = world.sent.iter().map(|(at, ..)| at / 1_000_000).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 20));
    let markers = world.sent.iter().filter(|(.., bytes)| bytes[1] & 0x80 != 0).count();
    assert_eq!(markers, 1, "one spurt");
    world.order(Command::StopPlaying { session });
    let before = world.sent.len();
    world.run(500);
    assert_eq!(world.sent.len(), before);
    assert_eq!(world.events.len(), 3);
}

#[test]
fn an_idle_plane_asks_for_no_ticks() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcma]);
    world.bridge();
    let due = world.plane.timeout().expect("patience");
    assert!(due - world.now >= Duration::from_secs(59), "only patience wakes it");
    world.run(500);
    world.talking = false;
    world.run(2_000);
    let due = world.plane.timeout().expect("patience");
    assert!(due - world.now >= Duration::from_secs(50), "idle transcoding is not ticked");
}

#[test]
fn keys_are_told_once_whatever_is_lost_and_pass_the_bridge() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcma]);
    world.bridge();
    world.run(200);
    world.press(0, '5', |_| true);
    world.run(200);
    world.press(0, '#', |at| at < 3);
    world.run(200);
    world.press(0, '9', |at| at > 8);
    world.run(200);
    let digits: String = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Digit { session: SessionId(10), digit } => Some(*digit),
            _ => None,
        })
        .collect();
    assert_eq!(digits, "5#9");
    assert_eq!(world.parties[1].pressed, "5#9");
}

#[test]
fn keys_reach_a_party_without_events_as_tones() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcmu]);
    world.connect(1, Direction::SendRecv, None);
    world.bridge();
    world.run(100);
    world.talking = false;
    world.parties[1].heard.clear();
    world.press(0, '1', |_| true);
    world.run(300);
    assert!(world.parties[1].level(697.0) > 1_500.0, "{}", world.parties[1].level(697.0));
    assert!(world.parties[1].level(1_209.0) > 1_500.0);
    assert!(world.parties[1].level(852.0) < 700.0);
}

#[test]
fn keys_pressed_as_tones_are_told_where_events_were_not_agreed() {
    let mut world = World::new(&[Codec::Pcma]);
    world.talking = false;
    world.connect(0, Direction::SendRecv, None);
    let sound = crate::audio::tone::dtmf("7*7");
    for (n, frame) in sound.samples().chunks(160).enumerate() {
        let mut payload = Vec::new();
        Codec::Pcma.encode(frame, &mut payload);
        let packet = world.parties[0].numbered(8, n as u32 * 160, &payload);
        let from = world.parties[0].address;
        world.run(20);
        world.inject(0, from, packet);
    }
    let told = |digit| Event::Digit { session: SessionId(10), digit };
    assert_eq!(world.events[1..], [told('7'), told('*'), told('7')]);
}

#[test]
fn digits_are_sent_as_events_and_their_end_is_told() {
    let mut world = World::new(&[Codec::Pcmu]);
    world.talking = false;
    let session = SessionId(10);
    world.order(Command::SendDigits { session, play: 4, digits: "1w2#".into() });
    world.run(2_000);
    assert_eq!(world.parties[0].pressed, "12#");
    assert_eq!(world.events.last(), Some(&Event::Played { session, play: 4 }));
}

#[test]
fn on_hold_nothing_is_sent_and_plays_go_on() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcmu]);
    world.bridge();
    world.run(200);
    world.connect(0, Direction::Inactive, Some(KEY));
    let (a, b) = (world.parties[0].packets.len(), world.parties[1].packets.len());
    let session = SessionId(10);
    let clip = Clip::new(vec![500; 1_600]);
    world.order(Command::Play { session, play: 1, clip, loops: 1 });
    world.run(500);
    assert_eq!((world.parties[0].packets.len(), world.parties[1].packets.len()), (a, b));
    assert_eq!(world.events.last(), Some(&Event::Played { session, play: 1 }));
    world.connect(0, Direction::SendRecv, Some(KEY));
    world.run(500);
    assert!(world.parties[0].packets.len() > a && world.parties[1].packets.len() > b);
}

#[test]
fn recordings_hold_whom_they_should_for_as_long_as_it_took() {
    let mut world = World::new(&[Codec::Pcmu, Codec::Pcmu]);
    world.bridge();
    let other = world.parties[1].id;
    let own = world.record(0, Tracks::Own, None, 60_000);
    let mixed = world.record(0, Tracks::Mixed(other), None, 60_000);
    let dual = world.record(0, Tracks::Dual(other), None, 60_000);
    world.loss = 0.05;
    world.run(3_000);
    for recording in [own, mixed, dual] {
        world.order(Command::StopRecording { recording });
    }
    let (one, two) = (world.parties[0].tone, world.parties[1].tone);
    let samples = &world.recorded[&own];
    assert_eq!(samples.len(), 24_000);
    assert!(level(samples, one) > 6_000.0 && level(samples, two) < 200.0);
    let samples = &world.recorded[&mixed];
    assert!(level(samples, one) > 6_000.0 && level(samples, two) > 6_000.0);
    let (left, right): (Vec<i16>, Vec<i16>) =
        world.recorded[&dual].chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    assert!(level(&left, one) > 6_000.0 && level(&left, two) < 200.0);
    assert!(level(&right, two) > 6_000.0 && level(&right, one) < 200.0);
    let ends = world.events.iter().filter(|event| {
        matches!(event, Event::Recorded { end: RecordingEnd::Stopped, heard: true, length, .. }
            if *length == Duration::from_secs(3))
    });
    assert_eq!(ends.count(), 3);
}

#[test]
fn recordings_end_by_length_and_by_silence_but_not_for_want_of_packets() {
    let end = |world: &World, recording| {
        world.events.iter().find_map(|event| match event {
            Event::Recorded { recording: sid, end, length, heard, .. } if *sid == recording => {
                Some((*end, length.as_millis(), *heard))
            }
            _ => None,
        })
    };
    let mut world = World::new(&[Codec::Pcmu]);
    let long = world.record(0, Tracks::Own, Some(500), 1_000);
    world.run(1_200);
    assert_eq!(end(&world, long), Some((RecordingEnd::MaxLength, 1_000, true)));
    assert_eq!(world.recorded[&long].len(), 8_000);
    world.talking = false;
    let gone = world.record(0, Tracks::Own, Some(500), 60_000);
    world.run(2_000);
    assert_eq!(end(&world, gone), None, "no packets are not silence");
    world.talking = true;
    world.parties[0].tone = 0.0;
    world.run(1_000);
    let (why, _, heard) = end(&world, gone).expect("it ended");
    assert_eq!((why, heard), (RecordingEnd::Silence, false));
}

#[test]
fn a_lost_recording_and_a_closed_session_tell_their_end_once() {
    let mut world = World::new(&[Codec::Pcmu]);
    let lost = world.record(0, Tracks::Own, None, 60_000);
    let kept = world.record(0, Tracks::Own, None, 60_000);
    world.run(400);
    world.plane.handle(world.now, Input::RecordingLost(lost));
    world.plane.handle(world.now, Input::RecordingLost(lost));
    world.drain();
    world.order(Command::Close { session: SessionId(10) });
    let ends: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Recorded { recording, end, .. } => Some((*recording, *end)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(lost, RecordingEnd::Failed), (kept, RecordingEnd::Stopped)]);
    assert!(matches!(world.events.last(), Some(Event::Closed { received: 20, lost: 0, .. })));
    assert_eq!(world.plane.timeout(), None);
}

#[test]
fn a_party_that_sends_nothing_for_a_minute_is_told_as_silent() {
    let mut world = World::new(&[Codec::Pcmu]);
    world.run(1_000);
    world.talking = false;
    world.run(59_000);
    assert!(!world.events.contains(&Event::Silent { session: SessionId(10) }));
    world.run(2_000);
    let told = world.events.iter().filter(|event| matches!(event, Event::Silent { .. }));
    assert_eq!(told.count(), 1);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut world = World::new(&[Codec::Pcmu, Codec::Pcma]);
        world.bridge();
        world.loss = 0.05;
        world.run(1_000);
        world.sent
    };
    let sent = run();
    assert!(sent.len() > 80);
    assert_eq!(sent, run());
}
