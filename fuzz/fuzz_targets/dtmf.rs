//! Keys, as events and as tones: a key is told once for each press, whatever comes.

use offhook::audio::codec::Codec;
use offhook::audio::goertzel::DtmfDetector;
use offhook::rtp::telephone_event::{Event, Receiver, Sender, Tick};

use super::steps::Steps;

pub fn run(bytes: &[u8]) {
    events(&mut Steps::new(bytes));
    tones(bytes);
    sent(bytes);
}

fn events(steps: &mut Steps<'_>) {
    let mut receiver = Receiver::new();
    let mut timestamp = 0u32;
    while let Some(step) = steps.next() {
        timestamp = match step % 4 {
            0 => timestamp,
            1 => timestamp.wrapping_add(160),
            2 => timestamp.wrapping_add(u32::from(steps.number()) << 8),
            _ => timestamp.wrapping_sub(u32::from(steps.number())),
        };
        let payload = steps.piece();
        if let Some(event) = Event::parse(payload) {
            assert_eq!(Event::parse(&event.to_payload()), Some(event));
        }
        let ssrc = u32::from(step >> 6);
        let told = receiver.handle(ssrc, timestamp, payload);
        assert!(told.is_none_or(|key| "0123456789*#ABCD".contains(key)));
        // The same packet again is the same press.
        assert_eq!(receiver.handle(ssrc, timestamp, payload), None);
    }
}

fn tones(bytes: &[u8]) {
    let mut detector = DtmfDetector::new();
    let mut pressed = 0;
    let mut samples = 0;
    for piece in bytes.chunks(160) {
        let sound: Vec<i16> = piece.iter().map(|&code| Codec::Pcmu.decode_sample(code)).collect();
        samples += sound.len();
        detector.handle(&sound, |_| pressed += 1);
    }
    // Q.24: a key and its pause take 40 ms each at least.
    assert!(pressed <= 1 + samples / 320, "{pressed} keys in {samples} samples");
}

fn sent(bytes: &[u8]) {
    let Ok(digits) = std::str::from_utf8(bytes) else { return };
    let (mut sender, mut receiver, mut heard) =
        (Sender::new(digits), Receiver::new(), String::new());
    for tick in 0u32.. {
        match sender.tick(tick.wrapping_mul(160)) {
            Tick::Packet { payload, timestamp, .. } => {
                heard.extend(receiver.handle(7, timestamp, &payload));
            }
            Tick::Pause => {}
            Tick::Done => break,
        }
        assert!(tick < 60 * Sender::MAX_DIGITS as u32, "the series ends");
    }
    let keys =
        digits.chars().take(Sender::MAX_DIGITS).filter(|digit| *digit != 'w' && *digit != 'W');
    let keys = keys.map(|digit| digit.to_ascii_uppercase());
    let keys: String = keys.filter(|digit| "0123456789*#ABCD".contains(*digit)).collect();
    assert_eq!(heard, keys);
}
