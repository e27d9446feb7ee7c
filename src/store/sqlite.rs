//! The store in one SQLite file: write-ahead log, synced at every commit.
//!
//! There is one writer. Whoever gets hold of it writes everything that waits in one transaction,
//! so that a busy moment costs one sync and not one for each call. Reads have connections of
//! their own.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Acquire, ConnectOptions};
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::base::id::{CallSid, RecordingSid};
use crate::base::{Rng, WallTime};
use crate::call::{CallRecord, Callback, Persist, RecordingRecord};
use crate::verb::seconds;

use super::row::{self, millis, time};
use super::{
    KeptBindings, Pending, Settlement, Store, StoreError, Stored, TrunkNews, TrunkRow, Unfinished,
};
use crate::sip::registrar::BindingChange;
use write::{Job, Writer, write_callbacks};

mod bindings;
mod values;
mod write;

/// Writes that wait for the disk; at 100 a second, ten seconds of a stuck one.
const MOST_WAITING: usize = 1_024;
/// Writes in one transaction: bounds how long those that come next wait.
const MOST_GROUPED: usize = 256;
/// Connections that read: queries are rare and short.
const READERS: u32 = 2;
/// Another program, such as a backup, may hold the file for a moment.
const BUSY: Duration = Duration::from_secs(5);

/// The schema, one step a version; never edited once released, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// The SQLite store.
pub struct Sqlite {
    writer: AsyncMutex<Writer>,
    readers: SqlitePool,
    waiting: Mutex<VecDeque<Waiting>>,
    /// Held by the one change of functions' values that waits for the writer.
    values: AsyncMutex<()>,
    /// Random and kept: tokens of two installations never meet at one application.
    install: String,
}

/// A write that waits for its transaction.
struct Waiting {
    job: Job,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl Sqlite {
    /// Opens the file, makes it when it is absent, and brings its schema up to date.
    pub async fn open(path: &Path, rng: &mut Rng) -> Result<Sqlite, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut writer = options.connect().await.map_err(unusable)?;
        migrate(&mut writer).await?;
        let install = install(&mut writer, rng).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.create_if_missing(false));
        Ok(Sqlite {
            writer: AsyncMutex::new(Writer::new(writer)),
            readers,
            waiting: Mutex::default(),
            values: AsyncMutex::default(),
            install,
        })
    }

    /// Opens a file to read it beside the server that writes it, which may be of another version:
    /// nothing is made, migrated or written. Writes fail.
    pub async fn read(path: &Path) -> Result<Sqlite, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(unusable)?;
        let known = MIGRATIONS.len() as i64;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await
            .map_err(unusable)?;
        if found != known {
            return Err(StoreError::NewerSchema { found, known });
        }
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options);
        let (writer, install) = (AsyncMutex::new(Writer::new(connection)), String::new());
        let (waiting, values) = (Mutex::default(), AsyncMutex::default());
        Ok(Sqlite { writer, readers, waiting, values, install })
    }

    /// Closes the file in good order; whatever was acknowledged is kept without it, too.
    pub async fn close(self) -> Result<(), StoreError> {
        use sqlx::Connection;
        self.readers.close().await;
        self.writer.into_inner().into_connection().close().await.map_err(backend)
    }

    /// Queues a write at once, so that writes keep the order in which they were asked for, and
    /// gives back the wait for it: until another writer has done it, or this one.
    fn write(&self, job: Job) -> Stored<'_, ()> {
        let (done, result) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST_WAITING {
            return Box::pin(std::future::ready(Err(StoreError::Overloaded)));
        }
        waiting.push_back(Waiting { job, done });
        Box::pin(self.written(result))
    }

    async fn written(
        &self,
        mut result: oneshot::Receiver<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        loop {
            tokio::select! {
                biased;
                result = &mut result => return result.unwrap_or(Err(StoreError::Interrupted)),
                mut writer = self.writer.lock() => self.write_group(&mut writer).await,
            }
        }
    }

    /// Writes what waits. When a group fails, each of it is tried alone: one bad row must not
    /// cost the others theirs.
    async fn write_group(&self, writer: &mut Writer) {
        let group: Vec<Waiting> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(MOST_GROUPED);
            waiting.drain(..count).collect()
        };
        let jobs: Vec<&Job> = group.iter().map(|waiting| &waiting.job).collect();
        let together = writer.transact(&jobs).await;
        let alone = group.len() > 1 && together.is_err();
        for Waiting { job, done } in group {
            let result = if alone { writer.transact(&[&job]).await } else { together.clone() };
            // Nobody waits when the caller was dropped; the write is done all the same.
            let _ = done.send(result);
        }
    }
}

