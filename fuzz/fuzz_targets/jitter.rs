//! Packets of one sender in any order, played out: bounded, and never a frame out of nothing.

use offhook::base::{Duration, Instant};
use offhook::rtp::packet::{header, write};
use offhook::rtp::{FRAME, JitterBuffer, Packet};

use super::steps::Steps;

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let mut buffer = JitterBuffer::new();
    let (mut now, mut datagram, mut frame) = (Instant::ZERO, Vec::new(), [0; FRAME]);
    let (mut sequence, mut timestamp, mut kept) = (steps.number(), 0u32, false);
    for _ in 0..4 * Steps::MOST {
        let Some(step) = steps.next() else { break };
        match step % 8 {
            0..=2 => sequence = sequence.wrapping_add(1),
            3 => sequence = sequence.wrapping_add(steps.number() % 200).wrapping_sub(100),
            4 => sequence = steps.number(),
            _ => {
                now += Duration::from_millis(20);
                let tick = buffer.pull(&mut frame);
                assert!(kept || !matches!(tick, offhook::rtp::jitter::Tick::Frame { .. }));
                continue;
            }
        }
        timestamp = match step / 8 % 4 {
            3 => timestamp.wrapping_add(u32::from(steps.number()) << (step >> 5)),
            _ => timestamp.wrapping_add(160),
        };
        let length = [160, 80, 240, 0, 1, 1_600, 1_700, 160][usize::from(step >> 5)];
        let ssrc = u32::from(step == 255);
        write(&header(0, sequence, timestamp, ssrc, false), &vec![1; length], &mut datagram);
        if let Ok(packet) = Packet::parse(&datagram) {
            let inserted = buffer.insert(now, &packet);
            kept |= matches!(inserted, offhook::rtp::jitter::Inserted::Kept);
        }
        // A gap between two packets is a second at most; a longer one begins anew.
        let most = JitterBuffer::MAX_PACKETS * (8_000 + JitterBuffer::MAX_PAYLOAD);
        assert!(buffer.waiting() <= most, "{} wait", buffer.waiting());
    }
}
