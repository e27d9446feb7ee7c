//! Registrations with others: of trunks, and of users' lines.

use offhook::base::Duration;
use offhook::directory::{Line, Rate, Registration, Trunk, Voice};
use offhook::exchange::Input;
use offhook::sip::registration::State;

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{NUMBER, Office, Page, VOICE, World, header, respond};

const PROVIDER: &str = "198.51.100.5:5060";

fn account(name: &str) -> Trunk {
    Trunk {
        registration: Some(Registration {
            user: "12345".to_owned(),
            expires: 600,
            keep_alive: Some(Duration::from_secs(25)),
        }),
        prefixes: vec!["+".to_owned()],
        ..Trunk::new(name, "sip:provider.example").with_login("auth12345", "key")
    }
}

/// Alice has a line at a provider, where the raw peer sits.
fn with_line(change: impl FnOnce(&mut Line)) -> World {
    let mut line = Line {
        user: "alice@office.localhost".to_owned(),
        number: String::new(),
        voice: Voice::default(),
        account: account("home"),
    };
    change(&mut line);
    started(Office::new().change(|directory| directory.lines = vec![line].into()))
}

fn with_trunk() -> World {
    started(Office::new().change(|directory| directory.trunks = vec![account("isp")]))
}

fn started(office: Office) -> World {
    let mut world = World::with(1, office.build(), false);
    world.peer("raw", PROVIDER);
    world.dns.a("provider.example", "198.51.100.5");
    world
}

fn answer(world: &mut World, request: &str, line: &str, headers: &str) {
    let local = world.raw("raw").local;
    let body = match line.starts_with("200") && request.starts_with("INVITE") {
        true => world.raw("raw").sdp("sendrecv"),
        false => String::new(),
    };
    let text = respond(request, line, local, headers, &body);
    world.say("raw", &text);
}

/// Meets the next REGISTER with a challenge, then grants `seconds`; gives the second one.
fn grants(world: &mut World, seconds: u32, headers: &str) -> String {
    let first = world.expect("raw", "REGISTER");
    let challenge = "WWW-Authenticate: Digest realm=\"provider\", nonce=\"n0\", qop=\"auth\", \
                     algorithm=MD5\r\n";
    answer(world, &first, "401 Unauthorized", challenge);
    let second = world.expect("raw", "REGISTER");
    let login = header(&second, "Authorization");
    let (uri, cnonce) = (parameter(&login, "uri"), parameter(&login, "cnonce"));
    let expected = digest("provider", "n0", "auth12345", "key", "REGISTER", &uri, &cnonce);
    assert_eq!(parameter(&login, "response"), parameter(&expected, "response"));
    answer(world, &second, "200 OK", &format!("Expires: {seconds}\r\n{headers}"));
    world.millis(50);
    second
}

fn state(world: &World) -> Option<State> {
    let mut states = world.trunks().into_iter().filter_map(|trunk| trunk.registration);
    states.next()
}

/// The URI by which the registrar reaches us.
fn contact(register: &str) -> String {
    let value = header(register, "Contact");
    let (uri, _) = value.trim_start_matches('<').split_once('>').expect("a Contact in brackets");
    uri.to_owned()
}

