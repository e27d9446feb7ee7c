//! Who callers are: signed calls in and out, what trunks assert, and who is withheld.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use offhook::base::{Duration, Sign, SigningKey};
use offhook::directory::{
    Attestation, CallerHeader, Callers, DiversionHeader, Refuse, Signing, Verify,
};
use offhook::exchange::{Certificate, Input};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair,
    KeyUsagePurpose, SigningKey as _,
};

use crate::world::raw::Rest;
use crate::world::{NUMBER, OWN_NUMBER, Office, Page, VOICE, World, header, respond};

const X5U: &str = "https://cert.example/599J.pem";
const CALLER: &str = "+14155550199";
/// What the clock shows two seconds after a world's beginning, about when calls arrive.
const NOW: u64 = 1_795_237_268;

/// Somebody who may sign, and the authority above; shares no code with what is tested.
struct Provider {
    root: Vec<u8>,
    pem: String,
    key: KeyPair,
}

impl Provider {
    fn new() -> Provider {
        let mut params = CertificateParams::new(vec![]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let root = root.expect("a root");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("params");
        let code = vec![0x30, 8, 0xa0, 6, 0x16, 4, b'5', b'9', b'9', b'J'];
        let list = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], code);
        params.custom_extensions = vec![list];
        let leaf = params.signed_by(&key, &root).expect("a certificate");
        Provider { root: root.der().to_vec(), pem: leaf.pem(), key }
    }

    /// The signature as tokens have it.
    fn sign(&self, text: &str) -> [u8; 64] {
        raw(&self.key.sign(text.as_bytes()).expect("signed"))
    }

    fn token(&self, orig: &str, dest: &str, iat: u64) -> String {
        let head = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}"#);
        let claims = format!(
            r#"{{"attest":"A","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"o-1"}}"#
        );
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(&text));
        format!("{text}.{signature}")
    }

    fn header(&self, orig: &str, dest: &str, iat: u64) -> String {
        let token = self.token(orig, dest, iat);
        format!("Identity: {token};info=<{X5U}>;alg=ES256;ppt=shaken\r\n")
    }

    fn good(&self) -> String {
        self.header("14155550199", "12223331234", NOW)
    }

    fn verify(&self) -> Option<Arc<Verify>> {
        let wait = Duration::from_secs(2);
        Some(Arc::new(Verify { anchors: vec![self.root.clone()], ports: vec![], wait }))
    }

    /// A world whose carrier is believed when this provider signed, and who has its certificate.
    fn world(&self, change: impl Fn(&mut Callers)) -> World {
        let office = Office::new().change(|directory| {
            let callers = &mut directory.trunks[0].callers;
            callers.verify = self.verify();
            change(callers);
        });
        let mut world = World::with(1, office.build(), false);
        self.publish(&mut world, Duration::from_millis(50));
        world.web.page(VOICE, Page::xml("<Reject/>"));
        world.peer("raw", "198.51.100.1:5060");
        world.seconds(1);
        world
    }

    fn publish(&self, world: &mut World, delay: Duration) {
        let body = Bytes::from(self.pem.clone());
        let page = (delay, Ok(Certificate { body, max_age: None }));
        world.certificates.pages.insert(X5U.to_owned(), page);
    }
}

/// Two numbers of 32 bytes out of X.509's form.
fn raw(der: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    let mut rest = &der[2..];
    for half in 0..2 {
        let length = usize::from(rest[1]);
        let digits = &rest[2..2 + length];
        let digits = if digits[0] == 0 { &digits[1..] } else { digits };
        out[32 * half + 32 - digits.len()..32 * half + 32].copy_from_slice(digits);
        rest = &rest[2 + length..];
    }
    out
}

