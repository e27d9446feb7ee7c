//! STUN keep-alives on SIP's UDP port (RFC 5626 section 4.4.2, RFC 5389): a Binding request gets
//! the address that it came from. No other STUN usage is known here, nothing is authenticated.

use std::net::{IpAddr, SocketAddr};

/// The answer to a Binding request; `None` for anything else, SIP among it.
pub fn answer(request: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = request.split_first_chunk::<HEADER>()?;
    let [0x00, 0x01, high, low, identity @ ..] = header else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = identity.starts_with(&COOKIE) && length == attributes.len();
    if !whole || !length.is_multiple_of(4) {
        return None;
    }
    let unknown = unknown_attributes(attributes);
    let (kind, attribute) = match unknown.is_empty() {
        true => (SUCCESS, attribute(XOR_MAPPED_ADDRESS, &mapped(source, identity))),
        // RFC 5389 section 7.3.1: 420, and what was not understood.
        false => {
            let mut both = attribute(ERROR_CODE, b"\x00\x00\x04\x14Unknown Attribute");
            both.extend(self::attribute(UNKNOWN_ATTRIBUTES, &unknown));
            (ERROR, both)
        }
    };
    let mut answer = Vec::with_capacity(HEADER + attribute.len());
    answer.extend(kind);
    answer.extend(u16::try_from(attribute.len()).ok()?.to_be_bytes());
    answer.extend(identity);
    answer.extend(attribute);
    Some(answer)
}

/// Type, length, cookie and transaction.
const HEADER: usize = 20;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const ERROR: [u8; 2] = [0x01, 0x11];
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;

/// Those of ICE and of authentication, which ask for nothing that a keep-alive needs: USERNAME,
/// MESSAGE-INTEGRITY, REALM, NONCE, PRIORITY and USE-CANDIDATE.
const IGNORED: [u16; 6] = [0x0006, 0x0008, 0x0014, 0x0015, 0x0024, 0x0025];

/// As many as one answer names: it is never longer than what a request of that size may bring.
const MAX_UNKNOWN: usize = 8;

/// The numbers of attributes that must be understood (below 0x8000) and are not.
fn unknown_attributes(mut attributes: &[u8]) -> Vec<u8> {
    let mut unknown = vec![];
    while let Some(([a, b, c, d], rest)) = attributes.split_first_chunk::<4>() {
        let number = u16::from_be_bytes([*a, *b]);
        if number < 0x8000 && !IGNORED.contains(&number) && unknown.len() < 2 * MAX_UNKNOWN {
            unknown.extend([*a, *b]);
        }
        let padded = usize::from(u16::from_be_bytes([*c, *d])).next_multiple_of(4);
        attributes = rest.get(padded..).unwrap_or_default();
    }
    unknown
}

/// A value with its type and length, padded to four bytes.
fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The address under the mask of RFC 5389 section 15.2, which keeps translators from editing it.
/// `identity` is cookie and transaction.
fn mapped(source: SocketAddr, identity: &[u8]) -> Vec<u8> {
    let (family, octets) = match source.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    let port = source.port().to_be_bytes();
    value.extend(port.iter().chain(&octets).zip(COOKIE.iter().take(2).chain(identity)).map(xor));
    value
}

fn xor((byte, mask): (&u8, &u8)) -> u8 {
    byte ^ mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(attributes.len()).expect("a short request");
        let head = [&[0, 1, 0, length], &COOKIE[..], b"twelve bytes"].concat();
        [&head[..], attributes].concat()
    }

    #[test]
    fn a_binding_request_is_told_where_it_came_from() {
        // The address and mask of RFC 5769 section 2.2.
        let source = "192.0.2.1:32853".parse().expect("an address");
        let answer = answer(&request(b""), source).expect("an answer");
        assert_eq!(&answer[..4], [1, 1, 0, 12]);
        assert_eq!(&answer[4..20], &request(b"")[4..20], "the same transaction");
        assert_eq!(&answer[20..], b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43");
        let source = "[2001:db8::1]:5060".parse().expect("an address");
        let answer = super::answer(&request(b""), source).expect("an answer");
        assert_eq!((answer.len(), answer[25]), (44, 2));
        assert_eq!(&answer[28..32], [0x01, 0x13, 0xa9, 0xfa], "2001:db8 under the mask");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let source = "192.0.2.1:32853".parse().expect("an address");
        let fine = request(b"\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x22\x00\x04test");
        assert_eq!(answer(&fine, source).map(|answer| answer[..2].to_vec()), Some(vec![1, 1]));
        let strange = request(b"\x00\x03\x00\x04\x00\x00\x00\x06");
        let refused = answer(&strange, source).expect("an answer");
        assert_eq!(&refused[..2], [1, 0x11]);
        assert!(refused.ends_with(b"\x00\x0a\x00\x02\x00\x03\x00\x00"), "{refused:?}");
    }

    #[test]
    fn nothing_else_is_answered() {
        let source = "192.0.2.1:32853".parse().expect("an address");
        let whole = request(b"");
        for end in 0..whole.len() {
            assert_eq!(answer(&whole[..end], source), None, "{end} bytes");
        }
        let more = [&whole[..], b"x"].concat();
        let response = [&[1, 1], &whole[2..]].concat();
        for bytes in [&b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"[..], b"\r\n\r\n", &more, &response] {
            assert_eq!(answer(bytes, source), None);
        }
    }
}