#[test]
fn a_trunk_registers_refreshes_and_takes_it_back_at_the_end() {
    let mut world = with_trunk();
    let register = grants(&mut world, 600, "");
    assert!(register.starts_with("REGISTER sip:provider.example SIP/2.0\r\n"), "{register}");
    assert!(header(&register, "To").contains("sip:12345@provider.example"));
    assert_eq!(
        (header(&register, "Expires"), header(&register, "CSeq")),
        ("600".into(), "2 REGISTER".into())
    );
    assert!(matches!(state(&world), Some(State::Registered { .. })), "{:?}", world.trunks());
    assert!(world.told("trunk isp: registered as sip:12345@provider.example at udp:198.51.100.5"));
    world.seconds(440);
    assert_eq!(world.raw("raw").all("REGISTER").len(), 2, "not before its time");
    assert_eq!(world.raw("raw").all("\r\n\r\n").len(), 17, "a NAT stays open");
    assert!(world.until(110, |world| world.raw("raw").all("REGISTER").len() == 3));
    let refresh = grants(&mut world, 600, "");
    assert_eq!(header(&refresh, "Call-ID"), header(&register, "Call-ID"));
    assert_eq!(contact(&refresh), contact(&register));
    world.tell(Input::Drain);
    let gone = world.expect("raw", "REGISTER");
    assert_eq!(header(&gone, "Expires"), "0");
    answer(&mut world, &gone, "200 OK", "");
    world.seconds(1);
    assert_eq!(state(&world), Some(State::Off));
}

#[test]
fn a_registration_follows_the_configuration() {
    let mut world = with_trunk();
    grants(&mut world, 600, "");
    let same = Office::new().change(|directory| directory.trunks = vec![account("isp")]).build();
    world.tell(Input::Directory(same.into()));
    world.seconds(5);
    assert_eq!(world.raw("raw").all("REGISTER").len(), 2, "an edit elsewhere disturbs nothing");
    let none = Office::new().change(|directory| directory.trunks = vec![]).build();
    world.tell(Input::Directory(none.into()));
    let gone = world.expect("raw", "REGISTER");
    assert_eq!(header(&gone, "Expires"), "0");
    answer(&mut world, &gone, "200 OK", "");
    world.seconds(1_000);
    assert_eq!(world.raw("raw").all("REGISTER").len(), 3);
}

#[test]
fn another_password_registers_anew_without_taking_the_old_one_back() {
    let mut world = with_trunk();
    let before = grants(&mut world, 600, "");
    let account = Trunk { proxy: Some("sip:198.51.100.5".to_owned()), ..account("isp") };
    let other = Office::new().change(|directory| directory.trunks = vec![account]).build();
    world.tell(Input::Directory(other.into()));
    let after = grants(&mut world, 600, "");
    assert_eq!((contact(&after), header(&after, "Expires")), (contact(&before), "600".to_owned()));
    assert_eq!(header(&after, "Route"), "<sip:198.51.100.5;lr>");
    world.seconds(60);
    assert_eq!(world.raw("raw").all("REGISTER").len(), 4);
}

#[test]
fn a_wrong_password_is_told_in_plain_words_and_not_hammered() {
    let mut world = with_trunk();
    let challenge = "WWW-Authenticate: Digest realm=\"provider\", nonce=\"n0\"\r\n";
    for _ in 0..2 {
        let register = world.expect("raw", "REGISTER");
        answer(&mut world, &register, "401 Unauthorized", challenge);
    }
    world.seconds(100);
    assert_eq!(world.raw("raw").all("REGISTER").len(), 2);
    assert!(world.told("user name \"auth12345\" or its password is wrong"), "{:?}", world.notes);
    assert!(world.noted(32_011));
    assert!(world.trunks().iter().all(|trunk| !trunk.up));
}

#[test]
fn calls_to_a_registered_trunk_reach_our_number() {
    let mut world = with_trunk();
    world.web.page(VOICE, Page::xml("<Reject/>"));
    let register = grants(&mut world, 600, "");
    let sdp = world.raw("raw").sdp("sendrecv");
    let to = format!("<sip:{NUMBER}@provider.example>");
    let rest = Rest { to: &to, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", &contact(&register), "r1", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 404");
    assert_eq!(world.web.parameter(VOICE, "To"), [NUMBER]);
    // Somebody who does not know the Contact is a stranger, who could have a password.
    let rest = Rest { to: &to, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:12345@192.0.2.1", "r2", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 401");
    assert_eq!(world.web.parameter(VOICE, "To").len(), 1);
    assert!(world.noted(32_002), "{:?}", world.notes);
}

