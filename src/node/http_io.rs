//! The HTTP thread: listeners, one task for each connection, a graceful end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::sip_io::Door;
use crate::http::bodies::Bodies;
use crate::http::{Routes, server};

/// Connections at one time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1_024;

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
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                let (routes, bodies) = (routes.clone(), Arc::clone(&bodies));
                accepting.spawn(accept(listener, routes, bodies, door.clone(), stopping.clone()));
            }
            Err(error) => tracing::error!("a listener of HTTP is lost: {error}"),
        }
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept(
    listener: tokio::net::TcpListener,
    routes: Routes,
    bodies: Arc<Bodies>,
    door: Door,
    stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut told = stopping.clone();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            tokio::select! {
                _ = connections.join_next() => continue,
                _ = told.changed() => break,
            }
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let (routes, mut stopping) = (routes.clone(), stopping.clone());
                    let (bodies, door) = (Arc::clone(&bodies), door.clone());
                    connections.spawn(async move {
                        let mut ending = stopping.clone();
                        let sip = tokio::select! {
                            sip = wants_sip(&stream) => sip,
                            _ = ending.wait_for(|stop| *stop) => false,
                        };
                        if sip {
                            if let Ok(stream) = stream.into_std() {
                                door.hand_over(stream, peer).await;
                            }
                            return;
                        }
                        let stop = async move { let _ = stopping.wait_for(|stop| *stop).await; };
                        let peer_ip = Some(peer.ip());
                        let served = server::serve_connection(stream, peer_ip, routes, bodies, stop);
                        if let Err(error) = served.await {
                            tracing::debug!("HTTP from {peer}: {error}");
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

/// Whether a connection begins with a WebSocket handshake for `/sip`, which stays unread. Browsers
/// open a connection of its own for it and send it at once.
async fn wants_sip(stream: &tokio::net::TcpStream) -> bool {
    let mut start = [0; HANDSHAKE];
    let look = async {
        // Anything else is told apart by its first bytes.
        loop {
            match stream.peek(&mut start).await {
                Ok(length @ 1..) if length < SIP.len() && SIP.starts_with(&start[..length]) => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Ok(length) => return length,
                Err(_) => return 0,
            }
        }
    };
    let length = tokio::time::timeout(LAST_ANSWERS, look).await.unwrap_or(0);
    let start = &start[..length];
    let path =
        start.strip_prefix(SIP).is_some_and(|rest| matches!(rest.first(), Some(b' ' | b'?')));
    path && start.to_ascii_lowercase().windows(WEBSOCKET.len()).any(|found| found == WEBSOCKET)
}

/// How a handshake begins.
const SIP: &[u8] = b"GET /sip";

/// What it asks for (RFC 6455 section 4.1), in lower case.
const WEBSOCKET: &[u8] = b"websocket";

/// As much of a handshake as is looked at: what browsers send, cookies included.
const HANDSHAKE: usize = 4 << 10;

/// A peer that sends single bytes is looked at again after this.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);
