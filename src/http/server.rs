//! One HTTP/1.1 connection from its first byte to its last: bounded headers, bodies and times.
//!
//! `node` accepts sockets and spawns one task for each connection; nothing is spawned here.
//! RFC 9112.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::bodies::{Bodies, Held};
use super::file::Sending;
use super::idle::Idle;
use super::message::{Headers, Request, Response};
use super::route::Routes;

/// The largest head accepted, request line and header fields together.
const HEAD_LIMIT: usize = 64 * 1024;
/// Header fields accepted in one request.
const MOST_FIELDS: usize = 128;
/// A client that has not sent its head by then is slow on purpose. Also bounds idle keep-alive.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// Serves one connection until it ends, or until `shutdown` resolves and the request in hand has
/// been answered; `idle` is told which of both it is. The error says why a connection ended badly; it concerns this peer alone.
pub async fn serve_connection<S>(
    stream: S,
    peer: Option<IpAddr>,
    routes: Routes,
    bodies: Arc<Bodies>,
    idle: Arc<Idle>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| answer(request, peer, &routes, &bodies, &idle));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // A client that has sent all it will still wants its answer (RFC 9112 section 9.6).
        .half_close(true)
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(MOST_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut shutdown = std::pin::pin!(shutdown);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shutdown.as_mut() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: Option<IpAddr>,
    routes: &Routes,
    bodies: &Arc<Bodies>,
    idle: &Idle,
) -> Result<hyper::Response<Sending>, Infallible> {
    // Until there is an answer: a body may wait for its turn longer than it took to come.
    let mut held = Held::nothing(bodies);
    let (head, body) = request.into_parts();
    let response = match bodies.read(body, &mut held).await {
        Ok(body) => {
            let _answering = idle.answering();
            routes.handle(whole(head, body, peer)).await
        }
        Err(refusal) => refusal,
    };
    Ok(write(response))
}

fn whole(head: hyper::http::request::Parts, body: Bytes, peer: Option<IpAddr>) -> Request {
    let lossy = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = head.headers.iter().map(|(name, value)| (name.to_string(), lossy(value)));
    Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: Headers::new(fields.collect()),
        body,
        peer,
    }
}

/// A handler's response on the wire. A function may have set a field that cannot be sent: it is
/// left out, as the line break in it may be an attempt to add a response of its own.
fn write(response: Response) -> hyper::Response<Sending> {
    // To 205 there is no content (RFC 9110 section 15.3.6), nor to 204.
    let sending = match response.status {
        204 | 205 => Sending::new(Bytes::new(), None),
        _ => Sending::new(response.body, response.file),
    };
    let mut out = hyper::Response::new(sending);
    *out.status_mut() = hyper::StatusCode::from_u16(response.status)
        .unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers.iter() {
        // The framing is the server's own business (RFC 9112 section 6).
        if name.eq_ignore_ascii_case("Content-Length")
            || name.eq_ignore_ascii_case("Transfer-Encoding")
        {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            // More than the map holds are left out, too.
            let _ = out.headers_mut().try_append(name, value);
        }
    }
    out
}
