//! Registrations: who may, for how long, and what becomes of calls when they end.

use offhook::phone::Command;

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{Page, VOICE, World, header};

#[test]
fn a_wrong_password_registers_nobody() {
    let mut world = World::new(1);
    world.phone_of("thief", "bob", "guess");
    world.register("thief");
    world.seconds(5);
    assert!(!world.is_registered("thief"));
    assert!(world.registered.is_empty());
    assert!(world.noted(32202));
}

#[test]
fn a_wrong_password_cannot_call() {
    let mut world = World::new(2);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say>"));
    world.phone_of("thief", "bob", "guess");
    world.dial("thief", "500");
    world.end();
    assert_eq!(world.ended("thief").and_then(|(_, status)| status), Some(401));
    assert!(world.web.asked.is_empty() && world.rows.history.is_empty());
}

#[test]
fn a_user_calls_only_under_its_own_name() {
    let mut world = World::new(3);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say>"));
    world.peer("raw", "192.0.2.99:5060");
    let uri = "sip:500@office.localhost";
    let from = "sip:alice@office.localhost";
    let to = "<sip:500@office.localhost>";
    let first = Rest { from, to, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, "r1", &first);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let nonce = parameter(&challenge, "nonce");
    let login = digest("office.localhost", &nonce, "bob", "Secret-of-bob-1", "INVITE", uri, "raw");
    let headers = format!("Authorization: {login}\r\n");
    let second = Rest { from, to, cseq: 2, headers: &headers, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, "r1", &second);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 403");
    assert!(world.web.asked.is_empty());
}

/// Registers the raw peer as bob for so long; gives the answer.
fn register(world: &mut World, cseq: u32, contact: &str, expires: u32) -> String {
    let uri = "sip:office.localhost";
    let who = "sip:bob@office.localhost";
    let to = format!("<{who}>");
    let headers = format!("Expires: {expires}\r\n");
    let first = Rest { from: who, to: &to, cseq, headers: &headers, ..Rest::default() };
    let request = world.request("raw", "REGISTER", uri, "reg", &first);
    world.say("raw", &with_contact(&request, contact));
    let challenge = world.expect("raw", "SIP/2.0 401");
    assert!(challenge.contains("SHA-256") && challenge.contains("MD5"), "{challenge}");
    let nonce = parameter(&challenge, "nonce");
    let login =
        digest("office.localhost", &nonce, "bob", "Secret-of-bob-1", "REGISTER", uri, "raw");
    let headers = format!("Expires: {expires}\r\nAuthorization: {login}\r\n");
    let second = Rest { from: who, to: &to, cseq: cseq + 1, headers: &headers, ..Rest::default() };
    let request = world.request("raw", "REGISTER", uri, "reg", &second);
    world.say("raw", &with_contact(&request, contact));
    world.expect("raw", "SIP/2.0 ")
}

fn with_contact(request: &str, contact: &str) -> String {
    request.replace("<sip:raw@192.0.2.99:5060>", contact)
}

#[test]
fn a_phone_of_another_make_registers_is_called_and_forgotten_in_time() {
    let mut world = World::new(4);
    world
        .web
        .page(VOICE, Page::xml("<Dial action='/d'><Sip>sip:bob@office.localhost</Sip></Dial>"));
    world.web.page("https://app.example/d", Page::xml("<Hangup/>"));
    world.peer("raw", "192.0.2.99:5060");
    let contact = "<sip:b0b@192.0.2.99:5060;ob>";
    let ok = register(&mut world, 1, contact, 120);
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert!(header(&ok, "Contact").contains("sip:b0b@192.0.2.99:5060;ob"), "{ok}");
    assert!(ok.contains("expires=120"), "{ok}");
    assert_eq!(world.registered.last().map(|(_, _, phones)| *phones), Some(1));
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    assert!(invite.starts_with("INVITE sip:b0b@192.0.2.99:5060;ob SIP/2.0\r\n"), "{invite}");
    assert!(header(&invite, "To").contains("sip:bob@office.localhost"));
    assert!(header(&invite, "From").contains("sip:alice@office.localhost"));
    let me = world.raw("raw").local;
    let busy = crate::world::respond(&invite, "486 Busy Here", me, "", "");
    world.say("raw", &busy);
    world.seconds(130);
    world.dial("alice", "500");
    world.end();
    let statuses = world.web.parameter("https://app.example/d", "DialSipResponseCode");
    assert_eq!(statuses, ["486", "480"]);
}

