//! Where the media of a party are, and whether an address translator (NAT) stands before it.
//!
//! Only then its media are taken from neighbours of the hosts that it signals; else one of those
//! could take them over.

use super::calls::Admitted;
use super::*;
use crate::leg::sip::Target;
use crate::media::Leeway;
use crate::sip::registrar::Binding;
use crate::sip::{Message, translator};

impl Exchange {
    /// The media address for a party that is reached over `flow`.
    pub(super) fn media_address(&self, flow: Flow) -> MediaAddress {
        let bind = flow.local.ip();
        if flow.is_inner() {
            // No translator stands between.
            return MediaAddress { bind, advertise: bind, peer: Some(bind), leeway: Leeway::None };
        }
        let peer = Some(flow.remote.ip());
        MediaAddress { bind, advertise: self.advertised(bind), peer, leeway: Leeway::None }
    }

    /// The media address for whoever makes a call.
    pub(super) fn caller_address(
        &self,
        flow: Flow,
        invite: &Message,
        admitted: &Admitted,
    ) -> MediaAddress {
        let trunk = admitted.channel.as_ref().and_then(|key| key.find(&self.directory));
        let domain = admitted.owner.domain.as_deref();
        let declared = match trunk {
            Some(trunk) => trunk.nat,
            None => domain.is_some_and(|name| self.is_translated(name)),
        };
        let leeway = match flow.is_inner() {
            true => Leeway::None,
            false if declared || translator::before(invite) => Leeway::Network,
            false if trunk.is_none() => Leeway::Host,
            false => Leeway::None,
        };
        MediaAddress { leeway, ..self.media_address(flow) }
    }

    /// Whether the phones of a domain are said to be behind translators.
    fn is_translated(&self, domain: &str) -> bool {
        self.directory.domain(domain).is_some_and(|domain| domain.nat)
    }

    /// Notes of a call to a registered phone whether it is behind a translator. Where proxies
    /// stand between, its own addresses say nothing of that.
    pub(super) fn note_translator(&self, target: &mut Target, binding: &Binding, domain: &str) {
        let seen = binding.path.is_empty() && translator::hides(&binding.uri, binding.flow);
        target.leeway = match self.is_translated(domain) || seen {
            true => Leeway::Network,
            false => Leeway::Host,
        };
    }
}
