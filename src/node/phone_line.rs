//! A softphone on real sockets: one machine, its signalling sockets, its media worker.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::clock::{Clock, seeded_rng};
use super::media_io;
use super::shard::{Media, wait_until};
use super::sip_io::{Arrival, Settings, SipIo};
use super::start::StartError;
use crate::base::id::RecordingSid;
use crate::base::{Instant, Machine, Secret};
use crate::exchange::Expected;
use crate::phone::{self, Command, Event, Input, Output, Phone};
use crate::sip::user_agent::{self, Listener};
use crate::sip::{self, Transport};

/// Who a phone is and where its server is.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its user name.
    pub user: String,
    /// Its domain.
    pub domain: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The server.
    pub server: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// Where the phone itself listens; port 0 takes a free one.
    pub local: SocketAddr,
    /// Where recordings go.
    pub recordings: PathBuf,
    /// Authorities that may vouch for the server, besides the system's.
    pub ca: Vec<PathBuf>,
}

/// A phone that runs while somebody waits for its events.
pub struct PhoneLine {
    clock: Clock,
    phone: Phone,
    sip: SipIo,
    media: Media,
    events: VecDeque<Event>,
}

impl PhoneLine {
    /// Opens the phone's sockets. Must run inside a `tokio::runtime::LocalRuntime`.
    pub fn open(line: Line, ports: (u16, u16)) -> Result<PhoneLine, StartError> {
        let clock = Clock::start();
        let mut rng = seeded_rng().map_err(StartError::Randomness)?;
        let sip = SipIo::bind(&[(line.transport, line.local)], Settings::of_phone(line.ca));
        let sip = sip.map_err(StartError::System)?;
        sip.expect(line.server, Expected::Named(line.domain.clone()));
        let local = sip.listeners().first().map_or(line.local, |(_, local)| *local);
        let config = media_io::Config {
            ports: ports.0..=ports.1,
            tick: media_io::Config::TICK,
            recordings: line.recordings,
            core: None,
        };
        let media = Media::start(config, &clock, rng.fork()).map_err(StartError::System)?;
        let agent = user_agent::Config::new(
            vec![Listener::new(line.transport, local)],
            concat!("offhook-phone/", env!("CARGO_PKG_VERSION")),
        );
        let config = phone::Config {
            user: line.user,
            domain: line.domain,
            password: line.password,
            server: line.server,
            transport: line.transport,
            local,
            agent,
        };
        let phone = Phone::new(config, 0, rng.fork());
        Ok(PhoneLine { clock, phone, sip, media, events: VecDeque::new() })
    }

    /// Where the phone listens.
    pub fn local(&self) -> Option<SocketAddr> {
        self.sip.listeners().first().map(|(_, local)| *local)
    }

    /// Whether a call is up or ringing.
    pub fn is_busy(&self) -> bool {
        self.phone.is_busy()
    }

    /// Gives an order; what comes of it is among the next events.
    pub fn order(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    /// Starts recording what the phone hears; the file bears the name that is returned.
    pub fn record(&mut self) -> RecordingSid {
        let recording = self.phone.recording();
        let record = crate::leg::Record {
            recording,
            tracks: crate::leg::Tracks::Own,
            max: crate::base::Duration::from_secs(3_600),
            silence: None,
            trim: false,
        };
        self.order(Command::Leg(crate::leg::Command::Record(record)));
        recording
    }

    /// Runs the phone until it tells something. Safe to drop and call again.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let deadline = self.phone.timeout().map(|at| self.clock.deadline(at));
            tokio::select! {
                arrival = self.sip.receive() => {
                    let input = match arrival {
                        Arrival::Message(flow, bytes) => sip::Input::Received { flow, bytes },
                        Arrival::Unreachable(flow) => sip::Input::Unreachable { flow },
                    };
                    self.give(Input::Sip(input));
                }
                Some(event) = self.media.events.recv() => self.give(Input::Media(event)),
                () = wait_until(deadline) => {
                    let now = self.clock.now();
                    self.phone.handle_timeout(now);
                    self.carry_out(now);
                }
            }
        }
    }

    /// Lets go of the phone once its last words are on their way.
    pub async fn close(mut self) {
        self.sip.flush().await;
    }

    /// The phone's time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Like [`next`](Self::next), but gives up at `until`.
    pub async fn next_before(&mut self, until: Instant) -> Option<Event> {
        let until = self.clock.deadline(until);
        tokio::time::timeout_at(until, self.next()).await.ok()
    }

    fn give(&mut self, input: Input) {
        let now = self.clock.now();
        self.phone.handle(now, input);
        self.carry_out(now);
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.phone.poll() {
            match output {
                Output::Transmit(flow, bytes) => {
                    if let Some(Arrival::Unreachable(flow)) = self.sip.send(flow, &bytes) {
                        self.phone.handle(now, Input::Sip(sip::Input::Unreachable { flow }));
                    }
                }
                Output::Media(command) => {
                    if let Some(failed) = self.media.send(now, command) {
                        self.phone.handle(now, Input::Media(failed));
                    }
                }
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }
}
