//! The user agent: bytes and commands in, bytes and events out (RFC 3261 sections 8 to 17).
//!
//! It owns transactions and dialogs and writes every message. It never decides whom to let in,
//! never reads a body, and knows neither users nor calls. Whatever a peer sends costs a bounded
//! amount of work and memory and touches no dialog but the one whose tags it carries.

mod calling;
mod config;
mod confirmed;
mod ending;
mod notify;
mod outside;
mod prack;
mod receive;
mod refresh;
mod reporting;
mod respond;
mod ringing;
#[cfg(test)]
mod tests;
mod wide;
mod write;

pub use config::{Config, Limits, Listener};
pub use wide::MAX_DATAGRAM;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::dialog::{Attempt, Credentials, Offering, Order, Phase, Remote, Usage};
use super::transaction::{ClientId, Notice, Transactions};
use super::{Command, DialogId, Ending, Event, Flow, Input, Message, Output, Send, TransactionId};
use crate::base::{Instant, Machine, Rng, TimerTable};

/// The methods that are answered by something else than 405 or 501.
pub const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO, UPDATE, PRACK, REFER, NOTIFY";

/// The methods that may come outside dialogs where somebody screens them: [`ALLOW`] and these.
pub const ALLOW_SCREENED: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO, UPDATE, PRACK, \
                                  REFER, NOTIFY, SUBSCRIBE, PUBLISH, MESSAGE";

/// The extensions that a peer may require: what the registrar does, and our dialogs.
pub const SUPPORTED: [&str; 7] =
    ["path", "outbound", "100rel", "timer", "replaces", "norefersub", "nosub"];

/// One endpoint of SIP on any number of listeners.
#[derive(Debug)]
pub struct UserAgent {
    config: Config,
    rng: Rng,
    /// Stands in all our branches, so that our own requests are known when they come back.
    cookie: String,
    transactions: Transactions,
    /// Boxed: nodes of the map are half empty.
    usages: BTreeMap<DialogId, Box<Usage>>,
    by_tag: BTreeMap<Arc<str>, DialogId>,
    /// Why each client transaction was started.
    purposes: BTreeMap<ClientId, Purpose>,
    /// The ACKs that were sent for its 2xx responses, to repeat them.
    acks: BTreeMap<ClientId, Vec<SentAck>>,
    /// The requests that wait for a final response from above.
    pending: BTreeMap<TransactionId, Pending>,
    timers: TimerTable<(DialogId, Due)>,
    last_incoming: u64,
    /// How many requests outside dialogs we sent.
    sent_outside: u32,
    /// The CSeq of the latest REGISTER of each number.
    registers: BTreeMap<u64, u32>,
    refusers: wide::Refusers,
    counters: Counters,
    out: VecDeque<Output>,
}

/// What a user agent has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that could be read but were malformed: answered with 4xx.
    pub rejected: u64,
    /// What was no SIP, or nothing that may be answered.
    pub discarded: u64,
    /// Requests that a transaction had seen before.
    pub repeats_received: u64,
    /// Requests and responses that were sent again by timers or for a repeated request.
    pub repeats_sent: u64,
    /// Requests answered 503 because there was no room.
    pub overloaded: u64,
}

/// Why a client transaction was started.
#[derive(Debug)]
enum Purpose {
    /// It is the INVITE of that dialog.
    Invite(DialogId),
    /// It carries out an order.
    Order(DialogId, Box<Order>),
    /// It is the PRACK of a 1xx to that dialog's INVITE.
    Prack(DialogId, Box<Order>),
    /// It is the BYE of that dialog.
    Bye(DialogId, Box<Order>),
    /// It is outside any dialog.
    Outside(Box<Send>, Credentials),
    /// It is a NOTIFY of the subscription with that number.
    Notify(u64),
    /// Its outcome is nobody's concern: CANCEL, or BYE for a fork too many.
    Nobody,
}

/// The ACK of one 2xx, found by the response's To tag.
#[derive(Debug)]
struct SentAck {
    tag: Arc<str>,
    flow: Flow,
    bytes: Bytes,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Pending {
    message: Message,
    flow: Flow,
    tag: Arc<str>,
    dialog: Option<DialogId>,
}

/// What a dialog waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Time to repeat a 2xx, or to give up its ACK.
    Unacked,
    /// The final response after CANCEL did not come (RFC 3261 section 9.1).
    Cancelled,
    /// Time to repeat a 1xx, so that proxies keep the INVITE (RFC 3261 section 13.3.1.1).
    Progress,
    /// Time to send a re-INVITE again after a 491.
    Glare,
    /// Time to repeat a 1xx, or to give up its PRACK (RFC 3262 section 3).
    Reliable,
    /// Time to refresh the session, or to end it (RFC 4028 section 10).
    Session,
    /// Reports that the peer was owed after its BYE never came.
    Reports,
}

