//! Keys pressed, as named events in RTP (RFC 4733).
//!
//! [`Receiver`] tells each key once, however often its packets are repeated and whichever of them
//! are lost; [`Sender`] turns a series of digits into packets, one a tick. Neither knows sequence
//! numbers: these belong to whoever numbers the stream.

use std::collections::VecDeque;

use crate::base::Duration;
use crate::rtp::sequence::ticks_between;

/// Samples of the 8 kHz clock in a tick of [`Sender`]: 20 ms.
const TICK: u16 = 160;

/// An event as a packet's payload (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// 0-9, 10 star, 11 pound, 12-15 A-D; others are not keys.
    pub code: u8,
    /// Whether the key is up again.
    pub end: bool,
    /// Loudness below 0 dBm0.
    pub volume: u8,
    /// How long so far, in ticks of the clock.
    pub duration: u16,
}

impl Event {
    /// Reads a payload; further events behind the first are not looked at.
    pub fn parse(payload: &[u8]) -> Option<Event> {
        let &[code, flags, high, low] = payload.first_chunk()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3F, duration })
    }

    /// The payload.
    pub fn to_payload(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | (self.volume & 0x3F), high, low]
    }

    /// The key, if it is one.
    pub fn digit(self) -> Option<char> {
        KEYS.get(usize::from(self.code)).map(|&key| char::from(key))
    }
}

/// The keys by event code (RFC 4733 section 3.2).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// The event code of a key.
pub fn code(digit: char) -> Option<u8> {
    let upper = digit.to_ascii_uppercase();
    KEYS.iter().position(|&key| char::from(key) == upper).map(|at| at as u8)
}

/// Hears keys in a stream of event packets.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    last: Option<Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    ssrc: u32,
    timestamp: u32,
    event: Event,
}

impl Receiver {
    /// Packets of an event older than this are not stragglers: the sender's clock has jumped.
    const STRAGGLER: i32 = 5 * 8_000;

    /// One that has heard nothing.
    pub fn new() -> Self {
        Receiver::default()
    }

    /// Takes an event packet; gives the key when the packet is the first we see of its event.
    ///
    /// All packets of an event carry the timestamp of its start (RFC 4733 section 2.2.1), so any
    /// of them can tell the key, and the marker and end bits are not needed.
    pub fn handle(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let event = Event::parse(payload)?;
        let heard = Heard { ssrc, timestamp, event };
        let Some(last) = self.last.filter(|last| last.ssrc == ssrc) else {
            self.last = Some(heard);
            return event.digit();
        };
        let ahead = ticks_between(last.timestamp, timestamp);
        if ahead == 0 {
            let end = event.end || last.event.end;
            let duration = event.duration.max(last.event.duration);
            self.last = Some(Heard { event: Event { end, duration, ..last.event }, ..last });
            return None;
        }
        if ahead < 0 && ahead > -Self::STRAGGLER {
            return None;
        }
        let goes_on = last.goes_on_in(heard, ahead);
        self.last = Some(heard);
        if goes_on { None } else { event.digit() }
    }

    /// The key that is down now, as far as we know.
    pub fn held(&self) -> Option<char> {
        self.last.filter(|last| !last.event.end).and_then(|last| last.event.digit())
    }
}

impl Heard {
    /// A key held longer than the duration field can say goes on as a new segment that begins
    /// where the first ended (RFC 4733 section 2.5.1.3); it is still one press.
    fn goes_on_in(self, next: Heard, ahead: i32) -> bool {
        let full = self.event.duration >= u16::MAX - 2 * TICK;
        full && !self.event.end
            && self.event.code == next.event.code
            && (ahead - i32::from(u16::MAX)).abs() <= 2 * i32::from(TICK)
    }
}

/// What a tick of [`Sender`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Send this packet in place of audio.
    Packet {
        /// The payload.
        payload: [u8; 4],
        /// The timestamp of the event's start.
        timestamp: u32,
        /// The marker bit: set on the first packet of an event.
        marker: bool,
    },
    /// Between digits: send audio or nothing.
    Pause,
    /// All digits are sent.
    Done,
}

