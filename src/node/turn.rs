//! What the signalling thread does when it is awake: it takes everything that is there, serves what
//! has begun, and then only so much of what would begin something that the rest never waits.

use bytes::Bytes;

use super::Node;
use super::sip_io::Arrival;
use super::trace::Direction;
use crate::base::{Instant, Machine};
use crate::exchange::{Class, Input, Turn};
use crate::sip::peek::peek;
use crate::sip::{self, Flow};

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

impl Node {
    /// Takes all that is there, and does as much of it as one turn may take.
    pub(super) fn turn(&mut self) {
        for _ in 0..TAKEN {
            let Some(arrival) = self.sip.try_receive() else { break };
            self.arrived(arrival);
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
        while let Some((flow, bytes)) = self.backlog.begun() {
            self.read(flow, bytes, Turn::Serve);
        }
        self.begin_some();
    }

    fn begin_some(&mut self) {
        let (mut served, mut refused) = (0, 0);
        while served < SERVED && refused < REFUSED {
            let Some((turn, (flow, bytes))) = self.backlog.new_one(self.clock.now()) else { break };
            match turn {
                Turn::Serve => served += 1,
                Turn::Refuse => refused += 1,
            }
            self.read(flow, bytes, turn);
        }
        self.tell_overload();
    }

    /// Something arrived: it is looked at, and waits for its turn.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message(flow, bytes) => {
                let class = Class::of(peek(&bytes).as_ref());
                if self.backlog.push(self.clock.now(), class, (flow, bytes)).is_err() {
                    self.overload.lost += 1;
                }
            }
            Arrival::Unreachable(flow) => {
                self.observer.metrics().unreachable();
                self.give(Input::Sip(sip::Input::Unreachable { flow }));
            }
        }
    }

    fn read(&mut self, flow: Flow, bytes: Bytes, turn: Turn) {
        let input = match turn {
            Turn::Serve => Input::Sip,
            Turn::Refuse => Input::Late,
        };
        self.observer.message(self.clock.now(), Direction::Received, flow, &bytes);
        if let Some(trace) = &self.trace {
            trace.record(&bytes);
        }
        self.give(input(sip::Input::Received { flow, bytes }));
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
