//! One dialog of ours, or the attempt at one, from INVITE to BYE.

use std::collections::VecDeque;
use std::sync::Arc;

use super::reliable::{Heard, Provisional, Reliable};
use super::session_timer::{SessionTimer, Settings};
use super::{Credentials, MAX_FORKS, Remote, UnackedQueue};
use crate::base::{Duration, Rng};
use crate::sip::transaction::ClientId;
use crate::sip::{Body, DialogId, Flow, HeaderField, Invite, Login, Message, TransactionId};

/// What is remembered under one [`DialogId`].
#[derive(Debug)]
pub struct Usage {
    /// Its number.
    pub id: DialogId,
    /// Call-ID.
    pub call_id: Arc<str>,
    /// Our tag, which finds the dialog.
    pub local_tag: Arc<str>,
    /// Our From or To value, with the tag.
    pub local: String,
    /// The flow on which it came about.
    pub flow: Flow,
    /// The CSeq of our latest request.
    pub cseq: u32,
    /// The CSeq of the peer's latest request.
    pub remote_cseq: Option<u32>,
    /// For challenges of our requests.
    pub login: Option<Login>,
    /// What we want of session timers here.
    pub wish: Settings,
    /// The peer's requests that are not answered yet.
    pub serving: Vec<TransactionId>,
    /// How far it is.
    pub phase: Phase,
}

/// How far a dialog is.
#[derive(Debug)]
pub enum Phase {
    /// We sent INVITE.
    Calling(Box<Calling>),
    /// The peer sent INVITE and is not answered.
    Ringing(Box<Ringing>),
    /// A 2xx was sent or came.
    Confirmed(Box<Confirmed>),
    /// We sent BYE.
    Ending(Box<Remote>),
    /// The peer sent BYE, and is still owed reports of its REFER (RFC 5057 section 4.1).
    Reporting(Box<Remote>),
}

/// An INVITE of ours without its final response.
#[derive(Debug)]
pub struct Calling {
    /// The order, kept to repeat it with credentials.
    pub invite: Box<Invite>,
    /// Its latest transaction.
    pub client: ClientId,
    /// Its answers to challenges.
    pub credentials: Credentials,
    /// The early dialogs, one for each To tag; at most [`MAX_FORKS`].
    pub forks: Vec<Fork>,
    /// The session timer that the INVITE asks for; a 422 raises it.
    pub session: Settings,
    /// How often a 422 did.
    pub raised: u8,
    /// Whether it is being cancelled.
    pub attempt: Attempt,
}

/// One early dialog of an INVITE of ours.
#[derive(Clone, Debug)]
pub struct Fork {
    /// The peer.
    pub remote: Remote,
    /// Its reliable responses.
    pub heard: Heard,
    /// Whether our offer was answered reliably, so that the next one may be made (RFC 3311
    /// section 5.1).
    pub exchanged: bool,
}

impl Calling {
    /// The early dialog with that tag.
    pub fn fork(&mut self, tag: &str) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| *fork.remote.tag == *tag)
    }

    /// Keeps the early dialog that a provisional response makes or replaces; false for one fork
    /// too many.
    pub fn learn(&mut self, remote: Remote) -> bool {
        let room = self.forks.len() < MAX_FORKS;
        match self.forks.iter_mut().find(|fork| fork.remote.tag == remote.tag) {
            Some(fork) => fork.remote = remote,
            None if room => {
                self.forks.push(Fork { remote, heard: Heard::default(), exchanged: false });
            }
            None => return false,
        }
        true
    }
}

/// Where an INVITE of ours stands with regard to CANCEL, which may only follow a 1xx (RFC 3261
/// section 9.1).
#[derive(Debug)]
pub enum Attempt {
    /// Nothing was heard yet.
    Unheard,
    /// A 1xx came.
    Heard,
    /// To be cancelled at the first 1xx, with these headers.
    CancelWanted(Vec<HeaderField>),
    /// CANCEL was sent.
    CancelSent,
}

/// An INVITE of the peer's without its final response.
#[derive(Debug)]
pub struct Ringing {
    /// Its transaction.
    pub server: TransactionId,
    /// The peer.
    pub remote: Remote,
    /// The latest 1xx that we sent.
    pub latest: Option<Provisional>,
    /// Those that are acknowledged.
    pub reliable: Reliable,
}

/// A dialog with both sides known.
#[derive(Debug)]
pub struct Confirmed {
    /// The peer.
    pub remote: Remote,
    /// Our 2xx responses whose ACK has not come.
    pub unacked: UnackedQueue,
    /// Our re-INVITE.
    pub offering: Offering,
    /// The peer's re-INVITE, or UPDATE with an offer.
    pub offered: Option<TransactionId>,
    /// RSeq and CSeq of our last reliable 1xx, whose PRACK may come after our 2xx.
    pub late: Option<(u32, u32)>,
    /// The reliable responses to our re-INVITEs.
    pub heard: Heard,
    /// The session timer, where both sides want one.
    pub session: Option<SessionTimer>,
    /// The largest Min-SE of a 422 (RFC 4028 section 7.4).
    pub least: Duration,
    /// Whether a refresh of ours waits for its response.
    pub refreshing: bool,
    /// Whether the peer is owed reports of a REFER that we took.
    pub reporting: bool,
    /// Whether the peer said that it takes UPDATE.
    pub takes_update: bool,
    /// Re-INVITEs that may not be sent yet.
    pub waiting: VecDeque<Order>,
    /// BYE is to be sent, with these headers, as soon as the ACK comes.
    pub hangup: Option<Vec<HeaderField>>,
}

