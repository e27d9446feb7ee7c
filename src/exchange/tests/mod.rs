//! The switch as its peers see it: SIP as text in, SIP and what it asks for out.

mod admission;
mod calls;
mod door;
mod inner;
mod pings;
mod stories;
mod transports;

use std::collections::BTreeMap;

use super::*;
use crate::base::id::AccountSid;
use crate::base::{Secret, WallTime};
use crate::directory::{Caps, Domain, Handler, Limits, Number, Trunk, Voice};
use crate::sip::auth::answer;
use crate::sip::user_agent::Listener;
use crate::sip::{Login, Message, Parsed};
use crate::verb::Document;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\n\
                     m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// A phone's address, a trunk's, and a stranger's.
const PHONE: [u8; 4] = [192, 0, 2, 50];
const TRUNK: [u8; 4] = [192, 0, 2, 60];
const STRANGER: [u8; 4] = [198, 51, 100, 1];

/// The switch and everything that it said.
struct Stage {
    exchange: Exchange,
    now: Instant,
    sent: Vec<(Flow, Message)>,
    fetches: Vec<(Ticket, Fetch)>,
    media: Vec<media::Command>,
    notes: Vec<String>,
    expected: Vec<(SocketAddr, Expected)>,
    asked: Vec<locate::Question>,
    registered: Vec<Registered>,
    told: Vec<Told>,
    outcomes: Vec<Outcome>,
    port: u16,
    branches: u32,
    /// Where messages come from, if not as datagrams from their source.
    flow: Option<Flow>,
}

fn voice(url: &str) -> Voice {
    let handler = Handler::Document { url: url.to_owned(), get: false };
    Voice { handler: Some(handler), ..Voice::default() }
}

fn domain(name: &str, lists: &[&str], allowed: &[&str]) -> Domain {
    let lists: Vec<String> = lists.iter().map(|list| list.to_string()).collect();
    Domain {
        name: name.to_owned(),
        registration: lists.clone(),
        calls: lists,
        allowed_ips: allowed.iter().map(|net| net.parse().expect("a network")).collect(),
        voice: voice("bin:from-phone"),
        any_caller_id: false,
        transfer_out: false,
        nat: false,
        watching: Default::default(),
        messages: true,
        caps: Caps::USER,
    }
}

fn directory() -> Directory {
    let user = |name: &str| (name.to_owned(), Secret::new("secret"));
    let domains = [
        domain("office.example", &["staff"], &[]),
        domain("bank.example", &["tellers"], &[]),
        domain("pbx.example", &[], &["192.0.2.0/24"]),
        domain("closed.example", &[], &[]),
    ];
    let number = Number { number: "+12223331234".into(), voice: voice("bin:to-number") };
    let trunk = Trunk {
        inbound_ips: vec!["192.0.2.60/32".parse().expect("a network")],
        prefixes: vec!["+1".into()],
        ..Trunk::new("carrier", "sip:192.0.2.60")
    };
    Directory {
        account_sid: AccountSid::from_bytes([1; 16]),
        auth_token: Secret::new("token"),
        public_url: "http://127.0.0.1:8080".into(),
        credential_lists: BTreeMap::from([
            ("staff".into(), [user("alice"), user("bob")].into()),
            ("tellers".into(), [user("tom")].into()),
        ]),
        domains: domains.into_iter().map(|domain| (domain.name.clone(), domain)).collect(),
        numbers: [(number.number.clone(), number)].into(),
        trunks: vec![trunk],
        lines: Default::default(),
        limits: Limits::default(),
        hold_music: Default::default(),
    }
}

impl Stage {
    fn new() -> Stage {
        Stage::with(directory(), &[Transport::Udp])
    }