/// The carrier calls our number with these headers.
fn ring(world: &mut World, dialog: &str, headers: &str) {
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { headers, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:+12223331234@192.0.2.1", dialog, &rest);
    world.say("raw", &invite);
}

/// What the handler was told of one call.
fn told(provider: &Provider, headers: &str) -> (String, String, World) {
    let mut world = provider.world(|_| {});
    ring(&mut world, "r1", headers);
    world.expect("raw", "SIP/2.0 404");
    let of = |name: &str| world.web.parameter(VOICE, name).concat();
    (of("StirVerstat"), of("StirPassportToken"), world)
}

#[test]
fn a_signed_caller_is_proven_to_the_handler() {
    let _alone = World::alone();
    let provider = Provider::new();
    let (verstat, token, mut world) = told(&provider, &provider.good());
    assert_eq!(verstat, "TN-Validation-Passed-A");
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims =
        String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("text");
    assert!(claims.contains("\"orig\":{\"tn\":\"14155550199\"}"), "{claims}");
    assert!(world.told("the caller's number is proven: signed by 599J with attestation A"));
    assert_eq!(world.certificates.asked, [X5U]);
    // The next call needs no certificate, and does not wait.
    let header = provider.header("14155550199", "12223331234", NOW + 1);
    ring(&mut world, "r2", &header);
    world.millis(100);
    assert_eq!(world.web.parameter(VOICE, "StirVerstat"), ["TN-Validation-Passed-A"; 2]);
    assert_eq!(world.certificates.asked, [X5U]);
}

#[test]
fn what_a_signature_does_not_prove_is_told_too() {
    let provider = Provider::new();
    let other = Provider::new();
    for (header, verstat, words) in [
        (
            provider.header("14155550100", "12223331234", NOW),
            "TN-Validation-Failed-A",
            "another caller",
        ),
        (
            provider.header("14155550199", "12223330000", NOW),
            "TN-Validation-Failed-A",
            "another number",
        ),
        (
            provider.header("14155550199", "12223331234", NOW - 90),
            "TN-Validation-Failed-A",
            "s off",
        ),
        (other.good(), "TN-Validation-Failed-A", "signature is wrong"),
        ("Identity: nonsense\r\n".to_owned(), "TN-Validation-Failed", "cannot be read"),
        (String::new(), "", "not signed"),
    ] {
        let (told, _, world) = told(&provider, &header);
        assert_eq!(told, verstat, "{words}");
        assert!(world.told(words), "{words}: {:?}", world.notes);
        let code = if verstat.is_empty() { 0 } else { 32_020 };
        assert!(world.notes.iter().any(|(_, note)| note.code == code), "{words}");
    }
}

#[test]
fn a_signer_whose_certificate_cannot_be_fetched_proves_nothing() {
    let provider = Provider::new();
    let mut world = provider.world(|_| {});
    world.certificates.pages.clear();
    ring(&mut world, "r1", &provider.good());
    world.expect("raw", "SIP/2.0 404");
    assert_eq!(world.web.parameter(VOICE, "StirVerstat"), ["No-TN-Validation"]);
    assert!(world.told("there is no such host"));
}

#[test]
fn a_call_waits_two_seconds_for_a_certificate_and_no_longer() {
    let _alone = World::alone();
    let provider = Provider::new();
    let mut world = provider.world(|_| {});
    provider.publish(&mut world, Duration::from_secs(4));
    ring(&mut world, "r1", &provider.good());
    world.millis(1_900);
    assert!(world.web.asked.is_empty(), "nobody is asked what to do yet");
    assert_eq!(world.calls(), 1, "a server that drains waits for it");
    world.expect("raw", "SIP/2.0 404");
    assert_eq!(world.web.parameter(VOICE, "StirVerstat"), ["No-TN-Validation"]);
    assert!(world.told("did not come within 2000 ms"));
    // It came after all, for the next one.
    world.seconds(4);
    ring(&mut world, "r2", &provider.header("14155550199", "12223331234", NOW + 1));
    world.seconds(1);
    let verstats = world.web.parameter(VOICE, "StirVerstat");
    assert_eq!(verstats, ["No-TN-Validation", "TN-Validation-Passed-A"]);
}

#[test]
fn a_caller_who_gives_up_while_a_certificate_is_fetched_is_gone() {
    let provider = Provider::new();
    let mut world = provider.world(|_| {});
    provider.publish(&mut world, Duration::from_secs(1));
    ring(&mut world, "r1", &provider.good());
    world.millis(300);
    let rest = Rest { branch: "r1-INVITE-1", ..Rest::default() };
    let cancel = world.request("raw", "CANCEL", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &cancel);
    world.expect("raw", "SIP/2.0 487");
    world.seconds(3);
    assert!(world.web.asked.is_empty() && world.rows.history.is_empty());
    assert_eq!((world.calls(), world.trunks()[0].calls), (0, 0), "its channel is free");
}

#[test]
pub fn a_token_that_comes_back_with_another_call_is_a_replay() {
    let provider = Provider::new();
    let (first, _, mut world) = told(&provider, &provider.good());
    assert_eq!(first, "TN-Validation-Passed-A");
    // A fresh one for the same call; ECDSA gives each signing its own signature.
    let header = provider.good();
    ring(&mut world, "r2", &header);
    world.seconds(1);
    ring(&mut world, "r3", &header);
    world.seconds(1);
    let verstats = world.web.parameter(VOICE, "StirVerstat");
    assert_eq!(verstats[1..], ["TN-Validation-Passed-A", "TN-Validation-Failed-A"]);
    assert!(world.told("used by another call"));
}

#[test]
fn a_withheld_number_is_verified_and_its_token_withheld() {
    let provider = Provider::new();
    let headers = format!(
        "P-Asserted-Identity: <sip:{CALLER}@carrier.example>\r\nPrivacy: id\r\n{}",
        provider.good()
    );
    let (verstat, token, world) = told(&provider, &headers);
    assert_eq!((verstat.as_str(), token.as_str()), ("TN-Validation-Passed-A", ""));
    assert_eq!(world.web.parameter(VOICE, "From"), ["anonymous"]);
}

#[test]
fn calls_are_refused_only_where_a_trunk_says_so() {
    let provider = Provider::new();
    let stale = provider.header("14155550199", "12223331234", NOW - 90);
    let other = Provider::new().good();
    let wrong = provider.header("14155550100", "12223331234", NOW);
    for (refuse, header, status) in [
        (Refuse::Failed, stale.as_str(), "403"),
        (Refuse::Failed, wrong.as_str(), "438"),
        (Refuse::Failed, other.as_str(), "438"),
        (Refuse::Failed, "", "404"),
        (Refuse::Unproven, "", "428"),
        (Refuse::Unproven, provider.good().as_str(), "404"),
    ] {
        let mut world = provider.world(|callers| callers.refuse = refuse);
        ring(&mut world, "r1", header);
        world.expect("raw", &format!("SIP/2.0 {status}"));
        assert_eq!(world.web.asked.is_empty(), status != "404", "{status}");
    }
    let mut world = provider.world(|callers| callers.refuse = Refuse::Unproven);
    world.certificates.pages.clear();
    ring(&mut world, "r1", &provider.good());
    world.expect("raw", "SIP/2.0 436 Bad Identity Info");
    let untrusted = Provider::new();
    let mut world = provider.world(|callers| {
        callers.verify = untrusted.verify();
        callers.refuse = Refuse::Failed;
    });
    ring(&mut world, "r1", &provider.good());
    world.expect("raw", "SIP/2.0 437 Unsupported Credential");
    assert_eq!(world.calls(), 0);
}

#[test]
fn a_carriers_own_word_counts_where_it_is_trusted() {
    let headers = "P-Asserted-Identity: <sip:+14155550177;verstat=TN-Validation-Passed@c.example>\r\n\
                   Attestation-Info: B\r\n";
    for (trusted, verstat) in [(true, "TN-Validation-Passed-B"), (false, "")] {
        let office = Office::new().change(|directory| {
            directory.trunks[0].callers.trust_verstat = trusted;
        });
        let mut world = World::with(1, office.build(), false);
        world.web.page(VOICE, Page::xml("<Reject/>"));
        world.peer("raw", "198.51.100.1:5060");
        ring(&mut world, "r1", headers);
        world.expect("raw", "SIP/2.0 404");
        assert_eq!(world.web.parameter(VOICE, "StirVerstat"), [verstat]);
        assert_eq!(world.web.parameter(VOICE, "From"), ["+14155550177"], "without its parameters");
    }
}

#[test]
fn a_phone_cannot_assert_who_it_is_or_that_it_was_verified() {
    let office = Office::new().change(|directory| {
        directory.trunks[0].callers.trust_verstat = true;
        directory.domains.values_mut().for_each(|domain| {
            domain.calls.clear();
            domain.allowed_ips = vec!["198.51.100.77/32".parse().expect("a network")];
        });
    });
    let mut world = World::with(1, office.build(), false);
    world.web.page(VOICE, Page::xml("<Reject/>"));
    world.peer("raw", "198.51.100.77:5060");
    let sdp = world.raw("raw").sdp("sendrecv");
    let headers = "P-Asserted-Identity: <sip:+12223331234;verstat=TN-Validation-Passed-A@h>\r\n";
    let from = "sip:alice@office.localhost";
    let rest =
        Rest { headers, body: &sdp, from, to: "<sip:5@office.localhost>", ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:5@office.localhost", "p1", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 404");
    assert_eq!(world.web.parameter(VOICE, "From"), ["sip:alice@office.localhost"]);
    assert_eq!(world.web.parameter(VOICE, "StirVerstat"), [""]);
}

/// Signs as trunks are signed to.
struct Pen(Provider);

impl Sign for Pen {
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        Some(self.0.sign(std::str::from_utf8(text).ok()?))
    }
}

