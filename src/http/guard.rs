//! Which addresses our requests may reach: the public internet, and what the operator allowed.
//!
//! Webhook URLs come from documents and from customers, so a name may point at this machine, its
//! neighbours or a cloud's metadata service. Every address is judged here before it is connected
//! to (`resolver`), on every hop. RFC 6890, RFC 4291, RFC 6052, RFC 3056, RFC 4380.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Judges addresses.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Vec<IpNet>,
}

/// An address that requests may not reach, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is, in plain words.
    pub kind: &'static str,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is a {} address; if it is meant, add its network to [webhook] allow",
            self.address, self.kind
        )
    }
}

impl std::error::Error for Forbidden {}

impl Guard {
    /// A guard with exceptions for intranets.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Guard { allow }
    }

    /// Whether a request may go to `address`. An exception holds for the address as it is reached:
    /// allowing `10.0.0.0/8` also allows `::ffff:10.0.0.1`, which is the same machine.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        let plain = address.to_canonical();
        if self.allow.iter().any(|net| net.contains(&address) || net.contains(&plain)) {
            return Ok(());
        }
        match kind(plain) {
            None => Ok(()),
            Some(kind) => Err(Forbidden { address, kind }),
        }
    }
}

/// What kind of special address this is; `None` for a public one.
fn kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => kind_of_v4(v4),
        IpAddr::V6(v6) => kind_of_v6(v6),
    }
}

/// The special-purpose registry of IPv4 (RFC 6890), and the clouds' metadata services.
fn kind_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, d] = address.octets();
    Some(match (a, b, c, d) {
        (169, 254, 169, 254 | 253 | 123) | (169, 254, 170, 2) | (100, 100, 100, 200) => {
            "cloud metadata"
        }
        (168, 63, 129, 16) => "cloud metadata",
        (0, ..) => "unspecified",
        (10, ..) | (192, 168, ..) | (172, 16..=31, ..) => "private",
        (127, ..) => "loopback",
        (169, 254, ..) => "link-local",
        (100, 64..=127, ..) => "carrier-grade NAT",
        (192, 0, 0, _) => "protocol assignment",
        (192, 0, 2, _) | (198, 51, 100, _) | (203, 0, 113, _) => "documentation",
        (192, 88, 99, _) => "6to4 relay",
        (192, 31, 196, _) | (192, 52, 193, _) | (192, 175, 48, _) => "special-purpose",
        (198, 18..=19, ..) => "benchmark",
        (224..=239, ..) => "multicast",
        (255, 255, 255, 255) => "broadcast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

/// Addresses that carry an IPv4 address are judged by it: a NAT64 or 6to4 gateway, or the local
/// stack, would deliver there. Apart from those only global unicast, 2000::/3, is public.
fn kind_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    if let Some(v4) = embedded(&s) {
        return kind_of_v4(v4);
    }
    Some(match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] => "cloud metadata",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xfc00..=0xfdff, ..] => "private",
        [0xff00..=0xffff, ..] => "multicast",
        // Locally assigned NAT64 prefix, RFC 8215: by definition a private network's.
        [0x0064, 0xff9b, 1, ..] => "private",
        [0x2001, 0x0000, ..] => "Teredo",
        [0x2001, 0x0db8, ..] | [0x3fff, 0x0000..=0x0fff, ..] => "documentation",
        [0x2001, 0x0002, 0, ..] => "benchmark",
        [0x2001, 0x0010..=0x002f, ..] => "special-purpose",
        [0x2000..=0x3fff, ..] => return None,
        _ => "reserved",
    })
}

/// The IPv4 address inside, for the forms that lead to it.
fn embedded(s: &[u16; 8]) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match *s {
        // `::` and `::1` are addresses of their own; the rest of ::/96 is IPv4-compatible.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(from(high, low)),
        // IPv4-translated, RFC 2765.
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(from(high, low)),
        // NAT64 well-known prefix, RFC 6052 section 2.1.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        // 6to4, RFC 3056 section 2.
        [0x2002, high, low, ..] => Some(from(high, low)),
        // ISATAP, RFC 5214 section 6.1.
        [.., 0x0000 | 0x0200, 0x5efe, high, low] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(guard: &Guard, address: &str) -> Option<&'static str> {
        guard.check(address.parse().unwrap()).err().map(|forbidden| forbidden.kind)
    }

    #[test]
    fn special_addresses_are_refused_and_public_ones_pass() {
        let guard = Guard::default();
        let refused = [
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("10.0.0.1", "private"),
            ("10.255.255.255", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "cloud metadata"),
            ("169.254.170.2", "cloud metadata"),
            ("100.100.100.200", "cloud metadata"),
            ("168.63.129.16", "cloud metadata"),
            ("100.64.0.1", "carrier-grade NAT"),
            ("100.127.255.255", "carrier-grade NAT"),
            ("192.0.0.8", "protocol assignment"),
            ("192.0.2.1", "documentation"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.9", "documentation"),
            ("192.88.99.1", "6to4 relay"),
            ("198.18.0.1", "benchmark"),
            ("198.19.255.255", "benchmark"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::127.0.0.1", "loopback"),
            ("::10.0.0.1", "private"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:7f00:1", "loopback"),
            ("::ffff:10.1.2.3", "private"),
            ("::ffff:169.254.169.254", "cloud metadata"),
            ("::ffff:0:192.168.0.1", "private"),
            ("64:ff9b::127.0.0.1", "loopback"),
            ("64:ff9b::a00:1", "private"),
            ("64:ff9b:1::8.8.8.8", "private"),
            ("2002:7f00:1::", "loopback"),
            ("2002:c0a8:101::1", "private"),
            ("2002:a9fe:a9fe::", "cloud metadata"),
            ("2001:0:53aa:64c::1", "Teredo"),
            ("2001:db8::1", "documentation"),
            ("3fff::1", "documentation"),
            ("2001:2::1", "benchmark"),
            ("2001:10::1", "special-purpose"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fd00:ec2::254", "cloud metadata"),
            ("ff02::1", "multicast"),
            ("100::1", "reserved"),
            ("4000::1", "reserved"),
            ("2a00:1450::5efe:10.0.0.1", "private"),
            ("2a00:1450::200:5efe:127.0.0.1", "loopback"),
        ];
        for (address, kind) in refused {
            assert_eq!(verdict(&guard, address), Some(kind), "{address}");
        }
        let public = [
            "8.8.8.8",
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ];
        for address in public {
            assert_eq!(verdict(&guard, address), None, "{address}");
        }
    }

    #[test]
    fn an_exception_holds_for_its_network_alone() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd12::/16".parse().unwrap()]);
        assert_eq!(verdict(&guard, "127.0.0.1"), None);
        assert_eq!(verdict(&guard, "::ffff:127.0.0.1"), None);
        assert_eq!(verdict(&guard, "fd12::1"), None);
        assert_eq!(verdict(&guard, "::1"), Some("loopback"));
        assert_eq!(verdict(&guard, "10.0.0.1"), Some("private"));
        assert_eq!(verdict(&guard, "fd13::1"), Some("private"));
    }
}
