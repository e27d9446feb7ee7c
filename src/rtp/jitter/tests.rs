use super::*;
use crate::base::{Duration, Rng};
use crate::rtp::packet;

/// A buffer, and a sender whose samples count: the byte at timestamp `t` is `t / 160`.
struct Line {
    buffer: JitterBuffer,
    ssrc: u32,
    pending: Vec<(Instant, Vec<u8>)>,
    now: Instant,
}

const BASE_SEQUENCE: u16 = 65_500;
const BASE_TIMESTAMP: u32 = u32::MAX - 3_200;
const TICK: Duration = Duration::from_millis(20);

fn datagram(ssrc: u32, number: u32, length: u32) -> Vec<u8> {
    let offset = number * length;
    let header = packet::header(
        0,
        BASE_SEQUENCE.wrapping_add(number as u16),
        BASE_TIMESTAMP.wrapping_add(offset),
        ssrc,
        number == 0,
    );
    let payload: Vec<u8> = (offset..offset + length).map(|at| (at / 160) as u8).collect();
    let mut bytes = Vec::new();
    packet::write(&header, &payload, &mut bytes);
    bytes
}

impl Line {
    fn new() -> Self {
        Line { buffer: JitterBuffer::new(), ssrc: 1, pending: Vec::new(), now: Instant::ZERO }
    }

    fn insert(&mut self, bytes: &[u8]) -> Inserted {
        self.buffer.insert(self.now, &Packet::parse(bytes).unwrap())
    }

    /// Packet `number` of `length` samples arrives `late` after it was spoken.
    fn send(&mut self, number: u32, length: u32, late: Duration) {
        let spoken = Instant::ZERO + Duration::from_micros(125) * ((number + 1) * length);
        self.pending.push((spoken + late, datagram(self.ssrc, number, length)));
    }

    /// Ticks for so long; what came is a frame's number, `None` for lost and `Err` for empty.
    fn run(&mut self, ticks: u32) -> Vec<Result<Option<u8>, ()>> {
        self.pending.sort_by_key(|(at, _)| *at);
        let mut heard = Vec::new();
        for _ in 0..ticks {
            let until = self.now + TICK;
            while self.pending.first().is_some_and(|(at, _)| *at <= until) {
                let (at, bytes) = self.pending.remove(0);
                self.buffer.insert(at, &Packet::parse(&bytes).unwrap());
            }
            self.now = until;
            let mut frame = [0xEE; FRAME];
            heard.push(match self.buffer.pull(&mut frame) {
                Tick::Frame { .. } => {
                    assert!(frame.iter().all(|&byte| byte == frame[0]), "{frame:?}");
                    Ok(Some(frame[0]))
                }
                Tick::Lost => Ok(None),
                Tick::Empty => Err(()),
            });
        }
        heard
    }
}

fn frames(heard: &[Result<Option<u8>, ()>]) -> Vec<u8> {
    heard.iter().filter_map(|tick| tick.ok().flatten()).collect()
}

#[test]
fn steady_packets_of_any_length_play_in_full_without_gaps() {
    for length in [80, 160, 240, 320, 480] {
        let mut line = Line::new();
        let packets = 200 * 160 / length;
        (0..packets).for_each(|number| line.send(number, length, Duration::ZERO));
        let heard = line.run(190);
        let played = frames(&heard);
        let expected: Vec<u8> = (0..played.len()).map(|frame| frame as u8).collect();
        assert_eq!(played, expected, "{length}");
        let waited = heard.iter().take_while(|tick| tick.is_err()).count();
        let gaps = heard.iter().skip(waited).filter(|tick| tick.is_err()).count();
        assert!(waited <= 1 + length as usize / 80, "{length}: waited {waited} ticks");
        assert!(gaps <= 1, "{length}: {gaps} gaps");
    }
}

#[test]
fn reordered_and_duplicated_packets_play_in_order_once() {
    let mut line = Line::new();
    for number in 0..100 {
        let late = if number % 5 == 2 { 30 } else { 0 };
        line.send(number, 160, Duration::from_millis(late));
        line.send(number, 160, Duration::from_millis(late + 1));
    }
    let played = frames(&line.run(100));
    // The first straggler comes too late for the delay so far, which grows because of it.
    let expected: Vec<u8> = [0, 1].into_iter().chain(3..1 + played.len() as u8).collect();
    assert_eq!(played, expected);
    assert!(played.len() >= 95, "{played:?}");
    assert!(line.buffer.counts().duplicate >= 95);
    assert_eq!((line.buffer.counts().late, line.buffer.counts().stretched), (1, 1));
}

#[test]
fn a_lost_packet_is_told_as_lost_at_its_moment() {
    let mut line = Line::new();
    (0..50).filter(|number| *number != 20).for_each(|n| line.send(n, 160, Duration::ZERO));
    let heard = line.run(45);
    let at = heard.iter().position(|&tick| tick == Ok(Some(19))).unwrap();
    assert_eq!(heard[at + 1..at + 3], [Ok(None), Ok(Some(21))]);
    assert_eq!(line.buffer.counts().lost, 1);
}

#[test]
fn half_a_frame_is_filled_from_its_other_half() {
    let mut line = Line::new();
    (0..60).filter(|number| *number != 30).for_each(|n| line.send(n, 80, Duration::ZERO));
    let played = frames(&line.run(28));
    assert!(played.contains(&15), "the frame whose first half was lost: {played:?}");
    assert_eq!(line.buffer.counts().lost, 0);
}

