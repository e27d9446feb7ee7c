//! Hears one party: packets in any order become one frame of samples a tick.
//!
//! Exists only while somebody needs samples (transcoding, recording); relaying does without.

use crate::audio::Codec;
use crate::base::Instant;
use crate::rtp::jitter::Tick;
use crate::rtp::{FRAME, JitterBuffer, Packet};

/// 20 ms of one party.
pub type Frame = [i16; FRAME];

/// What a party said in the last tick.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The samples.
    pub frame: &'a Frame,
    /// Whether they came, rather than being made up for what was lost.
    pub real: bool,
}

/// The decoding side of one session.
#[derive(Debug)]
pub struct Decoder {
    jitter: JitterBuffer,
    scratch: Vec<i16>,
    frame: Frame,
    state: State,
    /// Ticks since a frame came.
    missing: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Real,
    Concealed,
    Nothing,
}

impl Decoder {
    /// Concealment is believed for 60 ms (as G.711 appendix I fades it); then it is a gap.
    const MAX_CONCEALED: u32 = 3;

    /// One that has heard nothing.
    pub fn new() -> Self {
        Decoder {
            jitter: JitterBuffer::new(),
            scratch: Vec::with_capacity(FRAME),
            frame: [0; FRAME],
            state: State::Nothing,
            missing: u32::MAX,
        }
    }

    /// Takes a packet.
    pub fn insert(&mut self, now: Instant, packet: &Packet<'_>) {
        self.jitter.insert(now, packet);
        // Wakes a decoder that was given up for idle, without making it conceal old sound.
        self.missing = self.missing.min(Self::MAX_CONCEALED);
    }

    /// Forgets the stream: signalling changed it.
    pub fn reset(&mut self) {
        self.jitter.reset();
        self.state = State::Nothing;
    }

    /// Moves on by 20 ms.
    pub fn tick(&mut self, codec: Codec) {
        let mut codes = [0; FRAME];
        if let Tick::Frame { .. } = self.jitter.pull(&mut codes) {
            self.scratch.clear();
            codec.decode(&codes, &mut self.scratch);
            for (sample, &decoded) in self.frame.iter_mut().zip(&self.scratch) {
                *sample = decoded;
            }
            (self.state, self.missing) = (State::Real, 0);
            return;
        }
        self.missing = self.missing.saturating_add(1);
        if self.missing > Self::MAX_CONCEALED {
            self.state = State::Nothing;
            return;
        }
        self.conceal();
    }

    /// What was said in the last tick; `None` when nothing came.
    pub fn heard(&self) -> Option<Heard<'_>> {
        let real = match self.state {
            State::Nothing => return None,
            state => state == State::Real,
        };
        Some(Heard { frame: &self.frame, real })
    }

    /// Ticks since anything came.
    pub fn missing(&self) -> u32 {
        self.missing
    }

    /// Repeats the last pitch periods and fades: what was heard goes on for a moment.
    fn conceal(&mut self) {
        let period = pitch(&self.frame);
        let last = self.frame;
        for (n, sample) in self.frame.iter_mut().enumerate() {
            let source = i32::from(last[FRAME - period + n % period]);
            // Full at the first lost sample, silent after 60 ms.
            let lost = (self.missing as usize - 1) * FRAME + n;
            let left = (Self::MAX_CONCEALED as usize * FRAME - lost) as i32;
            let from = if self.missing == 1 { 3 * FRAME as i32 } else { left + n as i32 };
            *sample = (source * left / from.max(1)) as i16;
        }
        self.state = State::Concealed;
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

/// The period that repeats the frame's end best, between 2.5 and 10 ms (100-400 Hz).
fn pitch(frame: &Frame) -> usize {
    const LONGEST: usize = FRAME / 2;
    let end = &frame[FRAME - LONGEST..];
    let mut best = (i64::MAX, LONGEST);
    for period in 20..=LONGEST {
        let before = &frame[FRAME - LONGEST - period..FRAME - period];
        let difference: i64 =
            end.iter().zip(before).map(|(&a, &b)| i64::from(a).abs_diff(i64::from(b)) as i64).sum();
        if difference < best.0 {
            best = (difference, period);
        }
    }
    best.1
}
