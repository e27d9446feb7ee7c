//! What is agreed on, again and again: glare, hold, reliable ringing, session timers.

use crate::world::header;
use crate::world::raw::Rest;
use crate::{RING, US, answer, back, calls, dialled, line, number, office, talks, within};

#[test]
fn trap_06_offers_that_meet_are_refused_and_made_again() {
    let (mut world, invite) = dialled("answerOnBridge='true'");
    let timer = "Session-Expires: 90;refresher=uac\r\nAllow: INVITE, ACK, BYE\r\n";
    answer(&mut world, &invite, "200 OK", "one", timer, true);
    world.expect("raw", "ACK");
    world.seconds(46);
    let ours = world.expect("raw", "INVITE");
    let sdp = world.raw("raw").sdp("sendrecv");
    back(&mut world, &invite, "one", "INVITE", 70, &sdp);
    world.expect("raw", "SIP/2.0 491");
    answer(&mut world, &ours, "491 Request Pending", "one", "", false);
    world.expect("raw", "ACK");
    let met = world.now;
    let again = world.expect("raw", "INVITE");
    let waited = (world.now - met).as_millis();
    assert!((2_000..4_200).contains(&waited), "we own the Call-ID: {waited}");
    assert!(number(&again) > number(&ours));
    answer(&mut world, &again, "488 Not Acceptable Here", "one", "", false);
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"), "the old session goes on");
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "one", "", false);
    world.end();
}

#[test]
fn trap_07_hold_is_complemented_and_descriptions_are_our_own() {
    let (mut world, ok) = talks("", "<Say>Hi</Say><Pause length='600'/>");
    let mut last = line(&ok, "o=");
    let offers = [
        ("sendonly", "a=recvonly", true),
        ("inactive", "a=inactive", true),
        ("sendrecv", "a=sendrecv", true),
        ("sendrecv", "a=sendrecv", false),
    ];
    for (cseq, (direction, answered, changed)) in (2..).zip(offers) {
        let sdp = world.raw("raw").sdp(direction);
        within(&mut world, &ok, "INVITE", cseq, "", &sdp);
        let reply = world.expect("raw", "SIP/2.0 200");
        within(&mut world, &ok, "ACK", cseq, "", "");
        assert!(reply.contains(answered), "{direction}: {reply}");
        assert_eq!(line(&reply, "o=") != last, changed, "{direction}: the version counts changes");
        assert!(line(&reply, "o=").starts_with("o=offhook "), "never an echo");
        last = line(&reply, "o=");
    }
    // Hold as it was before there were directions.
    let sdp = world.raw("raw").sdp("sendrecv").replace("c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0");
    within(&mut world, &ok, "INVITE", 9, "", &sdp);
    let reply = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 9, "", "");
    assert!(reply.contains("a=recvonly"), "{reply}");
    within(&mut world, &ok, "INVITE", 10, "", "");
    let reply = world.expect("raw", "SIP/2.0 200");
    assert!(reply.contains("m=audio"), "an INVITE without a description gets an offer");
    let sdp = world.raw("raw").sdp("sendrecv");
    within(&mut world, &ok, "ACK", 10, "", &sdp);
    within(&mut world, &ok, "BYE", 11, "", "");
    world.expect("raw", "SIP/2.0 200");
    world.end();
}

#[test]
fn trap_08_reliable_ringing_is_repeated_until_its_prack() {
    let mut world = office(RING);
    calls(&mut world, "Require: 100rel\r\n", true);
    let ringing = world.expect("raw", "SIP/2.0 180");
    assert_eq!(header(&ringing, "Require"), "100rel");
    let began = world.now;
    let mut times = Vec::new();
    for _ in 0..3 {
        world.expect("raw", "SIP/2.0 180");
        times.push((world.now - began).as_millis() / 100);
    }
    assert_eq!(times, [5, 15, 35], "T1 and its doubles");
    let rseq = header(&ringing, "RSeq");
    for (cseq, rack, status) in [(2, "1 1 INVITE", "481"), (3, &*format!("{rseq} 1 INVITE"), "200")]
    {
        within(&mut world, &ringing, "PRACK", cseq, &format!("RAck: {rack}\r\n"), "");
        let reply = world.expect("raw", "SIP/2.0 ");
        assert_eq!(&reply[8..11], status, "{rack}");
    }
    world.seconds(10);
    let before = world.raw("raw").all("SIP/2.0 180").len();
    assert_eq!(before, 4, "the PRACK stopped it");
    world.answer("alice");
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "", "");
    within(&mut world, &ok, "BYE", 4, "", "");
    world.end();

    let mut world = office(RING);
    calls(&mut world, "Require: 100rel\r\n", true);
    world.expect("raw", "SIP/2.0 180");
    let rest = Rest { branch: "r1-INVITE-1", ..Rest::default() };
    let cancel = world.request("raw", "CANCEL", US, "r1", &rest);
    world.say("raw", &cancel);
    let refused = world.expect("raw", "SIP/2.0 487");
    within(&mut world, &refused, "ACK", 1, "", "");
    let before = world.raw("raw").all("SIP/2.0 180").len();
    world.end();
    assert_eq!(world.raw("raw").all("SIP/2.0 180").len(), before, "CANCEL stopped it");
}

#[test]
fn trap_10_sessions_are_kept_alive_and_the_dead_are_ended() {
    // Too short, both ways.
    let mut world = office("<Say>Hi</Say><Pause length='600'/>");
    calls(&mut world, "Supported: timer\r\nSession-Expires: 30\r\n", true);
    let refused = world.expect("raw", "SIP/2.0 422");
    assert_eq!(header(&refused, "Min-SE"), "90");

    let (mut world, invite) = dialled("answerOnBridge='true'");
    assert!(header(&invite, "Supported").contains("timer"));
    answer(&mut world, &invite, "422 Session Interval Too Small", "x", "Min-SE: 3600\r\n", false);
    world.expect("raw", "ACK");
    let longer = world.expect("raw", "INVITE");
    assert_eq!(header(&longer, "Session-Expires"), "3600");
    assert_eq!(header(&longer, "Min-SE"), "3600");
    assert_eq!(header(&longer, "Call-ID"), header(&invite, "Call-ID"));
    let agreed = "Session-Expires: 90;refresher=uac\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n";
    answer(&mut world, &longer, "200 OK", "one", agreed, true);
    world.expect("raw", "ACK");
    for _ in 0..2 {
        world.seconds(44);
        let update = world.expect("raw", "UPDATE");
        assert_eq!(header(&update, "Content-Length"), "0");
        assert_eq!(header(&update, "Session-Expires"), "90;refresher=uac", "the role is kept");
        assert!(header(&update, "Supported").contains("timer"));
        answer(&mut world, &update, "200 OK", "one", agreed, false);
    }
    world.seconds(44);
    let update = world.expect("raw", "UPDATE");
    answer(&mut world, &update, "481 Gone", "one", "", false);
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "one", "", false);
    world.end();

    // Whoever promised to refresh and does not is hung up a third before the end.
    let session = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    let (mut world, ok) = talks(session, "<Say>Hi</Say><Pause length='600'/>");
    assert_eq!(header(&ok, "Session-Expires"), "90;refresher=uac");
    assert_eq!(header(&ok, "Require"), "timer");
    world.seconds(57);
    assert!(world.raw("raw").all("BYE").is_empty());
    world.seconds(3);
    assert!(!world.raw("raw").all("BYE").is_empty());
}
