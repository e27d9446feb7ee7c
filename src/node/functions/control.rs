//! Calls and recordings for functions with `control = true`: rows as the store has them, and calls
//! ended through their exchange.
//!
//! A call's row may be written a second after the call began, so that whoever asks for one that is
//! not there waits a little.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::base::WallTime;
use crate::base::id::{AccountSid, CallSid};
use crate::call::{CallRecord, RecordingRecord, RecordingStatus};
use crate::exchange::Input;
use crate::source::function::ask::{Answer, ControlOperation, Refusal};
use crate::store::{Store, StoreError};

/// Rows rest for a second before they are written; and the write takes its time.
const LATE_ROW: Duration = Duration::from_millis(1_500);
/// Between two looks for such a row.
const LOOK: Duration = Duration::from_millis(100);
/// Newest rows that a list chooses from.
const MOST_SEEN: usize = 1_000;

/// A server whose calls can be controlled.
pub(in crate::node) struct Served {
    /// Its rows.
    pub(in crate::node) store: Arc<dyn Store>,
    /// The folder of its recordings.
    pub(in crate::node) recordings: PathBuf,
    /// Its account.
    pub(in crate::node) account: AccountSid,
    /// Its exchanges.
    pub(in crate::node) shards: Vec<mpsc::Sender<Input>>,
}

impl Served {
    pub(super) async fn control(&self, operation: ControlOperation) -> Answer {
        match operation {
            ControlOperation::Call(sid) => Ok(self.call(&self.row(sid).await?)),
            ControlOperation::Calls { limit, status, from, to } => {
                let rows = self.store.calls(MOST_SEEN).await.map_err(broken)?;
                let is = |wanted: &Option<String>, found: &str| {
                    wanted.as_deref().is_none_or(|wanted| wanted == found)
                };
                let fits = |row: &&CallRecord| {
                    is(&status, row.status.as_str()) && is(&from, &row.from) && is(&to, &row.to)
                };
                Ok(rows.iter().filter(fits).take(limit).map(|row| self.call(row)).collect())
            }
            ControlOperation::End(sid) => self.end(sid).await,
            ControlOperation::Recording(sid) => {
                let row = self.store.recording(sid).await.map_err(broken)?;
                let row = row.ok_or_else(|| not_found(sid))?;
                Ok(self.recording(&row))
            }
            ControlOperation::Recordings { limit, call } => {
                let rows = self.store.recordings(MOST_SEEN).await.map_err(broken)?;
                let fits = |row: &&RecordingRecord| call.is_none_or(|call| row.call == call);
                Ok(rows.iter().filter(fits).take(limit).map(|row| self.recording(row)).collect())
            }
            ControlOperation::RemoveRecording(sid) => {
                let row = self.store.recording(sid).await.map_err(broken)?;
                let row = row.ok_or_else(|| not_found(sid))?;
                if row.status == RecordingStatus::InProgress {
                    return Err(Refusal::new("Busy", format!("{sid} is being written")));
                }
                if !self.store.remove_recording(sid).await.map_err(broken)? {
                    return Err(not_found(sid));
                }
                // Without its row nobody finds the file; one that is not there was silence.
                let _ = std::fs::remove_file(self.recordings.join(format!("{sid}.wav")));
                Ok(Value::Bool(true))
            }
        }
    }

    /// The row of a call, also when it is still on its way to the store.
    async fn row(&self, sid: CallSid) -> Result<CallRecord, Refusal> {
        let end = tokio::time::Instant::now() + LATE_ROW;
        loop {
            if let Some(row) = self.store.call(sid).await.map_err(broken)? {
                return Ok(row);
            }
            if tokio::time::Instant::now() >= end {
                return Err(not_found(sid));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends a call that goes on; one that is over stays as it is.
    async fn end(&self, sid: CallSid) -> Answer {
        // Whichever exchange has it; before its row is looked for, which may be late.
        for shard in &self.shards {
            let told = shard.send(Input::End(sid)).await;
            told.map_err(|_| Refusal::new("Unavailable", "the server is going down"))?;
        }
        let row = self.row(sid).await?;
        if let Some(parent) = row.parent.filter(|_| !row.status.is_final()) {
            let message = format!("{sid} was dialled by {parent}: end that call");
            return Err(Refusal::new("NotSupported", message));
        }
        Ok(self.call(&row))
    }

    fn call(&self, row: &CallRecord) -> Value {
        let talked = row.answered.map(|answered| {
            row.ended.map_or(0, |end| end.unix_millis().saturating_sub(answered.unix_millis()))
        });
        json!({
            "sid": row.sid.to_string(),
            "accountSid": self.account.to_string(),
            "parentCallSid": row.parent.map(|sid| sid.to_string()),
            "from": row.from,
            "to": row.to,
            "direction": row.direction.as_str(),
            "status": row.status.as_str(),
            "startTime": millis(Some(row.started)),
            "answerTime": millis(row.answered),
            "endTime": millis(row.ended),
            "duration": row.ended.map(|_| (talked.unwrap_or(0) / 1000).to_string()),
        })
    }

    fn recording(&self, row: &RecordingRecord) -> Value {
        let (account, sid) = (self.account, row.sid);
        json!({
            "sid": sid.to_string(),
            "accountSid": account.to_string(),
            "callSid": row.call.to_string(),
            "status": row.status.as_str(),
            "startTime": millis(Some(row.started)),
            "duration": row.duration.map(|length| length.as_secs().to_string()),
            "channels": row.channels,
            "source": row.source,
            "uri": format!("/2010-04-01/Accounts/{account}/Recordings/{sid}.json"),
        })
    }
}

fn millis(time: Option<WallTime>) -> Option<u64> {
    time.map(WallTime::unix_millis)
}

fn not_found(sid: impl std::fmt::Display) -> Refusal {
    Refusal::new("NotFound", format!("{sid} was not found"))
}

fn broken(error: StoreError) -> Refusal {
    Refusal::new("Unavailable", error.to_string())
}
