//! How trunks and lines fare, in words: for whoever looks, never for a decision.

use super::*;

/// How a trunk or line fares, for `offhook lines` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkState {
    /// Its name.
    pub name: String,
    /// `user@domain` of ours, for a line.
    pub user: Option<String>,
    /// Whether calls go through it before others.
    pub up: bool,
    /// Its registration, where it has one.
    pub registration: Option<registration::State>,
    /// Whether it answers OPTIONS.
    pub answers: Answers,
    /// The server that holds its registration.
    pub server: Option<SocketAddr>,
    /// Since when [`TrunkState::words`] says what it says.
    pub since: Instant,
    /// What went wrong last; it stays when all is well again.
    pub trouble: Option<String>,
    /// Calls that it carries now.
    pub calls: u32,
    /// The most that it may carry.
    pub channels: Option<u32>,
}

/// Whether a trunk answers OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// It is not asked.
    Unasked,
    /// It neither answered yet nor was silent for too long.
    Unknown,
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl TrunkState {
    /// Its state in plain words.
    pub fn words(&self) -> &'static str {
        use registration::State::{Failed, Leaving, Off, Registered, Trying};
        match (&self.registration, self.answers) {
            (Some(Registered { .. }), Answers::No) => "registered, but its server does not answer",
            (Some(Registered { .. }), _) => "registered",
            (Some(Trying), _) => "registering",
            (Some(Failed { .. }), _) => "not registered",
            (Some(Leaving), _) => "unregistering",
            (Some(Off), _) => "no longer registered",
            (None, Answers::Unknown) => "not known yet",
            (None, Answers::Yes) => "up",
            (None, Answers::No) => "down",
            (None, Answers::Unasked) => "not watched",
        }
    }

    /// When it is tried again, while it is not registered.
    pub fn retry(&self) -> Option<Instant> {
        match self.registration {
            Some(registration::State::Failed { retry, .. }) => Some(retry),
            _ => None,
        }
    }

    /// When its registration ends by itself.
    pub fn until(&self) -> Option<Instant> {
        match self.registration {
            Some(registration::State::Registered { until }) => Some(until),
            _ => None,
        }
    }
}

/// News of a trunk or line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkChange {
    /// It fares so from here on.
    Fares(Box<TrunkState>),
    /// It is configured no more.
    Gone {
        /// Its name.
        name: String,
        /// Whether it was a line.
        line: bool,
    },
}

impl Exchange {
    /// How trunks and lines fare.
    pub fn trunk_states(&self) -> Vec<TrunkState> {
        let all = Key::all(&self.directory).map(|(key, _)| key);
        all.filter_map(|key| self.trunk_state(&key)).collect()
    }

    fn trunk_state(&self, key: &Key) -> Option<TrunkState> {
        let upstream = self.trunks.table.get(key)?;
        let trunk = key.find(&self.directory)?;
        let line = self.directory.lines.named(&trunk.name).filter(|_| key.is_line());
        let shown = upstream.shown.as_deref();
        let mut state = TrunkState {
            name: trunk.name.clone(),
            user: line.map(|line| line.user.clone()),
            up: upstream.is_up(),
            answers: upstream.answers(),
            server: self.trunks.registered_at(key).map(|flow| flow.remote),
            since: shown.map_or(Instant::ZERO, |shown| shown.since),
            trouble: shown.and_then(|shown| shown.trouble.clone()),
            calls: self.trunks.ledger.calls(&channels_of(key)),
            channels: trunk.channels,
            registration: upstream.registration(),
        };
        if let Some(registration::State::Failed { reason, .. }) = &state.registration {
            state.trouble = Some(reason.clone());
        } else if state.answers == Answers::No {
            state.trouble = Some("no server of it answers OPTIONS".to_owned());
        }
        Some(state)
    }

    /// Tells how a trunk or line fares, if that is news. What it carries is none.
    pub(super) fn tell_trunk(&mut self, now: Instant, key: &Key) {
        if !self.trunks.looks_after(key) {
            return;
        }
        let Some(mut state) = self.trunk_state(key) else { return };
        let Some(upstream) = self.trunks.table.get_mut(key) else { return };
        match &upstream.shown {
            Some(shown) => {
                let still = TrunkState { calls: shown.calls, ..state.clone() };
                if still == **shown {
                    return;
                }
                if shown.words() != state.words() {
                    state.since = now;
                }
            }
            None => state.since = now,
        }
        upstream.shown = Some(Box::new(state.clone()));
        self.outputs.push_back(Output::Trunk(TrunkChange::Fares(Box::new(state))));
    }

    /// The same for all of them, and for those that are no more.
    pub(super) fn tell_trunks(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.trunks.gone) {
            let (name, line) = (key.name().to_owned(), key.is_line());
            self.outputs.push_back(Output::Trunk(TrunkChange::Gone { name, line }));
        }
        let keys: Vec<Key> = self.trunks.table.keys().cloned().collect();
        for key in keys {
            self.tell_trunk(now, &key);
        }
    }
}
