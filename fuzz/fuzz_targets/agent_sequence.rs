//! A user agent between a peer of ill will and a driver of changing mind: every transaction and
//! dialog ends, an ended dialog is silent, an INVITE or request has one outcome, the tables stay
//! within their bounds, and when all timers have fired nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use offhook::base::{Duration, Instant, Machine, Rng, Secret};
use offhook::sip::user_agent::{Config, Limits, Listener, UserAgent};
use offhook::sip::{
    Body, Command, DialogId, Event, Flow, Input, Invite, Login, Method, Output, Send,
    TransactionId, Transport,
};

use super::steps::Steps;
use super::talk::Peer;

const US: &str = "198.51.100.2";

struct Driver {
    agent: UserAgent,
    now: Instant,
    flow: Flow,
    peer: Peer,
    /// Dialogs that have begun and not ended.
    dialogs: BTreeSet<DialogId>,
    ended: BTreeSet<DialogId>,
    /// Requests that wait for our answer.
    pending: Vec<TransactionId>,
    knocking: Vec<Event>,
    /// Requests outside dialogs that wait for theirs, by number.
    asked: BTreeMap<u64, u32>,
    last: u64,
    ours: usize,
    limits: Limits,
}

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let mut driver = Driver::new(&mut steps);
    for _ in 0..Steps::MOST {
        let Some(step) = steps.next() else { break };
        driver.step(step, &mut steps);
        driver.check();
    }
    driver.run_out();
}

impl Driver {
    fn new(steps: &mut Steps<'_>) -> Driver {
        let transport = steps.pick(&[Transport::Udp, Transport::Udp, Transport::Tcp]);
        let (local, remote) = (([198, 51, 100, 2], 5060).into(), ([198, 51, 100, 1], 5060).into());
        let mut config = Config::new(vec![Listener::new(transport, local)], "fuzz");
        config.screening = steps.flag();
        if steps.flag() {
            config.limits.dialogs = 4;
            config.limits.transactions = 16;
        }
        let limits = config.limits;
        Driver {
            agent: UserAgent::new(config, Rng::from_number(5)),
            now: Instant::from_millis(1),
            flow: Flow { transport, local, remote, connection: u64::from(transport.is_stream()) },
            peer: Peer::default(),
            dialogs: BTreeSet::new(),
            ended: BTreeSet::new(),
            pending: Vec::new(),
            knocking: Vec::new(),
            asked: BTreeMap::new(),
            last: 0,
            ours: 0,
            limits,
        }
    }

