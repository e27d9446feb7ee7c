//! All sessions of one worker, as one machine.
//!
//! Packets come through [`Plane::receive`], which rewrites in place and allocates nothing;
//! everything else has the shape of [`Machine`]. Sockets, clocks and files are the driver's: the
//! node's worker and the simulator drive the same plane. Sessions live in slots, which drivers use
//! as the index of their sockets.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::base::id::RecordingSid;
use crate::base::{Duration, Instant, Machine, Rng, TimerTable};
use crate::media::command::{Command, Event, RecordingEnd, SessionId};
use crate::media::schedule::Schedule;
use crate::media::session::{OWN_PACKET, Session};

/// What the plane takes besides packets.
#[derive(Debug)]
pub enum Input {
    /// An order.
    Command(Command),
    /// What became of [`Output::Bind`].
    Bound {
        /// Which slot.
        slot: usize,
        /// The local address, or why there is none.
        result: Result<SocketAddr, String>,
    },
    /// The chunks of a recording cannot be kept: it ends as failed.
    RecordingLost(RecordingSid),
}

/// What the plane asks for.
#[derive(Debug)]
pub enum Output {
    /// Send a packet.
    Transmit(Datagram),
    /// Tell the floors above.
    Event(Event),
    /// A recording begins.
    Record {
        /// Which.
        recording: RecordingSid,
        /// One, or two interleaved.
        channels: u16,
        /// Whether silence is to be cut off both ends when it is finished.
        trim: bool,
    },
    /// Sound of a recording; its end is [`Event::Recorded`].
    Chunk {
        /// Which.
        recording: RecordingSid,
        /// Samples, interleaved.
        samples: Vec<i16>,
    },
    /// Open a socket for a slot, and answer with [`Input::Bound`].
    Bind {
        /// The slot.
        slot: usize,
        /// Whose it is.
        session: SessionId,
        /// On which address.
        ip: IpAddr,
    },
    /// Close the slot's socket.
    Unbind {
        /// The slot.
        slot: usize,
    },
}

/// A packet of our own.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// From whose socket.
    pub slot: usize,
    /// To whom.
    pub to: SocketAddr,
    pub(super) bytes: [u8; OWN_PACKET],
    pub(super) length: usize,
}

impl Datagram {
    /// What to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A received packet, rewritten where it lay, to be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// From whose socket.
    pub slot: usize,
    /// To whom.
    pub to: SocketAddr,
}

/// The media of one worker.
#[derive(Debug)]
pub struct Plane {
    pub(super) sessions: Vec<Option<Box<Session>>>,
    pub(super) slots: BTreeMap<SessionId, usize>,
    pub(super) schedule: Schedule,
    pub(super) outputs: VecDeque<Output>,
    free: Vec<usize>,
    /// When a party that sends nothing is taken for gone; looked at only then.
    patience: TimerTable<usize>,
    rng: Rng,
    next_phase: usize,
}

impl Plane {
    /// Sessions of one worker: a core relays fewer, and each needs a descriptor.
    pub const MAX_SESSIONS: usize = 16_384;
    /// Recordings of one session at a time: its own, its call's, and some to spare.
    const MAX_RECORDINGS: usize = 4;
    /// Without a packet for so long the party is taken for gone.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// One without sessions; SSRCs and first numbers come from `rng`.
    pub fn new(rng: Rng) -> Self {
        Plane {
            sessions: Vec::new(),
            slots: BTreeMap::new(),
            schedule: Schedule::default(),
            outputs: VecDeque::new(),
            free: Vec::new(),
            patience: TimerTable::new(),
            rng,
            next_phase: 0,
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn session(&mut self, slot: usize) -> Option<&mut Session> {
        self.sessions.get_mut(slot)?.as_deref_mut()
    }

    pub(super) fn slot(&self, session: SessionId) -> Option<usize> {
        self.slots.get(&session).copied()
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Open { session, ip } => self.open(now, session, ip),
            Command::Connect { session, remote } => {
                let Some(slot) = self.slot(session) else { return };
                let Some(found) = self.session(slot) else { return };
                found.connect(now, remote);
                let expects = found.expects();
                let bridge = found.bridge;
                self.expect_packets(now, slot, expects);
                self.settle(now, slot);
                if let Some(peer) = bridge {
                    self.settle(now, peer);
                }
            }
            Command::Close { session } => self.close(now, session),
            Command::Play { session, play, clip, loops } => {
                self.queue(now, session, |found| found.player.play(play, clip, loops));
            }
            Command::StopPlaying { session } => self.queue(now, session, |s| s.player.stop()),
            Command::SendDigits { session, play, digits } => self.queue(now, session, |found| {
                let events = found.remote().is_some_and(|remote| remote.telephone_event.is_some());
                found.player.digits(play, &digits, events);
            }),
            Command::Bridge { a, b } => self.bridge(now, a, b),
            Command::Unbridge { session } => {
                if let Some(slot) = self.slot(session) {
                    self.unbridge(now, slot);
                }
            }
            Command::Record { session, plan } => self.record(now, session, plan),
            Command::StopRecording { recording } => {
                self.end_recording(now, recording, RecordingEnd::Stopped);
            }
        }
    }

    fn queue(&mut self, now: Instant, session: SessionId, change: impl FnOnce(&mut Session)) {
        let Some(slot) = self.slot(session) else { return };
        if let Some(found) = self.session(slot) {
            change(found);
        }
        self.settle(now, slot);
    }

    fn open(&mut self, now: Instant, session: SessionId, ip: IpAddr) {
        if self.slots.contains_key(&session) || self.slots.len() >= Self::MAX_SESSIONS {
            let reason = format!("no room for media session {}", session.0);
            return self.tell(Event::Failed { session, reason });
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() - 1
        });
        self.next_phase = (self.next_phase + 1) % Schedule::PHASES;
        let opened = Session::new(now, session, self.next_phase, &mut self.rng);
        self.sessions[slot] = Some(Box::new(opened));
        self.slots.insert(session, slot);
        self.outputs.push_back(Output::Bind { slot, session, ip });
    }

