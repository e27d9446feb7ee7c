use std::net::IpAddr;

use super::*;
use crate::base::{Duration, Instant, Secret};
use crate::sip::event::{HeaderField, Login};
use crate::sip::message::{Message, Parsed};
use crate::sip::write::Builder;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const URI: &str = "sip:example.com";

fn valid(builder: Builder) -> Message {
    match Message::parse(builder.build()) {
        Parsed::Valid(message) => message,
        other => panic!("expected a valid message, got {other:?}"),
    }
}

fn register(fields: &[HeaderField]) -> Message {
    register_numbered(1, fields)
}

fn register_numbered(cseq: u32, fields: &[HeaderField]) -> Message {
    let mut builder = Builder::request("REGISTER", URI)
        .header("Via", "SIP/2.0/UDP h;branch=z9hG4bK1")
        .header("From", "<sip:alice@example.com>;tag=1")
        .header("To", "<sip:alice@example.com>")
        .header("Call-ID", "c")
        .header("CSeq", &format!("{cseq} REGISTER"));
    for (name, value) in fields {
        builder = builder.header(name, value);
    }
    valid(builder)
}

fn refusal(status: u16, fields: &[HeaderField]) -> Message {
    let mut builder = Builder::response_to(&register(&[]), status, "Unauthorized", Some("t"));
    for (name, value) in fields {
        builder = builder.header(name, value);
    }
    valid(builder)
}

fn login(password: &str) -> Login {
    Login { username: "alice".into(), password: Secret::new(password), realm: None }
}

fn answered(challenge: &[HeaderField], password: &str, nc: u32) -> Vec<HeaderField> {
    let response = refusal(401, challenge);
    answer(&response, "REGISTER", URI, &login(password), "c0ffee", nc).expect("answerable")
}

fn field(name: &str, value: &str) -> HeaderField {
    (name.to_owned(), value.to_owned())
}

struct Server {
    challenger: Challenger,
    password: Secret,
}

impl Server {
    fn new() -> Server {
        Server { challenger: Challenger::new([7; 32]), password: Secret::new("secret") }
    }

    fn challenge(&self, now: Instant) -> Vec<HeaderField> {
        self.challenger.challenge(now, "example.com", HOME, false)
    }

    fn verify(&mut self, now: Instant, fields: &[HeaderField]) -> Verdict {
        self.verify_from(now, fields, HOME)
    }

    /// The same credentials in another message.
    fn replay(&mut self, now: Instant, fields: &[HeaderField]) -> Verdict {
        let password = &self.password;
        let lookup = |user: &str| (user == "alice").then_some(password);
        let message = register_numbered(2, fields);
        self.challenger.verify(now, &message, "example.com", HOME, lookup)
    }

    fn verify_from(&mut self, now: Instant, fields: &[HeaderField], from: IpAddr) -> Verdict {
        let password = &self.password;
        let lookup = |user: &str| (user == "alice").then_some(password);
        self.challenger.verify(now, &register(fields), "example.com", from, lookup)
    }
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "alice".into() }
}

fn refused(reason: RefusedReason) -> Verdict {
    Verdict::Refused { username: "alice".into(), reason }
}

#[test]
fn client_and_server_agree_with_both_algorithms() {
    let mut server = Server::new();
    let challenge = server.challenge(Instant::from_millis(1));
    assert_eq!(challenge.len(), 2);
    assert!(challenge[0].1.contains("algorithm=SHA-256"));
    assert!(challenge[1].1.contains("algorithm=MD5"));
    let fields = answered(&challenge, "secret", 1);
    assert!(fields[0].1.contains("algorithm=SHA-256"));
    assert_eq!(server.verify(Instant::from_millis(2), &fields), accepted());
    let md5 = answered(&challenge[1..], "secret", 2);
    assert!(md5[0].1.contains("algorithm=MD5"));
    assert_eq!(server.verify(Instant::from_millis(3), &md5), accepted());
}

