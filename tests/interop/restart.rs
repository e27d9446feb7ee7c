//! Registrations outlive the server: stopped or killed, it finds its phones again.

use std::io::{BufRead, BufReader, Lines};
use std::net::UdpSocket;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::server::{Project, Server};
use super::tools;

const PROGRAM: &str = env!("CARGO_BIN_EXE_offhook");
const SOON: Duration = Duration::from_secs(10);

/// A built-in phone, ended with its owner.
struct Phone {
    child: Child,
    told: Lines<BufReader<ChildStdout>>,
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn phone(server: &Server, user: &str, password: &str, arguments: &[&str]) -> Phone {
    let mut child = Command::new(PROGRAM)
        .args(["phone", "--server", &server.udp().to_string(), "--user", user])
        .args(["--password", password, "--domain", "office.localhost", "--patience", "30s"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stdout.take().unwrap()).lines();
    Phone { child, told }
}

/// A phone of `myuser` that has registered and waits for a call.
fn callee(server: &Server) -> Phone {
    let mut phone = phone(server, "myuser", "Battery-Staple-2", &["--register", "--answer"]);
    let registered =
        phone.told.by_ref().map_while(Result::ok).any(|line| line.starts_with("registered"));
    assert!(registered, "the callee registers");
    phone
}

/// `home` calls `myuser`, who answers.
fn call(server: &Server, mut callee: Phone) {
    let arguments = ["--dial", "myuser", "--hangup-after", "500ms"];
    let mut caller = phone(server, "home", "Correct-Horse-1", &arguments);
    let status = tools::ended(&mut caller.child, Duration::from_secs(20)).expect("an end");
    assert!(status.success(), "the call is not answered: {status}");
    let status = tools::ended(&mut callee.child, SOON).expect("an end");
    assert!(status.success(), "{status}");
}

fn listed(project: &Project, command: &str) -> Vec<Value> {
    let folder = project.folder().to_str().unwrap();
    let text = tools::output(PROGRAM, &[command, "--json", "-C", folder]);
    match serde_json::from_slice(&text).unwrap() {
        Value::Array(rows) => rows,
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "interop"]
fn a_phone_is_called_after_a_restart_although_it_never_knew() {
    let project = Project::new(9);
    let mut server = project.serve();
    let callee = callee(&server);
    // No moment to write it: what waits is written at the end.
    server.terminate();
    assert!(server.ended(SOON).expect("an end").success());
    let rows = listed(&project, "registrations");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["user"], "myuser@office.localhost");
    // On another port: the kernel chooses.
    let server = project.serve();
    assert!(server.said().contains("1 registration restored in "), "{}", server.said());
    call(&server, callee);
    server.said();
}

#[test]
#[ignore = "interop"]
fn a_phone_is_called_after_a_crash() {
    let project = Project::new(9);
    let server = project.serve();
    let callee = callee(&server);
    let row = tools::eventually("the row", SOON, || listed(&project, "registrations").pop());
    assert_eq!((&row["transport"], &row["expires_in"].is_u64()), (&"udp".into(), &true));
    server.kill();
    let server = project.serve();
    println!("ready after {:.0?}", server.ready_after);
    call(&server, callee);
    server.said();
}

#[test]
#[ignore = "interop"]
fn what_is_wrong_with_a_line_can_be_read_while_the_server_runs() {
    let provider = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = provider.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = provider.recv_from(&mut buffer) {
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
            let copied = request.lines().filter(|line| kept.iter().any(|k| line.starts_with(k)));
            let copied: String = copied.map(|line| format!("{line}\r\n")).collect();
            let answer = format!("SIP/2.0 403 Unpaid\r\n{copied}Content-Length: 0\r\n\r\n");
            provider.send_to(answer.as_bytes(), from).unwrap();
        }
    });
    let project = Project::new(9).more(&format!(
        "[[line]]\nname = \"home\"\nuser = \"home@office.localhost\"\n\
         domain = \"127.0.0.1\"\nport = {port}\nlogin = \"12345\"\npassword = \"x\"\n"
    ));
    let mut server = project.serve();
    let find = || {
        let rows = listed(&project, "lines");
        rows.into_iter().find(|row| row["name"] == "home" && row["state"] == "not registered")
    };
    let row = tools::eventually("the state", SOON, find);
    let wanted = format!("127.0.0.1:{port} answered 403 Unpaid");
    assert_eq!((&row["kind"], &row["last_error"]), (&"line".into(), &wanted.into()));
    assert!(row["next_try"].is_string() && row["since"].is_string(), "{row}");
    let text = tools::output(PROGRAM, &["lines", "-C", project.folder().to_str().unwrap()]);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("trunk carrier: not watched"), "{text}");
    server.terminate();
    assert!(server.ended(SOON).expect("an end").success());
    let rows = listed(&project, "lines");
    let row = rows.iter().find(|row| row["name"] == "home").unwrap();
    assert_eq!(row["state"], "not watched", "nobody knows when no server runs");
    server.said();
}
