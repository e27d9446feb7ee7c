//! Who calls whom, as the switch would find it from a configuration: for flows and previews.

use std::collections::BTreeSet;
use std::sync::Arc;

pub(in crate::cli) use crate::base::hint;
use crate::base::id::{CallSid, LegId};
use crate::base::{Epoch, Rng, WallTime};
use crate::call::{Policy, Setup};
use crate::config::Config;
use crate::directory::{Domain, Voice};
use crate::exchange::domain_sid;
use crate::leg::{Incoming, SipCaller};
use crate::node::project::Opened;
use crate::sip::uri::SipUri;
use crate::verb::normalise;

/// The caller's leg of a call that no switch has numbered.
pub(in crate::cli) const CALLER: LegId = LegId(1);
/// The first leg that it dials.
const FIRST_CALLED: u64 = 100;

/// A call as it is admitted.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Arrival {
    /// What the handler is told.
    pub incoming: Incoming,
    /// What is to be done.
    pub voice: Voice,
    /// Whether any caller ID may be shown.
    pub any_caller_id: bool,
}

/// Who calls whom. Texts that are neither numbers nor SIP URIs stay as they are written.
pub(in crate::cli) fn incoming(config: &Config, from: &str, to: &str) -> Incoming {
    let (from, to) = (address(from), address(to));
    let sip = domain_named(config, &from, &to).map(|domain| SipCaller {
        domain: domain.name.clone(),
        domain_sid: domain_sid(&domain.name).to_string(),
        username: if domain.calls.is_empty() { String::new() } else { user_of(&from) },
        call_id: "offhook-flow@localhost".to_owned(),
        source_ip: "127.0.0.1".to_owned(),
        headers: Vec::new(),
    });
    Incoming { from, to, caller_name: None, sip, forwarded_from: None, stir: None }
}

/// The call that the switch would admit, or why it would not.
pub(in crate::cli) fn arrival(config: &Config, from: &str, to: &str) -> Result<Arrival, String> {
    let incoming = incoming(config, from, to);
    if incoming.sip.is_some() {
        let domain = domain_named(config, &incoming.from, &incoming.to).expect("it named the call");
        may_call(config, domain, &incoming.from)?;
        let (voice, any_caller_id) = (domain.voice.clone(), domain.any_caller_id);
        return Ok(Arrival { incoming, voice, any_caller_id });
    }
    let number = config.numbers.iter().find(|number| number.number == incoming.to);
    match number {
        Some(number) => Ok(Arrival { incoming, voice: number.voice.clone(), any_caller_id: false }),
        None if incoming.to.starts_with("sip:") => {
            let names: Vec<&str> = config.domains.iter().map(|d| d.name.as_str()).collect();
            let host = host_of(&incoming.to);
            Err(format!("no domain \"{host}\" is configured; {}", hint(&host, &names)))
        }
        None => {
            let names: Vec<&str> = config.numbers.iter().map(|n| n.number.as_str()).collect();
            let to = &incoming.to;
            Err(format!("{to} is none of the configured numbers; {}", hint(to, &names)))
        }
    }
}

/// What a call is made of, outside any switch.
pub(in crate::cli) fn setup(opened: &Opened, arrival: Arrival, rng: &mut Rng) -> Setup {
    let owned: BTreeSet<String> =
        opened.config.numbers.iter().map(|number| number.number.clone()).collect();
    // A fixed wall time: what a flow prints does not change from run to run.
    let wall = WallTime::from_unix_millis(1_767_225_600_000);
    Setup {
        sid: CallSid::random(rng),
        leg: CALLER,
        incoming: arrival.incoming,
        shown: None,
        account: opened.account.sid,
        voice: arrival.voice,
        public_url: opened.public_url.clone(),
        policy: Policy {
            owned: Arc::new(owned),
            any_caller_id: arrival.any_caller_id,
            ..Policy::default()
        },
        epoch: Epoch::new(wall),
        next_leg: FIRST_CALLED,
    }
}

/// Phones name a domain in the address that they call, or, through us as a proxy, in their own.
fn domain_named<'c>(config: &'c Config, from: &str, to: &str) -> Option<&'c Domain> {
    let named = |address: &str| {
        let host = host_of(address);
        config.domains.iter().find(|domain| domain.name.eq_ignore_ascii_case(&host))
    };
    named(to).or_else(|| named(from))
}

fn may_call(config: &Config, domain: &Domain, from: &str) -> Result<(), String> {
    if domain.calls.is_empty() && domain.allowed_ips.is_empty() {
        let name = &domain.name;
        return Err(format!("domain {name} allows no calls: set its `calls` or `allowed_ips`"));
    }
    let lists = config.lists.iter().filter(|(name, _)| domain.calls.contains(name));
    let users: Vec<&str> =
        lists.flat_map(|(_, users)| users.iter().map(|(user, _)| user.as_str())).collect();
    let user = user_of(from);
    if domain.calls.is_empty() || users.contains(&user.as_str()) {
        return Ok(());
    }
    let name = &domain.name;
    Err(format!("user \"{user}\" may not call at {name}; {}", hint(&user, &users)))
}

/// A number in E.164, or a URI with its scheme.
fn address(written: &str) -> String {
    if written.contains('@') {
        let whole = written.starts_with("sip:") || written.starts_with("sips:");
        return if whole { written.to_owned() } else { format!("sip:{written}") };
    }
    normalise(written).unwrap_or_else(|| written.to_owned())
}

fn host_of(address: &str) -> String {
    SipUri::parse(address).map_or_else(String::new, |uri| uri.host().to_owned())
}

fn user_of(address: &str) -> String {
    let uri = SipUri::parse(address);
    uri.and_then(|uri| Some(uri.user()?.into_owned())).unwrap_or_default()
}
