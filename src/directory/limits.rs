//! How much peers may ask for before they are cut short: `[sip.limits]` and its defaults.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::base::Duration;

/// So many a second in the long run, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// A second; 0: no limit.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Rate {
    /// Without a limit.
    pub const UNLIMITED: Rate = Rate { per_second: 0, burst: 0 };
}

/// What every peer may ask of SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages of one address (of one /64 in IPv6), before they are read.
    pub source: Rate,
    /// The same for addresses of trunks and of domains' `allowed_ips`, and for each registered
    /// phone's own flow.
    pub known: Rate,
    /// Addresses without a budget of messages, such as a proxy in front. They are never silenced:
    /// their wrong passwords count for the account and stand in the log.
    pub exempt: Vec<IpNet>,
    /// New calls that are admitted, of all peers together; more are answered 503 with Retry-After.
    /// As many may be challenged besides.
    pub invites: Rate,
    /// The same of registrations.
    pub registers: Rate,
    /// Failed logins within a minute after which a source is silenced; 0: never.
    pub failures: u32,
    /// For how long.
    pub silence: Duration,
}

impl Default for Limits {
    /// A source may be an office behind one address whose phones all come back after a power cut:
    /// 500 phones, two messages each. The totals are what one core cannot do in any case.
    fn default() -> Self {
        Limits {
            source: Rate { per_second: 200, burst: 1_000 },
            known: Rate { per_second: 5_000, burst: 10_000 },
            exempt: vec![
                IpNet::new(IpAddr::from([127, 0, 0, 0]), 8).expect("8 bits of 32"),
                IpNet::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128).expect("128 bits of 128"),
            ],
            invites: Rate { per_second: 5_000, burst: 5_000 },
            registers: Rate { per_second: 50_000, burst: 50_000 },
            failures: 10,
            silence: Duration::from_secs(15 * 60),
        }
    }
}

/// How much of the telephone network one user or trunk may use: what a stolen password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Calls at one time; 0: no limit.
    pub calls: u32,
    /// New calls; the burst lets a few numbers ring together.
    pub new_calls: Rate,
}

impl Caps {
    /// For each user of a domain: one call a second, as is usual for an account, after ten that
    /// may ring together; ten at one time.
    pub const USER: Caps = Caps { calls: 10, new_calls: Rate { per_second: 1, burst: 10 } };
    /// For a trunk, unless it says otherwise: what the carrier takes.
    pub const TRUNK: Caps = Caps { calls: 0, new_calls: Rate::UNLIMITED };
}