    /// One with listeners of these transports.
    fn with(directory: Directory, transports: &[Transport]) -> Stage {
        let local = SocketAddr::from(([192, 0, 2, 1], 5060));
        let listener = |transport: &Transport| Listener::new(*transport, local);
        let agent = transports.iter().map(listener).collect();
        let config = Config {
            agent: user_agent::Config::new(agent, "test"),
            listeners: transports.iter().map(|transport| (*transport, local)).collect(),
            public_address: None,
            own_addresses: vec![],
            epoch: Epoch::new(WallTime::from_unix_millis(1_700_000_000_000)),
            ledger: Default::default(),
        };
        let exchange = Exchange::new(config, Arc::new(directory), Rng::from_number(1));
        Stage {
            exchange,
            now: Instant::ZERO,
            sent: vec![],
            fetches: vec![],
            media: vec![],
            notes: vec![],
            expected: vec![],
            asked: vec![],
            registered: vec![],
            told: vec![],
            outcomes: vec![],
            port: 20_000,
            branches: 0,
            flow: None,
        }
    }

    /// Gives something; sockets of media are bound and closed at once.
    fn give(&mut self, input: Input) {
        self.exchange.handle(self.now, input);
        self.listen();
    }

    /// Answers what the DNS is asked, until it is asked nothing more.
    fn answer_dns(&mut self, zone: impl Fn(&locate::Question) -> Option<locate::Record>) {
        while let Some(question) = self.asked.pop() {
            let records = zone(&question).into_iter().collect();
            let answer = locate::Answer { records, ttl: None };
            self.give(Input::Answered(question, Ok(answer)));
        }
    }

    fn listen(&mut self) {
        while let Some(output) = self.exchange.poll() {
            match output {
                Output::Transmit(flow, bytes) => self.sent.push((flow, read(bytes))),
                Output::Media(command) => self.play_media(command),
                Output::Fetch(ticket, fetch) => self.fetches.push((ticket, fetch)),
                Output::Note(note) => self.notes.push(note.text),
                Output::Ask(question) => self.asked.push(question),
                Output::Registered(registered) => self.registered.push(registered),
                Output::Expect(address, name) => self.expected.push((address, name)),
                Output::Told(told) => self.told.push(told),
                Output::Ordered(_, outcome) => self.outcomes.push(outcome),
                Output::Peer(..) => panic!("there is no other exchange"),
                Output::Speak(..) | Output::Load(..) | Output::Persist(_) => {}
                Output::Binding(_) | Output::Trunk(_) | Output::Certificate(_) => {}
            }
        }
    }

    fn play_media(&mut self, command: media::Command) {
        self.media.push(command.clone());
        let event = match command {
            media::Command::Open { session, ip } => {
                self.port += 2;
                media::Event::Opened { session, local: SocketAddr::new(ip, self.port) }
            }
            media::Command::Close { session } => {
                media::Event::Closed { session, received: 0, sent: 0, lost: 0 }
            }
            _ => return,
        };
        self.exchange.handle(self.now, Input::Media(event));
    }

    /// One datagram from `source`; gives what went out because of it.
    fn receive(&mut self, source: [u8; 4], text: &str) -> Vec<(Flow, Message)> {
        self.arrive(source, text, Input::Sip)
    }

    /// The same, come too late.
    fn late(&mut self, source: [u8; 4], text: &str) -> Vec<(Flow, Message)> {
        self.arrive(source, text, Input::Late)
    }

    fn arrive(
        &mut self,
        source: [u8; 4],
        text: &str,
        input: fn(sip::Input) -> Input,
    ) -> Vec<(Flow, Message)> {
        let local = SocketAddr::from(([192, 0, 2, 1], 5060));
        let remote = SocketAddr::from((source, 5060));
        let plain = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        let flow = self.flow.unwrap_or(plain);
        let bytes = Bytes::from(text.to_owned());
        self.sent.clear();
        // No two datagrams at once: nonces are told apart by their time.
        self.now += Duration::from_millis(1);
        self.give(input(sip::Input::Received { flow, bytes }));
        std::mem::take(&mut self.sent)
    }

    /// The final status that a request gets; 0 when it gets none.
    fn status(&mut self, source: [u8; 4], text: &str) -> u16 {
        self.answer(source, text).and_then(|answer| answer.status()).unwrap_or(0)
    }

