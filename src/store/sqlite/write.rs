//! Writes of one moment as one script with bound rows: the connection lives in a thread of its
//! own, and a statement at a time would be two changes of thread for each row.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;

use super::backend;
use super::bindings::trunk_row;
use crate::call::{CallRecord, Callback, Persist, RecordingRecord};
use crate::store::row::{self, millis};
use crate::store::{Settlement, StoreError, TrunkNews};

/// What is to be written.
pub(super) enum Job {
    Persist(Persist),
    Settle(Vec<Settlement>),
    /// Changes of registrations, spelled already; at least one.
    Keep(String),
    Trunks(Vec<TrunkNews>),
}

/// Each parameter is an array of rows, each row an array of columns; an empty one changes nothing.
const SCRIPT: &str = "BEGIN IMMEDIATE;
    INSERT INTO calls (sid, parent, from_, to_, direction, status, started, answered, ended,
        reason, sip_status, sip_call_id, owed)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11,
        value ->> 12
    FROM json_each(?) WHERE true ORDER BY key
    ON CONFLICT (sid) DO UPDATE SET parent = excluded.parent, from_ = excluded.from_,
        to_ = excluded.to_, status = excluded.status, answered = excluded.answered,
        ended = excluded.ended, reason = excluded.reason, sip_status = excluded.sip_status,
        sip_call_id = excluded.sip_call_id, owed = excluded.owed;
    INSERT INTO recordings (sid, call, status, started, duration, channels, source, owed)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7
    FROM json_each(?) WHERE true ORDER BY key
    ON CONFLICT (sid) DO UPDATE SET status = excluded.status, duration = excluded.duration,
        channels = excluded.channels, owed = excluded.owed;
    INSERT INTO outbox (call, url, method, parameters)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3
    FROM json_each(?) WHERE true ORDER BY key;
    DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?));
    UPDATE outbox SET due = later.value ->> 1, attempts = attempts + 1
    FROM json_each(?) AS later WHERE outbox.id = later.value ->> 0;
    REPLACE INTO bindings (aor, place, uri, transport, local, remote, path, expires, updated, q,
        instance, reg_id, user_agent, call_id, cseq)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11,
        value ->> 12, value ->> 13, value ->> 14
    FROM json_each(?) WHERE true ORDER BY key;
    DELETE FROM bindings WHERE uri IS NULL;
    DELETE FROM trunks WHERE (line, name) IN
        (SELECT value ->> 0, value ->> 1 FROM json_each(?)) OR ?;
    INSERT INTO trunks (line, name, state, account, up, since, trouble, server, retry, until)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7, value ->> 8, value ->> 9
    FROM json_each(?) WHERE true ORDER BY key;
    COMMIT";

/// The parameters of [`SCRIPT`], in its order.
#[derive(Default)]
struct Rows<'a> {
    calls: Vec<Value>,
    recordings: Vec<Value>,
    callbacks: Vec<Value>,
    done: Vec<Value>,
    later: Vec<Value>,
    /// The insides of arrays.
    bindings: Vec<&'a str>,
    trunks: BTreeMap<(bool, String), Option<Value>>,
    no_trunks: bool,
}

impl<'a> Rows<'a> {
    fn add(&mut self, job: &'a Job) -> Result<(), StoreError> {
        match job {
            Job::Persist(persist) => {
                for record in &persist.calls {
                    self.calls.push(call(record)?);
                }
                for record in &persist.recordings {
                    self.recordings.push(recording(record)?);
                }
                for report in &persist.callbacks {
                    self.callbacks.push(callback(report)?);
                }
            }
            Job::Settle(settlements) => {
                for settlement in settlements {
                    match settlement {
                        Settlement::Done { id } => self.done.push(json!(id)),
                        Settlement::Later { id, due } => {
                            self.later.push(json!([id, millis(*due)]));
                        }
                    }
                }
            }
            Job::Keep(rows) => self.bindings.push(rows),
            Job::Trunks(news) => news.iter().for_each(|news| self.add_trunk(news)),
        }
        Ok(())
    }

