//! What the operator lets a function do besides computing: nothing, unless `offhook.toml` says so.
//!
//! Grants are values: whoever carries an operation out asks them, at every step of it that a
//! stranger can steer (a redirect is a new step).

use std::fmt;

use url::{Host, Url};

use super::Caps;
use crate::base::Duration;

/// What one function may do, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Where HTTP requests may go.
    pub hosts: Vec<HostGrant>,
    /// The store that it keeps values in: those who name the same one share it.
    pub store: Option<String>,
    /// What it may do with calls and recordings.
    pub control: Control,
    /// Whom it may call.
    pub calls: Calls,
    /// Names of environment values that are hidden from functions which do not name them.
    pub secrets: Vec<String>,
    /// Limits other than the usual ones.
    pub bounds: Bounds,
}

impl Grants {
    /// Whether an HTTP request may go there, as far as names say; addresses are the guard's.
    pub fn may_reach(&self, url: &Url) -> bool {
        self.hosts.iter().any(|host| host.covers(url))
    }

    /// Whether it may do anything about calls.
    pub fn may_control(&self) -> bool {
        self.control != Control::Nothing || !self.calls.to.is_empty()
    }

    /// Whether any operation is granted.
    pub fn may_ask(&self) -> bool {
        !self.hosts.is_empty() || self.store.is_some() || self.may_control()
    }
}

impl fmt::Display for Grants {
    /// In words, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![];
        if !self.hosts.is_empty() {
            let hosts: Vec<&str> = self.hosts.iter().map(|host| &*host.written).collect();
            parts.push(format!("HTTP to {}", hosts.join(", ")));
        }
        match self.store.as_deref() {
            None => {}
            Some("") => parts.push("the store".to_owned()),
            Some(name) => parts.push(format!("the store \"{name}\"")),
        }
        match self.control {
            Control::Nothing => {}
            Control::Read => parts.push("a look at calls and recordings".to_owned()),
            Control::Full => parts.push("control of calls and recordings".to_owned()),
        }
        if !self.calls.to.is_empty() {
            let to: Vec<&str> = self.calls.to.iter().map(|to| &*to.written).collect();
            let Caps { calls, new_calls } = self.calls.caps;
            let most =
                |most: u32| if most == 0 { "any number".to_owned() } else { most.to_string() };
            parts.push(format!(
                "calls to {} (at one time {}, a second {})",
                to.join(", "),
                most(calls),
                most(new_calls.per_second)
            ));
        }
        if !self.secrets.is_empty() {
            parts.push(format!("secrets {}", self.secrets.join(", ")));
        }
        let mut bound = |name: &str, value: Option<String>| {
            parts.extend(value.map(|value| format!("{name} {value}")));
        };
        let time = |time: Option<Duration>| time.map(|time| format!("{time:?}"));
        bound("wall", time(self.bounds.wall));
        bound("running", time(self.bounds.running));
        for (name, bytes) in [
            ("memory", self.bounds.memory),
            ("log", self.bounds.log),
            ("response", self.bounds.response),
        ] {
            bound(name, bytes.map(|bytes| format!("{} KiB", bytes >> 10)));
        }
        bound("concurrency", self.bounds.concurrency.map(|count| count.to_string()));
        match parts.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&parts.join("; ")),
        }
    }
}

/// What a function may do with calls and recordings that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Nothing.
    #[default]
    Nothing,
    /// Look at them.
    Read,
    /// Change and end calls, and remove recordings, too.
    Full,
}

/// The calls that a function may place. Trunks' prefixes and caps, and the rules for caller IDs,
/// hold besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// To whom; empty: to nobody.
    pub to: Vec<CalleeGrant>,
    /// How much of the telephone network they may use, together.
    pub caps: Caps,
}

impl Default for Calls {
    fn default() -> Self {
        Calls { to: vec![], caps: Caps::USER }
    }
}

/// Whom a function may call, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalleeGrant {
    written: String,
    callees: Callees,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Callees {
    Any,
    /// Numbers that begin so, E.164.
    Numbers(String),
    /// SIP addresses at that host, lower case.
    Host(String),
    /// Users of ours, by name alone.
    Clients,
}

