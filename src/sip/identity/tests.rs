//! Whole claims: signed here, signed by others, bent in every place.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, alg_id};

use super::der::raw;
use super::*;

const NOW: u64 = 1_795_237_266;
const X5U: &str = "https://cert.example/599J.pem";

fn algorithms() -> Algorithms {
    rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all
}

/// Somebody who may sign, and the authority above.
struct Provider {
    root: CertificateDer<'static>,
    chain: Chain,
    key: KeyPair,
}

impl Provider {
    fn new() -> Provider {
        // 30 08 a0 06 16 04 "599J"
        Provider::with(Some(vec![0x30, 8, 0xa0, 6, 0x16, 4, b'5', b'9', b'9', b'J']))
    }

    fn with(list: Option<Vec<u8>>) -> Provider {
        let mut params = CertificateParams::new(vec![]).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
        let root = root.expect("a root");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("params");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        params.custom_extensions = list
            .map(|list| CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list))
            .into_iter()
            .collect();
        let leaf = params.signed_by(&key, &root).expect("a certificate");
        let chain = Chain::parse(leaf.pem().as_bytes()).expect("a chain");
        Provider { root: root.der().clone(), chain, key }
    }

    fn sign(&self, text: &str) -> [u8; 64] {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key).expect("ECDSA");
        let scheme = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256];
        let signer = key.choose_scheme(&scheme).expect("ES256");
        raw(&signer.sign(text.as_bytes()).expect("signed")).expect("two numbers")
    }

    fn signer(&self) -> Result<Signer, Flaw> {
        self.chain.trusted(&[self.root.to_vec()], algorithms(), NOW)
    }

    fn header(&self, change: impl FnOnce(&mut Draft<'static>)) -> String {
        let mut draft = Draft {
            attest: Attest::A,
            dest: "12223331234",
            iat: NOW,
            orig: "14155550100",
            origid: "123e4567-e89b-12d3-a456-426655440000",
            x5u: X5U,
        };
        change(&mut draft);
        let text = draft.text();
        draft.header(&text, &self.sign(&text))
    }
}

fn call() -> Call<'static> {
    Call {
        caller: "14155550100",
        called: "12223331234",
        to: "12223331234",
        date: None,
        now: NOW,
        ports: &[],
    }
}

fn read(header: &str, call: &Call<'_>) -> Result<Claim, Flaw> {
    let read = Claim::read([header].into_iter(), call).map_err(|refused| refused.flaw);
    read.map(|claim| claim.expect("a claim"))
}

#[test]
fn a_signed_call_is_proven_by_its_certificate() {
    let provider = Provider::new();
    let claim = read(&provider.header(|_| {}), &call()).expect("it fits");
    assert_eq!((claim.attest, claim.x5u.as_str(), claim.retargeted), (Some(Attest::A), X5U, false));
    let signer = provider.signer().expect("trusted");
    assert_eq!(signer.authority.name(), "599J");
    assert_eq!(claim.check(&signer, algorithms()), Ok(()));
    let other = Provider::new();
    let other = other.chain.trusted(&[other.root.to_vec()], algorithms(), NOW).expect("trusted");
    assert_eq!(claim.check(&other, algorithms()), Err(Flaw::Signature));
}

#[test]
fn every_bit_of_a_token_counts() {
    let provider = Provider::new();
    let signer = provider.signer().expect("trusted");
    let header = provider.header(|_| {});
    let end = header.find(';').expect("parameters");
    for at in (0..end).step_by(7) {
        let mut bytes = header.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bytes).expect("ASCII");
        let proven = read(&bent, &call()).and_then(|claim| claim.check(&signer, algorithms()));
        assert!(proven.is_err(), "{at}");
    }
}

