//! Who may, and which way messages go: challenges, NAT, grammar, routes, loops.

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{OWN_NUMBER, World, header};
use crate::{HOME, US, answer, back, branch, calls, dialled, number, office, within};

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