impl Confirmed {
    /// One that has just been answered.
    pub fn new(remote: Remote) -> Confirmed {
        Confirmed {
            remote,
            unacked: UnackedQueue::default(),
            offering: Offering::None,
            offered: None,
            late: None,
            heard: Heard::default(),
            session: None,
            least: Duration::ZERO,
            refreshing: false,
            reporting: false,
            takes_update: false,
            waiting: VecDeque::new(),
            hangup: None,
        }
    }

    /// Whether a re-INVITE may be sent now (RFC 3261 section 14.1).
    pub fn may_offer(&self) -> bool {
        let idle = matches!(self.offering, Offering::None);
        idle && self.offered.is_none() && self.unacked.is_empty() && self.hangup.is_none()
    }
}

/// Our re-INVITE.
#[derive(Debug)]
pub enum Offering {
    /// There is none.
    None,
    /// It waits for its final response.
    Sent(ClientId),
    /// It met the peer's (491) and is sent again soon.
    Backoff(Box<(Order, Message)>),
}

/// A request to be sent in a dialog.
#[derive(Clone, Debug)]
pub struct Order {
    /// The method.
    pub method: &'static str,
    /// Headers to add.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Option<Body>,
    /// Its answers to challenges.
    pub credentials: Credentials,
    /// How often it has met the peer's re-INVITE.
    pub glares: u8,
    /// The early dialog that it belongs to, when an INVITE of ours has several.
    pub fork: Option<Arc<str>>,
    /// Whether it was made only to refresh the session.
    pub refresh: bool,
}

impl Order {
    /// One that has not been sent yet.
    pub fn new(method: &'static str, headers: Vec<HeaderField>, body: Option<Body>) -> Order {
        Order {
            method,
            headers,
            body,
            credentials: Credentials::default(),
            glares: 0,
            fork: None,
            refresh: false,
        }
    }

    /// Whether it makes an offer, so that it may meet another (RFC 3261 section 14.1, RFC 3311
    /// section 5.1).
    pub fn offers(&self) -> bool {
        self.method == "INVITE" || self.method == "UPDATE" && self.body.is_some()
    }
}

impl Usage {
    /// The peer, where it is known: its confirmed or only early dialog.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.phase {
            Phase::Calling(calling) => calling.forks.first().map(|fork| &fork.remote),
            Phase::Ringing(ringing) => Some(&ringing.remote),
            Phase::Confirmed(confirmed) => Some(&confirmed.remote),
            Phase::Ending(remote) | Phase::Reporting(remote) => Some(remote),
        }
    }

    /// The remote whose tag a request carries; `None` means that it is not of this dialog.
    pub fn remote_of(&self, call_id: &str, tag: &str) -> Option<&Remote> {
        let matches = |remote: &&Remote| *remote.tag == *tag;
        match &self.phase {
            _ if *self.call_id != *call_id => None,
            Phase::Calling(calling) => calling.forks.iter().map(|fork| &fork.remote).find(matches),
            _ => self.remote().filter(matches),
        }
    }

    /// The peer of the confirmed or early dialog with that tag, to be moved by a request that
    /// refreshes its target (RFC 3311 section 5.2).
    pub fn remote_tagged(&mut self, tag: &str) -> Option<&mut Remote> {
        let remote = match &mut self.phase {
            Phase::Calling(calling) => &mut calling.fork(tag)?.remote,
            Phase::Ringing(ringing) => &mut ringing.remote,
            Phase::Confirmed(confirmed) => &mut confirmed.remote,
            Phase::Ending(remote) | Phase::Reporting(remote) => remote,
        };
        (*remote.tag == *tag).then_some(remote)
    }

    /// Whom an order goes to: its own fork while there are several, else the peer.
    pub fn remote_for(&self, order: &Order) -> Option<&Remote> {
        let fork = match (&self.phase, &order.fork) {
            (Phase::Calling(calling), Some(tag)) => {
                calling.forks.iter().map(|fork| &fork.remote).find(|remote| remote.tag == *tag)
            }
            _ => None,
        };
        fork.or_else(|| self.remote())
    }

    /// Takes the CSeq of a new request of the peer's; false when it comes out of order (RFC 3261
    /// section 12.2.2). Repeats never come here: their transaction knows them.
    pub fn advance(&mut self, cseq: u32) -> bool {
        let newer = self.remote_cseq.is_none_or(|latest| cseq > latest);
        if newer {
            self.remote_cseq = Some(cseq);
        }
        newer
    }

    /// How long to wait after a 491: the one who owns the Call-ID waits longer, so that the two
    /// do not meet again (RFC 3261 section 14.1).
    pub fn glare_pause(&self, rng: &mut Rng) -> Duration {
        let units = match self.id.incoming() {
            true => rng.below(201),
            false => 210 + rng.below(191),
        };
        Duration::from_millis(10 * units)
    }
}
