//! Where a leg goes: a user's phones, a trunk or line, or a foreign SIP address.

use std::net::Ipv4Addr;

use super::calls::Admitted;
use super::legs::Left;
use super::registration::Whom;
use super::route::{Route, Way};
use super::trunks::Key;
use super::*;
use crate::audio::codec::Codec;
use crate::base::Duration;
use crate::directory::{SessionTimers, Trunk};
use crate::leg::sip::{Input as LegInput, Target};
use crate::leg::{Destination, Dial};
use crate::media::Leeway;
use crate::sip::dialog::session_timer;
use crate::sip::registrar::Binding;
use crate::sip::registration::bracketed;
use crate::sip::uri::{SipUri, escape_user};
use crate::sip::{Login, Message};

/// What dialling leads to.
enum Found {
    /// A user of ours, all of whose phones ring together.
    User(Whom),
    /// A call that another exchange of this server carries.
    Inside(Box<Target>),
    /// Servers, which are tried one after another.
    Ways(Vec<Way>),
}

impl Exchange {
    /// Makes an outgoing leg and finds its way.
    pub(super) fn dial(&mut self, now: Instant, call: CallNumber, id: LegId, dial: Dial) {
        let Some(entry) = self.calls.table.get_mut(&call) else { return };
        // Why one failed is no reason of the next, which may ring out without one.
        entry.reason = entry.reason.take().filter(|(told, _)| *told != Left::Caller);
        let flow = entry.flow;
        let exhausted = entry.max_forwards == 0;
        let leg = SipLeg::outgoing(id, self.media_address(flow), &mut self.rng.fork());
        self.legs.table.insert(id, Box::new(LegEntry::new(leg, call)));
        // RFC 3261 section 16.3 step 3, for the B2BUA that carries Max-Forwards across.
        let found = if exhausted { Err(483) } else { self.find(call, &dial) };
        match found {
            Ok(Found::User(whom)) => self.locate_user(now, (id, call), dial, whom),
            Ok(Found::Inside(target)) => self.send_out(now, id, Ok(vec![*target])),
            Ok(Found::Ways(ways)) => {
                let route = Route::new(id, dial, Arc::clone(&self.directory), ways);
                self.set_out(now, id, route);
            }
            Err(status) => self.send_out(now, id, Err(status)),
        }
    }

    /// Lets a leg go where it was found to go. Its media takes the same way.
    pub(super) fn send_out(&mut self, now: Instant, id: LegId, targets: Result<Vec<Target>, u16>) {
        let flow = targets.as_ref().ok().and_then(|targets| targets.first()).map(|t| t.flow);
        let address = flow.map(|flow| self.media_address(flow));
        if let (Some(entry), Some(address)) = (self.legs.table.get_mut(&id), address) {
            entry.leg.set_media_address(address);
        }
        self.tell_leg(now, id, LegInput::Targets(targets));
    }

    /// Says why a leg has no way to go, and what would give it one.
    pub(super) fn no_way(&mut self, call: CallNumber, status: u16, reason: String) -> u16 {
        if let Some(entry) = self.calls.table.get(&call) {
            self.note(entry.sid, 13224, reason);
        }
        status
    }

    fn find(&mut self, call: CallNumber, dial: &Dial) -> Result<Found, u16> {
        let directory = Arc::clone(&self.directory);
        let uri = match &dial.destination {
            Destination::Number(number) => {
                return self.ways_to(&directory, call, dial, number).map(Found::Ways);
            }
            Destination::Sip { uri, .. } => uri,
        };
        if let Some(target) = self.inner_target(call, dial) {
            return Ok(Found::Inside(Box::new(target)));
        }
        let view = SipUri::parse(uri).ok_or(400u16)?;
        // Who asks for secrecy is not sent in the clear (RFC 3261 section 26.2.2).
        let Ok(asked) = Transport::of_uri(&view) else {
            let reason = format!("{uri:?}: its transport is none of udp, tcp, tls, ws and wss");
            return Err(self.no_way(call, 416, reason));
        };
        if let Some(domain) = directory.domain(view.host())
            && self.may_be_here(&view)
        {
            return Ok(Found::User(self.whom(&view, &domain.name)));
        }
        // Browsers call themselves so; only the connection that they made reaches them (RFC 7118
        // section 5.2.1), and nobody is asked for the name (RFC 2606 section 2).
        let nowhere = view.host().to_ascii_lowercase().trim_end_matches('.').ends_with(".invalid");
        if nowhere || asked.is_some_and(Transport::is_websocket) {
            let reason = format!("{uri:?} is no place that one can connect to");
            return Err(self.no_way(call, 404, reason));
        }
        Ok(Found::Ways(vec![Way::Foreign(uri.clone())]))
    }

