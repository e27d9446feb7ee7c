//! A registration of ours with somebody else's registrar, kept alive (RFC 3261 section 10.2).
//!
//! It asks for servers, sends REGISTER through its driver's user agent (which meets challenges),
//! refreshes in time, follows 423, tries the next server after a failure, backs off (RFC 5626
//! section 4.5) and takes itself back at the end. It asks for calls over its own flow (RFC 5626) and
//! keeps the Service-Route (RFC 3608). It knows neither sockets nor the DNS.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use super::header::{HeaderName, NameAddr};
use super::uri::SipUri;
use super::{Flow, Login, Message, Send, Transport};
use crate::base::{Duration, Instant, Machine, Rng};

#[cfg(test)]
mod tests;

/// Waiting times after failures: doubled from the first to the longest (RFC 5626 section 4.5).
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);

/// After a wrong password or an unknown user: registrars shut out who guesses.
const REFUSED_WAIT: Duration = Duration::from_secs(300);

/// More than a week is a mistake, or a way to be rid of us.
const LONGEST_EXPIRES: u32 = 604_800;

/// A server that has not answered by then is passed over, if there is another: timer F would take
/// half a minute.
const PATIENCE: Duration = Duration::from_secs(6);

/// Servers that are told apart by the numbers of their requests; more share the last.
const SLOTS: usize = 16;

/// Routes kept of a Service-Route; no network in the field has five.
const MOST_ROUTES: usize = 8;

/// What a registration is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The number of its requests, whose last four bits are 0: there the servers are told apart,
    /// so that requests to one server share Call-ID and From tag, and a late answer of another is
    /// known as such.
    pub id: u64,
    /// The Request-URI: `sip:domain`.
    pub registrar: String,
    /// `sip:user@domain`.
    pub address_of_record: String,
    /// A Route value for the outbound proxy.
    pub route: Option<String>,
    /// Seconds to ask for.
    pub expires: u32,
    /// For challenges.
    pub login: Option<Login>,
    /// How often a NAT on the way is kept open for datagrams, while registered.
    pub keep_alive: Option<Duration>,
    /// Our name as a device, `urn:uuid:…`: calls are to come over the flow of the REGISTER, where
    /// the registrar knows how (RFC 5626 section 4.2).
    pub instance: Option<String>,
}

/// A server that can be reached, and what we are called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where the server is.
    pub flow: Flow,
    /// Our Contact value, `<sip:…>`; its user part is ours alone.
    pub contact: String,
}

/// Something for a registration.
#[derive(Clone, Debug)]
pub enum Input {
    /// Register, and stay registered.
    Start,
    /// The answer to [`Output::Locate`]: servers in order, or why there is none.
    Located(Result<Vec<Way>, String>),
    /// The final response to an [`Output::Send`] of that number; `None` when none came.
    Reply(u64, Option<Message>),
    /// A connection is no more.
    Lost(Flow),
    /// Take it back.
    Stop,
}

/// Something that a registration asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Find the servers.
    Locate,
    /// Send this.
    Send(Box<Send>),
    /// A server failed; it asked for so much time (Retry-After).
    Failed(Flow, Option<Duration>),
    /// A server answered.
    Worked(Flow),
    /// Send two line ends, which every SIP stack passes over (RFC 5626 section 4.4.1).
    KeepAlive(Flow),
    /// The state is another than before; see [`Registration::state`].
    Changed,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked for, not granted yet.
    Trying,
    /// Calls reach us until then, and before that it is refreshed.
    Registered {
        /// When it ends by itself.
        until: Instant,
    },
    /// Not registered; tried again then.
    Failed {
        /// In plain words.
        reason: String,
        /// When it is tried again.
        retry: Instant,
    },
    /// Being taken back.
    Leaving,
    /// Taken back, or never made.
    Off,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Trying => "registering",
            State::Registered { .. } => "registered",
            State::Failed { .. } => "failed",
            State::Leaving => "unregistering",
            State::Off => "off",
        })
    }
}

/// What is being done now.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Locating,
    Asking { id: u64, way: Way, others: VecDeque<Way>, asked: u32, until: Option<Instant> },
    Waiting(Instant),
    Leaving(u64),
    Over,
}

/// What the registrar granted.
#[derive(Debug)]
struct Granted {
    until: Instant,
    way: Way,
    service_route: Vec<String>,
    /// When the way is to be kept open next, and how often.
    alive: Option<(Instant, Duration)>,
    /// Calls come over this flow alone (RFC 5626): without it nobody reaches us.
    bound: bool,
}

