//! Media by script: orders are answered at once or after a clip's length; no packet is computed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use offhook::audio::Clip;
use offhook::base::{Duration, Instant};
use offhook::media::{Command, Event, RecordingEnd, RecordingPlan, Remote, SessionId, Tracks};

use super::media::Owner;

/// A key and the pause after it.
const KEY: Duration = Duration::from_millis(160);
/// As [`offhook::media::Plane::PATIENCE`].
const PATIENCE: Duration = Duration::from_secs(60);

type Name = (Owner, SessionId);

/// What a party was played or joined with.
#[derive(Clone, Debug)]
pub enum Heard {
    Clip(Clip),
    Joined(SocketAddr),
}

/// The fake.
#[derive(Default)]
pub struct Scripted {
    hosts: BTreeMap<Owner, (IpAddr, u16)>,
    sessions: BTreeMap<Name, Session>,
    bound: HashMap<SocketAddr, Name>,
    told: VecDeque<(Owner, Event)>,
    /// Digits on their way: when, to whom, which.
    keys: Vec<(Instant, SocketAddr, char)>,
    /// What was sent where, and when it began.
    pub heard: Vec<(Instant, SocketAddr, Heard)>,
    /// Phones that say nothing at the moment.
    quiet: BTreeSet<Owner>,
    /// Phones whose cable is pulled since then.
    gone: BTreeMap<Owner, Instant>,
}

struct Session {
    local: SocketAddr,
    remote: Option<Remote>,
    bridge: Option<SessionId>,
    plays: VecDeque<Play>,
    recordings: Vec<Recording>,
}

struct Play {
    number: u64,
    clip: Option<Clip>,
    /// `None`: until stopped.
    length: Option<Duration>,
    digits: String,
    until: Option<Instant>,
    begun: bool,
}

struct Recording {
    plan: RecordingPlan,
    since: Instant,
    heard: bool,
    silent: Option<Instant>,
}

impl Recording {
    fn deadline(&self) -> (Instant, RecordingEnd) {
        let most = (self.since + self.plan.max, RecordingEnd::MaxLength);
        match (self.silent, self.plan.silence) {
            (Some(since), Some(silence)) if since + silence < most.0 => {
                (since + silence, RecordingEnd::Silence)
            }
            _ => most,
        }
    }
}

impl Scripted {
    pub fn add(&mut self, owner: Owner, ip: IpAddr) {
        self.hosts.insert(owner, (ip, super::media::first_port(owner)));
    }

    pub fn sessions(&self, owner: Owner) -> usize {
        self.sessions.keys().filter(|(of, _)| *of == owner).count()
    }

    /// Whether a phone speaks; recordings listen.
    pub fn set_talking(&mut self, now: Instant, owner: Owner, talking: bool) {
        if talking {
            self.quiet.remove(&owner);
        } else {
            self.quiet.insert(owner);
        }
        let names: Vec<Name> = self.sessions.keys().copied().collect();
        for name in names {
            if self.far_end(name).is_some_and(|(far, _)| far == owner) {
                for recording in
                    self.sessions.get_mut(&name).into_iter().flat_map(|s| &mut s.recordings)
                {
                    recording.heard |= talking;
                    recording.silent = (!talking).then_some(now);
                }
            }
        }
    }

    /// Pulls a phone's cable.
    pub fn unplug(&mut self, now: Instant, owner: Owner) {
        self.gone.insert(owner, now);
    }

    /// Where a session sends to.
    fn target(&self, name: Name) -> Option<SocketAddr> {
        let remote = self.sessions.get(&name)?.remote.as_ref()?;
        remote.direction.sends().then_some(remote.address)
    }

    fn far_end(&self, name: Name) -> Option<Name> {
        let remote = self.sessions.get(&name)?.remote.as_ref()?;
        self.bound.get(&remote.address).copied()
    }

    /// The addresses of parties that are joined through the exchange with whoever is at `ip`.
    pub fn joined(&self, ip: IpAddr) -> Vec<SocketAddr> {
        let of_exchange =
            self.sessions.iter().filter(|((of, _), _)| matches!(of, Owner::Exchange(_)));
        let mut found = Vec::new();
        for (name, _) in of_exchange {
            let reaches = self.target(*name).is_some_and(|target| target.ip() == ip);
            found.extend(self.source(*name, 1).filter(|_| reaches));
        }
        found
    }

