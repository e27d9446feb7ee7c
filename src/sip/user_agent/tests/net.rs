//! The network of the tests, and hands to drive user agents in it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::base::{Duration, Instant, Machine, Rng};
use crate::sip::user_agent::{Config, Listener, UserAgent};
use crate::sip::{
    Body, Command, DialogId, Ending, Event, Flow, HeaderName, Input, Invite, Message, Method,
    Output, Parsed, TransactionId, Transport,
};

/// What the network does to a message, in parts of a thousand.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub lost: u64,
    pub repeated: u64,
    pub jitter_ms: u64,
}

/// A message under way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub from: usize,
    pub message: Message,
}

/// Two user agents, 0 and 1, and what passed between them.
pub struct Net {
    pub now: Instant,
    pub agents: [UserAgent; 2],
    pub events: [Vec<Event>; 2],
    pub sent: Vec<Sent>,
    pub weather: Weather,
    /// Messages that this returns true for are lost.
    pub drop: fn(&Sent) -> bool,
    rng: Rng,
    order: u64,
    air: BTreeMap<(Instant, u64), (usize, Flow, Bytes)>,
    transport: Transport,
}

pub const DELAY: Duration = Duration::from_millis(10);

impl Net {
    pub fn new(seed: u64, transport: Transport) -> Net {
        let mut rng = Rng::from_number(seed);
        let mut agent = |side: usize| {
            let local = address(side);
            let listeners = vec![Listener::new(transport, local)];
            UserAgent::new(Config::new(listeners, "test"), rng.fork())
        };
        let agents = [agent(0), agent(1)];
        Net {
            now: Instant::ZERO,
            agents,
            events: [Vec::new(), Vec::new()],
            sent: Vec::new(),
            weather: Weather::default(),
            drop: |_| false,
            rng,
            order: 0,
            air: BTreeMap::new(),
            transport,
        }
    }

    pub fn udp() -> Net {
        Net::new(1, Transport::Udp)
    }

    /// The flow from one side to the other.
    pub fn flow(&self, from: usize) -> Flow {
        let (local, remote) = (address(from), address(1 - from));
        Flow { transport: self.transport, local, remote, connection: 0 }
    }

    pub fn command(&mut self, side: usize, command: Command) {
        self.agents[side].handle(self.now, Input::Command(command));
        self.drain();
    }

    pub fn deliver(&mut self, side: usize, bytes: Bytes) {
        let flow = self.flow(side);
        self.agents[side].handle(self.now, Input::Received { flow, bytes });
        self.drain();
    }

    fn drain(&mut self) {
        for side in 0..2 {
            while let Some(output) = self.agents[side].poll() {
                match output {
                    Output::Event(event) => self.events[side].push(event),
                    Output::Transmit { flow, bytes } => self.send(side, flow, bytes),
                }
            }
        }
    }

    fn send(&mut self, from: usize, flow: Flow, bytes: Bytes) {
        // Who is refused for what is missing gets an answer in which that is missing too.
        if bytes.starts_with(b"SIP/2.0 400 ")
            && matches!(Message::parse(bytes.clone()), Parsed::Discard(_))
        {
            return;
        }
        let sent = Sent { at: self.now, from, message: read(bytes.clone()) };
        let lost = (self.drop)(&sent) || self.rng.below(1000) < self.weather.lost;
        self.sent.push(sent);
        let to = usize::from(flow.remote == address(1));
        assert_eq!(flow.remote, address(to), "sent to nobody");
        let copies = if self.rng.below(1000) < self.weather.repeated { 2 } else { 1 };
        for _ in 0..if lost { 0 } else { copies } {
            let jitter = Duration::from_millis(self.rng.below(self.weather.jitter_ms + 1));
            self.order += 1;
            self.air.insert((self.now + DELAY + jitter, self.order), (to, flow, bytes.clone()));
        }
    }

