//! The way of one outgoing leg: trunks and their servers, tried one after another (RFC 3263
//! section 4.3). The leg sees one dialog; which attempt it runs in is known here alone.

use super::locating::{Seeker, hop_of};
use super::trunks::Key;
use super::*;
use crate::audio::codec::Codec;
use crate::directory::Caps;
use crate::leg::Dial;
use crate::leg::sip::{Input as LegInput, Target};
use crate::sip::locate::{self, Hop, LocateError, Lookup};
use crate::sip::{Command, Ending, Invite, Message};

mod attempt;

/// Servers tried for one leg. A caller has hung up long before more have failed.
const MOST_TRIES: u8 = 8;

/// Attempts after the first have dialogs of their own, numbered with this bit: legs number theirs
/// below it, peers above.
const ATTEMPT: u64 = 1 << 62;

/// The way of one leg.
pub(super) struct Route {
    /// The dialog of the present attempt.
    dialog: DialogId,
    /// The trunk or line that it holds a channel of.
    pub key: Option<Key>,
    /// What is left to try, until somebody answers.
    trying: Option<Box<Trying>>,
}

/// Where a leg may go.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Through a trunk or line.
    Trunk(Key),
    /// To the URI that it names.
    Foreign(String),
}

/// A leg that nobody has taken yet.
pub(super) struct Trying {
    pub dial: Dial,
    /// As it was when the leg began.
    pub directory: Arc<Directory>,
    ways: VecDeque<Way>,
    /// Trunks whose servers all failed lately: for when nobody else takes it.
    spared: VecDeque<Way>,
    way: Option<Way>,
    /// The URI whose servers are tried.
    uri: String,
    hops: VecDeque<Hop>,
    /// Where the present attempt went; `None` between two.
    flow: Option<Flow>,
    lookup: Option<Lookup>,
    /// The INVITE as the leg wrote it.
    invite: Option<Box<Invite>>,
    tries: u8,
    /// The refusal that says most, for the leg.
    best: Option<(Ending, Option<Message>)>,
    /// What went wrong, in the order in which it did.
    troubles: Vec<String>,
    /// The status when nobody could be asked at all.
    status: u16,
    /// Whether a user or trunk had too many calls.
    capped: bool,
}

impl Route {
    pub(super) fn new(id: LegId, dial: Dial, directory: Arc<Directory>, ways: Vec<Way>) -> Self {
        let trying = Trying {
            dial,
            directory,
            ways: ways.into(),
            spared: VecDeque::new(),
            way: None,
            uri: String::new(),
            hops: VecDeque::new(),
            flow: None,
            lookup: None,
            invite: None,
            tries: 0,
            best: None,
            troubles: vec![],
            status: 503,
            capped: false,
        };
        let dialog = SipLeg::dialog_of(id, 0);
        Route { dialog, key: None, trying: Some(Box::new(trying)) }
    }

    /// The look-up that it waits for.
    pub(super) fn lookup(&self) -> Option<Lookup> {
        self.trying.as_ref()?.lookup
    }

    /// The dialog of an attempt that is not the leg's own.
    pub(super) fn alias(&self) -> Option<DialogId> {
        (self.dialog.0 & ATTEMPT != 0).then_some(self.dialog)
    }
}

impl Trying {
    /// Whether there is somewhere else to go, of servers that will do.
    fn has_more(&self, will_do: impl Fn(&Hop) -> bool) -> bool {
        let ways = !(self.ways.is_empty() && self.spared.is_empty());
        self.tries < MOST_TRIES && (ways || self.hops.iter().any(will_do))
    }

    /// The next trunk; those that failed lately come last.
    fn next_way(&mut self) -> Option<Way> {
        self.ways.pop_front().or_else(|| self.spared.pop_front())
    }

    fn give_up_ways(&mut self) {
        self.ways.clear();
        self.spared.clear();
    }

    /// Puts the present trunk off, where another is left that was not.
    fn spare(&mut self) -> bool {
        let other = self.ways.iter().any(|way| matches!(way, Way::Trunk(_)));
        let way = self.way.take_if(|way| other && matches!(way, Way::Trunk(_)));
        let spared = way.is_some();
        self.spared.extend(way);
        spared
    }

