//! The whole switch between phones, a carrier, strangers, a web, a voice, the DNS and a media
//! plane that do what they like: a call ends once and its rows say so, what was opened is closed,
//! and after the end nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use offhook::audio::Clip;
use offhook::base::id::{CallSid, RecordingSid};
use offhook::base::{Duration, Epoch, Instant, Machine, Rng, Secret, WallTime};
use offhook::call::{Change, FetchError, Fetched, Order, Persist, Placement};
use offhook::directory::Directory;
use offhook::exchange::{Config, Exchange, Input, OrderNumber, Output, Ticket};
use offhook::media::{self, RecordingEnd, SessionId};
use offhook::sip::auth::answer;
use offhook::sip::locate::{Answer, Question, Record, Srv, Unanswered};
use offhook::sip::user_agent::{self, Listener};
use offhook::sip::{self, Flow, Login, Message, Transport};
use offhook::verb::Document;

use super::office::{Office, password};
use super::steps::Steps;
use super::talk::Peer;

const SERVER: &str = "192.0.2.1:5060";
const DOMAIN: &str = "office.localhost";
/// A phone, the carrier, and somebody whom nobody knows.
const PEERS: [&str; 3] = ["192.0.2.50:5060", "198.51.100.1:5060", "203.0.113.9:5060"];

const DOCUMENTS: [&str; 14] = [
    "<Say>Words</Say>",
    "<Play loop='0'>/tune.wav</Play><Hangup/>",
    "<Gather timeout='2' numDigits='1'><Say>Press</Say></Gather>",
    "<Record maxLength='5' timeout='2' recordingStatusCallback='/told'/>",
    "<Dial timeout='6'><Sip>sip:alice@office.localhost</Sip></Dial>",
    "<Dial callerId='+16505551111' answerOnBridge='true'>+14155550123</Dial>",
    "<Dial sequential='true'><Number url='/screen'>+14155550123</Number><Sip>sip:x@a.example</Sip>\
     </Dial>",
    "<Dial record='record-from-ringing-dual' hangupOnStar='true' timeLimit='9'>\
     <Sip>sip:alice@office.localhost</Sip><Number sendDigits='w1'>+14155550124</Number></Dial>",
    "<Reject reason='busy'/>",
    "<Redirect>/again</Redirect>",
    "<Pause length='1'/><Redirect>/again</Redirect>",
    "<Play digits='1w2'/>",
    "<Dial><Sip username='u' password='p'>sip:y@b.example;transport=tcp?X-A=b</Sip></Dial>",
    "",
];

struct World {
    exchange: Exchange,
    now: Instant,
    peer: Peer,
    fetches: Vec<Ticket>,
    sounds: Vec<Ticket>,
    questions: Vec<Question>,
    opened: BTreeSet<SessionId>,
    /// What a plane has not told of yet.
    owed: Vec<media::Event>,
    recordings: BTreeMap<RecordingSid, SessionId>,
    rows: BTreeMap<CallSid, bool>,
    calls: u32,
    outputs: usize,
    orders: u64,
    outcomes: u64,
}

fn directories() -> &'static [Arc<Directory>; 3] {
    static BUILT: OnceLock<[Arc<Directory>; 3]> = OnceLock::new();
    BUILT.get_or_init(|| {
        let usual = || {
            Office::new()
                .fallback("https://spare.example/voice")
                .status_callback("https://app.example/status", &["initiated", "completed"])
                .trunk("second", "198.51.100.7:5060", &["+14"], Some(("u", "p")))
        };
        [
            Arc::new(usual().build()),
            Arc::new(usual().change(|directory| directory.trunks.clear()).build()),
            Arc::new(usual().change(|directory| directory.domains.clear()).build()),
        ]
    })
}

pub fn run(bytes: &[u8]) {
    let mut steps = Steps::new(bytes);
    let mut world = World::new();
    for _ in 0..Steps::MOST {
        let Some(step) = steps.next() else { break };
        world.step(step, &mut steps);
    }
    world.run_out();
}

