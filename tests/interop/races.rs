//! Messages that cross, come twice or come late.

use super::offers::{OUT, both, calls, through};
use super::scenario::{SDP, Scenario};
use super::server::Project;
use super::stage::Stage;
use super::tools::free_port;

#[test]
#[ignore = "interop"]
fn a_200_that_is_repeated_is_acknowledged_every_time() {
    let stage = through(OUT);
    let callee = Scenario::called()
        .answer("180 Ringing", "", "", "")
        .answer("200 OK", "", "", SDP)
        .wants("ACK")
        // sipp reads the same ACK again as a repeat of the first, and passes over it.
        .again("200 OK", SDP)
        .pause(100)
        .wants("BYE")
        .reply("200 OK", "", "");
    both(&stage, &calls().pause(800).bye(), &callee);
    let messages = stage.messages("callee");
    let acks = messages.lines().filter(|line| line.starts_with("ACK ")).count();
    assert!(acks >= 2, "{messages}");
}

#[test]
#[ignore = "interop"]
fn two_that_hang_up_at_once_both_get_an_answer() {
    let stage = through(OUT);
    let callee = Scenario::called().answer("200 OK", "", "", SDP).wants("ACK").crossing_bye();
    both(&stage, &calls().pause(500).bye(), &callee);
}

#[test]
#[ignore = "interop"]
fn a_200_that_crosses_cancel_is_acknowledged_and_hung_up() {
    let stage = through(OUT);
    let callee = Scenario::called()
        .answer("180 Ringing", "", "", "")
        .wants("CANCEL")
        .reply_as_called("200 OK")
        .answer("200 OK", "", "", SDP)
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "");
    let caller = Scenario::caller()
        .invite("", SDP)
        .may_receive(&[100])
        .receive(180)
        .pause(300)
        .cancel()
        .receive(200)
        .receive(487)
        .ack_refusal();
    both(&stage, &caller, &callee);
}

#[test]
#[ignore = "interop"]
fn a_redirection_is_not_followed_and_ends_the_dial() {
    let stage = through(&format!("{OUT}<Gather timeout=\"20\"/>"));
    let callee = Scenario::called()
        .answer("302 Moved Temporarily", "", "Contact: <sip:elsewhere@127.0.0.1:9>", "")
        .wants("ACK");
    both(&stage, &calls().pause(300).bye(), &callee);
}

/// A trunk that asks for a password.
fn challenged() -> Stage {
    Stage::new(|project: Project| {
        let project = project.number("+12223331234", OUT);
        project.trunk_login("us", "Carrier-Pass-9")
    })
}

fn challenge(qop: &str) -> Scenario {
    let header = format!(
        "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"abc123\", algorithm=MD5{qop}"
    );
    Scenario::called().answer("407 Proxy Authentication Required", "p", &header, "").wants("ACK")
}

fn logs_in(qop: &str, wanted: &str) {
    let stage = challenged();
    let callee = challenge(qop)
        .called_again(&[("Proxy-Authorization", wanted)])
        .answer("200 OK", "", "", SDP)
        .wants("ACK")
        .wants("BYE")
        .reply("200 OK", "", "");
    both(&stage, &calls().pause(300).bye(), &callee);
}

#[test]
#[ignore = "interop"]
fn a_trunk_that_also_offers_integrity_gets_plain_authentication() {
    logs_in(", qop=\"auth-int,auth\"", "qop=auth,");
}

#[test]
#[ignore = "interop"]
fn a_trunk_of_the_oldest_digest_gets_a_response_without_qop() {
    logs_in("", "response=.[0-9a-f]{32}");
}

#[test]
#[ignore = "interop"]
fn a_trunk_that_wants_integrity_alone_is_given_up() {
    let stage = challenged();
    let callee = challenge(", qop=\"auth-int\"");
    let callee = stage.play("callee", &callee, stage.trunk, &[]);
    let caller =
        Scenario::caller().invite("", SDP).may_receive(&[100, 180, 183]).receive(480).ack_refusal();
    let caller = stage.play("caller", &caller, free_port("127.0.0.1"), &["-s", "12223331234"]);
    stage.passes(caller);
    stage.passes(callee);
    stage.server.said();
}
