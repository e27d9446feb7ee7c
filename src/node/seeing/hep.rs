//! SIP messages for a capture server, in version 3 of the Homer Encapsulation Protocol over UDP.
//!
//! A packet is `HEP3`, its length, and chunks: vendor, type and length of 16 bits each, a value.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::base::Secret;
use crate::sip::Transport;

/// The largest payload that still fits an UDP datagram with all chunks.
const MOST_PAYLOAD: usize = 65_000;

/// Payload type of SIP in chunk 11.
const SIP: u8 = 1;

/// A message, to be encapsulated.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Microseconds since 1970.
    pub at: u64,
    /// How it travelled.
    pub transport: Transport,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who got it.
    pub destination: SocketAddr,
    /// What joins the legs of one call.
    pub correlation: Option<&'a str>,
    /// The message.
    pub payload: &'a [u8],
}

/// Sends to one collector.
#[derive(Debug)]
pub struct Sender {
    socket: UdpSocket,
    capture_id: u32,
    password: Option<Secret>,
    /// Packets that could not be sent.
    pub dropped: u64,
}

impl Sender {
    /// Opens a socket of the collector's family. Nothing is sent yet.
    pub fn open(
        collector: SocketAddr,
        capture_id: u32,
        password: Option<Secret>,
    ) -> io::Result<Sender> {
        let any: IpAddr = match collector.is_ipv4() {
            true => [0, 0, 0, 0].into(),
            false => [0u16; 8].into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(collector)?;
        socket.set_nonblocking(true)?;
        Ok(Sender { socket, capture_id, password, dropped: 0 })
    }

    /// Sends one; a collector that is not there costs the packet and nothing else.
    pub fn send(&mut self, packet: &Packet<'_>) {
        let bytes = encode(packet, self.capture_id, self.password.as_ref());
        if self.socket.send(&bytes).is_err() {
            self.dropped += 1;
        }
    }
}

/// The packet on the wire.
pub fn encode(packet: &Packet<'_>, capture_id: u32, password: Option<&Secret>) -> Vec<u8> {
    let Packet { at, source, destination, payload, .. } = *packet;
    let mut out = Vec::with_capacity(payload.len() + 160);
    out.extend_from_slice(b"HEP3\0\0");
    // Both ends must be of one family; a mapped address is its IPv4 address.
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let family = if from.is_ipv4() && to.is_ipv4() { 2 } else { 10 };
    let protocol = if packet.transport == Transport::Udp { 17 } else { 6 };
    chunk(&mut out, 1, &[family]);
    chunk(&mut out, 2, &[protocol]);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            chunk(&mut out, 3, &from.octets());
            chunk(&mut out, 4, &to.octets());
        }
        (from, to) => {
            chunk(&mut out, 5, &six(from));
            chunk(&mut out, 6, &six(to));
        }
    }
    chunk(&mut out, 7, &source.port().to_be_bytes());
    chunk(&mut out, 8, &destination.port().to_be_bytes());
    let seconds = u32::try_from(at / 1_000_000).unwrap_or(u32::MAX);
    chunk(&mut out, 9, &seconds.to_be_bytes());
    chunk(&mut out, 10, &((at % 1_000_000) as u32).to_be_bytes());
    chunk(&mut out, 11, &[SIP]);
    chunk(&mut out, 12, &capture_id.to_be_bytes());
    if let Some(password) = password {
        chunk(&mut out, 14, password.expose().as_bytes());
    }
    if let Some(correlation) = packet.correlation {
        chunk(&mut out, 17, correlation.as_bytes());
    }
    chunk(&mut out, 15, payload.get(..payload.len().min(MOST_PAYLOAD)).unwrap_or_default());
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX);
    out[4..6].copy_from_slice(&length.to_be_bytes());
    out
}

/// A chunk of the generic vendor, 0.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 6).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
        IpAddr::V6(six) => six.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Takes a packet apart as a collector would.
    fn decode(bytes: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&bytes[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([bytes[4], bytes[5]])), bytes.len());
        let (mut chunks, mut at) = (BTreeMap::new(), 6);
        while at < bytes.len() {
            let number = |offset| u16::from_be_bytes([bytes[at + offset], bytes[at + offset + 1]]);
            assert_eq!(number(0), 0, "the generic vendor");
            let length = usize::from(number(4));
            chunks.insert(number(2), bytes[at + 6..at + length].to_vec());
            at += length;
        }
        chunks
    }

    #[test]
    fn a_collector_finds_everything_in_its_chunk() {
        let packet = Packet {
            at: 1_800_000_000_123_456,
            transport: Transport::Tcp,
            source: "192.0.2.7:5062".parse().expect("an address"),
            destination: "[::ffff:198.51.100.1]:5060".parse().expect("an address"),
            correlation: Some("CA1"),
            payload: b"INVITE",
        };
        let secret = Secret::new("hush");
        let chunks = decode(&encode(&packet, 2001, Some(&secret)));
        let wanted: [(u16, &[u8]); 13] = [
            (1, &[2]),
            (2, &[6]),
            (3, &[192, 0, 2, 7]),
            (4, &[198, 51, 100, 1]),
            (7, &5062u16.to_be_bytes()),
            (8, &5060u16.to_be_bytes()),
            (9, &1_800_000_000u32.to_be_bytes()),
            (10, &123_456u32.to_be_bytes()),
            (11, &[1]),
            (12, &2001u32.to_be_bytes()),
            (14, b"hush"),
            (15, b"INVITE"),
            (17, b"CA1"),
        ];
        let found: Vec<(u16, &[u8])> = chunks.iter().map(|(k, v)| (*k, v.as_slice())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn mixed_families_go_as_ipv6_and_giants_are_cut() {
        let packet = Packet {
            at: 0,
            transport: Transport::Udp,
            source: "[2001:db8::1]:1".parse().expect("an address"),
            destination: "192.0.2.1:2".parse().expect("an address"),
            correlation: None,
            payload: &[b'x'; 65_535],
        };
        let bytes = encode(&packet, 1, None);
        assert!(bytes.len() < 65_500, "{}", bytes.len());
        let chunks = decode(&bytes);
        assert_eq!(
            (chunks[&1].as_slice(), chunks[&5].len(), chunks[&6].len()),
            (&[10u8][..], 16, 16)
        );
        assert!(!chunks.contains_key(&14) && !chunks.contains_key(&17));
    }

    #[test]
    fn what_is_sent_arrives() {
        let collector = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = collector.local_addr().expect("an address");
        let mut sender = Sender::open(to, 7, None).expect("opened");
        sender.send(&Packet {
            at: 0,
            transport: Transport::Udp,
            source: to,
            destination: to,
            correlation: None,
            payload: b"BYE",
        });
        let mut buffer = [0; 512];
        let length = collector.recv(&mut buffer).expect("a packet");
        assert_eq!(decode(&buffer[..length])[&15], b"BYE");
    }
}
