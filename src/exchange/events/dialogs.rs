//! What users are doing in calls: told by legs, shown to watchers (RFC 4235 section 3.7).

use super::*;
use crate::call::Owner;
use crate::leg::sip::Target;
use crate::leg::{self, Cause};

/// Calls of one user that are shown; more than a phone has lines for.
const MAX_DIALOGS: usize = 32;

/// How long a call that is over is still told of, so that it is not missed between two NOTIFYs.
const LINGER: Duration = Duration::from_secs(4);

/// One call as its user's phone sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct DialogInfo {
    /// Names it to watchers; by chance, so that it says nothing.
    pub id: u64,
    pub direction: Direction,
    pub state: State,
    /// The other side; `None` if that wants to be private.
    pub remote: Option<Identity>,
}

/// Who began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum Direction {
    /// The user.
    Initiator,
    /// The other side.
    Recipient,
}

impl Direction {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Direction::Initiator => "initiator",
            Direction::Recipient => "recipient",
        }
    }
}

/// How far it is (RFC 4235 section 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum State {
    /// Nobody has heard of it yet.
    Trying,
    /// It rings, here or there.
    Early,
    /// They talk.
    Confirmed,
    /// It is over, since then.
    Terminated { at: Instant, event: &'static str },
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            State::Trying => "trying",
            State::Early => "early",
            State::Confirmed => "confirmed",
            State::Terminated { .. } => "terminated",
        }
    }

    pub(super) const fn is_alive(self) -> bool {
        !matches!(self, State::Terminated { .. })
    }
}

/// Whom a watcher may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Identity {
    pub uri: String,
    pub name: Option<String>,
}

/// A leg that is some user's.
struct Party {
    user: Arc<str>,
    info: DialogInfo,
    /// Whether those whom it calls may not see who it is.
    private: bool,
}

/// The calls of users.
#[derive(Default)]
pub(super) struct Dialogs {
    /// The legs of this exchange's calls: as many as there are legs.
    parties: BTreeMap<LegId, Party>,
    /// The calls of users who live here, wherever those are carried.
    users: BTreeMap<Arc<str>, Vec<DialogInfo>>,
}

impl Dialogs {
    /// What is shown of a user.
    pub(super) fn of(&self, now: Instant, user: &str) -> Vec<DialogInfo> {
        let all = self.users.get(user).into_iter().flatten();
        all.filter(|dialog| !is_past(now, dialog)).cloned().collect()
    }

    fn put(&mut self, now: Instant, user: &Arc<str>, info: DialogInfo) {
        let dialogs = self.users.entry(user.clone()).or_default();
        dialogs.retain(|known| known.id == info.id || !is_past(now, known));
        match dialogs.iter_mut().find(|known| known.id == info.id) {
            Some(known) => *known = info,
            None => {
                if dialogs.len() >= MAX_DIALOGS {
                    dialogs.remove(0);
                }
                dialogs.push(info);
            }
        }
    }
}

fn is_past(now: Instant, dialog: &DialogInfo) -> bool {
    matches!(dialog.state, State::Terminated { at, .. } if now.since(at) > LINGER)
}

impl Exchange {
    /// Shows a call of a user to those who watch it. The one way from calls to watchers, who may
    /// live elsewhere than the call.
    pub(in crate::exchange) fn publish(&mut self, now: Instant, user: &Arc<str>, info: DialogInfo) {
        match self.home_of(user) {
            home if home == self.shards().own() => self.publish_here(now, user, info),
            home => self.say(home, peers::Say::Dialog(Arc::clone(user), Box::new(info))),
        }
    }

    /// The same for a user who lives here.
    pub(in crate::exchange) fn publish_here(
        &mut self,
        now: Instant,
        user: &Arc<str>,
        info: DialogInfo,
    ) {
        self.events.dialogs.put(now, user, info);
        for package in ["dialog", "presence"] {
            self.events.subscriptions.changed(now, user, package);
        }
    }

    /// A leg of a user who calls, or who takes the place of another.
    pub(in crate::exchange) fn follow_caller(
        &mut self,
        now: Instant,
        leg: LegId,
        owner: &Owner,
        called: &str,
        invite: &Message,
    ) {
        let Some(user) = &owner.user else { return };
        let info = DialogInfo {
            id: self.rng.next_u64(),
            direction: Direction::Initiator,
            state: State::Early,
            remote: identity(called, None),
        };
        let private = who::is_private(invite);
        let party = Party { user: user.as_str().into(), info, private };
        self.publish(now, &party.user, party.info.clone());
        self.events.dialogs.parties.insert(leg, party);
    }

    /// A leg that rings the phones of a user of ours, `user@domain`; by whatever name it was called.
    pub(in crate::exchange) fn follow_called(
        &mut self,
        call: CallNumber,
        leg: LegId,
        user: &str,
        targets: &[Target],
    ) {
        let Some(target) = targets.first() else { return };
        let caller = self.events.dialogs.parties.get(&calls::caller_leg(call));
        let hidden = caller.is_some_and(|caller| caller.private);
        let remote = identity(&target.from, target.display_name.as_deref());
        let info = DialogInfo {
            id: self.rng.next_u64(),
            direction: Direction::Recipient,
            state: State::Trying,
            remote: remote.filter(|_| !hidden),
        };
        let party = Party { user: user.into(), info, private: false };
        self.events.dialogs.parties.insert(leg, party);
    }

    /// What a leg reports may move its user's lamp.
    pub(in crate::exchange) fn publish_leg(
        &mut self,
        now: Instant,
        leg: LegId,
        event: &leg::Event,
    ) {
        let state = match event {
            leg::Event::Ringing | leg::Event::EarlyMedia => State::Early,
            leg::Event::Answered { .. } => State::Confirmed,
            leg::Event::Ended { cause, .. } => {
                return self.unfollow(now, leg, end_event(*cause));
            }
            _ => return,
        };
        let Some(party) = self.events.dialogs.parties.get_mut(&leg) else { return };
        party.info.state = state;
        let (user, info) = (party.user.clone(), party.info.clone());
        self.publish(now, &user, info);
    }

    /// A leg is over.
    pub(in crate::exchange) fn unfollow(&mut self, now: Instant, leg: LegId, event: &'static str) {
        let Some(Party { user, mut info, .. }) = self.events.dialogs.parties.remove(&leg) else {
            return;
        };
        // Of a call that never rang nobody has heard.
        if info.state != State::Trying {
            info.state = State::Terminated { at: now, event };
            self.publish(now, &user, info);
        }
    }
}

/// Why a call ended, in the words of RFC 4235 section 3.7.1.
const fn end_event(cause: Cause) -> &'static str {
    match cause {
        Cause::Hangup => "remote-bye",
        Cause::Cancelled => "cancelled",
        Cause::Local => "local-bye",
        Cause::Busy | Cause::NoAnswer | Cause::Failed => "rejected",
        Cause::Lost => "error",
    }
}

/// Whom a URI shows, if it shows anybody (RFC 3323 section 4.1.1.3).
fn identity(uri: &str, name: Option<&str>) -> Option<Identity> {
    let uri = who::plain_uri(uri);
    let known = SipUri::parse(&uri).and_then(|view| view.user().map(|user| user.into_owned()));
    let shown = !known.is_some_and(|user| user.eq_ignore_ascii_case("anonymous"));
    shown.then(|| Identity { uri, name: name.map(str::to_owned) })
}
