//! A softphone as a machine: registers, dials, answers, plays, sends digits.
//!
//! The command `offhook phone`, the demo and the simulator all use this one. It stands on the same
//! user agent and legs as the exchange; peers of another make are in `tests/interop`.

use std::collections::VecDeque;

use crate::base::id::{LegId, RecordingSid};
use crate::base::{Duration, Instant, Machine, Rng};
use crate::leg;
use crate::leg::sip::{Input as LegInput, MediaAddress, Output as LegOutput, SipLeg, Target};
use crate::media;
use crate::sip::user_agent::UserAgent;
use crate::sip::{self, DialogId, Flow, Login, Message};

mod event;
#[cfg(test)]
mod tests;

pub use event::{Command, Config, Event, Input, Output};

/// How long a registration is asked for.
const EXPIRES: u32 = 300;

/// How long after a registration failed it is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// One phone with one line.
pub struct Phone {
    config: Config,
    rng: Rng,
    agent: UserAgent,
    registration: Registration,
    /// The call, one at a time; older ones may still be closing.
    current: Option<LegId>,
    legs: std::collections::BTreeMap<LegId, SipLeg>,
    incoming: std::collections::BTreeMap<DialogId, LegId>,
    last: u64,
    outputs: VecDeque<Output>,
}

/// How far the registration is.
#[derive(Debug, PartialEq, Eq)]
enum Registration {
    Off,
    Wanted { refresh: Option<Instant> },
    Leaving,
}

impl Phone {
    /// A phone that does nothing yet. `first_leg` keeps phones that share a media plane apart.
    pub fn new(config: Config, first_leg: u64, mut rng: Rng) -> Self {
        let agent = UserAgent::new(config.agent.clone(), rng.fork());
        Phone {
            config,
            agent,
            registration: Registration::Off,
            current: None,
            legs: Default::default(),
            incoming: Default::default(),
            last: first_leg,
            outputs: VecDeque::new(),
            rng,
        }
    }

    /// Whether a call is up or ringing.
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// The media session of the current call.
    pub fn session(&self) -> Option<media::SessionId> {
        self.current.map(SipLeg::session_of)
    }

    /// A name for a recording.
    pub fn recording(&mut self) -> RecordingSid {
        RecordingSid::random(&mut self.rng)
    }

    fn flow(&self) -> Flow {
        let Config { transport, local, server, .. } = self.config;
        Flow { transport, local, remote: server, connection: 0 }
    }

    fn media_address(&self) -> MediaAddress {
        let ip = self.config.local.ip();
        MediaAddress { bind: ip, advertise: ip, peer: None, leeway: media::Leeway::None }
    }

    fn own_uri(&self) -> String {
        format!("sip:{}@{}", self.config.user, self.config.domain)
    }

    fn login(&self) -> Option<Login> {
        let password = self.config.password.clone()?;
        Some(Login { username: self.config.user.clone(), password, realm: None })
    }

