//! Plain messages are read as `rsip` reads them: nothing that both understand means something
//! else here. (What `rsip` gets wrong, such as instances and folds, has its own tests.)

use bytes::Bytes;
use offhook::base::{Instant, Rng, Secret};
use offhook::sip::auth::{Algorithm, Challenger, answer};
use offhook::sip::header::Via;
use offhook::sip::uri::{Scheme, SipUri};
use offhook::sip::write::Builder;
use offhook::sip::{HeaderName, Login, Message, Parsed};
use rsip::prelude::*;
use rsip::services::DigestGenerator;

const ROUNDS: usize = 2_000;

fn pick<'a>(rng: &mut Rng, texts: &[&'a str]) -> &'a str {
    texts[rng.below(texts.len() as u64) as usize]
}

fn host(rng: &mut Rng) -> String {
    let name = match rng.below(3) {
        0 => format!("h{}.example.com", rng.below(100)),
        1 => format!("192.0.2.{}", rng.below(256)),
        _ => "example".to_owned(),
    };
    match rng.below(2) {
        0 => name,
        _ => format!("{name}:{}", 1024 + rng.below(60_000)),
    }
}

fn uri(rng: &mut Rng) -> String {
    let user = pick(rng, &["alice", "+12025550142", "bob", "1000", "a-b_c"]);
    let params = pick(rng, &["", ";transport=tcp", ";user=phone", ";lr"]);
    format!("sip:{user}@{}{params}", host(rng))
}

fn address(rng: &mut Rng, tag: bool) -> String {
    let name = pick(rng, &["", "Alice ", "\"Bob Smith\" "]);
    let tag = if tag { format!(";tag={}", rng.hex(8)) } else { String::new() };
    format!("{name}<{}>{tag}", uri(rng))
}

fn request(rng: &mut Rng) -> Bytes {
    let method = pick(rng, &["INVITE", "BYE", "REGISTER", "OPTIONS", "INFO", "ACK", "CANCEL"]);
    let mut builder = Builder::request(method, &uri(rng));
    for _ in 0..=rng.below(3) {
        let transport = pick(rng, &["UDP", "TCP", "TLS"]);
        let via = format!("SIP/2.0/{transport} {};branch=z9hG4bK{}", host(rng), rng.hex(12));
        builder = builder.header("Via", &via);
    }
    let in_dialog = rng.below(2) == 0;
    let headers = [
        ("Max-Forwards", rng.below(71).to_string()),
        ("From", address(rng, true)),
        ("To", address(rng, in_dialog)),
        ("Call-ID", format!("{}@{}", rng.hex(16), host(rng))),
        ("CSeq", format!("{} {method}", rng.below(1 << 31))),
        ("Contact", address(rng, false)),
        ("User-Agent", "Phone, with (odd) words; 1.0".to_owned()),
    ];
    builder = builder.headers(headers.iter().map(|(name, value)| (*name, value.as_str())));
    let body: String = (0..rng.below(5)).map(|line| format!("a={line}\r\n")).collect();
    builder.body("application/sdp", body.into()).build()
}

fn port(port: Option<&rsip::Port>) -> Option<u16> {
    port.map(|port| *port.value())
}

/// `rsip` writes transports in capitals again.
fn assert_uri(ours: &str, theirs: &rsip::Uri) {
    let theirs = theirs.to_string();
    assert!(ours.eq_ignore_ascii_case(&theirs), "{ours} is not {theirs}");
}

fn assert_same(ours: &Message, theirs: &rsip::Request) {
    assert_eq!(ours.method_name(), theirs.method.to_string());
    assert_uri(ours.request_uri(), &theirs.uri);
    assert_eq!(ours.body(), theirs.body);
    assert_eq!(ours.call_id(), theirs.call_id_header().expect("Call-ID").value());

    let (via, other) = (ours.via().expect("Via"), theirs.via_header().expect("Via"));
    let other = other.typed().expect("a plain Via");
    assert_eq!(via.transport(), other.transport.to_string());
    assert_eq!(via.host(), other.uri.host().to_string());
    assert_eq!(via.port(), port(other.uri.port()));
    assert_eq!(via.branch(), other.branch().map(|branch| branch.value()));
    let vias = theirs.headers.iter().filter(|header| matches!(header, rsip::Header::Via(_)));
    assert_eq!(ours.values(HeaderName::Via).count(), vias.count());

    let (from, other) = (ours.from().expect("From"), theirs.from_header().expect("From"));
    let other = other.typed().expect("a plain From");
    assert_uri(from.uri(), &other.uri);
    assert_eq!(from.tag(), other.tag().map(|tag| tag.value()));
    let name = other.display_name.as_deref().map(|name| name.trim().trim_matches('"'));
    assert_eq!(from.display_name().as_deref(), name.filter(|name| !name.is_empty()));

    let (to, other) = (ours.to().expect("To"), theirs.to_header().expect("To"));
    let other = other.typed().expect("a plain To");
    assert_uri(to.uri(), &other.uri);
    assert_eq!(to.tag(), other.tag().map(|tag| tag.value()));
    let to = to.sip_uri().expect("a URI");
    assert_eq!(to.user_raw(), other.uri.user());
    assert_eq!((to.host(), to.port()), (&*other.uri.host().to_string(), port(other.uri.port())));

    let cseq = ours.cseq().expect("CSeq");
    let other = theirs.cseq_header().and_then(|cseq| cseq.typed()).expect("a plain CSeq");
    assert_eq!((cseq.number, cseq.method_name), (other.seq, &*other.method.to_string()));

    let contact = ours.contacts().next().expect("Contact");
    let other = theirs.contact_header().and_then(|contact| contact.typed()).expect("a Contact");
    assert_uri(contact.uri(), &other.uri);

    let hops = theirs.max_forwards_header().and_then(|hops| hops.num()).expect("Max-Forwards");
    assert_eq!(ours.max_forwards().map(u32::from), Some(hops));
}