impl Due {
    const ALL: [Due; 7] = [
        Due::Unacked,
        Due::Cancelled,
        Due::Progress,
        Due::Glare,
        Due::Reliable,
        Due::Session,
        Due::Reports,
    ];
}

impl UserAgent {
    /// A user agent without any dialog.
    pub fn new(config: Config, mut rng: Rng) -> UserAgent {
        // All shards have one: a loop may lead from one to another.
        let cookie = match config.shards.secret() {
            Some(secret) => secret,
            None => rng.hex(12),
        };
        let transactions = Transactions::new(rng.bytes());
        UserAgent {
            config,
            rng,
            cookie,
            transactions,
            usages: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            purposes: BTreeMap::new(),
            acks: BTreeMap::new(),
            pending: BTreeMap::new(),
            timers: TimerTable::new(),
            last_incoming: 0,
            sent_outside: 0,
            registers: BTreeMap::new(),
            refusers: wide::Refusers::default(),
            counters: Counters::default(),
            out: VecDeque::new(),
        }
    }

    /// A random tag that says whose it is.
    fn new_tag(&mut self) -> String {
        self.config.shards.sign(self.rng.hex(16))
    }

    /// How many dialogs and attempts there are.
    pub fn dialogs(&self) -> usize {
        self.usages.len()
    }

