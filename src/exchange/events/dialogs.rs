//! What users are doing in calls: told by legs, shown to watchers (RFC 4235 section 3.7).

use super::*;
use crate::base::TimerTable;
use crate::call::Owner;
use crate::leg::sip::Target;
use crate::leg::{self, Cause};

/// Calls of one user that are shown; more than a phone has lines for.
const MAX_DIALOGS: usize = 32;

/// How long a call that is over is still told of, so that it is not missed between two NOTIFYs.
const LINGER: Duration = Duration::from_secs(4);

/// An exchange that carries a call of another's user says so often how it stands. What was lost
/// between the two, for the way was full, is mended by the next.
const REPEAT: Duration = Duration::from_secs(30);

/// A call of which another exchange has not said for so long that it goes on, is over: that was
/// lost. Two repeats may be lost before.
const SILENT: Duration = Duration::from_secs(100);

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
    /// When those of users who live elsewhere are told of again.
    repeats: TimerTable<LegId>,
    /// The calls of users who live here, wherever those are carried.
    users: BTreeMap<Arc<str>, Vec<DialogInfo>>,
    /// Until when those that other exchanges carry are believed; each is in `users`.
    believed: TimerTable<(Arc<str>, u64)>,
}

impl Dialogs {
    /// What is shown of a user.
    pub(super) fn of(&self, now: Instant, user: &str) -> Vec<DialogInfo> {
        let all = self.users.get(user).into_iter().flatten();
        all.filter(|dialog| !is_past(now, dialog)).cloned().collect()
    }

    /// Takes how a call stands; whether that is news.
    fn put(&mut self, now: Instant, user: &Arc<str>, info: DialogInfo) -> bool {
        let dialogs = self.users.entry(user.clone()).or_default();
        dialogs.retain(|known| known.id == info.id || !is_past(now, known));
        match dialogs.iter_mut().find(|known| known.id == info.id) {
            Some(known) if *known == info => return false,
            Some(known) => *known = info,
            None => {
                // One that is told of again and again must not push out others that are, too.
                if dialogs.len() >= MAX_DIALOGS {
                    let over = dialogs.iter().position(|known| !known.state.is_alive());
                    let Some(over) = over else { return false };
                    dialogs.remove(over);
                }
                dialogs.push(info);
            }
        }
        true
    }

    /// Believes what another exchange says of a call, for some time.
    fn believe(&mut self, now: Instant, user: &Arc<str>, info: &DialogInfo) {
        let name = (user.clone(), info.id);
        let shown = self.users.get(user).is_some_and(|all| all.iter().any(|d| d.id == info.id));
        match shown && info.state.is_alive() {
            true => self.believed.set(name, now + SILENT),
            false => self.believed.clear(&name),
        }
    }

    /// The calls of which too long nothing was heard, as over.
    fn lost(&mut self, now: Instant) -> Vec<(Arc<str>, DialogInfo)> {
        let mut lost = Vec::new();
        while let Some((user, id)) = self.believed.pop(now) {
            let known = self.users.get(&user).into_iter().flatten().find(|known| known.id == id);
            let over = State::Terminated { at: now, event: "timeout" };
            lost.extend(
                known.map(|known| (user.clone(), DialogInfo { state: over, ..known.clone() })),
            );
        }
        lost
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        [self.repeats.next(), self.believed.next()].into_iter().flatten().min()
    }
}

fn is_past(now: Instant, dialog: &DialogInfo) -> bool {
    matches!(dialog.state, State::Terminated { at, .. } if now.since(at) > LINGER)
}

impl Exchange {
    /// Shows a call of a user to those who watch it. The one way from calls to watchers, who may
    /// live elsewhere than the call.
    fn publish(&mut self, now: Instant, leg: LegId, user: &Arc<str>, info: DialogInfo) {
        let home = self.home_of(user);
        if home == self.shards().own() {
            return self.publish_here(now, user, info);
        }
        match info.state.is_alive() {
            true => self.events.dialogs.repeats.set(leg, now + REPEAT),
            false => self.events.dialogs.repeats.clear(&leg),
        }
        self.say(home, peers::Say::Dialog(Arc::clone(user), Box::new(info)));
    }

    fn publish_here(&mut self, now: Instant, user: &Arc<str>, info: DialogInfo) {
        if !self.events.dialogs.put(now, user, info) {
            return;
        }
        for package in ["dialog", "presence"] {
            self.events.subscriptions.changed(now, user, package);
        }
    }

    /// How a call that another exchange carries stands, of a user who lives here.
    pub(in crate::exchange) fn dialog_elsewhere(
        &mut self,
        now: Instant,
        user: &Arc<str>,
        info: DialogInfo,
    ) {
        self.publish_here(now, user, info.clone());
        self.events.dialogs.believe(now, user, &info);
    }

    /// Says again how calls stand, and gives those up that nobody says any more.
    pub(super) fn dialogs_timeout(&mut self, now: Instant) {
        while let Some(leg) = self.events.dialogs.repeats.pop(now) {
            if let Some(party) = self.events.dialogs.parties.get(&leg) {
                let (user, info) = (party.user.clone(), party.info.clone());
                self.publish(now, leg, &user, info);
            }
        }
        for (user, info) in self.events.dialogs.lost(now) {
            self.publish_here(now, &user, info);
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
        self.publish(now, leg, &party.user, party.info.clone());
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
        self.publish(now, leg, &user, info);
    }

    /// A leg is over.
    pub(in crate::exchange) fn unfollow(&mut self, now: Instant, leg: LegId, event: &'static str) {
        let Some(Party { user, mut info, .. }) = self.events.dialogs.parties.remove(&leg) else {
            return;
        };
        // Of a call that never rang nobody has heard.
        if info.state != State::Trying {
            info.state = State::Terminated { at: now, event };
            self.publish(now, leg, &user, info);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_too_many_pushes_out_none_that_goes_on() {
        let (mut all, user): (_, Arc<str>) = (Dialogs::default(), "bob@h".into());
        let now = Instant::from_millis(0);
        let call = |id, state| {
            let (direction, remote) = (Direction::Initiator, None);
            DialogInfo { id, direction, state, remote }
        };
        for id in 0..MAX_DIALOGS as u64 {
            assert!(all.put(now, &user, call(id, State::Confirmed)), "{id} is news");
        }
        // As often as it is told of again.
        for _ in 0..3 {
            assert!(!all.put(now, &user, call(99, State::Confirmed)));
        }
        assert_eq!(all.of(now, &user).len(), MAX_DIALOGS);
        assert!(all.of(now, &user).iter().all(|shown| shown.id != 99));
        let over = State::Terminated { at: now, event: "local-bye" };
        assert!(all.put(now, &user, call(7, over)));
        assert!(all.put(now, &user, call(99, State::Confirmed)), "there is room now");
        assert!(all.of(now, &user).iter().all(|shown| shown.id != 7));
    }
}