#[test]
fn taking_everything_back_is_one_star() {
    let mut world = World::new(5);
    world.peer("raw", "192.0.2.99:5060");
    register(&mut world, 1, "<sip:one@192.0.2.99:5060>", 300);
    let two = register(&mut world, 3, "<sip:two@192.0.2.99:5060>", 300);
    assert!(two.contains("sip:one@") && two.contains("sip:two@"), "{two}");
    let none = register(&mut world, 5, "*", 0);
    assert!(none.starts_with("SIP/2.0 200") && header(&none, "Contact").is_empty(), "{none}");
    assert_eq!(world.registered.last().map(|(_, _, phones)| *phones), Some(0));
}

#[test]
fn a_phone_stays_registered_by_refreshing() {
    let mut world = World::new(6);
    world.phone("bob");
    world.seconds(2_000);
    let office = "sip:bob@office.localhost";
    world.web.page(VOICE, Page::xml(&format!("<Dial><Sip>{office}</Sip></Dial>")));
    world.phone("alice");
    world.dial("alice", "500");
    world.seconds(2);
    assert_eq!(world.rings("bob"), 1);
    world.hang_up("alice");
    world.end();
}

#[test]
fn a_phone_that_is_cut_off_expires() {
    let mut world = World::new(7);
    world.phone("bob");
    world.phone("alice");
    world.unplug("bob");
    world.seconds(301);
    let body = "<Dial action='/d'><Sip>sip:bob@office.localhost</Sip></Dial>";
    world.web.page(VOICE, Page::xml(body));
    world.web.page("https://app.example/d", Page::xml("<Hangup/>"));
    world.dial("alice", "500");
    world.end();
    let status = world.web.parameter("https://app.example/d", "DialSipResponseCode");
    assert_eq!(status, ["480"]);
}

#[test]
fn a_phone_that_leaves_is_not_called() {
    let mut world = World::new(8);
    world.phone("bob");
    world.order("bob", Command::Unregister);
    world.seconds(1);
    assert_eq!(world.registered.last().map(|(_, _, phones)| *phones), Some(0));
    world.web.page(VOICE, Page::xml("<Dial><Sip>sip:bob@office.localhost</Sip></Dial>"));
    world.phone("alice");
    world.dial("alice", "500");
    world.end();
    assert_eq!(world.rings("bob"), 0);
}

