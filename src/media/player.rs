//! The queue of what is played to one party: clips, digits as events, digits as tones.
//!
//! Asked for 20 ms at a time; tells which plays came to their end.

use std::collections::VecDeque;

use crate::audio::{Clip, tone};
use crate::rtp::FRAME;
use crate::rtp::telephone_event::{self, Sender};

/// What is to be sent in this 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// The frame was filled.
    Frame,
    /// An event packet in place of sound.
    Event {
        /// Its payload.
        payload: [u8; 4],
        /// The timestamp of the event's start.
        timestamp: u32,
        /// First of its event.
        marker: bool,
    },
    /// Nothing is queued.
    Nothing,
}

/// The plays of one session.
#[derive(Debug, Default)]
pub struct Player {
    queue: VecDeque<Play>,
    ended: VecDeque<u64>,
}

#[derive(Debug)]
struct Play {
    /// Nobody waits for the end of a digit that a bridge passes on as a tone.
    number: Option<u64>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Clip { clip: Clip, at: usize, left: Loops },
    Events(Sender),
}

#[derive(Clone, Copy, Debug)]
enum Loops {
    Forever,
    Left(u32),
}

impl Player {
    /// Plays that may wait: a document of speech and files seldom has ten in a row.
    pub const MAX_PLAYS: usize = 64;

    /// Queues a clip; 0 loops are endless. Past the bound it counts as played at once.
    pub fn play(&mut self, number: u64, clip: Clip, loops: u32) {
        let left = if loops == 0 { Loops::Forever } else { Loops::Left(loops) };
        self.push(Some(number), Source::Clip { clip, at: 0, left });
    }

    /// Queues digits, as events where the far end takes them and as tones otherwise.
    pub fn digits(&mut self, number: u64, digits: &str, events: bool) {
        let source = match events {
            true => Source::Events(Sender::new(digits)),
            false => Source::Clip { clip: tone::dtmf(digits), at: 0, left: Loops::Left(1) },
        };
        self.push(Some(number), source);
    }

    /// Passes one key on as a tone, for a party that does not take events.
    pub fn tone(&mut self, digit: char) {
        let clip = tone::dtmf(digit.encode_utf8(&mut [0; 4]));
        self.push(None, Source::Clip { clip, at: 0, left: Loops::Left(1) });
    }

    /// Forgets everything; no end is told.
    pub fn stop(&mut self) {
        self.queue = VecDeque::new();
        self.ended.clear();
    }

    /// Whether there is anything to play or to tell.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.ended.is_empty()
    }

    /// The next play that came to its end.
    pub fn poll_ended(&mut self) -> Option<u64> {
        self.ended.pop_front()
    }

    /// The next 20 ms; `timestamp` is where the outgoing stream's clock stands.
    pub fn next(&mut self, timestamp: u32, frame: &mut [i16; FRAME]) -> Sound {
        let mut filled = 0;
        while let Some(play) = self.queue.front_mut() {
            match &mut play.source {
                Source::Clip { clip, at, left } => {
                    filled += copy(clip, at, left, &mut frame[filled..]);
                    if filled == FRAME {
                        if is_over(clip, *at, *left) {
                            self.end();
                        }
                        return Sound::Frame;
                    }
                }
                Source::Events(sender) => {
                    if filled > 0 {
                        break;
                    }
                    match sender.tick(timestamp) {
                        telephone_event::Tick::Packet { payload, timestamp, marker } => {
                            return Sound::Event { payload, timestamp, marker };
                        }
                        telephone_event::Tick::Pause => {
                            frame.fill(0);
                            return Sound::Frame;
                        }
                        telephone_event::Tick::Done => {}
                    }
                }
            }
            self.end();
        }
        if filled == 0 {
            return Sound::Nothing;
        }
        frame[filled..].fill(0);
        Sound::Frame
    }

    fn push(&mut self, number: Option<u64>, source: Source) {
        if self.queue.len() < Self::MAX_PLAYS {
            self.queue.push_back(Play { number, source });
        } else {
            // Whoever waits for its end must not wait for ever.
            self.ended.extend(number);
        }
    }

    fn end(&mut self) {
        self.ended.extend(self.queue.pop_front().and_then(|play| play.number));
        if self.queue.is_empty() {
            // A bridged party is played nothing for the rest of its call.
            self.queue = VecDeque::new();
        }
    }
}

/// Copies as much of a clip, over its loops, as fits.
fn copy(clip: &Clip, at: &mut usize, left: &mut Loops, frame: &mut [i16]) -> usize {
    let samples = clip.samples();
    let mut filled = 0;
    // An empty clip has no loops worth turning.
    while filled < frame.len() && !samples.is_empty() && !is_over(clip, *at, *left) {
        let length = (frame.len() - filled).min(samples.len() - *at);
        frame[filled..filled + length].copy_from_slice(&samples[*at..*at + length]);
        (filled, *at) = (filled + length, *at + length);
        if *at == samples.len() {
            match left {
                Loops::Forever => *at = 0,
                Loops::Left(loops) => {
                    *loops = loops.saturating_sub(1);
                    if *loops > 0 {
                        *at = 0;
                    }
                }
            }
        }
    }
    filled
}

fn is_over(clip: &Clip, at: usize, left: Loops) -> bool {
    matches!(left, Loops::Left(0)) && at >= clip.samples().len()
}