    fn answer(&mut self, source: [u8; 4], text: &str) -> Option<Message> {
        let sent = self.receive(source, text).into_iter().map(|(_, message)| message);
        sent.filter(|message| message.status().is_some_and(|status| status >= 200)).last()
    }

    /// A request with `extra` headers, each with its line end.
    fn request(&mut self, method: &str, uri: &str, from: &str, extra: &str, body: &str) -> String {
        self.branches += 1;
        let (n, length) = (self.branches, body.len());
        let to = if method == "REGISTER" { from } else { uri };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.50;rport;branch=z9hG4bK{n}\r\n\
             Max-Forwards: 70\r\nFrom: <{from}>;tag=t{n}\r\nTo: <{to}>\r\nCall-ID: c{n}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:me@192.0.2.50>\r\n{extra}Content-Length: {length}\
             \r\n\r\n{body}"
        )
    }

    fn invite(&mut self, uri: &str, from: &str) -> String {
        self.request("INVITE", uri, from, "Content-Type: application/sdp\r\n", OFFER)
    }

    /// The answer to a request after one challenge, answered as `user`.
    fn with_password(
        &mut self,
        source: [u8; 4],
        request: &str,
        user: &str,
        password: &str,
    ) -> Option<Message> {
        let challenge = self.answer(source, request).expect("an answer");
        assert_eq!(challenge.status(), Some(401));
        let login = Login { username: user.into(), password: Secret::new(password), realm: None };
        let mut words = request.split(' ');
        let (method, uri) = (words.next().expect("a method"), words.next().expect("a URI"));
        let fields = answer(&challenge, method, uri, &login, "cnonce", 1).expect("a challenge");
        let header = format!("{}: {}\r\nContent-Length", fields[0].0, fields[0].1);
        let again = request
            .replace("Content-Length", &header)
            .replace("branch=z9hG4bK", "branch=z9hG4bKagain")
            .replace("CSeq: 1 ", "CSeq: 2 ");
        self.answer(source, &again)
    }

    fn register(&mut self, user: &str, contact: &str) -> Option<Message> {
        let from = format!("sip:{user}@office.example");
        let request = self
            .request("REGISTER", "sip:office.example", &from, "", "")
            .replace("sip:me@192.0.2.50", contact);
        self.with_password(PHONE, &request, user, "secret")
    }

    /// Answers the latest fetch with a document.
    fn document(&mut self, body: &str) {
        let (ticket, fetch) = self.fetches.pop().expect("a fetch");
        let xml = format!("<Response>{body}</Response>");
        let (document, _) = Document::parse(xml.as_bytes(), None).expect("a document");
        let fetched = Fetched { document: Arc::new(document), base: fetch.url };
        self.sent.clear();
        self.give(Input::Fetched(ticket, Ok(fetched)));
    }

    fn parameter(&self, name: &str) -> String {
        let (_, fetch) = self.fetches.last().expect("a fetch");
        let found = fetch.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// What was sent of a method, newest last.
    fn requests(&self, method: &str) -> Vec<&(Flow, Message)> {
        let wanted = |message: &Message| message.is_request() && message.method_name() == method;
        self.sent.iter().filter(|(_, message)| wanted(message)).collect()
    }

    fn statuses(&self) -> Vec<u16> {
        self.sent.iter().filter_map(|(_, message)| message.status()).collect()
    }
}

fn read(bytes: Bytes) -> Message {
    match Message::parse(bytes) {
        Parsed::Valid(message) => message,
        other => panic!("we sent {other:?}"),
    }
}

/// A response to a request of ours, from whom it was sent to.
fn response(request: &Message, status: u16, tag: &str, body: &str) -> String {
    let line = |name: &str| request.header_by_name(name).unwrap_or_default().to_owned();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag={tag}\r\nCall-ID: {}\r\n\
         CSeq: {}\r\nContact: <sip:it@192.0.2.50>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        line("Via"),
        line("From"),
        line("To"),
        request.call_id(),
        line("CSeq"),
        body.len()
    )
}
