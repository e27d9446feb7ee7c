//! Where a leg goes: a user's phones, a trunk, or a foreign SIP address.

use std::net::Ipv4Addr;

use super::*;
use crate::directory::Trunk;
use crate::leg::sip::{Input as LegInput, Target};
use crate::leg::{Destination, Dial};
use crate::sip::Login;
use crate::sip::uri::SipUri;

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
        let address = self.media_address(self.flow_for(&dial, flow));
        let leg = SipLeg::outgoing(id, address, &mut self.rng.fork());
        self.legs.table.insert(id, LegEntry { leg, call });
        // RFC 3261 section 16.3 step 3, for the B2BUA that carries Max-Forwards across.
        let targets = if exhausted { Some(Err(483)) } else { self.targets(now, call, id, dial) };
        if let Some(targets) = targets {
            self.tell_leg(now, id, LegInput::Targets(targets));
        }
    }

    pub(super) fn handle_resolved(&mut self, now: Instant, id: LegId, addresses: &[IpAddr]) {
        let Some(unresolved) = self.legs.resolving.remove(&id) else { return };
        let Unresolved { call, dial, transport, port } = unresolved;
        let targets = match addresses.first() {
            Some(&address) => {
                let remote = SocketAddr::new(address, port);
                self.foreign_target(call, &dial, transport, remote).map(|target| vec![target])
            }
            None => Err(404),
        };
        self.tell_leg(now, id, LegInput::Targets(targets));
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
                return Some(self.trunk_target(&directory, call, &dial, number));
            }
            Destination::Sip { uri, .. } => uri.clone(),
        };
        let Some(view) = SipUri::parse(&uri) else { return Some(Err(400)) };
        if let Some(domain) = directory.domain(view.host())
            && self.may_be_here(&view)
        {
            let user = view.user().unwrap_or_default();
            return Some(self.phone_targets(now, call, &dial, &format!("{user}@{}", domain.name)));
        }
        let tcp = view.transport().is_some_and(|t| t.eq_ignore_ascii_case("tcp"));
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let port = view.port().unwrap_or(DEFAULT_PORT);
        let host = view.host().trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let remote = SocketAddr::new(address, port);
                Some(self.foreign_target(call, &dial, transport, remote).map(|target| vec![target]))
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
    ) -> Result<Vec<Target>, u16> {
        let bindings = self.registrar.bindings(now, user);
        if bindings.is_empty() {
            return Err(480);
        }
        let targets: Vec<(String, Vec<String>, Flow)> = bindings
            .iter()
            .map(|binding| (binding.uri.clone(), binding.path.clone(), binding.flow))
            .collect();
        let built = targets.into_iter().map(|(uri, route, flow)| {
            let mut target = self.target(call, dial, uri, flow);
            target.to = format!("sip:{user}");
            target.route = route;
            target
        });
        Ok(built.collect())
    }

    fn trunk_target(
        &self,
        directory: &Directory,
        call: CallNumber,
        dial: &Dial,
        number: &str,
    ) -> Result<Vec<Target>, u16> {
        // Outbound calls are off until a trunk names prefixes.
        let trunk: &Trunk = directory.trunk_to(number).ok_or(403_u16)?;
        let remote = *trunk.addresses.first().ok_or(503_u16)?;
        let transport = if trunk.tcp { Transport::Tcp } else { Transport::Udp };
        let flow = self.flow_to(transport, remote).ok_or(503_u16)?;
        let host = SipUri::parse(&trunk.uri).map(|uri| match uri.port() {
            Some(port) => format!("{}:{port}", uri.host()),
            None => uri.host().to_owned(),
        });
        let uri = format!("sip:{number}@{}", host.unwrap_or_else(|| remote.to_string()));
        let mut target = self.target(call, dial, uri, flow);
        target.login = trunk.login.as_ref().map(|(username, password)| Login {
            username: username.clone(),
            password: password.clone(),
            realm: None,
        });
        Ok(vec![target])
    }

    fn foreign_target(
        &self,
        call: CallNumber,
        dial: &Dial,
        transport: Transport,
        remote: SocketAddr,
    ) -> Result<Target, u16> {
        let Destination::Sip { uri, login, .. } = &dial.destination else { return Err(500) };
        let flow = self.flow_to(transport, remote).ok_or(503_u16)?;
        let mut target = self.target(call, dial, uri.clone(), flow);
        target.login = login.as_ref().map(|(username, password)| Login {
            username: username.clone(),
            password: password.clone(),
            realm: None,
        });
        Ok(target)
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

    /// The flow that a leg will most likely use, for the address of its media.
    fn flow_for(&self, dial: &Dial, caller: Flow) -> Flow {
        let remote = match &dial.destination {
            Destination::Number(number) => {
                self.directory.trunk_to(number).and_then(|trunk| trunk.addresses.first().copied())
            }
            Destination::Sip { uri, .. } => SipUri::parse(uri).and_then(|uri| {
                let host = uri.host().trim_start_matches('[').trim_end_matches(']');
                Some(SocketAddr::new(host.parse().ok()?, uri.port().unwrap_or(DEFAULT_PORT)))
            }),
        };
        remote.and_then(|remote| self.flow_to(Transport::Udp, remote)).unwrap_or(caller)
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
    format!("sip:{user}@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_ids_become_from_uris() {
        assert_eq!(identity("+15551234567", "pbx.example"), "sip:+15551234567@pbx.example");
        assert_eq!(identity("sip:home@office;x=1", "pbx.example"), "sip:home@office");
        assert_eq!(identity("", "pbx.example"), "sip:anonymous@pbx.example");
    }
}
