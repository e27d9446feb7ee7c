//! Spans of calls, legs and documents for OpenTelemetry, as OTLP's JSON (opentelemetry-proto 1.x).
//!
//! The trace is the call: its identifier is the digits of the caller's SID, so that a trace is
//! found from any log line. Numbers and users are no attributes: traces leave the machine.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Row;
use crate::base::id::CallSid;
use crate::base::{Duration, WallTime};

/// Spans that wait for the collector.
const MOST_WAITING: usize = 4_096;

/// Spans of one request.
const MOST_AT_ONCE: usize = 512;

/// OTLP's numbers of span kinds and of the status "error".
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

/// Makes spans and keeps them until they are sent.
#[derive(Debug)]
pub(super) struct Tracer {
    service: String,
    waiting: VecDeque<Value>,
    documents: u64,
    /// Spans that were lost because nobody took them.
    pub(super) dropped: u64,
}

/// A span before it is written.
struct Span {
    trace: CallSid,
    id: String,
    parent: Option<String>,
    name: &'static str,
    kind: u8,
    /// Nanoseconds since 1970.
    start: u64,
    end: u64,
    attributes: Vec<Value>,
    error: Option<String>,
}

impl Tracer {
    pub(super) fn new(service: String) -> Tracer {
        Tracer { service, waiting: VecDeque::new(), documents: 0, dropped: 0 }
    }

    /// A leg that is over is a span: the caller's is the call.
    pub(super) fn row(&mut self, row: &Row) {
        let Some(ended) = row.ended.filter(|_| row.status.is_final()) else { return };
        let mut attributes = vec![
            text("offhook.call.sid", &row.sid.to_string()),
            text("offhook.call.direction", row.direction.as_str()),
            text("offhook.call.status", row.status.as_str()),
        ];
        if let Some(answered) = row.answered {
            let ring = answered.unix_millis().saturating_sub(row.started.unix_millis());
            attributes.push(number("offhook.call.ring_ms", ring));
        }
        if let Some(status) = row.sip_status {
            attributes.push(number("sip.status_code", u64::from(status)));
        }
        if let Some(call_id) = &row.sip_call_id {
            attributes.push(text("sip.call_id", call_id));
        }
        let failed = row.status == crate::call::Status::Failed;
        self.push(Span {
            trace: row.parent.unwrap_or(row.sid),
            id: span_of(row.sid),
            parent: row.parent.map(span_of),
            name: if row.parent.is_some() { "leg" } else { "call" },
            kind: if row.parent.is_some() { CLIENT } else { SERVER },
            start: nanos(row.started),
            end: nanos(ended),
            attributes,
            error: failed.then(|| failure(row.sip_status)),
        });
    }

    /// A document that came, or did not, at `end`.
    pub(super) fn document(
        &mut self,
        call: CallSid,
        url: &str,
        end: u64,
        took: Duration,
        error: Option<&(u32, String)>,
    ) {
        self.documents += 1;
        // What a query says of a call is the call's own.
        let place = url.split_once('?').map_or(url, |(place, _)| place);
        let mut attributes = vec![text("url.full", place)];
        if let Some((code, _)) = error {
            attributes.push(number("offhook.error.code", u64::from(*code)));
        }
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Documents have no SID: their spans differ from the call's by a count.
        let own = u64::from_str_radix(&span_of(call), 16).unwrap_or_default();
        self.push(Span {
            trace: call,
            id: format!("{:016x}", own.wrapping_add(self.documents).max(1)),
            parent: Some(span_of(call)),
            name: "document",
            kind: CLIENT,
            start: end.saturating_sub(took),
            end,
            attributes,
            // Its text may quote what came, or a URL with a number in it.
            error: error.map(|(code, _)| format!("error {code}")),
        });
    }

    /// Whether there is anything to send.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next request: how many spans it carries, and its body.
    pub(super) fn batch(&mut self) -> Option<(u64, Vec<u8>)> {
        if self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(MOST_AT_ONCE);
        let spans: Vec<Value> = self.waiting.drain(..count).collect();
        let version = env!("CARGO_PKG_VERSION");
        let resource = json!({ "attributes": [
            text("service.name", &self.service), text("service.version", version),
        ] });
        let scope = json!({ "name": "offhook", "version": version });
        let scoped = json!([{ "scope": scope, "spans": spans }]);
        let body = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": scoped }] });
        Some((count as u64, body.to_string().into_bytes()))
    }

