//! Calls and recordings for functions that may have them: rows as the store has them, and orders
//! that exchanges carry out.
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
use crate::call::{CallRecord, Change, Denied, RecordingRecord, RecordingStatus, Status};
use crate::exchange::Input;
use crate::node::orders::Orders;
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
    /// Who waits for its exchanges.
    pub(in crate::node) orders: Arc<Orders>,
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
                    is(&status, shown(row.status)) && is(&from, &row.from) && is(&to, &row.to)
                };
                Ok(rows.iter().filter(fits).take(limit).map(|row| self.call(row)).collect())
            }
            ControlOperation::Place(placement) => {
                let row = self.orders.place(&self.shards, *placement).await?;
                Ok(self.call(&row))
            }
            ControlOperation::Change(sid, change) => self.change(sid, *change).await,
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

    /// Changes what becomes of a call, wherever it is carried.
    async fn change(&self, sid: CallSid, change: Change) -> Answer {
        match self.orders.change(&self.shards, sid, change).await? {
            Some(row) => Ok(self.call(&row)),
            // It is over, or never was.
            None => {
                self.row(sid).await?;
                Err(Denied::not_in_progress().into())
            }
        }
    }

    fn call(&self, row: &CallRecord) -> Value {
        let talked = row.answered.map(|answered| {
            row.ended.map_or(0, |end| end.unix_millis().saturating_sub(answered.unix_millis()))
        });
        let (account, sid) = (self.account, row.sid);
        json!({
            "sid": sid.to_string(),
            "accountSid": account.to_string(),
            "apiVersion": "2010-04-01",
            "uri": format!("/2010-04-01/Accounts/{account}/Calls/{sid}.json"),
            "parentCallSid": row.parent.map(|sid| sid.to_string()),
            "from": row.from,
            "to": row.to,
            "direction": row.direction.as_str(),
            "status": shown(row.status),
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

/// A call's status in the words of the REST API, which knows none for one that only begins.
fn shown(status: Status) -> &'static str {
    match status {
        Status::Initiated => "queued",
        status => status.as_str(),
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
