use super::*;
use crate::base::{Duration, Epoch, Instant, Rng, WallTime};
use crate::rtp::packet::{self, Packet as Rtp};

/// A compound of a sender report with one block, a description of two sources and a goodbye, put
/// together by hand from the drawings of RFC 3550 sections 6.4.1, 6.5 and 6.6.
const COMPOUND: &[u8] = &[
    0x81, 200, 0, 12, // V=2, RC=1, SR, 13 words
    0x11, 0x22, 0x33, 0x44, // SSRC
    0xE8, 0x5C, 0x00, 0x01, 0x80, 0x00, 0x00, 0x00, // NTP
    0, 0, 0x1F, 0x40, // RTP timestamp 8000
    0, 0, 0, 50, 0, 0, 0x1F, 0x40, // 50 packets, 8000 bytes
    0xAA, 0xBB, 0xCC, 0xDD, // the block's source
    0x40, 0xFF, 0xFF, 0xFE, // a quarter lost; -2 in all
    0, 1, 0, 7, // highest: 7, one wrap
    0, 0, 0, 16, // jitter
    0x00, 0x01, 0x80, 0x00, 0, 1, 0, 0, // LSR, DLSR: 1 s
    0x82, 202, 0, 7, // SDES, two chunks, 8 words
    0x11, 0x22, 0x33, 0x44, 1, 3, b'a', b'@', b'b', 2, 1, b'N', 0, 0, 0, 0, // CNAME, NAME
    0xAA, 0xBB, 0xCC, 0xDD, 1, 2, b'x', b'y', 0, 0, 0, 0, // ends at a word: a word of zeros
    0x81, 203, 0, 3, // BYE
    0x11, 0x22, 0x33, 0x44, 4, b'd', b'o', b'n', b'e', 0, 0, 0,
];

fn packets(bytes: &[u8]) -> Vec<Packet<'_>> {
    Compound::parse(bytes).expect("valid").packets().collect()
}

#[test]
fn a_compound_is_read_as_the_rfc_draws_it() {
    let packets = packets(COMPOUND);
    let [Packet::SenderReport { ssrc, sender, blocks }, Packet::Description(items), bye] =
        packets.as_slice()
    else {
        panic!("{packets:?}")
    };
    assert_eq!(*ssrc, 0x1122_3344);
    let ntp = Ntp(0xE85C_0001_8000_0000);
    assert_eq!(*sender, SenderInfo { ntp, timestamp: 8_000, packets: 50, bytes: 8_000 });
    assert_eq!(ntp.middle(), 0x0001_8000);
    let block = Block {
        ssrc: 0xAABB_CCDD,
        fraction_lost: 64,
        lost: -2,
        highest: 65_543,
        jitter: 16,
        last_report: 0x0001_8000,
        delay: 65_536,
    };
    assert_eq!(blocks.clone().collect::<Vec<_>>(), [block]);
    let items: Vec<_> = items.clone().map(|item| (item.ssrc, item.kind, item.text)).collect();
    let (one, two) = (0x1122_3344, 0xAABB_CCDD);
    assert_eq!(items, [(one, 1, b"a@b".as_slice()), (one, 2, b"N"), (two, 1, b"xy")]);
    let Packet::Goodbye { sources, reason } = bye else { panic!("{bye:?}") };
    assert_eq!(sources.clone().collect::<Vec<_>>(), [one]);
    assert_eq!(*reason, Some(b"done".as_slice()));
}

