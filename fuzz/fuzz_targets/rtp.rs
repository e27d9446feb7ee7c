//! Datagrams, each with its length before it, through packet, digits and the report's statistics.

use offhook::base::{Duration, Instant};
use offhook::rtp::Packet;
use offhook::rtp::packet::{Rewrite, is_rtcp, rewrite};
use offhook::rtp::rtcp::Reception;

use super::steps::Steps;

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let mut reception: Option<Reception> = None;
    let mut now = Instant::from_millis(1_000);
    for _ in 0..Steps::MOST {
        let Some(wait) = steps.next() else { break };
        now += Duration::from_millis(u64::from(wait));
        let datagram = steps.piece();
        let _ = is_rtcp(datagram);
        let Ok(packet) = Packet::parse(datagram) else { continue };
        assert_eq!(&datagram[packet.payload_range()], packet.payload());
        rewritten(datagram, packet.payload());
        let heard = reception.get_or_insert_with(|| Reception::new(packet.ssrc, 8_000));
        let before = heard.received();
        let counted = heard.handle(now, &packet);
        assert_eq!(heard.received(), before + u64::from(counted));
        let _ = (heard.jitter(), heard.report(now));
    }
}

fn rewritten(datagram: &[u8], payload: &[u8]) {
    let mut copy = datagram.to_vec();
    let to = Rewrite { ssrc: 1, sequence: 2, timestamp: 3, payload_type: 4, marker: true };
    rewrite(&mut copy, to).expect("what was read can be rewritten");
    let packet = Packet::parse(&copy).expect("and is read again");
    assert_eq!((packet.ssrc, packet.sequence, packet.payload_type), (1, 2, 4));
    assert_eq!(packet.payload(), payload);
}
