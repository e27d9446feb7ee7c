//! What has hurt other SIP servers, one test each, named for the hole. Each drives the whole switch
//! with bytes alone; what belongs to one part only is tested beside it (RTP from strangers in
//! `media`, entities and fetches in `markup` and `http`).

// The system's allocator behind a counter: memory is what floods are about.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use offhook::audio::Clip;
use offhook::base::id::AccountSid;
use offhook::base::{Duration, Epoch, Instant, Machine, Rng, Secret, WallTime};
use offhook::call::Fetched;
use offhook::directory::{Caps, Directory, Domain, Handler, Limits, Number, Trunk, Verify, Voice};
use offhook::exchange::{Certificate, Config, Exchange, Input, Output, Ticket};
use offhook::media;
use offhook::sip::auth::answer;
use offhook::sip::user_agent::{self, Listener};
use offhook::sip::{self, Flow, Login, Message, Parsed, Transport};
use offhook::verb::Document;

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = HELD.try_with(|held| held.set(held.get() + layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|held| held.set(held.get() - layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn held() -> isize {
    HELD.with(Cell::get)
}

const USERS: usize = 4_000;
const SERVER: &str = "192.0.2.1:5060";
const CARRIER: &str = "192.0.2.60:5060";
const STRANGER: &str = "198.51.100.1:40000";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\n\
                     m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn directory() -> Directory {
    let handler = Handler::parse("bin:any");
    let voice = Voice { handler, ..Voice::default() };
    let users: BTreeMap<_, _> =
        (0..USERS).map(|user| (format!("u{user}"), Secret::new("secret"))).collect();
    let domain = Domain {
        name: "office.example".into(),
        registration: vec!["staff".into()],
        calls: vec!["staff".into()],
        allowed_ips: vec![],
        voice: voice.clone(),
        any_caller_id: false,
        transfer_out: false,
        nat: false,
        watching: Default::default(),
        messages: true,
        caps: Caps::USER,
    };
    let carrier: SocketAddr = CARRIER.parse().expect("an address");
    let trunk = Trunk {
        inbound_ips: vec![carrier.ip().into()],
        prefixes: vec!["+1".into()],
        ..Trunk::new("carrier", &format!("sip:{carrier}")).with_login("us", "key")
    };
    let number = Number { number: "+12223331234".into(), voice };
    Directory {
        account_sid: AccountSid::from_bytes([1; 16]),
        auth_token: Secret::new("token"),
        public_url: "http://127.0.0.1:8080".into(),
        credential_lists: [("staff".to_owned(), users)].into(),
        domains: [(domain.name.clone(), domain)].into(),
        numbers: [(number.number.clone(), number)].into(),
        trunks: vec![trunk],
        lines: Default::default(),
        limits: Limits::default(),
        hold_music: Default::default(),
    }
}

/// The switch, and what it said of late.
struct Switch {
    exchange: Exchange,
    now: Instant,
    sent: Vec<(Flow, String)>,
    fetches: Vec<(Ticket, String)>,
    ports: u16,
}

impl Switch {
    fn new() -> Switch {
        Switch::with(directory())
    }

    fn with(directory: Directory) -> Switch {
        let local: SocketAddr = SERVER.parse().expect("an address");
        let config = Config {
            agent: user_agent::Config::new(vec![Listener::new(Transport::Udp, local)], "test"),
            listeners: vec![(Transport::Udp, local)],
            public_address: None,
            own_addresses: vec![],
            epoch: Epoch::new(WallTime::from_unix_millis(1_700_000_000_000)),
            ledger: Default::default(),
        };
        let exchange = Exchange::new(config, Arc::new(directory), Rng::from_number(1));
        Switch {
            exchange,
            now: Instant::from_millis(1_000),
            sent: vec![],
            fetches: vec![],
            ports: 20_000,
        }
    }

    fn give(&mut self, input: Input) {
        self.exchange.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll() {
            match output {
                Output::Transmit(flow, bytes) => {
                    self.sent.push((flow, String::from_utf8_lossy(&bytes).into_owned()));
                }
                Output::Fetch(ticket, fetch) => self.fetches.push((ticket, fetch.url)),
                Output::Media(media::Command::Open { session, ip }) => {
                    self.ports += 2;
                    let local = SocketAddr::new(ip, self.ports);
                    let opened = media::Event::Opened { session, local };
                    self.exchange.handle(self.now, Input::Media(opened));
                }
                Output::Media(media::Command::Close { session }) => {
                    let closed = media::Event::Closed { session, received: 0, sent: 0, lost: 0 };
                    self.exchange.handle(self.now, Input::Media(closed));
                }
                Output::Speak(ticket, _) | Output::Load(ticket, ..) => {
                    let clip = Clip::new(vec![0; 160]);
                    self.exchange.handle(self.now, Input::Sound(ticket, Ok(clip)));
                }
                _ => {}
            }
        }
    }

    /// A datagram; gives what went out because of it.
    fn say(&mut self, from: &str, text: impl Into<Vec<u8>>) -> Vec<(Flow, String)> {
        let (local, remote) = (SERVER.parse().expect("one"), from.parse().expect("an address"));
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        self.now += Duration::from_millis(1);
        self.sent.clear();
        let bytes = Bytes::from(text.into());
        self.give(Input::Sip(sip::Input::Received { flow, bytes }));
        std::mem::take(&mut self.sent)
    }

    fn status(&mut self, from: &str, text: impl Into<Vec<u8>>) -> Option<u16> {
        let sent = self.say(from, text);
        sent.last().and_then(|(_, text)| text.get(8..11)?.parse().ok())
    }

    fn document(&mut self, body: &str) -> Vec<(Flow, String)> {
        let (ticket, base) = self.fetches.pop().expect("a fetch");
        let xml = format!("<Response>{body}</Response>");
        let (document, _) = Document::parse(xml.as_bytes(), None).expect("a document");
        self.sent.clear();
        self.give(Input::Fetched(ticket, Ok(Fetched { document: Arc::new(document), base })));
        std::mem::take(&mut self.sent)
    }

    /// It is in its senses: somebody else is answered.
    fn lives(&mut self) {
        let options = request("OPTIONS", "sip:office.example", 0, "", "");
        assert_eq!(self.status("203.0.113.7:5060", options), Some(200));
    }

    fn runs_out(&mut self) {
        for _ in 0..10_000 {
            let Some(at) = self.exchange.timeout() else { return };
            self.now = at;
            self.exchange.handle_timeout(at);
            self.drain();
        }
        panic!("never quiet");
    }
}

fn request(method: &str, uri: &str, number: usize, extra: &str, body: &str) -> String {
    let to = if method == "REGISTER" { "sip:u0@office.example" } else { uri };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:u0@office.example>;tag=f{number}\r\nTo: <{to}>\r\n\
         Call-ID: c{number}\r\nCSeq: 1 {method}\r\nContact: <sip:me@192.0.2.60>\r\n{extra}{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A call of the carrier to our number.
fn call(number: usize, extra: &str) -> String {
    request("INVITE", "sip:+12223331234@192.0.2.1", number, extra, OFFER)
        .replace("sip:u0@office.example", "sip:+15550001111@192.0.2.60")
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let found = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_default()
}

/// A response to what we sent.
fn response(request: &str, line: &str, extra: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let to = header(request, "To");
    let tag = if to.contains("tag=") { "" } else { ";tag=far" };
    format!(
        "SIP/2.0 {line}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:far@192.0.2.60>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
        header(request, "Via"),
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
        body.len()
    )
}

fn parsed(text: &str) -> Message {
    match Message::parse(Bytes::copy_from_slice(text.as_bytes())) {
        Parsed::Valid(message) => message,
        other => panic!("{other:?}"),
    }
}

/// CVE-2017-9372 (CSeq), CVE-2018-8828 (tag), a Content-Length past 2³².
#[test]
fn parser_overflow_numbers_and_lengths_beyond_their_types() {
    let mut switch = Switch::new();
    let long = "x".repeat(20_000);
    let plain = request("OPTIONS", "sip:office.example", 1, "", "");
    for (old, new) in [
        ("CSeq: 1 OPTIONS", "CSeq: 4294967296 OPTIONS".to_owned()),
        ("CSeq: 1 OPTIONS", "CSeq: 99999999999999999999999999 OPTIONS".to_owned()),
        ("CSeq: 1 OPTIONS", format!("CSeq: 1 {long}")),
        ("tag=f1", format!("tag={long}")),
        ("branch=z9hG4bKOPTIONS1", format!("branch={long}")),
        ("Content-Length: 0", "Content-Length: 4294967296".to_owned()),
        ("Content-Length: 0", "Content-Length: 18446744073709551617".to_owned()),
        ("Content-Length: 0", "Content-Length: -1".to_owned()),
        ("Max-Forwards: 70", "Max-Forwards: 4294967366".to_owned()),
        ("192.0.2.60:5060", "192.0.2.60:65536".to_owned()),
        ("Max-Forwards: 70", format!("Max-Forwards: 70\r\nExpires: {}", "9".repeat(400))),
    ] {
        assert!(plain.contains(old), "{old}");
        let answer = switch.status(STRANGER, plain.replace(old, &new));
        assert!(answer.is_none_or(|status| (200..500).contains(&status)), "{new:.40}: {answer:?}");
        switch.lives();
    }
}

/// July 2025: a crash on a broken Identity header. Here it is read on purpose, in every broken form,
/// and so is whatever its address gives instead of a certificate.
#[test]
fn broken_identity_headers_do_not_stop_a_call() {
    let verify = Verify { anchors: vec![], ports: vec![], wait: Duration::from_secs(2) };
    let verify = Arc::new(verify);
    let token = |head: &str, claims: &str| {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signature = URL_SAFE_NO_PAD.encode([7; 64]);
        let info = "info=<https://c.example/a.pem>;alg=ES256;ppt=shaken";
        format!("{}.{}.{signature};{info}", part(head), part(claims))
    };
    let head = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://c.example/a.pem"}"#;
    let claims = r#"{"attest":"A","dest":{"tn":["12223331234"]},"iat":1700000001,"orig":{"tn":"15550001111"},"origid":"o"}"#;
    let whole = token(head, claims);
    let mut broken: Vec<String> = [
        "",
        ";",
        "eyJ.eyJ.;info=<",
        "\"",
        "x;alg=ES256;ppt=shaken,",
        "..;info=<>",
        "..AA;info=<https://c/d>",
    ]
    .map(str::to_owned)
    .into();
    broken.push("a.".repeat(5_000));
    broken.push(token(head, &"[".repeat(4_000)));
    broken.push(token(&format!("{{\"a\":{}", "{\"a\":".repeat(900)), claims));
    for wrong in ["null", "{}", "[]", "1e999", "\"", "{\"iat\":99999999999999999999}"] {
        broken.extend([token(head, wrong), token(wrong, claims)]);
    }
    broken.extend((0..whole.len()).step_by(9).map(|end| whole[..end].to_owned()));
    broken.push(whole.clone());
    for identity in broken {
        let mut directory = directory();
        directory.trunks[0].callers.verify = Some(Arc::clone(&verify));
        let mut switch = Switch::with(directory);
        let sent = switch.say(CARRIER, call(1, &format!("Identity: {identity}\r\n")));
        let refused = sent.iter().any(|(_, text)| text.starts_with("SIP/2.0 4"));
        // What reads well waits for a certificate; what comes is none.
        let url = "https://c.example/a.pem".to_owned();
        for body in [&b"\x30\x82\xff\xff\x30"[..], b"-----BEGIN CERTIFICATE-----"] {
            let certificate = Certificate { body: Bytes::from_static(body), max_age: None };
            switch.give(Input::Certificate(url.clone(), Ok(certificate)));
        }
        assert!(!refused && switch.fetches.len() == 1, "{identity:.20}: {sent:?}");
    }
}

/// CVE-2020-28361: a blank before the colon hid a header from the gatekeeper but not from the
/// server behind it. What a caller writes never reaches the other leg.
#[test]
fn header_smuggling_nothing_of_the_caller_reaches_the_other_leg() {
    let smuggled = "P-Asserted-Identity : <sip:+19005550000@evil>\r\n\
                    X-Secret : 1\r\nRemote-Party-ID:<sip:ceo@evil>\r\nRoute : <sip:evil;lr>\r\n\
                    Authorization\t: Basic x\r\nDiversion: <tel:+19005550000>\r\n\
                    X-Folded: a\r\n Route: <sip:evil;lr>\r\nTarget-Dialog: evil\r\n\
                    Privacy: none\r\nx-twilio-callsid: forged\r\nUser-to-User: 00\r\n";
    let mut switch = Switch::new();
    switch.say(CARRIER, call(1, smuggled));
    let dial = "<Dial callerId='+12223331234'><Number>+15557654321</Number></Dial>";
    let sent = switch.document(dial);
    let (_, invite) = sent.iter().find(|(_, text)| text.starts_with("INVITE")).expect("a leg");
    let message = parsed(invite);
    let allowed = [
        "Via",
        "Max-Forwards",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Allow",
        "Supported",
        "User-Agent",
        "Content-Type",
        "Content-Length",
        "Min-SE",
        "Session-Expires",
        "X-Twilio-ApiVersion",
        "X-Twilio-AccountSid",
        "X-Twilio-CallSid",
    ];
    for (name, value) in message.all_headers() {
        assert!(allowed.contains(&name), "{name}: {value}");
    }
    let head = invite.split("\r\n\r\n").next().expect("a head");
    assert!(!head.contains("evil") && !head.contains("+1900") && !head.contains("forged"));
    assert!(!head.contains("+15550001111"), "not even the number that is not ours");
    assert_eq!(invite.matches(" SIP/2.0\r\n").count(), 1, "one request");
}

/// CVE-2021-41158: the callee challenges our BYE in the realm that it likes, or from elsewhere, and
/// gets a hash of the carrier's password.
#[test]
fn digest_leak_a_callee_that_challenges_gets_no_hash() {
    let challenge = |realm: &str, nonce: &str| {
        format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\"\r\n")
    };
    // Realm of the far end's BYE, whether the carrier asked before, and whether we answer.
    for (asked_before, realm, contact, answered) in [
        (false, "carrier", "192.0.2.60", false),
        (true, "evil", "192.0.2.60", false),
        (true, "carrier", "203.0.113.66", false),
        (true, "carrier", "192.0.2.60", true),
    ] {
        let mut switch = Switch::new();
        let incoming = call(1, "");
        switch.say(CARRIER, incoming.clone());
        let dial = "<Dial callerId='+12223331234'><Number>+15557654321</Number></Dial>";
        let sent = switch.document(dial);
        let invite = |sent: &[(Flow, String)]| {
            let found = sent.iter().find(|(_, text)| text.starts_with("INVITE"));
            found.map(|(_, text)| text.clone()).expect("an INVITE")
        };
        let mut out = invite(&sent);
        if asked_before {
            let refused = response(&out, "401 x", &challenge("carrier", "n1"), "");
            out = invite(&switch.say(CARRIER, refused));
            assert!(header(&out, "Authorization").contains("realm=\"carrier\""));
        }
        let accepted = response(&out, "200 OK", "", OFFER)
            .replace("Contact: <sip:far@192.0.2.60>", &format!("Contact: <sip:far@{contact}>"));
        let sent = switch.say(CARRIER, accepted);
        let ack = sent.iter().find(|(_, text)| text.starts_with("ACK")).expect("an ACK");
        let own = ack.0.remote.ip() == CARRIER.parse::<SocketAddr>().expect("one").ip();
        assert!(own || header(&ack.1, "Authorization").is_empty(), "{}", ack.1);
        switch.sent.clear();
        switch.give(Input::Shutdown);
        let sent = std::mem::take(&mut switch.sent);
        let bye = sent.iter().find(|(_, t)| t.starts_with("BYE") && t.contains("tag=far"));
        let bye = bye.map(|(_, text)| text.clone()).expect("a BYE");
        let from = format!("{contact}:5060");
        let sent = switch.say(&from, response(&bye, "401 x", &challenge(realm, "n2"), ""));
        let again = sent.iter().any(|(_, text)| text.contains("Authorization"));
        assert_eq!(again, answered, "{asked_before} {realm} {contact}");
    }
}

/// CVE-2021-41145: 8 GB gone in 90 seconds of REGISTER.
#[test]
fn flood_of_requests_leaves_memory_flat_and_no_timer() {
    let mut switch = Switch::new();
    let source = |number: usize| {
        let [_, a, b, c] = (number as u32).to_be_bytes();
        format!("100.{a}.{b}.{c}:5060")
    };
    let flood = |switch: &mut Switch, numbers: std::ops::Range<usize>| {
        for number in numbers {
            let method = ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"][number % 5];
            let text = request(method, "sip:office.example", number, "", "")
                .replace("sip:u0@", &format!("sip:{number}@"));
            switch.say(&source(number % 10_000), text);
        }
    };
    // Tables fill up to their bounds first: that of sources by noise, which costs least.
    for number in (0..100_000).rev() {
        switch.say(&source(number), "noise");
    }
    flood(&mut switch, 0..10_000);
    let before = held();
    flood(&mut switch, 10_000..30_000);
    let grown = held() - before;
    assert!(grown < 64 << 10, "{grown} bytes for 20,000 requests");
    assert!(before < 64 << 20, "{before} bytes held");
    assert_eq!(switch.exchange.timeout(), None, "nothing waits");
    assert_eq!(switch.exchange.counters().over_budget, 0, "none of them was cut short");
    switch.lives();
}

/// CVE-2021-37624 (MESSAGE) and CVE-2021-41157 (SUBSCRIBE): methods that nobody thought of asked
/// for no password.
#[test]
fn missing_auth_by_method_nothing_is_taken_from_strangers() {
    let mut switch = Switch::new();
    let methods = [
        "INVITE",
        "REGISTER",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "REFER",
        "INFO",
        "UPDATE",
        "PRACK",
        "BYE",
        "CANCEL",
        "NEWMETHOD",
        "invite",
    ];
    for (number, method) in methods.into_iter().enumerate() {
        let extra = "Event: presence\r\nRefer-To: <sip:+19005550000@evil>\r\n";
        let text = request(method, "sip:u1@office.example", number, extra, "");
        let status = switch.status(STRANGER, text).expect("an answer");
        assert!((400..502).contains(&status), "{method}: {status}");
    }
    assert!(switch.fetches.is_empty() && switch.exchange.calls() == 0);
    assert_eq!(switch.exchange.timeout(), None, "nothing is kept of any");
}

/// December 2025: credentials of one user, in a request of another.
#[test]
fn a_user_cannot_be_another_with_its_own_password() {
    let mut switch = Switch::new();
    for (method, uri) in [("REGISTER", "sip:office.example"), ("INVITE", "sip:5@office.example")] {
        let text = request(method, uri, 1, "", "");
        let challenge = switch.say(STRANGER, text.clone()).pop().expect("a challenge").1;
        let password = Secret::new("secret");
        let login = Login { username: "u7".into(), password, realm: None };
        let fields = answer(&parsed(&challenge), method, uri, &login, "c", 1).expect("met");
        let fields = format!("Authorization: {}\r\nContent-Length", fields[0].1);
        let text = text.replace("Content-Length", &fields).replace("CSeq: 1", "CSeq: 2");
        assert_eq!(switch.status(STRANGER, text), Some(403), "{method}");
    }
    assert_eq!(switch.exchange.registrations(), 0);
}

/// Toll fraud by scanner: ten thousand prefixes tried from outside, and not one call goes out.
#[test]
fn scanners_of_dial_plans_reach_no_trunk() {
    let mut switch = Switch::new();
    let mut challenged = 0;
    for number in 0..2_000 {
        let uri = format!("sip:{number:04}01144{number}@192.0.2.1");
        let text = request("INVITE", &uri, number, "", OFFER)
            .replace("sip:u0@office.example", &format!("sip:{number}@192.0.2.1"));
        let sent = switch.say(STRANGER, text);
        assert!(sent.iter().all(|(_, text)| text.starts_with("SIP/2.0 401")), "{sent:?}");
        challenged += sent.len();
    }
    assert!(challenged >= 1_000, "up to the budget of one source");
    assert!(switch.fetches.is_empty());
    assert_eq!(switch.exchange.counters().over_budget, 2_000 - challenged as u64);
}

/// What one registered phone costs, with all that it leaves anywhere in the switch.
#[test]
fn a_registration_costs_less_than_a_kilobyte() {
    let mut switch = Switch::new();
    let register = |switch: &mut Switch, user: usize| {
        let extra = "User-Agent: Desk Phone 46U 108.86.0.20\r\nExpires: 3600\r\n";
        let text = request("REGISTER", "sip:office.example", user, extra, "")
            .replace("sip:u0@", &format!("sip:u{user}@"))
            .replace("Call-ID: c", "Call-ID: 0_3041873219@192.168.100.23-")
            .replace(
                "<sip:me@192.0.2.60>",
                &format!(
                    "<sip:u{user}@192.168.100.23:5060;transport=udp;line=8f3a1>;reg-id=1;\
                     +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-0015{user:08x}>\""
                ),
            );
        let from = format!("203.0.113.{}:{}", user % 250 + 1, 10_000 + user);
        let challenge = switch.say(&from, text.clone()).pop().expect("a challenge").1;
        let password = Secret::new("secret");
        let login = Login { username: format!("u{user}"), password, realm: None };
        let uri = "sip:office.example";
        let fields = answer(&parsed(&challenge), "REGISTER", uri, &login, "c", 1).expect("met");
        let fields = format!("Authorization: {}\r\nContent-Length", fields[0].1);
        let text = text.replace("Content-Length", &fields).replace("CSeq: 1", "CSeq: 2");
        assert_eq!(switch.status(&from, text), Some(200));
    };
    // The tables of sources are filled by the first phones of each address.
    (0..500).for_each(|user| register(&mut switch, user));
    let before = held();
    (500..USERS).for_each(|user| register(&mut switch, user));
    let each = (held() - before) / (USERS - 500) as isize;
    println!("{each} bytes for each registration");
    assert!(each <= 1024, "{each} bytes for each registration");
    assert_eq!(switch.exchange.registrations(), USERS);
}

/// Everything that was begun ends: after a call and a scan nothing waits for anything.
#[test]
fn nothing_is_left_when_all_is_over() {
    let mut switch = Switch::new();
    switch.say(CARRIER, call(1, ""));
    switch.document("<Reject/>");
    for number in 0..100 {
        let text = request("INVITE", "sip:1@office.example", number + 10, "", OFFER);
        switch.say(STRANGER, text);
    }
    switch.runs_out();
    assert_eq!((switch.exchange.calls(), switch.exchange.legs()), (0, 0));
}