impl World {
    fn new() -> World {
        let server: SocketAddr = SERVER.parse().expect("an address");
        let listener = Listener::new(Transport::Udp, server);
        let config = Config {
            agent: user_agent::Config::new(vec![listener], "fuzz"),
            listeners: vec![(Transport::Udp, server)],
            public_address: None,
            own_addresses: vec![],
            epoch: Epoch::new(WallTime::from_unix_millis(1_795_237_266_000)),
            ledger: Default::default(),
        };
        let [usual, ..] = directories();
        World {
            exchange: Exchange::new(config, Arc::clone(usual), Rng::from_number(11)),
            now: Instant::from_millis(1_000),
            peer: Peer::default(),
            fetches: Vec::new(),
            sounds: Vec::new(),
            questions: Vec::new(),
            opened: BTreeSet::new(),
            owed: Vec::new(),
            recordings: BTreeMap::new(),
            rows: BTreeMap::new(),
            calls: 0,
            outputs: 0,
            orders: 0,
            outcomes: 0,
        }
    }

    fn handle(&mut self, input: Input) {
        self.exchange.handle(self.now, input);
        self.drain();
    }

    fn step(&mut self, step: u8, steps: &mut Steps<'_>) {
        match step % 16 {
            0..=3 => {
                let flow = flow(steps.below(3));
                let host = steps.pick(&[DOMAIN, "192.0.2.1"]);
                let bytes = self.peer.say(steps, host);
                self.handle(Input::Sip(sip::Input::Received { flow, bytes }));
            }
            4 | 5 => self.sound_request(steps),
            6 | 7 => self.fetched(steps),
            8 => self.spoken(steps),
            9 => self.resolved(steps),
            10..=12 => self.media(steps),
            13 => {
                if let Some(at) = self.exchange.timeout() {
                    self.now = self.now.max(at);
                    self.exchange.handle_timeout(self.now);
                    self.drain();
                }
            }
            14 => {
                self.now += Duration::from_millis(u64::from(steps.number()) % 20_000);
                self.exchange.handle_timeout(self.now);
                self.drain();
            }
            _ => match steps.below(24) {
                choice @ 0..=2 => self.handle(Input::Directory(Arc::clone(&directories()[choice]))),
                3 => self.handle(Input::Drain),
                4 => {
                    let flow = flow(steps.below(3));
                    self.handle(Input::Sip(sip::Input::Unreachable { flow }));
                }
                5..=9 => self.ordered(steps),
                _ => {}
            },
        }
    }

    /// Somebody places a call, or changes one that there is or was.
    fn ordered(&mut self, steps: &mut Steps<'_>) {
        let twiml = format!("<Response>{}</Response>", steps.pick(&DOCUMENTS));
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let order = if steps.below(2) == 0 {
            let to = steps.pick(&["client:alice", "sip:x@198.51.100.9", "+14155550123", "+900"]);
            let from = steps.pick(&["+16505551111", "alice", "+14155550100"]);
            let more = steps.pick(&[("Timeout", "5"), ("SendDigits", "w1"), ("TimeLimit", "9")]);
            let given = [("To", to), ("From", from), ("Twiml", &twiml), more].map(own);
            Placement::read(&given).map(|placement| Order::Place(Box::new(placement)))
        } else {
            let Some(sid) = self.rows.keys().nth(steps.below(8)).copied() else { return };
            let turn = match steps.below(8) {
                0 => ("Status", "completed"),
                1 => ("Status", "canceled"),
                2 => ("Url", "/functions/next"),
                _ => ("Twiml", twiml.as_str()),
            };
            Change::read(&[own(turn)]).map(|change| Order::Change(sid, Box::new(change)))
        };
        if let Ok(order) = order {
            self.orders += 1;
            self.handle(Input::Order(OrderNumber(self.orders), Box::new(order)));
            assert_eq!(self.orders, self.outcomes, "each is answered at once");
        }
    }