    /// Whom a session passes on, also where that comes from another exchange.
    fn source(&self, name: Name, more: u32) -> Option<SocketAddr> {
        let session = self.sessions.get(&name).filter(|session| session.plays.is_empty())?;
        let behind = (name.0, session.bridge?);
        let remote = self.sessions.get(&behind)?.remote.as_ref();
        let address = remote.filter(|remote| remote.direction.receives())?.address;
        match self.bound.get(&address) {
            Some(other) if more > 0 && matches!(other.0, Owner::Exchange(_)) => {
                self.target(*other)?;
                self.source(*other, more - 1)
            }
            _ => Some(address),
        }
    }

    pub fn command(&mut self, now: Instant, owner: Owner, command: Command) {
        match command {
            Command::Open { session, .. } => self.open(owner, session),
            Command::Connect { session, remote } => {
                if let Some(found) = self.sessions.get_mut(&(owner, session)) {
                    found.remote = Some(remote);
                }
                self.start(now, (owner, session));
            }
            Command::Close { session } => self.close(now, (owner, session)),
            Command::Play { session, play, clip, loops } => {
                let length = (loops > 0).then(|| clip.duration() * loops);
                let digits = String::new();
                let play = Play {
                    number: play,
                    clip: Some(clip),
                    length,
                    digits,
                    until: None,
                    begun: false,
                };
                self.queue(now, (owner, session), play);
            }
            Command::SendDigits { session, play, digits } => {
                let length = Some(pause_of(&digits));
                let play =
                    Play { number: play, clip: None, length, digits, until: None, begun: false };
                self.queue(now, (owner, session), play);
            }
            Command::StopPlaying { session } => {
                if let Some(found) = self.sessions.get_mut(&(owner, session)) {
                    found.plays.clear();
                }
            }
            Command::Bridge { a, b } => {
                self.part(owner, a);
                self.part(owner, b);
                for (one, other) in [(a, b), (b, a)] {
                    if let Some(found) = self.sessions.get_mut(&(owner, one)) {
                        found.bridge = Some(other);
                    }
                    let source = self.sessions.get(&(owner, other)).and_then(|s| s.remote.as_ref());
                    let source = source.map(|remote| remote.address);
                    if let (Some(target), Some(source)) = (self.target((owner, one)), source) {
                        self.heard.push((now, target, Heard::Joined(source)));
                    }
                }
            }
            Command::Unbridge { session } => self.part(owner, session),
            Command::Record { session, plan } => self.record(now, (owner, session), plan),
            Command::StopRecording { recording } => {
                let holder = self.sessions.iter().find(|((of, _), session)| {
                    *of == owner && session.recordings.iter().any(|r| r.plan.recording == recording)
                });
                if let Some(name) = holder.map(|(name, _)| *name) {
                    self.stop_recordings(now, name, RecordingEnd::Stopped);
                }
            }
        }
    }

    fn open(&mut self, owner: Owner, session: SessionId) {
        let (ip, port) = self.hosts.get_mut(&owner).expect("an owner that was added");
        let local = SocketAddr::new(*ip, *port);
        *port += 2;
        let opened = Session {
            local,
            remote: None,
            bridge: None,
            plays: VecDeque::new(),
            recordings: Vec::new(),
        };
        self.sessions.insert((owner, session), opened);
        self.bound.insert(local, (owner, session));
        self.told.push_back((owner, Event::Opened { session, local }));
    }

    fn close(&mut self, now: Instant, name: Name) {
        let (owner, session) = name;
        self.part(owner, session);
        self.stop_recordings(now, name, RecordingEnd::Stopped);
        if let Some(closed) = self.sessions.remove(&name) {
            self.bound.remove(&closed.local);
            let closed = Event::Closed { session, received: 0, sent: 0, lost: 0 };
            self.told.push_back((owner, closed));
        }
    }

    fn part(&mut self, owner: Owner, session: SessionId) {
        let found = self.sessions.get_mut(&(owner, session));
        if let Some(peer) = found.and_then(|found| found.bridge.take())
            && let Some(peer) = self.sessions.get_mut(&(owner, peer))
        {
            peer.bridge = None;
        }
    }

    fn queue(&mut self, now: Instant, name: Name, play: Play) {
        if let Some(found) = self.sessions.get_mut(&name) {
            found.plays.push_back(play);
        }
        self.start(now, name);
    }

    /// Begins the first play of a session that is connected.
    fn start(&mut self, now: Instant, name: Name) {
        let target = self.target(name);
        let Some(found) = self.sessions.get_mut(&name).filter(|s| s.remote.is_some()) else {
            return;
        };
        let Some(play) = found.plays.front_mut().filter(|play| !play.begun) else { return };
        play.begun = true;
        play.until = play.length.map(|length| now + length);
        let Some(target) = target else { return };
        if let Some(clip) = &play.clip {
            self.heard.push((now, target, Heard::Clip(clip.clone())));
        }
        let mut at = now;
        for digit in play.digits.chars() {
            if !matches!(digit, 'w' | 'W') {
                self.keys.push((at + Duration::from_millis(10), target, digit));
            }
            at += pause_of(digit.encode_utf8(&mut [0; 4]));
        }
    }