/// One registration.
#[derive(Debug)]
pub struct Registration {
    settings: Settings,
    rng: Rng,
    phase: Phase,
    granted: Option<Granted>,
    /// The servers that were asked, by the last bits of their requests' numbers.
    servers: Vec<SocketAddr>,
    /// Why the latest try failed; empty after a success.
    trouble: String,
    /// Tries that failed in a row.
    failures: u32,
    /// The least that the registrar takes, once it said so (423).
    least: u32,
    /// Flows are asked for no more: somebody on the way cannot keep them.
    flowless: bool,
    told: State,
    out: VecDeque<Output>,
}

impl Registration {
    /// One that was not begun.
    pub fn new(settings: Settings, rng: Rng) -> Registration {
        Registration {
            settings,
            rng,
            phase: Phase::Idle,
            granted: None,
            servers: Vec::new(),
            trouble: String::new(),
            failures: 0,
            least: 0,
            flowless: false,
            told: State::Off,
            out: VecDeque::new(),
        }
    }

    /// What it is made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How far it is.
    pub fn state(&self) -> State {
        match (&self.phase, &self.granted) {
            (Phase::Leaving(_), _) => State::Leaving,
            (Phase::Over | Phase::Idle, _) => State::Off,
            (_, Some(granted)) => State::Registered { until: granted.until },
            (Phase::Waiting(retry), None) => {
                State::Failed { reason: self.trouble.clone(), retry: *retry }
            }
            (Phase::Locating | Phase::Asking { .. }, None) => State::Trying,
        }
    }

    /// The flow of the server that holds it, while it is granted.
    pub fn flow(&self) -> Option<Flow> {
        self.granted.as_ref().map(|granted| granted.way.flow)
    }

    /// The Route values of calls through it (RFC 3608), nearest first.
    pub fn service_route(&self) -> &[String] {
        self.granted.as_ref().map_or(&[], |granted| &granted.service_route)
    }

    fn start(&mut self) {
        if matches!(self.phase, Phase::Idle | Phase::Waiting(_)) {
            self.phase = Phase::Locating;
            self.out.push_back(Output::Locate);
        }
    }

    fn located(&mut self, now: Instant, ways: Result<Vec<Way>, String>) {
        if self.phase != Phase::Locating {
            return;
        }
        match ways.map(VecDeque::from) {
            Ok(mut others) => {
                // Who holds it already is asked first: others would have to be told anew.
                let held = self.granted.as_ref().map(|granted| granted.way.flow);
                if let Some(at) = others.iter().position(|way| Some(way.flow) == held)
                    && let Some(way) = others.remove(at)
                {
                    others.push_front(way);
                }
                self.next(now, others, None);
            }
            Err(reason) => self.fail(now, reason, FIRST_WAIT),
        }
    }

    /// Asks the next server, or waits when there is none.
    fn next(&mut self, now: Instant, mut others: VecDeque<Way>, wait: Option<Duration>) {
        let Some(way) = others.pop_front() else {
            let reason = match self.trouble.is_empty() {
                true => "no server can be reached from here".to_owned(),
                false => self.trouble.clone(),
            };
            return self.fail(now, reason, wait.unwrap_or(FIRST_WAIT));
        };
        let asked = self.settings.expires.max(self.least);
        let id = self.send(&way, asked);
        let until = (!others.is_empty()).then_some(now + PATIENCE);
        self.phase = Phase::Asking { id, way, others, asked, until };
    }

    /// The number of requests to a server.
    fn number(&mut self, server: SocketAddr) -> u64 {
        let slot = match self.servers.iter().position(|known| *known == server) {
            Some(slot) => slot,
            None if self.servers.len() < SLOTS => {
                self.servers.push(server);
                self.servers.len() - 1
            }
            None => SLOTS - 1,
        };
        self.settings.id | slot as u64
    }

    fn send(&mut self, way: &Way, expires: u32) -> u64 {
        let id = self.number(way.flow.remote);
        let instance = self.settings.instance.as_ref().filter(|_| !self.flowless);
        let Settings { registrar, address_of_record, route, login, .. } = &self.settings;
        let (device, supported) = match instance {
            // One flow at a time: there is one listener of each transport to make it from.
            Some(urn) => (format!(";reg-id=1;+sip.instance=\"<{urn}>\""), "path, outbound"),
            None => (String::new(), "path"),
        };
        let mut headers = vec![
            ("Contact".to_owned(), format!("{}{device}", way.contact)),
            ("Expires".to_owned(), expires.to_string()),
            // A registrar tells the Path only to who understands it (RFC 3327 section 5.1).
            ("Supported".to_owned(), supported.to_owned()),
        ];
        headers.extend(route.iter().map(|route| ("Route".to_owned(), route.clone())));
        let send = Send {
            id,
            method: "REGISTER",
            uri: registrar.clone(),
            to: address_of_record.clone(),
            from: address_of_record.clone(),
            flow: way.flow,
            login: login.clone(),
            headers,
            body: None,
        };
        self.out.push_back(Output::Send(Box::new(send)));
        id
    }

