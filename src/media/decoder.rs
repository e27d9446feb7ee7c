//! Hears one party: packets in any order become one frame of samples a tick.
//!
//! Exists only while somebody needs samples (transcoding, recording); relaying does without.

use crate::audio::Codec;
use crate::audio::conceal::Concealer;
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
    concealer: Concealer,
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
    /// Concealment fades to silence in 60 ms; then it is a gap.
    const MAX_CONCEALED: u32 = 3;

    /// One that has heard nothing.
    pub fn new() -> Self {
        Decoder {
            jitter: JitterBuffer::new(),
            scratch: Vec::with_capacity(FRAME),
            frame: [0; FRAME],
            concealer: Concealer::new(),
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
        self.concealer = Concealer::new();
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
            self.concealer.hear(&mut self.frame);
            (self.state, self.missing) = (State::Real, 0);
            return;
        }
        self.missing = self.missing.saturating_add(1);
        if self.missing > Self::MAX_CONCEALED {
            self.state = State::Nothing;
            return;
        }
        self.concealer.lose(&mut self.frame);
        self.state = State::Concealed;
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
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::base::{Duration, Rng};
    use crate::rtp::packet::{header, write};

    /// The largest step from one sample to the next.
    fn jump(sound: &[i16]) -> i32 {
        let steps = sound.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
        steps.max().unwrap_or(0)
    }

    /// What a decoder makes of a stream of which some packets never come.
    fn decode(sound: &[i16], mut lost: impl FnMut(usize) -> bool) -> (Vec<i16>, usize) {
        let (mut decoder, mut now) = (Decoder::new(), Instant::from_millis(0));
        let (mut out, mut concealed) = (Vec::new(), 0);
        for (n, samples) in sound.chunks_exact(FRAME).enumerate() {
            if !lost(n) {
                let (mut payload, mut datagram) = (Vec::new(), Vec::new());
                Codec::Pcmu.encode(samples, &mut payload);
                let header = header(0, n as u16, (n * FRAME) as u32, 7, n == 0);
                write(&header, &payload, &mut datagram);
                decoder.insert(now, &Packet::parse(&datagram).expect("a packet"));
            }
            decoder.tick(Codec::Pcmu);
            if let Some(heard) = decoder.heard() {
                out.extend_from_slice(heard.frame);
                concealed += usize::from(!heard.real);
            }
            now += Duration::from_millis(20);
        }
        (out, concealed)
    }

    #[test]
    fn losses_do_not_click_at_any_pitch() {
        let mut rng = Rng::from_number(9);
        for pitch in [75.0, 90.0, 110.0, 160.0, 220.0, 350.0] {
            let sound: Vec<i16> = (0..500 * FRAME)
                .map(|n| {
                    let at = TAU * pitch * n as f64 / 8_000.0;
                    let voice: f64 = (1..8).map(|k| (at * f64::from(k)).sin()).sum();
                    (voice * 2_500.0) as i16
                })
                .collect();
            let own = jump(&decode(&sound, |_| false).0);
            let (out, concealed) = decode(&sound, |n| n > 10 && rng.unit() < 0.05);
            assert!(concealed > 10, "{concealed} frames lost");
            assert!(jump(&out) <= own * 5 / 4, "{pitch} Hz: {} for {own}", jump(&out));
        }
    }
}