    fn step(&mut self, step: u8, steps: &mut Steps<'_>) {
        match step % 8 {
            0..=2 => {
                let (flow, bytes) = (self.flow, self.peer.say(steps, US));
                let input = match step >> 6 {
                    3 => Input::Muted { flow, bytes },
                    _ => Input::Received { flow, bytes },
                };
                self.agent.handle(self.now, input);
            }
            3 | 4 => self.command(steps),
            5 => self.answer(steps),
            6 if step > 240 => self.agent.handle(self.now, Input::Unreachable { flow: self.flow }),
            6 => {
                // To the next thing that is due, whenever that is.
                if let Some(at) = self.agent.timeout() {
                    self.now = self.now.max(at);
                    self.agent.handle_timeout(self.now);
                }
            }
            _ => {
                self.now += Duration::from_millis(u64::from(steps.number()));
                self.agent.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    fn any_dialog(&self, steps: &mut Steps<'_>) -> DialogId {
        let back = steps.below(self.dialogs.len() + 1);
        self.dialogs.iter().rev().nth(back).copied().unwrap_or(DialogId(steps.below(9) as u64))
    }

    fn command(&mut self, steps: &mut Steps<'_>) {
        let dialog = self.any_dialog(steps);
        let headers = match steps.below(4) {
            0 => vec![("Reason".to_owned(), "Q.850;cause=16\r\nEvil: 1".to_owned())],
            _ => vec![],
        };
        let body = steps.flag().then(|| Body {
            content_type: "application/sdp".into(),
            bytes: Bytes::from_static(b"v=0\r\n"),
        });
        let command = match steps.below(10) {
            0 | 1 => return self.invite(steps, body),
            2 => return self.send(steps),
            3 => {
                let status = steps.pick(&[100, 180, 181, 183, 183, 199, 99, 200]);
                Command::Progress { dialog, status, headers, body }
            }
            4 => Command::Accept { dialog, headers, body },
            5 => {
                let status = steps.pick(&[302, 404, 486, 487, 500, 603, 99, 700, 200]);
                Command::Reject { dialog, status, headers }
            }
            6 => Command::Hangup { dialog, headers },
            _ => {
                let method = steps.pick(&["INVITE", "INVITE", "UPDATE", "INFO", "REFER", "NOTIFY"]);
                Command::Request { dialog, method, headers, body }
            }
        };
        self.ours += 1;
        self.agent.handle(self.now, Input::Command(command));
    }

    fn login(steps: &mut Steps<'_>) -> Option<Login> {
        let password = Secret::new("p");
        steps.flag().then(|| Login { username: "u".into(), password, realm: None })
    }

    fn invite(&mut self, steps: &mut Steps<'_>, body: Option<Body>) {
        self.last += 1;
        let dialog = DialogId(self.last);
        self.dialogs.insert(dialog);
        self.ours += 1;
        let invite = Invite {
            dialog,
            uri: "sip:bob@198.51.100.1".into(),
            to: String::new(),
            from: "sip:alice@example.com".into(),
            display_name: None,
            flow: self.flow,
            route: Vec::new(),
            max_forwards: 70,
            login: Self::login(steps),
            session: None,
            headers: vec![],
            body,
        };
        self.agent.handle(self.now, Input::Command(Command::Invite(Box::new(invite))));
    }

    fn send(&mut self, steps: &mut Steps<'_>) {
        let id = steps.below(3) as u64;
        *self.asked.entry(id).or_default() += 1;
        self.ours += 1;
        let send = Send {
            id,
            method: steps.pick(&["REGISTER", "OPTIONS", "MESSAGE"]),
            uri: "sip:198.51.100.1".into(),
            to: "sip:a@198.51.100.1".into(),
            from: "sip:a@198.51.100.1".into(),
            flow: self.flow,
            login: Self::login(steps),
            headers: vec![],
            body: None,
        };
        self.agent.handle(self.now, Input::Command(Command::Send(Box::new(send))));
    }

    /// Answers what waits: a knock, or a request.
    fn answer(&mut self, steps: &mut Steps<'_>) {
        let command = if let Some(Event::Knock { flow, message }) = self.knocking.pop() {
            match steps.below(3) {
                0 => {
                    let status = steps.pick(&[401, 403, 404, 503]);
                    Command::Answer { flow, message, status, headers: vec![] }
                }
                _ => Command::Admit { flow, message },
            }
        } else if let Some(transaction) = self.pending.pop() {
            let status = steps.pick(&[100, 180, 200, 200, 202, 404, 488, 491, 500]);
            if status < 200 {
                self.pending.push(transaction);
            }
            Command::Respond { transaction, status, headers: vec![], body: None }
        } else {
            return;
        };
        self.agent.handle(self.now, Input::Command(command));
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Transmit { bytes, .. } => self.peer.hear(&bytes),
                Output::Event(event) => self.told(event),
            }
        }
    }

    fn told(&mut self, event: Event) {
        if let Some(dialog) = event.dialog() {
            assert!(self.dialogs.contains(&dialog), "{dialog:?} is over or unknown: {event:?}");
        }
        match event {
            Event::Knock { .. } => self.knocking.push(event),
            Event::Request { transaction, .. } | Event::InDialog { transaction, .. } => {
                assert!(!self.pending.contains(&transaction), "told once");
                self.pending.push(transaction);
            }
            Event::Invite { dialog, ref message, .. } => {
                assert!(dialog.incoming() && message.method() == Method::Invite);
                assert!(!self.ended.contains(&dialog) && self.dialogs.insert(dialog), "{dialog:?}");
            }
            Event::Reply { id, .. } => {
                let left = self.asked.get_mut(&id).expect("it was asked");
                *left = left.checked_sub(1).expect("one reply to a request");
            }
            Event::Ended { dialog, .. } => {
                self.dialogs.remove(&dialog);
                assert!(self.ended.insert(dialog), "it ends once");
            }
            _ => {}
        }
    }

    fn check(&self) {
        assert_eq!(self.agent.dialogs(), self.dialogs.len(), "whoever began is told of the end");
        let most = self.limits.transactions + self.limits.transactions / 4;
        // Our own are the driver's to bound; each order may take a second and third attempt.
        assert!(self.agent.transactions() <= most + 4 * self.ours + 1);
        let waiting = self.agent.transactions() + self.agent.dialogs();
        assert!(
            self.agent.timeout().is_some()
                || waiting <= 2 * self.dialogs.len() + self.pending.len()
        );
    }

    /// Whoever drives the agent ends what it still knows of.
    fn run_out(&mut self) {
        for _ in 0..4 {
            for dialog in self.dialogs.clone() {
                let hangup = Command::Hangup { dialog, headers: vec![] };
                self.agent.handle(self.now, Input::Command(hangup));
                self.drain();
            }
            self.pass(Duration::from_secs(70));
        }
        self.pass(Duration::from_secs(3_600));
        let left = (self.agent.dialogs(), self.agent.transactions(), self.agent.pending());
        assert_eq!(left, (0, 0, 0), "dialogs, transactions and requests are left");
        assert_eq!(self.agent.timeout(), None);
        assert!(self.asked.values().all(|left| *left == 0), "every request has its reply");
    }

    fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        let mut fired = 0;
        while let Some(at) = self.agent.timeout().filter(|at| *at <= end) {
            fired += 1;
            assert!(fired < 50_000, "the timers never end");
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }
}
