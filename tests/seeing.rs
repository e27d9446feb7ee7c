//! What an operator sees of a call: ladder, list, capture, metrics, refusals, collectors.
//!
//! The real binary serves on ports that the kernel chose, and its own softphones call.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_offhook");
const PATIENCE: Duration = Duration::from_secs(60);

/// A child that is ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Asks it to end, and waits until it has.
    fn stop(mut self) {
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(asked.success());
        assert!(self.0.wait().expect("an end").success(), "it ends in good order");
    }
}

struct Server {
    running: Running,
    folder: TempDir,
    sip: String,
    http: String,
}

impl Server {
    fn start(more: &str) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("bins")).expect("made");
        let dial = "<Response>\n  <Dial><Sip>sip:myuser@office.localhost</Sip></Dial>\n</Response>";
        fs::write(folder.path().join("bins/dial.xml"), dial).expect("written");
        let config = format!(
            r#"
[http]
listen = ["127.0.0.1:0"]
[sip]
listen = ["udp:127.0.0.1:0"]
[[credential_list]]
name = "staff"
credentials = [
    {{ username = "home", password = "Correct-Horse-1" }},
    {{ username = "myuser", password = "Battery-Staple-2" }},
]
[[domain]]
name = "office.localhost"
registration = ["staff"]
calls = ["staff"]
voice = "bin:dial"
{more}
"#
        );
        fs::write(folder.path().join("offhook.toml"), config).expect("written");
        let child = Command::new(PROGRAM)
            .args(["serve", "-C"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut running = Running(child);
        let told = BufReader::new(running.0.stdout.take().expect("a pipe"));
        let (mut sip, mut http) = (String::new(), String::new());
        for line in told.lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("sip  udp:") {
                sip = address.to_owned();
            } else if let Some(address) = line.strip_prefix("http http://") {
                http = address.to_owned();
            } else if line == "ready" {
                break;
            }
        }
        assert!(!sip.is_empty() && !http.is_empty(), "it listens");
        Server { running, folder, sip, http }
    }

    fn phone(&self, user: &str, password: &str) -> Command {
        let mut phone = Command::new(PROGRAM);
        phone
            .args(["phone", "--server", &self.sip, "--user", user, "--password", password])
            .args(["--domain", "office.localhost", "--patience", "20s"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        phone
    }

    /// `home` calls, a document rings `myuser`, both talk for a moment.
    fn call(&self) {
        let callee =
            self.phone("myuser", "Battery-Staple-2").args(["--register", "--answer"]).spawn();
        let mut callee = Running(callee.expect("it starts"));
        let mut told = BufReader::new(callee.0.stdout.take().expect("a pipe")).lines();
        let registered =
            told.by_ref().map_while(Result::ok).any(|line| line.starts_with("registered"));
        assert!(registered, "the callee registers");
        let caller = self
            .phone("home", "Correct-Horse-1")
            .args(["--dial", "myuser", "--hangup-after", "500ms"])
            .output();
        let caller = caller.expect("it runs");
        assert!(caller.status.success(), "{}", text(&caller.stderr));
        assert!(callee.0.wait().expect("an end").success());
    }

    fn offhook(&self, arguments: &[&str]) -> (i32, String, String) {
        offhook(self.folder.path(), arguments)
    }
}

fn offhook(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let run = Command::new(PROGRAM).args(arguments).current_dir(folder).output();
    let Output { status, stdout, stderr } = run.expect("it starts");
    (status.code().expect("an exit code"), text(&stdout), text(&stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn get(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("read");
    page
}

/// The SID of the only incoming call.
fn caller_sid(server: &Server) -> String {
    let (code, told, errors) = server.offhook(&["call", "list", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let calls: Value = serde_json::from_str(&told).expect("JSON");
    let calls = calls.as_array().expect("a list");
    assert_eq!(calls.len(), 2, "caller and callee: {told}");
    let caller = calls.iter().find(|call| call["direction"] == "inbound").expect("a caller");
    assert_eq!(caller["status"], "completed", "{told}");
    caller["sid"].as_str().expect("a SID").to_owned()
}

#[test]
fn a_call_is_seen_whole_after_the_server_has_gone() {
    let server = Server::start("");
    server.call();
    let page = get(&server.http, "/metrics", "");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for line in [
        "offhook_auth_failures_total 0",
        "offhook_document_seconds_count{source=\"bin\",result=\"ok\"} 1",
        "offhook_media_failures_total 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    let proxied = get(&server.http, "/metrics", "X-Forwarded-For: 192.0.2.1\r\n");
    assert!(proxied.starts_with("HTTP/1.1 403"), "not for whom a proxy speaks: {proxied}");

    let Server { running, folder, sip, http } = server;
    running.stop();
    let gone = Server { running: Running(idle()), folder, sip, http };
    let sid = caller_sid(&gone);
    let (code, ladder, errors) = gone.offhook(&["call", "show", &sid]);
    assert_eq!(code, 0, "{errors}");
    println!("{ladder}");
    for wanted in [
        &format!("call {sid}  inbound sip:home@office.localhost to sip:myuser@office.localhost"),
        "INVITE (SDP) ---",
        "401 Unauthorized",
        "* asks POST bin:dial",
        "* document bin:dial came in ",
        "* <Dial>  http://",
        "/bins/dial:2:3",
        "200 OK (SDP)",
        "200 to BYE",
        ": completed",
    ] {
        assert!(ladder.contains(wanted), "{wanted}\n{ladder}");
    }
    let invites = ladder.lines().filter(|line| line.contains("INVITE (SDP)")).count();
    assert_eq!(invites, 3, "before and after the challenge, and to the callee\n{ladder}");

    let (_, full, _) = gone.offhook(&["call", "show", &sid, "--full"]);
    assert!(full.contains("| Authorization: Digest username=\"home\""), "{full}");
    assert!(full.contains("response=\"****"), "the proof is taken off\n{full}");
    assert!(full.contains("| m=audio "), "bodies are there\n{full}");
    let (_, json, _) = gone.offhook(&["call", "show", &sid, "--json"]);
    let story: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(story["call"], sid.as_str());
    let leg = story["parties"][1]["sid"].as_str().expect("the callee's leg");
    let (_, same, _) = gone.offhook(&["call", "show", leg]);
    assert_eq!(same, ladder, "a leg's story is its call's");

    let (code, said, errors) = gone.offhook(&["call", "pcap", &sid, "-o", "call.pcap"]);
    assert_eq!(code, 0, "{errors}");
    let capture = fs::read(gone.folder.path().join("call.pcap")).expect("written");
    let packets = packets(&capture);
    assert!(said.starts_with(&format!("{} messages in ", packets.len())), "{said}");
    let first = packets.iter().map(|packet| text(&packet[28..])).next().expect("one");
    assert!(first.starts_with("INVITE sip:myuser@office.localhost"), "{first}");
    assert!(packets.len() >= 12, "{}", packets.len());

    let (code, _, errors) = gone.offhook(&["call", "show", "CA0"]);
    assert_eq!(code, 1);
    assert!(errors.contains("nothing is kept of \"CA0\"; `offhook call list` shows"), "{errors}");
}

/// Something to stand for a server that has ended.
fn idle() -> Child {
    Command::new("true").spawn().expect("it starts")
}

/// The packets of a capture file, checked for lengths.
fn packets(capture: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(capture[..4], [0xD4, 0xC3, 0xB2, 0xA1], "the magic number");
    assert_eq!(capture[20..24], [101, 0, 0, 0], "packets begin with IP");
    let (mut packets, mut at) = (vec![], 24);
    while at < capture.len() {
        let word = |from: usize| {
            u32::from_le_bytes(capture[from..from + 4].try_into().expect("four bytes")) as usize
        };
        assert_eq!(word(at + 8), word(at + 12), "whole");
        let packet = capture[at + 16..at + 16 + word(at + 8)].to_vec();
        assert_eq!(packet[0], 0x45);
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        at += 16 + packet.len();
        packets.push(packet);
    }
    packets
}

#[test]
fn a_refused_registration_says_why_from_where_and_how_often() {
    let server = Server::start("");
    for _ in 0..2 {
        let tried = server.phone("home", "wrong").args(["--register"]).output().expect("it runs");
        assert!(!tried.status.success());
    }
    let Server { running, folder, .. } = server;
    running.stop();
    let (code, told, errors) = offhook(folder.path(), &["call", "refused"]);
    assert_eq!(code, 0, "{errors}");
    let newest = told.lines().next().expect("a line");
    assert!(newest.contains("REGISTER 401") && newest.contains("\"home\""), "{told}");
    assert!(newest.contains("from 127.0.0.1, 2nd time"), "{told}");
    let call_id = newest.rsplit_once('(').expect("a Call-ID").1.trim_end_matches(')');
    let (code, ladder, errors) = offhook(folder.path(), &["call", "show", call_id, "--full"]);
    assert_eq!(code, 0, "{errors}");
    assert!(ladder.contains("REGISTER ---") && ladder.contains("401 to REGISTER"), "{ladder}");
    assert!(ladder.contains("response=\"****"), "{ladder}");
}

#[test]
fn collectors_get_messages_and_spans() {
    let hep = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    hep.set_read_timeout(Some(PATIENCE)).expect("set");
    let otel = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let more = format!(
        "[hep]\ncollector = \"{}\"\ncapture_id = 77\n[otel]\nendpoint = \"http://{}\"\n\
         headers = {{ X-Key = \"k\" }}\n[story]\nkeep_days = 1\n",
        address(&hep.local_addr()),
        address(&otel.local_addr()),
    );
    let (spans, collected) = mpsc::channel();
    std::thread::spawn(move || collect(&otel, &spans));
    let server = Server::start(&more);
    server.call();

    let mut seen = vec![];
    let mut buffer = vec![0; 65_536];
    while !seen.iter().any(|message: &String| {
        message.contains("CSeq: 3 BYE")
            || message.contains(" BYE\r\n") && message.contains("SIP/2.0 200")
    }) {
        let length = hep.recv(&mut buffer).expect("a packet in time");
        assert_eq!(&buffer[..4], b"HEP3");
        seen.push(text(&buffer[..length]));
    }
    let invite = seen.iter().find(|m| m.contains("Authorization: Digest")).expect("a login");
    assert!(invite.contains("response=\"****"), "credentials do not leave: {invite}");

    // They come in as many requests as batches were made of them.
    let mut names = vec![];
    while names.len() < 3 {
        let body: Value = collected.recv_timeout(PATIENCE).expect("spans in time");
        let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        for span in spans.as_array().expect("spans") {
            names.push(span["name"].as_str().expect("a name").to_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["call", "document", "leg"]);
}

fn address(local: &std::io::Result<SocketAddr>) -> SocketAddr {
    *local.as_ref().expect("an address")
}

/// A collector of spans: answers every POST with 200 and gives its body.
fn collect(listener: &TcpListener, spans: &mpsc::Sender<Value>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        let mut reader = BufReader::new(stream);
        loop {
            let (mut length, mut line, mut lines) = (0, String::new(), 0);
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                let lower = line.to_ascii_lowercase();
                if lines == 0 {
                    assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
                }
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                lines += 1;
                line.clear();
            }
            if lines == 0 {
                break;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let _ = spans.send(serde_json::from_slice(&body).expect("JSON"));
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
            reader.get_mut().write_all(answer).expect("answered");
        }
    }
}