    fn record(&mut self, now: Instant, name: Name, plan: RecordingPlan) {
        let mut sources = vec![name];
        if let Tracks::Mixed(other) | Tracks::Dual(other) = plan.tracks {
            sources.push((name.0, other));
        }
        let speaks = |source: &Name| {
            self.far_end(*source).is_some_and(|(far, _)| !self.quiet.contains(&far))
        };
        let talking = sources.iter().any(speaks);
        let silent = (!speaks(&name)).then_some(now);
        if let Some(found) = self.sessions.get_mut(&name) {
            found.recordings.push(Recording { plan, since: now, heard: talking, silent });
        }
    }

    fn stop_recordings(&mut self, now: Instant, name: Name, end: RecordingEnd) {
        let Some(found) = self.sessions.get_mut(&name) else { return };
        for recording in std::mem::take(&mut found.recordings) {
            let recorded = Event::Recorded {
                session: name.1,
                recording: recording.plan.recording,
                end,
                length: now - recording.since,
                heard: recording.heard,
            };
            self.told.push_back((name.0, recorded));
        }
    }

    pub fn poll(&mut self) -> Option<(Owner, Event)> {
        self.told.pop_front()
    }

    pub fn timeout(&self) -> Option<Instant> {
        let plays = self.sessions.values().filter_map(|s| s.plays.front()?.until);
        let recordings = self.sessions.values().flat_map(|s| &s.recordings).map(|r| r.deadline().0);
        let keys = self.keys.iter().map(|(at, ..)| *at);
        let gone = self.gone.values().map(|at| *at + PATIENCE);
        plays.chain(recordings).chain(keys).chain(gone).min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.end_plays(now);
        self.end_recordings(now);
        while let Some(at) = self.keys.iter().position(|(at, ..)| *at <= now) {
            let (_, target, digit) = self.keys.remove(at);
            self.press(now, target, digit);
        }
        while let Some(owner) =
            self.gone.iter().find(|(_, at)| **at + PATIENCE <= now).map(|(o, _)| *o)
        {
            self.gone.remove(&owner);
            let names: Vec<Name> = self.sessions.keys().copied().collect();
            for name in names {
                if name.0 != owner && self.far_end(name).is_some_and(|(far, _)| far == owner) {
                    self.told.push_back((name.0, Event::Silent { session: name.1 }));
                }
            }
        }
    }

    fn end_plays(&mut self, now: Instant) {
        let names: Vec<Name> = self.sessions.keys().copied().collect();
        for name in names {
            let Some(found) = self.sessions.get_mut(&name) else { continue };
            let over = found.plays.front().is_some_and(|p| p.until.is_some_and(|at| at <= now));
            if let Some(play) = over.then(|| found.plays.pop_front()).flatten() {
                let played = Event::Played { session: name.1, play: play.number };
                self.told.push_back((name.0, played));
                self.start(now, name);
            }
        }
    }

    fn end_recordings(&mut self, now: Instant) {
        let due = |s: &Session| {
            s.recordings
                .iter()
                .map(Recording::deadline)
                .find(|(at, _)| *at <= now)
                .map(|(_, end)| end)
        };
        let ended: Vec<(Name, RecordingEnd)> =
            self.sessions.iter().filter_map(|(name, s)| Some((*name, due(s)?))).collect();
        for (name, end) in ended {
            self.stop_recordings(now, name, end);
        }
    }

    /// A key arrives at a session, and at the one behind it.
    fn press(&mut self, now: Instant, target: SocketAddr, digit: char) {
        let Some(name) = self.bound.get(&target).copied() else { return };
        let receives = |s: &Session| s.remote.as_ref().is_some_and(|r| r.direction.receives());
        let Some(found) = self.sessions.get(&name).filter(|s| receives(s)) else { return };
        self.told.push_back((name.0, Event::Digit { session: name.1, digit }));
        if let Some(onward) = found.bridge.and_then(|peer| self.target((name.0, peer))) {
            self.keys.push((now + Duration::from_millis(10), onward, digit));
        }
    }
}

fn pause_of(digits: &str) -> Duration {
    let one = |digit| match digit {
        'w' => Duration::from_millis(500),
        'W' => Duration::from_secs(1),
        _ => KEY,
    };
    digits.chars().map(one).sum()
}
