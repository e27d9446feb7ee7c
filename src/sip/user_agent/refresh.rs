//! Session timers in our dialogs: agreed, refreshed, and what happens when they run out (RFC
//! 4028).

use super::{Due, Pending, UserAgent};
use crate::base::Instant;
use crate::sip::dialog::session_timer::{self, Due as Session, MAX_RAISES, SessionTimer, min_se};
use crate::sip::dialog::{Calling, Confirmed, Offering, Order, Phase};
use crate::sip::{DialogId, Ending, Event, HeaderField, HeaderName, Message, Method};

impl UserAgent {
    /// The headers of an INVITE that starts a session.
    pub(super) fn asked_session(calling: &Calling) -> Vec<HeaderField> {
        let settings = calling.session;
        if !settings.asks {
            return Vec::new();
        }
        vec![
            ("Session-Expires".to_owned(), settings.interval.as_secs().to_string()),
            ("Min-SE".to_owned(), settings.min.as_secs().to_string()),
        ]
    }

    /// Takes the Min-SE of a 422; false when it is no use to ask again.
    pub(super) fn raise_session(calling: &mut Calling, response: &Message) -> bool {
        let min = min_se(response);
        calling.raised += 1;
        if calling.raised > MAX_RAISES || min <= calling.session.min {
            return false;
        }
        calling.session.min = min;
        calling.session.interval = calling.session.interval.max(min);
        true
    }

    /// The peer answered a request of ours that starts or refreshes the session.
    pub(super) fn session_agreed(&mut self, now: Instant, dialog: DialogId, response: &Message) {
        let allows = allows_update(response);
        if let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) {
            confirmed.session = SessionTimer::agreed(now, response);
            confirmed.takes_update = allows.unwrap_or(confirmed.takes_update);
            self.schedule_session(dialog);
        }
    }

    /// We answer a request that starts or refreshes the session: the headers that say what is
    /// agreed. The timer counts from here.
    pub(super) fn session_answer(
        &self,
        now: Instant,
        pending: &Pending,
        before: Option<&SessionTimer>,
    ) -> (Option<SessionTimer>, Vec<HeaderField>) {
        let usage = pending.dialog.and_then(|dialog| self.usages.get(&dialog));
        let wish = usage.map_or(self.config.session, |usage| usage.wish);
        match SessionTimer::answer(now, &pending.message, &wish, before) {
            Some((timer, headers)) => (Some(timer), headers),
            None => (None, Vec::new()),
        }
    }

    /// What is wanted of session timers in one dialog, which was begun by the peer.
    pub(super) fn wish_session(&mut self, dialog: DialogId, wish: session_timer::Settings) {
        if let Some(usage) = self.usages.get_mut(&dialog) {
            usage.wish = wish;
        }
    }

    pub(super) fn keep_session(
        &mut self,
        dialog: DialogId,
        timer: Option<SessionTimer>,
        request: &Message,
    ) {
        let allows = allows_update(request);
        if let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) {
            confirmed.session = timer;
            confirmed.takes_update = allows.unwrap_or(confirmed.takes_update);
            self.schedule_session(dialog);
        }
    }

    pub(super) fn schedule_session(&mut self, dialog: DialogId) {
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        match confirmed.session.map(|session| session.timeout()) {
            Some(at) => self.timers.set((dialog, Due::Session), at),
            None => self.timers.clear(&(dialog, Due::Session)),
        }
    }

    pub(super) fn session_due(&mut self, now: Instant, dialog: DialogId) {
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        let Some(session) = &mut confirmed.session else { return };
        match session.due(now) {
            Session::Wait => {}
            Session::Expired => return self.abort(now, dialog, Ending::Timeout, None),
            // An INVITE under way refreshes the session itself.
            Session::Refresh if !idle(confirmed) => {}
            Session::Refresh => self.refresh(now, dialog),
        }
        self.schedule_session(dialog);
    }

    /// A bodiless UPDATE where the peer takes one; else whoever knows the session makes a
    /// re-INVITE.
    fn refresh(&mut self, now: Instant, dialog: DialogId) {
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return };
        if !confirmed.takes_update {
            return self.event(Event::Refresh { dialog });
        }
        let order = Order { refresh: true, ..Order::new("UPDATE", Vec::new(), None) };
        self.order(now, dialog, order);
    }

    /// What the response to a refresh means for the next one; true when nobody above need hear
    /// of it.
    pub(super) fn refresh_response(
        &mut self,
        now: Instant,
        dialog: DialogId,
        order: &Order,
        response: &Message,
    ) -> bool {
        let status = response.status().unwrap_or_default();
        let Some(Phase::Confirmed(confirmed)) = self.phase(dialog) else { return false };
        let refreshes = matches!(order.method, "INVITE" | "UPDATE");
        if order.refresh {
            confirmed.refreshing = false;
        }
        match status {
            200..300 if refreshes => self.session_agreed(now, dialog, response),
            422 if refreshes => {
                confirmed.least = confirmed.least.max(min_se(response));
                if let Some(session) = &mut confirmed.session {
                    session.raise(now, min_se(response));
                    self.schedule_session(dialog);
                }
            }
            405 | 501 if order.refresh => {
                confirmed.takes_update = false;
                self.refresh(now, dialog);
            }
            _ => {}
        }
        order.refresh && !matches!(status, 408 | 481)
    }

    /// The session headers of a request in a dialog.
    pub(super) fn refreshing_headers(&self, confirmed: &Confirmed) -> Vec<HeaderField> {
        let session = confirmed.session.as_ref();
        let min = self.config.session.min.max(confirmed.least);
        session.map(|session| session.headers(min)).unwrap_or_default()
    }

    /// A request that asks for too short a session is told what would do.
    pub(super) fn short_session(&self, message: &Message) -> Option<(u16, Vec<HeaderField>)> {
        let starts = matches!(message.method(), Method::Invite | Method::Update);
        let settings = &self.config.session;
        (starts && session_timer::too_short(message, settings))
            .then(|| (422, vec![("Min-SE".to_owned(), settings.min.as_secs().to_string())]))
    }
}

fn idle(confirmed: &Confirmed) -> bool {
    matches!(confirmed.offering, Offering::None)
        && confirmed.offered.is_none()
        && confirmed.unacked.is_empty()
        && confirmed.hangup.is_none()
        && !confirmed.refreshing
}

/// Whether a message that lists methods lists UPDATE.
pub(super) fn allows_update(message: &Message) -> Option<bool> {
    let mut methods = message.values(HeaderName::Allow).peekable();
    methods.peek()?;
    Some(methods.any(|method| method == "UPDATE"))
}
