//! `poll_oneoff`: how guests wait, for a time or for a stream, of which none ever keeps them waiting.

use super::streams::{ERROR, INPUT, OUTPUT};
use super::{BADF, Errno, Guest, INVAL, NOTSUP, SUCCESS, number, put, with};
use crate::base::Duration;
use crate::source::function::instance::{State, slice};

/// Three streams and a few clocks are all that there is to wait for.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Sizes of the records `subscription` and `event`.
const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;

/// `subclockflags`: the time is one of the clock, not from now on.
const ABSOLUTE: u16 = 1;
/// `eventrwflags`: nothing more comes.
const HANGUP: u16 = 1;
/// What a stream takes at once, for those that ask.
const ROOM: u64 = 64 << 10;

/// What one subscription waits for.
enum Awaited {
    /// So much time.
    Time(Duration),
    /// Nothing: a stream is ready, with so many bytes and these flags.
    Ready(u64, u16),
    /// Nothing: it is told this error.
    Never(i32),
}

struct Subscription {
    /// What tells the guest which it was.
    userdata: [u8; 8],
    kind: u8,
    awaited: Awaited,
}

pub(super) fn poll_oneoff(
    guest: Guest<'_>,
    list: u32,
    events: u32,
    count: u32,
    told: u32,
) -> Errno {
    with(guest, |memory, state| {
        if count == 0 || count > MAX_SUBSCRIPTIONS {
            return Some(Ok(INVAL));
        }
        let mut subscriptions = Vec::with_capacity(count as usize);
        for record in slice(memory, list, count * SUBSCRIPTION as u32)?.chunks_exact(SUBSCRIPTION) {
            match read(record, state)? {
                Some(subscription) => subscriptions.push(subscription),
                None => return Some(Ok(INVAL)),
            }
        }
        // Room for all of them, before anybody waits.
        slice(memory, events, count * EVENT as u32)?;
        let times = subscriptions.iter().map(|subscription| match subscription.awaited {
            Awaited::Time(time) => time,
            _ => Duration::ZERO,
        });
        let time = times.min().unwrap_or_default();
        if let Err(error) = state.nap(time) {
            return Some(Err(error));
        }
        let (mut at, mut happened) = (events, 0u32);
        for subscription in &subscriptions {
            if let Some(event) = event(subscription, time) {
                put(memory, at, &event)?;
                (at, happened) = (at + EVENT as u32, happened + 1);
            }
        }
        put(memory, told, &happened.to_le_bytes())?;
        Some(Ok(SUCCESS))
    })
}

/// None within is a kind that there is not.
fn read(record: &[u8], state: &State) -> Option<Option<Subscription>> {
    let userdata = record.get(..8)?.try_into().ok()?;
    let (kind, which) = (*record.get(8)?, number(record.get(16..20)?)?);
    let awaited = match kind {
        0 => {
            let timeout = u64::from_le_bytes(record.get(24..32)?.try_into().ok()?);
            let flags = u16::from_le_bytes(record.get(40..42)?.try_into().ok()?);
            clock(state, which, timeout, flags)
        }
        1 if which == INPUT && state.has(which) => {
            let left = state.left().len() as u64;
            Awaited::Ready(left, if left == 0 { HANGUP } else { 0 })
        }
        2 if matches!(which, OUTPUT | ERROR) && state.has(which) => Awaited::Ready(ROOM, 0),
        1 | 2 => Awaited::Never(BADF),
        _ => return Some(None),
    };
    Some(Some(Subscription { userdata, kind, awaited }))
}

fn clock(state: &State, clock: u32, timeout: u64, flags: u16) -> Awaited {
    let now = match clock {
        0 | 1 => super::clock_nanos(state, clock).unwrap_or_default(),
        // Nobody waits until it has run for so long.
        2 | 3 => return Awaited::Never(NOTSUP),
        _ => return Awaited::Never(INVAL),
    };
    let since = if flags & ABSOLUTE == 0 { 0 } else { now };
    Awaited::Time(Duration::from_nanos(timeout.saturating_sub(since)))
}

/// What is told of it after so much time, if anything.
fn event(subscription: &Subscription, waited: Duration) -> Option<[u8; EVENT]> {
    let (error, bytes, flags) = match subscription.awaited {
        Awaited::Time(time) if time > waited => return None,
        Awaited::Time(_) => (SUCCESS, 0, 0),
        Awaited::Ready(bytes, flags) => (SUCCESS, bytes, flags),
        Awaited::Never(error) => (error, 0, 0),
    };
    let mut event = [0; EVENT];
    event[..8].copy_from_slice(&subscription.userdata);
    event[8..10].copy_from_slice(&(error as u16).to_le_bytes());
    event[10] = subscription.kind;
    event[16..24].copy_from_slice(&bytes.to_le_bytes());
    event[24..26].copy_from_slice(&flags.to_le_bytes());
    Some(event)
}
