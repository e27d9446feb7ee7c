//! Puts packets back in order and takes 20 ms from them at every tick, with as little delay as
//! their arrival allows.
//!
//! Works on codecs with one byte a tick of an 8 kHz clock (G.711), so packets of any length are
//! cut into frames by timestamp. Never reads a clock and never decodes: [`Tick::Lost`] is for the
//! decoder's concealment. Used whenever we decode, never when we relay.

use std::collections::VecDeque;

use crate::base::Instant;
use crate::rtp::Packet;
use crate::rtp::sequence::{extend_sequence, extend_timestamp};

/// Bytes (and ticks of the clock) in a frame: 20 ms.
pub const FRAME: usize = 160;

const FRAME_TICKS: i64 = FRAME as i64;

/// What a tick found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// A frame was written.
    Frame {
        /// Its codec.
        payload_type: u8,
    },
    /// The frame of this moment never came, though a later one has: conceal it.
    Lost,
    /// There is nothing: not begun, silence suppressed, or everything is late. Concealment may
    /// cover the first of these; after that it is silence.
    Empty,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its moment.
    Kept,
    /// It was here already.
    Duplicate,
    /// Its moment has passed.
    Late,
    /// It does not fit the stream (empty, overlong, or a lone stray number).
    Refused,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets kept.
    pub kept: u64,
    /// Packets that were here already.
    pub duplicate: u64,
    /// Packets that came after their moment.
    pub late: u64,
    /// Packets that were refused.
    pub refused: u64,
    /// Ticks told as lost.
    pub lost: u64,
    /// Ticks in a running stream with nothing to give: under-runs.
    pub starved: u64,
    /// Ticks told as lost to lengthen the delay, because packets came just too late.
    pub stretched: u64,
    /// Frames thrown away to shorten the delay.
    pub dropped: u64,
    /// Times it began anew (other source, jump of the numbers).
    pub resets: u64,
}

/// The buffer of one stream.
#[derive(Debug)]
pub struct JitterBuffer {
    slots: VecDeque<Slot>,
    spare: Vec<Vec<u8>>,
    stream: Option<Stream>,
    delay: Delay,
    counts: Counts,
}

/// A packet that waits.
#[derive(Debug)]
struct Slot {
    sequence: i64,
    start: i64,
    payload_type: u8,
    payload: Vec<u8>,
}

impl Slot {
    fn end(&self) -> i64 {
        self.start + self.payload.len() as i64
    }
}

/// Where a source's numbers stand.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// The highest sequence number, extended.
    newest: i64,
    /// The bits of the last 64 sequence numbers up to `newest` that came.
    seen: u64,
    /// The timestamp of `newest`, extended.
    newest_start: i64,
    playing: Playing,
    /// A number that jumped; when its successor comes too, the sender has begun anew.
    stray: Option<u16>,
}

#[derive(Debug)]
enum Playing {
    /// Until the delay is filled.
    Filling,
    /// The next frame starts at `next`; `last` is the sequence number that was played last;
    /// `starved` ticks of the clock have passed with nothing to play; for `owed` more the delay
    /// has to grow.
    At { next: i64, last: i64, starved: i64, owed: i64 },
}

impl JitterBuffer {
    /// Packets that may wait: 640 ms of 10 ms packets.
    pub const MAX_PACKETS: usize = 64;
    /// The longest payload: 200 ms, more than any telephone sends.
    pub const MAX_PAYLOAD: usize = 1_600;
    /// The most delay that we add or keep: beyond it people talk over each other.
    const MAX_DELAY: i64 = 200 * 8;
    /// More than this waiting is a burst after a stall: skip to the present.
    const MAX_WAITING: i64 = 2 * Self::MAX_DELAY;
    /// A jump of the sequence beyond this is a new stream (RFC 3550 appendix A.1).
    const MAX_DROPOUT: i64 = 1_000;
    /// As far back as a packet may be and still be a straggler (RFC 3550 appendix A.1).
    const MAX_MISORDER: i64 = 100;
    /// A gap in timestamps beyond this is played as a new beginning, not waited for.
    const MAX_GAP: i64 = 8_000;