/// A report that was made out in advance, for a call that ended now.
fn at_end(mut callback: Callback, call: &CallRecord, now: WallTime) -> Callback {
    let since = |answered: WallTime| now.unix_millis().saturating_sub(answered.unix_millis());
    let talked = seconds(Duration::from_millis(call.answered.map_or(0, since)));
    for (name, value) in &mut callback.parameters {
        match name.as_str() {
            "Timestamp" => *value = now.rfc2822(),
            "CallDuration" => *value = talked.to_string(),
            // Minutes begun, as bills count them.
            "Duration" => *value = talked.div_ceil(60).to_string(),
            _ => {}
        }
    }
    callback
}

impl Store for Sqlite {
    fn persist(&self, persist: Persist) -> Stored<'_, ()> {
        self.write(Job::Persist(persist))
    }

    fn unfinished(&self, now: WallTime) -> Stored<'_, Unfinished> {
        Box::pin(async move {
            let mut writer = self.writer.lock().await;
            // Rows and what they owe change together, or not at all.
            let mut writer = writer.connection().await.begin().await.map_err(backend)?;
            let rows = sqlx::query(
                "UPDATE calls SET status = 'failed', ended = max(?, started),
                     reason = 'the server stopped during the call'
                 WHERE ended IS NULL AND status IN ('initiated', 'ringing', 'in-progress')
                 RETURNING *",
            )
            .bind(millis(now))
            .fetch_all(&mut *writer)
            .await
            .map_err(backend)?;
            let mut calls: Vec<CallRecord> =
                rows.iter().map(row::call).collect::<Result<_, _>>()?;
            for call in &mut calls {
                if let Some(owed) = call.owed.take() {
                    write_callbacks(&mut writer, &[at_end(owed, call, now)]).await?;
                }
            }
            sqlx::query(
                "UPDATE calls SET owed = NULL WHERE owed IS NOT NULL AND ended IS NOT NULL",
            )
            .execute(&mut *writer)
            .await
            .map_err(backend)?;
            let rows = sqlx::query("SELECT * FROM recordings WHERE status = 'in-progress'")
                .fetch_all(&mut *writer)
                .await
                .map_err(backend)?;
            let recordings = rows.iter().map(row::recording).collect::<Result<_, _>>()?;
            writer.commit().await.map_err(backend)?;
            Ok(Unfinished { calls, recordings })
        })
    }

    fn due(&self, now: WallTime, limit: usize) -> Stored<'_, Vec<Pending>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT * FROM outbox AS one WHERE due <= ? AND NOT EXISTS
                     (SELECT 1 FROM outbox WHERE call = one.call AND id < one.id)
                 ORDER BY due, id LIMIT ?",
            )
            .bind(millis(now))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(backend)?;
            rows.iter().map(|found| row::pending(found, &self.install)).collect()
        })
    }

    fn next_due(&self) -> Stored<'_, Option<WallTime>> {
        Box::pin(async move {
            let next: Option<i64> = sqlx::query_scalar(
                "SELECT min(due) FROM outbox AS one WHERE NOT EXISTS
                     (SELECT 1 FROM outbox WHERE call = one.call AND id < one.id)",
            )
            .fetch_one(&self.readers)
            .await
            .map_err(backend)?;
            Ok(next.map(time))
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Stored<'_, ()> {
        self.write(Job::Settle(settlements))
    }

    fn keep(&self, changes: Arc<[BindingChange]>) -> Stored<'_, ()> {
        Box::pin(async move {
            // Thousands of rows take milliseconds to spell: not on the thread that carries calls.
            let spelled = tokio::task::spawn_blocking(move || bindings::rows(&changes)).await;
            let rows = spelled.map_err(|_| StoreError::Interrupted)?;
            self.write(Job::Keep(rows)).await
        })
    }

    fn bindings(&self) -> Stored<'_, KeptBindings> {
        Box::pin(self.read_bindings())
    }

    fn note_trunks(&self, news: Vec<TrunkNews>) -> Stored<'_, ()> {
        self.write(Job::Trunks(news))
    }

    fn trunks(&self) -> Stored<'_, Vec<TrunkRow>> {
        Box::pin(self.read_trunks())
    }

    fn calls(&self, limit: usize) -> Stored<'_, Vec<CallRecord>> {
        let query = sqlx::query("SELECT * FROM calls ORDER BY started DESC, rowid DESC LIMIT ?")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Box::pin(async move {
            let rows = query.fetch_all(&self.readers).await.map_err(backend)?;
            rows.iter().map(row::call).collect()
        })
    }

    fn call(&self, sid: CallSid) -> Stored<'_, Option<CallRecord>> {
        let query = sqlx::query("SELECT * FROM calls WHERE sid = ?").bind(sid.to_string());
        Box::pin(async move {
            let found = query.fetch_optional(&self.readers).await.map_err(backend)?;
            found.as_ref().map(row::call).transpose()
        })
    }

    fn children(&self, sid: CallSid) -> Stored<'_, Vec<CallRecord>> {
        let query = sqlx::query("SELECT * FROM calls WHERE parent = ? ORDER BY started, rowid")
            .bind(sid.to_string());
        Box::pin(async move {
            let rows = query.fetch_all(&self.readers).await.map_err(backend)?;
            rows.iter().map(row::call).collect()
        })
    }

    fn recordings(&self, limit: usize) -> Stored<'_, Vec<RecordingRecord>> {
        let query =
            sqlx::query("SELECT * FROM recordings ORDER BY started DESC, rowid DESC LIMIT ?")
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Box::pin(async move {
            let rows = query.fetch_all(&self.readers).await.map_err(backend)?;
            rows.iter().map(row::recording).collect()
        })
    }

    fn remove_recording(&self, sid: RecordingSid) -> Stored<'_, bool> {
        let query = sqlx::query("DELETE FROM recordings WHERE sid = ? AND status <> 'in-progress'")
            .bind(sid.to_string());
        Box::pin(async move {
            let mut writer = self.writer.lock().await;
            let done = query.execute(writer.connection().await).await.map_err(backend)?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn recording(&self, sid: RecordingSid) -> Stored<'_, Option<RecordingRecord>> {
        let query = sqlx::query("SELECT * FROM recordings WHERE sid = ?").bind(sid.to_string());
        Box::pin(async move {
            let found = query.fetch_optional(&self.readers).await.map_err(backend)?;
            found.as_ref().map(row::recording).transpose()
        })
    }
}