#[test]
fn plain_requests_mean_the_same() {
    let mut rng = Rng::from_number(3261);
    for round in 0..ROUNDS {
        let bytes = request(&mut rng);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let theirs = rsip::Request::try_from(bytes.as_ref())
            .unwrap_or_else(|error| panic!("round {round}: {error}: {text}"));
        match Message::parse(bytes) {
            Parsed::Valid(ours) => assert_same(&ours, &theirs),
            other => panic!("round {round}: {other:?}: {text}"),
        }
    }
}

#[test]
fn plain_responses_mean_the_same() {
    let mut rng = Rng::from_number(3262);
    for _ in 0..ROUNDS {
        let Parsed::Valid(request) = Message::parse(request(&mut rng)) else {
            panic!("plain requests are valid");
        };
        let status = 100 + rng.below(600) as u16;
        let reason = offhook::sip::write::reason_phrase(status);
        let bytes = Builder::response_to(&request, status, reason, Some("t0")).build();
        let theirs = rsip::Response::try_from(bytes.as_ref()).expect("a plain response");
        let Parsed::Valid(ours) = Message::parse(bytes) else { panic!("responses are valid") };
        assert_eq!(ours.status(), Some(theirs.status_code.code()));
        assert_eq!(ours.reason_phrase(), reason);
        assert_eq!(ours.call_id(), theirs.call_id_header().expect("Call-ID").value());
        let to = theirs.to_header().and_then(|to| to.typed()).expect("a plain To");
        assert_eq!(ours.to().and_then(|to| to.tag()), to.tag().map(|tag| tag.value()));
    }
}

/// URIs that `rsip` understands (it loses users with dots, tildes or escapes, and capital schemes).
fn wide_uri(rng: &mut Rng) -> String {
    let scheme = pick(rng, &["sip", "sips"]);
    let user = pick(rng, &["", "alice@", "+12025550142@", "a-b_c@", "alice:secret@"]);
    let params = pick(
        rng,
        &["", ";lr", ";transport=tcp", ";maddr=192.0.2.9", ";ttl=15", ";user=phone;x=y", ";ob;lr"],
    );
    format!("{scheme}:{user}{}{params}", host(rng))
}

#[test]
fn uris_are_taken_apart_in_the_same_way() {
    let mut rng = Rng::from_number(2396);
    for _ in 0..ROUNDS {
        let text = wide_uri(&mut rng);
        let ours = SipUri::parse(&text).unwrap_or_else(|| panic!("{text} is a URI"));
        let theirs = rsip::Uri::try_from(text.as_str())
            .unwrap_or_else(|error| panic!("rsip on {text}: {error}"));
        assert_eq!(ours.scheme() == Scheme::Sips, theirs.is_sips().unwrap_or_default(), "{text}");
        assert_eq!(ours.user_raw(), theirs.user(), "{text}");
        let password = theirs.auth.as_ref().and_then(|auth| auth.password.as_deref());
        assert_eq!(ours.password(), password, "{text}");
        assert_eq!(ours.host(), theirs.host().to_string(), "{text}");
        assert_eq!(ours.port(), port(theirs.port()), "{text}");
        let transport = theirs.transport().map(|transport| transport.to_string());
        let same = ours.transport().map(str::to_ascii_uppercase);
        assert_eq!(same, transport.map(|name| name.to_ascii_uppercase()), "{text}");
        let names = ours.params().iter().count();
        assert_eq!(names, theirs.params.len(), "{text}");
        let lr = theirs.params.iter().any(|param| matches!(param, rsip::Param::Lr));
        assert_eq!(ours.is_loose_router(), lr, "{text}");
    }
}

