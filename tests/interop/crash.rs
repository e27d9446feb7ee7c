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
    let web = Web::start(|_| String::new());
    let (recorded, status) = (web.url("/recorded"), web.url("/status"));
    let project = Project::new(9)
        .number(
            "+12223331234",
            &format!(
                "<Record timeout=\"30\" trim=\"do-not-trim\" playBeep=\"false\" \
                 recordingStatusCallback=\"{recorded}\"/>"
            ),
        )
        .more(&format!("status_callback = \"{status}\"\n"));
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

    let before = web.seen().len();
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

    // And the application is told, late but truly.
    let told = web.wait("recording callback", |r| r.path == "/recorded");
    assert_eq!(told.parameter("RecordingStatus"), "completed");
    let told = web
        .wait("status callback", |r| r.path == "/status" && r.parameter("CallStatus") == "failed");
    assert!(told.parameter("CallSid").starts_with("CA"), "{told:?}");
    println!("callbacks: {before} before the kill, {} in all", web.seen().len());
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