    fn bound(&mut self, slot: usize, result: Result<SocketAddr, String>) {
        let Some(session) = self.session(slot).map(|found| found.id) else { return };
        match result {
            Ok(local) => self.tell(Event::Opened { session, local }),
            Err(reason) => {
                self.forget(slot, session);
                self.tell(Event::Failed { session, reason });
            }
        }
    }

    fn close(&mut self, now: Instant, session: SessionId) {
        let Some(slot) = self.slot(session) else { return };
        self.unbridge(now, slot);
        while let Some(recording) = self
            .session(slot)
            .and_then(|found| found.recorders.first().map(|recorder| recorder.plan().recording))
        {
            self.end_recording(now, recording, RecordingEnd::Stopped);
        }
        if let Some(found) = self.session(slot) {
            let (received, lost) = (found.incoming.received, found.incoming.lost());
            let sent = found.outgoing.sent;
            self.tell(Event::Closed { session, received, sent, lost });
        }
        self.forget(slot, session);
        self.outputs.push_back(Output::Unbind { slot });
    }

    fn forget(&mut self, slot: usize, session: SessionId) {
        if let Some(gone) = self.sessions.get_mut(slot).and_then(Option::take) {
            self.schedule.remove(gone.phase, slot);
        }
        self.patience.clear(&slot);
        self.slots.remove(&session);
        self.free.push(slot);
    }

    fn record(&mut self, now: Instant, session: SessionId, plan: super::RecordingPlan) {
        let recorder = super::recorder::Recorder::new(plan);
        let found = self.slot(session).and_then(|slot| self.session(slot));
        let Some(found) = found.filter(|found| found.recorders.len() < Self::MAX_RECORDINGS) else {
            let (_, told) = recorder.finish(session, RecordingEnd::Failed);
            return self.tell(told);
        };
        let (recording, channels, other) = (plan.recording, recorder.channels(), recorder.other());
        found.recorders.push(recorder);
        self.outputs.push_back(Output::Record { recording, channels, trim: plan.trim });
        for heard in [Some(session), other].into_iter().flatten() {
            if let Some(slot) = self.slot(heard) {
                self.listen(now, slot, 1);
            }
        }
        if let (Some(slot), Some(other)) = (self.slot(session), other.and_then(|o| self.slot(o))) {
            self.align(slot, other);
        }
    }

    pub(super) fn end_recording(&mut self, now: Instant, sid: RecordingSid, end: RecordingEnd) {
        let found = self.slots.iter().find_map(|(&session, &slot)| {
            let recorders = &self.sessions.get(slot)?.as_ref()?.recorders;
            let at = recorders.iter().position(|one| one.plan().recording == sid)?;
            Some((session, slot, at))
        });
        let Some((session, slot, at)) = found else { return };
        let Some(recorder) = self.session(slot).map(|found| found.recorders.remove(at)) else {
            return;
        };
        for heard in [Some(session), recorder.other()].into_iter().flatten() {
            if let Some(slot) = self.slot(heard) {
                self.listen(now, slot, -1);
            }
        }
        let (samples, told) = recorder.finish(session, end);
        if !samples.is_empty() && end != RecordingEnd::Failed {
            self.outputs.push_back(Output::Chunk { recording: sid, samples });
        }
        self.tell(told);
    }

    fn listen(&mut self, now: Instant, slot: usize, by: isize) {
        if let Some(found) = self.session(slot) {
            found.listeners = found.listeners.saturating_add_signed(by);
        }
        self.settle(now, slot);
    }

    fn expect_packets(&mut self, now: Instant, slot: usize, expects: bool) {
        if expects {
            self.patience.set(slot, now + Self::PATIENCE);
        } else {
            self.patience.clear(&slot);
        }
    }

    /// Looks at who has run out of patience: packets do not touch the table, so a session that
    /// was heard since gets the rest of its time.
    fn judge_silence(&mut self, now: Instant) {
        while let Some(slot) = self.patience.pop(now) {
            let Some(found) = self.session(slot) else { continue };
            let (session, due) = (found.id, found.last_packet + Self::PATIENCE);
            if due > now {
                self.patience.set(slot, due);
            } else {
                self.tell(Event::Silent { session });
            }
        }
    }
}

impl Machine for Plane {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Command(command) => self.command(now, command),
            Input::Bound { slot, result } => self.bound(slot, result),
            Input::RecordingLost(recording) => {
                self.end_recording(now, recording, RecordingEnd::Failed);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, phase)) = self.schedule.next_step(now) {
            self.tick(at, phase);
        }
        self.judge_silence(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        [self.schedule.due(), self.patience.next()].into_iter().flatten().min()
    }
}
