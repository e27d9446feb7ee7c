//! Text between users, to all of their phones or to one device.

use offhook::directory::Watching;
use offhook::exchange::Input;

use crate::events::{Ask, DOMAIN, ask, between, notified, try_once, written};
use crate::register::register_device;
use crate::world::raw::{Rest, digest, parameter};
use crate::world::{Office, World, header, respond};

/// Registers a peer as that user.
fn register(world: &mut World, peer: &str, user: &str, dialog: &str) {
    let request = |world: &World, cseq: u32, login: &str| {
        let who = format!("sip:{user}@{DOMAIN}");
        let (to, headers) = (format!("<{who}>"), format!("{login}Expires: 600\r\n"));
        let rest = Rest { from: &who, to: &to, cseq, headers: &headers, ..Rest::default() };
        world.request(peer, "REGISTER", &format!("sip:{DOMAIN}"), dialog, &rest)
    };
    let first = request(world, 1, "");
    world.say(peer, &first);
    let nonce = parameter(&world.expect(peer, "SIP/2.0 401"), "nonce");
    let (uri, password) = (format!("sip:{DOMAIN}"), format!("Secret-of-{user}-1"));
    let login = digest(DOMAIN, &nonce, user, &password, "REGISTER", &uri, "raw");
    let second = request(world, 2, &format!("Authorization: {login}\r\n"));
    world.say(peer, &second);
    world.expect(peer, "SIP/2.0 200");
}

fn text<'a>(about: &'a str, dialog: &'a str, body: &'a str) -> Ask<'a> {
    Ask { method: "MESSAGE", about, dialog, body: ("text/plain", body), ..Ask::default() }
}

/// Sends a message up to its challenge and its login; no answer is waited for.
fn send(world: &mut World, what: &Ask<'_>) {
    let challenge = try_once(world, "raw", what, what.cseq, "");
    let uri = what.uri();
    let nonce = parameter(&challenge, "nonce");
    let login = digest(DOMAIN, &nonce, "carol", "Secret-of-carol-1", "MESSAGE", &uri, "raw");
    let again = written(world, "raw", what, what.cseq + 1, &format!("Authorization: {login}\r\n"));
    world.say("raw", &again);
}

#[test]
pub fn a_message_reaches_both_phones_and_the_first_answers_for_them() {
    let mut world = World::new(9);
    for (peer, address) in
        [("raw", "192.0.2.99:5060"), ("one", "192.0.2.71:5060"), ("two", "192.0.2.72:5060")]
    {
        world.peer(peer, address);
    }
    register(&mut world, "one", "dave", "r1");
    register(&mut world, "two", "dave", "r2");
    send(&mut world, &text("dave", "m1", "Lunch at one?"));
    let first = world.expect("one", "MESSAGE");
    let second = world.expect("two", "MESSAGE");
    for message in [&first, &second] {
        assert!(message.ends_with("\r\n\r\nLunch at one?"), "{message}");
        assert!(header(message, "From").starts_with("<sip:carol@office.localhost>"));
        assert_eq!(header(message, "To"), "<sip:dave@office.localhost>");
        assert_eq!(header(message, "Content-Type"), "text/plain");
        assert!(header(message, "Contact").is_empty(), "RFC 3428 section 4: no Contact");
        assert!(!message.contains("Authorization"), "{message}");
    }
    assert!(first.starts_with("MESSAGE sip:raw@192.0.2.71:5060 "), "{first}");
    let busy = respond(&first, "486 Busy Here", world.raw("one").local, "", "");
    world.say("one", &busy);
    world.seconds(1);
    assert!(world.raw("raw").all("SIP/2.0 200").is_empty());
    let ok = respond(&second, "200 OK", world.raw("two").local, "", "");
    world.say("two", &ok);
    world.expect("raw", "SIP/2.0 200");
}

#[test]
pub fn a_gruu_is_written_to_and_watched_like_it_is_called() {
    let directory = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|domain| domain.watching = Watching::Lamps);
    });
    let mut world = World::with(22, directory.build(), false);
    for (peer, address) in [("raw", "192.0.2.99:5060"), ("other", "192.0.2.72:5060")] {
        world.peer(peer, address);
    }
    let (public, temporary) = register_device(&mut world, 1);
    register(&mut world, "other", "bob", "r2");
    world.peer("carol", "192.0.2.98:5060");
    for (dialog, uri) in [("m1", &public), ("m2", &temporary)] {
        let what = Ask { method: "MESSAGE", body: ("text/plain", "hello"), ..Ask::default() };
        let what = Ask { about: uri, dialog, ..what };
        let challenge = try_once(&mut world, "carol", &what, 1, "");
        let nonce = parameter(&challenge, "nonce");
        let login = digest(DOMAIN, &nonce, "carol", "Secret-of-carol-1", "MESSAGE", uri, "raw");
        let login = format!("Authorization: {login}\r\n");
        let again = written(&world, "carol", &what, 2, &login);
        world.say("carol", &again);
        let message = world.expect("raw", "MESSAGE");
        assert!(message.starts_with("MESSAGE sip:desk@192.0.2.99:5060 "), "{message}");
        let called = uri.split(';').next().unwrap_or_default();
        assert_eq!(header(&message, "To"), format!("<{called}>"));
        let ok = respond(&message, "200 OK", world.raw("raw").local, "", "");
        world.say("raw", &ok);
        world.expect("carol", "SIP/2.0 200");
    }
    assert!(world.raw("other").all("MESSAGE").is_empty(), "one device is meant");

    // Who watches by the name that hides the user does not learn who it is.
    for (dialog, uri, named) in [("w1", &public, true), ("w2", &temporary, false)] {
        for (number, event) in ["dialog", "presence"].into_iter().enumerate() {
            let headers = format!("Event: {event}\r\nExpires: 600\r\n");
            let dialog = format!("{dialog}{number}");
            let what = Ask { about: uri, dialog: &dialog, headers: &headers, ..Ask::default() };
            let answer = ask(&mut world, "carol", &what);
            assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
            let first = notified(&mut world, "carol");
            let entity = if named { "sip:bob@office.localhost" } else { uri };
            assert_eq!(between(&first, "entity=\"", "\""), entity);
            assert_eq!(first.contains("bob"), named, "{first}");
        }
    }
    // RFC 5627 section 6.1: the one that hides ends with its registration, the other does not.
    let gone = [("sip:tgruu.AAAA@office.localhost;gr", "x1"), (temporary.as_str(), "x2")];
    world.seconds(310);
    for (uri, dialog) in gone {
        let headers = "Event: dialog\r\n";
        let what = Ask { about: uri, dialog, headers, ..Ask::default() };
        assert!(ask(&mut world, "carol", &what).starts_with("SIP/2.0 404"));
        let what = Ask { method: "MESSAGE", body: ("text/plain", "hello"), cseq: 5, ..what };
        assert!(ask(&mut world, "carol", &what).starts_with("SIP/2.0 404"));
    }
    let what = Ask { method: "MESSAGE", body: ("text/plain", "hello"), ..Ask::default() };
    let answer = ask(&mut world, "carol", &Ask { about: &public, dialog: "x3", ..what });
    assert!(answer.starts_with("SIP/2.0 480"), "{answer}");
}

