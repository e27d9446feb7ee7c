//! URIs of one device (RFC 5627).

use super::*;

const AOR: &str = "alice@example.com";

fn book() -> Book {
    let registrar = Registrar::new(Lifetimes::default()).with_gruus([7; 32]);
    Book { registrar, now: Instant::ZERO, cseq: 0 }
}

fn register_as(book: &mut Book, call_id: &str, more: &str) -> Outcome {
    book.cseq += 1;
    let message = register(call_id, book.cseq, more);
    book.registrar.register(book.now, AOR, &message, flow(5060))
}

fn gruus(outcome: &Outcome) -> (String, String) {
    let contact = contacts(outcome)[0];
    let value = |name: &str| {
        let (_, rest) = contact.split_once(&format!("{name}=\"")).expect("the parameter");
        rest.split_once('"').expect("its end").0.to_owned()
    };
    (value("pub-gruu"), value("temp-gruu"))
}

/// The Contacts that a URI leads to.
fn behind(book: &Book, uri: &str) -> Option<Vec<String>> {
    let gruu = book.registrar.gruu(&SipUri::parse(uri).expect("a URI"))?;
    assert_eq!(gruu.user, "alice");
    let found = book.registrar.device(book.now, AOR, &gruu);
    Some(found.into_iter().map(|binding| binding.uri).collect())
}

fn desk() -> String {
    format!("Supported: gruu\r\nContact: <sip:a@h1>;{DEVICE}\r\n")
}

#[test]
fn a_device_gets_two_and_each_leads_to_it_alone() {
    let mut book = book();
    let other = "Supported: gruu\r\nContact: <sip:a@h2>;+sip.instance=\"<urn:uuid:2>\"\r\n";
    register_as(&mut book, "other", other);
    let outcome = register_as(&mut book, "desk", &desk());
    let of_desk = Outcome {
        headers: outcome.headers.into_iter().filter(|(_, value)| value.contains("@h1")).collect(),
        ..outcome
    };
    let (public, temporary) = gruus(&of_desk);
    assert_eq!(public, "sip:alice@example.com;gr=urn:uuid:1");
    assert!(temporary.starts_with("sip:tgruu.") && temporary.ends_with("@example.com;gr"));
    assert!(!temporary.contains("alice"), "it hides whose it is");
    assert_eq!(behind(&book, &public), Some(vec!["sip:a@h1".to_owned()]));
    assert_eq!(behind(&book, &temporary), Some(vec!["sip:a@h1".to_owned()]));
    assert_eq!(behind(&book, "sip:alice@example.com"), None, "who names no device means all");
}

#[test]
fn only_devices_that_ask_get_any() {
    let mut book = book();
    let silent = register_as(&mut book, "c", &format!("Contact: <sip:a@h1>;{DEVICE}\r\n"));
    assert!(!contacts(&silent)[0].contains("gruu"));
    let nameless = register_as(&mut book, "d", "Supported: gruu\r\nContact: <sip:a@h2>\r\n");
    let own = contacts(&nameless).into_iter().find(|contact| contact.contains("@h2"));
    assert!(own.is_some_and(|contact| !contact.contains("gruu")));
}

#[test]
fn temporary_ones_stay_through_refreshes_and_end_with_their_run() {
    let mut book = book();
    let (_, first) = gruus(&register_as(&mut book, "run-1", &desk()));
    let (_, second) = gruus(&register_as(&mut book, "run-1", &desk()));
    assert_ne!(first, second, "each REGISTER gets one of its own");
    let both = [behind(&book, &first), behind(&book, &second)];
    assert!(both.iter().all(|found| found.as_ref().is_some_and(|found| found.len() == 1)));
    let (public, third) = gruus(&register_as(&mut book, "run-2", &desk()));
    assert_eq!(behind(&book, &first), Some(vec![]), "another Call-ID ends them (section 5.1)");
    assert_eq!(behind(&book, &third).map(|found| found.len()), Some(1));
    register_as(&mut book, "run-2", "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((behind(&book, &third), behind(&book, &public)), (Some(vec![]), Some(vec![])));
}

#[test]
fn nobody_makes_one_up() {
    let mut book = book();
    let (_, good) = gruus(&register_as(&mut book, "c", &desk()));
    let at = "sip:tgruu.".len();
    for place in at..good.find('@').expect("a host") {
        let mut bad = good.clone().into_bytes();
        bad[place] = if bad[place] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).expect("text");
        // The last letter may have bits that say nothing; those are refused as well.
        assert_eq!(behind(&book, &bad), None, "{bad}");
    }
    for bad in
        ["sip:tgruu.@example.com;gr", "sip:tgruu.AAAA@example.com;gr", "sip:x@example.com;gr"]
    {
        assert_eq!(behind(&book, bad), None, "{bad}");
    }
    let other = Registrar::new(Lifetimes::default()).with_gruus([8; 32]);
    assert_eq!(other.gruu(&SipUri::parse(&good).expect("a URI")), None, "another server's key");
}
