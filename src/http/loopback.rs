//! Web servers for tests: real sockets on loopback, answers written byte by byte, so that broken
//! ones can be given too. Each connection carries one request.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::base::Secret;

use super::{Client, Config, Headers};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Headers,
    pub(crate) body: String,
}

/// A scripted server.
pub(crate) struct Loopback {
    /// `http://127.0.0.1:port`.
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Loopback {
    /// Gives the answers in turn, the last one ever after. `None` never answers.
    pub(crate) fn new(answers: Vec<Option<Vec<u8>>>) -> Loopback {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, mut answers) = (seen.clone(), VecDeque::from(answers));
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = receive(&mut stream) else { continue };
                log.lock().unwrap().push(request);
                let last = answers.len() == 1;
                let answer = if last { answers[0].clone() } else { answers.pop_front().unwrap() };
                match answer {
                    Some(bytes) => drop(stream.write_all(&bytes)),
                    None => silent.push(stream),
                }
            }
        });
        Loopback { url, seen }
    }

    /// One answer for every request.
    pub(crate) fn always(answer: Vec<u8>) -> Loopback {
        Loopback::new(vec![Some(answer)])
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn receive(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next().unwrap_or("").to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    let headers = Headers::new(lines.filter_map(field).collect());
    let length = headers.first("Content-Length").map_or(0, |text| text.parse().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => body.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
    Some(Seen { line, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A complete answer with a body.
pub(crate) fn answer(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    with_headers(status, &[("Content-Type", content_type)], body)
}

/// The same with any header fields.
pub(crate) fn with_headers(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if status != 204 && status != 304 {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// A client that may reach loopback.
pub(crate) fn client() -> Client {
    Client::new(Config::new(vec!["127.0.0.0/8".parse().unwrap()], Secret::new("12345")))
}