#[test]
fn a_message_that_nobody_takes_is_told_as_such() {
    let mut world = World::new(10);
    world.peer("raw", "192.0.2.99:5060");
    world.peer("one", "192.0.2.71:5060");
    let nobody = ask(&mut world, "raw", &text("dave", "m1", "?"));
    assert!(nobody.starts_with("SIP/2.0 480"), "{nobody}");
    let unknown = ask(&mut world, "raw", &text("zoe", "m2", "?"));
    assert!(unknown.starts_with("SIP/2.0 404"), "{unknown}");
    register(&mut world, "one", "dave", "r1");
    send(&mut world, &text("dave", "m3", "hello?"));
    let message = world.expect("one", "MESSAGE");
    // What a phone asks of us is not the sender's business.
    let challenge = "401 Unauthorized";
    let refusal = respond(&message, challenge, world.raw("one").local, "", "");
    world.say("one", &refusal);
    world.expect("raw", "SIP/2.0 480");
    world.seconds(1);
    let before = world.now;
    send(&mut world, &text("dave", "m4", "hello?"));
    world.seconds(16);
    let answer = world.expect("raw", "SIP/2.0 480");
    assert!(answer.contains("Call-ID: m4") && world.now.since(before).as_secs() < 17);
}

#[test]
fn messages_have_bounds() {
    let mut world = World::new(11);
    world.peer("raw", "192.0.2.99:5060");
    world.peer("one", "192.0.2.71:5060");
    register(&mut world, "one", "dave", "r1");
    let long = "x".repeat(1_301);
    let answer = ask(&mut world, "raw", &text("dave", "m0", &long));
    assert!(answer.starts_with("SIP/2.0 513"), "{answer}");
    let mut statuses = Vec::new();
    for number in 0..25 {
        let dialog = format!("flood{number}");
        send(&mut world, &text("dave", &dialog, "spam"));
        world.millis(10);
        if let Some((_, text)) = world.raw("raw").inbox.last()
            && text.starts_with("SIP/2.0 503")
        {
            assert!(!header(text, "Retry-After").is_empty());
            statuses.push(number);
        }
    }
    assert!(statuses.first().is_some_and(|first| (20..23).contains(first)), "{statuses:?}");
    let off = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|domain| domain.messages = false);
    });
    world.tell(Input::Directory(off.build().into()));
    world.seconds(20);
    world.peer("late", "192.0.2.98:5060");
    let answer = ask(&mut world, "late", &text("dave", "m1", "?"));
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
}

#[test]
fn a_hidden_user_is_not_told_by_the_names_of_its_calls() {
    let directory = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|domain| domain.watching = Watching::Lamps);
    });
    let mut world = World::with(22, directory.build(), false);
    world.peer("raw", "192.0.2.99:5060");
    let (_, temporary) = register_device(&mut world, 1);
    world.peer("carol", "192.0.2.98:5060");
    let page = "<Dial><Sip>sip:bob@office.localhost</Sip></Dial>";
    world.web.page(crate::world::VOICE, crate::world::Page::xml(page));
    world.phone("alice");
    for (dialog, uri) in [("w1", "sip:bob@office.localhost"), ("w2", temporary.as_str())] {
        let headers = "Event: dialog\r\nExpires: 600\r\n";
        let what = Ask { about: uri, dialog, headers, ..Ask::default() };
        assert!(ask(&mut world, "carol", &what).starts_with("SIP/2.0 200"));
        notified(&mut world, "carol");
    }
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    let ringing = respond(&invite, "180 Ringing", world.raw("raw").local, "", "");
    world.say("raw", &ringing);
    let (one, two) = (notified(&mut world, "carol"), notified(&mut world, "carol"));
    let id = |text: &str| between(text, "<dialog id=\"", "\"").to_owned();
    assert_ne!(between(&one, "entity=\"", "\""), between(&two, "entity=\"", "\""));
    assert_ne!(id(&one), id(&two), "who compares them learns who hides");
}
