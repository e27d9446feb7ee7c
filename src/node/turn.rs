//! What the signalling thread does when it is awake: it takes everything that is there, serves what
//! has begun, and then only so much of what would begin something that the rest never waits.

use bytes::Bytes;

use super::link::{Link, Parcel};
use super::shard::Shard;
use super::sip_io::Arrival;
use super::trace::Direction;
use crate::base::{Instant, Machine};
use crate::exchange::{Class, Input, PeerMessage, Turn};
use crate::sip::peek::peek;
use crate::sip::{self, Flow, ShardId};

/// Arrivals taken in one turn: some 2 ms. What stays in the sockets waits there.
const TAKEN: usize = 1_024;

/// New requests served in one turn, some 100 µs each; and refused ones, a fifth of that.
const SERVED: usize = 8;
const REFUSED: usize = 64;

/// Results and media events taken in one turn.
const RESULTS: usize = 256;

/// New requests that are turned away because they come faster than this machine can follow.
#[derive(Default)]
pub(super) struct Overload {
    /// Messages for which there was no room at all.
    pub(super) lost: u64,
    /// Since when, and how many had been refused before.
    since: Option<(Instant, u64)>,
}

/// A message that waits to be read.
pub(super) enum Waiting {
    /// It came to this shard, from one who is muted or not.
    Arrived(Flow, Bytes, bool),
    /// It came to another shard, which passed it on.
    Passed(ShardId, PeerMessage),
}

impl Shard {
    /// Takes all that is there, and does as much of it as one turn may take.
    pub(super) fn work(&mut self) {
        for _ in 0..TAKEN {
            let Some(arrival) = self.sip.try_receive() else { break };
            self.arrived(arrival);
        }
        for _ in 0..TAKEN {
            let Some(parcel) = self.link.as_mut().and_then(Link::try_receive) else { break };
            self.take_parcel(parcel);
        }
        for _ in 0..RESULTS {
            let Ok(event) = self.media.events.try_recv() else { break };
            self.heard(event);
        }
        for _ in 0..RESULTS {
            let Ok(result) = self.results.try_recv() else { break };
            self.give(result);
        }
        let now = self.clock.now();
        if self.exchange.timeout().is_some_and(|at| at <= now) {
            self.exchange.handle_timeout(now);
        }
        // Also wakes the media worker, where that is due.
        self.carry_out(now);
        while let Some(waiting) = self.backlog.begun() {
            self.read(waiting, Turn::Serve);
        }
        self.begin_some();
    }

    fn begin_some(&mut self) {
        let (mut served, mut refused) = (0, 0);
        while served < SERVED && refused < REFUSED {
            let Some((turn, waiting)) = self.backlog.new_one(self.clock.now()) else { break };
            match turn {
                Turn::Serve => served += 1,
                Turn::Refuse => refused += 1,
            }
            self.read(waiting, turn);
        }
        self.tell_overload();
    }

    /// Something arrived: it is looked at, and waits for its turn. What is another shard's affair
    /// waits there and not here; and who is over its budget takes up no room that others need.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message(flow, bytes) => {
                let heard = self.exchange.hear(self.clock.now(), flow, &bytes);
                let Some(muted) = heard else { return };
                let peeked = peek(&bytes);
                let elsewhere = peeked.as_ref().is_some_and(|peek| !self.exchange.is_own(peek));
                let class = Class::of(peeked.as_ref());
                let waiting = Waiting::Arrived(flow, bytes, muted);
                match elsewhere {
                    true => self.read(waiting, Turn::Serve),
                    false => self.put_off(class, waiting),
                }
            }
            Arrival::Unreachable(flow) => {
                self.observer.metrics().unreachable();
                self.give(Input::Sip(sip::Input::Unreachable { flow }));
            }
        }
    }

    /// What another shard has for this one.
    pub(super) fn take_parcel(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Peer(from, message) => match message.class() {
                Some(class) => self.put_off(class, Waiting::Passed(from, message)),
                None => self.give(Input::Peer(from, message)),
            },
            Parcel::Transmit(flow, bytes) => {
                if let Some(arrival) = self.sip.send(flow, &bytes) {
                    self.arrived(arrival);
                }
            }
        }
    }

    fn put_off(&mut self, class: Class, waiting: Waiting) {
        if self.backlog.push(self.clock.now(), class, waiting).is_err() {
            self.overload.lost += 1;
        }
    }

    fn read(&mut self, waiting: Waiting, turn: Turn) {
        let late = turn == Turn::Refuse;
        let (flow, bytes, muted) = match waiting {
            Waiting::Arrived(flow, bytes, muted) => (flow, bytes, muted),
            Waiting::Passed(from, message) => {
                let message = if late { message.late() } else { message };
                return self.give(Input::Peer(from, message));
            }
        };
        self.observer.message(self.clock.now(), Direction::Received, flow, &bytes);
        if let Some(trace) = &self.trace {
            trace.record(&bytes);
        }
        self.give(Input::Heard { flow, bytes, muted, late });
    }

    pub(super) fn heard(&mut self, event: crate::media::Event) {
        self.observer.metrics().media(&event);
        self.give(Input::Media(event));
    }

    /// One line when new requests begin to be turned away, and one when that is over.
    fn tell_overload(&mut self) {
        match (self.backlog.is_refusing(), self.overload.since) {
            (true, None) => {
                self.overload.since = Some((self.clock.now(), self.refused()));
                tracing::warn!(
                    "overloaded: new requests get 503 until those that came before are served"
                );
            }
            (false, Some((since, before))) => {
                self.overload.since = None;
                let (seconds, count) =
                    (self.clock.now().since(since).as_secs(), self.refused() - before);
                tracing::warn!("no longer overloaded: {count} new requests got 503 in {seconds} s");
            }
            _ => {}
        }
    }

    fn refused(&self) -> u64 {
        self.exchange.figures().late
    }
}