#[test]
fn wrong_passwords_and_unknown_users_are_refused_alike() {
    let mut server = Server::new();
    let challenge = server.challenge(Instant::ZERO);
    let fields = answered(&challenge, "guess", 1);
    assert_eq!(server.verify(Instant::ZERO, &fields), refused(RefusedReason::WrongPassword));
    let stranger = [field("Authorization", &fields[0].1.replace("alice", "mallory"))];
    let verdict = server.verify(Instant::ZERO, &stranger);
    let reason = RefusedReason::WrongPassword;
    assert_eq!(verdict, Verdict::Refused { username: "mallory".into(), reason });
    // The password that unknown users are checked against does not open the door either.
    let empty = answered(&challenge, "", 1)[0].1.replace("alice", "mallory");
    assert!(matches!(
        server.verify(Instant::ZERO, &[field("Authorization", &empty)]),
        Verdict::Refused { .. }
    ));
}

#[test]
fn an_empty_password_does_not_admit_an_unknown_user() {
    let mut server = Server::new();
    let response = refusal(401, &server.challenge(Instant::ZERO));
    let nobody = Login { username: "nobody".into(), password: Secret::new(""), realm: None };
    let fields = answer(&response, "REGISTER", URI, &nobody, "c", 1).expect("answerable");
    let reason = RefusedReason::WrongPassword;
    assert_eq!(
        server.verify(Instant::ZERO, &fields),
        Verdict::Refused { username: "nobody".into(), reason }
    );
}

#[test]
fn counts_must_rise_and_are_hexadecimal() {
    let mut server = Server::new();
    let challenge = server.challenge(Instant::ZERO);
    for nc in [1, 9, 10, 15, 16, 255, 256, 4096] {
        let fields = answered(&challenge, "secret", nc);
        assert_eq!(server.verify(Instant::ZERO, &fields), accepted(), "{nc}");
        assert_eq!(server.replay(Instant::ZERO, &fields), Verdict::Stale, "{nc} again");
    }
    let lower = answered(&challenge, "secret", 17);
    assert_eq!(server.verify(Instant::ZERO, &lower), Verdict::Stale);
}

#[test]
fn servers_with_one_key_know_each_others_nonces_and_take_only_their_own() {
    let of = |own| {
        let challenger = Challenger::new([7; 32]).among(own, 3);
        Server { challenger, ..Server::new() }
    };
    let (mut first, mut second) = (of(0), of(1));
    let fields = answered(&first.challenge(Instant::ZERO), "secret", 1);
    let knows =
        |server: &Server| server.challenger.is_answer(&register(&fields), "example.com", HOME);
    assert!(knows(&first) && knows(&second));
    assert!(!knows(&Server { challenger: Challenger::new([8; 32]).among(1, 3), ..Server::new() }));
    // Counted in one place: what was overheard opens no other door.
    assert_eq!(second.verify(Instant::ZERO, &fields), Verdict::Stale);
    assert_eq!(first.verify(Instant::ZERO, &fields), accepted());
}

#[test]
fn nonces_hold_for_their_time_source_realm_and_boot() {
    let mut server = Server::new();
    let issued = Instant::from_millis(1000);
    let challenge = server.challenge(issued);
    let late = issued + Duration::from_secs(301);
    assert_eq!(server.verify(late, &answered(&challenge, "secret", 1)), Verdict::Stale);
    // Only who knows the password is told that the nonce is stale.
    let wrong = server.verify(late, &answered(&challenge, "guess", 1));
    assert_eq!(wrong, refused(RefusedReason::WrongPassword));
    let elsewhere = "198.51.100.1".parse().expect("an address");
    let fields = answered(&challenge, "secret", 1);
    assert_eq!(server.verify_from(issued, &fields, elsewhere), Verdict::Stale);
    let mut restarted = Server { challenger: Challenger::new([8; 32]), ..Server::new() };
    assert_eq!(restarted.verify(issued, &fields), Verdict::Stale);
    let renewed = server.challenger.challenge(late, "example.com", HOME, true);
    assert!(is_stale(&refusal(401, &renewed)) && !is_stale(&refusal(401, &challenge)));
    assert_eq!(server.verify(late, &answered(&renewed, "secret", 1)), accepted());
}

