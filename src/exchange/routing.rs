//! Where a leg goes: a user's phones, a trunk, or a foreign SIP address.

use std::net::Ipv4Addr;

use super::*;
use crate::directory::{Caps, Trunk};
use crate::leg::sip::{Input as LegInput, Target};
use crate::leg::{Destination, Dial};
use crate::sip::Login;
use crate::sip::uri::{Scheme, SipUri, escape_user};

/// SIP's port when a URI names none (RFC 3261 section 19.1.2).
const DEFAULT_PORT: u16 = 5060;

/// A foreign address whose host is being looked up.
pub(super) struct Unresolved {
    call: CallNumber,
    dial: Dial,
    transport: Transport,
    port: u16,
}

impl Exchange {
    /// Makes an outgoing leg and finds its way.
    pub(super) fn dial(&mut self, now: Instant, call: CallNumber, id: LegId, dial: Dial) {
        let Some(entry) = self.calls.table.get(&call) else { return };
        let flow = entry.flow;
        let exhausted = entry.max_forwards == 0;
        let leg = SipLeg::outgoing(id, self.media_address(flow), &mut self.rng.fork());
        self.legs.table.insert(id, LegEntry::new(leg, call));
        // RFC 3261 section 16.3 step 3, for the B2BUA that carries Max-Forwards across.
        let targets = if exhausted { Some(Err(483)) } else { self.targets(now, call, id, dial) };
        if let Some(targets) = targets {
            self.send_out(now, id, targets);
        }
    }

    /// Lets a leg go where it was found to go. Its media takes the same way.
    fn send_out(&mut self, now: Instant, id: LegId, targets: Result<Vec<Target>, u16>) {
        let flow = targets.as_ref().ok().and_then(|targets| targets.first()).map(|t| t.flow);
        let address = flow.map(|flow| self.media_address(flow));
        if let (Some(entry), Some(address)) = (self.legs.table.get_mut(&id), address) {
            entry.leg.set_media_address(address);
        }
        self.tell_leg(now, id, LegInput::Targets(targets));
    }

    /// Says why a leg has no way to go, and what would give it one.
    fn no_way<T>(&mut self, call: CallNumber, status: u16, reason: String) -> Result<T, u16> {
        if let Some(entry) = self.calls.table.get(&call) {
            self.note(entry.sid, 13224, reason);
        }
        Err(status)
    }

    pub(super) fn handle_resolved(&mut self, now: Instant, id: LegId, addresses: &[IpAddr]) {
        let Some(unresolved) = self.legs.resolving.remove(&id) else { return };
        let Unresolved { call, dial, transport, port } = unresolved;
        let remotes: Vec<SocketAddr> =
            addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        let targets = match remotes.is_empty() {
            false => self.foreign_target(call, &dial, transport, &remotes),
            true => self.no_way(call, 404, "the host of the SIP URI has no address".to_owned()),
        };
        self.send_out(now, id, targets);
    }