/// Sends a series of digits, one packet each 20 ms.
#[derive(Clone, Debug)]
pub struct Sender {
    steps: VecDeque<Step>,
    tone: u16,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Key { code: u8 },
    Sounding { code: u8, start: u32, duration: u16 },
    Ending { code: u8, start: u32, left: u8 },
    Pause { ticks: u16 },
}

impl Sender {
    /// The longest series; more digits than any extension or conference code has.
    pub const MAX_DIGITS: usize = 256;
    /// How long a key is down, if nobody says otherwise.
    pub const TONE: Duration = Duration::from_millis(160);
    /// Ticks between two keys: 80 ms, twice what Q.24 asks of receivers.
    const GAP: u16 = 4;
    /// The final packet is sent three times (RFC 4733 section 2.5.1.4).
    const ENDS: u8 = 3;
    /// -10 dBm0, the middle of what telephones send.
    const VOLUME: u8 = 10;

    /// Digits `0-9 A-D * #`, `w` for 0.5 s and `W` for 1 s of pause; anything else is left out.
    pub fn new(digits: &str) -> Self {
        Self::with_tone(digits, Self::TONE)
    }

    /// The same with keys that are down for `tone`, at least 40 ms and at most 8 s.
    pub fn with_tone(digits: &str, tone: Duration) -> Self {
        let mut steps = VecDeque::new();
        for digit in digits.chars().take(Self::MAX_DIGITS) {
            match (digit, code(digit)) {
                ('w', _) => steps.push_back(Step::Pause { ticks: 25 }),
                ('W', _) => steps.push_back(Step::Pause { ticks: 50 }),
                (_, Some(code)) => {
                    steps.push_back(Step::Key { code });
                    steps.push_back(Step::Pause { ticks: Self::GAP });
                }
                _ => {}
            }
        }
        let ticks = (tone.as_millis() / 20).clamp(2, 400) as u16;
        Sender { steps, tone: ticks * TICK }
    }

    /// The next 20 ms; `timestamp` is where the stream's clock stands at their start.
    pub fn tick(&mut self, timestamp: u32) -> Tick {
        let Some(step) = self.steps.pop_front() else { return Tick::Done };
        match step {
            Step::Key { code } => self.sound(code, timestamp, TICK),
            Step::Sounding { code, start, duration } => self.sound(code, start, duration),
            Step::Ending { code, start, left } => self.end(code, start, left),
            Step::Pause { ticks } => {
                if ticks > 1 {
                    self.steps.push_front(Step::Pause { ticks: ticks - 1 });
                }
                Tick::Pause
            }
        }
    }

    fn sound(&mut self, code: u8, start: u32, duration: u16) -> Tick {
        if duration >= self.tone {
            return self.end(code, start, Self::ENDS);
        }
        self.steps.push_front(Step::Sounding { code, start, duration: duration + TICK });
        let event = Event { code, end: false, volume: Self::VOLUME, duration };
        let marker = duration == TICK;
        Tick::Packet { payload: event.to_payload(), timestamp: start, marker }
    }

