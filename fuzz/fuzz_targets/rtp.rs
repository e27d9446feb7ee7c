//! Datagrams, each with its length before it, through packet, digits and jitter buffer.

#![no_main]

use offhook::base::Instant;
use offhook::rtp::packet::{Rewrite, is_rtcp, rewrite};
use offhook::rtp::telephone_event::{Event, Receiver};
use offhook::rtp::{FRAME, JitterBuffer, Packet};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut buffer = JitterBuffer::new();
    let mut digits = Receiver::new();
    let mut frame = [0; FRAME];
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first() {
        let (datagram, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        let _ = is_rtcp(datagram);
        if let Ok(packet) = Packet::parse(datagram) {
            assert_eq!(&datagram[packet.payload_range()], packet.payload());
            if let Some(event) = Event::parse(packet.payload()) {
                assert_eq!(Event::parse(&event.to_payload()), Some(event));
            }
            let _ = digits.handle(packet.ssrc, packet.timestamp, packet.payload());
            let _ = buffer.insert(Instant::ZERO, &packet);
            rewritten(datagram, packet.payload());
        }
        let _ = (buffer.pull(&mut frame), buffer.waiting());
    }
});

fn rewritten(datagram: &[u8], payload: &[u8]) {
    let mut copy = datagram.to_vec();
    let to = Rewrite { ssrc: 1, sequence: 2, timestamp: 3, payload_type: 4, marker: true };
    rewrite(&mut copy, to).expect("what was read can be rewritten");
    let packet = Packet::parse(&copy).expect("and is read again");
    assert_eq!((packet.ssrc, packet.sequence, packet.payload_type), (1, 2, 4));
    assert_eq!(packet.payload(), payload);
}
