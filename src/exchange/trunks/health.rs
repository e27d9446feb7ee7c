//! Health by OPTIONS (RFC 3261 section 11): down after some silence, up after some answers.

use super::*;
use crate::directory::Ping;
use crate::sip::Send;

/// A server that has not answered by then is taken for silent; its transaction goes on.
const PATIENCE: Duration = Duration::from_secs(4);

/// In doubt the next ping comes after this: quick to go down, quick to come back.
const QUICK: Duration = Duration::from_secs(2);

/// The health of one trunk.
#[derive(Debug)]
pub(super) struct Health {
    ping: Ping,
    /// `None` until it is known for the first time.
    up: Option<bool>,
    /// Pings in a row without an answer.
    misses: u32,
    /// Answers in a row.
    answers: u32,
    phase: Phase,
}

/// What it waits for.
#[derive(Debug)]
enum Phase {
    /// The next ping.
    Resting(Instant),
    /// The servers.
    Locating,
    /// An answer of a server, with others left to ask.
    Asking { id: u64, flow: Flow, others: VecDeque<Flow>, until: Instant },
}

impl Health {
    /// One that counts as up until it is known better.
    pub(super) fn new(ping: Ping) -> Health {
        Health { ping, up: None, misses: 0, answers: 0, phase: Phase::Resting(Instant::ZERO) }
    }

    pub(super) fn ping(&self) -> Ping {
        self.ping
    }

    pub(super) fn is_up(&self) -> bool {
        self.up != Some(false)
    }

    pub(super) fn answers(&self) -> Answers {
        match self.up {
            None => Answers::Unknown,
            Some(true) => Answers::Yes,
            Some(false) => Answers::No,
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resting(at) => Some(at),
            Phase::Locating => None,
            Phase::Asking { until, .. } => Some(until),
        }
    }

    /// A ping was answered; whether that brings it up.
    fn answered(&mut self, now: Instant) -> bool {
        self.misses = 0;
        self.answers = self.answers.saturating_add(1);
        let rises = !self.is_up() && self.answers >= self.ping.up_after;
        if rises || self.up.is_none() {
            self.up = Some(true);
        }
        let rest = if self.is_up() { self.ping.interval } else { QUICK.min(self.ping.interval) };
        self.phase = Phase::Resting(now + rest);
        rises
    }

    /// No server answered; whether that takes it down.
    fn missed(&mut self, now: Instant) -> bool {
        self.answers = 0;
        self.misses = self.misses.saturating_add(1);
        let falls = self.is_up() && self.misses >= self.ping.down_after;
        if falls {
            self.up = Some(false);
        }
        let rest = if self.is_up() { QUICK.min(self.ping.interval) } else { self.ping.interval };
        self.phase = Phase::Resting(now + rest);
        falls
    }
}

impl Exchange {
    fn health(&mut self, key: &Key) -> Option<&mut Health> {
        self.trunks.table.get_mut(key)?.health.as_mut()
    }

    /// A call just failed there: it is asked at once.
    pub(in crate::exchange) fn suspect(&mut self, now: Instant, key: &Key) {
        let home = self.shards().of_thing(&key.to_string());
        if home != self.shards().own() {
            return self.say(home, Say::Suspect(key.clone()));
        }
        if let Some(health) = self.health(key)
            && let Phase::Resting(at) = &mut health.phase
        {
            *at = now;
            self.set_trunk_timer(key);
        }
    }

    /// Time for the next ping, or to give the present one up.
    pub(super) fn health_timeout(&mut self, now: Instant, key: &Key) {
        let Some(health) = self.health(key).filter(|h| h.timeout().is_some_and(|at| at <= now))
        else {
            return;
        };
        match std::mem::replace(&mut health.phase, Phase::Locating) {
            Phase::Asking { id, flow, others, .. } => {
                self.trunks.requests.remove(&id);
                self.tell_locator(now, locate::Input::Failed(hop_of(flow), None));
                self.ping_next(now, key, others);
            }
            Phase::Resting(_) | Phase::Locating => {
                let directory = Arc::clone(&self.directory);
                let Some(trunk) = key.find(&directory) else { return };
                let uri = proxy_or_uri(trunk);
                self.seek(now, Seeker::Ping(key.clone()), &uri);
            }
        }
    }

