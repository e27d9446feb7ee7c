//! How calls are answered or refused, and what callers hear.

use offhook::call::Status;
use offhook::exchange::Input;
use offhook::leg::Cause;

use crate::world::raw::Rest;
use crate::world::{NUMBER, Office, Page, VOICE, World, header};
use crate::{called, sounding};

#[test]
fn a_caller_hears_a_sentence_and_is_hung_up() {
    let body = "<Say>Hello caller</Say>";
    for mut world in [called(body), sounding(body)] {
        world.end();
        assert_eq!(world.heard("carrier"), ["Hello caller"]);
        assert_eq!(world.ended("carrier"), Some((Cause::Hangup, None)));
        assert_eq!(world.rows.statuses(), ["completed"]);
        assert_eq!(world.rows.leg(0).reason, "the document ended");
        assert_eq!(world.web.parameter(VOICE, "From"), ["+14155550100"]);
        assert_eq!(world.web.parameter(VOICE, "CallStatus"), ["ringing"]);
    }
}

#[test]
fn sounds_come_in_order_and_as_often_as_asked() {
    let body =
        "<Say loop='2'>One</Say><Play>https://app.example/tune.wav</Play><Pause/><Say>Two</Say>";
    let mut world = called(body);
    world.end();
    assert_eq!(world.heard("carrier"), ["One", "https://app.example/tune.wav", "Two"]);
    let mut world = sounding(body);
    world.end();
    assert_eq!(world.heard("carrier"), ["One", "https://app.example/tune.wav", "Two"]);
}

#[test]
fn keys_are_played_to_the_caller() {
    let body = "<Play digits='12w#'/><Pause length='1'/>";
    for mut world in [called(body), sounding(body)] {
        world.end();
        assert_eq!(world.keys("carrier"), "12#");
    }
}

#[test]
fn reject_says_busy_or_not_found_and_never_answers() {
    let cases = [("busy", 486, "busy"), ("rejected", 404, "no-answer")];
    for (reason, status, row) in cases {
        let mut world = called(&format!("<Reject reason='{reason}'/>"));
        world.end();
        assert_eq!(world.ended("carrier").and_then(|(_, status)| status), Some(status));
        assert!(!world.answered("carrier"));
        assert_eq!(world.rows.statuses(), [row]);
    }
}

#[test]
fn a_pause_before_all_else_delays_the_answer() {
    let mut world = called("<Pause length='4'/><Say>Hello</Say>");
    world.seconds(3);
    assert!(!world.answered("carrier"));
    world.seconds(2);
    assert!(world.answered("carrier"));
    world.end();
    assert_eq!(world.heard("carrier"), ["Hello"]);
}

#[test]
fn a_number_without_a_handler_refuses() {
    let office = Office::new().voice(|voice| voice.handler = None).build();
    let mut world = World::with(3, office, false);
    world.carrier();
    world.dial("carrier", NUMBER);
    world.end();
    assert_eq!(world.ended("carrier").and_then(|(_, status)| status), Some(404));
    assert!(world.notes.iter().any(|(_, note)| note.text.contains("no handler")));
}

#[test]
fn a_handler_that_is_a_user_rings_that_user() {
    let office = Office::new().handler("sip:bob@office.localhost").build();
    let mut world = World::with(4, office, false);
    world.phone("bob");
    world.answers_after("bob", 3);
    world.carrier();
    world.dial("carrier", NUMBER);
    world.seconds(2);
    assert!(!world.answered("carrier"), "it is answered only when bob answers");
    world.seconds(3);
    assert!(world.talk_together("carrier", "bob"));
    assert!(world.web.asked.is_empty());
    world.hang_up("bob");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed"]);
}

#[test]
fn a_lost_voice_is_heard_as_trouble_and_a_missing_file_is_skipped() {
    let mut world = World::new(5);
    world.voice.mute = true;
    crate::begin(&mut world, "<Say>Hello</Say><Pause/>");
    world.end();
    assert_eq!(world.heard("carrier"), ["[trouble]"]);
    assert!(world.noted(13520));
    let mut world = called("<Play>/missing.wav</Play><Say>After</Say>");
    world.end();
    assert_eq!(world.heard("carrier"), ["After"]);
    assert!(world.noted(11200));
}

