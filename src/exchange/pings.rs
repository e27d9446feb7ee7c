//! Keeps the way to phones behind address translators open: OPTIONS over the flow of each.
//!
//! A translator forgets a UDP flow after half a minute or less, and many renew it only by what
//! goes out (RFC 4787 section 4.3): a request makes the phone send. Nothing follows from silence;
//! the next REGISTER tells where the phone is. Phones that keep their flow themselves (RFC 5626)
//! and those behind a proxy are left alone.

use super::*;
use crate::sip::Command;
use crate::sip::registrar::Binding;
use crate::sip::uri::SipUri;

/// The numbers of these requests have this bit, and those of trunks and dialogs do not.
const PING: u64 = 1 << 63;

/// How often a part of all users is looked at, so that pings come spread and not in bursts.
const TICK: Duration = Duration::from_secs(1);

/// When each phone is pinged. Nothing is kept of a phone: the rounds go by the users' names.
#[derive(Debug)]
pub(super) struct Pings {
    /// Ticks of one round; 0 sends nothing.
    ticks: u32,
    next: Instant,
    /// The last user of the latest tick.
    cursor: Arc<str>,
    /// Ticks that are left of this round.
    ticks_left: u32,
    sent: u64,
}

impl Pings {
    /// A round every so many seconds.
    pub(super) fn every(seconds: u32) -> Pings {
        Pings { ticks: seconds, next: Instant::ZERO, cursor: "".into(), ticks_left: 0, sent: 0 }
    }
}

impl Exchange {
    /// Pings phones behind translators every so many seconds; 0 sends nothing.
    pub fn with_nat_ping(self, seconds: u32) -> Self {
        Exchange { pings: Pings::every(seconds), ..self }
    }

    pub(super) fn pings_timeout(&self) -> Option<Instant> {
        let wanted = self.pings.ticks > 0 && !self.registrar.is_empty();
        wanted.then_some(self.pings.next)
    }

    /// Pings the share of this tick.
    pub(super) fn ping_phones(&mut self, now: Instant) {
        if self.pings_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.pings.next = now + TICK;
        if self.pings.ticks_left == 0 {
            self.pings.ticks_left = self.pings.ticks;
            self.pings.cursor = Arc::from("");
        }
        self.pings.ticks_left -= 1;
        let start = Arc::clone(&self.pings.cursor);
        // The last tick takes whatever is left: users may have come since the round began.
        let share = match self.pings.ticks_left {
            0 => usize::MAX,
            _ => self.registrar.users().div_ceil(self.pings.ticks as usize),
        };
        let users = self.registrar.users_after(&start).take(share);
        let mut sends = Vec::new();
        for (user, bindings) in users {
            self.pings.cursor = Arc::clone(user);
            let wanting = bindings.iter().filter(|b| b.expires_at > now && wants_ping(b));
            sends.extend(wanting.map(|b| (user.to_string(), b.uri.clone(), b.flow)));
        }
        for (user, uri, flow) in sends {
            self.ping_phone(now, &user, uri, flow);
        }
    }

    fn ping_phone(&mut self, now: Instant, user: &str, uri: String, flow: Flow) {
        self.pings.sent = (self.pings.sent + 1) % PING;
        let domain = user.rsplit_once('@').map_or(user, |(_, domain)| domain);
        let send = sip::Send {
            id: PING | self.pings.sent,
            method: "OPTIONS",
            uri,
            to: format!("sip:{user}"),
            from: format!("sip:{domain}"),
            flow,
            // Nobody answers a challenge for a sign of life.
            login: None,
            headers: vec![],
            body: None,
        };
        self.agent.handle(now, sip::Input::Command(Command::Send(Box::new(send))));
    }
}

/// Whether a phone speaks UDP from behind a translator, and does not keep its flow itself.
fn wants_ping(binding: &Binding) -> bool {
    let direct = || {
        let uri = SipUri::parse(&binding.uri)?;
        let ip = uri.host_port().ip()?.to_canonical();
        let port = uri.port().unwrap_or(Transport::Udp.default_port());
        Some((ip, port) == (binding.flow.remote.ip().to_canonical(), binding.flow.remote.port()))
    };
    binding.flow.transport == Transport::Udp
        && binding.path.is_empty()
        && binding.reg_id.is_none()
        && direct() != Some(true)
}
