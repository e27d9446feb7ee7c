//! Transfers: a phone of another make puts whom it talks with through to somebody else.

use crate::world::raw::{Rest, digest, parameter};
use crate::world::{OWN_NUMBER, Page, VOICE, World, header, respond};

const ME: &str = "192.0.2.99:5060";
pub const BOB: &str = "sip:bob@office.localhost";

/// Bob's phone is a raw peer, registered.
fn with_bob(seed: u64) -> World {
    bobs(World::new(seed))
}

/// Bob's phone in a world.
pub fn bobs(mut world: World) -> World {
    world.peer("raw", ME);
    let uri = "sip:office.localhost";
    let to = format!("<{BOB}>");
    let first = Rest { from: BOB, to: &to, headers: "Expires: 3600\r\n", ..Rest::default() };
    let request = world.request("raw", "REGISTER", uri, "reg", &first);
    world.say("raw", &request);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = format!("Expires: 3600\r\n{}", login(&challenge, "REGISTER", uri));
    let second = Rest { cseq: 2, headers: &headers, ..first };
    let request = world.request("raw", "REGISTER", uri, "reg", &second);
    world.say("raw", &request);
    world.expect("raw", "SIP/2.0 200");
    world
}

pub fn login(challenge: &str, method: &str, uri: &str) -> String {
    let nonce = parameter(challenge, "nonce");
    let login = digest("office.localhost", &nonce, "bob", "Secret-of-bob-1", method, uri, "raw");
    format!("Authorization: {login}\r\n")
}

fn answer(world: &mut World, request: &str, line: &str, tag: &str, sound: bool) {
    answer_by(world, "raw", request, line, tag, sound);
}

pub fn answer_by(world: &mut World, who: &str, request: &str, line: &str, tag: &str, sound: bool) {
    let peer = world.raw(who);
    let body = if sound { peer.sdp("sendrecv") } else { String::new() };
    let text = respond(request, line, peer.local, "", &body);
    world.say(who, &text.replace(";tag=raw", &format!(";tag={tag}")));
}

/// A dialog of Bob's, as his phone keeps it; or another peer's.
pub struct Dialog {
    pub who: &'static str,
    pub call_id: String,
    pub local: String,
    pub remote: String,
    pub cseq: u32,
}

impl Dialog {
    /// Of an INVITE that he answered with that tag.
    pub fn called(invite: &str, tag: &str) -> Dialog {
        let local = format!("{};tag={tag}", header(invite, "To"));
        let (call_id, remote) = (header(invite, "Call-ID"), header(invite, "From"));
        Dialog { who: "raw", call_id, local, remote, cseq: 10 }
    }

    /// Of an INVITE of his that we answered.
    pub fn calling(ok: &str) -> Dialog {
        let (local, remote) = (header(ok, "From"), header(ok, "To"));
        Dialog { who: "raw", call_id: header(ok, "Call-ID"), local, remote, cseq: 10 }
    }

    pub fn request(&mut self, world: &mut World, method: &str, headers: &str) {
        self.cseq += 1;
        self.send(world, method, headers, "");
    }

