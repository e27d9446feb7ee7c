//! A telephone made of bare sockets: it shares no code with the server's SIP or RTP, so one
//! misunderstanding cannot hide on both sides. It stands at the trunk's address.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use offhook::audio::codec::Codec;

/// Tells calls of one process apart.
static CALLS: AtomicU64 = AtomicU64::new(1);

/// A call that was answered.
pub struct Call {
    server: SocketAddr,
    socket: UdpSocket,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    responses: mpsc::Receiver<String>,
    from: String,
    to: String,
    call_id: String,
    target: String,
    cseq: u32,
}

/// What the threads of a call share.
#[derive(Default)]
struct Shared {
    over: AtomicBool,
    /// Hertz; 0 is silence.
    hums: AtomicU32,
    /// Packets of 20 ms sent while humming.
    hummed: AtomicU32,
    heard: Mutex<Vec<i16>>,
    bye: AtomicBool,
}

impl Call {
    /// Calls a number; returns when the call is answered.
    pub fn dial(server: SocketAddr, number: &str) -> Call {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared::default());
        let (told, responses) = mpsc::channel();
        let threads = vec![spawn(&socket, &shared, move |socket, shared| {
            answer_requests(&socket, shared, &told);
        })];
        let unique = format!("{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
        let mut call = Call {
            server,
            socket,
            shared,
            threads,
            responses,
            from: format!("<sip:+15550001111@127.0.0.1>;tag=f{unique}"),
            to: format!("<sip:{number}@{server}>"),
            call_id: format!("wire-{unique}"),
            target: format!("sip:{number}@{server}"),
            cseq: 1,
        };
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
            rtp.local_addr().unwrap().port()
        );
        call.send("INVITE", &sdp);
        let answer = call.final_response("INVITE");
        assert!(answer.starts_with("SIP/2.0 200"), "{number}: {answer}");
        call.to = header(&answer, "To").expect("To").to_owned();
        let contact = header(&answer, "Contact").expect("Contact");
        call.target = contact.trim_start_matches('<').split('>').next().unwrap().to_owned();
        call.send("ACK", "");
        let media = answer.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("audio");
        let port: u16 = media.split(' ').next().unwrap().parse().unwrap();
        let media = SocketAddr::new(server.ip(), port);
        call.threads.push(spawn(&rtp, &call.shared, |rtp, shared| listen(&rtp, shared)));
        call.threads.push(spawn(&rtp, &call.shared, move |rtp, shared| hum(&rtp, shared, media)));
        call
    }

    /// Sends a tone from now on; 0 is silence.
    pub fn hum(&self, hertz: u32) {
        self.shared.hums.store(hertz, Ordering::Relaxed);
    }

    /// Seconds of tone sent so far.
    pub fn hummed(&self) -> f64 {
        f64::from(self.shared.hummed.load(Ordering::Relaxed)) * 0.02
    }

    /// Forgets what it heard and listens for so long.
    pub fn listen(&self, time: Duration) -> Vec<i16> {
        self.shared.heard.lock().unwrap().clear();
        std::thread::sleep(time);
        self.shared.heard.lock().unwrap().clone()
    }

    /// Whether the server said BYE.
    pub fn is_over(&self) -> bool {
        self.shared.bye.load(Ordering::Relaxed)
    }

    pub fn hang_up(mut self) {
        self.cseq += 1;
        self.send("BYE", "");
        let answer = self.final_response("BYE");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    fn send(&self, method: &str, sdp: &str) {
        let Call { target, from, to, call_id, cseq, .. } = self;
        let local = self.socket.local_addr().unwrap();
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{call_id}-{method}\
             -{cseq}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:wire@{local}>\r\n{kind}Content-Length: {}\r\n\
             \r\n{sdp}",
            sdp.len()
        );
        self.socket.send_to(text.as_bytes(), self.server).unwrap();
    }

    fn final_response(&self, method: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.responses.recv_timeout(left);
            let answer = answer.unwrap_or_else(|_| panic!("{method} {} unanswered", self.target));
            let of_method = header(&answer, "CSeq").is_some_and(|cseq| cseq.ends_with(method));
            if of_method && !answer.starts_with("SIP/2.0 1") {
                return answer;
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One OPTIONS over UDP; the answer's first line.
pub fn options(server: SocketAddr) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let local = socket.local_addr().unwrap();
    let text = format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-o{}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:t@127.0.0.1>;tag=1\r\nTo: <sip:{server}>\r\n\
         Call-ID: o-{local}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        local.port()
    );
    let mut buffer = [0; 4_096];
    // UDP may lose it: timer E repeats it (RFC 3261 section 17.1.2.2).
    for _ in 0..10 {
        socket.send_to(text.as_bytes(), server).unwrap();
        if let Ok(length) = socket.recv(&mut buffer) {
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            return answer.lines().next().unwrap_or_default().to_owned();
        }
    }
    panic!("OPTIONS is not answered");
}

