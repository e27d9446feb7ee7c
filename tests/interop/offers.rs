//! Offers and answers as phones make them: late, held, early, renewed.

use super::scenario::{SDP, Scenario, sdp_of};
use super::stage::Stage;
use super::tools::free_port;

const NUMBER: &str = "12223331234";
const WAITS: &str = "<Gather timeout=\"20\"/>";
/// A caller is put through to the trunk, which may answer.
pub const OUT: &str = "<Dial answerOnBridge=\"true\" timeout=\"15\" callerId=\"+12223331234\">\
                       <Number>+15551230000</Number></Dial>";

fn plays(stage: &Stage, name: &str, scenario: &Scenario) {
    let sipp = stage.play(name, scenario, free_port("127.0.0.1"), &["-s", NUMBER]);
    stage.passes(sipp);
}

/// One caller of the number, one callee at the trunk.
pub fn both(stage: &Stage, caller: &Scenario, callee: &Scenario) {
    let callee = stage.play("callee", callee, stage.trunk, &[]);
    let caller = stage.play("caller", caller, free_port("127.0.0.1"), &["-s", NUMBER]);
    stage.passes(caller);
    stage.passes(callee);
    stage.server.said();
}

pub fn through(adapt: &str) -> Stage {
    let document = adapt.to_owned();
    Stage::new(move |project| project.number("+12223331234", &document))
}

/// A callee that is rung, and whose call the caller ends.
pub fn answers() -> Scenario {
    Scenario::called()
        .answer("180 Ringing", "", "", "")
        .pause(200)
        .answer("200 OK", "", "", SDP)
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "")
}

/// A caller that is answered.
pub fn calls() -> Scenario {
    Scenario::caller().invite("", SDP).may_receive(&[100, 180, 183]).receive(200).ack()
}

#[test]
#[ignore = "interop"]
fn an_invite_without_offer_gets_one_and_is_answered_in_ack() {
    let stage = through(WAITS);
    let caller = Scenario::caller()
        .invite("", "")
        .may_receive(&[100, 180])
        .receive_with(200, &[("body", "m=audio [1-9][0-9]* RTP/AVP")])
        .ack_with(SDP)
        .pause(500)
        // Once more inside the call (RFC 3261 section 14.1).
        .request("INVITE", "", "")
        .may_receive(&[100, 180])
        .receive_with(200, &[("body", "m=audio [1-9][0-9]* RTP/AVP")])
        .ack_with(SDP)
        .pause(300)
        .bye();
    plays(&stage, "late", &caller);
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_call_is_held_in_every_way_and_resumed() {
    let stage = through(WAITS);
    let old = SDP.replace("[media_ip]", "0.0.0.0");
    let reoffer = |call: Scenario, offer: &str, answer: &str| {
        call.request("INVITE", "", offer)
            .may_receive(&[100, 180])
            .receive_with(200, &[("body", answer)])
            .ack()
            .pause(200)
    };
    let mut call = calls();
    for (offer, answer) in [
        (sdp_of("sendonly"), "a=recvonly"),
        (sdp_of("sendrecv"), "m=audio [1-9]"),
        (sdp_of("inactive"), "a=inactive"),
        (SDP.to_owned(), "m=audio [1-9]"),
        // As phones of RFC 2543 hold (RFC 3264 section 8.4).
        (old, "m=audio [1-9]"),
        (sdp_of("recvonly"), "a=sendonly"),
        (SDP.to_owned(), "m=audio [1-9]"),
    ] {
        call = reoffer(call, &offer, answer);
    }
    plays(&stage, "holds", &call.bye());
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn what_cannot_be_agreed_on_is_refused_and_the_call_goes_on() {
    let stage = through(WAITS);
    let foreign = "v=0\no=- 1 9 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\n\
                   m=audio [media_port] RTP/AVP 4\na=rtpmap:4 G723/8000";
    let call = calls()
        .request("INVITE", "", foreign)
        .may_receive(&[100, 180])
        .receive(488)
        .ack_refusal_inside()
        .pause(200)
        .bye();
    plays(&stage, "refused", &call);
    // An offer with video beside it: the video is refused by port 0 in its place.
    let video = format!("{SDP}\nm=video 40000 RTP/AVP 96\na=rtpmap:96 H264/90000");
    let call = Scenario::caller()
        .invite("", &video)
        .may_receive(&[100, 180])
        .receive_with(200, &[("body", "m=video 0 ")])
        .ack()
        .pause(200)
        .bye();
    plays(&stage, "video", &call);
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn early_media_of_the_callee_reaches_the_caller() {
    let stage = through(OUT);
    let callee = Scenario::called()
        .answer("183 Session Progress", "", "", SDP)
        .pause(800)
        .answer("200 OK", "", "", SDP)
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "");
    let caller = Scenario::caller()
        .invite("", SDP)
        .may_receive(&[100, 180])
        .receive_with(183, &[("body", "m=audio [1-9]")])
        .receive(200)
        .ack()
        .pause(500)
        .bye();
    both(&stage, &caller, &callee);
}

#[test]
#[ignore = "interop"]
fn forks_of_a_proxy_ring_and_one_of_them_answers() {
    let stage = through(OUT);
    let callee = Scenario::called()
        .answer("180 Ringing", "one[call_number]", "", "")
        .answer("183 Session Progress", "two[call_number]", "", SDP)
        .answer("180 Ringing", "three[call_number]", "", "")
        .pause(300)
        .answer("200 OK", "three[call_number]", "", SDP)
        .wants_with("ACK", &[("To", "tag=three")])
        .wants_with("BYE", &[("To", "tag=three")])
        .reply("200 OK", "", "");
    both(&stage, &calls().pause(500).bye(), &callee);
}

#[test]
#[ignore = "interop"]
fn a_callee_without_offer_in_its_200_is_hung_up() {
    let stage = through(OUT);
    let callee = Scenario::called()
        .answer("200 OK", "", "", "")
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "");
    let caller = Scenario::caller()
        .invite("", SDP)
        .may_receive(&[100, 180, 183])
        // The document said nothing more, and the caller was not answered yet.
        .receive(480)
        .ack_refusal();
    both(&stage, &caller, &callee);
}