    fn register(&mut self, now: Instant, expires: u32) {
        let registrar = format!("sip:{}", self.config.domain);
        let request = sip::Send {
            id: 1,
            method: "REGISTER",
            uri: registrar,
            to: self.own_uri(),
            from: self.own_uri(),
            flow: self.flow(),
            login: self.login(),
            headers: vec![("Expires".to_owned(), expires.to_string())],
            body: None,
        };
        self.agent.handle(now, sip::Input::Command(sip::Command::Send(Box::new(request))));
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Register => {
                self.registration = Registration::Wanted { refresh: None };
                self.register(now, EXPIRES);
            }
            Command::Unregister => {
                self.registration = Registration::Leaving;
                self.register(now, 0);
            }
            Command::Dial(to) => self.dial(now, &to),
            Command::Answer => self.tell(now, leg::Command::Answer),
            Command::Refuse(refusal) => self.tell(now, leg::Command::Refuse(refusal)),
            Command::Hangup => self.tell(now, leg::Command::Hangup),
            Command::Leg(command) => self.tell(now, command),
        }
    }

    fn tell(&mut self, now: Instant, command: leg::Command) {
        if let Some(leg) = self.current.and_then(|id| self.legs.get_mut(&id)) {
            leg.handle(now, LegInput::Command(command));
        }
    }

    fn dial(&mut self, now: Instant, to: &str) {
        // One line: who dials anew has done with the call before.
        self.tell(now, leg::Command::Hangup);
        let whole = to.starts_with("sip:") || to.starts_with("sips:");
        let uri = if whole { to.to_owned() } else { format!("sip:{to}@{}", self.config.domain) };
        let target = Target {
            to: uri.clone(),
            uri,
            from: self.own_uri(),
            display_name: None,
            flow: self.flow(),
            route: vec![],
            max_forwards: 70,
            login: self.login(),
            session: None,
            leeway: media::Leeway::None,
            headers: vec![],
        };
        let id = self.next_leg();
        let mut leg = SipLeg::outgoing(id, self.media_address(), &mut self.rng.fork());
        leg.handle(now, LegInput::Targets(Ok(vec![target])));
        self.legs.insert(id, leg);
        self.current = Some(id);
    }

    fn next_leg(&mut self) -> LegId {
        self.last += 1;
        LegId(self.last)
    }

    fn settle(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.agent.poll() {
                match output {
                    sip::Output::Transmit { flow, bytes } => {
                        self.outputs.push_back(Output::Transmit(flow, bytes));
                    }
                    sip::Output::Event(event) => self.handle_event(now, event),
                }
            }
            let talking = self.legs.iter_mut().find_map(|(id, leg)| Some((*id, leg.poll()?)));
            match talking {
                Some((id, output)) => self.handle_leg_output(now, id, output),
                None => return,
            }
        }
    }

    fn handle_leg_output(&mut self, now: Instant, id: LegId, output: LegOutput) {
        match output {
            LegOutput::Sip(command) => self.agent.handle(now, sip::Input::Command(command)),
            LegOutput::Media(command) => self.outputs.push_back(Output::Media(command)),
            LegOutput::Event(event) => {
                let ended = matches!(event, leg::Event::Ended { .. });
                // A telephone with one line puts nobody through.
                if let leg::Event::Transfer { .. } = event
                    && let Some(leg) = self.legs.get_mut(&id)
                {
                    leg.handle(now, LegInput::Command(leg::Command::TransferStatus(603)));
                }
                let event = match event {
                    leg::Event::Ringing => Event::Ringing,
                    leg::Event::Answered { .. } => Event::Answered,
                    other => Event::Leg(other),
                };
                self.outputs.push_back(Output::Event(event));
                if ended && self.current == Some(id) {
                    self.current = None;
                }
            }
            LegOutput::Gone => {
                let leg = self.legs.remove(&id);
                if let Some(dialog) = leg.and_then(|leg| leg.incoming_dialog()) {
                    self.incoming.remove(&dialog);
                }
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Invite { dialog, message, .. } => self.ring(now, dialog, &message),
            sip::Event::Request { transaction, message, .. } => {
                let known = message.method_name() == "OPTIONS";
                let status = if known { 200 } else { 405 };
                let respond =
                    sip::Command::Respond { transaction, status, headers: vec![], body: None };
                self.agent.handle(now, sip::Input::Command(respond));
            }
            sip::Event::Reply { message, .. } => self.registered(now, message.as_ref()),
            event => {
                let Some(dialog) = event.dialog() else { return };
                let id = if dialog.incoming() {
                    self.incoming.get(&dialog).copied()
                } else {
                    Some(SipLeg::leg_of(dialog))
                };
                if let Some(leg) = id.and_then(|id| self.legs.get_mut(&id)) {
                    leg.handle(now, LegInput::Sip(event));
                }
            }
        }
    }

    fn ring(&mut self, now: Instant, dialog: DialogId, invite: &Message) {
        if self.current.is_some() {
            let busy = sip::Command::Reject { dialog, status: 486, headers: vec![] };
            return self.agent.handle(now, sip::Input::Command(busy));
        }
        let id = self.next_leg();
        let mut leg =
            SipLeg::incoming(id, invite, dialog, self.media_address(), &mut self.rng.fork());
        leg.handle(now, LegInput::Command(leg::Command::Ring));
        self.legs.insert(id, leg);
        self.incoming.insert(dialog, id);
        self.current = Some(id);
        let from = invite.from();
        self.outputs.push_back(Output::Event(Event::Incoming {
            from: from.map(|from| from.uri().to_owned()).unwrap_or_default(),
            name: from.and_then(|from| Some(from.display_name()?.into_owned())),
            uri: invite.request_uri().to_owned(),
        }));
    }

    fn registered(&mut self, now: Instant, response: Option<&Message>) {
        let status = response.and_then(Message::status);
        let event = match (status, &mut self.registration) {
            (Some(200), Registration::Wanted { refresh }) => {
                // Half of what was granted leaves time for resends.
                *refresh = Some(now + Duration::from_secs(u64::from(EXPIRES / 2)));
                Event::Registered
            }
            (Some(200), registration) => {
                *registration = Registration::Off;
                Event::NotRegistered(status)
            }
            (_, Registration::Wanted { refresh }) => {
                // Who keeps registered tries again: servers restart and datagrams get lost.
                *refresh = Some(now + RETRY);
                Event::NotRegistered(status)
            }
            _ => Event::NotRegistered(status),
        };
        self.outputs.push_back(Output::Event(event));
    }
}

impl Machine for Phone {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Sip(input) => self.agent.handle(now, input),
            Input::Command(command) => self.handle_command(now, command),
            Input::Media(event) => {
                let leg = LegId(event.session().0);
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.handle(now, LegInput::Media(event));
                }
            }
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Registration::Wanted { refresh: Some(at) } = self.registration
            && at <= now
        {
            self.registration = Registration::Wanted { refresh: None };
            self.register(now, EXPIRES);
        }
        self.agent.handle_timeout(now);
        self.settle(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        let refresh = match self.registration {
            Registration::Wanted { refresh } => refresh,
            Registration::Off | Registration::Leaving => None,
        };
        [refresh, self.agent.timeout()].into_iter().flatten().min()
    }
}
