//! A compound of reports: read without a panic, and ours can be read.

use offhook::base::{Epoch, Instant, WallTime};
use offhook::rtp::rtcp::{Block, Compound, Ntp, Packet, Report, SenderInfo};

pub fn run(bytes: &[u8]) {
    let Ok(compound) = Compound::parse(bytes) else { return };
    let now = Ntp::at(Epoch::new(WallTime::from_unix_millis(1_795_237_266_000)), Instant::ZERO);
    let mut packets = 0;
    for packet in compound.packets() {
        packets += 1;
        match packet {
            Packet::SenderReport { ssrc, sender, blocks } => {
                let blocks: Vec<Block> = blocks.collect();
                assert!(
                    blocks
                        .iter()
                        .all(|block| block.round_trip(now).is_none_or(|t| t.as_secs() < 32_768))
                );
                written(ssrc, Some(sender), &blocks);
            }
            Packet::ReceiverReport { ssrc, blocks } => {
                written(ssrc, None, &blocks.collect::<Vec<_>>());
            }
            Packet::Description(items) => {
                for item in items {
                    assert!(item.text.len() <= 255);
                    let _ = item.is_cname();
                }
            }
            Packet::Goodbye { sources, reason } => {
                assert!(sources.count() <= 31 && reason.is_none_or(|text| text.len() <= 255));
            }
            Packet::Other { .. } => {}
        }
    }
    assert!(packets > 0, "what is accepted holds something");
}

/// Written and read again it says the same.
fn written(ssrc: u32, sender: Option<SenderInfo>, blocks: &[Block]) {
    let mut datagram = Vec::new();
    let report = Report { ssrc, sender, blocks, cname: "name", goodbye: Some("end") };
    report.write(&mut datagram);
    let compound = Compound::parse(&datagram).expect("what we write can be read");
    match compound.packets().next() {
        Some(Packet::SenderReport { sender: again, blocks: read, .. }) => {
            assert_eq!((Some(again), read.collect::<Vec<_>>()), (sender, blocks.to_vec()));
        }
        Some(Packet::ReceiverReport { blocks: read, .. }) => {
            assert_eq!((None, read.collect::<Vec<_>>()), (sender, blocks.to_vec()));
        }
        other => panic!("{other:?}"),
    }
}
