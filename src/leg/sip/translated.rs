//! Whose media are believed from elsewhere than signalled: of parties behind an address translator
//! (NAT), which name an address that means nothing here.

use std::net::IpAddr;

use super::MediaAddress;
use crate::media::{Leeway, same_network};
use crate::sip::{Message, translator};

impl MediaAddress {
    /// The host that signals, where media of a party that wants them at `media` may come from
    /// there, and how far from elsewhere. Besides what signalling shows, a private address behind
    /// a host of another network betrays a translator.
    pub(super) fn believed(&self, media: IpAddr) -> (Option<IpAddr>, Leeway) {
        let Some(host) = self.peer else { return (None, Leeway::None) };
        // One on this machine may name any of its addresses, and sends from loopback.
        let here = host.is_loopback() && !media.is_loopback();
        let hidden = translator::is_private(media) && !same_network(media, host);
        let leeway = if here || hidden { Leeway::Network } else { self.leeway };
        ((leeway != Leeway::None).then_some(host), leeway)
    }

    /// A request in the dialog shows where the party is now.
    pub(super) fn follow(&mut self, request: &Message) {
        let Some(source) = translator::source(request) else { return };
        if self.peer.is_some_and(|peer| peer != source && peer != self.bind) {
            self.peer = Some(source);
            if translator::before(request) {
                self.leeway = Leeway::Network;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_behind_another_network_betrays_a_translator() {
        let believed = |peer: &str, media: &str, leeway| {
            let bind = IpAddr::from([0, 0, 0, 0]);
            let peer = peer.parse().ok();
            let address = MediaAddress { bind, advertise: bind, peer, leeway };
            address.believed(media.parse().expect("an address"))
        };
        for (peer, media, hidden) in [
            ("198.51.100.9", "198.51.100.9", false),
            ("198.51.100.9", "198.51.100.20", false),
            ("198.51.100.9", "203.0.113.1", false),
            ("198.51.100.9", "192.168.1.7", true),
            ("198.51.100.9", "100.64.0.7", true),
            ("198.51.100.9", "192.0.0.4", true),
            ("198.51.100.9", "198.18.0.1", true),
            ("192.168.1.7", "192.168.1.7", false),
            ("192.168.1.7", "192.168.1.8", false),
            ("10.0.0.7", "192.168.1.7", true),
            ("127.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "198.51.100.9", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("2001:db8::1", "fd00::2", true),
            ("", "192.168.1.7", false),
        ] {
            let host: Option<IpAddr> = peer.parse().ok();
            let shown = if hidden { (host, Leeway::Network) } else { (None, Leeway::None) };
            assert_eq!(believed(peer, media, Leeway::None), shown, "{peer} {media}");
            let phone = match (host, hidden) {
                (None, _) => (None, Leeway::None),
                (_, true) => (host, Leeway::Network),
                (_, false) => (host, Leeway::Host),
            };
            assert_eq!(believed(peer, media, Leeway::Host), phone, "{peer} {media}");
        }
    }
}