    /// A request that is let in: a carrier's call, or a phone that knows its password.
    fn sound_request(&mut self, steps: &mut Steps<'_>) {
        self.calls += 1;
        let (number, offer) = (
            self.calls,
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\n\
            c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n",
        );
        let phone = steps.flag();
        let method = if phone { steps.pick(&["REGISTER", "INVITE"]) } else { "INVITE" };
        let source = flow(usize::from(!phone));
        let (uri, credentials) = match phone {
            false => ("sip:+12223331234@192.0.2.1".to_owned(), String::new()),
            true => {
                let uri = match method {
                    "REGISTER" => format!("sip:{DOMAIN}"),
                    _ => format!("sip:+14155550100@{DOMAIN}"),
                };
                let challenge = self.peer.latest(|message| message.status() == Some(401));
                let credentials = challenge.and_then(|message| credentials(message, method, &uri));
                (uri, credentials.unwrap_or_default())
            }
        };
        let extra = steps.pick(&["", "Supported: 100rel, timer\r\nSession-Expires: 90\r\n"]);
        let to = if method == "REGISTER" { format!("sip:alice@{DOMAIN}") } else { uri.clone() };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKs{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@{DOMAIN}>;tag=s{number}\r\nTo: <{to}>\r\n\
             Call-ID: s{number}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@{}>\r\nExpires: 600\r\n\
             {extra}{credentials}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            source.remote,
            source.remote,
            offer.len(),
        );
        self.handle(Input::Sip(sip::Input::Received { flow: source, bytes: text.into() }));
    }

    fn fetched(&mut self, steps: &mut Steps<'_>) {
        let Some(ticket) = self.fetches.pop() else { return };
        let document = match steps.below(20) {
            19 => steps.piece().to_vec(),
            18 => b"<Response><Say>".to_vec(),
            _ => {
                let (one, two) = (steps.pick(&DOCUMENTS), steps.pick(&DOCUMENTS));
                format!("<Response>{one}{two}</Response>").into_bytes()
            }
        };
        let result = match Document::parse(&document, None) {
            Ok((document, _)) => Ok(Fetched {
                document: Arc::new(document),
                base: "https://app.example/voice".to_owned(),
            }),
            Err(error) => Err(FetchError { code: error.code, message: error.to_string() }),
        };
        self.handle(Input::Fetched(ticket, result));
    }

    fn spoken(&mut self, steps: &mut Steps<'_>) {
        let Some(ticket) = self.sounds.pop() else { return };
        let clip = match steps.below(6) {
            5 => Err(FetchError { code: 13520, message: "no voice".into() }),
            length => Ok(Clip::silence(Duration::from_millis(200 * length as u64))),
        };
        self.handle(Input::Sound(ticket, clip));
    }

    fn resolved(&mut self, steps: &mut Steps<'_>) {
        let Some(question) = self.questions.pop() else { return };
        let record = match steps.below(4) {
            0 => return self.handle(Input::Answered(question, Err(Unanswered))),
            1 => {
                Record::Srv(Srv { priority: 1, weight: 1, port: 5060, target: "c.example".into() })
            }
            _ => Record::Address([198, 51, 100, steps.next().unwrap_or_default()].into()),
        };
        let answer = Answer::new(vec![record], Duration::from_secs(60));
        self.handle(Input::Answered(question, Ok(answer)));
    }

    /// The plane tells something that it owes, or something by itself.
    fn media(&mut self, steps: &mut Steps<'_>) {
        if !self.owed.is_empty() && steps.below(4) != 3 {
            // Sessions are apart from each other; within each a plane tells in order.
            let session = self.owed[steps.below(self.owed.len())].session();
            let first = self.owed.iter().position(|event| event.session() == session);
            let event = self.owed.remove(first.unwrap_or_default());
            return self.handle(Input::Media(event));
        }
        let session = self.opened.iter().nth(steps.below(self.opened.len().max(1))).copied();
        let session = session.unwrap_or(SessionId(64 + steps.below(64) as u64));
        let event = match steps.below(4) {
            0 => media::Event::Silent { session },
            1 => media::Event::Played { session, play: steps.below(6) as u64 },
            _ => media::Event::Digit { session, digit: steps.pick(&['1', '*', '#', 'A']) },
        };
        self.handle(Input::Media(event));
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll() {
            self.outputs += 1;
            assert!(self.outputs < 500_000, "never silent");
            match output {
                Output::Transmit(_, bytes) => self.peer.hear(&bytes),
                Output::Media(command) => self.order(command),
                Output::Fetch(ticket, fetch) => {
                    assert!(!self.fetches.contains(&ticket) && !fetch.url.is_empty());
                    self.fetches.push(ticket);
                }
                Output::Speak(ticket, _) | Output::Load(ticket, ..) => {
                    assert!(!self.sounds.contains(&ticket));
                    self.sounds.push(ticket);
                }
                Output::Ask(question) => self.questions.push(question),
                Output::Persist(persist) => self.persist(persist),
                Output::Ordered(number, _) => {
                    self.outcomes += 1;
                    assert_eq!(number, OrderNumber(self.orders));
                }
                _ => {}
            }
        }
    }

