//! Transactions under messages, timers and answers in any order (RFC 3261 section 17): each ends
//! once, what ended says nothing more, and when all timers have fired nothing is left.

use std::collections::BTreeSet;

use bytes::Bytes;
use offhook::base::{Duration, Instant};
use offhook::sip::transaction::{Arrival, ClientId, GIVE_UP, Notice, Transactions};
use offhook::sip::write::Builder;
use offhook::sip::{Flow, Message, Method, Parsed, TransactionId, Transport};

use super::steps::Steps;

#[derive(Default)]
struct Table {
    transactions: Transactions,
    now: Instant,
    /// Client transactions that live.
    clients: BTreeSet<ClientId>,
    /// Those that were told to have failed: told once.
    failed: BTreeSet<ClientId>,
    /// Server transactions that live, with their requests.
    servers: Vec<(TransactionId, Message)>,
    sent: u64,
}

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let mut table = Table::default();
    for _ in 0..Steps::MOST {
        let Some(step) = steps.next() else { break };
        table.step(step, &mut steps);
        table.drain();
        let live = table.clients.len() + table.servers.len();
        assert_eq!(table.transactions.len(), live, "all that live are known");
    }
    table.run_out();
}

impl Table {
    fn step(&mut self, step: u8, steps: &mut Steps<'_>) {
        let flow = flow(steps.below(3));
        match step % 8 {
            0 => {
                self.sent += 1;
                let method = steps.pick(&[Method::Invite, Method::Options, Method::Bye]);
                let branch = format!("z9hG4bKc{}", self.sent);
                let request = message(method.name(), &branch, "").as_bytes().clone();
                let other = steps.flag().then(|| (self::flow(steps.below(3)), request.clone()));
                let id =
                    self.transactions.send_or(self.now, method, &branch, (flow, request), other);
                assert!(self.clients.insert(id), "a number of its own");
            }
            1 | 2 => {
                let branch = format!("z9hG4bKc{}", steps.below(6));
                let method = steps.pick(&["INVITE", "OPTIONS", "BYE", "CANCEL"]);
                let status = steps.pick(&[100, 180, 200, 202, 300, 401, 487, 503, 600]);
                let request = message(method, &branch, "");
                let answer = Builder::response_to(&request, status, "x", Some("t")).build();
                let Parsed::Valid(answer) = Message::parse(answer) else { panic!("our own") };
                if let Some(id) = self.transactions.receive_response(self.now, &answer) {
                    assert!(self.clients.contains(&id), "{id:?} is over");
                }
            }
            3 | 4 => self.arrive(flow, steps),
            5 if !self.servers.is_empty() => {
                let (id, request) = &self.servers[steps.below(self.servers.len())];
                let status = steps.pick(&[100, 180, 183, 200, 204, 302, 404, 487, 500]);
                let answer = Builder::response_to(request, status, "x", Some("t")).build();
                assert!(self.transactions.serves(*id), "it lives");
                self.transactions.respond(self.now, *id, status, answer);
            }
            6 => match steps.below(4) {
                0 => self.transactions.unreachable(self.now, flow),
                choice => {
                    let id = ClientId(steps.below(12) as u64);
                    // An end is asked for only where it began.
                    if self.clients.contains(&id) && choice == 1 {
                        self.transactions.abandon_later(self.now, id);
                    } else if self.clients.contains(&id) {
                        self.transactions.abandon(id);
                    }
                }
            },
            _ => {
                self.now += Duration::from_millis(u64::from(steps.number()) % 40_000);
                self.transactions.handle_timeout(self.now);
            }
        }
    }

    fn arrive(&mut self, flow: Flow, steps: &mut Steps<'_>) {
        let branch = steps.pick(&["z9hG4bK1", "z9hG4bK2", "z9hG4bK3", "old"]);
        let method = steps.pick(&["INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"]);
        let request = message(method, branch, steps.pick(&["", ";tag=u", ";tag=t"]));
        let _ = (self.transactions.merged(&request), self.transactions.cancelled(&request));
        if self.transactions.receive_request(self.now, &request) == Arrival::Unknown
            && !matches!(request.method(), Method::Ack | Method::Cancel)
            && let Some(id) = self.transactions.accept(self.now, &request, flow)
        {
            assert!(!self.servers.iter().any(|(known, _)| *known == id), "a number of its own");
            self.servers.push((id, request));
        }
    }

    fn drain(&mut self) {
        while let Some(notice) = self.transactions.poll() {
            match notice {
                Notice::Transmit(_, bytes) => assert!(!bytes.is_empty()),
                Notice::TimedOut(id) | Notice::Failed(id) => {
                    assert!(self.clients.contains(&id), "{id:?} is over already");
                    assert!(self.failed.insert(id), "{id:?} fails twice");
                }
                Notice::Gone(id) => assert!(self.clients.remove(&id), "{id:?} goes twice"),
                Notice::Forgotten(id) => {
                    let before = self.servers.len();
                    self.servers.retain(|(known, _)| *known != id);
                    assert_eq!(self.servers.len() + 1, before, "{id:?} goes twice");
                }
                Notice::Trying(id) => {
                    assert!(self.servers.iter().any(|(known, _)| *known == id), "{id:?} is over");
                }
                Notice::Otherwise(_) => {}
            }
        }
    }

    /// Whoever drives them answers what came in and abandons what rings for ever.
    fn run_out(&mut self) {
        for (id, request) in self.servers.clone() {
            let answer = Builder::response_to(&request, 500, "x", Some("t")).build();
            self.transactions.respond(self.now, id, 500, answer);
        }
        self.drain();
        let end = self.now + 3 * GIVE_UP;
        let mut fired = 0;
        while let Some(at) = self.transactions.timeout() {
            fired += 1;
            assert!(fired < 20_000, "the timers never end");
            self.now = self.now.max(at);
            self.transactions.handle_timeout(self.now);
            self.drain();
        }
        assert!(self.now <= end, "all end within three times 64*T1");
        // An INVITE that got a 1xx waits for its callee, who is the driver's concern.
        for id in self.clients.clone() {
            self.transactions.abandon(id);
        }
        self.drain();
        assert!(self.transactions.is_empty() && self.servers.is_empty());
    }
}

fn flow(number: usize) -> Flow {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls][number % 3];
    let (local, remote) = (([192, 0, 2, 1], 5060).into(), ([198, 51, 100, 1], 5060).into());
    Flow { transport, local, remote, connection: (number / 2) as u64 }
}

fn message(method: &str, branch: &str, to_tag: &str) -> Message {
    let text = format!(
        "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>{to_tag}\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    match Message::parse(Bytes::from(text)) {
        Parsed::Valid(message) | Parsed::Reject { message, .. } => message,
        Parsed::Discard(reason) => panic!("{reason:?}"),
    }
}