#[test]
fn nonces_dropped_before_their_time_cannot_be_replayed() {
    let mut server = Server::new();
    server.challenger.capacity = 2;
    let used: Vec<_> = (0..4)
        .map(|second| {
            let now = Instant::from_millis(second * 1000);
            let fields = answered(&server.challenge(now), "secret", 1);
            assert_eq!(server.verify(now, &fields), accepted());
            fields
        })
        .collect();
    let now = Instant::from_millis(5000);
    for fields in used {
        assert_eq!(server.replay(now, &fields), Verdict::Stale);
    }
}

#[test]
fn a_repeat_is_known_as_one_until_its_nonce_is_used_again() {
    let mut server = Server::new();
    let challenge = server.challenge(Instant::ZERO);
    let first = answered(&challenge, "secret", 1);
    assert_eq!(server.verify(Instant::ZERO, &first), accepted());
    let repeated = Verdict::Repeated { username: "alice".into() };
    assert_eq!(server.verify(Instant::from_millis(500), &first), repeated);
    assert_eq!(server.verify(Instant::ZERO, &answered(&challenge, "secret", 2)), accepted());
    assert_eq!(server.verify(Instant::from_millis(1500), &first), Verdict::Stale);
}

#[test]
fn only_who_was_challenged_at_an_address_answers_from_it() {
    let server = Server::new();
    let fields = answered(&server.challenge(Instant::ZERO), "guess", 1);
    let message = register(&fields);
    let elsewhere = "198.51.100.1".parse().expect("an address");
    assert!(server.challenger.is_answer(&message, "example.com", HOME));
    assert!(!server.challenger.is_answer(&message, "example.com", elsewhere));
    assert!(!server.challenger.is_answer(&message, "example.org", HOME));
    let made_up = fields[0].1.replacen("nonce=\"0", "nonce=\"1", 1);
    assert!(!server.challenger.is_answer(
        &register(&[field("Authorization", &made_up)]),
        "example.com",
        HOME
    ));
    assert!(!server.challenger.is_answer(&register(&[]), "example.com", HOME));
}

#[test]
fn credentials_must_be_complete_and_for_this_request() {
    let mut server = Server::new();
    assert_eq!(server.verify(Instant::ZERO, &[]), Verdict::Missing);
    assert_eq!(
        server.verify(Instant::ZERO, &[field("Authorization", "NoOneKnowsThisScheme opaque=x")]),
        Verdict::Missing
    );
    let good = answered(&server.challenge(Instant::ZERO), "secret", 1)[0].1.clone();
    let mut with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        server.verify(Instant::ZERO, &[field("Authorization", &good.replace(from, to))])
    };
    assert_eq!(with("realm=\"example.com\"", "realm=\"other\""), Verdict::Missing);
    for (from, to) in [
        ("qop=auth, ", ""),
        ("nc=00000001, ", ""),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=000000001"),
        ("cnonce=\"c0ffee\"", "x=y"),
        ("SHA-256", "SHA-256-sess"),
        ("SHA-256", "CRC32"),
        ("qop=auth", "qop=auth-int"),
    ] {
        assert_eq!(with(from, to), refused(RefusedReason::Malformed), "{to}");
    }
    assert_eq!(with("sip:example.com", "sip:evil"), refused(RefusedReason::WrongPassword));
    let response = refusal(401, &server.challenge(Instant::ZERO));
    let other = answer(&response, "REGISTER", "sip:other", &login("secret"), "c", 1);
    let verdict = server.verify(Instant::ZERO, &other.expect("answerable"));
    assert_eq!(verdict, refused(RefusedReason::OtherUri));
    let port = answer(&response, "REGISTER", "sip:EXAMPLE.com:5060", &login("secret"), "c", 1);
    assert_eq!(server.verify(Instant::ZERO, &port.expect("answerable")), accepted());
}