#[test]
fn unknown_verbs_warn_with_their_place_and_the_call_goes_on() {
    let mut world = called("<Sey>x</Sey><Enqueue>q</Enqueue><Say>Still here</Say>");
    world.end();
    assert_eq!(world.heard("carrier"), ["Still here"]);
    let warnings: Vec<_> = world.notes.iter().filter(|(_, note)| note.code == 12200).collect();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].1.text.contains("1:11"), "{}", warnings[0].1.text);
}

#[test]
fn a_store_that_fails_does_not_disturb_the_call() {
    let mut world = World::new(6);
    world.rows.broken = true;
    crate::begin(&mut world, "<Say>Hello</Say>");
    world.end();
    assert_eq!(world.heard("carrier"), ["Hello"]);
    assert!(world.rows.calls.is_empty() && !world.rows.history.is_empty());
}

#[test]
fn a_draining_exchange_keeps_its_calls_and_takes_no_more() {
    let mut world = called("<Say>Hi</Say><Pause length='20'/>");
    world.seconds(2);
    world.tell(Input::Drain);
    world.stranger("second", "+14155550101", "198.51.100.2:5060");
    world.dial("second", NUMBER);
    world.seconds(2);
    assert_eq!(world.ended("second").and_then(|(_, status)| status), Some(503));
    assert_eq!(world.calls(), 1);
    world.peer("proxy", "198.51.100.3:5060");
    let probe = world.request("proxy", "OPTIONS", "sip:192.0.2.1", "o1", &Rest::default());
    world.say("proxy", &probe);
    let answer = world.expect("proxy", "SIP/2.0 503");
    assert_eq!(header(&answer, "Retry-After"), "10");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed"]);
}

#[test]
fn a_shutdown_ends_every_call_and_writes_it() {
    let mut world = called("<Say>Hi</Say><Pause length='100'/>");
    world.seconds(3);
    world.tell(Input::Shutdown);
    world.seconds(1);
    assert_eq!(world.ended("carrier"), Some((Cause::Hangup, None)));
    world.end();
    assert_eq!(world.rows.leg(0).status, Status::Completed);
    assert_eq!(world.rows.leg(0).reason, "the server is going down");
}

/// A caller of another make: every byte is written here.
fn raw_call(world: &mut World, body: &str) -> String {
    world.web.page(VOICE, Page::xml(body));
    world.peer("raw", "198.51.100.1:5060");
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 180");
    let ok = world.expect("raw", "SIP/2.0 200");
    assert!(ok.contains("m=audio ") && ok.contains("CSeq: 1 INVITE"));
    ok
}

/// A request in the dialog of [`raw_call`].
fn within(world: &mut World, ok: &str, method: &str, cseq: u32, headers: &str, body: &str) {
    let to = header(ok, "To");
    let contact = header(ok, "Contact");
    let uri = contact.trim_matches(|c| c == '<' || c == '>').to_owned();
    let rest = Rest { to: &to, cseq, headers, body, ..Rest::default() };
    let request = world.request("raw", method, &uri, "r1", &rest);
    world.say("raw", &request);
}

#[test]
fn hold_and_resume_are_answered_and_sound_waits() {
    let mut world = World::new(7);
    let ok = raw_call(&mut world, "<Say loop='0'>Music</Say>");
    within(&mut world, &ok, "ACK", 1, "", "");
    world.seconds(1);
    let hold = world.raw("raw").sdp("sendonly");
    within(&mut world, &ok, "INVITE", 2, "", &hold);
    let answer = world.expect("raw", "SIP/2.0 200");
    assert!(answer.contains("a=recvonly"), "{answer}");
    within(&mut world, &ok, "ACK", 2, "", "");
    let version = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("o=")).expect("an origin");
        line.split(' ').nth(2).and_then(|n| n.parse::<u64>().ok()).expect("a version")
    };
    assert_eq!(version(&answer), version(&ok) + 1);
    let resume = world.raw("raw").sdp("sendrecv");
    within(&mut world, &ok, "INVITE", 3, "", &resume);
    let again = world.expect("raw", "SIP/2.0 200");
    assert!(again.contains("a=sendrecv") || !again.contains("only"), "{again}");
    within(&mut world, &ok, "ACK", 3, "", "");
    within(&mut world, &ok, "BYE", 4, "", "");
    assert!(world.expect("raw", "SIP/2.0 200").contains("CSeq: 4 BYE"));
    world.end();
    assert_eq!(world.rows.statuses(), ["completed"]);
}

