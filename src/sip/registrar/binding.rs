//! One place where a user is reachable, and what a REGISTER does to it.

use std::net::SocketAddr;

use super::{MAX_TEXT, MAX_USER_AGENT};
use crate::base::{Duration, Instant};
use crate::sip::header::NameAddr;
use crate::sip::uri::SipUri;
use crate::sip::{Flow, HeaderName, Message, Transport};

/// One binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The Contact URI: the Request-URI of calls to it.
    pub uri: String,
    /// The flow that calls take: that of the REGISTER, or to the Contact of a phone that sends from
    /// a port where it does not listen.
    pub flow: Flow,
    /// The proxies on the way, nearest first: Route of calls to it (RFC 3327).
    pub path: Vec<String>,
    /// When it ends.
    pub expires_at: Instant,
    /// When it was last registered.
    pub updated_at: Instant,
    /// Its preference in thousandths, 1000 when none was given.
    pub q: u16,
    /// The device, `+sip.instance` with its angle brackets (RFC 5626).
    pub instance: Option<String>,
    /// Which of the device's flows it is.
    pub reg_id: Option<u32>,
    /// The phone's name for itself.
    pub user_agent: String,
    /// The Call-ID of its latest REGISTER.
    pub call_id: String,
    /// The CSeq of its latest REGISTER.
    pub cseq: u32,
    /// The end that outlives the process; `None` for what is not kept.
    pub(super) kept_until: Option<Instant>,
}

impl Binding {
    /// Whether both are the same place: the same flow of the same device, or the same URI (RFC
    /// 3261 section 10.3 step 7, RFC 5626 section 6).
    pub(super) fn same(&self, other: &Binding) -> bool {
        same_place(self, &other.identity())
    }

    /// Where it is reached when its connection is closed: at its Contact, if that is where it
    /// connected from. `None` where only the connection led to it: to a browser (RFC 7118 section
    /// 7), through a translator, or to a phone that promised to open another (RFC 5626 section 4.2).
    pub(super) fn flow_when_closed(&self) -> Option<Flow> {
        let Flow { transport, local, remote, .. } = self.flow;
        if transport.is_websocket() || self.reg_id.is_some() {
            return None;
        }
        let uri = SipUri::parse(&self.uri)?;
        let ip = uri.host_port().ip()?.to_canonical();
        let asked = Transport::of_uri(&uri).ok()?;
        let same = asked.is_none_or(|asked| asked == transport);
        let port = uri.port().unwrap_or(transport.default_port());
        let remote = (ip == remote.ip().to_canonical()).then(|| (remote.ip(), port).into())?;
        same.then_some(Flow { transport, local, remote, connection: 0 })
    }

    pub(super) fn identity(&self) -> Identity {
        match (&self.instance, self.reg_id) {
            (Some(instance), Some(reg_id)) => Identity::Flow(instance.clone(), reg_id),
            _ => Identity::Uri(self.uri.clone()),
        }
    }

    /// The Contact value for a reply, with these parameters more.
    pub(super) fn contact(&self, now: Instant, more: &str) -> String {
        // Rounded up: a phone that waits that long finds the binding gone, not still there.
        let left = (self.expires_at - now).as_millis().div_ceil(1000);
        let mut text = format!("<{}>", self.uri);
        if self.q < 1000 {
            text.push_str(&format!(";q=0.{:03}", self.q));
        }
        if let Some(instance) = &self.instance {
            text.push_str(&format!(";+sip.instance=\"{instance}\""));
        }
        if let Some(reg_id) = self.reg_id {
            text.push_str(&format!(";reg-id={reg_id}"));
        }
        text.push_str(more);
        text.push_str(&format!(";expires={left}"));
        text
    }
}

/// What makes a binding the one that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Flow(String, u32),
    Uri(String),
}

fn same_place(binding: &Binding, identity: &Identity) -> bool {
    match (binding.identity(), identity) {
        (Identity::Flow(one, first), Identity::Flow(two, second)) => {
            one == *two && first == *second
        }
        (Identity::Uri(one), Identity::Uri(two)) => {
            match (SipUri::parse(&one), SipUri::parse(two)) {
                (Some(one), Some(two)) => one.equivalent(&two),
                _ => one == *two,
            }
        }
        _ => false,
    }
}

/// One change of a user's bindings.
#[derive(Debug)]
pub(super) enum Change {
    Put(Box<Binding>),
    Remove(Identity),
}

impl Change {
    pub(super) fn concerns(&self, bindings: &[Binding]) -> bool {
        match self {
            Change::Put(_) => true,
            Change::Remove(identity) => bindings.iter().any(|b| same_place(b, identity)),
        }
    }

    /// Whether it is more than the refresh of what is there.
    pub(super) fn moves(&self, bindings: &[Binding]) -> bool {
        match self {
            Change::Remove(_) => true,
            Change::Put(binding) => bindings
                .iter()
                .find(|known| known.same(binding))
                .is_none_or(|known| (&known.uri, known.flow) != (&binding.uri, binding.flow)),
        }
    }

