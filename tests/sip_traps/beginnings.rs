//! How calls begin and are given up: CANCEL, forks, ACK, early dialogs.

use crate::world::header;
use crate::world::raw::Rest;
use crate::{
    RING, US, answer, back, branch, calls, dialled, finals, number, office, talks, told, within,
};

#[test]
fn trap_01_an_answer_crosses_the_cancel() {
    let (mut world, invite) = dialled("answerOnBridge='true'");
    answer(&mut world, &invite, "180 Ringing", "one", "", false);
    world.millis(100);
    world.hang_up("alice");
    let cancel = world.expect("raw", "CANCEL");
    let route = "Record-Route: <sip:198.51.100.1:5060;lr;x=edge>\r\n";
    answer(&mut world, &invite, "200 OK", "one", route, true);
    let ack = world.expect("raw", "ACK");
    let bye = world.expect("raw", "BYE");
    assert_eq!(header(&ack, "Route"), "<sip:198.51.100.1:5060;lr;x=edge>");
    assert_eq!(header(&bye, "Route"), header(&ack, "Route"), "the route set that it learnt");
    answer(&mut world, &cancel, "200 OK", "one", "", false);
    answer(&mut world, &bye, "200 OK", "one", "", false);
    world.end();
    assert_eq!(finals(&world, "alice"), ["487"], "one outcome");

    let (mut world, invite) = dialled("answerOnBridge='true'");
    answer(&mut world, &invite, "180 Ringing", "one", "", false);
    world.millis(100);
    world.hang_up("alice");
    let cancel = world.expect("raw", "CANCEL");
    answer(&mut world, &cancel, "200 OK", "one", "", false);
    for _ in 0..2 {
        answer(&mut world, &invite, "487 Request Terminated", "one", "", false);
        let ack = world.expect("raw", "ACK");
        assert_eq!(branch(&ack), branch(&invite), "each 487 is acknowledged");
    }
    world.end();
}

#[test]
fn trap_02_cancel_comes_after_a_provisional_and_is_known_by_its_branch() {
    let (mut world, invite) = dialled("answerOnBridge='true'");
    world.hang_up("alice");
    world.millis(400);
    assert!(world.raw("raw").all("CANCEL").is_empty(), "nothing was heard of the INVITE yet");
    answer(&mut world, &invite, "180 Ringing", "one", "", false);
    let cancel = world.expect("raw", "CANCEL");
    assert_eq!(branch(&cancel), branch(&invite));
    assert_eq!(cancel.split(' ').nth(1), invite.split(' ').nth(1), "the same Request-URI");
    assert_eq!(header(&cancel, "To"), header(&invite, "To"), "no To tag");
    assert_eq!(header(&cancel, "Route"), header(&invite, "Route"));
    // Nothing final comes: it ends at 64·T1 by itself.
    world.end();

    let mut world =
        office("<Dial answerOnBridge='true'><Sip>sip:alice@office.localhost</Sip></Dial>");
    let invite = calls(&mut world, "", true);
    world.expect("raw", "SIP/2.0 180");
    let cancel = world.request(
        "raw",
        "CANCEL",
        US,
        "r1",
        &Rest { branch: "r1-INVITE-1", ..Rest::default() },
    );
    assert_eq!(branch(&cancel), branch(&invite));
    // A translator changed the port that the sender names itself by.
    world.say("raw", &cancel.replace("UDP 198.51.100.1:5060", "UDP 198.51.100.1:5062;rport"));
    world.expect("raw", "SIP/2.0 200");
    let refused = world.expect("raw", "SIP/2.0 487");
    within(&mut world, &refused, "ACK", 1, "", "");
    world.end();
}

#[test]
fn trap_03_forks_are_dialogs_of_their_own_and_the_caller_sees_one() {
    let (mut world, invite) = dialled("answerOnBridge='true'");
    for (tag, rseq) in [("one", 3), ("two", 9)] {
        let reliable = format!("Require: 100rel\r\nRSeq: {rseq}\r\n");
        answer(&mut world, &invite, "183 Session Progress", tag, &reliable, true);
        let prack = world.expect("raw", "PRACK");
        assert!(header(&prack, "To").contains(&format!("tag={tag}")));
        assert_eq!(header(&prack, "RAck"), format!("{rseq} 1 INVITE"));
        answer(&mut world, &prack, "200 OK", tag, "", false);
    }
    answer(&mut world, &invite, "200 OK", "two", "", true);
    assert!(header(&world.expect("raw", "ACK"), "To").contains("tag=two"));
    answer(&mut world, &invite, "200 OK", "one", "", true);
    assert!(header(&world.expect("raw", "ACK"), "To").contains("tag=one"));
    let bye = world.expect("raw", "BYE");
    assert!(header(&bye, "To").contains("tag=one"), "the further one is hung up");
    answer(&mut world, &bye, "200 OK", "one", "", false);
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    let mut tags: Vec<String> =
        told(&world, "alice").into_iter().filter(|(s, _)| s != "401").map(|(_, tag)| tag).collect();
    tags.dedup();
    assert_eq!(tags.len(), 1, "{tags:?}");
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "two", "", false);
    world.end();
}