    fn reply(&mut self, now: Instant, number: u64, response: Option<Message>) {
        let asked_now = match &self.phase {
            Phase::Leaving(id) => *id,
            Phase::Asking { id, .. } => *id,
            _ => return,
        };
        if asked_now != number {
            return;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let Phase::Asking { way, others, asked, .. } = phase else { return };
        let Some(response) = response else { return self.silent(now, way, others) };
        let status = response.status().unwrap_or_default();
        match status {
            200..300 => self.granted(now, way, asked, &response),
            423 => self.too_brief(now, way, others, asked, &response),
            // 439: the first hop cannot keep flows (RFC 5626 section 11.6).
            420 | 439 if self.settings.instance.is_some() && !self.flowless => {
                self.flowless = true;
                let mut others = others;
                others.push_front(way);
                self.next(now, others, None);
            }
            408 | 500.. if status < 600 => {
                let wait = response.retry_after().filter(|_| status == 503);
                if matches!(status, 408 | 503) {
                    self.out.push_back(Output::Failed(way.flow, wait));
                }
                self.trouble = answered(&way, &response);
                self.next(now, others, wait);
            }
            401 | 407 => {
                let user = self.settings.login.as_ref().map_or("", |login| &login.username);
                let doubt = format!("user name {user:?} or its password is wrong");
                self.fail(now, format!("{}: {doubt}", answered(&way, &response)), REFUSED_WAIT);
            }
            _ => self.fail(now, answered(&way, &response), REFUSED_WAIT),
        }
    }

    /// No answer came, or not in time.
    fn silent(&mut self, now: Instant, way: Way, others: VecDeque<Way>) {
        self.out.push_back(Output::Failed(way.flow, None));
        self.trouble = format!("{} does not answer", way.flow.remote);
        self.next(now, others, None);
    }

    fn granted(&mut self, now: Instant, way: Way, asked: u32, response: &Message) {
        self.out.push_back(Output::Worked(way.flow));
        let seconds = granted_expires(response, &way.contact).unwrap_or(asked);
        if seconds == 0 {
            let reason = format!("{} took the registration back at once", way.flow.remote);
            return self.fail(now, reason, FIRST_WAIT);
        }
        let length = Duration::from_secs(u64::from(seconds.min(LONGEST_EXPIRES)));
        let routes = response.values(HeaderName::ServiceRoute).take(MOST_ROUTES);
        let service_route = routes.map(str::to_owned).collect();
        (self.failures, self.trouble) = (0, String::new());
        // A share of the time, and no two of many at once; short ones leave time for resends.
        let share = if seconds > 120 { 0.75 + 0.15 * self.rng.unit() } else { 0.5 };
        self.phase = Phase::Waiting(now + length.mul_f64(share));
        let requires = |tag: &str| tag.eq_ignore_ascii_case("outbound");
        let bound = !self.flowless && response.values(HeaderName::Require).any(requires);
        let datagrams = way.flow.transport == Transport::Udp;
        let own = self.settings.keep_alive.filter(|_| datagrams);
        let every = match flow_timer(response).filter(|_| bound) {
            // RFC 5626 section 4.4.1: 80 to 100 % of it, and no two of many at once.
            Some(limit) => Some(limit.mul_f64(0.8 + 0.2 * self.rng.unit())),
            None => own,
        };
        let every = every.map(|every| own.map_or(every, |own| own.min(every)));
        let alive = every.map(|every| (now + every, every));
        self.granted = Some(Granted { until: now + length, way, service_route, alive, bound });
    }

    /// 423: asks again for as long as the registrar wants (RFC 3261 section 10.2.8).
    fn too_brief(
        &mut self,
        now: Instant,
        way: Way,
        mut others: VecDeque<Way>,
        asked: u32,
        response: &Message,
    ) {
        let least =
            response.header(HeaderName::MinExpires).and_then(|text| text.trim().parse().ok());
        match least {
            Some(least) if least > asked && least <= LONGEST_EXPIRES => {
                self.least = least;
                others.push_front(way);
                self.next(now, others, None);
            }
            _ => self.fail(now, answered(&way, response), REFUSED_WAIT),
        }
    }

    /// Waits for the next try: twice as long after each, and no two of many at once.
    fn fail(&mut self, now: Instant, reason: String, base: Duration) {
        self.trouble = reason;
        self.failures += 1;
        let doubled = base.saturating_mul(1 << (self.failures - 1).min(6));
        let wait = doubled.min(LONGEST_WAIT.max(base)).mul_f64(0.5 + 0.5 * self.rng.unit());
        // What is still granted is not to run out while we wait; but who refused us is not pressed.
        let pressing = self.granted.as_ref().filter(|_| base < REFUSED_WAIT);
        let left = pressing.map(|granted| (granted.until - now) / 2);
        let wait = left.map_or(wait, |left| wait.min(left.max(Duration::from_secs(1))));
        self.phase = Phase::Waiting(now + wait);
    }

    /// The connection over which calls come is gone: the registrar has forgotten us with it, and is
    /// told anew after a moment, for others have lost theirs as well (RFC 5626 section 4.5).
    fn lost(&mut self, now: Instant, flow: Flow) {
        let same = |granted: &Granted| {
            let held = granted.way.flow;
            granted.bound && (held.transport, held.remote) == (flow.transport, flow.remote)
        };
        if self.granted.as_ref().is_some_and(same) && matches!(self.phase, Phase::Waiting(_)) {
            self.granted = None;
            self.fail(now, format!("the connection to {} was lost", flow.remote), FIRST_WAIT);
        }
    }

    fn stop(&mut self) {
        let asking = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Asking { way, .. } => Some(way),
            phase @ (Phase::Leaving(_) | Phase::Over) => {
                self.phase = phase;
                return;
            }
            Phase::Idle | Phase::Locating | Phase::Waiting(_) => None,
        };
        if let Some(way) = self.granted.take().map(|granted| granted.way).or(asking) {
            self.phase = Phase::Leaving(self.send(&way, 0));
        }
    }

