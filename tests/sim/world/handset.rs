//! Softphones of the world: the machine of `offhook::phone` with somebody who holds it.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use offhook::audio::Clip;
use offhook::base::id::RecordingSid;
use offhook::base::{Duration, Instant, Machine, Secret};
use offhook::leg::{self, Cause, Record, Refusal, Tracks};
use offhook::phone::{self, Command, Event, Phone};
use offhook::sip::user_agent::{self, Listener};
use offhook::sip::{self, Transport};

use super::media::Owner;
use super::office::{DOMAIN, password};
use super::{Arrival, Endpoint, SERVER, World, flow, voice};

/// Hums start here and stand 60 Hz apart, below all that the voice hums.
const FIRST_HUM: f64 = 400.0;
const HUM_STEP: f64 = 60.0;

/// What its owner does when it rings.
#[derive(Clone, Copy, Debug)]
pub enum Pickup {
    Never,
    After(Duration),
    Refuse(Refusal),
}

/// What happens at a phone by the world's will.
pub enum Act {
    Command(Command),
    /// Answers if it still rings.
    PickUp,
    Talk(bool),
}

/// A phone and its owner.
pub struct Handset {
    pub name: String,
    pub local: SocketAddr,
    pub pickup: Pickup,
    /// What the phone told.
    pub events: Vec<(Instant, Event)>,
    /// The frequency that its owner hums.
    pub hz: f64,
    /// What it heard, one recording a call.
    pub heard: Vec<RecordingSid>,
    /// Whether it is cut off from the world.
    pub dead: bool,
    phone: Phone,
    hum: Option<Clip>,
    plays: u64,
}

impl Handset {
    pub fn timeout(&self) -> Option<Instant> {
        self.phone.timeout().filter(|_| !self.dead)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.phone.handle_timeout(now);
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: Bytes) {
        if !self.dead {
            let received = sip::Input::Received { flow: flow(self.local, from), bytes };
            self.phone.handle(now, phone::Input::Sip(received));
        }
    }

    pub fn media(&mut self, now: Instant, event: offhook::media::Event) {
        self.phone.handle(now, phone::Input::Media(event));
    }

    fn order(&mut self, now: Instant, command: leg::Command) {
        self.phone.handle(now, phone::Input::Command(Command::Leg(command)));
    }

    /// Listens to the call, and hums into it when there is sound at all.
    fn listen(&mut self, now: Instant) {
        let Some(hum) = self.hum.clone() else { return };
        let recording = self.phone.recording();
        self.heard.push(recording);
        let (tracks, max) = (Tracks::Own, Duration::from_secs(10_000));
        let record = Record { recording, tracks, max, silence: None, trim: false };
        self.order(now, leg::Command::Record(record));
        self.order(now, leg::Command::Play { play: 0, clip: hum, loops: 0 });
    }

    /// The last event about the end of a call: cause and status.
    pub fn ended(&self) -> Option<(Cause, Option<u16>)> {
        self.events.iter().rev().find_map(|(_, event)| match event {
            Event::Leg(leg::Event::Ended { cause, sip_status, .. }) => Some((*cause, *sip_status)),
            _ => None,
        })
    }

    /// Whether it rings or holds a call.
    pub fn is_busy(&self) -> bool {
        self.phone.is_busy()
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| wanted(event)).count()
    }
}

impl World {
    /// A registered phone of the office's user of that name.
    pub fn phone(&mut self, user: &str) {
        self.phone_of(user, user, &password(user));
        self.register(user);
        assert!(self.until(5, |world| world.is_registered(user)), "{user} cannot register");
    }

    /// A phone called `name` of a user with a password; not registered.
    pub fn phone_of(&mut self, name: &str, user: &str, password: &str) {
        let local = SocketAddr::from(([192, 0, 2, 10 + self.phones.len() as u8], 5060));
        self.add_phone(name, user, DOMAIN, Some(Secret::new(password)), local);
    }

    /// The carrier's side of the trunk: calls our numbers, answers what is called through it.
    pub fn carrier(&mut self) {
        self.stranger("carrier", "+14155550100", "198.51.100.1:5060");
    }

    /// A phone without a login at an address.
    pub fn stranger(&mut self, name: &str, user: &str, address: &str) {
        self.add_phone(name, user, "192.0.2.1", None, address.parse().expect("an address"));
    }