    pub(in crate::exchange) fn ping_located(
        &mut self,
        now: Instant,
        key: &Key,
        found: Result<Vec<Hop>, LocateError>,
    ) {
        let mut hops = found.unwrap_or_default();
        // RFC 3261 section 21.5.4: who rests is asked afterwards, and is not down for that.
        let rests: Vec<Duration> =
            hops.iter().filter_map(|hop| self.locating.locator.resting(now, hop)).collect();
        if let Some(first) = rests.iter().min().filter(|_| rests.len() == hops.len()) {
            if let Some(health) = self.health(key)
                && matches!(health.phase, Phase::Locating)
            {
                health.phase = Phase::Resting(now + *first);
            }
            return self.set_trunk_timer(key);
        }
        hops.retain(|hop| self.locating.locator.resting(now, hop).is_none());
        let flows = hops.iter().filter_map(|hop| self.flow_to(hop)).take(MOST_SERVERS);
        let mut flows: Vec<Flow> = flows.collect();
        // Towards the server that holds our registration a ping also keeps a NAT open.
        let held = self.trunks.registered_at(key);
        flows.sort_by_key(|flow| Some(*flow) != held);
        if self.health(key).is_some_and(|health| matches!(health.phase, Phase::Locating)) {
            self.ping_next(now, key, flows.into());
        }
    }

    /// Asks the next server; without one the ping is missed.
    fn ping_next(&mut self, now: Instant, key: &Key, mut others: VecDeque<Flow>) {
        let Some(flow) = others.pop_front() else {
            if self.health(key).is_some_and(|health| health.missed(now)) {
                self.note_health(key, TROUBLE, "is down: no server of it answers OPTIONS");
            }
            return self.set_trunk_timer(key);
        };
        let directory = Arc::clone(&self.directory);
        let Some(trunk) = key.find(&directory) else { return };
        self.expect(flow, &proxy_or_uri(trunk), Some(trunk));
        let id = self.trunks.request(key);
        let own = self.advertised(flow.local.ip()).to_string();
        let to = registrar_of(&trunk.uri).unwrap_or_else(|| trunk.uri.clone());
        let routes = trunk.proxy.as_deref().map(|proxy| ("Route".to_owned(), loose(proxy)));
        let send = Send {
            id,
            method: "OPTIONS",
            uri: to.clone(),
            to,
            from: format!("sip:{}", bracketed(&own)),
            flow,
            // A challenge is an answer: no password is spent on it.
            login: None,
            headers: routes.into_iter().collect(),
            body: None,
        };
        if let Some(health) = self.health(key) {
            health.phase = Phase::Asking { id, flow, others, until: now + PATIENCE };
        }
        self.set_trunk_timer(key);
        self.agent.handle(now, sip::Input::Command(Command::Send(Box::new(send))));
    }

    /// Any answer shows life, but for 503 and 408, by which a server or a proxy before it says
    /// that it cannot work.
    pub(super) fn ping_reply(
        &mut self,
        now: Instant,
        key: &Key,
        answered: u64,
        message: Option<&Message>,
    ) {
        let Some(health) = self.health(key) else { return };
        let Phase::Asking { id, flow, others, .. } = &mut health.phase else { return };
        if *id != answered {
            return;
        }
        let (flow, others) = (*flow, std::mem::take(others));
        let status = message.and_then(Message::status);
        if status.is_none_or(|status| matches!(status, 408 | 503)) {
            let wait = message.and_then(Message::retry_after);
            self.tell_locator(now, locate::Input::Failed(hop_of(flow), wait));
            return self.ping_next(now, key, others);
        }
        self.tell_locator(now, locate::Input::Worked(hop_of(flow)));
        if self.health(key).is_some_and(|health| health.answered(now)) {
            self.note_health(key, 0, "is up again");
        }
    }

    fn note_health(&mut self, key: &Key, code: u32, text: &str) {
        self.note(CallSid::from_bytes([0; 16]), code, format!("{key} {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_takes_it_down_quickly_and_answers_bring_it_back() {
        let interval = Duration::from_secs(30);
        let mut health = Health::new(Ping { interval, down_after: 2, up_after: 3 });
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        assert_eq!((health.answers(), health.is_up()), (Answers::Unknown, true));
        assert!(!health.answered(at(0)) && health.is_up());
        assert_eq!((health.timeout(), health.answers()), (Some(at(30)), Answers::Yes));
        assert!(!health.missed(at(30)) && health.is_up());
        assert_eq!(health.timeout(), Some(at(32)), "asked again at once");
        assert!(health.missed(at(32)) && !health.is_up());
        assert!(!health.missed(at(62)), "told once");
        assert_eq!(health.timeout(), Some(at(92)));
        assert!(!health.answered(at(92)) && !health.answered(at(94)) && !health.is_up());
        assert!(!health.missed(at(96)), "answers count in a row");
        assert!(!health.answered(at(100)) && !health.answered(at(102)) && health.answered(at(104)));
        assert!(health.is_up());

        let mut silent = Health::new(Ping { interval, down_after: 2, up_after: 3 });
        assert!(!silent.missed(at(0)));
        assert_eq!(silent.answers(), Answers::Unknown, "one lost packet says nothing");
        assert!(silent.missed(at(2)));
        assert_eq!((silent.answers(), silent.is_up()), (Answers::No, false));
    }
}
