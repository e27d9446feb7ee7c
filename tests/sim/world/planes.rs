//! Media for real: every owner's plane sends packets over the links, and recordings are kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use offhook::base::id::RecordingSid;
use offhook::base::{Instant, Machine, Rng};
use offhook::media::{self, Command, Plane};

use super::media::{Owner, Told};

/// A recording as it was made.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pub channels: u16,
    pub samples: Vec<i16>,
    pub trim: bool,
}

impl Recorded {
    /// One channel's samples.
    pub fn channel(&self, n: usize) -> Vec<i16> {
        let channels = usize::from(self.channels.max(1));
        self.samples.iter().skip(n).step_by(channels).copied().collect()
    }
}

/// One owner's plane with its sockets.
pub struct OwnPlane {
    pub plane: Plane,
    pub owner: Owner,
    ip: IpAddr,
    next_port: u16,
    sockets: BTreeMap<usize, SocketAddr>,
    pub recordings: BTreeMap<RecordingSid, Recorded>,
}

/// All planes.
#[derive(Default)]
pub struct Planes {
    planes: Vec<OwnPlane>,
    bound: HashMap<SocketAddr, (usize, usize)>,
    told: VecDeque<Told>,
    /// Owners whose packets no longer leave or arrive: the cable is pulled.
    pub unplugged: Vec<Owner>,
}

impl Planes {
    pub fn add(&mut self, owner: Owner, ip: IpAddr, rng: Rng) {
        self.planes.push(OwnPlane {
            plane: Plane::new(rng),
            owner,
            ip,
            next_port: super::media::first_port(owner),
            sockets: BTreeMap::new(),
            recordings: BTreeMap::new(),
        });
    }

    pub fn plane(&self, owner: Owner) -> &OwnPlane {
        self.planes.iter().find(|one| one.owner == owner).expect("an owner that was added")
    }

    /// That of the exchange which has a recording.
    pub fn recording(&self) -> &OwnPlane {
        let own = |one: &&OwnPlane| matches!(one.owner, Owner::Exchange(_));
        let mut planes = self.planes.iter().filter(own);
        planes.find(|one| !one.recordings.is_empty()).expect("a recording")
    }

    fn index(&self, owner: Owner) -> usize {
        self.planes.iter().position(|one| one.owner == owner).expect("an owner that was added")
    }

    pub fn command(&mut self, now: Instant, owner: Owner, command: Command) {
        let index = self.index(owner);
        self.planes[index].plane.handle(now, media::Input::Command(command));
        self.drain(now, index);
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        let Some((index, slot)) = self.bound.get(&to).copied() else { return };
        let own = &mut self.planes[index];
        if self.unplugged.contains(&own.owner) {
            return;
        }
        let mut packet = bytes.to_vec();
        if let Some(forward) = own.plane.receive(now, slot, from, &mut packet) {
            let bytes = Bytes::from(packet);
            if let Some(from) = own.sockets.get(&forward.slot).copied() {
                self.told.push_back(Told::Send { from, to: forward.to, bytes });
            }
        }
        self.drain(now, index);
    }

    fn drain(&mut self, now: Instant, index: usize) {
        while let Some(output) = self.planes[index].plane.poll() {
            self.output(now, index, output);
        }
    }

    fn output(&mut self, now: Instant, index: usize, output: media::Output) {
        use media::Output;
        let own = &mut self.planes[index];
        match output {
            Output::Transmit(datagram) => {
                if self.unplugged.contains(&own.owner) {
                    return;
                }
                if let Some(from) = own.sockets.get(&datagram.slot).copied() {
                    let bytes = Bytes::copy_from_slice(datagram.bytes());
                    self.told.push_back(Told::Send { from, to: datagram.to, bytes });
                }
            }
            Output::Event(event) => self.told.push_back(Told::Event(own.owner, event)),
            Output::Record { recording, channels, trim } => {
                let begun = Recorded { channels, trim, samples: Vec::new() };
                own.recordings.insert(recording, begun);
            }
            Output::Chunk { recording, samples } => {
                let kept = own.recordings.entry(recording).or_default();
                kept.samples.extend(samples);
            }
            Output::Bind { slot, .. } => {
                let local = SocketAddr::new(own.ip, own.next_port);
                own.next_port += 2;
                own.sockets.insert(slot, local);
                self.bound.insert(local, (index, slot));
                let bound = media::Input::Bound { slot, result: Ok(local) };
                own.plane.handle(now, bound);
            }
            Output::Unbind { slot } => {
                if let Some(local) = own.sockets.remove(&slot) {
                    self.bound.remove(&local);
                }
            }
        }
    }

    pub fn poll(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    pub fn timeout(&self) -> Option<Instant> {
        self.planes.iter().filter_map(|one| one.plane.timeout()).min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.planes.len() {
            if self.planes[index].plane.timeout().is_some_and(|at| at <= now) {
                self.planes[index].plane.handle_timeout(now);
                self.drain(now, index);
            }
        }
    }
}
