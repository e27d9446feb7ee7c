use std::io::{Read, Write};

use super::*;

mod alive;
mod secure;
mod websockets;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Runs a test where stream tasks can run, and never longer than it may take.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tasks = tokio::task::LocalSet::new();
    let bounded = async {
        tokio::time::timeout(std::time::Duration::from_secs(20), test).await.expect("in time");
    };
    tasks.block_on(&runtime.expect("a runtime"), bounded);
}

fn plain() -> Settings {
    Settings { connections_per_source: 100, ..Settings::default() }
}

fn bound(transports: &[Transport], settings: Settings) -> SipIo {
    let listen: Vec<_> = transports.iter().map(|transport| (*transport, LOOPBACK)).collect();
    SipIo::bind(&listen, settings).expect("bound")
}

/// Where a request to a listener on loopback goes.
fn towards(io: &SipIo, transport: Transport, remote: SocketAddr) -> Flow {
    let local = io.listeners().first().expect("a listener").1;
    Flow { transport, local, remote, connection: 0 }
}

async fn message(io: &mut SipIo) -> (Flow, Bytes) {
    match io.receive().await {
        Arrival::Message(flow, bytes) => (flow, bytes),
        Arrival::Unreachable(flow) => panic!("{flow:?} is lost"),
    }
}

async fn lost(io: &mut SipIo) -> Flow {
    match io.receive().await {
        Arrival::Unreachable(flow) => flow,
        Arrival::Message(flow, bytes) => panic!("{flow:?}: {bytes:?}"),
    }
}

/// What comes first; all ends are served meanwhile.
async fn either(one: &mut SipIo, two: &mut SipIo) -> Arrival {
    tokio::select! {
        arrival = one.receive() => arrival,
        arrival = two.receive() => arrival,
    }
}

const OPTIONS: &[u8] = b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
    Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

fn address_of(io: &SipIo, transport: Transport) -> SocketAddr {
    let found = io.listeners().iter().find(|(own, _)| *own == transport);
    found.expect("a listener").1
}

#[test]
fn a_dead_peer_is_reported_by_the_name_it_was_called() {
    run(async {
        let mut io = bound(&[Transport::Tcp], plain());
        // A port that was free a moment ago refuses connections.
        let free = std::net::TcpListener::bind(LOOPBACK).expect("bound");
        let remote = free.local_addr().expect("an address");
        drop(free);
        let local = address_of(&io, Transport::Tcp);
        for connection in [0, 77] {
            let flow = Flow { transport: Transport::Tcp, local, remote, connection };
            assert!(io.send(flow, &Bytes::from_static(b"x")).is_none(), "it is being tried");
            let mut reported = vec![];
            while !reported.contains(&flow) {
                match io.receive().await {
                    Arrival::Unreachable(flow) => reported.push(flow),
                    Arrival::Message(..) => panic!("a message"),
                }
            }
        }
    });
}

#[test]
fn the_last_answer_still_goes_out_on_a_stream_that_lost_its_frames() {
    run(async {
        let mut io = bound(&[Transport::Tcp], plain());
        let mut peer =
            std::net::TcpStream::connect(address_of(&io, Transport::Tcp)).expect("connected");
        peer.write_all(b"OPTIONS sip:x SIP/2.0\r\nCall-ID: 1\r\n\r\n").expect("written");
        let Arrival::Message(flow, _) = io.receive().await else { panic!("no message") };
        assert!(io.send(flow, &Bytes::from_static(b"SIP/2.0 400 Bad\r\n\r\n")).is_none());
        assert!(matches!(io.receive().await, Arrival::Unreachable(_)), "then it is closed");
        let mut answer = String::new();
        peer.read_to_string(&mut answer).expect("read to the end");
        assert!(answer.starts_with("SIP/2.0 400 "), "{answer:?}");
    });
}

#[test]
fn line_ends_before_a_datagrams_message_reach_nobody() {
    run(async {
        let mut io = bound(&[Transport::Udp], plain());
        let address = address_of(&io, Transport::Udp);
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        for before in [&b"\r\n"[..], b"\r\n\r\n", b"\n"] {
            peer.send_to(&[before, OPTIONS].concat(), address).expect("sent");
            let Arrival::Message(_, bytes) = io.receive().await else { panic!("no message") };
            assert_eq!(bytes, OPTIONS);
        }
    });
}

