//! PJSIP, whose stack is in more phones than any other: register, call, answer, talk, hang up.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use offhook::audio::tone::Tone;
use offhook::audio::wav;

use super::baresip;
use super::ear;
use super::server::{Project, Server};
use super::tools::{Running, ended, eventually};

const LIMIT: Duration = Duration::from_secs(45);
const TALK: f64 = 3.0;

/// Where `cargo xtask interop` puts the Python package.
fn bindings() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_offhook"));
    let target = program.ancestors().nth(2).expect("the target folder");
    let folder = target.join("setup/pjsua2");
    assert!(folder.is_dir(), "{}: run `cargo xtask interop`", folder.display());
    folder
}

fn phone(
    project: &Project,
    transport: &str,
    server: &Server,
    (user, password, hums): (&str, &str, f64),
    more: &[&str],
) -> Running {
    let samples = Tone::new(&[(hums, 8_000.0)]).samples(offhook::base::Duration::from_secs(10));
    project.file(&format!("{user}.tone.wav"), wav::write(&samples, 1));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/pjsua.py");
    let mut command = Command::new("python3");
    command.current_dir(project.folder()).env("PYTHONPATH", bindings()).arg(script);
    let at = server.over(transport).to_string();
    command.args([transport, &at, user, password, &TALK.to_string()]).args(more);
    Running::start(&mut command, &format!("pjsua-{user}"), project.folder())
}

fn talk(transport: &str) {
    let project = baresip::project();
    let server = project.serve();
    let myuser = ("myuser", "Battery-Staple-2", 620.0);
    let mut callee = phone(&project, transport, &server, myuser, &[]);
    let registered = || callee.said().contains("registered 200").then_some(());
    eventually("the registration", LIMIT, registered);
    let home = ("home", "Correct-Horse-1", 440.0);
    let uri = format!("sip:myuser@office.localhost;transport={transport}");
    let mut caller = phone(&project, transport, &server, home, &[&uri]);
    for phone in [&mut caller, &mut callee] {
        let status = ended(&mut phone.child, LIMIT);
        assert!(
            status.is_some_and(|s| s.success()),
            "{}: {status:?}: {}",
            phone.name,
            phone.said()
        );
    }
    for (user, hertz) in [("home", 620.0), ("myuser", 440.0)] {
        let heard = ear::read_by_sox(&project.folder().join(format!("{user}.wav")));
        let seconds = ear::seconds_of(&heard, hertz);
        println!("{transport}: {user} heard {hertz} Hz for {seconds:.2} s");
        assert!(seconds > 0.8 * TALK, "{user} heard {hertz} Hz for {seconds} s");
    }
    server.said();
}

#[test]
#[ignore = "interop"]
fn two_pjsip_phones_talk_over_udp() {
    talk("udp");
}

#[test]
#[ignore = "interop"]
fn two_pjsip_phones_talk_over_tcp() {
    talk("tcp");
}
