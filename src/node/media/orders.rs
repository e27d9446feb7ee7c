//! The queue of orders to a media worker: bounded, and ends always find room.
//!
//! When a worker falls behind, new sessions are refused first and sounds next; what ends or
//! changes a session has room set aside, for a `Close` that is lost leaks a socket for ever.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use crate::media::{Command, SessionId};
use crate::node::media::worker::Note;
use crate::node::media_io::SendError;

/// Orders that may wait before no session is opened: the worker is behind, and what it has in
/// hand comes first.
pub(crate) const MAX_OPENS: usize = 4_096;
/// Orders that may wait before no sound is started; a call makes about ten orders.
pub(crate) const MAX_SOUNDS: usize = 8_192;
/// Orders that may wait before sessions cannot be changed: one recording, one bridge and their
/// ends for each call of a full queue of sounds.
pub(crate) const MAX_CHANGES: usize = 3 * MAX_SOUNDS;
/// Orders that may wait at all. A session ends once; there are no more of them than even UDP
/// ports and openings that wait, so that an end is never refused.
pub(crate) const MAX_ORDERS: usize = MAX_CHANGES + 32_768 + MAX_OPENS;

/// The end that gives orders.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    notes: Sender<Note>,
    waiting: Arc<AtomicUsize>,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Waiting {
    notes: Receiver<Note>,
    waiting: Arc<AtomicUsize>,
}

/// A queue without orders. The channel has no bound of its own: [`Orders`] counts.
pub(crate) fn orders() -> (Orders, Waiting) {
    let (notes, received) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Orders { notes, waiting: Arc::clone(&waiting) }, Waiting { notes: received, waiting })
}

/// How many orders may wait before this one is refused.
fn room(command: &Command) -> usize {
    match command {
        Command::Open { .. } => MAX_OPENS,
        Command::Play { .. } | Command::SendDigits { .. } => MAX_SOUNDS,
        Command::Connect { .. }
        | Command::StopPlaying { .. }
        | Command::Bridge { .. }
        | Command::Unbridge { .. }
        | Command::Record { .. }
        | Command::StopRecording { .. } => MAX_CHANGES,
        Command::Close { .. } => MAX_ORDERS,
    }
}

impl Orders {
    /// Puts an order down; never waits.
    pub(crate) fn give(&self, command: Command) -> Result<(), SendError> {
        if !self.take_place(room(&command)) {
            return Err(SendError::Full(command));
        }
        self.notes.send(Note::Command(command)).map_err(|refused| match refused.0 {
            Note::Command(command) => SendError::Stopped(command),
            _ => unreachable!("a channel gives back what it was given"),
        })
    }

    /// Hands over the socket of a session that is to be opened.
    pub(crate) fn open(
        &self,
        session: SessionId,
        socket: UdpSocket,
        local: SocketAddr,
    ) -> Result<(), SendError> {
        let open = Command::Open { session, ip: local.ip() };
        if !self.take_place(room(&open)) {
            return Err(SendError::Full(open));
        }
        let sent = self.notes.send(Note::Open { session, socket, local });
        sent.map_err(|_| SendError::Stopped(open))
    }

    /// Tells that a recording cannot be written. Lost when the queue is full, which is harmless:
    /// the writer refuses the rest, and the next chunk tells again.
    pub(crate) fn recording_lost(&self, recording: crate::base::id::RecordingSid) {
        if self.take_place(MAX_CHANGES) {
            let _ = self.notes.send(Note::RecordingLost(recording));
        }
    }

    /// Ends the worker when it has done what waits.
    pub(crate) fn stop(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.notes.send(Note::Stop);
    }

    fn take_place(&self, room: usize) -> bool {
        let more = |waiting: usize| (waiting < room).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl Waiting {
    /// The next note, if one waits.
    pub(crate) fn next(&self) -> Result<Note, TryRecvError> {
        let note = self.notes.try_recv()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RecordingSid;
    use crate::base::{Duration, Rng};
    use crate::media::{RecordingPlan, Tracks};

    fn play(play: u64) -> Command {
        Command::SendDigits { session: SessionId(1), play, digits: "1".to_owned() }
    }

    fn open(session: u64) -> Command {
        Command::Open { session: SessionId(session), ip: [127, 0, 0, 1].into() }
    }

    #[test]
    fn ends_find_room_where_openings_and_sounds_do_not() {
        let (orders, waiting) = orders();
        let opened = (0..).take_while(|&number| orders.give(open(number)).is_ok()).count();
        assert_eq!(opened, MAX_OPENS, "openings are refused early");
        let sounds = (0..).take_while(|&number| orders.give(play(number)).is_ok()).count();
        assert_eq!(opened + sounds, MAX_SOUNDS);
        let recording = RecordingSid::random(&mut Rng::from_number(8));
        let max = Duration::from_secs(1);
        let plan =
            RecordingPlan { recording, tracks: Tracks::Own, max, silence: None, trim: false };
        let session = SessionId(1);
        orders.give(Command::Record { session, plan }).expect("room for recordings");
        orders.give(Command::StopRecording { recording }).expect("room for their ends");
        while orders.give(Command::Unbridge { session }).is_ok() {}
        for session in (0..opened as u64).map(SessionId) {
            orders.give(Command::Close { session }).expect("room for every end");
        }
        let mut closed = 0;
        while let Ok(note) = waiting.next() {
            closed += usize::from(matches!(note, Note::Command(Command::Close { .. })));
        }
        assert_eq!(closed, opened, "none was lost");
        orders.give(open(1)).expect("an empty queue takes openings again");
    }

    #[test]
    fn the_queue_has_an_end() {
        let (orders, _waiting) = orders();
        let close = |session| orders.give(Command::Close { session: SessionId(session) });
        assert_eq!((0..).take_while(|&number| close(number).is_ok()).count(), MAX_ORDERS);
        assert!(matches!(close(0), Err(SendError::Full(Command::Close { .. }))));
    }
}