    fn order(&mut self, command: media::Command) {
        use media::{Command, Event};
        let length = Duration::from_secs(1);
        match command {
            Command::Open { session, ip } => {
                assert!(self.opened.insert(session), "opened once");
                let local = SocketAddr::new(ip, 10_000 + self.opened.len() as u16);
                self.owed.push(Event::Opened { session, local });
            }
            Command::Close { session } => {
                assert!(self.opened.remove(&session), "{session:?} was closed before");
                let stays = |event: &Event| {
                    event.session() != session || matches!(event, Event::Recorded { .. })
                };
                self.owed.retain(stays);
                let ended = self.recordings.extract_if(.., |_, of| *of == session);
                let ended: Vec<RecordingSid> = ended.map(|(recording, _)| recording).collect();
                for recording in ended {
                    let end = RecordingEnd::Stopped;
                    let recorded = Event::Recorded { session, recording, end, length, heard: true };
                    self.owed.push(recorded);
                }
                self.owed.push(Event::Closed { session, received: 0, sent: 0, lost: 0 });
            }
            Command::Play { session, play, .. } | Command::SendDigits { session, play, .. } => {
                assert!(self.opened.contains(&session), "a play for a session that is none");
                self.owed.push(Event::Played { session, play });
            }
            Command::Record { session, plan } => {
                assert!(self.opened.contains(&session));
                assert!(self.recordings.insert(plan.recording, session).is_none(), "recorded once");
            }
            Command::StopRecording { recording } => {
                if let Some(session) = self.recordings.remove(&recording) {
                    let end = RecordingEnd::Silence;
                    let recorded =
                        Event::Recorded { session, recording, end, length, heard: false };
                    self.owed.push(recorded);
                }
            }
            Command::StopPlaying { session } => {
                let ends = |event: &Event| matches!(event, Event::Played { session: of, .. } if *of == session);
                self.owed.retain(|event| !ends(event));
            }
            Command::Connect { session, .. } => assert!(self.opened.contains(&session)),
            Command::Bridge { .. } | Command::Unbridge { .. } => {}
        }
    }

    fn persist(&mut self, persist: Persist) {
        for row in persist.calls {
            let is_final = row.status.is_final();
            assert_eq!(row.ended.is_some(), is_final, "{row:?}");
            let was_final = self.rows.insert(row.sid, is_final);
            assert!(!was_final.unwrap_or_default() || is_final, "it ended before: {row:?}");
        }
    }

    fn run_out(&mut self) {
        self.handle(Input::Shutdown);
        let end = self.now + Duration::from_secs(400);
        for fired in 0.. {
            assert!(fired < 50_000, "the timers never end");
            // A plane always tells of the end.
            while !self.owed.is_empty() {
                let event = self.owed.remove(0);
                self.handle(Input::Media(event));
            }
            let Some(at) = self.exchange.timeout().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.exchange.handle_timeout(self.now);
            self.drain();
        }
        assert_eq!(
            (self.exchange.calls(), self.exchange.legs()),
            (0, 0),
            "calls and legs are left"
        );
        assert!(self.opened.is_empty(), "media sessions are left: {:?}", self.opened);
        assert!(self.rows.values().all(|is_final| *is_final), "rows are open");
    }
}

fn credentials(challenge: &Message, method: &str, uri: &str) -> Option<String> {
    let password = Secret::new(password("alice"));
    let login = Login { username: "alice".into(), password, realm: None };
    let (name, value) = answer(challenge, method, uri, &login, "c", 1).ok()?.into_iter().next()?;
    Some(format!("{name}: {value}\r\n"))
}

fn flow(peer: usize) -> Flow {
    let address = |text: &str| text.parse().expect("an address");
    let (local, remote) = (address(SERVER), address(PEERS[peer]));
    Flow { transport: Transport::Udp, local, remote, connection: 0 }
}