#[test]
fn junk_on_a_stream_closes_it_at_once_and_what_came_before_is_answered() {
    run(async {
        let mut io = bound(&[Transport::Tcp], plain());
        let address = address_of(&io, Transport::Tcp);
        for junk in ["hello\r\n", "hello there\r\nx", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            let mut peer = std::net::TcpStream::connect(address).expect("connected");
            peer.write_all(&[OPTIONS, junk.as_bytes(), OPTIONS].concat()).expect("written");
            let Arrival::Message(flow, bytes) = io.receive().await else { panic!("no message") };
            assert_eq!(bytes, OPTIONS);
            assert!(io.send(flow, &Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n")).is_none());
            assert!(
                matches!(io.receive().await, Arrival::Unreachable(_)),
                "nothing follows {junk}"
            );
            let mut answer = String::new();
            peer.read_to_string(&mut answer).expect("read to the end");
            assert_eq!(answer, "SIP/2.0 200 OK\r\n\r\n");
        }
        // Alone it is not waited for, either.
        let mut peer = std::net::TcpStream::connect(address).expect("connected");
        peer.write_all(b"hello\r\nx").expect("written");
        let read = tokio::task::spawn_blocking(move || peer.read(&mut [0; 8]));
        let read = tokio::time::timeout(std::time::Duration::from_secs(2), read);
        let serve = async { while matches!(io.receive().await, Arrival::Unreachable(_)) {} };
        let read = tokio::select! {
            read = read => read.expect("closed"),
            () = serve => panic!("it is no message"),
        };
        assert!(matches!(read.expect("no panic"), Ok(0) | Err(_)));
    });
}

#[test]
fn a_flood_on_one_socket_leaves_the_others_their_turn() {
    run(async {
        let mut io = bound(&[Transport::Udp, Transport::Udp], plain());
        let peer = std::net::UdpSocket::bind(LOOPBACK).expect("bound");
        let (flooded, quiet) = (io.listeners()[0].1, io.listeners()[1].1);
        for _ in 0..100 {
            peer.send_to(b"flood", flooded).expect("sent");
        }
        peer.send_to(b"one", quiet).expect("sent");
        let mut seen = 0;
        loop {
            let Arrival::Message(flow, _) = io.receive().await else { panic!("no message") };
            seen += 1;
            if flow.local == quiet {
                break;
            }
            if let Some(Arrival::Message(flow, _)) = io.try_receive() {
                seen += 1;
                if flow.local == quiet {
                    break;
                }
            }
        }
        assert!(seen <= 20, "it waited for {seen} others");
    });
}

#[test]
fn one_source_has_so_many_connections_and_no_more() {
    run(async {
        let mut io = bound(&[Transport::Tcp], Settings { connections_per_source: 2, ..plain() });
        let address = address_of(&io, Transport::Tcp);
        let connect = || tokio::net::TcpStream::connect(address);
        let (mut one, two) = (connect().await.expect("connected"), connect().await.expect("two"));
        let mut third = connect().await.expect("the kernel takes it");
        let mut byte = [0];
        let refused = async {
            use tokio::io::AsyncReadExt;
            third.read(&mut byte).await.unwrap_or(0)
        };
        tokio::select! {
            length = refused => assert_eq!(length, 0, "closed at once"),
            _ = io.receive() => panic!("nobody has said anything"),
        }
        drop(two);
        lost(&mut io).await;
        let mut fourth = connect().await.expect("connected");
        for stream in [&mut one, &mut fourth] {
            tokio::io::AsyncWriteExt::write_all(stream, OPTIONS).await.expect("written");
            assert_eq!(message(&mut io).await.1, OPTIONS, "a place was free again");
        }
    });
}

#[test]
fn datagrams_that_only_keep_alive_are_no_messages() {
    run(async {
        let mut io = bound(&[Transport::Udp], plain());
        let address = address_of(&io, Transport::Udp);
        let peer = tokio::net::UdpSocket::bind(LOOPBACK).await.expect("bound");
        let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"twelve bytes"].concat();
        for bytes in [&b"\r\n\r\n"[..], b"\0\0\0\0", b"", &stun, OPTIONS] {
            peer.send_to(bytes, address).await.expect("sent");
        }
        assert_eq!(message(&mut io).await.1, OPTIONS);
        assert!(io.try_receive().is_none());
        let mut answer = [0; 64];
        let length = peer.recv(&mut answer).await.expect("an answer");
        let own = peer.local_addr().expect("an address");
        assert_eq!(Some(answer[..length].to_vec()), stun::answer(&stun, own), "STUN is answered");
    });
}

#[test]
fn a_ping_is_answered_before_anything_was_said() {
    run(async {
        let mut io = bound(&[Transport::Tcp], plain());
        let mut peer =
            tokio::net::TcpStream::connect(address_of(&io, Transport::Tcp)).await.expect("in");
        let pong = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            peer.write_all(b"\r\n\r\n").await.expect("written");
            let mut pong = [0; 2];
            peer.read_exact(&mut pong).await.expect("a pong");
            pong
        };
        tokio::select! {
            pong = pong => assert_eq!(pong, *b"\r\n"),
            _ = io.receive() => panic!("a ping is no message"),
        }
    });
}
