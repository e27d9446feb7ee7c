//! What trunks and lines ask the exchange to do: registrations, their timers, and whom they tell.

use super::*;

impl Exchange {
    /// Registrations that are being taken back: a server that ends waits for them a little.
    pub fn leaving(&self) -> usize {
        let accounts = self.trunks.table.values().filter_map(|upstream| upstream.account.as_ref());
        let registrations = accounts.map(|account| &account.registration);
        let all = registrations.chain(self.trunks.leaving.values());
        all.filter(|one| one.state() == registration::State::Leaving).count()
    }

    /// The configuration is another.
    pub(in crate::exchange) fn configure_trunks(&mut self, now: Instant) {
        let directory = Arc::clone(&self.directory);
        self.trunks.configure(&directory, &mut self.rng);
        let leaving: Vec<u64> = self.trunks.leaving.keys().copied().collect();
        for id in leaving {
            self.drive_leaving(now, id, registration::Input::Stop);
        }
        if self.draining {
            self.unregister_all(now);
        }
        self.tell_trunks(now);
        self.ask_fares();
    }

    /// No calls are wanted any more.
    pub(in crate::exchange) fn unregister_all(&mut self, now: Instant) {
        let keys: Vec<Key> = self.trunks.table.keys().cloned().collect();
        for key in keys {
            self.drive(now, &key, registration::Input::Stop);
        }
    }

    /// What is due at trunks.
    pub(in crate::exchange) fn trunks_timeout(&mut self, now: Instant) {
        while let Some(key) = self.trunks.timers.pop(now) {
            let Some(upstream) = self.trunks.table.get_mut(&key) else { continue };
            if let Some(account) = &mut upstream.account {
                let begin = account.registration.state() == registration::State::Off;
                match begin && !self.draining {
                    true => self.drive(now, &key, registration::Input::Start),
                    false => {
                        account.registration.handle_timeout(now);
                        self.drain_registration(now, &key);
                    }
                }
            }
            self.health_timeout(now, &key);
            self.set_trunk_timer(&key);
            self.tell_trunk(now, &key);
        }
    }

    pub(in crate::exchange) fn set_trunk_timer(&mut self, key: &Key) {
        self.tell_fare(key);
        let Some(upstream) = self.trunks.table.get(key) else { return };
        let registration = upstream.account.as_ref().and_then(|a| a.registration.timeout());
        let health = upstream.health.as_ref().and_then(Health::timeout);
        match [registration, health].into_iter().flatten().min() {
            Some(at) => self.trunks.timers.set(key.clone(), at),
            None => self.trunks.timers.clear(key),
        }
    }

    /// Tells the other exchanges how a trunk or line fares, where that is news.
    pub(super) fn tell_fare(&mut self, key: &Key) {
        if self.shards().is_alone() {
            return;
        }
        let Some(upstream) = self.trunks.table.get_mut(key) else { return };
        let fare = upstream.fare();
        if upstream.away.is_none() && fare != upstream.told {
            upstream.told = fare.clone();
            self.say_all(|| Say::Trunk(Box::new(News { key: key.clone(), fare: fare.clone() })));
        }
    }

    /// Asks for news of what others look after: they may have told before this exchange knew that
    /// there is such a trunk or line.
    pub(super) fn ask_fares(&mut self) {
        for key in std::mem::take(&mut self.trunks.asks) {
            let home = self.shards().of_thing(&key.to_string());
            self.say(home, Say::HowFares(key));
        }
    }

    /// Tells one that asks; who does not know it yet tells as soon as there is something to tell.
    pub(in crate::exchange) fn answer_fare(&mut self, to: ShardId, key: Key) {
        let own = self.trunks.table.get(&key).filter(|upstream| upstream.away.is_none());
        if let Some(fare) = own.map(Upstream::fare) {
            self.say(to, Say::Trunk(Box::new(News { key, fare })));
        }
    }

    /// The final response to a request outside dialogs.
    pub(in crate::exchange) fn trunk_reply(
        &mut self,
        now: Instant,
        id: u64,
        message: Option<Message>,
    ) {
        let (answered, id) = (id, id & !SERVER_BITS);
        if self.trunks.leaving.contains_key(&id) {
            let reply = registration::Input::Reply(answered, message);
            return self.drive_leaving(now, id, reply);
        }
        let Some(key) = self.trunks.requests.get(&id).cloned() else { return };
        let upstream = self.trunks.table.get(&key);
        let account = upstream.and_then(|upstream| upstream.account.as_ref());
        if account.is_some_and(|account| account.registration.settings().id == id) {
            self.drive(now, &key, registration::Input::Reply(answered, message));
        } else {
            self.trunks.requests.remove(&id);
            self.ping_reply(now, &key, id, message.as_ref());
        }
        self.set_trunk_timer(&key);
        self.tell_trunk(now, &key);
    }

    pub(super) fn drive(&mut self, now: Instant, key: &Key, input: registration::Input) {
        let upstream = self.trunks.table.get_mut(key);
        if let Some(account) = upstream.and_then(|upstream| upstream.account.as_mut()) {
            account.registration.handle(now, input);
            self.drain_registration(now, key);
            self.set_trunk_timer(key);
            self.tell_trunk(now, key);
        }
    }

