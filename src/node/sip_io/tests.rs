use std::io::{Read, Write};

use super::*;

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

fn address_of(io: &SipIo, transport: Transport) -> SocketAddr {
    let found = io.listeners().iter().find(|(own, _)| *own == transport);
    found.expect("a listener").1
}

#[test]
fn a_dead_peer_is_reported_by_the_name_it_was_called() {
    run(async {
        let mut io = SipIo::bind(&[(Transport::Tcp, LOOPBACK)]).expect("bound");
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
        let mut io = SipIo::bind(&[(Transport::Tcp, LOOPBACK)]).expect("bound");
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
fn a_flood_on_one_socket_leaves_the_others_their_turn() {
    run(async {
        let listen = [(Transport::Udp, LOOPBACK), (Transport::Udp, LOOPBACK)];
        let mut io = SipIo::bind(&listen).expect("bound");
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