    /// Says so once when the state became another. A refresh is no news.
    fn tell(&mut self) {
        let state = self.state();
        let same = match (&self.told, &state) {
            (State::Registered { .. }, State::Registered { .. }) => true,
            (State::Failed { reason: one, .. }, State::Failed { reason: two, .. }) => one == two,
            // A try after a failure is none either, before its outcome.
            (State::Failed { .. }, State::Trying) => return,
            (one, two) => one == two,
        };
        self.told = state;
        if !same {
            self.out.push_back(Output::Changed);
        }
    }
}

impl Machine for Registration {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::Located(ways) => self.located(now, ways),
            Input::Reply(id, response) => self.reply(now, id, response),
            Input::Lost(flow) => self.lost(now, flow),
            Input::Stop => self.stop(),
        }
        self.tell();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.granted.as_ref().is_some_and(|granted| granted.until <= now) {
            self.granted = None;
        }
        if let Some(granted) = &mut self.granted
            && let Some((at, every)) = granted.alive
            && at <= now
        {
            granted.alive = Some((now + every, every));
            self.out.push_back(Output::KeepAlive(granted.way.flow));
        }
        match &self.phase {
            Phase::Waiting(at) if *at <= now => self.start(),
            Phase::Asking { until: Some(at), .. } if *at <= now => {
                let phase = std::mem::replace(&mut self.phase, Phase::Over);
                if let Phase::Asking { way, others, .. } = phase {
                    self.silent(now, way, others);
                }
            }
            _ => {}
        }
        self.tell();
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        let retry = match self.phase {
            Phase::Waiting(at) => Some(at),
            Phase::Asking { until, .. } => until,
            _ => None,
        };
        let end = self.granted.as_ref().map(|granted| granted.until);
        let alive = self.granted.as_ref().and_then(|granted| Some(granted.alive?.0));
        [retry, end, alive].into_iter().flatten().min()
    }
}

/// How long our own Contact was granted: its parameter, else the header (RFC 3261 section 10.2.4).
/// A registrar lists the Contacts of all who are registered.
fn granted_expires(response: &Message, contact: &str) -> Option<u32> {
    let ours = NameAddr::parse(contact)?;
    let same = |listed: &NameAddr<'_>| match (listed.sip_uri(), ours.sip_uri()) {
        (Some(one), Some(two)) => one.user_raw() == two.user_raw(),
        _ => false,
    };
    let listed = response.contacts().find(same);
    let own = listed.and_then(|listed| listed.params().get("expires")?.trim().parse().ok());
    own.or_else(|| response.expires())
}

/// How long the registrar waits for a sign of life (RFC 5626 section 4.4).
fn flow_timer(response: &Message) -> Option<Duration> {
    let seconds: u32 = response.header_by_name("Flow-Timer")?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn answered(way: &Way, response: &Message) -> String {
    let status = response.status().unwrap_or_default();
    format!("{} answered {status} {}", way.flow.remote, response.reason_phrase())
}

/// `sip:host:port` or `sips:host:port` of a URI, without user, parameters and headers: what a REGISTER is sent to.
pub fn registrar_of(uri: &str) -> Option<String> {
    let view = SipUri::parse(uri)?;
    let port = view.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}:{}{port}", view.scheme_name(), bracketed(view.host())))
}

/// A host as URIs want it.
pub fn bracketed(host: &str) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}
