//! The bodies of requests, from all connections together: how much room they take and how long.
//!
//! What is large counts as it comes until its request is answered, so that neither slow senders nor
//! queues fill the memory; past the bound the rest of it is not read. What is small, as forms
//! of calls are, never waits for room: connections are bounded, and so are all small ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::message::Response;

/// The largest body accepted: requests carry forms and small JSON.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;
/// Needs no room: several times what calls and callbacks send. A thousand connections that send
/// as much take 16 MiB.
pub(super) const SMALL: usize = 16 * 1024;
/// All larger ones together: as many of the largest as functions run at one time.
const ROOM: usize = 64 * BODY_LIMIT;
/// A client that has not sent its body by then, however many bytes it sent, is slow on purpose.
const TIME: Duration = Duration::from_secs(30);

/// What bodies may take, all together, and what they do.
#[derive(Debug)]
pub struct Bodies {
    room: usize,
    time: Duration,
    taken: AtomicUsize,
}

impl Default for Bodies {
    fn default() -> Self {
        Bodies::new(ROOM, TIME)
    }
}

impl Bodies {
    pub(super) fn new(room: usize, time: Duration) -> Self {
        Bodies { room, time, taken: AtomicUsize::new(0) }
    }

    /// Reads a body whole, into room that `held` keeps; else the answer why not. What is left of
    /// such a request is not read, so the connection cannot be used again.
    pub(super) async fn read(&self, body: Incoming, held: &mut Held) -> Result<Bytes, Response> {
        let closing = |status, text: &str| {
            let response = Response::text(status, &format!("{status}: {text}"));
            response.with("Connection", "close")
        };
        match tokio::time::timeout(self.time, collect(body, held)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Err(_) => Err(closing(408, "the body did not come in time")),
            Ok(Err(Refused::Large)) => {
                Err(closing(413, &format!("the body is larger than {BODY_LIMIT} bytes")))
            }
            Ok(Err(Refused::Full)) => {
                let response = closing(503, "too many large requests wait; try again");
                Err(response.with("Retry-After", "1"))
            }
            Ok(Err(Refused::Broken(error))) => {
                Err(closing(400, &format!("the body is broken: {error}")))
            }
        }
    }
}

/// Room that one body has, given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    bodies: Arc<Bodies>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bodies.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why a body is not taken.
#[derive(Debug)]
enum Refused {
    Large,
    Full,
    Broken(hyper::Error),
}

impl Held {
    /// None yet.
    pub(super) fn nothing(bodies: &Arc<Bodies>) -> Held {
        Held { bodies: Arc::clone(bodies), bytes: 0 }
    }

    /// An error for a body of so many bytes for which there is no room now; takes none.
    fn expect(&self, length: usize) -> Result<(), Refused> {
        if length > BODY_LIMIT {
            return Err(Refused::Large);
        }
        let left = self.bodies.room.saturating_sub(self.bodies.taken.load(Ordering::Relaxed));
        if length > SMALL && length > left { Err(Refused::Full) } else { Ok(()) }
    }

    /// Room for a body of so many bytes in all.
    fn grow_to(&mut self, length: usize) -> Result<(), Refused> {
        if length > BODY_LIMIT {
            return Err(Refused::Large);
        }
        if length <= SMALL.max(self.bytes) {
            return Ok(());
        }
        let (more, room) = (length - self.bytes, self.bodies.room);
        let fits = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= room);
        let (taken, order) = (&self.bodies.taken, Ordering::Relaxed);
        taken.fetch_update(order, order, fits).map_err(|_| Refused::Full)?;
        self.bytes = length;
        Ok(())
    }
}

