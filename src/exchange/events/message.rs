//! MESSAGE from user to user, passed on to all of the recipient's phones, or to the one that a GRUU
//! means (RFC 3428, RFC 5627).
//!
//! The first phone that takes it answers for all; nothing is stored, so that a user whom nobody
//! reaches is told as unreachable. Between users of one domain only: neither from trunks nor to them.

use super::super::guard::{Bucket, Share};
use super::*;
use crate::base::TimerTable;
use crate::directory::Rate;
use crate::sip::registrar::Binding;
use crate::sip::user_agent::MAX_DATAGRAM;
use crate::sip::{Body, Send};

/// Messages under way at one time; each holds a transaction for some seconds.
const MAX_RELAYS: usize = 1_000;

/// Of one user, to those who live with one exchange: a chat is slower, and a phone that sends what was typed off line is not faster.
const RATE: Rate = Rate { per_second: 2, burst: 20 };

/// Users of whom it is remembered how much they sent lately.
const MAX_SENDERS: usize = 10_000;

/// A phone that has not answered by then counts as unreachable: well before the sender's own patience
/// of 32 s is at its end (RFC 4320 section 4.1).
const PATIENCE: Duration = Duration::from_secs(15);

/// The last bits of a number say which phone: a user has ten at most.
const PHONE_BITS: u32 = 4;

/// What of a message's headers reaches its recipient, besides who sent it and what it is.
const PASSED: [&str; 6] =
    ["Date", "Subject", "Expires", "Priority", "In-Reply-To", "Content-Disposition"];

/// The messages under way.
#[derive(Default)]
pub(super) struct Relays {
    table: BTreeMap<u64, Relay>,
    timers: TimerTable<u64>,
    senders: BTreeMap<Arc<str>, Bucket>,
    last: u64,
}

struct Relay {
    transaction: TransactionId,
    /// Phones that have not answered.
    waiting: usize,
    /// The answer that says most, so far.
    best: u16,
}

impl Relays {
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether a user may send one more.
    fn may_send(&mut self, now: Instant, user: &Arc<str>) -> bool {
        if self.senders.len() >= MAX_SENDERS {
            self.senders.retain(|_, bucket| !bucket.is_full(now));
        }
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(user) {
            return false;
        }
        self.senders.entry(user.clone()).or_default().take(now, RATE, Share::All)
    }
}

impl Exchange {
    pub(super) fn pass_message(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        flow: Flow,
        request: &Message,
        user: &User,
    ) -> Result<Answer, Refused> {
        let whom = self.resource(request, user)?;
        let allowed = self.directory.domain(&user.domain).is_some_and(|domain| domain.messages);
        if !allowed {
            let reason = format!("domain {} has `messages` off", user.domain);
            return Err(Refused::new(403, 32202, reason));
        }
        let bytes = request.body();
        // RFC 3428 section 8: what is longer wants a transport that minds congestion.
        if !flow.transport.is_stream() && bytes.len() > MAX_DATAGRAM {
            return Err(Refused::new(513, 32100, "a message too long for a datagram"));
        }
        let content_type = request.content_type().unwrap_or_default().to_owned();
        if !bytes.is_empty() && content_type.is_empty() {
            return Err(Refused::new(400, 32100, "a message without Content-Type"));
        }
        let mut phones = self.phones_of(now, &whom.address_of_record, whom.gruu.as_ref());
        whom.keep_reachable(&mut phones);
        phones.truncate(1 << PHONE_BITS);
        if phones.is_empty() {
            return Ok(Some((whom.status, vec![])));
        }
        if self.events.relays.table.len() >= MAX_RELAYS {
            return Err(Refused::busy(5, "too many messages are under way"));
        }
        if !self.events.relays.may_send(now, &user.address) {
            let reason = format!("{} sends too many messages", user.address);
            return Err(Refused::busy(2, reason));
        }
        let body = (!bytes.is_empty()).then_some(Body { content_type, bytes });
        let relays = &mut self.events.relays;
        relays.last += 1;
        let id = relays.last;
        let relay = Relay { transaction, waiting: phones.len(), best: 480 };
        relays.table.insert(id, relay);
        relays.timers.set(id, now + PATIENCE);
        // As it was called; a temporary GRUU says to its phone which of its names that is.
        let called = match whom.user.is_empty() {
            true => whom.address_of_record.clone(),
            false => format!("{}@{}", whom.user, whom.domain),
        };
        let ends = (&*user.address, &*called);
        for (index, phone) in phones.into_iter().enumerate() {
            let number = MESSAGE | id << PHONE_BITS | index as u64;
            let send = written(number, ends, request, phone, body.clone());
            self.agent.handle(now, sip::Input::Command(sip::Command::Send(Box::new(send))));
        }
        Ok(None)
    }

