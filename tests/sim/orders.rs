//! Calls that are changed and placed from outside: what everybody hears, what is written and
//! reported, whichever exchange carries the call.

use offhook::base::Duration;
use offhook::base::id::CallSid;
use offhook::call::order::Payer;
use offhook::call::{CallRecord, Denied};
use offhook::directory::{Caps, Rate};
use offhook::leg::{Cause, Refusal};

use crate::world::{NUMBER, OWN_NUMBER, Office, Page, Pickup, VOICE, World, header};
use crate::{called, sounding};

const NEW: &str = "<Response><Say>New</Say></Response>";
const STATUS: &str = "http://127.0.0.1:8080/functions/status";
const BOB: &str = "<Sip>sip:bob@office.localhost</Sip>";

fn code(result: Option<Result<CallRecord, Denied>>) -> u32 {
    result.expect("some exchange has it").expect_err("denied").code
}

/// Plays a scenario with one exchange, and with three that share the address.
fn everywhere(scenario: impl Fn(u64)) {
    scenario(1);
    for salt in 1..4 {
        World::among(3, salt, || scenario(salt));
    }
}

/// Alice calls a number whose document is `body`, and Bob, whom it dials, has answered.
fn bob_answers(seed: u64, body: &str) -> World {
    let mut world = World::new(seed);
    world.web.page(VOICE, Page::xml(body));
    world.phone("alice");
    world.phone("bob");
    world.answers_after("bob", 1);
    world.dial("alice", "500");
    world.seconds(4);
    world
}

fn first(world: &World) -> CallSid {
    world.rows.leg(0).sid
}

#[test]
fn another_document_is_heard_at_once_and_nothing_of_the_old_one() {
    for sound in [false, true] {
        let body = "<Say>A long first sentence that nobody lets us finish</Say><Say>Second</Say>";
        let mut world = if sound { sounding(body) } else { called(body) };
        world.millis(1_500);
        let sid = first(&world);
        let row = world.changed(sid, &[("Twiml", NEW)]);
        assert_eq!((row.sid, row.status.as_str()), (sid, "in-progress"));
        world.end();
        let heard = world.heard("carrier");
        let last = heard.last().map(String::as_str);
        assert_eq!((heard.len(), last), (2, Some("New")), "{heard:?}");
        assert_eq!(world.ended("carrier").map(|(cause, _)| cause), Some(Cause::Hangup));
        assert_eq!(world.rows.statuses(), ["completed"]);
        assert_eq!(code_after(&mut world, sid), None, "no exchange has it any more");
    }
}

fn code_after(world: &mut World, sid: CallSid) -> Option<u32> {
    world.change(sid, &[("Twiml", NEW)]).map(|result| result.expect_err("over").code)
}

#[test]
fn a_url_is_asked_for_and_its_failure_falls_back() {
    let mut world = called("<Pause length='1'/><Say>Hello</Say><Pause length='60'/>");
    world.web.page("function:new", Page::Status(500));
    world.web.page("https://app.example/sorry", Page::xml("<Say>Sorry</Say>"));
    world.seconds(5);
    let sid = first(&world);
    let url = [("Url", "/functions/new"), ("FallbackUrl", "https://app.example/sorry")];
    world.changed(sid, &url);
    world.end();
    assert_eq!(world.heard("carrier"), ["Hello", "Sorry"]);
    assert_eq!(world.web.parameter("function:new", "CallStatus"), ["in-progress"]);
    assert_eq!(world.web.parameter("https://app.example/sorry", "ErrorCode"), ["11200"]);
}

#[test]
fn a_caller_who_leaves_a_dial_leaves_the_other_alone() {
    everywhere(|seed| {
        let mut world = bob_answers(seed, &format!("<Dial action='/after'>{BOB}</Dial>"));
        assert!(world.talk_together("alice", "bob"));
        let sid = first(&world);
        world.changed(sid, &[("Twiml", "<Response><Say>New</Say><Pause length='5'/></Response>")]);
        world.millis(500);
        assert!(!world.hears("alice", "bob") && !world.hears("bob", "alice"));
        assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Hangup));
        assert_eq!(world.ended("alice"), None, "it goes on");
        world.end();
        assert_eq!(world.heard("alice").last().map(String::as_str), Some("New"));
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
        assert_eq!(world.web.urls(), [VOICE], "no action");
    });
}

