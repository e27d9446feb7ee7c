//! What the exchanges of one server tell each other: each runs on a core of its own.
//!
//! They share no state. A message goes to the one whose affair it is; who rings a user asks the
//! one that keeps its bindings; what all must know is told to all. Nobody waits for another: an
//! answer that does not come is done without.

use super::guard::Strike;
use super::registration::Whom;
use super::trunks::News;
use super::*;
use crate::leg::Dial;
use crate::sip::Method;
use crate::sip::identity::Mark;
use crate::sip::locate::Hop;
use crate::sip::peek::{self, Peek};
use crate::sip::registrar::{Binding, Gruu};
use crate::sip::uri::percent_decode;
use crate::sip::{Message, ShardId, Shards};

/// An exchange that has not said by then where a user is, does not say it in time for a caller.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions at one time; each belongs to an outgoing leg.
const MOST_ASKED: usize = 10_000;

/// For so long others believe that a flow is a registered phone's.
const KNOWN: Duration = Duration::from_secs(3_600);

/// Flows that are believed to be registered phones': as many as there may be registrations.
const MOST_KNOWN: usize = 200_000;

/// INVITEs at one time whose CANCEL would have to be passed on; of more it is not found.
const MOST_TAKEN: usize = 1_000;

/// For so long an INVITE may be cancelled: it is answered by then.
const UNANSWERED: Duration = Duration::from_secs(300);

/// From one exchange of this server to another.
#[derive(Debug)]
pub struct PeerMessage(pub(super) Say);

impl PeerMessage {
    /// What it is to those who are served already, if it is a message that came from outside: it
    /// waits for its turn like those that came to this exchange.
    pub fn class(&self) -> Option<backlog::Class> {
        match &self.0 {
            Say::Sip { class, .. } => Some(*class),
            _ => None,
        }
    }

    /// The same, come too late to begin anything.
    pub fn late(mut self) -> PeerMessage {
        if let Say::Sip { late, .. } = &mut self.0 {
            *late = true;
        }
        self
    }
}

/// What they say.
#[derive(Debug)]
pub(super) enum Say {
    /// This came to me and is your affair.
    Sip { flow: Flow, bytes: Bytes, class: backlog::Class, muted: bool, late: bool },
    /// Of a call between the two of us.
    Inside(Flow, Bytes),
    /// Where is that user?
    Locate { question: u64, address_of_record: String, gruu: Option<Gruu> },
    /// There.
    Located { question: u64, bindings: Vec<Binding> },
    /// So a call of a user of yours stands.
    Dialog(Arc<str>, Box<events::DialogInfo>),
    /// I have the INVITE with that Call-ID, which by it would be yours.
    Taken(Arc<[u8]>),
    /// A call was let in by that signature.
    Signed(Mark, Mark),
    /// That stream is no more.
    Lost(Flow),
    /// That flow is a registered phone's.
    Known(Flow),
    /// A login failed.
    Strike(Strike),
    /// How a trunk or line fares that I look after.
    Trunk(Box<News>),
    /// How does it fare?
    HowFares(trunks::Key),
    /// A call failed at a trunk that you look after.
    Suspect(trunks::Key),
    /// A server does not work, maybe for so long.
    Failed(Hop, Option<Duration>),
}

/// A leg that waits to hear where its user is.
struct Asked {
    leg: LegId,
    call: CallNumber,
    dial: Dial,
    whom: Whom,
    of: ShardId,
}

/// What is known of, and asked of, the other exchanges.
#[derive(Default)]
pub(super) struct Peers {
    asked: BTreeMap<u64, Asked>,
    timers: TimerTable<u64>,
    last: u64,
    /// Flows of phones that are registered with others, and until when that is believed.
    known: TimerTable<Flow>,
    /// The flows that others were told of, and when to tell again.
    told: TimerTable<Flow>,
    /// Who has the INVITEs with our Call-IDs that take the place of calls which live elsewhere:
    /// only a CANCEL does not say so.
    taken: BTreeMap<Arc<[u8]>, ShardId>,
    taken_until: TimerTable<Arc<[u8]>>,
}