/// Alice dials through a document; gives the INVITE that the carrier gets.
fn dialled(change: impl Fn(&mut Callers), id: &str) -> (World, String) {
    let office = Office::new().change(|directory| {
        change(&mut directory.trunks[0].callers);
        directory.domains.values_mut().for_each(|domain| domain.any_caller_id = true);
    });
    let mut world = World::with(1, office.build(), false);
    world.web.page(VOICE, Page::xml(&format!("<Dial callerId='{id}'>+14155551212</Dial>")));
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    let busy = respond(&invite, "486 Busy Here", world.raw("raw").local, "", "");
    world.say("raw", &busy);
    world.end();
    (world, invite)
}

fn claims_of(invite: &str) -> serde_json::Value {
    let value = header(invite, "Identity");
    let claims = value.split('.').nth(1).unwrap_or_else(|| panic!("signed: {invite}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON")
}

#[test]
fn calls_to_a_trunk_are_signed_for_whoever_they_show() {
    let signing = |most| {
        let key = SigningKey::new("k", Arc::new(Pen(Provider::new())));
        Some(Signing { key, url: X5U.to_owned(), most, origid: None })
    };
    let mut origids = vec![];
    for (id, most, attest) in [
        (OWN_NUMBER, Attestation::Full, "A"),
        ("+19998887777", Attestation::Full, "B"),
        (OWN_NUMBER, Attestation::Partial, "B"),
        (OWN_NUMBER, Attestation::Gateway, "C"),
    ] {
        let (world, invite) = dialled(|callers| callers.sign = signing(most), id);
        let claims = claims_of(&invite);
        assert_eq!(claims["attest"], attest, "{id}");
        assert_eq!(claims["orig"]["tn"], id.trim_start_matches('+'));
        assert_eq!(claims["dest"]["tn"], serde_json::json!(["14155551212"]));
        let iat = claims["iat"].as_u64().expect("a number");
        assert!(iat.abs_diff(NOW) < 10, "{iat}");
        origids.push(claims["origid"].as_str().expect("a text").to_owned());
        assert!(world.told(&format!("signed as a call from {id} with attestation {attest}")));
        let identity = header(&invite, "Identity");
        assert!(identity.ends_with(&format!(";info=<{X5U}>;alg=ES256;ppt=shaken")), "{identity}");
        assert!(header(&invite, "Date").ends_with(" GMT"));
    }
    assert_eq!(origids[0].len(), 36);
    assert!(origids.iter().all(|origid| *origid == origids[0]), "one for each user");
}

#[test]
fn what_we_sign_another_switch_verifies() {
    let (pen, reader) = (Provider::new(), Provider::new);
    let root = pen.root.clone();
    let pem = Bytes::from(pen.pem.clone());
    let key = SigningKey::new("k", Arc::new(Pen(pen)));
    let signing = Signing { key, url: X5U.to_owned(), most: Attestation::Full, origid: None };
    let (_, invite) = dialled(|callers| callers.sign = Some(signing.clone()), OWN_NUMBER);
    let office = Office::new().change(|directory| {
        let number = directory.numbers.values().next().expect("one").clone();
        let called = "+14155551212".to_owned();
        directory
            .numbers
            .insert(called.clone(), offhook::directory::Number { number: called, ..number });
        let wait = Duration::from_secs(2);
        let verify = Verify { anchors: vec![root, reader().root], ports: vec![], wait };
        directory.trunks[0].callers.verify = Some(Arc::new(verify));
    });
    let mut world = World::with(1, office.build(), false);
    let page = (Duration::ZERO, Ok(Certificate { body: pem, max_age: None }));
    world.certificates.pages.insert(X5U.to_owned(), page);
    world.web.page(VOICE, Page::xml("<Reject/>"));
    world.peer("raw", "198.51.100.1:5060");
    world.seconds(1);
    let sdp = world.raw("raw").sdp("sendrecv");
    let headers = format!("Identity: {}\r\n", header(&invite, "Identity"));
    let rest = Rest {
        headers: &headers,
        body: &sdp,
        from: "sip:+16505551111@198.51.100.1",
        to: "<sip:+14155551212@192.0.2.1>",
        ..Rest::default()
    };
    let call = world.request("raw", "INVITE", "sip:+14155551212@192.0.2.1", "s1", &rest);
    world.say("raw", &call);
    world.expect("raw", "SIP/2.0 404");
    assert_eq!(world.web.parameter(VOICE, "StirVerstat"), ["TN-Validation-Passed-A"]);
}

#[test]
fn a_caller_stands_in_the_header_that_its_trunk_reads() {
    let with = |header| dialled(move |callers| callers.header = header, OWN_NUMBER).1;
    let plain = with(CallerHeader::From);
    for name in ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy"] {
        assert_eq!(header(&plain, name), "", "{name}");
    }
    let asserted = header(&with(CallerHeader::Asserted), "P-Asserted-Identity");
    assert_eq!(asserted, "<sip:+16505551111@office.localhost>");
    let preferred = header(&with(CallerHeader::Preferred), "P-Preferred-Identity");
    assert_eq!(preferred, asserted);
    let party = header(&with(CallerHeader::RemoteParty), "Remote-Party-ID");
    assert_eq!(party, format!("{asserted};party=calling;screen=yes;privacy=off"));
}

