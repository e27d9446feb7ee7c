//! What a killed process left, put right at the next start: calls end when it did, recordings
//! are whole files, and whoever was to be told is.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::clock::Clock;
use super::start::StartError;
use crate::base::{WallTime, plural};
use crate::call::{Callback, Persist, RecordingRecord, RecordingStatus};
use crate::store::Store;
use crate::verb::seconds;

/// When a server last showed that it lives: the time of its lock file, which it renews about once
/// a second.
pub(super) struct LastSign(Option<SystemTime>);

impl LastSign {
    /// Of the server that used the data folder before; to be asked before the lock is taken.
    pub(super) fn of(data: &Path) -> LastSign {
        LastSign(std::fs::metadata(data.join("lock")).and_then(|lock| lock.modified()).ok())
    }

    /// That time, no later than `now`; without it the calls of before ended now.
    fn or(&self, now: WallTime) -> WallTime {
        let since = self.0.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let millis = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        millis.map(WallTime::from_unix_millis).filter(|time| *time < now).unwrap_or(now)
    }

    /// Leaves signs of our own on the lock from now on.
    pub(super) fn leave(lock: &File, clock: Clock) -> io::Result<Signs> {
        Ok(Signs { lock: lock.try_clone()?, clock })
    }
}

/// Our own signs of life.
pub(super) struct Signs {
    lock: File,
    clock: Clock,
}

impl Signs {
    /// One more.
    pub(super) fn renew(&mut self) {
        let since = Duration::from_millis(self.clock.wall().unix_millis());
        // A file system without times costs some seconds of a duration, and no call.
        let _ = self.lock.set_modified(SystemTime::UNIX_EPOCH + since);
    }
}

/// Puts right what a killed process left: calls are failed, recordings are whole files.
pub(super) async fn recover(
    store: &dyn Store,
    clock: &Clock,
    folder: &Path,
    before: LastSign,
) -> Result<Persist, StartError> {
    let files = super::recording::repair(folder)
        .map_err(|error| StartError::Data(folder.to_owned(), error))?;
    // Calls ended when the process did, not when it was started again.
    let (now, ended) = (clock.wall(), before.or(clock.wall()));
    let found = store.unfinished(ended).await.map_err(StartError::Store)?;
    let mut persist = Persist::default();
    for mut recording in found.recordings {
        let repaired =
            files.iter().find(|file| file.recording == recording.sid).map(|file| file.length);
        // Killed between the end of the file and that of its row: it has its name already.
        let length = repaired.or_else(|| {
            super::recording::length(folder, recording.sid).unwrap_or_else(|error| {
                tracing::warn!("{}: its file cannot be read: {error}", recording.sid);
                None
            })
        });
        recording.status = match length {
            Some(_) => RecordingStatus::Completed,
            None => RecordingStatus::Failed,
        };
        recording.duration = length;
        let owed = recording.owed.take();
        persist.callbacks.extend(owed.map(|owed| whole(owed, &recording, now)));
        persist.recordings.push(recording);
    }
    if !found.calls.is_empty() || !persist.recordings.is_empty() {
        let calls = found.calls.len();
        let kept = |recording: &&RecordingRecord| recording.duration.is_some();
        let recovered = persist.recordings.iter().filter(kept).count();
        let lost = persist.recordings.len() - recovered;
        tracing::warn!(
            "the last run was killed: {} failed, {} recovered, {lost} lost",
            plural(calls, "call"),
            plural(recovered, "recording"),
        );
        store.persist(persist.clone()).await.map_err(StartError::Store)?;
    }
    persist.calls = found.calls;
    Ok(persist)
}

