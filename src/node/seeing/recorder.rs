//! Joins what was seen to the calls it belongs to, and makes the lines that are kept.
//!
//! Messages of nobody's wait in a short ring: an INVITE comes before the call that it makes, and
//! a refusal is told after the request. It reads no clock and writes no file.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use bytes::Bytes;

use super::record::{Captured, Party, Record, Refused, What};
use super::{Row, Seen, Sight, redact, wire};
use crate::base::id::CallSid;
use crate::base::{Duration, Epoch, Instant};
use crate::exchange::{RefusedRequest, Told};
use crate::node::trace::Direction;
use crate::sip::{Flow, Message, Method, Parsed};

/// Messages of one dialog that are kept: a call of hours with session timers and hold.
const DIALOG_MESSAGES: u32 = 256;
/// And their bytes.
const DIALOG_BYTES: u32 = 256 << 10;
/// Messages of a refused request that are kept after the refusal: its answer and the ACK, twice.
const REFUSED_MESSAGES: u32 = 4;
/// And their bytes, later ones cut short: a call that was tried with a password, and its answers.
const REFUSED_BYTES: u32 = 4 << 10;
/// What a stranger wrote as its name, its aim or its Call-ID is kept up to here, in bytes.
const LONGEST: usize = 512;
/// Dialogs of calls that are over, remembered for their last repeats.
const MOST_FINISHED: usize = 4_096;
/// Dialogs known at one time: twice the calls that an exchange takes, and those that finished.
const MOST_DIALOGS: usize = 65_536;
/// Calls that are not over: more than an exchange takes.
const MOST_CALLS: usize = 32_768;
/// Messages that wait for their call.
const MOST_STRAYS: usize = 1_024;
/// And their bytes.
const MOST_STRAY_BYTES: usize = 2 << 20;
/// Refusals written in one second: a scanner's thousandth attempt tells nothing new.
const REFUSALS_PER_SECOND: u32 = 20;
/// Users at addresses whose refusals are counted.
const MOST_OFFENDERS: usize = 4_096;
/// A refusal so long after the last counts from one again.
const FORGIVEN: Duration = Duration::from_secs(3_600);

/// The state between what was seen and what is written.
pub(super) struct Recorder {
    epoch: Epoch,
    hasher: RandomState,
    /// By the hash of the Call-ID.
    dialogs: HashMap<u64, Dialog>,
    /// The dialogs of a call.
    calls: HashMap<CallSid, Vec<u64>>,
    finished: VecDeque<u64>,
    strays: VecDeque<(u64, Stray)>,
    stray_bytes: usize,
    offenders: Offenders,
    second: (Instant, u32),
    /// Refusals that were not written for their number.
    pub(super) hidden: u64,
    /// Sights taken; much is seen in the same moment, and messages wait for their call.
    order: u64,
    lines: Lines,
}

/// What is to be written. What anybody can cause stands apart: it must not push out the stories
/// of calls.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// Of calls.
    pub(super) calls: Vec<u8>,
    /// Of requests that were refused.
    pub(super) refusals: Vec<u8>,
}

/// A dialog that is known, and how much of it may still be kept.
struct Dialog {
    call: Option<CallSid>,
    messages: u32,
    bytes: u32,
}

struct Stray {
    at: Instant,
    order: u64,
    direction: Direction,
    flow: Flow,
    bytes: Bytes,
}

impl Recorder {
    pub(super) fn new(epoch: Epoch) -> Recorder {
        Recorder {
            epoch,
            hasher: RandomState::new(),
            dialogs: HashMap::new(),
            calls: HashMap::new(),
            finished: VecDeque::new(),
            strays: VecDeque::new(),
            stray_bytes: 0,
            offenders: Offenders::default(),
            second: (Instant::ZERO, 0),
            hidden: 0,
            order: 0,
            lines: Lines::default(),
        }
    }

    /// Takes one sight.
    pub(super) fn take(&mut self, seen: Seen) {
        let Seen { at, sight } = seen;
        self.order += 1;
        let order = self.order;
        match sight {
            Sight::Message { direction, flow, bytes } => {
                self.message(Stray { at, order, direction, flow, bytes });
            }
            Sight::Told(told) => self.told(at, told),
            Sight::Note(note) => {
                let (call, text) = (note.call.to_string(), redact::text(&note.text));
                self.write(at, What::Note { call, code: note.code, text });
            }
            Sight::Row(row) => self.write(at, What::Party(party(*row))),
            Sight::Asked { call, url, method } => {
                let (call, method) = (call.to_string(), method.to_owned());
                self.write(at, What::Asked { call, url, method });
            }
            Sight::Fetched { call, url, took, error } => {
                let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.write(at, What::Fetched { call: call.to_string(), url, took, error });
            }
        }
    }

    /// The lines since the last time.
    pub(super) fn drain(&mut self) -> Lines {
        std::mem::take(&mut self.lines)
    }

