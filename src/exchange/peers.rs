//! What the exchanges of one server tell each other: each runs on a core of its own.
//!
//! They share no state. A message goes to the one whose affair it is; who rings a user asks the
//! one that keeps its bindings; what all must know is told to all. Nobody waits for another: an
//! answer that does not come is done without.

use super::guard::Strike;
use super::trunks::News;
use super::*;
use crate::leg::Dial;
use crate::sip::locate::Hop;
use crate::sip::peek::{self, Class};
use crate::sip::registrar::Binding;
use crate::sip::{ShardId, Shards};

/// An exchange that has not said by then where a user is, does not say it in time for a caller.
const PATIENCE: Duration = Duration::from_secs(1);

/// Questions at one time; each belongs to an outgoing leg.
const MOST_ASKED: usize = 10_000;

/// For so long others believe that a flow is a registered phone's.
const KNOWN: Duration = Duration::from_secs(3_600);

/// Flows that are believed to be registered phones': as many as there may be registrations.
const MOST_KNOWN: usize = 200_000;

/// From one exchange of this server to another.
#[derive(Debug)]
pub struct PeerMessage(pub(super) Say);

impl PeerMessage {
    /// Whether something would begin with it: only that may be dropped when there is too much.
    pub fn is_new(&self) -> bool {
        matches!(&self.0, Say::Sip { class, .. } if class.is_new())
    }
}

/// What they say.
#[derive(Debug)]
pub(super) enum Say {
    /// This came to me and is your affair. It is never passed on again.
    Sip { flow: Flow, bytes: Bytes, class: Class, muted: bool },
    /// Where is that user?
    Locate { question: u64, address_of_record: String },
    /// There.
    Located { question: u64, bindings: Vec<Binding> },
    /// That stream is no more.
    Lost(Flow),
    /// That flow is a registered phone's.
    Known(Flow),
    /// A login failed.
    Strike(Strike),
    /// How a trunk or line fares that I look after.
    Trunk(Box<News>),
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
    user: String,
    domain: String,
    secret: bool,
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
        let seen = peek::peek(&bytes).map(|peek| (shards.of(&peek), peek.class));
        let Some((home, class)) = seen.filter(|(home, _)| *home != shards.own()) else {
            return Some(bytes);
        };
        self.say(home, Say::Sip { flow, bytes, class, muted });
        None
    }

    /// Something from another exchange.
    pub(super) fn handle_peer(&mut self, now: Instant, from: ShardId, message: PeerMessage) {
        match message.0 {
            Say::Sip { flow, bytes, muted: true, .. } => {
                self.agent.handle(now, sip::Input::Muted { flow, bytes });
            }
            Say::Sip { flow, bytes, .. } => {
                self.agent.handle(now, sip::Input::Received { flow, bytes });
            }
            Say::Locate { question, address_of_record } => {
                let bindings = self.registrar.bindings(now, &address_of_record);
                self.say(from, Say::Located { question, bindings });
            }
            Say::Located { question, bindings } => self.bindings_came(now, question, bindings),
            Say::Lost(flow) => {
                self.drop_registrations(now, flow);
                self.agent.handle(now, sip::Input::Unreachable { flow });
            }
            Say::Known(flow) => remember(&mut self.peers.known, now, flow, now + KNOWN),
            Say::Strike(strike) => self.guard.struck(now, strike, &self.directory),
            Say::Trunk(news) => self.trunks.hear(*news),
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
        (user, domain): (String, String),
        secret: bool,
    ) {
        let address_of_record = format!("{user}@{domain}");
        let (shards, of) = (self.shards(), self.shards().of_user(&user));
        if of == shards.own() {
            let bindings = self.registrar.bindings(now, &address_of_record);
            let targets = self.phone_targets(call, &dial, (&user, &domain), secret, bindings);
            return self.send_out(now, leg, targets);
        }
        if self.peers.asked.len() >= MOST_ASKED {
            return self.send_out(now, leg, Err(503));
        }
        self.peers.last += 1;
        let question = self.peers.last;
        let asked = Asked { leg, call, dial, user, domain, secret, of };
        self.peers.asked.insert(question, asked);
        self.peers.timers.set(question, now + PATIENCE);
        self.say(of, Say::Locate { question, address_of_record });
    }

    fn bindings_came(&mut self, now: Instant, question: u64, bindings: Vec<Binding>) {
        self.peers.timers.clear(&question);
        let Some(asked) = self.peers.asked.remove(&question) else { return };
        // Its caller may have hung up meanwhile.
        if !self.legs.table.contains_key(&asked.leg) {
            return;
        }
        let whom = (asked.user.as_str(), asked.domain.as_str());
        let targets = self.phone_targets(asked.call, &asked.dial, whom, asked.secret, bindings);
        self.send_out(now, asked.leg, targets);
    }

    /// Gives up waiting for exchanges that do not answer.
    pub(super) fn peers_timeout(&mut self, now: Instant) {
        while let Some(question) = self.peers.timers.pop(now) {
            let Some(asked) = self.peers.asked.remove(&question) else { continue };
            if !self.legs.table.contains_key(&asked.leg) {
                continue;
            }
            let Asked { user, domain, of, .. } = &asked;
            let reason = format!("shard {} does not say where {user}@{domain} is", of.0);
            let status = self.no_way(asked.call, 503, reason);
            self.send_out(now, asked.leg, Err(status));
        }
    }
}
