//! What was configured: numbers, domains, credentials, trunks, handlers; who is being called.
//!
//! Values only. `config` reads them from `offhook.toml`; the exchange asks them who is who.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use crate::base::id::AccountSid;
use crate::base::{Duration, Rng, Secret};

mod callers;
pub mod grants;
pub mod paths;
mod trunk;

pub use callers::{Attestation, CallerHeader, Callers, DiversionHeader, Refuse, Signing, Verify};
pub use trunk::{
    EarlyMedia, Line, Lines, NumberFormat, NumberStyle, Ping, Registration, SessionTimers,
};

mod limits;

pub use limits::{Caps, Limits, Rate};

/// Everything that was configured, as one immutable value; an edit makes a new one.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The account's SID.
    pub account_sid: AccountSid,
    /// The account's token: the key of webhook signatures.
    pub auth_token: Secret,
    /// `http://host:port` that absolute URLs are built from, without a slash at the end.
    pub public_url: String,
    /// Credential lists by name: user name to password.
    pub credential_lists: BTreeMap<String, BTreeMap<String, Secret>>,
    /// Domains by lower-case name.
    pub domains: BTreeMap<String, Domain>,
    /// Numbers by E.164 text.
    pub numbers: BTreeMap<String, Number>,
    /// Trunks in the order of the file.
    pub trunks: Vec<Trunk>,
    /// Lines of users.
    pub lines: Lines,
    /// How much peers may ask for.
    pub limits: Limits,
    /// What is heard on hold.
    pub hold_music: Arc<HoldMusic>,
}

/// Where a call's first document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// A URL that a fetch can take: `http:`, `https:`, `bin:NAME`, `function:NAME`, `app:NAME`.
    Document {
        /// The URL.
        url: String,
        /// POST unless said otherwise.
        get: bool,
    },
    /// Rings that user: `sip:user@domain`.
    Sip(String),
}

/// What is to be done with calls that arrive somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// The handler; `None`: calls are refused with 404 and a note that says so.
    pub handler: Option<Handler>,
    /// When the handler fails.
    pub fallback: Option<Handler>,
    /// Where the end of the call is reported.
    pub status_callback: Option<String>,
    /// The events reported: `initiated ringing answered completed`; completed by default.
    pub status_callback_events: Vec<String>,
}

/// A SIP domain: where phones register and call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its name, lower case.
    pub name: String,
    /// Credential lists that may REGISTER; empty: registration is off.
    pub registration: Vec<String>,
    /// Credential lists that may call; empty together with `allowed_ips`: calls are off.
    pub calls: Vec<String>,
    /// Addresses that may use it; empty: any.
    pub allowed_ips: Vec<IpNet>,
    /// The handler of calls that phones make.
    pub voice: Voice,
    /// Whether callers may show any caller ID they like (default: only numbers of ours).
    pub any_caller_id: bool,
    /// Whether its users may transfer calls to telephone numbers (default: only to one another).
    pub transfer_out: bool,
    /// Whether its phones are behind address translators, also where nothing shows it.
    pub nat: bool,
    /// What its users may learn of one another (SUBSCRIBE).
    pub watching: Watching,
    /// Whether its users may write to one another (MESSAGE).
    pub messages: bool,
    /// How much of the telephone network each of its users may use.
    pub caps: Caps,
}

/// What users of a domain may learn of one another, and of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watching {
    /// Nothing, not even of their own registrations.
    Nothing,
    /// Whether others can be reached, and whether they ring or talk.
    #[default]
    Lamps,
    /// And with whom.
    Parties,
}

/// A telephone number of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// E.164.
    pub number: String,
    /// The handler of calls to it.
    pub voice: Voice,
}

/// A way to and from the telephone network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// Its SIP URI; its servers are located when they are needed (RFC 3263).
    pub uri: String,
    /// The name that its certificate must bear over TLS, where it is not the host of its URI.
    pub tls_name: Option<String>,
    /// What we show it over TLS, if it asks (mutual TLS).
    pub identity: Option<KeyPair>,
    /// The name in the certificate that it must show when it connects to us; its calls then count
    /// only over TLS.
    pub client_name: Option<String>,
    /// Digest login for its challenges.
    pub login: Option<(String, Secret)>,
    /// The realm of its challenges; no other is answered. `None`: the first one that a call meets.
    pub realm: Option<String>,
    /// Calls from here are from this trunk.
    pub inbound_ips: Vec<IpNet>,
    /// What may be dialled through it: E.164 prefixes; empty: nothing.
    pub prefixes: Vec<String>,
    /// The URI of the proxy on the way to it.
    pub proxy: Option<String>,
    /// Whether we register with it, and as whom.
    pub registration: Option<Registration>,
    /// Lowest first, among trunks with equally long prefixes.
    pub priority: u16,
    /// Its share among trunks of one priority.
    pub weight: u16,
    /// Health by OPTIONS; `None`: it always counts as up.
    pub ping: Option<Ping>,
    /// A server of it that has not said a word by then is passed over, if there is another.
    pub answer_within: Duration,
    /// The names of the codecs that it is offered, best first; empty: all.
    pub codecs: Vec<String>,
    /// Headers that its INVITEs get.
    pub headers: Vec<(String, String)>,
    /// What it is told of callers, and what of its word on them is believed.
    pub callers: Callers,
    /// How it writes numbers.
    pub numbers: NumberFormat,
    /// Calls at one time, those that it sends us included; `None`: no limit.
    pub channels: Option<u32>,
    /// How many calls may go out through it.
    pub caps: Caps,
    /// The host of From; `None`: ours.
    pub from_domain: Option<String>,
    /// Session timers in its calls.
    pub session_timers: SessionTimers,
    /// Sound before the answer.
    pub early_media: EarlyMedia,
    /// Whether it is behind an address translator, also where nothing shows it.
    pub nat: bool,
}