#[test]
fn trap_04_an_answer_is_acknowledged_at_once_and_on_every_repeat() {
    let (mut world, invite) = dialled("answerOnBridge='true'");
    let timer = "Session-Expires: 90;refresher=uac\r\nAllow: INVITE, ACK, BYE\r\n";
    answer(&mut world, &invite, "200 OK", "one", timer, true);
    let said = world.now;
    world.expect("raw", "ACK");
    assert!((world.now - said).as_millis() < 100, "the caller is not waited for");
    world.seconds(20);
    answer(&mut world, &invite, "200 OK", "one", timer, true);
    assert_eq!(number(&world.expect("raw", "ACK")), number(&invite));
    world.seconds(26);
    let renewed = world.expect("raw", "INVITE");
    answer(&mut world, &renewed, "200 OK", "one", timer, true);
    assert_eq!(number(&world.expect("raw", "ACK")), number(&renewed));
    answer(&mut world, &renewed, "200 OK", "one", timer, true);
    assert_eq!(number(&world.expect("raw", "ACK")), number(&renewed));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "one", "", false);
    world.end();

    // With a delayed offer the answer has to be in the ACK.
    let mut world = office("<Say>Hi</Say><Pause length='600'/>");
    calls(&mut world, "", false);
    let ok = world.expect("raw", "SIP/2.0 200");
    assert!(ok.contains("m=audio"), "an INVITE without a description gets an offer");
    within(&mut world, &ok, "ACK", 1, "", "");
    world.expect("raw", "BYE");
}

#[test]
fn trap_05_a_late_ack_confirms_nothing_newer() {
    let (mut world, ok) = talks("", "<Say>Hi</Say><Pause length='600'/>");
    let sdp = world.raw("raw").sdp("sendrecv");
    within(&mut world, &ok, "INVITE", 2, "", &sdp);
    world.expect("raw", "SIP/2.0 200");
    // That of the first INVITE, late.
    within(&mut world, &ok, "ACK", 1, "", "");
    world.seconds(3);
    let again = world.raw("raw").all("SIP/2.0 200");
    let again = again.iter().filter(|text| number(text) == 2).count();
    assert!(again >= 3, "the newer 200 is still repeated: {again}");
    world.seconds(32);
    assert_eq!(world.raw("raw").all("BYE").len().min(1), 1, "no ACK in 64·T1");
}

#[test]
fn trap_09_requests_in_early_dialogs_are_always_answered() {
    let mut world = office(RING);
    calls(&mut world, "", true);
    let ringing = world.expect("raw", "SIP/2.0 180");
    let sdp = world.raw("raw").sdp("sendrecv");
    let asked = [
        ("UPDATE", "", "200"),
        ("INFO", "", "200"),
        ("OPTIONS", "", "200"),
        ("UPDATE", &*sdp, "500"),
    ];
    for (cseq, (method, body, status)) in (2..).zip(asked) {
        within(&mut world, &ringing, method, cseq, "", body);
        let reply = world.expect("raw", "SIP/2.0 ");
        assert_eq!((&reply[8..11], number(&reply)), (status, cseq), "{method}");
        assert_eq!(header(&reply, "Retry-After").is_empty(), status == "200");
    }
    world.answer("alice");
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "", "");
    within(&mut world, &ok, "BYE", 9, "", "");
    world.end();

    // The callee of a call of ours may ask, too.
    let (mut world, invite) = dialled("answerOnBridge='true'");
    answer(&mut world, &invite, "180 Ringing", "one", "", false);
    let sdp = world.raw("raw").sdp("sendrecv");
    for (cseq, body, status) in [(1, "", "200"), (2, &*sdp, "491")] {
        back(&mut world, &invite, "one", "UPDATE", cseq, body);
        assert_eq!(&world.expect("raw", "SIP/2.0 ")[8..11], status);
    }
    answer(&mut world, &invite, "486 Busy Here", "one", "", false);
    world.end();
}