    /// The call that a message belongs to, where that is known.
    pub(super) fn call_of(&self, bytes: &[u8]) -> Option<CallSid> {
        self.dialogs.get(&self.hash(wire::call_id(bytes)?))?.call
    }

    fn told(&mut self, at: Instant, told: Told) {
        match told {
            Told::Dialog { call, leg, call_id } => {
                let hash = self.hash(&call_id);
                if self.calls.len() >= MOST_CALLS {
                    // Ends were lost on the way here; live calls' next dialogs are known again.
                    self.calls.clear();
                    self.dialogs.clear();
                }
                self.know(hash, Some(call), DIALOG_MESSAGES, DIALOG_BYTES);
                self.calls.entry(call).or_default().push(hash);
                let line = What::Dialog { call: call.to_string(), leg: leg.0, call_id };
                self.write(at, line);
                self.claim(hash);
            }
            Told::Verb { call, leg, name, position, base } => {
                let place = format!("{}:{position}", redact::url(&base));
                let (call, name) = (call.to_string(), name.to_owned());
                self.write(at, What::Verb { call, leg: leg.0, name, place });
            }
            Told::Over { call } => {
                let dialogs = self.calls.remove(&call).unwrap_or_default();
                dialogs.into_iter().for_each(|hash| self.finish(hash));
            }
            Told::Refused(refused) => self.refused(at, *refused),
        }
    }

    /// A refusal, in words that say how often it has happened.
    fn refused(&mut self, at: Instant, refused: RefusedRequest) {
        let source = refused.flow.remote;
        let user = cut(refused.user, LONGEST);
        let times =
            self.offenders.count(at, (user.clone(), source.ip(), refused.status, refused.code));
        if !self.may_tell(at) {
            return;
        }
        let hash = self.hash(&refused.call_id);
        self.know(hash, None, REFUSED_MESSAGES, REFUSED_BYTES);
        self.finish(hash);
        let why = cut(refused.reason, 2 * LONGEST);
        let reason = format!("{why}, from {}{}", source.ip(), ordinal(times));
        let line = What::Refused(Refused {
            method: refused.method.to_owned(),
            call_id: cut(refused.call_id, LONGEST),
            user,
            uri: cut(refused.uri, LONGEST),
            source,
            status: refused.status,
            code: refused.code,
            reason,
            times,
        });
        self.write_refused(at, line);
        self.claim(hash);
    }

    /// Whether one more refusal may be written in this second.
    fn may_tell(&mut self, at: Instant) -> bool {
        if at.since(self.second.0) >= Duration::from_secs(1) {
            self.second = (at, 0);
        }
        self.second.1 += 1;
        let may = self.second.1 <= REFUSALS_PER_SECOND;
        self.hidden += u64::from(!may);
        may
    }

    /// A call or registration that nobody was asked about, because its message was at fault or
    /// there was no room: the response says so itself.
    fn unexplained(&mut self, stray: &Stray, status: u16) {
        let Parsed::Valid(response) = Message::parse(stray.bytes.clone()) else { return };
        let method = match response.method() {
            Method::Invite => "INVITE",
            Method::Register => "REGISTER",
            _ => return,
        };
        let user = response.from().and_then(|from| Some(from.sip_uri()?.user()?.into_owned()));
        let uri = response.to().map(|to| to.uri().to_owned()).unwrap_or_default();
        let reason = format!("the message itself was refused: {}", response.reason_phrase());
        self.refused(
            stray.at,
            RefusedRequest {
                method,
                call_id: response.call_id().to_owned(),
                flow: stray.flow,
                user: user.unwrap_or_default(),
                uri,
                status,
                code: 32100,
                reason,
            },
        );
    }

    /// Keeps a message of a known dialog, and lets any other wait for a while.
    fn message(&mut self, stray: Stray) {
        let Some(call_id) = wire::call_id(&stray.bytes) else { return };
        let hash = self.hash(call_id);
        if self.dialogs.contains_key(&hash) {
            return self.keep(hash, &stray);
        }
        let failure = match stray.direction {
            Direction::Sent => wire::failure(&stray.bytes),
            Direction::Received => None,
        };
        if let Some(status) = failure {
            self.unexplained(&stray, status);
            if self.dialogs.contains_key(&hash) {
                return self.keep(hash, &stray);
            }
        }
        self.stray_bytes += stray.bytes.len();
        self.strays.push_back((hash, stray));
        while self.strays.len() > MOST_STRAYS || self.stray_bytes > MOST_STRAY_BYTES {
            let Some((_, gone)) = self.strays.pop_front() else { break };
            self.stray_bytes -= gone.bytes.len();
        }
    }

    /// The messages that waited for this dialog.
    fn claim(&mut self, hash: u64) {
        let waiting = std::mem::take(&mut self.strays);
        self.stray_bytes = 0;
        for (of, stray) in waiting {
            if of == hash {
                self.keep(hash, &stray);
            } else {
                self.stray_bytes += stray.bytes.len();
                self.strays.push_back((of, stray));
            }
        }
    }

