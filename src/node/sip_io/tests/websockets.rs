//! WebSocket: handshakes that are refused, messages and frames, flows.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::secure::{Authority, exchange};
use super::*;

fn phone(settings: Settings, transport: Transport) -> SipIo {
    bound(&[transport], Settings { opens_websockets: true, ..settings })
}

#[test]
fn messages_travel_both_ways_over_the_browsers_connection() {
    run(async {
        let mut server = bound(&[Transport::Ws], plain());
        let mut client = phone(plain(), Transport::Ws);
        let flow = towards(&client, Transport::Ws, address_of(&server, Transport::Ws));
        let came = exchange(&mut client, &mut server, flow).await;
        assert_eq!(exchange(&mut client, &mut server, flow).await, came);
        // Once it is closed there is no way: nobody connects to a browser.
        drop(client);
        assert_eq!(lost(&mut server).await, came);
        let sent = server.send(came, &Bytes::from_static(OPTIONS));
        assert!(matches!(sent, Some(Arrival::Unreachable(flow)) if flow == came), "{sent:?}");
    });
}

#[test]
fn secure_ones_have_a_certificate() {
    run(async {
        let authority = Authority::new();
        let pair = authority.sign("server", &["127.0.0.1"]);
        let mut server = bound(&[Transport::Wss], authority.settings(vec![pair]));
        let mut client = phone(authority.settings(vec![]), Transport::Wss);
        let flow = towards(&client, Transport::Wss, address_of(&server, Transport::Wss));
        exchange(&mut client, &mut server, flow).await;
    });
}

/// Sends a handshake with these header lines; what the server answers first.
pub(super) async fn handshake(io: &mut SipIo, lines: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address_of(io, Transport::Ws)).await.expect("connected");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = vec![];
    let read = async {
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
    };
    let serve = async {
        // Whoever is refused is lost, which may be told first.
        while let Arrival::Unreachable(_) = io.receive().await {}
    };
    tokio::select! {
        () = read => {}
        () = serve => panic!("a message"),
    }
    (stream, String::from_utf8(answer).expect("text"))
}

#[test]
fn the_subprotocol_is_required_and_origins_are_checked() {
    run(async {
        let origins = vec!["https://phone.example".to_owned()];
        let cases = [
            ("", "400"),
            ("Sec-WebSocket-Protocol: chat\r\n", "400"),
            ("Sec-WebSocket-Protocol: chat, SIP\r\n", "101"),
            ("Sec-WebSocket-Protocol: sip\r\nOrigin: https://evil.example\r\n", "403"),
            ("Sec-WebSocket-Protocol: sip\r\nOrigin: https://phone.example.evil\r\n", "403"),
            ("Sec-WebSocket-Protocol: sip\r\nOrigin: null\r\n", "403"),
            ("Sec-WebSocket-Protocol: sip\r\nOrigin: https://Phone.example\r\n", "101"),
        ];
        for (lines, status) in cases {
            let mut io = bound(&[Transport::Ws], Settings { origins: origins.clone(), ..plain() });
            let (_stream, answer) = handshake(&mut io, lines).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{lines}: {answer}");
            let named = answer.to_ascii_lowercase().contains("sec-websocket-protocol: sip\r\n");
            assert_eq!(named, status == "101", "{answer}");
        }
        let mut open = bound(&[Transport::Ws], plain());
        let lines = "Sec-WebSocket-Protocol: sip\r\nOrigin: https://any.example\r\n";
        assert!(handshake(&mut open, lines).await.1.starts_with("HTTP/1.1 101 "));
    });
}

/// A client's frame; the mask is zero, which changes nothing.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame");
    let mut bytes = vec![first, 0x80 | 126];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[test]
fn text_binary_and_fragments_are_messages_and_pings_are_answered() {
    run(async {
        let mut io = bound(&[Transport::Ws], plain());
        let (mut stream, _) = handshake(&mut io, "Sec-WebSocket-Protocol: sip\r\n").await;
        let (head, tail) = OPTIONS.split_at(40);
        for frames in [
            frame(0x81, OPTIONS),
            frame(0x82, OPTIONS),
            frame(0x81, &[b"\r\n", OPTIONS].concat()),
            [frame(0x01, head), frame(0x80, tail)].concat(),
        ] {
            stream.write_all(&frames).await.expect("written");
            let (flow, bytes) = message(&mut io).await;
            assert_eq!((flow.transport, bytes), (Transport::Ws, Bytes::from_static(OPTIONS)));
        }
        stream.write_all(&frame(0x89, b"hi")).await.expect("a ping");
        stream.write_all(&frame(0x81, b"\r\n\r\n")).await.expect("the other kind of ping");
        let mut pongs = [0; 8];
        tokio::select! {
            read = stream.read_exact(&mut pongs) => drop(read.expect("pongs")),
            arrival = io.receive() => panic!("{arrival:?}"),
        }
        assert_eq!(pongs, *b"\x8a\x02hi\x81\x02\r\n");
    });
}

#[test]
fn a_message_that_is_too_long_ends_the_connection() {
    run(async {
        let mut io = bound(&[Transport::Ws], plain());
        let (mut stream, _) = handshake(&mut io, "Sec-WebSocket-Protocol: sip\r\n").await;
        stream.write_all(&frame(0x81, OPTIONS)).await.expect("written");
        let (flow, _) = message(&mut io).await;
        let piece = vec![b'x'; 40_000];
        stream.write_all(&frame(0x01, &piece)).await.expect("written");
        stream.write_all(&frame(0x80, &piece)).await.expect("written");
        assert_eq!(lost(&mut io).await, flow);
    });
}

#[test]
fn a_peer_that_does_not_read_loses_its_connection_alone() {
    run(async {
        let mut io = bound(&[Transport::Ws], plain());
        let (mut deaf, _) = handshake(&mut io, "Sec-WebSocket-Protocol: sip\r\n").await;
        let (mut fine, _) = handshake(&mut io, "Sec-WebSocket-Protocol: sip\r\n").await;
        deaf.write_all(&frame(0x81, OPTIONS)).await.expect("written");
        let (flow, _) = message(&mut io).await;
        let long = Bytes::from(vec![b'x'; 60_000]);
        let closed = loop {
            if let Some(arrival) = io.send(flow, &long) {
                break arrival;
            }
            tokio::task::yield_now().await;
        };
        assert!(matches!(closed, Arrival::Unreachable(lost) if lost == flow), "{closed:?}");
        fine.write_all(&frame(0x81, OPTIONS)).await.expect("written");
        assert_ne!(message(&mut io).await.0, flow, "the other goes on");
    });
}