#[test]
fn vias_are_taken_apart_in_the_same_way() {
    let mut rng = Rng::from_number(3581);
    for _ in 0..ROUNDS {
        let transport = pick(&mut rng, &["UDP", "TCP", "TLS", "WS", "WSS"]);
        let more = pick(
            &mut rng,
            &["", ";received=192.0.2.7", ";rport=5062", ";ttl=9", ";maddr=239.255.255.1;ttl=16"],
        );
        let text =
            format!("SIP/2.0/{transport} {};branch=z9hG4bK{}{more}", host(&mut rng), rng.hex(9));
        let ours = Via::parse(&text).unwrap_or_else(|| panic!("{text} is a Via"));
        let theirs = rsip::headers::Via::from(text.clone());
        let theirs = theirs.typed().unwrap_or_else(|error| panic!("rsip on {text}: {error}"));
        assert_eq!(ours.transport(), theirs.transport.to_string(), "{text}");
        assert_eq!(
            (ours.host(), ours.port()),
            (&*theirs.uri.host().to_string(), port(theirs.uri.port()))
        );
        assert_eq!(ours.branch(), theirs.branch().map(|branch| branch.value()), "{text}");
        let received = theirs.received().ok().flatten().map(|received| received.to_string());
        assert_eq!(ours.received().map(str::to_owned), received, "{text}");
    }
}

/// `rsip` reads one contact a header; ours are split at the commas that separate them.
#[test]
fn every_contact_of_a_list_is_read_as_rsip_reads_it_alone() {
    let mut rng = Rng::from_number(3840);
    for _ in 0..ROUNDS {
        let contacts: Vec<String> = (0..=rng.below(4))
            .map(|_| {
                let more = pick(&mut rng, &["", ";expires=3600", ";q=0.7", ";expires=0;q=0.1"]);
                format!("{}{more}", address(&mut rng, false))
            })
            .collect();
        let list = contacts.join(pick(&mut rng, &[", ", ",", " ,\t"]));
        let bytes = Builder::request("REGISTER", "sip:example.com")
            .headers([
                ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
                ("From", "<sip:a@example.com>;tag=1"),
                ("To", "<sip:a@example.com>"),
                ("Call-ID", "i"),
                ("CSeq", "1 REGISTER"),
                ("Contact", &list),
            ])
            .build();
        let Parsed::Valid(message) = Message::parse(bytes) else { panic!("{list}") };
        let ours: Vec<_> = message.contacts().collect();
        assert_eq!(ours.len(), contacts.len(), "{list}");
        for (ours, alone) in ours.iter().zip(&contacts) {
            let theirs = rsip::headers::Contact::from(alone.clone()).typed().expect("one contact");
            assert_uri(ours.uri(), &theirs.uri);
            let expires = theirs.expires().map(|expires| expires.value().to_owned());
            assert_eq!(ours.params().get("expires").map(str::to_owned), expires, "{alone}");
        }
    }
}

/// The challenge that we make is understood by `rsip`, and the answer that we give to it is what
/// `rsip` would have given.
#[test]
fn digests_agree_with_those_of_rsip() {
    let mut rng = Rng::from_number(7616);
    // `rsip` knows no algorithm by the name that RFC 7616 gives it but MD5.
    let challenger = Challenger::new([7; 32]).offering(vec![Algorithm::Md5]);
    for round in 0..200u32 {
        let realm = host(&mut rng);
        let (user, password) = (pick(&mut rng, &["alice", "+12025550142", "a b"]), rng.hex(12));
        let source = [192, 0, 2, 1].into();
        for (name, value) in challenger.challenge(Instant::from_millis(1), &realm, source, false) {
            let theirs = rsip::headers::WwwAuthenticate::from(value.clone());
            let theirs = theirs.typed().unwrap_or_else(|error| panic!("rsip on {value}: {error}"));
            assert_eq!((name.as_str(), &*theirs.realm), ("WWW-Authenticate", &*realm));
            let text = format!(
                "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
                 From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
                 {name}: {value}\r\n\r\n"
            );
            let Parsed::Valid(challenge) = Message::parse(text.into()) else { panic!("{value}") };
            let login =
                Login { username: user.into(), password: Secret::new(&password), realm: None };
            // `rsip` writes the count in decimal digits; up to nine there is no difference.
            let nc = 1 + round % 9;
            let answers = answer(&challenge, "REGISTER", "sip:example.com", &login, "c0", nc);
            let (_, value) = answers.expect("known").pop().expect("one answer");
            let theirs = rsip::headers::Authorization::from(value.clone());
            let theirs = theirs.typed().unwrap_or_else(|error| panic!("rsip on {value}: {error}"));
            assert_eq!((&*theirs.username, &*theirs.realm), (user, &*realm));
            let method = rsip::Method::Register;
            let expected = DigestGenerator::from(&theirs, &password, &method).compute();
            assert_eq!(theirs.response, expected, "{value}");
        }
    }
}