    /// How many transactions live, those that only absorb repeats included.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        let Counters { repeats_sent, .. } = self.counters;
        Counters { repeats_sent: repeats_sent + self.transactions.repeats(), ..self.counters }
    }

    /// How many requests wait for [`Command::Respond`].
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The Call-ID of a dialog.
    pub fn call_id(&self, dialog: DialogId) -> Option<&str> {
        self.usages.get(&dialog).map(|usage| &*usage.call_id)
    }

    /// The dialog with that Call-ID and these tags, whichever of them is ours (RFC 3891).
    pub fn dialog_with(&self, call_id: &str, tags: [&str; 2]) -> Option<DialogId> {
        let [one, two] = tags;
        [(one, two), (two, one)].into_iter().find_map(|(local, remote)| {
            let usage = self.usages.get(self.by_tag.get(local)?)?;
            usage.remote_of(call_id, remote).map(|_| usage.id)
        })
    }

    /// The flow on which a dialog came about, and its remote target once that is known.
    pub fn dialog_peer(&self, dialog: DialogId) -> Option<(Flow, Option<&str>)> {
        let usage = self.usages.get(&dialog)?;
        Some((usage.flow, usage.remote().map(|remote| remote.target.as_str())))
    }

    /// Whether the far end of an INVITE of ours has said anything yet, be it only 100.
    pub fn is_heard(&self, dialog: DialogId) -> bool {
        match self.usages.get(&dialog).map(|usage| &usage.phase) {
            Some(Phase::Calling(calling)) => {
                !matches!(calling.attempt, Attempt::Unheard | Attempt::CancelWanted(_))
            }
            other => other.is_some(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Respond { transaction, status, headers, body } => {
                self.respond(now, transaction, status, &headers, body);
            }
            Command::Admit { flow, message } => self.admit(now, flow, message),
            Command::Answer { flow, message, status, headers } => {
                self.answer_statelessly(flow, message, status, &headers);
            }
            Command::Invite(invite) => self.start_invite(now, invite),
            Command::Session { dialog, settings } => self.wish_session(dialog, settings),
            Command::Progress { dialog, status, headers, body } => {
                self.progress(now, dialog, status, &headers, body);
            }
            Command::Accept { dialog, headers, body } => self.accept(now, dialog, &headers, body),
            Command::Reject { dialog, status, headers } => {
                self.reject(now, dialog, status, &headers);
            }
            Command::Hangup { dialog, headers } => self.hangup(now, dialog, headers),
            Command::Send(send) => self.send_outside(now, send),
            Command::Notify(notify) => self.send_notify(now, &notify),
            Command::Request { dialog, method, headers, body } => {
                self.order(now, dialog, Order::new(method, headers, body));
            }
        }
    }

    fn hangup(&mut self, now: Instant, dialog: DialogId, headers: Vec<(String, String)>) {
        let Some(usage) = self.usages.get_mut(&dialog) else { return };
        match &mut usage.phase {
            Phase::Calling(_) => self.cancel(now, dialog, headers),
            Phase::Ringing(_) => self.reject(now, dialog, 487, &headers),
            // RFC 3261 section 15: who answered may not send BYE before the ACK came.
            Phase::Confirmed(confirmed) if !confirmed.unacked.is_empty() => {
                confirmed.hangup.get_or_insert(headers);
            }
            Phase::Confirmed(_) => self.bye(now, dialog, headers),
            Phase::Ending(_) | Phase::Reporting(_) => {}
        }
    }

    /// Carries out what transactions ask for, until they ask for nothing more.
    fn settle(&mut self, now: Instant) {
        while let Some(notice) = self.transactions.poll() {
            match notice {
                Notice::Transmit(flow, bytes) => self.transmit(flow, bytes),
                Notice::Trying(id) => self.trying(now, id),
                Notice::TimedOut(id) => self.unanswered(now, id, Ending::Timeout),
                Notice::Failed(id) => self.unanswered(now, id, Ending::Unreachable),
                Notice::Otherwise(peer) => self.refusers.insert(now, peer),
                Notice::Gone(id) => {
                    self.purposes.remove(&id);
                    self.acks.remove(&id);
                }
                Notice::Forgotten(id) => {
                    if let Some(pending) = self.pending.remove(&id) {
                        self.served(pending.dialog, id);
                    }
                }
            }
        }
    }

    /// A request of ours got no final response.
    fn unanswered(&mut self, now: Instant, id: ClientId, ending: Ending) {
        match self.purposes.remove(&id) {
            Some(Purpose::Invite(dialog)) => self.invite_unanswered(now, dialog, id, ending),
            Some(Purpose::Order(dialog, order)) => {
                self.order_unanswered(now, dialog, &order, ending);
            }
            Some(Purpose::Bye(dialog, _)) => self.finish(now, dialog, ending, None),
            Some(Purpose::Outside(send, _)) => {
                self.event(Event::Reply { id: send.id, message: None });
            }
            Some(Purpose::Notify(id)) => self.event(Event::Reply { id, message: None }),
            Some(Purpose::Prack(..) | Purpose::Nobody) | None => {}
        }
    }

    fn due(&mut self, now: Instant, dialog: DialogId, due: Due) {
        match due {
            Due::Unacked => {
                self.counters.repeats_sent += 1;
                self.repeat_accepted(now, dialog);
            }
            Due::Cancelled => self.cancel_given_up(now, dialog),
            Due::Progress => self.repeat_progress(now, dialog),
            Due::Glare => self.glare_over(now, dialog),
            Due::Reliable => self.repeat_reliable(now, dialog),
            Due::Session => self.session_due(now, dialog),
            Due::Reports => self.reports_given_up(dialog),
        }
    }

    /// Forgets a dialog and says so; what the peer still waits for gets its 487.
    fn finish(&mut self, now: Instant, dialog: DialogId, ending: Ending, message: Option<Message>) {
        let Some(usage) = self.usages.get(&dialog) else { return };
        for transaction in usage.serving.clone() {
            self.respond(now, transaction, 487, &[], None);
        }
        for due in Due::ALL {
            self.timers.clear(&(dialog, due));
        }
        if let Some(usage) = self.usages.remove(&dialog) {
            self.by_tag.remove(&usage.local_tag);
            if let Phase::Confirmed(confirmed) = &usage.phase
                && let Offering::Sent(client) = confirmed.offering
            {
                self.transactions.abandon_later(now, client);
            }
            if ending == Ending::Bye {
                self.outlive(now, *usage);
            }
        }
        self.event(Event::Ended { dialog, ending, message });
    }

    fn insert(&mut self, usage: Usage) {
        self.by_tag.insert(usage.local_tag.clone(), usage.id);
        self.usages.insert(usage.id, Box::new(usage));
    }

    fn hop(&self, remote: &Remote, flow: Flow) -> Flow {
        remote.hop(flow, |transport| self.config.listening(transport))
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.out.push_back(Output::Transmit { flow, bytes });
    }
}

impl Machine for UserAgent {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Received { flow, bytes } => self.receive(now, flow, bytes),
            Input::Muted { flow, bytes } => self.receive_muted(now, flow, bytes),
            Input::Unreachable { flow } => self.transactions.unreachable(now, flow),
            Input::Command(command) => self.command(now, command),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.settle(now);
        while let Some((dialog, due)) = self.timers.pop(now) {
            self.due(now, dialog, due);
            self.settle(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        [self.transactions.timeout(), self.timers.next()].into_iter().flatten().min()
    }
}