/// A carrier's call is passed on to a telephone; gives the INVITE that goes out.
fn passed_on(change: impl Fn(&mut Callers), headers: &str) -> String {
    let office = Office::new().change(|directory| change(&mut directory.trunks[0].callers));
    let mut world = World::with(1, office.build(), false);
    world.web.page(VOICE, Page::xml("<Dial>+14155551212</Dial>"));
    world.peer("raw", "198.51.100.1:5060");
    ring(&mut world, "r1", headers);
    let invite = world.expect("raw", "INVITE");
    let busy = respond(&invite, "486 Busy Here", world.raw("raw").local, "", "");
    world.say("raw", &busy);
    world.tell(Input::Shutdown);
    world.end();
    invite
}

#[test]
fn a_withheld_caller_stays_withheld_and_is_named_only_to_the_trusted() {
    let withheld = "P-Asserted-Identity: \"Ann\" <sip:+14155550177@c.example>\r\nPrivacy: id\r\n";
    let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    for trusted in [false, true] {
        let change = |callers: &mut Callers| {
            callers.header = CallerHeader::Asserted;
            callers.trust_domain = trusted;
            let key = SigningKey::new("k", Arc::new(Pen(Provider::new())));
            let most = Attestation::Full;
            callers.sign = Some(Signing { key, url: X5U.to_owned(), most, origid: None });
        };
        let invite = passed_on(change, withheld);
        assert!(header(&invite, "From").starts_with(anonymous), "{invite}");
        assert_eq!(header(&invite, "Privacy"), "id");
        let asserted = header(&invite, "P-Asserted-Identity");
        assert_eq!(asserted.contains("+14155550177"), trusted, "{asserted}");
        assert_eq!(invite.contains("14155550177"), trusted);
        assert!(!invite.contains("Ann\""), "{invite}");
        match trusted {
            true => assert_eq!(claims_of(&invite)["attest"], "C", "it came from outside"),
            false => assert_eq!(header(&invite, "Identity"), "", "a token would name the caller"),
        }
    }
}

