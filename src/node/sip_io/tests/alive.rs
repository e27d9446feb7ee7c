//! Who still lives: pings, pongs and their lack. Each end comes from a timer of the sockets, all of
//! them shortened.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Very patient, but for what a test makes short.
fn patient(change: impl FnOnce(&mut Patience)) -> Settings {
    let mut patience = Patience::default();
    change(&mut patience);
    Settings { patience, ..plain() }
}

const SOON: Duration = Duration::from_millis(50);

#[test]
fn we_ping_what_we_opened_and_notice_when_the_answers_end() {
    run(async {
        let settings = patient(|patience| {
            (patience.ping_every, patience.pong_within) = (SOON, SOON);
        });
        let mut io = bound(&[Transport::Tcp], settings);
        let server = TcpListener::bind(LOOPBACK).await.expect("bound");
        let flow = towards(&io, Transport::Tcp, server.local_addr().expect("an address"));
        assert!(io.send(flow, &Bytes::from_static(OPTIONS)).is_none());
        let served = async {
            let (mut stream, _) = server.accept().await.expect("a connection");
            let mut request = vec![0; OPTIONS.len()];
            stream.read_exact(&mut request).await.expect("the request");
            let mut ping = [0; 4];
            // Silence means nothing before the first answer, and the end after it.
            for _ in 0..3 {
                stream.read_exact(&mut ping).await.expect("a ping");
                assert_eq!(ping, *b"\r\n\r\n");
            }
            stream.write_all(b"\r\n").await.expect("a pong");
            let mut rest = vec![];
            stream.read_to_end(&mut rest).await.expect("pings to the end");
            assert!(rest.starts_with(b"\r\n\r\n"), "{rest:?}");
        };
        let (lost, ()) = tokio::join!(lost(&mut io), served);
        assert_eq!((lost.remote, lost.transport), (flow.remote, Transport::Tcp));
    });
}

#[test]
fn a_phone_that_stops_to_ping_is_gone() {
    run(async {
        let mut io = bound(&[Transport::Tcp], patient(|patience| patience.flow = SOON));
        let address = address_of(&io, Transport::Tcp);
        let mut quiet = TcpStream::connect(address).await.expect("connected");
        quiet.write_all(OPTIONS).await.expect("written");
        let (patient, _) = message(&mut io).await;
        let mut pinging = TcpStream::connect(address).await.expect("connected");
        pinging.write_all(&[OPTIONS, b"\r\n\r\n"].concat()).await.expect("written");
        let (flow, _) = message(&mut io).await;
        assert_eq!(lost(&mut io).await, flow, "it pinged once");
        assert!(io.send(patient, &Bytes::from_static(OPTIONS)).is_none(), "it never did");
        quiet.write_all(OPTIONS).await.expect("written");
        assert_eq!(message(&mut io).await.0, patient);
    });
}

#[test]
fn slow_handshakes_and_silent_connections_end() {
    run(async {
        let settings = patient(|patience| {
            (patience.handshake, patience.first_message) = (SOON, SOON);
        });
        let mut io = bound(&[Transport::Tcp, Transport::Ws], settings);
        for transport in [Transport::Tcp, Transport::Ws] {
            let mut silent = TcpStream::connect(address_of(&io, transport)).await.expect("in");
            silent.write_all(b"GET / HT").await.expect("written");
            assert_eq!(lost(&mut io).await.transport, transport);
        }
    });
}

#[test]
fn a_browser_that_answers_no_ping_is_gone() {
    run(async {
        let settings = patient(|patience| {
            // Far longer than a busy machine may keep an answer waiting.
            (patience.websocket_ping, patience.websocket_dead) = (SOON, 40 * SOON);
        });
        let mut io = bound(&[Transport::Ws], settings);
        let lines = "Sec-WebSocket-Protocol: sip\r\n";
        let (mut stream, _) = websockets::handshake(&mut io, lines).await;
        stream.write_all(&websockets::frame(0x81, OPTIONS)).await.expect("written");
        let (flow, _) = message(&mut io).await;
        let answering = async {
            let mut ping = [0; 2];
            for _ in 0..8 {
                stream.read_exact(&mut ping).await.expect("a ping");
                assert_eq!(ping, [0x89, 0]);
                stream.write_all(&websockets::frame(0x8a, b"")).await.expect("a pong");
            }
        };
        tokio::select! {
            () = answering => {}
            flow = lost(&mut io) => panic!("{flow:?} has answered"),
        }
        assert_eq!(lost(&mut io).await, flow, "then it answers no more");
    });
}

#[test]
fn last_words_get_away_before_the_sockets_go() {
    run(async {
        let server = TcpListener::bind(LOOPBACK).await.expect("bound");
        let mut io = bound(&[Transport::Tcp], plain());
        let flow = towards(&io, Transport::Tcp, server.local_addr().expect("an address"));
        for _ in 0..3 {
            assert!(io.send(flow, &Bytes::from_static(OPTIONS)).is_none());
        }
        io.flush().await;
        drop(io);
        let (mut stream, _) = server.accept().await.expect("a connection");
        let mut heard = vec![];
        stream.read_to_end(&mut heard).await.expect("read to the end");
        assert_eq!(heard, OPTIONS.repeat(3));
    });
}
