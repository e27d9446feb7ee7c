//! Who may transfer and take calls over, at whose expense, and for how long.

use crate::transfer::{
    BOB, Dialog, alice_talks_with_bob, answer_by, bob_calls, bobs, login, reports,
};
use crate::world::raw::Rest;
use crate::world::{NUMBER, Office, Page, Pickup, VOICE, World, header};

const TRUNK: &str = "198.51.100.1:5060";
const TO_BOB: &str = "<Dial><Sip>sip:bob@office.localhost</Sip></Dial>";
const TO_CAROL: &str = "<Dial><Sip>sip:carol@office.localhost</Sip></Dial>";

/// Bob's phone and the trunk, in a domain where so many calls may go out, if any by transfer.
fn world(seed: u64, transfer_out: bool, calls: u32) -> World {
    let directory = Office::new()
        .change(|directory| {
            for domain in directory.domains.values_mut() {
                domain.transfer_out = transfer_out;
                domain.caps.calls = calls;
            }
        })
        .build();
    let mut world = bobs(World::with(seed, directory, false));
    world.peer("trunk", TRUNK);
    world
}

/// Somebody calls in by the trunk and Bob takes it: his dialog, and that of the far end.
fn the_trunk_calls_bob(world: &mut World, name: &str) -> (Dialog, Dialog) {
    let uri = format!("sip:{NUMBER}@192.0.2.1");
    let sdp = world.raw("trunk").sdp("sendrecv");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("trunk", "INVITE", &uri, name, &rest);
    world.say("trunk", &invite);
    let bobs = world.expect("raw", "INVITE");
    answer_by(world, "raw", &bobs, "200 OK", name, true);
    let ok = world.expect("trunk", "SIP/2.0 200");
    let to = header(&ok, "To");
    let ack = Rest { to: &to, ..Rest::default() };
    let ack = world.request("trunk", "ACK", "sip:192.0.2.1:5060", name, &ack);
    world.say("trunk", &ack);
    world.expect("raw", "ACK");
    world.seconds(1);
    (Dialog::called(&bobs, name), Dialog { who: "trunk", ..Dialog::calling(&ok) })
}

/// What the REFER of a dialog gets.
fn refers(world: &mut World, dialog: &mut Dialog, to: &str) -> String {
    dialog.request(world, "REFER", &format!("Refer-To: <{to}>\r\n"));
    loop {
        let reply = world.expect(dialog.who, "SIP/2.0 ");
        if header(&reply, "CSeq").ends_with("REFER") {
            return reply[8..11].to_owned();
        }
    }
}

