//! The server's side: challenges and verdicts (RFC 7616 section 3.3, RFC 8760 section 2.3).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use super::hash::{Algorithm, Sealer, hex, same};
use super::{Exchange, Scheme};
use crate::base::{Duration, Instant, Secret};
use crate::sip::event::HeaderField;
use crate::sip::header::{HeaderName, unescape};
use crate::sip::message::Message;
use crate::sip::uri::SipUri;
use crate::sip::write::quoted;

/// What a request's credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There are none for this realm: challenge.
    Missing,
    /// The password is right, but the nonce is old, was ours before a restart or was used
    /// before: challenge with `stale`.
    Stale,
    /// They are wrong.
    Refused {
        /// Who they say it is; empty where they do not say.
        username: String,
        /// What is wrong.
        reason: RefusedReason,
    },
    /// They are right. The caller still decides what this user may do.
    Accepted {
        /// Who it is.
        username: String,
    },
    /// They were right before, in the very same message: a repeat whose answer was lost. It may
    /// be told the outcome once more, and must change nothing.
    Repeated {
        /// Who it is.
        username: String,
    },
}

/// Why credentials were refused. The peer is told the same for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// A field is missing or unreadable, or the algorithm or qop is not what we asked for.
    Malformed,
    /// They are for another resource than the Request-URI.
    OtherUri,
    /// Unknown user or wrong password; which one is nobody's business.
    WrongPassword,
}

/// Asks for credentials and judges them.
#[derive(Debug)]
pub struct Challenger {
    sealer: Sealer,
    /// Which of those with this key it is, and how many they are.
    own: u8,
    count: u8,
    proxy: bool,
    offers: Vec<Algorithm>,
    /// What each nonce was used for last, oldest nonce first.
    counts: BTreeMap<(Instant, [u8; 16]), Use>,
    /// How many of them are kept.
    pub(super) capacity: usize,
    /// Nonces issued up to here may have been used and forgotten.
    forgotten: Option<Instant>,
}

impl Challenger {
    /// What is offered unless told otherwise: the better first (RFC 8760 section 2.3).
    pub const OFFERS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    /// With a key of random bytes, made at each start: 401 and WWW-Authenticate.
    pub fn new(key: [u8; 32]) -> Challenger {
        Challenger {
            sealer: Sealer::new(&key),
            own: 0,
            count: 1,
            proxy: false,
            offers: Self::OFFERS.to_vec(),
            counts: BTreeMap::new(),
            capacity: MAX_COUNTS,
            forgotten: None,
        }
    }

    /// As [`new`](Challenger::new), for 407 and Proxy-Authenticate.
    pub fn proxy(key: [u8; 32]) -> Challenger {
        Challenger { proxy: true, ..Challenger::new(key) }
    }

    /// One of so many with the same key, which know each other's nonces and take only their own: how
    /// often a nonce was used is counted in one place, or each would take a replay once.
    pub fn among(self, own: u8, count: u8) -> Challenger {
        Challenger { own, count, ..self }
    }

    /// Offers these in this order, and takes no other. Clients should take the first that they
    /// know (RFC 8760 section 2.4); some only ever read the first.
    pub fn offering(self, offers: Vec<Algorithm>) -> Challenger {
        Challenger { offers, ..self }
    }

    /// 401 or 407.
    pub const fn status(&self) -> u16 {
        if self.proxy { 407 } else { 401 }
    }

    /// The headers of a challenge, in the order of preference (RFC 8760 section 2.3). `stale`
    /// tells the client to try again by itself. Each gives a fresh nonce, and nothing is remembered.
    pub fn challenge(
        &self,
        now: Instant,
        realm: &str,
        source: IpAddr,
        stale: bool,
    ) -> Vec<HeaderField> {
        self.challenge_by(&self.offers, now, realm, source, stale)
    }

    /// The same with MD5 alone, where that is offered at all: for phones that give up at what
    /// they do not know.
    pub fn challenge_md5(
        &self,
        now: Instant,
        realm: &str,
        source: IpAddr,
        stale: bool,
    ) -> Vec<HeaderField> {
        let md5 = self.offers.contains(&Algorithm::Md5);
        let offers = if md5 { &[Algorithm::Md5] } else { self.offers.as_slice() };
        self.challenge_by(offers, now, realm, source, stale)
    }