#[test]
fn silence_suppression_is_empty_not_lost_and_keeps_the_delay() {
    let mut line = Line::new();
    (0..20).for_each(|number| line.send(number, 160, Duration::ZERO));
    // The sender is silent for 400 ms: its clock runs, its count does not.
    for number in 20..40u32 {
        let mut bytes = datagram(1, number + 20, 160);
        bytes[2..4].copy_from_slice(&BASE_SEQUENCE.wrapping_add(number as u16).to_be_bytes());
        let spoken = Instant::from_millis(u64::from(number + 21) * 20);
        line.pending.push((spoken, bytes));
    }
    let heard = line.run(60);
    let before = heard.iter().position(|&tick| tick == Ok(Some(0))).unwrap();
    let after = heard.iter().position(|&tick| tick == Ok(Some(40))).unwrap();
    assert_eq!(after - before, 40, "the second spurt has the delay of the first");
    assert_eq!(line.buffer.counts().lost, 0);
}

#[test]
fn a_late_burst_raises_the_delay_and_calm_lowers_it_again() {
    let mut line = Line::new();
    for number in 0..1_500u32 {
        let late =
            if (100..106).contains(&number) { 120 - 20 * u64::from(number - 100) } else { 0 };
        line.send(number, 160, Duration::from_millis(late));
    }
    let heard = line.run(200);
    let burst = line.buffer.waiting();
    assert!(burst >= 5 * FRAME, "{burst}");
    assert!(
        frames(&heard).windows(2).all(|pair| pair[1] == pair[0] + 1),
        "nothing was thrown away"
    );
    line.run(1_200);
    assert!(line.buffer.waiting() <= 3 * FRAME, "{}", line.buffer.waiting());
    assert!(line.buffer.counts().dropped >= 2);
}

#[test]
fn a_stall_of_a_second_does_not_become_a_delay_of_a_second() {
    let mut line = Line::new();
    for number in 0..300u32 {
        let stalled = (50..100).contains(&number);
        let late = if stalled { 20 * u64::from(100 - number) } else { 0 };
        line.send(number, 160, Duration::from_millis(late));
    }
    line.run(110);
    assert!(line.buffer.waiting() as i64 <= JitterBuffer::MAX_WAITING);
    assert!(line.buffer.slots.len() <= JitterBuffer::MAX_PACKETS);
}

#[test]
fn another_source_and_a_jump_of_numbers_begin_anew_but_a_stray_packet_does_not() {
    let mut line = Line::new();
    (0..10).for_each(|number| line.send(number, 160, Duration::ZERO));
    line.run(10);
    assert_eq!(line.insert(&datagram(1, 30_000, 160)), Inserted::Refused, "a stray");
    assert_eq!(line.insert(&datagram(1, 10, 160)), Inserted::Kept);
    assert_eq!(line.buffer.counts().resets, 0);
    assert_eq!(line.insert(&datagram(2, 500, 160)), Inserted::Kept, "another source");
    assert_eq!(line.buffer.counts().resets, 1);
    assert_eq!(line.insert(&datagram(2, 20_000, 160)), Inserted::Refused);
    assert_eq!(line.insert(&datagram(2, 20_001, 160)), Inserted::Kept, "two in a row");
    assert_eq!(line.buffer.counts().resets, 2);
}

#[test]
fn late_and_unfit_packets_are_counted() {
    let mut line = Line::new();
    (0..20).filter(|number| *number != 5).for_each(|n| line.send(n, 160, Duration::ZERO));
    line.run(20);
    assert_eq!(line.insert(&datagram(1, 5, 160)), Inserted::Late);
    assert_eq!(line.insert(&datagram(1, 20, 0)), Inserted::Refused);
    assert_eq!(line.insert(&datagram(1, 20, 1_601)), Inserted::Refused);
}

#[test]
fn random_arrivals_never_play_out_of_order_and_stay_bounded() {
    let mut rng = Rng::from_number(20);
    for _ in 0..20 {
        let mut line = Line::new();
        for number in 0..250 {
            if rng.below(100) >= 5 {
                line.send(number, 160, Duration::from_millis(rng.below(90)));
            }
        }
        let heard = line.run(240);
        let played = frames(&heard);
        assert!(played.windows(2).all(|pair| pair[0] < pair[1]), "{played:?}");
        assert!(played.len() >= 200, "{} frames, {:?}", played.len(), line.buffer.counts());
        assert!(line.buffer.spare.len() + line.buffer.slots.len() <= 2 * JitterBuffer::MAX_PACKETS);
    }
}

#[test]
fn arbitrary_numbers_never_panic() {
    let mut rng = Rng::from_number(99);
    let mut line = Line::new();
    let mut frame = [0; FRAME];
    for _ in 0..50_000 {
        let near = rng.below(4) != 0;
        let header = packet::header(
            rng.below(2) as u8,
            if near { rng.below(200) as u16 } else { rng.next_u32() as u16 },
            if near { rng.below(32_000) as u32 } else { rng.next_u32() },
            u32::from(rng.below(500) == 0),
            false,
        );
        let mut bytes = Vec::new();
        packet::write(&header, &vec![0; rng.below(700) as usize], &mut bytes);
        line.insert(&bytes);
        if rng.below(3) == 0 {
            line.buffer.pull(&mut frame);
        }
        line.now += Duration::from_millis(rng.below(40));
        assert!(line.buffer.slots.len() <= JitterBuffer::MAX_PACKETS);
    }
}