#[test]
fn a_registration_does_not_disturb_a_call() {
    let mut world = World::new(9);
    world.web.page(VOICE, Page::xml("<Dial><Sip>sip:bob@office.localhost</Sip></Dial>"));
    world.phone("bob");
    world.answers_after("bob", 1);
    world.phone("alice");
    world.dial("alice", "500");
    world.seconds(400);
    assert!(world.talk_together("alice", "bob"));
    world.order("bob", Command::Unregister);
    world.seconds(5);
    assert!(world.talk_together("alice", "bob"));
    world.hang_up("alice");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

/// Bob's raw peer answers calls that reach it; Alice calls bob.
fn alice_calls_bob(world: &mut World) -> String {
    let to_bob = "<Dial><Sip>sip:bob@office.localhost</Sip></Dial>";
    world.web.page(VOICE, Page::xml(to_bob));
    world.dial("alice", "500");
    world.expect("raw", "INVITE")
}

#[test]
pub fn registrations_outlive_a_server_that_is_killed() {
    let mut world = World::new(10);
    world.peer("raw", "192.0.2.99:5060");
    register(&mut world, 1, "<sip:b0b@192.0.2.99:5060;ob>", 120);
    world.seconds(100);
    assert_eq!(world.restart(), 1);
    world.phone("alice");
    let invite = alice_calls_bob(&mut world);
    assert!(invite.starts_with("INVITE sip:b0b@192.0.2.99:5060;ob SIP/2.0\r\n"), "{invite}");
    // The phone refreshes where it did before, and takes itself back there.
    let again = register(&mut world, 3, "<sip:b0b@192.0.2.99:5060;ob>", 120);
    assert!(again.starts_with("SIP/2.0 200"), "{again}");
    let none = register(&mut world, 5, "*", 0);
    assert!(none.starts_with("SIP/2.0 200"), "{none}");
    assert_eq!(world.restart(), 1, "Alice is left");
}

#[test]
pub fn a_phone_that_refreshes_is_never_lost_by_a_restart() {
    let mut world = World::new(11);
    world.peer("raw", "192.0.2.99:5060");
    // Every half minute for a minute, as phones behind translators do: most refreshes are not
    // written, and whenever the server dies the next one finds the phone known.
    for round in 0..30 {
        let ok = register(&mut world, 1 + 2 * round, "<sip:bob@192.0.2.99:5060>", 60);
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
        world.seconds(30 + u64::from(round % 30));
        assert_eq!(world.restart(), 1, "round {round}");
    }
    world.seconds(60 + 121);
    assert_eq!(world.restart(), 0, "one that is gone is forgotten at last");
    assert!(world.rows.bindings.is_empty());
}

#[test]
fn who_is_no_user_any_more_is_not_restored() {
    let mut world = World::new(12);
    world.peer("raw", "192.0.2.99:5060");
    register(&mut world, 1, "<sip:bob@192.0.2.99:5060>", 600);
    let mut row = world.rows.bindings.values().next().cloned().expect("bob");
    row.address_of_record = "fired@office.localhost".into();
    world.rows.bindings.insert(row.key(), row.clone());
    row.address_of_record = "bob@sold.example".into();
    world.rows.bindings.insert(row.key(), row);
    assert_eq!(world.restart(), 1);
    world.seconds(1);
    assert_eq!(world.rows.bindings.len(), 1, "and is kept no more");
}

const DESK: &str = "<sip:desk@192.0.2.99:5060>;+sip.instance=\"<urn:uuid:1-2>\"";

/// Registers bob's desk phone as a device; gives its public and its temporary GRUU.
pub fn register_device(world: &mut World, cseq: u32) -> (String, String) {
    let contact = format!("{DESK}\r\nSupported: gruu");
    let ok = register(world, cseq, &contact, 300);
    let listed = ok.lines().find(|line| line.contains("sip:desk@")).expect("a Contact").to_owned();
    let value = |name: &str| {
        let (_, rest) = listed.split_once(&format!("{name}=\"")).expect("the parameter");
        rest.split_once('"').expect("its end").0.to_owned()
    };
    (value("pub-gruu"), value("temp-gruu"))
}

#[test]
pub fn a_gruu_rings_one_device_also_after_a_restart() {
    let mut world = World::new(13);
    world.peer("raw", "192.0.2.99:5060");
    world.phone("bob");
    let (public, temporary) = register_device(&mut world, 1);
    assert_eq!(public, "sip:bob@office.localhost;gr=urn:uuid:1-2");
    world.phone("alice");
    let uris = [(&public, false), (&temporary, false), (&temporary, true)];
    for (uri, _) in uris {
        world.web.page(VOICE, Page::xml(&format!("<Dial><Sip>{uri}</Sip></Dial>")));
    }
    for (uri, restarts) in uris {
        if restarts {
            world.seconds(2);
            world.restart();
        }
        let calls = world.raw("raw").all("INVITE").len();
        let rung = world.rings("bob");
        world.dial("alice", "500");
        let invite = world.expect("raw", "INVITE");
        assert!(invite.starts_with("INVITE sip:desk@192.0.2.99:5060 SIP/2.0\r\n"), "{invite}");
        assert_eq!(world.raw("raw").all("INVITE").len(), calls + 1);
        let me = world.raw("raw").local;
        let busy = crate::world::respond(&invite, "486 Busy Here", me, "", "");
        world.say("raw", &busy);
        world.seconds(5);
        assert_eq!(world.rings("bob"), rung, "{uri}: the other phone stays quiet");
    }
}

#[test]
fn a_gruu_that_leads_nowhere_is_answered_as_such() {
    let mut world = World::new(14);
    world.peer("raw", "192.0.2.99:5060");
    let (public, temporary) = register_device(&mut world, 1);
    register(&mut world, 3, "*", 0);
    world.phone("bob");
    world.phone("alice");
    world.web.page("https://app.example/d", Page::xml("<Hangup/>"));
    for uri in [&public, &temporary] {
        let body = format!("<Dial action='/d'><Sip>{uri}</Sip></Dial>");
        world.web.page(VOICE, Page::xml(&body));
    }
    for _ in 0..2 {
        world.dial("alice", "500");
        world.seconds(5);
    }
    let statuses = world.web.parameter("https://app.example/d", "DialSipResponseCode");
    assert_eq!(statuses, ["480", "404"], "a device may come back, a temporary one may not");
    assert_eq!(world.rings("bob"), 0);
}

#[test]
fn a_handler_learns_which_device_was_called() {
    let mut world = World::new(15);
    world.peer("raw", "192.0.2.99:5060");
    let (public, _) = register_device(&mut world, 1);
    world.phone("alice");
    world.web.page(VOICE, Page::xml("<Hangup/>"));
    world.dial("alice", &public);
    world.seconds(3);
    assert_eq!(world.web.parameter(VOICE, "To"), [public]);
}
