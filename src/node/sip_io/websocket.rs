//! SIP over WebSocket (RFC 7118): the handshake, and one message a frame.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connection::{Connection, Io, Trouble};
use super::streams::StreamEvent;
use crate::sip::Flow;
use crate::sip::frame::PONG;
use crate::sip::message::MAX_MESSAGE;

/// The subprotocol's name.
const SUBPROTOCOL: &str = "sip";

/// A connection whose handshake is done.
pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// Answers a browser's handshake, if its page and protocol are ours.
pub(super) async fn accept(stream: Box<dyn Io>, origins: &[String]) -> Result<Socket, Trouble> {
    let origins = origins.to_vec();
    #[allow(clippy::result_large_err, reason = "the library's type")]
    let check = move |request: &Request, mut response: Response| {
        if let Some((status, reason)) = objection(request.headers(), &origins) {
            let mut refusal = ErrorResponse::new(Some(reason.to_owned()));
            *refusal.status_mut() = status;
            return Err(refusal);
        }
        let protocol = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(response)
    };
    let accepted =
        tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(limits())).await;
    accepted.map_err(|error| Trouble::WebSocket(error.to_string()))
}

/// Opens a connection to a server, as phones do.
pub(super) async fn connect(stream: Box<dyn Io>, flow: Flow) -> Result<Socket, Trouble> {
    let failed = |error: Error| Trouble::WebSocket(error.to_string());
    let uri = format!("{}://{}/sip", flow.transport.name(), flow.remote);
    let uri: Uri = uri.parse().map_err(|_| Trouble::WebSocket("no such address".to_owned()))?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
    let connected =
        tokio_tungstenite::client_async_with_config(request, stream, Some(limits())).await;
    connected.map(|(socket, _)| socket).map_err(failed)
}

/// Why a handshake is refused (RFC 7118 section 4.1, RFC 6455 section 4.2.2).
fn objection(headers: &HeaderMap, origins: &[String]) -> Option<(StatusCode, &'static str)> {
    let mut offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let sip = offered.any(|value| {
        let names = value.to_str().unwrap_or_default().split(',');
        names.map(str::trim).any(|name| name.eq_ignore_ascii_case(SUBPROTOCOL))
    });
    if !sip {
        return Some((StatusCode::BAD_REQUEST, "the subprotocol sip is required"));
    }
    // Browsers always say which page connects; other clients need not.
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("unreadable"));
    let allowed = |origin: &str| {
        let origin = origin.trim_end_matches('/');
        origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
    };
    let foreign = !origins.is_empty() && origin.is_some_and(|origin| !allowed(origin));
    foreign.then_some((StatusCode::FORBIDDEN, "this origin is not among [sip] origins"))
}

/// Small buffers, since there are many connections, and no message longer than SIP's.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * (MAX_MESSAGE + 1))
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Carries messages both ways until either end is done.
pub(super) async fn converse(connection: Connection, mut socket: Socket) {
    let Connection { flow, mut queue, unwritten, shared, events, .. } = connection;
    let patience = shared.settings.patience;
    let mut next_ping = Instant::now() + patience.websocket_ping;
    let mut until = Instant::now() + patience.first_message;
    let mut spoken = false;
    loop {
        let bytes = tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => Bytes::from(text),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Bytes::new(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            Some(bytes) = queue.recv() => {
                if socket.send(frame(bytes)).await.is_err() {
                    return;
                }
                unwritten.set(unwritten.get().saturating_sub(1));
                shared.written.notify_one();
                continue;
            }
            () = tokio::time::sleep_until(next_ping.min(until)) => {
                next_ping = Instant::now() + patience.websocket_ping;
                if Instant::now() >= until || socket.send(Message::Ping(Bytes::new())).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let keep_alive = bytes.iter().all(|byte| b"\r\n".contains(byte));
        spoken |= !keep_alive;
        if spoken {
            until = Instant::now() + patience.websocket_dead;
        }
        if !keep_alive {
            if events.send(StreamEvent::Message(flow, bytes)).await.is_err() {
                return;
            }
        // Some clients ping as on a stream (RFC 5626 section 4.4.1).
        } else if bytes.len() >= 4 && socket.send(frame(Bytes::from_static(PONG))).await.is_err() {
            return;
        }
    }
}

/// Text where it is text, since browsers' libraries expect it.
fn frame(bytes: Bytes) -> Message {
    match std::str::from_utf8(&bytes) {
        Ok(text) => Message::text(text),
        Err(_) => Message::Binary(bytes),
    }
}