#[test]
fn a_dial_that_still_rings_stops_ringing() {
    everywhere(|seed| {
        let mut world = World::new(seed);
        world.web.page(VOICE, Page::xml(&format!("<Dial timeout='60'>{BOB}</Dial>")));
        world.phone("alice");
        world.phone("bob");
        world.dial("alice", "500");
        world.seconds(4);
        assert_eq!(world.rings("bob"), 1);
        let sid = first(&world);
        world.changed(sid, &[("Twiml", NEW)]);
        world.seconds(1);
        assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Cancelled));
        world.end();
        assert_eq!(world.heard("alice"), ["[ringing]", "New"]);
        assert_eq!(world.rows.statuses(), ["completed", "canceled"]);
    });
}

#[test]
fn the_leg_that_was_dialled_goes_its_own_way_and_the_caller_its_own() {
    everywhere(|seed| {
        let mut world = bob_answers(seed, &format!("<Dial action='/after'>{BOB}</Dial>"));
        world.web.page(
            "https://app.example/after",
            Page::xml("<Say>You are alone</Say><Pause length='3'/>"),
        );
        let (parent, child) = (world.rows.leg(0).sid, world.rows.leg(1).sid);
        let long =
            "<Response><Say>Hello Bob</Say><Pause length='20'/><Say>Bye Bob</Say></Response>";
        let row = world.changed(child, &[("Twiml", long)]);
        assert_eq!((row.sid, row.parent), (child, Some(parent)));
        world.seconds(10);
        // The caller's document is over; the other's is not.
        assert!(world.ended("alice").is_some() && world.ended("bob").is_none());
        assert_eq!(world.heard("alice"), ["[ringing]", "You are alone"]);
        assert_eq!(world.web.parameter("https://app.example/after", "DialBridged"), ["true"]);
        assert_eq!(world.web.parameter("https://app.example/after", "DialCallDuration"), [""]);
        assert_eq!(world.rows.statuses(), ["completed", "in-progress"]);
        // It is found by its SID still, and may be changed again.
        world.web.page("https://app.example/third", Page::xml("<Say>Third</Say>"));
        world.changed(child, &[("Url", "https://app.example/third")]);
        world.end();
        assert_eq!(world.heard("bob"), ["Hello Bob", "Third"]);
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
    });
}

#[test]
fn a_caller_whose_document_has_nothing_more_ends_and_the_other_talks_on() {
    everywhere(|seed| {
        let mut world = bob_answers(seed, &format!("<Dial>{BOB}</Dial>"));
        let (parent, child) = (world.rows.leg(0).sid, world.rows.leg(1).sid);
        let stay =
            |text: &str| format!("<Response><Say>{text}</Say><Pause length='30'/></Response>");
        world.changed(child, &[("Twiml", &stay("For Bob"))]);
        // Its Dial is over, and nothing follows it: the caller was hung up.
        assert!(world.change(parent, &[("Twiml", NEW)]).is_none());
        world.seconds(3);
        assert_eq!(world.heard("bob"), ["For Bob"]);
        world.hang_up("bob");
        world.end();
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
    });
}

#[test]
fn ending_the_leg_that_was_dialled_gives_the_caller_back_to_its_document() {
    let mut world = bob_answers(5, &format!("<Dial>{BOB}</Dial><Say>Gone</Say>"));
    let child = world.rows.leg(1).sid;
    assert_eq!(world.changed(child, &[("Status", "completed")]).status.as_str(), "completed");
    world.end();
    assert_eq!(world.heard("alice").last().map(String::as_str), Some("Gone"));
    assert_eq!(world.ended("bob").map(|(cause, _)| cause), Some(Cause::Hangup));
}