    /// A phone answered, or never will.
    pub(super) fn message_answered(&mut self, now: Instant, number: u64, reply: Option<&Message>) {
        let id = number >> PHONE_BITS;
        let Some(relay) = self.events.relays.table.get_mut(&id) else { return };
        let status = reply.and_then(Message::status).map_or(480, said_to_sender);
        relay.waiting = relay.waiting.saturating_sub(1);
        relay.best = better(relay.best, status);
        if relay.waiting == 0 || relay.best < 300 {
            self.end_message(now, id);
        }
    }

    pub(super) fn give_messages_up(&mut self, now: Instant) {
        while let Some(id) = self.events.relays.timers.pop(now) {
            self.end_message(now, id);
        }
    }

    fn end_message(&mut self, now: Instant, id: u64) {
        self.events.relays.timers.clear(&id);
        if let Some(relay) = self.events.relays.table.remove(&id) {
            self.answer(now, relay.transaction, relay.best, vec![]);
        }
    }
}

/// The message as one phone gets it. The sender is who it proved to be.
fn written(
    id: u64,
    (from, to): (&str, &str),
    request: &Message,
    phone: Binding,
    body: Option<Body>,
) -> Send {
    let uri = |address: &str| {
        let (user, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        format!("sip:{}@{domain}", sip::uri::escape_user(user))
    };
    let passed = PASSED
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), request.header_by_name(name)?.to_owned())));
    let routes = phone.path.into_iter().map(|path| ("Route".to_owned(), path));
    Send {
        id,
        method: "MESSAGE",
        uri: phone.uri,
        to: uri(to),
        from: uri(from),
        flow: phone.flow,
        login: None,
        headers: routes.chain(passed).collect(),
        body,
    }
}

/// A phone's answer as its sender hears it: what only concerns us and that phone (a challenge, a
/// redirection, a method that it lacks) makes it unreachable.
const fn said_to_sender(status: u16) -> u16 {
    match status {
        // A gateway behind it will deliver (RFC 3428 section 7).
        200..300 => status,
        404 | 410 | 413 | 415 | 486 | 488 | 513 | 600 | 603 | 604 | 606 => status,
        _ => 480,
    }
}

/// Which of two answers counts (RFC 3261 section 16.7 step 6): one that took it, then one of a user
/// who wants it nowhere, then one that says why.
fn better(one: u16, two: u16) -> u16 {
    let rank = |status: u16| match status {
        200..300 => 0,
        600.. => 1,
        480 => 3,
        _ => 2,
    };
    if rank(two) < rank(one) { two } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_that_says_most_counts() {
        let sum = |statuses: &[u16]| {
            statuses.iter().fold(480, |best, status| better(best, said_to_sender(*status)))
        };
        assert_eq!(sum(&[]), 480);
        assert_eq!(sum(&[401, 302, 503, 481]), 480, "between us and the phone");
        assert_eq!(sum(&[480, 486, 480]), 486);
        assert_eq!(sum(&[486, 603]), 603);
        assert_eq!(sum(&[603, 202]), 202);
        assert_eq!(sum(&[415]), 415);
    }

    #[test]
    fn who_writes_too_much_waits_and_others_do_not() {
        let (mut relays, now) = (Relays::default(), Instant::from_millis(1_000));
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice@h".into(), "bob@h".into());
        assert_eq!((0..30).filter(|_| relays.may_send(now, &alice)).count(), 20);
        assert!(relays.may_send(now, &bob));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..30).filter(|_| relays.may_send(later, &alice)).count(), 2);
    }
}
