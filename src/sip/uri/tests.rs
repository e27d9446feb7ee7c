use super::*;

fn uri(text: &str) -> SipUri<'_> {
    SipUri::parse(text).unwrap_or_else(|| panic!("{text} is a URI"))
}

#[test]
fn parts_are_found() {
    let all = uri("sips:alice:secret@[2001:db8::10]:5070;transport=tcp;lr?subject=a%20b&x");
    assert_eq!(all.scheme(), Scheme::Sips);
    assert_eq!((all.user_raw(), all.password()), (Some("alice"), Some("secret")));
    assert_eq!((all.host(), all.port()), ("2001:db8::10", Some(5070)));
    assert_eq!(all.transport(), Some("tcp"));
    assert!(all.is_loose_router());
    assert_eq!(all.headers().collect::<Vec<_>>(), [("subject", "a%20b"), ("x", "")]);
    let plain = uri("SIP:example.com");
    assert_eq!((plain.scheme(), plain.user(), plain.host()), (Scheme::Sip, None, "example.com"));
}

#[test]
fn the_user_keeps_its_semicolons_and_escapes() {
    let odd = uri("sip:user;par=u%40example.net@example.com;x=1");
    assert_eq!(odd.host(), "example.com");
    assert_eq!(odd.user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(odd.user_raw(), Some("user;par=u%40example.net"));
    assert_eq!(odd.params().get("x"), Some("1"));
    assert_eq!(uri("sip:sips%3Auser%40example.com@example.net").host(), "example.net");
    assert_eq!(uri("sip:null-%00-null@example.com").user().as_deref(), Some("null-\0-null"));
}

#[test]
fn telephone_numbers_are_users() {
    let tel = uri("tel:+1-201-555-0123;phone-context=x");
    assert_eq!((tel.scheme(), tel.user_raw()), (Scheme::Tel, Some("+1-201-555-0123")));
    assert_eq!(tel.params().get("phone-context"), Some("x"));
    assert!(tel.equivalent(&uri("tel:+1(201)5550123;phone-context=x")));
}

#[test]
fn malformed_uris_are_refused() {
    for text in [
        "",
        "alice",
        "sip:",
        "sip:@host",
        "sip:a@b@c",
        "sip:a@b:99999",
        "sip:a@b:x",
        "sip:a@[::1",
        "sip:a@[zz]",
        "sip:a b@c",
        "sip:a@b;;x",
        "sip:a%4@b",
        "<sip:a@b>",
        "sip:a@b\u{e9}",
        "tel:",
        ":x",
    ] {
        assert_eq!(SipUri::parse(text), None, "{text}");
    }
    assert_eq!(uri("soap.beep://192.0.2.103:3002").scheme(), Scheme::Other);
}

/// The examples of RFC 3261 section 19.1.4.
#[test]
fn equivalence_is_that_of_the_rfc() {
    let same = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
    ];
    let different = [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:a@b;ttl=1", "sip:a@b"),
    ];
    for (one, two) in same {
        assert!(uri(one).equivalent(&uri(two)) && uri(two).equivalent(&uri(one)), "{one} {two}");
    }
    for (one, two) in different {
        assert!(!uri(one).equivalent(&uri(two)) && !uri(two).equivalent(&uri(one)), "{one} {two}");
    }
}

#[test]
fn users_are_escaped_only_where_they_must() {
    assert_eq!(escape_user("+1201"), "+1201");
    assert_eq!(escape_user("a@b:c d\r\n"), "a%40b%3Ac%20d%0D%0A");
    assert_eq!(percent_decode(&escape_user("ü@x")), "ü@x");
}
