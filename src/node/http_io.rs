//! The HTTP thread: listeners, one task for each connection, a graceful end.

mod patience;
mod places;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::patience::Patience;
use self::places::{Place, Places};
use super::sip_io::Door;
use crate::http::bodies::Bodies;
use crate::http::{Routes, server};

/// Who opens a connection sends something by then, and else is closed: clients open one for a
/// request that they have.
const FIRST_BYTE: std::time::Duration = std::time::Duration::from_secs(10);

/// An answer of which nothing is taken for so long is given up: who is on a bad line takes some of
/// it, who only keeps the connection busy takes none.
const NOTHING_TAKEN: std::time::Duration = std::time::Duration::from_secs(30);

/// How long requests in hand may take once the server is told to end: a function's longest.
const LAST_ANSWERS: std::time::Duration = std::time::Duration::from_secs(10);

/// A runtime of its own, so that a flood of requests does not delay signalling.
pub(super) struct HttpThread {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Binds the listeners before anything else starts; the error names the one that cannot be.
pub(super) fn bind(listen: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let bind = |address: &SocketAddr| {
        let listener = TcpListener::bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen for HTTP on {address}: {error}"))
        })?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen.iter().map(bind).collect()
}

impl HttpThread {
    pub(super) fn start(
        listeners: Vec<TcpListener>,
        routes: Routes,
        ready: Arc<AtomicBool>,
        door: Door,
    ) -> io::Result<HttpThread> {
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let (stop, stopping) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(serve(listeners, routes, door, stopping));
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(run)?;
        ready.store(true, Ordering::Release);
        Ok(HttpThread { addresses, stop, ready, thread: Some(thread) })
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// `/readyz` says 503 from here on.
    pub(super) fn not_ready(&self) {
        self.ready.store(false, Ordering::Release);
    }

    /// Ends when the requests in hand are answered.
    pub(super) fn stop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listeners: Vec<TcpListener>,
    routes: Routes,
    door: Door,
    stopping: watch::Receiver<bool>,
) {
    let mut accepting = JoinSet::new();
    let bodies = Arc::new(Bodies::default());
    let places = Arc::new(Places::default());
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let serving = Serving {
                    routes: routes.clone(),
                    bodies: Arc::clone(&bodies),
                    door: door.clone(),
                    stopping: stopping.clone(),
                };
                accepting.spawn(accept(listener, serving, Arc::clone(&places)));
            }
            Err(error) => tracing::error!("a listener of HTTP is lost: {error}"),
        }
    }
    while accepting.join_next().await.is_some() {}
}

/// What every connection is served with.
#[derive(Clone)]
struct Serving {
    routes: Routes,
    bodies: Arc<Bodies>,
    door: Door,
    stopping: watch::Receiver<bool>,
}

async fn accept(listener: tokio::net::TcpListener, serving: Serving, places: Arc<Places>) {
    let mut connections = JoinSet::new();
    let mut told = serving.stopping.clone();
    loop {
        while connections.try_join_next().is_some() {}
        if places.are_full() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => continue,
                _ = told.changed() => break,
            }
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = places.take(peer.ip()) else { continue };
                    let _ = stream.set_nodelay(true);
                    let serving = serving.clone();
                    connections.spawn(async move {
                        tokio::select! {
                            () = connection(stream, peer, serving, &place) => {}
                            () = place.leave.notified() => {
                                tracing::debug!("HTTP from {peer}: gave way to others");
                            }
                        }
                    });
                }
                // Out of descriptors: give those in use time to close.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
            _ = told.changed() => break,
        }
    }
    // Whoever reads slowly must not keep the server from ending.
    let answered = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_ANSWERS, answered).await;
}

/// Serves one connection, or hands it to SIP.
async fn connection(stream: TcpStream, peer: SocketAddr, serving: Serving, place: &Place) {
    let Serving { routes, bodies, door, mut stopping } = serving;
    let mut ending = stopping.clone();
    let begun = tokio::select! {
        begun = begin(&stream, FIRST_BYTE) => begun,
        _ = ending.wait_for(|stop| *stop) => Begun::Http,
    };
    match begun {
        Begun::Nothing => {}
        Begun::Sip => {
            if let Ok(stream) = stream.into_std() {
                door.hand_over(stream, peer).await;
            }
        }
        Begun::Http => {
            let stop = async move { drop(stopping.wait_for(|stop| *stop).await) };
            let stream = Patience::new(stream, NOTHING_TAKEN);
            let (peer_ip, idle) = (Some(peer.ip()), Arc::clone(&place.idle));
            let served = server::serve_connection(stream, peer_ip, routes, bodies, idle, stop);
            if let Err(error) = served.await {
                tracing::debug!("HTTP from {peer}: {error}");
            }
        }
    }
}

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// With a WebSocket handshake for `/sip`, which stays unread.
    Sip,
    /// With anything else.
    Http,
    /// Not within its time.
    Nothing,
}

/// Browsers open a connection of its own for a WebSocket and send the handshake at once.
async fn begin(stream: &TcpStream, time: std::time::Duration) -> Begun {
    let mut start = [0; HANDSHAKE];
    let mut length = 0;
    let look = async {
        // Anything else is told apart by its first bytes.
        loop {
            length = stream.peek(&mut start).await.unwrap_or(0);
            if length == 0 || length >= SIP.len() || !SIP.starts_with(&start[..length]) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let _ = tokio::time::timeout(time, look).await;
    if length == 0 {
        return Begun::Nothing;
    }
    let start = &start[..length];
    let path =
        start.strip_prefix(SIP).is_some_and(|rest| matches!(rest.first(), Some(b' ' | b'?')));
    let handshake = || start.to_ascii_lowercase().windows(WEBSOCKET.len()).any(|w| w == WEBSOCKET);
    if path && handshake() { Begun::Sip } else { Begun::Http }
}

/// How a handshake begins.
const SIP: &[u8] = b"GET /sip";

/// What it asks for (RFC 6455 section 4.1), in lower case.
const WEBSOCKET: &[u8] = b"websocket";

/// As much of a handshake as is looked at: what browsers send, cookies included.
const HANDSHAKE: usize = 4 << 10;

/// A peer that sends single bytes is looked at again after this.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("up");
        (near, listener.accept().await.expect("accepted").0)
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let (_near, far) = pair().await;
        assert_eq!(begin(&far, std::time::Duration::from_millis(20)).await, Begun::Nothing);
        let (near, far) = pair().await;
        drop(near);
        assert_eq!(begin(&far, FIRST_BYTE).await, Begun::Nothing);
    }

    #[tokio::test]
    async fn handshakes_for_sip_are_told_from_requests() {
        for (said, begun) in [
            ("G", Begun::Http),
            ("GET /sip HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n", Begun::Sip),
            ("GET /sip?a HTTP/1.1\r\n\r\n", Begun::Http),
            ("GET /sipper HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", Begun::Http),
            ("POST / HTTP/1.1\r\n\r\n", Begun::Http),
        ] {
            let (mut near, far) = pair().await;
            near.write_all(said.as_bytes()).await.expect("sent");
            let found = begin(&far, std::time::Duration::from_millis(100)).await;
            assert_eq!(found, begun, "{said}");
        }
    }
}