/// Whom TLS is to find at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsPeer {
    /// The name that its certificate must bear.
    pub name: String,
    /// What we show it, if it asks (mutual TLS).
    pub identity: Option<KeyPair>,
}

/// The files of a certificate chain and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPair {
    /// The certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What they hear whom a party holds: URLs of sound files; none is silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldMusic {
    /// For holders of no domain of ours, and of those without their own.
    pub everybody: Option<String>,
    /// By the holder's domain, lower case.
    pub domains: BTreeMap<String, String>,
}

impl HoldMusic {
    /// For a holder of that domain, or of none.
    pub fn of(&self, domain: Option<&str>) -> Option<&str> {
        let own = domain.and_then(|domain| self.domains.get(domain));
        own.or(self.everybody.as_ref()).map(String::as_str)
    }
}

impl Directory {
    /// The domain of that name, in any case of letters.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.get(&name.to_ascii_lowercase())
    }

    /// The password of `user` in any of `lists`.
    pub fn password(&self, lists: &[String], user: &str) -> Option<&Secret> {
        lists.iter().find_map(|list| self.credential_lists.get(list)?.get(user))
    }

    /// The trunk that requests from `source` belong to.
    pub fn trunk_from(&self, source: IpAddr) -> Option<&Trunk> {
        let source = source.to_canonical();
        self.trunks.iter().find(|trunk| trunk.inbound_ips.iter().any(|net| net.contains(&source)))
    }

    /// Whether `source` is among the addresses of a trunk or of a domain.
    pub fn knows(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        let listed = |domain: &Domain| domain.allowed_ips.iter().any(|net| net.contains(&source));
        self.trunk_from(source).is_some() || self.domains.values().any(listed)
    }

    /// The trunks that may carry `number` (E.164), in the order in which they are to be tried:
    /// those with the longest prefix first, then by priority, then by lot in shares of weight.
    pub fn trunks_to(&self, number: &str, rng: &mut Rng) -> Vec<&Trunk> {
        let fitting = |trunk| Some((Trunk::prefix_length(trunk, number)?, trunk));
        let mut fitting: Vec<(usize, &Trunk)> = self.trunks.iter().filter_map(fitting).collect();
        fitting.sort_by_key(|(length, trunk)| (std::cmp::Reverse(*length), trunk.priority));
        let mut order = Vec::with_capacity(fitting.len());
        while let Some((length, first)) = fitting.first().copied() {
            let same = |(other, trunk): &&(usize, &Trunk)| {
                *other == length && trunk.priority == first.priority
            };
            let equals = fitting.iter().take_while(same);
            let total: u64 = equals.clone().map(|(_, trunk)| u64::from(trunk.weight)).sum();
            let lot = rng.below(total);
            let mut sum = 0;
            let drawn = equals.map(|(_, trunk)| {
                sum += u64::from(trunk.weight);
                sum
            });
            let drawn = drawn.into_iter().position(|sum| sum > lot).unwrap_or(0);
            order.push(fitting.remove(drawn).1);
        }
        order
    }
}

impl Domain {
    /// Whether `source` may use it as far as addresses go.
    pub fn allows(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.allowed_ips.is_empty() || self.allowed_ips.iter().any(|net| net.contains(&source))
    }
}

impl Handler {
    /// Reads a handler as a configuration writes it; `None` when it is none.
    pub fn parse(text: &str) -> Option<Handler> {
        let (scheme, rest) = text.split_once(':')?;
        let fits = match scheme {
            "http" | "https" => rest.starts_with("//") && rest.len() > 2,
            "bin" | "function" | "app" => !rest.is_empty() && !rest.contains(char::is_whitespace),
            "sip" | "sips" => {
                let sound = rest
                    .split_once('@')
                    .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
                return sound.then(|| Handler::Sip(text.to_owned()));
            }
            _ => false,
        };
        fits.then(|| Handler::Document { url: text.to_owned(), get: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(trunks: Vec<Trunk>) -> Directory {
        Directory {
            account_sid: AccountSid::from_bytes([1; 16]),
            auth_token: Secret::new("token"),
            public_url: String::new(),
            credential_lists: BTreeMap::new(),
            domains: BTreeMap::new(),
            numbers: BTreeMap::new(),
            trunks,
            lines: Lines::default(),
            limits: Limits::default(),
            hold_music: Default::default(),
        }
    }

    fn trunk(name: &str, prefix: &str, priority: u16, weight: u16) -> Trunk {
        let prefixes = vec![prefix.to_owned()];
        Trunk { prefixes, priority, weight, ..Trunk::new(name, "sip:carrier.example") }
    }

    #[test]
    fn trunks_are_tried_by_prefix_priority_and_share() {
        let directory = directory(vec![
            trunk("any", "+", 0, 1),
            trunk("spare", "+1", 20, 1),
            trunk("one", "+1", 10, 1),
            trunk("three", "+1", 10, 3),
            trunk("city", "+1415", 90, 1),
        ]);
        let mut rng = Rng::from_number(1);
        let mut first = 0;
        for _ in 0..4_000 {
            let order = directory.trunks_to("+14155550100", &mut rng);
            let names: Vec<&str> = order.iter().map(|trunk| trunk.name.as_str()).collect();
            assert_eq!((names[0], names[3], names[4]), ("city", "spare", "any"));
            first += usize::from(names[1] == "three");
        }
        assert!((2_850..3_150).contains(&first), "three quarters, not {first}");
        let names = directory.trunks_to("+4930", &mut rng).len();
        assert_eq!((names, directory.trunks_to("030", &mut rng).len()), (1, 0));
    }
}
