//! Messages as a capture file (the classic format of libpcap), with IP and UDP headers made up.
//!
//! What came over a stream is shown as datagrams, too: one a message is what readers want to see.

use std::net::{IpAddr, SocketAddr};

use super::record::Captured;

/// Packets begin with their IP header (LINKTYPE_RAW).
const RAW: u32 = 101;

/// The longest packet that IP can describe.
const LONGEST: usize = 65_535;

const UDP: u8 = 17;

/// A whole file.
pub fn file<'a>(messages: impl IntoIterator<Item = (u64, &'a Captured)>) -> Vec<u8> {
    let mut out = vec![];
    // Magic for microseconds, version 2.4, no correction of times, the longest packet, link type.
    for word in [0xA1B2_C3D4, 0x0002_0004, 0, 0, LONGEST as u32, RAW] {
        out.extend_from_slice(&u32::to_le_bytes(word));
    }
    // The two halves of the version are 16 bits each, the larger first.
    out[4..8].copy_from_slice(&[2, 0, 4, 0]);
    for (at, message) in messages {
        let packet = packet(message.source(), message.destination(), &message.bytes());
        let kept = packet.len().min(LONGEST);
        for word in [at / 1_000_000, at % 1_000_000, kept as u64, packet.len() as u64] {
            out.extend_from_slice(&u32::try_from(word).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend_from_slice(packet.get(..kept).unwrap_or_default());
    }
    out
}

/// An IP packet with one datagram (RFC 791, RFC 8200, RFC 768).
fn packet(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let clamped = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let mut udp = Vec::with_capacity(payload.len() + 8);
    udp.extend_from_slice(&source.port().to_be_bytes());
    udp.extend_from_slice(&destination.port().to_be_bytes());
    udp.extend_from_slice(&clamped(payload.len() + 8).to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let mut pseudo = vec![];
    let mut out = vec![];
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // Version 4, five words; "don't fragment"; 64 hops.
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&clamped(udp.len() + 20).to_be_bytes());
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, UDP, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = checksum(&[&out]);
            out[10..12].copy_from_slice(&sum.to_be_bytes());
            pseudo.extend_from_slice(&from.octets());
            pseudo.extend_from_slice(&to.octets());
        }
        (from, to) => {
            let six = |address| match address {
                IpAddr::V4(four) => std::net::Ipv4Addr::to_ipv6_mapped(&four).octets(),
                IpAddr::V6(six) => six.octets(),
            };
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&clamped(udp.len()).to_be_bytes());
            out.extend_from_slice(&[UDP, 64]);
            out.extend_from_slice(&six(from));
            out.extend_from_slice(&six(to));
            pseudo.extend_from_slice(&six(from));
            pseudo.extend_from_slice(&six(to));
        }
    }
    pseudo.extend_from_slice(&[0, UDP]);
    pseudo.extend_from_slice(&clamped(udp.len()).to_be_bytes());
    // RFC 768: a sum of zero is sent as all ones, as zero means none.
    let sum = match checksum(&[&pseudo, &udp]) {
        0 => 0xFFFF,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(&udp);
    out
}

/// RFC 1071. All parts but the last must be of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = 0;
    for word in words {
        let low = word.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([word.first().copied().unwrap_or(0), low]));
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::trace::Direction;
    use crate::sip::{Flow, Transport};

    fn captured(local: &str, remote: &str, direction: Direction, bytes: &[u8]) -> Captured {
        let flow = Flow {
            transport: Transport::Udp,
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            connection: 0,
        };
        Captured::new("x".to_owned(), direction, flow, bytes.to_vec())
    }

    fn little(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
    }

    #[test]
    fn a_file_has_its_headers_and_every_packet_its_own() {
        let four = captured("127.0.0.1:5060", "192.0.2.7:5062", Direction::Received, b"OPTIONS");
        let six = captured("[::1]:5060", "[2001:db8::7]:5062", Direction::Sent, b"SIP/2.0 200 OK");
        let bytes = file([(1_800_000_000_000_007, &four), (1_800_000_001_000_009, &six)]);
        assert_eq!(little(&bytes, 0), 0xA1B2_C3D4);
        assert_eq!(&bytes[4..8], &[2, 0, 4, 0], "version 2.4");
        assert_eq!((little(&bytes, 16), little(&bytes, 20)), (65_535, 101));

        let (first, length) = (24, 20 + 8 + 7);
        assert_eq!((little(&bytes, first), little(&bytes, first + 4)), (1_800_000_000, 7));
        assert_eq!((little(&bytes, first + 8), little(&bytes, first + 12)), (length, length));
        let packet = &bytes[first + 16..first + 16 + length as usize];
        assert_eq!((packet[0], packet[9]), (0x45, 17));
        assert_eq!(&packet[12..20], &[192, 0, 2, 7, 127, 0, 0, 1], "from the peer to us");
        assert_eq!(checksum(&[&packet[..20]]), 0, "a right sum makes the whole zero");
        let pseudo = [&packet[12..20], &[0, 17, 0, 15]].concat();
        assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0);
        assert_eq!(&packet[28..], b"OPTIONS");

        let second = first + 16 + length as usize;
        let packet = &bytes[second + 16..];
        assert_eq!((packet[0] >> 4, packet[6], packet.len()), (6, 17, 40 + 8 + 14));
        let pseudo = [&packet[8..40], &[0, 17, 0, 22]].concat();
        assert_eq!(checksum(&[&pseudo, &packet[40..]]), 0);
        assert_eq!(u16::from_be_bytes([packet[40], packet[41]]), 5060, "sent by us");
    }

    #[test]
    fn a_giant_is_cut_and_says_so() {
        let giant = captured("127.0.0.1:1", "127.0.0.1:2", Direction::Sent, &[b'x'; 65_535]);
        let bytes = file([(0, &giant)]);
        assert_eq!((little(&bytes, 32), little(&bytes, 36)), (65_535, 65_563));
        assert_eq!(bytes.len(), 24 + 16 + 65_535);
    }
}
