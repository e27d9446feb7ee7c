//! Orders from outside: calls placed and calls changed. Each is answered in the same turn.
//!
//! Any exchange of a server may place a call: it lives where it was placed. For one that is to be
//! changed all are asked; [`Outcome::Elsewhere`] says that it is none of this exchange's.

use super::calls::{MAX_FORWARDS, caller_leg};
use super::*;
use crate::call::order::{Callee, Script};
use crate::call::{CallRecord, Change, Changed, Denied, Guest, Placement, Setup, shown_by};
use crate::directory::Voice;
use crate::leg::Destination;
use crate::sip::uri::escape_user;

/// An order, as whoever gives it numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNumber(pub u64);

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being carried out; the call's row as it is now.
    Done(Box<CallRecord>),
    /// It is not, and this is why.
    Denied(Denied),
    /// No call of this exchange has that SID.
    Elsewhere,
}

impl From<Result<CallRecord, Denied>> for Outcome {
    fn from(result: Result<CallRecord, Denied>) -> Outcome {
        match result {
            Ok(record) => Outcome::Done(Box::new(record)),
            Err(denied) => Outcome::Denied(denied),
        }
    }
}

impl Exchange {
    pub(super) fn order(&mut self, now: Instant, number: OrderNumber, order: Order) {
        let outcome = match order {
            Order::Place(placement) => self.place(now, *placement).into(),
            Order::Change(sid, change) => match self.leg_with(sid) {
                Some((call, leg)) => self.change(now, (call, leg), *change).into(),
                None => Outcome::Elsewhere,
            },
        };
        self.outputs.push_back(Output::Ordered(number, outcome));
    }

    /// The leg of that name: rare enough to look for it among all.
    fn leg_with(&self, sid: CallSid) -> Option<(CallNumber, LegId)> {
        let mut calls = self.calls.table.iter();
        calls.find_map(|(number, entry)| Some((*number, entry.call.leg_of(sid)?)))
    }

    /// Places a call under the rules for any that goes out: trunks' prefixes, caps, caller IDs.
    fn place(&mut self, now: Instant, mut placement: Placement) -> Result<CallRecord, Denied> {
        self.has_room()?;
        placement.resolve(&self.directory.public_url)?;
        let destination = self.destination(placement.to.clone())?;
        let shown = shown_by(&placement, &self.policy)?;
        let Some((transport, local)) = self.config.listeners.first().copied() else {
            return Err(unavailable("no SIP listener is configured"));
        };
        let payer = placement.payer.take();
        let counted = self.count(now, payer.as_ref())?;
        self.calls.last += 1;
        let number = CallNumber(self.calls.last);
        let id = caller_leg(number);
        let sid = CallSid::random(&mut self.rng);
        let setup = Setup {
            sid,
            leg: id,
            next_leg: id.0 + 1,
            incoming: Default::default(),
            shown: None,
            account: self.directory.account_sid,
            voice: Voice::default(),
            public_url: self.directory.public_url.clone(),
            policy: self.policy.clone(),
            epoch: self.config.epoch,
        };
        let setup = setup.placed(&placement, &shown);
        let origin = identity::Origin { caller: shown, known: true, ..identity::Origin::default() };
        let call = Call::placed(setup, placement, destination, self.rng.fork(), now);
        let row = call.row();
        let entry = CallEntry {
            call,
            sid,
            max_forwards: MAX_FORWARDS,
            // Where it goes is found out; its media takes the same way.
            flow: Flow { transport, local, remote: local, connection: 0 },
            domain: None,
            user: None,
            has_line: false,
            payer,
            counted,
            origin,
            reason: None,
        };
        self.enter(number, entry);
        row.ok_or_else(|| unavailable("the call could not be made"))
    }

    /// Counts a placed call, wherever it goes: phones that ring cost nothing but patience and room.
    fn count(&self, now: Instant, payer: Option<&Payer>) -> Result<Option<String>, Denied> {
        let Some(Payer { name, caps }) = payer else { return Ok(None) };
        let counted = format!("placed by {name}");
        match self.config.ledger.take(now, &counted, *caps) {
            Ok(()) => Ok(Some(counted)),
            Err(cap) => {
                let over = match cap {
                    caps::Cap::Calls(most) => format!("has {most} calls already (its `max_calls`)"),
                    caps::Cap::NewCalls(most) => {
                        format!("places more than {most} calls a second (its `calls_per_second`)")
                    }
                };
                let message = format!("Too Many Requests: {name} {over}");
                Err(Denied { status: 429, code: 20429, message })
            }
        }
    }