    /// The trunks to a number, those that work first. Who has a line of its own calls through it,
    /// and through nothing else: its owner pays, and its number is shown.
    fn ways_to(
        &mut self,
        directory: &Directory,
        call: CallNumber,
        dial: &Dial,
        number: &str,
    ) -> Result<Vec<Way>, u16> {
        let entry = self.calls.table.get(&call);
        let caller = || entry.and_then(|entry| entry.user.clone());
        let user = dial.user.clone().or_else(caller).unwrap_or_default();
        // Its calls may show what they like, for lines show themselves: no trunk takes them, also
        // when the line has gone meanwhile.
        let had_line = entry.is_some_and(|entry| entry.has_line);
        let mut lines = directory.lines.of(&user).peekable();
        let mut keys: Vec<Key> = Vec::new();
        if had_line || lines.peek().is_some() {
            let fits =
                |trunk: &Trunk| trunk.prefixes.iter().any(|prefix| number.starts_with(prefix));
            let fitting = lines.filter(|line| fits(&line.account));
            keys.extend(fitting.map(|line| Key::line(&line.account.name)));
            if keys.is_empty() {
                let reason = format!("no [[line]] of {user} has {number:?} among its `prefixes`");
                return Err(self.no_way(call, 403, reason));
            }
        } else {
            let trunks = directory.trunks_to(number, &mut self.rng);
            keys.extend(trunks.into_iter().map(|trunk| Key::trunk(&trunk.name)));
        }
        // Outbound calls are off until a trunk names prefixes.
        if keys.is_empty() {
            let reason = format!("no [[trunk]] has {number:?} among its `prefixes`");
            return Err(self.no_way(call, 403, reason));
        }
        keys.sort_by_key(|key| !self.trunks.is_up(key));
        Ok(keys.into_iter().map(Way::Trunk).collect())
    }

    /// Whether a URI that names a domain of ours may mean this server. A domain may be named by
    /// its address, and there another port is another server (RFC 3261 section 19.1.4); names
    /// may be reached through a translator, whose ports we do not know.
    fn may_be_here(&self, uri: &SipUri<'_>) -> bool {
        let named = uri.host().parse::<Ipv4Addr>().is_err() && !uri.host().starts_with('[');
        let listens = |port| self.config.listeners.iter().any(|(_, local)| local.port() == port);
        named || uri.port().is_none_or(listens)
    }

    /// All registered phones of a user of ours, or the one that a GRUU means, as the exchange
    /// knows them that is the user's home.
    pub(super) fn phone_targets(
        &mut self,
        call: CallNumber,
        dial: &Dial,
        whom: &Whom,
        mut bindings: Vec<Binding>,
    ) -> Result<Vec<Target>, u16> {
        let Whom { user, domain, address_of_record, secret, status, .. } = whom;
        let (secret, status) = (*secret, *status);
        whom.keep_reachable(&mut bindings);
        if bindings.is_empty() {
            let how = if secret { " over TLS" } else { "" };
            let reason = format!("{address_of_record:?} has no phone registered{how}");
            return Err(self.no_way(call, status, reason));
        }
        let built = bindings.iter().map(|binding| {
            let mut target = self.target(call, dial, binding.uri.clone(), binding.flow);
            target.to = format!("sip:{}@{domain}", escape_user(user));
            target.route.clone_from(&binding.path);
            self.note_translator(&mut target, binding, domain);
            target
        });
        Ok(built.collect())
    }

    /// What is sent to a server, and the codecs that it is offered.
    pub(super) fn target_of(
        &self,
        call: CallNumber,
        dial: &Dial,
        directory: &Directory,
        way: &Way,
        flow: Flow,
    ) -> (Target, Vec<Codec>) {
        let trunk = match way {
            Way::Trunk(key) => key.find(directory).map(|trunk| (key, trunk)),
            Way::Foreign(_) => None,
        };
        match (trunk, &dial.destination) {
            (Some((key, trunk)), Destination::Number(number)) => {
                (self.trunk_target(call, dial, key, trunk, number, flow), codecs_of(trunk))
            }
            (_, Destination::Sip { uri, login, .. }) => {
                let mut target = self.target(call, dial, uri.clone(), flow);
                target.login = login.as_ref().map(|(username, password)| Login {
                    username: username.clone(),
                    password: password.clone(),
                    realm: None,
                });
                (target, vec![])
            }
            (None, Destination::Number(number)) => {
                let uri = format!("sip:{number}@{}", flow.remote);
                (self.target(call, dial, uri, flow), vec![])
            }
        }
    }

