//! SIP and telephone URIs (RFC 3261 section 19.1, RFC 3966): a view of the text, and equality.
//!
//! The text is never re-encoded: what is sent on is what came in.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use super::header::Params;
use super::header::scan::{
    HOST, PLAIN_USER, URI_PARAM, find, is_uri_text, run, run_from, split, split_near,
};

/// What kind of URI it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other; Offhook answers 416.
    Other,
}

/// A host with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// A name or an address; IPv6 without its brackets.
    pub host: &'a str,
    /// The port, where there is one.
    pub port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub fn parse(text: &'a str) -> Option<HostPort<'a>> {
        HostPort::prefix(text).and_then(|(place, rest)| rest.is_empty().then_some(place))
    }

    /// As [`parse`](HostPort::parse), and the text that follows. Blanks may surround the colon
    /// (COLON).
    pub(crate) fn prefix(text: &'a str) -> Option<(HostPort<'a>, &'a str)> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => {
                let (host, rest) = split(inner, b']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, rest)
            }
            None => {
                let (host, rest) = text.split_at_checked(run(text, HOST))?;
                // Most often, and nothing to trim.
                if rest.starts_with(';') && !host.is_empty() {
                    return Some((HostPort { host, port: None }, rest));
                }
                (host, rest.trim_ascii_start())
            }
        };
        if host.is_empty() {
            return None;
        }
        let Some(after) = rest.trim_ascii_start().strip_prefix(':') else {
            return Some((HostPort { host, port: None }, rest));
        };
        let (port, rest) = port_prefix(after.trim_ascii_start())?;
        Some((HostPort { host, port: Some(port) }, rest))
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The parts of a URI, as they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipUri<'a> {
    scheme: Scheme,
    text: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: HostPort<'a>,
    params: Params<'a>,
    headers: &'a str,
}

impl<'a> SipUri<'a> {
    /// Reads a URI. For `tel:` the number is the user and the host is empty; for other schemes
    /// only scheme and text are known. `None` where a `sip:` or `tel:` URI is malformed.
    pub fn parse(text: &'a str) -> Option<SipUri<'a>> {
        if is_uri_text(text) { SipUri::parse_framed(text) } else { None }
    }

    /// As [`parse`](SipUri::parse), for text that is known to hold no blanks and brackets.
    pub(crate) fn parse_framed(text: &'a str) -> Option<SipUri<'a>> {
        let (name, rest) = match text.strip_prefix("sip:") {
            Some(rest) => ("sip", rest),
            None => split_near(text, b':')?,
        };
        let empty = HostPort { host: "", port: None };
        let (user, password, params) = (None, None, Params::default());
        let blank =
            |scheme| SipUri { scheme, text, user, password, host: empty, params, headers: "" };
        if name.eq_ignore_ascii_case("sip") {
            return blank(Scheme::Sip).read_sip(rest);
        }
        if name.eq_ignore_ascii_case("sips") {
            return blank(Scheme::Sips).read_sip(rest);
        }
        if name.eq_ignore_ascii_case("tel") {
            let (number, params) = split_before(rest, b';');
            let uri = SipUri { user: Some(number), params, ..blank(Scheme::Tel) };
            return (!number.is_empty()).then_some(uri);
        }
        let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        (name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(of_scheme))
            .then(|| blank(Scheme::Other))
    }

    /// The user part may hold `;`, `?`, `/` and `:`, so it is cut off first; nothing behind it
    /// may hold `@`, so a second one means that someone hopes to be misread.
    fn read_sip(mut self, rest: &'a str) -> Option<SipUri<'a>> {
        let mut place = rest;
        let plain = run(rest, PLAIN_USER);
        if plain > 0 && rest.as_bytes().get(plain) == Some(&b'@') {
            (self.user, place) = (rest.get(..plain), rest.get(plain + 1..)?);
        } else if let Some((userinfo, after)) = split(rest, b'@') {
            let (user, password) = match split_near(userinfo, b':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            if user.is_empty() || !well_escaped(userinfo) {
                return None;
            }
            (self.user, self.password, place) = (Some(user), password, after);
        }
        let tail;
        (self.host, tail) = HostPort::prefix(place)?;
        let (params, headers) = tail.split_at_checked(uri_params(tail.as_bytes())?)?;
        self.params = Params::new(params);
        self.headers = headers.strip_prefix('?').unwrap_or_default();
        (headers.is_empty() || headers.starts_with('?') && find(headers, b'@').is_none())
            .then_some(self)
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// How a URI of the same secrecy begins: `sips`, else `sip`.
    pub const fn scheme_name(&self) -> &'static str {
        match self.scheme {
            Scheme::Sips => "sips",
            Scheme::Sip | Scheme::Tel | Scheme::Other => "sip",
        }
    }

    /// The whole URI as it stands.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The user (or the telephone number) as it stands.
    pub const fn user_raw(&self) -> Option<&'a str> {
        self.user
    }

    /// The user with its `%xx` decoded.
    pub fn user(&self) -> Option<Cow<'a, str>> {
        self.user.map(percent_decode)
    }

    /// The password as it stands. Nothing should send one.
    pub const fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The host; IPv6 without brackets, empty for `tel:`.
    pub const fn host(&self) -> &'a str {
        self.host.host
    }

    /// The port.
    pub const fn port(&self) -> Option<u16> {
        self.host.port
    }