impl CalleeGrant {
    /// Reads `+1415`, `+`, `*@office.example`, `client:*` or `*`.
    pub fn parse(written: &str) -> Option<CalleeGrant> {
        let callees = match written.strip_prefix('+') {
            Some(digits) if digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Callees::Numbers(written.to_owned())
            }
            Some(_) => return None,
            None if written == "*" => Callees::Any,
            None if written == "client:*" => Callees::Clients,
            None => {
                let host = written.strip_prefix("*@").filter(|host| !host.is_empty())?;
                let plain = is_plain(host) || host.starts_with('[') && host.ends_with(']');
                plain.then(|| Callees::Host(host.to_ascii_lowercase()))?
            }
        };
        Some(CalleeGrant { written: written.to_owned(), callees })
    }
}

impl Calls {
    /// Whether a telephone number, E.164, may be called.
    pub fn cover_number(&self, number: &str) -> bool {
        self.cover(
            |callees| matches!(callees, Callees::Numbers(start) if number.starts_with(start)),
        )
    }

    /// Whether SIP addresses at that host, in lower case, may be called.
    pub fn cover_host(&self, host: &str) -> bool {
        self.cover(|callees| matches!(callees, Callees::Host(granted) if granted == host))
    }

    /// Whether users may be called by name alone.
    pub fn cover_clients(&self) -> bool {
        self.cover(|callees| *callees == Callees::Clients)
    }

    fn cover(&self, fits: impl Fn(&Callees) -> bool) -> bool {
        self.to.iter().any(|to| to.callees == Callees::Any || fits(&to.callees))
    }
}

/// What one invocation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From start to end, waiting included.
    pub wall: Duration,
    /// Running, in steps of the sandbox's tick; waiting does not count.
    pub running: Duration,
    /// Bytes of memory.
    pub memory: usize,
    /// Bytes of log.
    pub log: usize,
    /// Bytes of response.
    pub response: usize,
}

impl Default for Limits {
    /// What a decision about a call needs, many times over, and what a server with a hundred of
    /// them at once still bears.
    fn default() -> Self {
        Limits {
            wall: Duration::from_secs(10),
            running: Duration::from_millis(250),
            memory: MAX_MEMORY,
            log: 64 << 10,
            response: 1 << 20,
        }
    }
}

/// The most memory any limit can give: the pool reserves its slots for this size.
pub const MAX_MEMORY: usize = 64 << 20;

/// Limits of one function; what is absent is as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// From start to end, waiting included.
    pub wall: Option<Duration>,
    /// Running, without waiting.
    pub running: Option<Duration>,
    /// Bytes of memory.
    pub memory: Option<usize>,
    /// Bytes of log.
    pub log: Option<usize>,
    /// Bytes of response.
    pub response: Option<usize>,
    /// Invocations at one time.
    pub concurrency: Option<u32>,
}

impl Bounds {
    /// The most that can be given: a function that holds a call's thread longer, or answers more,
    /// is a mistake, and a server with sixty of them must still stand.
    pub const MOST: Limits = Limits {
        wall: Duration::from_secs(60),
        running: Duration::from_secs(5),
        memory: MAX_MEMORY,
        log: 1 << 20,
        response: 8 << 20,
    };

    /// These limits where they say something, `usual` where not; never above [`Bounds::MOST`].
    pub fn over(&self, usual: Limits) -> Limits {
        Limits {
            wall: self.wall.unwrap_or(usual.wall).min(Self::MOST.wall.max(usual.wall)),
            running: self.running.unwrap_or(usual.running).min(Self::MOST.running),
            memory: self.memory.unwrap_or(usual.memory).min(Self::MOST.memory),
            log: self.log.unwrap_or(usual.log).min(Self::MOST.log),
            response: self.response.unwrap_or(usual.response).min(Self::MOST.response),
        }
    }
}

/// A host that requests may go to, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostGrant {
    written: String,
    /// Only over TLS.
    tls: bool,
    hosts: Hosts,
    /// None: the usual port of the scheme.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Any,
    /// What ends with this, which begins with a dot.
    Below(String),
    One(Host<String>),
}

