//! The sockets of SIP as they are bound, before a thread takes them.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::sip::Transport;

/// Asked of the kernel for bursts: a second of 4,000 calls (the kernel may give less).
const RECEIVE_BUFFER: usize = 4 << 20;

/// What one thread serves.
#[derive(Debug, Default)]
pub struct Bound {
    pub(super) datagrams: Vec<(SocketAddr, UdpSocket)>,
    pub(super) streams: Vec<(Transport, TcpListener)>,
    /// All listeners, those of other threads included.
    pub(super) listeners: Vec<(Transport, SocketAddr)>,
}

impl Bound {
    /// Binds all listeners for so many threads; the error names the one that cannot be. Each
    /// thread has a socket of its own for datagrams: the kernel sends those of one peer to the same
    /// one. Stream listeners are dealt out, so that their bounds hold for all of a source.
    pub fn all(listen: &[(Transport, SocketAddr)], threads: u8) -> io::Result<Vec<Bound>> {
        let mut all: Vec<Bound> = (0..threads.max(1)).map(|_| Bound::default()).collect();
        let mut next = 0;
        for &(transport, address) in listen {
            let named = |error: io::Error| {
                let name = transport.name();
                let text = format!("cannot listen for SIP on {name}:{address}: {error}");
                io::Error::new(error.kind(), text)
            };
            let local = match transport {
                Transport::Udp => datagrams(address, &mut all).map_err(named)?,
                stream => {
                    let listener = stream_listener(address).map_err(named)?;
                    let local = listener.local_addr()?;
                    let count = all.len();
                    if let Some(bound) = all.get_mut(next % count) {
                        bound.streams.push((stream, listener));
                    }
                    next += 1;
                    local
                }
            };
            all.iter_mut().for_each(|bound| bound.listeners.push((transport, local)));
        }
        Ok(all)
    }

    /// Where it listens, with the ports that the kernel chose.
    pub fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }
}

/// A socket for each thread at one address.
fn datagrams(address: SocketAddr, all: &mut [Bound]) -> io::Result<SocketAddr> {
    if let [alone] = all {
        let socket = datagram_socket(address, false)?;
        let local = socket.local_addr()?;
        alone.datagrams.push((local, socket));
        return Ok(local);
    }
    // Sockets that share an address also share it with those of another server that runs: only
    // one that does not share finds out that there is one.
    let local = datagram_socket(address, false)?.local_addr()?;
    for bound in all {
        bound.datagrams.push((local, datagram_socket(local, true)?));
    }
    Ok(local)
}

fn datagram_socket(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Best effort: an unprivileged process gets what the kernel's limit allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn stream_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: (Transport, SocketAddr) =
        (Transport::Udp, SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0));

    #[test]
    fn threads_share_an_address_and_servers_do_not() {
        let bound = Bound::all(&[ANY, (Transport::Tcp, ANY.1)], 3).expect("bound");
        let locals: Vec<SocketAddr> =
            bound.iter().flat_map(|one| &one.datagrams).map(|(local, _)| *local).collect();
        assert_eq!(locals.len(), 3);
        assert!(locals.iter().all(|local| *local == locals[0]));
        assert_eq!(bound.iter().map(|one| one.streams.len()).sum::<usize>(), 1);
        for threads in [1, 2] {
            let again = Bound::all(&[(Transport::Udp, locals[0])], threads);
            assert_eq!(again.expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        }
        drop(bound);
        assert!(Bound::all(&[(Transport::Udp, locals[0])], 2).is_ok(), "free again");
    }
}
