//! One attempt of a leg at a server: its INVITE sent, watched, and judged when it ends.

use super::*;

impl Exchange {
    /// Sends the leg, or its INVITE once more, to a server.
    pub(super) fn attempt(&mut self, now: Instant, id: LegId, flow: Flow) {
        let Some(call) = self.legs.table.get(&id).map(|entry| entry.call) else { return };
        let Some(trying) = self.trying(id) else { return };
        trying.tries += 1;
        trying.flow = Some(flow);
        let (dial, directory) = (trying.dial.clone(), Arc::clone(&trying.directory));
        let Some(way) = trying.way.clone() else { return };
        let (begun, uri) = (trying.invite.clone(), trying.uri.clone());
        match &way {
            Way::Trunk(key) => self.expect_upstream(flow, &directory, key, uri),
            Way::Foreign(_) => self.expect(flow, &uri, None),
        }
        let (target, codecs) = self.target_of(call, &dial, &directory, &way, flow);
        let target = self.identify_to(now, call, &dial, (&directory, &way), target);
        let trunk = match &way {
            Way::Trunk(key) => key.find(&directory),
            Way::Foreign(_) => None,
        };
        if let Some(entry) = self.legs.table.get_mut(&id) {
            let policy = trunk.map(|trunk| trunk.early_media).unwrap_or_default();
            entry.leg.set_early_media(policy);
        }
        match begun {
            None => {
                if let Some(entry) = self.legs.table.get_mut(&id) {
                    entry.leg.set_codecs(codecs);
                }
                self.send_out(now, id, Ok(vec![target]));
            }
            Some(invite) => self.invite_again(now, id, *invite, target, codecs),
        }
    }

    fn invite_again(
        &mut self,
        now: Instant,
        id: LegId,
        first: Invite,
        target: Target,
        codecs: Vec<Codec>,
    ) {
        let Some(entry) = self.legs.table.get_mut(&id) else { return };
        let call = entry.call;
        let Some(dialog) = entry.route.as_ref().map(|route| route.dialog) else { return };
        let body = entry.leg.offer_again(&target, codecs).or(first.body);
        let invite = Invite {
            dialog,
            uri: target.uri,
            to: target.to,
            from: target.from,
            display_name: target.display_name,
            flow: target.flow,
            route: target.route,
            max_forwards: target.max_forwards,
            login: target.login,
            session: target.session,
            headers: target.headers,
            body,
        };
        self.watch_attempt(now, id);
        self.agent.handle(now, sip::Input::Command(Command::Invite(Box::new(invite))));
        self.tell_dialog(call, id, dialog);
    }

    /// Numbers the next attempt: what the last one still says is for nobody from here on.
    fn renew(&mut self, id: LegId) {
        self.legs.last_attempt += 1;
        let dialog = DialogId(ATTEMPT | self.legs.last_attempt);
        let route = self.legs.table.get_mut(&id).and_then(|entry| entry.route.as_mut());
        if let Some(route) = route {
            let before = std::mem::replace(&mut route.dialog, dialog);
            self.legs.attempts.remove(&before);
            self.legs.attempts.insert(dialog, id);
        }
    }

    /// A server that stays silent is given up early only where there is another.
    fn watch_attempt(&mut self, now: Instant, id: LegId) {
        let entry = self.legs.table.get(&id).and_then(|entry| entry.route.as_ref());
        let Some(trying) = entry.and_then(|route| route.trying.as_deref()) else { return };
        let patience = match &trying.way {
            Some(Way::Trunk(key)) => key.find(&trying.directory).map(|trunk| trunk.answer_within),
            _ => None,
        };
        let patience = patience.unwrap_or(FOREIGN_PATIENCE);
        let locator = &self.locating.locator;
        match trying.has_more(|hop| locator.resting(now, hop).is_none()) {
            true => self.legs.timers.set(id, now + patience),
            false => self.legs.timers.clear(&id),
        }
    }

    /// An order of a leg on its way to the user agent; `None` when there is nobody to give it to.
    pub(in crate::exchange) fn steer(
        &mut self,
        now: Instant,
        id: LegId,
        mut command: Command,
    ) -> Option<Command> {
        let Some(route) = self.legs.table.get_mut(&id).and_then(|entry| entry.route.as_mut())
        else {
            return Some(command);
        };
        let (dialog, trying) = (route.dialog, route.trying.as_deref_mut());
        if let Some(named) = command.dialog_mut() {
            *named = dialog;
        }
        let Some(trying) = trying else { return Some(command) };
        match &command {
            Command::Invite(invite) => {
                trying.invite = Some(invite.clone());
                self.watch_attempt(now, id);
            }
            Command::Hangup { .. } => {
                trying.give_up_ways();
                trying.hops.clear();
                let between = trying.flow.is_none();
                self.legs.timers.clear(&id);
                if between {
                    self.give_up(now, id);
                    return None;
                }
            }
            _ => {}
        }
        Some(command)
    }

    /// A leg was hung up between two attempts: no dialog is left that could end.
    fn give_up(&mut self, now: Instant, id: LegId) {
        let route = self.legs.table.get_mut(&id).and_then(|entry| entry.route.as_mut());
        let Some(trying) = route.and_then(|route| route.trying.take()) else { return };
        if let Some(lookup) = trying.lookup {
            self.stop_seeking(lookup);
        }
        let (dialog, ending) = (SipLeg::dialog_of(id, 0), Ending::Local);
        let ended = sip::Event::Ended { dialog, ending, message: None };
        self.tell_leg(now, id, LegInput::Sip(ended));
    }