    /// Moves to the next thing that happens; false when nothing will.
    pub fn step(&mut self) -> bool {
        let timers = self.agents.iter().filter_map(Machine::timeout).min();
        let air = self.air.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = [timers, air].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        while let Some(entry) = self.air.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, _, bytes) = entry.remove();
            self.deliver(to, bytes);
        }
        for side in 0..2 {
            self.agents[side].handle_timeout(self.now);
            self.drain();
        }
        true
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.agents.iter().filter_map(Machine::timeout).min();
            let air = self.air.first_key_value().map(|((at, _), _)| *at);
            match [timers, air].into_iter().flatten().min() {
                Some(next) if next <= end => self.step(),
                _ => break,
            };
        }
        self.now = end;
    }

    /// Runs until nothing is left to happen, and checks that nothing is left behind.
    pub fn run_out(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "never quiet");
        }
        for agent in &self.agents {
            let left = (agent.dialogs(), agent.transactions(), agent.pending());
            assert_eq!(left, (0, 0, 0), "left behind");
            assert!(agent.acks.is_empty() && agent.purposes.is_empty() && agent.by_tag.is_empty());
        }
    }

    /// Rings 1 from 0; the dialogs of both sides.
    pub fn invite(&mut self, dialog: u64) -> (DialogId, DialogId) {
        let flow = self.flow(0);
        self.command(0, Command::Invite(Box::new(invite(dialog, flow))));
        self.run_for(Duration::from_millis(50));
        (DialogId(dialog), self.incoming(1).expect("it rings"))
    }

    /// The latest dialog that came in.
    pub fn incoming(&self, side: usize) -> Option<DialogId> {
        self.events[side].iter().rev().find_map(|event| match event {
            Event::Invite { dialog, .. } => Some(*dialog),
            _ => None,
        })
    }

    /// A call that stands, with its ACK.
    pub fn call(&mut self, dialog: u64) -> (DialogId, DialogId) {
        let (ours, theirs) = self.invite(dialog);
        self.command(1, accept(theirs));
        self.run_for(Duration::from_millis(50));
        assert!(self.agents[0].call_id(ours).is_some());
        (ours, theirs)
    }

    pub fn endings(&self, side: usize) -> Vec<Ending> {
        let endings = self.events[side].iter().filter_map(|event| match event {
            Event::Ended { ending, .. } => Some(*ending),
            _ => None,
        });
        endings.collect()
    }

    /// The latest request inside a dialog that came to that side.
    pub fn asked(&self, side: usize) -> (TransactionId, Message) {
        let asked = self.events[side].iter().rev().find_map(|event| match event {
            Event::InDialog { transaction, message, .. } => Some((*transaction, message.clone())),
            _ => None,
        });
        asked.expect("a request inside the dialog")
    }

    /// The statuses of the responses that side got to its orders of that method.
    pub fn answers(&self, side: usize, of: &str) -> Vec<Option<u16>> {
        let answers = self.events[side].iter().filter_map(|event| match event {
            Event::Response { method, message, .. } if method == of => {
                Some(message.as_ref().and_then(Message::status))
            }
            _ => None,
        });
        answers.collect()
    }

    /// How often that side sent a request of that method.
    pub fn requests(&self, from: usize, method: Method) -> usize {
        let of_side = self.sent.iter().filter(|sent| sent.from == from);
        of_side.filter(|s| s.message.is_request() && s.message.method() == method).count()
    }

    /// How often that side sent a response with that status to that method.
    pub fn responses(&self, from: usize, status: u16, method: Method) -> usize {
        let of_side = self.sent.iter().filter(|sent| sent.from == from);
        of_side
            .filter(|s| s.message.status() == Some(status) && s.message.method() == method)
            .count()
    }
}

pub fn address(side: usize) -> std::net::SocketAddr {
    let text = ["198.51.100.1:5060", "198.51.100.2:5060"][side];
    text.parse().expect("an address")
}

pub fn invite(dialog: u64, flow: Flow) -> Invite {
    Invite {
        dialog: DialogId(dialog),
        uri: format!("sip:bob@{}", flow.remote),
        to: String::new(),
        from: "sip:alice@example.com".into(),
        display_name: Some("Alice".into()),
        flow,
        route: Vec::new(),
        max_forwards: 70,
        login: None,
        session: None,
        headers: Vec::new(),
        body: Some(sdp()),
    }
}

pub fn sdp() -> Body {
    Body { content_type: "application/sdp".into(), bytes: Bytes::from_static(b"v=0\r\n") }
}

pub fn accept(dialog: DialogId) -> Command {
    Command::Accept { dialog, headers: Vec::new(), body: Some(sdp()) }
}

pub fn ring(dialog: DialogId) -> Command {
    Command::Progress { dialog, status: 180, headers: Vec::new(), body: None }
}

/// 183 with a description.
pub fn early(dialog: DialogId) -> Command {
    Command::Progress { dialog, status: 183, headers: Vec::new(), body: Some(sdp()) }
}

pub fn update(dialog: DialogId, offer: bool) -> Command {
    let body = offer.then(sdp);
    Command::Request { dialog, method: "UPDATE", headers: Vec::new(), body }
}

pub fn respond(transaction: TransactionId, status: u16) -> Command {
    Command::Respond { transaction, status, headers: Vec::new(), body: Some(sdp()) }
}

pub fn hangup(dialog: DialogId) -> Command {
    Command::Hangup { dialog, headers: Vec::new() }
}

pub fn reinvite(dialog: DialogId) -> Command {
    Command::Request { dialog, method: "INVITE", headers: Vec::new(), body: Some(sdp()) }
}

pub fn read(bytes: Bytes) -> Message {
    match Message::parse(bytes.clone()) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&bytes)),
    }
}

pub fn header(message: &Message, name: HeaderName) -> String {
    message.header(name).unwrap_or_default().to_owned()
}