    fn trunk_target(
        &self,
        call: CallNumber,
        dial: &Dial,
        key: &Key,
        trunk: &Trunk,
        number: &str,
        flow: Flow,
    ) -> Target {
        let place = SipUri::parse(&trunk.uri).map(|uri| {
            let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
            (uri.scheme_name(), bracketed(uri.host()), port)
        });
        let (scheme, host, port) =
            place.unwrap_or_else(|| ("sip", flow.remote.to_string(), String::new()));
        let called = trunk.numbers.write_called(number);
        let uri = format!("{scheme}:{}@{host}{port}", escape_user(&called));
        let shown = Dial { caller_id: trunk.numbers.write(&dial.caller_id), ..dial.clone() };
        let mut target = self.target(call, &shown, uri, flow);
        let registered = trunk.registration.as_ref();
        match (registered, &trunk.from_domain) {
            // An account shows itself; its provider would refuse anybody else.
            (Some(account), domain) if key.is_line() => {
                let domain = domain.as_deref().unwrap_or(&host);
                target.from = format!("sip:{}@{domain}", account.user);
            }
            (_, Some(domain)) => target.from = identity(&shown.caller_id, domain),
            (Some(_), None) => target.from = identity(&shown.caller_id, &host),
            (None, None) => {}
        }
        target.route = self.trunks.routes(key, trunk);
        target.login = login_of(trunk);
        target.session = self.session_of(trunk);
        if trunk.nat {
            target.leeway = Leeway::Network;
        }
        target.headers.extend(trunk.headers.iter().cloned());
        target
    }

    pub(super) fn target(&self, call: CallNumber, dial: &Dial, uri: String, flow: Flow) -> Target {
        let entry = self.calls.table.get(&call);
        let domain = entry.and_then(|entry| entry.domain.clone());
        let host = domain.unwrap_or_else(|| {
            let own = self.advertised(flow.local.ip());
            if own.is_ipv6() { format!("[{own}]") } else { own.to_string() }
        });
        let mut headers = dial.headers.clone();
        if let Destination::Sip { headers: more, .. } = &dial.destination {
            headers.extend(more.iter().cloned());
        }
        Target {
            to: uri.clone(),
            uri,
            from: identity(&dial.caller_id, &host),
            display_name: dial.caller_name.clone(),
            flow,
            route: vec![],
            max_forwards: entry.map_or(70, |entry| entry.max_forwards),
            login: None,
            session: None,
            leeway: Leeway::None,
            headers,
        }
    }
}

/// The From URI of a caller ID: a number or name of ours at `host`, or a whole SIP URI.
fn identity(caller_id: &str, host: &str) -> String {
    let lower = caller_id.get(..4).map(str::to_ascii_lowercase);
    if lower.as_deref() == Some("sip:") {
        return super::who::plain_uri(caller_id);
    }
    let user = if caller_id.is_empty() { "anonymous" } else { caller_id };
    format!("sip:{}@{host}", escape_user(user))
}

/// The login of a trunk for its challenges.
pub(super) fn login_of(trunk: &Trunk) -> Option<Login> {
    let (username, password) = trunk.login.clone()?;
    Some(Login { username, password, realm: trunk.realm.clone() })
}

impl Exchange {
    /// What a trunk wants of session timers, if it wants anything of its own.
    pub(super) fn session_of(&self, trunk: &Trunk) -> Option<session_timer::Settings> {
        let own = trunk.session_timers;
        (own != SessionTimers::default())
            .then(|| session_settings(own, self.agent.config().session))
    }
}

impl Exchange {
    /// What the trunk of a call wants at least, when its INVITE asks for a shorter session (RFC
    /// 4028 section 9). What `[sip]` wants was asked of it before.
    pub(super) fn too_short_for(&self, admitted: &Admitted, invite: &Message) -> Option<Duration> {
        let trunk = admitted.channel.as_ref()?.find(&self.directory)?;
        let settings = self.session_of(trunk)?;
        session_timer::too_short(invite, &settings).then_some(settings.min)
    }
}

/// Session timers as configured, with what is left out taken from `general`.
pub fn session_settings(
    timers: SessionTimers,
    general: session_timer::Settings,
) -> session_timer::Settings {
    let min = timers.min_se.unwrap_or(general.min);
    let interval = timers.expires.unwrap_or(general.interval).max(min);
    session_timer::Settings { interval, min, asks: timers.asks.unwrap_or(general.asks) }
}

/// The codecs that a trunk is offered; empty for all.
pub(super) fn codecs_of(trunk: &Trunk) -> Vec<Codec> {
    let known = |name: &String| Codec::ALL.into_iter().find(|codec| codec.name() == name);
    trunk.codecs.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_ids_become_from_uris() {
        assert_eq!(identity("+15551234567", "pbx.example"), "sip:+15551234567@pbx.example");
        assert_eq!(identity("sip:home@office;x=1", "pbx.example"), "sip:home@office");
        assert_eq!(identity("", "pbx.example"), "sip:anonymous@pbx.example");
        assert_eq!(identity("a@evil.example", "pbx.example"), "sip:a%40evil.example@pbx.example");
    }
}