    /// Host and port together.
    pub const fn host_port(&self) -> HostPort<'a> {
        self.host
    }

    /// The parameters.
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// `transport=`, as it stands.
    pub fn transport(&self) -> Option<&'a str> {
        self.params.get("transport")
    }

    /// Whether it names a loose router (RFC 3261 section 19.1.1), with or without a value.
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// The headers after `?`, as they stand.
    pub const fn headers_raw(&self) -> &'a str {
        self.headers
    }

    /// The headers after `?` as name and value, not decoded.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let pairs = self.headers.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// RFC 3261 section 19.1.4: whether both mean the same place. A missing port or transport is
    /// not the default one, and a missing user is not an empty one.
    pub fn equivalent(&self, other: &SipUri<'_>) -> bool {
        if self.text == other.text {
            return true;
        }
        if self.scheme != other.scheme || self.scheme == Scheme::Other {
            return false;
        }
        let same_user = match (self.scheme, self.user, other.user) {
            (Scheme::Tel, Some(one), Some(two)) => dialled(one).eq(dialled(two)),
            (_, Some(one), Some(two)) => same_escaped(one, two, false),
            (_, one, two) => one.is_none() && two.is_none(),
        };
        let same_password = match (self.password, other.password) {
            (Some(one), Some(two)) => same_escaped(one, two, false),
            (one, two) => one.is_none() && two.is_none(),
        };
        same_user
            && same_password
            && same_host(self.host, other.host)
            && params_agree(self.params, other.params)
            && params_agree(other.params, self.params)
            && headers_agree(self, other)
            && headers_agree(other, self)
    }
}

/// The port that the text begins with, and what follows; `None` where that is no port.
fn port_prefix(text: &str) -> Option<(u16, &str)> {
    let mut port = 0;
    let mut length = 0;
    for byte in text.bytes().take_while(u8::is_ascii_digit) {
        port = port * 10 + u32::from(byte - b'0');
        if port > u32::from(u16::MAX) {
            return None;
        }
        length += 1;
    }
    let port = u16::try_from(port).ok().filter(|_| length > 0)?;
    Some((port, text.get(length..)?))
}

/// How long the parameters are that the text begins with; `None` where one of them is empty,
/// but a stray `;` at their end is forgiven.
fn uri_params(tail: &[u8]) -> Option<usize> {
    let mut at = 0;
    while tail.get(at) == Some(&b';') {
        let length = run_from(tail, at + 1, URI_PARAM);
        at += 1 + length;
        if length == 0 && tail.get(at) == Some(&b';') {
            return None;
        }
    }
    Some(at)
}

/// The text before the first `mark`, and the parameters from it on.
fn split_before(text: &str, mark: u8) -> (&str, Params<'_>) {
    let (before, params) = text.split_at(find(text, mark).unwrap_or(text.len()));
    (before, Params::new(params))
}

fn same_host(one: HostPort<'_>, two: HostPort<'_>) -> bool {
    let same = match (one.ip(), two.ip()) {
        (Some(one), Some(two)) => one == two,
        _ => one.host.eq_ignore_ascii_case(two.host),
    };
    same && one.port == two.port
}

/// Digits without visual separators (RFC 3966 section 4).
fn dialled(number: &str) -> impl Iterator<Item = u8> {
    number.bytes().filter(|byte| !b"-.()".contains(byte)).map(|byte| byte.to_ascii_lowercase())
}

/// Those that stand in both must agree; some must not stand in one alone.
fn params_agree(one: Params<'_>, two: Params<'_>) -> bool {
    one.iter().take(MAX_COMPARED).all(|(name, value)| match two.get(name) {
        Some(other) => same_escaped(value, other, true),
        None => !ALONE.iter().any(|known| name.eq_ignore_ascii_case(known)),
    })
}

fn headers_agree(one: &SipUri<'_>, two: &SipUri<'_>) -> bool {
    one.headers().take(MAX_COMPARED).all(|(name, value)| {
        let mut others = two.headers();
        others.any(|(n, v)| same_escaped(name, n, true) && same_escaped(value, v, false))
    })
}

/// Parameters and headers beyond this many are not compared, so that cost stays linear; no peer
/// in the field writes ten.
const MAX_COMPARED: usize = 32;

/// Never ignored when only one URI has them (RFC 3261 section 19.1.4, rules and examples).
const ALONE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

/// Equal when each character is, where `%xx` of an unreserved character is that character.
fn same_escaped(one: &str, two: &str, ignore_case: bool) -> bool {
    if one == two {
        return true;
    }
    let fold = move |(byte, kept): (u8, bool)| match ignore_case {
        true => (byte.to_ascii_lowercase(), kept),
        false => (byte, kept),
    };
    Unescaped::new(one).map(fold).eq(Unescaped::new(two).map(fold))
}

/// Bytes with escapes decoded; the flag says that it was an escape of a reserved character,
/// which is not the same as the character itself.
struct Unescaped<'a> {
    bytes: &'a [u8],
}

impl<'a> Unescaped<'a> {
    fn new(text: &'a str) -> Self {
        Unescaped { bytes: text.as_bytes() }
    }
}

impl Iterator for Unescaped<'_> {
    type Item = (u8, bool);

    fn next(&mut self) -> Option<(u8, bool)> {
        match *self.bytes {
            [b'%', high, low, ref rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                self.bytes = rest;
                let byte = nibble(high) << 4 | nibble(low);
                Some((byte, b";/?:@&=+$,".contains(&byte)))
            }
            [byte, ref rest @ ..] => {
                self.bytes = rest;
                Some((byte, false))
            }
            [] => None,
        }
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a' - 10),
    }
}

fn well_escaped(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = split_near(rest, b'%') {
        if !matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
        {
            return false;
        }
        rest = after;
    }
    true
}

/// The text with `%xx` decoded; bytes that are not UTF-8 become U+FFFD.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes: Vec<u8> = Unescaped::new(text).map(|(byte, _)| byte).collect();
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text with everything escaped that may not stand in the user part (RFC 3261 section 25.1).
pub fn escape_user(text: &str) -> Cow<'_, str> {
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
    if text.bytes().all(stands) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match stands(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests;