impl HostGrant {
    /// Reads `api.example.com`, `*.example.org`, `127.0.0.1:9000`, `[::1]`, `https://host`, `*`.
    pub fn parse(written: &str) -> Option<HostGrant> {
        let (tls, rest) = match written.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        // A colon within brackets belongs to the address.
        let port_at = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) => (&rest[..at], Some(rest[at + 1..].parse().ok()?)),
            None => (rest, None),
        };
        let hosts = match host.strip_prefix("*.") {
            _ if host == "*" => Hosts::Any,
            Some(domain) => match Host::parse(domain).ok()? {
                Host::Domain(domain) if is_plain(&domain) => Hosts::Below(format!(".{domain}")),
                _ => return None,
            },
            None => match Host::parse(host).ok()? {
                Host::Domain(domain) if !is_plain(&domain) => return None,
                one => Hosts::One(one),
            },
        };
        Some(HostGrant { written: written.to_owned(), tls, hosts, port })
    }

    fn covers(&self, url: &Url) -> bool {
        let host = match (&self.hosts, url.host()) {
            (_, None) => false,
            (Hosts::Any, Some(_)) => true,
            (Hosts::Below(end), Some(Host::Domain(name))) => {
                name.len() > end.len() && name.ends_with(end)
            }
            (Hosts::Below(_), Some(_)) => false,
            (Hosts::One(one), Some(host)) => host.to_owned() == *one,
        };
        let port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            // `Url` knows no port where it is the scheme's own.
            None => url.port().is_none(),
        };
        host && port && (url.scheme() == "https" || url.scheme() == "http" && !self.tls)
    }
}

/// Whether a name has nothing of a pattern or a path in it.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(grant: &str, url: &str) -> bool {
        let host = HostGrant::parse(grant).unwrap_or_else(|| panic!("{grant} is read"));
        let grants = Grants { hosts: vec![host], ..Grants::default() };
        grants.may_reach(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn a_host_is_reached_as_it_is_granted_and_nothing_that_looks_like_it() {
        for (grant, url) in [
            ("api.example.com", "https://api.example.com/x"),
            ("api.example.com", "http://API.EXAMPLE.com:80/"),
            ("API.example.com", "https://api.example.com:443/"),
            ("*.example.org", "https://a.b.example.org/"),
            ("127.0.0.1:9000", "http://127.0.0.1:9000/"),
            ("127.0.0.1:9000", "http://0x7f.1:9000/"),
            ("[::1]:9000", "http://[0:0::1]:9000/"),
            ("https://api.example.com", "https://api.example.com/"),
            ("bücher.example", "https://xn--bcher-kva.example/"),
            ("*", "https://anything.example/"),
        ] {
            assert!(reaches(grant, url), "{grant} covers {url}");
        }
        for (grant, url) in [
            ("api.example.com", "https://evil-api.example.com/"),
            ("api.example.com", "https://api.example.com.evil.test/"),
            ("api.example.com", "https://api.example.com@evil.test/"),
            ("api.example.com", "https://api.example.com./"),
            ("api.example.com", "https://api.example.com:8443/"),
            ("*.example.org", "https://example.org/"),
            ("*.example.org", "https://evilexample.org/"),
            ("127.0.0.1:9000", "http://127.0.0.1/"),
            ("https://api.example.com", "http://api.example.com/"),
            ("*", "https://anything.example:22/"),
            ("*", "file:///etc/passwd"),
        ] {
            assert!(!reaches(grant, url), "{grant} must not cover {url}");
        }
        for wrong in
            ["", "*.", "a b", "http://x", "https://", "a*.example", "x:y", "x/path", "*.1.2.3.4"]
        {
            assert_eq!(HostGrant::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn calls_go_where_they_are_granted_and_nowhere_that_looks_like_it() {
        let calls = |to: &[&str]| {
            let to = to.iter().map(|to| CalleeGrant::parse(to).expect("sound")).collect();
            Calls { to, ..Calls::default() }
        };
        let some = calls(&["+1415", "*@Office.example"]);
        assert!(some.cover_number("+14155550100") && !some.cover_number("+1900555010"));
        assert!(some.cover_host("office.example") && !some.cover_host("evil.office.example"));
        assert!(!some.cover_clients() && calls(&["client:*"]).cover_clients());
        let any = calls(&["*"]);
        assert!(any.cover_number("+1900") && any.cover_host("x") && any.cover_clients());
        assert!(calls(&["+"]).cover_number("+4930") && !calls(&["+"]).cover_host("+4930"));
        assert!(!Calls::default().cover_number("+14155550100"));
        for wrong in
            ["", "1415", "+1 415", "+x", "@office", "*@", "*@a b", "sip:a@b", "client:", "**"]
        {
            assert_eq!(CalleeGrant::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bounds_never_pass_the_server_s() {
        let bounds =
            Bounds { wall: Some(Duration::from_secs(900)), log: Some(1), ..Bounds::default() };
        let limits = bounds.over(Limits::default());
        assert_eq!((limits.wall, limits.log), (Bounds::MOST.wall, 1));
        assert_eq!(limits.running, Limits::default().running);
    }
}