#[test]
fn a_forwarded_call_says_who_forwarded_it() {
    let before = "Diversion: <sip:+14155550188@c.example>;reason=no-answer\r\n";
    let plain = passed_on(|_| {}, before);
    assert_eq!((header(&plain, "Diversion"), header(&plain, "History-Info")).0, "");
    let told = passed_on(|callers| callers.diversion = DiversionHeader::Diversion, before);
    let diversions: Vec<&str> = told.lines().filter(|line| line.starts_with("Diversion")).collect();
    assert_eq!(diversions.len(), 2, "{told}");
    assert!(diversions[0].contains(&format!("<sip:{NUMBER}@")), "{}", diversions[0]);
    assert!(diversions[1].contains("<sip:+14155550188@"), "{}", diversions[1]);
    let told = passed_on(|callers| callers.diversion = DiversionHeader::History, before);
    let entries: Vec<&str> =
        told.lines().filter_map(|l| l.strip_prefix("History-Info: ")).collect();
    assert_eq!(entries.len(), 3, "{told}");
    assert!(entries[0].starts_with("<sip:+14155550188@") && entries[0].ends_with(">;index=1"));
    assert!(entries[1].starts_with(&format!("<sip:{NUMBER}@")));
    assert!(entries[1].ends_with(";cause=302>;index=1.1;mp=1"), "{}", entries[1]);
    assert!(entries[2].starts_with("<sip:+14155551212@"), "{}", entries[2]);
    assert!(entries[2].ends_with(";cause=302>;index=1.1.1;mp=1.1"), "{}", entries[2]);
    let (_, own) = dialled(|callers| callers.diversion = DiversionHeader::Diversion, OWN_NUMBER);
    assert_eq!(header(&own, "Diversion"), "", "a phone's own call was forwarded by nobody");
}
