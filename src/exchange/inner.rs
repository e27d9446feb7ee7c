//! Calls between two exchanges of one server: how somebody is put through to a party whose call
//! another exchange carries (RFC 3891).
//!
//! It is SIP like any other, but it travels in messages between the exchanges and never on a
//! network: whoever asks that way was let in by the other one. Media takes the machine's own address.

use super::calls::Admitted;
use super::peers::Say;
use super::refusal::Refused;
use super::*;
use crate::call::{Owner, REPLACES};
use crate::leg::sip::Target;
use crate::leg::{Destination, Dial, Incoming, Replaces};
use crate::sip::peek;
use crate::sip::uri::SipUri;
use crate::sip::{HeaderName, Message, Method};

impl Exchange {
    /// The dialog as its exchange knows it, if that is another one: our tag says so.
    pub(super) fn held_elsewhere(&self, named: &Replaces) -> Option<Replaces> {
        let shards = self.shards();
        if shards.is_alone() || self.leg_named(named).is_some() {
            return None;
        }
        let own_first = [(&named.to_tag, &named.from_tag), (&named.from_tag, &named.to_tag)];
        let others = |tag: &str| shards.signer(tag).is_some_and(|shard| shard != shards.own());
        let (ours, theirs) = own_first.into_iter().find(|(tag, _)| others(tag))?;
        Some(Replaces { to_tag: ours.clone(), from_tag: theirs.clone(), ..named.clone() })
    }

    /// Where a leg goes that calls in to another exchange's call.
    pub(super) fn inner_target(&self, call: CallNumber, dial: &Dial) -> Option<Target> {
        let Destination::Sip { uri, headers, .. } = &dial.destination else { return None };
        if self.shards().is_alone() || !headers.iter().any(|(name, _)| name == REPLACES) {
            return None;
        }
        let (_, local) = self.config.listeners.first()?;
        let own = SocketAddr::new(self.own_address(local.ip()), local.port());
        Some(self.target(call, dial, uri.clone(), Flow::inner(own)))
    }

    /// Sends something to the exchange that it concerns.
    pub(super) fn send_inside(&mut self, flow: Flow, bytes: Bytes) {
        let home = peek::peek(&bytes).map(|peek| self.whose(&peek));
        if let Some(home) = home.filter(|home| *home != self.shards().own()) {
            self.say(home, Say::Inside(flow, bytes));
        }
    }

    /// Who calls in from another exchange: somebody of the domain that it names, and only to take
    /// the place of one of that domain.
    pub(super) fn admit_inner(&self, invite: &Message) -> Result<Admitted, Refused> {
        let uri = SipUri::parse(invite.request_uri());
        let domain = uri.as_ref().and_then(|uri| self.directory.domain(uri.host()));
        let Some(domain) = domain.filter(|_| invite.method() == Method::Invite) else {
            return Err(Refused::new(404, 32100, "a call inside that is nobody's"));
        };
        if !invite.has(HeaderName::Replaces) {
            return Err(Refused::new(400, 32100, "a call inside that replaces nothing"));
        }
        let from = invite.from().ok_or_else(|| Refused::new(400, 32100, "no From"))?;
        Ok(Admitted {
            incoming: Incoming {
                from: who::plain_uri(from.uri()),
                to: who::plain_uri(invite.request_uri()),
                caller_name: from.display_name().map(|name| name.into_owned()),
                sip: None,
                forwarded_from: None,
                stir: None,
            },
            voice: domain.voice.clone(),
            any_caller_id: false,
            owner: Owner { domain: Some(domain.name.clone()), user: None },
            channel: None,
        })
    }
}
