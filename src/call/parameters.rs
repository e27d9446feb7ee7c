//! The parameters of requests and reports (the TwiML reference).

use crate::base::id::{AccountSid, CallSid};
use crate::base::{Duration, Epoch, Instant};
use crate::verb::seconds;

use super::effect::{CallRecord, RecordingRecord};
use super::party::Party;

/// The version of the control API that documents and SDKs expect.
pub(super) const API_VERSION: &str = "2010-04-01";

/// A list that is being written.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }
}

/// What every request about a party carries.
pub(super) fn of_party(account: AccountSid, party: &Party) -> Vec<(String, String)> {
    let record = &party.record;
    let mut list = Parameters(Vec::new());
    list.add("CallSid", record.sid);
    list.add("AccountSid", account);
    list.add("From", &record.from);
    list.add("To", &record.to);
    list.add("Caller", &record.from);
    list.add("Called", &record.to);
    list.add("CallStatus", record.status.as_str());
    list.add("ApiVersion", API_VERSION);
    list.add("Direction", record.direction.as_str());
    if let Some(parent) = record.parent {
        list.add("ParentCallSid", parent);
    }
    list.0.extend(party.extra.iter().cloned());
    list.0
}

/// What a status callback carries besides.
pub(super) fn of_status(
    party: &Party,
    epoch: Epoch,
    now: Instant,
    recording_url: Option<String>,
    number: u32,
) -> Vec<(String, String)> {
    let mut list = Parameters(Vec::new());
    let record = &party.record;
    if record.status.is_final() {
        let talked = talked(record);
        list.add("CallDuration", seconds(talked));
        // Minutes begun, as bills count them.
        list.add("Duration", seconds(talked).div_ceil(60));
        if let (Some(url), Some((sid, length))) = (recording_url, &party.recorded) {
            list.add("RecordingUrl", url);
            list.add("RecordingSid", sid);
            list.add("RecordingDuration", length);
        }
        if let Some(status) = record.sip_status {
            list.add("SipResponseCode", status);
        }
    }
    list.add("Timestamp", epoch.wall(now).rfc2822());
    list.add("CallbackSource", "call-progress-events");
    list.add("SequenceNumber", number);
    list.0
}

/// From the answer to the end.
fn talked(record: &CallRecord) -> Duration {
    match (record.answered, record.ended) {
        (Some(answered), Some(ended)) => {
            Duration::from_millis(ended.unix_millis().saturating_sub(answered.unix_millis()))
        }
        _ => Duration::ZERO,
    }
}

/// What a recording's callback carries.
pub(super) fn of_recording(
    account: AccountSid,
    call: CallSid,
    record: &RecordingRecord,
    url: &str,
) -> Vec<(String, String)> {
    let mut list = Parameters(Vec::new());
    list.add("AccountSid", account);
    list.add("CallSid", call);
    list.add("RecordingSid", record.sid);
    list.add("RecordingUrl", url);
    list.add("RecordingStatus", record.status.as_str());
    if let Some(length) = record.duration {
        list.add("RecordingDuration", seconds(length));
    }
    list.add("RecordingChannels", record.channels);
    list.add("RecordingStartTime", record.started.rfc2822());
    list.add("RecordingSource", record.source);
    list.add("RecordingTrack", "both");
    list.0
}

/// Where a recording can be fetched.
pub(super) fn recording_url(public_url: &str, account: AccountSid, sid: &str) -> String {
    format!("{public_url}/{API_VERSION}/Accounts/{account}/Recordings/{sid}")
}