    /// A request with a body; with the CSeq of the last one, which an ACK has.
    pub fn send(&self, world: &mut World, method: &str, headers: &str, body: &str) {
        let me = world.raw(self.who).local;
        let Dialog { who, call_id, local, remote, cseq } = self;
        let length = body.len();
        world.say(
            who,
            &format!(
                "{method} sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{method}{call_id}{cseq}\r\n\
                 Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\n\
                 CSeq: {cseq} {method}\r\nContact: <sip:raw@{me}>\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            ),
        );
    }

    /// Offers a description, and takes the answer; gives that.
    pub fn offer(&mut self, world: &mut World, body: &str) -> String {
        self.cseq += 1;
        self.send(world, "INVITE", "Content-Type: application/sdp\r\n", body);
        let ok = world.expect(self.who, "SIP/2.0 200");
        self.send(world, "ACK", "", "");
        ok
    }

    /// As another's Refer-To names it.
    pub fn replaces(&self) -> String {
        let tag = |header: &str| header.split("tag=").nth(1).unwrap_or_default().to_owned();
        let (to, from) = (tag(&self.remote), tag(&self.local));
        format!("Replaces={}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}", self.call_id)
    }
}

/// The bodies of the reports that come until a final one.
pub fn reports(world: &mut World) -> Vec<String> {
    let mut reports = Vec::new();
    loop {
        let notify = world.expect("raw", "NOTIFY");
        assert!(header(&notify, "Event").starts_with("refer"), "{notify}");
        let line = notify.split("\r\n\r\n").nth(1).unwrap_or_default().trim().to_owned();
        answer(world, &notify, "200 OK", "x", false);
        let over = header(&notify, "Subscription-State").starts_with("terminated");
        assert_eq!(over, !line.starts_with("SIP/2.0 1"), "{notify}");
        reports.push(line);
        if over {
            return reports;
        }
    }
}

/// Alice calls, Bob takes it.
pub fn alice_talks_with_bob(seed: u64) -> (World, Dialog) {
    alice_talks_with_bob_and_then(seed, None)
}

/// The same, and the next call is answered by another document.
fn alice_talks_with_bob_and_then(seed: u64, next: Option<&str>) -> (World, Dialog) {
    let mut world = with_bob(seed);
    world.web.page(VOICE, Page::xml(&format!("<Dial><Sip>{BOB}</Sip></Dial>")));
    next.into_iter().for_each(|next| world.web.page(VOICE, Page::xml(next)));
    world.phone("alice");
    world.phone("carol");
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    answer(&mut world, &invite, "200 OK", "b", true);
    world.expect("raw", "ACK");
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    (world, Dialog::called(&invite, "b"))
}

/// Bob calls, through a document that dials; gives his dialog once he is answered.
pub fn bob_calls(world: &mut World, name: &str) -> Dialog {
    let (uri, to) = ("sip:500@office.localhost", "<sip:500@office.localhost>");
    let sdp = world.raw("raw").sdp("sendrecv");
    let first = Rest { from: BOB, to, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, name, &first);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = login(&challenge, "INVITE", uri);
    let second = Rest { cseq: 2, headers: &headers, ..first };
    let invite = world.request("raw", "INVITE", uri, name, &second);
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    let to = header(&ok, "To");
    let ack = Rest { from: BOB, to: &to, cseq: 2, ..Rest::default() };
    let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", name, &ack);
    world.say("raw", &ack);
    Dialog::calling(&ok)
}

#[test]
fn the_called_puts_the_caller_through() {
    let (mut world, mut bob) = alice_talks_with_bob(1);
    world.answers_after("carol", 2);
    bob.request(&mut world, "REFER", "Refer-To: <sip:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    let told = reports(&mut world);
    assert_eq!(told, ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "x", false);
    world.seconds(1);
    assert!(world.talk_together("alice", "carol"));
    assert!(!world.hears("alice", "raw"));
    world.hang_up("carol");
    world.end();
    assert_eq!(world.rows.statuses(), ["completed", "completed", "completed"]);
}

#[test]
fn the_caller_puts_the_called_through_and_leaves_early() {
    let mut world = with_bob(2);
    world.web.page(VOICE, Page::xml("<Dial><Sip>sip:alice@office.localhost</Sip></Dial>"));
    world.phone("alice");
    world.phone("carol");
    world.answers_after("alice", 1);
    world.answers_after("carol", 3);
    let mut bob = bob_calls(&mut world, "b1");
    world.seconds(2);
    assert!(world.talk_together("alice", "raw"));
    bob.request(&mut world, "REFER", "Refer-To: <sip:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    let notify = world.expect("raw", "NOTIFY");
    assert!(!header(&notify, "Contact").is_empty(), "{notify}");
    answer(&mut world, &notify, "200 OK", "x", false);
    bob.request(&mut world, "BYE", "");
    world.expect("raw", "SIP/2.0 200");
    world.seconds(1);
    assert!(
        world.heard("alice").iter().any(|heard| heard.contains("ring")),
        "{:?}",
        world.heard("alice")
    );
    // His subscription outlives his call (RFC 5057 section 4.1).
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 200 OK"), "{told:?}");
    world.seconds(1);
    assert!(world.talk_together("alice", "carol"));
    // Nothing is left of it: what comes now finds no dialog.
    bob.request(&mut world, "INFO", "");
    world.expect("raw", "SIP/2.0 481");
    world.hang_up("alice");
    world.end();
    assert_eq!(world.calls(), 0);
}

#[test]
fn whoever_left_by_a_transfer_that_fails_is_told_so() {
    let (mut world, mut bob) = alice_talks_with_bob(12);
    world.pickup("carol", crate::world::Pickup::Never);
    bob.request(&mut world, "REFER", "Refer-To: <sip:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    let notify = world.expect("raw", "NOTIFY");
    answer(&mut world, &notify, "200 OK", "x", false);
    bob.request(&mut world, "BYE", "");
    world.expect("raw", "SIP/2.0 200");
    world.seconds(2);
    world.hang_up("alice");
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 487 Request Terminated"));
    world.end();

    // One that knows nothing of its subscription any more is left alone.
    let (mut world, mut bob) = alice_talks_with_bob(13);
    world.answers_after("carol", 4);
    bob.request(&mut world, "REFER", "Refer-To: <sip:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    bob.request(&mut world, "BYE", "");
    for _ in 0..2 {
        let notify = world.expect("raw", "NOTIFY");
        answer(&mut world, &notify, "481 Call/Transaction Does Not Exist", "x", false);
    }
    let before = world.raw("raw").all("NOTIFY").len();
    world.seconds(6);
    assert_eq!(world.raw("raw").all("NOTIFY").len(), before, "nobody wants them");
    assert!(world.talk_together("alice", "carol"));
    world.hang_up("alice");
    world.end();
}

#[test]
fn a_transfer_without_a_subscription_is_not_reported() {
    for headers in ["Refer-Sub: false\r\nRequire: norefersub\r\n", "Require: nosub\r\n"] {
        let (mut world, mut bob) = alice_talks_with_bob(14);
        world.answers_after("carol", 1);
        let refer = format!("Refer-To: <sip:carol@office.localhost>\r\n{headers}");
        bob.request(&mut world, "REFER", &refer);
        let accepted = world.expect("raw", "SIP/2.0 202");
        assert_eq!(header(&accepted, "Refer-Sub"), "false");
        let bye = world.expect("raw", "BYE");
        answer(&mut world, &bye, "200 OK", "x", false);
        world.seconds(1);
        assert!(world.raw("raw").all("NOTIFY").is_empty());
        assert!(world.talk_together("alice", "carol"));
        world.hang_up("alice");
        world.end();
    }
}

#[test]
fn a_transfer_that_fails_leaves_the_two_together() {
    let (mut world, mut bob) = alice_talks_with_bob(3);
    world.pickup("carol", crate::world::Pickup::Refuse(offhook::leg::Refusal::Busy));
    bob.request(&mut world, "REFER", "Refer-To: <sip:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 486 Busy Here"));
    world.seconds(1);
    assert!(world.talk_together("alice", "raw"));
    // He may try again, and be hung up on meanwhile.
    world.pickup("carol", crate::world::Pickup::Never);
    bob.request(&mut world, "REFER", "Refer-To: <sip:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    world.seconds(1);
    world.hang_up("alice");
    assert_eq!(
        reports(&mut world).last().map(String::as_str),
        Some("SIP/2.0 487 Request Terminated")
    );
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "x", false);
    world.end();
}

#[test]
fn strangers_and_strange_targets_are_refused() {
    let (mut world, mut bob) = alice_talks_with_bob(4);
    for (target, status) in [
        ("<sip:eve@evil.example>", "403"),
        ("<sip:carol@office.localhost;method=BYE>", "400"),
        ("nonsense", "400"),
        ("<mailto:carol@office.localhost>", "416"),
        ("<https://office.localhost/carol>", "416"),
        ("<sip:carol@office.localhost>, <sip:dave@office.localhost>", "400"),
    ] {
        bob.request(&mut world, "REFER", &format!("Refer-To: {target}\r\n"));
        assert_eq!(&world.expect("raw", "SIP/2.0 ")[8..11], status, "{target}");
    }
    // Who asks for secrecy is not put through in the clear.
    bob.request(&mut world, "REFER", "Refer-To: <sips:carol@office.localhost>\r\n");
    world.expect("raw", "SIP/2.0 202");
    let told = reports(&mut world);
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 480 Temporarily Unavailable"));
    assert_eq!(world.rings("carol"), 0);
    assert!(world.talk_together("alice", "raw"));
    bob.request(&mut world, "BYE", "");
    world.end();

    // A trunk's far end may not call at our expense.
    let mut world = World::new(5);
    world.peer("raw", "198.51.100.1:5060");
    world.phone("alice");
    let dial = format!("<Dial callerId='{OWN_NUMBER}'>+14155551212</Dial>");
    world.web.page(VOICE, Page::xml(&dial));
    world.dial("alice", "500");
    let invite = world.expect("raw", "INVITE");
    answer(&mut world, &invite, "200 OK", "b", true);
    world.expect("raw", "ACK");
    let mut far = Dialog::called(&invite, "b");
    far.request(&mut world, "REFER", "Refer-To: <sip:bob@office.localhost>\r\n");
    let refused = loop {
        let reply = world.expect("raw", "SIP/2.0 ");
        if header(&reply, "CSeq").ends_with("REFER") {
            break reply;
        }
    };
    assert_eq!(&refused[8..11], "403");
}

#[test]
pub fn two_calls_of_one_phone_become_one() {
    let carol = "<Dial><Sip>sip:carol@office.localhost</Sip></Dial>";
    let (mut world, mut first) = alice_talks_with_bob_and_then(6, Some(carol));
    // He puts Alice on hold and asks Carol first.
    world.answers_after("carol", 1);
    let second = bob_calls(&mut world, "b2");
    world.seconds(2);
    let target = format!("Refer-To: <{BOB}?{}>\r\n", second.replaces());
    first.request(&mut world, "REFER", &target);
    world.expect("raw", "SIP/2.0 202");
    assert_eq!(reports(&mut world).last().map(String::as_str), Some("SIP/2.0 200 OK"));
    for _ in 0..2 {
        let bye = world.expect("raw", "BYE");
        answer(&mut world, &bye, "200 OK", "x", false);
    }
    world.seconds(1);
    assert!(world.talk_together("alice", "carol"));
    // One that another exchange carries is called in to.
    let over = world.calls() == 1 || world.figures().iter().all(|figures| figures.calls < 2);
    assert!(over, "the other call is over");
    world.hang_up("alice");
    world.end();
}

#[test]
pub fn a_call_that_is_not_here_cannot_be_joined() {
    let (mut world, mut bob) = alice_talks_with_bob(7);
    let target =
        "Refer-To: <sip:carol@office.localhost?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>\r\n";
    bob.request(&mut world, "REFER", target);
    world.expect("raw", "SIP/2.0 481");
    assert!(world.talk_together("alice", "raw"));
    world.hang_up("alice");
    let bye = world.expect("raw", "BYE");
    answer(&mut world, &bye, "200 OK", "x", false);
    world.end();
}

#[test]
pub fn a_phone_takes_a_call_over_from_another_of_its_domain() {
    let (mut world, alices) = alice_talks_with_bob(8);
    // Bob's other phone, the same raw peer, calls in the place of the first.
    let (uri, to) = ("sip:500@office.localhost", "<sip:500@office.localhost>");
    let mut replaces = alices
        .replaces()
        .replace("%3B", ";")
        .replace("%3D", "=")
        .replace("Replaces=", "Replaces: ");
    replaces.push_str("\r\n");
    let sdp = world.raw("raw").sdp("sendrecv").replace("40000", "40010");
    let first = Rest { from: BOB, to, headers: &replaces, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, "b3", &first);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = replaces.clone() + &login(&challenge, "INVITE", uri);
    let second = Rest { cseq: 2, headers: &headers, ..first.clone() };
    let invite = world.request("raw", "INVITE", uri, "b3", &second);
    world.say("raw", &invite);
    let ok = world.expect("raw", "SIP/2.0 200");
    let to = header(&ok, "To");
    let ack = Rest { from: BOB, to: &to, cseq: 2, ..Rest::default() };
    let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", "b3", &ack);
    world.say("raw", &ack);
    world.seconds(1);
    let bye = world.raw("raw").all("BYE").first().map(|bye| (*bye).to_owned());
    let bye = bye.expect("the first phone is hung up");
    assert_eq!(header(&bye, "Call-ID"), alices.call_id);
    answer(&mut world, &bye, "200 OK", "x", false);
    assert!(world.talk_together("alice", "raw"));
    let mut taken = Dialog::calling(&ok);
    taken.request(&mut world, "BYE", "");
    world.end();

    // A dialog that is not here, or not anybody's of that domain.
    let (mut world, _) = alice_talks_with_bob(9);
    let replaces = "Replaces: x;to-tag=y;from-tag=z\r\n";
    let rest = Rest {
        from: BOB,
        to: "<sip:500@office.localhost>",
        headers: replaces,
        body: &sdp,
        ..Rest::default()
    };
    let invite = world.request("raw", "INVITE", uri, "b4", &rest);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = replaces.to_owned() + &login(&challenge, "INVITE", uri);
    let rest = Rest { cseq: 2, headers: &headers, ..rest };
    let invite = world.request("raw", "INVITE", uri, "b4", &rest);
    world.say("raw", &invite);
    world.expect("raw", "SIP/2.0 481");
    assert!(world.talk_together("alice", "raw"));
}

/// Bob's other phone calls, in the place of a dialog that it names; gives the final answer.
pub fn picks_up(world: &mut World, named: &Dialog, name: &str) -> String {
    let (uri, to) = ("sip:500@office.localhost", "<sip:500@office.localhost>");
    let named = named.replaces().replace("%3B", ";").replace("%3D", "=");
    let replaces = format!("{}\r\n", named.replace("Replaces=", "Replaces: "));
    let sdp = world.raw("raw").sdp("sendrecv").replace("40000", "40010");
    let first = Rest { from: BOB, to, headers: &replaces, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, name, &first);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = replaces.clone() + &login(&challenge, "INVITE", uri);
    let second = Rest { cseq: 2, headers: &headers, ..first.clone() };
    let invite = world.request("raw", "INVITE", uri, name, &second);
    world.say("raw", &invite);
    let answers = |world: &World| {
        let all = world.raw("raw").all("SIP/2.0 ");
        let last = all.iter().rev().find(|text| header(text, "Call-ID") == name);
        last.filter(|text| !text.contains("SIP/2.0 1") && !text.contains("SIP/2.0 401"))
            .map(|text| (*text).to_owned())
    };
    assert!(world.until(5, |world| answers(world).is_some()));
    let last = answers(world).expect("it came");
    let to = header(&last, "To");
    let ack = Rest { from: BOB, to: &to, cseq: 2, ..Rest::default() };
    if last.starts_with("SIP/2.0 2") {
        let ack = world.request("raw", "ACK", "sip:192.0.2.1:5060", name, &ack);
        world.say("raw", &ack);
    }
    last
}

#[test]
pub fn a_ringing_call_is_picked_up_by_another_phone() {
    for attributes in ["", " answerOnBridge='true'"] {
        let mut world = with_bob(15);
        let dial = format!("<Dial{attributes}><Sip>{BOB}</Sip></Dial>");
        world.web.page(VOICE, Page::xml(&dial));
        world.phone("alice");
        world.dial("alice", "500");
        let invite = world.expect("raw", "INVITE");
        answer(&mut world, &invite, "180 Ringing", "b", false);
        world.seconds(1);
        let ok = picks_up(&mut world, &Dialog::called(&invite, "b"), "other");
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
        // The phone that rings stops (RFC 3891 section 3).
        let cancel = world.expect("raw", "CANCEL");
        answer(&mut world, &cancel, "200 OK", "b", false);
        answer(&mut world, &invite, "487 Request Terminated", "b", false);
        world.seconds(1);
        assert!(world.talk_together("alice", "raw"), "{attributes}");
        let mut taken = Dialog::calling(&ok);
        taken.request(&mut world, "BYE", "");
        world.end();
    }
}

#[test]
pub fn a_ringing_call_is_not_taken_from_its_caller() {
    let mut world = with_bob(16);
    let dial = "<Dial answerOnBridge='true'><Sip>sip:carol@office.localhost</Sip></Dial>";
    world.web.page(VOICE, Page::xml(dial));
    world.phone("carol");
    world.pickup("carol", crate::world::Pickup::Never);
    let (uri, to) = ("sip:500@office.localhost", "<sip:500@office.localhost>");
    let sdp = world.raw("raw").sdp("sendrecv");
    let first = Rest { from: BOB, to, body: &sdp, ..Rest::default() };
    let invite = world.request("raw", "INVITE", uri, "early", &first);
    world.say("raw", &invite);
    let challenge = world.expect("raw", "SIP/2.0 401");
    let headers = login(&challenge, "INVITE", uri);
    let second = Rest { cseq: 2, headers: &headers, ..first };
    let invite = world.request("raw", "INVITE", uri, "early", &second);
    world.say("raw", &invite);
    let ringing = world.expect("raw", "SIP/2.0 180");
    // RFC 3891 section 3: an early dialog that we did not begin is not ours to replace.
    let refused = picks_up(&mut world, &Dialog::calling(&ringing), "thief");
    assert!(refused.starts_with("SIP/2.0 481"), "{refused}");
    assert_eq!(world.rings("carol"), 1, "and the call rings on");
}