    /// Where the present attempt goes, in plain words.
    fn place(&self) -> String {
        let hop = self.flow.map(|flow| hop_of(flow).to_string()).unwrap_or_default();
        match &self.way {
            Some(Way::Trunk(key)) => format!("{key} at {hop}"),
            _ => hop,
        }
    }

    fn keep(&mut self, ending: Ending, message: Option<Message>) {
        let said = |ending: &Ending| matches!(ending, Ending::Rejected(_));
        if self.best.as_ref().is_none_or(|(best, _)| said(&ending) || !said(best)) {
            self.best = Some((ending, message));
        }
    }
}

impl Exchange {
    /// Begins the way of a leg.
    pub(super) fn set_out(&mut self, now: Instant, id: LegId, route: Route) {
        if let Some(entry) = self.legs.table.get_mut(&id) {
            entry.route = Some(route);
            self.next_way(now, id);
        }
    }

    fn trying(&mut self, id: LegId) -> Option<&mut Trying> {
        self.legs.table.get_mut(&id)?.route.as_mut()?.trying.as_deref_mut()
    }

    /// Goes to the next trunk that has a channel left.
    fn next_way(&mut self, now: Instant, id: LegId) {
        self.leave_channel(id);
        loop {
            let Some(trying) = self.trying(id) else { return };
            trying.hops.clear();
            trying.flow = None;
            let Some(way) = trying.next_way() else { return self.exhausted(now, id) };
            let uri = match &way {
                Way::Foreign(uri) => uri.clone(),
                Way::Trunk(key) => {
                    let directory = Arc::clone(&trying.directory);
                    match self.enter_trunk(now, id, &directory, key) {
                        Ok(uri) => uri,
                        Err(trouble) => {
                            if let Some(trying) = self.trying(id) {
                                trying.troubles.push(trouble);
                            }
                            continue;
                        }
                    }
                }
            };
            let key = match &way {
                Way::Trunk(key) => Some(key.clone()),
                Way::Foreign(_) => None,
            };
            if let Some(route) = self.legs.table.get_mut(&id).and_then(|e| e.route.as_mut()) {
                route.key = key;
            }
            let lookup = self.seek(now, Seeker::Leg(id), &uri);
            if let Some(trying) = self.trying(id) {
                (trying.way, trying.lookup, trying.uri) = (Some(way), Some(lookup), uri);
            }
            return;
        }
    }

    /// Takes a channel of a trunk, and counts the call for it and for the user who makes it;
    /// gives the URI whose servers are to be tried, or says why not.
    fn enter_trunk(
        &mut self,
        now: Instant,
        id: LegId,
        directory: &Directory,
        key: &Key,
    ) -> Result<String, String> {
        let uri = self.trunks.enter(directory, key)?;
        // Who transfers answers for it, whoever made the call.
        let referrer = self.trying(id).and_then(|trying| trying.dial.user.clone());
        let call = self.legs.table.get(&id).and_then(|leg| self.calls.table.get(&leg.call));
        let user = referrer.or_else(|| call?.user.clone()).and_then(|user| {
            let domain = directory.domain(user.rsplit_once('@')?.1);
            Some((user, domain.map_or(Caps::USER, |domain| domain.caps)))
        });
        let payer = || call?.payer.as_ref().map(|payer| (payer.name.as_str(), payer.caps));
        let user = user.as_ref().map(|(user, caps)| (user.as_str(), *caps)).or_else(payer);
        let caps = key.find(directory).map_or(Caps::TRUNK, |trunk| trunk.caps);
        let Err(over) = self.usage.take(now, id, user, (&key.to_string(), caps)) else {
            return Ok(uri);
        };
        self.trunks.leave(key);
        if let Some(trying) = self.trying(id) {
            trying.capped = true;
            // Another trunk would not change what the user has used up.
            if over.is_of_user() {
                trying.give_up_ways();
            }
        }
        Err(over.to_string())
    }

    /// Gives the channel of a leg's trunk back.
    pub(super) fn leave_channel(&mut self, id: LegId) {
        let route = self.legs.table.get_mut(&id).and_then(|entry| entry.route.as_mut());
        if let Some(key) = route.and_then(|route| route.key.take()) {
            self.trunks.leave(&key);
            self.usage.leave_trunk(id);
        }
    }