async fn collect(mut body: Incoming, held: &mut Held) -> Result<Bytes, Refused> {
    // What is told costs its sender nothing: room is for what has come.
    let told = body.size_hint().exact().unwrap_or(0);
    let told = usize::try_from(told).unwrap_or(usize::MAX);
    held.expect(told)?;
    let mut bytes = Vec::with_capacity(told.min(SMALL));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Refused::Broken)?.into_data() else { continue };
        held.grow_to(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::sync::Semaphore;

    use super::super::{BoxFuture, Handler, Request, Routes, server};
    use super::*;

    /// Says that a request came, and answers when it may.
    struct Gate {
        came: Semaphore,
        may_go: Semaphore,
    }

    struct At(Arc<Gate>);

    impl Handler for At {
        fn handle<'a>(&'a self, request: Request, _: Vec<String>) -> BoxFuture<'a, Response> {
            Box::pin(async move {
                if request.path == "/wait" {
                    self.0.came.add_permits(1);
                    self.0.may_go.acquire().await.expect("open").forget();
                }
                Response::text(200, &format!("{} bytes", request.body.len()))
            })
        }
    }

    struct Bench {
        gate: Arc<Gate>,
        bodies: Arc<Bodies>,
    }

    impl Bench {
        fn new(room: usize, time: Duration) -> Bench {
            let gate = Gate { came: Semaphore::new(0), may_go: Semaphore::new(0) };
            Bench { gate: Arc::new(gate), bodies: Arc::new(Bodies::new(room, time)) }
        }

        /// A connection to the server that has sent the head of a request.
        async fn post(&self, path: &str, framing: &str) -> DuplexStream {
            let (mut near, far) = tokio::io::duplex(8 * 1024);
            let mut routes = Routes::new();
            for pattern in ["/wait", "/go"] {
                routes.add(&["POST"], pattern, Arc::new(At(Arc::clone(&self.gate))));
            }
            let bodies = Arc::clone(&self.bodies);
            let (idle, never) = (Arc::default(), std::future::pending());
            let serving = server::serve_connection(far, None, routes, bodies, idle, never);
            #[expect(clippy::disallowed_methods, reason = "the other side of a connection")]
            tokio::spawn(serving);
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
            near.write_all(head.as_bytes()).await.expect("written");
            near
        }

        /// The same with a body of so many bytes, to the end.
        async fn post_whole(&self, path: &str, length: usize) -> DuplexStream {
            let mut stream = self.post(path, &format!("Content-Length: {length}")).await;
            stream.write_all(&vec![b'x'; length]).await.expect("written");
            stream.shutdown().await.expect("shut");
            stream
        }
    }

    async fn answer(mut stream: DuplexStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn large_bodies_that_wait_leave_no_room_for_more_but_small_ones_pass() {
        let bench = Bench::new(2 * BODY_LIMIT, TIME);
        let large = format!("Content-Length: {BODY_LIMIT}");
        let waiting = [
            bench.post_whole("/wait", BODY_LIMIT).await,
            bench.post_whole("/wait", BODY_LIMIT).await,
        ];
        bench.gate.came.acquire_many(2).await.expect("open").forget();

        // Not a byte of this one's body is sent, or asked for.
        let framing = format!("{large}\r\nExpect: 100-continue");
        let refused = answer(bench.post("/go", &framing).await).await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        for field in ["retry-after: 1\r\n", "connection: close\r\n"] {
            assert!(refused.contains(field), "{refused}");
        }
        let mut unknown = bench.post("/go", "Transfer-Encoding: chunked").await;
        let chunk = format!("{SMALL:x}\r\n{}\r\n1\r\nx\r\n", "x".repeat(SMALL));
        unknown.write_all(chunk.as_bytes()).await.expect("written");
        let refused = answer(unknown).await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        let small = answer(bench.post_whole("/go", SMALL).await).await;
        assert!(small.contains("\r\n\r\n16384 bytes"), "{small}");

        bench.gate.may_go.add_permits(2);
        for stream in waiting {
            let answered = answer(stream).await;
            assert!(answered.contains("\r\n\r\n1048576 bytes"), "{answered}");
        }
        let again = answer(bench.post_whole("/go", BODY_LIMIT).await).await;
        assert!(again.starts_with("HTTP/1.1 200 "), "{again}");
        assert_eq!(bench.bodies.taken.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_goes_away_while_sending_leaves_its_room() {
        let bench = Bench::new(BODY_LIMIT, TIME);
        let mut stream = bench.post("/go", &format!("Content-Length: {BODY_LIMIT}")).await;
        stream.write_all(&[b'x'; 4 * SMALL]).await.expect("written");
        while bench.bodies.taken.load(Ordering::Relaxed) < 2 * SMALL {
            tokio::task::yield_now().await;
        }
        drop(stream);
        while bench.bodies.taken.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_tells_much_and_sends_nothing_holds_nothing() {
        let bench = Bench::new(BODY_LIMIT, TIME);
        let framing = format!("Content-Length: {BODY_LIMIT}");
        let silent = [bench.post("/go", &framing).await, bench.post("/go", &framing).await];
        let answered = answer(bench.post_whole("/go", BODY_LIMIT).await).await;
        assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
        drop(silent);
    }

    #[tokio::test]
    async fn a_body_that_trickles_ends_by_its_time_and_holds_nothing() {
        let bench = Bench::new(BODY_LIMIT, Duration::from_millis(20));
        let stream = bench.post("/go", &format!("Content-Length: {BODY_LIMIT}")).await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let trickle = async {
            while writer.write_all(b"x").await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let mut answer = Vec::new();
        let (_, read) = tokio::join!(trickle, reader.read_to_end(&mut answer));
        read.expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(bench.bodies.taken.load(Ordering::Relaxed), 0);
    }
}
