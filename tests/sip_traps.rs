//! The traps of interoperation in which SIP elements are caught, each a test named after it: a
//! whole exchange in virtual time, and a peer that speaks scripted bytes.

#[path = "sim/world/mod.rs"]
mod world;

use world::raw::{Rest, digest, parameter};
use world::{OWN_NUMBER, Page, VOICE, World, header, respond};

const US: &str = "sip:+12223331234@192.0.2.1";
const HOME: &str = "sip:192.0.2.1:5060";

/// A raw peer and Alice's phone, and what the handler of all calls says.
fn office(document: &str) -> World {
    let mut world = World::new(1);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    world.web.page(VOICE, Page::xml(document));
    world
}

/// Alice dials out; gives the INVITE that the raw peer got.
fn dialled(attributes: &str) -> (World, String) {
    let mut world =
        office(&format!("<Dial callerId='{OWN_NUMBER}' {attributes}>+14155551212</Dial>"));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    (world, invite)
}

/// The raw peer calls our number.
fn calls(world: &mut World, headers: &str, sdp: bool) -> String {
    let body = if sdp { world.raw("raw").sdp("sendrecv") } else { String::new() };
    let invite =
        world.request("raw", "INVITE", US, "r1", &Rest { headers, body: &body, ..Rest::default() });
    world.say("raw", &invite);
    invite
}

/// The raw peer calls our number and is answered; gives the 200.
fn talks(headers: &str, document: &str) -> (World, String) {
    let mut world = office(document);
    calls(&mut world, headers, true);
    let ok = world.expect("raw", "SIP/2.0 200");
    within(&mut world, &ok, "ACK", 1, "", "");
    world.seconds(1);
    (world, ok)
}

/// A request of the raw peer in the dialog of its own call.
fn within(world: &mut World, response: &str, method: &str, cseq: u32, headers: &str, body: &str) {
    let to = header(response, "To");
    let rest = Rest { to: &to, cseq, headers, body, ..Rest::default() };
    let request = world.request("raw", method, HOME, "r1", &rest);
    world.say("raw", &request);
}

/// A request of the raw peer in the dialog that our INVITE began with its tag.
fn back(world: &mut World, invite: &str, tag: &str, method: &str, cseq: u32, body: &str) {
    let to = header(invite, "From");
    let from = "sip:+14155551212@198.51.100.1";
    let rest = Rest { from, to: &to, cseq, body, ..Rest::default() };
    let request = world.request("raw", method, HOME, tag, &rest);
    let call_id = header(invite, "Call-ID");
    world.say("raw", &request.replace(&format!("Call-ID: {tag}"), &format!("Call-ID: {call_id}")));
}

/// The raw peer answers a request, as the fork with that tag.
fn answer(world: &mut World, request: &str, line: &str, tag: &str, headers: &str, sdp: bool) {
    let peer = world.raw("raw");
    let body = if sdp { peer.sdp("sendrecv") } else { String::new() };
    let text = respond(request, line, peer.local, headers, &body);
    let text = text.replace(";tag=raw", &format!(";tag={tag}"));
    world.say("raw", &text);
}

/// The statuses of the responses that a phone got to its INVITE, those of 100 left out.
fn told(world: &World, phone: &str) -> Vec<(String, String)> {
    let ip = world.ip(phone);
    let mut told = Vec::new();
    for (_, _, to, bytes) in &world.sent {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let invite = text.starts_with("SIP/2.0 ") && header(&text, "CSeq").ends_with("INVITE");
        if to.ip() == ip && invite && !text.starts_with("SIP/2.0 100") {
            let tag = header(&text, "To").split("tag=").nth(1).unwrap_or_default().to_owned();
            told.push((text[8..11].to_owned(), tag));
        }
    }
    told
}

fn finals(world: &World, phone: &str) -> Vec<String> {
    let told = told(world, phone).into_iter().map(|(status, _)| status);
    let mut finals: Vec<String> =
        told.filter(|status| !status.starts_with('1') && status != "401").collect();
    finals.dedup();
    finals
}

