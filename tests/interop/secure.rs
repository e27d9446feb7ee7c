//! Phones on TLS and WebSocket against the real server, and others that look for a way in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use super::server::{Project, Server};
use super::tools::{Running, ended, eventually};

const LIMIT: Duration = Duration::from_secs(20);

/// A project whose function rings the dialled user.
fn project() -> Project {
    let project = Project::new(9).tls();
    project.file(
        "functions/sip-outbound.js",
        "exports.handler = (context, event, callback) => {
           const twiml = new Twilio.twiml.VoiceResponse();
           twiml.dial().sip(event.To.replace(/^sip:/, '').split('@')[0] + '@office.localhost');
           callback(null, twiml);
         };",
    );
    project
}

fn phone(
    project: &Project,
    server: &Server,
    transport: &str,
    user: &str,
    more: &[&str],
) -> Running {
    let password = if user == "home" { "Correct-Horse-1" } else { "Battery-Staple-2" };
    // Browsers may also come by the HTTP server.
    let (address, transport) = match transport {
        "http" => (server.http(), "ws"),
        transport => (server.over(transport), transport),
    };
    let address = address.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command.args(["phone", "--server", &address, "--domain", "office.localhost"]);
    command.args(["--user", user, "--password", password, "--transport", transport, "--ca"]);
    command.arg(project.folder().join("tls.pem")).args(more);
    Running::start(&mut command, &format!("{user}-{transport}"), project.folder())
}

fn two_phones_call(transport: &str) {
    let project = project();
    let server = project.serve();
    let mut callee = phone(&project, &server, transport, "myuser", &["--register", "--answer"]);
    let registered = || callee.said().contains("registered").then_some(());
    eventually("the registration", LIMIT, registered);
    let more = ["--dial", "myuser", "--hangup-after", "1s"];
    let mut caller = phone(&project, &server, transport, "home", &more);
    for phone in [&mut caller, &mut callee] {
        let status = ended(&mut phone.child, LIMIT);
        assert!(status.is_some_and(|status| status.success()), "{}: {}", phone.name, phone.said());
    }
    server.said();
}

#[test]
#[ignore = "interop"]
fn two_of_our_phones_call_over_tls() {
    two_phones_call("tls");
}

#[test]
#[ignore = "interop"]
fn two_of_our_phones_call_over_websocket() {
    two_phones_call("ws");
}

#[test]
#[ignore = "interop"]
fn two_of_our_phones_call_over_secure_websocket() {
    two_phones_call("wss");
}

#[test]
#[ignore = "interop"]
fn two_of_our_phones_call_over_the_http_servers_websocket() {
    two_phones_call("http");
}

#[test]
#[ignore = "interop"]
fn openssl_sees_the_certificate_and_is_answered() {
    let project = project();
    let server = project.serve();
    let mut command = Command::new("openssl");
    let address = server.tls().to_string();
    command.args(["s_client", "-quiet", "-verify_return_error", "-connect", &address]);
    command.args(["-servername", "office.localhost", "-verify_hostname", "office.localhost"]);
    command.arg("-CAfile").arg(project.folder().join("tls.pem"));
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("openssl is needed");
    let request = "OPTIONS sip:office.localhost SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1;rport\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:office.localhost>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
        Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    child.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    let _ = child.kill();
    child.wait().unwrap();
    assert_eq!(&answer, b"SIP/2.0 200 ");
}

#[test]
#[ignore = "interop"]
fn strangers_on_the_secure_ports_harm_nobody() {
    let project = project();
    let server = project.serve();
    for transport in ["tls", "ws", "wss", "tcp"] {
        for garbage in [&b"\x16\x03\x01\xff\xff\x01"[..], b"GET / HTTP/1.0\r\n\r\n", &[0; 70_000]] {
            let mut stream = TcpStream::connect(server.over(transport)).unwrap();
            // It may hang up before all is written.
            let _ = stream.write_all(garbage);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut rest = vec![];
            let _ = stream.read_to_end(&mut rest);
        }
    }
    server.said();
    two_phones_call("tls");
}
