//! Extensions as carriers and phones use them: reliable provisionals, UPDATE, session timers, keys.

use super::offers::{both, calls, through};
use super::scenario::{SDP, Scenario, sdp_of};
use super::stage::Stage;
use super::tools::free_port;
use super::web::Web;

const WAITS: &str = "<Gather timeout=\"20\"/>";
const OUT: &str = super::offers::OUT;

fn alone(stage: &Stage, name: &str, scenario: &Scenario) {
    let sipp = stage.play(name, scenario, free_port("127.0.0.1"), &["-s", "12223331234"]);
    stage.passes(sipp);
    stage.server.said();
}

#[test]
#[ignore = "interop"]
fn a_callee_that_rings_reliably_gets_prack() {
    let stage = through(OUT);
    let callee = Scenario::called()
        .answer("183 Session Progress", "", "Require: 100rel\nRSeq: 41", SDP)
        .wants_with("PRACK", &[("RAck", "41 [0-9]+ INVITE")])
        .reply("200 OK", "", "")
        .pause(200)
        .answer("200 OK", "", "", "")
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "");
    both(&stage, &calls().pause(500).bye(), &callee);
}

#[test]
#[ignore = "interop"]
fn a_caller_that_requires_it_is_told_reliably() {
    let stage = through(OUT);
    let callee = super::offers::answers();
    let caller = Scenario::caller()
        .invite("Require: 100rel\nSupported: 100rel", SDP)
        .may_receive(&[100])
        .receive_keeping(180, &[("RSeq", "rseq")], &[("Require", "100rel")])
        .request("PRACK", "RAck:[$rseq] 1 INVITE", "")
        .receive(200)
        .receive(200)
        .ack()
        .pause(300)
        .bye();
    both(&stage, &caller, &callee);
}

#[test]
#[ignore = "interop"]
fn update_changes_the_session_and_refreshes_it() {
    let stage = through(WAITS);
    let timer = "Supported: timer\nSession-Expires: 90;refresher=uac";
    let caller = Scenario::caller()
        .invite(&format!("{timer}\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE"), SDP)
        .may_receive(&[100, 180])
        .receive_with(200, &[("Session-Expires", "90;refresher=uac"), ("Require", "timer")])
        .ack()
        .pause(200)
        .request("UPDATE", timer, "")
        .receive_with(200, &[("Session-Expires", "90;refresher=uac")])
        .request("UPDATE", timer, &sdp_of("sendonly"))
        .receive_with(200, &[("body", "a=recvonly")])
        .request("INVITE", timer, SDP)
        .may_receive(&[100])
        .receive_with(200, &[("Session-Expires", "90"), ("body", "m=audio [1-9]")])
        .ack()
        .pause(200)
        .bye();
    alone(&stage, "update", &caller);
}

#[test]
#[ignore = "interop"]
fn a_session_timer_that_is_too_short_gets_422_and_the_right_one() {
    let stage = through(WAITS);
    let caller = Scenario::caller()
        .invite("Supported: timer\nSession-Expires: 30", SDP)
        .may_receive(&[100])
        .receive_with(422, &[("Min-SE", "90")])
        .ack_refusal();
    alone(&stage, "short", &caller);
    let caller = Scenario::caller()
        .invite("Supported: timer\nMin-SE: 120\nSession-Expires: 180", SDP)
        .may_receive(&[100, 180])
        .receive_with(200, &[("Session-Expires", "180;refresher=ua")])
        .ack()
        .pause(200)
        .bye();
    alone(&stage, "long", &caller);
}

#[test]
#[ignore = "interop"]
fn keys_come_by_info_in_both_of_its_forms() {
    let web = Web::start(|_| "<Response><Hangup/></Response>".to_owned());
    let action = web.url("/digits");
    let stage = through(&format!("<Gather numDigits=\"2\" timeout=\"10\" action=\"{action}\"/>"));
    let caller = calls()
        .pause(300)
        .request("INFO", "Content-Type: application/dtmf-relay", "Signal=5\nDuration=160")
        .receive(200)
        .request("INFO", "Content-Type: application/dtmf", "7")
        .receive(200)
        .wants("BYE")
        .reply("200 OK", "", "");
    alone(&stage, "keys", &caller);
    let told = web.wait("digits", |request| request.path == "/digits");
    assert_eq!(told.parameter("Digits"), "57");
}