    fn challenge_by(
        &self,
        offers: &[Algorithm],
        now: Instant,
        realm: &str,
        source: IpAddr,
        stale: bool,
    ) -> Vec<HeaderField> {
        let name = match self.proxy {
            true => HeaderName::ProxyAuthenticate,
            false => HeaderName::WwwAuthenticate,
        };
        let nonce = self.nonce(now, realm, source);
        let quoted_realm = quoted(realm);
        let stale = if stale { ", stale=true" } else { "" };
        let field = |algorithm: &Algorithm| {
            let value = format!(
                "Digest realm={quoted_realm}, nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                algorithm.name()
            );
            (name.as_str().to_owned(), value)
        };
        offers.iter().map(field).collect()
    }

    /// Judges the credentials of `request` for `realm`. `password` looks a user up; unknown
    /// users cost the same hashes as known ones.
    pub fn verify<'p>(
        &mut self,
        now: Instant,
        request: &Message,
        realm: &str,
        source: IpAddr,
        password: impl FnOnce(&str) -> Option<&'p Secret>,
    ) -> Verdict {
        let Some(scheme) = self.credentials(request, realm) else { return Verdict::Missing };
        let raw_username = scheme.get("username").unwrap_or_default();
        let username = unescape(raw_username).into_owned();
        let Some(given) = self.read(&scheme) else {
            return Verdict::Refused { username, reason: RefusedReason::Malformed };
        };
        let exchange = Exchange { method: request.method_name(), ..given.exchange };
        let secret = password(&username);
        let expected = exchange.response(secret.map_or("", Secret::expose));
        let right = same(expected.as_bytes(), given.response.to_ascii_lowercase().as_bytes());
        if !right || secret.is_none() {
            return Verdict::Refused { username, reason: RefusedReason::WrongPassword };
        }
        if !same_resource(exchange.uri, request.request_uri()) {
            return Verdict::Refused { username, reason: RefusedReason::OtherUri };
        }
        let this = Use { count: given.count, message: fingerprint(request) };
        match self.spend(now, exchange.nonce, this, realm, source) {
            Spent::First => Verdict::Accepted { username },
            Spent::Again => Verdict::Repeated { username },
            Spent::Void => Verdict::Stale,
        }
    }

    /// Whether the credentials of `request` for `realm` carry a nonce that we, or another with our
    /// key, issued to `source`, however long ago: then their sender has read our challenge at that
    /// address, and nobody else plays it.
    pub fn is_answer(&self, request: &Message, realm: &str, source: IpAddr) -> bool {
        let nonce = self.credentials(request, realm).and_then(|scheme| scheme.get("nonce"));
        let by = |issuer| nonce.is_some_and(|n| self.issued(issuer, n, realm, source).is_some());
        by(self.own) || (0..self.count).any(by)
    }

    /// The credentials of a request for a realm.
    fn credentials<'a>(&self, request: &'a Message, realm: &str) -> Option<Scheme<'a>> {
        let name = match self.proxy {
            true => HeaderName::ProxyAuthorization,
            false => HeaderName::Authorization,
        };
        let escaped_realm = quoted(realm);
        let ours = |scheme: &Scheme<'_>| {
            scheme.is_digest()
                && scheme
                    .get("realm")
                    .is_some_and(|r| r == realm || format!("\"{r}\"") == escaped_realm)
        };
        request.values(name).take(MAX_CREDENTIALS).flat_map(Scheme::read_all).find(ours)
    }

    /// When one of us issued a nonce to that source for that realm, and the proof in it.
    fn issued(
        &self,
        issuer: u8,
        nonce: &str,
        realm: &str,
        source: IpAddr,
    ) -> Option<(Instant, [u8; 16])> {
        let (time, _) = nonce.split_at_checked(16)?;
        let issued = Instant::from_nanos(u64::from_str_radix(time, 16).ok()?);
        let proof = self.proof(issuer, issued, realm, source);
        let expected = format!("{:016x}{}", issued.as_nanos(), hex(&proof));
        same(expected.as_bytes(), nonce.as_bytes()).then_some((issued, proof))
    }

    /// The fields that must be there: `qop=auth` with nc and cnonce, an algorithm we offered.
    fn read<'a>(&self, scheme: &Scheme<'a>) -> Option<Given<'a>> {
        let (algorithm, session) = Algorithm::from_name(scheme.get("algorithm"))?;
        let offered = self.offers.contains(&algorithm);
        let username = scheme.get("username").filter(|name| !name.is_empty())?;
        let (cnonce, nc) = (scheme.get("cnonce").filter(|c| !c.is_empty())?, scheme.get("nc")?);
        let hexadecimal = nc.len() <= 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
        let auth = scheme.get("qop")?.eq_ignore_ascii_case("auth");
        if !offered || session || !hexadecimal || !auth {
            return None;
        }
        let exchange = Exchange {
            algorithm,
            session,
            username,
            realm: scheme.get("realm")?,
            nonce: scheme.get("nonce")?,
            count: Some((cnonce, nc)),
            method: "",
            uri: scheme.get("uri")?,
        };
        let count = u32::from_str_radix(nc, 16).ok()?;
        Some(Given { exchange, count, response: scheme.get("response")? })
    }

    /// The time, and the proof that we issued it then, to that source, for that realm.
    fn nonce(&self, issued: Instant, realm: &str, source: IpAddr) -> String {
        let proof = self.proof(self.own, issued, realm, source);
        format!("{:016x}{}", issued.as_nanos(), hex(&proof))
    }

    fn proof(&self, issuer: u8, issued: Instant, realm: &str, source: IpAddr) -> [u8; 16] {
        let time = issued.as_nanos().to_be_bytes();
        // The length tells the families apart.
        let (v4, v6);
        let source: &[u8] = match source.to_canonical() {
            IpAddr::V4(address) => {
                v4 = address.octets();
                &v4
            }
            IpAddr::V6(address) => {
                v6 = address.octets();
                &v6
            }
        };
        self.sealer.seal(&[&time, source, realm.as_bytes(), &[u8::from(self.proxy), issuer]])
    }

    /// Uses up one count of a nonce.
    fn spend(&mut self, now: Instant, nonce: &str, this: Use, realm: &str, ip: IpAddr) -> Spent {
        let Some((issued, proof)) = self.issued(self.own, nonce, realm, ip) else {
            return Spent::Void;
        };
        if now.since(issued) > NONCE_LIFE {
            return Spent::Void;
        }
        self.forget_old(now);
        match self.counts.get_mut(&(issued, proof)) {
            Some(last) if *last == this => Spent::Again,
            Some(last) if last.count >= this.count => Spent::Void,
            Some(last) => {
                *last = this;
                Spent::First
            }
            None if this.count == 0 || self.forgotten.is_some_and(|until| issued <= until) => {
                Spent::Void
            }
            None => {
                self.counts.insert((issued, proof), this);
                Spent::First
            }
        }
    }

    /// Keeps the table in its bound. What is dropped early must not be usable again.
    fn forget_old(&mut self, now: Instant) {
        while let Some(first) = self.counts.first_entry() {
            let issued = first.key().0;
            let expired = now.since(issued) > NONCE_LIFE;
            if !expired && self.counts.len() < self.capacity {
                return;
            }
            self.counts.pop_first();
            self.forgotten = self.forgotten.max(Some(issued));
        }
    }
}