    fn add_phone(
        &mut self,
        name: &str,
        user: &str,
        domain: &str,
        password: Option<Secret>,
        local: SocketAddr,
    ) {
        let index = self.phones.len();
        let listener = Listener::new(Transport::Udp, local);
        let config = phone::Config {
            user: user.to_owned(),
            domain: domain.to_owned(),
            password,
            server: SERVER.parse().expect("an address"),
            transport: Transport::Udp,
            local,
            agent: user_agent::Config::new(vec![listener], "Handset"),
        };
        let rng = self.rng.fork();
        self.media.add(Owner::Phone(index), local.ip(), rng);
        let hz = FIRST_HUM + HUM_STEP * index as f64;
        let hum = self.media.is_sounding().then(|| voice::hum(hz, Duration::from_secs(1)));
        self.addresses.insert(local, Endpoint::Phone(index));
        self.phones.push(Handset {
            name: name.to_owned(),
            local,
            pickup: Pickup::Never,
            events: Vec::new(),
            hz,
            heard: Vec::new(),
            dead: false,
            phone: Phone::new(config, 0, self.rng.fork()),
            hum,
            plays: 0,
        });
    }

    fn index(&self, name: &str) -> usize {
        let found = self.phones.iter().position(|phone| phone.name == name);
        found.unwrap_or_else(|| panic!("there is no phone {name}"))
    }

    pub fn handset(&self, name: &str) -> &Handset {
        &self.phones[self.index(name)]
    }

    /// The address of a phone or peer.
    pub fn ip(&self, name: &str) -> IpAddr {
        let phone = self.phones.iter().find(|phone| phone.name == name).map(|phone| phone.local);
        let peer = || self.peers.iter().find(|peer| peer.name == name).map(|peer| peer.local);
        phone.or_else(peer).unwrap_or_else(|| panic!("there is no {name}")).ip()
    }

    /// Gives a phone an order now.
    pub fn order(&mut self, name: &str, command: Command) {
        let index = self.index(name);
        self.act(index, Act::Command(command));
        self.drain();
    }

    pub(super) fn act(&mut self, index: usize, act: Act) {
        let now = self.now;
        let phone = &mut self.phones[index];
        match act {
            Act::Command(command) => {
                let (dials, answers) =
                    (matches!(command, Command::Dial(_)), matches!(command, Command::Answer));
                phone.phone.handle(now, phone::Input::Command(command));
                if dials || answers {
                    phone.listen(now);
                }
            }
            Act::PickUp => {
                if phone.phone.is_busy() {
                    phone.phone.handle(now, phone::Input::Command(Command::Answer));
                    phone.listen(now);
                }
            }
            Act::Talk(talking) => {
                self.media.script().set_talking(now, Owner::Phone(index), talking);
            }
        }
    }

    pub(super) fn drain_phones(&mut self) -> bool {
        let mut busy = false;
        for index in 0..self.phones.len() {
            while let Some(output) = self.phones[index].phone.poll() {
                busy = true;
                match output {
                    phone::Output::Transmit(flow, bytes) if !self.phones[index].dead => {
                        self.send(flow.local, flow.remote, bytes);
                    }
                    phone::Output::Transmit(..) => {}
                    phone::Output::Media(command) => {
                        self.media.command(self.now, Owner::Phone(index), command);
                    }
                    phone::Output::Event(event) => self.phone_event(index, event),
                }
            }
        }
        busy
    }

    fn phone_event(&mut self, index: usize, event: Event) {
        if matches!(event, Event::Incoming { .. }) {
            match self.phones[index].pickup {
                Pickup::Never => {}
                Pickup::After(delay) => {
                    self.later(self.now + delay, Arrival::Phone(index, Act::PickUp));
                }
                Pickup::Refuse(refusal) => {
                    let refuse = Act::Command(Command::Refuse(refusal));
                    let at = self.now + Duration::from_millis(200);
                    self.later(at, Arrival::Phone(index, refuse));
                }
            }
        }
        self.phones[index].events.push((self.now, event));
    }

    pub fn register(&mut self, name: &str) {
        self.order(name, Command::Register);
    }

