//! The queues between the threads of a server: what one shard has for another.
//!
//! Nobody waits for room. What would begin something has a queue of its own, which is short: when
//! a shard does not keep up, new calls are lost to it first and come again by retransmission.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::seeing::metrics::Metrics;
use crate::exchange::{Class, PeerMessage};
use crate::sip::{Flow, ShardId, Shards};

/// Messages that would begin something: a tenth of a second of 10,000 a second.
const NEW: usize = 1_024;

/// All else: what calls in progress, answers and connections need.
const ONGOING: usize = 16_384;

/// From one shard to another.
#[derive(Debug)]
pub(super) enum Parcel {
    /// From its exchange to the other's.
    Peer(ShardId, PeerMessage),
    /// To be sent on a connection of the other's.
    Transmit(Flow, Bytes),
}

/// The ways into one shard.
#[derive(Clone)]
struct Inlet {
    new: mpsc::Sender<Parcel>,
    ongoing: mpsc::Sender<Parcel>,
}

/// One shard's end of all queues.
pub(super) struct Link {
    inlets: Vec<Inlet>,
    new: mpsc::Receiver<Parcel>,
    ongoing: mpsc::Receiver<Parcel>,
    /// Shards that may still have something for others.
    unfinished: Arc<AtomicUsize>,
}

impl Link {
    /// The ends of so many shards, by their numbers.
    pub(super) fn all(shards: u8) -> Vec<Link> {
        let (mut inlets, mut outlets) = (vec![], vec![]);
        for _ in 0..shards.min(Shards::MAX) {
            let (new, new_outlet) = mpsc::channel(NEW);
            let (ongoing, ongoing_outlet) = mpsc::channel(ONGOING);
            inlets.push(Inlet { new, ongoing });
            outlets.push((new_outlet, ongoing_outlet));
        }
        let unfinished = Arc::new(AtomicUsize::new(outlets.len()));
        let link = |(new, ongoing)| {
            let (inlets, unfinished) = (inlets.clone(), Arc::clone(&unfinished));
            Link { inlets, new, ongoing, unfinished }
        };
        outlets.into_iter().map(link).collect()
    }

    /// Gives something to another shard, or drops it and counts that.
    pub(super) fn send(&self, to: ShardId, parcel: Parcel, metrics: &Metrics) {
        // A CANCEL goes the way of its INVITE, which it must not overtake.
        let is_new = match &parcel {
            Parcel::Peer(_, message) => message.class().is_some_and(|class| class != Class::Begun),
            Parcel::Transmit(..) => false,
        };
        let Some(inlet) = self.inlets.get(usize::from(to.0)) else { return };
        let queue = if is_new { &inlet.new } else { &inlet.ongoing };
        if queue.try_send(parcel).is_err() {
            metrics.crowded(is_new);
        }
    }

    /// Waits for something from another shard.
    pub(super) async fn receive(&mut self) -> Option<Parcel> {
        tokio::select! {
            biased;
            parcel = self.ongoing.recv() => parcel,
            parcel = self.new.recv() => parcel,
        }
    }

    /// From here on this shard has nothing more for others.
    pub(super) fn finish(&self) {
        self.unfinished.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether any shard may still have something for others.
    pub(super) fn is_open(&self) -> bool {
        self.unfinished.load(Ordering::Acquire) > 0
    }

    /// What is there already.
    pub(super) fn try_receive(&mut self) -> Option<Parcel> {
        self.ongoing.try_recv().or_else(|_| self.new.try_recv()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn it_is_open_until_all_have_finished() {
        let links = Link::all(2);
        links[0].finish();
        assert!(links[0].is_open() && links[1].is_open());
        links[1].finish();
        assert!(!links[0].is_open() && !links[1].is_open());
    }

    fn flow() -> Flow {
        let any = "192.0.2.1:5060".parse().expect("an address");
        Flow { transport: Transport::Tcp, local: any, remote: any, connection: 1 }
    }

    #[test]
    fn a_shard_that_takes_nothing_costs_the_others_only_what_it_was_to_get() {
        let mut links = Link::all(2);
        let metrics = Metrics::default();
        let parcel = || Parcel::Transmit(flow(), Bytes::from_static(b"x"));
        for _ in 0..ONGOING + 10 {
            links[0].send(ShardId(1), parcel(), &metrics);
        }
        assert!(metrics.render().contains("offhook_shard_drops_total{class=\"ongoing\"} 10\n"));
        assert!(links[0].try_receive().is_none());
        let taken = std::iter::from_fn(|| links[1].try_receive()).count();
        assert_eq!(taken, ONGOING);
    }
}