    /// An empty one.
    pub fn new() -> Self {
        JitterBuffer {
            slots: VecDeque::new(),
            spare: Vec::new(),
            stream: None,
            delay: Delay::new(),
            counts: Counts::default(),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How much sound waits beyond the current delay's end, in ticks of the clock.
    pub fn waiting(&self) -> usize {
        let Some(last) = self.slots.back() else { return 0 };
        let from = match self.stream.as_ref().map(|stream| &stream.playing) {
            // Time that passed with nothing to play is not waiting, though `next` held still.
            Some(&Playing::At { next, starved, .. }) => next + starved,
            _ => self.slots.front().map_or(0, |slot| slot.start),
        };
        usize::try_from(last.end() - from).unwrap_or(0)
    }

    /// Forgets the stream: signalling changed it. Counts stay.
    pub fn reset(&mut self) {
        while let Some(slot) = self.slots.pop_front() {
            self.recycle(slot.payload);
        }
        self.stream = None;
        self.delay = Delay::new();
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, now: Instant, packet: &Packet<'_>) -> Inserted {
        let inserted = self.place(now, packet);
        let count = match inserted {
            Inserted::Kept => &mut self.counts.kept,
            Inserted::Duplicate => &mut self.counts.duplicate,
            Inserted::Late => &mut self.counts.late,
            Inserted::Refused => &mut self.counts.refused,
        };
        *count += 1;
        inserted
    }

    /// Writes the next 20 ms into `frame`, which is left alone unless this gives
    /// [`Tick::Frame`].
    pub fn pull(&mut self, frame: &mut [u8; FRAME]) -> Tick {
        let Some(stream) = &mut self.stream else { return Tick::Empty };
        if let Playing::Filling = stream.playing {
            let Some((first, last)) = self.slots.front().zip(self.slots.back()) else {
                return Tick::Empty;
            };
            if last.end() - first.start < self.delay.target() {
                return Tick::Empty;
            }
            let (next, last) = (first.start, first.sequence - 1);
            stream.playing = Playing::At { next, last, starved: 0, owed: 0 };
        }
        if self.stretch() {
            return Tick::Lost;
        }
        self.keep_delay();
        let tick = self.take(frame);
        match tick {
            Tick::Lost => self.counts.lost += 1,
            Tick::Empty => self.counts.starved += 1,
            Tick::Frame { .. } => {}
        }
        tick
    }

    fn place(&mut self, now: Instant, packet: &Packet<'_>) -> Inserted {
        let payload = packet.payload();
        if payload.is_empty() || payload.len() > Self::MAX_PAYLOAD {
            return Inserted::Refused;
        }
        if self.stream.as_ref().is_some_and(|stream| stream.ssrc != packet.ssrc) {
            self.begin_anew();
        }
        let Some(stream) = &mut self.stream else {
            return self.begin(now, packet);
        };
        let sequence = extend_sequence(stream.newest, packet.sequence);
        let ahead = sequence - stream.newest;
        if !(-Self::MAX_MISORDER..=Self::MAX_DROPOUT).contains(&ahead) {
            // One stray packet must not throw away a stream; two in a row are a new one
            // (RFC 3550 appendix A.1).
            if stream.stray.replace(packet.sequence.wrapping_add(1)) == Some(packet.sequence) {
                self.begin_anew();
                return self.begin(now, packet);
            }
            return Inserted::Refused;
        }
        stream.stray = None;
        let start = extend_timestamp(stream.newest_start, packet.timestamp);
        if (start - stream.newest_start).abs() > Self::MAX_GAP {
            self.begin_anew();
            return self.begin(now, packet);
        }
        if !stream.mark(sequence, ahead) {
            return Inserted::Duplicate;
        }
        if ahead > 0 {
            stream.newest_start = start;
        }
        self.delay.observe(now, start, payload.len() as i64);
        if let Playing::At { next, owed, .. } = &mut stream.playing
            && start + payload.len() as i64 <= *next
        {
            // Worth waiting for the next time, unless that would make a conversation slow.
            let behind = *next - start;
            if behind <= Self::MAX_DELAY {
                *owed = behind.max(*owed);
            }
            return Inserted::Late;
        }
        self.keep(sequence, start, packet);
        Inserted::Kept
    }

    fn begin(&mut self, now: Instant, packet: &Packet<'_>) -> Inserted {
        // Far from 0, so that numbers before the first stay positive and wrap as they should.
        let (newest, start) =
            ((1 << 32) + i64::from(packet.sequence), (1 << 40) + i64::from(packet.timestamp));
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            newest,
            seen: 1,
            newest_start: start,
            playing: Playing::Filling,
            stray: None,
        });
        self.delay.observe(now, start, packet.payload().len() as i64);
        self.keep(newest, start, packet);
        Inserted::Kept
    }