    fn push(&mut self, span: Span) {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        let mut value = json!({
            "traceId": digits(span.trace),
            "spanId": span.id,
            "name": span.name,
            "kind": span.kind,
            "startTimeUnixNano": span.start.to_string(),
            "endTimeUnixNano": span.end.max(span.start).to_string(),
            "attributes": span.attributes,
        });
        if let Some(parent) = span.parent {
            value["parentSpanId"] = parent.into();
        }
        if let Some(message) = span.error {
            value["status"] = json!({ "code": ERROR, "message": message });
        }
        self.waiting.push_back(value);
    }
}

/// Why a leg failed, without the words of its row: those may hold numbers and names.
fn failure(sip_status: Option<u16>) -> String {
    match sip_status {
        Some(status) => format!("SIP {status}"),
        None => "no answer came from the other side".to_owned(),
    }
}

/// The 32 hexadecimal digits of a SID are a trace's identifier.
fn digits(sid: CallSid) -> String {
    sid.to_string().split_off(CallSid::PREFIX.len())
}

/// And its last 16 a span's.
fn span_of(sid: CallSid) -> String {
    digits(sid).split_off(16)
}

fn nanos(time: WallTime) -> u64 {
    time.unix_millis().saturating_mul(1_000_000)
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// OTLP writes 64-bit numbers as texts.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use crate::call::{Direction, Status};

    fn row(sid: CallSid, parent: Option<CallSid>, status: Status) -> Row {
        Row {
            sid,
            parent,
            from: "+15550001111".to_owned(),
            to: "sip:home@office".to_owned(),
            direction: Direction::Inbound,
            status,
            started: WallTime::from_unix_millis(1_000),
            answered: Some(WallTime::from_unix_millis(1_250)),
            ended: status.is_final().then(|| WallTime::from_unix_millis(3_000)),
            reason: "+15550002222 at sip:home@office is busy".to_owned(),
            sip_status: Some(200),
            sip_call_id: Some("x@y".to_owned()),
        }
    }

    fn spans(tracer: &mut Tracer) -> Vec<Value> {
        let (count, body) = tracer.batch().expect("something waits");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let resource = &body["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(resource["value"]["stringValue"], "offhook-test");
        let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        let spans = spans.as_array().expect("spans").clone();
        assert_eq!(spans.len() as u64, count);
        spans
    }

    #[test]
    fn a_call_its_leg_and_its_document_are_one_trace() {
        let mut rng = Rng::from_number(1);
        let (call, leg) = (CallSid::random(&mut rng), CallSid::random(&mut rng));
        let mut tracer = Tracer::new("offhook-test".to_owned());
        tracer.row(&row(call, None, Status::InProgress));
        assert!(tracer.is_empty(), "nothing is over yet");
        let error = (11200, "no answer from https://h/x?From=+15550003333".to_owned());
        let took = Duration::from_millis(5);
        tracer.document(call, "https://h/x?From=+15550003333", 2_000_000_000, took, Some(&error));
        tracer.row(&row(leg, Some(call), Status::Failed));
        tracer.row(&row(call, None, Status::Completed));
        let spans = spans(&mut tracer);
        let names: Vec<&str> = spans.iter().filter_map(|span| span["name"].as_str()).collect();
        assert_eq!(names, ["document", "leg", "call"]);
        for span in &spans {
            assert_eq!(span["traceId"], call.to_string()[2..], "{span}");
            assert_eq!(span["spanId"].as_str().map(str::len), Some(16));
        }
        let [document, leg, call] = spans.as_slice() else { panic!("three") };
        assert_eq!(call.get("parentSpanId"), None);
        assert_eq!(document["parentSpanId"], call["spanId"]);
        assert_eq!(leg["parentSpanId"], call["spanId"]);
        assert_ne!(document["spanId"], call["spanId"]);
        assert_eq!(document["startTimeUnixNano"], "1995000000");
        assert_eq!(document["status"]["message"], "error 11200");
        assert_eq!(document["attributes"][0]["value"]["stringValue"], "https://h/x");
        assert_eq!(leg["status"]["code"], 2);
        assert_eq!(leg["status"]["message"], "SIP 200");
        assert_eq!(call.get("status"), None);
        assert_eq!(call["endTimeUnixNano"], "3000000000");
        let text = format!("{spans:?}");
        assert!(!text.contains("1555000") && !text.contains("home@"), "no numbers leave: {text}");
    }

    #[test]
    fn spans_that_nobody_takes_are_counted_and_lost() {
        let mut tracer = Tracer::new("offhook-test".to_owned());
        let call = CallSid::random(&mut Rng::from_number(1));
        for _ in 0..MOST_WAITING + 10 {
            tracer.document(call, "bin:x", 1, Duration::ZERO, None);
        }
        assert_eq!((tracer.dropped, tracer.waiting.len()), (10, MOST_WAITING));
        assert_eq!(spans(&mut tracer).len(), MOST_AT_ONCE);
    }
}
