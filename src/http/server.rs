//! One HTTP/1.1 connection from its first byte to its last: bounded headers, bodies and times.
//!
//! `node` accepts sockets and spawns one task for each connection; nothing is spawned here.
//! RFC 9112.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::file::Sending;
use super::message::{Headers, Request, Response};
use super::route::Routes;

/// The largest body accepted: requests carry forms and small JSON.
const BODY_LIMIT: usize = 1024 * 1024;
/// The largest head accepted, request line and header fields together.
const HEAD_LIMIT: usize = 64 * 1024;
/// Header fields accepted in one request.
const MOST_FIELDS: usize = 128;
/// A client that has not sent its head by then is slow on purpose. Also bounds idle keep-alive.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The same for the body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Serves one connection until it ends, or until `shutdown` resolves and the request in hand has
/// been answered. The error says why a connection ended badly; it concerns this peer alone.
pub async fn serve_connection<S>(
    stream: S,
    peer: Option<IpAddr>,
    routes: Routes,
    shutdown: impl Future<Output = ()>,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| answer(request, peer, &routes));
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
) -> Result<hyper::Response<Sending>, Infallible> {
    let response = match read(request, peer).await {
        Ok(request) => routes.handle(request).await,
        Err(refusal) => refusal,
    };
    Ok(write(response))
}

/// Reads a request whole, or says why not.
async fn read(
    request: hyper::Request<Incoming>,
    peer: Option<IpAddr>,
) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_LIMIT).collect()).await;
    let body = match body {
        Err(_) => return Err(closing(408, "408: the body did not come in time")),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(closing(413, &format!("413: the body is larger than {BODY_LIMIT} bytes")));
        }
        Ok(Err(error)) => return Err(closing(400, &format!("400: the body is broken: {error}"))),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let lossy = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = head.headers.iter().map(|(name, value)| (name.to_string(), lossy(value)));
    Ok(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: Headers::new(fields.collect()),
        body,
        peer,
    })
}

/// What is left of such a request is not read, so the connection cannot be used again.
fn closing(status: u16, text: &str) -> Response {
    Response::text(status, text).with("Connection", "close")
}

/// A handler's response on the wire. A function may have set a field that cannot be sent: it is
/// left out, as the line break in it may be an attempt to add a response of its own.
fn write(response: Response) -> hyper::Response<Sending> {
    let mut out = hyper::Response::new(Sending::new(response.body, response.file));
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