/// The report of a recording that a killed process owed, with what its file says.
fn whole(mut owed: Callback, recording: &RecordingRecord, now: WallTime) -> Callback {
    for (name, value) in &mut owed.parameters {
        match name.as_str() {
            "RecordingStatus" => *value = recording.status.as_str().to_owned(),
            "Timestamp" => *value = now.rfc2822(),
            _ => {}
        }
    }
    if let Some(length) = recording.duration {
        owed.parameters.push(("RecordingDuration".to_owned(), seconds(length).to_string()));
    }
    owed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{CallRecord, Direction, Method, Status};
    use crate::store::Sqlite;

    #[tokio::test]
    async fn a_recording_with_its_name_but_an_unfinished_row_is_completed_after_a_kill() {
        let data = tempfile::tempdir().expect("a folder");
        let mut rng = crate::base::Rng::from_number(1);
        let store = Sqlite::open(&data.path().join("db"), &mut rng).await.expect("a database");
        let row = |rng: &mut crate::base::Rng| RecordingRecord {
            sid: crate::base::id::RecordingSid::random(rng),
            call: crate::base::id::CallSid::random(rng),
            status: RecordingStatus::InProgress,
            started: crate::base::WallTime::from_unix_millis(1_000),
            duration: None,
            channels: 1,
            source: "RecordVerb",
            owed: None,
        };
        let (named, lost) = (row(&mut rng), row(&mut rng));
        let recordings = vec![named.clone(), lost.clone()];
        store.persist(Persist { recordings, ..Persist::default() }).await.expect("written");
        let sound = crate::audio::wav::write(&[5; 10_000], 1);
        std::fs::write(super::super::recording::path(data.path(), named.sid), sound)
            .expect("written");
        recover(&store, &Clock::start(), data.path(), LastSign::of(data.path()))
            .await
            .expect("recovered");
        let now = |sid| store.recording(sid);
        let named = now(named.sid).await.expect("read").expect("there");
        let length = Some(crate::base::Duration::from_millis(1_250));
        assert_eq!((named.status, named.duration), (RecordingStatus::Completed, length));
        let lost = now(lost.sid).await.expect("read").expect("there");
        assert_eq!((lost.status, lost.duration), (RecordingStatus::Failed, None));
    }

    #[tokio::test]
    async fn what_a_killed_server_owed_is_told_with_durations_up_to_its_last_sign() {
        let data = tempfile::tempdir().expect("a folder");
        let mut rng = crate::base::Rng::from_number(2);
        let store = Sqlite::open(&data.path().join("db"), &mut rng).await.expect("a database");
        let at = WallTime::from_unix_millis;
        let sid = crate::base::id::CallSid::random(&mut rng);
        let owed = |path: &str, parameters: &[(&str, &str)]| Callback {
            call: sid,
            url: format!("https://example.com/{path}"),
            method: Method::Post,
            parameters: parameters.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        };
        let call = CallRecord {
            sid,
            parent: None,
            from: "a".to_owned(),
            to: "b".to_owned(),
            direction: Direction::Inbound,
            status: Status::InProgress,
            started: at(1_000),
            answered: Some(at(2_000)),
            ended: None,
            reason: String::new(),
            sip_status: None,
            sip_call_id: None,
            owed: Some(owed("status", &[("CallDuration", "0"), ("Duration", "0")])),
        };
        let recording = RecordingRecord {
            sid: crate::base::id::RecordingSid::random(&mut rng),
            call: sid,
            status: RecordingStatus::InProgress,
            started: at(2_500),
            duration: None,
            channels: 1,
            source: "RecordVerb",
            owed: Some(owed("recording", &[("RecordingStatus", "completed")])),
        };
        let sound = crate::audio::wav::write(&vec![5; 24_000], 1);
        std::fs::write(super::super::recording::path(data.path(), recording.sid), sound)
            .expect("written");
        let (calls, recordings) = (vec![call], vec![recording]);
        let left = Persist { calls, recordings, ..Persist::default() };
        store.persist(left).await.expect("written");
        let lock = File::create(data.path().join("lock")).expect("a lock");
        let killed = SystemTime::UNIX_EPOCH + Duration::from_millis(77_000);
        lock.set_modified(killed).expect("a time");

        let before = LastSign::of(data.path());
        let found = recover(&store, &Clock::start(), data.path(), before).await.expect("done");
        let ended = found.calls.first().expect("the call");
        assert_eq!((ended.status, ended.ended), (Status::Failed, Some(at(77_000))));
        let due = store.due(Clock::start().wall(), 10).await.expect("the outbox");
        let told: Vec<_> = due.iter().map(|due| due.callback.clone()).collect();
        let status = owed("status", &[("CallDuration", "75"), ("Duration", "2")]);
        let parameters = [("RecordingStatus", "completed"), ("RecordingDuration", "3")];
        // One at a time goes out of a call, in their order.
        assert_eq!(told, [status]);
        assert_eq!(found.callbacks, [owed("recording", &parameters)]);
        let again = recover(&store, &Clock::start(), data.path(), LastSign(None)).await;
        let again = again.expect("done");
        assert!(again.calls.is_empty() && again.callbacks.is_empty(), "told once");
    }
}