    pub fn dial(&mut self, name: &str, to: &str) {
        self.order(name, Command::Dial(to.to_owned()));
    }

    pub fn answer(&mut self, name: &str) {
        self.order(name, Command::Answer);
    }

    pub fn hang_up(&mut self, name: &str) {
        self.order(name, Command::Hangup);
    }

    /// Presses keys, one after another.
    pub fn press(&mut self, name: &str, digits: &str) {
        let index = self.index(name);
        let phone = &mut self.phones[index];
        phone.plays += 1;
        let (play, now, hum) = (phone.plays, self.now, phone.hum.clone());
        if hum.is_some() {
            phone.order(now, leg::Command::StopPlaying);
        }
        phone.order(now, leg::Command::SendDigits { play, digits: digits.to_owned() });
        if let Some(clip) = hum {
            phone.order(now, leg::Command::Play { play: 0, clip, loops: 0 });
        }
        self.drain();
    }

    /// Whether a phone's owner speaks from here on (media by script; they speak at first).
    pub fn talk(&mut self, name: &str, talking: bool) {
        let index = self.index(name);
        self.act(index, Act::Talk(talking));
    }

    /// Hums or falls silent (media for real).
    pub fn hum(&mut self, name: &str, humming: bool) {
        let (index, now) = (self.index(name), self.now);
        let phone = &mut self.phones[index];
        phone.order(now, leg::Command::StopPlaying);
        if let Some(clip) = phone.hum.clone().filter(|_| humming) {
            phone.order(now, leg::Command::Play { play: 0, clip, loops: 0 });
        }
        self.drain();
    }

    pub fn pickup(&mut self, name: &str, pickup: Pickup) {
        let index = self.index(name);
        self.phones[index].pickup = pickup;
    }

    /// A phone that is answered after so many seconds.
    pub fn answers_after(&mut self, name: &str, seconds: u64) {
        self.pickup(name, Pickup::After(Duration::from_secs(seconds)));
    }

    /// Cuts a phone off without a word.
    pub fn unplug(&mut self, name: &str) {
        let (index, now) = (self.index(name), self.now);
        self.phones[index].dead = true;
        match &mut self.media {
            super::Media::Scripted(script) => script.unplug(now, Owner::Phone(index)),
            super::Media::Planes(planes) => planes.unplugged.push(Owner::Phone(index)),
        }
    }

    pub fn is_registered(&self, name: &str) -> bool {
        let told = self.handset(name).events.iter().rev().find_map(|(_, event)| match event {
            Event::Registered => Some(true),
            Event::NotRegistered(_) => Some(false),
            _ => None,
        });
        told == Some(true)
    }

    /// How often a phone was called.
    pub fn rings(&self, name: &str) -> usize {
        self.handset(name).count(|event| matches!(event, Event::Incoming { .. }))
    }

    /// Whether a call of a phone was answered; at either end.
    pub fn answered(&self, name: &str) -> bool {
        self.handset(name).count(|event| matches!(event, Event::Answered)) > 0
    }

    /// Who called a phone last.
    pub fn shown(&self, name: &str) -> String {
        let events = self.handset(name).events.iter().rev();
        let from = events.filter_map(|(_, event)| match event {
            Event::Incoming { from, .. } => Some(from.clone()),
            _ => None,
        });
        from.take(1).collect()
    }

    /// The keys that a phone heard.
    pub fn keys(&self, name: &str) -> String {
        let events = self.handset(name).events.iter();
        let keys = events.filter_map(|(_, event)| match event {
            Event::Leg(leg::Event::Digit(digit)) => Some(*digit),
            _ => None,
        });
        keys.collect()
    }

    /// How a phone's last call ended.
    pub fn ended(&self, name: &str) -> Option<(Cause, Option<u16>)> {
        self.handset(name).ended()
    }
}

impl World {
    /// A phone's owner falls silent; its packets go on (media for real).
    pub fn quiet(&mut self, name: &str) {
        let (index, now) = (self.index(name), self.now);
        let phone = &mut self.phones[index];
        phone.order(now, leg::Command::StopPlaying);
        let clip = Clip::silence(Duration::from_secs(1));
        phone.order(now, leg::Command::Play { play: 0, clip, loops: 0 });
        self.drain();
    }
}
