//! A call that an order made: its first party is called by us, and its document begins once that
//! party has answered.

use crate::base::id::LegId;
use crate::base::{Duration, Instant, Rng};
use crate::leg::{self, Command, Incoming};
use crate::verb::{Reply, Request};

use super::address::resolve_callback;
use super::children::{Forbidden, sip_caller_id, user_part};
use super::core::{Call, Policy, Setup, Timer};
use super::effect::{CallRecord, Direction, Output, Status};
use super::order::{Callee, Denied, Placement, Script, Watch, absolute};
use super::parameters::API_VERSION;
use super::party::{Owner, Party, Presence, Watcher};
use crate::verb::normalise;

/// What is to happen once the party that we call has answered.
#[derive(Debug)]
pub(super) struct Plan {
    digits: String,
    script: Script,
    time_limit: Option<Duration>,
}

/// The caller that a placed call shows: towards telephones a number of ours, else a SIP user.
pub fn shown_by(placement: &Placement, policy: &Policy) -> Result<String, Denied> {
    // From counts also where CallerId is shown in its place: webhooks and rows have it.
    may_show(&placement.to, &placement.from, policy)?;
    may_show(&placement.to, &placement.shown, policy)
}

fn may_show(to: &Callee, written: &str, policy: &Policy) -> Result<String, Denied> {
    if !matches!(to, Callee::Number(_)) {
        return sip_caller_id(written).map_err(|Forbidden { text, .. }| Denied::new(21212, text));
    }
    let Some(number) = normalise(written) else {
        let message = format!("The source phone number provided, {written:.64}, is not valid.");
        return Err(Denied::new(21212, message));
    };
    if policy.any_caller_id || policy.owned.contains(&number) {
        return Ok(number);
    }
    let message = format!(
        "The source phone number provided, {number}, is not yet verified for your account. You \
         may only make calls from numbers of this server."
    );
    Err(Denied::new(21210, message))
}

impl Placement {
    /// Makes every URL absolute, or says which is none.
    pub fn resolve(&mut self, public_url: &str) -> Result<(), Denied> {
        self.script.resolve(public_url)?;
        self.watch.iter_mut().try_for_each(|watch| watch.resolve(public_url))
    }
}

impl Script {
    /// Makes every URL absolute, or says which is none.
    pub(super) fn resolve(&mut self, public_url: &str) -> Result<(), Denied> {
        if let Script::At { request, fallback } = self {
            for Request { url, .. } in std::iter::once(request).chain(fallback) {
                *url = absolute(public_url, url)?;
            }
        }
        Ok(())
    }
}

impl Watch {
    /// The same.
    pub(super) fn resolve(&mut self, public_url: &str) -> Result<(), Denied> {
        let Request { url, .. } = &mut self.request;
        let bad = || Denied::new(21609, format!("StatusCallback {url:.256} is not a valid URL."));
        *url = resolve_callback(public_url, public_url, url).ok_or_else(bad)?;
        Ok(())
    }
}

impl Watcher {
    /// A new one.
    pub(super) fn new(watch: Watch) -> Watcher {
        let Watch { request: Request { url, method }, events } = watch;
        let events = if events.is_empty() { vec!["completed".to_owned()] } else { events };
        Watcher { url, method, events, sent: 0 }
    }
}

impl Setup {
    /// Of a call that we make: `shown` was allowed.
    pub fn placed(self, placement: &Placement, shown: &str) -> Setup {
        let incoming = Incoming {
            from: placement.from.clone(),
            to: placement.to.text(),
            ..Incoming::default()
        };
        Setup { incoming, shown: Some(shown.to_owned()), ..self }
    }
}

impl Call {
    /// A call that we make; where it goes was found out before. [`Output::Dial`] follows.
    pub fn placed(
        setup: Setup,
        placement: Placement,
        destination: leg::Destination,
        rng: Rng,
        now: Instant,
    ) -> Call {
        let leg = setup.leg;
        let owner = match &destination {
            leg::Destination::Sip { uri, .. } => Owner::of_called(uri, &setup.policy.domains),
            leg::Destination::Number(_) => Owner::default(),
        };
        let shown = setup.shown.clone().unwrap_or_default();
        let record = CallRecord::begun(
            setup.sid,
            None,
            (setup.incoming.from.clone(), setup.incoming.to.clone()),
            (Direction::OutboundApi, Status::Initiated),
            setup.epoch.wall(now),
        );
        let watcher = placement.watch.map(Watcher::new);
        let party = Party { watcher, ..Party::arriving(record, owner) };
        let header = |name: &str, value: String| (name.to_owned(), value);
        let dial = leg::Dial {
            destination,
            caller_id: shown,
            user: None,
            caller_name: None,
            headers: vec![
                header("X-Twilio-AccountSid", setup.account.to_string()),
                header("X-Twilio-CallSid", setup.sid.to_string()),
                header("X-Twilio-ApiVersion", API_VERSION.to_owned()),
            ],
        };
        let mut call = Call::new(setup, party, rng, now);
        for (code, text) in placement.warnings {
            call.note(code, text);
        }
        call.plan = Some(Box::new(Plan {
            digits: placement.send_digits,
            script: placement.script,
            time_limit: placement.time_limit,
        }));
        call.status_event(leg, "initiated");
        call.timers.set(Timer::Answer, now + placement.timeout);
        call.output(Output::Dial(leg, Box::new(dial)));
        call.settle();
        call
    }

    /// Whether that is the party of a placed call that has not answered.
    pub(super) fn is_placed(&self, leg: LegId) -> bool {
        leg == self.caller() && self.plan.is_some()
    }

    pub(super) fn placed_answered(&mut self, leg: LegId, sip_call_id: String) {
        let reply =
            Reply { sip_call_id: Some(sip_call_id), sip_status: Some(200), headers: vec![] };
        let now = self.now;
        self.target_answered(leg, reply, now);
        self.timers.clear(&Timer::Answer);
        if !self.parties.get(&leg).is_some_and(|party| party.is_talking()) {
            return;
        }
        let Some(plan) = &self.plan else { return };
        let (digits, time_limit) = (plan.digits.clone(), plan.time_limit);
        if let Some(limit) = time_limit {
            self.timers.set(Timer::Limit, now + limit);
        }
        if digits.is_empty() {
            return self.follow_plan();
        }
        let play = self.next_play();
        if let Some(party) = self.parties.get_mut(&leg) {
            party.sending = Some(play);
        }
        self.leg(leg, Command::SendDigits { play, digits });
    }

    /// It was answered, and has got its digits.
    pub(super) fn follow_plan(&mut self) {
        if let Some(plan) = self.plan.take() {
            self.run_script(plan.script);
        }
    }

    pub(super) fn placed_unanswered(&mut self) {
        let leg = self.caller();
        if self.parties.get(&leg).is_some_and(|party| party.presence == Presence::Ringing) {
            self.hang_up(leg, Status::NoAnswer, "not answered in time");
        }
    }

    /// The user part of who is shown.
    pub(super) fn shown_user(&self) -> &str {
        user_part(self.setup.shown.as_deref().unwrap_or(&self.setup.incoming.from))
    }
}
