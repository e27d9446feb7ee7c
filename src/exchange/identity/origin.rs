//! Where a call came from, as far as that matters to those whom it is passed on to.

use super::*;
use crate::call::Owner;
use crate::exchange::calls::Admitted;
use crate::exchange::who;
use crate::sip::{HeaderName, Message};
use crate::verb::normalise;

/// Places that forwarded a call, told on: as many as a call may have behind it.
const MAX_DIVERTED: usize = 10;

/// What is kept of a caller's INVITE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::exchange) struct Origin {
    /// Who calls, as handlers are told.
    pub caller: String,
    /// Who that is, when the caller withholds it from handlers; as a trunk asserted it.
    pub asserted: Option<String>,
    /// Whether a phone of ours asked to be withheld from whom it calls (RFC 3323 section 4.2).
    pub private: bool,
    /// Whether the caller proved to be a user of ours, or somebody at an address of theirs.
    pub known: bool,
    /// The number of ours that was called, if it came by a trunk.
    pub called: Option<String>,
    /// Who forwarded it before, the latest first.
    pub diverted: Vec<String>,
}

impl Origin {
    /// Of a call that was let in.
    pub(in crate::exchange) fn of(
        invite: &Message,
        admitted: &Admitted,
        directory: &Directory,
    ) -> Origin {
        let trunk = admitted.channel.as_ref().and_then(|key| key.find(directory));
        let Owner { domain, .. } = &admitted.owner;
        let private = who::is_private(invite);
        let asserted = trunk.filter(|_| private).and_then(|trunk| {
            let (number, _) = who::asserted(invite)?;
            Some(trunk.numbers.read(&number).unwrap_or(number))
        });
        Origin {
            caller: admitted.incoming.from.clone(),
            asserted,
            // A phone's own word on its caller counts for its privacy, never for its number.
            private: private && trunk.is_none(),
            known: domain.is_some(),
            called: trunk.and_then(|_| normalise(&admitted.incoming.to)),
            diverted: trunk.map(|_| diverted(invite)).unwrap_or_default(),
        }
    }
}

/// Everybody who forwarded a call: by Diversion the latest stands first, by History-Info the first,
/// and last who is called now.
fn diverted(invite: &Message) -> Vec<String> {
    let of = |name| invite.values(name).filter_map(who::number_at).collect::<Vec<_>>();
    let mut found = of(HeaderName::Diversion);
    if found.is_empty() {
        found = of(HeaderName::HistoryInfo);
        found.pop();
        found.reverse();
    }
    found.truncate(MAX_DIVERTED);
    found
}