/// Bob's INVITE in the place of a dialog, sent with his login; gives its final answer.
fn replaces(world: &mut World, name: &str, header_fields: &str) -> String {
    let (uri, to) = ("sip:500@office.localhost", "<sip:500@office.localhost>");
    let sdp = world.raw("raw").sdp("sendrecv").replace("40000", "40010");
    let rest = Rest { from: BOB, to, headers: header_fields, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, name, &rest);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = header_fields.to_owned() + &login(&challenge, "INVITE", uri);
    let rest = Rest { cseq: 2, headers: &headers, ..rest };
    let invite = world.request("raw", "INVITE", uri, name, &rest);
    world.say("raw", &invite);
    loop {
        let answer = world.expect("raw", "SIP/2.0 ");
        if header(&answer, "CSeq") == "2 INVITE" && !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}

/// The Replaces header of a dialog.
fn naming(dialog: &Dialog) -> String {
    let value = dialog.replaces().replace("%3B", ";").replace("%3D", "=");
    value.replacen("Replaces=", "Replaces: ", 1)
}

/// The ACK of the 200 to [`replaces`].
fn acknowledges(world: &mut World, name: &str, ok: &str) -> Dialog {
    let to = header(ok, "To");
    let rest = Rest { from: BOB, to: &to, cseq: 2, ..Rest::default() };
    let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", name, &rest);
    world.say("raw", &ack);
    world.seconds(1);
    Dialog::calling(ok)
}

#[test]
pub fn a_trunks_far_end_stays_a_stranger_in_a_phones_call() {
    let mut world = world(1, true, 0);
    world.web.page(VOICE, Page::xml(TO_BOB));
    world.web.page(VOICE, Page::xml(TO_CAROL));
    world.phone("carol");
    world.answers_after("carol", 1);
    let (first, mut far) = the_trunk_calls_bob(&mut world, "t1");
    assert_eq!(refers(&mut world, &mut far, "sip:carol@office.localhost"), "403");
    let mut second = bob_calls(&mut world, "b2");
    world.seconds(2);
    assert_eq!(refers(&mut world, &mut second, &format!("{BOB}?{}", first.replaces())), "202");
    world.seconds(2);
    assert!(world.talk_together("trunk", "carol"), "Bob put them through");
    for target in ["tel:+14155551212", "sip:+14155551212@office.localhost", BOB] {
        assert_eq!(refers(&mut world, &mut far, target), "403", "{target}");
    }
    assert!(world.raw("trunk").all("INVITE").is_empty(), "nobody is called at our expense");
    assert!(world.talk_together("trunk", "carol"));
}

#[test]
fn a_phone_that_takes_a_trunks_call_over_keeps_its_rights() {
    let mut world = world(2, false, 0);
    world.web.page(VOICE, Page::xml(TO_BOB));
    world.phone("carol");
    world.answers_after("carol", 1);
    let (first, _) = the_trunk_calls_bob(&mut world, "t1");
    let ok = replaces(&mut world, "b2", &format!("{}\r\n", naming(&first)));
    let mut taken = acknowledges(&mut world, "b2", &ok);
    assert_eq!(header(&world.expect("raw", "BYE"), "Call-ID"), first.call_id);
    assert!(world.talk_together("trunk", "raw"));
    assert_eq!(refers(&mut world, &mut taken, "sip:carol@office.localhost"), "202");
    world.seconds(2);
    assert!(world.talk_together("trunk", "carol"));
}

#[test]
fn a_transfer_goes_out_only_where_the_domain_says_so() {
    for (transfer_out, status) in [(false, "403"), (true, "202")] {
        for target in ["tel:+14155551212", "sip:+14155551212@office.localhost"] {
            let mut world = world(3, transfer_out, 0);
            world.web.page(VOICE, Page::xml(TO_BOB));
            let (mut bob, _) = the_trunk_calls_bob(&mut world, "t1");
            assert_eq!(refers(&mut world, &mut bob, target), status, "{target}");
            world.seconds(1);
            let called = world.raw("trunk").all("INVITE").len();
            assert_eq!(called > 0, transfer_out, "{target}");
            for foreign in [
                "sip:eve@evil.example",
                "sip:eve@evil.example;x=@office.localhost",
                "sip:eve@office.localhost.evil.example",
            ] {
                let status = refers(&mut world, &mut bob, foreign);
                assert!(matches!(&*status, "400" | "403" | "491"), "{status} {foreign}");
            }
        }
    }
}

#[test]
fn transfers_out_count_for_the_user_who_transfers() {
    let mut world = world(4, true, 1);
    world.web.page(VOICE, Page::xml(TO_BOB));
    let (mut bob, _) = the_trunk_calls_bob(&mut world, "t1");
    assert_eq!(refers(&mut world, &mut bob, "tel:+14155551212"), "202");
    let out = world.expect("trunk", "INVITE");
    answer_by(&mut world, "trunk", &out, "200 OK", "out", true);
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 200 OK"));
    let bye = world.expect("raw", "BYE");
    answer_by(&mut world, "raw", &bye, "200 OK", "x", false);
    let (mut bob, _) = the_trunk_calls_bob(&mut world, "t2");
    assert_eq!(refers(&mut world, &mut bob, "tel:+14155551213"), "202");
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 503 Service Unavailable"));
    assert!(world.talk_together("trunk", "raw"), "they talk on");
}

#[test]
fn a_transfer_that_nobody_answers_ends_after_a_minute() {
    // Bob waits, and has his call back.
    let (mut world, mut bob) = alice_talks_with_bob(5);
    world.pickup("carol", Pickup::Never);
    assert_eq!(refers(&mut world, &mut bob, "sip:carol@office.localhost"), "202");
    for _ in 0..2 {
        let notify = world.expect("raw", "NOTIFY");
        answer_by(&mut world, "raw", &notify, "200 OK", "x", false);
    }
    world.seconds(57);
    assert!(world.raw("raw").all("NOTIFY").len() == 2 && world.rings("carol") == 1);
    assert_eq!(reports(&mut world), ["SIP/2.0 408 Request Timeout"]);
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    assert_eq!(world.rows.statuses(), ["in-progress", "in-progress", "no-answer"]);

    // Bob left early: nobody is left with whom to talk.
    let (mut world, mut bob) = alice_talks_with_bob(6);
    world.pickup("carol", Pickup::Never);
    assert_eq!(refers(&mut world, &mut bob, "sip:carol@office.localhost"), "202");
    bob.request(&mut world, "BYE", "");
    world.seconds(70);
    assert_eq!(world.calls(), 0);
}

#[test]
fn a_referrer_who_is_hung_up_gets_a_last_report() {
    let (mut world, mut bob) = alice_talks_with_bob(7);
    world.pickup("carol", Pickup::Never);
    assert_eq!(refers(&mut world, &mut bob, "sip:carol@office.localhost"), "202");
    world.seconds(1);
    world.tell(offhook::exchange::Input::Shutdown);
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 487 Request Terminated"));
    world.expect("raw", "BYE");
}

#[test]
fn only_an_early_call_is_taken_by_who_asks_for_that() {
    let (mut world, first) = alice_talks_with_bob(8);
    let early = format!("{};early-only\r\n", naming(&first));
    assert!(replaces(&mut world, "b2", &early).starts_with("SIP/2.0 486"), "RFC 3891 section 3");
    let twice = format!("{0}\r\n{0}\r\n", naming(&first));
    assert!(replaces(&mut world, "b3", &twice).starts_with("SIP/2.0 400"));
    let half = "Replaces: x;to-tag=y\r\n";
    assert!(replaces(&mut world, "b4", half).starts_with("SIP/2.0 400"));
    assert!(world.talk_together("alice", "raw"));
    assert!(world.raw("raw").all("BYE").is_empty());
}

#[test]
fn who_is_replaced_stays_until_the_other_confirms() {
    let (mut world, mut first) = alice_talks_with_bob(9);
    let ok = replaces(&mut world, "b2", &format!("{}\r\n", naming(&first)));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    // No ACK comes.
    world.seconds(5);
    assert!(world.raw("raw").all("BYE").is_empty(), "both are there");
    assert!(world.talk_together("alice", "raw"));
    world.seconds(35);
    let byes = world.raw("raw").all("BYE").into_iter().map(|bye| header(bye, "Call-ID"));
    let byes: std::collections::BTreeSet<String> = byes.collect();
    assert!(!byes.contains(&first.call_id), "{byes:?}");
    world.hang_up("alice");
    world.seconds(1);
    let bye = world.raw("raw").all("BYE").iter().any(|b| header(b, "Call-ID") == first.call_id);
    assert!(bye, "he has his place back");
    first.request(&mut world, "BYE", "");
}

#[test]
fn a_dial_that_ends_leaves_nobody_of_a_transfer_behind() {
    let mut world = world(10, false, 0);
    world.web.page(
        VOICE,
        Page::xml(&format!(
            "{}<Pause length='60'/>",
            TO_BOB.replace("<Dial", "<Dial timeLimit='9'")
        )),
    );
    world.phone("alice");
    world.phone("carol");
    world.pickup("carol", Pickup::Never);
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    answer_by(&mut world, "raw", &invite, "200 OK", "b", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    let mut bob = Dialog::called(&invite, "b");
    assert_eq!(refers(&mut world, &mut bob, "sip:carol@office.localhost"), "202");
    for _ in 0..2 {
        let notify = world.expect("raw", "NOTIFY");
        answer_by(&mut world, "raw", &notify, "200 OK", "x", false);
    }
    world.seconds(6);
    assert_eq!(reports(&mut world), ["SIP/2.0 487 Request Terminated"]);
    world.expect("raw", "BYE");
    assert_eq!(world.rows.statuses(), ["in-progress", "completed", "canceled"]);
}

#[test]
fn a_call_is_taken_by_another_phone_while_it_rings() {
    let mut world = world(11, false, 0);
    world.web.page(VOICE, Page::xml(TO_BOB));
    world.phone("alice");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    answer_by(&mut world, "raw", &invite, "180 Ringing", "b", false);
    world.seconds(1);
    let first = Dialog::called(&invite, "b");
    let ok = replaces(&mut world, "b2", &format!("{};early-only\r\n", naming(&first)));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    acknowledges(&mut world, "b2", &ok);
    let cancel = world.expect("raw", "CANCEL");
    assert_eq!(header(&cancel, "Call-ID"), first.call_id);
    answer_by(&mut world, "raw", &cancel, "200 OK", "b", false);
    answer_by(&mut world, "raw", &invite, "487 Request Terminated", "b", false);
    // Longer than the Dial lets a target ring.
    world.seconds(60);
    assert!(world.talk_together("alice", "raw"));
    world.hang_up("alice");
    assert_ne!(header(&world.expect("raw", "BYE"), "Call-ID"), first.call_id);
}
