//! Who hears whom: relaying without decoding where codecs agree, frames otherwise.
//!
//! The part of the plane that looks at two sessions at once.

use std::net::SocketAddr;

use crate::base::Instant;
use crate::media::command::{Event, SessionId};
use crate::media::decoder::{Decoder, Frame};
use crate::media::plane::{Datagram, Forward, Output, Plane};
use crate::media::session::{Arrival, OWN_PACKET, Relayed};
use crate::rtp::Packet;
use crate::rtp::packet::is_rtcp;

impl Plane {
    /// Takes a packet that came to a slot's socket. Where it can go on as it is, it is rewritten
    /// in place; the driver then sends it.
    pub fn receive(
        &mut self,
        now: Instant,
        slot: usize,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Option<Forward> {
        if is_rtcp(datagram) {
            return None;
        }
        let packet = Packet::parse(datagram).ok()?;
        let session = self.session(slot)?;
        let arrival = session.receive(now, from, &packet);
        let (bridge, codec, id) = (session.bridge, session.codec(), session.id);
        let decodes = session.decoder.is_some() && matches!(arrival, Arrival::Sound(_));
        let arrived = Relayed {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            key: matches!(arrival, Arrival::Key(_)),
        };
        if decodes {
            // Wakes both ends of a transcoding bridge that had gone idle.
            self.settle(now, slot);
            if let Some(peer) = bridge {
                self.settle(now, peer);
            }
        }
        if let Arrival::Key(Some(digit)) | Arrival::Sound(Some(digit)) = arrival {
            self.tell(Event::Digit { session: id, digit });
        }
        if arrival == Arrival::Elsewhere {
            self.tell(Event::Elsewhere { session: id, from });
        }
        let peer = bridge.filter(|_| !arrival.is_refused())?;
        let other = self.session(peer)?;
        let remote = other.remote()?;
        if let (Arrival::Key(key), None) = (arrival, remote.telephone_event) {
            if let Some(digit) = key {
                other.player.tone(digit);
                self.settle(now, peer);
            }
            return None;
        }
        // Whatever is played to a party takes the place of the other's voice.
        if !other.player.is_idle() || (!arrived.key && codec != Some(remote.codec)) {
            return None;
        }
        other.relay(now, arrived, datagram).map(|to| Forward { slot: peer, to })
    }

    pub(super) fn bridge(&mut self, now: Instant, a: SessionId, b: SessionId) {
        let (Some(one), Some(other)) = (self.slot(a), self.slot(b)) else { return };
        if one == other {
            return;
        }
        self.unbridge(now, one);
        self.unbridge(now, other);
        self.align(one, other);
        for (slot, peer) in [(one, other), (other, one)] {
            if let Some(session) = self.session(slot) {
                session.bridge = Some(peer);
            }
        }
        self.settle(now, one);
        self.settle(now, other);
    }

    pub(super) fn unbridge(&mut self, now: Instant, slot: usize) {
        let Some(peer) = self.session(slot).and_then(|session| session.bridge.take()) else {
            return;
        };
        if let Some(session) = self.session(peer) {
            session.bridge = None;
        }
        self.settle(now, slot);
        self.settle(now, peer);
    }

    /// Puts `other` into the phase of `slot`, so that neither waits for the other's frames.
    pub(super) fn align(&mut self, slot: usize, other: usize) {
        let Some(phase) = self.session(slot).map(|session| session.phase) else { return };
        let Some(session) = self.session(other) else { return };
        let before = std::mem::replace(&mut session.phase, phase);
        if before != phase && self.schedule.remove(before, other) {
            self.schedule.join(phase, other);
        }
    }

    /// Gives a session a decoder, and ticks, exactly while it needs them.
    pub(super) fn settle(&mut self, now: Instant, slot: usize) {
        let transcoded = self.is_transcoded(slot);
        let spoken_to = transcoded && self.is_peer_heard(slot);
        let Some(session) = self.session(slot) else { return };
        if session.listeners > 0 || transcoded {
            session.decoder.get_or_insert_with(|| Box::new(Decoder::new()));
        } else {
            session.decoder = None;
        }
        let (busy, phase) = (spoken_to || session.is_busy(), session.phase);
        if busy {
            self.schedule.add(now, phase, slot);
        } else {
            self.schedule.remove(phase, slot);
        }
    }

    /// Moves the sessions of a phase on by 20 ms: all hear before any speaks.
    pub(super) fn tick(&mut self, at: Instant, phase: usize) {
        for index in 0..self.schedule.slots(phase).len() {
            let slot = self.schedule.slots(phase)[index];
            if let Some(session) = self.session(slot) {
                session.hear();
            }
        }
        let mut index = 0;
        while let Some(&slot) = self.schedule.slots(phase).get(index) {
            self.speak(at, slot);
            self.capture(at, slot);
            self.settle(at, slot);
            // Whoever has gone idle has left its place to the next.
            if self.schedule.slots(phase).get(index) == Some(&slot) {
                index += 1;
            }
        }
    }

    fn speak(&mut self, at: Instant, slot: usize) {
        let bridged = self.transcoded_frame(slot);
        let Some(session) = self.session(slot) else { return };
        let mut bytes = [0; OWN_PACKET];
        let written = match session.remote() {
            Some(_) => session.speak(at, bridged.as_ref(), &mut bytes),
            None => None,
        };
        let id = session.id;
        while let Some(play) = self.session(slot).and_then(|one| one.player.poll_ended()) {
            self.tell(Event::Played { session: id, play });
        }
        if let Some((to, length)) = written {
            self.outputs.push_back(Output::Transmit(Datagram { slot, to, bytes, length }));
        }
    }

    fn capture(&mut self, at: Instant, slot: usize) {
        let Some(mut recorders) = self.session(slot).map(|one| std::mem::take(&mut one.recorders))
        else {
            return;
        };
        let mut ended = Vec::new();
        for recorder in &mut recorders {
            let other = recorder.other().and_then(|other| self.slot(other));
            let own = self.sessions.get(slot).and_then(|one| one.as_ref()?.heard());
            let other = other
                .and_then(|other| self.sessions.get(other))
                .and_then(|one| one.as_ref()?.heard());
            let end = recorder.tick(own, other);
            let recording = recorder.plan().recording;
            if let Some(samples) = recorder.poll_chunk() {
                self.outputs.push_back(Output::Chunk { recording, samples });
            }
            ended.extend(end.map(|end| (recording, end)));
        }
        if let Some(session) = self.session(slot) {
            session.recorders = recorders;
        }
        for (recording, end) in ended {
            self.end_recording(at, recording, end);
        }
    }

    /// What the bridged party said, when it cannot be relayed as it came.
    fn transcoded_frame(&self, slot: usize) -> Option<Frame> {
        let peer = self.sessions.get(slot)?.as_ref()?.bridge?;
        if !self.is_transcoded(slot) {
            return None;
        }
        self.sessions.get(peer)?.as_ref()?.heard().map(|heard| *heard.frame)
    }

    fn is_peer_heard(&self, slot: usize) -> bool {
        let session = |slot: usize| self.sessions.get(slot)?.as_deref();
        let peer = session(slot).and_then(|one| session(one.bridge?));
        peer.is_some_and(|peer| peer.is_hearing())
    }

    fn is_transcoded(&self, slot: usize) -> bool {
        let codec = |slot: usize| self.sessions.get(slot)?.as_ref()?.codec();
        let peer = self.sessions.get(slot).and_then(|one| one.as_ref()?.bridge);
        matches!((codec(slot), peer.and_then(codec)), (Some(a), Some(b)) if a != b)
    }
}