#[test]
fn changes_race_with_each_other_and_with_the_end() {
    let mut world = called("<Say>Hello</Say><Pause length='60'/>");
    world.web.page(
        "https://app.example/one",
        Page::Late(Duration::from_secs(3), Box::new(Page::xml("<Say>One</Say>"))),
    );
    world.seconds(2);
    let sid = first(&world);
    world.changed(sid, &[("Url", "https://app.example/one")]);
    world.changed(sid, &[("Twiml", "<Response><Say>Two</Say><Pause length='9'/></Response>")]);
    world.seconds(6);
    world.hang_up("carrier");
    // The BYE is on its way; the change comes first, and is for nobody.
    world.changed(sid, &[("Twiml", NEW)]);
    world.end();
    assert_eq!(world.heard("carrier")[..2], ["Hello", "Two"]);
    let mut world = called("<Say>Hello</Say>");
    world.until(9, |world| world.ended("carrier").is_some());
    let sid = first(&world);
    // Our BYE was answered, or is about to be: too late in either case.
    assert!(matches!(world.change(sid, &[("Twiml", NEW)]), None | Some(Err(_))));
    world.end();
}

#[test]
fn a_caller_who_still_rings_hears_the_new_document() {
    let mut world = World::new(6);
    let body = format!("<Dial answerOnBridge='true' timeout='60'>{BOB}</Dial>");
    world.web.page(VOICE, Page::xml(&body));
    world.phone("alice");
    world.phone("bob");
    world.dial("alice", "500");
    world.seconds(3);
    assert!(!world.answered("alice"));
    let sid = first(&world);
    world.changed(sid, &[("Twiml", NEW)]);
    world.end();
    assert!(world.answered("alice"));
    assert_eq!(world.heard("alice").last().map(String::as_str), Some("New"));
}

/// What places a call to a user, with every report.
fn order<'a>(to: &'a str, url: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("To", to),
        ("From", OWN_NUMBER),
        ("Url", url),
        ("StatusCallback", "/functions/status"),
        ("StatusCallbackEvent", "initiated ringing answered completed"),
    ]
}

fn statuses(world: &World) -> Vec<String> {
    world.rows.reported(STATUS, "CallStatus")
}

#[test]
fn a_call_is_placed_to_a_user_and_asks_for_its_document() {
    everywhere(|seed| {
        for to in ["sip:bob@office.localhost", "client:bob"] {
            let mut world = World::new(seed);
            world.web.page(VOICE, Page::xml("<Say>Good morning</Say>"));
            world.phone("bob");
            world.answers_after("bob", 2);
            let row = world.place(&order(to, VOICE)).expect("placed");
            assert_eq!((row.status.as_str(), row.to.as_str()), ("initiated", to));
            world.seconds(1);
            assert_eq!((world.rings("bob"), world.web.asked.len()), (1, 0));
            assert!(world.shown("bob").contains(OWN_NUMBER), "{}", world.shown("bob"));
            world.end();
            assert_eq!(world.heard("bob"), ["Good morning"]);
            assert_eq!(world.web.parameter(VOICE, "Direction"), ["outbound-api"]);
            assert_eq!(world.web.parameter(VOICE, "CallStatus"), ["in-progress"]);
            assert_eq!(world.web.parameter(VOICE, "CallSid"), [row.sid.to_string()]);
            assert_eq!(statuses(&world), ["initiated", "ringing", "in-progress", "completed"]);
            assert_eq!(world.rows.reported(STATUS, "SequenceNumber"), ["0", "1", "2", "3"]);
            assert_eq!(world.rows.leg(0).direction.as_str(), "outbound-api");
        }
    });
}

#[test]
fn a_placed_call_sounds_and_takes_keys() {
    let mut world = World::sounding(3);
    let body = "<Gather numDigits='1' action='/key'><Say>Press one</Say></Gather>";
    world.web.page(VOICE, Page::xml(body));
    world.web.page("https://app.example/key", Page::xml("<Say>Thank you</Say>"));
    world.phone("bob");
    world.answers_after("bob", 1);
    world.place(&order("sip:bob@office.localhost", VOICE)).expect("placed");
    world.seconds(3);
    world.press("bob", "1");
    world.end();
    assert_eq!(world.heard("bob"), ["Press one", "Thank you"]);
    assert_eq!(world.web.parameter("https://app.example/key", "Digits"), ["1"]);
}

#[test]
fn a_number_is_called_through_its_trunk_and_joined_with_a_user() {
    everywhere(|seed| {
        let mut world = World::new(seed);
        world.web.page(VOICE, Page::xml(&format!("<Dial>{BOB}</Dial>")));
        world.carrier();
        world.phone("bob");
        world.answers_after("carrier", 2);
        world.answers_after("bob", 2);
        let row = world.place(&order("(415) 555-0100", VOICE)).expect("placed");
        assert_eq!(row.to, "+14155550100");
        world.seconds(8);
        assert!(world.talk_together("carrier", "bob"), "{}", world.ladder());
        world.hang_up("carrier");
        world.end();
        assert_eq!(world.rows.statuses(), ["completed", "completed"]);
        assert_eq!(world.rows.leg(1).parent, Some(row.sid));
        assert!(world.shown("bob").contains(OWN_NUMBER));
    });
}