    fn end(&mut self, code: u8, start: u32, left: u8) -> Tick {
        if left > 1 {
            self.steps.push_front(Step::Ending { code, start, left: left - 1 });
        }
        let event = Event { code, end: true, volume: Self::VOLUME, duration: self.tone };
        Tick::Packet { payload: event.to_payload(), timestamp: start, marker: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(code: u8, end: bool, duration: u16) -> [u8; 4] {
        Event { code, end, volume: 10, duration }.to_payload()
    }

    /// All packets of a series: payload, timestamp, marker.
    fn packets(digits: &str) -> Vec<([u8; 4], u32, bool)> {
        let mut sender = Sender::new(digits);
        let mut sent = Vec::new();
        for tick in 0u32.. {
            match sender.tick(tick.wrapping_mul(160).wrapping_sub(800)) {
                Tick::Packet { payload, timestamp, marker } => {
                    sent.push((payload, timestamp, marker))
                }
                Tick::Pause => {}
                Tick::Done => return sent,
            }
        }
        unreachable!("the series ends")
    }

    fn heard(packets: impl IntoIterator<Item = ([u8; 4], u32, bool)>) -> String {
        let mut receiver = Receiver::new();
        packets.into_iter().filter_map(|(p, t, _)| receiver.handle(9, t, &p)).collect()
    }

    #[test]
    fn one_key_is_rising_durations_and_three_ends() {
        let sent = packets("5");
        let events: Vec<_> = sent.iter().map(|(p, ..)| Event::parse(p).unwrap()).collect();
        let durations: Vec<_> = events.iter().map(|event| event.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 960, 1120, 1280, 1280, 1280]);
        assert_eq!(events.iter().filter(|event| event.end).count(), 3);
        assert!(events.iter().all(|event| event.digit() == Some('5')));
        assert!(sent.iter().all(|&(_, timestamp, _)| timestamp == sent[0].1));
        let markers: Vec<_> = sent.iter().map(|&(_, _, marker)| marker).collect();
        assert_eq!(markers.iter().position(|&marker| marker), Some(0));
        assert_eq!(markers.iter().filter(|&&marker| marker).count(), 1);
    }

    #[test]
    fn what_is_sent_is_heard_once_each_across_a_wrap_of_the_clock() {
        assert_eq!(heard(packets("0123456789*#ABCDd55")), "0123456789*#ABCDD55");
    }

    #[test]
    fn lost_starts_lost_ends_and_duplicates_change_nothing() {
        let sent = packets("1223");
        assert_eq!(sent.len(), 40);
        assert_eq!(heard(sent.iter().copied().filter(|p| !p.2)), "1223", "starts lost");
        let no_ends = sent.iter().copied().filter(|p| !Event::parse(&p.0).unwrap().end);
        assert_eq!(heard(no_ends), "1223", "ends lost");
        assert_eq!(heard(sent.iter().copied().step_by(10)), "1223", "one of ten arrives");
        assert_eq!(heard(sent.iter().flat_map(|&p| [p, p])), "1223", "duplicated");
    }

    #[test]
    fn a_straggler_of_an_earlier_key_is_not_a_key() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.handle(1, 1_000, &payload(1, false, 160)), Some('1'));
        assert_eq!(receiver.handle(1, 3_000, &payload(2, false, 160)), Some('2'));
        assert_eq!(receiver.handle(1, 1_000, &payload(1, true, 800)), None);
        assert_eq!(receiver.handle(1, 3_000, &payload(2, true, 800)), None);
        assert_eq!(receiver.handle(2, 1_000, &payload(1, false, 160)), Some('1'), "new source");
        let far_back = 1_000u32.wrapping_sub(80_000);
        assert_eq!(receiver.handle(2, far_back, &payload(1, false, 160)), Some('1'), "jump");
    }

    #[test]
    fn a_key_held_for_ten_seconds_is_one_press() {
        let mut receiver = Receiver::new();
        let mut heard = 0;
        for tick in 1..=500u32 {
            let total = tick * 160;
            let (start, duration) =
                if total > 65_535 { (65_535, total - 65_535) } else { (0, total) };
            heard += receiver.handle(1, start, &payload(3, false, duration as u16)).iter().count();
        }
        assert_eq!((heard, receiver.held()), (1, Some('3')));
        assert_eq!(receiver.handle(1, 65_535, &payload(3, true, 14_465)), None);
        assert_eq!(receiver.held(), None);
    }

    #[test]
    fn other_events_and_short_payloads_are_no_keys() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.handle(1, 0, &payload(16, false, 160)), None, "flash");
        assert_eq!(receiver.handle(1, 9_999, &[1, 2, 3]), None);
        assert_eq!(receiver.handle(1, 9_999, &[]), None);
    }

    #[test]
    fn pauses_last_what_they_say() {
        let mut sender = Sender::new("wW");
        let ticks = (0..).map(|_| sender.tick(0)).take_while(|&tick| tick == Tick::Pause).count();
        assert_eq!(ticks, 25 + 50);
        assert_eq!(sender.tick(0), Tick::Done);
    }
}
