//! `<Refer>`: the caller's own telephone is asked to call somebody else, and reports on it.

use crate::transfer::{Dialog, answer_by, bob_calls, bobs};
use crate::world::{Page, VOICE, World, header};

const NEXT: &str = "https://app.example/next";

/// Bob called, and is asked to call Carol elsewhere; gives his dialog and the REFER.
fn referred(seed: u64) -> (World, Dialog, String) {
    let mut world = bobs(World::new(seed));
    let refer = "<Refer action='/next'><Sip>sip:carol@pbx.example?X-Reason=a%20b</Sip></Refer>";
    world.web.page(VOICE, Page::xml(refer));
    world.web.page(NEXT, Page::xml("<Say>Next</Say><Pause length='30'/>"));
    let bob = bob_calls(&mut world, "b1");
    let refer = world.expect("raw", "REFER");
    (world, bob, refer)
}

/// What the action was told.
fn told(world: &World, name: &str) -> String {
    world.web.parameter(NEXT, name).join(" ")
}

fn reports(world: &mut World, bob: &mut Dialog, state: &str, line: &str) {
    bob.cseq += 1;
    let headers = format!(
        "Event: refer\r\nSubscription-State: {state}\r\n\
         Content-Type: message/sipfrag;version=2.0\r\n"
    );
    bob.send(world, "NOTIFY", &headers, &format!("SIP/2.0 {line}\r\n"));
    world.expect("raw", "SIP/2.0 200");
}

#[test]
fn the_callers_phone_goes_elsewhere_and_the_action_hears_of_it() {
    let (mut world, mut bob, refer) = referred(1);
    assert_eq!(header(&refer, "Refer-To"), "<sip:carol@pbx.example?X-Reason=a%20b>");
    assert_eq!(header(&refer, "Referred-By"), "<sip:500@office.localhost>");
    assert!(header(&refer, "Contact").starts_with("<sip:"), "{refer}");
    answer_by(&mut world, "raw", &refer, "202 Accepted", "b", false);
    reports(&mut world, &mut bob, "active;expires=60", "100 Trying");
    assert!(!world.web.urls().contains(&NEXT));
    reports(&mut world, &mut bob, "terminated;reason=noresource", "200 OK");
    world.seconds(1);
    assert_eq!(told(&world, "ReferCallStatus"), "in-progress");
    assert_eq!(told(&world, "ReferSipResponseCode"), "202");
    assert_eq!(told(&world, "NotifySipResponseCode"), "200");
    assert_eq!(told(&world, "ReferSipCallId"), "b1");
    bob.request(&mut world, "BYE", "");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed"]);
}

#[test]
fn each_way_that_it_can_fail_has_its_word() {
    for (seed, report, status, code) in [
        (2, "486 Busy Here", "busy", "486"),
        (3, "480 Temporarily Unavailable", "no-answer", "480"),
        (4, "404 Not Found", "failed", "404"),
    ] {
        let (mut world, mut bob, refer) = referred(seed);
        answer_by(&mut world, "raw", &refer, "202 Accepted", "b", false);
        reports(&mut world, &mut bob, "terminated;reason=noresource", report);
        world.seconds(1);
        assert_eq!(told(&world, "ReferCallStatus"), status);
        assert_eq!(told(&world, "NotifySipResponseCode"), code);
        assert_eq!(world.calls(), 1, "the document goes on");
        bob.request(&mut world, "BYE", "");
        world.end();
    }
}

#[test]
fn a_phone_that_takes_no_refer_stays() {
    let (mut world, mut bob, refer) = referred(5);
    answer_by(&mut world, "raw", &refer, "405 Method Not Allowed", "b", false);
    world.seconds(1);
    assert_eq!(told(&world, "ReferCallStatus"), "failed");
    assert_eq!(told(&world, "ReferSipResponseCode"), "405");
    assert_eq!(told(&world, "NotifySipResponseCode"), "");
    // A report after that is nobody's.
    bob.request(&mut world, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n");
    world.expect("raw", "SIP/2.0 481");
    bob.request(&mut world, "BYE", "");
    world.end();
}

#[test]
fn a_phone_that_lets_go_at_once_is_taken_for_gone() {
    let (mut world, mut bob, refer) = referred(6);
    answer_by(&mut world, "raw", &refer, "202 Accepted", "b", false);
    bob.request(&mut world, "BYE", "");
    world.end();
    assert_eq!(told(&world, "ReferCallStatus"), "canceled");
    assert_eq!(told(&world, "ReferSipResponseCode"), "202");
}

#[test]
fn a_phone_that_never_reports_does_not_hold_the_call() {
    let (mut world, mut bob, refer) = referred(7);
    answer_by(&mut world, "raw", &refer, "202 Accepted", "b", false);
    world.seconds(185);
    assert_eq!(told(&world, "ReferCallStatus"), "no-answer");
    bob.request(&mut world, "BYE", "");
    world.end();
}

#[test]
fn a_challenged_refer_is_not_sent_with_anybodys_password() {
    let (mut world, mut bob, refer) = referred(8);
    answer_by(&mut world, "raw", &refer, "401 Unauthorized", "b", false);
    world.seconds(1);
    assert_eq!(told(&world, "ReferSipResponseCode"), "401");
    assert_eq!(world.raw("raw").all("REFER").len(), 1);
    bob.request(&mut world, "BYE", "");
    world.end();
}