#[test]
fn a_call_to_the_line_rings_its_users_phones() {
    let mut world = with_line(|_| {});
    let register = grants(&mut world, 600, "");
    assert_eq!(
        world.trunks().last().and_then(|line| line.user.clone()).as_deref(),
        Some("alice@office.localhost")
    );
    world.phone("alice");
    world.answers_after("alice", 1);
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest {
        from: "sip:+14155550199@provider.example",
        to: "<sip:12345@provider.example>",
        body: &sdp,
        ..Rest::default()
    };
    let invite = world.request("raw", "INVITE", &contact(&register), "r1", &rest);
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    let to = header(&ok, "To");
    let rest = Rest { to: &to, ..rest };
    let ack = world.request("raw", "ACK", &contact(&register), "r1", &Rest { body: "", ..rest });
    world.say("raw", &ack);
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    assert!(world.web.asked.is_empty(), "no handler is asked");
    assert!(world.shown("alice").starts_with("sip:+14155550199@"), "{}", world.shown("alice"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "");
    world.end();
}

#[test]
fn a_line_may_have_a_handler_of_its_own() {
    let mut world = with_line(|line| {
        line.number = "+4930123456".to_owned();
        line.voice.handler = offhook::directory::Handler::parse(VOICE);
    });
    world.web.page(VOICE, Page::xml("<Reject/>"));
    let register = grants(&mut world, 600, "");
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { to: "<sip:12345@provider.example>", body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", &contact(&register), "r1", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 404");
    assert_eq!(world.web.parameter(VOICE, "To"), ["+4930123456"]);
}

#[test]
fn what_its_user_dials_goes_out_through_the_line() {
    let mut world = with_line(|_| {});
    world.peer("carrier", "198.51.100.1:5060");
    world.dns.a("core.example", "198.51.100.5");
    grants(&mut world, 600, "Service-Route: <sip:core.example:5060;lr>\r\n");
    world.web.page(VOICE, Page::xml("<Dial callerId='+16505551111'>+14155551212</Dial>"));
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    assert!(invite.starts_with("INVITE sip:+14155551212@provider.example SIP/2.0\r\n"), "{invite}");
    assert!(header(&invite, "From").contains("<sip:12345@provider.example>"), "{invite}");
    assert_eq!(header(&invite, "Route"), "<sip:core.example:5060;lr>");
    let challenge = "Proxy-Authenticate: Digest realm=\"provider\", nonce=\"n1\", qop=\"auth\", \
                     algorithm=MD5\r\n";
    answer(&mut world, &invite, "407 Proxy Authentication Required", challenge);
    let again = world.expect("raw", "INVITE");
    assert!(header(&again, "Proxy-Authorization").contains("username=\"auth12345\""));
    answer(&mut world, &again, "200 OK", "");
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "");
    // Bob has no line: he calls through the office's trunk.
    world.phone("bob");
    world.dial("bob", "500");
    let invite = world.expect("carrier", "INVITE");
    assert!(header(&invite, "From").contains("+16505551111"));
    world.hang_up("bob");
    world.end();
}

#[test]
fn a_line_is_of_one_user_of_one_domain() {
    // A line of a user of another domain is not alice's.
    let mut world = with_line(|line| line.user = "alice@elsewhere.localhost".to_owned());
    world.peer("carrier", "198.51.100.1:5060");
    world.web.page(VOICE, Page::xml("<Dial callerId='+16505551111'>+14155551212</Dial>"));
    world.phone("alice");
    world.dial("alice", "500");
    world.expect("carrier", "INVITE");
    world.hang_up("alice");
    world.end();
}