    fn know(&mut self, hash: u64, call: Option<CallSid>, messages: u32, bytes: u32) {
        if self.dialogs.len() >= MOST_DIALOGS
            && let Some(oldest) = self.finished.pop_front()
        {
            self.dialogs.remove(&oldest);
        }
        if self.dialogs.len() >= MOST_DIALOGS {
            return;
        }
        let dialog = self.dialogs.entry(hash).or_insert(Dialog { call, messages: 0, bytes: 0 });
        // A phone's REGISTERs share one Call-ID: each refusal allows its own few messages.
        dialog.messages = dialog.messages.max(messages + MOST_BEFORE);
        dialog.bytes = dialog.bytes.max(bytes);
        dialog.call = dialog.call.or(call);
    }

    /// A dialog that may be forgotten when others come.
    fn finish(&mut self, hash: u64) {
        self.finished.push_back(hash);
        while self.finished.len() > MOST_FINISHED
            && let Some(oldest) = self.finished.pop_front()
        {
            self.dialogs.remove(&oldest);
        }
    }

    fn keep(&mut self, hash: u64, stray: &Stray) {
        let Some(dialog) = self.dialogs.get_mut(&hash) else { return };
        let length = u32::try_from(stray.bytes.len()).unwrap_or(u32::MAX);
        let refused = dialog.call.is_none();
        let room = if refused { dialog.bytes.min(length) } else { length };
        if dialog.messages == 0 || dialog.bytes < room || room == 0 {
            return;
        }
        dialog.messages -= 1;
        dialog.bytes -= room;
        let call_id = wire::call_id(&stray.bytes).unwrap_or_default().to_owned();
        let mut redacted = redact::message(&stray.bytes);
        if !refused {
            let captured = Captured::new(call_id, stray.direction, stray.flow, redacted);
            let record = self.record(stray.at, stray.order, What::Message(captured));
            return record.write(&mut self.lines.calls);
        }
        let whole = std::str::from_utf8(&redacted);
        redacted
            .truncate(whole.map_or(room as usize, |text| text.floor_char_boundary(room as usize)));
        let call_id = cut(call_id, LONGEST);
        let captured = Captured::new(call_id, stray.direction, stray.flow, redacted);
        let record = self.record(stray.at, stray.order, What::Message(captured));
        record.write(&mut self.lines.refusals);
    }

    fn write(&mut self, at: Instant, what: What) {
        self.record(at, self.order, what).write(&mut self.lines.calls);
    }

    fn write_refused(&mut self, at: Instant, what: What) {
        self.record(at, self.order, what).write(&mut self.lines.refusals);
    }

    fn record(&self, at: Instant, order: u64, what: What) -> Record {
        let start = self.epoch.wall(Instant::ZERO).unix_millis() * 1_000;
        Record { at: start + at.as_nanos() / 1_000, order, what }
    }

    fn hash(&self, call_id: &str) -> u64 {
        self.hasher.hash_one(call_id)
    }
}

/// Of the messages that came before a refusal, so many are let through besides.
const MOST_BEFORE: u32 = 8;

fn party(row: Row) -> Party {
    Party {
        sid: row.sid.to_string(),
        parent: row.parent.map(|parent| parent.to_string()),
        from: row.from,
        to: row.to,
        direction: row.direction.as_str().to_owned(),
        status: row.status.as_str().to_owned(),
        reason: row.reason,
        sip_status: row.sip_status,
        call_id: row.sip_call_id,
    }
}

/// A text of at most so many bytes.
fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// Which user was refused, from where, with what status and for what reason, by its code.
type Offence = (String, IpAddr, u16, u32);

/// How often each user was refused at each address lately.
#[derive(Default)]
struct Offenders {
    counts: HashMap<Offence, (Instant, u32)>,
    order: VecDeque<Offence>,
}

impl Offenders {
    fn count(&mut self, now: Instant, key: Offence) -> u32 {
        if let Some((last, times)) = self.counts.get_mut(&key) {
            *times = if now.since(*last) > FORGIVEN { 1 } else { times.saturating_add(1) };
            *last = now;
            return *times;
        }
        if self.order.len() >= MOST_OFFENDERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.counts.insert(key, (now, 1));
        1
    }
}

/// `, 3rd time`; nothing for the first.
fn ordinal(times: u32) -> String {
    let ending = match (times % 10, times % 100) {
        _ if times < 2 => return String::new(),
        (1, hundred) if hundred != 11 => "st",
        (2, hundred) if hundred != 12 => "nd",
        (3, hundred) if hundred != 13 => "rd",
        _ => "th",
    };
    format!(", {times}{ending} time")
}

/// Call-IDs that are known, for tests of bounds.
#[cfg(test)]
impl Recorder {
    fn known(&self) -> usize {
        self.dialogs.len()
    }
}

#[cfg(test)]
mod tests;
