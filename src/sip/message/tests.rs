use super::*;

const REST: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
    To: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

fn with(headers: &str) -> Parsed {
    Message::parse(format!("OPTIONS sip:c@d SIP/2.0\r\n{REST}{headers}\r\n").into())
}

fn valid(parsed: Parsed) -> Message {
    match parsed {
        Parsed::Valid(message) => message,
        other => panic!("expected a valid message, got {other:?}"),
    }
}

fn refused(parsed: Parsed) -> (u16, &'static str) {
    match parsed {
        Parsed::Reject { status, reason, .. } => (status, reason),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn discarded(text: &str) -> &'static str {
    match Message::parse(Bytes::copy_from_slice(text.as_bytes())) {
        Parsed::Discard(reason) => reason,
        other => panic!("expected nothing, got {other:?}"),
    }
}

#[test]
fn line_ends_before_a_message_mean_nothing() {
    let plain = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\nbody";
    let whole = valid(Message::parse(plain.into()));
    for before in ["\r\n", "\r\n\r\n", "\n", "\r\n\n\r\n\r\n"] {
        let message = valid(Message::parse(format!("{before}{plain}").into()));
        assert_eq!(message.as_bytes(), whole.as_bytes(), "{before:?}");
        assert_eq!(message.body(), whole.body());
        let bytes = format!("{before}{plain}");
        let peek = crate::sip::peek::peek(bytes.as_bytes()).expect("a message");
        assert_eq!((peek.call_id, peek.method), (&b"1"[..], Some(Method::Options)));
    }
    for nothing in ["\r\n", "\r\n\r\n", "\r", " \r\nOPTIONS sip:a@b SIP/2.0\r\n\r\n"] {
        assert!(matches!(Message::parse(nothing.into()), Parsed::Discard(_)), "{nothing:?}");
        assert_eq!(crate::sip::peek::peek(nothing.as_bytes()), None, "{nothing:?}");
    }
}

#[test]
fn lengths_decide_where_the_body_ends() {
    let body = |headers: &str| valid(with(headers)).body();
    assert_eq!(body("\r\nrest of the datagram"), "rest of the datagram\r\n");
    assert_eq!(body("Content-Length : 4\r\n\r\nbodymore"), "body");
    assert_eq!(body("l:0\r\n\r\nmore"), "");
    for length in ["-1", "4294967296", "99999999999999999999999", "0x1", "", "1 2", "9"] {
        let parsed = with(&format!("Content-Length: {length}\r\n\r\nbody"));
        assert_eq!(refused(parsed).0, 400, "{length}");
    }
    assert_eq!(refused(with("l: 1\r\nContent-Length: 1\r\n\r\nx")).1, "Content-Length repeated");
}

#[test]
fn streams_need_a_length() {
    let text = |length: &str| Bytes::from(format!("OPTIONS sip:c@d SIP/2.0\r\n{REST}{length}\r\n"));
    assert!(matches!(Message::parse_stream(text("l: 0\r\n")), Parsed::Valid(_)));
    assert_eq!(refused(Message::parse_stream(text(""))), (400, "Content-Length missing"));
}

#[test]
fn contacts_of_modern_phones_are_read() {
    let message = valid(with(
        "Contact: \"A, B\" <sip:a@[2001:db8::1]:5060;transport=tls>;reg-id=1;\
         +sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\", <tel:+1201>;q=0.1\r\n\
         m : sip:x@y;expires=60\r\n",
    ));
    let contacts: Vec<_> = message.contacts().collect();
    let uris: Vec<_> = contacts.iter().map(NameAddr::uri).collect();
    assert_eq!(uris, ["sip:a@[2001:db8::1]:5060;transport=tls", "tel:+1201", "sip:x@y"]);
    let instance = contacts.first().and_then(|contact| contact.params().get("+sip.instance"));
    assert_eq!(instance, Some("<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"));
    let expires = contacts.last().and_then(|contact| contact.params().get("expires"));
    assert_eq!(expires, Some("60"));
    assert!(valid(with("Contact: *\r\nExpires: 0\r\n")).has_star_contact());
}

#[test]
fn only_lists_are_split() {
    let message = valid(with(
        "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nSupported: timer , 100rel\r\nk: path,,\r\n\
         X-Note: a, b\r\nUser-Agent: Phone, old\r\n",
    ));
    let values = |name| message.values(name).collect::<Vec<_>>();
    assert_eq!(values(HeaderName::Date), ["Sat, 13 Nov 2010 23:29:00 GMT"]);
    assert_eq!(values(HeaderName::Supported), ["timer", "100rel", "path"]);
    assert_eq!(values(HeaderName::UserAgent), ["Phone, old"]);
    assert_eq!(message.header_by_name("x-note"), Some("a, b"));
    assert_eq!(message.header_by_name("supported"), Some("timer , 100rel"));
    assert_eq!(message.header_by_name("k"), Some("timer , 100rel"));
    let names: Vec<_> = message.all_headers().map(|(name, _)| name).skip(5).collect();
    assert_eq!(names, ["Date", "Supported", "k", "X-Note", "User-Agent"]);
}

#[test]
fn unknown_methods_and_versions_are_answered_not_dropped() {
    let text = |method: &str, version: &str| {
        let rest = REST.replace("OPTIONS", method);
        Message::parse(format!("{method} sip:c@d {version}\r\n{rest}\r\n").into())
    };
    let unknown = valid(text("NEWMETHOD", "SIP/2.0"));
    assert_eq!((unknown.method(), unknown.method_name()), (Method::Other, "NEWMETHOD"));
    assert_eq!(refused(text("OPTIONS", "SIP/7.0")), (505, "Version Not Supported"));
    assert!(matches!(text("ACK", "SIP/7.0"), Parsed::Discard(_)));
    assert!(matches!(text("OPTIONS", "sip/2.0"), Parsed::Valid(_)));
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    for text in
        ["", "\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SIP/2.0\r\n"]
    {
        discarded(text);
    }
    assert_eq!(discarded("OPTIONS sip:a@b SIP/2.0\r\nFrom: <sip:a@b>\r\n\r\n"), "Via missing");
    discarded(&format!("SIP/2.0 200 OK\r\n{}\r\n", REST.replace("Via", "X")));
    discarded(&format!("SIP/2.0 99 Odd\r\n{REST}\r\n"));
    discarded(&format!("SIP/2.0 700 Odd\r\n{REST}\r\n"));
    assert!(matches!(Message::parse(vec![b'a'; MAX_MESSAGE + 1].into()), Parsed::Discard(_)));
}

#[test]
fn headers_are_counted_and_single_ones_stand_once() {
    assert_eq!(refused(with("f: <sip:x@y>;tag=2\r\n")).0, 400);
    assert_eq!(refused(with("Max-Forwards: 70\r\nMax-Forwards: 70\r\n")).0, 400);
    assert_eq!(refused(with("Max-Forwards: 256\r\n")).1, "Malformed Max-Forwards");
    let many = "X: y\r\n".repeat(MAX_HEADERS - 5);
    assert_eq!(valid(with(&many)).all_headers().count(), MAX_HEADERS);
    assert_eq!(refused(with(&format!("{many}X: y\r\n"))), (400, "Too many headers"));
}

#[test]
fn line_ends_hide_no_headers() {
    let message = valid(with("Subject: one\r\n\ttwo\r\n X-Evil: 1\r\n"));
    assert_eq!(message.header_by_name("X-Evil"), None);
    assert_eq!(refused(with("Subject: a\rX-Evil: 1\r\n")).1, "Stray carriage return in a header");
    let bare = format!("OPTIONS sip:c@d SIP/2.0\r\n{REST}\r\n").replace("\r\n", "\n");
    assert_eq!(valid(Message::parse(bare.into())).call_id(), "1");
    assert_eq!(refused(with("Bad Name: x\r\n")).1, "Malformed header line");
    assert_eq!(refused(with("no colon\r\n")).1, "Malformed header line");
}

#[test]
fn latin_1_names_do_not_end_the_headers() {
    let mut bytes = b"OPTIONS sip:c@d SIP/2.0\r\nSubject: J\xfcrgen\r\n".to_vec();
    bytes.extend_from_slice(format!("{REST}l: 1\r\n\r\n\u{e9}").as_bytes());
    let message = valid(Message::parse(bytes.into()));
    assert_eq!(message.header(HeaderName::Subject), Some("J?rgen"));
    assert_eq!(message.call_id(), "1");
    assert_eq!(message.body(), &b"\xc3"[..]);
}

#[test]
fn expiries_beyond_reason_are_an_hour() {
    let expires = |value: &str| valid(with(&format!("Expires: {value}\r\n"))).expires();
    assert_eq!(expires("0"), Some(0));
    assert_eq!(expires("4294967295"), Some(u32::MAX));
    assert_eq!(expires("4294967296"), Some(3600));
    assert_eq!(expires("soon"), Some(3600));
    assert_eq!(valid(with("")).expires(), None);
}

#[test]
fn debug_text_shows_no_credentials() {
    let message = valid(with("Authorization: Digest response=\"topsecret\"\r\n"));
    assert_eq!(format!("{message:?}"), "OPTIONS sip:c@d (Call-ID 1)");
}
