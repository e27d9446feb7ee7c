//! From start to `ready`, and from SIGTERM to the end.

use std::time::{Duration, Instant};

use super::ear;
use super::server::Project;
use super::tools;
use super::wire::{self, Call};

const TONE: f64 = 440.0;

#[test]
#[ignore = "interop"]
fn a_server_is_ready_soon_and_drains_when_told_to_stop() {
    let project = Project::new(9)
        .tone(TONE)
        .number("+12223331234", "<Play loop=\"0\">/assets/tone.wav</Play>");
    let first = project.serve();
    println!("ready after {:.0?} in a new folder", first.ready_after);
    first.kill();
    let mut server = project.serve();
    println!("ready after {:.0?} in a used one", server.ready_after);
    assert!(server.ready_after < Duration::from_secs(20), "{:?}", server.ready_after);

    let call = Call::dial(server.udp(), "12223331234");
    server.terminate();
    let refused = tools::eventually("refusals", Duration::from_secs(5), || {
        let line = wire::invite_refused(server.udp(), "12223331234");
        line.contains(" 503 ").then_some(line)
    });
    println!("draining: a new call gets {refused}");
    let heard = ear::seconds_of(&call.listen(Duration::from_secs(2)), TONE);
    assert!(heard > 1.9, "the call does not go on: {heard} s");
    assert!(server.ended(Duration::from_millis(1)).is_none(), "ended with a call up");
    call.hang_up();
    let start = Instant::now();
    let status = server.ended(Duration::from_secs(10)).expect("an end after the last call");
    println!("ended {:.0?} after the last call: {status}", start.elapsed());
    assert!(status.success(), "{status}");
    server.said();
}

#[test]
#[ignore = "interop"]
fn a_second_signal_ends_calls_at_once() {
    let project = Project::new(9)
        .tone(TONE)
        .number("+12223331234", "<Play loop=\"0\">/assets/tone.wav</Play>");
    let mut server = project.serve();
    let call = Call::dial(server.udp(), "12223331234");
    server.terminate();
    std::thread::sleep(Duration::from_millis(300));
    server.terminate();
    let status = server.ended(Duration::from_secs(10)).expect("an end");
    assert!(status.success(), "{status}");
    tools::eventually("a BYE", Duration::from_secs(2), || call.is_over().then_some(()));
    server.said();
}
