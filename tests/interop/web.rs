//! A tiny web server that answers what a test wants and remembers what it was asked; and a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::tools::eventually;

/// One request that came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub parameters: Vec<(String, String)>,
}

impl Request {
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The server; lives until the test ends.
#[derive(Debug)]
pub struct Web {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Web {
    /// Answers each request with the XML that `answer` makes.
    pub fn start(answer: impl Fn(&Request) -> String + Send + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(vec![]));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = read(&stream) {
                    let body = answer(&request);
                    seen.lock().unwrap().push(request);
                    let _ = write!(
                        &stream,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\
                         Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                }
            }
        });
        Web { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for a request.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        let start = Instant::now();
        loop {
            if let Some(found) = self.seen().into_iter().find(|request| wanted(request)) {
                return found;
            }
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(20), "no {what}; there was {:#?}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let form = format!("{query}&{}", String::from_utf8_lossy(&body));
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let parameters = pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    Some(Request { path: path.to_owned(), parameters })
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// GET; status and body. At most so long.
pub fn get(server: SocketAddr, target: &str, limit: Duration) -> (u16, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("GET {target}: {error}"));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("GET {target}: {answer:?}")), body.to_owned())
}

/// GET until it works.
pub fn get_ok(server: SocketAddr, target: &str) -> String {
    eventually(target, Duration::from_secs(10), || {
        let (status, body) = get(server, target, Duration::from_secs(5));
        (status == 200).then_some(body)
    })
}