    /// The last word on each counts.
    fn add_trunk(&mut self, news: &TrunkNews) {
        match news {
            TrunkNews::Is(row) => {
                self.trunks.insert((row.line, row.name.clone()), Some(trunk_row(row)));
            }
            TrunkNews::Gone(line, name) => {
                self.trunks.insert((*line, name.clone()), None);
            }
            TrunkNews::AllGone => {
                self.trunks.clear();
                self.no_trunks = true;
            }
        }
    }
}

/// The connection that writes.
pub(super) struct Writer {
    connection: SqliteConnection,
    /// A script was begun and not seen to its end: whoever waited for it was dropped, or it failed.
    begun: bool,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection) -> Writer {
        Writer { connection, begun: false }
    }

    pub(super) fn into_connection(self) -> SqliteConnection {
        self.connection
    }

    /// The connection, with no transaction open.
    pub(super) async fn connection(&mut self) -> &mut SqliteConnection {
        if self.begun {
            // Refused where the script ended after all, or SQLite rolled back by itself.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.begun = false;
        }
        &mut self.connection
    }

    /// Writes jobs in one transaction, all or none.
    pub(super) async fn transact(&mut self, jobs: &[&Job]) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::default();
        for job in jobs {
            rows.add(job)?;
        }
        let Rows { calls, recordings, callbacks, done, later, bindings, trunks, no_trunks } = rows;
        let mut query = sqlx::query(SCRIPT);
        for rows in [calls, recordings, callbacks, done, later] {
            query = query.bind(Value::Array(rows).to_string());
        }
        let changed: Vec<Value> =
            trunks.keys().map(|(line, name)| json!([i64::from(*line), name])).collect();
        query = query
            .bind(format!("[{}]", bindings.join(",")))
            .bind(Value::Array(changed).to_string())
            .bind(no_trunks)
            .bind(Value::Array(trunks.into_values().flatten().collect()).to_string());
        self.connection().await;
        self.begun = true;
        query.execute(&mut self.connection).await.map_err(backend)?;
        self.begun = false;
        Ok(())
    }
}

/// A report for the outbox, now.
pub(super) async fn write_callbacks(
    writer: &mut SqliteConnection,
    callbacks: &[Callback],
) -> Result<(), StoreError> {
    for report in callbacks {
        let Value::Array(columns) = callback(report)? else { continue };
        let mut query =
            sqlx::query("INSERT INTO outbox (call, url, method, parameters) VALUES (?, ?, ?, ?)");
        for column in columns {
            query = query.bind(column.as_str().map(str::to_owned));
        }
        query.execute(&mut *writer).await.map_err(backend)?;
    }
    Ok(())
}

fn call(record: &CallRecord) -> Result<Value, StoreError> {
    Ok(json!([
        record.sid.to_string(),
        record.parent.map(|sid| sid.to_string()),
        record.from,
        record.to,
        record.direction.as_str(),
        record.status.as_str(),
        millis(record.started),
        record.answered.map(millis),
        record.ended.map(millis),
        record.reason,
        record.sip_status,
        record.sip_call_id,
        record.owed.as_ref().map(row::owed_text).transpose()?,
    ]))
}

fn recording(record: &RecordingRecord) -> Result<Value, StoreError> {
    Ok(json!([
        record.sid.to_string(),
        record.call.to_string(),
        record.status.as_str(),
        millis(record.started),
        record.duration.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
        record.channels,
        record.source,
        record.owed.as_ref().map(row::owed_text).transpose()?,
    ]))
}

fn callback(report: &Callback) -> Result<Value, StoreError> {
    let parameters = serde_json::to_string(&report.parameters)
        .map_err(|error| StoreError::BadRow(error.to_string()))?;
    Ok(json!([report.call.to_string(), report.url, report.method.as_str(), parameters]))
}
