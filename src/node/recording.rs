//! Writes recordings as they are heard: a thread of its own, so that a slow disk stops no call.
//!
//! A recording grows as `RE….part.wav`, a valid file at every moment but the last half second, and
//! becomes `RE….wav` when it is complete and on the disk. [`repair`] completes what a killed
//! process left behind. A file that cannot be written ends its recording, never its call.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::base::Duration;
use crate::base::id::RecordingSid;
use crate::media::{Event, RecordingEnd};
use crate::node::media_io::MediaHandle;

use file::{PART, RecordingFile};

/// What the writer is told.
#[derive(Debug)]
enum Note {
    Begin { recording: RecordingSid, channels: u16, trim: bool },
    Chunk { recording: RecordingSid, samples: Vec<i16> },
    Finish(Event),
    Abandon(RecordingSid),
}

/// The worker's end of the writer's thread.
#[derive(Debug)]
pub struct RecordingWriter {
    notes: Option<SyncSender<Note>>,
    thread: Option<JoinHandle<()>>,
}

impl RecordingWriter {
    /// Chunks that may wait for the disk: 200 recordings for four seconds, 13 MB. A disk slower
    /// than that ends recordings rather than filling the memory.
    const MAX_NOTES: usize = 4_096;

    /// Starts the thread; `folder` must exist.
    pub(crate) fn start(
        folder: PathBuf,
        events: mpsc::Sender<Event>,
        worker: MediaHandle,
    ) -> io::Result<RecordingWriter> {
        let (notes, received) = sync_channel(Self::MAX_NOTES);
        let writer = Writer { folder, events, worker, open: BTreeMap::new() };
        let thread = std::thread::Builder::new()
            .name("recordings".into())
            .spawn(move || writer.run(&received))?;
        Ok(RecordingWriter { notes: Some(notes), thread: Some(thread) })
    }

    /// Begins a file; false if the writer is too far behind.
    pub(crate) fn begin(&self, recording: RecordingSid, channels: u16, trim: bool) -> bool {
        self.send(Note::Begin { recording, channels, trim }).is_ok()
    }

    /// Adds sound; false if the writer is too far behind.
    pub(crate) fn write(&self, recording: RecordingSid, samples: Vec<i16>) -> bool {
        self.send(Note::Chunk { recording, samples }).is_ok()
    }

    /// Completes the file that a [`Event::Recorded`] is about, then tells the node; gives it back
    /// as failed if the writer is too far behind.
    pub(crate) fn finish(&self, told: Event) -> Result<(), Event> {
        self.send(Note::Finish(told)).map_err(|note| match note {
            Note::Finish(told) => failed(told),
            _ => unreachable!("a channel gives back what it was given"),
        })
    }

    /// Keeps what there is and says nothing: the recording was told as failed.
    pub(crate) fn abandon(&self, recording: RecordingSid) {
        // If even this does not fit, the file stays `.part.wav` until the next start repairs it.
        let _ = self.send(Note::Abandon(recording));
    }

    fn send(&self, note: Note) -> Result<(), Note> {
        let Some(notes) = &self.notes else { return Err(note) };
        notes.try_send(note).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(note)
            | std::sync::mpsc::TrySendError::Disconnected(note) => note,
        })
    }
}

impl Drop for RecordingWriter {
    fn drop(&mut self) {
        // Closing the channel lets the thread write what it has and end.
        self.notes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
#[derive(Debug)]
struct Writer {
    folder: PathBuf,
    events: mpsc::Sender<Event>,
    worker: MediaHandle,
    open: BTreeMap<RecordingSid, Writing>,
}

#[derive(Debug)]
enum Writing {
    Open { file: RecordingFile, trim: bool },
    Broken,
}

impl Writer {
    fn run(mut self, notes: &Receiver<Note>) {
        while let Ok(note) = notes.recv() {
            match note {
                Note::Begin { recording, channels, trim } => {
                    let file = RecordingFile::create(&self.folder, recording, channels);
                    self.keep(recording, file.map(|file| Writing::Open { file, trim }));
                }
                Note::Chunk { recording, samples } => {
                    if let Some(Writing::Open { file, .. }) = self.open.get_mut(&recording)
                        && let Err(error) = file.write(&samples)
                    {
                        self.keep(recording, Err(error));
                    }
                }
                Note::Finish(told) => self.finish(told),
                Note::Abandon(recording) => {
                    if let Some(Writing::Open { file, .. }) = self.open.remove(&recording) {
                        let _ = file.finish(false);
                    }
                }
            }
        }
        for (_, writing) in std::mem::take(&mut self.open) {
            if let Writing::Open { file, trim } = writing {
                let _ = file.finish(trim);
            }
        }
    }

    fn keep(&mut self, recording: RecordingSid, writing: io::Result<Writing>) {
        let writing = writing.unwrap_or_else(|error| {
            tracing::error!(%recording, %error, "recording cannot be written; the call goes on");
            self.worker.recording_lost(recording);
            Writing::Broken
        });
        self.open.insert(recording, writing);
    }

    fn finish(&mut self, told: Event) {
        let Event::Recorded { recording, .. } = told else { return };
        let told = match self.open.remove(&recording) {
            Some(Writing::Open { file, trim }) => match file.finish(trim) {
                Ok(()) => told,
                Err(error) => {
                    tracing::error!(%recording, %error, "recording cannot be completed");
                    failed(told)
                }
            },
            Some(Writing::Broken) | None => failed(told),
        };
        // The node is gone when this fails; the file is complete all the same.
        let _ = self.events.blocking_send(told);
    }
}

fn failed(told: Event) -> Event {
    match told {
        Event::Recorded { session, recording, length, heard, .. } => {
            Event::Recorded { session, recording, end: RecordingEnd::Failed, length, heard }
        }
        other => other,
    }
}

/// Where the finished file of a recording lies.
pub fn path(folder: &Path, recording: RecordingSid) -> PathBuf {
    folder.join(format!("{recording}.wav"))
}

/// A recording that a killed process left behind, now complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Which.
    pub recording: RecordingSid,
    /// How long it is.
    pub length: Duration,
}

/// Makes the folder if needed and completes what a killed process left in it; to be called once,
/// before any worker starts. A file that cannot be repaired stays as it is, with a warning.
pub fn repair(folder: &Path) -> io::Result<Vec<Leftover>> {
    std::fs::create_dir_all(folder)?;
    let mut leftovers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(recording) = name
            .to_str()
            .and_then(|name| name.strip_suffix(PART))
            .and_then(|sid| sid.parse::<RecordingSid>().ok())
        else {
            continue;
        };
        match RecordingFile::repair(folder, recording) {
            Ok(length) => leftovers.push(Leftover { recording, length }),
            Err(error) => tracing::warn!(%recording, %error, "recording cannot be repaired"),
        }
    }
    leftovers.sort_by_key(|leftover| leftover.recording);
    Ok(leftovers)
}

/// How long a recording is whose file has its name already, as when the process was killed before
/// its row said so; `None` without such a file. A header that is not true is put right.
pub fn length(folder: &Path, recording: RecordingSid) -> io::Result<Option<Duration>> {
    match RecordingFile::measure(folder, recording) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