#[test]
fn what_is_written_is_read_back() {
    let mut rng = Rng::from_number(3_550);
    let mut datagram = Vec::new();
    for count in [0, 1, 2, MAX_BLOCKS, MAX_BLOCKS + 1] {
        let mut block = || Block {
            ssrc: rng.next_u32(),
            fraction_lost: rng.next_u32() as u8,
            lost: (rng.next_u32() as i32) >> 8,
            highest: rng.next_u32(),
            jitter: rng.next_u32(),
            last_report: rng.next_u32(),
            delay: rng.next_u32(),
        };
        let blocks: Vec<Block> = (0..count).map(|_| block()).collect();
        let info = SenderInfo { ntp: Ntp(rng.next_u64()), timestamp: 1, packets: 2, bytes: 3 };
        for (sender, cname) in [(Some(info), "a1b2c3"), (None, ""), (None, "four")] {
            let report = Report { ssrc: 7, sender, blocks: &blocks, cname, goodbye: Some("end") };
            report.write(&mut datagram);
            assert_eq!(datagram.len() % 4, 0);
            assert!(packet::is_rtcp(&datagram));
            let packets = packets(&datagram);
            let (read, from) = match &packets[0] {
                Packet::SenderReport { sender: read, blocks, .. } => (blocks, Some(*read)),
                Packet::ReceiverReport { blocks, ssrc: 7 } => (blocks, None),
                other => panic!("{other:?}"),
            };
            assert_eq!(from, sender);
            let most = &blocks[..count.min(MAX_BLOCKS)];
            assert_eq!(read.clone().collect::<Vec<_>>(), most);
            let Packet::Description(mut items) = packets[1].clone() else { panic!() };
            let item = items.next().unwrap();
            assert!(item.is_cname() && item.ssrc == 7 && item.text == cname.as_bytes());
            assert_eq!(items.next(), None);
            assert!(matches!(packets[2], Packet::Goodbye { reason: Some(b"end"), .. }));
        }
    }
}

#[test]
fn long_texts_are_cut_between_characters_and_losses_saturate() {
    let name = "ü".repeat(200);
    let block = Block { lost: i32::MAX, ..Block::default() };
    let low = Block { lost: i32::MIN, ..Block::default() };
    let mut datagram = Vec::new();
    let blocks = &[block, low];
    Report { ssrc: 1, sender: None, blocks, cname: &name, goodbye: None }.write(&mut datagram);
    let packets = packets(&datagram);
    let Packet::ReceiverReport { blocks, .. } = &packets[0] else { panic!() };
    let lost: Vec<i32> = blocks.clone().map(|block| block.lost).collect();
    assert_eq!(lost, [0x7F_FFFF, -0x80_0000]);
    let Packet::Description(mut items) = packets[1].clone() else { panic!() };
    assert_eq!(items.next().unwrap().text, "ü".repeat(127).as_bytes());
    assert_eq!(packets.len(), 2, "no goodbye unless it ends");
}

#[test]
fn what_is_not_rtcp_is_told_by_its_fault() {
    let parse = |bytes: &[u8]| Compound::parse(bytes).err();
    assert_eq!(parse(&[]), Some(Malformed::Length));
    assert_eq!(parse(&[0x80]), Some(Malformed::Length));
    assert_eq!(parse(&[0x00, 200, 0, 0]), Some(Malformed::Version));
    assert_eq!(parse(&COMPOUND[52..]), Some(Malformed::First));
    assert_eq!(parse(&COMPOUND[..COMPOUND.len() - 4]), Some(Malformed::Length));
    let change = |at: usize, byte: u8| {
        let mut bytes = COMPOUND.to_vec();
        bytes[at] = byte;
        Compound::parse(&bytes).err()
    };
    assert_eq!(change(0, 0x82), Some(Malformed::Contents), "two blocks do not fit");
    assert_eq!(change(0, 0xA1), Some(Malformed::Padding), "padding before the end");
    assert_eq!(change(52, 0x42), Some(Malformed::Version), "the second packet");
    assert_eq!(change(61, 200), Some(Malformed::Contents), "a name beyond its packet");
    assert_eq!(change(52, 0x83), Some(Malformed::Contents), "three sources described");
    assert_eq!(change(92, 9), Some(Malformed::Contents), "a reason beyond its packet");
    assert_eq!(Malformed::First.fault(), Fault::Peer);
}

#[test]
fn padding_at_the_end_and_unknown_packets_are_passed_over() {
    let mut bytes = COMPOUND.to_vec();
    bytes.extend([0xA0, 206, 0, 3, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 8]);
    assert!(matches!(packets(&bytes)[3], Packet::Other { kind: 206 }));
    for wrong in [0, 3, 16] {
        *bytes.last_mut().unwrap() = wrong;
        assert_eq!(Compound::parse(&bytes).err(), Some(Malformed::Padding));
    }
}