/// The other way to write the second number of a signature: the order of P-256 (FIPS 186-4, D.1.2.3)
/// less it.
fn turned(signature: [u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (mut turned, mut borrowed) = (signature, 0);
    for at in (0..32).rev() {
        let less = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrowed;
        borrowed = i16::from(less < 0);
        turned[32 + at] = less.rem_euclid(256) as u8;
    }
    turned
}

#[test]
fn a_signature_that_is_written_otherwise_is_the_same_signing() {
    let provider = Provider::new();
    let header = provider.header(|_| {});
    let (token, rest) = header.split_once(';').expect("parameters");
    let (start, signature) = token.rsplit_once('.').expect("a token");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let other = turned(bytes.try_into().expect("two numbers"));
    let other = format!("{start}.{};{rest}", URL_SAFE_NO_PAD.encode(other));
    assert_ne!(header, other);
    let signer = provider.signer().expect("trusted");
    let claims = [&header, &other].map(|header| read(header, &call()).expect("it fits"));
    assert!(claims.iter().all(|claim| claim.check(&signer, algorithms()).is_ok()), "both count");
    assert_eq!(claims[0].signing(), claims[1].signing());
    let fresh = read(&provider.header(|_| {}), &call()).expect("it fits");
    assert_ne!(claims[0].signing(), fresh.signing());
}

#[test]
fn a_claim_about_another_call_proves_nothing() {
    let provider = Provider::new();
    let header = provider.header(|_| {});
    let wrong = |change: fn(&mut Call<'static>)| {
        let mut call = call();
        change(&mut call);
        read(&header, &call).expect_err("it does not fit")
    };
    assert_eq!(wrong(|call| call.caller = "14155550101"), Flaw::OtherCaller);
    assert_eq!(wrong(|call| call.caller = ""), Flaw::OtherCaller);
    assert_eq!(wrong(|call| (call.called, call.to) = ("1", "2")), Flaw::OtherCalled);
    assert_eq!(wrong(|call| call.now += 61), Flaw::Stale(61));
    assert_eq!(wrong(|call| call.now -= 61), Flaw::Stale(61));
    let turned = Call { called: "16505551111", ..call() };
    assert!(read(&header, &turned).expect("made for To").retargeted);
    let shaken = read(&header, &Call { now: NOW + 60, ..call() });
    assert!(shaken.is_ok(), "fresh for a minute");
    let refused = Claim::read([&*header].into_iter(), &Call { caller: "1", ..call() });
    assert_eq!(refused.expect_err("refused").attest, Some(Attest::A), "for the verstat");
}

#[test]
fn certificates_that_nobody_here_trusts_are_refused() {
    let provider = Provider::new();
    let untrusted = |result: Result<Signer, Flaw>| match result {
        Err(Flaw::Untrusted(why)) => why,
        other => panic!("{other:?}"),
    };
    untrusted(provider.chain.trusted(&[], algorithms(), NOW));
    untrusted(provider.chain.trusted(&[Provider::new().root.to_vec()], algorithms(), NOW));
    untrusted(provider.chain.trusted(&[vec![0x30, 0]], algorithms(), NOW));
    let late = provider.chain.trusted(&[provider.root.to_vec()], algorithms(), NOW + 400 * 86_400);
    assert!(untrusted(late).contains("Expired"));
    let plain = Provider::with(None).signer();
    assert!(untrusted(plain).contains("TN authorization list"));
    let own = Chain::parse(&provider.root).expect("DER");
    untrusted(own.trusted(&[provider.root.to_vec()], algorithms(), NOW));
}

#[test]
fn a_certificate_for_other_numbers_does_not_cover_the_caller() {
    let one = |number: &str| {
        let mut list = vec![0x30, 4 + number.len() as u8, 0xa2, 2 + number.len() as u8, 0x16];
        list.push(number.len() as u8);
        list.extend(number.bytes());
        let provider = Provider::with(Some(list));
        let claim = read(&provider.header(|_| {}), &call()).expect("it fits");
        claim.check(&provider.signer().expect("trusted"), algorithms())
    };
    assert_eq!(one("14155550100"), Ok(()));
    assert_eq!(one("14155550101"), Err(Flaw::Unauthorised));
}

#[test]
fn a_compact_form_is_made_whole_from_the_call() {
    let provider = Provider::new();
    let text = passport::rebuilt(X5U, "14155550100", "12223331234", NOW - 5);
    let signature = URL_SAFE_NO_PAD.encode(provider.sign(&text));
    let header = format!("..{signature};info=<{X5U}>;alg=ES256");
    let dated = Call { date: Some(NOW - 5), ..call() };
    let claim = read(&header, &dated).expect("it fits");
    assert_eq!((claim.attest, claim.token), (None, format!("{text}.{signature}")));
    let signer = provider.signer().expect("trusted");
    let check = |call: &Call<'_>| read(&header, call)?.check(&signer, algorithms());
    assert_eq!(check(&dated), Ok(()));
    assert_eq!(check(&Call { date: Some(NOW), ..call() }), Err(Flaw::Signature));
    assert_eq!(check(&Call { caller: "1", ..dated }), Err(Flaw::Signature));
    assert!(matches!(check(&call()), Err(Flaw::Malformed(_))), "no Date");
    assert!(matches!(read(&format!("{header};ppt=shaken"), &dated), Err(Flaw::Malformed(_))));
}

#[test]
fn shaken_is_preferred_and_other_kinds_say_nothing_of_the_caller() {
    let provider = Provider::new();
    let shaken = provider.header(|_| {});
    let others = ["a.b.c;info=<https://c/d>;ppt=div", "a.b.c;info=<https://c/d>;ppt=rph"];
    assert_eq!(Claim::read(others.into_iter(), &call()), Ok(None));
    let found = Claim::read(others.into_iter().chain([&*shaken]), &call());
    assert!(found.expect("sound").is_some());
    assert_eq!(Claim::read(std::iter::empty(), &call()), Ok(None));
    let broken = Claim::read(["nonsense"].into_iter(), &call());
    assert_eq!(broken.expect_err("broken").flaw.status(), 438);
}

#[test]
fn a_token_of_two_minds_is_refused() {
    let provider = Provider::new();
    let header = provider.header(|_| {});
    let elsewhere = header.replace("info=<https://cert.example", "info=<https://evil.example");
    assert!(matches!(read(&elsewhere, &call()), Err(Flaw::Malformed(_))));
    let unnamed = header.replace(";ppt=shaken", "");
    assert!(read(&unnamed, &call()).is_ok(), "the token says it itself");
    let algorithm = header.replace("alg=ES256", "alg=RS256");
    assert!(matches!(read(&algorithm, &call()), Err(Flaw::Unsupported(_))));
    let nowhere = header.replace(&format!("info=<{X5U}>;"), "");
    assert!(matches!(read(&nowhere, &call()), Err(Flaw::Malformed(_))));
    let port = provider.header(|draft| draft.x5u = "https://cert.example:8080/a.pem");
    assert!(matches!(read(&port, &call()), Err(Flaw::Unreachable(_))));
    assert!(read(&port, &Call { ports: &[8080], ..call() }).is_ok());
}

#[test]
fn certificates_are_fetched_from_plain_places_only() {
    for good in
        ["https://c.example/a", "HTTPS://c.example:8443/a/b.pem", "https://[2001:db8::1]:443/a"]
    {
        assert_eq!(check_url(good, &[]), Ok(()), "{good}");
    }
    for bad in [
        "",
        "http://c.example/a",
        "https://c.example",
        "https://c.example/",
        "https:///a",
        "https://:443/a",
        "https://u@c.example/a",
        "https://c.example/a?b",
        "https://c.example/a#rc=5",
        "https://c.example:80/a",
        "https://c.example:x/a",
        "https://c.example/ä",
        "https://c.example/a b",
        &format!("https://c.example/{}", "a".repeat(512)),
    ] {
        assert!(check_url(bad, &[]).is_err(), "{bad}");
    }
}

/// The token of RFC 8225 appendix A: what it says is read, and its header is made up again to the
/// byte. (Its signature is no vector: it is of no certificate that is published with it.)
#[test]
fn the_published_token_of_rfc_8225_reads_as_it_was_written() {
    let token = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3\
                 Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3\
                 MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19.VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_i\
                 Ukqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw";
    let value = format!("{token};info=<https://cert.example.org/passport.cer>");
    let identity = Identity::parse(&value).expect("sound");
    let head = passport::Head::read(identity.head).expect("sound");
    let claims = passport::Claims::read(identity.claims).expect("sound");
    let x5u = "https://cert.example.org/passport.cer";
    assert_eq!((head.x5u.as_str(), claims.iat), (x5u, 1_471_375_418));
    assert_eq!(claims.orig.tn.as_deref(), Some("12155551212"));
    assert_eq!(claims.dest.numbers().count(), 0, "it is for a URI");
    assert!(passport::signature_of(identity.signature).is_ok());
    let ours = passport::rebuilt(x5u, "12155551212", "1", 1_471_375_418);
    assert_eq!(ours.split('.').next(), Some(identity.head));
    let call = Call { caller: "12155551212", called: "1", now: 1_471_375_418, ..Call::default() };
    assert_eq!(read(&value, &call), Err(Flaw::OtherCalled), "a URI is no number of ours");
}

/// RFC 7515 appendix A.3: a published text, key and ES256 signature, in the form that tokens have.
#[test]
fn the_published_signature_of_rfc_7515_is_by_its_published_key() {
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let key = [
        vec![4],
        part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
    ];
    let signature = passport::signature_of(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    let signature = signature.expect("64 bytes");
    let text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let es256 = algorithms().iter().find(|algorithm| {
        algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
            && algorithm.public_key_alg_id() == alg_id::ECDSA_P256
    });
    let es256 = es256.expect("ES256");
    let (key, der) = (key.concat(), der::ecdsa(&signature));
    assert!(es256.verify_signature(&key, text.as_bytes(), &der).is_ok());
    assert!(es256.verify_signature(&key, text.replace("eyJ", "eyK").as_bytes(), &der).is_err());
    assert_eq!(raw(&der), Some(signature));
}

#[test]
fn bytes_of_strangers_are_no_certificate() {
    for wrong in [&b""[..], b"<html>", b"-----BEGIN CERTIFICATE-----\nAA", &[0x30]] {
        let chain = Chain::parse(wrong).and_then(|chain| chain.trusted(&[], algorithms(), NOW));
        assert!(chain.is_err(), "{wrong:?}");
    }
    let provider = Provider::new();
    let one = CertificateParams::new(vec![]).unwrap().self_signed(&provider.key).unwrap().pem();
    assert!(Chain::parse(one.repeat(MAX_CHAIN).as_bytes()).is_ok());
    assert!(Chain::parse(one.repeat(MAX_CHAIN + 1).as_bytes()).is_err());
}
