//! Whose media are believed from elsewhere than signalled: of parties behind an address translator
//! (NAT), which name an address that means nothing here.

use std::net::IpAddr;

use super::MediaAddress;
use crate::media::same_network;
use crate::sip::{Message, translator};

impl MediaAddress {
    /// The host that signals, where a translator stands before a party that wants its media at
    /// `media`. Besides what signalling shows, a private address behind a host of another network
    /// betrays one.
    pub(super) fn translated_host(&self, media: IpAddr) -> Option<IpAddr> {
        let host = self.peer?;
        // One on this machine may name any of its addresses, and sends from loopback.
        let here = host.is_loopback() && !media.is_loopback();
        let hidden = translator::is_private(media) && !same_network(media, host);
        (self.translated || here || hidden).then_some(host)
    }

    /// A request in the dialog shows where the party is now.
    pub(super) fn follow(&mut self, request: &Message) {
        let Some(source) = translator::source(request) else { return };
        if self.peer.is_some_and(|peer| peer != source && peer != self.bind) {
            self.peer = Some(source);
            self.translated |= translator::before(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_behind_another_network_betrays_a_translator() {
        let host = |peer: &str, media: &str, translated| {
            let bind = IpAddr::from([0, 0, 0, 0]);
            let peer = peer.parse().ok();
            let address = MediaAddress { bind, advertise: bind, peer, translated };
            address.translated_host(media.parse().expect("an address")).is_some()
        };
        for (peer, media, hidden) in [
            ("198.51.100.9", "198.51.100.9", false),
            ("198.51.100.9", "198.51.100.20", false),
            ("198.51.100.9", "203.0.113.1", false),
            ("198.51.100.9", "192.168.1.7", true),
            ("198.51.100.9", "100.64.0.7", true),
            ("192.168.1.7", "192.168.1.7", false),
            ("192.168.1.7", "192.168.1.8", false),
            ("10.0.0.7", "192.168.1.7", true),
            ("127.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "198.51.100.9", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::1", "fd00::2", true),
            ("", "192.168.1.7", false),
        ] {
            assert_eq!(host(peer, media, false), hidden, "{peer} {media}");
            assert_eq!(host(peer, media, true), !peer.is_empty(), "{peer} {media}");
        }
    }
}