#[test]
fn the_round_trip_is_what_the_rfcs_example_says() {
    // RFC 3550 section 6.4.1, figure 2: 6.125 s.
    let block = Block { last_report: 0xB705_2000, delay: 0x0005_4000, ..Block::default() };
    let now = Ntp(0xB710_8000 << 16);
    assert_eq!(block.round_trip(now), Some(Duration::from_millis(6_125)));
    assert_eq!(block.round_trip(Ntp(0xB705_2000 << 16)), None, "it would be negative");
    assert_eq!(Block::default().round_trip(now), None, "it answers nothing");
}

#[test]
fn wall_time_becomes_ntp_time() {
    let epoch = Epoch::new(WallTime::from_unix_millis(1_500));
    let ntp = Ntp::at(epoch, Instant::from_nanos(250_000_500));
    assert_eq!(ntp.0 >> 32, 2_208_988_801);
    let nanos = ((ntp.0 & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
    assert!(nanos.abs_diff(750_000_500) <= 1, "{nanos}");
}

#[test]
fn reports_come_every_five_seconds_in_the_mean() {
    let mut rng = Rng::from_number(6);
    for (first, mean) in [(false, 5.0), (true, 2.5)] {
        let least = mean * 0.5 / 1.218_28;
        let waits: Vec<f64> = (0..4_000).map(|_| interval(&mut rng, first).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (least * 0.999..least * 3.001).contains(wait)));
        let average = waits.iter().sum::<f64>() / waits.len() as f64;
        assert!((average - mean / 1.218_28).abs() < mean / 50.0, "{average}");
    }
}

/// Feeds packets of 20 ms by number; each arrives `late` milliseconds after its time.
fn feed(reception: &mut Reception, numbers: impl IntoIterator<Item = (i64, u64)>) -> usize {
    let mut datagram = Vec::new();
    let mut counted = 0;
    for (number, late) in numbers {
        let header = packet::header(0, number as u16, (number * 160) as u32, 7, false);
        packet::write(&header, &[0xFF; 160], &mut datagram);
        let now = Instant::from_millis(number as u64 * 20 + late);
        counted += usize::from(reception.handle(now, &Rtp::parse(&datagram).unwrap()));
    }
    counted
}

#[test]
fn losses_are_counted_across_wraps_and_between_reports() {
    let mut reception = Reception::new(7, 8_000);
    assert_eq!(reception.report(Instant::ZERO), None);
    feed(&mut reception, (65_000..65_200).filter(|n| n % 4 != 3).map(|n| (n, 0)));
    let first = reception.report(Instant::ZERO).unwrap();
    // The last packet is among the lost, and nobody knows of it yet.
    assert_eq!((first.lost, first.highest, first.ssrc), (49, 65_198, 7));
    assert_eq!(first.fraction_lost, (49 * 256 / 199) as u8);
    feed(&mut reception, (65_200..66_000).map(|n| (n, 0)));
    let second = reception.report(Instant::ZERO).unwrap();
    assert_eq!((second.lost, second.highest), (50, 65_999), "one wrap is counted");
    assert_eq!(second.fraction_lost, (256 / 801) as u8);
    assert_eq!(reception.report(Instant::ZERO).unwrap().fraction_lost, 0, "nothing was expected");
    assert_eq!((reception.received(), reception.lost()), (950, 50));
}

#[test]
fn duplicates_make_losses_negative_but_never_the_fraction() {
    let mut reception = Reception::new(7, 8_000);
    feed(&mut reception, (100..110).flat_map(|n| [(n, 0), (n, 1)]));
    let block = reception.report(Instant::ZERO).unwrap();
    assert_eq!((block.lost, block.fraction_lost), (-10, 0));
}

#[test]
fn reordering_is_no_loss_and_a_restart_needs_two_packets() {
    let mut reception = Reception::new(7, 8_000);
    feed(&mut reception, [0, 1, 3, 2, 5, 4, 6].map(|n| (1_000 + n, 0)));
    assert_eq!(reception.lost(), 0);
    assert_eq!(feed(&mut reception, [(30_000, 0), (1_007, 0)]), 1, "a stray is not counted");
    assert_eq!(reception.report(Instant::ZERO).unwrap().highest, 1_007);
    assert_eq!(feed(&mut reception, [(50_000, 0), (50_001, 0), (50_002, 0)]), 2);
    let block = reception.report(Instant::ZERO).unwrap();
    assert_eq!((block.lost, block.highest, block.fraction_lost), (0, 50_002, 0));
}

#[test]
fn jitter_is_nothing_for_even_and_settles_for_uneven_arrivals() {
    let mut reception = Reception::new(7, 8_000);
    feed(&mut reception, (0..500).map(|n| (n, 35)));
    assert_eq!(reception.jitter(), Duration::ZERO, "constant delay is no jitter");
    feed(&mut reception, (500..1_500).map(|n| (n, 35 + (n as u64 % 2) * 10)));
    let ticks = reception.report(Instant::ZERO).unwrap().jitter;
    assert!((78..=80).contains(&ticks), "10 ms more or less each time: {ticks}");
    assert!(reception.jitter().as_micros().abs_diff(10_000) < 300);
    feed(&mut reception, (1_500..1_700).map(|n| (n, 35)));
    assert!(reception.jitter() < Duration::from_micros(250), "{:?}", reception.jitter());
}

#[test]
fn packets_of_one_key_do_not_count_as_jitter() {
    let mut reception = Reception::new(7, 8_000);
    let mut datagram = Vec::new();
    for number in 0..40u16 {
        // A key from the tenth packet to the nineteenth: one timestamp for all of them.
        let sampled = if (10..20).contains(&number) { 10 } else { u32::from(number) };
        packet::write(&packet::header(101, number, sampled * 160, 7, false), &[1], &mut datagram);
        let now = Instant::from_millis(u64::from(number) * 20);
        assert!(reception.handle(now, &Rtp::parse(&datagram).unwrap()));
    }
    assert_eq!(reception.jitter(), Duration::ZERO);
}

#[test]
fn a_report_answers_the_last_sender_report() {
    let mut reception = Reception::new(7, 8_000);
    feed(&mut reception, [(1, 0)]);
    let sender = SenderInfo { ntp: Ntp(0x1_2345_6789_ABCD), timestamp: 0, packets: 0, bytes: 0 };
    reception.handle_sender_report(Instant::from_millis(1_000), &sender);
    let block = reception.report(Instant::from_millis(1_500)).unwrap();
    assert_eq!((block.last_report, block.delay), (0x2345_6789, 32_768));
}

#[test]
fn wild_numbers_and_clocks_never_panic() {
    let mut rng = Rng::from_number(12);
    for clock in [0, 8_000, u32::MAX] {
        let mut reception = Reception::new(7, clock);
        let mut datagram = Vec::new();
        for _ in 0..5_000 {
            let header = packet::header(0, rng.next_u32() as u16, rng.next_u32(), 7, false);
            packet::write(&header, &[], &mut datagram);
            let now = Instant::from_nanos(rng.next_u64() >> rng.below(64));
            reception.handle(now, &Rtp::parse(&datagram).unwrap());
            let _ = (reception.report(now), reception.jitter());
        }
    }
}

#[test]
fn no_datagram_panics() {
    let mut rng = Rng::from_number(5_506);
    let (mut own, mut valid) = (Vec::new(), 0);
    let blocks = [Block { lost: -1, ..Block::default() }; 2];
    Report { ssrc: 1, sender: None, blocks: &blocks, cname: "abc", goodbye: Some("") }
        .write(&mut own);
    for _ in 0..50_000 {
        let mut bytes = if rng.below(2) == 0 { COMPOUND.to_vec() } else { own.clone() };
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u32() as u8;
        }
        if rng.below(4) == 0 {
            bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
        }
        let Ok(compound) = Compound::parse(&bytes) else { continue };
        valid += 1;
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } => {
                    assert!(blocks.count() <= MAX_BLOCKS);
                }
                Packet::Description(items) => {
                    let text: usize = items.map(|item| item.text.len()).sum();
                    assert!(text < bytes.len());
                }
                Packet::Goodbye { sources, .. } => assert!(sources.count() <= 31),
                Packet::Other { .. } => {}
            }
        }
    }
    assert!(valid > 5_000, "mutations reach the inside: {valid}");
}