#[test]
fn md5_can_be_switched_off_and_proxies_use_their_own_headers() {
    let mut server = Server::new();
    let fields = answered(&server.challenge(Instant::ZERO)[1..], "secret", 1);
    server.challenger = Challenger::new([7; 32]).offering(vec![Algorithm::Sha256]);
    assert_eq!(server.challenge(Instant::ZERO).len(), 1);
    assert_eq!(server.verify(Instant::ZERO, &fields), refused(RefusedReason::Malformed));
    server.challenger = Challenger::proxy([7; 32]);
    assert_eq!(server.challenger.status(), 407);
    let challenge = server.challenge(Instant::ZERO);
    assert_eq!(challenge[0].0, "Proxy-Authenticate");
    let fields = answered(&challenge, "secret", 1);
    assert_eq!(fields[0].0, "Proxy-Authorization");
    assert_eq!(server.verify(Instant::ZERO, &fields), accepted());
}

/// RFC 2617 section 3.5 and RFC 7616 section 3.9.1, with their own method and URI.
#[test]
fn responses_are_those_of_the_rfcs() {
    let ask = |challenge: &str, user: &str, password: &str, cnonce: &str| {
        let response = refusal(401, &[field("WWW-Authenticate", challenge)]);
        let login = Login { username: user.into(), password: Secret::new(password), realm: None };
        answer(&response, "GET", "/dir/index.html", &login, cnonce, 1).expect("answerable")
    };
    let old = ask(
        "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        "Mufasa",
        "Circle Of Life",
        "0a4f113b",
    );
    assert!(old[0].1.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{}", old[0].1);
    assert!(old[0].1.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""), "{}", old[0].1);
    let new = ask(
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"",
        "Mufasa",
        "Circle of Life",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    );
    let expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    assert!(new[0].1.contains(expected), "{}", new[0].1);
}

#[test]
fn several_realms_are_answered_at_once_each_with_its_best() {
    let response = refusal(
        407,
        &[
            field(
                "Proxy-Authenticate",
                "Digest realm=\"p\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
            ),
            field(
                "Proxy-Authenticate",
                "Digest realm=\"p\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"",
            ),
            field(
                "WWW-Authenticate",
                "Basic realm=\"b\", Digest realm=\"u, v\", nonce=\"3,\", algorithm=MD5-sess, qop=auth",
            ),
        ],
    );
    let fields = answer(&response, "INVITE", "sip:x", &login("p"), "c", 1).expect("answerable");
    assert_eq!(fields.len(), 2);
    assert_eq!(fields[0].0, "Authorization");
    assert!(fields[0].1.contains("realm=\"u, v\"") && fields[0].1.contains("MD5-sess"));
    assert_eq!(fields[1].0, "Proxy-Authorization");
    assert!(fields[1].1.contains("nonce=\"2\""));
}

#[test]
fn what_cannot_be_answered_says_why() {
    let ask = |challenge: &str, realm: Option<&str>| {
        let response = refusal(401, &[field("WWW-Authenticate", challenge)]);
        let login = Login { realm: realm.map(str::to_owned), ..login("p") };
        answer(&response, "INVITE", "sip:x", &login, "c", 1)
    };
    assert_eq!(ask("Basic realm=\"x\"", None), Err(AnswerError::NoChallenge));
    let digest = "Digest realm=\"x\", nonce=\"1\"";
    assert_eq!(ask(digest, Some("y")), Err(AnswerError::OtherRealm));
    assert!(ask(digest, Some("x")).is_ok_and(|fields| !fields[0].1.contains("qop")));
    let wants = |more: &str| ask(&format!("{digest}, {more}"), None);
    assert_eq!(wants("qop=\"auth-int\""), Err(AnswerError::Unsupported));
    assert_eq!(wants("algorithm=AKAv1"), Err(AnswerError::Unsupported));
    assert_eq!(ask("Digest realm=\"x\"", None), Err(AnswerError::Unsupported));
}
