//! Rows to records and back: the words of enumerations, and times as milliseconds.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::base::{Duration, WallTime};
use crate::call::{
    CallRecord, Callback, Direction, Method, RecordingRecord, RecordingStatus, Status,
};

use super::{Pending, StoreError};

/// A time as it is stored.
pub(super) fn millis(time: WallTime) -> i64 {
    i64::try_from(time.unix_millis()).unwrap_or(i64::MAX)
}

/// A stored time.
pub(super) fn time(millis: i64) -> WallTime {
    WallTime::from_unix_millis(u64::try_from(millis).unwrap_or(0))
}

/// A column; what does not fit its type is a broken row.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| StoreError::BadRow(format!("{name}: {error}")))
}

fn parsed<T: std::str::FromStr>(row: &SqliteRow, name: &'static str) -> Result<T, StoreError> {
    let text: &str = column(row, name)?;
    text.parse().map_err(|_| bad(name, text))
}

fn bad(name: &str, text: &str) -> StoreError {
    StoreError::BadRow(format!("{name}: {text:?}"))
}

/// A row of `calls`.
pub(super) fn call(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    let parent: Option<&str> = column(row, "parent")?;
    let parent = parent.map(|text| text.parse().map_err(|_| bad("parent", text))).transpose()?;
    let sip_status: Option<i64> = column(row, "sip_status")?;
    Ok(CallRecord {
        sid: parsed(row, "sid")?,
        parent,
        from: column(row, "from_")?,
        to: column(row, "to_")?,
        direction: word(row, "direction", &DIRECTIONS, Direction::as_str)?,
        status: word(row, "status", &STATUSES, Status::as_str)?,
        started: time(column(row, "started")?),
        answered: column::<Option<i64>>(row, "answered")?.map(time),
        ended: column::<Option<i64>>(row, "ended")?.map(time),
        reason: column(row, "reason")?,
        sip_status: sip_status.and_then(|status| u16::try_from(status).ok()),
        sip_call_id: column(row, "sip_call_id")?,
        owed: owed(row, "sid")?,
    })
}

/// The report in a row of `calls` or `recordings`, whose call that column names.
fn owed(row: &SqliteRow, call: &'static str) -> Result<Option<Callback>, StoreError> {
    let Some(text) = column::<Option<&str>>(row, "owed")? else { return Ok(None) };
    let read = serde_json::from_str::<(String, String, Vec<(String, String)>)>(text);
    let (url, method, parameters) = read.map_err(|_| bad("owed", text))?;
    let method =
        METHODS.into_iter().find(|m| m.as_str() == method).ok_or_else(|| bad("owed", text))?;
    Ok(Some(Callback { call: parsed(row, call)?, url, method, parameters }))
}

/// The same as it is stored.
pub(super) fn owed_text(owed: &Callback) -> Result<String, StoreError> {
    serde_json::to_string(&(&owed.url, owed.method.as_str(), &owed.parameters))
        .map_err(|error| StoreError::BadRow(error.to_string()))
}

/// A row of `recordings`.
pub(super) fn recording(row: &SqliteRow) -> Result<RecordingRecord, StoreError> {
    let duration: Option<i64> = column(row, "duration")?;
    let channels: i64 = column(row, "channels")?;
    Ok(RecordingRecord {
        sid: parsed(row, "sid")?,
        call: parsed(row, "call")?,
        status: word(row, "status", &RECORDING_STATUSES, RecordingStatus::as_str)?,
        started: time(column(row, "started")?),
        duration: duration.map(|millis| Duration::from_millis(millis.unsigned_abs())),
        channels: u8::try_from(channels).map_err(|_| bad("channels", &channels.to_string()))?,
        source: word(row, "source", &SOURCES, |source| source)?,
        owed: owed(row, "call")?,
    })
}

/// A row of `outbox`. `install` makes tokens differ between installations.
pub(super) fn pending(row: &SqliteRow, install: &str) -> Result<Pending, StoreError> {
    let id: i64 = column(row, "id")?;
    let parameters: &str = column(row, "parameters")?;
    let attempts: i64 = column(row, "attempts")?;
    let callback = Callback {
        call: parsed(row, "call")?,
        url: column(row, "url")?,
        method: word(row, "method", &METHODS, Method::as_str)?,
        parameters: serde_json::from_str(parameters).map_err(|_| bad("parameters", parameters))?,
    };
    Ok(Pending {
        id,
        callback,
        token: format!("{install}-{id:x}"),
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        due: time(column(row, "due")?),
    })
}

/// The value that is spelled as the column says.
fn word<T: Copy>(
    row: &SqliteRow,
    name: &'static str,
    known: &[T],
    spell: impl Fn(T) -> &'static str,
) -> Result<T, StoreError> {
    let text: &str = column(row, name)?;
    known.iter().copied().find(|value| spell(*value) == text).ok_or_else(|| bad(name, text))
}

const METHODS: [Method; 2] = [Method::Get, Method::Post];
const DIRECTIONS: [Direction; 3] =
    [Direction::Inbound, Direction::OutboundApi, Direction::OutboundDial];
const STATUSES: [Status; 8] = [
    Status::Initiated,
    Status::Ringing,
    Status::InProgress,
    Status::Completed,
    Status::Busy,
    Status::Failed,
    Status::NoAnswer,
    Status::Canceled,
];
const RECORDING_STATUSES: [RecordingStatus; 4] = [
    RecordingStatus::InProgress,
    RecordingStatus::Completed,
    RecordingStatus::Absent,
    RecordingStatus::Failed,
];
/// RecordingSource, the TwiML reference.
const SOURCES: [&str; 7] = [
    "RecordVerb",
    "DialVerb",
    "Conference",
    "OutboundAPI",
    "Trunking",
    "StartCallRecordingAPI",
    "StartConferenceRecordingAPI",
];
