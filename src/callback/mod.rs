//! The durable outbox of status callbacks: each is delivered at least once, those of one call in
//! their order, under one idempotency token however often it is tried.
//!
//! The rows were written with the change that they report. `node` waits; this delivers what is
//! due and says when to come again.

mod join;

use std::sync::Arc;
use std::time::Duration;

use crate::base::WallTime;
use crate::call::Note;
use crate::http::{Client, Error, Outgoing, Reply};
use crate::store::{Pending, Settlement, Store, StoreError};

/// Deliveries under way at once. A round lasts as long as its slowest, at most the client's 15 s.
const MOST_AT_ONCE: usize = 32;
/// What a callback's answer may hold; it is not looked at.
const ANSWER_LIMIT: usize = 64 * 1024;
/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// So long a callback is tried.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The code of a callback that failed.
const FAILED: u32 = 15003;

/// Delivers callbacks from a store.
pub struct Outbox {
    store: Arc<dyn Store>,
    client: Arc<Client>,
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Callbacks that were tried.
    pub tried: usize,
    /// Callbacks that were delivered.
    pub delivered: usize,
    /// What the calls' logs should say.
    pub notes: Vec<Note>,
}

/// What is made of one attempt.
struct Attempt {
    settlement: Settlement,
    note: Option<Note>,
    delivered: bool,
}

impl Outbox {
    /// An outbox over a store and a client.
    pub fn new(store: Arc<dyn Store>, client: Arc<Client>) -> Self {
        Outbox { store, client }
    }

    /// When [`deliver_due`](Outbox::deliver_due) is next wanted; also after each `persist` that
    /// wrote callbacks, which are due at once.
    pub async fn next_due(&self) -> Result<Option<WallTime>, StoreError> {
        self.store.next_due().await
    }

    /// Delivers what is due at `now`, and writes what became of each as soon as it is known. A
    /// crash in between repeats a delivery under the same token.
    pub async fn deliver_due(&self, now: WallTime) -> Result<Round, StoreError> {
        let due = self.store.due(now, MOST_AT_ONCE).await?;
        let mut round = Round { tried: due.len(), ..Round::default() };
        let attempts = due.iter().map(|pending| self.attempt(pending, now)).collect();
        for attempt in join::all(attempts).await {
            let attempt = attempt?;
            round.delivered += usize::from(attempt.delivered);
            round.notes.extend(attempt.note);
        }
        Ok(round)
    }

    async fn attempt(&self, pending: &Pending, now: WallTime) -> Result<Attempt, StoreError> {
        let callback = &pending.callback;
        let outgoing = Outgoing {
            call: Some(callback.call),
            url: callback.url.clone(),
            method: callback.method,
            parameters: callback.parameters.clone(),
            headers: Vec::new(),
            token: pending.token.clone(),
            stranger: false,
            limit: ANSWER_LIMIT,
        };
        let attempt = judge(pending, now, self.client.send(&outgoing).await);
        self.store.settle(vec![attempt.settlement]).await?;
        Ok(attempt)
    }
}

/// Delivered, to be tried again, or given up. An application that answers 4xx understood and
/// refuses, and will again; 5xx and trouble on the way may pass (the TwiML reference).
fn judge(pending: &Pending, now: WallTime, result: Result<Reply, Error>) -> Attempt {
    let (may_pass, why) = match &result {
        Ok(reply) if reply.status < 400 => {
            let settlement = Settlement::Done { id: pending.id };
            return Attempt { settlement, note: None, delivered: true };
        }
        // What is too long to be read was answered all the same.
        Err(Error::TooLarge(_)) => {
            let settlement = Settlement::Done { id: pending.id };
            return Attempt { settlement, note: None, delivered: true };
        }
        Ok(reply) => {
            let may_pass = reply.status >= 500 || matches!(reply.status, 408 | 425 | 429);
            (may_pass, format!("it answered {}", reply.status))
        }
        Err(error) => (error.is_passing(), error.to_string()),
    };
    let (settlement, then) = match pause(pending.attempts).filter(|_| may_pass) {
        Some(pause) => {
            let millis = now.unix_millis() + pause.as_millis() as u64;
            let due = WallTime::from_unix_millis(millis);
            let then = format!("tried again in {} s", pause.as_secs());
            (Settlement::Later { id: pending.id, due }, then)
        }
        None => (Settlement::Done { id: pending.id }, "given up".to_owned()),
    };
    let url = pending.callback.url.split(['?', '#']).next().unwrap_or("");
    let host = url.rsplit_once('@').map_or(url, |(_, host)| host);
    let text = format!("status callback to {host}: {why}; {then}");
    let note = Note { call: pending.callback.call, code: FAILED, text };
    Attempt { settlement, note: Some(note), delivered: false }
}

/// The pause after so many failed attempts and the one just made; `None`: long enough tried.
fn pause(attempts: u32) -> Option<Duration> {
    let one = |attempt: u32| FIRST_PAUSE.saturating_mul(1 << attempt.min(12)).min(LONGEST_PAUSE);
    // Bounded before it is summed: a count read from a file may be anything.
    let attempts = attempts.min(1_000);
    let before: Duration = (0..attempts).map(one).sum();
    (before < GIVE_UP_AFTER).then(|| one(attempts))
}

#[cfg(test)]
mod tests;
