//! `kill -9` in the middle of a recording.

use std::process::Command;
use std::time::Duration;

use super::server::Project;
use super::web::Web;
use super::wire::Call;
use super::{ear, tools};

const HUMS: u32 = 440;

#[test]
#[ignore = "interop"]
fn a_killed_server_leaves_a_valid_recording_and_puts_its_calls_right() {
    // Nobody listens yet: what is reported before the kill waits in the outbox.
    let port = tools::free_port("127.0.0.1");
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let (recorded, status) = (at("/recorded"), at("/status"));
    let project = Project::new(9)
        .number(
            "+12223331234",
            &format!(
                "<Record timeout=\"30\" trim=\"do-not-trim\" playBeep=\"false\" \
                 recordingStatusCallback=\"{recorded}\" \
                 recordingStatusCallbackEvent=\"in-progress completed\"/>"
            ),
        )
        .more(&format!(
            "status_callback = \"{status}\"\n\
             status_callback_event = [\"initiated\", \"answered\", \"completed\"]\n"
        ));
    let server = project.serve();
    let call = Call::dial(server.udp(), "12223331234");
    tools::eventually("a recording", Duration::from_secs(10), || project.wavs(".wav").pop());
    call.hum(HUMS);
    std::thread::sleep(Duration::from_secs(4));
    let sent = call.hummed();
    server.kill();
    drop(call);

    let parts = project.wavs(".part.wav");
    assert_eq!(parts.len(), 1, "{:?}", project.wavs(""));
    let lies = ear::seconds_of(&ear::read_by_sox(&parts[0]), f64::from(HUMS));
    println!("sent {sent:.2} s, the file as it lies holds {lies:.2} s");
    assert!(lies > sent - 1.0 && lies <= sent + 0.1, "{lies} of {sent}");

    let web = Web::listen(port, |_| String::new());
    let server = project.serve();
    assert!(project.wavs(".part.wav").is_empty(), "{:?}", project.wavs(""));
    let whole = project.wavs(".wav").pop().expect("the recording");
    let kept = ear::seconds_of(ear::read_wav(&whole).samples(), f64::from(HUMS));
    println!("repaired: {kept:.2} s");
    assert!(kept >= lies && kept > sent - 1.0, "{kept} of {sent}");

    // The database says what became of both.
    let rows = database(&project, "SELECT status, ended IS NOT NULL FROM calls");
    assert_eq!(rows, "failed|1");
    let rows = database(&project, "SELECT status FROM recordings");
    assert_eq!(rows, "completed");

    // What had been written before the kill is delivered now, and what the call owed at its end.
    let told = web.wait("recording callback", |r| r.path == "/recorded");
    assert_eq!(told.parameter("RecordingStatus"), "in-progress");
    let told = web.wait("status callback", |r| r.parameter("CallStatus") == "in-progress");
    assert!(told.parameter("CallSid").starts_with("CA"), "{told:?}");
    let told = web.wait("final callback", |r| r.parameter("CallStatus") == "failed");
    assert!(told.parameter("CallSid").starts_with("CA"), "{told:?}");
    for request in web.seen() {
        let state = [request.parameter("CallStatus"), request.parameter("RecordingStatus")];
        println!("delivered after the restart: {} {state:?}", request.path);
    }
    server.said();
}

/// Asks SQLite by its own library, beside the server.
fn database(project: &Project, query: &str) -> String {
    let script = "import sqlite3, sys\n\
        rows = sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()\n\
        print('\\n'.join('|'.join(map(str, row)) for row in rows))";
    let path = project.folder().join("data/offhook.db");
    let mut command = Command::new("python3");
    let done = command.args(["-c", script]).arg(path).arg(query).output().expect("python3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
