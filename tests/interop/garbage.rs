//! Damaged bytes on the SIP port while a call is up.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use offhook::base::Rng;

use super::ear;
use super::server::Project;
use super::wire::{self, Call};

const TONE: f64 = 440.0;
const DATAGRAMS: u32 = 20_000;
const STREAMS: u32 = 300;
/// What 20,000 short-lived transactions may hold for their 32 seconds, generously, in kB.
const MOST_GROWTH: u64 = 150_000;

#[test]
#[ignore = "interop"]
fn damaged_bytes_disturb_no_call() {
    let project = Project::new(9)
        .tone(TONE)
        .number("+12223331234", "<Play loop=\"0\">/assets/tone.wav</Play>");
    let server = project.serve();
    let call = Call::dial(server.udp(), "12223331234");
    call.listen(Duration::from_secs(1));
    let before = server.memory();

    let (udp, tcp) = (server.udp(), server.tcp());
    let flood = std::thread::spawn(move || (flood_udp(udp), flood_tcp(tcp)));
    let started = Instant::now();
    let heard = call.listen(Duration::from_secs(6));
    flood.join().expect("the flood");
    let took = started.elapsed();
    let during = ear::seconds_of(&heard, TONE);
    println!(
        "{DATAGRAMS} datagrams and {STREAMS} streams within {took:.1?}: {during:.2} of 6 s heard"
    );
    assert!(during > 5.7, "{during} s");

    let after = ear::seconds_of(&call.listen(Duration::from_secs(2)), TONE);
    assert!(after > 1.9, "{after} s");
    assert_eq!(wire::options(server.udp()), "SIP/2.0 200 OK");
    let memory = server.memory();
    println!("memory: {before} kB before, {memory} kB after");
    assert!(memory < before + MOST_GROWTH, "{before} kB, then {memory} kB");
    assert!(!call.is_over());
    call.hang_up();
    server.said();
}

/// A request that is nearly right, with a few bytes changed, cut or repeated.
fn damaged(rng: &mut Rng, n: u32, server: SocketAddr) -> Vec<u8> {
    const METHODS: [&str; 8] =
        ["INVITE", "REGISTER", "OPTIONS", "ACK", "BYE", "CANCEL", "SUBSCRIBE", "\u{e9}"];
    let method = METHODS[rng.below(8) as usize];
    let mut bytes = format!(
        "{method} sip:+12223331234@{server} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKg{n}\
         \r\nMax-Forwards: 70\r\nFrom: \"x\" <sip:u@office.localhost>;tag=g{n}\r\nTo: <sip:+12223331234@\
         office.localhost>\r\nCall-ID: g{n}\r\nCSeq: 1 {method}\r\nContact: <sip:u@127.0.0.1:9>\r\n\
         Authorization: Digest username=\"home\", realm=\"office.localhost\", nonce=\"{n}\", uri=\"sip:\
         x\", response=\"00\"\r\nContent-Type: application/sdp\r\nContent-Length: 60\r\n\r\nv=0\r\n\
         o=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
    )
    .into_bytes();
    if rng.below(4) == 0 {
        return (0..rng.below(1_400)).map(|_| rng.next_u32() as u8).collect();
    }
    for _ in 0..=rng.below(6) {
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(4) {
            0 => bytes[at] = rng.next_u32() as u8,
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, b"\r\n\0;<>\"%"[rng.below(8) as usize]),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes.truncate(1_400);
    bytes
}

fn flood_udp(server: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut rng = Rng::from_number(41);
    for n in 0..DATAGRAMS {
        let _ = socket.send_to(&damaged(&mut rng, n, server), server);
        if n % 50 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn flood_tcp(server: SocketAddr) {
    let mut rng = Rng::from_number(43);
    let mut open = vec![];
    for n in 0..STREAMS {
        let Ok(mut stream) = TcpStream::connect(server) else { continue };
        // The server may close in the middle: that is its right.
        for _ in 0..rng.below(4) {
            if stream.write_all(&damaged(&mut rng, DATAGRAMS + n, server)).is_err() {
                break;
            }
        }
        // Some stay open with half a message.
        if rng.below(3) == 0 {
            open.push(stream);
        }
    }
}
