//! RFC 4475, all 49 messages: what each is read as, or how it is refused.
//!
//! Where the RFC leaves a choice (sections 3.1.2.8 to 3.1.2.15), the comment says which we made.

use bytes::Bytes;
use offhook::sip::header::{NameAddr, Via};
use offhook::sip::uri::{Scheme, SipUri};
use offhook::sip::write::Builder;
use offhook::sip::{HeaderName, Message, Method, Parsed};

/// What must come out of one message.
#[derive(Debug, PartialEq)]
enum Outcome {
    Request(Facts),
    Response(u16, Facts),
    Reject(u16, &'static str),
    Discard(&'static str),
}

/// The fields that transactions and dialogs rely on.
#[derive(Debug, PartialEq)]
struct Facts {
    method: &'static str,
    cseq: u32,
    /// URI and tag; the tag is empty where there is none.
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    /// Host and branch of the top Via, and how many there are.
    via: (&'static str, &'static str, usize),
    contacts: usize,
    max_forwards: Option<u8>,
    body: usize,
}

fn load(name: &str) -> Bytes {
    let path = format!("{}/tests/data/torture/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

fn message(name: &str) -> Message {
    match Message::parse(load(name)) {
        Parsed::Valid(message) => message,
        other => panic!("{name}: {other:?}"),
    }
}

/// A text that a table can hold; the leak lives as long as the test.
fn fixed(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn facts(message: &Message) -> Facts {
    let address = |address: Option<NameAddr<'_>>| {
        let address = address.expect("a valid message has From and To");
        (fixed(address.uri()), fixed(address.tag().unwrap_or_default()))
    };
    let via = message.via().expect("a valid message has a Via");
    Facts {
        method: fixed(message.method_name()),
        cseq: message.cseq().expect("a valid message has a CSeq").number,
        from: address(message.from()),
        to: address(message.to()),
        via: (
            fixed(via.host()),
            fixed(via.branch().unwrap_or_default()),
            message.values(HeaderName::Via).count(),
        ),
        contacts: message.contacts().count(),
        max_forwards: message.max_forwards(),
        body: message.body().len(),
    }
}

fn outcome(name: &str) -> Outcome {
    match Message::parse(load(name)) {
        Parsed::Valid(message) => match message.status() {
            Some(status) => Outcome::Response(status, facts(&message)),
            None => Outcome::Request(facts(&message)),
        },
        Parsed::Reject { message, status, reason } => {
            assert_answerable(name, &message, status, reason);
            Outcome::Reject(status, reason)
        }
        Parsed::Discard(reason) => Outcome::Discard(reason),
    }
}

/// Whoever is refused can match the response to the request.
fn assert_answerable(name: &str, message: &Message, status: u16, reason: &str) {
    let answer = Builder::response_to(message, status, reason, Some("t")).build();
    let text = String::from_utf8(answer.to_vec()).expect("text");
    assert!(text.starts_with(&format!("SIP/2.0 {status} {reason}\r\n")), "{name}: {text}");
    for copied in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        if let Some(value) = message.header(copied) {
            assert!(text.contains(&format!(": {value}\r\n")), "{name}: {text}");
        }
    }
}

#[rustfmt::skip]
fn table() -> Vec<(&'static str, Outcome)> {
    use Outcome::{Discard, Reject};
    let request = |method, cseq, from, to, via, contacts, max_forwards, body| {
        Outcome::Request(Facts { method, cseq, from, to, via, contacts, max_forwards, body })
    };
    let response = |status, method, cseq, from, to, via, contacts, body| {
        let max_forwards = None;
        Outcome::Response(status, Facts { method, cseq, from, to, via, contacts, max_forwards, body })
    };
    const ODD_METHOD: &str = "!interesting-Method0123456789_*+`.%indeed'~";
    vec![
        // 3.1.1 Valid messages
        ("wsinv", request("INVITE", 9, ("sip:jdrosen@example.com", "98asjd8"),
            ("sip:vivekg@chair-dnrc.example.com", "1918181833n"),
            ("192.0.2.2", "390skdjuw", 3), 1, Some(68), 150)),
        ("intmeth", request(ODD_METHOD, 139_122_385, ("sip:mundane@example.com", "_token~1'+`*%!-."),
            ("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com", ""),
            ("host1.example.com", "z9hG4bK-.!%66*_+`'~", 1), 0, Some(255), 0)),
        ("esc01", request("INVITE", 234_234, ("sip:I%20have%20spaces@example.net", "938"),
            ("sip:%75se%72@example.com", ""), ("host5.example.net", "z9hG4bKkdjuw", 1), 1, Some(87), 150)),
        ("escnull", request("REGISTER", 14_398_234, ("sip:null-%00-null@example.com", "839923423"),
            ("sip:null-%00-null@example.com", ""), ("host5.example.com", "z9hG4bKkdjuw", 1), 2, Some(70), 0)),
        ("esc02", request("RE%47IST%45R", 29_344, ("sip:resource@example.com", "f232jadfj23"),
            ("sip:resource@example.com", ""), ("host.example.com", "z9hG4bK209%fzsnel234", 1), 2, Some(70), 0)),
        ("lwsdisp", request("OPTIONS", 60, ("sip:caller@example.com", "323"),
            ("sip:user@example.com", ""), ("funky.example.com", "z9hG4bKkdjuw", 1), 0, Some(70), 0)),
        ("longreq", longreq()),
        ("dblreq", request("REGISTER", 8, ("sip:j.user@example.com", "43251j3j324"),
            ("sip:j.user@example.com", ""), ("192.0.2.125", "z9hG4bKkdjuw23492", 1), 1, Some(8), 0)),
        ("semiuri", request("OPTIONS", 8, ("sip:caller@example.org", "33242"),
            ("sip:j_user@example.com", ""), ("192.0.2.1", "z9hG4bKkdjuw", 1), 0, Some(3), 0)),
        ("transports", request("OPTIONS", 60, ("sip:caller@example.com", "323"),
            ("sip:user@example.com", ""), ("t1.example.com", "z9hG4bKkdjuw", 5), 0, Some(70), 0)),
        ("mpart01", request("MESSAGE", 1, ("sip:fluffy@example.com", "2fb0dcc9"),
            ("sip:kumiko@example.org", ""), ("127.0.0.1", "z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-", 1), 1, Some(70), 553)),
        ("unreason", response(200, "INVITE", 35, ("sip:user@example.com", "11141343"),
            ("sip:user@example.edu", "2229"), ("192.0.2.198", "z9hG4bK1324923", 1), 1, 154)),
        ("noreason", response(100, "INVITE", 35, ("sip:user@example.com", "39ansfi3"),
            ("sip:user@example.edu", "902jndnke3"), ("192.0.2.105", "z9hG4bK2398ndaoe", 1), 1, 0)),
        // 3.1.2 Invalid messages
        ("badinv01", Reject(400, "Malformed Via")),
        ("clerr", Reject(400, "Body shorter than Content-Length")),
        ("ncl", Reject(400, "Malformed Content-Length")),
        ("scalar02", Reject(400, "Malformed CSeq")),
        ("scalarlg", Discard("Malformed CSeq")),
        ("quotbal", Reject(400, "Malformed To")),
        ("ltgtruri", Reject(400, "Request-URI is no URI")),
        ("lwsruri", Reject(400, "Request-URI is no URI")),
        // Start lines follow their grammar or are refused: no peer in the field needs leniency.
        ("lwsstart", Reject(400, "Request-URI is no URI")),
        ("trws", Reject(400, "Blanks after the version")),
        ("escruri", Reject(400, "Request-URI has headers")),
        // Nothing here reads Date, so that it cannot do harm.
        ("baddate", request("INVITE", 1_392_934, ("sip:caller@example.net", "2234923"),
            ("sip:user@example.com", ""), ("host.example.com", "z9hG4bKkdjuw", 1), 1, Some(70), 150)),
        // Whether Route belongs to the URI or to Contact cannot be known: refused.
        ("regbadct", Reject(400, "Malformed Contact")),
        // Blanks inside the brackets mean nothing else: dropped.
        ("badaspec", request("OPTIONS", 3_923_239, ("sip:a.g.bell@example.com", "433423"),
            ("sip:t.watson@example.org", ""), ("host4.example.com", "z9hG4bKkdju43234", 1), 0, Some(70), 0)),
        // Unquoted commas in a name that cannot be a list: the quotes are inferred.
        ("baddn", request("OPTIONS", 3_923_239, ("sip:a.g.bell@example.com", "43"),
            ("sip:t.watson@example.org", ""), ("c.example.com", "z9hG4bKkdjuw", 1), 0, Some(70), 0)),
        ("badvers", Reject(505, "Version Not Supported")),
        ("mismatch01", Reject(400, "CSeq method does not match")),
        ("mismatch02", Reject(400, "CSeq method does not match")),
        ("bigcode", Discard("status is no number")),
        // 3.2 Transaction layer semantics
        ("badbranch", request("OPTIONS", 8, ("sip:caller@example.org", "33242"),
            ("sip:user@example.com", ""), ("192.0.2.1", "z9hG4bK", 1), 0, Some(3), 0)),
        // 3.3 Application layer semantics: well-formed, and judged above
        ("insuf", Reject(400, "From missing")),
        ("unkscm", request("OPTIONS", 3_923_423, ("sip:caller@example.net", "384"),
            ("sip:user@example.com", ""), ("host9.example.com", "z9hG4bKkdjuw39234", 1), 0, Some(3), 0)),
        ("novelsc", request("OPTIONS", 3_923_423, ("sip:caller@example.net", "384"),
            ("sip:user@example.com", ""), ("host9.example.com", "z9hG4bKkdjuw39234", 1), 0, Some(3), 0)),
        ("unksm2", request("REGISTER", 234_902, ("http://www.example.com", "3234233"),
            ("isbn:2983792873", ""), ("192.0.2.21", "z9hG4bKkdjuw", 1), 1, Some(70), 0)),
        ("bext01", request("OPTIONS", 8, ("sip:caller@example.net", "242etr"),
            ("sip:j_user@example.com", ""), ("fold-and-staple.example.com", "z9hG4bKkdjuw", 1), 0, Some(6), 0)),
        ("invut", request("INVITE", 235_448, ("sip:caller@example.net", "8392034"),
            ("sip:j.user@example.com", ""), ("somehost.example.com", "z9hG4bKkdjuw", 1), 1, Some(70), 40)),
        ("regaut01", request("REGISTER", 9338, ("sip:j.user@example.com", "87321hj23128"),
            ("sip:j.user@example.com", ""), ("192.0.2.253", "z9hG4bKkdjuw", 1), 0, Some(8), 0)),
        ("multi01", Reject(400, "Header repeated that may stand only once")),
        ("mcl01", Reject(400, "Content-Length repeated")),
        ("bcast", response(200, "INVITE", 35, ("sip:user@example.com", "11141343"),
            ("sip:user@example.edu", "2229"), ("192.0.2.198", "z9hG4bK1324923", 2), 1, 154)),
        ("zeromf", request("OPTIONS", 39_234_321, ("sip:caller@example.net", "3ghsd41"),
            ("sip:user@example.com", ""), ("host1.example.com", "z9hG4bKkdjuw2349i", 1), 0, Some(0), 0)),
        ("cparam01", request("REGISTER", 2, ("sip:watson@example.com", "DkfVgjkrtMwaerKKpe"),
            ("sip:watson@example.com", ""), ("saturn.example.com", "z9hG4bKkdjuw", 1), 1, Some(70), 0)),
        ("cparam02", request("REGISTER", 3, ("sip:watson@example.com", "838293"),
            ("sip:watson@example.com", ""), ("saturn.example.com", "z9hG4bKkdjuw", 1), 1, Some(70), 0)),
        ("regescrt", request("REGISTER", 14_398_234, ("sip:user@example.com", "8"),
            ("sip:user@example.com", ""), ("host5.example.com", "z9hG4bKkdjuw", 1), 1, Some(70), 0)),
        ("sdp01", request("INVITE", 8, ("sip:caller@example.net", "234"),
            ("sip:j_user@example.com", ""), ("192.0.2.15", "z9hG4bKkdjuw", 1), 1, Some(5), 150)),
        // 3.4 Backward compatibility
        ("inv2543", request("INVITE", 56, ("sip:+13035551111@ift.client.example.net;user=phone", ""),
            ("sip:+16505552222@ss1.example.net", ""), ("iftgw.example.com", "", 1), 0, None, 105)),
    ]
}

/// Its texts are patterns, so that the table stays readable.
fn longreq() -> Outcome {
    let user = "amazinglylongcallername".repeat(5);
    let very = |words, what| format!("very{}{what}", "long".repeat(words));
    let to = format!(
        "sip:user@example.com:6000;unknownparam1={};longparam{}=shortvalue;{}",
        very(20, "value"),
        "name".repeat(25),
        very(25, "ParameterNameWithNoValue"),
    );
    Outcome::Request(Facts {
        method: "INVITE",
        cseq: 3_882_340,
        from: (
            fixed(&format!("sip:{user}@example.net")),
            fixed(&format!("1{}2424", "298".repeat(50))),
        ),
        to: (fixed(&to), ""),
        via: ("sip33.example.com", "", 34),
        contacts: 1,
        max_forwards: Some(70),
        body: 150,
    })
}

#[test]
fn every_message_has_its_outcome() {
    let table = table();
    assert_eq!(table.len(), 49);
    let mut wrong = Vec::new();
    for (name, expected) in &table {
        let got = outcome(name);
        if got != *expected {
            wrong.push(format!("{name}:\n  expected {expected:?}\n  got      {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_the_folder() {
    let folder = format!("{}/tests/data/torture", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".dat").map(str::to_owned))
        .collect();
    let mut names: Vec<&str> = table().iter().map(|(name, _)| *name).collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names);
}

/// 3.1.1.1: folds, blanks, compact names, an empty header and one that only looks broken.
#[test]
fn wsinv_is_read_through_its_folds() {
    let message = message("wsinv");
    let branches: Vec<_> = message
        .values(HeaderName::Via)
        .map(|value| Via::parse(value).expect("valid"))
        .map(|via| (via.transport(), via.host(), via.branch().unwrap_or_default()))
        .collect();
    let expected = [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ];
    assert_eq!(branches, expected);
    let name = message.from().and_then(|from| from.display_name());
    assert_eq!(name.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(message.header(HeaderName::Subject), Some(""));
    assert_eq!(message.header_by_name("unknownheaderwithunusualvalue"), Some(";;,,;;,;"));
    let folded = message.header_by_name("NewFangledHeader").expect("a header");
    let words: Vec<_> = folded.split_whitespace().collect();
    assert_eq!(words, ["newfangled", "value", "continued", "newfangled", "value"]);
    assert!(!folded.contains(['\r', '\n']));
    let contact = message.contacts().next().expect("a contact");
    assert_eq!(contact.display_name().as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params().get("newparam"), Some("newvalue"));
    assert_eq!(
        (contact.params().get("secondparam"), contact.params().get("q")),
        (Some(""), Some("0.33"))
    );
    let route = message.values(HeaderName::Route).next().and_then(NameAddr::parse).expect("Route");
    assert!(route.sip_uri().is_some_and(|uri| uri.is_loose_router()));
    assert!(message.is_content_type("application/sdp"));
}

/// 3.1.1.2: every character that the grammar allows, NUL behind a backslash among them.
#[test]
fn intmeth_keeps_its_odd_characters() {
    let message = message("intmeth");
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    let uri = SipUri::parse(message.request_uri()).expect("a URI");
    assert_eq!(uri.host(), "example.com");
    assert_eq!(uri.user_raw(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    let to = message.to().and_then(|to| to.display_name());
    assert_eq!(to.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    let from = message.from().expect("From");
    assert_eq!(from.params().get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(message.header_by_name("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
}

/// 3.1.1.3 to 3.1.1.5: `%` escapes mean something in URIs and nothing elsewhere.
#[test]
fn escapes_are_undone_only_in_uris() {
    let first = message("esc01");
    let uri = SipUri::parse(first.request_uri()).expect("a URI");
    assert_eq!((uri.host(), uri.user().as_deref()), ("example.net", Some("sips:user@example.com")));
    let from = first.from().and_then(|from| from.sip_uri()).expect("a URI");
    assert_eq!(from.user().as_deref(), Some("I have spaces"));
    let nulls: Vec<_> = message("escnull")
        .contacts()
        .filter_map(|contact| Some(contact.sip_uri()?.user()?.into_owned()))
        .collect();
    assert_eq!(nulls, ["\0", "\0\0"]);
    let second = message("esc02");
    assert_eq!(second.method(), Method::Other);
    assert_eq!(second.to().and_then(|to| to.display_name()).as_deref(), Some("%Z%45"));
    assert_eq!(second.header_by_name("C%6Fntact"), Some("<sip:alias2@host2.example.com>"));
}

/// 3.1.1.6, 3.1.1.9, 3.3.13 and 3.3.14: who owns a semicolon or a blank.
#[test]
fn semicolons_belong_where_the_grammar_puts_them() {
    let name = message("lwsdisp").from().and_then(|from| from.display_name().map(String::from));
    assert_eq!(name.as_deref(), Some("caller"));
    let semiuri = message("semiuri");
    let uri = SipUri::parse(semiuri.request_uri()).expect("a URI");
    assert_eq!(uri.user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!((uri.host(), uri.params().as_str()), ("example.com", ""));
    let header_param = message("cparam01");
    let contact = header_param.contacts().next().expect("a contact");
    assert!(contact.params().has("unknownparam") && contact.uri().ends_with("gw1.example.net"));
    let uri_param = message("cparam02");
    let contact = uri_param.contacts().next().expect("a contact");
    assert!(!contact.params().has("unknownparam"));
    assert!(contact.sip_uri().is_some_and(|uri| uri.params().has("unknownparam")));
    let escaped = message("regescrt");
    let contact = escaped.contacts().next().and_then(|contact| contact.sip_uri()).expect("a URI");
    let headers: Vec<_> = contact.headers().collect();
    assert_eq!(headers, [("Route", "%3Csip:sip.example.com%3E")]);
}

/// 3.1.1.8, 3.1.1.12, 3.1.1.13, 3.1.2.15: what follows the body, and phrases that say nothing.
#[test]
fn bodies_and_phrases_end_where_they_should() {
    assert_eq!(message("dblreq").body(), Bytes::new());
    assert!(message("unreason").reason_phrase().starts_with("= 2**3 * 5**2 но сто девяносто"));
    assert_eq!(message("noreason").reason_phrase(), "");
    let name = message("baddn").from().and_then(|from| from.display_name().map(String::from));
    assert_eq!(name.as_deref(), Some("Bell, Alexander"));
}

/// 3.3: what the layers above need to say 416, 420, 415, or to ignore a response.
#[test]
fn application_layers_see_what_they_must_refuse() {
    for name in ["unkscm", "novelsc"] {
        let message = message(name);
        let scheme = SipUri::parse(message.request_uri()).map(|uri| uri.scheme());
        assert_eq!(scheme, Some(Scheme::Other), "{name}");
    }
    let required = message("bext01");
    let required: Vec<_> = required.values(HeaderName::Require).collect();
    assert_eq!(required, ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert_eq!(message("invut").content_type(), Some("application/unknownformat"));
    let bcast = message("bcast");
    let second = bcast.values(HeaderName::Via).nth(1).and_then(Via::parse).expect("a Via");
    assert_eq!(second.host(), "255.255.255.255");
    let branch = message("badbranch").via().map(|via| via.branch_after_cookie().is_none());
    assert_eq!(branch, Some(true));
    assert_eq!(message("transports").values(HeaderName::Via).count(), 5);
    assert_eq!(message("sdp01").header(HeaderName::Accept), Some("text/nobodyKnowsThis"));
}