    pub(super) fn leg_located(
        &mut self,
        now: Instant,
        id: LegId,
        lookup: Lookup,
        found: Result<Vec<Hop>, LocateError>,
    ) {
        let Some(trying) = self.trying(id) else { return };
        if trying.lookup != Some(lookup) {
            return;
        }
        trying.lookup = None;
        match found {
            Ok(hops) => {
                let silent = |hop| self.locating.locator.is_shunned(now, hop);
                if hops.iter().all(silent) && self.trying(id).is_some_and(Trying::spare) {
                    return self.next_way(now, id);
                }
                let Some(trying) = self.trying(id) else { return };
                trying.hops = hops.into();
                // The server that holds our registration knows us (RFC 5626 section 4.3).
                let key = match &trying.way {
                    Some(Way::Trunk(key)) => Some(key.clone()),
                    _ => None,
                };
                let held = key.and_then(|key| self.trunks.registered_at(&key)).map(hop_of);
                if let (Some(held), Some(trying)) = (held, self.trying(id))
                    && let Some(at) = trying.hops.iter().position(|hop| *hop == held)
                    && let Some(hop) = trying.hops.remove(at)
                {
                    trying.hops.push_front(hop);
                }
                self.next_hop(now, id);
            }
            Err(error) => {
                let whose = match &trying.way {
                    Some(Way::Trunk(key)) => key.to_string(),
                    Some(Way::Foreign(uri)) => format!("{uri:?}"),
                    None => String::new(),
                };
                trying.troubles.push(format!("{whose}: {error}"));
                trying.status = error.status();
                self.next_way(now, id);
            }
        }
    }

    /// Tries the next server that a listener of ours reaches.
    fn next_hop(&mut self, now: Instant, id: LegId) {
        while let Some(trying) = self.trying(id) {
            let Some(hop) = trying.hops.pop_front().filter(|_| trying.tries < MOST_TRIES) else {
                return self.next_way(now, id);
            };
            let begun = trying.invite.is_some();
            // RFC 3261 section 21.5.4: not even where there is no other.
            if let Some(rest) = self.locating.locator.resting(now, &hop) {
                self.pass_over(id, &hop, rest);
                continue;
            }
            let Some(flow) = self.flow_to(&hop).filter(|flow| !begun || self.same_media(id, *flow))
            else {
                let trouble = format!("`[sip] listen` has no listener that reaches {hop}");
                if let Some(trying) = self.trying(id) {
                    trying.troubles.push(trouble);
                }
                continue;
            };
            return self.attempt(now, id, flow);
        }
    }

    /// A server asked to be left alone.
    fn pass_over(&mut self, id: LegId, hop: &Hop, rest: Duration) {
        let Some(trying) = self.trying(id) else { return };
        let whose = match &trying.way {
            Some(Way::Trunk(key)) => format!("{key} at {hop}"),
            _ => hop.to_string(),
        };
        let seconds = rest.as_millis().div_ceil(1_000);
        trying.troubles.push(format!("{whose} asked by Retry-After for {seconds} s more of rest"));
        trying.status = 503;
    }

    /// The socket of the media is bound: another server must be reached from the same address.
    fn same_media(&self, id: LegId, flow: Flow) -> bool {
        let invite = self.legs.table.get(&id).and_then(|entry| {
            entry.route.as_ref()?.trying.as_ref()?.invite.as_ref().map(|invite| invite.flow)
        });
        let own = |flow: Flow| {
            let address = self.media_address(flow);
            (address.bind, address.advertise)
        };
        invite.is_none_or(|first| own(first) == own(flow))
    }

    /// Nothing is left to be tried.
    fn exhausted(&mut self, now: Instant, id: LegId) {
        self.legs.timers.clear(&id);
        let Some(entry) = self.legs.table.get_mut(&id) else { return };
        let (call, Some(route)) = (entry.call, &mut entry.route) else { return };
        let Some(trying) = route.trying.take() else { return };
        self.guard.counters.capped_calls += u64::from(trying.capped && trying.best.is_none());
        if !trying.troubles.is_empty() {
            let _: u16 = self.no_way(call, trying.status, trying.troubles.join("; "));
        }
        let dialog = SipLeg::dialog_of(id, 0);
        match trying.best {
            Some((ending, message)) => {
                if let Some(message) = &message {
                    self.note_reason(id, message);
                }
                let ended = sip::Event::Ended { dialog, ending, message };
                self.tell_leg(now, id, LegInput::Sip(ended));
            }
            None => self.send_out(now, id, Err(trying.status)),
        }
    }
}
