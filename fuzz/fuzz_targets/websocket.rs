//! Frames of a WebSocket client behind its handshake, under the limits that we set.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use offhook::sip::Message as Sip;
use offhook::sip::message::MAX_MESSAGE;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// What a client sends, in pieces; what it is sent is thrown away.
struct Pipe {
    bytes: Vec<u8>,
    at: usize,
    written: usize,
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // 1 to 64 bytes at a time, as the bytes themselves have it.
        let most = rest.first().map_or(0, |byte| 1 + usize::from(byte % 64));
        let taken = most.min(rest.len()).min(buffer.remaining());
        buffer.put_slice(&rest[..taken]);
        self.at += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.written += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// As `node/sip_io/websocket.rs` sets them.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * (MAX_MESSAGE + 1))
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

pub fn run(bytes: &[u8]) {
    let mut context = Context::from_waker(Waker::noop());
    let pipe = Pipe { bytes: bytes.to_vec(), at: 0, written: 0 };
    let opened = WebSocketStream::from_raw_socket(pipe, Role::Server, Some(limits()));
    let mut opened = std::pin::pin!(opened);
    let Poll::Ready(mut socket) = opened.as_mut().poll(&mut context) else {
        panic!("it waits for nobody");
    };
    // Each frame takes two bytes at least; pings are answered and count too.
    for _ in 0..=bytes.len() {
        match Pin::new(&mut socket).poll_next(&mut context) {
            Poll::Ready(Some(Ok(Message::Text(text)))) => {
                assert!(text.len() <= MAX_MESSAGE);
                let _ = Sip::parse(text.into());
            }
            Poll::Ready(Some(Ok(Message::Binary(message)))) => {
                assert!(message.len() <= MAX_MESSAGE);
                let _ = Sip::parse(message);
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => break,
        }
    }
    assert!(socket.get_ref().written <= 2 * bytes.len() + 256, "more is said than was heard");
}
