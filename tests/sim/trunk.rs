//! Ways to and from the telephone network: challenges, early sound, refusals, caller IDs.

use offhook::exchange::Input;

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{NUMBER, OWN_NUMBER, Office, Page, VOICE, World, header, respond};

const DIALLED: &str = "https://app.example/dialled";

/// Alice dials through a document, and the carrier is a raw peer that has got the INVITE.
fn to_carrier(office: Office, body: &str) -> (World, String) {
    let mut world = World::with(1, office.build(), false);
    world.web.page(VOICE, Page::xml(body));
    world.web.page(DIALLED, Page::xml("<Say>Done</Say>"));
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    (world, invite)
}

fn answer(world: &mut World, request: &str, line: &str, headers: &str, sdp: bool) {
    let peer = world.raw("raw");
    let body = if sdp { peer.sdp("sendrecv") } else { String::new() };
    let text = respond(request, line, peer.local, headers, &body);
    world.say("raw", &text);
}

fn dial(attributes: &str) -> String {
    format!("<Dial action='/dialled' {attributes}>+14155551212</Dial>")
}

fn own() -> String {
    dial(&format!("callerId='{OWN_NUMBER}'"))
}

#[test]
fn a_call_through_the_carrier_shows_our_number() {
    let (mut world, invite) = to_carrier(Office::new(), &own());
    assert!(invite.starts_with("INVITE sip:+14155551212@198.51.100.1:5060 SIP/2.0\r\n"));
    assert!(header(&invite, "From").contains("sip:+16505551111@"), "{invite}");
    assert_eq!(header(&invite, "Max-Forwards"), "69");
    assert!(!header(&invite, "X-Twilio-CallSid").is_empty());
    answer(&mut world, &invite, "200 OK", "", true);
    let ack = world.expect("raw", "ACK");
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
    world.seconds(2);
    assert!(world.talk_together("alice", "raw"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    assert!(header(&bye, "To").contains("tag=raw"));
    answer(&mut world, &bye, "200 OK", "", false);
    world.end();
    assert_eq!(world.rows.leg(1).to, "+14155551212");
    assert_eq!(world.rows.leg(1).from, OWN_NUMBER);
}

#[test]
fn the_carriers_challenge_is_met() {
    let office = Office::new().change(|directory| {
        directory.trunks[0].login = Some(("us".to_owned(), offhook::base::Secret::new("key")));
    });
    let (mut world, invite) = to_carrier(office, &own());
    let challenge = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n0\", qop=\"auth\", \
                     algorithm=MD5\r\n";
    answer(&mut world, &invite, "407 Proxy Authentication Required", challenge, false);
    let ack = world.expect("raw", "ACK");
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
    let again = world.expect("raw", "INVITE");
    assert_eq!(header(&again, "CSeq"), "2 INVITE");
    assert_eq!(header(&again, "Call-ID"), header(&invite, "Call-ID"));
    let login = header(&again, "Proxy-Authorization");
    let (uri, cnonce) = (parameter(&login, "uri"), parameter(&login, "cnonce"));
    assert_eq!(
        (parameter(&login, "username").as_str(), parameter(&login, "nc").as_str()),
        ("us", "00000001")
    );
    let expected = digest("carrier", "n0", "us", "key", "INVITE", &uri, &cnonce);
    assert_eq!(parameter(&login, "response"), parameter(&expected, "response"));
    answer(&mut world, &again, "200 OK", "", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    let bye = "BYE";
    world.hang_up("alice");
    let bye = world.expect("raw", bye);
    answer(&mut world, &bye, "200 OK", "", false);
    world.end();
}

#[test]
fn a_wrong_login_is_tried_once() {
    let office = Office::new().change(|directory| {
        directory.trunks[0].login = Some(("us".to_owned(), offhook::base::Secret::new("key")));
    });
    let (mut world, invite) = to_carrier(office, &own());
    let challenge = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n0\", qop=\"auth\"\r\n";
    answer(&mut world, &invite, "407 Proxy Authentication Required", challenge, false);
    let again = world.expect("raw", "INVITE");
    answer(&mut world, &again, "407 Proxy Authentication Required", challenge, false);
    world.end();
    let tries: Vec<&str> = world.raw("raw").all("INVITE").into_iter().collect();
    assert_eq!(tries.len(), 2);
    assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), ["failed"]);
    assert_eq!(world.rows.leg(1).sip_status, Some(407));
}

#[test]
fn early_sound_is_heard_before_the_answer() {
    let (mut world, invite) = to_carrier(Office::new(), &own());
    answer(&mut world, &invite, "183 Session Progress", "", true);
    world.seconds(2);
    assert!(world.hears("alice", "raw"), "the announcement of the carrier");
    assert!(world.heard("alice").is_empty(), "no ringing of our own over it");
    answer(&mut world, &invite, "486 Busy Here", "", false);
    world.seconds(2);
    assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), ["busy"]);
    world.end();
    assert_eq!(world.heard("alice"), ["Done"]);
}

