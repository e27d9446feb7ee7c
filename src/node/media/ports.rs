//! The UDP ports of a worker: random even ones of a range, so that they cannot be guessed.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use crate::base::Rng;
use crate::media::Plane;

/// The range, and what is taken of it.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    taken: Vec<bool>,
    /// How many are.
    count: usize,
    rng: Rng,
}

impl Ports {
    /// Ports taken at one time: more would be bound for sessions that the plane refuses.
    const MOST: usize = Plane::MAX_SESSIONS;
    /// Ports of others that we step over before giving up: each costs a system call, and
    /// packets wait meanwhile.
    const MAX_FOREIGN: usize = 256;
    /// Expedited forwarding (RFC 3246), what voice is marked with (RFC 4594 section 4.1).
    const TOS: u32 = 46 << 2;

    /// The even ports of a range.
    pub fn new(range: RangeInclusive<u16>, rng: Rng) -> Ports {
        // RFC 3550 section 11: RTP on an even port, its RTCP on the odd one above.
        let first = range.start().next_multiple_of(2);
        let pairs = usize::from(range.end().saturating_sub(first).saturating_add(1)) / 2;
        Ports { first, taken: vec![false; pairs], count: 0, rng }
    }

    /// Binds a free port, and says which.
    pub fn bind(&mut self, ip: IpAddr) -> Result<(UdpSocket, SocketAddr)> {
        let pairs = self.taken.len();
        if self.count >= Self::MOST {
            return Err(Error::new(
                ErrorKind::AddrInUse,
                "as many media ports as sessions are open",
            ));
        }
        let start = self.rng.below(pairs as u64) as usize;
        let mut foreign = 0;
        for at in (0..pairs).map(|step| (start + step) % pairs) {
            if self.taken[at] {
                continue;
            }
            let local = SocketAddr::new(ip, self.first + 2 * at as u16);
            match UdpSocket::bind(local) {
                Ok(socket) => {
                    socket.set_nonblocking(true)?;
                    self.taken[at] = true;
                    self.count += 1;
                    if ip.is_ipv4() {
                        // Marking is a courtesy of the network; without it calls work too.
                        let _ = socket2::SockRef::from(&socket).set_tos_v4(Self::TOS);
                    }
                    return Ok((socket, local));
                }
                Err(e) if e.kind() == ErrorKind::AddrInUse && foreign < Self::MAX_FOREIGN => {
                    foreign += 1;
                }
                Err(e) => return Err(e),
            }
        }
        Err(Error::new(ErrorKind::AddrInUse, "no free port in the media range"))
    }

    /// Gives a port back.
    pub fn release(&mut self, port: u16) {
        let at = usize::from(port.saturating_sub(self.first)) / 2;
        if let Some(taken) = self.taken.get_mut(at)
            && std::mem::take(taken)
        {
            self.count -= 1;
        }
    }
}