    /// A connection is no more: registrations that were reachable only over it are lost with it.
    pub(in crate::exchange) fn lose_upstreams(&mut self, now: Instant, flow: Flow) {
        let there = |(_, server): &(&Key, &SocketAddr)| **server == flow.remote;
        let keys: Vec<Key> =
            self.trunks.held.iter().filter(there).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.drive(now, &key, registration::Input::Lost(flow));
        }
    }

    /// Takes a registration back that nobody will hear of.
    pub(super) fn drive_leaving(&mut self, now: Instant, id: u64, input: registration::Input) {
        let Some(registration) = self.trunks.leaving.get_mut(&id) else { return };
        registration.handle(now, input);
        while let Some(output) = registration.poll() {
            if let registration::Output::Send(send) = output {
                self.agent.handle(now, sip::Input::Command(Command::Send(send)));
            }
        }
        if registration.state() == registration::State::Off {
            self.trunks.leaving.remove(&id);
        }
    }

    pub(super) fn drain_registration(&mut self, now: Instant, key: &Key) {
        while let Some(output) = self
            .trunks
            .table
            .get_mut(key)
            .and_then(|upstream| upstream.account.as_mut())
            .and_then(|account| account.registration.poll())
        {
            match output {
                registration::Output::Locate => {
                    let directory = Arc::clone(&self.directory);
                    let Some(trunk) = key.find(&directory) else { continue };
                    let uri = proxy_or_uri(trunk);
                    self.seek(now, Seeker::Registration(key.clone()), &uri);
                }
                registration::Output::Send(send) => {
                    self.agent.handle(now, sip::Input::Command(Command::Send(send)));
                }
                registration::Output::Failed(flow, wait) => {
                    self.tell_locator(now, locate::Input::Failed(hop_of(flow), wait));
                }
                registration::Output::Worked(flow) => {
                    self.tell_locator(now, locate::Input::Worked(hop_of(flow)));
                }
                registration::Output::KeepAlive(flow) => {
                    let line_ends = Bytes::from_static(b"\r\n\r\n");
                    self.outputs.push_back(Output::Transmit(flow, line_ends));
                }
                registration::Output::Changed => self.note_registration(key),
            }
        }
    }

    pub(in crate::exchange) fn registrar_located(
        &mut self,
        now: Instant,
        key: &Key,
        found: Result<Vec<Hop>, LocateError>,
    ) {
        let upstream = self.trunks.table.get(key);
        let Some(account) = upstream.and_then(|upstream| upstream.account.as_ref()) else { return };
        let contact = account.contact.clone();
        let directory = Arc::clone(&self.directory);
        let Some(trunk) = key.find(&directory) else { return };
        let ways = match found {
            Ok(hops) => {
                let flows = hops.iter().filter_map(|hop| self.flow_to(hop)).take(MOST_SERVERS);
                let flows: Vec<Flow> = flows.collect();
                for flow in &flows {
                    self.expect(*flow, &proxy_or_uri(trunk), Some(trunk));
                }
                let named = flows.into_iter().map(|flow| registration::Way {
                    flow,
                    contact: self.agent.config().listener(flow).contact_of(&contact, &trunk.uri),
                });
                let ways: Vec<registration::Way> = named.collect();
                match ways.is_empty() {
                    true => Err("`[sip] listen` has no listener that reaches it".to_owned()),
                    false => Ok(ways),
                }
            }
            Err(error) => Err(error.to_string()),
        };
        self.drive(now, key, registration::Input::Located(ways));
    }

    /// Tells TLS whom a call finds at a server of a trunk. Where its registration is held, that has
    /// found somebody already, and the call takes the same connection (RFC 5626 section 4.3).
    pub(in crate::exchange) fn expect_upstream(
        &mut self,
        flow: Flow,
        directory: &Directory,
        key: &Key,
        uri: String,
    ) {
        let Some(trunk) = key.find(directory) else { return };
        let held = self.trunks.registered_at(key).is_some_and(|held| held.remote == flow.remote);
        let uri = if held { proxy_or_uri(trunk) } else { uri };
        self.expect(flow, &uri, Some(trunk));
    }

    /// One line in the log for each change.
    pub(super) fn note_registration(&mut self, key: &Key) {
        self.trunks.note_server(key);
        let upstream = self.trunks.table.get(key);
        let Some(account) = upstream.and_then(|upstream| upstream.account.as_ref()) else { return };
        let whom = &account.registration.settings().address_of_record;
        let at = account.registration.flow().map(|flow| hop_of(flow).to_string());
        let (code, text) = match account.registration.state() {
            registration::State::Trying | registration::State::Leaving => return,
            registration::State::Registered { .. } => {
                (0, format!("{key}: registered as {whom} at {}", at.unwrap_or_default()))
            }
            registration::State::Failed { reason, .. } => {
                (TROUBLE, format!("{key}: not registered as {whom}: {reason}; tried again"))
            }
            registration::State::Off => (0, format!("{key}: no longer registered as {whom}")),
        };
        self.note(CallSid::from_bytes([0; 16]), code, text);
    }
}