#[test]
fn whoever_is_not_reached_is_reported_as_such() {
    let to = "sip:bob@office.localhost";
    for (pickup, wanted) in [
        (Some(Pickup::Refuse(Refusal::Busy)), &["initiated", "ringing", "busy"][..]),
        (Some(Pickup::Refuse(Refusal::Declined)), &["initiated", "ringing", "no-answer"]),
        (Some(Pickup::Refuse(Refusal::Failed)), &["initiated", "ringing", "failed"]),
        (Some(Pickup::Never), &["initiated", "ringing", "no-answer"]),
        (None, &["initiated", "no-answer"]),
    ] {
        everywhere(|seed| {
            let mut world = World::new(seed);
            if let Some(pickup) = pickup {
                world.phone("bob");
                world.pickup("bob", pickup);
            }
            world.place(&[order(to, VOICE), vec![("Timeout", "10")]].concat()).expect("placed");
            world.end();
            assert_eq!(statuses(&world), wanted, "{pickup:?}");
            assert!(world.web.asked.is_empty(), "no document for nobody");
        });
    }
}

#[test]
fn a_call_may_be_given_up_while_it_rings_and_an_answer_that_crosses_it_starts_nothing() {
    everywhere(|seed| {
        let mut world = World::new(seed);
        world.network.usual.delay = Duration::from_millis(50);
        world.web.page(VOICE, Page::xml("<Say>Hello</Say>"));
        world.phone("bob");
        world.pickup("bob", Pickup::After(Duration::from_millis(4_990)));
        let row = world.place(&order("sip:bob@office.localhost", VOICE)).expect("placed");
        world.seconds(2);
        assert_eq!(code(world.change(row.sid, &[("Twiml", NEW)])), 21220, "not before the answer");
        // The INVITE took 50 ms; the CANCEL meets the answer on its way.
        world.run(Duration::from_millis(3_010));
        let canceled = world.changed(row.sid, &[("Status", "canceled")]);
        assert_eq!(canceled.status.as_str(), "canceled");
        world.end();
        assert_eq!(statuses(&world), ["initiated", "ringing", "canceled"]);
        assert!(world.web.asked.is_empty() && world.heard("bob").is_empty());
        assert!(world.ended("bob").is_some());
    });
}

#[test]
fn calls_go_only_where_any_call_may_and_show_only_what_is_ours() {
    let mut world = World::new(8);
    world.carrier();
    let place = |world: &mut World, to: &str, from: &str| {
        world.place(&[("To", to), ("From", from), ("Url", VOICE)])
    };
    let denied = |result: Result<CallRecord, Denied>| result.expect_err("denied").code;
    assert_eq!(denied(place(&mut world, "+14155550100", "+14155550199")), 21210, "not ours");
    assert_eq!(denied(place(&mut world, "+14155550100", "alice")), 21212);
    assert_eq!(denied(place(&mut world, "sip:bob@office.localhost", "a b")), 21212);
    assert_eq!(denied(place(&mut world, "sip:bob@office.localhost", "a\r\nVia: b")), 21212);
    let hidden = [("To", "client:bob"), ("From", "a\nb"), ("CallerId", NUMBER), ("Url", VOICE)];
    assert_eq!(denied(world.place(&hidden)), 21212, "also where another is shown");
    assert_eq!(denied(place(&mut world, "client:nobody", NUMBER)), 21211);
    assert_eq!(denied(world.place(&[("To", "client:bob"), ("From", NUMBER), ("Url", "x")])), 21205);
    let bad = [("To", "client:bob"), ("From", NUMBER), ("Url", VOICE), ("StatusCallback", "bin")];
    assert!(world.place(&bad).is_ok(), "a path of ours");
    // No trunk carries it: the call fails, as any other would.
    let row = place(&mut world, "+33155550100", NUMBER).expect("begun");
    world.end();
    assert_eq!(world.rows.calls[&row.sid].status.as_str(), "failed");
    assert!(world.told("no [[trunk]] has \"+33155550100\" among its `prefixes`"));
    assert_eq!(world.rings("carrier"), 0);
}