/// One INVITE that is not to be answered with a call; the final answer's first line.
pub fn invite_refused(server: SocketAddr, number: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let local = socket.local_addr().unwrap();
    let request = |method: &str, to: &str| {
        format!(
            "{method} sip:{number}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-r{0}\
             \r\nMax-Forwards: 70\r\nFrom: <sip:t@127.0.0.1>;tag=1\r\nTo: {to}\r\nCall-ID: r-{local}\
             \r\nCSeq: 1 {method}\r\nContact: <sip:t@{local}>\r\nContent-Length: 0\r\n\r\n",
            local.port()
        )
    };
    let to = format!("<sip:{number}@{server}>");
    socket.send_to(request("INVITE", &to).as_bytes(), server).unwrap();
    let mut buffer = [0; 4_096];
    loop {
        let length = socket.recv(&mut buffer).expect("an answer to INVITE");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            let to = header(&answer, "To").unwrap_or_default();
            socket.send_to(request("ACK", to).as_bytes(), server).unwrap();
            return answer.lines().next().unwrap_or_default().to_owned();
        }
    }
}

fn spawn(
    socket: &UdpSocket,
    shared: &Arc<Shared>,
    work: impl FnOnce(UdpSocket, &Shared) + Send + 'static,
) -> JoinHandle<()> {
    let (socket, shared) = (socket.try_clone().unwrap(), Arc::clone(shared));
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    std::thread::spawn(move || work(socket, &shared))
}

/// Says 200 to whatever the server asks in the dialog, and hands on what it answers.
fn answer_requests(socket: &UdpSocket, shared: &Shared, told: &mpsc::Sender<String>) {
    let mut buffer = [0; 8_192];
    while !shared.over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with("SIP/2.0") {
            let _ = told.send(text);
            continue;
        }
        if text.starts_with("BYE") {
            shared.bye.store(true, Ordering::Relaxed);
        }
        if text.starts_with("ACK") {
            continue;
        }
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"]
            .map(|name| format!("{name}: {}\r\n", header(&text, name).unwrap_or_default()));
        let answer = format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", copied.concat());
        let _ = socket.send_to(answer.as_bytes(), from);
    }
}

fn listen(rtp: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 2_048];
    while !shared.over.load(Ordering::Relaxed) {
        let Ok(length) = rtp.recv(&mut buffer) else { continue };
        if length > 12 && buffer[1] & 0x7f == 0 {
            let mut heard = shared.heard.lock().unwrap();
            Codec::Pcmu.decode(&buffer[12..length], &mut heard);
        }
    }
}

/// A packet every 20 ms, by the clock rather than by sleeps that add up.
fn hum(rtp: &UdpSocket, shared: &Shared, media: SocketAddr) {
    let (start, mut phase) = (Instant::now(), 0.0_f64);
    for n in 0_u32.. {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let hertz = f64::from(shared.hums.load(Ordering::Relaxed));
        let samples: Vec<i16> = (0..160)
            .map(|_| {
                phase += std::f64::consts::TAU * hertz / 8_000.0;
                (phase.sin() * 8_000.0) as i16
            })
            .collect();
        let mut packet = vec![0x80, 0];
        packet.extend((n as u16).to_be_bytes());
        packet.extend((n * 160).to_be_bytes());
        packet.extend(0x0ff0_0c01_u32.to_be_bytes());
        Codec::Pcmu.encode(&samples, &mut packet);
        let _ = rtp.send_to(&packet, media);
        if hertz > 0.0 {
            shared.hummed.fetch_add(1, Ordering::Relaxed);
        }
        let next = start + Duration::from_millis(20) * (n + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
