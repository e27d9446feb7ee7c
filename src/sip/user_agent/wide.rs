//! Requests that have a second way: by UDP where TCP is refused to a long one (RFC 3261 section
//! 18.1.1), and by a new connection to the target where the peer's own is closed (section 12.2.1.1).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use memchr::memmem;

use super::UserAgent;
use crate::base::{Duration, Instant};
use crate::sip::transaction::ClientId;
use crate::sip::uri::SipUri;
use crate::sip::{Flow, Method, Transport};

/// Longer requests are not sent as datagrams where there is another way.
pub const MAX_DATAGRAM: usize = 1_300;

/// A peer that refused TCP is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// Peers whose refusal is remembered; others pay for one more attempt.
const MAX_REFUSERS: usize = 256;

/// Who refused TCP, and until when that is believed.
#[derive(Debug, Default)]
pub(super) struct Refusers(BTreeMap<SocketAddr, Instant>);

impl Refusers {
    pub(super) fn insert(&mut self, now: Instant, peer: SocketAddr) {
        if self.0.len() >= MAX_REFUSERS {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() < MAX_REFUSERS {
            self.0.insert(peer, now + ASK_AGAIN);
        }
    }

    fn contains(&self, now: Instant, peer: SocketAddr) -> bool {
        self.0.get(&peer).is_some_and(|until| *until > now)
    }
}

/// The place that a URI names, for when the connection that came from the same machine is closed.
fn at_target(flow: Flow, hop: &str) -> Option<Flow> {
    let Flow { transport, remote, connection, .. } = flow;
    if connection == 0 || flow.is_inner() || !transport.is_stream() || transport.is_websocket() {
        return None;
    }
    let uri = SipUri::parse(hop)?;
    let asked = Transport::of_uri(&uri).ok()?;
    let port = uri.port().unwrap_or(transport.default_port());
    let there = SocketAddr::new(uri.host_port().ip()?, port);
    let other = there.ip() == remote.ip() && there != remote;
    let same = asked.is_none_or(|asked| asked == transport);
    (other && same).then_some(Flow { remote: there, connection: 0, ..flow })
}

impl UserAgent {
    /// Starts a client transaction for a request to `hop` (the top Route, or the Request-URI).
    pub(super) fn launch(
        &mut self,
        now: Instant,
        method: Method,
        (branch, hop): (&str, &str),
        flow: Flow,
        bytes: Bytes,
    ) -> ClientId {
        match self.widened(now, flow, branch, hop, &bytes) {
            Some((wide, request)) => {
                let narrow = Some((flow, bytes));
                self.transactions.send_or(now, method, branch, (wide, request), narrow)
            }
            None => {
                let anew = at_target(flow, hop).map(|anew| (anew, bytes.clone()));
                self.transactions.send_or(now, method, branch, (flow, bytes), anew)
            }
        }
    }

    /// The same request for TCP, where it is too long for UDP and TCP may lead there: not to a
    /// peer behind a translator, which only its flow reaches, and not where the URI asks for UDP.
    fn widened(
        &self,
        now: Instant,
        flow: Flow,
        branch: &str,
        hop: &str,
        bytes: &Bytes,
    ) -> Option<(Flow, Bytes)> {
        let long = flow.transport == Transport::Udp && bytes.len() > MAX_DATAGRAM;
        if !long || self.refusers.contains(now, flow.remote) {
            return None;
        }
        let uri = SipUri::parse(hop).filter(|uri| uri.transport().is_none())?;
        let there = match uri.host_port().ip() {
            Some(ip) => SocketAddr::new(ip, uri.port().unwrap_or(5060)) == flow.remote,
            None => !uri.host().to_ascii_lowercase().ends_with(".invalid"),
        };
        let of_tcp = |ip_too: bool| {
            self.config.listeners.iter().find(|listener| {
                listener.transport == Transport::Tcp
                    && listener.local.is_ipv4() == flow.remote.is_ipv4()
                    && (!ip_too || listener.local.ip() == flow.local.ip())
            })
        };
        let listener = of_tcp(true).or_else(|| of_tcp(false)).filter(|_| there)?;
        let narrow = self.config.listener(flow).host_port();
        let before = format!("SIP/2.0/UDP {narrow};branch={branch}");
        let after = format!("SIP/2.0/TCP {};branch={branch}", listener.host_port());
        let at = memmem::find(bytes, before.as_bytes())?;
        let (head, rest) = bytes.split_at_checked(at)?;
        let rest = rest.get(before.len()..)?;
        let wide = Flow { transport: Transport::Tcp, local: listener.local, ..flow };
        Some((wide, [head, after.as_bytes(), rest].concat().into()))
    }
}