#[test]
fn digits_are_heard_before_the_document_and_a_time_limit_ends_it() {
    let mut world = World::new(9);
    world.web.page(VOICE, Page::xml("<Say>Hello</Say><Pause length='600'/>"));
    world.phone("bob");
    world.answers_after("bob", 1);
    let more = vec![("SendDigits", "w42#"), ("TimeLimit", "30")];
    world.place(&[order("client:bob", VOICE), more].concat()).expect("placed");
    world.seconds(20);
    assert_eq!((world.keys("bob").as_str(), world.heard("bob")), ("42#", vec!["Hello".to_owned()]));
    assert!(world.ended("bob").is_none());
    world.seconds(13);
    assert!(world.ended("bob").is_some());
    world.end();
}

#[test]
fn what_functions_call_is_capped_in_all_of_a_server() {
    everywhere(|seed| {
        let mut world = World::new(seed);
        world.carrier();
        world.web.page(VOICE, Page::xml("<Pause length='30'/>"));
        world.answers_after("carrier", 1);
        let caps = Caps { calls: 1, new_calls: Rate::UNLIMITED };
        let payer = || Payer { name: "function f".to_owned(), caps };
        let numbers = [("To", "+14155550100"), ("From", NUMBER), ("Url", VOICE)];
        world.place_for(&numbers, payer()).expect("placed");
        world.seconds(3);
        for to in ["+14155550100", "client:bob"] {
            let order = [("To", to), ("From", NUMBER), ("Url", VOICE)];
            let denied = world.place_for(&order, payer()).expect_err("one too many");
            assert_eq!((denied.status, denied.code), (429, 20429));
            assert!(denied.message.contains("function f has 1 calls already"), "{denied}");
        }
        world.end();
        // What it dials itself counts, too.
        let dials = "https://app.example/dials";
        world.web.page(dials, Page::xml("<Dial>+14155550100</Dial><Dial>+14155550100</Dial>"));
        let order = [("To", "+14155550100"), ("From", NUMBER), ("Url", dials)];
        world.place_for(&order, payer()).expect("there is room again");
        world.seconds(4);
        assert_eq!(world.rings("carrier"), 2, "one leg into the network, and no more");
        assert!(world.told("function f has 1 calls out already"), "{:?}", world.notes);
        world.end();
    });
}

#[test]
fn a_leg_that_leaves_its_call_sounds_alone() {
    let mut world = World::sounding(12);
    world.web.page(VOICE, Page::xml(&format!("<Dial>{BOB}</Dial><Say>You are alone</Say>")));
    world.phone("alice");
    world.phone("bob");
    world.answers_after("bob", 1);
    world.dial("alice", "500");
    world.seconds(4);
    assert!(world.talk_together("alice", "bob"));
    let child = world.rows.leg(1).sid;
    let document = "<Response><Say>Hello Bob, this is for you</Say></Response>";
    world.changed(child, &[("Twiml", document)]);
    world.millis(500);
    assert!(!world.hears("alice", "bob") && !world.hears("bob", "alice"));
    world.end();
    assert_eq!(world.heard("bob"), ["Hello Bob, this is for you"]);
    assert_eq!(world.heard("alice"), ["You are alone"]);
}

#[test]
fn a_server_that_goes_down_places_nothing() {
    let mut world = World::new(10);
    world.tell(offhook::exchange::Input::Drain);
    let denied = world.place(&order("client:bob", VOICE)).expect_err("denied");
    assert_eq!((denied.status, denied.code), (503, 20503));
}

#[test]
fn the_network_is_told_who_calls_and_that_it_is_ours() {
    let office = Office::new();
    let mut world = World::with(11, office.build(), false);
    world.peer("carrier", "198.51.100.1:5060");
    world.place(&order("+14155550100", VOICE)).expect("placed");
    let invite = world.expect("carrier", "INVITE");
    assert!(header(&invite, "From").contains(OWN_NUMBER), "{invite}");
    assert_eq!(header(&invite, "Max-Forwards"), "70");
    assert!(header(&invite, "X-Twilio-CallSid").starts_with("CA"));
}