    /// The leg that an event of a dialog is for, and the event as that leg knows it; `None` for
    /// attempts that were given up and for legs that are gone.
    pub(in crate::exchange) fn owner(&self, mut event: sip::Event) -> (Option<LegId>, sip::Event) {
        let id = event.dialog().and_then(|dialog| self.leg_behind(dialog));
        let routed = id.filter(|id| self.legs.table.get(id).is_some_and(|leg| leg.route.is_some()));
        if let (Some(id), Some(named)) = (routed, event.dialog_mut()) {
            *named = SipLeg::dialog_of(id, 0);
        }
        (id, event)
    }

    /// The leg that a dialog is of now, where there is one.
    pub(in crate::exchange) fn leg_behind(&self, dialog: DialogId) -> Option<LegId> {
        let id = if dialog.incoming() {
            *self.legs.incoming.get(&dialog)?
        } else if dialog.0 & ATTEMPT != 0 {
            *self.legs.attempts.get(&dialog)?
        } else {
            SipLeg::leg_of(dialog)
        };
        let route = self.legs.table.get(&id)?.route.as_ref();
        route.is_none_or(|route| route.dialog == dialog).then_some(id)
    }

    /// What an event means for the way of its leg; `None` when the leg need not hear of it.
    pub(in crate::exchange) fn follow(
        &mut self,
        now: Instant,
        id: LegId,
        event: sip::Event,
    ) -> Option<sip::Event> {
        let flow = self.trying(id).and_then(|trying| trying.flow);
        let Some(flow) = flow else { return Some(event) };
        match event {
            sip::Event::Progress { .. } => self.legs.timers.clear(&id),
            sip::Event::Accepted { .. } => {
                self.legs.timers.clear(&id);
                self.tell_locator(now, locate::Input::Worked(hop_of(flow)));
                if let Some(route) =
                    self.legs.table.get_mut(&id).and_then(|entry| entry.route.as_mut())
                {
                    route.trying = None;
                }
            }
            sip::Event::Ended { ending, message, .. } => {
                return self.attempt_ended(now, id, flow, ending, message);
            }
            _ => {}
        }
        Some(event)
    }

    /// An attempt is over without an answer: the next server for 503, silence and what cannot be
    /// reached (RFC 3263 section 4.3), the next trunk also for other failures of a server.
    fn attempt_ended(
        &mut self,
        now: Instant,
        id: LegId,
        flow: Flow,
        ending: Ending,
        message: Option<Message>,
    ) -> Option<sip::Event> {
        self.legs.timers.clear(&id);
        let wait = message.as_ref().and_then(Message::retry_after);
        let (next, trouble) = match ending {
            // Without a response it is our own user agent that is full.
            Ending::Rejected(503) if message.is_some() => (Next::Hop, "answered 503".to_owned()),
            Ending::Timeout => (Next::Hop, "did not answer".to_owned()),
            Ending::Unreachable => (Next::Hop, "cannot be reached".to_owned()),
            Ending::Rejected(status @ (408 | 500..=599)) if message.is_some() => {
                (Next::Way, format!("answered {status}"))
            }
            _ => (Next::Nothing, String::new()),
        };
        let report = match next {
            Next::Hop => locate::Input::Failed(hop_of(flow), wait),
            Next::Way | Next::Nothing => locate::Input::Worked(hop_of(flow)),
        };
        self.tell_locator(now, report);
        let trying = self.trying(id)?;
        let foreign = matches!(trying.way, Some(Way::Foreign(_)));
        if next == Next::Nothing || next == Next::Way && foreign {
            let route = self.legs.table.get_mut(&id).and_then(|entry| entry.route.as_mut());
            if let Some(route) = route {
                route.trying = None;
            }
            let dialog = SipLeg::dialog_of(id, 0);
            return Some(sip::Event::Ended { dialog, ending, message });
        }
        let place = trying.place();
        trying.troubles.push(format!("{place} {trouble}"));
        trying.status = 503;
        trying.keep(ending, message);
        trying.flow = None;
        let suspect = match &trying.way {
            // Who asks to be left alone is not asked how it is, either.
            Some(Way::Trunk(key)) if next == Next::Hop && wait.is_none() => Some(key.clone()),
            _ => None,
        };
        if let Some(key) = suspect {
            self.suspect(now, &key);
        }
        self.renew(id);
        match next {
            Next::Hop => self.next_hop(now, id),
            Next::Way | Next::Nothing => self.next_way(now, id),
        }
        None
    }

    /// Servers that said nothing in time are passed over; who said 100 is waited for.
    pub(in crate::exchange) fn route_timeout(&mut self, now: Instant) {
        while let Some(id) = self.legs.timers.pop(now) {
            let Some(dialog) = self
                .legs
                .table
                .get(&id)
                .and_then(|entry| entry.route.as_ref())
                .map(|route| route.dialog)
            else {
                continue;
            };
            if self.agent.is_heard(dialog) {
                continue;
            }
            let Some(flow) = self.trying(id).and_then(|trying| trying.flow) else { continue };
            // Whatever still comes of it is acknowledged and ended by the user agent itself.
            let hangup = Command::Hangup { dialog, headers: vec![] };
            self.agent.handle(now, sip::Input::Command(hangup));
            self.attempt_ended(now, id, flow, Ending::Timeout, None);
        }
    }
}
/// Where a failure leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Hop,
    Way,
    Nothing,
}

/// How long a server of a foreign URI may be silent where there is another.
const FOREIGN_PATIENCE: Duration = Duration::from_secs(6);