    pub(super) fn apply(self, bindings: &mut Vec<Binding>) {
        match self {
            Change::Remove(identity) => bindings.retain(|b| !same_place(b, &identity)),
            Change::Put(binding) => match bindings.iter_mut().find(|b| b.same(&binding)) {
                Some(known) => *known = *binding,
                None => bindings.push(*binding),
            },
        }
    }
}

/// What all bindings of one REGISTER share.
pub(super) struct Source {
    flow: Flow,
    /// Where a phone listens that sends datagrams from another of its ports.
    listens: Option<SocketAddr>,
    path: Vec<String>,
    user_agent: String,
    call_id: String,
    cseq: u32,
    /// Whether the phone speaks RFC 5626; else its `reg-id` means nothing (section 6).
    pub(super) outbound: bool,
    /// The bytes that are left for a contact.
    room: usize,
}

impl Source {
    /// `None` for a REGISTER with more than is kept.
    pub(super) fn of(message: &Message, flow: Flow) -> Option<Source> {
        let path: Vec<String> = message.values(HeaderName::Path).map(str::to_owned).collect();
        let entry = |path: &String| path.len() + size_of::<String>();
        let length = path.iter().map(entry).sum::<usize>() + message.call_id().len();
        let user_agent = message.header(HeaderName::UserAgent).unwrap_or_default();
        let end = user_agent.floor_char_boundary(MAX_USER_AGENT);
        let user_agent = user_agent.get(..end).unwrap_or_default().to_owned();
        let (call_id, cseq) = (message.call_id().to_owned(), message.cseq()?.number);
        let room = MAX_TEXT.checked_sub(length)?;
        let outbound = super::outbound(message);
        let listens = listens_elsewhere(message, flow);
        Some(Source { flow, listens, path, user_agent, call_id, cseq, outbound, room })
    }

    /// Whether this REGISTER is later than the one that made the binding. Another Call-ID means
    /// that the phone has started anew (RFC 3261 section 10.3 step 7).
    pub(super) fn supersedes(&self, binding: &Binding) -> bool {
        self.call_id != binding.call_id || self.cseq > binding.cseq
    }

    /// Whether a contact is one of a device's flows.
    pub(super) fn is_flow(&self, contact: &NameAddr<'_>) -> bool {
        self.outbound && names_flow(contact)
    }

    fn flow_to(&self, contact: &NameAddr<'_>) -> Flow {
        let named = contact.sip_uri().and_then(|uri| {
            let port = uri.port().unwrap_or(self.flow.transport.default_port());
            Some(SocketAddr::new(uri.host_port().ip()?.to_canonical(), port))
        });
        match self.listens.filter(|listens| named == Some(*listens) && !self.is_flow(contact)) {
            Some(remote) => Flow { remote, ..self.flow },
            None => self.flow,
        }
    }

    /// Whether this very REGISTER made the binding.
    pub(super) fn made(&self, binding: &Binding) -> bool {
        self.call_id == binding.call_id && self.cseq == binding.cseq
    }

    /// The binding of one contact; `None` when it is longer than is kept.
    pub(super) fn binding(
        &self,
        contact: &NameAddr<'_>,
        now: Instant,
        lifetime: Duration,
    ) -> Option<Binding> {
        let instance = contact.params().get("+sip.instance").map(str::to_owned);
        let length = contact.uri().len() + instance.as_ref().map_or(0, String::len);
        let reg_id = reg_id(contact).filter(|_| self.is_flow(contact));
        (length <= self.room).then(|| Binding {
            uri: contact.uri().to_owned(),
            flow: self.flow_to(contact),
            path: self.path.clone(),
            expires_at: now + lifetime,
            updated_at: now,
            q: contact.params().get("q").and_then(thousandths).unwrap_or(1000),
            instance,
            reg_id,
            user_agent: self.user_agent.clone(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            kept_until: None,
        })
    }
}

/// The address in the Via of a phone that wants its answers there, not where it sends from (RFC
/// 3261 section 18.2.2): it did not ask for rport, and no translator is in between, since it knows
/// its own address.
fn listens_elsewhere(message: &Message, flow: Flow) -> Option<SocketAddr> {
    let via = message.via().filter(|via| flow.transport == Transport::Udp && !via.has_rport())?;
    let ip = via.sent_by().ip()?.to_canonical();
    let port = via.port().unwrap_or(flow.transport.default_port());
    (ip == flow.remote.ip().to_canonical()).then(|| SocketAddr::new(ip, port))
}

/// Whether a contact names a device and which of its flows it is (RFC 5626 section 4.2).
pub(super) fn names_flow(contact: &NameAddr<'_>) -> bool {
    contact.params().has("+sip.instance") && reg_id(contact).is_some()
}

/// 1 to 2^31 - 1 (RFC 5626 section 4.2).
fn reg_id(contact: &NameAddr<'_>) -> Option<u32> {
    let number = contact.params().get("reg-id")?.parse().ok()?;
    (1..1 << 31).contains(&number).then_some(number)
}

/// `0.5` as 500 (RFC 3261 section 25.1, qvalue).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}