    fn enter(&mut self, number: CallNumber, entry: CallEntry) {
        self.calls.table.insert(number, Box::new(entry));
        self.calls.talking.push_back(number);
    }

    fn has_room(&self) -> Result<(), Denied> {
        if self.draining {
            return Err(unavailable("the server is going down"));
        }
        if self.calls() >= MAX_CALLS {
            let message = "Too Many Requests: the server has as many calls as it can carry";
            return Err(Denied { status: 429, code: 20429, message: message.to_owned() });
        }
        Ok(())
    }

    /// Where a call goes. A name alone is that of one user of ours, in whatever domain.
    fn destination(&self, callee: Callee) -> Result<Destination, Denied> {
        let name = match callee {
            Callee::Number(number) => return Ok(Destination::Number(number)),
            Callee::Sip { uri, headers, login } => {
                return Ok(Destination::Sip { uri, headers, login });
            }
            Callee::Client(name) => name,
        };
        let directory = &self.directory;
        let has = |list: &String| {
            directory.credential_lists.get(list).is_some_and(|users| users.contains_key(&name))
        };
        let mut homes = directory.domains.values().filter(|d| d.registration.iter().any(has));
        match (homes.next(), homes.next()) {
            (Some(home), None) => {
                let uri = format!("sip:{}@{}", escape_user(&name), home.name);
                Ok(Destination::Sip { uri, headers: vec![], login: None })
            }
            (None, _) => {
                Err(Denied::new(21211, format!("client:{name} is no user of this server.")))
            }
            (Some(one), Some(other)) => Err(Denied::new(
                21211,
                format!(
                    "client:{name} is a user of {} and of {}: call sip:{name}@….",
                    one.name, other.name
                ),
            )),
        }
    }

    fn change(
        &mut self,
        now: Instant,
        (number, leg): (CallNumber, LegId),
        mut change: Change,
    ) -> Result<CallRecord, Denied> {
        change.resolve(&self.directory.public_url)?;
        let entry = self.calls.table.get_mut(&number).ok_or_else(Denied::not_in_progress)?;
        let changed = entry.call.change(now, leg, change);
        self.calls.talking.push_back(number);
        match changed? {
            Changed::Done(record) => Ok(*record),
            Changed::Leaves(guest, script) => {
                // What its old call still asks for, such as to part it, comes before its own.
                self.drain_call(now, number);
                self.detach(now, number, *guest, script)
            }
        }
    }

    /// Makes a call of its own of a leg that another call dialled. It answers to the same rules.
    fn detach(
        &mut self,
        now: Instant,
        from: CallNumber,
        guest: Guest,
        script: Script,
    ) -> Result<CallRecord, Denied> {
        self.calls.last += 1;
        let number = CallNumber(self.calls.last);
        let (leg, rng) = (guest.leg(), self.rng.fork());
        let parent = self.calls.table.get(&from).ok_or_else(Denied::not_in_progress)?;
        let setup = parent.call.setup_of(&guest, caller_leg(number).0 + 1);
        let sid = setup.sid;
        let call = Call::detached(setup, guest, script, rng, now);
        let row = call.row();
        let entry = CallEntry {
            call,
            sid,
            max_forwards: parent.max_forwards,
            flow: parent.flow,
            domain: parent.domain.clone(),
            user: parent.user.clone(),
            has_line: parent.has_line,
            payer: parent.payer.clone(),
            counted: None,
            origin: identity::Origin { called: None, diverted: vec![], ..parent.origin.clone() },
            reason: None,
        };
        self.enter(number, entry);
        // Its messages are this call's story from here on.
        if let Some(call_id) = row.as_ref().and_then(|row| row.sip_call_id.clone()) {
            self.tell(Told::Dialog { call: sid, leg, call_id });
        }
        if let Some(moved) = self.legs.table.get_mut(&leg) {
            moved.call = number;
        }
        row.ok_or_else(Denied::not_in_progress)
    }
}

fn unavailable(why: &str) -> Denied {
    Denied { status: 503, code: 20503, message: format!("Service unavailable: {why}.") }
}