#[test]
fn refusals_of_the_carrier_have_their_words() {
    let cases = [
        ("404 Not Found", "failed"),
        ("486 Busy Here", "busy"),
        ("600 Busy Everywhere", "busy"),
        ("603 Decline", "no-answer"),
        ("480 Temporarily Unavailable", "no-answer"),
        ("503 Service Unavailable", "failed"),
        ("302 Moved Temporarily", "failed"),
    ];
    for (line, status) in cases {
        let (mut world, invite) = to_carrier(Office::new(), &own());
        answer(&mut world, &invite, line, "X-Reason: test\r\n", false);
        world.expect("raw", "ACK");
        world.end();
        assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), [status], "{line}");
        assert_eq!(world.rows.leg(1).sip_status.map(|s| s.to_string()).as_deref(), line.get(..3));
    }
}

#[test]
fn a_dead_carrier_fails_after_timer_b() {
    let (mut world, _) = to_carrier(Office::new(), &dial("callerId='+16505551111' timeout='60'"));
    world.seconds(40);
    let tries = world.raw("raw").all("INVITE").len();
    assert_eq!(tries, 7, "timer A doubles from T1 until timer B");
    world.end();
    assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), ["no-answer"]);
    assert_eq!(world.rows.leg(1).sip_status, Some(408));
}

#[test]
fn a_cancel_waits_for_a_provisional_answer() {
    let (mut world, invite) = to_carrier(Office::new(), &own());
    world.hang_up("alice");
    world.seconds(1);
    assert!(world.raw("raw").all("CANCEL").is_empty(), "RFC 3261 section 9.1");
    answer(&mut world, &invite, "180 Ringing", "", false);
    let cancel = world.expect("raw", "CANCEL");
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    answer(&mut world, &cancel, "200 OK", "", false);
    answer(&mut world, &invite, "487 Request Terminated", "", false);
    world.expect("raw", "ACK");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "canceled"]);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let (mut world, invite) = to_carrier(Office::new(), &own());
    answer(&mut world, &invite, "180 Ringing", "", false);
    world.seconds(1);
    world.hang_up("alice");
    let cancel = world.expect("raw", "CANCEL");
    answer(&mut world, &invite, "200 OK", "", true);
    answer(&mut world, &cancel, "200 OK", "", false);
    world.expect("raw", "ACK");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "", false);
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "canceled"]);
}

#[test]
fn only_our_own_numbers_are_shown_to_telephones() {
    let refused = [
        (dial("callerId='+19998887777'"), 13214),
        (dial("callerId='nonsense'"), 13214),
        (dial(""), 13247),
    ];
    for (body, code) in refused {
        let mut world = World::new(2);
        world.web.page(VOICE, Page::xml(&body));
        world.web.page(DIALLED, Page::xml("<Say>Done</Say>"));
        world.peer("raw", "198.51.100.1:5060");
        world.phone("alice");
        world.dial("alice", "500");
        world.end();
        assert!(world.noted(code), "{body}");
        assert!(world.raw("raw").inbox.is_empty());
        assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), ["failed"]);
    }
}

#[test]
fn a_domain_may_be_allowed_to_show_any_number() {
    let office = Office::new().change(|directory| {
        directory.domains.values_mut().for_each(|domain| domain.any_caller_id = true);
    });
    let (mut world, invite) = to_carrier(office, &dial("callerId='+19998887777'"));
    assert!(header(&invite, "From").contains("sip:+19998887777@"));
    answer(&mut world, &invite, "486 Busy Here", "", false);
    world.end();
}

#[test]
fn a_telephone_that_is_passed_on_keeps_its_number() {
    let mut world = World::new(3);
    world.phone("bob");
    world.answers_after("bob", 1);
    crate::begin(&mut world, "<Dial><Sip>sip:bob@office.localhost</Sip></Dial>");
    world.seconds(4);
    assert!(world.shown("bob").starts_with("sip:+14155550100@"), "{}", world.shown("bob"));
    world.hang_up("bob");
    world.end();
}

#[test]
fn numbers_that_no_trunk_takes_are_not_called() {
    let mut world = World::new(4);
    world.web.page(
        VOICE,
        Page::xml("<Dial action='/dialled' callerId='+16505551111'>+33140000000</Dial>"),
    );
    world.web.page(DIALLED, Page::xml("<Say>Done</Say>"));
    world.phone("alice");
    world.dial("alice", "500");
    world.end();
    assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), ["failed"]);
    assert_eq!(world.rows.leg(1).sip_status, Some(403));
}