#[test]
fn a_line_that_goes_during_a_call_leaves_its_caller_id_no_trunk() {
    let mut world = with_line(|_| {});
    world.peer("carrier", "198.51.100.1:5060");
    grants(&mut world, 600, "");
    let dial = "<Pause length='3'/><Dial callerId='+19005550000'>+14155551212</Dial>";
    world.web.page(VOICE, Page::xml(dial));
    world.phone("alice");
    world.dial("alice", "500");
    world.seconds(1);
    world.tell(Input::Directory(Office::new().build().into()));
    world.seconds(5);
    assert!(world.raw("carrier").all("INVITE").is_empty(), "a number that is not ours");
    assert!(world.told("no [[line]] of alice@office.localhost"), "{:?}", world.notes);
    world.end();
}

#[test]
fn a_registrar_may_say_more_than_a_stranger() {
    let mut world = started(Office::new().change(|directory| {
        directory.trunks = vec![account("isp")];
        directory.limits.source = Rate { per_second: 1, burst: 20 };
    }));
    world.peer("stranger", "198.51.100.6:5060");
    grants(&mut world, 600, "");
    let mut heard = |peer: &str| {
        for number in 0..60 {
            let call = format!("{peer}{number}");
            let request = world.request(peer, "OPTIONS", "sip:192.0.2.1", &call, &Rest::default());
            world.say(peer, &request);
        }
        world.seconds(1);
        world.raw(peer).all("SIP/2.0 200").len()
    };
    assert!(heard("stranger") < 20);
    assert_eq!(heard("raw"), 60);
}

#[test]
fn a_registrar_that_knows_flows_is_kept_one_open() {
    let mut world = with_trunk();
    let register = grants(&mut world, 600, "Require: outbound\r\nFlow-Timer: 20\r\n");
    let contact = header(&register, "Contact");
    assert!(contact.contains(";reg-id=1;+sip.instance=\"<urn:uuid:"), "{contact}");
    assert!(header(&register, "Supported").contains("outbound"));
    world.seconds(200);
    let pings = world.raw("raw").all("\r\n\r\n").len();
    assert!((10..=13).contains(&pings), "{pings}: each within 80 to 100 % of the timer");
    assert_eq!(world.raw("raw").all("REGISTER").len(), 2);
}

#[test]
fn a_first_hop_that_cannot_keep_flows_is_registered_through_without_one() {
    let mut world = with_trunk();
    let first = world.expect("raw", "REGISTER");
    assert!(header(&first, "Contact").contains("reg-id=1"));
    answer(&mut world, &first, "439 First Hop Lacks Outbound Support", "");
    let second = grants(&mut world, 600, "");
    assert!(!header(&second, "Contact").contains("reg-id"), "{second}");
    assert_eq!(header(&second, "Supported"), "path");
    assert!(matches!(state(&world), Some(State::Registered { .. })));
}

#[test]
fn how_a_line_fares_is_told_in_plain_words_with_the_last_error_and_the_next_try() {
    let mut world = with_line(|_| {});
    let register = world.expect("raw", "REGISTER");
    answer(&mut world, &register, "403 Forbidden", "");
    world.millis(50);
    let refused = world.trunks().into_iter().find(|trunk| trunk.name == "home").expect("known");
    assert_eq!((refused.words(), refused.up), ("not registered", false));
    assert_eq!(refused.trouble.as_deref(), Some("198.51.100.5:5060 answered 403 Forbidden"));
    assert!(refused.retry().is_some_and(|at| at > world.now));
    let since = refused.since;
    assert!(world.until(400, |world| world.raw("raw").all("REGISTER").len() > 1));
    let register = world.expect("raw", "REGISTER");
    answer(&mut world, &register, "200 OK", "Expires: 600\r\n");
    world.millis(50);
    let well = world.trunks().into_iter().find(|trunk| trunk.name == "home").expect("known");
    assert_eq!((well.words(), well.retry()), ("registered", None));
    assert!(well.since > since, "since when it is so");
    assert!(well.trouble.is_some(), "the last error can still be read");
    assert_eq!(well.server, Some(PROVIDER.parse().expect("an address")));
}