    fn begin_anew(&mut self) {
        self.counts.resets += 1;
        self.reset();
    }

    fn keep(&mut self, sequence: i64, start: i64, packet: &Packet<'_>) {
        if self.slots.len() == Self::MAX_PACKETS
            && let Some(oldest) = self.slots.pop_front()
        {
            self.recycle(oldest.payload);
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(packet.payload());
        let at =
            self.slots.iter().rposition(|slot| slot.sequence < sequence).map_or(0, |at| at + 1);
        self.slots.insert(at, Slot { sequence, start, payload_type: packet.payload_type, payload });
    }

    /// Holds the playing for a tick where packets came too late for the delay there is.
    fn stretch(&mut self) -> bool {
        let waiting = self.waiting() as i64;
        let Some(Stream { playing: Playing::At { owed, .. }, .. }) = &mut self.stream else {
            return false;
        };
        if *owed <= 0 || waiting == 0 {
            return false;
        }
        *owed = if waiting + FRAME_TICKS > Self::MAX_DELAY { 0 } else { *owed - FRAME_TICKS };
        self.counts.stretched += 1;
        true
    }

    /// Shortens the delay where more waits than the arrivals have needed for a while.
    fn keep_delay(&mut self) {
        let waiting = self.waiting() as i64;
        let Some(Stream { playing: Playing::At { next, .. }, .. }) = &mut self.stream else {
            return;
        };
        if waiting > Self::MAX_WAITING {
            let excess = (waiting - self.delay.target()) / FRAME_TICKS;
            *next += excess * FRAME_TICKS;
            self.counts.dropped += excess as u64;
        } else if self.delay.is_too_long(waiting) {
            *next += FRAME_TICKS;
            self.counts.dropped += 1;
        }
    }

    fn take(&mut self, frame: &mut [u8; FRAME]) -> Tick {
        let Some(Stream { playing: Playing::At { next, last, starved, .. }, .. }) =
            &mut self.stream
        else {
            return Tick::Empty;
        };
        while self.slots.front().is_some_and(|slot| slot.end() <= *next) {
            let Some(slot) = self.slots.pop_front() else { break };
            *last = slot.sequence;
            // Inlined `recycle`: the stream is borrowed.
            if self.spare.len() < Self::MAX_PACKETS {
                self.spare.push(slot.payload);
            }
        }
        let Some(first) = self.slots.front() else {
            *starved += FRAME_TICKS;
            return Tick::Empty;
        };
        // Ticks that passed with nothing to play were already the gap's time.
        let skip = (first.start - *next).clamp(0, *starved);
        *next += skip;
        *starved = 0;
        if first.start >= *next + FRAME_TICKS {
            *next += FRAME_TICKS;
            // Without a hole in the sequence the sender was just silent (RFC 3551 section 4.1).
            return if first.sequence > *last + 1 { Tick::Lost } else { Tick::Empty };
        }
        let payload_type = first.payload_type;
        assemble(&self.slots, *next, payload_type, frame);
        *next += FRAME_TICKS;
        Tick::Frame { payload_type }
    }

    fn recycle(&mut self, payload: Vec<u8>) {
        if self.spare.len() < Self::MAX_PACKETS {
            self.spare.push(payload);
        }
    }
}

impl Default for JitterBuffer {
    fn default() -> Self {
        JitterBuffer::new()
    }
}

impl Stream {
    /// Notes that a sequence number came; false if it had come before.
    fn mark(&mut self, sequence: i64, ahead: i64) -> bool {
        if ahead > 0 {
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.newest = sequence;
            return true;
        }
        // Beyond the window it is taken for late, which it is anyway.
        let Some(bit) = 1u64.checked_shl((-ahead) as u32) else { return true };
        let new = self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

/// Fills a frame that starts at `next` from the packets that overlap it. Where only a part came
/// (10 ms packets, one lost) the rest repeats what is there: a short, cheap concealment.
fn assemble(slots: &VecDeque<Slot>, next: i64, payload_type: u8, frame: &mut [u8; FRAME]) {
    let mut filled = [false; FRAME];
    for slot in slots {
        if slot.start >= next + FRAME_TICKS {
            break;
        }
        if slot.payload_type != payload_type {
            continue;
        }
        let (to, from) = ((slot.start - next).max(0) as usize, (next - slot.start).max(0) as usize);
        let Some(payload) = slot.payload.get(from..) else { continue };
        for ((byte, filled), &came) in frame.iter_mut().zip(&mut filled).skip(to).zip(payload) {
            (*byte, *filled) = (came, true);
        }
    }
    let came: Vec<usize> = match filled.iter().all(|&filled| filled) {
        true => return,
        false => (0..FRAME).filter(|&at| filled[at]).collect(),
    };
    let mut source = came.iter().cycle();
    for at in (0..FRAME).filter(|&at| !filled[at]) {
        if let Some(&from) = source.next() {
            frame[at] = frame[from];
        }
    }
}

/// How much delay the arrivals need: the worst lateness lately, against the earliest arrival.
#[derive(Debug)]
struct Delay {
    /// Arrival minus timestamp of the quickest packet, in ticks, of this window and the last.
    quickest: [i64; 2],
    /// The worst lateness of this window and the last.
    worst: [i64; 2],
    /// Packets in this window.
    observed: u32,
    /// The length of packets.
    packet: i64,
    /// The least that waited since the delay was last looked at.
    least: i64,
    pulled: u32,
}

impl Delay {
    /// Packets in a window: 2.5 s at 20 ms; a burst is remembered for up to twice that.
    const WINDOW: u32 = 128;
    /// Until arrivals have shown otherwise, expect a packet to be late by this.
    const EXPECTED: i64 = FRAME_TICKS;
    /// Ticks between two looks at a delay that may be too long: 1 s.
    const LOOK: u32 = 50;

    fn new() -> Self {
        Delay {
            quickest: [i64::MAX; 2],
            worst: [0, Self::EXPECTED],
            observed: 0,
            packet: FRAME_TICKS,
            least: i64::MAX,
            pulled: 0,
        }
    }

    fn observe(&mut self, now: Instant, start: i64, length: i64) {
        let arrival = (now.as_nanos() / 125_000) as i64;
        let transit = arrival - start;
        self.packet = length;
        self.quickest[0] = self.quickest[0].min(transit);
        let lateness = transit - self.quickest[0].min(self.quickest[1]);
        self.worst[0] = self.worst[0].max(lateness);
        self.observed += 1;
        if self.observed == Self::WINDOW {
            // Forgetting the quickest lets the two clocks drift apart.
            (self.quickest, self.worst) = ([i64::MAX, self.quickest[0]], [0, self.worst[0]]);
            self.observed = 0;
        }
    }

    /// How much should wait before playing begins.
    fn target(&self) -> i64 {
        let worst = self.worst[0].max(self.worst[1]);
        (self.packet + worst).min(JitterBuffer::MAX_DELAY.max(self.packet))
    }

    /// Whether a frame can go: for a second there was always more than arrivals needed.
    fn is_too_long(&mut self, waiting: i64) -> bool {
        self.least = self.least.min(waiting);
        self.pulled += 1;
        if self.pulled < Self::LOOK {
            return false;
        }
        let least = std::mem::replace(&mut self.least, i64::MAX);
        self.pulled = 0;
        // A frame of margin, so that the tick's phase against the arrivals does not matter.
        least > self.target().max(FRAME_TICKS) + FRAME_TICKS
    }
}

#[cfg(test)]
mod tests;