/// Brings the schema up to date, each step in a transaction of its own.
async fn migrate(writer: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *writer)
        .await
        .map_err(unusable)?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        let mut transaction = writer.begin().await.map_err(backend)?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(unusable)?;
        transaction.commit().await.map_err(backend)?;
    }
    Ok(())
}

/// The installation's random word, made at the first start.
async fn install(writer: &mut SqliteConnection, rng: &mut Rng) -> Result<String, StoreError> {
    sqlx::query("INSERT OR IGNORE INTO meta (name, value) VALUES ('install', ?)")
        .bind(rng.hex(16))
        .execute(&mut *writer)
        .await
        .map_err(backend)?;
    sqlx::query_scalar("SELECT value FROM meta WHERE name = 'install'")
        .fetch_one(writer)
        .await
        .map_err(backend)
}

fn backend(error: sqlx::Error) -> StoreError {
    // SQLite's primary result codes 1, 18 to 20 and 25: what the statement makes of its rows, too
    // big, a constraint, a type, a parameter.
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    match code.map(|code| code & 0xff) {
        Some(1 | 18..=20 | 25) => StoreError::Rejected(error.to_string()),
        _ => StoreError::Backend(error.to_string()),
    }
}

fn unusable(error: sqlx::Error) -> StoreError {
    StoreError::Unusable(error.to_string())
}