    /// The branches of a leg, or `None` while a host name is being looked up.
    fn targets(
        &mut self,
        now: Instant,
        call: CallNumber,
        id: LegId,
        dial: Dial,
    ) -> Option<Result<Vec<Target>, u16>> {
        let directory = Arc::clone(&self.directory);
        let uri = match &dial.destination {
            Destination::Number(number) => {
                return Some(self.trunk_target(now, &directory, call, id, &dial, number));
            }
            Destination::Sip { uri, .. } => uri.clone(),
        };
        let Some(view) = SipUri::parse(&uri) else { return Some(Err(400)) };
        let transport = match view.transport().map(str::to_ascii_lowercase).as_deref() {
            // Who asks for secrecy is not sent in the clear (RFC 3261 section 26.2.2).
            _ if view.scheme() == Scheme::Sips => None,
            None | Some("udp") => Some(Transport::Udp),
            Some("tcp") => Some(Transport::Tcp),
            Some(_) => None,
        };
        let Some(transport) = transport else {
            let reason = format!("{uri:?}: only sip: over udp and tcp can be called so far");
            return Some(self.no_way(call, 416, reason));
        };
        if let Some(domain) = directory.domain(view.host())
            && self.may_be_here(&view)
        {
            let user = view.user().unwrap_or_default();
            return Some(self.phone_targets(now, call, &dial, &user, &domain.name));
        }
        let port = view.port().unwrap_or(DEFAULT_PORT);
        let host = view.host().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let remote = [SocketAddr::new(address, port)];
                Some(self.foreign_target(call, &dial, transport, &remote))
            }
            Err(_) => {
                self.outputs.push_back(Output::Resolve(id, host.to_owned()));
                self.legs.resolving.insert(id, Unresolved { call, dial, transport, port });
                None
            }
        }
    }

    /// Whether a URI that names a domain of ours may mean this server. A domain may be named by
    /// its address, and there another port is another server (RFC 3261 section 19.1.4); names
    /// may be reached through a translator, whose ports we do not know.
    fn may_be_here(&self, uri: &SipUri<'_>) -> bool {
        let named = uri.host().parse::<Ipv4Addr>().is_err() && !uri.host().starts_with('[');
        let listens = |port| self.config.listeners.iter().any(|(_, local)| local.port() == port);
        named || uri.port().is_none_or(listens)
    }

    /// All registered phones of a user of ours.
    fn phone_targets(
        &mut self,
        now: Instant,
        call: CallNumber,
        dial: &Dial,
        user: &str,
        domain: &str,
    ) -> Result<Vec<Target>, u16> {
        let address_of_record = format!("{user}@{domain}");
        let bindings = self.registrar.bindings(now, &address_of_record);
        if bindings.is_empty() {
            let reason = format!("{address_of_record:?} has no phone registered");
            return self.no_way(call, 480, reason);
        }
        let targets: Vec<(String, Vec<String>, Flow)> = bindings
            .iter()
            .map(|binding| (binding.uri.clone(), binding.path.clone(), binding.flow))
            .collect();
        let built = targets.into_iter().map(|(uri, route, flow)| {
            let mut target = self.target(call, dial, uri, flow);
            target.to = format!("sip:{}@{domain}", escape_user(user));
            target.route = route;
            target
        });
        Ok(built.collect())
    }

    fn trunk_target(
        &mut self,
        now: Instant,
        directory: &Directory,
        call: CallNumber,
        id: LegId,
        dial: &Dial,
        number: &str,
    ) -> Result<Vec<Target>, u16> {
        // Outbound calls are off until a trunk names prefixes.
        let Some(trunk) = directory.trunk_to(number) else {
            let reason = format!("no [[trunk]] has {number:?} among its `prefixes`");
            return self.no_way(call, 403, reason);
        };
        let transport = if trunk.tcp { Transport::Tcp } else { Transport::Udp };
        let Some(flow) = self.first_flow(transport, &trunk.addresses) else {
            return self.no_way(call, 503, trouble_of(trunk));
        };
        // Who transfers answers for it, whoever made the call.
        let caller = || self.calls.table.get(&call).and_then(|entry| entry.user.clone());
        let user = dial.user.clone().or_else(caller).and_then(|user| {
            let domain = directory.domain(user.rsplit_once('@')?.1);
            Some((user, domain.map_or(Caps::USER, |domain| domain.caps)))
        });
        let user = user.as_ref().map(|(user, caps)| (user.as_str(), *caps));
        if let Err(over) = self.usage.take(now, id, user, (&trunk.name, trunk.caps)) {
            self.guard.counters.capped_calls += 1;
            return self.no_way(call, 503, over.to_string());
        }
        let remote = flow.remote;
        let host = SipUri::parse(&trunk.uri).map(|uri| {
            let host = uri.host();
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            match uri.port() {
                Some(port) => format!("{host}:{port}"),
                None => host,
            }
        });
        let uri = format!("sip:{number}@{}", host.unwrap_or_else(|| remote.to_string()));
        let mut target = self.target(call, dial, uri, flow);
        target.login = trunk.login.as_ref().map(|(username, password)| Login {
            username: username.clone(),
            password: password.clone(),
            realm: trunk.realm.clone(),
        });
        Ok(vec![target])
    }

    fn foreign_target(
        &mut self,
        call: CallNumber,
        dial: &Dial,
        transport: Transport,
        remotes: &[SocketAddr],
    ) -> Result<Vec<Target>, u16> {
        let Destination::Sip { uri, login, .. } = &dial.destination else { return Err(500) };
        let Some(flow) = self.first_flow(transport, remotes) else {
            let reason = format!("{uri:?}: no {transport:?} listener of its address family");
            return self.no_way(call, 503, reason);
        };
        let mut target = self.target(call, dial, uri.clone(), flow);
        target.login = login.as_ref().map(|(username, password)| Login {
            username: username.clone(),
            password: password.clone(),
            realm: None,
        });
        Ok(vec![target])
    }

    fn target(&self, call: CallNumber, dial: &Dial, uri: String, flow: Flow) -> Target {
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
            headers,
        }
    }

    /// The way to the first of some addresses that a listener of ours can reach.
    fn first_flow(&self, transport: Transport, remotes: &[SocketAddr]) -> Option<Flow> {
        remotes.iter().find_map(|remote| self.flow_to(transport, *remote))
    }

    /// The listener from which `remote` is reached: same transport and family, loopback to loopback.
    fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let fits = |(own, local): &&(Transport, SocketAddr)| {
            *own == transport && local.is_ipv4() == remote.is_ipv4()
        };
        let near = |local: &SocketAddr| {
            local.ip().is_unspecified() || local.ip().is_loopback() == remote.ip().is_loopback()
        };
        let fitting: Vec<SocketAddr> =
            self.config.listeners.iter().filter(fits).map(|(_, local)| *local).collect();
        let local = fitting.iter().find(|local| near(local)).or(fitting.first())?;
        Some(Flow { transport, local: *local, remote, connection: 0 })
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

/// Why nothing can be sent to a trunk.
fn trouble_of(trunk: &Trunk) -> String {
    let Trunk { name, uri, .. } = trunk;
    match trunk.addresses.is_empty() {
        true => format!("trunk {name}: the host of {uri} has no address"),
        false => format!("trunk {name}: `[sip] listen` has no listener that reaches {uri}"),
    }
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
