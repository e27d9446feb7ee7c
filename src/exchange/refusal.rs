//! Requests that are not admitted: what their sender is told, and what the log is.

use super::*;
use crate::base::plural;
use crate::sip::HeaderField;

/// Lines about refused requests in one second. Scanners send thousands, and the log is not
/// theirs to fill; what is left out is counted in the next line.
const LINES_PER_SECOND: u32 = 10;

/// Why a request is not admitted: status, headers, and plain words for the log.
pub(super) struct Refused {
    pub status: u16,
    pub headers: Vec<HeaderField>,
    pub code: u32,
    /// Empty for what is no news, such as the first request without credentials.
    pub reason: String,
}

impl Refused {
    pub(super) fn new(status: u16, code: u32, reason: impl Into<String>) -> Self {
        Refused { status, headers: vec![], code, reason: reason.into() }
    }

    /// 503, to come again in so many seconds.
    pub(super) fn busy(seconds: u64, reason: impl Into<String>) -> Self {
        let headers = vec![("Retry-After".to_owned(), seconds.to_string())];
        Refused { headers, ..Refused::new(503, 0, reason) }
    }
}

/// How much was said of refusals lately.
#[derive(Default)]
pub(super) struct Refusals {
    since: Instant,
    told: u32,
    hidden: u64,
}

impl Refusals {
    /// Whether one more may be told now, and how many were not before it.
    fn count(&mut self, now: Instant) -> Option<u64> {
        if now.since(self.since) >= Duration::from_secs(1) {
            (self.since, self.told) = (now, 0);
        }
        if self.told >= LINES_PER_SECOND {
            self.hidden += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.hidden))
    }
}

impl Exchange {
    /// Writes a refusal into the log, unless there are too many of them.
    pub(super) fn note_refusal(
        &mut self,
        now: Instant,
        method: &str,
        flow: Flow,
        refused: &Refused,
    ) {
        let Refused { status, code, reason, .. } = refused;
        if reason.is_empty() {
            return;
        }
        let Some(hidden) = self.refusals.count(now) else { return };
        let source = flow.remote.ip().to_canonical();
        let mut text = format!("{method} from {source} refused with {status}: {reason}");
        if hidden > 0 {
            let hidden = plural(hidden as usize, "refusal");
            text.push_str(&format!(" ({hidden} before this not shown)"));
        }
        self.note(CallSid::from_bytes([0; 16]), *code, text);
    }

    /// Writes that a source is silenced: one line each time, in the form that `docs/security.md`
    /// promises to those who feed firewalls.
    pub(super) fn note_silence(&mut self, flow: Flow, failures: u32) {
        let source = flow.remote.ip().to_canonical();
        let seconds = self.guard.silence_seconds();
        let text = format!(
            "source {source} silenced for {seconds} s: {failures} failed logins in a minute"
        );
        self.note(CallSid::from_bytes([0; 16]), 32202, text);
    }
}