/// One use of a nonce: its count, and the message that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    count: u32,
    message: u64,
}

/// What became of a use.
enum Spent {
    First,
    Again,
    Void,
}

/// The same for repeats of a message, which are equal byte for byte (RFC 3261 section 17.1.2). Who
/// finds two messages with one fingerprint gains nothing: a repeat changes nothing.
fn fingerprint(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.as_bytes().hash(&mut hasher);
    hasher.finish()
}

/// What the peer gave.
struct Given<'a> {
    exchange: Exchange<'a>,
    count: u32,
    response: &'a str,
}

/// Whether the digest's uri is that of the request. Ports and parameters may differ: phones
/// leave them out, and proxies on the way add them; user and host are what is being guarded.
fn same_resource(digest_uri: &str, request_uri: &str) -> bool {
    if digest_uri == request_uri {
        return true;
    }
    let bare = |text| {
        let uri = SipUri::parse(text)?;
        let host = uri.host().to_ascii_lowercase();
        Some((uri.scheme(), uri.user().map(|user| user.into_owned()), host))
    };
    bare(digest_uri).is_some_and(|one| bare(request_uri) == Some(one))
}

/// How long a nonce may be used.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// Nonces whose counts are kept, about 8 MB: 100,000 phones that register within one
/// [`NONCE_LIFE`]. Beyond it the oldest turn stale before their time.
const MAX_COUNTS: usize = 131_072;

/// Credentials looked at in one request: one for each proxy on a long way.
const MAX_CREDENTIALS: usize = 8;
