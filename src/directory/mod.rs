//! What was configured: numbers, domains, credentials, trunks, handlers; who is being called.
//!
//! Values only. `config` reads them from `offhook.toml`; the exchange asks them who is who.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::base::Secret;
use crate::base::id::AccountSid;

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
    /// How much peers may ask for.
    pub limits: Limits,
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
    /// How much of the telephone network each of its users may use.
    pub caps: Caps,
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
    /// Its SIP URI.
    pub uri: String,
    /// Host and port of the URI, resolved by the node; empty while it cannot be.
    pub addresses: Vec<SocketAddr>,
    /// Whether the URI says `;transport=tcp`.
    pub tcp: bool,
    /// Digest login for its challenges.
    pub login: Option<(String, Secret)>,
    /// The realm of its challenges; no other is answered. `None`: the first one that a call meets.
    pub realm: Option<String>,
    /// Calls from here are from this trunk.
    pub inbound_ips: Vec<IpNet>,
    /// What may be dialled through it: E.164 prefixes; empty: nothing.
    pub prefixes: Vec<String>,
    /// How many calls may go out through it.
    pub caps: Caps,
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

    /// The trunk with the longest prefix of `number` (E.164), the first of equals.
    pub fn trunk_to(&self, number: &str) -> Option<&Trunk> {
        let longest = |trunk: &Trunk| {
            let fits = |prefix: &&String| number.starts_with(prefix.as_str());
            trunk.prefixes.iter().filter(fits).map(String::len).max()
        };
        let mut best: Option<(usize, &Trunk)> = None;
        for trunk in &self.trunks {
            if let Some(length) = longest(trunk)
                && best.is_none_or(|(before, _)| length > before)
            {
                best = Some((length, trunk));
            }
        }
        best.map(|(_, trunk)| trunk)
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
