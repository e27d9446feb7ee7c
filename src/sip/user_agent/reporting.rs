//! The subscription that a REFER makes lives beside the call in its dialog, and past its BYE:
//! what becomes of the transfer is reported all the same (RFC 3515 section 2.4.4, RFC 5057
//! sections 4.1 and 5.2).

use super::{Due, UserAgent};
use crate::base::{Duration, Instant};
use crate::sip::dialog::{Order, Phase, Usage};
use crate::sip::{DialogId, Event, HeaderField, Message, Method};

/// How long a dialog is kept for reports alone: as long as they were promised (leg::sip).
const LONGEST: Duration = Duration::from_secs(180);

impl UserAgent {
    /// We took a REFER of the peer's: it is owed reports, unless our answer says that there are
    /// none (RFC 4488 section 4, RFC 7614 section 5).
    pub(super) fn begin_reports(
        &mut self,
        dialog: DialogId,
        request: &Message,
        status: u16,
        headers: &[HeaderField],
    ) {
        let none = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("Refer-Sub") && value.eq_ignore_ascii_case("false")
        });
        if request.method() == Method::Refer
            && (200..300).contains(&status)
            && !none
            && let Some(Phase::Confirmed(confirmed)) = self.phase(dialog)
        {
            confirmed.reporting = true;
        }
    }

    /// A report went out; after the last one nothing is owed any more.
    pub(super) fn last_report(&mut self, dialog: DialogId, order: &Order) {
        if is_last(order)
            && let Some(Phase::Confirmed(confirmed)) = self.phase(dialog)
        {
            confirmed.reporting = false;
        }
    }

    /// Keeps what the reports need of a dialog whose call is over.
    pub(super) fn outlive(&mut self, now: Instant, usage: Usage) {
        let Phase::Confirmed(confirmed) = usage.phase else { return };
        if !confirmed.reporting {
            return;
        }
        self.timers.set((usage.id, Due::Reports), now + LONGEST);
        let phase = Phase::Reporting(Box::new(confirmed.remote));
        self.insert(Usage { phase, ..usage });
    }

    /// A report after the BYE was answered, or was not. The last one ends the dialog, and so does
    /// a peer that knows nothing of it (RFC 6665 section 4.2.2).
    pub(super) fn report_answered(
        &mut self,
        dialog: DialogId,
        order: &Order,
        response: Option<&Message>,
    ) {
        let refused = response.and_then(Message::status).is_none_or(|status| status == 481);
        if is_last(order) || refused {
            self.forget_reports(dialog);
        }
        let (method, message) = (order.method.to_owned(), response.cloned());
        self.event(Event::Response { dialog, method, message });
    }

    pub(super) fn reports_given_up(&mut self, dialog: DialogId) {
        self.forget_reports(dialog);
        self.event(Event::Response { dialog, method: "NOTIFY".to_owned(), message: None });
    }

    fn forget_reports(&mut self, dialog: DialogId) {
        if let Some(usage) = self.usages.remove(&dialog) {
            self.by_tag.remove(&usage.local_tag);
        }
        self.timers.clear(&(dialog, Due::Reports));
    }
}

/// Whether a NOTIFY ends its subscription.
fn is_last(order: &Order) -> bool {
    let ends = |(name, value): &HeaderField| {
        let over = value.trim_start().get(..10);
        name.eq_ignore_ascii_case("Subscription-State")
            && over.is_some_and(|state| state.eq_ignore_ascii_case("terminated"))
    };
    order.method == "NOTIFY" && order.headers.iter().any(ends)
}
