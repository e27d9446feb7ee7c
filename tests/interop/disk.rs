//! A disk that fills up while a call is recorded.

use std::process::Command;
use std::time::Duration;

use super::ear;
use super::server::Project;
use super::web::Web;
use super::wire::Call;

const TONE: f64 = 440.0;

#[test]
#[ignore = "interop"]
fn a_full_disk_ends_the_recording_and_not_the_call() {
    let web = Web::start(|_| String::new());
    let callback = web.url("/recorded");
    let project = Project::new(9).tone(TONE).number(
        "+12223331234",
        &format!(
            "<Record timeout=\"4\" maxLength=\"60\" trim=\"do-not-trim\" playBeep=\"false\" \
             recordingStatusCallback=\"{callback}\" recordingStatusCallbackEvent=\
             \"in-progress completed absent failed\"/><Play loop=\"0\">/assets/tone.wav</Play>"
        ),
    );
    let folder = project.recordings();
    std::fs::create_dir_all(&folder).unwrap();
    let mount = Mount::tiny(&folder);
    let server = project.serve();
    let call = Call::dial(server.udp(), "12223331234");
    call.hum(620);
    // 128 kB hold 8 s of sound.
    let told = web.wait("failed recording", |r| {
        r.path == "/recorded" && !["", "in-progress"].contains(&r.parameter("RecordingStatus"))
    });
    assert_eq!(told.parameter("RecordingStatus"), "failed", "{told:?}");
    call.hum(0);
    std::thread::sleep(Duration::from_secs(1));
    let heard = ear::seconds_of(&call.listen(Duration::from_secs(3)), TONE);
    println!("recording failed, the call goes on: {heard:.2} of 3 s heard");
    assert!(heard > 2.8, "{heard}");
    assert!(!call.is_over());
    call.hang_up();
    let said = server.said();
    assert!(said.contains("recording cannot be written; the call goes on"), "{said}");
    drop(server);
    drop(mount);
}

/// A file system of 128 kB in memory over a folder.
struct Mount(std::path::PathBuf);

impl Mount {
    fn tiny(folder: &std::path::Path) -> Mount {
        let options = ["-t", "tmpfs", "-o", "size=128k", "offhook-interop"];
        let done = Command::new("mount").args(options).arg(folder).status().expect("mount");
        assert!(done.success(), "a tmpfs cannot be mounted; this test wants to run as root");
        Mount(folder.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