#[test]
fn digits_by_info_are_gathered() {
    let mut world = World::new(8);
    world.web.page("https://app.example/done", Page::xml("<Say>Done</Say>"));
    let ok = raw_call(&mut world, "<Gather numDigits='1' action='/done'/>");
    within(&mut world, &ok, "ACK", 1, "", "");
    let cseq = 2;
    let to = header(&ok, "To");
    let request = format!(
        "INFO sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKinfo\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+14155550199@198.51.100.9>;tag=r1\r\nTo: {to}\r\n\
         Call-ID: r1\r\nCSeq: {cseq} INFO\r\nContent-Type: application/dtmf-relay\r\n\
         Content-Length: 24\r\n\r\nSignal=7\r\nDuration=160\r\n"
    );
    world.say("raw", &request);
    assert!(world.expect("raw", "SIP/2.0 200").contains("INFO"));
    world.seconds(1);
    assert_eq!(world.web.parameter("https://app.example/done", "Digits"), ["7"]);
    world.expect("raw", "BYE");
}

#[test]
fn a_caller_who_never_acknowledges_is_hung_up() {
    let mut world = World::new(9);
    raw_call(&mut world, "<Say>Hi</Say><Pause length='100'/>");
    world.seconds(40);
    let oks = world.raw("raw").all("SIP/2.0 200").len();
    assert!(oks >= 8, "200 is repeated until its ACK comes, not {oks} times");
    assert!(!world.raw("raw").all("BYE").is_empty());
    world.end();
    assert_eq!(world.rows.leg(0).reason, "the party was lost");
}

#[test]
fn a_cancel_that_crosses_the_answer_changes_nothing() {
    let mut world = World::new(10);
    let ok = raw_call(&mut world, "<Say>Hi</Say><Pause length='100'/>");
    // On its way when the 200 arrived: by RFC 3261 section 9.2 it has no effect then.
    let rest = Rest { branch: "r1-INVITE-1", ..Rest::default() };
    let cancel = world.request("raw", "CANCEL", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &cancel);
    let answer = world.expect("raw", "SIP/2.0 ");
    assert!(answer.contains("CANCEL"), "{answer}");
    within(&mut world, &ok, "ACK", 1, "", "");
    world.seconds(1);
    assert_eq!(world.calls(), 1);
    within(&mut world, &ok, "BYE", 2, "", "");
    world.expect("raw", "SIP/2.0 200");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed"]);
}

#[test]
fn an_invite_without_an_offer_gets_one() {
    let mut world = World::new(11);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say>"));
    world.peer("raw", "198.51.100.1:5060");
    let uri = "sip:+12223331234@192.0.2.1";
    let invite = world.request("raw", "INVITE", uri, "r1", &Rest::default());
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    assert!(ok.contains("m=audio ") && ok.contains(" 0 8"), "{ok}");
    let sdp = world.raw("raw").sdp("sendrecv");
    within(&mut world, &ok, "ACK", 1, "", &sdp);
    world.expect("raw", "BYE");
    assert_eq!(world.heard("raw"), ["Hello"]);
}

#[test]
fn an_offer_without_a_codec_of_ours_is_refused() {
    let mut world = World::new(12);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say>"));
    world.peer("raw", "198.51.100.1:5060");
    let sdp = world.raw("raw").sdp("sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 18");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", "sip:+12223331234@192.0.2.1", "r1", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 488");
    // Before any handler runs: there is no call to tell of.
    world.end();
}

#[test]
fn a_recording_that_never_began_holds_nobody_up() {
    let mut world = World::new(13);
    world.web.page(VOICE, Page::xml("<Record playBeep='false' action='/never'/>"));
    world.peer("raw", "198.51.100.1:5060");
    let uri = "sip:+12223331234@192.0.2.1";
    let invite = world.request("raw", "INVITE", uri, "r1", &Rest::default());
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 200");
    // No ACK: no answer to our offer, so sound never flows.
    assert!(world.until(33, |world| world.rows.leg(0).status == Status::Completed));
    world.end();
    assert_eq!(world.rows.recording(0).status.as_str(), "failed");
}