fn branch(request: &str) -> String {
    let via = header(request, "Via");
    via.split("branch=").nth(1).unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

fn line(description: &str, start: &str) -> String {
    description.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
}

fn number(request: &str) -> u32 {
    let cseq = header(request, "CSeq");
    cseq.split(' ').next().and_then(|number| number.parse().ok()).expect("a CSeq")
}

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

const RING: &str = "<Dial answerOnBridge='true'><Sip>sip:alice@office.localhost</Sip></Dial>";

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

#[test]
fn trap_11_challenges_are_met_in_a_new_transaction_of_the_same_call() {
    let mut world = office(
        "<Dial answerOnBridge='true'><Sip username='u' password='p'>sip:bob@198.51.100.1</Sip></Dial>",
    );
    world.dial("alice", "500");
    let first = world.expect("raw", "INVITE");
    let challenges = "WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=MD5, qop=\"auth\"\r\n\
         WWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n\
         Proxy-Authenticate: Digest realm=\"p\", nonce=\"m\", algorithm=MD5\r\n";
    answer(&mut world, &first, "401 Unauthorized", "x", challenges, false);
    world.expect("raw", "ACK");
    let second = world.expect("raw", "INVITE");
    assert!(header(&second, "Authorization").contains("SHA-256"), "the stronger one");
    assert!(header(&second, "Proxy-Authorization").contains("realm=\"p\""), "several at once");
    assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
    assert_eq!(header(&second, "From"), header(&first, "From"));
    assert_ne!(branch(&second), branch(&first));
    assert_eq!(number(&second), number(&first) + 1);
    let reliable = "Require: 100rel\r\nRSeq: 1\r\n";
    answer(&mut world, &second, "183 Session Progress", "one", reliable, true);
    let prack = world.expect("raw", "PRACK");
    assert_eq!(header(&prack, "RAck"), format!("1 {} INVITE", number(&second)));
    answer(&mut world, &prack, "200 OK", "one", "", false);
    answer(&mut world, &second, "486 Busy Here", "one", "", false);
    world.end();

    // The other side: hexadecimal counts, none of them twice.
    let mut world = office("<Say>Hi</Say>");
    let (uri, who) = ("sip:office.localhost", "sip:bob@office.localhost");
    let to = format!("<{who}>");
    let mut cseq = 0;
    let mut register = |world: &mut World, headers: &str| {
        cseq += 1;
        let rest = Rest { from: who, to: &to, cseq, headers, ..Rest::default() };
        let request = world.request("raw", "REGISTER", uri, "reg", &rest);
        world.say("raw", &request);
        world.expect("raw", "SIP/2.0 ")
    };
    let challenge = register(&mut world, "");
    let nonce = parameter(&challenge, "nonce");
    let login = digest("office.localhost", &nonce, "bob", "Secret-of-bob-1", "REGISTER", uri, "c");
    let accepted = register(&mut world, &format!("Authorization: {login}\r\n"));
    assert!(accepted.starts_with("SIP/2.0 200"), "{accepted}");
    let replayed = register(&mut world, &format!("Authorization: {login}\r\n"));
    assert!(replayed.starts_with("SIP/2.0 401"), "a count is good once: {replayed}");
    assert!(replayed.contains("stale=true"), "the password was right");
}

#[test]
fn trap_12_answers_and_requests_go_back_the_way_that_works() {
    let mut world = office("<Say>Hi</Say><Pause length='5'/>");
    let sdp = world.raw("raw").sdp("sendrecv");
    let rest = Rest { body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", US, "r1", &rest);
    // Behind a translator: neither Via nor Contact can be reached.
    let invite = invite
        .replace("UDP 198.51.100.1:5060", "UDP 10.9.8.7:5099;rport")
        .replace("<sip:raw@198.51.100.1:5060>", "<sip:raw@phone.invalid;transport=udp>");
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    let via = header(&ok, "Via");
    assert!(via.contains("received=198.51.100.1") && via.contains("rport=5060"), "{via}");
    within(&mut world, &ok, "ACK", 1, "", "");
    world.seconds(10);
    let bye = world.expect("raw", "BYE");
    assert!(bye.starts_with("BYE sip:raw@phone.invalid;transport=udp "), "over the flow: {bye}");
    answer(&mut world, &bye, "200 OK", "x", "", false);
    world.end();
}

#[test]
fn trap_13_all_that_the_grammar_allows_is_read() {
    let mut world = office("<Say>Hi</Say><Pause length='600'/>");
    let sdp = world.raw("raw").sdp("sendrecv");
    let text = format!(
        "INVITE {US} SIP/2.0\r\nv : SIP/2.0/UDP 198.51.100.1:5060 ;branch=z9hG4bKr1\r\n\
         Max-Forwards:70\r\nf: \"a, <sip:eve@evil>; b\\\"\" \r\n <sip:+14155550199@198.51.100.9>;tag=r1\r\n\
         t: {US}\r\ni : r1\r\nCSeq:\t1  INVITE\r\nm: <sip:raw@198.51.100.1:5060>\r\n\
         k: timer\r\n ,100rel\r\nc: application/sdp\r\n\r\n{sdp}"
    );
    world.say("raw", &text);
    let ok = world.expect("raw", "SIP/2.0 200");
    assert!(header(&ok, "t").contains(";tag="), "an addr-spec got its tag");
    assert_eq!(world.rows.leg(0).from, "+14155550199", "not the name's");
    let to = header(&ok, "t");
    let rest = Rest { to: &to, ..Rest::default() };
    let ack = world.request("raw", "ACK", HOME, "r1", &rest);
    world.say("raw", &ack);
    let rest = Rest { to: &to, cseq: 2, ..Rest::default() };
    let bye = world.request("raw", "BYE", HOME, "r1", &rest);
    world.say("raw", &bye.replace("Content-Length: 0\r\n", ""));
    world.expect("raw", "SIP/2.0 200");
    world.end();
    // Two lengths that differ are a trick.
    let twice = world.request("raw", "OPTIONS", US, "two", &Rest::default());
    world.say("raw", &twice.replace("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 4"));
    world.expect("raw", "SIP/2.0 400");
}

#[test]
fn trap_14_the_route_is_that_of_the_answer_and_stays() {
    let (mut world, invite) = dialled("answerOnBridge='true'");
    let early = "Record-Route: <sip:198.51.100.1:5060;lr;x=early>\r\n";
    answer(&mut world, &invite, "180 Ringing", "one", early, false);
    let last = "Record-Route: <sip:far.example;lr=on>, <sip:198.51.100.1:5060>\r\n";
    answer(&mut world, &invite, "200 OK", "one", last, true);
    let ack = world.expect("raw", "ACK");
    // The nearest is a strict router: it gets itself in front and the target last.
    assert!(ack.starts_with("ACK sip:198.51.100.1:5060 SIP/2.0"), "{ack}");
    assert_eq!(header(&ack, "Route"), "<sip:far.example;lr=on>");
    assert!(ack.contains("Route: <sip:raw@198.51.100.1:5060>"));
    world.seconds(1);
    // A re-INVITE moves the target and not the route.
    let sdp = world.raw("raw").sdp("sendrecv");
    let to = header(&invite, "From");
    let from = "sip:+14155551212@198.51.100.1";
    let headers = "Record-Route: <sip:elsewhere.example;lr>\r\n";
    let rest = Rest { from, to: &to, cseq: 50, headers, body: &sdp, ..Rest::default() };
    let request = world.request("raw", "INVITE", HOME, "one", &rest);
    let call_id = format!("Call-ID: {}", header(&invite, "Call-ID"));
    let request = request.replace("Call-ID: one", &call_id).replace("<sip:raw@", "<sip:moved@");
    world.say("raw", &request);
    world.expect("raw", "SIP/2.0 200");
    back(&mut world, &invite, "one", "ACK", 50, "");
    world.seconds(1);
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    assert!(bye.contains("Route: <sip:moved@198.51.100.1:5060>"), "{bye}");
    assert!(bye.contains("Route: <sip:far.example;lr=on>") && !bye.contains("elsewhere"));
    answer(&mut world, &bye, "200 OK", "one", "", false);
    world.end();
}

#[test]
fn trap_15_loops_are_cut_and_nothing_is_met_by_silence() {
    let mut world = office("<Say>Hi</Say><Pause length='600'/>");
    let invite = calls(&mut world, "", true);
    world.say("raw", &invite.replace("z9hG4bKr1", "z9hG4bKother"));
    world.expect("raw", "SIP/2.0 482");
    let odd: [(&str, &str, &str, &str); 7] = [
        ("INVITE", "Max-Forwards: 70", "Max-Forwards: 0", "483"),
        ("INVITE", "Contact", "Require: teleport\r\nContact", "420"),
        ("INVITE", "Contact", "Content-Encoding: gzip\r\nContact", "415"),
        ("PUBLISH", "Contact", "Contact", "403"),
        ("DANCE", "Contact", "Contact", "501"),
        ("OPTIONS", " SIP/2.0\r\n", " SIP/7.0\r\n", "505"),
        ("BYE", "Contact", "Contact", "481"),
    ];
    for (at, (method, from, to, status)) in odd.into_iter().enumerate() {
        let request = world.request("raw", method, US, &format!("odd{at}"), &Rest::default());
        world.say("raw", &request.replacen(from, to, 1));
        let reply = loop {
            let reply = world.expect("raw", "SIP/2.0 ");
            if header(&reply, "Call-ID") == format!("odd{at}") && !reply.starts_with("SIP/2.0 100")
            {
                break reply;
            }
        };
        assert_eq!(&reply[8..11], status, "{method} {to}");
    }

    // Hops are counted across us.
    let mut world = office(&format!("<Dial callerId='{OWN_NUMBER}'>+14155551212</Dial>"));
    calls(&mut world, "", true);
    let onward = world.expect("raw", "INVITE");
    assert_eq!(header(&onward, "Max-Forwards"), "69");
    // Our own INVITE, come back unchanged, is a loop.
    world.say(
        "raw",
        &onward.replacen("Via: ", "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKp\r\nVia: ", 1),
    );
    loop {
        let reply = world.expect("raw", "SIP/2.0 ");
        if header(&reply, "Call-ID") == header(&onward, "Call-ID") {
            assert!(reply.starts_with("SIP/2.0 482"), "{reply}");
            break;
        }
    }
}