impl Peers {
    /// Whether a flow is known to be that of a phone which is registered elsewhere.
    pub(super) fn is_known(&self, now: Instant, flow: Flow) -> bool {
        self.known.get(&flow).is_some_and(|until| until > now)
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Peers {
    fn taken(&mut self, now: Instant, call_id: Arc<[u8]>, by: ShardId) {
        while let Some(over) = self.taken_until.pop(now) {
            self.taken.remove(&over);
        }
        if self.taken.len() < MOST_TAKEN {
            self.taken_until.set(Arc::clone(&call_id), now + UNANSWERED);
            self.taken.insert(call_id, by);
        }
    }
}

/// Keeps in mind that something holds of a flow until then; the oldest goes first.
fn remember(table: &mut TimerTable<Flow>, now: Instant, flow: Flow, until: Instant) {
    while table.pop(now).is_some() {}
    if table.len() >= MOST_KNOWN
        && let Some(first) = table.next()
    {
        table.pop(first);
    }
    table.set(flow, until);
}

impl Exchange {
    pub(super) fn shards(&self) -> Shards {
        self.config.agent.shards
    }

    /// Whose affair a message is, as far as is known here.
    pub(super) fn whose(&self, peek: &Peek<'_>) -> ShardId {
        // A temporary GRUU hides its user from those without the key, which all exchanges have.
        let named = peek.user.as_deref().map(percent_decode);
        let hidden = named.and_then(|user| self.registrar.hidden_user(&user));
        let home = match hidden {
            Some(user) => self.shards().of_user(&user),
            None => self.shards().of(peek),
        };
        let taken = || self.peers.taken.get(peek.call_id).copied();
        let cancels = peek.method == Some(Method::Cancel) && home == self.shards().own();
        if cancels { taken().unwrap_or(home) } else { home }
    }

    /// Whether it is a CANCEL of an INVITE whose Call-ID is this exchange's and which another has:
    /// only this one knows that.
    fn is_taken_elsewhere(&self, bytes: &Bytes) -> bool {
        let own = self.shards().own();
        let Some(peek) = peek::peek(bytes) else { return false };
        let cancels = peek.method == Some(Method::Cancel);
        cancels && self.shards().of(&peek) == own && self.whose(&peek) != own
    }

    /// Lets the exchange know whose an INVITE would be by its Call-ID that it is here.
    pub(super) fn tell_taken(&mut self, invite: &Message) {
        let call_id = invite.call_id().as_bytes();
        let home = self.shards().of_call(call_id);
        if home != self.shards().own() {
            self.say(home, Say::Taken(call_id.into()));
        }
    }

    /// Whether a message is this exchange's affair.
    pub fn is_own(&self, peek: &Peek<'_>) -> bool {
        let shards = self.shards();
        shards.is_alone() || self.whose(peek) == shards.own()
    }

    /// Whether a user (`user@domain`) lives here.
    pub(super) fn is_home_of(&self, address_of_record: &str) -> bool {
        self.home_of(address_of_record) == self.shards().own()
    }

    /// Where a user lives.
    pub(super) fn home_of(&self, address_of_record: &str) -> ShardId {
        let user = address_of_record.rsplit_once('@').map_or(address_of_record, |(user, _)| user);
        self.shards().of_user(user)
    }

    pub(super) fn say(&mut self, to: ShardId, say: Say) {
        self.outputs.push_back(Output::Peer(to, PeerMessage(say)));
    }

    pub(super) fn say_all(&mut self, say: impl Fn() -> Say) {
        for other in self.shards().others() {
            self.say(other, say());
        }
    }

    /// Passes a message on if it is another's affair. What cannot be read stays here.
    pub(super) fn pass_on(&mut self, flow: Flow, bytes: Bytes, muted: bool) -> Option<Bytes> {
        let shards = self.shards();
        let seen = peek::peek(&bytes);
        let seen = seen.map(|peek| (self.whose(&peek), backlog::Class::of(Some(&peek))));
        let Some((home, class)) = seen.filter(|(home, _)| *home != shards.own()) else {
            return Some(bytes);
        };
        self.say(home, Say::Sip { flow, bytes, class, muted, late: false });
        None
    }

    /// Something from another exchange.
    pub(super) fn handle_peer(&mut self, now: Instant, from: ShardId, message: PeerMessage) {
        match message.0 {
            Say::Sip { flow, bytes, muted, late, class } => {
                // What was passed on is passed on again in one case only.
                if class == backlog::Class::Cancel && self.is_taken_elsewhere(&bytes) {
                    self.pass_on(flow, bytes, muted);
                    return;
                }
                let input = match muted {
                    false => sip::Input::Received { flow, bytes },
                    true => sip::Input::Muted { flow, bytes },
                };
                self.late = late;
                self.agent.handle(now, input);
                self.settle(now);
                self.late = false;
            }
            Say::Inside(flow, bytes) => {
                if self.is_taken_elsewhere(&bytes) {
                    return self.send_inside(flow, bytes);
                }
                self.agent.handle(now, sip::Input::Received { flow, bytes });
            }
            Say::Locate { question, address_of_record, gruu } => {
                let bindings = self.phones_of(now, &address_of_record, gruu.as_ref());
                self.say(from, Say::Located { question, bindings });
            }
            Say::Located { question, bindings } => self.bindings_came(now, question, bindings),
            Say::Dialog(user, info) => self.dialog_elsewhere(now, &user, *info),
            Say::Taken(call_id) => self.peers.taken(now, call_id, from),
            Say::Signed(token, call) => self.token_used(now, token, call),
            Say::Lost(flow) => {
                self.drop_registrations(now, flow);
                self.agent.handle(now, sip::Input::Unreachable { flow });
            }
            Say::Known(flow) => remember(&mut self.peers.known, now, flow, now + KNOWN),
            Say::Strike(strike) => self.guard.struck(now, strike, &self.directory),
            Say::Trunk(news) => self.trunks.hear(*news),
            Say::HowFares(key) => self.answer_fare(from, key),
            Say::Suspect(key) => self.suspect(now, &key),
            Say::Failed(hop, wait) => {
                self.locating.locator.handle(now, locate::Input::Failed(hop, wait));
            }
        }
    }

    /// Lets others know that a flow is a registered phone's: it keeps its own budget there, too.
    pub(super) fn tell_known(&mut self, now: Instant, flow: Flow) {
        if self.shards().is_alone() || self.peers.told.get(&flow).is_some_and(|again| again > now) {
            return;
        }
        remember(&mut self.peers.told, now, flow, now + KNOWN / 2);
        self.say_all(|| Say::Known(flow));
    }

    /// Whether a flow is a registered phone's.
    pub(super) fn is_phone(&self, now: Instant, flow: Flow) -> bool {
        self.registrar.has_flow(now, flow) || self.peers.is_known(now, flow)
    }

    /// Finds the phones of a user for a leg: at once where they are kept here, else its exchange is
    /// asked.
    pub(super) fn locate_user(
        &mut self,
        now: Instant,
        (leg, call): (LegId, CallNumber),
        dial: Dial,
        whom: Whom,
    ) {
        let (shards, of) = (self.shards(), self.home_of(&whom.address_of_record));
        if of == shards.own() {
            let bindings = self.phones_of(now, &whom.address_of_record, whom.gruu.as_ref());
            return self.ring_phones(now, (leg, call), &dial, &whom, bindings);
        }
        if self.peers.asked.len() >= MOST_ASKED {
            return self.send_out(now, leg, Err(503));
        }
        self.peers.last += 1;
        let question = self.peers.last;
        let (address_of_record, gruu) = (whom.address_of_record.clone(), whom.gruu.clone());
        self.peers.asked.insert(question, Asked { leg, call, dial, whom, of });
        self.peers.timers.set(question, now + PATIENCE);
        self.say(of, Say::Locate { question, address_of_record, gruu });
    }

    fn bindings_came(&mut self, now: Instant, question: u64, bindings: Vec<Binding>) {
        self.peers.timers.clear(&question);
        let Some(asked) = self.peers.asked.remove(&question) else { return };
        // Its caller may have hung up meanwhile.
        if self.legs.table.contains_key(&asked.leg) {
            let Asked { leg, call, dial, whom, .. } = asked;
            self.ring_phones(now, (leg, call), &dial, &whom, bindings);
        }
    }

    fn ring_phones(
        &mut self,
        now: Instant,
        (leg, call): (LegId, CallNumber),
        dial: &Dial,
        whom: &Whom,
        bindings: Vec<Binding>,
    ) {
        let targets = self.phone_targets(call, dial, whom, bindings);
        if let Ok(targets) = &targets {
            self.follow_called(call, leg, &whom.address_of_record, targets);
        }
        self.send_out(now, leg, targets);
    }

    /// Gives up waiting for exchanges that do not answer.
    pub(super) fn peers_timeout(&mut self, now: Instant) {
        while let Some(question) = self.peers.timers.pop(now) {
            let Some(asked) = self.peers.asked.remove(&question) else { continue };
            if !self.legs.table.contains_key(&asked.leg) {
                continue;
            }
            let (whose, of) = (&asked.whom.address_of_record, asked.of.0);
            let reason = format!("shard {of} does not say where {whose} is");
            let status = self.no_way(asked.call, 503, reason);
            self.send_out(now, asked.leg, Err(status));
        }
    }
}
