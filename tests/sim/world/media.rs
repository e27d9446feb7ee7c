//! Media in two modes behind one face: by script, or by planes that send every frame.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use offhook::base::{Instant, Rng};
use offhook::media::{Command, Event};

use super::planes::Planes;
use super::scripted::Scripted;

/// Whose media session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The exchange of that number.
    Exchange(usize),
    Phone(usize),
}

/// Exchanges share an address.
pub fn first_port(owner: Owner) -> u16 {
    match owner {
        Owner::Exchange(index) => 16_384 + 4_000 * index as u16,
        Owner::Phone(_) => 16_384,
    }
}

/// What media tell.
pub enum Told {
    Event(Owner, Event),
    Send { from: SocketAddr, to: SocketAddr, bytes: Bytes },
}

/// All media of a world.
pub enum Media {
    Scripted(Scripted),
    Planes(Planes),
}

impl Media {
    pub fn new(sounding: bool) -> Media {
        if sounding {
            Media::Planes(Planes::default())
        } else {
            Media::Scripted(Scripted::default())
        }
    }

    /// Adds an owner at an address; the exchange first, then phones by number.
    pub fn add(&mut self, owner: Owner, ip: IpAddr, rng: Rng) {
        match self {
            Media::Scripted(scripted) => scripted.add(owner, ip),
            Media::Planes(planes) => planes.add(owner, ip, rng),
        }
    }

    pub fn is_sounding(&self) -> bool {
        matches!(self, Media::Planes(_))
    }

    pub fn command(&mut self, now: Instant, owner: Owner, command: Command) {
        match self {
            Media::Scripted(scripted) => scripted.command(now, owner, command),
            Media::Planes(planes) => planes.command(now, owner, command),
        }
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        if let Media::Planes(planes) = self {
            planes.receive(now, from, to, bytes);
        }
    }

    pub fn poll(&mut self) -> Option<Told> {
        match self {
            Media::Scripted(scripted) => {
                scripted.poll().map(|(owner, event)| Told::Event(owner, event))
            }
            Media::Planes(planes) => planes.poll(),
        }
    }

    pub fn timeout(&self) -> Option<Instant> {
        match self {
            Media::Scripted(scripted) => scripted.timeout(),
            Media::Planes(planes) => planes.timeout(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Media::Scripted(scripted) => scripted.handle_timeout(now),
            Media::Planes(planes) => planes.handle_timeout(now),
        }
    }

    /// How many sessions all exchanges have.
    pub fn own_sessions(&self, exchanges: usize) -> usize {
        (0..exchanges).map(|index| self.sessions(Owner::Exchange(index))).sum()
    }

    /// How many sessions an owner has.
    pub fn sessions(&self, owner: Owner) -> usize {
        match self {
            Media::Scripted(scripted) => scripted.sessions(owner),
            Media::Planes(planes) => planes.plane(owner).plane.sessions(),
        }
    }

    /// The script, where there is one.
    pub fn script(&mut self) -> &mut Scripted {
        match self {
            Media::Scripted(scripted) => scripted,
            Media::Planes(_) => panic!("media are not by script here"),
        }
    }

    /// The planes, where there are some.
    pub fn planes(&self) -> &Planes {
        match self {
            Media::Planes(planes) => planes,
            Media::Scripted(_) => panic!("media are by script here"),
        }
    }
}