#[test]
fn strangers_and_unknown_numbers_are_refused() {
    let mut world = World::new(5);
    world.stranger("stranger", "+14155550199", "203.0.113.9:5060");
    world.dial("stranger", NUMBER);
    world.carrier();
    world.dial("carrier", "+12223339999");
    world.seconds(3);
    assert_eq!(world.ended("stranger").and_then(|(_, status)| status), Some(401));
    assert_eq!(world.ended("carrier").and_then(|(_, status)| status), Some(404));
    assert!(world.noted(32002) && world.noted(32010));
    assert!(world.rows.history.is_empty() && world.web.asked.is_empty());
}

#[test]
fn the_caller_of_a_carrier_is_read_from_what_it_asserts() {
    let mut world = World::new(6);
    world.web.page(VOICE, Page::xml("<Reject/>"));
    world.peer("raw", "198.51.100.1:5060");
    let headers = "P-Asserted-Identity: \"Ann\" <sip:0014155550177@carrier.example>\r\n\
                   Diversion: <tel:+14155550188>;reason=unconditional\r\nX-Trace: 7\r\n";
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { headers, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 404");
    let of = |name: &str| world.web.parameter(VOICE, name).concat();
    assert_eq!((of("From"), of("CallerName")), ("+14155550177".to_owned(), "Ann".to_owned()));
    assert_eq!((of("To"), of("ForwardedFrom")), (NUMBER.to_owned(), "+14155550188".to_owned()));
}

#[test]
fn a_trunk_is_answered_with_its_own_codecs() {
    let office = Office::new().change(|directory| {
        directory.trunks[0].codecs = vec!["PCMA".to_owned()];
    });
    let mut world = World::with(7, office.build(), false);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say><Pause length='9'/>"));
    world.peer("raw", "198.51.100.1:5060");
    let sdp = world.raw("raw").sdp("sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 0 8 101");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &invite);
    let answer = world.expect("raw", "SIP/2.0 200");
    assert!(answer.contains("RTP/AVP 8 101"), "{answer}");
}

#[test]
fn a_call_that_went_too_far_goes_no_further() {
    let mut world = World::new(7);
    world.web.page(
        VOICE,
        Page::xml("<Dial action='/dialled'><Sip>sip:bob@office.localhost</Sip></Dial>"),
    );
    world.web.page(DIALLED, Page::xml("<Hangup/>"));
    world.phone("bob");
    world.peer("raw", "198.51.100.1:5060");
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &invite.replace("Max-Forwards: 70", "Max-Forwards: 1"));
    world.seconds(3);
    assert_eq!(world.rings("bob"), 0);
    assert_eq!(world.web.parameter(DIALLED, "DialSipResponseCode"), ["483"]);
}

#[test]
fn foreign_addresses_are_looked_up_and_called() {
    let mut world = World::new(8);
    let body = "<Dial action='/dialled'><Sip>sip:desk@phones.example:5070?X-Room=12</Sip></Dial>";
    world.web.page(VOICE, Page::xml(body));
    world.web.page(DIALLED, Page::xml("<Hangup/>"));
    world.names.insert("phones.example".to_owned(), vec!["203.0.113.7".parse().expect("ip")]);
    world.peer("raw", "203.0.113.7:5070");
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    assert!(invite.starts_with("INVITE sip:desk@phones.example:5070 SIP/2.0\r\n"), "{invite}");
    assert_eq!(header(&invite, "X-Room"), "12");
    answer(&mut world, &invite, "200 OK", "X-Desk: 3\r\n", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "", false);
    world.end();
    assert_eq!(world.web.parameter(DIALLED, "DialSipHeader_X-Desk"), ["3"]);
}

#[test]
fn an_unknown_host_cannot_be_called() {
    let mut world = World::new(9);
    let body = "<Dial action='/dialled'><Sip>sip:desk@nowhere.example</Sip></Dial>";
    world.web.page(VOICE, Page::xml(body));
    world.web.page(DIALLED, Page::xml("<Hangup/>"));
    world.phone("alice");
    world.dial("alice", "500");
    world.end();
    assert_eq!(world.web.parameter(DIALLED, "DialCallStatus"), ["failed"]);
}

#[test]
fn a_call_keeps_the_configuration_that_it_began_with() {
    let mut world = World::new(10);
    crate::begin(&mut world, "<Say>Hi</Say><Pause length='5'/><Redirect>/more</Redirect>");
    world.web.page("https://app.example/more", Page::xml("<Say>More</Say>"));
    world.seconds(2);
    let office = Office::new().change(|directory| directory.numbers.clear()).build();
    world.tell(Input::Directory(office.into()));
    world.end();
    assert_eq!(world.heard("carrier"), ["Hi", "More"]);
    world.dial("carrier", NUMBER);
    world.seconds(2);
    assert_eq!(world.ended("carrier").and_then(|(_, status)| status), Some(404));
}
