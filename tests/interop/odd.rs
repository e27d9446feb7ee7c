//! What is legal and seldom seen, and third parties that set up calls.

use std::time::Duration;

use super::ear;
use super::offers::through;
use super::scenario::{SDP, Scenario};
use super::stage::Stage;
use super::tools::{eventually, free_port};

const WAITS: &str = "<Gather timeout=\"20\"/>";

fn plays(stage: &Stage, name: &str, scenario: &Scenario) {
    let sipp = stage.play(name, scenario, free_port("127.0.0.1"), &["-s", "12223331234"]);
    stage.passes(sipp);
    stage.server.said();
}

/// An INVITE written in a certain way; the rest of the call is as usual.
fn written(stage: &Stage, name: &str, top: &str) {
    let message = format!("{top}Content-Length: [len]\n\n{SDP}\n");
    let caller = Scenario::caller()
        .first(&message)
        .may_receive(&[100, 180])
        .receive(200)
        .ack()
        .pause(200)
        .bye();
    plays(stage, name, &caller);
}

#[test]
#[ignore = "interop"]
fn compact_and_oddly_spaced_headers_are_read() {
    let stage = through(WAITS);
    written(
        &stage,
        "compact",
        "INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
v: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
max-forwards: 0070
f: <sip:+15550001111@[local_ip]>;tag=c[call_number]
t: <sip:[service]@[remote_ip]:[remote_port]>
i: [call_id]
CSEQ: 1 INVITE
m: <sip:sipp@[local_ip]:[local_port]>
k: timer,100rel
c: application/sdp
",
    );
    written(
        &stage,
        "spaced",
        "INVITE sip:[service]@[remote_ip]:[remote_port];unknown=1 SIP/2.0
Via  :  SIP / 2.0 / UDP  [local_ip]:[local_port] ; branch = [branch] ; odd
Max-Forwards:   70
From : \"A \\\" quoted, <name>\"   <sip:+15550001111@[local_ip]> ; tag=c[call_number];x=\"y;z\"
To:<sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
cSeQ: 00001	INVITE
CONTACT: \"S\" <sip:sipp@[local_ip]:[local_port];a=b>;q=0.5
X-Empty:
Subject: Ünïcödé (and a comment
Supported:
Content-type: Application / SDP ; charset=utf-8
",
    );
}

#[test]
#[ignore = "interop"]
fn a_number_may_be_called_as_a_tel_uri() {
    let stage = through(WAITS);
    for (name, uri) in [("tel", "tel:+12223331234"), ("dashed", "tel:+1-222-333-1234;isub=1")] {
        written(
            &stage,
            name,
            &format!(
                "INVITE {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <tel:+15550001111>;tag=c[call_number]
To: <{uri}>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Content-Type: application/sdp
"
            ),
        );
    }
}

#[test]
#[ignore = "interop"]
fn a_datagram_of_many_kilobytes_is_read() {
    let stage = through(WAITS);
    let long: String = (0..40).map(|n| format!("X-Long-{n}: {}\n", "y".repeat(200))).collect();
    let caller = Scenario::caller()
        .invite(&long, SDP)
        .may_receive(&[100, 180])
        .receive(200)
        .ack()
        .pause(200)
        .bye();
    plays(&stage, "long", &caller);
}

/// A controller without media of its own puts two of our calls together (RFC 3725, flow I): the
/// one plays, the other records what it hears.
#[test]
#[ignore = "interop"]
fn a_third_party_controls_two_calls_that_hear_each_other() {
    let stage = Stage::new(|project| {
        project
            .tone(440.0)
            .number("+12223331234", "<Play>/assets/tone.wav</Play>")
            .number("+12223335678", "<Record playBeep=\"false\" maxLength=\"4\" timeout=\"0\"/>")
    });
    let control = format!("127.0.0.1:{}", free_port("127.0.0.1"));
    let at = stage.server.udp();
    let part = |name: &str, builtin: &str, number: &str| {
        stage.builtin(at, name, builtin, &["-s", number, "-3pcc", &control])
    };
    // The second waits for the first one's offer, and must be there first.
    let second = part("second", "3pcc-C-B", "12223335678");
    std::thread::sleep(Duration::from_millis(300));
    let first = part("first", "3pcc-C-A", "12223331234");
    stage.passes(first);
    stage.passes(second);
    let whole = |path: &std::path::PathBuf| !path.to_string_lossy().ends_with(".part.wav");
    let recording = eventually("the recording", Duration::from_secs(15), || {
        stage.project.wavs(".wav").into_iter().find(whole)
    });
    let seconds = ear::seconds_of(&ear::read_by_sox(&recording), 440.0);
    // sipp's controller lets them hear each other for one second.
    assert!(seconds > 0.5, "the recorder heard the player for {seconds} s");
    stage.server.said();
}
