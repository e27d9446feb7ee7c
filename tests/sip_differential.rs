//! Plain messages are read as `rsip` reads them: nothing that both understand means something
//! else here. (What `rsip` gets wrong, such as instances and folds, has its own tests.)

use bytes::Bytes;
use offhook::base::Rng;
use offhook::sip::write::Builder;
use offhook::sip::{HeaderName, Message, Parsed};
use rsip::prelude::*;

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
